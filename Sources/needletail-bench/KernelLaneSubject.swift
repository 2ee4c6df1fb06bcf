import CXDP
import FastPath
import Forwarding
import Glibc
import Synchronization
import Wire

/// What forwards clear RTP.
protocol KernelLaneSubject {
  var threadName: String { get }
  var isReady: Bool { get }
  /// For people, when it does not become ready.
  var state: String { get }
  func copies() -> UInt64
  func stop()
}

extension KernelLaneSubject {
  func settledCopies() -> UInt64 {
    var last = copies()
    while true {
      Clock.sleep(.milliseconds(1200))
      let now = copies()
      if now == last { return now }
      last = now
    }
  }
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
  func copies() -> UInt64 { fastPath.statistics().sinks.reduce(0) { $0 + $1.packetsOnKernel } }
  func stop() { fastPath.stop() }
}

/// A plain loop: recv; for each receiver a copy of the header rewritten; sendmsg for each, or sendmmsg for all.
final class ClearLoop: KernelLaneSubject, Sendable {
  let threadName = "reference"
  let isReady = true
  let state = ""
  private let socket: CInt
  private let sent = Atomic<UInt64>(0)
  private let isStopping = Atomic<Bool>(false)
  private let hasStopped = Atomic<Bool>(false)

  init(_ media: SocketAddress, _ addresses: [SocketAddress], sendsMany: Bool, cpu: Int) throws {
    socket = try LaneScene.openSocket(media.ip, port: media.port).0
    var patience = timeval(tv_sec: 0, tv_usec: 50_000)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    for option in [SO_RCVBUFFORCE, SO_SNDBUFFORCE] {
      var size: CInt = 8 << 20
      setsockopt(socket, SOL_SOCKET, option, &size, 4)
    }
    let names = addresses.dropFirst().map(LaneScene.name)
    let name = threadName
    let body = Body { [self] in
      linux_pthread_setname(pthread_self(), name)
      var set: UInt64 = 1 << UInt64(cpu)
      linux_pthread_setaffinity(pthread_self(), 8, &set)
      forward(names, sendsMany)
      hasStopped.store(true, ordering: .releasing)
    }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(body).toOpaque())
    pthread_detach(thread)
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Each copy is its own header and the payload as received.
  private func forward(_ names: [sockaddr_in], _ sendsMany: Bool) {
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
    while !isStopping.load(ordering: .relaxed) {
      let count = recv(socket, packet, 2048, 0)
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
      send(messages, names.count, sendsMany)
    }
  }

  private func send(_ messages: UnsafeMutablePointer<linux_mmsghdr>, _ count: Int, _ sendsMany: Bool) {
    var done = 0
    if sendsMany {
      while done < count {
        let taken = linux_sendmmsg(socket, messages + done, UInt32(count - done), 0)
        guard taken > 0 else { break }
        done += Int(taken)
      }
    } else {
      for i in 0..<count where sendmsg(socket, &messages[i].msg_hdr, 0) > 0 { done += 1 }
    }
    sent.add(UInt64(done), ordering: .relaxed)
  }

  func copies() -> UInt64 { sent.load(ordering: .relaxed) }

  func stop() {
    isStopping.store(true, ordering: .relaxed)
    while !hasStopped.load(ordering: .acquiring) { Clock.sleep(.milliseconds(5)) }
    close(socket)
  }
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
