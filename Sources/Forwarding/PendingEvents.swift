import Wire

/// What the control plane is to be told the next time it asks. Bounded: what does not fit is refused. Missing packets fit
/// always, as no receiver can name more of a source than it was lately sent.
struct PendingEvents {
  private var unknownSources: [FastPathEvent] = []
  private var missing: [SourceID: Set<UInt16>] = [:]
  private var keyFrames: Set<SourceID> = []
  /// Transports that have arrivals to report.
  private(set) var arrivingTransports: [Int] = []
  /// When the oldest arrival is due; immediately if a record is nearly full.
  var arrivalsDue = Instant(nanoseconds: .max)

  static let arrivalsInterval = Interval.milliseconds(50)
  static let unknownSourceInterval = Interval.milliseconds(100)
  private static let maximumUnknownSources = 256

  mutating func addUnknownSource(_ transport: TransportID, _ source: UnknownSource) -> Bool {
    guard unknownSources.count < Self.maximumUnknownSources else { return false }
    unknownSources.append(.unknownSource(transport, source))
    return true
  }

  /// A packet that several subscribers miss is reported once.
  mutating func addMissing(_ source: SourceID, _ sequence: UInt16) { missing[source, default: []].insert(sequence) }

  mutating func addKeyFrameNeeded(_ source: SourceID) { keyFrames.insert(source) }

  mutating func addArrivals(of transport: Int) { arrivingTransports.append(transport) }

  mutating func forget(transport: Int) { arrivingTransports.removeAll { $0 == transport } }

  var isEmpty: Bool { unknownSources.isEmpty && missing.isEmpty && keyFrames.isEmpty }

  /// Everything but the arrivals.
  mutating func take() -> [FastPathEvent] {
    var taken = unknownSources
    unknownSources.removeAll(keepingCapacity: true)
    for (source, sequences) in missing { taken.append(.missing(source, sequences.sorted())) }
    missing.removeAll(keepingCapacity: true)
    for source in keyFrames { taken.append(.keyFrameNeeded(source)) }
    keyFrames.removeAll(keepingCapacity: true)
    return taken
  }

  mutating func takeArrivingTransports() -> [Int] {
    defer {
      arrivingTransports.removeAll(keepingCapacity: true)
      arrivalsDue = Instant(nanoseconds: .max)
    }
    return arrivingTransports
  }
}

extension Forwarder {
  /// What there is to tell the control plane. Cheap when that is nothing.
  public mutating func takeEvents(now: Instant) -> [FastPathEvent] {
    if now >= missingDue { settleMissing(now: now) }
    guard !events.isEmpty || now >= events.arrivalsDue else { return [] }
    var taken = events.take()
    if now >= events.arrivalsDue {
      for slot in events.takeArrivingTransports() {
        let arrivals = transports[slot].pointee.arrivals.take()
        taken.append(.arrivals(transports[slot].pointee.id, arrivals))
      }
    }
    return taken
  }

  /// Notes a transport-wide sequence number for the next report.
  mutating func noteArrival(_ sequence: UInt16, on transport: Int, now: Instant) {
    let isFirst = transports[transport].pointee.arrivals.count == 0
    guard transports[transport].pointee.arrivals.append(sequence, at: now) else {
      return verdicts.add(.droppedEvent)
    }
    if isFirst {
      events.addArrivals(of: transport)
      events.arrivalsDue = min(events.arrivalsDue, now.advanced(by: PendingEvents.arrivalsInterval))
    }
    if transports[transport].pointee.arrivals.count >= ArrivalRecord.pressing { events.arrivalsDue = now }
  }
}
