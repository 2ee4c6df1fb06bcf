/// Video codecs, as far as whoever forwards them must understand them: where a key frame begins, since a receiver that has
/// one needs nothing from before it.
public enum VideoCodec: UInt8, Hashable, Sendable, CaseIterable {
  case vp8
  case vp9
  case h264
  case h265
  case av1

  /// By its encoding name in SDP, in any case; nil if it is none of these.
  public init?(name: String) {
    switch name.lowercased() {
    case "vp8": self = .vp8
    case "vp9": self = .vp9
    case "h264": self = .h264
    case "h265": self = .h265
    case "av1": self = .av1
    default: return nil
    }
  }

  /// Whether an RTP payload, padding left out, is the first of a key frame. A payload that is not well formed is not, nor is
  /// one whose codec's own headers are encrypted end to end.
  public func beginsKeyFrame(_ payload: UnsafeRawBufferPointer) -> Bool {
    switch self {
    case .vp8: Self.beginsVP8KeyFrame(payload)
    case .vp9: Self.beginsVP9KeyFrame(payload)
    case .h264: Self.beginsH264KeyFrame(payload)
    case .h265: Self.beginsH265KeyFrame(payload)
    // The N bit of the aggregation header (AV1 RTP specification, section 4.4).
    case .av1: payload.first.map { $0 & 0x08 != 0 } ?? false
    }
  }

  /// The payload descriptor (RFC 7741 section 4.2), then the P bit of the frame's header (section 4.3).
  private static func beginsVP8KeyFrame(_ payload: UnsafeRawBufferPointer) -> Bool {
    var reader = PayloadReader(payload)
    // S set and PID 0: the start of the first partition.
    guard let first = reader.next(), first & 0x17 == 0x10 else { return false }
    if first & 0x80 != 0 {
      guard let extensions = reader.next() else { return false }
      if extensions & 0x80 != 0 { reader.skipPictureID() }
      if extensions & 0x40 != 0 { reader.skip(1) }
      if extensions & 0x30 != 0 { reader.skip(1) }
    }
    return reader.next().map { $0 & 0x01 == 0 } ?? false
  }

  /// The payload descriptor (RFC 9628 section 4.2): the start of a frame that is not predicted from an earlier picture, of the
  /// lowest spatial layer.
  private static func beginsVP9KeyFrame(_ payload: UnsafeRawBufferPointer) -> Bool {
    var reader = PayloadReader(payload)
    guard let first = reader.next(), first & 0x48 == 0x08 else { return false }
    if first & 0x80 != 0 { reader.skipPictureID() }
    guard first & 0x20 != 0 else { return reader.hasMore }
    return reader.next().map { $0 >> 1 & 0x07 == 0 } ?? false
  }

  /// A sequence parameter set or an IDR slice (RFC 6184 section 5.2), alone, in a STAP-A or at the start of an FU-A.
  private static func beginsH264KeyFrame(_ payload: UnsafeRawBufferPointer) -> Bool {
    func isKey(_ header: UInt8) -> Bool { header & 0x1f == 5 || header & 0x1f == 7 }
    guard let header = payload.first else { return false }
    switch header & 0x1f {
    case 24: return PayloadReader(payload, from: 1).hasUnit(isKey)
    case 28: return payload.count > 1 && payload[1] & 0x80 != 0 && isKey(payload[1])
    default: return isKey(header)
    }
  }

  /// A parameter set or an IRAP picture (RFC 7798 section 1.1.4), alone, in an AP or at the start of an FU.
  private static func beginsH265KeyFrame(_ payload: UnsafeRawBufferPointer) -> Bool {
    func isKey(_ type: UInt8) -> Bool { (16...21).contains(type) || (32...34).contains(type) }
    guard payload.count > 2 else { return false }
    switch payload[0] >> 1 & 0x3f {
    case 48: return PayloadReader(payload, from: 2).hasUnit { isKey($0 >> 1 & 0x3f) }
    case 49: return payload[2] & 0x80 != 0 && isKey(payload[2] & 0x3f)
    case let type: return isKey(type)
    }
  }
}

/// Reads octets of a payload in their order, never beyond its end.
private struct PayloadReader {
  private let payload: UnsafeRawBufferPointer
  private var offset: Int

  init(_ payload: UnsafeRawBufferPointer, from offset: Int = 0) {
    self.payload = payload
    self.offset = offset
  }

  var hasMore: Bool { offset < payload.count }

  mutating func next() -> UInt8? {
    guard offset < payload.count else { return nil }
    defer { offset &+= 1 }
    return payload[offset]
  }

  mutating func skip(_ count: Int) { offset &+= count }

  /// Of one octet, or of two if its first bit is set.
  mutating func skipPictureID() {
    guard let first = next() else { return }
    if first & 0x80 != 0 { skip(1) }
  }

  /// Whether one of the units that follow, each after its length in two octets, has a first octet that satisfies.
  func hasUnit(_ satisfies: (UInt8) -> Bool) -> Bool {
    var position = offset
    while position &+ 2 < payload.count {
      if satisfies(payload[position &+ 2]) { return true }
      position &+= 2 &+ Int(payload.bigEndianU16(at: position))
    }
    return false
  }
}
