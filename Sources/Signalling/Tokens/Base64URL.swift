import Foundation

/// base64url without padding (RFC 7515 appendix C).
enum Base64URL {
  static func encode(_ octets: [UInt8]) -> String {
    Data(octets).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  /// nil if there is anything in it but the alphabet, or if its length cannot be.
  static func decode(_ text: Substring.UTF8View) -> [UInt8]? {
    guard text.count % 4 != 1 else { return nil }
    var standard = [UInt8]()
    standard.reserveCapacity(text.count + 2)
    for octet in text {
      switch octet {
      case UInt8(ascii: "-"): standard.append(UInt8(ascii: "+"))
      case UInt8(ascii: "_"): standard.append(UInt8(ascii: "/"))
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        standard.append(octet)
      default: return nil
      }
    }
    while standard.count % 4 != 0 { standard.append(UInt8(ascii: "=")) }
    return Data(base64Encoded: Data(standard)).map { [UInt8]($0) }
  }
}
