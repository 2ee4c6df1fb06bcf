/// One capture in the worker: what was recorded and not yet collected. Bounded.
struct CaptureBuffer {
  let id: CaptureID
  let isDecrypted: Bool
  private let capacity: Int
  private var record = CapturedPackets()
  var isCollected = false
  var isEnding = false

  init(_ id: CaptureID, isDecrypted: Bool, capacity: Int) {
    self.id = id
    self.isDecrypted = isDecrypted
    self.capacity = capacity
    reserve()
  }

  /// What recording needs is there before the first packet: it must not allocate. Untouched pages cost nothing.
  private mutating func reserve() {
    record.bytes.reserveCapacity(capacity)
    record.packets.reserveCapacity(capacity / (MemoryLayout<CapturedPacket>.stride + Self.smallestPacket))
  }

  private static let smallestPacket = 12

  /// The packet with these octets, whatever its `range` says.
  mutating func add(_ packet: CapturedPacket, _ bytes: some Collection<UInt8>) {
    let size = (record.packets.count + 1) * MemoryLayout<CapturedPacket>.stride + record.bytes.count + bytes.count
    guard size <= capacity else {
      if packet.direction == .arrived { record.droppedArrived &+= 1 } else { record.droppedLeft &+= 1 }
      return
    }
    var packet = packet
    packet.range = record.bytes.count..<record.bytes.count + bytes.count
    record.bytes.append(contentsOf: bytes)
    record.packets.append(packet)
  }

  /// Everything recorded, which is then forgotten here.
  mutating func take() -> CapturedPackets {
    let taken = record
    record = CapturedPackets()
    isCollected = false
    if !isEnding { reserve() }
    return taken
  }
}

/// Copies in clear, of which only the sealed ones are sent: kept until it is known whether they were.
struct ClearCopies {
  private(set) var bytes: [UInt8] = []
  private var places: [UnsafeRawPointer: Range<Int>] = [:]

  mutating func reserve() {
    bytes.reserveCapacity(Self.capacity)
    places.reserveCapacity(64)
  }

  /// Begins the copy whose sealed packet lies at `packet`, with its header, which sealing leaves as it is, and payload.
  mutating func add(_ packet: UnsafeRawPointer, headerLength: Int, payload: CopiedPayload) -> Range<Int> {
    let start = bytes.count
    bytes.append(contentsOf: UnsafeRawBufferPointer(start: packet, count: headerLength))
    bytes.append(contentsOf: UnsafeRawBufferPointer(start: payload.start, count: payload.length))
    places[packet] = start..<bytes.count
    return start + headerLength..<bytes.count
  }

  /// Keeps a packet that will be sealed where it lies.
  mutating func add(_ packet: UnsafeRawPointer, length: Int) {
    let start = bytes.count
    bytes.append(contentsOf: UnsafeRawBufferPointer(start: packet, count: length))
    places[packet] = start..<bytes.count
  }

  /// Lets `body` change octets of a copy.
  mutating func change(_ range: Range<Int>, _ body: (UnsafeMutableRawPointer) -> Void) {
    bytes.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress, range.upperBound <= bytes.count else { return }
      body(base + range.lowerBound)
    }
  }

  /// Where the copy whose sealed packet lies at `packet` is; it stays there until the next `add`. nil if there is none.
  mutating func take(_ packet: UnsafeRawPointer) -> Range<Int>? { places.removeValue(forKey: packet) }

  private static let capacity = 1 << 20

  mutating func forgetTaken() {
    if bytes.count > Self.capacity { forgetAll() }
    if places.isEmpty { bytes.removeAll(keepingCapacity: true) }
  }

  mutating func forgetAll() {
    places.removeAll(keepingCapacity: true)
    bytes.removeAll(keepingCapacity: true)
  }
}
