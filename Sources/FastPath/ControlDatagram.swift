import Glibc
import Wire

enum ControlDatagram {
  /// Sends one datagram; false if it could not be.
  static func send(_ bytes: [UInt8], _ tuple: FiveTuple, by sockets: MediaSockets) -> Bool {
    let socket = tuple.remote.ip.isV6 ? sockets.v6 : sockets.v4
    guard socket >= 0, tuple.remote.ip.isV6 == tuple.local.ip.isV6 else { return false }
    return withUnsafeTemporaryAllocation(of: SocketPath.self, capacity: 1) { memory in
      guard let path = memory.baseAddress else { return false }
      SocketPath.write(tuple, to: path)
      return bytes.withUnsafeBytes { data in
        var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: data.baseAddress), iov_len: data.count)
        return withUnsafeMutablePointer(to: &vector) { vector in
          var header = msghdr()
          header.msg_name = UnsafeMutableRawPointer(path) + SocketPath.nameOffset
          header.msg_namelen = path.pointee.nameLength
          header.msg_control = UnsafeMutableRawPointer(path) + SocketPath.controlOffset
          header.msg_controllen = Int(path.pointee.controlLength)
          header.msg_iov = vector
          header.msg_iovlen = 1
          return SystemError.retrying { sendmsg(socket, &header, CInt(MSG_DONTWAIT)) } == data.count
        }
      }
    }
  }
}
