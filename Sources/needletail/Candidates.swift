import Wire

/// Which addresses clients are told to send media to.
enum Candidates {
  /// The configured ones; otherwise the host's own, IPv4 first. Loopback only where it could be of use: when only this
  /// machine is served, or there is nothing else.
  static func choose(_ configuration: ServerConfiguration, local: [IPAddress], port: UInt16) -> [SocketAddress] {
    let explicit = configuration.publicAddresses.compactMap { IPAddress($0) }
    if !explicit.isEmpty { return explicit.map { SocketAddress($0, port) } }
    let usable = local.filter { !$0.isLinkLocal }
    let outer = usable.filter { !$0.isLoopback }
    let servesLoopback = configuration.isDevelopment || IPAddress(configuration.address)?.isLoopback == true
    let chosen = servesLoopback || outer.isEmpty ? outer + usable.filter(\.isLoopback) : outer
    return (chosen.filter { !$0.isV6 } + chosen.filter(\.isV6)).map { SocketAddress($0, port) }
  }
}
