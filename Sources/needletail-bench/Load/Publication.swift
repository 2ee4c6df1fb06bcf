import RTP
import SRTP
import Wire

/// What one publisher sends: 50 audio packets a second and video packets paced to the bitrate. Each carries the time at
/// which it was sent. The video frames are no pictures: a server forwards them unseen.
final class Publication {
  private let media: PublishedMedia
  private let sealer: RTPSealer
  private var audio: PacedStream
  private var video: PacedStream
  private var transportWideSequence: UInt16 = 0
  var keyFrameRequests = 0
  var nackedPackets = 0

  /// Packets handed to the network.
  var sent: Int { audio.packets + video.packets }
  /// When the next packet is due.
  var nextSend: Instant { min(audio.nextSend, video.nextSend) }

  static let videoPacketLength = 1200
  /// Later than this, what should have been sent meanwhile is given up.
  private static let tolerance = Interval.milliseconds(100)

  init(_ media: PublishedMedia, sealer: consuming RTPSealer, now: Instant) {
    self.media = media
    self.sealer = sealer
    audio = PacedStream(
      ssrc: media.audioSSRC, payloadType: media.audioPayloadType, mid: UInt8(ascii: "0"), packetLength: 120,
      interval: .milliseconds(20), clockRate: 48_000, frameInterval: .milliseconds(20), now: now)
    let bitsPerPacket = UInt64(Self.videoPacketLength) * 8
    video = PacedStream(
      ssrc: media.videoSSRC, payloadType: media.videoPayloadType, mid: UInt8(ascii: "1"),
      packetLength: Self.videoPacketLength,
      interval: Interval(nanoseconds: bitsPerPacket * 1_000_000_000 / UInt64(max(1, media.videoBitrate))),
      clockRate: 90_000, frameInterval: Interval(nanoseconds: 33_333_333), now: now)
  }

  /// Starts anew after a pause, without catching up.
  func resume(at now: Instant) {
    audio.nextSend = now
    video.nextSend = now
  }

  /// Sends what is due. `scratch` has room for 1500 octets.
  func send(to socket: UDPSocket, scratch: UnsafeMutableRawPointer, engine: inout CryptographyEngine, now: Instant) {
    send(&audio, to: socket, scratch, &engine, now)
    send(&video, to: socket, scratch, &engine, now)
  }

  private func send(
    _ stream: inout PacedStream, to socket: UDPSocket, _ packet: UnsafeMutableRawPointer,
    _ engine: inout CryptographyEngine, _ now: Instant
  ) {
    if now.since(stream.nextSend) > Self.tolerance { stream.nextSend = now }
    while stream.nextSend <= now {
      let headerLength = writeHeader(of: stream, to: packet)
      let payload = packet + headerLength
      let payloadLength = stream.packetLength - headerLength
      SendTime.write(Clock.realtime, to: payload, count: payloadLength)
      let length = sealer.seal(
        packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, ssrc: stream.ssrc,
        index: stream.index, engine: &engine)
      engine.flush()
      stream.advance()
      transportWideSequence &+= 1
      if length > 0 { _ = socket.send(packet, count: length) }
    }
  }

  /// The RTP header with the MID and the transport-wide sequence number; returns its length.
  private func writeHeader(of stream: PacedStream, to packet: UnsafeMutableRawPointer) -> Int {
    let hasExtension = media.midExtension > 0 || media.transportWideExtension > 0
    packet.storeBytes(of: hasExtension ? 0x90 : 0x80, as: UInt8.self)
    packet.storeBytes(of: stream.payloadType | (stream.isFrameEnd ? 0x80 : 0), toByteOffset: 1, as: UInt8.self)
    packet.storeBytes(of: stream.sequence.bigEndian, toByteOffset: 2, as: UInt16.self)
    packet.storeBytes(of: stream.timestamp.bigEndian, toByteOffset: 4, as: UInt32.self)
    packet.storeBytes(of: stream.ssrc.bigEndian, toByteOffset: 8, as: UInt32.self)
    guard hasExtension else { return 12 }
    packet.storeBytes(of: UInt32(0xbede_0002).bigEndian, toByteOffset: 12, as: UInt32.self)
    packet.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
    var offset = 16
    if media.midExtension > 0 {
      packet.storeBytes(of: media.midExtension << 4, toByteOffset: offset, as: UInt8.self)
      packet.storeBytes(of: stream.mid, toByteOffset: offset + 1, as: UInt8.self)
      offset += 2
    }
    if media.transportWideExtension > 0 {
      packet.storeBytes(of: media.transportWideExtension << 4 | 1, toByteOffset: offset, as: UInt8.self)
      packet.storeBytes(of: transportWideSequence.bigEndian, toByteOffset: offset + 1, as: UInt16.self)
    }
    return 24
  }

  func senderReports() -> [RTCPPacket] {
    let time = NTPTime(unixNanoseconds: Clock.realtime)
    return [audio, video].map { stream in
      .senderReport(
        SenderReport(
          ssrc: stream.ssrc, ntp: time, rtpTimestamp: stream.timestamp,
          packetCount: UInt32(truncatingIfNeeded: stream.packets),
          octetCount: UInt32(truncatingIfNeeded: stream.octets),
          blocks: [], profileExtensions: []))
    }
  }
}

/// One RTP stream of packets of one size at equal intervals.
struct PacedStream {
  let ssrc: UInt32
  let payloadType: UInt8
  /// One character.
  let mid: UInt8
  let packetLength: Int
  let interval: Interval
  let clockRate: UInt64
  let frameInterval: Interval
  var nextSend: Instant
  private(set) var packets = 0
  /// Sequence number and rollover counter in one: the SRTP index.
  private(set) var index: UInt64 = .random(in: 0..<1000)
  private var mediaTime = Interval.zero

  init(
    ssrc: UInt32, payloadType: UInt8, mid: UInt8, packetLength: Int, interval: Interval, clockRate: UInt64,
    frameInterval: Interval, now: Instant
  ) {
    (self.ssrc, self.payloadType, self.mid, self.packetLength) = (ssrc, payloadType, mid, packetLength)
    (self.interval, self.clockRate, self.frameInterval, nextSend) = (interval, clockRate, frameInterval, now)
  }

  var sequence: UInt16 { UInt16(truncatingIfNeeded: index) }
  var octets: Int { packets &* packetLength }

  private var frame: UInt64 { mediaTime.nanoseconds / frameInterval.nanoseconds }

  var timestamp: UInt32 {
    UInt32(truncatingIfNeeded: frame &* (frameInterval.nanoseconds &* clockRate / 1_000_000_000))
  }

  /// Whether the next packet belongs to another frame.
  var isFrameEnd: Bool { (mediaTime.nanoseconds &+ interval.nanoseconds) / frameInterval.nanoseconds != frame }

  mutating func advance() {
    packets += 1
    index += 1
    mediaTime.nanoseconds += interval.nanoseconds
    nextSend = nextSend.advanced(by: interval)
  }
}

/// The first octets of every payload: a VP8 descriptor's, a mark, and when the packet was sent.
enum SendTime {
  private static let mark: UInt32 = 0x4e54_4c42

  static func write(_ time: UInt64, to payload: UnsafeMutableRawPointer, count: Int) {
    guard count >= 16 else { return }
    payload.storeBytes(of: UInt32(0x1000_0000).bigEndian, as: UInt32.self)
    payload.storeBytes(of: mark, toByteOffset: 4, as: UInt32.self)
    payload.storeBytes(of: time, toByteOffset: 8, as: UInt64.self)
  }

  /// nil if the payload is not one of ours.
  static func read(_ payload: UnsafeRawPointer, count: Int) -> UInt64? {
    guard count >= 16, payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == mark else { return nil }
    return payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
  }
}
