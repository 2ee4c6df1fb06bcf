import Wire

// What is kept of the latest packets, and how much memory that may take.
extension Forwarder {
  /// Keeps the packet received last.
  @inline(__always)
  func keepPacket(now: Instant) {
    let stream = streams[packet.pointee.stream]
    stream.pointee.cache.keep(
      UnsafeRawBufferPointer(packet.pointee.memory), index: packet.pointee.index, now: now)
  }

  /// As large as a camera's picture needs at first; what it sends tells the rest.
  private static let firstClass = (audio: 0, video: 1)

  mutating func openCache(of stream: Int) {
    let wanted = streams[stream].pointee.isAudio ? Self.firstClass.audio : Self.firstClass.video
    enlargeCache(of: stream, to: wanted)
  }

  mutating func closeCache(of stream: Int) { setCache(of: stream, to: nil) }

  private mutating func setCache(of stream: Int, to sizeClass: Int?) {
    cacheMemory -= streams[stream].pointee.cache.memory
    if let old = streams[stream].pointee.cache.sizeClass { cachesOfClass[old] -= 1 }
    streams[stream].pointee.cache.resize(to: sizeClass)
    cacheMemory += streams[stream].pointee.cache.memory
    if let sizeClass { cachesOfClass[sizeClass] += 1 }
  }

  /// Where there is no memory for that, larger caches are made smaller, the largest first; else it gets what there is.
  private mutating func enlargeCache(of stream: Int, to wanted: Int) {
    let current = streams[stream].pointee.cache.sizeClass ?? -1
    for sizeClass in stride(from: wanted, to: current, by: -1) {
      let needed = CacheSize.classes[sizeClass].memory - streams[stream].pointee.cache.memory
      guard cacheMemory + needed <= limits.cacheMemory || makeRoom(needed, above: sizeClass) else { continue }
      if sizeClass < wanted { shortenedCaches &+= 1 }
      return setCache(of: stream, to: sizeClass)
    }
    if current < 0, streams[stream].pointee.cache.packets == 0 { shortenedCaches &+= 1 }
  }

  /// Makes caches of a class above `sizeClass` one class smaller until so many octets are free; false if there are none left.
  private mutating func makeRoom(_ octets: Int, above sizeClass: Int) -> Bool {
    while cacheMemory + octets > limits.cacheMemory {
      guard let largest = cachesOfClass.lastIndex(where: { $0 > 0 }), largest > sizeClass,
        let stream = streams.slots.first(where: { streams[$0].pointee.cache.sizeClass == largest })
      else { return false }
      setCache(of: stream, to: largest - 1)
      shortenedCaches &+= 1
    }
    return true
  }

  // MARK: As time passes

  private static let measuring = Interval.seconds(1)

  /// What time brings; cheap when that is nothing. To be called several times a second, between packets.
  public mutating func tend(now: Instant) {
    guard now >= cachesDue else { return }
    let elapsed = now.since(cachesDue).nanoseconds &+ Self.measuring.nanoseconds
    cachesDue = now.advanced(by: Self.measuring)
    for stream in streams.slots where streams[stream].pointee.repairableSinks > 0 {
      resizeCache(of: stream, measuredOver: Interval(nanoseconds: elapsed))
    }
  }

  private mutating func resizeCache(of stream: Int, measuredOver time: Interval) {
    let slot = streams[stream]
    let wanted = slot.pointee.demand.measured(
      packets: slot.pointee.cache.packets, bytes: slot.pointee.cache.bytes, over: time,
      current: slot.pointee.cache.sizeClass ?? 0)
    let current = slot.pointee.cache.sizeClass ?? -1
    if wanted > current {
      enlargeCache(of: stream, to: wanted)
    } else if wanted < current {
      setCache(of: stream, to: wanted)
    }
  }

  public var packetCacheStatistics: PacketCacheStatistics {
    var statistics = PacketCacheStatistics()
    for stream in streams.slots where streams[stream].pointee.cache.isKeeping { statistics.sources += 1 }
    statistics.memory = cacheMemory
    statistics.limit = limits.cacheMemory
    statistics.shortened = shortenedCaches
    return statistics
  }
}

/// How large a source's cache should be: it grows at once, and shrinks when less has been enough for a while.
struct CacheDemand {
  private var packets: UInt64 = 0
  private var bytes: UInt64 = 0
  private var calmRounds = 0

  private static let patience = 10

  /// The class for what was kept since the last time; `packets` and `bytes` count from the start.
  mutating func measured(packets: UInt64, bytes: UInt64, over time: Interval, current: Int) -> Int {
    let milliseconds = max(1, time.nanoseconds / 1_000_000)
    let wanted = CacheSize.fitting(
      packets: Int(clamping: (packets &- self.packets) &* 1000 / milliseconds),
      octets: Int(clamping: (bytes &- self.bytes) &* 1000 / milliseconds))
    (self.packets, self.bytes) = (packets, bytes)
    calmRounds = wanted < current ? calmRounds + 1 : 0
    guard wanted < current else { return wanted }
    guard calmRounds >= Self.patience else { return current }
    calmRounds = 0
    return current - 1
  }
}
