import Glibc
import Logs
import NIOCore

/// How the HTTP(S) server listens, whom it admits and what it bounds.
public struct SignallingConfiguration: Sendable {
  /// IP address to listen on; "::" is every address, IPv4 as well.
  public var address: String
  /// 0: any free port.
  public var port: Int
  /// nil: plain HTTP.
  public var tls: TLSIdentity?
  /// Folder of the static files; nil: none are served.
  public var webFolder: String?
  /// Scheme, authority and path, without a slash at the end, under which clients reach "/" here, e.g. through a proxy; empty:
  /// as they asked.
  public var publicURL: String
  /// nil: everyone may do everything.
  public var tokens: SessionTokens?
  public var limits: SignallingLimits
  /// Which web pages may open calls.
  public var origins = OriginRule.any
  /// What the log did not take, for `/metrics`.
  public var logLosses: @Sendable () -> LogLosses = { LogLosses() }

  public init(
    address: String = "127.0.0.1", port: Int = 8443, tls: TLSIdentity? = nil, webFolder: String? = nil,
    publicURL: String = "", tokens: SessionTokens? = nil, limits: SignallingLimits = SignallingLimits()
  ) {
    self.address = address
    self.port = port
    self.tls = tls
    self.webFolder = webFolder
    self.publicURL = publicURL
    self.tokens = tokens
    self.limits = limits
  }
}

/// Whatever a client could exhaust, and how much of it there is. Each refusal names its limit.
public struct SignallingLimits: Sendable {
  /// HTTP and WebSocket connections open at once.
  public var connections = 4096
  /// Those of one address (IPv6: one /64); this machine itself has as many as there are.
  public var connectionsPerAddress = 1024
  /// Bytes of one WebSocket message, all its fragments together.
  public var messageBytes = 1 << 20
  /// Bytes of an HTTP request body.
  public var bodyBytes = 1 << 18
  /// WebSocket frames and request bodies of one connection, by 16 KiB begun: a bucket of `messageBurst` that refills with
  /// `messagesPerSecond`.
  public var messagesPerSecond = 50
  public var messageBurst = 200
  /// HTTP requests of one connection, those with a body as well: a bucket of `requestBurst`, which no page's files come near
  /// and no monitor, that refills with `requestsPerSecond`.
  public var requestsPerSecond = 100
  public var requestBurst = 400
  /// Bytes that may wait for one slow WebSocket reader.
  public var unsentBytes = 1 << 20
  /// From connecting to the end of the first request (and from a request's head to its end).
  public var requestTimeout = TimeAmount.seconds(10)
  /// Between two requests on one connection, and for a client to take a response.
  public var idleTimeout = TimeAmount.seconds(60)
  /// From the opening of a WebSocket, or a `leave`, to a `join` that succeeds.
  public var joinTimeout = TimeAmount.seconds(15)
  /// The same where nothing but a `join` that resumes is taken, and others wait for the place.
  public var resumeTimeout = TimeAmount.seconds(5)
  /// From the first octet of a WebSocket message to its last.
  public var messageTimeout = TimeAmount.seconds(15)
  /// What all clients together may have brought of unfinished messages and bodies, beyond 16 KiB each.
  public var unfinishedBytes = 64 << 20
  public var pingInterval = TimeAmount.seconds(10)
  /// A WebSocket that says nothing for so long, not even pong, is closed.
  public var silenceTimeout = TimeAmount.seconds(30)

  public init() {}

  /// `connections` with those that may come back although there is no room.
  public static func connectionsInAll(_ connections: Int) -> Int {
    connections + ConnectionShares.reserve(for: connections)
  }
}

/// Why the HTTP(S) server cannot listen.
public struct ListenError: Error, CustomStringConvertible {
  var address: String
  var port: Int
  var cause: any Error

  public var description: String {
    let code = (cause as? IOError)?.errnoCode
    // In the words of the media port.
    if code == EACCES {
      return
        "No permission to open TCP port \(port). Choose a port from 1024 up, or give the server CAP_NET_BIND_SERVICE."
    }
    let reason = code.map { String(cString: strerror($0)) } ?? "\(cause)"
    let advice = code == EADDRINUSE ? "; `ss -ltnp` names the program, or set another port" : ""
    return "cannot listen on \(address), TCP port \(port): \(reason)\(advice)"
  }
}
