import Foundation
import SDP
import Testing
import Wire

/// The offers that real clients made (Tests/Vectors/sdp).
enum Vectors {
  static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Vectors/sdp")

  static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".sdp") }.map { String($0.dropLast(4)) }.sorted()
  }()

  static let publishing = names.filter { $0.contains("sendonly") }
  static let playing = names.filter { $0.contains("recvonly") }

  static func text(_ name: String) throws -> String {
    String(decoding: try Data(contentsOf: folder.appendingPathComponent(name + ".sdp")), as: UTF8.self)
  }

  static func offer(_ name: String) throws -> SessionDescription { try SessionDescription.parse(text(name)) }
}

let hash = (1...32).map { String(format: "%02X", $0) }.joined(separator: ":")

let local = LocalTransportDescription(
  iceUfrag: "server01", icePwd: "abcdefghijklmnopqrstuvwx", fingerprint: Fingerprint(algorithm: "sha-256", value: hash),
  candidates: [SocketAddress(.v4(0xc000_0201), 3478), SocketAddress(.v6(0xfd00_0000_0000_0000, 2), 3478)])

func negotiate(_ offer: SessionDescription, previous: NegotiatedSession? = nil) throws(SDPError) -> NegotiatedSession {
  try SDP.negotiate(offer: offer, capabilities: .standard, local: local, previous: previous)
}

/// What RFC 3264, RFC 8829 and RFC 9143 ask of any answer to `offer`; what browsers check before they take one.
func expectValid(_ answer: SessionDescription, to offer: SessionDescription, _ at: SourceLocation = #_sourceLocation)
  throws
{
  let reread = try SessionDescription.parse(answer.serialized())
  #expect(reread == answer, sourceLocation: at)
  #expect(answer.isICELite, sourceLocation: at)
  #expect(answer.media.count == offer.media.count, sourceLocation: at)
  let accepted = answer.media.filter { $0.port != 0 }
  #expect(answer.bundle ?? [] == accepted.compactMap(\.mid), sourceLocation: at)
  for (mine, theirs) in zip(answer.media, offer.media) {
    #expect(mine.kind == theirs.kind && mine.protocolName == theirs.protocolName, sourceLocation: at)
    #expect(mine.mid == theirs.mid, sourceLocation: at)
    guard mine.port != 0 else { continue }
    #expect(!mine.formats.isEmpty && Set(mine.formats).isSubset(of: theirs.formats), sourceLocation: at)
    #expect(mine.formats == theirs.formats.filter(mine.formats.contains), "the offer's order", sourceLocation: at)
    for format in mine.formats { #expect(mine.attributes("rtpmap").contains { $0.hasPrefix("\(format) ") }) }
    for (type, map) in mine.rtpMaps { #expect(theirs.rtpMaps[type] == map, sourceLocation: at) }
    #expect(mine.hasRTCPMux, sourceLocation: at)
    #expect(mine.iceUfrag == local.iceUfrag && mine.icePwd == local.icePwd, sourceLocation: at)
    #expect(mine.fingerprints == [local.fingerprint], sourceLocation: at)
    let offered = theirs.extensionMaps(in: offer)
    for map in mine.extensionMaps(in: answer) {
      #expect(offered.contains { $0.id == map.id && $0.uri == map.uri }, sourceLocation: at)
    }
    let (sends, receives) = (theirs.direction(in: offer).receives, theirs.direction(in: offer).sends)
    #expect(sends || !mine.direction(in: answer).sends, sourceLocation: at)
    #expect(receives || !mine.direction(in: answer).receives, sourceLocation: at)
    #expect(mine.setup == .passive || mine.setup == .active, sourceLocation: at)
  }
  #expect(accepted.first?.candidates.compactMap(\.socketAddress) ?? local.candidates == local.candidates)
  #expect(accepted.dropFirst().allSatisfy { $0.candidates.isEmpty }, sourceLocation: at)
}
