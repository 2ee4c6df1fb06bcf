import Wire

// Datagrams that are not RTP: which of them the control plane is to have.
extension Forwarder {
  /// Whether a datagram on `tuple` is for the control plane: of a transport, or of a peer that is expected, and within its
  /// rate. What is not is counted and should cost nothing further.
  public mutating func admitsControl(_ datagram: UnsafeRawBufferPointer, on tuple: FiveTuple, now: Instant) -> Bool {
    if let transport = findTransport(tuple) {
      let isAdmitted = transports[transport].pointee.control.admits(limits.controlOfOne, now: now)
      if !isAdmitted { verdicts.add(.controlRateLimited) }
      return isAdmitted
    }
    switch expectations.admits(datagram, on: tuple, limits.controlOfExpected, now: now) {
    case .unexpected:
      verdicts.add(.unexpected)
      return false
    case .admitted where allExpected.admits(limits.controlOfAllExpected, now: now): return true
    case .admitted, .tooMany:
      verdicts.add(.controlRateLimited)
      return false
    }
  }
}
