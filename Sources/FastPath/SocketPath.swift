import Glibc
import Wire

/// What a UDP socket must be told to reach a transport: the remote address and the local one to leave from, both as the
/// kernel wants them.
struct SocketPath {
  // Read by the kernel, by offset.
  private var name = sockaddr_in6()
  private var control: InlineArray<5, UInt64> = .init(repeating: 0)
  private(set) var nameLength: socklen_t = 0
  private(set) var controlLength: UInt32 = 0
  private(set) var isV6 = false
  /// For `SendBatch`: which of its messages goes here, as far as that is still so.
  var openMessage = 0
  /// Whether the kernel may cut a message to here into datagrams; false once it refused.
  var takesSegments = true
  private var isLoopback = false

  static let nameOffset = 0
  static let controlOffset = 32

  /// Overwrites the path at `target`.
  static func write(_ tuple: FiveTuple, to target: UnsafeMutablePointer<SocketPath>) {
    target.initialize(to: SocketPath())
    var name = SocketName(tuple.remote)
    let memory = UnsafeMutableRawPointer(target)
    name.withAddress { address, length in
      (memory + nameOffset).copyMemory(from: address, byteCount: Int(length))
    }
    let controlLength = LocalAddressControl.write(tuple.local.ip, to: memory + controlOffset)
    target.pointee.nameLength = name.length
    target.pointee.controlLength = UInt32(controlLength)
    target.pointee.isV6 = tuple.remote.ip.isV6
    target.pointee.isLoopback = tuple.remote.ip.isLoopback
    target.pointee.wayChanged()
  }

  /// What the kernel refused before, it may do on another way.
  mutating func wayChanged() {
    // Into `lo` a message goes uncut, and another server's XDP program there would take it for one packet.
    takesSegments = !isLoopback
  }
}
