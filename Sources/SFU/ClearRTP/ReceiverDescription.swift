import Forwarding
import SDP
import Wire

/// The SDP (RFC 8866) of what a clear-RTP receiver gets, for the program that plays or records it: one m-line for each
/// kind of media, at the address where it arrives, with the codecs of the tracks received now, or, while there are none,
/// of all it takes.
struct ReceiverDescription {
  let setup: RTPParticipant
  let sessions: [PeerSession]

  var text: String {
    let lines = sessions.flatMap(sections)
    let isBundle = lines.count > sessions.count
    var text = [
      "v=0", "o=- \(sessions.first?.id.rawValue ?? 0) 1 \(origin)", "s=\(setup.room) \(setup.name)", "t=0 0",
      "a=tool:needletail",
    ]
    if isBundle { text.append("a=group:BUNDLE " + lines.map(\.kind.rawValue).joined(separator: " ")) }
    for line in lines {
      text += line.lines
      if isBundle { text.append("a=mid:\(line.kind.rawValue)") }
    }
    return text.map { $0 + "\r\n" }.joined()
  }

  private var origin: String { sessions.first?.tuple.map { Self.network($0.local.ip) } ?? "IN IP4 0.0.0.0" }

  private typealias Section = (kind: MediaKind, lines: [String])

  private func sections(_ session: PeerSession) -> [Section] {
    guard let remote = session.tuple?.remote, let subscriber = session.subscriber else { return [] }
    return [MediaKind.audio, .video].compactMap { kind in
      let formats = subscriber.formats.filter { $0.kind == kind }
      guard !formats.isEmpty else { return nil }
      return (kind, section(kind, remote, formats, subscriber.subscriptions))
    }
  }

  private func section(
    _ kind: MediaKind, _ remote: SocketAddress, _ formats: [RTPFormat], _ subscriptions: [Subscription]
  ) -> [String] {
    let types = Set(formats.map(\.payloadType))
    let received = subscriptions.filter { $0.accepted?.codecs.contains { types.contains($0.payloadType) } ?? false }
    let codecs = unique(received.isEmpty ? formats.map(\.sent) : received.flatMap { $0.accepted?.codecs ?? [] })
    var lines = [
      "m=\(kind.rawValue) \(remote.port) RTP/AVP " + codecs.map { "\($0.payloadType)" }.joined(separator: " "),
      "c=\(Self.network(remote.ip))\(remote.ip.isMulticast && !remote.ip.isV6 ? "/1" : "")",
    ]
    for codec in codecs {
      let channels = codec.channels > 1 ? "/\(codec.channels)" : ""
      lines.append("a=rtpmap:\(codec.payloadType) \(codec.name)/\(codec.clockRate)\(channels)")
      let given = formats.first { $0.payloadType == codec.payloadType }?.fmtp
      if let fmtp = given ?? codec.fmtp { lines.append("a=fmtp:\(codec.payloadType) \(Self.oneLine(fmtp))") }
    }
    switch setup.rtcp {
    case .mux: lines.append("a=rtcp-mux")
    case .next: break
    case .address(let address): lines.append("a=rtcp:\(address.port) \(Self.network(address.ip))")
    }
    for subscription in received { lines.append("a=ssrc:\(subscription.ssrc) cname:\(subscription.from.rawValue)") }
    return lines + ["a=recvonly"]
  }

  /// The first of each payload type.
  private func unique(_ codecs: [NegotiatedCodec]) -> [NegotiatedCodec] {
    var seen: Set<UInt8> = []
    return codecs.filter { seen.insert($0.payloadType).inserted }
  }

  private static func network(_ ip: IPAddress) -> String { "IN IP\(ip.isV6 ? 6 : 4) \(ip)" }

  /// Publishers write parameters as they like, but not lines of ours.
  private static func oneLine(_ text: String) -> String {
    String(decoding: text.utf8.filter { $0 >= 0x20 && $0 != 0x7f }, as: UTF8.self)
  }
}
