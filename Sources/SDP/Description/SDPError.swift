/// Why a session description cannot be read, or cannot be served. Mids and names are quoted from the description.
public enum SDPError: Error, Hashable, Sendable {
  // Syntax. Lines are counted from 1.
  case tooLarge(bytes: Int, limit: Int)
  case tooManyLines(limit: Int)
  case lineTooLong(line: Int, limit: Int)
  case tooManySessionLines(limit: Int)
  case tooManyMediaLines(line: Int, limit: Int)
  case tooManyMedia(line: Int, limit: Int)
  case malformedLine(line: Int)
  case badField(line: Int, field: String, expected: String)
  case missingField(String)

  // What cannot be served.
  case noMedia
  case onlyStoppedMedia
  case dataChannelOnly
  case noBundle
  case notInBundle(mid: String)
  case noRTCPMux(mid: String)
  case noMid(index: Int)
  case longMid(String)
  case duplicateMid(String)
  case duplicateSSRC(UInt32)
  case sdesUnsupported
  case unencrypted(protocolName: String)
  case planB(mid: String)
  case noFingerprint
  case badFingerprint
  case noICECredentials
  case badSetup(String)
  case noCommonCodec
  /// m-lines of a kind that the offer sends are all refused.
  case refused([RefusedMedia])
  /// What is published in this kind of media can be played in none of the codecs of the offer; names for people.
  case unplayable(kind: String, published: [String], taken: [String])
  case bothICELite
  case nothingSent
  case nothingReceived

  // What does not continue the session so far.
  case mediaChanged(index: Int, expected: String, found: String)
  case mediaRemoved(expected: Int, found: Int)
  case noOffer

  /// Whether the text itself is wrong, rather than what it asks for.
  public var isSyntax: Bool {
    switch self {
    case .tooLarge, .tooManyLines, .lineTooLong, .tooManySessionLines, .tooManyMediaLines, .tooManyMedia,
      .malformedLine,
      .badField, .missingField:
      true
    default: false
    }
  }
}

extension SDPError: CustomStringConvertible {
  public var description: String { message }

  /// For people: what is wrong, where, and what to do about it.
  public var message: String { isSyntax ? syntaxMessage : semanticMessage }

  private var syntaxMessage: String {
    switch self {
    case .tooLarge(let bytes, let limit): "the SDP has \(bytes) bytes; at most \(limit) are accepted"
    case .tooManyLines(let limit): "the SDP has more than \(limit) lines"
    case .lineTooLong(let line, let limit): "line \(line) is longer than \(limit) bytes"
    case .tooManySessionLines(let limit): "more than \(limit) lines come before the first m-line"
    case .tooManyMediaLines(let line, let limit): "line \(line): more than \(limit) lines are under one m-line"
    case .tooManyMedia(let line, let limit): "line \(line): more than \(limit) m-lines"
    case .malformedLine(let line):
      "line \(line) holds control characters, or more combining marks in a row than any text needs"
    case .badField(let line, let field, let expected): "line \(line): bad \(field); expected \(expected)"
    case .missingField(let field): "the SDP has no \(field) line, which there must be"
    default: "the SDP is malformed"
    }
  }

  private var semanticMessage: String {
    switch self {
    case .noMedia: "the SDP has no audio or video m-line; add a transceiver before creating the offer"
    case .onlyStoppedMedia: "every audio or video m-line has port 0, which means that it is stopped"
    case .dataChannelOnly: "the SDP has only a data channel, which is not served; add an audio or video transceiver"
    case .noBundle: "a=group:BUNDLE is missing; every m-line must share one transport (use bundlePolicy \"max-bundle\")"
    case .notInBundle(let mid):
      "a=group:BUNDLE does not name m-line \"\(mid)\"; every m-line must share one transport (use bundlePolicy \"max-bundle\")"
    case .noRTCPMux(let mid): "m-line \"\(mid)\" has no a=rtcp-mux; RTP and RTCP must share one port"
    case .noMid(let index): "m-line \(index) (counted from 0) has no usable a=mid"
    case .longMid(let mid):
      "a=mid:\(mid.prefix(64)) has \(mid.utf8.count) bytes; at most 16 fit the header extension that carries it (RFC 8285)"
    case .duplicateMid(let mid): "a=mid:\(mid) names more than one m-line"
    case .duplicateSSRC(let ssrc):
      "a=ssrc:\(ssrc) is on more than one m-line; an SSRC names one source (RFC 3550 section 8)"
    case .sdesUnsupported: "a=crypto (SDES) is not supported; use DTLS-SRTP: UDP/TLS/RTP/SAVPF with a=fingerprint"
    case .unencrypted(let name): "transport \"\(name)\" is not supported; use UDP/TLS/RTP/SAVPF with a=fingerprint"
    case .planB(let mid): "m-line \"\(mid)\" carries several tracks (plan B); use one m-line per track (unified plan)"
    case .noFingerprint: "a=fingerprint, which DTLS needs, is missing; use sha-256, sha-384 or sha-512"
    case .badFingerprint:
      "a=fingerprint must be sha-256, sha-384 or sha-512, then 32, 48 or 64 octets in hex with colons (RFC 8122)"
    case .noICECredentials: "a=ice-ufrag (4 to 256 characters) and a=ice-pwd (22 to 256 characters) are missing or bad"
    case .badSetup(let value): "a=setup:\(value) cannot be used here; offer actpass, answer active or passive"
    case .noCommonCodec: "no codec in common; \(Capabilities.standard.codecNames)"
    case .refused(let media): media.map(\.description).joined(separator: "; ")
    case .unplayable(let kind, let published, let taken):
      "the \(kind) cannot be played: it is published in \(list(published)), and the offer takes \(list(taken))"
    case .bothICELite:
      "a=ice-lite on both sides: this server answers checks and makes none, so the client must be full ICE"
    case .nothingSent: "no m-line sends (a=sendonly or a=sendrecv) in a codec that is served"
    case .nothingReceived: "no m-line receives (a=recvonly or a=sendrecv) what is published"
    case .mediaChanged(let index, let expected, let found):
      "m-line \(index) (counted from 0) was \(expected) and is now \(found); m-lines keep their place and mid"
    case .mediaRemoved(let expected, let found):
      "there are \(found) m-lines where \(expected) are needed; m-lines are never removed, only set inactive"
    case .noOffer: "there is no offer that this answers"
    default: "the SDP cannot be served"
    }
  }
}

private func list(_ names: [String]) -> String {
  names.isEmpty ? "no codec that is served" : names.joined(separator: ", ")
}
