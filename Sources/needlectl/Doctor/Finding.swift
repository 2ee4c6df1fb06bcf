/// What `doctor` found out about one thing.
struct Finding: Encodable {
  enum State: String, Encodable {
    case ok
    /// The fast path, or the server, lacks this.
    case missing
    /// Works, but could be better.
    case note
  }

  var check: String
  var state: State
  var detail: String
  /// How to get it; nil when nothing is to be done.
  var remedy: String?

  static func ok(_ check: String, _ detail: String) -> Finding { Finding(check: check, state: .ok, detail: detail) }

  static func missing(_ check: String, _ detail: String, remedy: String) -> Finding {
    Finding(check: check, state: .missing, detail: detail, remedy: remedy)
  }

  static func note(_ check: String, _ detail: String, remedy: String) -> Finding {
    Finding(check: check, state: .note, detail: detail, remedy: remedy)
  }
}
