import CBPFObjects
import CFastPathABI
import CXDP
import Glibc
import Wire

/// Copies that XDP made and an interface had no room for: a driver's ring takes so many at once, and a burst of packets to
/// many sinks can be more. Where this happens the worker, which waits for room, makes the copies for a while.
final class Overflows {
  private let object: OpaquePointer
  private let link: OpaquePointer
  private let table: CInt
  /// By interface, as is all that follows.
  private var counts: [UInt32: fp_overflow] = [:]
  private var lastLosses: [UInt32: Instant] = [:]
  private var retreats: [UInt32: Retreat] = [:]
  /// All copies lost so far, of all interfaces.
  private(set) var lost: UInt64 = 0
  private var due = Instant.zero

  private struct Retreat {
    var until: Instant
    var length: Interval
    var isOver = false
  }

  /// One interface, as it begins to retreat.
  struct Loss {
    var interface: UInt32
    var lost: UInt64
    var made: UInt64
    var retreat: Interval
  }

  private static let interval = Interval.seconds(1)
  private static let first = Interval.seconds(60)
  private static let longest = Interval.seconds(3600)
  /// A stall of the machine loses once; bursts, such as key frames, lose again and again.
  private static let recurrence = Interval.seconds(10)

  init(sharing program: borrowing XDPProgram) throws(LaneRefusal) {
    guard let object = bpf_object__open_mem(needletail_overflow_object, needletail_overflow_object_size, nil) else {
      throw LaneRefusal(reason: "the program that counts overflows is damaged")
    }
    do throws(LaneRefusal) {
      program.share(with: object)
      try XDPProgram.load(object)
      table = try XDPProgram.map("fp_overflows", in: object)
      let program = bpf_object__find_program_by_name(object, "needletail_overflow")
      guard let link = bpf_program__attach_trace(program) else {
        throw LaneRefusal(reason: "the program that counts overflows cannot be attached (\(SystemError.text(errno)))")
      }
      self.link = link
    } catch {
      bpf_object__close(object)
      throw error
    }
    self.object = object
  }

  deinit {
    bpf_link__destroy(link)
    bpf_object__close(object)
  }

  /// Whether copies for the interface are the worker's for now.
  func isRetreating(_ interface: UInt32) -> Bool { retreats[interface]?.isOver == false }

  /// Looks once a second. Returns the interfaces that begin to retreat, and whether any is done with it.
  func turn(_ interfaces: Set<UInt32>, now: Instant) -> (losses: [Loss], hasEnded: Bool) {
    guard now >= due else { return ([], false) }
    due = now.advanced(by: Self.interval)
    for gone in counts.keys where !interfaces.contains(gone) { forget(gone) }
    var hasEnded = false
    for (interface, retreat) in retreats where !retreat.isOver && now >= retreat.until {
      retreats[interface]?.isOver = true
      hasEnded = true
    }
    return (interfaces.compactMap { loss($0, now: now) }, hasEnded)
  }

  private func forget(_ interface: UInt32) {
    var key = interface
    bpf_map_delete_elem(table, &key)
    counts[interface] = nil
    lastLosses[interface] = nil
    retreats[interface] = nil
  }

  private func loss(_ interface: UInt32, now: Instant) -> Loss? {
    var key = interface
    var count = fp_overflow()
    guard bpf_map_lookup_elem(table, &key, &count) == 0 else { return nil }
    let before = counts.updateValue(count, forKey: interface) ?? fp_overflow()
    let (made, lost) = (count.made &- before.made, count.lost &- before.lost)
    self.lost &+= lost
    guard Self.isTooMuch(lost, of: made), !isRetreating(interface) else { return nil }
    let last = lastLosses.updateValue(now, forKey: interface)
    guard let last, now.since(last) <= Self.recurrence else { return nil }
    let length = nextLength(interface, now: now)
    retreats[interface] = Retreat(until: now.advanced(by: length), length: length)
    return Loss(interface: interface, lost: lost, made: made, retreat: length)
  }

  /// Twice as long as the last time, if that was lately.
  private func nextLength(_ interface: UInt32, now: Instant) -> Interval {
    guard let last = retreats[interface], now.since(last.until) <= Self.longest else { return Self.first }
    return min(Interval(nanoseconds: last.length.nanoseconds * 2), Self.longest)
  }

  /// One in a thousand is what a call does not notice.
  static func isTooMuch(_ lost: UInt64, of made: UInt64) -> Bool { lost > 0 && lost >= made / 1000 }
}
