import CBPFObjects
import CFastPathABI
import CXDP
import Glibc
import Wire

/// The XDP program alone, run on single packets by the kernel (BPF_PROG_RUN), without any network.
final class TestProgram {
  struct Failure: Error { var what: String }

  /// What became of a packet.
  struct Outcome: Equatable {
    /// XDP_PASS, …
    var action: UInt32
    /// The name of the verdict counted.
    var verdict: String
    var packet: [UInt8]
  }

  enum Object: String, CaseIterable { case xdp, tc }

  private let object: OpaquePointer
  let kind: Object
  private let program: CInt
  private var counts: [UInt64]
  static let mediaPort: UInt16 = 3478

  init(_ kind: Object = .xdp) throws {
    libbpf_set_print(nil)
    self.kind = kind
    let opened =
      kind == .xdp
      ? bpf_object__open_mem(needletail_xdp_object, needletail_xdp_object_size, nil)
      : bpf_object__open_mem(needletail_tc_object, needletail_tc_object_size, nil)
    guard let object = opened else { throw Failure(what: "open") }
    self.object = object
    var size = 0
    guard let constants = bpf_object__find_map_by_name(object, ".rodata"),
      let memory = bpf_map__initial_value(constants, &size)
    else { throw Failure(what: "constants") }
    UnsafeMutableRawPointer(mutating: memory).storeBytes(of: Self.mediaPort.bigEndian, as: UInt16.self)
    guard bpf_object__load(object) == 0 else { throw Failure(what: "load: \(errno)") }
    program = bpf_program__fd(bpf_object__find_program_by_name(object, "needletail_\(kind.rawValue)"))
    counts = [UInt64](repeating: 0, count: Int(FP_VERDICT_COUNT.rawValue))
    set("fp_local_addresses", fp_address(testing: "10.0.0.1"), UInt32(1))
    set("fp_local_addresses", fp_address(testing: "fd00::1"), UInt32(1))
  }

  deinit { bpf_object__close(object) }

  func descriptor(of map: String) -> CInt { bpf_map__fd(bpf_object__find_map_by_name(object, map)) }

  func set<Key, Value>(_ map: String, _ key: Key, _ value: Value) {
    var key = key
    var value = value
    bpf_map_update_elem(descriptor(of: map), &key, &value, 0)
  }

  /// The link: the program is on the interface until it is closed.
  func attach(to interface: UInt32) throws -> CInt {
    let link = bpf_link_create(program, CInt(interface), BPF_XDP, nil)
    guard link >= 0 else { throw Failure(what: "attach: \(errno)") }
    return link
  }

  /// `segmentLength`: for TC, that the packet is to be cut into pieces of that many octets (GSO).
  func run(_ packet: [UInt8], interface: UInt32 = 1, queue: UInt32 = 0, segmentLength: Int = 0) throws -> Outcome {
    var output = [UInt8](repeating: 0, count: packet.count + 256)
    var context = xdp_md()
    context.data_end = UInt32(packet.count)
    context.ingress_ifindex = interface
    context.rx_queue_index = queue
    var buffer = __sk_buff()
    buffer.gso_segs = segmentLength > 0 ? UInt32(packet.count / segmentLength + 1) : 0
    buffer.gso_size = UInt32(segmentLength)
    var options = bpf_test_run_opts()
    options.sz = MemoryLayout<bpf_test_run_opts>.size
    options.data_size_in = UInt32(packet.count)
    options.data_size_out = UInt32(output.count)
    options.repeat = 1
    let error = packet.withUnsafeBytes { packet in
      output.withUnsafeMutableBytes { output in
        withUnsafeBytes(of: &context) { context in
          withUnsafeBytes(of: &buffer) { buffer in
            let context = kind == .xdp ? context : buffer
            options.data_in = packet.baseAddress
            options.data_out = output.baseAddress
            options.ctx_in = context.baseAddress
            options.ctx_size_in = UInt32(context.count)
            return bpf_prog_test_run_opts(program, &options)
          }
        }
      }
    }
    guard error == 0 else { throw Failure(what: "run: \(-error)") }
    return Outcome(action: options.retval, verdict: counted(), packet: Array(output[..<Int(options.data_size_out)]))
  }

  /// The one counter that has moved since the last run; "none" or a list if it is not one.
  private func counted() -> String {
    let map = bpf_map__fd(bpf_object__find_map_by_name(object, "fp_verdicts"))
    var perProcessor = [UInt64](repeating: 0, count: Int(libbpf_num_possible_cpus()))
    var moved: [String] = []
    for verdict in 0..<UInt32(FP_VERDICT_COUNT.rawValue) {
      var key = verdict
      bpf_map_lookup_elem(map, &key, &perProcessor)
      let count = perProcessor.reduce(0, +)
      if count != counts[Int(verdict)], let name = fp_verdict_name(verdict) {
        moved.append(String(cString: name))
        if count != counts[Int(verdict)] + 1 { moved.append("more than once") }
      }
      counts[Int(verdict)] = count
    }
    return moved.isEmpty ? "none" : moved.joined(separator: ", ")
  }
}

extension fp_address {
  /// As the tables want it: an IPv4 address as ::ffff:a.b.c.d.
  init(testing text: String) {
    self.init()
    let ip = IPAddress(text)?.bytes ?? []
    let bytes = ip.count == 4 ? [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + ip : ip
    withUnsafeMutableBytes(of: &self) { $0.copyBytes(from: bytes) }
  }
}

/// Builds frames to run the program on; every field can be made wrong.
struct TestFrame {
  var vlanTags: [UInt16] = []
  var source = "10.0.0.2"
  var destination = "10.0.0.1"
  var etherType: UInt16?
  var ipProtocol: UInt8 = 17
  var ipOptions: [UInt8] = []
  var version: UInt8?
  var fragment: UInt16 = 0
  var ipLength: Int?
  var sourcePort: UInt16 = 5000
  var destinationPort = TestProgram.mediaPort
  var udpLength: Int?
  var payload: [UInt8] = TestFrame.rtp()
  var padding = 0
  var timeToLive: UInt8 = 64
  /// Of UDP: none, complete, or as a sender leaves it to the hardware.
  var checksum = ChecksumKind.none
  /// Of an IPv4 header.
  var hasHeaderChecksum = true

  enum ChecksumKind { case none, whole, pseudoHeader }
  /// Octets cut from the end.
  var cut = 0

  static func rtp(ssrc: UInt32 = 7, payloadType: UInt8 = 96, length: Int = 20) -> [UInt8] {
    var writer = ByteWriter()
    writer.u8(0x80)
    writer.u8(payloadType)
    writer.u16(1)
    writer.u32(1)
    writer.u32(ssrc)
    writer.append([UInt8](repeating: 0x55, count: length))
    return writer.bytes
  }

  var bytes: [UInt8] {
    let isV6 = source.contains(":")
    var writer = ByteWriter()
    writer.append([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2])
    for tag in vlanTags {
      writer.u16(0x8100)
      writer.u16(tag)
    }
    writer.u16(etherType ?? (isV6 ? 0x86dd : 0x0800))
    let udp = udpLength ?? payload.count + 8
    let source = IPAddress(source)?.bytes ?? []
    let destination = IPAddress(destination)?.bytes ?? []
    if isV6 {
      writer.u32(UInt32(version ?? 6) << 28)
      writer.u16(UInt16(ipLength ?? payload.count + 8))
      writer.u8(ipProtocol)
      writer.u8(timeToLive)
    } else {
      writer.u8((version ?? 4) << 4 | UInt8(5 + ipOptions.count / 4))
      writer.u8(0)
      writer.u16(UInt16(ipLength ?? 20 + ipOptions.count + 8 + payload.count))
      writer.u16(0)
      writer.u16(fragment)
      writer.u8(timeToLive)
      writer.u8(ipProtocol)
      writer.u16(0)
    }
    writer.append(source + destination + ipOptions)
    writer.u16(sourcePort)
    writer.u16(destinationPort)
    writer.u16(UInt16(udp))
    writer.u16(0)
    writer.append(payload)
    writer.append([UInt8](repeating: 0, count: padding))
    return withChecksums(writer.bytes, ip: 14 + 4 * vlanTags.count, isV6: isV6).dropLast(cut)
  }

  private func withChecksums(_ frame: [UInt8], ip: Int, isV6: Bool) -> [UInt8] {
    var frame = frame
    func put(_ value: UInt16, at offset: Int) {
      frame[offset] = UInt8(value >> 8)
      frame[offset + 1] = UInt8(value & 0xff)
    }
    if hasHeaderChecksum, !isV6, frame.count >= ip + 20 { put(~Self.sum(Array(frame[ip..<ip + 20])), at: ip + 10) }
    guard checksum != .none else { return frame }
    let udp = ip + (isV6 ? 40 : 20)
    let length = [UInt8((payload.count + 8) >> 8), UInt8((payload.count + 8) & 0xff)]
    let pseudo = frame[(isV6 ? ip + 8 : ip + 12)..<udp] + [0, 17] + length
    let sum = Self.sum(Array(pseudo + (checksum == .whole ? frame[udp..<udp + 8 + payload.count] : [])))
    put(checksum == .pseudoHeader ? sum : ~sum == 0 ? 0xffff : ~sum, at: udp + 6)
    return frame
  }

  private static func sum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for (i, byte) in bytes.enumerated() { sum += i % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    return UInt16(sum)
  }
}

extension fp_source {
  init(testing action: fp_action) {
    self.init()
    self.action = action.rawValue
    state = FP_NO_STATE
  }
}
