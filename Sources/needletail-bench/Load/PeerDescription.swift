import DTLS
import SRTP
import Wire

/// What the two sides agreed on for one transport: everything that the media thread needs to run it.
struct PeerDescription: Sendable {
  /// The publish and subscribe peers of all participants are numbered together.
  var id: Int
  var role: Role
  var security: Security
  /// Where the server receives, most preferred first.
  var candidates: [SocketAddress]
  /// When the participant's `join` was sent, on `Clock.realtime`.
  var joinSentAt: UInt64
  /// Whether every packet is decrypted and its latency measured.
  var isSampled: Bool

  enum Role: Sendable {
    case publisher(PublishedMedia)
    /// The SSRCs of the media that the server announced.
    case subscriber(Set<UInt32>)
  }

  enum Security: Sendable {
    case negotiated(ICEAndDTLS)
    /// For the reference forwarder, which has no signalling: keys are known, and `greeting` registers the socket.
    case fixed(inbound: SRTPKeys, outbound: SRTPKeys, greeting: [UInt8])
  }

  struct ICEAndDTLS: Sendable {
    var username: String
    var password: String
    var fingerprints: [Fingerprint]
    var role: DTLSRole
    var certificate: DTLSCertificate
  }

  struct Fingerprint: Sendable {
    var algorithm: String
    var value: String
  }
}

/// What one publisher sends.
struct PublishedMedia: Sendable {
  var audioSSRC: UInt32
  var videoSSRC: UInt32
  var audioPayloadType: UInt8 = 111
  var videoPayloadType: UInt8 = 96
  /// 0: not negotiated.
  var midExtension: UInt8 = 0
  var transportWideExtension: UInt8 = 0
  var videoBitrate: Int
}

/// What control tells the media thread.
enum MediaCommand: Sendable {
  case add(PeerDescription)
  /// A renewed offer announces these SSRCs.
  case update(peer: Int, ssrcs: Set<UInt32>)
  /// Ends a peer, if it is there.
  case remove(peer: Int)
  /// Publishing pauses until nothing is in flight; then the window begins.
  case beginWindow
  case endWindow
  case stop
}
