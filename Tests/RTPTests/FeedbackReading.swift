/// Transport feedback read a second time, independently of the module and in the steps that libwebrtc's sender takes:
/// strip the padding, expand the chunks to one symbol per packet, check that all deltas are there, add them up.
struct FeedbackReading {
  /// By sequence number from the base on: ticks of 250 µs, nil for not received.
  var packets: [(sequence: UInt16, ticks: Int?)] = []

  /// nil where libwebrtc would drop the packet.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 22, bytes[0] >> 6 == 2, bytes[0] & 0x1f == 15, bytes[1] == 205 else { return nil }
    let padding = bytes[0] & 0x20 != 0 ? Int(bytes[bytes.count - 1]) : 0
    guard (Int(bytes[2]) << 8 | Int(bytes[3])) * 4 + 4 == bytes.count, padding <= bytes.count - 22 else { return nil }
    let body = Array(bytes[4..<bytes.count - padding])
    let base = UInt16(body[8]) << 8 | UInt16(body[9])
    let count = Int(body[10]) << 8 | Int(body[11])
    var ticks = (Int(body[12]) << 16 | Int(body[13]) << 8 | Int(body[14])) * 256
    guard let (symbols, end) = Self.symbols(body, count: count), symbols.count == count, count > 0 else { return nil }
    // Exactly: what is left over would make the padding wrong.
    guard end + symbols.reduce(0, +) == body.count else { return nil }
    var index = end
    for (offset, symbol) in symbols.enumerated() {
      switch symbol {
      case 0: break
      case 1: ticks += Int(body[index])
      case 2: ticks += Int(Int16(bitPattern: UInt16(body[index]) << 8 | UInt16(body[index + 1])))
      default: return nil
      }
      index += symbol
      packets.append((base &+ UInt16(offset), symbol == 0 ? nil : ticks))
    }
  }

  private static func symbols(_ body: [UInt8], count: Int) -> ([Int], end: Int)? {
    var symbols: [Int] = []
    var index = 16
    while symbols.count < count {
      guard index + 2 <= body.count else { return nil }
      let chunk = Int(body[index]) << 8 | Int(body[index + 1])
      index += 2
      let room = count - symbols.count
      switch chunk >> 14 {
      case 0, 1: symbols += Array(repeating: chunk >> 13, count: min(room, chunk & 0x1fff))
      case 2: symbols += (0..<14).map { chunk >> (13 - $0) & 1 }.prefix(room)
      default: symbols += (0..<7).map { chunk >> (2 * (6 - $0)) & 3 }.prefix(room)
      }
    }
    return (symbols, index)
  }
}
