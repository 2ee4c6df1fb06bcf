import Wire

/// The paths of all transports, by the number that `Forwarder` gives them: by UDP socket always, by frames where
/// possible.
struct PathTable: ~Copyable {
  private(set) var sockets: UnsafeMutablePointer<SocketPath>
  private(set) var frames: UnsafeMutablePointer<FramePath>
  private var capacity = 64

  init() {
    sockets = .allocate(capacity: capacity)
    sockets.initialize(repeating: SocketPath(), count: capacity)
    frames = .allocate(capacity: capacity)
    frames.initialize(repeating: FramePath(), count: capacity)
  }

  deinit {
    sockets.deallocate()
    frames.deallocate()
  }

  /// A transport's path by UDP socket; there is none by frames until `setFrames`.
  mutating func set(_ index: Int, _ tuple: FiveTuple) {
    if index >= capacity { grow(to: max(capacity * 2, index + 1)) }
    SocketPath.write(tuple, to: sockets + index)
    frames[index] = FramePath()
  }

  /// The way to a transport is another; only for one that was set.
  mutating func setFrames(_ index: Int, _ path: FramePath?) {
    guard index < capacity else { return }
    frames[index] = path ?? FramePath()
    sockets[index].wayChanged()
  }

  private mutating func grow(to larger: Int) {
    sockets = Self.moved(sockets, capacity, to: larger, filler: SocketPath())
    frames = Self.moved(frames, capacity, to: larger, filler: FramePath())
    capacity = larger
  }

  private static func moved<T>(_ old: UnsafeMutablePointer<T>, _ count: Int, to larger: Int, filler: T)
    -> UnsafeMutablePointer<T>
  {
    let new = UnsafeMutablePointer<T>.allocate(capacity: larger)
    new.moveInitialize(from: old, count: count)
    (new + count).initialize(repeating: filler, count: larger - count)
    old.deallocate()
    return new
  }
}
