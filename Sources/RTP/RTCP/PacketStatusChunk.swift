/// Status of one packet in transport feedback; the raw value is its symbol (section 3.1.1 of the draft).
enum PacketStatus: UInt8 {
  case notReceived = 0
  /// Received, its delta in one unsigned byte.
  case small = 1
  /// Received, its delta in two signed bytes.
  case large = 2
  case reserved = 3

  init(delta: Int16) { self = (0...255).contains(delta) ? .small : .large }
}

/// Sixteen bits that tell the status of a run of packets (draft-holmer-rmcat-transport-wide-cc-extensions-01, sections
/// 3.1.3 and 3.1.4).
///
/// ```
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0| S |       run length        |   run of packets with the same status S
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |1|0|        14 × 1 bit         |   vector of notReceived and small
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |1|1|        7 × 2 bits         |   vector of any status
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
struct PacketStatusChunk: Equatable {
  static let maximumRun = 0x1fff
  private static let oneBitCapacity = 14
  private static let twoBitCapacity = 7

  let rawValue: UInt16

  var isRun: Bool { rawValue & 0x8000 == 0 }
  private var isTwoBit: Bool { rawValue & 0x4000 != 0 }

  /// Packets it tells of. The last chunk of a feedback may have more than the feedback reports on.
  var count: Int {
    if isRun { return Int(rawValue & 0x1fff) }
    return isTwoBit ? Self.twoBitCapacity : Self.oneBitCapacity
  }

  /// `index` is below `count`.
  func status(at index: Int) -> PacketStatus {
    let symbol =
      if isRun {
        rawValue >> 13
      } else if isTwoBit {
        rawValue >> UInt16(2 * (Self.twoBitCapacity - 1 - index)) & 3
      } else {
        rawValue >> UInt16(Self.oneBitCapacity - 1 - index) & 1
      }
    return PacketStatus(rawValue: UInt8(symbol)) ?? .reserved
  }
}

extension PacketStatusChunk {
  /// The chunks for `statuses`, chosen greedily in the way libwebrtc does: each takes as many as it can.
  static func chunks(of statuses: [PacketStatus]) -> [PacketStatusChunk] {
    var chunks: [PacketStatusChunk] = []
    var rest = statuses[...]
    while !rest.isEmpty {
      let (chunk, length) = next(of: rest)
      chunks.append(chunk)
      rest = rest.dropFirst(length)
    }
    return chunks
  }

  private static func next(of rest: ArraySlice<PacketStatus>) -> (PacketStatusChunk, length: Int) {
    let first = rest[rest.startIndex]
    let run = rest.prefix(maximumRun).prefix { $0 == first }.count
    let oneBit = rest.prefix(oneBitCapacity).prefix { $0 == .notReceived || $0 == .small }.count
    let fitting = max(run, oneBit, min(twoBitCapacity, rest.count))
    if run == fitting { return (PacketStatusChunk(runOf: first, length: run), run) }
    // A one-bit vector must be full unless it is the last, for what follows counts on from its end.
    if oneBit == oneBitCapacity || (oneBit == rest.count && oneBit > twoBitCapacity) {
      return (PacketStatusChunk(oneBit: rest.prefix(oneBit)), oneBit)
    }
    let length = min(twoBitCapacity, rest.count)
    return (PacketStatusChunk(twoBit: rest.prefix(length)), length)
  }

  private init(runOf status: PacketStatus, length: Int) {
    rawValue = UInt16(status.rawValue) << 13 | UInt16(length)
  }

  private init(oneBit statuses: ArraySlice<PacketStatus>) {
    let bits = statuses.reduce(UInt16(0)) { $0 << 1 | UInt16($1.rawValue) }
    rawValue = 0x8000 | bits << UInt16(Self.oneBitCapacity - statuses.count)
  }

  private init(twoBit statuses: ArraySlice<PacketStatus>) {
    let bits = statuses.reduce(UInt16(0)) { $0 << 2 | UInt16($1.rawValue) }
    rawValue = 0xc000 | bits << UInt16(2 * (Self.twoBitCapacity - statuses.count))
  }
}
