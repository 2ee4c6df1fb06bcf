import CBPFObjects
import CFastPathABI
import CXDP
import Glibc
import Testing
import Wire

/// RTP of a source in the kernel lane as a table: packet in; verdict and packet out of the XDP program with one sink, and
/// verdict of the TC program.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct KernelRouteTableTests {
  /// Verdicts that these tests or the tests over a cable meet.
  static let verdicts = [
    "pass_to_tc", "drop_malformed", "drop_loop", "drop_hop_limit", "drop_rate_limit", "drop_unwanted_payload_type",
    "drop_no_way", "tx", "broadcast", "copy_sent", "copy_surplus", "copy_unwanted", "copy_failed", "copy_unstamped",
  ].map { "xdp_" + $0 }

  struct Row: CustomTestStringConvertible {
    var testDescription: String
    var frame = TestFrame()
    var xdp: String
    var tc: String

    init(_ description: String, _ xdp: String, tc: String? = nil, _ change: (inout TestFrame) -> Void = { _ in }) {
      testDescription = description
      self.xdp = xdp
      self.tc = tc ?? xdp
      change(&frame)
    }
  }

  static let rows: [Row] = {
    let v4 = [
      Row("RTP", "tx", tc: "broadcast"),
      Row("marker", "tx", tc: "broadcast") { $0.payload[1] = 224 },
      Row("odd length", "tx", tc: "broadcast") { $0.payload = TestFrame.rtp(length: 1173) },
      Row("no payload", "tx", tc: "broadcast") { $0.payload = TestFrame.rtp(length: 0) },
      Row("two CSRCs", "tx", tc: "broadcast") { $0.payload[0] = 0x82 },
      Row("padding", "tx", tc: "broadcast") {
        $0.payload[0] = 0xa0
        $0.payload[$0.payload.count - 1] = 4
      },
      Row("a frame with octets behind it", "tx", tc: "broadcast") { $0.padding = 9 },
      Row("a checksum that is whole", "tx", tc: "broadcast") { $0.checksum = .whole },
      Row("the pseudo-header's checksum", "tx", tc: "broadcast") { $0.checksum = .pseudoHeader },
      Row("CSRCs beyond the end", "drop_malformed") { $0.payload[0] = 0x89 },
      Row("an extension beyond the end", "drop_malformed") {
        $0.payload[0] = 0x90
        $0.payload.replaceSubrange(12..<16, with: [0xbe, 0xde, 0, 5])
      },
      Row("no room for an extension's header", "drop_malformed") {
        $0.payload = TestFrame.rtp(length: 2)
        $0.payload[0] = 0x90
      },
      Row("padding of 0", "drop_malformed") {
        $0.payload[0] = 0xa0
        $0.payload[$0.payload.count - 1] = 0
      },
      Row("padding into the header", "drop_malformed") {
        $0.payload[0] = 0xa0
        $0.payload[$0.payload.count - 1] = 21
      },
      Row("padding without payload", "drop_malformed") {
        $0.payload = TestFrame.rtp(length: 0)
        $0.payload[0] = 0xa0
      },
      Row("a sink whose time to live is limited", "tx", tc: "broadcast") { $0.payload = TestFrame.rtp(ssrc: 13) },
      Row("a time to live below a sink's limit", "tx", tc: "broadcast") {
        $0.payload = TestFrame.rtp(ssrc: 13)
        $0.timeToLive = 3
      },
      Row("time to live 1", "drop_hop_limit") { $0.timeToLive = 1 },
      Row("time to live 0", "drop_hop_limit") { $0.timeToLive = 0 },
      Row("a payload type that is not copied", "drop_unwanted_payload_type", tc: "broadcast") { $0.payload[1] = 97 },
      Row("our own copy", "drop_loop") {
        $0.source = $0.destination
        $0.sourcePort = $0.destinationPort
      },
      Row("a source beyond its rate", "drop_rate_limit") { $0.payload = TestFrame.rtp(ssrc: 10) },
      Row("a sink that is not in the table", "drop_no_way", tc: "broadcast") { $0.payload = TestFrame.rtp(ssrc: 11) },
      Row("another interface without devmap", "drop_no_way", tc: "broadcast") { $0.payload = TestFrame.rtp(ssrc: 12) },
      Row("long", "tx", tc: "broadcast") { $0.payload = TestFrame.rtp(length: 1700) },
      Row("larger than a frame of packet memory", "pass_oversize") { $0.payload = TestFrame.rtp(length: 1900) },
      Row("a fragment", "pass_fragment") { $0.fragment = 0x2000 },
      Row("cut short", "pass_truncated") { $0.cut = 3 },
    ]
    let v6 = v4.filter { $0.frame.fragment == 0 }.map { row in
      var row = row
      row.testDescription += ", IPv6"
      row.frame.source = row.frame.source == "10.0.0.2" ? "fd00::2" : "fd00::1"
      row.frame.destination = "fd00::1"
      return row
    }
    let tagged = Row("behind a VLAN tag", "tx", tc: "pass_not_ip") { $0.vlanTags = [5] }
    return v4 + v6 + [tagged]
  }()

  /// SSRC 7 is routed to one sink; 10 has used up its rate; 11 has a sink out of range; 12 one by another interface; 13 one
  /// that limits the time to live.
  static func program(_ action: fp_action, object: TestProgram.Object) throws -> TestProgram {
    let program = try TestProgram(object)
    for (remote, local, sink) in [("10.0.0.2", "10.0.0.1", UInt32(3)), ("fd00::2", "fd00::1", 4)] {
      let tuple = fp_tuple(
        remote: fp_address(testing: remote), local: fp_address(testing: local), remote_port: UInt16(5000).bigEndian,
        local_port: TestProgram.mediaPort.bigEndian)
      program.set("fp_transports", tuple, fp_transport(id: 1))
      for ssrc in [UInt32(7), 10, 11, 12, 13] {
        var source = fp_source(testing: action)
        (source.state, source.first_sink, source.sink_count, source.interface) = (ssrc, sink, 1, 1)
        if ssrc == 10 { source.packet_interval = 1_000_000 }
        if ssrc == 11 { source.first_sink = UInt32(FP_MAX_SINKS.rawValue) }
        if ssrc == 12 { (source.interface, source.sink_count, source.broadcast) = (77, 2, 2) }
        if ssrc == 13 { source.first_sink += 2 }
        program.set("fp_sources", fp_source_key(tuple: tuple, ssrc: ssrc.bigEndian), source)
      }
      var value = Self.sink(remote: remote == "10.0.0.2" ? "10.0.0.9" : "fd00::9", local: local)
      program.set("fp_sinks", sink, value)
      value.hop_limit = limit
      program.set("fp_sinks", sink + 2, value)
    }
    var exhausted = fp_source_state()
    exhausted.packets_until = .max / 2
    program.set("fp_source_states", UInt32(10), exhausted)
    return program
  }

  static let limit: UInt8 = 5

  private static func sink(remote: String, local: String) -> fp_sink {
    var sink = fp_sink()
    withUnsafeMutableBytes(of: &sink) { memory in
      memory.copyBytes(from: [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8])
      let types = MemoryLayout<fp_sink>.offset(of: \.payload_types) ?? 0
      for type in 0..<128 { memory[types + type] = type == 96 ? 100 : 0xff }
    }
    sink.tuple = fp_tuple(
      remote: fp_address(testing: remote), local: fp_address(testing: local), remote_port: UInt16(7000).bigEndian,
      local_port: TestProgram.mediaPort.bigEndian)
    (sink.interface, sink.ssrc, sink.hop_limit) = (1, UInt32(0x0102_0304).bigEndian, .max)
    (sink.sequence_offset, sink.timestamp_offset) = (0xfffe, 0xffff_0000)
    let words = (IPAddress(remote)?.bytes ?? []) + (IPAddress(local)?.bytes ?? [])
    let ports =
      [UInt8(7000 >> 8), UInt8(7000 & 0xff)] + [UInt8(TestProgram.mediaPort >> 8), UInt8(TestProgram.mediaPort & 0xff)]
    var sum: UInt32 = 0
    let all = words + ports + [0, 17]
    for i in stride(from: 0, to: all.count, by: 2) { sum += UInt32(all[i]) | UInt32(all[i + 1]) << 8 }
    sink.sum = sum
    return sink
  }

  @Test func xdp() throws {
    let program = try Self.program(FP_ACTION_XDP, object: .xdp)
    for row in Self.rows {
      let outcome = try program.run(row.frame.bytes)
      #expect(outcome.verdict == "xdp_" + row.xdp, "\(row.testDescription)")
      guard row.xdp == "tx" else {
        #expect(outcome.action == (row.xdp.hasPrefix("drop") ? 1 : 2), "\(row.testDescription)")
        continue
      }
      #expect(outcome.action == 3 && outcome.packet == Self.expected(row.frame), "\(row.testDescription)")
    }
  }

  @Test func tc() throws {
    let program = try Self.program(FP_ACTION_TC, object: .tc)
    for row in Self.rows {
      let outcome = try program.run(row.frame.bytes)
      #expect(outcome.verdict.contains("xdp_" + row.tc), "\(row.testDescription): \(outcome.verdict)")
      #expect(outcome.action == (row.tc.hasPrefix("pass") ? .max : 2), "\(row.testDescription)")
    }
  }

  @Test func tcLeavesSeveralPacketsInOneAlone() throws {
    let frame = TestFrame().bytes
    let outcome = try Self.program(FP_ACTION_TC, object: .tc).run(frame, segmentLength: 10)
    #expect(outcome.verdict == "xdp_pass_oversize" && outcome.action == .max && outcome.packet == frame)
  }

  @Test func xdpLeavesRoutesOfTCAlone() throws {
    let frame = TestFrame().bytes
    let outcome = try Self.program(FP_ACTION_TC, object: .xdp).run(frame)
    #expect(outcome.verdict == "xdp_pass_to_tc" && outcome.action == 2 && outcome.packet == frame)
  }

  /// The copy, written again plainly: new headers before the payload, checksums complete.
  private static func expected(_ frame: TestFrame) -> [UInt8] {
    var copy = frame
    copy.vlanTags = []
    (copy.source, copy.destination) = frame.source == "10.0.0.2" ? ("10.0.0.1", "10.0.0.9") : ("fd00::1", "fd00::9")
    (copy.sourcePort, copy.destinationPort) = (TestProgram.mediaPort, 7000)
    let isLimited = frame.payload[11] == 13
    copy.timeToLive = isLimited ? min(limit, frame.timeToLive - 1) : frame.timeToLive - 1
    copy.payload[1] = frame.payload[1] & 0x80 | 100
    copy.payload.replaceSubrange(2..<12, with: [0xff, 0xff, 0xff, 0xff, 0, 1, 1, 2, 3, 4])
    copy.checksum = .whole
    copy.hasHeaderChecksum = true
    var bytes = copy.bytes
    bytes.replaceSubrange(0..<12, with: [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8])
    return bytes
  }

  /// Whatever is done to a packet, verdict, action and copy are those that the plain reading of it gives.
  @Test func xdpJudges100000MutatedPackets() throws {
    try judgeMutatedPackets(by: try Self.program(FP_ACTION_XDP, object: .xdp)) { frame in
      switch Self.expectedReading(frame) {
      case .ended(let verdict): Expected(verdict, packet: verdict.hasPrefix("pass") ? frame : nil)
      case .rtp(let packet) where packet.ssrc == 11 || packet.ssrc == 12: Expected("drop_no_way")
      case .rtp(let packet):
        if let copy = ExpectedCopy.of(frame, packet) {
          Expected("tx", packet: copy)
        } else {
          Expected("drop_unwanted_payload_type")
        }
      }
    }
  }

  /// What is left of the packet is the last copy.
  @Test func tcJudges100000MutatedPackets() throws {
    try judgeMutatedPackets(by: try Self.program(FP_ACTION_TC, object: .tc)) { frame in
      // The network stack of the test has no packets without an IP header.
      guard frame.count >= 54 else { return nil }
      guard [0x0800, 0x86dd].contains(frame.u16(12)) else { return Expected("pass_not_ip", packet: frame) }
      guard frame.count <= FP_MAX_FRAME.rawValue else { return Expected("pass_oversize", packet: frame) }
      switch Self.expectedReading(frame) {
      case .ended(let verdict): return Expected(verdict, packet: verdict.hasPrefix("pass") ? frame : nil)
      case .rtp(let packet) where packet.ssrc == 11: return Expected("broadcast")
      case .rtp(let packet):
        let copy = ExpectedCopy.of(frame, packet)
        let copied = copy == nil ? "xdp_copy_unwanted" : "xdp_copy_sent"
        guard packet.ssrc == 12 else { return Expected("broadcast, \(copied)", packet: copy) }
        return Expected("broadcast, \(copied), more than once")
      }
    }
  }

  private struct Expected {
    var verdict: String
    /// nil: whatever it is.
    var packet: [UInt8]?

    init(_ verdict: String, packet: [UInt8]? = nil) {
      self.verdict = "xdp_" + verdict
      self.packet = packet
    }

    func isMet(by outcome: TestProgram.Outcome) -> Bool {
      outcome.verdict == verdict && (packet == nil || outcome.packet == packet)
    }
  }

  /// Up to where a route's packet becomes copies.
  private static func expectedReading(_ frame: [UInt8]) -> ExpectedReading {
    guard case .rtp(let packet) = ExpectedReading.of(frame) else { return ExpectedReading.of(frame) }
    guard packet.isOfTransport, [7, 10, 11, 12, 13].contains(packet.ssrc) else {
      return .ended(packet.verdictWithoutSource)
    }
    return ExpectedCopy.refusal(of: frame, packet).map { .ended($0) } ?? .rtp(packet)
  }

  /// `expected` is nil for what cannot be tried.
  private func judgeMutatedPackets(by program: TestProgram, _ expected: ([UInt8]) -> Expected?) throws {
    var mutation = Mutation()
    let frames = Self.rows.map(\.frame.bytes)
    for round in 0..<100_000 {
      let packet = mutation.mutate(frames)
      guard let expected = expected(packet) else { continue }
      let outcome = try program.run(packet)
      guard expected.isMet(by: outcome), outcome.action == program.action(of: outcome.verdict) else {
        Issue.record("seed \(mutation.seed), round \(round): \(outcome), not \(expected), for \(packet)")
        return
      }
    }
  }
}

extension TestProgram {
  fileprivate func action(of verdict: String) -> UInt32 {
    switch kind {
    case .xdp: verdict == "xdp_tx" ? 3 : verdict.hasPrefix("xdp_drop") ? 1 : 2
    case .tc: verdict.hasPrefix("xdp_pass") ? .max : 2
    }
  }
}
