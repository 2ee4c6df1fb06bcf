import Glibc
import Netlink

/// Why the kernel did not answer.
struct NetlinkRefusal: Error, Hashable {
  /// errno's
  var error: Int32

  /// What was asked changed, time and again, while the kernel told it.
  static let neverStill = NetlinkRefusal(error: EAGAIN)
}

/// A socket to tables of the network namespace it was opened in.
struct NetlinkSocket: ~Copyable {
  let descriptor: CInt
  private var buffer = [UInt8](repeating: 0, count: 65_536)
  /// Of the last request: what answers an earlier one, which came too late, is left out.
  private var sequence: UInt32 = 0

  private static let attempts = 3

  /// Subscribed to `groups`, a bit for each from 1 up (RTMGRP_…); 0 for requests. The protocol 0 is NETLINK_ROUTE. nil, with
  /// errno, if there is none.
  init?(groups: UInt32 = 0, protocol: CInt = 0) {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    descriptor = socket(AF_NETLINK, type, `protocol`)
    guard descriptor >= 0 else { return nil }
    // struct sockaddr_nl: family, padding, port, groups
    var name: (UInt16, UInt16, UInt32, UInt32) = (UInt16(AF_NETLINK), 0, 0, groups)
    let bound = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, 12) }
    }
    guard bound == 0 else {
      let error = errno
      close(descriptor)
      errno = error
      return nil
    }
    // A request is answered at once; should the kernel not, the worker must not wait for ever.
    var patience = timeval(tv_sec: 0, tv_usec: 200_000)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// The answer's messages; empty if the kernel refuses.
  mutating func ask(_ request: NetlinkRequest, isDump: Bool = false) -> [NetlinkMessage] {
    (try? isDump ? dump(request) : answer(to: request)) ?? []
  }

  /// The one message that answers a request.
  mutating func answer(to request: NetlinkRequest) throws(NetlinkRefusal) -> [NetlinkMessage] {
    try put(request)
    while true {
      guard let message = try read(flags: 0).first(where: { $0.sequence == sequence }) else { continue }
      if message.isError { throw NetlinkRefusal(error: message.errorNumber) }
      return [message]
    }
  }

  /// Everything that a dump tells, as it was at one time.
  mutating func dump(_ request: NetlinkRequest) throws(NetlinkRefusal) -> [NetlinkMessage] {
    for _ in 0..<Self.attempts {
      if let messages = try dumpOnce(request) { return messages }
    }
    throw .neverStill
  }

  /// nil: it changed meanwhile.
  private mutating func dumpOnce(_ request: NetlinkRequest) throws(NetlinkRefusal) -> [NetlinkMessage]? {
    try put(request)
    var messages: [NetlinkMessage] = []
    var isInterrupted = false
    while true {
      for message in try read(flags: 0) where message.sequence == sequence {
        isInterrupted = isInterrupted || message.isInterrupted
        if message.isError || message.isEnd {
          guard message.errorNumber == 0 else { throw NetlinkRefusal(error: message.errorNumber) }
          return isInterrupted ? nil : messages
        }
        messages.append(message)
      }
    }
  }

  /// Tells the kernel something; no answer is awaited.
  func tell(_ request: NetlinkRequest) {
    let message = request.finished(sequence: 0)
    _ = send(descriptor, message, message.count, CInt(MSG_DONTWAIT))
  }

  /// The notifications that wait, and whether some were lost.
  mutating func notifications() -> (messages: [NetlinkMessage], areLost: Bool) {
    var messages: [NetlinkMessage] = []
    for _ in 0..<64 {
      do throws(NetlinkRefusal) {
        messages += try read(flags: CInt(MSG_DONTWAIT))
      } catch {
        return (messages, error.error == ENOBUFS)
      }
    }
    return (messages, false)
  }

  private mutating func put(_ request: NetlinkRequest) throws(NetlinkRefusal) {
    sequence &+= 1
    if sequence == 0 { sequence = 1 }
    let message = request.finished(sequence: sequence)
    guard send(descriptor, message, message.count, 0) == message.count else { throw NetlinkRefusal(error: errno) }
  }

  private mutating func read(flags: CInt) throws(NetlinkRefusal) -> [NetlinkMessage] {
    let count = SystemError.retrying { recv(descriptor, &buffer, buffer.count, flags) }
    guard count > 0 else { throw NetlinkRefusal(error: count < 0 ? errno : EAGAIN) }
    return NetlinkMessage.all(in: buffer[..<count])
  }
}
