import DTLS
import Forwarding
import Foundation
import RTP
import SDP
import SFU
import Testing
import Wire

/// A WebSocket client in a world: joins, publishes what Chromium offered, answers what the server offers.
final class Client {
  let world: World
  let connection: ConnectionID
  let name: String
  private(set) var publishing: BrowserPeer?
  private(set) var subscribing: BrowserPeer?

  init(_ name: String, in world: World) {
    self.world = world
    self.name = name
    connection = ConnectionID(rawValue: world.nextID())
  }

  func say(_ message: ClientMessage, grants: Grants = .everything) {
    world.handle(.message(connection, message, grants: grants))
  }

  func join(_ room: String = "class", resume: String? = nil, grants: Grants = .everything) {
    say(.join(room: room, name: name, resume: resume), grants: grants)
  }

  var heard: [ServerMessage] { world.messages(to: connection) }
  var joined: (id: String, resume: String)? {
    heard.lazy.compactMap { if case .joined(let me, _, _, let resume) = $0 { (me.id, resume) } else { nil } }.first
  }
  var offers: [(sdp: String, tracks: [String: SubscribedTrack])] {
    heard.compactMap { if case .offer(let sdp, let tracks) = $0 { (sdp, tracks) } else { nil } }
  }
  var answers: [String] { heard.compactMap { if case .answer(let sdp, _) = $0 { sdp } else { nil } } }
  var errors: [ErrorCode] { heard.compactMap { if case .error(let code, _, _) = $0 { code } else { nil } } }
  /// The peers that errors were about.
  var targets: [PeerRole] { heard.compactMap { if case .error(_, _, let target) = $0 { target } else { nil } } }

  /// Publishes by a real browser's offer and, unless told otherwise, connects.
  func publish(
    _ vector: String = "chromium-156-sendonly-av", sources: [String: TrackLabel] = [:], connecting: Bool = true
  ) throws {
    let peer = try BrowserPeer(in: world)
    publishing = peer
    say(.publish(sdp: try Vectors.offer(vector, as: peer), sources: sources))
    if connecting { try peer.connect(by: try #require(answers.last)) }
  }

  /// Answers the latest offer, and connects if this is the first. `edit` changes the answer.
  func answer(edit: (String) -> String = { $0 }) throws {
    let offer = try #require(offers.last)
    let peer = try subscribing ?? BrowserPeer(in: world)
    let isFirst = subscribing == nil
    subscribing = peer
    say(.answer(sdp: edit(try Vectors.answer(to: offer.sdp, as: peer))))
    if isFirst { try peer.connect(by: offer.sdp) }
  }
}

extension World {
  /// A new client that has joined, or been refused.
  func join(_ name: String, room: String = "class", resume: String? = nil, grants: Grants = .everything) -> Client {
    let client = Client(name, in: self)
    client.join(room, resume: resume, grants: grants)
    return client
  }
}

/// What real browsers offered (Tests/Vectors/sdp), under the credentials and certificate of a test's browser.
enum Vectors {
  static func offer(_ name: String, as peer: BrowserPeer) throws -> String {
    let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Vectors/sdp")
    let text = String(decoding: try Data(contentsOf: folder.appendingPathComponent(name + ".sdp")), as: UTF8.self)
    return try impersonate(text, peer)
  }

  /// An answer that takes everything on offer.
  static func answer(to offer: String, as peer: BrowserPeer) throws -> String {
    let taken = offer.replacingOccurrences(of: "a=sendonly", with: "a=recvonly")
      .replacingOccurrences(of: "a=setup:actpass", with: "a=setup:active")
    let lines = taken.components(separatedBy: "\r\n").filter { line in
      !["a=ssrc", "a=msid:", "a=candidate", "a=end-of", "a=ice-lite"].contains { line.hasPrefix($0) }
    }
    return try impersonate(lines.joined(separator: "\r\n"), peer)
  }

  private static func impersonate(_ sdp: String, _ peer: BrowserPeer) throws -> String {
    let own = [
      "a=ice-ufrag:": peer.credentials.usernameFragment, "a=ice-pwd:": peer.credentials.password,
      "a=fingerprint:": "sha-256 " + (try World.browser.fingerprint),
    ]
    let lines = sdp.replacingOccurrences(of: "\r\n", with: "\n").components(separatedBy: "\n").map { line in
      own.first { line.hasPrefix($0.key) }.map { $0.key + $0.value } ?? line
    }
    return lines.joined(separator: "\r\n")
  }
}
