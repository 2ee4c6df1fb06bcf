import COpenSSL

/// An OpenSSL call failed; says which step, and OpenSSL's own reason where it gave one.
public struct OpenSSLError: Error, Hashable, Sendable, CustomStringConvertible {
  public let step: String
  public let reason: String

  public var description: String { "\(step): \(reason)" }

  /// Takes the reason from this thread's OpenSSL error queue and leaves the queue empty.
  init(_ step: String) {
    self.step = step
    reason = OpenSSLErrorQueue.takeLast().map(OpenSSLErrorQueue.text) ?? "failed"
  }

  init(_ step: String, reason: String) {
    self.step = step
    self.reason = reason
  }
}

/// The calling thread's OpenSSL error queue. It is shared by every OpenSSL object of the thread, so it is emptied before
/// each operation and after each failure: an error never outlives the association that caused it.
enum OpenSSLErrorQueue {
  static func clear() { ERR_clear_error() }

  /// The most recent error code; empties the queue.
  static func takeLast() -> UInt? {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    return code == 0 ? nil : code
  }

  static func text(_ code: UInt) -> String {
    ERR_reason_error_string(code).map { String(cString: $0) } ?? "OpenSSL error \(String(code, radix: 16))"
  }

  /// The alert that the peer sent, if `code` says that one came: OpenSSL adds 1000 to the alert's number.
  static func receivedAlert(_ code: UInt) -> String? {
    // ERR_GET_LIB and ERR_GET_REASON: 23 bits of reason below 8 bits of library; bit 31 marks system errors.
    let isSystemError = code & 0x8000_0000 != 0
    let library = code >> 23 & 0xff
    let reason = code & 0x7f_ffff
    guard !isSystemError, library == UInt(ERR_LIB_SSL) else { return nil }
    guard reason >= UInt(SSL_AD_REASON_OFFSET), reason < UInt(SSL_AD_REASON_OFFSET) + 256 else { return nil }
    return String(cString: SSL_alert_desc_string_long(Int32(reason) - SSL_AD_REASON_OFFSET))
  }
}

/// `object`, or the error that explains why `step` gave none.
func required<T>(_ object: T?, _ step: String) throws(OpenSSLError) -> T {
  guard let object else { throw OpenSSLError(step) }
  return object
}

/// Throws unless OpenSSL returned a positive number, its usual word for success.
func require(_ result: some BinaryInteger, _ step: String) throws(OpenSSLError) {
  guard result > 0 else { throw OpenSSLError(step) }
}
