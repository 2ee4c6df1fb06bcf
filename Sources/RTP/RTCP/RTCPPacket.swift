import Wire

/// One RTCP packet: the messages this server understands, every other one raw.
public enum RTCPPacket: Hashable, Sendable {
  case senderReport(SenderReport)
  case receiverReport(ReceiverReport)
  case sdes(SDES)
  case bye(BYE)
  case app(APP)
  case nack(NACK)
  case transportFeedback(TransportFeedback)
  case pli(PLI)
  case fir(FIR)
  case remb(REMB)
  /// Of a type or feedback format not listed above, extended reports (RFC 3611) among them.
  case unknown(RawRTCPPacket)

  /// Reads all packets of one datagram in clear: a compound packet (RFC 3550 section 6.1) or one of reduced size
  /// (RFC 5506). One malformed packet condemns the datagram.
  public static func decode(compound bytes: [UInt8]) throws(RTCPError) -> [RTCPPacket] {
    var reader = ByteReader(bytes)
    var packets: [RTCPPacket] = []
    repeat {
      packets.append(try RTCPPacket(RawRTCPPacket(from: &reader)))
    } while !reader.isAtEnd
    return packets
  }

  /// One datagram with `packets` in their order. The caller chooses an order that RFC 3550 section 6.1 allows. A
  /// packet too long for the length field (256 KiB) is left out.
  public static func encode(_ packets: [RTCPPacket]) -> [UInt8] {
    var writer = ByteWriter(capacity: 256)
    for packet in packets { packet.raw.encode(into: &writer) }
    return writer.bytes
  }

  /// Interprets one framed packet.
  public init(_ raw: RawRTCPPacket) throws(RTCPError) {
    switch raw.packetType {
    case RTCPPacketType.senderReport: self = .senderReport(try SenderReport(raw))
    case RTCPPacketType.receiverReport: self = .receiverReport(try ReceiverReport(raw))
    case RTCPPacketType.sourceDescription: self = .sdes(try SDES(raw))
    case RTCPPacketType.goodbye: self = .bye(try BYE(raw))
    case RTCPPacketType.applicationDefined: self = .app(try APP(raw))
    case RTCPPacketType.transportLayerFeedback: self = try Self.transportLayer(raw)
    case RTCPPacketType.payloadSpecificFeedback: self = try Self.payloadSpecific(raw)
    default: self = .unknown(raw)
    }
  }

  private static func transportLayer(_ raw: RawRTCPPacket) throws(RTCPError) -> RTCPPacket {
    switch raw.count {
    case NACK.format: .nack(try NACK(raw))
    case TransportFeedback.format: .transportFeedback(try TransportFeedback(raw))
    default: .unknown(raw)
    }
  }

  private static func payloadSpecific(_ raw: RawRTCPPacket) throws(RTCPError) -> RTCPPacket {
    switch raw.count {
    case PLI.format: .pli(try PLI(raw))
    case FIR.format: .fir(try FIR(raw))
    case REMB.format where REMB.isREMB(raw): .remb(try REMB(raw))
    default: .unknown(raw)
    }
  }

  /// The packet as it is framed on the wire.
  public var raw: RawRTCPPacket {
    switch self {
    case .senderReport(let message): message.raw
    case .receiverReport(let message): message.raw
    case .sdes(let message): message.raw
    case .bye(let message): message.raw
    case .app(let message): message.raw
    case .nack(let message): message.raw
    case .transportFeedback(let message): message.raw
    case .pli(let message): message.raw
    case .fir(let message): message.raw
    case .remb(let message): message.raw
    case .unknown(let raw): raw
    }
  }
}
