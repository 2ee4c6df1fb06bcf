import CXDP
import Glibc

/// Reads up to 32 datagrams of a non-blocking socket with one call. Of longer ones than `datagramCapacity` only the beginning is copied.
struct ReceiveBatch: ~Copyable {
  static let capacity = 32
  private static let controlCapacity = 64

  private let datagramCapacity: Int
  private let headers: UnsafeMutablePointer<linux_mmsghdr>
  private let vectors: UnsafeMutablePointer<iovec>
  private let controls: UnsafeMutableRawPointer
  private let data: UnsafeMutableRawPointer

  init(datagramCapacity: Int) {
    self.datagramCapacity = datagramCapacity
    headers = .allocate(capacity: Self.capacity)
    vectors = .allocate(capacity: Self.capacity)
    controls = .allocate(byteCount: Self.capacity * Self.controlCapacity, alignment: 16)
    data = .allocate(byteCount: Self.capacity * datagramCapacity, alignment: 64)
    headers.initialize(repeating: linux_mmsghdr(), count: Self.capacity)
    for i in 0..<Self.capacity {
      (vectors + i).initialize(to: iovec(iov_base: data + i * datagramCapacity, iov_len: datagramCapacity))
      headers[i].msg_hdr.msg_iov = vectors + i
      headers[i].msg_hdr.msg_iovlen = 1
      headers[i].msg_hdr.msg_control = controls + i * Self.controlCapacity
    }
  }

  deinit {
    headers.deallocate()
    vectors.deallocate()
    controls.deallocate()
    data.deallocate()
  }

  /// The number of datagrams read; 0 if none waits.
  mutating func receive(from descriptor: CInt) -> Int {
    for i in 0..<Self.capacity { headers[i].msg_hdr.msg_controllen = Self.controlCapacity }
    return max(0, Int(linux_recvmmsg(descriptor, headers, UInt32(Self.capacity), 0, nil)))
  }

  /// What was copied of datagram `i`.
  func datagram(_ i: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: data + i &* datagramCapacity, count: min(datagramCapacity, Int(headers[i].msg_len)))
  }

  /// When the kernel received datagram `i`, in nanoseconds since 1970; nil if it did not say.
  func arrival(_ i: Int) -> UInt64? {
    let control = controls + i &* Self.controlCapacity
    guard headers[i].msg_hdr.msg_controllen >= 32,
      control.load(fromByteOffset: 8, as: CInt.self) == SOL_SOCKET,
      control.load(fromByteOffset: 12, as: CInt.self) == SO_TIMESTAMPNS
    else { return nil }
    let time = control.load(fromByteOffset: 16, as: timespec.self)
    return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
  }
}
