import Wire

// Datagrams that are not RTP: which of them the control plane is to have.
extension Forwarder {
  /// Whether a datagram on `tuple` is within its rate: that of its transport, or a stranger's, who shares one with his
  /// address and one with all other strangers. What is beyond is counted and should cost nothing further.
  public mutating func admitsControl(on tuple: FiveTuple, now: Instant) -> Bool {
    let isAdmitted =
      if let transport = findTransport(tuple) {
        transports[transport].pointee.control.admits(limits.controlOfOne, now: now)
      } else {
        strangers.admits(tuple.remote.ip, limits.controlOfOne, now: now)
          && allStrangers.admits(limits.controlOfStrangers, now: now)
      }
    if !isAdmitted { verdicts.add(.controlRateLimited) }
    return isAdmitted
  }
}
