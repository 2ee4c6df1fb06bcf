import Wire

/// The interfaces that the kernel lane can send by with XDP. Their devmaps are made over several turns of the worker, and
/// go a turn after the interface was given up, when no route names them any more.
struct SendingInterfaces {
  private var ready: [UInt32: Broadcasts] = [:]
  private var opening: [UInt32: (link: Link, broadcasts: Broadcasts)] = [:]
  private var refused: [UInt32: RefusedInterface] = [:]
  private var closing: [Broadcasts] = []

  /// Whether there is more to ready at once.
  var isBusy: Bool { !opening.isEmpty }

  /// Why XDP cannot send by an interface; nil if it can.
  func reason(_ link: Link) -> String? {
    if ready[link.index] != nil { return nil }
    if opening[link.index] != nil { return "\(link.name): sending by XDP is being readied" }
    if let refused = refused[link.index] { return "\(link.name): \(refused.reason)" }
    return "\(link.name): XDP cannot send by it\(link.kind == "veth" ? " (GRO is off at its other end)" : "")"
  }

  /// Takes an interface up if its driver can send now, and gives it up if it cannot. Returns whether anything changed.
  mutating func follow(_ link: Link, now: Instant) -> Bool {
    // Without an answer everything stays as it is.
    guard let canTransmit = XDPFeatures.canTransmit(link.index) else { return false }
    guard canTransmit else { return remove(link.index) }
    guard ready[link.index] == nil, opening[link.index] == nil, refused[link.index]?.isDue(link, now: now) ?? true
    else { return false }
    opening[link.index] = (link, Broadcasts(link.index))
    return true
  }

  /// Gives an interface up. Returns whether anything changed: then this turn must change the routes by it.
  mutating func remove(_ index: UInt32) -> Bool {
    let wasRefused = refused.removeValue(forKey: index) != nil
    let made = [ready.removeValue(forKey: index), opening.removeValue(forKey: index)?.broadcasts].compactMap { $0 }
    closing += made
    return wasRefused || !made.isEmpty
  }

  /// The next step of a turn, before anything is taken up or given up in it. Returns whether an interface can send that
  /// could not, or is refused now.
  mutating func proceed(in program: borrowing XDPProgram, now: Instant, log: FastPath.Log) -> Bool {
    for broadcasts in closing { broadcasts.close(in: program) }
    closing = []
    guard case (let link, var broadcasts)? = opening.first?.value else { return false }
    do throws(LaneRefusal) {
      guard try broadcasts.proceed(in: program) else {
        opening[link.index] = (link, broadcasts)
        return false
      }
      refused[link.index] = nil
      ready[link.index] = broadcasts
    } catch {
      let last = refused[link.index]
      refused[link.index] = RefusedInterface(link, error, after: last, now: now)
      closing.append(broadcasts)
      if last?.reason != error.reason {
        log("notice", "the kernel lane cannot use XDP", ["interface": link.name, "reason": error.reason])
      }
    }
    opening[link.index] = nil
    return true
  }
}
