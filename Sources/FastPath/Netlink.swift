import CXDP
import Glibc

/// A request to the kernel's routing tables (rtnetlink), built field by field in host order.
struct NetlinkRequest {
  private(set) var bytes: [UInt8] = []

  init(type: Int, flags: CInt) {
    append(UInt32(0))
    append(UInt16(truncatingIfNeeded: type))
    append(UInt16(truncatingIfNeeded: flags | NLM_F_REQUEST))
    append(UInt32(0))
    append(UInt32(0))
  }

  mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  mutating func attribute(_ type: Int, _ data: [UInt8]) {
    append(UInt16(truncatingIfNeeded: 4 + data.count))
    append(UInt16(truncatingIfNeeded: type))
    bytes += data
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  /// With the length in place, which is the message's own.
  var finished: [UInt8] {
    var message = bytes
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count)) { message.replaceSubrange(0..<4, with: $0) }
    return message
  }
}

/// One message of an answer or a notification.
struct NetlinkMessage {
  let type: Int
  let body: ArraySlice<UInt8>

  /// Every attribute after a header of `headerLength` octets; of several of a type the last.
  func attributes(after headerLength: Int) -> [Int: ArraySlice<UInt8>] {
    Self.attributes(in: body.dropFirst(headerLength))
  }

  static func attributes(in data: ArraySlice<UInt8>) -> [Int: ArraySlice<UInt8>] {
    var found: [Int: ArraySlice<UInt8>] = [:]
    var rest = data
    while rest.count >= 4 {
      let length = Int(rest.u16(0))
      guard length >= 4, length <= rest.count else { break }
      // Two bits of the type are flags.
      found[Int(rest.u16(2) & 0x3fff)] = rest.dropFirst(4).prefix(length - 4)
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return found
  }

  /// The messages in what one read returned.
  static func all(in data: ArraySlice<UInt8>) -> [NetlinkMessage] {
    var messages: [NetlinkMessage] = []
    var rest = data
    while rest.count >= 16 {
      let length = Int(rest.u32(0))
      guard length >= 16, length <= rest.count else { break }
      messages.append(NetlinkMessage(type: Int(rest.u16(4)), body: rest.dropFirst(16).prefix(length - 16)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return messages
  }
}

extension ArraySlice<UInt8> {
  /// The integer in host order at `offset` from the start; 0 past the end.
  func u16(_ offset: Int) -> UInt16 { integer(offset) }
  func u32(_ offset: Int) -> UInt32 { integer(offset) }

  private func integer<T: FixedWidthInteger>(_ offset: Int) -> T {
    let size = MemoryLayout<T>.size
    guard offset >= 0, offset + size <= count else { return 0 }
    return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
  }
}

/// A socket to the routing tables of the network namespace it was opened in.
struct NetlinkSocket: ~Copyable {
  let descriptor: CInt
  private var buffer = [UInt8](repeating: 0, count: 65_536)

  static let error = Int(NLMSG_ERROR)
  static let done = Int(NLMSG_DONE)
  static let dump = NLM_F_ROOT | NLM_F_MATCH

  /// Subscribed to `groups` (RTMGRP_…); 0 for requests. The protocol 0 is NETLINK_ROUTE.
  init?(groups: UInt32 = 0, protocol: CInt = 0) {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    descriptor = socket(AF_NETLINK, type, `protocol`)
    // struct sockaddr_nl: family, padding, port, groups
    var name: (UInt16, UInt16, UInt32, UInt32) = (UInt16(AF_NETLINK), 0, 0, groups)
    let bound = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, 12) }
    }
    // A request is answered at once; should the kernel not, the worker must not wait for ever.
    var patience = timeval(tv_sec: 0, tv_usec: 200_000)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    guard descriptor >= 0, bound == 0 else {
      if descriptor >= 0 { close(descriptor) }
      return nil
    }
  }

  deinit { close(descriptor) }

  /// The answer's messages; empty if the kernel refuses.
  mutating func ask(_ request: NetlinkRequest, isDump: Bool = false) -> [NetlinkMessage] {
    let message = request.finished
    guard send(descriptor, message, message.count, 0) == message.count else { return [] }
    var answer: [NetlinkMessage] = []
    while let part = read(flags: 0) {
      let end = part.firstIndex { $0.type == Self.error || $0.type == Self.done }
      answer += part[..<(end ?? part.endIndex)]
      if end != nil || !isDump { break }
    }
    return answer
  }

  /// Tells the kernel something; no answer is awaited.
  func tell(_ request: NetlinkRequest) {
    let message = request.finished
    _ = send(descriptor, message, message.count, CInt(MSG_DONTWAIT))
  }

  /// The notifications that wait, and whether some were lost.
  mutating func notifications() -> (messages: [NetlinkMessage], areLost: Bool) {
    var messages: [NetlinkMessage] = []
    for _ in 0..<64 {
      errno = 0
      guard let part = read(flags: CInt(MSG_DONTWAIT)) else { return (messages, errno == ENOBUFS) }
      messages += part
    }
    return (messages, false)
  }

  private mutating func read(flags: CInt) -> [NetlinkMessage]? {
    let count = SystemError.retrying { recv(descriptor, &buffer, buffer.count, flags) }
    guard count > 0 else { return nil }
    return NetlinkMessage.all(in: buffer[..<count])
  }
}
