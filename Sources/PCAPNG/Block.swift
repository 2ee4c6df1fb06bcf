/// One block of a pcapng file (draft-ietf-opsawg-pcapng section 3.1). All numbers are written in little-endian order, which
/// the section header tells the reader.
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                          Block Type                           |
///     |                      Block Total Length                       |
///     /                          Block Body                           /
///     /              variable length, padded to 32 bits               /
///     |                      Block Total Length                       |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct Block {
  private(set) var bytes: [UInt8] = []

  init(type: UInt32, capacity: Int = 64) {
    bytes.reserveCapacity(capacity)
    u32(type)
    u32(0)
  }

  mutating func u16(_ value: UInt16) { integer(value) }
  mutating func u32(_ value: UInt32) { integer(value) }
  mutating func u64(_ value: UInt64) { integer(value) }

  /// A moment or length of time as pcapng has it: the more significant half first.
  mutating func timestamp(_ value: UInt64) {
    u32(UInt32(truncatingIfNeeded: value >> 32))
    u32(UInt32(truncatingIfNeeded: value))
  }

  mutating func append(_ run: [UInt8]) { bytes += run }

  mutating func append(_ run: ArraySlice<UInt8>) { bytes += run }

  mutating func pad() { while bytes.count % 4 != 0 { bytes.append(0) } }

  /// Section 3.5. What is longer than an option can be is cut off.
  mutating func option(_ code: UInt16, _ value: [UInt8]) {
    let value = value.prefix(0xffff)
    u16(code)
    u16(UInt16(truncatingIfNeeded: value.count))
    append(value)
    pad()
  }

  /// A text option; none is written for an empty text. What does not fit is left out by whole characters.
  mutating func option(_ code: UInt16, _ text: String) {
    guard !text.isEmpty else { return }
    var text = text
    while text.utf8.count > Self.longestText { text.removeLast() }
    option(code, [UInt8](text.utf8))
  }

  mutating func endOfOptions() { u32(0) }

  /// The complete block.
  consuming func finished() -> [UInt8] {
    pad()
    let length = UInt32(truncatingIfNeeded: bytes.count + 4)
    for i in 0..<4 { bytes[4 + i] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(i))) }
    u32(length)
    return bytes
  }

  private static let longestText = 4096

  private mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> T(shift))) }
  }
}

/// The option that every block may have: a text for people.
let commentOption: UInt16 = 1
