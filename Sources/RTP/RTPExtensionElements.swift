/// The header-extension elements of one RTP packet, walked without allocation (RFC 8285 section 4).
///
/// ```
/// one-byte form (0xBEDE)              two-byte form (0x100x)
///  0 1 2 3 4 5 6 7                     0                   1
/// +-+-+-+-+-+-+-+-+                    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// |  ID   | len-1 | data …            +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// +-+-+-+-+-+-+-+-+                   |       ID      |    length     | data …
///                                     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// Padding is stepped over. The walk ends at the first element that does not fit, at id 15 of the one-byte form, and
/// at an id 0 with a length, as section 4.2 demands. Valid only as long as the packet's memory is.
@frozen public struct RTPExtensionElements: Sequence, IteratorProtocol {
  @usableFromInline let packet: UnsafeRawBufferPointer
  @usableFromInline var position: Int
  @usableFromInline let end: Int
  @usableFromInline let isTwoByte: Bool

  /// `offset` and `length` delimit the extension's data within `packet`; what lies outside the packet is not walked.
  @inlinable @inline(__always)
  public init(packet: UnsafeRawBufferPointer, profile: UInt16, offset: Int, length: Int) {
    self.packet = packet
    isTwoByte = profile & 0xfff0 == 0x1000
    let fits = offset >= 0 && length >= 0 && length <= packet.count &- offset
    position = offset
    end = fits && (isTwoByte || profile == 0xbede) ? offset &+ length : offset
  }

  @inlinable @inline(__always)
  public mutating func next() -> RTPExtensionElement? {
    while position < end {
      let first = packet[position]
      if first == 0 {
        position &+= 1
        continue
      }
      return isTwoByte ? twoByteElement(id: first) : oneByteElement(first)
    }
    return nil
  }

  /// The first element with `id`; nil if there is none.
  @inlinable @inline(__always)
  public func first(id: UInt8) -> RTPExtensionElement? {
    var rest = self
    while let element = rest.next() {
      if element.id == id { return element }
    }
    return nil
  }

  @inlinable @inline(__always)
  mutating func oneByteElement(_ first: UInt8) -> RTPExtensionElement? {
    let id = first >> 4
    guard id != 0, id != 15 else { return stop() }
    return element(id: id, at: position &+ 1, length: Int(first & 0x0f) &+ 1)
  }

  @inlinable @inline(__always)
  mutating func twoByteElement(id: UInt8) -> RTPExtensionElement? {
    guard position &+ 1 < end else { return stop() }
    return element(id: id, at: position &+ 2, length: Int(packet[position &+ 1]))
  }

  @inlinable @inline(__always)
  mutating func element(id: UInt8, at offset: Int, length: Int) -> RTPExtensionElement? {
    guard length <= end &- offset else { return stop() }
    position = offset &+ length
    return RTPExtensionElement(id: id, offset: offset, length: length)
  }

  @inlinable @inline(__always)
  mutating func stop() -> RTPExtensionElement? {
    position = end
    return nil
  }
}

/// One header-extension element: its id and where its data lies in the packet.
@frozen public struct RTPExtensionElement: Hashable, Sendable {
  /// 1 to 14 in the one-byte form, 1 to 255 in the two-byte form.
  public var id: UInt8
  /// Of the data, in bytes from the start of the packet.
  public var offset: Int
  /// Bytes of data: 1 to 16 in the one-byte form, 0 to 255 in the two-byte form.
  public var length: Int

  @inlinable @inline(__always)
  public init(id: UInt8, offset: Int, length: Int) {
    self.id = id
    self.offset = offset
    self.length = length
  }

  /// The data, in the packet the element was read from.
  @inlinable @inline(__always)
  public func data(in packet: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: packet[offset..<offset &+ length])
  }
}
