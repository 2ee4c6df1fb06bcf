import CFastPathABI
import CXDP
import Glibc

/// The devmaps of one interface: every entry is that interface with the program that makes the copies. As many sizes as
/// are needed are there from the start, so that who joins or leaves touches none: every one up to 64, and from there in
/// steps of a sixteenth (the program drops the copies beyond the last sink).
struct Broadcasts {
  static let exact = 64
  private static let liveFrames: UInt32 = 2  // BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18)

  static let sizes: [Int] = {
    var sizes = Array(1...exact)
    while let last = sizes.last, last < Int(FP_MAX_FANOUT.rawValue) {
      sizes.append(last + (1 << (Int.bitWidth - 1 - last.leadingZeroBitCount)) / 16)
    }
    return sizes
  }()

  /// The number of entries that serve `count` sinks; nil if there are more than allowed.
  static func entries(for count: Int) -> Int? { sizes.first { $0 >= count } }

  /// Makes the devmaps, and proves that copies leave them in order.
  static func open(_ interface: UInt32, in program: borrowing XDPProgram) throws(LaneRefusal) {
    var keys: [fp_broadcast] = []
    var maps: [CInt] = []
    defer { for map in maps { Glibc.close(map) } }
    for size in sizes {
      maps.append(try devmap(interface, entries: size, program.copyProgram))
      keys.append(fp_broadcast(interface: interface, entries: UInt32(size)))
    }
    // One call: the kernel waits for its programs after each.
    var count = UInt32(keys.count)
    if bpf_map_update_batch(program.broadcasts, &keys, &maps, &count, nil) != 0 {
      for i in keys.indices where bpf_map_update_elem(program.broadcasts, &keys[i], &maps[i], UInt64(BPF_ANY)) != 0 {
        let error = errno
        close(interface, in: program)
        throw LaneRefusal(reason: "no devmap for XDP broadcasts (\(SystemError.text(error)))")
      }
    }
    do throws(LaneRefusal) {
      for size in [2, 5, 33] { try proveOrder(interface, entries: size, program) }
    } catch {
      close(interface, in: program)
      throw error
    }
  }

  static func close(_ interface: UInt32, in program: borrowing XDPProgram) {
    for size in sizes {
      var key = fp_broadcast(interface: interface, entries: UInt32(size))
      bpf_map_delete_elem(program.broadcasts, &key)
    }
  }

  private static func devmap(_ interface: UInt32, entries: Int, _ program: CInt) throws(LaneRefusal) -> CInt {
    let map = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "fp_broadcast", 4, 8, UInt32(entries), nil)
    guard map >= 0 else { throw LaneRefusal(reason: "no devmap for XDP broadcasts (\(SystemError.text(errno)))") }
    for entry in 0..<UInt32(entries) {
      var key = entry
      // struct bpf_devmap_val: the interface, and the program's descriptor.
      var value = (interface, program)
      guard bpf_map_update_elem(map, &key, &value, 0) == 0 else {
        let error = errno
        Glibc.close(map)
        throw LaneRefusal(reason: "XDP cannot send by it (\(SystemError.text(error)))")
      }
    }
    return map
  }

  /// Broadcasts frames that the devmap's program counts and drops: the copies of each must come together, all of them,
  /// and in the frames' order.
  private static func proveOrder(_ interface: UInt32, entries: Int, _ program: borrowing XDPProgram) throws(LaneRefusal)
  {
    var key: UInt32 = 0
    var seen = fp_self_test()
    bpf_map_update_elem(program.selfTest, &key, &seen, UInt64(BPF_ANY))
    var frame = [UInt8](repeating: 0, count: 64)
    withUnsafeBytes(of: fp_broadcast(interface: interface, entries: UInt32(entries))) {
      frame.replaceSubrange(12..<20, with: $0)
    }
    let packets: UInt32 = 48
    var options = bpf_test_run_opts()
    options.sz = MemoryLayout<bpf_test_run_opts>.size
    options.data_size_in = UInt32(frame.count)
    options.repeat = CInt(packets)
    options.flags = Self.liveFrames
    let error = frame.withUnsafeBytes { frame in
      options.data_in = frame.baseAddress
      return bpf_prog_test_run_opts(program.selfTestProgram, &options)
    }
    guard error == 0 else { throw LaneRefusal(reason: "XDP broadcasts cannot be tested (\(SystemError.text(-error)))") }
    guard bpf_map_lookup_elem(program.selfTest, &key, &seen) == 0, seen.packets == packets,
      seen.copies == packets * UInt32(entries), seen.out_of_order == 0
    else {
      throw LaneRefusal(
        reason: "XDP broadcasts failed their test (\(seen.copies) copies of \(seen.packets) packets, "
          + "\(seen.out_of_order) out of order)")
    }
  }
}
