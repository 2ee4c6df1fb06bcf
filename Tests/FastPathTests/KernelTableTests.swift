import CFastPathABI
import CXDP
import Glibc
import Testing
import Wire

/// The XDP program as a table: packet in, verdict.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct KernelTableTests {
  struct Row: CustomTestStringConvertible {
    var testDescription: String
    var frame: TestFrame
    var verdict: String

    init(_ description: String, _ verdict: String, _ change: (inout TestFrame) -> Void = { _ in }) {
      testDescription = description
      self.verdict = verdict
      frame = TestFrame()
      change(&frame)
    }

    /// Whether it is about something that IPv6 has as well.
    var ipv6: Row? {
      guard frame.ipOptions.isEmpty, frame.fragment == 0, frame.etherType == nil, frame.hasHeaderChecksum else {
        return nil
      }
      var row = self
      row.testDescription += ", IPv6"
      row.frame.source = "fd00::2"
      row.frame.destination = frame.destination == "10.0.0.1" ? "fd00::1" : "fd00::99"
      return row
    }
  }

  private static let rows: [Row] = [
    // Not ours.
    Row("ARP", "pass_not_ip") { $0.etherType = 0x0806 },
    Row("two VLAN tags", "pass_not_ip") { $0.vlanTags = [5, 6] },
    Row("an Ethernet header alone", "pass_truncated") { $0.cut = 28 + 32 },
    Row("TCP", "pass_not_udp") { $0.ipProtocol = 6 },
    Row("ICMP", "pass_not_udp") { $0.ipProtocol = 1 },
    Row("another UDP port", "pass_other_port") { $0.destinationPort = 53 },
    Row("RTP on its way to another host", "pass_not_local") {
      $0.destination = "10.0.0.99"
      $0.sourcePort = 1
    },
    // Malformed.
    Row("IP version 5", "pass_truncated") { $0.version = 5 },
    Row("IPv4 options", "pass_options") { $0.ipOptions = [7, 4, 4, 0] },
    Row("IPv4, more fragments to come", "pass_fragment") { $0.fragment = 0x2000 },
    Row("IPv4, a later fragment", "pass_fragment") { $0.fragment = 0x00b9 },
    Row("a wrong header checksum", "pass_bad_checksum") { $0.hasHeaderChecksum = false },
    Row("a wrong header checksum of what is no RTP", "pass_stun") {
      $0.hasHeaderChecksum = false
      $0.payload = [0, 1, 0, 0]
    },
    Row("IPv6 fragment header", "pass_fragment") {
      ($0.source, $0.destination, $0.ipProtocol) = ("fd00::2", "fd00::1", 44)
    },
    Row("IPv6 hop-by-hop options", "pass_not_udp") {
      ($0.source, $0.destination, $0.ipProtocol) = ("fd00::2", "fd00::1", 0)
    },
    Row("IPv4 length below its header", "pass_truncated") { $0.ipLength = 19 },
    Row("UDP length 0", "pass_truncated") { $0.udpLength = 0 },
    Row("UDP length 7", "pass_truncated") { $0.udpLength = 7 },
    Row("UDP longer than IP says", "pass_truncated") { $0.udpLength = 41 },
    Row("a frame shorter than its datagram", "pass_truncated") { $0.cut = 1 },
    Row("a frame cut in the UDP header", "pass_truncated") { $0.cut = 32 + 3 },
    Row("a frame cut in the IP header", "pass_truncated") { $0.cut = 32 + 8 + 2 },
    // Ours, for the socket.
    Row("STUN, first byte 0", "pass_stun") { $0.payload = [0, 1] + [UInt8](repeating: 0, count: 18) },
    Row("STUN, first byte 3", "pass_stun") { $0.payload[0] = 3 },
    Row("ZRTP and reserved, first byte 4", "pass_unknown_protocol") { $0.payload[0] = 4 },
    Row("first byte 19", "pass_unknown_protocol") { $0.payload[0] = 19 },
    Row("DTLS, first byte 20", "pass_dtls") { $0.payload[0] = 20 },
    Row("DTLS, first byte 63", "pass_dtls") { $0.payload[0] = 63 },
    Row("TURN channel, first byte 64", "pass_unknown_protocol") { $0.payload[0] = 64 },
    Row("first byte 127", "pass_unknown_protocol") { $0.payload[0] = 127 },
    Row("first byte 192", "pass_unknown_protocol") { $0.payload[0] = 192 },
    Row("RTCP sender report", "pass_rtcp") { $0.payload[1] = 200 },
    Row("RTCP, second byte 64", "pass_rtcp") { $0.payload[1] = 64 },
    Row("RTCP, second byte 223", "pass_rtcp") { $0.payload[1] = 223 },
    Row("no payload", "pass_unknown_protocol") { $0.payload = [] },
    Row("no payload, in a padded frame", "pass_unknown_protocol") { ($0.payload, $0.padding) = ([], 18) },
    Row("one byte", "pass_unknown_protocol") { $0.payload = [0x80] },
    Row("RTP of 11 bytes", "pass_unknown_protocol") { $0.payload.removeSubrange(11...) },
    Row("RTP of 11 bytes, in a padded frame", "pass_unknown_protocol") {
      $0.payload.removeSubrange(11...)
      $0.padding = 10
    },
    // RTP.
    Row("a known source, payload type 96", "pass_no_xsk"),
    Row("a known source, payload type 63", "pass_no_xsk") { $0.payload[1] = 63 },
    Row("a known source with marker, payload type 96", "pass_no_xsk") { $0.payload[1] = 224 },
    Row("a known source, first byte 0xbf", "pass_no_xsk") { $0.payload[0] = 0xbf },
    Row("a known source, RTP of 12 bytes", "pass_no_xsk") { $0.payload.removeSubrange(12...) },
    Row("a known source behind a VLAN tag", "pass_no_xsk") { $0.vlanTags = [5] },
    Row("a known source, in a padded frame", "pass_no_xsk") { $0.padding = 9 },
    Row("a known source that the socket is to get", "pass_source") { $0.payload = TestFrame.rtp(ssrc: 8) },
    Row("another SSRC of a known transport", "pass_unknown_ssrc") { $0.payload = TestFrame.rtp(ssrc: 9) },
    Row("a stranger", "drop_unknown_sender") { $0.sourcePort = 5001 },
    Row("a stranger with a known SSRC from another address", "drop_unknown_sender") {
      $0.source = $0.source == "10.0.0.2" ? "10.0.0.3" : "fd00::3"
    },
  ]

  private static let everyRow =
    rows
    + rows.compactMap { row in
      row.frame.source == "10.0.0.2" && row.frame.version == nil && row.frame.ipLength == nil ? row.ipv6 : nil
    }

  /// 10.0.0.2:5000 and [fd00::2]:5000 are transports; SSRC 7 goes to AF_XDP, SSRC 8 to the UDP socket.
  private func program() throws -> TestProgram {
    let program = try TestProgram()
    for (remote, local) in [("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")] {
      let tuple = fp_tuple(
        remote: fp_address(testing: remote), local: fp_address(testing: local), remote_port: UInt16(5000).bigEndian,
        local_port: TestProgram.mediaPort.bigEndian)
      program.set("fp_transports", tuple, fp_transport(id: 1))
      for (ssrc, action) in [(UInt32(7), FP_ACTION_XSK), (8, FP_ACTION_PASS)] {
        program.set(
          "fp_sources", fp_source_key(tuple: tuple, ssrc: ssrc.bigEndian), fp_source(testing: action))
      }
    }
    return program
  }

  @Test func verdicts() throws {
    let program = try program()
    for row in Self.everyRow {
      let packet = row.frame.bytes
      let outcome = try program.run(packet)
      #expect(outcome.verdict == "xdp_" + row.verdict, "\(row.testDescription)")
      #expect(outcome.action == (row.verdict.hasPrefix("drop") ? 1 : 2), "\(row.testDescription)")
      #expect(outcome.packet == packet, "\(row.testDescription): the packet is as it was")
    }
  }

  @Test func passesStrangersWhileTheTableOfTransportsIsFull() throws {
    let program = try program()
    program.set("fp_settings", UInt32(0), fp_settings(pass_unknown_senders: 1))
    var frame = TestFrame()
    frame.sourcePort = 5001
    #expect(try program.run(frame.bytes).verdict == "xdp_pass_unknown_sender")
    program.set("fp_settings", UInt32(0), fp_settings(pass_unknown_senders: 0))
    #expect(try program.run(frame.bytes).verdict == "xdp_drop_unknown_sender")
  }

  /// Steering needs a real AF_XDP socket: one on `lo`, never attached to.
  @Test func steersToTheSocketOfTheQueue() throws {
    let network = try Network()
    try network.onServer {
      let program = try program()
      let socket = try BareXSK(interface: "lo")
      program.set("fp_interfaces", UInt32(1), fp_interface(first_xsk: 64, queues: 1))
      let frame = TestFrame().bytes
      #expect(try program.run(frame).verdict == "xdp_pass_no_xsk")
      program.set("fp_xsks", UInt32(64), socket.descriptor)
      let steered = try program.run(frame)
      #expect(steered.verdict == "xdp_redirect_xsk" && steered.action == 4)

      var large = TestFrame()
      large.payload = TestFrame.rtp(length: Int(FP_MAX_FRAME.rawValue) - 54)
      #expect(large.bytes.count == Int(FP_MAX_FRAME.rawValue))
      #expect(try program.run(large.bytes).verdict == "xdp_redirect_xsk")
      large.payload.append(0)
      #expect(try program.run(large.bytes).verdict == "xdp_pass_oversize")
    }
  }

  @Test func everyVerdictHasAName() {
    var names: Set<String> = []
    for verdict in 0..<UInt32(FP_VERDICT_COUNT.rawValue) {
      if let name = fp_verdict_name(verdict), fp_verdict_meaning(verdict) != nil { names.insert(String(cString: name)) }
    }
    #expect(names.count == Int(FP_VERDICT_COUNT.rawValue))
    #expect(fp_verdict_name(FP_VERDICT_COUNT.rawValue) == nil)
    let tested = Set(Self.everyRow.map { "xdp_" + $0.verdict })
    let elsewhere = Set(
      ["redirect_xsk", "pass_oversize", "pass_unknown_sender"].map { "xdp_" + $0 } + KernelRouteTableTests.verdicts)
    #expect(names == tested.union(elsewhere), "every verdict has a test")
  }

  /// Whatever is done to a packet, its verdict is the one that the plain reading of it gives.
  @Test func judges100000MutatedPackets() throws {
    let program = try program()
    var mutation = Mutation()
    let frames = Self.everyRow.map(\.frame.bytes)
    for round in 0..<100_000 {
      let packet = mutation.mutate(frames)
      let outcome = try program.run(packet)
      let verdict = Self.expected(packet)
      guard outcome.verdict == "xdp_" + verdict, outcome.packet == packet,
        outcome.action == (verdict.hasPrefix("drop") ? 1 : 2)
      else {
        Issue.record("seed \(mutation.seed), round \(round): \(outcome), not \(verdict), for \(packet)")
        return
      }
    }
  }

  private static func expected(_ frame: [UInt8]) -> String {
    switch ExpectedReading.of(frame) {
    case .ended(let verdict): verdict
    case .rtp(let packet) where packet.isOfTransport && packet.ssrc == 7: "pass_no_xsk"
    case .rtp(let packet) where packet.isOfTransport && packet.ssrc == 8: "pass_source"
    case .rtp(let packet): packet.verdictWithoutSource
    }
  }
}
