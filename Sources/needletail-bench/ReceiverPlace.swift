/// Where the receivers' end of the cable runs: on the other processor, which leaves the server's to what forwards; or on the
/// same, as a network card's completions do: copies are freed where they are made, and their memory stays in the cache.
enum ReceiverPlace: CaseIterable {
  case otherProcessor, sameProcessor

  static let serverCPU = 0
  static let clientCPU = 1

  /// `waits`: for more copies, where it runs on the other processor. Otherwise each wakes a thread there at the
  /// sender's expense, which no network card does.
  func arrange(_ pair: NetworkPair, waits: Bool) throws {
    let isOther = self == .otherProcessor
    try pair.pinThreads(serverCPU: Self.serverCPU, clientCPU: isOther ? Self.clientCPU : Self.serverCPU)
    try pair.coalesce("peer0", packets: isOther && waits ? 1000 : 0, nanoseconds: isOther && waits ? 50_000 : 0)
  }
}

/// Tries three times: a machine shared with others may stall, and then the receivers' ring overflows.
func patiently<R>(_ body: () throws -> R) throws -> R {
  for _ in 0..<2 {
    do { return try body() } catch { Progress.note("\(error); once more") }
  }
  return try body()
}
