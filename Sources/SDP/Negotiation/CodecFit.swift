/// How well a receiver of one codec takes what is sent as another of its name. Less is better.
///
/// What SDP says of a codec is what its writer was built with, seldom what its decoder can do: encoders and players of
/// different makers hardly ever name the same H.264 profile. So whatever may be decoded is sent, under the closest of what
/// the receiver takes.
struct CodecFit: Comparable {
  enum Tier: Int, Comparable {
    /// The same parameters, as far as they change what the payload is.
    case exact
    /// The receiver's profile includes the sender's.
    case decodable
    /// Another profile of the same family (of H.264: 8 bits, 4:2:0), whose decoders are the same programs.
    case related
    /// Of H.264 alone: one side says nothing of its profile, or nothing that is known here.
    case named

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  var tier: Tier
  /// Orders those of a tier.
  var distance = 0

  static func < (a: Self, b: Self) -> Bool { (a.tier, a.distance) < (b.tier, b.distance) }
}

/// The encoding, and those parameters that change what the payload is, read once.
struct CodecIdentity: Hashable {
  /// What has to be equal in any case.
  struct Encoding: Hashable {
    let name: String
    let clockRate: UInt32
    let channels: UInt8
  }

  enum Parameters: Hashable {
    case none
    case h264(H264Parameters)
    /// A profile whose decoders decode those of `VideoProfile.included`.
    case profile(VideoProfile)
  }

  let encoding: Encoding
  let parameters: Parameters

  init(_ codec: NegotiatedCodec) {
    let name = codec.encodingName
    // Opus is always written with two channels (RFC 7587 section 4.1); some leave them out.
    encoding = Encoding(name: name, clockRate: codec.clockRate, channels: name == "opus" ? 2 : codec.channels)
    switch name {
    case "h264": parameters = .h264(H264Parameters(FormatParameters(codec.fmtp)))
    case "vp9", "av1", "h265": parameters = .profile(VideoProfile(name, FormatParameters(codec.fmtp)))
    default: parameters = .none
    }
  }

  /// How well a receiver of this takes what is sent as `sent`; nil: not at all.
  func fit(_ sent: CodecIdentity) -> CodecFit? {
    guard encoding == sent.encoding else { return nil }
    switch (parameters, sent.parameters) {
    case (.h264(let mine), .h264(let theirs)): return mine.fit(theirs)
    case (.profile(let mine), .profile(let theirs)): return mine.fit(theirs)
    default: return CodecFit(tier: .exact)
    }
  }
}

/// The identities of the codecs of many m-lines, which mostly say the same: each spelling is read once.
struct CodecIdentities {
  /// All that an identity follows from.
  private struct Spelling: Hashable {
    let name: String
    let clockRate: UInt32
    let channels: UInt8
    let fmtp: String?
  }

  private var known: [Spelling: CodecIdentity] = [:]

  subscript(codec: NegotiatedCodec) -> CodecIdentity {
    mutating get {
      let spelling = Spelling(
        name: codec.name, clockRate: codec.clockRate, channels: codec.channels, fmtp: codec.fmtp)
      if let identity = known[spelling] { return identity }
      let identity = CodecIdentity(codec)
      known[spelling] = identity
      return identity
    }
  }
}

/// What a receiver takes, in its order, ready to be compared with what is sent.
struct CodecChoice {
  private let codecs: [NegotiatedCodec]
  private var places: [CodecIdentity.Encoding: [(index: Int, identity: CodecIdentity)]] = [:]

  init(_ codecs: [NegotiatedCodec]) {
    var identities = CodecIdentities()
    self.init(codecs, &identities)
  }

  init(_ codecs: [NegotiatedCodec], _ identities: inout CodecIdentities) {
    self.codecs = codecs
    for (index, codec) in codecs.enumerated() {
      let identity = identities[codec]
      places[identity.encoding, default: []].append((index, identity))
    }
  }

  /// The one that fits best what is sent as `codec`, of equals the first; nil: none can decode it.
  func closest(to codec: NegotiatedCodec) -> NegotiatedCodec? { place(of: CodecIdentity(codec)).map { codecs[$0] } }

  func place(of sent: CodecIdentity) -> Int? {
    let fits = (places[sent.encoding] ?? []).compactMap { place in place.identity.fit(sent).map { (place.index, $0) } }
    return fits.min { $0.1 < $1.1 }?.0
  }
}

extension NegotiatedCodec {
  /// Whether both are the same codec with the same parameters. Payload types may differ, and so may levels.
  public func matches(_ other: NegotiatedCodec) -> Bool {
    CodecIdentity(self).fit(CodecIdentity(other))?.tier == .exact
  }

  /// Whether a receiver of this decodes, as far as can be known, what is sent as `sent`.
  public func decodes(_ sent: NegotiatedCodec) -> Bool { CodecIdentity(self).fit(CodecIdentity(sent)) != nil }
}
