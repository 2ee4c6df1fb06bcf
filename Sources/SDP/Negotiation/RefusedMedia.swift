/// An m-line on which the offer sends, and which the answer refuses.
public struct RefusedMedia: Hashable, Sendable {
  public enum Reason: Hashable, Sendable {
    /// None of its codecs, named for people, passes.
    case noCommonCodec([String])
    case outsideBundle
    /// Others of the offer have taken all the places.
    case surplus(limit: Int)
  }

  /// Empty if it has none.
  public var mid: String
  public var kind: MediaDescription.Kind
  public var reason: Reason

  public init(mid: String, kind: MediaDescription.Kind, reason: Reason) {
    self.mid = mid
    self.kind = kind
    self.reason = reason
  }
}

extension RefusedMedia: CustomStringConvertible {
  /// Which m-line, and why.
  public var description: String {
    let line = mid.isEmpty ? "the \(kind.rawValue) m-line" : "a=mid:\(mid) (\(kind.rawValue))"
    switch reason {
    case .noCommonCodec(let names):
      let offered = names.isEmpty ? "it has no codec" : "of \(names.joined(separator: ", ")) none is served"
      return "\(line) refused: \(offered); \(Capabilities.standard.codecNames)"
    case .outsideBundle:
      return "\(line) refused: a=group:BUNDLE does not name it; every m-line must share one transport"
    case .surplus(let limit): return "\(line) refused: a participant may publish at most \(limit) tracks (max-tracks)"
    }
  }
}

extension [NegotiatedCodec] {
  /// What they are called, each once and with its profile, without those that carry no media; the first dozen.
  public var mediaNames: [String] {
    var seen: Set<String> = []
    let names = filter(\.carriesMedia).map(\.nameWithProfile).filter { seen.insert($0).inserted }
    return [String](names.prefix(12))
  }
}

extension NegotiatedCodec {
  /// E.g. "H264 42e01f" or "VP9 profile-id=2".
  var nameWithProfile: String {
    let names = ["h264": "profile-level-id", "vp9": "profile-id", "av1": "profile", "h265": "profile-id"]
    guard let parameter = names[encodingName], let value = FormatParameters(fmtp)[parameter] else { return token(name) }
    return encodingName == "h264" ? "\(token(name)) \(token(value))" : "\(token(name)) \(parameter)=\(token(value))"
  }
}

extension [RefusedMedia] {
  /// Kinds that were to be sent, and of which none of `media` is served.
  public func lostKinds(beside media: [NegotiatedMedia]) -> Set<MediaDescription.Kind> {
    Set(map(\.kind)).subtracting(media.filter(\.isSending).map(\.kind))
  }
}
