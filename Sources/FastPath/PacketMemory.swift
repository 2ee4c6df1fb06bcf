import CFastPathABI
import Glibc

/// The memory of all packets, received and copied: one piece of equal frames. The AF_XDP sockets of every interface
/// have the whole of it (`XSKMemory`), so that a copy can leave on any interface from where it was written.
struct PacketMemory: ~Copyable {
  /// The smallest chunk of an aligned UMEM. Holds an Ethernet frame and its headroom.
  @inline(__always)
  static var frameSize: Int { Int(FP_FRAME_SIZE.rawValue) }
  /// Where the UDP payload of a copy begins in its frame. Before it is room for Ethernet, VLAN, IPv6 and UDP headers.
  static let payloadOffset = 128
  @inline(__always)
  static var payloadCapacity: Int { frameSize - payloadOffset }

  static let defaultFrameCount = Int(FP_PACKET_FRAMES.rawValue)
  /// Kept from receive queues for copies.
  private static let reservedFrames = 6144
  /// What every AF_XDP receive queue is sure of, and what is enough for one.
  private static let leastFrames = 64
  private static let mostFrames = 1024

  let base: UnsafeMutableRawPointer
  let frameCount: Int
  /// A stack: what was used last is still in the cache.
  private let free: UnsafeMutablePointer<UInt32>
  private(set) var freeCount: Int
  /// Per frame, which AF_XDP socket's kernel side has it; `nobody` if it is ours.
  private let owners: UnsafeMutablePointer<UInt8>
  private static let nobody: UInt8 = 0xff

  var byteCount: Int { frameCount * Self.frameSize }

  init(frameCount: Int) throws(FastPathError) {
    let byteCount = frameCount * Self.frameSize
    guard
      let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      memory != MAP_FAILED
    else { throw .system(call: "mmap of \(byteCount >> 20) MiB of packet memory", error: errno) }
    base = memory
    self.frameCount = frameCount
    free = .allocate(capacity: frameCount)
    for i in 0..<frameCount { free[i] = UInt32(truncatingIfNeeded: frameCount - 1 - i) }
    freeCount = frameCount
    owners = .allocate(capacity: frameCount)
    owners.initialize(repeating: Self.nobody, count: frameCount)
  }

  deinit {
    munmap(base, byteCount)
    free.deallocate()
    owners.deallocate()
  }

  /// How many frames to lend to each of an interface's `queues`, while as many `sockets` may still come, of this and of
  /// others: what every one is sure of, and a share of a quarter of the rest, so that the next interface finds some too.
  func framesPerQueue(_ queues: UInt32, sockets: Int) throws(LaneRefusal) -> Int {
    let rest = freeCount - Self.reservedFrames - sockets * Self.leastFrames
    guard rest >= 0 else { throw LaneRefusal(reason: "packet memory is used up") }
    return min(Self.leastFrames + rest / 4 / Int(max(1, queues)), Self.mostFrames)
  }

  /// The offset of a free frame; nil if all are in use.
  @inline(__always)
  mutating func take() -> Int? {
    guard freeCount > 0 else { return nil }
    freeCount &-= 1
    return Int(free[freeCount]) &* Self.frameSize
  }

  /// Gives back the frame that holds `offset`.
  @inline(__always)
  mutating func give(_ offset: Int) {
    let frame = offset / Self.frameSize
    guard freeCount < frameCount, frame >= 0, frame < frameCount else { return }
    owners[frame] = Self.nobody
    free[freeCount] = UInt32(truncatingIfNeeded: frame)
    freeCount &+= 1
  }

  /// Notes that the kernel has the frame that holds `offset`, on behalf of an AF_XDP socket.
  @inline(__always)
  mutating func lend(_ offset: Int, to owner: UInt8) {
    let frame = offset / Self.frameSize
    guard frame >= 0, frame < frameCount else { return }
    owners[frame] = owner
  }

  /// Takes back every frame lent on behalf of an AF_XDP socket that is closed.
  mutating func reclaim(from owner: UInt8) {
    for frame in 0..<frameCount where owners[frame] == owner { give(frame * Self.frameSize) }
  }
}
