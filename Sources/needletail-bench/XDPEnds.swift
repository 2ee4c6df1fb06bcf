import CXDP
import Glibc
import Wire

/// Sends frames into the cable as a network card's driver does: as XDP frames, several at once. What a socket sends over
/// veth must first be converted for XDP, at the expense of who receives it; here a second cable within the client's
/// namespace does that, whose far end is redirected into the first.
final class FrameSender {
  private let socket: CInt
  private let link: CInt
  /// Room for `capacity` frames, and messages that point at them.
  private let frames: UnsafeMutableRawPointer
  private let vectors: UnsafeMutablePointer<iovec>
  private let messages: UnsafeMutablePointer<linux_mmsghdr>

  /// The most frames sent at once: what a veth ring holds.
  static let capacity = 256

  private static let roomPerFrame = 2048

  /// To be made in the client's namespace.
  init(_ pair: NetworkPair) throws {
    try pair.addSenderCable()
    link = try Self.redirect(NetworkPair.senderFarEnd, to: "peer0")
    socket = try Self.packetSocket(NetworkPair.senderNearEnd)
    frames = .allocate(byteCount: Self.capacity * Self.roomPerFrame, alignment: 64)
    vectors = .allocate(capacity: Self.capacity)
    messages = .allocate(capacity: Self.capacity)
    messages.initialize(repeating: linux_mmsghdr(), count: Self.capacity)
    for i in 0..<Self.capacity {
      (vectors + i).initialize(to: iovec(iov_base: frames + i * Self.roomPerFrame, iov_len: 0))
      messages[i].msg_hdr.msg_iov = vectors + i
      messages[i].msg_hdr.msg_iovlen = 1
    }
  }

  deinit {
    close(socket)
    close(link)
    frames.deallocate()
    vectors.deallocate()
    messages.deallocate()
  }

  /// Sends frames, at most `capacity`, at once. With `isStamped` each carries the time of this call where `FrameDrain`
  /// looks for it.
  func send(_ frames: some Collection<[UInt8]>, isStamped: Bool = false) {
    let now = Clock.now.nanoseconds
    var count = 0
    for frame in frames.prefix(Self.capacity) where frame.count <= Self.roomPerFrame {
      let at = self.frames + count * Self.roomPerFrame
      at.copyMemory(from: frame, byteCount: frame.count)
      vectors[count].iov_len = frame.count
      if isStamped {
        // The time and its complement, which leave the checksum as it is.
        at.storeBytes(of: now, toByteOffset: FrameDrain.timeOffset, as: UInt64.self)
        at.storeBytes(of: ~now, toByteOffset: FrameDrain.timeOffset + 8, as: UInt64.self)
      }
      count += 1
    }
    var done = 0
    while done < count {
      let taken = linux_sendmmsg(socket, messages + done, UInt32(count - done), 0)
      guard taken > 0 else { return }
      done += Int(taken)
    }
  }

  /// RTP, 1200 octets with its header, with room for the time.
  static func stampedPacket(ssrc: UInt32) -> [UInt8] {
    let header: [UInt8] = [0x80, 96, 0, 1, 0, 0, 0, 1] + (0..<4).map { UInt8(ssrc >> (24 - 8 * $0) & 0xff) }
    let time = [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 0xff, count: 8)
    return header + time + [UInt8](repeating: 0x5a, count: 1200 - header.count - time.count)
  }

  private static func redirect(_ interface: String, to other: String) throws -> CInt {
    let program = try XDPInstruction.load(
      [.set(1, CInt(if_nametoindex(other))), .set(2, 0), .call(.redirect), .exit], "bench_redirect")
    defer { close(program) }
    return try XDPInstruction.attach(program, to: interface)
  }

  private static func packetSocket(_ interface: String) throws -> CInt {
    let descriptor = Glibc.socket(AF_PACKET, CInt(SOCK_RAW.rawValue), 0)
    var bypass: CInt = 1
    setsockopt(descriptor, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, 4)
    var size: CInt = 8 << 20
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, 4)
    var name = sockaddr_ll()
    name.sll_family = UInt16(AF_PACKET)
    name.sll_ifindex = CInt(if_nametoindex(interface))
    let isBound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
      }
    }
    guard isBound == 0 else {
      throw BenchFailure("no packet socket on \(interface): \(String(cString: strerror(errno)))")
    }
    return descriptor
  }

  /// Ethernet, IPv4, UDP with their checksums, and the payload.
  static func frame(from source: SocketAddress, to destination: SocketAddress, payload: [UInt8]) -> [UInt8] {
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
    return NetworkPair.serverHardwareAddress + NetworkPair.clientHardwareAddress + [0x08, 0x00] + ip.bytes + udp.bytes
      + payload
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

/// Takes every UDP packet off an interface as long as it lives, and counts them by their delay since the sender's call:
/// receivers on other machines would cost nothing here.
final class FrameDrain {
  private let link: CInt
  private let histogram: CInt

  /// Where a frame has its time: behind Ethernet, IPv4, UDP and RTP.
  static let timeOffset = 14 + 20 + 8 + 12

  private static let buckets = 8192
  private static let bucketShift: CInt = 10  // 1.024 us

  /// To be made in the namespace of `interface`.
  init(interface name: String) throws {
    histogram = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bench_delays", 4, 8, UInt32(Self.buckets), nil)
    guard histogram >= 0 else { throw BenchFailure("no map: \(String(cString: strerror(errno)))") }
    let program = try XDPInstruction.load(
      [
        .load(2, from: 1, at: 0, bytes: 4), .load(3, from: 1, at: 4, bytes: 4),
        .copy(4, from: 2), .add(4, CInt(Self.timeOffset + 8)), .jumpIfGreater(4, than: 3, over: 21),
        .load(5, from: 2, at: 12, bytes: 2), .jumpUnless(5, equals: 0x0008, over: 19),
        .load(5, from: 2, at: 23, bytes: 1), .jumpUnless(5, equals: CInt(IPPROTO_UDP), over: 17),
        .load(6, from: 2, at: Int16(Self.timeOffset), bytes: 8),
        .call(.monotonicTime), .subtract(0, 6), .shiftRight(0, Self.bucketShift),
        .jumpUnlessGreater(0, than: CInt(Self.buckets - 1), over: 1), .set(0, CInt(Self.buckets - 1)),
        .store(10, at: -4, 0), .copy(2, from: 10), .add(2, -4),
      ] + XDPInstruction.loadMap(1, histogram) + [
        .call(.mapLookup), .jumpIf(0, equals: 0, over: 2),
        .set(1, 1), .addAtomically(0, at: 0, 1),
        .set(0, CInt(XDP_DROP.rawValue)), .exit,
        .set(0, CInt(XDP_PASS.rawValue)), .exit,
      ], "bench_drain")
    defer { close(program) }
    link = try XDPInstruction.attach(program, to: name)
  }

  deinit {
    close(link)
    close(histogram)
  }

  /// Packets taken so far, by their delay in steps of 1.024 µs; the last is for all longer ones.
  func counts() -> [UInt64] {
    (0..<UInt32(Self.buckets)).map { index in
      var index = index
      var count: UInt64 = 0
      bpf_map_lookup_elem(histogram, &index, &count)
      return count
    }
  }

  /// The delay, in nanoseconds, that `share` of the packets counted do not exceed.
  static func delay(_ counts: [UInt64], share: Double) -> UInt64 {
    let wanted = UInt64((Double(counts.reduce(0, +)) * share).rounded(.up))
    var seen: UInt64 = 0
    for (bucket, count) in counts.enumerated() {
      seen += count
      if seen >= wanted { return UInt64(bucket + 1) << UInt64(bucketShift) }
    }
    return 0
  }
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
  static func subtract(_ register: UInt8, _ other: UInt8) -> Self { .init(0x1f, register, other) }
  static func shiftRight(_ register: UInt8, _ bits: CInt) -> Self { .init(0x77, register, value: bits) }
  static func load(_ register: UInt8, from base: UInt8, at offset: Int16, bytes: Int) -> Self {
    .init([1: 0x71, 2: 0x69, 4: 0x61][bytes] ?? 0x79, register, base, offset: offset)
  }
  /// Four octets.
  static func store(_ base: UInt8, at offset: Int16, _ register: UInt8) -> Self {
    .init(0x63, base, register, offset: offset)
  }
  /// Eight octets.
  static func addAtomically(_ base: UInt8, at offset: Int16, _ register: UInt8) -> Self {
    .init(0xdb, base, register, offset: offset)
  }
  static func jumpIf(_ register: UInt8, equals value: CInt, over count: Int16) -> Self {
    .init(0x15, register, offset: count, value: value)
  }
  static func jumpUnless(_ register: UInt8, equals value: CInt, over count: Int16) -> Self {
    .init(0x55, register, offset: count, value: value)
  }
  static func jumpIfGreater(_ register: UInt8, than other: UInt8, over count: Int16) -> Self {
    .init(0x2d, register, other, offset: count)
  }
  static func jumpUnlessGreater(_ register: UInt8, than value: CInt, over count: Int16) -> Self {
    .init(0xb5, register, offset: count, value: value)
  }
  /// The kernel's functions, by their numbers in <linux/bpf.h>.
  enum Helper: CInt {
    case mapLookup = 1
    case monotonicTime = 5
    case redirect = 23
  }

  static func call(_ helper: Helper) -> Self { .init(0x85, value: helper.rawValue) }
  /// Two instructions.
  static func loadMap(_ register: UInt8, _ map: CInt) -> [Self] {
    [.init(0x18, register, UInt8(BPF_PSEUDO_MAP_FD), value: map), .init(0)]
  }

  /// The descriptor of a loaded XDP program.
  static func load(_ instructions: [XDPInstruction], _ name: String) throws -> CInt {
    let bits = instructions.map(\.bits)
    let program = bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", bits, bits.count, nil)
    guard program >= 0 else { throw BenchFailure("\(name) cannot be loaded: \(String(cString: strerror(errno)))") }
    return program
  }

  /// The descriptor of a link: closing it detaches the program.
  static func attach(_ program: CInt, to interface: String) throws -> CInt {
    let link = bpf_link_create(program, CInt(if_nametoindex(interface)), BPF_XDP, nil)
    guard link >= 0 else { throw BenchFailure("no XDP program on \(interface): \(String(cString: strerror(errno)))") }
    return link
  }
}
