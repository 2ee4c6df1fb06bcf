import Foundation
import Netlink

/// A table of the kernel's, read whole by netlink.
enum HostTable {
  struct Refusal: Error {
    /// errno's
    var number: Int32
    /// The kernel does not have the table.
    var isMissing: Bool { [EPROTONOSUPPORT, EAFNOSUPPORT, EOPNOTSUPP, EINVAL].contains(number) }
    var text: String { String(cString: strerror(number)) }
  }

  /// What answers a request. `protocolNumber`: NETLINK_…
  static func read(
    _ request: NetlinkRequest, protocolNumber: Int32, isDump: Bool = true
  ) throws(Refusal) -> [NetlinkMessage] {
    let type = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(AF_NETLINK, type, protocolNumber)
    guard descriptor >= 0 else { throw Refusal(number: errno) }
    defer { close(descriptor) }
    var patience = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let message = request.finished(sequence: 1)
    guard send(descriptor, message, message.count, 0) == message.count else { throw Refusal(number: errno) }
    var messages: [NetlinkMessage] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { throw Refusal(number: errno) }
      for message in NetlinkMessage.all(in: buffer[..<count]) {
        if message.isError || message.isEnd {
          guard message.errorNumber == 0 else { throw Refusal(number: message.errorNumber) }
          return messages
        }
        messages.append(message)
      }
      if !isDump { return messages }
    }
  }
}
