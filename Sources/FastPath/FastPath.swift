import Forwarding
import Glibc
import Synchronization
import Wire

/// Everything that moves packets: the media port's sockets, the XDP programs with their AF_XDP sockets, and the worker.
/// Driven by `FastPathCommand`, tells by `FastPathEvent`.
public final class FastPath: Sendable {
  public typealias Log = @Sendable (_ level: String, _ message: String, _ metadata: [String: String]) -> Void

  /// The UDP port in use: the configured one, or the one that was free.
  public var boundPort: UInt16 { sockets.port }
  /// The host's addresses now that clients may be told of: those of interfaces that are up, not link-local, loopback last.
  public func localAddresses() throws(FastPathError) -> [IPAddress] { try HostAddresses.all() }

  /// The address of ours that the host's routes send from to `remote`; nil if they lead nowhere. Any thread.
  public func localAddress(towards remote: SocketAddress) -> IPAddress? {
    guard var netlink = NetlinkSocket() else { return nil }
    return netlink.preferredSource(to: remote, port: boundPort)
  }

  private let sockets: MediaSockets
  private let mailbox: Mailbox
  private let published: PublishedStatistics
  private let thread: WorkerThread

  /// Opens the media port, attaches to the interfaces and starts the worker.
  ///
  /// - Parameters:
  ///   - log: called on any thread, with a level of swift-log.
  ///   - events: called on the worker's thread with what happened since the last call.
  public init(
    configuration: FastPathConfiguration, log: @escaping Log, events: @escaping @Sendable ([FastPathEvent]) -> Void
  ) throws(FastPathError) {
    sockets = try MediaSockets.open(port: configuration.mediaPort)
    LoopbackSettings.sweep(notesIn: configuration.noteFolders, log: log)
    mailbox = try Mailbox()
    published = PublishedStatistics()
    let setup = Worker.Setup(
      configuration: configuration, sockets: sockets, mailbox: mailbox, published: published, log: log, events: events)
    thread = try WorkerThread(name: "needletail", cpu: configuration.workerCPU, log: log) { started in
      do throws(FastPathError) {
        var worker = try Worker(setup)
        started(nil)
        worker.run()
      } catch {
        started(error)
      }
    }
  }

  deinit {
    stop()
    sockets.close()
  }

  /// Any thread; order is kept. Waits while the worker has very many to carry out.
  public func perform(_ commands: [FastPathCommand]) {
    guard !commands.isEmpty else { return }
    mailbox.put(commands, mayWait: !thread.isCurrent)
  }

  /// Sends control datagrams from their tuple's local address by the UDP socket, on the calling thread. What cannot be
  /// sent is lost, as on the wire, and counted.
  public func send(_ datagrams: [(bytes: [UInt8], tuple: FiveTuple)]) {
    for (bytes, tuple) in datagrams where !ControlDatagram.send(bytes, tuple, by: sockets) {
      published.countUnsentControl()
    }
  }

  /// The worker's counters as of at most a second ago. Any thread.
  public func statistics() -> FastPathStatistics { published.latest() }

  /// Detaches every program, ends the worker and waits for it. Further calls do nothing.
  public func stop() {
    mailbox.stop()
    thread.join()
  }
}
