import SFU
import Signalling
import Yams

/// A clear-RTP participant of the configuration file, with where its keys stand.
struct ConfiguredRTPParticipant {
  var participant: RTPParticipant
  fileprivate var places: Places

  /// What the server says against it, at the line of the key.
  func error(_ error: RTPParticipantError) -> ConfigurationError { places.error(error) }

  /// "needletail.yaml:12", by codec and key.
  fileprivate struct Places {
    var whole: String
    var keys: [RTPParticipantKey: String] = [:]
    var codecs: [(whole: String, keys: [RTPParticipantKey: String])] = []

    func error(_ error: RTPParticipantError) -> ConfigurationError {
      let codec = codecs.indices.contains(error.codec ?? 0) ? codecs[error.codec ?? 0] : nil
      let isOfCodec = RTPParticipantKey.ofCodec.contains(error.key)
      let place = isOfCodec ? codec?.keys[error.key] ?? codec?.whole : keys[error.key]
      return ConfigurationError(origin: place ?? whole, problem: "rtp-participants: \(error)")
    }
  }
}

/// Reads `rtp-participants`: a list of mappings, with the keys of one codec beside the others or of several in `codecs`.
struct RTPParticipantsReader {
  private(set) var participants: [ConfiguredRTPParticipant] = []
  private(set) var errors: [ConfigurationError] = []
  private let path: String

  init(_ node: Node, path: String, line: Int) {
    self.path = path
    guard case .sequence(let sequence) = node else {
      fail(line, "must be a list of mappings")
      return
    }
    for node in sequence { read(node) }
  }

  private mutating func read(_ node: Node) {
    let line = node.mark?.line ?? 1
    guard case .mapping(let mapping) = node else { return fail(line, "each must be a mapping of keys to values") }
    var form = RTPParticipantForm()
    var places = ConfiguredRTPParticipant.Places(whole: "\(path):\(line)")
    var single = RTPParticipantForm.Codec()
    var singleKeys: [RTPParticipantKey: String] = [:]
    let before = errors.count
    for (name, value) in mapping {
      guard let (key, place) = key(name, among: RTPParticipantKey.allCases) else { continue }
      if RTPParticipantKey.ofCodec.contains(key) {
        singleKeys[key] = place
        set(key, value, in: &single, at: place)
      } else if key == .codecs {
        readCodecs(value, at: place, &form, &places)
      } else {
        places.keys[key] = place
        set(key, value, in: &form, at: place)
      }
    }
    if !singleKeys.isEmpty {
      form.codecs.append(single)
      places.codecs.append((places.whole, singleKeys))
    }
    guard errors.count == before else { return }
    do throws(RTPParticipantError) {
      let participant = try form.read(rule: CallName.rule, isName: CallName.isValid)
      try checkIsNew(participant)
      participants.append(ConfiguredRTPParticipant(participant: participant, places: places))
    } catch {
      errors.append(places.error(error))
    }
  }

  private func checkIsNew(_ new: RTPParticipant) throws(RTPParticipantError) {
    for other in participants {
      let (old, place) = (other.participant, other.places.whole)
      if old.room == new.room, old.name == new.name {
        throw RTPParticipantError(
          .name, "there is a participant \(new.name) in room \(new.room) already (\(place))", reason: .conflict)
      }
      if let remote = new.remote(sharedWith: old) {
        throw RTPParticipantError(
          .remote, "\(remote) is \(old.name)'s in room \(old.room) already (\(place))", reason: .conflict)
      }
    }
  }

  private mutating func readCodecs(
    _ node: Node, at place: String, _ form: inout RTPParticipantForm, _ places: inout ConfiguredRTPParticipant.Places
  ) {
    guard case .sequence(let sequence) = node else { return fail(at: place, "codecs: must be a list of mappings") }
    for node in sequence {
      guard case .mapping(let mapping) = node else {
        fail(at: place, "codecs: each must be a mapping of keys to values")
        continue
      }
      var codec = RTPParticipantForm.Codec()
      var keys: [RTPParticipantKey: String] = [:]
      for (name, value) in mapping {
        guard let (key, place) = key(name, among: RTPParticipantKey.ofCodec) else { continue }
        keys[key] = place
        set(key, value, in: &codec, at: place)
      }
      form.codecs.append(codec)
      places.codecs.append(("\(path):\(node.mark?.line ?? 1)", keys))
    }
  }

  private mutating func key(
    _ node: Node, among keys: [RTPParticipantKey]
  ) -> (RTPParticipantKey, place: String)? {
    let line = node.mark?.line ?? 1
    guard let name = node.string, let key = RTPParticipantKey(rawValue: name), keys.contains(key) else {
      fail(line, "unknown key \"\(node.string ?? "?")\"; the keys are \(keys.map(\.rawValue).joined(separator: ", "))")
      return nil
    }
    return (key, "\(path):\(line)")
  }

  private mutating func set(
    _ key: RTPParticipantKey, _ node: Node, in form: inout RTPParticipantForm, at place: String
  ) {
    switch key {
    case .room: form.room = text(key, node, place)
    case .name: form.name = text(key, node, place)
    case .direction: form.direction = text(key, node, place)
    case .remote: form.remote = text(key, node, place)
    case .remoteAudio: form.remoteAudio = text(key, node, place)
    case .remoteVideo: form.remoteVideo = text(key, node, place)
    case .rtcp: form.rtcp = text(key, node, place)
    case .localAddress: form.localAddress = text(key, node, place)
    case .localPort: form.localPort = integer(key, node, place)
    case .from: form.from = text(key, node, place)
    case .keyFrames: form.keyFrames = integer(key, node, place)
    case .maxPackets: form.maxPackets = integer(key, node, place)
    case .maxBytes: form.maxBytes = integer(key, node, place)
    case .codecs, .codec, .payloadType, .ssrc, .clockRate, .channels, .fmtp, .kind: break
    }
  }

  private mutating func set(
    _ key: RTPParticipantKey, _ node: Node, in codec: inout RTPParticipantForm.Codec, at place: String
  ) {
    switch key {
    case .codec: codec.codec = text(key, node, place)
    case .payloadType: codec.payloadType = integer(key, node, place)
    case .ssrc: codec.ssrc = integer(key, node, place)
    case .clockRate: codec.clockRate = integer(key, node, place)
    case .channels: codec.channels = integer(key, node, place)
    case .fmtp: codec.fmtp = text(key, node, place)
    case .kind: codec.kind = text(key, node, place)
    default: break
    }
  }

  private mutating func text(_ key: RTPParticipantKey, _ node: Node, _ place: String) -> String? {
    guard case .scalar(let scalar) = node, node.null == nil else {
      fail(at: place, "\(key.rawValue): must be a text")
      return nil
    }
    return scalar.string
  }

  private mutating func integer(_ key: RTPParticipantKey, _ node: Node, _ place: String) -> Int? {
    guard let value = node.int else {
      fail(at: place, "\(key.rawValue): must be an integer")
      return nil
    }
    return value
  }

  private mutating func fail(_ line: Int, _ problem: String) { fail(at: "\(path):\(line)", problem) }

  private mutating func fail(at place: String, _ problem: String) {
    errors.append(ConfigurationError(origin: place, problem: "rtp-participants: \(problem)"))
  }
}
