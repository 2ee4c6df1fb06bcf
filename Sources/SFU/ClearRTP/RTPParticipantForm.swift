import Forwarding
import Wire

/// A clear-RTP participant as an operator writes it: in JSON, in the configuration file or by flags. Nothing in it is
/// checked before `read`.
public struct RTPParticipantForm: Hashable, Sendable {
  public var room: String?
  public var name: String?
  public var direction: String?
  public var remote: String?
  public var remoteAudio: String?
  public var remoteVideo: String?
  public var rtcp: String?
  public var localAddress: String?
  public var localPort: Int?
  public var from: String?
  /// Seconds.
  public var keyFrames: Int?
  /// Per second, of each stream it sends; 0: none.
  public var maxPackets: Int?
  public var maxBytes: Int?
  public var codecs: [Codec] = []

  public struct Codec: Hashable, Sendable, Codable {
    public var codec: String?
    public var payloadType: Int?
    public var ssrc: Int?
    public var clockRate: Int?
    public var channels: Int?
    public var fmtp: String?
    public var kind: String?

    public init() {}
  }

  public init() {}
}

extension RTPParticipantForm: Decodable {
  private enum Key: String, CodingKey {
    case room, name, direction, remote, remoteAudio, remoteVideo, rtcp, localAddress, localPort, from, keyFrames,
      maxPackets, maxBytes, codecs, codec
  }

  /// The keys of one codec may stand beside the others; of several, in `codecs`.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    room = try values.decodeIfPresent(String.self, forKey: .room)
    name = try values.decodeIfPresent(String.self, forKey: .name)
    direction = try values.decodeIfPresent(String.self, forKey: .direction)
    remote = try values.decodeIfPresent(String.self, forKey: .remote)
    remoteAudio = try values.decodeIfPresent(String.self, forKey: .remoteAudio)
    remoteVideo = try values.decodeIfPresent(String.self, forKey: .remoteVideo)
    rtcp = try values.decodeIfPresent(String.self, forKey: .rtcp)
    localAddress = try values.decodeIfPresent(String.self, forKey: .localAddress)
    localPort = try values.decodeIfPresent(Int.self, forKey: .localPort)
    from = try values.decodeIfPresent(String.self, forKey: .from)
    keyFrames = try values.decodeIfPresent(Int.self, forKey: .keyFrames)
    maxPackets = try values.decodeIfPresent(Int.self, forKey: .maxPackets)
    maxBytes = try values.decodeIfPresent(Int.self, forKey: .maxBytes)
    codecs = try values.decodeIfPresent([Codec].self, forKey: .codecs) ?? []
    if values.contains(.codec) { codecs.append(try Codec(from: decoder)) }
  }
}

// MARK: Reading

extension RTPParticipantForm {
  /// The participant that is meant.
  ///
  /// - Parameters:
  ///   - rule: what rooms and participants may be called, for people.
  ///   - isName: whether they may be called so.
  public func read(rule: String, isName: (String) -> Bool) throws(RTPParticipantError) -> RTPParticipant {
    for (key, value) in [(RTPParticipantKey.room, room), (.name, name)] {
      guard let value else { throw RTPParticipantError(key, "is missing") }
      guard isName(value) else { throw RTPParticipantError(key, "must be \(rule)") }
    }
    guard let direction = RTPDirection(rawValue: direction ?? RTPDirection.both.rawValue) else {
      throw RTPParticipantError(.direction, "must be send, receive or both, as the participant sees it")
    }
    guard !codecs.isEmpty else {
      throw RTPParticipantError(.codec, "is missing; the codecs are \(Self.codecNames)")
    }
    var formats: [RTPFormat] = []
    for (index, codec) in codecs.enumerated() { formats.append(try codec.read(index: codecs.count > 1 ? index : nil)) }
    try Self.check(formats, direction)
    let addresses = try readAddresses(formats, direction)
    let participant = RTPParticipant(
      room: room ?? "", name: name ?? "", direction: direction, audioRemote: addresses.audio,
      videoRemote: addresses.video, rtcp: try readRTCP(addresses), localAddress: try readLocalAddress(),
      localPort: try readLocalPort(), from: direction.receives ? from : nil, keyFrames: try readKeyFrames(),
      rateLimit: try readRateLimit(), formats: formats)
    try participant.checkRTCP()
    return participant
  }

  static var codecNames: String { RTPCodec.known.map { $0.name.lowercased() }.joined(separator: ", ") }

  /// What a packet says must tell what it is.
  private static func check(_ formats: [RTPFormat], _ direction: RTPDirection) throws(RTPParticipantError) {
    if let index = formats.firstIndex(where: { !$0.carriesMedia }),
      !formats.contains(where: { $0.carriesMedia && $0.kind == .audio })
    {
      throw RTPParticipantError(
        .codec, codec: index, "\(formats[index].codec.lowercased()) goes beside a codec of sound, and there is none")
    }
    for (index, format) in formats.enumerated() {
      for earlier in formats[..<index] where earlier.payloadType == format.payloadType {
        guard earlier.codec == format.codec, earlier.clockRate == format.clockRate else {
          throw RTPParticipantError(
            .payloadType, codec: index, "\(format.payloadType) is \(earlier.codec.lowercased()) already")
        }
        guard direction.sends, earlier.ssrc != nil, format.ssrc != nil else {
          throw RTPParticipantError(
            .payloadType, codec: index,
            "\(format.payloadType) stands twice: only streams that are sent may share it, each under an SSRC of its own"
          )
        }
      }
      if let ssrc = format.ssrc, formats[..<index].contains(where: { $0.ssrc == ssrc }) {
        throw RTPParticipantError(.ssrc, codec: index, "\(ssrc) stands twice; each stream needs its own")
      }
    }
  }

  private typealias Addresses = (audio: SocketAddress?, video: SocketAddress?)

  private func readAddresses(
    _ formats: [RTPFormat], _ direction: RTPDirection
  ) throws(RTPParticipantError) -> Addresses {
    let common = try Self.address(.remote, remote, direction)
    let audio = try Self.address(.remoteAudio, remoteAudio, direction)
    let video = try Self.address(.remoteVideo, remoteVideo, direction)
    for format in formats where common == nil && (format.kind == .audio ? audio : video) == nil {
      throw RTPParticipantError(
        .remote,
        "is missing: give the participant's address and RTP port, e.g. 192.0.2.7:5004 "
          + "(or remote-audio and remote-video)")
    }
    let kinds = Set(formats.map(\.kind))
    return (kinds.contains(.audio) ? audio ?? common : nil, kinds.contains(.video) ? video ?? common : nil)
  }

  private static func address(
    _ key: RTPParticipantKey, _ text: String?, _ direction: RTPDirection
  ) throws(RTPParticipantError) -> SocketAddress? {
    guard let text else { return nil }
    guard let address = SocketAddress(text) else {
      throw RTPParticipantError(
        key, "\"\(text.prefix(64))\" is no address with port; write 192.0.2.7:5004 or [2001:db8::7]:5004")
    }
    guard address.port != 0 else {
      throw RTPParticipantError(key, "\(address) has port 0; give the port that RTP uses")
    }
    if let problem = address.ip.problemAsRemote { throw RTPParticipantError(key, "\(address) \(problem)") }
    if address.ip.isMulticast, direction.sends {
      throw RTPParticipantError(
        key, "\(address) is a multicast group, which can only receive: set direction to receive")
    }
    return address
  }

  private func readRTCP(_ addresses: Addresses) throws(RTPParticipantError) -> RTCPPlace {
    switch rtcp {
    case nil, "next": return .next
    case "mux": return .mux
    case let text?:
      guard let address = SocketAddress(text), address.port != 0, address.ip.problemAsRemote == nil else {
        throw RTPParticipantError(
          .rtcp,
          "\"\(text.prefix(64))\" must be next (the port after that of RTP), mux (the same port) or an address with port"
        )
      }
      return .address(address)
    }
  }

  private func readLocalAddress() throws(RTPParticipantError) -> IPAddress? {
    guard let localAddress else { return nil }
    guard let ip = IPAddress(localAddress), !ip.isMulticast, !ip.isUnspecified else {
      throw RTPParticipantError(.localAddress, "\"\(localAddress.prefix(64))\" is no address of a host")
    }
    return ip
  }

  private func readKeyFrames() throws(RTPParticipantError) -> Interval? {
    let seconds = keyFrames ?? 4
    guard (0...3600).contains(seconds) else {
      throw RTPParticipantError(.keyFrames, "\(seconds) is not allowed; it must be 0 (never) to 3600 seconds")
    }
    return seconds == 0 ? nil : .seconds(UInt64(seconds))
  }

  private func readRateLimit() throws(RTPParticipantError) -> RateLimit? {
    guard maxPackets != nil || maxBytes != nil else { return nil }
    var limit = RateLimit()
    for (key, value, path) in [
      (RTPParticipantKey.maxPackets, maxPackets, \RateLimit.packetsPerSecond),
      (.maxBytes, maxBytes, \RateLimit.bytesPerSecond),
    ] {
      guard let value else { continue }
      guard let number = UInt32(exactly: value), number <= RateLimit.highest else {
        throw RTPParticipantError(key, "\(value) is not allowed; it must be 0 (no limit) to \(RateLimit.highest)")
      }
      limit[keyPath: path] = number
    }
    return limit
  }

  private func readLocalPort() throws(RTPParticipantError) -> UInt16? {
    guard let localPort else { return nil }
    guard let port = UInt16(exactly: localPort), port != 0 else {
      throw RTPParticipantError(.localPort, "\(localPort) is no port; it must be 1 to 65535")
    }
    return port
  }
}

extension RTPParticipantForm.Codec {
  func read(index: Int?) throws(RTPParticipantError) -> RTPFormat {
    func wrong(_ key: RTPParticipantKey, _ problem: String) -> RTPParticipantError {
      RTPParticipantError(key, codec: index, problem)
    }
    guard let name = codec else { throw wrong(.codec, "is missing; the codecs are \(RTPParticipantForm.codecNames)") }
    guard let known = RTPCodec.named(name) else {
      throw wrong(.codec, "\"\(name.prefix(32))\" is unknown; the codecs are \(RTPParticipantForm.codecNames)")
    }
    guard let payloadType else { throw wrong(.payloadType, "is missing; it must be 0 to 63 or 96 to 127") }
    guard let type = UInt8(exactly: payloadType), type <= 127, !(64...95).contains(type) else {
      throw wrong(
        .payloadType, "\(payloadType) is not allowed; it must be 0 to 63 or 96 to 127 (64 to 95 look like RTCP)")
    }
    if let ssrc, UInt32(exactly: ssrc) == nil {
      throw wrong(.ssrc, "\(ssrc) is not allowed; it must be 0 to 4294967295")
    }
    if let clockRate, !(1000...1_000_000).contains(clockRate) {
      throw wrong(.clockRate, "\(clockRate) is not allowed; it must be 1000 to 1000000 Hz")
    }
    if let channels, !(1...8).contains(channels) {
      throw wrong(.channels, "\(channels) is not allowed; it must be 1 to 8")
    }
    if let fmtp, fmtp.utf8.count > 1024 || fmtp.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
      throw wrong(.fmtp, "must be one line of at most 1024 bytes, as after a=fmtp:\(type) in SDP")
    }
    if let kind, kind != known.kind.rawValue { throw wrong(.kind, "\(known.name) is \(known.kind.rawValue)") }
    return RTPFormat(
      codec: known.name, kind: known.kind, payloadType: type,
      clockRate: clockRate.map { UInt32(clamping: $0) } ?? known.clockRate,
      channels: channels.map { UInt8(clamping: $0) } ?? known.channels, fmtp: fmtp?.isEmpty == true ? nil : fmtp,
      ssrc: ssrc.flatMap { UInt32(exactly: $0) })
  }
}

extension RTPParticipant {
  /// RTP and RTCP of its media addresses must not meet.
  func checkRTCP() throws(RTPParticipantError) {
    let remotes = media.map(\.remote)
    if case .address = rtcp, remotes.count > 1 {
      throw RTPParticipantError(
        .rtcp, "one address cannot serve audio and video that have two; say next or mux")
    }
    var taken = Set(remotes)
    for remote in remotes where rtcp != .mux {
      guard let address = rtcp.address(for: remote) else {
        throw RTPParticipantError(.rtcp, "there is no port after \(remote.port); say mux, or give an address")
      }
      guard address.ip.isV6 == remote.ip.isV6 else {
        throw RTPParticipantError(.rtcp, "\(address) is of another family than \(remote)")
      }
      guard taken.insert(address).inserted else {
        throw RTPParticipantError(
          .rtcp, "\(address) is where other media of this participant goes; say mux, or move one")
      }
    }
  }
}

extension IPAddress {
  var isUnspecified: Bool { self == .v4(0) || self == .v6(0, 0) }

  /// Why nobody can be there; nil: somebody can.
  var problemAsRemote: String? {
    if isUnspecified { return "is the unspecified address; give the one that packets come from and go to" }
    if self == .v4(.max) { return "is the broadcast address" }
    if isLinkLocal, isV6 { return "is link-local; give an address that is good without naming an interface" }
    return nil
  }
}
