import Glibc

/// Sends frames of the test's making by an interface, as they are.
final class PacketSocket {
  struct Failure: Error {}

  private let descriptor: CInt
  /// struct sockaddr_ll (packet(7)), of which sending reads family and interface.
  private let name: [UInt8]

  init(_ interface: String) throws {
    descriptor = socket(AF_PACKET, CInt(SOCK_RAW.rawValue), 0)
    guard descriptor >= 0 else { throw Failure() }
    name =
      withUnsafeBytes(of: (UInt16(AF_PACKET), UInt16(0), if_nametoindex(interface))) { Array($0) }
      + [UInt8](repeating: 0, count: 12)
  }

  deinit { close(descriptor) }

  func send(_ frame: [UInt8]) {
    name.withUnsafeBytes {
      let name = $0.assumingMemoryBound(to: sockaddr.self).baseAddress
      _ = sendto(descriptor, frame, frame.count, 0, name, socklen_t($0.count))
    }
  }
}
