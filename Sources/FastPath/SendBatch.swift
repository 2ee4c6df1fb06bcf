import CXDP
import Glibc

/// Copies that are to leave by a UDP socket, sent together. Those of one length to one receiver go as one message, which
/// the kernel or the network card cuts into datagrams again (UDP_SEGMENT, udp(7)): they pay for the stack once.
struct SendBatch: ~Copyable {
  static let capacity = CopyBatch.capacity

  private struct Datagram {
    /// Which copy of the `CopyBatch` it is.
    var copy: Int
    var packet: UnsafeMutableRawPointer
    var length: Int
    /// The next one of its message; -1: none.
    var next = -1
  }

  private struct Message {
    var path: UnsafeMutablePointer<SocketPath>
    var first: Int
    var last: Int
    var count = 1
    /// Octets of every datagram but the last, which may be shorter.
    var segmentLength: Int
    var length: Int

    /// What one message can hold (UDP_MAX_SEGMENTS; the length of an IPv4 packet).
    static let maximumCount = 64
    static let maximumLength = 65_000

    @inline(__always)
    func takes(_ length: Int, to path: UnsafeMutablePointer<SocketPath>, lastLength: Int) -> Bool {
      self.path == path && length <= segmentLength && lastLength == segmentLength && count < Self.maximumCount
        && self.length &+ length <= Self.maximumLength
    }
  }

  private let datagrams: UnsafeMutablePointer<Datagram>
  private let messages: UnsafeMutablePointer<Message>
  /// What the kernel reads: per message a header and, if it has segments, control data; per datagram a vector.
  private let headers: UnsafeMutablePointer<linux_mmsghdr>
  private let controls: UnsafeMutableRawPointer
  private let vectors: UnsafeMutablePointer<iovec>
  private var messageCount = 0
  private(set) var count = 0
  /// Messages that the kernel would not cut.
  private(set) var refusals: UInt64 = 0
  private let socket: CInt
  private let cutsSegments: Bool

  init(_ socket: CInt) {
    self.socket = socket
    cutsSegments = SegmentControl.isKnown(to: socket)
    datagrams = .allocate(capacity: Self.capacity)
    messages = .allocate(capacity: Self.capacity)
    headers = .allocate(capacity: Self.capacity)
    headers.initialize(repeating: linux_mmsghdr(), count: Self.capacity)
    controls = .allocate(byteCount: Self.capacity * SegmentControl.capacity, alignment: 8)
    vectors = .allocate(capacity: Self.capacity)
    vectors.initialize(repeating: iovec(), count: Self.capacity)
  }

  deinit {
    datagrams.deallocate()
    messages.deallocate()
    headers.deallocate()
    controls.deallocate()
    vectors.deallocate()
  }

  /// Adds a datagram. A batch holds as many as there are copies, so there is always room.
  @inline(__always)
  mutating func add(copy: Int, packet: UnsafeMutableRawPointer, length: Int, path: UnsafeMutablePointer<SocketPath>) {
    guard count < Self.capacity else { return }
    (datagrams + count).initialize(to: Datagram(copy: copy, packet: packet, length: length))
    let open = path.pointee.openMessage
    if open < messageCount, messages[open].takes(length, to: path, lastLength: datagrams[messages[open].last].length) {
      datagrams[messages[open].last].next = count
      messages[open].last = count
      messages[open].count &+= 1
      messages[open].length &+= length
    } else {
      (messages + messageCount).initialize(
        to: Message(path: path, first: count, last: count, segmentLength: length, length: length))
      // A path that takes no segments has no open message.
      path.pointee.openMessage = cutsSegments && path.pointee.takesSegments ? messageCount : Self.capacity
      messageCount &+= 1
    }
    count &+= 1
  }

  /// Sends all and empties the batch. `done` is told of each copy whether it was sent.
  @inline(__always)
  mutating func send(done: (_ copy: Int, _ isSent: Bool) -> Void) {
    writeHeaders()
    var next = 0
    while next < messageCount {
      let sent = SystemError.retrying {
        Int(linux_sendmmsg(socket, headers + next, UInt32(messageCount - next), CInt(MSG_DONTWAIT)))
      }
      for i in 0..<max(0, sent) { finish(next &+ i, isSent: true, done) }
      next &+= max(0, sent)
      guard next < messageCount, sent <= 0 else { continue }
      // The next message is the one that cannot be sent; without room in the socket, none can.
      let error = errno
      if error == EAGAIN {
        for i in next..<messageCount { finish(i, isSent: false, done) }
        break
      }
      if messages[next].count > 1, Self.refusesSegments(error) {
        sendSingly(next, done)
      } else {
        finish(next, isSent: false, done)
      }
      next &+= 1
    }
    messageCount = 0
    count = 0
  }

  /// What `add` gathered, as the kernel wants it.
  @inline(__always)
  private func writeHeaders() {
    var vector = 0
    for i in 0..<messageCount {
      let path = messages[i].path
      let header = headers + i
      header.pointee.msg_hdr.msg_name = UnsafeMutableRawPointer(path) + SocketPath.nameOffset
      header.pointee.msg_hdr.msg_namelen = path.pointee.nameLength
      header.pointee.msg_hdr.msg_control = UnsafeMutableRawPointer(path) + SocketPath.controlOffset
      header.pointee.msg_hdr.msg_controllen = Int(path.pointee.controlLength)
      header.pointee.msg_hdr.msg_iov = vectors + vector
      header.pointee.msg_hdr.msg_iovlen = messages[i].count
      if messages[i].count > 1 { addSegmentControl(i) }
      var datagram = messages[i].first
      while datagram >= 0 {
        vectors[vector] = iovec(iov_base: datagrams[datagram].packet, iov_len: datagrams[datagram].length)
        vector &+= 1
        datagram = datagrams[datagram].next
      }
    }
  }

  private func addSegmentControl(_ i: Int) {
    let control = controls + i * SegmentControl.capacity
    let used = headers[i].msg_hdr.msg_controllen
    if let path = headers[i].msg_hdr.msg_control { control.copyMemory(from: path, byteCount: used) }
    headers[i].msg_hdr.msg_control = control
    headers[i].msg_hdr.msg_controllen = used + SegmentControl.write(messages[i].segmentLength, to: control + used)
  }

  @inline(__always)
  private func finish(_ i: Int, isSent: Bool, _ done: (_ copy: Int, _ isSent: Bool) -> Void) {
    var datagram = messages[i].first
    while datagram >= 0 {
      done(datagrams[datagram].copy, isSent)
      datagram = datagrams[datagram].next
    }
  }

  /// What udp(7) answers where it cannot cut a message. Whatever else it says is of the way, and passes.
  private static func refusesSegments(_ error: CInt) -> Bool {
    switch error {
    case EINVAL, EMSGSIZE, EIO, EOPNOTSUPP: true
    default: false
    }
  }

  /// Where the kernel cannot cut segments (a path with a small MTU, IPsec), the datagrams go one by one, until the path
  /// changes.
  private mutating func sendSingly(_ i: Int, _ done: (_ copy: Int, _ isSent: Bool) -> Void) {
    let path = messages[i].path
    path.pointee.takesSegments = false
    refusals &+= 1
    var header = headers[i].msg_hdr
    header.msg_control = UnsafeMutableRawPointer(path) + SocketPath.controlOffset
    header.msg_controllen = Int(path.pointee.controlLength)
    header.msg_iovlen = 1
    var datagram = messages[i].first
    while datagram >= 0 {
      let sent = SystemError.retrying { sendmsg(socket, &header, CInt(MSG_DONTWAIT)) }
      done(datagrams[datagram].copy, sent >= 0)
      header.msg_iov += 1
      datagram = datagrams[datagram].next
    }
  }
}
