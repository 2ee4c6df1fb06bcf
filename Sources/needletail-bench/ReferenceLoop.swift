import CXDP
import Glibc
import Synchronization
import Wire

/// A plain forwarder to compare with: a UDP socket and a thread of its own, on one processor.
final class ReferenceLoop: Sendable {
  static let threadName = "reference"

  /// Bound in the namespace of who made it. Waits for packets 50 ms at a time.
  let socket: CInt
  private let sent = Atomic<UInt64>(0)
  private let stopping = Atomic<Bool>(false)
  private let hasStopped = Atomic<Bool>(false)

  /// `forward` runs on the thread until `isStopping`.
  init(_ media: SocketAddress, cpu: Int, forward: @escaping @Sendable (ReferenceLoop) -> Void) throws {
    socket = try LaneScene.openSocket(media.ip, port: media.port).0
    var patience = timeval(tv_sec: 0, tv_usec: 50_000)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    for option in [SO_RCVBUFFORCE, SO_SNDBUFFORCE] {
      var size: CInt = 8 << 20
      setsockopt(socket, SOL_SOCKET, option, &size, 4)
    }
    let body = Body { [self] in
      linux_pthread_setname(pthread_self(), Self.threadName)
      var set: UInt64 = 1 << UInt64(cpu)
      linux_pthread_setaffinity(pthread_self(), 8, &set)
      forward(self)
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

  var isStopping: Bool { stopping.load(ordering: .relaxed) }

  var copies: UInt64 { sent.load(ordering: .relaxed) }

  func count(_ copies: Int) { sent.add(UInt64(copies), ordering: .relaxed) }

  func stop() {
    stopping.store(true, ordering: .relaxed)
    while !hasStopped.load(ordering: .acquiring) { Clock.sleep(.milliseconds(5)) }
    close(socket)
  }
}

/// A count, once it stays what it is for longer than the fast path takes to publish one.
func settled<Count: Equatable>(_ count: () -> Count) -> Count {
  var last = count()
  while true {
    Clock.sleep(.milliseconds(1200))
    let now = count()
    if now == last { return now }
    last = now
  }
}
