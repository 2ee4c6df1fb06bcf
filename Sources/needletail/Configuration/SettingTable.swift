import Forwarding
import SFU
import Signalling
import Wire

extension Setting {
  /// Every key, in the order of `--help` and the reference.
  static var all: [Setting] { listening + media + participants + admission + limits + operation }

  static func named(_ name: String) -> Setting? { all.first { $0.name == name } }

  private static func isAddress(_ text: String) -> Bool { IPAddress(text) != nil }
  private static func isNotEmpty(_ text: String) -> Bool { !text.isEmpty }

  /// http or https, a host, perhaps a path, and no slash at the end.
  private static func isBaseURL(_ text: String) -> Bool {
    guard let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) }), !text.hasSuffix("/") else {
      return false
    }
    return text.utf8.count > scheme.utf8.count && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
      && !text.contains { "?#\"<>\\".contains($0) }
  }

  private static var listening: [Setting] {
    [
      Setting(
        name: "address", kind: .text(allowed: "an IP address", \.address, isAddress), defaultText: "127.0.0.1",
        help: "Address HTTP(S) listens on. \"::\" is every address, IPv4 as well."),
      Setting(
        name: "port", kind: .integer(0...65535, \.port), defaultText: "8443",
        help: "TCP port of HTTP(S). 0 takes any free one."),
      Setting(
        name: "plain-http", kind: .boolean(\.isPlainHTTP), defaultText: "false",
        help:
          "Serve HTTP without TLS. Browsers then give cameras to pages from localhost only; meant for behind a proxy."
      ),
      Setting(
        name: "certificate", kind: .optionalText(allowed: "a path", \.certificate, isNotEmpty),
        defaultText: "certs/development.pem, made at first start",
        help: "PEM file with the TLS certificate chain. Set it together with certificate-key."),
      Setting(
        name: "certificate-key", kind: .optionalText(allowed: "a path", \.certificateKey, isNotEmpty),
        defaultText: "certs/development-key.pem, made at first start",
        help: "PEM file with the certificate's private key."),
      Setting(
        name: "web", kind: .optionalText(allowed: "a path", \.web, isNotEmpty),
        defaultText: "./web, or beside the program web or ../share/needletail/web",
        help: "Folder of the demo client that GET / serves."),
      Setting(
        name: "public-url",
        kind: .optionalText(allowed: "an http or https URL without a slash at its end", \.publicURL, isBaseURL),
        defaultText: "the URL that the client used",
        help:
          "Where clients reach /, e.g. https://example.org/calls: the Location of WHIP and WHEP sessions begins with "
          + "it. For behind a proxy that takes a prefix off."),
    ]
  }

  private static var media: [Setting] {
    [
      Setting(
        name: "media-port", kind: .integer(0...65535, \.mediaPort), defaultText: "3478",
        help: "The one UDP port that all media of all participants uses. 0 takes any free one."),
      Setting(
        name: "public-addresses", kind: .list(allowed: "IP addresses", \.publicAddresses, isAddress),
        defaultText: "the addresses of this host's interfaces",
        help: "Addresses clients send media to, most preferred first: for NAT, containers and clouds. "
          + "They replace the host's own, which are followed as they change."),
      Setting(
        name: "ice-servers", kind: .list(allowed: ICEServer.form, \.iceServers, { ICEServer($0) != nil }),
        defaultText: "none",
        help:
          "STUN and TURN servers that clients are told of when they join. Everyone who may join learns the password "
          + "of a TURN server; what :, @, comma and % stand for in it is percent-encoded."),
      Setting(
        name: "interfaces", kind: .list(allowed: "interface names", \.interfaces, isNotEmpty),
        defaultText: "all that are up",
        help: "Interfaces the fast path attaches to."),
      Setting(
        name: "lane", kind: .choice(["auto", "kernel", "xsk", "socket"], \.lane), defaultText: "auto",
        help: "How media travels. auto takes the fastest lane that each interface can do and says which and why. "
          + "kernel is like auto, but stays in the kernel even where bursts of copies get lost."),
      Setting(
        name: "interface-lanes",
        kind: .list(allowed: "interface=lane", \.interfaceLanes, { InterfaceLane($0) != nil }), defaultText: "none",
        help:
          "The lane of single interfaces, as in eth0=socket. kernel and xsk let media leave there past the host's output "
          + "rules, which auto keeps to with the socket lane; xsk leaves the kernel lane out."),
      Setting(
        name: "kernel-program", kind: .choice(["auto", "tc"], \.kernelProgram), defaultText: "auto",
        help: "What forwards clear RTP in the kernel. auto takes XDP, and TC where XDP cannot send."),
      Setting(
        name: "worker-cpu", kind: .optionalInteger(0...4095, \.workerCPU), defaultText: "any",
        help: "CPU the media worker is pinned to."),
      Setting(
        name: "cache-memory", kind: .integer(0...(1 << 20), \.cacheMemory), defaultText: "1024",
        help: "MiB for the latest packets of all pictures, for receivers that miss some. What is beyond shortens the "
          + "largest first; 0 keeps none, so that losses cost key frames. See Lost packets."),
    ]
  }

  private static var participants: [Setting] {
    [
      Setting(
        name: "rtp-participants", kind: .rtpParticipants(\.rtpParticipants), defaultText: "none",
        help: "Clear-RTP participants that are there from the start. Keys as of needlectl rtp add; see Clear RTP.")
    ]
  }

  private static var admission: [Setting] {
    [
      Setting(
        name: "auth", kind: .choice(["tokens", "none"], \.auth), defaultText: "tokens",
        help: "Who may join: bearers of a token (JWT, HS256), or everyone who reaches the port."),
      Setting(
        name: "token-secret",
        kind: .optionalText(
          allowed: "a text of at least \(SessionTokens.minimumSecretBytes) bytes", \.tokenSecret,
          { $0.utf8.count >= SessionTokens.minimumSecretBytes }),
        defaultText: "a random one for this run", help: "Secret that signs tokens. Better kept in token-secret-file."),
      Setting(
        name: "token-secret-file", kind: .optionalText(allowed: "a path", \.tokenSecretFile, isNotEmpty),
        defaultText: "none",
        help: "File whose content, without the final line break, is the token secret."),
      Setting(
        name: "allowed-origins",
        kind: .list(
          allowed: "origins such as https://meet.example.org, or *", \.allowedOrigins,
          { $0 == "*" || OriginRule.isOrigin($0.lowercased()) }),
        defaultText: "any with tokens; with auth none, the server's own",
        help: """
          Whose web pages may join, publish and receive, besides the server's own. * is any. Programs that are no \
          browsers name no origin and are not concerned.
          """),
    ]
  }

  private static var limits: [Setting] {
    [
      Setting(
        name: "max-rooms", kind: .integer(1...1_000_000, \.maximumRooms), defaultText: "1000", help: "Rooms at once."),
      Setting(
        name: "max-participants", kind: .integer(1...1_000_000, \.maximumParticipants), defaultText: "1000",
        help: "Participants in one room."),
      Setting(
        name: "max-tracks", kind: .integer(1...256, \.maximumTracks), defaultText: "16",
        help: "Tracks one participant may publish."),
      Setting(
        name: "max-source-packets", kind: .integer(0...RateLimit.highest, \.maximumPacketsPerSecond),
        defaultText: "0",
        help: "RTP packets per second of one stream; what is beyond is dropped. 0 is no limit."),
      Setting(
        name: "max-source-bytes", kind: .integer(0...RateLimit.highest, \.maximumBytesPerSecond), defaultText: "0",
        help: "RTP bytes per second of one stream, likewise."),
      Setting(
        name: "max-connections", kind: .integer(1...1_000_000, \.maximumConnections), defaultText: "4096",
        help: "HTTP and WebSocket connections at once."),
      Setting(
        name: "max-connections-per-address",
        kind: .optionalInteger(1...1_000_000, \.maximumConnectionsPerAddress),
        defaultText: "a quarter of max-connections",
        help: """
          Those of one IPv4 address or IPv6 /64. This machine's own have no such limit: a proxy on it carries everybody. \
          Behind a proxy elsewhere set it to max-connections.
          """),
      Setting(
        name: "max-message-bytes", kind: .integer(1024...(64 << 20), \.maximumMessageBytes), defaultText: "1048576",
        help: "Bytes of one WebSocket message."),
      Setting(
        name: "max-body-bytes", kind: .integer(1024...(64 << 20), \.maximumBodyBytes), defaultText: "262144",
        help: "Bytes of one HTTP request body."),
      Setting(
        name: "max-messages-per-second", kind: .integer(1...100_000, \.maximumMessagesPerSecond), defaultText: "50",
        help: """
          WebSocket messages of one connection, or WHIP and WHEP requests, in the long run; bursts may be four times \
          that. Larger ones count once for every 16 KiB begun.
          """),
      Setting(
        name: "max-unsent-bytes", kind: .integer((64 << 10)...(1 << 30), \.maximumUnsentBytes), defaultText: "1048576",
        help: "Bytes that may wait for one slow WebSocket reader before its connection is closed."),
    ]
  }

  private static var operation: [Setting] {
    [
      Setting(
        name: "log-level", kind: .choice(["trace", "debug", "info", "notice", "warning", "error"], \.logLevel),
        defaultText: "info", help: "Least severe level that is logged, to standard error."),
      Setting(
        name: "log-format", kind: .choice(["text", "json"], \.logFormat), defaultText: "text",
        help: "One line of text, or one JSON object, for each event."),
      Setting(
        name: "admin-socket", kind: .text(allowed: "a path", \.adminSocket, isNotEmpty),
        defaultText: "/run/needletail/admin.sock for root, else $XDG_RUNTIME_DIR/needletail-admin.sock "
          + "or /tmp/needletail-$UID/admin.sock",
        help: "Unix socket of the admin API, which needlectl uses."),
    ]
  }
}
