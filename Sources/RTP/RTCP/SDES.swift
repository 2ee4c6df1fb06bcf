import Wire

/// SDES: who the sources are (RFC 3550 section 6.5).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    SC   |  PT=SDES=202  |             length            |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                          SSRC/CSRC_1                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  item type    |    length     | text …           0, to 32 bits|
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// ```
public struct SDES: Hashable, Sendable {
  /// One source with its items.
  public struct Chunk: Hashable, Sendable {
    public var ssrc: UInt32
    public var items: [Item]

    public init(ssrc: UInt32, items: [Item]) {
      self.ssrc = ssrc
      self.items = items
    }
  }

  public struct Item: Hashable, Sendable {
    /// CNAME, the canonical name that all sources of one endpoint share.
    public static let cname: UInt8 = 1

    /// 1 to 255; 0 ends a chunk and is encoded as if the item were not there.
    public let type: UInt8
    /// At most 255 bytes, UTF-8 by the specification.
    public let text: [UInt8]

    /// Keeps the first 255 bytes of `text`.
    public init(type: UInt8, text: some Sequence<UInt8>) {
      self.type = type
      self.text = Array(text.prefix(255))
    }
  }

  /// The first 31 are encoded.
  public var chunks: [Chunk]

  public init(chunks: [Chunk]) { self.chunks = chunks }

  /// The one chunk that every compound packet must carry.
  public init(ssrc: UInt32, cname: String) {
    self.init(chunks: [Chunk(ssrc: ssrc, items: [Item(type: Item.cname, text: cname.utf8)])])
  }

  /// The canonical name of `ssrc`; nil if it is not there.
  public func cname(of ssrc: UInt32) -> String? {
    let items = chunks.lazy.filter { $0.ssrc == ssrc }.flatMap(\.items)
    return items.first { $0.type == Item.cname }.map { String(decoding: $0.text, as: UTF8.self) }
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    chunks = reader.list(of: Int(reader.count)) { (reader) throws(RTCPError) in
      Chunk(ssrc: try reader.u32(), items: Self.items(from: &reader))
    }
  }

  /// Items up to and with the null bytes that end the chunk at a 32-bit boundary.
  private static func items(from reader: inout RTCPBodyReader) -> [Item] {
    var items: [Item] = []
    while let item = reader.whole(Self.item), item.type != 0 { items.append(item) }
    _ = reader.whole { (reader) throws(RTCPError) in try reader.take((4 - reader.position % 4) % 4) }
    return items
  }

  /// Of type 0 where the items end.
  private static func item(from reader: inout RTCPBodyReader) throws(RTCPError) -> Item {
    let type = try reader.u8()
    return Item(type: type, text: type == 0 ? [] : try reader.take(Int(try reader.u8())))
  }

  var raw: RawRTCPPacket {
    let chunks = chunks.prefix(31)
    var writer = ByteWriter()
    for chunk in chunks {
      writer.u32(chunk.ssrc)
      for item in chunk.items where item.type != 0 {
        writer.u8(item.type)
        writer.u8(UInt8(item.text.count))
        writer.append(item.text)
      }
      writer.u8(0)
      writer.pad(to: 4)
    }
    return RawRTCPPacket(
      count: UInt8(chunks.count), packetType: RTCPPacketType.sourceDescription, content: writer.bytes)
  }
}
