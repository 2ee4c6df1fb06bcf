import CXDP
import Glibc
import Wire

/// Sends one frame many times, from a network interface as a network card's driver does: as XDP frames, all at once. What a
/// socket sends over veth must first be converted for XDP, at the expense of who receives it.
struct FrameSender: ~Copyable {
  private let program: CInt
  private let interface: UInt32
  private var frame: [UInt8]

  private static let liveFrames: UInt32 = 2  // BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18)

  /// To be made, and used, in the namespace of `interface`. `frame`: Ethernet, as it arrives at the other end.
  init(interface name: String, frame: [UInt8]) throws {
    interface = if_nametoindex(name)
    self.frame = frame
    program = try XDPInstruction.load([.set(0, CInt(XDP_TX.rawValue)), .exit], "bench_send")
  }

  deinit { close(program) }

  /// Sends the frame `count` times. The call itself takes milliseconds; the frames leave within microseconds.
  mutating func send(_ count: Int) throws {
    var context = xdp_md()
    context.data_end = UInt32(frame.count)
    context.ingress_ifindex = interface
    var options = bpf_test_run_opts()
    options.sz = MemoryLayout<bpf_test_run_opts>.size
    options.data_size_in = UInt32(frame.count)
    options.repeat = CInt(count)
    options.flags = Self.liveFrames
    let program = program
    let error = frame.withUnsafeBytes { frame in
      withUnsafeBytes(of: &context) { context in
        options.data_in = frame.baseAddress
        options.ctx_in = context.baseAddress
        options.ctx_size_in = UInt32(context.count)
        return bpf_prog_test_run_opts(program, &options)
      }
    }
    guard error == 0 else { throw BenchFailure("frames cannot be sent: \(String(cString: strerror(-error)))") }
  }

  /// Ethernet, IPv4, UDP with their checksums, and the payload.
  static func frame(
    from source: SocketAddress, to destination: SocketAddress, hardware: (source: [UInt8], destination: [UInt8]),
    payload: [UInt8]
  ) -> [UInt8] {
    let addresses = source.ip.bytes + destination.ip.bytes
    let length = 8 + payload.count
    var ip = ByteWriter()
    ip.append([0x45, 0])
    ip.u16(UInt16(20 + length))
    ip.append([0, 0, 0x40, 0, 64, 17])
    let before = ip.bytes
    ip.u16(~sum(before + addresses))
    ip.append(addresses)
    var udp = ByteWriter()
    udp.u16(source.port)
    udp.u16(destination.port)
    udp.u16(UInt16(length))
    let pseudo = addresses + [0, 17, UInt8(length >> 8), UInt8(length & 0xff)]
    let checksum = ~sum(pseudo + udp.bytes + payload)
    udp.u16(checksum == 0 ? 0xffff : checksum)
    return hardware.destination + hardware.source + [0x08, 0x00] + ip.bytes + udp.bytes + payload
  }

  /// One's-complement sum of octets (RFC 1071).
  private static func sum(_ octets: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for i in stride(from: 0, to: octets.count, by: 2) {
      sum += UInt32(octets[i]) << 8 | (i + 1 < octets.count ? UInt32(octets[i + 1]) : 0)
    }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    return UInt16(sum)
  }
}

/// Takes every IPv4 packet off an interface as long as it lives: receivers on other machines would cost nothing here.
final class FrameDrain {
  private let link: CInt

  /// To be made in the namespace of `interface`.
  init(interface name: String) throws {
    let program = try XDPInstruction.load(
      [
        .load(2, from: 1, at: 0, bytes: 4), .load(3, from: 1, at: 4, bytes: 4),
        .copy(4, from: 2), .add(4, 14), .jumpIfGreater(4, than: 3, over: 4),
        .load(5, from: 2, at: 12, bytes: 2), .jumpUnless(5, equals: 0x0008, over: 2),
        .set(0, CInt(XDP_DROP.rawValue)), .exit,
        .set(0, CInt(XDP_PASS.rawValue)), .exit,
      ], "bench_drain")
    defer { close(program) }
    link = bpf_link_create(program, CInt(if_nametoindex(name)), BPF_XDP, nil)
    guard link >= 0 else { throw BenchFailure("no XDP program on \(name): \(String(cString: strerror(errno)))") }
  }

  deinit { close(link) }
}

/// An instruction of a program too small for a file of its own.
struct XDPInstruction {
  private let bits: bpf_insn

  private init(_ code: CInt, _ destination: UInt8 = 0, _ source: UInt8 = 0, offset: Int16 = 0, value: CInt = 0) {
    var bits = bpf_insn()
    bits.code = UInt8(code)
    bits.dst_reg = destination
    bits.src_reg = source
    bits.off = offset
    bits.imm = value
    self.bits = bits
  }

  static let exit = XDPInstruction(0x95)
  static func set(_ register: UInt8, _ value: CInt) -> Self { .init(0xb7, register, value: value) }
  static func copy(_ register: UInt8, from other: UInt8) -> Self { .init(0xbf, register, other) }
  static func add(_ register: UInt8, _ value: CInt) -> Self { .init(0x07, register, value: value) }
  static func load(_ register: UInt8, from base: UInt8, at offset: Int16, bytes: Int) -> Self {
    .init(bytes == 4 ? 0x61 : 0x69, register, base, offset: offset)
  }
  static func jumpIfGreater(_ register: UInt8, than other: UInt8, over count: Int16) -> Self {
    .init(0x2d, register, other, offset: count)
  }
  static func jumpUnless(_ register: UInt8, equals value: CInt, over count: Int16) -> Self {
    .init(0x55, register, offset: count, value: value)
  }

  /// The descriptor of a loaded XDP program.
  static func load(_ instructions: [XDPInstruction], _ name: String) throws -> CInt {
    let bits = instructions.map(\.bits)
    let program = bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", bits, bits.count, nil)
    guard program >= 0 else { throw BenchFailure("\(name) cannot be loaded: \(String(cString: strerror(errno)))") }
    return program
  }
}
