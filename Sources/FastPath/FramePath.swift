import Glibc
import Wire

/// The headers of the frames that reach a transport, and the AF_XDP socket that they leave by.
struct FramePath {
  // Written and read by offset. The UDP header ends it: it stands right before the payload.
  private var header: InlineArray<10, UInt64> = .init(repeating: 0)
  private static let headerCapacity = 80
  /// One cache line, which has every header but those with IPv6 and VLAN.
  private static let usualCapacity = 64
  private(set) var headerLength = 0
  /// Octets of Ethernet and VLAN headers.
  private var linkLength = 0
  private var isV6 = false
  /// Longest UDP payload that the way takes in one piece. 0 while there is no way.
  private(set) var maximumPayload = 0
  /// Slot of the AF_XDP socket.
  private(set) var socket = 0
  /// One's-complement sums of what is the same in every packet: the UDP pseudo-header with the ports, the IPv4 header.
  private var pseudoSum: UInt64 = 0
  private var ipSum: UInt64 = 0

  /// Everything on the link that a frame must say.
  struct LinkHeader: Hashable {
    var destination: [UInt8]
    var source: [UInt8]
    var vlan: UInt16?
  }

  /// To a group: no further than the link (RFC 1112 section 6.1).
  static let multicastHopLimit: UInt8 = 1
  private static let hopLimit: UInt8 = 64

  init() {}

  /// nil if the two addresses are of different families.
  init?(_ tuple: FiveTuple, link: LinkHeader, socket: Int, mtu: Int) {
    guard tuple.remote.ip.isV6 == tuple.local.ip.isV6 else { return nil }
    self.socket = socket
    isV6 = tuple.remote.ip.isV6
    var writer = ByteWriter()
    writer.append(link.destination)
    writer.append(link.source)
    if let vlan = link.vlan {
      writer.u16(0x8100)
      writer.u16(vlan)
    }
    writer.u16(isV6 ? 0x86dd : 0x0800)
    linkLength = writer.count
    let addresses = tuple.local.ip.bytes + tuple.remote.ip.bytes
    let hops = tuple.remote.ip.isMulticast ? Self.multicastHopLimit : Self.hopLimit
    writer.append(isV6 ? [0x60, 0, 0, 0, 0, 0, 17, hops] : [0x45, 0, 0, 0, 0, 0, 0x40, 0, hops, 17, 0, 0])
    writer.append(addresses)
    writer.u16(tuple.local.port)
    writer.u16(tuple.remote.port)
    writer.u32(0)
    headerLength = writer.count
    maximumPayload = max(0, mtu - (headerLength - linkLength))
    let unused = Self.headerCapacity - headerLength
    guard unused >= 0 else { return nil }
    withUnsafeMutableBytes(of: &header) { $0[unused...].copyBytes(from: writer.bytes) }
    writer.bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      let ip = base + linkLength
      ipSum = isV6 ? 0 : Checksum.sum(ip, 20)
      pseudoSum = Checksum.sum(ip + (isV6 ? 8 : 12), isV6 ? 32 : 8) &+ Checksum.sum(base + headerLength - 8, 4)
    }
    // The protocol number, as a 16-bit word of network order.
    pseudoSum &+= UInt64(UInt16(17).bigEndian)
  }

  /// Writes the headers before the payload, checksums complete. Whatever precedes them in the frame is overwritten.
  @inline(__always)
  static func writeHeader(
    _ path: UnsafePointer<FramePath>, before payload: UnsafeMutableRawPointer, length: Int
  ) {
    // Used or not: a fixed number of octets takes a few instructions.
    let template = UnsafeRawPointer(path)
    (payload - usualCapacity).copyMemory(
      from: template + (headerCapacity &- usualCapacity), byteCount: usualCapacity)
    if path.pointee.headerLength > usualCapacity {
      (payload - headerCapacity).copyMemory(from: template, byteCount: headerCapacity &- usualCapacity)
    }
    let udpLength = UInt16(truncatingIfNeeded: length &+ 8).bigEndian
    let ip = payload - (path.pointee.headerLength &- path.pointee.linkLength)
    if path.pointee.isV6 {
      ip.storeBytes(of: udpLength, toByteOffset: 4, as: UInt16.self)
    } else {
      let total = UInt16(truncatingIfNeeded: length &+ 28).bigEndian
      ip.storeBytes(of: total, toByteOffset: 2, as: UInt16.self)
      ip.storeBytes(of: Checksum.finish(path.pointee.ipSum &+ UInt64(total)), toByteOffset: 10, as: UInt16.self)
    }
    let udp = payload - 8
    udp.storeBytes(of: udpLength, toByteOffset: 4, as: UInt16.self)
    // The length counts twice: in the pseudo-header and in the header.
    let sum = path.pointee.pseudoSum &+ UInt64(udpLength) &* 2 &+ Checksum.sum(payload, length)
    let checksum = Checksum.finish(sum)
    // 0 would mean that there is none (RFC 768).
    udp.storeBytes(of: checksum == 0 ? 0xffff : checksum, toByteOffset: 6, as: UInt16.self)
  }
}

/// The Internet checksum (RFC 1071), on words as they lie in memory.
enum Checksum {
  /// The sum of `length` octets, not folded yet. Sums may be added.
  @inline(__always)
  static func sum(_ bytes: UnsafeRawPointer, _ length: Int) -> UInt64 {
    var low = SIMD4<UInt64>(repeating: 0)
    var high = SIMD4<UInt64>(repeating: 0)
    var offset = 0
    let mask = SIMD4<UInt64>(repeating: 0xffff_ffff)
    while offset &+ 32 <= length {
      let words = bytes.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self)
      low &+= words & mask
      high &+= words &>> 32
      offset &+= 32
    }
    var sum = low.wrappedSum() &+ high.wrappedSum()
    while offset &+ 4 <= length {
      sum &+= UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      offset &+= 4
    }
    if offset &+ 2 <= length {
      sum &+= UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      offset &+= 2
    }
    if offset < length {
      sum &+= UInt64(UInt16(littleEndian: UInt16(bytes.load(fromByteOffset: offset, as: UInt8.self))))
    }
    return sum
  }

  /// Folded and complemented.
  @inline(__always)
  static func finish(_ sum: UInt64) -> UInt16 {
    var folded = (sum & 0xffff_ffff) &+ (sum >> 32)
    folded = (folded & 0xffff) &+ (folded >> 16)
    folded = (folded & 0xffff) &+ (folded >> 16)
    folded = (folded & 0xffff) &+ (folded >> 16)
    return ~UInt16(truncatingIfNeeded: folded)
  }
}
