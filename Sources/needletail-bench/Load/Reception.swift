import RTP
import SRTP
import Wire

/// What one subscriber receives.
final class Reception {
  let ownSSRC = UInt32.random(in: 1 ... .max)
  private(set) var streams: [ReceivedStream]
  /// Sampled receivers decrypt; the others read only headers.
  private let opener: RTPOpener?
  /// When the first media packet came, on `Clock.realtime`.
  private(set) var firstArrival: UInt64?
  /// Packets of SSRCs that no offer announced, such as retransmissions.
  private(set) var unannounced = 0
  private(set) var undecryptable = 0

  init(ssrcs: Set<UInt32>, opener: consuming RTPOpener?) {
    streams = ssrcs.map(ReceivedStream.init)
    self.opener = opener
  }

  var received: Int { streams.reduce(0) { $0 + $1.received } }

  func update(_ ssrcs: Set<UInt32>) {
    let known = Set(streams.map(\.ssrc))
    streams += ssrcs.subtracting(known).map(ReceivedStream.init)
  }

  /// Counts one SRTP packet, of which `packet` may be only the beginning. Returns its latency in nanoseconds if it could
  /// be read.
  @inline(__always)
  func take(
    _ packet: UnsafeMutableRawBufferPointer, arrival: UInt64, engine: inout CryptographyEngine
  ) -> UInt64? {
    guard packet.count >= 12, let base = packet.baseAddress else { return nil }
    let ssrc = UInt32(bigEndian: base.load(fromByteOffset: 8, as: UInt32.self))
    guard let stream = stream(ssrc) else {
      unannounced += 1
      return nil
    }
    if firstArrival == nil { firstArrival = arrival }
    let index = stream.take(UInt16(bigEndian: base.load(fromByteOffset: 2, as: UInt16.self)))
    return sentAt(packet, base, ssrc, index, &engine).map { arrival > $0 ? arrival - $0 : 0 }
  }

  private func sentAt(
    _ packet: UnsafeMutableRawBufferPointer, _ base: UnsafeMutableRawPointer, _ ssrc: UInt32, _ index: UInt64,
    _ engine: inout CryptographyEngine
  ) -> UInt64? {
    guard opener != nil, let layout = RTPLayout.parseProtected(UnsafeRawBufferPointer(packet)) else { return nil }
    let length =
      switch opener {
      case .some(let opener):
        opener.open(
          base, headerLength: layout.payloadOffset, length: packet.count, ssrc: ssrc, index: index, engine: &engine)
      case .none: 0
      }
    guard length > 0 else {
      undecryptable += 1
      return nil
    }
    return SendTime.read(base + layout.payloadOffset, count: length - layout.payloadOffset)
  }

  @inline(__always)
  private func stream(_ ssrc: UInt32) -> ReceivedStream? {
    for stream in streams where stream.ssrc == ssrc { return stream }
    return nil
  }

  func receiverReport() -> RTCPPacket {
    .receiverReport(ReceiverReport(ssrc: ownSSRC, blocks: streams.compactMap { $0.report() }))
  }
}

/// One RTP stream as its sequence numbers tell it.
final class ReceivedStream {
  let ssrc: UInt32
  private(set) var received = 0
  private(set) var duplicates = 0
  private(set) var reordered = 0
  private var first: UInt64?
  private var highest: UInt64 = 0
  /// Bit n: `highest - n` was received.
  private var recent: UInt64 = 0
  private var reported: ReceptionReport?

  init(_ ssrc: UInt32) { self.ssrc = ssrc }

  /// Sequence numbers between the first and the highest that did not come.
  var missing: Int {
    guard let first else { return 0 }
    return max(0, Int(clamping: highest &- first &+ 1) - received)
  }

  /// Counts a packet; returns its index.
  @inline(__always)
  func take(_ sequence: UInt16) -> UInt64 {
    guard first != nil else {
      first = UInt64(sequence)
      highest = UInt64(sequence)
      (received, recent) = (1, 1)
      return highest
    }
    let index = PacketIndex.estimate(sequence, highest: highest)
    if index > highest {
      let step = index &- highest
      recent = step < 64 ? recent << step | 1 : 1
      highest = index
    } else {
      let age = highest &- index
      if age < 64 {
        if recent & (1 << age) != 0 {
          duplicates += 1
          return index
        }
        recent |= 1 << age
      }
      reordered += 1
    }
    received += 1
    return index
  }

  /// nil before the first packet.
  func report() -> ReportBlock? {
    guard let first else { return nil }
    let report = ReceptionReport(
      first: UInt32(truncatingIfNeeded: first), highest: UInt32(truncatingIfNeeded: highest),
      received: UInt64(received),
      previous: reported)
    reported = report
    return report.block(ssrc: ssrc, jitter: 0)
  }
}
