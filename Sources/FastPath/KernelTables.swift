import CFastPathABI
import CXDP
import Glibc

/// The kernel lane's tables, as they lie in the kernel's and our memory, and who has which place in them.
struct KernelTables {
  let sinks: MappedTable<fp_sink>
  let counters: MappedTable<fp_sink_counters>
  let states: MappedTable<fp_source_state>
  var freeSinks: PlacePool
  var freeCounters: PlacePool
  var freeStates: PlacePool

  init(_ program: borrowing XDPProgram) throws(LaneRefusal) {
    let sinkCount = Int(FP_MAX_SINKS.rawValue)
    let stateCount = Int(FP_MAX_ROUTED_SOURCES.rawValue)
    sinks = try MappedTable(program.sinks, count: sinkCount)
    counters = try MappedTable(program.sinkCounters, count: sinkCount)
    states = try MappedTable(program.sourceStates, count: stateCount)
    freeSinks = PlacePool(count: sinkCount)
    freeCounters = PlacePool(count: sinkCount)
    freeStates = PlacePool(count: stateCount)
  }
}

/// A BPF array in our memory.
final class MappedTable<Value> {
  let base: UnsafeMutablePointer<Value>
  private let size: Int

  init(_ descriptor: CInt, count: Int) throws(LaneRefusal) {
    size = count * MemoryLayout<Value>.stride
    guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED else {
      throw LaneRefusal(reason: "the kernel lane's tables cannot be mapped (\(SystemError.text(errno)))")
    }
    base = memory.bindMemory(to: Value.self, capacity: count)
  }

  deinit { munmap(base, size) }
}

/// Ranges of free places; the lowest that is large enough is taken.
struct PlacePool {
  private var free: [Range<Int>]
  private(set) var used = 0
  let capacity: Int

  init(count: Int) {
    capacity = count
    free = [0..<count]
  }

  mutating func take(_ count: Int = 1) -> Int? {
    guard let i = free.firstIndex(where: { $0.count >= count }) else { return nil }
    let first = free[i].lowerBound
    if free[i].count == count { free.remove(at: i) } else { free[i] = first + count..<free[i].upperBound }
    used += count
    return first
  }

  mutating func give(_ places: Range<Int>) {
    guard !places.isEmpty else { return }
    used -= places.count
    var range = places
    let next = free.firstIndex { $0.lowerBound >= range.upperBound } ?? free.endIndex
    var replaced = next..<next
    if next < free.endIndex, free[next].lowerBound == range.upperBound {
      range = range.lowerBound..<free[next].upperBound
      replaced = next..<next + 1
    }
    if next > 0, free[next - 1].upperBound == range.lowerBound {
      range = free[next - 1].lowerBound..<range.upperBound
      replaced = next - 1..<replaced.upperBound
    }
    free.replaceSubrange(replaced, with: [range])
  }
}
