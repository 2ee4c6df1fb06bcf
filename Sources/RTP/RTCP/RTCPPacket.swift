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

  /// All packets of one datagram in clear, if every one is without fault. `RTCPCompound` takes what can be read.
  public static func decode(compound bytes: [UInt8]) throws(RTCPError) -> [RTCPPacket] {
    let compound = RTCPCompound(bytes)
    if let fault = compound.faults.first { throw fault }
    return compound.packets
  }

  /// One datagram with `packets` in their order. The caller chooses an order that RFC 3550 section 6.1 allows. A
  /// packet too long for the length field (256 KiB) is left out.
  public static func encode(_ packets: [RTCPPacket]) -> [UInt8] {
    var writer = ByteWriter(capacity: 256)
    for packet in packets { packet.raw.encode(into: &writer) }
    return writer.bytes
  }

  /// Interprets one framed packet. Lists that end before their announced length are taken as far as they go, which
  /// `reader` notes.
  init(_ raw: RawRTCPPacket, _ reader: inout RTCPBodyReader) throws(RTCPError) {
    switch raw.packetType {
    case RTCPPacketType.senderReport: self = .senderReport(try SenderReport(&reader))
    case RTCPPacketType.receiverReport: self = .receiverReport(try ReceiverReport(&reader))
    case RTCPPacketType.sourceDescription: self = .sdes(try SDES(&reader))
    case RTCPPacketType.goodbye: self = .bye(try BYE(&reader))
    case RTCPPacketType.applicationDefined: self = .app(try APP(&reader))
    case RTCPPacketType.transportLayerFeedback: self = try Self.transportLayer(raw, &reader)
    case RTCPPacketType.payloadSpecificFeedback: self = try Self.payloadSpecific(raw, &reader)
    default: self = .unknown(raw)
    }
  }

  private static func transportLayer(
    _ raw: RawRTCPPacket, _ reader: inout RTCPBodyReader
  ) throws(RTCPError) -> RTCPPacket {
    switch raw.count {
    case NACK.format: .nack(try NACK(&reader))
    case TransportFeedback.format: .transportFeedback(try TransportFeedback(&reader))
    default: .unknown(raw)
    }
  }

  private static func payloadSpecific(
    _ raw: RawRTCPPacket, _ reader: inout RTCPBodyReader
  ) throws(RTCPError) -> RTCPPacket {
    switch raw.count {
    case PLI.format: .pli(try PLI(&reader))
    case FIR.format: .fir(try FIR(&reader))
    case REMB.format where REMB.isREMB(raw): .remb(try REMB(&reader))
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
