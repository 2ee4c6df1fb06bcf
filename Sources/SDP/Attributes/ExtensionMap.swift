/// An `a=extmap` line (RFC 8285 section 5): a header extension and its local id.
public struct ExtensionMap: Hashable, Sendable {
  public var id: UInt16
  /// sendrecv if not written.
  public var direction: MediaDirection
  public var isDirectionWritten: Bool
  public var uri: String

  /// `direction` is written unless it is nil.
  init(id: UInt8, direction: MediaDirection?, uri: String) {
    self.id = UInt16(id)
    self.direction = direction ?? .sendrecv
    isDirectionWritten = direction != nil
    self.uri = uri
  }

  init?(attribute: some StringProtocol) {
    let words = attribute.words(first: 2)
    guard words.count >= 2 else { return nil }
    let (number, direction) = words[0].cut(at: "/").map { ($0.before, Optional($0.after)) } ?? (words[0], nil)
    guard let id: UInt16 = decimal(number), id > 0 else { return nil }
    if let direction {
      guard let known = MediaDirection(rawValue: String(direction)) else { return nil }
      self.direction = known
    } else {
      self.direction = .sendrecv
    }
    self.id = id
    isDirectionWritten = direction != nil
    uri = String(words[1])
  }

  var attribute: SDPLine {
    .attribute("extmap", isDirectionWritten ? "\(id)/\(direction.rawValue) \(uri)" : "\(id) \(uri)")
  }
}

extension ExtensionMap {
  private static let ids: ClosedRange<UInt16> = 1...14

  /// Those whose ids fit one-byte elements; an id or a URI that comes again is left out.
  static func usable(in attributes: some Sequence<Substring>) -> [ExtensionMap] {
    first(of: attributes.lazy.compactMap { ExtensionMap(attribute: $0) }.filter { ids.contains($0.id) })
  }

  /// The first of each id and URI; no more than there are ids.
  fileprivate static func first(of maps: some Sequence<ExtensionMap>) -> [ExtensionMap] {
    var taken: [ExtensionMap] = []
    for map in maps where !taken.contains(where: { $0.id == map.id || $0.uri == map.uri }) {
      taken.append(map)
      if taken.count == ids.count { break }
    }
    return taken
  }
}

extension SDPSection {
  /// The section's own.
  fileprivate var extensionMaps: [ExtensionMap] { table.extensionMaps ?? ExtensionMap.usable(in: attributes("extmap")) }
}

extension MediaDescription {
  /// Header extensions of this m-line, else of the session, whose ids fit one-byte elements (1 to 14); an id or a URI
  /// that comes again is left out.
  public func extensionMaps(in session: SessionDescription) -> [ExtensionMap] {
    ExtensionMap.first(of: [extensionMaps, session.extensionMaps].joined())
  }
}
