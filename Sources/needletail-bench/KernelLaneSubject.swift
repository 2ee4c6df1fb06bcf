import CXDP
import FastPath
import Forwarding
import Glibc
import Wire

/// What forwards clear RTP.
protocol KernelLaneSubject {
  var threadName: String { get }
  var isReady: Bool { get }
  /// For people, when it does not become ready.
  var state: String { get }
  func stop()
}

/// The fast path with a clear publisher (the first address) and clear receivers (the others).
struct ClearFastPath: KernelLaneSubject {
  let threadName = "needletail"
  private let fastPath: FastPath
  private let program: String

  init(_ media: SocketAddress, _ addresses: [SocketAddress], avoidsXDP: Bool, cpu: Int) throws {
    program = avoidsXDP ? "TC" : "XDP"
    var configuration = FastPathConfiguration(
      mediaPort: media.port, interfaces: ["eth0"], lane: .kernel, workerCPU: cpu)
    configuration.kernelLaneAvoidsXDP = avoidsXDP
    fastPath = try FastPath(configuration: configuration, log: { _, _, _ in }, events: { _ in })
    var commands: [FastPathCommand] = []
    for (number, address) in addresses.enumerated() {
      commands.append(
        .addTransport(
          Transport(
            id: TransportID(rawValue: UInt32(number)), tuple: FiveTuple(local: media, remote: address),
            protection: .clear)))
    }
    commands.append(
      .addSource(
        Source(
          id: SourceID(rawValue: 0), transport: TransportID(rawValue: 0), ssrc: LaneScene.publisherSSRC, kind: .video,
          clockRate: 90_000)))
    for number in 1..<addresses.count {
      commands.append(
        .addSink(
          Sink(
            id: SinkID(rawValue: UInt32(number)), source: SourceID(rawValue: 0),
            transport: TransportID(rawValue: UInt32(number)), ssrc: 0xb000 + UInt32(number), payloadTypes: [96: 120],
            sequenceOffset: 17, timestampOffset: 4711)))
    }
    fastPath.perform(commands)
  }

  private var source: SourceStatistics? { fastPath.statistics().sources.first }
  var isReady: Bool { source?.lane == .kernel && source?.laneReason.hasPrefix(program) == true }
  var state: String { "\(source?.lane.rawValue ?? "no source"): \(source?.laneReason ?? "")" }
  func stop() { fastPath.stop() }
}

/// A plain loop: recv; for each receiver a copy of the header rewritten; sendmsg for each, or sendmmsg for all.
struct ClearLoop: KernelLaneSubject {
  let threadName = ReferenceLoop.threadName
  let isReady = true
  let state = ""
  private let loop: ReferenceLoop

  init(_ media: SocketAddress, _ addresses: [SocketAddress], sendsMany: Bool, cpu: Int) throws {
    let receivers = Array(addresses.dropFirst())
    loop = try ReferenceLoop(media, cpu: cpu) { loop in Self.forward(loop, receivers.map(LaneScene.name), sendsMany) }
  }

  /// Each copy is its own header and the payload as received.
  private static func forward(_ loop: ReferenceLoop, _ names: [sockaddr_in], _ sendsMany: Bool) {
    let packet = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 64)
    let headers = UnsafeMutableRawPointer.allocate(byteCount: 16 * names.count, alignment: 64)
    let addresses = UnsafeMutablePointer<sockaddr_in>.allocate(capacity: names.count)
    addresses.initialize(from: names, count: names.count)
    let vectors = UnsafeMutablePointer<iovec>.allocate(capacity: 2 * names.count)
    let messages = UnsafeMutablePointer<linux_mmsghdr>.allocate(capacity: names.count)
    messages.initialize(repeating: linux_mmsghdr(), count: names.count)
    defer {
      packet.deallocate()
      headers.deallocate()
      addresses.deallocate()
      vectors.deallocate()
      messages.deallocate()
    }
    for i in names.indices {
      messages[i].msg_hdr.msg_name = UnsafeMutableRawPointer(addresses + i)
      messages[i].msg_hdr.msg_namelen = 16
      messages[i].msg_hdr.msg_iov = vectors + 2 * i
      messages[i].msg_hdr.msg_iovlen = 2
      vectors[2 * i] = iovec(iov_base: headers + 16 * i, iov_len: 12)
    }
    while !loop.isStopping {
      let count = recv(loop.socket, packet, 2048, 0)
      guard count > 12 else { continue }
      let sequence = UInt16(bigEndian: packet.load(fromByteOffset: 2, as: UInt16.self)) &+ 17
      let timestamp = UInt32(bigEndian: packet.load(fromByteOffset: 4, as: UInt32.self)) &+ 4711
      let first = packet.load(as: UInt8.self)
      for i in names.indices {
        let header = headers + 16 * i
        header.storeBytes(of: first, as: UInt8.self)
        header.storeBytes(of: 120, toByteOffset: 1, as: UInt8.self)
        header.storeBytes(of: sequence.bigEndian, toByteOffset: 2, as: UInt16.self)
        header.storeBytes(of: timestamp.bigEndian, toByteOffset: 4, as: UInt32.self)
        header.storeBytes(of: UInt32(0xb001 + i).bigEndian, toByteOffset: 8, as: UInt32.self)
        vectors[2 * i + 1] = iovec(iov_base: packet + 12, iov_len: count - 12)
      }
      send(messages, names.count, sendsMany, by: loop)
    }
  }

  private static func send(
    _ messages: UnsafeMutablePointer<linux_mmsghdr>, _ count: Int, _ sendsMany: Bool, by loop: ReferenceLoop
  ) {
    var done = 0
    if sendsMany {
      while done < count {
        let taken = linux_sendmmsg(loop.socket, messages + done, UInt32(count - done), 0)
        guard taken > 0 else { break }
        done += Int(taken)
      }
    } else {
      for i in 0..<count where sendmsg(loop.socket, &messages[i].msg_hdr, 0) > 0 { done += 1 }
    }
    loop.count(done)
  }

  func stop() { loop.stop() }
}

extension KernelLaneBench.Path {
  /// Starts what forwards, in the calling thread's namespace, from the first address to the others.
  func start(_ media: SocketAddress, _ addresses: [SocketAddress], cpu: Int) throws -> any KernelLaneSubject {
    switch self {
    case .xdp, .tc: try ClearFastPath(media, addresses, avoidsXDP: self == .tc, cpu: cpu)
    case .sendmmsg, .sendmsg: try ClearLoop(media, addresses, sendsMany: self == .sendmmsg, cpu: cpu)
    }
  }
}
