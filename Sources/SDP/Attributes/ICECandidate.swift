import Wire

/// An ICE candidate (RFC 8839 section 5.1), as in `a=candidate:…` and in a browser's `RTCIceCandidate.candidate`.
public struct ICECandidate: Hashable, Sendable {
  public var foundation: String
  /// 1: RTP (and RTCP where multiplexed), 2: RTCP.
  public var component: UInt16
  /// "udp" or "tcp", as written.
  public var transport: String
  public var priority: UInt32
  /// An IP address, or a name (mDNS).
  public var address: String
  public var port: UInt16
  /// "host", "srflx", "prflx" or "relay".
  public var type: String
  /// What follows the type, as written: raddr, rport, tcptype, generation, …
  public var extensions: String

  /// A host candidate over UDP. The first of a list (`index` 0) has the highest priority (RFC 8445 section 5.1.2).
  public init(host address: SocketAddress, index: Int) {
    let local = UInt32(65535 - min(max(index, 0), 65535))
    foundation = "\(min(max(index, 0), 65535) + 1)"
    component = 1
    transport = "udp"
    priority = 126 << 24 | local << 8 | 255
    self.address = "\(address.ip)"
    port = address.port
    type = "host"
    extensions = ""
  }

  /// From `candidate:…`, `a=candidate:…` or what follows the colon; nil if it is malformed.
  public init?(_ text: some StringProtocol) {
    var rest = text[...]
    for prefix in ["a=", "candidate:"] where rest.hasPrefix(prefix) { rest = rest.dropFirst(prefix.count) }
    let words = rest.words
    guard words.count >= 8, words.count <= 64, words[6] == "typ", (1...32).contains(words[0].utf8.count),
      words[7].isToken,
      let component: UInt16 = decimal(words[1]), (1...256).contains(component),
      let priority: UInt32 = decimal(words[3]),
      let port: UInt16 = decimal(words[5]), words[2].isToken, words[4].utf8.count <= 256
    else { return nil }
    foundation = String(words[0])
    self.component = component
    transport = String(words[2])
    self.priority = priority
    address = String(words[4])
    self.port = port
    type = String(words[7])
    extensions = words[8...].joined(separator: " ")
  }

  /// Where checks go; nil for a name, or a candidate that is not UDP.
  public var socketAddress: SocketAddress? {
    guard transport.lowercased() == "udp", let ip = IPAddress(address) else { return nil }
    return SocketAddress(ip, port)
  }
}

extension ICECandidate: CustomStringConvertible {
  /// What follows `a=candidate:`.
  public var description: String {
    let base = "\(foundation) \(component) \(transport) \(priority) \(address) \(port) typ \(type)"
    return extensions.isEmpty ? base : "\(base) \(extensions)"
  }
}
