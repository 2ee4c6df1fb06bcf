import CSRTP

/// The library that most SFUs protect media with: the reference.
enum LibSRTP {
  /// Runs srtp_init, which must happen exactly once in a process and before any other use of libsrtp.
  static let isReady = srtp_init() == srtp_err_status_ok
}
