import Logging
import SFU

extension Logger.Level {
  /// The SFU's level of a life-cycle event.
  init(_ level: SFULogLevel) {
    self =
      switch level {
      case .debug: .debug
      case .info: .info
      case .warning: .warning
      case .error: .error
      }
  }

  /// The fast path's name of a level; an unknown one is `.info`.
  init(name: String) { self = Logger.Level(rawValue: name) ?? .info }
}
