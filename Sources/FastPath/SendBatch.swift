import CXDP
import Glibc

/// Copies that are to leave by a UDP socket, sent together.
struct SendBatch: ~Copyable {
  static let capacity = CopyBatch.capacity

  private let headers: UnsafeMutablePointer<linux_mmsghdr>
  private let vectors: UnsafeMutablePointer<iovec>
  /// Which copy of the `CopyBatch` each message is.
  private let copies: UnsafeMutablePointer<Int32>
  private(set) var count = 0

  init() {
    headers = .allocate(capacity: Self.capacity)
    vectors = .allocate(capacity: Self.capacity)
    copies = .allocate(capacity: Self.capacity)
    headers.initialize(repeating: linux_mmsghdr(), count: Self.capacity)
    vectors.initialize(repeating: iovec(), count: Self.capacity)
    copies.initialize(repeating: 0, count: Self.capacity)
    for i in 0..<Self.capacity {
      headers[i].msg_hdr.msg_iov = vectors + i
      headers[i].msg_hdr.msg_iovlen = 1
    }
  }

  deinit {
    headers.deallocate()
    vectors.deallocate()
    copies.deallocate()
  }

  /// Adds a datagram. A batch holds as many as there are copies, so there is always room.
  @inline(__always)
  mutating func add(copy: Int, packet: UnsafeMutableRawPointer, length: Int, path: UnsafeMutablePointer<SocketPath>) {
    guard count < Self.capacity else { return }
    vectors[count] = iovec(iov_base: packet, iov_len: length)
    headers[count].msg_hdr.msg_name = UnsafeMutableRawPointer(path) + SocketPath.nameOffset
    headers[count].msg_hdr.msg_namelen = path.pointee.nameLength
    headers[count].msg_hdr.msg_control = UnsafeMutableRawPointer(path) + SocketPath.controlOffset
    headers[count].msg_hdr.msg_controllen = Int(path.pointee.controlLength)
    copies[count] = Int32(truncatingIfNeeded: copy)
    count &+= 1
  }

  /// Sends all and empties the batch. `done` is told of each copy whether it was sent.
  @inline(__always)
  mutating func send(to socket: CInt, done: (_ copy: Int, _ isSent: Bool) -> Void) {
    var next = 0
    while next < count {
      let sent = SystemError.retrying {
        Int(linux_sendmmsg(socket, headers + next, UInt32(count - next), CInt(MSG_DONTWAIT)))
      }
      for i in 0..<max(0, sent) { done(Int(copies[next &+ i]), true) }
      next &+= max(0, sent)
      // Stopped early: the next message is the one that cannot be sent; without room in the socket, none can.
      if next < count, sent <= 0 {
        let failed = errno == EAGAIN ? count : next &+ 1
        for i in next..<failed { done(Int(copies[i]), false) }
        next = failed
      }
    }
    count = 0
  }
}
