import SRTP
import Wire

/// A transport as the worker keeps it.
struct TransportSlot: ~Copyable {
  let id: TransportID
  var tuple: FiveTuple
  /// nil on a clear transport.
  let opener: RTPOpener?
  let sealer: RTPSealer?
  let isClear: Bool
  /// Whether packets received cost less to open when they are announced.
  let gainsFromAnnouncing: Bool
  /// Octets that protection adds to a packet received, and to a copy.
  let inboundTagLength: Int
  let outboundTagLength: Int
  var extensions: ReadExtensions
  var arrivals = ArrivalRecord()
  /// Slots of the SSRCs heard on this transport, and of the sinks that send to it.
  var streams: [Int] = []
  var sinks: [Int] = []
  var sent = SentSSRCs()
  /// SSRCs heard for the first time.
  var newSSRCs = RateMeter()
  /// Datagrams that are not RTP.
  var control = RateMeter()
  /// As far as its receiver's reports tell.
  var roundTrip: Interval?
  /// The captures that record it, a bit for each by its place.
  var captures: UInt8 = 0

  /// nil if the cryptographic library refuses the keys.
  init?(_ transport: Transport, engine: borrowing CryptographyEngine) {
    switch transport.protection {
    case .clear:
      opener = nil
      sealer = nil
      isClear = true
      gainsFromAnnouncing = false
      inboundTagLength = 0
      outboundTagLength = 0
    case .srtp(let inbound, let outbound):
      guard let opener = RTPOpener(inbound, engine: engine), let sealer = RTPSealer(outbound, engine: engine) else {
        return nil
      }
      self.opener = consume opener
      self.sealer = consume sealer
      isClear = false
      gainsFromAnnouncing = inbound.profile == .aes128CMHMACSHA180 && engine.provider == .ipsecMB
      inboundTagLength = inbound.profile.tagLength
      outboundTagLength = outbound.profile.tagLength
    }
    id = transport.id
    tuple = transport.tuple
    extensions = transport.extensions
  }
}

/// Transport-wide sequence numbers in order of arrival, until they are reported.
struct ArrivalRecord: ~Copyable {
  private var entries: UnsafeMutablePointer<TransportWideArrival>?
  private(set) var count = 0
  private(set) var oldest = Instant.zero

  static let capacity = 1024
  /// So full that it should be reported before its time.
  static let pressing = 768

  deinit { entries?.deallocate() }

  /// False if there is no room.
  mutating func append(_ sequence: UInt16, at now: Instant) -> Bool {
    guard count < Self.capacity else { return false }
    let entries = entries ?? .allocate(capacity: Self.capacity)
    self.entries = entries
    if count == 0 { oldest = now }
    (entries + count).initialize(to: TransportWideArrival(sequence: sequence, at: now))
    count += 1
    return true
  }

  mutating func take() -> [TransportWideArrival] {
    defer { count = 0 }
    return Array(UnsafeBufferPointer(start: entries, count: count))
  }
}
