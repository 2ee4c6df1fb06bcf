import Forwarding
import SFU

/// What signalling needs of the calls. The control loop implements it; every call is on the event loop.
public protocol CallControl: AnyObject {
  /// What the SFU commands in answer may come back (`deliver`, `respond`, `close`) before this returns.
  func handle(_ input: SFUInput)
  func report() -> Report
  func administer(_ action: AdminAction) -> AdminOutcome
  func trace(_ request: TraceRequest) -> TraceOutcome
  func fastPathStatistics() -> FastPathStatistics
}
