/// A certificate fingerprint (RFC 8122): a hash function's name in lower case, and hex octets with colons.
public struct Fingerprint: Hashable, Sendable {
  public var algorithm: String
  public var value: String

  public init(algorithm: String, value: String) {
    self.algorithm = algorithm
    self.value = value
  }

  /// From what follows `a=fingerprint:`; nil if it is malformed, or its function is none of sha-256, sha-384, sha-512.
  init?(attribute: some StringProtocol) {
    let words = attribute.words
    guard words.count == 2 else { return nil }
    let algorithm = words[0].lowercased()
    let octets = words[1].pieces(":", omitsEmpty: false)
    guard let size = ["sha-256": 32, "sha-384": 48, "sha-512": 64][algorithm], octets.count == size,
      octets.allSatisfy({ $0.utf8.count == 2 && $0.allSatisfy { $0.isASCII && $0.isHexDigit } })
    else { return nil }
    self.init(algorithm: algorithm, value: words[1].uppercased())
  }

  var attribute: SDPLine { .attribute("fingerprint", "\(algorithm) \(value)") }
}

/// The `a=setup` role of a DTLS association (RFC 8842).
public enum SetupRole: String, Hashable, Sendable { case active, passive, actpass, holdconn }

extension SDPSection {
  /// ice-char and length are checked (RFC 8839 section 5.4).
  public var iceUfrag: String? { iceText("ice-ufrag", 4...256) }
  public var icePwd: String? { iceText("ice-pwd", 22...256) }

  private func iceText(_ name: String, _ length: ClosedRange<Int>) -> String? {
    guard let value = attribute(name), length.contains(value.utf8.count), value.utf8.allSatisfy(isICECharacter) else {
      return nil
    }
    return String(value)
  }

  /// Those with a hash function that is still trusted, well-formed ones only.
  public var fingerprints: [Fingerprint] { attributes("fingerprint").compactMap { Fingerprint(attribute: $0) } }

  public var setup: SetupRole? { attribute("setup").flatMap { SetupRole(rawValue: String($0)) } }

  /// Well-formed candidates, in order.
  public var candidates: [ICECandidate] { attributes("candidate").compactMap { ICECandidate($0) } }
}

/// ALPHA / DIGIT / "+" / "/"; also what some agents add: "-" and "_" of base64url, and "=".
private func isICECharacter(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2d, 0x2f, 0x3d, 0x5f: true
  default: false
  }
}
