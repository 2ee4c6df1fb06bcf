import CFastPathABI
import CXDP
import Glibc
import Testing
import Wire

/// What the programs tell of single packets, without any network.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct KernelTraceTests {
  /// The programs' ring of events.
  private final class Ring {
    private let ring: OpaquePointer
    private let found = Found()
    private final class Found { var events: [fp_trace_event] = [] }

    init(_ program: TestProgram) throws {
      let context = Unmanaged.passUnretained(found).toOpaque()
      let opened = ring_buffer__new(
        program.descriptor(of: "fp_trace_events"),
        { context, event, size in
          guard let context, let event, size == MemoryLayout<fp_trace_event>.size else { return -1 }
          Unmanaged<Found>.fromOpaque(context).takeUnretainedValue().events.append(event.load(as: fp_trace_event.self))
          return 0
        }, context, nil)
      ring = try #require(opened)
    }

    deinit { ring_buffer__free(ring) }

    func take() -> [fp_trace_event] {
      ring_buffer__consume(ring)
      defer { found.events = [] }
      return found.events
    }
  }

  /// As in `KernelRouteTableTests`, with SSRC 7 of IPv4 traced.
  private static func program(_ object: TestProgram.Object, _ action: fp_action, every: UInt32 = 1) throws
    -> TestProgram
  {
    let program = try KernelRouteTableTests.program(action, object: object)
    trace(program, action, 7, 3)
    restart(program, every: every)
    return program
  }

  private static func trace(_ program: TestProgram, _ action: fp_action, _ ssrc: UInt32, _ place: UInt16) {
    let tuple = fp_tuple(
      remote: fp_address(testing: "10.0.0.2"), local: fp_address(testing: "10.0.0.1"),
      remote_port: UInt16(5000).bigEndian, local_port: TestProgram.mediaPort.bigEndian)
    var source = fp_source(testing: action)
    (source.state, source.first_sink, source.sink_count, source.interface) = (ssrc, 3, 1, 1)
    source.trace = place
    program.set("fp_sources", fp_source_key(tuple: tuple, ssrc: ssrc.bigEndian), source)
  }

  private static func restart(_ program: TestProgram, every: UInt32) {
    var trace = fp_trace()
    (trace.source, trace.every) = (77, every)
    program.set("fp_traces", UInt32(2), trace)
  }

  private static func missed(_ program: TestProgram) -> UInt64 {
    var key: UInt32 = 2
    var trace = fp_trace()
    bpf_map_lookup_elem(program.descriptor(of: "fp_traces"), &key, &trace)
    return trace.missed
  }

  private static func name(_ event: fp_trace_event) -> String {
    fp_verdict_name(UInt32(event.verdict)).map { String(cString: $0) } ?? ""
  }

  @Test(arguments: [
    (TestProgram.Object.xdp, FP_ACTION_XDP, "xdp_tx"), (.xdp, FP_ACTION_XSK, "xdp_pass_no_xsk"),
    (.xdp, FP_ACTION_PASS, "xdp_pass_source"), (.tc, FP_ACTION_TC, "xdp_broadcast"),
  ])
  func tellsOfATracedSource(_ object: TestProgram.Object, _ action: fp_action, _ verdict: String) throws {
    let program = try Self.program(object, action)
    let ring = try Ring(program)
    var frame = TestFrame()
    frame.payload = [0x80, 0x80 | 96, 0x12, 0x34, 1, 2, 3, 4] + frame.payload[8...]
    let outcome = try program.run(frame.bytes)
    #expect(outcome.verdict.contains(verdict))
    let events = ring.take()
    let event = try #require(events.first)
    #expect(events.count == 1 && Self.name(event) == verdict && event.source == 77)
    #expect(UInt32(event.program) == (object == .xdp ? FP_PROGRAM_XDP : FP_PROGRAM_TC).rawValue)
    #expect(event.sequence == 0x1234 && event.timestamp == 0x0102_0304 && event.key.ssrc == UInt32(7).bigEndian)
    #expect(event.payload_type == 96 && event.marker == 1 && Int(event.length) == frame.payload.count)
    #expect(event.key.tuple.remote_port == UInt16(5000).bigEndian && event.interface == 1)
    #expect(withUnsafeBytes(of: event.key.tuple.remote) { Array($0[12...]) } == [10, 0, 0, 2])
    let isForwarded = action == FP_ACTION_XDP || action == FP_ACTION_TC
    #expect(event.sink_count == (isForwarded ? 1 : 0) && event.first_sink == 3)
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let age = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec) - event.time
    #expect(age < 60_000_000_000)
  }

  @Test(arguments: [(TestProgram.Object.xdp, FP_ACTION_XDP), (.tc, FP_ACTION_TC)])
  func tellsOfWhatItDropsAndOfNobodyElse(_ object: TestProgram.Object, _ action: fp_action) throws {
    let program = try Self.program(object, action)
    Self.trace(program, action, 10, 3)
    let ring = try Ring(program)
    var malformed = TestFrame()
    malformed.payload[0] = 0x89
    _ = try program.run(malformed.bytes)
    var limited = TestFrame()
    limited.payload = TestFrame.rtp(ssrc: 10)
    limited.payload[0] = 0x89
    _ = try program.run(limited.bytes)
    #expect(ring.take().map(Self.name) == ["xdp_drop_malformed", "xdp_drop_malformed"])
    var other = TestFrame()
    (other.source, other.destination) = ("fd00::2", "fd00::1")
    _ = try program.run(other.bytes)
    other = TestFrame()
    other.payload = TestFrame.rtp(ssrc: 4711)
    _ = try program.run(other.bytes)
    #expect(ring.take().isEmpty, "another source, and one that is none")
    Self.restart(program, every: 0)
    _ = try program.run(TestFrame().bytes)
    #expect(ring.take().isEmpty, "the trace has ended")
  }

  @Test func xdpLeavesWhatTCTellsToTC() throws {
    let program = try Self.program(.xdp, FP_ACTION_TC)
    let ring = try Ring(program)
    _ = try program.run(TestFrame().bytes)
    #expect(ring.take().isEmpty)
  }

  @Test func tellsOfOnePacketInSoMany() throws {
    let program = try Self.program(.xdp, FP_ACTION_XDP, every: 10)
    let ring = try Ring(program)
    for _ in 0..<100 { _ = try program.run(TestFrame().bytes) }
    #expect(ring.take().map(\.number) == (0..<10).map { $0 * 10 } && Self.missed(program) == 0)
  }

  @Test func tellsAtItsPaceAndCountsTheRest() throws {
    let program = try Self.program(.xdp, FP_ACTION_XDP)
    let ring = try Ring(program)
    for _ in 0..<5000 { _ = try program.run(TestFrame().bytes) }
    let events = ring.take()
    let first = try #require(events.first)
    let last = try #require(events.last)
    let milliseconds = Int((last.time - first.time) / 1_000_000)
    #expect(events.count >= 100 && events.count <= 102 + milliseconds, "\(events.count) in \(milliseconds) ms")
    #expect(UInt64(events.count) + Self.missed(program) == 5000)
  }

  @Test func aFullRingCostsEventsAlone() throws {
    let program = try Self.program(.xdp, FP_ACTION_XDP)
    let ring = try Ring(program)
    var missed: UInt64 = 0
    for _ in 0..<40 {
      Self.restart(program, every: 1)
      for _ in 0..<100 {
        let outcome = try program.run(TestFrame().bytes)
        #expect(outcome.verdict == "xdp_tx")
      }
      missed += Self.missed(program)
    }
    let told = ring.take().count
    #expect(told > 2000 && missed > 0 && UInt64(told) + missed == 4000, "\(told), \(missed)")
    Self.restart(program, every: 1)
    _ = try program.run(TestFrame().bytes)
    #expect(ring.take().count == 1)
  }
}
