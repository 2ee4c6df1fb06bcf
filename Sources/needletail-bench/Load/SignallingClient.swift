import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// Opens WebSockets to the server, one per participant, all on one event loop.
final class SignallingClient: Sendable {
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let target: LoadTarget
  private let tls: NIOSSLContext?

  /// In a room of a thousand, `joined` lists everybody.
  private static let largestMessage = 16 << 20

  init(target: LoadTarget, verifiesCertificate: Bool) throws {
    self.target = target
    guard target.isSecure else {
      tls = nil
      return
    }
    var configuration = TLSConfiguration.makeClientConfiguration()
    if !verifiesCertificate { configuration.certificateVerification = .none }
    tls = try NIOSSLContext(configuration: configuration)
  }

  /// Connects and lets the participant join. Failures go to the participant's progress.
  func start(_ plan: ParticipantPlan) {
    let bootstrap = ClientBootstrap(group: group).connectTimeout(.seconds(10)).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try self.prepare(channel, plan).whenComplete { result in
          switch result {
          case .success(true): channel.pipeline.fireUserInboundEventTriggered(LoadParticipant.Opened())
          case .success(false): plan.progress.complain("signalling: the server refused the WebSocket at /ws")
          // The connection failed, of which we hear below.
          case .failure(ChannelError.inappropriateOperationForState): break
          case .failure(let error): plan.progress.complain("signalling: \(error)")
          }
        }
      }
    }
    bootstrap.connect(host: "\(target.address.ip)", port: Int(target.address.port)).whenFailure {
      plan.progress.complain("signalling: \($0)")
    }
  }

  /// Closes every connection.
  func stop() { try? group.syncShutdownGracefully() }

  private func prepare(_ channel: any Channel, _ plan: ParticipantPlan) throws -> EventLoopFuture<Bool> {
    let pipeline = channel.pipeline.syncOperations
    if let tls {
      let isName = (try? NIOCore.SocketAddress(ipAddress: target.host, port: 0)) == nil
      try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: isName ? target.host : nil))
    }
    let upgrader = NIOTypedWebSocketClientUpgrader<Bool>(maxFrameSize: Self.largestMessage) { channel, _ in
      channel.eventLoop.makeCompletedFuture {
        let aggregator = NIOWebSocketFrameAggregator(
          minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 4096, maxAccumulatedFrameSize: Self.largestMessage)
        try channel.pipeline.syncOperations.addHandlers(aggregator, LoadParticipant(plan))
        return true
      }
    }
    let headers: HTTPHeaders = ["Host": "\(target.host):\(target.address.port)", "Content-Length": "0"]
    let upgrade = NIOTypedHTTPClientUpgradeConfiguration<Bool>(
      upgradeRequestHead: HTTPRequestHead(version: .http1_1, method: .GET, uri: "/ws", headers: headers),
      upgraders: [upgrader]
    ) { $0.eventLoop.makeSucceededFuture(false) }
    return try pipeline.configureUpgradableHTTPClientPipeline(configuration: .init(upgradeConfiguration: upgrade))
  }
}
