/// The m-lines of a subscribe peer over its whole life. We offer, the client answers. m-lines are reused, never
/// reordered or removed (RFC 3264 section 8): a track that goes leaves its m-line inactive for the next of its kind.
///
///              offer(tracks)                    answer: taken
///   (none) ──────────────────▶ carrying ──────────────────────▶ carrying
///                               │    ▲                             │
///         track goes: inactive  │    │ a track of the same kind    │ answer: refused (port 0)
///                               ▼    │                             ▼
///                              vacant                           stopped ── another track, under a new mid ──▶ carrying
///
/// The first m-line is of audio and there before any track is. It stands for the bundle (RFC 9143 section 7.1.3): a client
/// that refuses that m-line, as it does with a video codec it lacks, gets no transport and so nothing else either, but
/// Opus is known to every client (RFC 7874 section 3).
public struct SubscribeSession: Sendable {
  /// An m-line.
  struct Line: Sendable {
    var mid: String
    var kind: MediaDescription.Kind
    /// What it carries; nil if it is vacant.
    var track: OfferedTrack?
    /// Refused by an answer. It keeps port 0 until it is used anew.
    var isStopped = false
    /// As last offered.
    var codecs: [NegotiatedCodec] = []
    var extensions: [ExtensionMap] = []

    var isCarrying: Bool { track != nil && !isStopped }
  }

  public let capabilities: Capabilities
  /// What the latest answer said of the client's transport.
  public private(set) var remote: RemoteTransportDescription?
  /// Our DTLS role, from the latest answer: `.passive` (server) or `.active`.
  public private(set) var localSetup: SetupRole = .passive
  /// Whether the latest answer brought other ICE credentials than the one before.
  public private(set) var iceRestart = false

  /// The tracks of the latest offer that are not in it, since no m-line or no payload type was left for them.
  public private(set) var leftOut: Set<String> = []

  private(set) var lines: [Line] = []
  private var payloadTypes = CanonicalPayloadTypes()
  private var extensions = CanonicalExtensions()
  private var nextMid = 0
  private var origin: SessionDescription.Origin?

  public init(capabilities: Capabilities = .standard) {
    self.capabilities = capabilities
    lines = [standingLine()]
  }

  /// Track to mid, as in the latest offer.
  public var mids: [String: String] {
    var mids: [String: String] = [:]
    for line in lines where line.isCarrying { if let track = line.track { mids[track.trackID] = line.mid } }
    return mids
  }

  /// The offer of exactly `tracks`, whatever was offered before. New ICE credentials in `local` make it an ICE restart.
  public mutating func offer(tracks: [OfferedTrack], local: LocalTransportDescription) -> SessionDescription {
    arrange(tracks)
    let origin = self.origin?.next ?? .initial(local.iceUfrag)
    self.origin = origin
    let live = lines.filter { !$0.isStopped }.map(\.mid)
    var offer = SessionDescription.ours(
      origin: origin, bundle: live, mixedExtensions: capabilities.allowsMixedExtensions)
    let writer = MediaWriter(local: local, setup: .actpass)
    offer.media = lines.map { line in
      let section = writer.section(content(of: line), hasCandidates: line.mid == live.first)
      return line.isStopped ? MediaWriter.rejection(of: section) : section
    }
    return offer
  }

  /// Reads the answer to the latest offer: what each carried track came to, in the order of the m-lines.
  public mutating func accept(answer: SessionDescription) throws(SDPError) -> [SubscribedMedia] {
    guard origin != nil else { throw .noOffer }
    let reading = try SubscribeAnswer(answer, to: lines)
    if let transport = reading.transport {
      iceRestart = remote.map { !$0.hasSameCredentials(as: transport) } ?? false
      remote = transport
      localSetup = transport.setup == .passive ? .active : .passive
    }
    for index in reading.refused { lines[index].isStopped = true }
    return reading.media
  }
}

extension SubscribeSession {
  /// An m-line that stands for the bundle: vacant, of a codec that nobody refuses.
  private mutating func standingLine() -> Line {
    let opus = NegotiatedCodec(payloadType: 111, name: "opus", clockRate: 48000, channels: 2)
    return Line(
      mid: newMid(), kind: .audio, codecs: payloadTypes.canonical([opus], hasRetransmissions: false),
      extensions: extensions.maps([], passing: []))
  }

  private mutating func newMid() -> String {
    defer { nextMid += 1 }
    return "\(nextMid)"
  }

  /// Says what each m-line carries, and how. A vacant one keeps the codecs and extensions it had.
  private mutating func arrange(_ tracks: [OfferedTrack]) {
    var descriptions: [String: (codecs: [NegotiatedCodec], extensions: [ExtensionMap])] = [:]
    var described: [Describing: (codecs: [NegotiatedCodec], extensions: [ExtensionMap])?] = [:]
    for track in tracks {
      let content = Describing(track)
      let description = described[content] ?? describe(content)
      described[content] = .some(description)
      descriptions[track.trackID] = description
    }
    place(tracks.filter { descriptions[$0.trackID] != nil })
    for index in lines.indices where lines[index].isCarrying {
      guard let description = lines[index].track.flatMap({ descriptions[$0.trackID] }) else { continue }
      (lines[index].codecs, lines[index].extensions) = description
    }
    leftOut = Set(tracks.map(\.trackID)).subtracting(lines.compactMap { $0.track?.trackID })
  }

  /// What the description of a track follows from. Most of a room's tracks have it in common.
  private struct Describing: Hashable {
    let kind: MediaDescription.Kind
    let codecs: [NegotiatedCodec]
    let extensions: [String]
    let hasRetransmissions: Bool

    init(_ track: OfferedTrack) {
      kind = track.kind
      codecs = track.codecs
      extensions = track.extensions
      hasRetransmissions = track.retransmissionSSRC != nil
    }
  }

  /// Codecs and extensions as numbered here; nil if no number is left for any codec.
  private mutating func describe(_ track: Describing) -> (codecs: [NegotiatedCodec], extensions: [ExtensionMap])? {
    var codecs = payloadTypes.canonical(
      track.codecs + track.codecs.alternatives, hasRetransmissions: track.hasRetransmissions)
    guard !codecs.isEmpty else { return nil }
    for index in codecs.indices {
      codecs[index].feedback = capabilities.subscriberFeedback(
        on: track.kind, hasRetransmissions: codecs[index].retransmissionPayloadType != nil)
    }
    return (codecs, extensions.maps(track.extensions, passing: capabilities.subscribeExtensions))
  }

  /// Gives every track an m-line, as long as there are any.
  private mutating func place(_ tracks: [OfferedTrack]) {
    var wanted: [String: OfferedTrack] = [:]
    for track in tracks where wanted[track.trackID] == nil { wanted[track.trackID] = track }
    for index in lines.indices {
      guard let old = lines[index].track else { continue }
      let new = wanted[old.trackID].flatMap { $0.kind == old.kind ? $0 : nil }
      // A track that was refused is offered again only when its codecs changed: then under a new mid, below.
      if lines[index].isStopped, let new, new.codecs != old.codecs {
        lines[index].track = nil
        continue
      }
      lines[index].track = new
      if new != nil { wanted[old.trackID] = nil }
    }
    if lines[0].track == nil, lines[0].isStopped { lines[0] = standingLine() }
    for track in tracks { if let track = wanted.removeValue(forKey: track.trackID) { assign(track) } }
  }

  /// A vacant m-line of its kind, else one that was stopped, else a new one.
  private mutating func assign(_ track: OfferedTrack) {
    if let vacant = lines.firstIndex(where: { $0.track == nil && !$0.isStopped && $0.kind == track.kind }) {
      lines[vacant].track = track
      return
    }
    if let stopped = lines.firstIndex(where: { $0.track == nil && $0.isStopped }) {
      lines[stopped] = Line(mid: newMid(), kind: track.kind, track: track)
    } else if lines.count < SDPLimits.standard.media {
      lines.append(Line(mid: newMid(), kind: track.kind, track: track))
    }
  }

  private func content(of line: Line) -> MediaWriter.Content {
    MediaWriter.Content(
      mid: line.mid, kind: line.kind, direction: line.isCarrying ? .sendonly : .inactive, codecs: line.codecs,
      extensions: line.extensions, track: line.isCarrying ? line.track : nil)
  }
}
