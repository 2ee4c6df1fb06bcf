import ArgumentParser
import CSRTP
import CXDP
import Glibc
import Wire

/// `needletail-bench reference`: what everything is compared with. One thread, one socket: receive a packet, open it with
/// libsrtp, and for each sink copy it, protect it with libsrtp (AES-128-GCM) and send it with sendto.
struct ReferenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reference", abstract: "The reference forwarder: recvfrom, libsrtp, sendto.", shouldDisplay: false)

  @Option(help: "IPv4 address to receive on.") var address: String
  @Option(help: "UDP port.") var port: UInt16

  func run() throws {
    guard srtp_init() == srtp_err_status_ok else { throw BenchFailure("libsrtp cannot start") }
    var forwarder = try ReferenceForwarder(address: address, port: port)
    try forwarder.run()
  }
}

struct ReferenceForwarder {
  private struct Sink {
    var name: sockaddr_in
    var session: srtp_t
  }

  private let socket: CInt
  private let publisher: srtp_t
  private var sinks: [Sink] = []
  private let received = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 64)
  private let copy = UnsafeMutableRawPointer.allocate(byteCount: 2048 + 256, alignment: 64)

  init(address: String, port: UInt16) throws {
    socket = Glibc.socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
    publisher = try Self.session(of: nil)
    guard case .v4(let ip)? = IPAddress(address) else { throw BenchFailure("\(address) is no IPv4 address") }
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = ip.bigEndian
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard bound == 0 else { throw BenchFailure("cannot bind \(address):\(port)") }
  }

  mutating func run() throws {
    print("ready")
    fflush(nil)
    while true {
      var from = sockaddr_in()
      var fromLength = socklen_t(MemoryLayout<sockaddr_in>.size)
      let count = withUnsafeMutablePointer(to: &from) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(socket, received, 2048, 0, $0, &fromLength) }
      }
      guard count >= 12 else { continue }
      if let sink = ReferenceKeys.sink(UnsafeRawBufferPointer(start: received, count: count)) {
        sinks.append(Sink(name: from, session: try Self.session(of: sink)))
      } else if isRTP {
        forward(count)
      }
    }
  }

  private var isRTP: Bool {
    let bytes = UnsafeRawBufferPointer(start: received, count: 2)
    return bytes[0] >> 6 == 2 && !(64...95).contains(bytes[1] & 0x7f)
  }

  private mutating func forward(_ count: Int) {
    var length = CInt(count)
    guard srtp_unprotect(publisher, received, &length) == srtp_err_status_ok else { return }
    for index in sinks.indices {
      copy.copyMemory(from: received, byteCount: Int(length))
      var copyLength = length
      guard srtp_protect(sinks[index].session, copy, &copyLength) == srtp_err_status_ok else { continue }
      withUnsafePointer(to: sinks[index].name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          _ = sendto(socket, copy, Int(copyLength), 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
  }

  /// The session that protects for a sink; nil: the one that opens what the publisher sends.
  private static func session(of sink: Int?) throws -> srtp_t {
    let keys = try ReferenceKeys.keys(of: sink)
    var policy = srtp_policy_t()
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp)
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp)
    policy.ssrc.type = sink == nil ? ssrc_any_inbound : ssrc_any_outbound
    policy.window_size = 1024
    var material = keys.masterKey + keys.masterSalt
    var session: srtp_t?
    let status = material.withUnsafeMutableBufferPointer { buffer in
      policy.key = buffer.baseAddress
      return srtp_create(&session, &policy)
    }
    guard status == srtp_err_status_ok, let session else { throw BenchFailure("libsrtp refuses the keys") }
    return session
  }
}
