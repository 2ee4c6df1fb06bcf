import Wire

/// The value of ERROR-CODE (RFC 8489 section 14.8).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           Reserved, should be 0         |Class|     Number    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Reason Phrase (variable)                                ..
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct STUNErrorCode: Hashable, Sendable {
  /// 300 to 699.
  public let code: UInt16
  /// For people; at most 763 bytes on the wire.
  public let reason: String

  public static let badRequest = STUNErrorCode(known: 400, "Bad Request")
  public static let unauthorized = STUNErrorCode(known: 401, "Unauthorized")
  public static let unknownAttribute = STUNErrorCode(known: 420, "Unknown Attribute")
  /// RFC 8445 section 16.2: both agents believe to have the same role.
  public static let roleConflict = STUNErrorCode(known: 487, "Role Conflict")

  private init(known code: UInt16, _ reason: String) {
    self.code = code
    self.reason = reason
  }

  /// nil if `code` is not in 300...699.
  public init?(code: UInt16, reason: String) {
    guard (300...699).contains(code) else { return nil }
    self.init(known: code, reason)
  }

  init?(_ value: ArraySlice<UInt8>) {
    var reader = ByteReader(value)
    guard reader.advance(by: 2), let hundreds = reader.u8(), let number = reader.u8(), number < 100 else { return nil }
    guard let reason = String(validating: reader.rest(), as: UTF8.self) else { return nil }
    self.init(code: UInt16(hundreds & 7) * 100 + UInt16(number), reason: reason)
  }
}

extension ByteWriter {
  mutating func append(_ error: STUNErrorCode) {
    u16(0)
    u8(UInt8(truncatingIfNeeded: error.code / 100))
    u8(UInt8(truncatingIfNeeded: error.code % 100))
    append(error.reason.utf8.prefix(763))
  }
}
