import RTP

/// The RTP header of one sink's copy (RFC 3550 section 5.1) with its extension (RFC 8285).
struct CopiedHeader {
  let packet: UnsafeMutablePointer<ReceivedPacket>
  let sink: UnsafeMutablePointer<SinkSlot>

  /// At least as many octets as the header has.
  @inline(__always)
  var lengthBound: Int {
    // The MID with its id and length (2), the extension's header (4), and up to 4 zeros of padding. What is kept never
    // grows.
    12 &+ packet.pointee.layout.csrcCount &* 4 &+ packet.pointee.layout.extensionLength &+ sink.pointee.midLength &+ 12
  }

  /// Writes the header to `target`; returns its length.
  @inline(__always)
  func write(ssrc: UInt32, payloadType: UInt8, sequence: UInt16, to target: UnsafeMutableRawPointer) -> Int {
    let csrcLength = packet.pointee.layout.csrcCount &* 4
    if csrcLength > 0, let base = packet.pointee.memory.baseAddress {
      (target + 12).copyMemory(from: base + 12, byteCount: csrcLength)
    }
    let extensionLength = writeExtension(to: target + 12 + csrcLength)
    let first: UInt8 =
      0x80 | (packet.pointee.layout.hasPadding ? 0x20 : 0) | (extensionLength > 0 ? 0x10 : 0)
      | UInt8(truncatingIfNeeded: packet.pointee.layout.csrcCount)
    let second: UInt8 = (packet.pointee.layout.marker ? 0x80 : 0) | payloadType
    let timestamp = packet.pointee.layout.timestamp &+ sink.pointee.timestampOffset
    target.storeBytes(of: UInt32(first) << 24 | UInt32(second) << 16 | UInt32(sequence), networkOrderAt: 0)
    target.storeBytes(of: timestamp, networkOrderAt: 4)
    target.storeBytes(of: ssrc, networkOrderAt: 8)
    return 12 &+ csrcLength &+ extensionLength
  }

  /// Writes the MID and the elements that the sink maps. Returns the extension's length; 0 if it would be empty.
  @inline(__always)
  private func writeExtension(to target: UnsafeMutableRawPointer) -> Int {
    let isTwoByte = packet.pointee.hasLongElement && keepsLongElement
    var end = target + 4
    if sink.pointee.midLength > 0 {
      end = Self.beginElement(sink.pointee.midID, length: sink.pointee.midLength, isTwoByte: isTwoByte, at: end)
      for i in 0..<sink.pointee.midLength { end.storeBytes(of: sink.pointee.mid[i], toByteOffset: i, as: UInt8.self) }
      end += sink.pointee.midLength
    }
    if let base = packet.pointee.memory.baseAddress {
      for i in 0..<packet.pointee.elementCount {
        let element = packet.pointee.elements[i]
        let id = sink.pointee.extensionID(element.id)
        guard id != 0 else { continue }
        end = Self.beginElement(id, length: element.length, isTwoByte: isTwoByte, at: end)
        for i in 0..<element.length {
          end.storeBytes(
            of: base.load(fromByteOffset: element.offset &+ i, as: UInt8.self), toByteOffset: i, as: UInt8.self)
        }
        end += element.length
      }
    }
    let dataLength = end - (target + 4)
    guard dataLength > 0 else { return 0 }
    end.storeBytes(of: 0, as: UInt32.self)
    let padded = (dataLength &+ 3) & ~3
    let profile: UInt32 = isTwoByte ? 0x1000 : 0xbede
    target.storeBytes(of: profile << 16 | UInt32(truncatingIfNeeded: padded / 4), networkOrderAt: 0)
    return 4 &+ padded
  }

  /// Whether an element that needs the two-byte form is among those the sink gets.
  private var keepsLongElement: Bool {
    for i in 0..<packet.pointee.elementCount {
      let element = packet.pointee.elements[i]
      guard sink.pointee.extensionID(element.id) != 0 else { continue }
      if element.length == 0 || element.length > 16 { return true }
    }
    return false
  }

  /// Writes an element's id and length; returns where its data goes.
  @inline(__always)
  private static func beginElement(
    _ id: UInt8, length: Int, isTwoByte: Bool, at target: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    if isTwoByte {
      target.storeBytes(of: id, as: UInt8.self)
      target.storeBytes(of: UInt8(truncatingIfNeeded: length), toByteOffset: 1, as: UInt8.self)
      return target + 2
    }
    target.storeBytes(of: id << 4 | UInt8(truncatingIfNeeded: length &- 1), as: UInt8.self)
    return target + 1
  }
}

extension UnsafeMutableRawPointer {
  @inline(__always)
  fileprivate func storeBytes(of value: UInt32, networkOrderAt offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }
}
