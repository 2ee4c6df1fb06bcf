import ICE
import STUN
import Wire

/// A client with good credentials and one without, on four addresses: each event is an octet that says what comes, one for
/// the address and whether it nominates, one for how much later. Only who nominated is selected, and errors that anyone
/// can cause are no larger than what caused them.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  var reader = ByteReader([UInt8](UnsafeBufferPointer(start: data, count: size)))
  var call = Call()
  while let event = reader.u8(), let place = reader.u8(), let time = reader.u8() {
    call.now = call.now.advanced(by: .milliseconds(UInt64(time) * 64))
    switch event % 8 {
    case 0:
      call.generation += 1
      call.agent.restart(local: call.credentials)
    case 1: call.agent.setRemote(ICECredentials(usernameFragment: "browser", password: "browser"))
    case 2: call.receive(Array(reader.take(min(Int(place), reader.remaining)) ?? []), on: Call.tuple(place))
    case 3: call.receive(call.check(place, of: call.generation, password: "guessed"), on: Call.tuple(place))
    case 4: call.receive(call.check(place, of: max(1, call.generation) - 1), on: Call.tuple(place))
    default: call.receive(call.check(place, of: call.generation), on: Call.tuple(place))
    }
  }
  return 0
}

private struct Call {
  var now = Instant.zero
  var generation = 0
  var agent = ICEAgent(local: Call.credentials(0), now: .zero)
  private var nominated: Set<FiveTuple> = []
  private var isGood = false

  var credentials: ICECredentials { Self.credentials(generation) }

  static func credentials(_ generation: Int) -> ICECredentials {
    ICECredentials(usernameFragment: "ours\(generation)", password: "password-\(generation)")
  }

  static func tuple(_ place: UInt8) -> FiveTuple {
    FiveTuple(local: SocketAddress(.v4(1), 3478), remote: SocketAddress(.v4(2), UInt16(place & 3)))
  }

  /// The third bit of `place` nominates; those above are the priority.
  mutating func check(_ place: UInt8, of generation: Int, password: String? = nil) -> [UInt8] {
    let good = Self.credentials(generation)
    isGood = password == nil
    if isGood, place & 4 != 0 { nominated.insert(Self.tuple(place)) }
    return ConnectivityCheck(
      username: "\(good.usernameFragment):browser", password: password ?? good.password, priority: UInt32(place >> 3),
      role: .controlling(tieBreaker: 1), useCandidate: place & 4 != 0
    ).encode(transactionID: .random())
  }

  mutating func receive(_ datagram: [UInt8], on tuple: FiveTuple) {
    let before = agent.selected
    let wasGood = isGood
    isGood = false
    _ = ICEAgent.localUsernameFragment(of: datagram)
    switch agent.received(datagram, on: tuple, now: now) {
    case .respond: precondition(wasGood && agent.selected == before)
    case .selected(_, let pair): precondition(wasGood && pair == tuple && agent.selected == tuple)
    case .refused(let response, _): precondition(response.count <= datagram.count && agent.selected == before)
    case .dropped: precondition(agent.selected == before)
    }
    precondition(before == nil || agent.selected != nil)
    precondition(agent.selected == nil || !nominated.isEmpty)
    precondition(agent.localUsernameFragments.count <= 2)
    _ = agent.expired(now: now)
  }
}
