import CFastPathABI
import CXDP
import Glibc

/// The devmaps of one interface: every entry is that interface with the program that makes the copies. As many sizes as
/// are needed are there from the start, so that who joins or leaves touches none: every one up to 64, and from there in
/// steps of a sixteenth (the program drops the copies beyond the last sink).
struct Broadcasts {
  private let interface: UInt32
  /// How many of `sizes` are in the table, and how many of `provenSizes` have passed.
  private var made = 0
  private var proven = 0

  static let exact = 64
  /// Devmaps made in one step.
  private static let atOnce = 16
  private static let provenSizes = [2, 5, 33]
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

  init(_ interface: UInt32) { self.interface = interface }

  /// Makes some of the devmaps, or, once all are there, proves of one size that copies leave in order: a step, since the
  /// whole takes long. Returns whether it was the last.
  mutating func proceed(in program: borrowing XDPProgram) throws(LaneRefusal) -> Bool {
    if made < Self.sizes.count {
      try makeDevmaps(in: program)
    } else {
      try proveOrder(entries: Self.provenSizes[proven], program)
      proven += 1
    }
    return proven == Self.provenSizes.count
  }

  private mutating func makeDevmaps(in program: borrowing XDPProgram) throws(LaneRefusal) {
    var keys: [fp_broadcast] = []
    var maps: [CInt] = []
    defer { for map in maps { Glibc.close(map) } }
    for size in Self.sizes[made...].prefix(Self.atOnce) {
      maps.append(try devmap(entries: size, program.copyProgram))
      keys.append(fp_broadcast(interface: interface, entries: UInt32(size)))
    }
    // One call: the kernel waits for its programs after each.
    var count = UInt32(keys.count)
    if bpf_map_update_batch(program.broadcasts, &keys, &maps, &count, nil) != 0 {
      for i in keys.indices {
        guard bpf_map_update_elem(program.broadcasts, &keys[i], &maps[i], UInt64(BPF_ANY)) == 0 else {
          throw LaneRefusal(reason: "no devmap for XDP broadcasts (\(SystemError.text(errno)))")
        }
        made += 1
      }
    } else {
      made += keys.count
    }
  }

  /// Takes away the devmaps made so far. No route may name them any more.
  func close(in program: borrowing XDPProgram) {
    var keys = Self.sizes.prefix(made).map { fp_broadcast(interface: interface, entries: UInt32($0)) }
    // One call, as above.
    var count = UInt32(keys.count)
    guard bpf_map_delete_batch(program.broadcasts, &keys, &count, nil) != 0 else { return }
    for i in keys.indices { bpf_map_delete_elem(program.broadcasts, &keys[i]) }
  }

  private func devmap(entries: Int, _ program: CInt) throws(LaneRefusal) -> CInt {
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
  private func proveOrder(entries: Int, _ program: borrowing XDPProgram) throws(LaneRefusal) {
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
