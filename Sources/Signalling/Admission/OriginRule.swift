import NIOHTTP1

/// Which web pages may open calls: a browser says whose page asks (`Origin`, RFC 6454), any other program says nothing.
/// The server's own pages always may.
public enum OriginRule: Hashable, Sendable {
  /// Where tokens decide who may join.
  case any
  /// The server's own and these, as browsers write them: `https://meet.example.org`.
  case own(and: Set<String>)

  /// Whether `text` can be an origin: scheme, host and, unless it is the scheme's, port.
  public static func isOrigin(_ text: String) -> Bool {
    guard let authority = authority(of: text) else { return false }
    return !authority.isEmpty && !authority.contains { "/?#@ ".contains($0) }
  }

  /// That of the pages at an http or https URL, as browsers write it.
  public static func origin(of url: String) -> String? {
    let url = url.lowercased()
    guard let rest = authority(of: url) else { return nil }
    return String(url.prefix(url.count - rest.count) + rest.prefix { $0 != "/" })
  }

  /// Whether a request with these headers may ask for what makes one a participant.
  func admits(_ headers: HTTPHeaders) -> Bool {
    guard case .own(let others) = self else { return true }
    let origins = headers["origin"]
    guard let origin = origins.first?.lowercased() else { return true }
    guard origins.count == 1 else { return false }
    return others.contains(origin) || isOwn(origin, headers.first(name: "host")?.lowercased())
  }

  /// A proxy in front may have another scheme than this server, but hands the host on.
  private func isOwn(_ origin: String, _ host: String?) -> Bool {
    guard let host, let authority = Self.authority(of: origin) else { return false }
    let port = origin.hasPrefix("https:") ? ":443" : ":80"
    return authority == host || authority + port == host
  }

  private static func authority(of origin: String) -> Substring? {
    guard let scheme = ["https://", "http://"].first(where: { origin.hasPrefix($0) }) else { return nil }
    return origin.dropFirst(scheme.count)
  }
}
