import SFU

extension ClientMessage {
  /// Its `type`.
  var name: String {
    switch self {
    case .join: "join"
    case .publish: "publish"
    case .answer: "answer"
    case .candidate: "candidate"
    case .subscribe: "subscribe"
    case .mute: "mute"
    case .restart: "restart"
    case .leave: "leave"
    }
  }
}
