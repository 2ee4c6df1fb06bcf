import RTP

/// The packet received last, in clear, as copies are made from it.
struct ReceivedPacket {
  /// Whether copies are still to be made.
  var isActive = false
  var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  var layout = RTPLayout(payloadType: 0, marker: false, sequence: 0, timestamp: 0, ssrc: 0)
  /// Its packet index (RFC 3711 section 3.3.1).
  var index: UInt64 = 0
  /// Its index without the packets that no receiver has a number for.
  var rank: UInt64 = 0
  var stream = 0
  /// The next of the stream's sinks.
  var nextSink = 0
  /// Its header-extension elements.
  var elements = InlineArray<32, RTPExtensionElement>(repeating: RTPExtensionElement(id: 0, offset: 0, length: 0))
  var elementCount = 0
  /// Whether some element does not fit the one-byte form.
  var hasLongElement = false
  /// Its blocks, if it is RED (RFC 2198).
  var red: REDLayout?

  static let maximumElements = 32

  /// Takes over a packet in clear; padding is read from it. False if padding or RED blocks are malformed.
  @inline(__always)
  mutating func load(_ memory: UnsafeMutableRawBufferPointer, layout: RTPLayout) -> Bool {
    self.memory = memory
    self.layout = layout
    let packet = UnsafeRawBufferPointer(memory)
    guard self.layout.readPadding(packet) else { return false }
    elementCount = 0
    hasLongElement = false
    red = nil
    if layout.extensionLength > 0 { loadElements(packet) }
    return true
  }

  mutating func leavePaddingOut() {
    guard layout.hasPadding else { return }
    memory = UnsafeMutableRawBufferPointer(rebasing: memory[..<(memory.count &- layout.paddingLength)])
    layout.hasPadding = false
    layout.paddingLength = 0
  }

  /// Makes of a retransmission (RFC 4588 section 4) the packet that it repeats: the original sequence number goes, and the
  /// header moves up over it. The payload has those two octets.
  mutating func restore(payloadType: UInt8, ssrc: UInt32) {
    guard let base = memory.baseAddress else { return }
    let sequence = payload.bigEndianU16(at: 0)
    (base + 2).copyMemory(from: base, byteCount: layout.payloadOffset)
    memory = UnsafeMutableRawBufferPointer(rebasing: memory[2...])
    memory.storeBytes(of: (layout.marker ? 0x80 : 0) | payloadType, toByteOffset: 1, as: UInt8.self)
    memory.storeBytes(of: sequence.bigEndian, toByteOffset: 2, as: UInt16.self)
    memory.storeBytes(of: ssrc.bigEndian, toByteOffset: 8, as: UInt32.self)
    layout.payloadType = payloadType
    layout.sequence = sequence
    layout.ssrc = ssrc
  }

  private mutating func loadElements(_ packet: UnsafeRawBufferPointer) {
    var rest = layout.extensions(of: packet)
    while elementCount < Self.maximumElements, let element = rest.next() {
      elements[elementCount] = element
      elementCount &+= 1
      if element.length == 0 || element.length > 16 { hasLongElement = true }
    }
  }

  /// The payload without padding.
  @inline(__always)
  var payload: UnsafeRawBufferPointer {
    let count = layout.payloadLength(packetLength: memory.count)
    return UnsafeRawBufferPointer(
      start: memory.baseAddress.map { UnsafeRawPointer($0 + layout.payloadOffset) }, count: max(0, count))
  }
}

// On the pointer, so that reading does not copy the packet's record.
extension UnsafeMutablePointer<ReceivedPacket> {
  /// The data of the first element with this id (0: nobody's).
  func element(id: UInt8) -> UnsafeRawBufferPointer? {
    guard id != 0 else { return nil }
    for i in 0..<pointee.elementCount where pointee.elements[i].id == id {
      return pointee.elements[i].data(in: UnsafeRawBufferPointer(pointee.memory))
    }
    return nil
  }
}

/// Memory for one value that is too large to hand around: who reads it reads it in place.
struct Place<Value>: ~Copyable {
  let pointer: UnsafeMutablePointer<Value>

  init(_ value: Value) {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: value)
  }

  deinit {
    pointer.deinitialize(count: 1)
    pointer.deallocate()
  }
}
