import CXDP
import Glibc
import Wire

/// Reads up to 64 datagrams of a UDP socket at once.
struct ReceiveBatch: ~Copyable {
  static let capacity = 64
  /// RTP is no larger.
  static let datagramCapacity = 2048
  /// Larger datagrams are nobody's business here. A flight of DTLS with a long certificate, sent as one, is.
  static let longestDatagram = 8192

  private let headers: UnsafeMutablePointer<linux_mmsghdr>
  /// Two for each datagram: where it goes, and what does not fit there. The second is far away and mostly never touched.
  private let vectors: UnsafeMutablePointer<iovec>
  private let names: UnsafeMutablePointer<sockaddr_in6>
  private let controls: UnsafeMutableRawPointer
  private let data: UnsafeMutableRawPointer
  private let rests: UnsafeMutableRawPointer
  /// A long datagram as a whole.
  private let whole: UnsafeMutableRawPointer
  private static let restCapacity = longestDatagram - datagramCapacity
  private static let controlCapacity = 64

  init() {
    headers = .allocate(capacity: Self.capacity)
    vectors = .allocate(capacity: Self.capacity * 2)
    names = .allocate(capacity: Self.capacity)
    controls = .allocate(byteCount: Self.capacity * Self.controlCapacity, alignment: 16)
    data = .allocate(byteCount: Self.capacity * Self.datagramCapacity, alignment: 64)
    rests = .allocate(byteCount: Self.capacity * Self.restCapacity, alignment: 64)
    whole = .allocate(byteCount: Self.longestDatagram, alignment: 64)
    headers.initialize(repeating: linux_mmsghdr(), count: Self.capacity)
    names.initialize(repeating: sockaddr_in6(), count: Self.capacity)
    for i in 0..<Self.capacity {
      (vectors + i * 2).initialize(
        to: iovec(iov_base: data + i * Self.datagramCapacity, iov_len: Self.datagramCapacity))
      (vectors + i * 2 + 1).initialize(
        to: iovec(iov_base: rests + i * Self.restCapacity, iov_len: Self.restCapacity))
      headers[i].msg_hdr.msg_name = UnsafeMutableRawPointer(names + i)
      headers[i].msg_hdr.msg_iov = vectors + i * 2
      headers[i].msg_hdr.msg_iovlen = 2
      headers[i].msg_hdr.msg_control = controls + i * Self.controlCapacity
    }
  }

  deinit {
    headers.deallocate()
    vectors.deallocate()
    names.deallocate()
    controls.deallocate()
    data.deallocate()
    rests.deallocate()
    whole.deallocate()
  }

  /// Reads up to `most` datagrams. Returns how many; 0 if none waits.
  mutating func receive(_ most: Int, from socket: CInt) -> Int {
    for i in 0..<min(most, Self.capacity) {
      headers[i].msg_hdr.msg_namelen = socklen_t(MemoryLayout<sockaddr_in6>.size)
      headers[i].msg_hdr.msg_controllen = Self.controlCapacity
      headers[i].msg_hdr.msg_flags = 0
    }
    let count = SystemError.retrying {
      Int(linux_recvmmsg(socket, headers, UInt32(min(most, Self.capacity)), CInt(MSG_DONTWAIT), nil))
    }
    return max(0, count)
  }

  /// The payload of datagram `i`, good until the next call; nil if it did not fit, or is RTP and larger than that may be.
  @inline(__always)
  func payload(_ i: Int) -> UnsafeMutableRawBufferPointer? {
    guard headers[i].msg_hdr.msg_flags & CInt(MSG_TRUNC) == 0 else { return nil }
    let length = Int(headers[i].msg_len)
    guard length <= Self.datagramCapacity else { return longPayload(i, length) }
    return UnsafeMutableRawBufferPointer(start: data + i &* Self.datagramCapacity, count: length)
  }

  private func longPayload(_ i: Int, _ length: Int) -> UnsafeMutableRawBufferPointer? {
    let head = UnsafeMutableRawBufferPointer(start: data + i &* Self.datagramCapacity, count: Self.datagramCapacity)
    guard !DatagramClass.isRTP(head), length <= Self.longestDatagram else { return nil }
    whole.copyMemory(from: data + i &* Self.datagramCapacity, byteCount: Self.datagramCapacity)
    (whole + Self.datagramCapacity).copyMemory(
      from: rests + i &* Self.restCapacity, byteCount: length - Self.datagramCapacity)
    return UnsafeMutableRawBufferPointer(start: whole, count: length)
  }

  /// The two ends of datagram `i`; nil if the kernel did not say.
  @inline(__always)
  func tuple(_ i: Int, port: UInt16) -> FiveTuple? {
    guard let remote = SocketName.read(UnsafeRawPointer(names + i)),
      let local = LocalAddressControl.read(
        UnsafeRawPointer(controls + i &* Self.controlCapacity), length: headers[i].msg_hdr.msg_controllen)
    else { return nil }
    return FiveTuple(local: SocketAddress(local, port), remote: remote)
  }
}
