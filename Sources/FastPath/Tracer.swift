import CFastPathABI
import CXDP
import Forwarding
import Glibc
import Wire

/// The sources whose packets the programs tell of one by one, and the ring by which they do.
final class Tracer {
  private let table: MappedTable<fp_trace>
  private let ring: OpaquePointer
  private let found: Found
  private var places = PlacePool(count: Int(FP_MAX_TRACES.rawValue))
  /// Places in `fp_traces`.
  private(set) var traced: [SourceID: Int] = [:]
  private var told: [SourceID: UInt64] = [:]

  /// Where libbpf puts what it reads.
  private final class Found { var events: [fp_trace_event] = [] }

  /// nil if the kernel has no such ring.
  init?(_ program: borrowing XDPProgram) {
    let found = Found()
    let context = Unmanaged.passUnretained(found).toOpaque()
    let ring = ring_buffer__new(
      program.traceEvents,
      { context, event, size in
        guard let context, let event, size >= MemoryLayout<fp_trace_event>.size else { return 0 }
        Unmanaged<Found>.fromOpaque(context).takeUnretainedValue().events.append(event.load(as: fp_trace_event.self))
        return 0
      }, context, nil)
    guard let ring else { return nil }
    guard let table = try? MappedTable<fp_trace>(program.traces, count: Int(FP_MAX_TRACES.rawValue)) else {
      ring_buffer__free(ring)
      return nil
    }
    (self.ring, self.table, self.found) = (ring, table, found)
  }

  deinit { ring_buffer__free(ring) }

  /// Begins, or samples otherwise from now on. nil, and nothing is taken, if too many are traced.
  func begin(_ id: SourceID, every: UInt32) -> Int? {
    if let place = traced[id] {
      table.base[place].every = every
      return place
    }
    guard let place = places.take() else { return nil }
    table.base[place] = fp_trace()
    table.base[place].source = id.rawValue
    table.base[place].every = every
    traced[id] = place
    return place
  }

  func end(_ id: SourceID) {
    guard let place = traced.removeValue(forKey: id) else { return }
    table.base[place].every = 0
    told[id] = nil
    places.give(place..<place + 1)
  }

  /// Events since the last time, of sources that are traced still, and what each has missed since it began.
  func take() -> (events: [fp_trace_event], missed: [SourceID: UInt64]) {
    ring_buffer__consume(ring)
    defer { found.events.removeAll(keepingCapacity: true) }
    var missed: [SourceID: UInt64] = [:]
    for (id, place) in traced where table.base[place].missed != told[id, default: 0] {
      told[id] = table.base[place].missed
      missed[id] = table.base[place].missed
    }
    return (found.events.filter { traced[SourceID(rawValue: $0.source)] != nil }, missed)
  }
}
