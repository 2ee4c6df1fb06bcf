import CBPFObjects
import CFastPathABI
import CXDP
import Forwarding
import Glibc

/// Why a lane cannot be had, for people.
struct LaneRefusal: Error {
  var reason: String
  /// The kernel's number of somebody else's program that is in the way.
  var program: UInt32?
}

/// The XDP program and its tables, as the kernel has them. All go with this value.
struct XDPProgram: ~Copyable {
  private let object: OpaquePointer
  private let descriptors: Descriptors

  var program: CInt { descriptors.program }
  var transports: CInt { descriptors.transports }
  var checks: CInt { descriptors.checks }
  var sources: CInt { descriptors.sources }
  var localAddresses: CInt { descriptors.localAddresses }
  var settings: CInt { descriptors.settings }
  var interfaces: CInt { descriptors.interfaces }
  var xsks: CInt { descriptors.xsks }
  var sinks: CInt { descriptors.sinks }
  var sinkCounters: CInt { descriptors.sinkCounters }
  var sourceStates: CInt { descriptors.sourceStates }
  var broadcasts: CInt { descriptors.broadcasts }
  var selfTest: CInt { descriptors.selfTest }
  var traces: CInt { descriptors.traces }
  var traceEvents: CInt { descriptors.traceEvents }
  /// The devmaps' program, and the one that sends the self-test's frames.
  var copyProgram: CInt { descriptors.copyProgram }
  var selfTestProgram: CInt { descriptors.selfTestProgram }
  private var verdicts: CInt { descriptors.verdicts }

  /// File descriptors of the loaded program and its tables; the object owns them.
  private struct Descriptors {
    let program, copyProgram, selfTestProgram: CInt
    let transports, checks, sources, localAddresses, settings, interfaces, xsks, verdicts: CInt
    let sinks, sinkCounters, sourceStates, broadcasts, selfTest, traces, traceEvents: CInt

    init(_ object: OpaquePointer) throws(LaneRefusal) {
      program = bpf_program__fd(bpf_object__find_program_by_name(object, "needletail_xdp"))
      copyProgram = bpf_program__fd(bpf_object__find_program_by_name(object, "needletail_copy"))
      selfTestProgram = bpf_program__fd(bpf_object__find_program_by_name(object, "needletail_self_test"))
      sinks = try XDPProgram.map("fp_sinks", in: object)
      sinkCounters = try XDPProgram.map("fp_sink_counters", in: object)
      sourceStates = try XDPProgram.map("fp_source_states", in: object)
      broadcasts = try XDPProgram.map("fp_broadcasts", in: object)
      selfTest = try XDPProgram.map("fp_self_test", in: object)
      traces = try XDPProgram.map("fp_traces", in: object)
      traceEvents = try XDPProgram.map("fp_trace_events", in: object)
      transports = try XDPProgram.map("fp_transports", in: object)
      checks = try XDPProgram.map("fp_checks", in: object)
      sources = try XDPProgram.map("fp_sources", in: object)
      localAddresses = try XDPProgram.map("fp_local_addresses", in: object)
      settings = try XDPProgram.map("fp_settings", in: object)
      interfaces = try XDPProgram.map("fp_interfaces", in: object)
      xsks = try XDPProgram.map("fp_xsks", in: object)
      verdicts = try XDPProgram.map("fp_verdicts", in: object)
    }
  }

  /// Loads the program for media port `port`; the limits are numbers of table entries.
  init(port: UInt16, maximumTransports: Int, maximumSources: Int) throws(LaneRefusal) {
    libbpf_set_print(nil)
    libxdp_set_print(nil)
    Self.liftMemoryLimit()
    let object = try Self.open()
    let descriptors: Descriptors
    do throws(LaneRefusal) {
      try Self.set(port: port, in: object)
      bpf_map__set_max_entries(
        bpf_object__find_map_by_name(object, "fp_transports"), UInt32(clamping: maximumTransports))
      bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "fp_sources"), UInt32(clamping: maximumSources))
      try Self.load(object)
      descriptors = try Descriptors(object)
    } catch {
      bpf_object__close(object)
      throw error
    }
    self.object = object
    self.descriptors = descriptors
  }

  deinit { bpf_object__close(object) }

  /// The counters of every way out, summed over all processors.
  func verdictCounts() -> [(name: String, count: UInt64)] { Self.verdictCounts(verdicts, prefix: "xdp") }

  /// The programs, as the kernel numbers them.
  func programs() -> [ProgramStatus] {
    [Self.status("needletail_xdp", program), Self.status("needletail_copy", copyProgram)].compactMap { $0 }
  }

  static func status(_ name: String, _ program: CInt) -> ProgramStatus? {
    var about = bpf_prog_info()
    var size = UInt32(MemoryLayout<bpf_prog_info>.size)
    guard bpf_obj_get_info_by_fd(program, &about, &size) == 0 else { return nil }
    return ProgramStatus(name: name, id: about.id)
  }

  static func verdictCounts(_ verdicts: CInt, prefix: String) -> [(name: String, count: UInt64)] {
    var perProcessor = [UInt64](repeating: 0, count: max(1, Int(libbpf_num_possible_cpus())))
    return (0..<UInt32(FP_VERDICT_COUNT.rawValue)).compactMap { verdict in
      var key = verdict
      guard let name = fp_verdict_name(verdict), bpf_map_lookup_elem(verdicts, &key, &perProcessor) == 0 else {
        return nil
      }
      return (prefix + String(cString: name).dropFirst(3), perProcessor.reduce(0, &+))
    }
  }

  // MARK: Loading

  private static func open() throws(LaneRefusal) -> OpaquePointer {
    var options = bpf_object_open_opts()
    options.sz = MemoryLayout<bpf_object_open_opts>.size
    let object = "needletail".withCString { name in
      options.object_name = name
      return bpf_object__open_mem(needletail_xdp_object, needletail_xdp_object_size, &options)
    }
    guard let object else { throw LaneRefusal(reason: "the XDP program is damaged: \(SystemError.text(errno))") }
    return object
  }

  /// Has an object that is not loaded yet use these tables where it has tables of the same names, but counters of its own.
  func share(with other: OpaquePointer) {
    var next = bpf_object__next_map(other, nil)
    while let map = next {
      let name = String(cString: bpf_map__name(map))
      if name.hasPrefix("fp_"), name != "fp_verdicts", let own = bpf_object__find_map_by_name(object, name) {
        bpf_map__reuse_fd(map, bpf_map__fd(own))
      }
      next = bpf_object__next_map(other, map)
    }
  }

  static func set(port: UInt16, in object: OpaquePointer) throws(LaneRefusal) {
    var size = 0
    guard let constants = bpf_object__find_map_by_name(object, ".rodata"),
      let memory = bpf_map__initial_value(constants, &size), size >= 2
    else { throw LaneRefusal(reason: "the XDP program is damaged: it has no media port") }
    UnsafeMutableRawPointer(mutating: memory).storeBytes(of: port.bigEndian, as: UInt16.self)
  }

  static func load(_ object: OpaquePointer) throws(LaneRefusal) {
    let error = -bpf_object__load(object)
    switch error {
    case 0: return
    case EPERM, EACCES:
      throw LaneRefusal(reason: "no permission to load BPF programs: \(Capabilities.remedy)")
    case ENOMEM:
      throw LaneRefusal(reason: "no memory for BPF tables: raise the limit of locked memory (LimitMEMLOCK=infinity)")
    case ENOSYS: throw LaneRefusal(reason: "this kernel has no BPF")
    default: throw LaneRefusal(reason: "the kernel refuses the XDP program: \(SystemError.text(error))")
    }
  }

  static func map(_ name: String, in object: OpaquePointer) throws(LaneRefusal) -> CInt {
    guard let map = bpf_object__find_map_by_name(object, name) else {
      throw LaneRefusal(reason: "the XDP program is damaged: it has no table \(name)")
    }
    return bpf_map__fd(map)
  }

  /// BPF tables (before Linux 5.11) and AF_XDP memory count as locked memory. Where this is not allowed, what follows
  /// may still fit.
  private static func liftMemoryLimit() {
    var limit = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
    setrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &limit)
  }
}
