import Forwarding
import SFU

/// What signalling needs of the calls. The control loop implements it; every call is on the event loop.
public protocol CallControl: AnyObject {
  /// What the SFU commands in answer may come back (`deliver`, `respond`, `close`) before this returns.
  func handle(_ input: SFUInput)
  func totals() -> CallTotals
  /// Looks at every stream: nothing for what anybody may ask as often as he likes.
  func report() -> Report
  /// Whether no new participants are taken.
  var isDraining: Bool { get }
  func administer(_ action: AdminAction) -> AdminOutcome
  func trace(_ request: TraceRequest) -> TraceOutcome
  func fastPathStatistics() -> FastPathStatistics
}

extension CallControl {
  public func totals() -> CallTotals { CallTotals(report()) }
}
