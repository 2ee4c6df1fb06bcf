import Wire

/// A frame to the media port as the kernel programs are to read it, written again plainly: RTP, or the verdict before.
enum ExpectedReading {
  case ended(String)
  case rtp(RTPFrame)

  struct RTPFrame {
    /// Where the IP header, the UDP header, the RTP packet begin, and where that ends.
    var (ip, udp, rtp, end) = (14, 0, 0, 0)
    var isV6 = false
    var remote = SocketAddress(.v4(0), 0)
    var local = SocketAddress(.v4(0), 0)
    var ssrc: UInt32 = 0

    /// Where the time to live is.
    var hops: Int { ip + (isV6 ? 7 : 8) }

    /// Between the transport of the tables, whose IPv6 twin has the same ports.
    var isOfTransport: Bool {
      let (there, here) = isV6 ? ("fd00::2", "fd00::1") : ("10.0.0.2", "10.0.0.1")
      return remote.ip == IPAddress(there) && remote.port == 5000 && local.ip == IPAddress(here)
    }

    private static let ours = [IPAddress("10.0.0.1"), IPAddress("fd00::1")]

    /// What becomes of it if it is of no source.
    var verdictWithoutSource: String {
      if isOfTransport { return "pass_unknown_ssrc" }
      if !Self.ours.contains(local.ip) { return "pass_not_local" }
      return Self.ours.contains(remote.ip) && remote.port == local.port ? "drop_loop" : "drop_unknown_sender"
    }
  }

  static func of(_ frame: [UInt8]) -> ExpectedReading {
    var packet = RTPFrame()
    var type = frame.u16(12)
    if type == 0x8100 {
      guard frame.count >= 18 else { return .ended("pass_not_ip") }
      (packet.ip, type) = (18, frame.u16(16))
    }
    guard type == 0x0800 || type == 0x86dd else { return .ended("pass_not_ip") }
    packet.isV6 = type == 0x86dd
    packet.udp = packet.ip + (packet.isV6 ? 40 : 20)
    let verdict =
      ip(frame, packet.ip, isV6: packet.isV6)
      ?? udp(frame, packet.udp, room: packet.isV6 ? frame.u16(packet.ip + 4) : frame.u16(packet.ip + 2) - 20)
      ?? payload(frame[(packet.udp + 8)..<(packet.udp + frame.u16(packet.udp + 4))])
      ?? (packet.isV6 || hasGoodHeader(frame[packet.ip..<packet.ip + 20]) ? nil : "pass_bad_checksum")
    if let verdict { return .ended(verdict) }
    let (source, length) = packet.isV6 ? (packet.ip + 8, 16) : (packet.ip + 12, 4)
    func address(_ at: Int, port: Int) -> SocketAddress {
      SocketAddress(IPAddress(bytes: Array(frame[at..<at + length])) ?? .v4(0), UInt16(frame.u16(port)))
    }
    packet.remote = address(source, port: packet.udp)
    packet.local = address(source + length, port: packet.udp + 2)
    (packet.rtp, packet.end) = (packet.udp + 8, packet.udp + frame.u16(packet.udp + 4))
    packet.ssrc = UInt32(frame.u16(packet.rtp + 8)) << 16 | UInt32(frame.u16(packet.rtp + 10))
    return .rtp(packet)
  }

  /// The verdict that ends the packet's way at its IP header; nil if none does.
  private static func ip(_ frame: [UInt8], _ at: Int, isV6: Bool) -> String? {
    guard frame.count >= at + (isV6 ? 40 : 20) else { return "pass_truncated" }
    let next = frame[at + (isV6 ? 6 : 9)]
    if isV6, next == 44 { return "pass_fragment" }
    guard next == 17 else { return "pass_not_udp" }
    if isV6 { return frame[at] >> 4 == 6 && frame.u16(at + 4) >= 8 ? nil : "pass_truncated" }
    guard frame[at] >> 4 == 4, frame[at] & 15 >= 5 else { return "pass_truncated" }
    guard frame[at] & 15 == 5 else { return "pass_options" }
    guard frame.u16(at + 6) & 0x3fff == 0 else { return "pass_fragment" }
    return frame.u16(at + 2) >= 28 ? nil : "pass_truncated"
  }

  private static func udp(_ frame: [UInt8], _ at: Int, room: Int) -> String? {
    guard frame.count >= at + 8 else { return "pass_truncated" }
    guard frame.u16(at + 2) == TestProgram.mediaPort else { return "pass_other_port" }
    return (8...max(8, min(room, frame.count - at))).contains(frame.u16(at + 4)) ? nil : "pass_truncated"
  }

  /// RFC 1071: the sum of all words, the checksum's too, is all ones.
  private static func hasGoodHeader(_ header: ArraySlice<UInt8>) -> Bool {
    let words = stride(from: header.startIndex, to: header.endIndex, by: 2).map {
      Int(header[$0]) << 8 | Int(header[$0 + 1])
    }
    return words.reduce(0, +) % 0xffff == 0
  }

  /// RFC 7983, RFC 5761.
  private static func payload(_ payload: ArraySlice<UInt8>) -> String? {
    switch payload.first {
    case .some(0...3): return "pass_stun"
    case .some(20...63): return "pass_dtls"
    case .some(128...191):
      guard payload.count >= 2 else { return "pass_unknown_protocol" }
      if (64...95).contains(payload[payload.startIndex + 1] & 0x7f) { return "pass_rtcp" }
      return payload.count >= 12 ? nil : "pass_unknown_protocol"
    default: return "pass_unknown_protocol"
    }
  }
}

extension [UInt8] {
  /// Two octets in network order.
  func u16(_ at: Int) -> Int { Int(self[at]) << 8 | Int(self[at + 1]) }

  mutating func put(_ value: Int, at offset: Int) {
    self[offset] = UInt8(truncatingIfNeeded: value >> 8)
    self[offset + 1] = UInt8(truncatingIfNeeded: value)
  }
}
