import Wire

/// Full intra request: a command to send a key frame, repeated under the same number until it is answered
/// (RFC 5104 section 4.3.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  FMT=4  |     PT=206    |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               SSRC of media source, not used: 0               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                              SSRC                             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+   one or more
/// |    seq nr.    |                    reserved                   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct FIR: Hashable, Sendable {
  static let format: UInt8 = 4

  public struct Entry: Hashable, Sendable {
    /// The source that is to send a key frame.
    public var ssrc: UInt32
    /// Command sequence number: one higher (wrapping) for each new command, the same in its repetitions.
    public var sequenceNumber: UInt8

    public init(ssrc: UInt32, sequenceNumber: UInt8) {
      self.ssrc = ssrc
      self.sequenceNumber = sequenceNumber
    }
  }

  public var senderSSRC: UInt32
  public var entries: [Entry]

  public init(senderSSRC: UInt32, entries: [Entry]) {
    self.senderSSRC = senderSSRC
    self.entries = entries
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    senderSSRC = try reader.u32()
    _ = try reader.u32()
    entries = reader.list { (reader) throws(RTCPError) in
      let entry = Entry(ssrc: try reader.u32(), sequenceNumber: try reader.u8())
      _ = try reader.u24()
      return entry
    }
  }

  var raw: RawRTCPPacket {
    var writer = ByteWriter(capacity: 8 + entries.count * 8)
    writer.u32(senderSSRC)
    writer.u32(0)
    for entry in entries {
      writer.u32(entry.ssrc)
      writer.u8(entry.sequenceNumber)
      writer.u24(0)
    }
    return RawRTCPPacket(
      count: Self.format, packetType: RTCPPacketType.payloadSpecificFeedback, content: writer.bytes)
  }
}
