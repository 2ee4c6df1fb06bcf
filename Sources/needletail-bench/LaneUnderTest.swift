import CSRTP
import CXDP
import FastPath
import Forwarding
import Glibc
import SRTP
import Wire

/// Copies sent: all of them, and those on the lane that is measured.
struct LaneCounts: Equatable {
  var all: UInt64
  var wanted: UInt64
}

/// What forwards the publisher's packets to the receivers, on a thread of its own.
protocol LaneUnderTest {
  var threadName: String { get }
  func counts() -> LaneCounts
  func stop()
}

/// The fast path on one lane.
struct FastPathUnderTest: LaneUnderTest {
  let threadName = "needletail"
  private let fastPath: FastPath
  private let lane: LaneChoice

  init(_ scene: LaneScene, lane: LaneChoice, cpu: Int) throws {
    self.lane = lane
    fastPath = try FastPath(
      configuration: FastPathConfiguration(
        mediaPort: scene.media.port, interfaces: ["eth0"], lane: lane, workerCPU: cpu),
      log: { _, _, _ in }, events: { _ in })
    try scene.sendChecks()
    let source = SourceID(rawValue: 0)
    func tuple(_ remote: SocketAddress) -> FiveTuple { FiveTuple(local: scene.media, remote: remote) }
    func transport(_ number: Int, _ remote: SocketAddress, _ keys: SRTPKeys) -> FastPathCommand {
      .addTransport(
        Transport(
          id: TransportID(rawValue: UInt32(number)), tuple: tuple(remote),
          protection: .srtp(inbound: keys, outbound: keys)))
    }
    var commands = [
      transport(0, scene.publisherAddress, scene.publisherKeys),
      .addSource(
        Source(
          id: source, transport: TransportID(rawValue: 0), ssrc: LaneScene.publisherSSRC, kind: .video,
          clockRate: 90_000)),
    ]
    for (number, (remote, keys)) in zip(scene.receiverAddresses, scene.receiverKeys).enumerated() {
      commands.append(transport(number + 1, remote, keys))
      commands.append(
        .addSink(
          Sink(
            id: SinkID(rawValue: UInt32(number)), source: source, transport: TransportID(rawValue: UInt32(number + 1)),
            ssrc: 0xb000 + UInt32(number), payloadTypes: [96: 120])))
    }
    fastPath.perform(commands)
  }

  func counts() -> LaneCounts {
    let sinks = fastPath.statistics().sinks
    return LaneCounts(
      all: sinks.reduce(0) { $0 + $1.packets },
      wanted: sinks.reduce(0) { $0 + (lane == .xsk ? $1.packetsOnXSK : $1.packetsOnSocket) })
  }

  func stop() { fastPath.stop() }
}

/// The plain loop: recv, unprotect; for each receiver copy, rewrite, protect, sendmsg.
struct ReferenceUnderTest: LaneUnderTest {
  let threadName = ReferenceLoop.threadName
  private let loop: ReferenceLoop

  init(_ scene: LaneScene, cpu: Int) throws {
    let publisher = scene.publisherKeys
    let receivers = Array(zip(scene.receiverAddresses, scene.receiverKeys))
    loop = try ReferenceLoop(scene.media, cpu: cpu) { loop in try? Self.forward(loop, publisher, receivers) }
  }

  private static func forward(
    _ loop: ReferenceLoop, _ publisher: SRTPKeys, _ receivers: [(SocketAddress, SRTPKeys)]
  ) throws {
    let opener = try LibSRTPSession(publisher, ssrc: ssrc_any_inbound)
    var sinks = try receivers.map { (LaneScene.name($0.0), try LibSRTPSession($0.1, ssrc: ssrc_any_outbound)) }
    let received = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 64)
    let copy = received + 2048
    defer { received.deallocate() }
    while !loop.isStopping {
      let count = recv(loop.socket, received, 2048, 0)
      guard count > 12 else { continue }
      var length = CInt(count)
      guard srtp_unprotect(opener.session, received, &length) == srtp_err_status_ok else { continue }
      for number in sinks.indices {
        copy.copyMemory(from: received, byteCount: Int(length))
        copy.storeBytes(of: 120, toByteOffset: 1, as: UInt8.self)
        copy.storeBytes(of: UInt32(0xb000 + number).bigEndian, toByteOffset: 8, as: UInt32.self)
        var copyLength = length
        guard srtp_protect(sinks[number].1.session, copy, &copyLength) == srtp_err_status_ok else { continue }
        var vector = iovec(iov_base: copy, iov_len: Int(copyLength))
        withUnsafeMutablePointer(to: &sinks[number].0) { name in
          withUnsafeMutablePointer(to: &vector) { vector in
            var message = msghdr()
            message.msg_name = UnsafeMutableRawPointer(name)
            message.msg_namelen = socklen_t(MemoryLayout<sockaddr_in>.size)
            message.msg_iov = vector
            message.msg_iovlen = 1
            _ = sendmsg(loop.socket, &message, 0)
          }
        }
      }
      loop.count(sinks.count)
    }
  }

  func counts() -> LaneCounts { LaneCounts(all: loop.copies, wanted: loop.copies) }

  func stop() { loop.stop() }
}

/// A libsrtp session for one direction.
final class LibSRTPSession {
  let session: srtp_t

  init(_ keys: SRTPKeys, ssrc: srtp_ssrc_type_t) throws {
    guard LibSRTP.isReady else { throw BenchFailure("libsrtp does not start") }
    var policy = srtp_policy_t()
    for part in [\srtp_policy_t.rtp, \srtp_policy_t.rtcp] {
      switch keys.profile {
      case .aes128CMHMACSHA180: srtp_crypto_policy_set_rtp_default(&policy[keyPath: part])
      case .aeadAES128GCM: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy[keyPath: part])
      case .aeadAES256GCM: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy[keyPath: part])
      }
    }
    policy.ssrc.type = ssrc
    policy.window_size = 1024
    var material = keys.masterKey + keys.masterSalt
    var created: srtp_t?
    let status = material.withUnsafeMutableBufferPointer { buffer in
      policy.key = buffer.baseAddress
      return srtp_create(&created, &policy)
    }
    guard status == srtp_err_status_ok, let created else { throw BenchFailure("libsrtp refuses the keys") }
    session = created
  }

  deinit { srtp_dealloc(session) }

  func protect(_ packet: [UInt8]) throws -> [UInt8] {
    var bytes = packet + [UInt8](repeating: 0, count: 160)
    var length = CInt(packet.count)
    let status = bytes.withUnsafeMutableBytes { srtp_protect(session, $0.baseAddress, &length) }
    guard status == srtp_err_status_ok else { throw BenchFailure("libsrtp refuses to protect") }
    return Array(bytes.prefix(Int(length)))
  }
}
