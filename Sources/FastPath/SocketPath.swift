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
  }
}

/// The paths of all transports, by the number that `Forwarder` gives them.
struct PathTable: ~Copyable {
  private(set) var sockets: UnsafeMutablePointer<SocketPath>
  private var capacity = 64

  init() {
    sockets = .allocate(capacity: capacity)
    sockets.initialize(repeating: SocketPath(), count: capacity)
  }

  deinit { sockets.deallocate() }

  mutating func set(_ index: Int, _ tuple: FiveTuple) {
    if index >= capacity { grow(to: max(capacity * 2, index + 1)) }
    SocketPath.write(tuple, to: sockets + index)
  }

  private mutating func grow(to larger: Int) {
    let moved = UnsafeMutablePointer<SocketPath>.allocate(capacity: larger)
    moved.moveInitialize(from: sockets, count: capacity)
    (moved + capacity).initialize(repeating: SocketPath(), count: larger - capacity)
    sockets.deallocate()
    sockets = moved
    capacity = larger
  }
}
