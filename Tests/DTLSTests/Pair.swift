import DTLS
import SRTP
import Wire

/// A client and a server association, and the network between them: datagrams in flight, and a clock that the test owns.
final class Pair {
  enum Side: Hashable { case client, server }

  struct Keys: Equatable {
    var profile: SRTPProfile
    var inbound: SRTPKeys
    var outbound: SRTPKeys
  }

  struct Datagram {
    var to: Side
    var bytes: [UInt8]
    /// Counts every datagram from 0, in the order of sending.
    var number: Int
  }

  static let clientCertificate = try? DTLSCertificate.generate()
  static let serverCertificate = try? DTLSCertificate.generate()

  let client: DTLSAssociation
  let server: DTLSAssociation
  var now = Instant(nanoseconds: 1_000_000_000)
  var inFlight: [Datagram] = []
  /// What the network makes of a datagram: nothing (lost), itself, several.
  var network: (Datagram) -> [Datagram] = { [$0] }
  /// Everything that was sent, before the network touched it.
  var sent: [Datagram] = []
  var keys: [Side: Keys] = [:]
  var ended: [Side: DTLSAssociation.Output] = [:]

  init(
    clientAccepts: [(algorithm: String, value: String)]? = nil,
    serverAccepts: [(algorithm: String, value: String)]? = nil
  ) throws {
    guard let ours = Pair.clientCertificate, let theirs = Pair.serverCertificate else { throw NoCertificate() }
    client = try DTLSAssociation(
      certificate: ours, role: .client, acceptedFingerprints: clientAccepts ?? [("sha-256", theirs.fingerprint)],
      now: now)
    server = try DTLSAssociation(
      certificate: theirs, role: .server, acceptedFingerprints: serverAccepts ?? [("sha-256", ours.fingerprint)],
      now: now)
  }

  struct NoCertificate: Error {}

  func start() {
    take(server.start(now: now), from: .server)
    take(client.start(now: now), from: .client)
  }

  /// Delivers until nothing is in flight, then lets the next timeout come; until both ends are connected or over, or
  /// `limit` of the test's time passed.
  func run(for limit: Interval = .seconds(40)) {
    let end = now.advanced(by: limit)
    while true {
      deliver()
      guard !isSettled, let next = [client.nextTimeout, server.nextTimeout].compactMap({ $0 }).min(), next <= end else {
        return
      }
      now = max(now, next)
      take(client.timeout(now: now), from: .client)
      take(server.timeout(now: now), from: .server)
    }
  }

  func deliver() {
    var budget = 10_000
    while !inFlight.isEmpty, budget > 0 {
      deliverOne()
      budget -= 1
    }
  }

  func deliverOne() {
    let datagram = inFlight.removeFirst()
    switch datagram.to {
    case .client: take(client.received(datagram.bytes, now: now), from: .client)
    case .server: take(server.received(datagram.bytes, now: now), from: .server)
    }
  }

  func take(_ outputs: [DTLSAssociation.Output], from side: Side) {
    for output in outputs {
      switch output {
      case .send(let bytes): send(bytes, from: side)
      case .connected(let profile, let inbound, let outbound):
        keys[side] = Keys(profile: profile, inbound: inbound, outbound: outbound)
      case .failed, .closed: ended[side] = output
      }
    }
  }

  private func send(_ bytes: [UInt8], from side: Side) {
    let datagram = Datagram(to: side == .client ? .server : .client, bytes: bytes, number: sent.count)
    sent.append(datagram)
    inFlight += network(datagram)
  }

  private var isSettled: Bool { Set(keys.keys).union(ended.keys).count == 2 }

  /// Both have keys, one's outbound keys are the other's inbound.
  var isConnected: Bool {
    guard let client = keys[.client], let server = keys[.server] else { return false }
    return client.profile == server.profile && client.inbound == server.outbound && client.outbound == server.inbound
      && client.inbound != client.outbound
  }
}
