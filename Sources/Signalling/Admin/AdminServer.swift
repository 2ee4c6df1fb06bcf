import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix

/// Why the admin socket could not be opened.
public enum AdminSocketError: Error, CustomStringConvertible {
  case tooLong(String)
  case inUse(String)
  case notASocket(String)
  case failed(String, errno: Int32)

  public var description: String {
    switch self {
    case .tooLong(let path): "admin-socket: \(path) is longer than a Unix socket's path may be (107 bytes)"
    case .inUse(let path): "admin-socket: another server already listens on \(path)"
    case .notASocket(let path): "admin-socket: \(path) exists and is not a socket; it is left alone"
    case .failed(let path, let code): "admin-socket: cannot open \(path): \(String(cString: strerror(code)))"
    }
  }
}

/// The admin API: JSON over HTTP/1.1 on a Unix socket that only this user (and root) may open. On the event loop only.
public final class AdminServer: HTTPService {
  let limits: SignallingLimits
  private let path: String
  private let eventLoop: any EventLoop
  private let log: Logger
  private let turns: LoopTurns
  /// Set before the first connection is accepted.
  private var api: AdminAPI?
  private var listener: (any Channel)?
  private var channels: [ObjectIdentifier: any Channel] = [:]

  /// `turns`: those of the event loop; nil if nobody else measures them.
  public init(path: String, eventLoop: any EventLoop, log: Logger, turns: LoopTurns? = nil) {
    eventLoop.preconditionInEventLoop()
    self.path = path
    self.eventLoop = eventLoop
    self.log = log
    self.turns = turns ?? LoopTurns(log: log)
    var limits = SignallingLimits()
    limits.bodyBytes = 64 << 10
    limits.connections = 64
    // The operator's scripts may be fast.
    limits.messageBurst = .max
    limits.requestBurst = .max
    self.limits = limits
  }

  /// Opens the socket; whoever connects waits for `start`. What a server that was killed left there is removed.
  public func listen() -> EventLoopFuture<Void> {
    let socket: CInt
    do throws(AdminSocketError) { socket = try Self.listeningSocket(path) } catch {
      return eventLoop.makeFailedFuture(error)
    }
    let server = NIOLoopBound(self, eventLoop: eventLoop)
    return ServerBootstrap(group: eventLoop)
      .pausesWithoutDescriptors(log)
      .serverChannelOption(.autoRead, value: false)
      .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try server.value.accepted(channel) }
      }
      .withBoundSocket(socket)
      .assumeIsolated().map { self.listener = $0 }.nonisolated()
  }

  /// Accepts connections. `tokens`: nil if no secret is configured, then no tokens are made.
  public func start(_ control: any CallControl, server: AdminServerInfo, tokens: SessionTokens?) {
    api = AdminAPI(control: control, server: server, tokens: tokens)
    _ = listener?.setOption(.autoRead, value: true)
  }

  /// Closes and removes the socket.
  public func stop() {
    guard let listener else { return }
    self.listener = nil
    unlink(path)
    listener.close(promise: nil)
    for channel in channels.values { channel.close(promise: nil) }
  }

  func judge(_ head: HTTPRequestHead, from client: String) -> BodyVerdict { .kept }

  private func refusal() -> HTTPReply? {
    guard channels.count > limits.connections else { return nil }
    return .problem(
      .serviceUnavailable, .limitExceeded, "the admin API has its limit of \(limits.connections) connections")
  }

  func respond(to request: HTTPRequest, reply: @escaping (HTTPReply) -> Void) {
    guard let api else { return }
    turns.measure("\(request.method.rawValue) \(request.path.prefix(40))") {
      switch api.answer(to: request, now: Date()) {
      case .reply(let answer): reply(answer)
      case .written(let write): eventLoop.render(write, reply: reply)
      }
    }
  }

  func headers(for target: String) -> HTTPHeaders { [:] }

  private func accepted(_ channel: any Channel) throws {
    let key = ObjectIdentifier(channel)
    channels[key] = channel
    channel.closeFuture.assumeIsolated().whenComplete { [weak self] _ in self?.channels[key] = nil }
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(TurnMeter(turns, "admin"))
    try pipeline.configureHTTPServerPipeline(withErrorHandling: false)
    try pipeline.addHandler(HTTPConnection(service: self, refusal: refusal().map { reply in { reply } }))
  }

  /// A listening socket at `path`, mode 0600 from its first moment.
  private static func listeningSocket(_ path: String) throws(AdminSocketError) -> CInt {
    guard path.utf8.count <= 107 else { throw .tooLong(path) }
    try prepareFolder((path as NSString).deletingLastPathComponent)
    try removeStale(path)
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .failed(path, errno: errno) }
    let mask = umask(0o177)
    let result = withAddress(path) { bind(descriptor, $0, $1) }
    let bindError = errno
    umask(mask)
    guard result == 0, Glibc.listen(descriptor, 16) == 0 else {
      let code = result == 0 ? errno : bindError
      close(descriptor)
      throw .failed(path, errno: code)
    }
    return descriptor
  }

  /// Makes the folder if it is missing. One that another user owns could have its socket exchanged.
  private static func prepareFolder(_ folder: String) throws(AdminSocketError) {
    guard !folder.isEmpty else { return }
    if mkdir(folder, 0o700) != 0, errno != EEXIST { throw .failed(folder, errno: errno) }
    var status = stat()
    guard stat(folder, &status) == 0 else { throw .failed(folder, errno: errno) }
    guard status.st_uid == 0 || status.st_uid == getuid() else { throw .failed(folder, errno: EPERM) }
  }

  /// Removes a socket nobody listens on any more.
  private static func removeStale(_ path: String) throws(AdminSocketError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard probe >= 0 else { throw .failed(path, errno: errno) }
    defer { close(probe) }
    if withAddress(path, { connect(probe, $0, $1) }) == 0 { throw .inUse(path) }
    guard errno == ECONNREFUSED else { throw .failed(path, errno: errno) }
    unlink(path)
  }

  private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }
}
