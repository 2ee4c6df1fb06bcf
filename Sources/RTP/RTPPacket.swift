import Wire

/// One RTP packet as a value, for tests, tools and slow paths; the forwarding path uses `RTPLayout`
/// (RFC 3550 section 5.1, diagram there).
public struct RTPPacket: Hashable, Sendable {
  /// Why bytes are not an RTP packet.
  public enum ParsingError: Error, Hashable, Sendable {
    /// Not version 2, or a part that the header announces does not fit.
    case malformedHeader
    /// The padding count is 0 or reaches into the header.
    case badPadding
  }

  public var header: RTPHeader
  public var payload: [UInt8]
  /// Padding bytes, their count included; 0 for none.
  public var paddingLength: UInt8

  public init(header: RTPHeader, payload: [UInt8], paddingLength: UInt8 = 0) {
    self.header = header
    self.payload = payload
    self.paddingLength = paddingLength
  }

  /// Reads a packet in clear.
  public static func decode(_ bytes: [UInt8]) throws(ParsingError) -> RTPPacket {
    let parsed: (header: RTPHeader, layout: RTPLayout, isPaddingValid: Bool)? = bytes.withUnsafeBytes { packet in
      guard var layout = RTPLayout.parseProtected(packet) else { return nil }
      let isPaddingValid = layout.readPadding(packet)
      return (RTPHeader(layout, of: packet), layout, isPaddingValid)
    }
    guard let parsed else { throw .malformedHeader }
    guard parsed.isPaddingValid else { throw .badPadding }
    let payload = bytes[parsed.layout.payloadOffset...].dropLast(parsed.layout.paddingLength)
    return RTPPacket(
      header: parsed.header, payload: Array(payload), paddingLength: UInt8(parsed.layout.paddingLength))
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(capacity: 64 + payload.count)
    header.encode(hasPadding: paddingLength > 0, into: &writer)
    writer.append(payload)
    if paddingLength > 0 {
      writer.append([UInt8](repeating: 0, count: Int(paddingLength) - 1))
      writer.u8(paddingLength)
    }
    return writer.bytes
  }
}
