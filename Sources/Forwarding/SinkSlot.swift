import Wire

/// A sink as the worker keeps it: what a copy is rewritten to, and which packet index it gets.
struct SinkSlot {
  let id: SinkID
  let stream: Int
  let transport: Int
  let ssrc: UInt32
  let timestampOffset: UInt32
  /// By source payload type; `unmapped` where there is none.
  let payloadTypes: InlineArray<128, UInt8>
  /// By source extension id; 0 where elements are left out.
  let extensions: InlineArray<16, UInt8>
  /// The receiver's MID; of length 0 if there is none.
  let mid: InlineArray<16, UInt8>
  let midLength: Int
  let midID: UInt8
  /// The slot of what sends packets to it again; nil: nothing does.
  let retransmitter: Int?
  var isPaused: Bool
  var numbering: SinkNumbering
  var repairs = RepairAllowance()
  /// From when on a receiver without retransmissions may have a key frame for what it misses.
  var nextKeyFrame = Instant.zero
  var statistics: SinkStatistics

  static let unmapped: UInt8 = 0xff

  init(_ sink: Sink, stream: Int, transport: Int, retransmitter: Int?, numbering: SinkNumbering) {
    id = sink.id
    self.stream = stream
    self.transport = transport
    ssrc = sink.ssrc
    timestampOffset = sink.timestampOffset
    var types = InlineArray<128, UInt8>(repeating: Self.unmapped)
    for (from, to) in sink.payloadTypes where from < 128 && to < 128 { types[Int(from)] = to }
    payloadTypes = types
    var value = InlineArray<16, UInt8>(repeating: 0)
    if let mid = sink.mid, (1...14).contains(mid.id), (1...16).contains(mid.value.count) {
      for (i, octet) in mid.value.enumerated() { value[i] = octet }
      midLength = mid.value.count
      midID = mid.id
    } else {
      midLength = 0
      midID = 0
    }
    mid = value
    var ids = InlineArray<16, UInt8>(repeating: 0)
    // The receiver's MID is written by us; the source's own would be a second one.
    for (from, to) in sink.extensions where (1...15).contains(from) && (1...14).contains(to) && to != midID {
      ids[Int(from)] = to
    }
    extensions = ids
    self.retransmitter = retransmitter
    isPaused = sink.isPaused
    self.numbering = numbering
    statistics = SinkStatistics(id: sink.id)
  }

  /// The receiver's id for a source's element; 0 if it is left out.
  @inline(__always)
  func extensionID(_ id: UInt8) -> UInt8 { id < 16 ? extensions[Int(id)] : 0 }
}
