import CFastPathABI
import CXDP
import Forwarding
import Glibc
import Wire

/// What the kernel forwards without the worker, and what is known of every source that it might.
final class KernelLane {
  /// One copy as the kernel makes it: the sink and the way to it.
  struct Copy: Hashable {
    var sink: KernelSink
    var tuple: FiveTuple
    var destination: [UInt8]
    var source: [UInt8]
    var interface: UInt32
  }

  enum Program: Hashable {
    case xdp(interface: UInt32, broadcast: UInt32)
    /// Why not by XDP.
    case tc(reason: String)
  }

  /// What is to become of a source's packets.
  enum Plan: Hashable {
    case worker(reason: String)
    case kernel(Program, [Copy])
  }

  /// What is in the tables for a source.
  struct Installed {
    var state: Int
    var plan: Plan
    var sinks: Range<Int>
    /// Places in `fp_sink_counters`.
    var counters: [SinkID: Int] = [:]
  }

  /// Places that packets on their way may still use.
  private struct Retired {
    var due: Instant
    var source: SourceID
    var state: Int?
    var sinks: Range<Int>
    var copies: [Copy]
    var counters: [SinkID: Int]
  }

  var tables: KernelTables
  var tc: TCProgram?
  var avoidsXDP = false
  /// Whether the worker makes copies that an interface had no room for.
  var retreats = true
  /// nil: they cannot be counted.
  var overflows: Overflows?
  var overflowReason = ""
  /// Why there is no TC program, or why it is not on an interface.
  var tcReason = ""
  var tcRefusals: [UInt32: String] = [:]
  var installed: [SourceID: Installed] = [:]
  /// Clear sources, and those with a rate limit.
  var candidates: [SourceID: Source] = [:]
  var sourceOf: [SinkID: SourceID] = [:]
  var dirty: Set<SourceID> = []
  /// Sources for which there was no room; tried again when there is some.
  var crowdedOut: Set<SourceID> = []
  private var retired: [Retired] = []
  /// Counters as of the last time that they were passed on.
  private var seenSources: [Int: fp_source_state] = [:]
  private var seenSinks: [Int: fp_sink_counters] = [:]

  /// Far longer than a packet is on its way through a program.
  private static let grace = Interval.seconds(1)

  init(port: UInt16, _ program: borrowing XDPProgram) throws(LaneRefusal) {
    tables = try KernelTables(program)
    do throws(LaneRefusal) {
      tc = try TCProgram(port: port, sharing: program)
    } catch {
      tcReason = error.reason
    }
    do throws(LaneRefusal) {
      overflows = try Overflows(sharing: program)
    } catch {
      overflowReason = error.reason
    }
  }

  func markAllDirty() { dirty.formUnion(candidates.keys) }

  // MARK: Tables

  /// Writes a plan where no packet sees it yet. nil, and nothing is taken, if there is no room.
  func write(_ plan: Plan, for id: SourceID, route: SourceRoute?) -> (Installed, fp_source)? {
    let old = installed[id]
    guard let state = old?.state ?? tables.freeStates.take() else { return nil }
    var new = Installed(state: state, plan: plan, sinks: 0..<0)
    var value = fp_source.toWorker
    if case .kernel(let program, let copies) = plan {
      guard let first = tables.freeSinks.take(copies.count) else {
        if old == nil { tables.freeStates.give(state..<state + 1) }
        return nil
      }
      new.sinks = first..<first + copies.count
      for copy in copies { new.counters[copy.sink.id] = old?.counters[copy.sink.id] ?? takeCounters() }
      guard new.counters.count == copies.count else {
        give(new, except: old)
        return nil
      }
      for (i, copy) in copies.enumerated() {
        tables.sinks.base[first + i] = fp_sink(copy, counters: new.counters[copy.sink.id] ?? 0)
      }
      value.first_sink = UInt32(first)
      value.sink_count = UInt32(copies.count)
      switch program {
      case .xdp(let interface, let broadcast):
        (value.action, value.interface, value.broadcast) = (UInt32(FP_ACTION_XDP.rawValue), interface, broadcast)
      case .tc: value.action = UInt32(FP_ACTION_TC.rawValue)
      }
    }
    if old == nil { tables.states.base[state] = fp_source_state() }
    // While the worker had it, the kernel did not count.
    if old?.isForwarding != true, let route { resume(state, route) }
    value.state = UInt32(state)
    value.clock_rate = route?.clockRate ?? 0
    limit(&value, candidates[id]?.rateLimit ?? RateLimit())
    return (new, value)
  }

  private func resume(_ state: Int, _ route: SourceRoute) {
    let place = tables.states.base + state
    place.pointee.has_started = route.highestSequence == nil ? 0 : 1
    place.pointee.highest_sequence = route.highestSequence ?? 0
    // Matters where the worker has heard the source but not counted it: before it was anybody's.
    place.pointee.first_sequence = route.highestSequence.map { $0 &+ 1 } ?? 0
    place.pointee.jitter = route.jitter
    place.pointee.has_transit = route.transit == nil ? 0 : 1
    place.pointee.transit = route.transit ?? 0
  }

  private func limit(_ value: inout fp_source, _ limit: RateLimit) {
    if limit.packetsPerSecond > 0 { value.packet_interval = 1_000_000_000 / UInt64(limit.packetsPerSecond) }
    if limit.bytesPerSecond > 0 { value.kilobyte_interval = 1_024_000_000_000 / UInt64(limit.bytesPerSecond) }
  }

  private func takeCounters() -> Int? {
    guard let place = tables.freeCounters.take() else { return nil }
    tables.counters.base[place] = fp_sink_counters()
    return place
  }

  /// Takes back what was never used.
  private func give(_ new: Installed, except old: Installed?) {
    tables.freeSinks.give(new.sinks)
    for (sink, place) in new.counters where old?.counters[sink] == nil { tables.freeCounters.give(place..<place + 1) }
    if old == nil { tables.freeStates.give(new.state..<new.state + 1) }
  }

  func discard(_ new: Installed, of id: SourceID) { give(new, except: installed[id]) }

  /// `new` is what packets see from now on; nil: the source has no entry any more.
  func replace(_ id: SourceID, by new: Installed?, now: Instant) {
    if let old = installed[id] {
      let gone = old.counters.filter { new?.counters[$0.key] == nil }
      retired.append(
        Retired(
          due: now.advanced(by: Self.grace), source: id, state: new == nil ? old.state : nil, sinks: old.sinks,
          copies: old.copies, counters: gone))
    }
    installed[id] = new
    crowdedOut.remove(id)
  }

  // MARK: Counters

  /// Passes on what the kernel counted of a source and its sinks.
  func absorb(_ id: SourceID, into forwarder: inout Forwarder) {
    guard let entry = installed[id] else { return }
    absorb(id, state: entry.state, entry.counters, into: &forwarder)
  }

  /// Also of sinks that the source had until a moment ago.
  func absorbAll(_ id: SourceID, into forwarder: inout Forwarder) {
    absorb(id, into: &forwarder)
    for entry in retired where entry.source == id {
      absorb(id, state: nil, entry.counters, into: &forwarder)
    }
  }

  private func absorb(
    _ id: SourceID, state: Int?, _ counters: [SinkID: Int], into forwarder: inout Forwarder
  ) {
    if let state {
      let now = tables.states.base[state]
      let before = seenSources.updateValue(now, forKey: state) ?? fp_source_state()
      var counts = KernelSourceCounts()
      counts.packets = now.packets &- before.packets
      counts.bytes = now.bytes &- before.bytes
      counts.rateLimited = now.limited &- before.limited
      counts.firstSequence = now.first_sequence
      counts.highestSequence = now.highest_sequence
      // By restarts of the source; the kernel only adds, so the difference is this time's even across an overflow.
      counts.skipped = now.skipped &- before.skipped
      counts.lastArrival = Instant(nanoseconds: now.last_arrival)
      (counts.jitter, counts.transit) = (now.jitter, now.transit)
      forwarder.absorb(counts, of: id)
    }
    for (sink, place) in counters {
      let now = tables.counters.base[place]
      let before = seenSinks.updateValue(now, forKey: place) ?? fp_sink_counters()
      guard now.packets != before.packets else { continue }
      var counts = KernelSinkCounts()
      counts.packets = now.packets &- before.packets
      counts.bytes = now.bytes &- before.bytes
      counts.payloadOctets = now.payload_octets &- before.payload_octets
      counts.firstSent = Instant(nanoseconds: now.first_sent)
      counts.lastSent = Instant(nanoseconds: now.last_sent)
      forwarder.absorb(counts, of: sink)
    }
  }

  // MARK: Tracing

  /// The copies that lie from place `first`, or did until a moment ago.
  func copies(of id: SourceID, from first: Int) -> [Copy] {
    if let entry = installed[id], entry.sinks.lowerBound == first { return entry.copies }
    return retired.last { $0.source == id && $0.sinks.lowerBound == first }?.copies ?? []
  }

  /// Gives places back that no packet uses any more.
  func clean(now: Instant, into forwarder: inout Forwarder) {
    while let first = retired.first, first.due <= now {
      retired.removeFirst()
      dirty.formUnion(crowdedOut)
      absorb(first.source, state: first.state, first.counters, into: &forwarder)
      tables.freeSinks.give(first.sinks)
      for place in first.counters.values {
        seenSinks[place] = nil
        tables.freeCounters.give(place..<place + 1)
      }
      if let state = first.state {
        seenSources[state] = nil
        tables.freeStates.give(state..<state + 1)
      }
    }
  }
}

extension KernelLane.Installed {
  var isForwarding: Bool { if case .kernel = plan { true } else { false } }
  var copies: [KernelLane.Copy] { if case .kernel(_, let copies) = plan { copies } else { [] } }
}

extension fp_sink {
  init(_ copy: KernelLane.Copy, counters: Int) {
    self.init()
    withUnsafeMutableBytes(of: &self) { memory in
      memory[0..<6].copyBytes(from: copy.destination.prefix(6))
      memory[6..<12].copyBytes(from: copy.source.prefix(6))
      let types = MemoryLayout<fp_sink>.offset(of: \.payload_types) ?? 0
      memory[types..<types + 128].copyBytes(from: copy.sink.payloadTypes.prefix(128))
    }
    interface = copy.interface
    self.counters = UInt32(counters)
    tuple = fp_tuple(copy.tuple)
    ssrc = copy.sink.ssrc.bigEndian
    timestamp_offset = copy.sink.timestampOffset
    sequence_offset = copy.sink.sequenceOffset
    hop_limit = copy.tuple.remote.ip.isMulticast ? FramePath.multicastHopLimit : .max
    let bytes = copy.tuple.local.ip.bytes + copy.tuple.remote.ip.bytes
    let addresses = bytes.withUnsafeBytes { bytes in bytes.baseAddress.map { Checksum.sum($0, bytes.count) } ?? 0 }
    let rest = UInt64(tuple.local_port) + UInt64(tuple.remote_port) + UInt64(UInt16(17).bigEndian)
    sum = UInt32(~Checksum.finish(addresses &+ rest))
  }
}
