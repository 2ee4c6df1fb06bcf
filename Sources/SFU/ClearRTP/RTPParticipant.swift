import Forwarding
import SDP
import Wire

/// A participant that speaks clear RTP (camera, GStreamer, ffmpeg, recorder, gateway), as an operator sets it up.
/// `RTPParticipantForm` makes one of what was written.
public struct RTPParticipant: Hashable, Sendable {
  public var room: String
  public var name: String
  public var direction: RTPDirection
  /// Where media of this kind comes from and goes to; the same address may serve both.
  public var audioRemote: SocketAddress?
  public var videoRemote: SocketAddress?
  public var rtcp: RTCPPlace
  /// The address of ours that it talks to; nil: that of `sourceAddresses`, or without one the nearest of its family.
  public var localAddress: IPAddress?
  /// By the address of its media, the one of ours that the host's routes send from.
  public var sourceAddresses: [IPAddress: IPAddress] = [:]
  /// The port of ours that it talks to: there is one, so this is only to be sure; nil: that one.
  public var localPort: UInt16?
  /// Receives only the tracks of the participant of this name; nil: everyone's.
  public var from: String?
  /// How often it gets a key frame as long as it sends no RTCP to ask for one; nil: never.
  public var keyFrames: Interval?
  /// Of each source that it sends; nil: the server's.
  public var rateLimit: RateLimit?
  /// What it sends, a track each; what it takes.
  public var formats: [RTPFormat]

  public func remote(of kind: MediaKind) -> SocketAddress? { kind == .audio ? audioRemote : videoRemote }

  /// Its media addresses, each once, with what is sent and taken there.
  var media: [(remote: SocketAddress, formats: [RTPFormat])] {
    var media: [(remote: SocketAddress, formats: [RTPFormat])] = []
    for format in formats {
      guard let remote = remote(of: format.kind) else { continue }
      if let index = media.firstIndex(where: { $0.remote == remote }) {
        media[index].formats.append(format)
      } else {
        media.append((remote, [format]))
      }
    }
    return media
  }

  /// An address from which both would talk to the same one of ours: nobody could tell whose its packets are.
  public func remote(sharedWith other: RTPParticipant) -> SocketAddress? {
    guard localAddress == other.localAddress else { return nil }
    let taken = other.remotes
    return remotes.first { taken.contains($0) }
  }

  /// Where its media and its RTCP come from.
  private var remotes: [SocketAddress] { media.flatMap { [$0.remote, rtcp.address(for: $0.remote) ?? $0.remote] } }
}

/// Which way a clear-RTP participant's media goes, as the participant sees it.
public enum RTPDirection: String, Hashable, Sendable, Codable, CaseIterable {
  case send, receive, both

  var sends: Bool { self != .receive }
  var receives: Bool { self != .send }
}

/// Where a clear-RTP participant has its RTCP.
public enum RTCPPlace: Hashable, Sendable {
  /// On the media address (RFC 5761).
  case mux
  /// On the port after that of its media (RFC 3550 section 11).
  case next
  case address(SocketAddress)

  /// nil if the next port would be beyond the last.
  func address(for media: SocketAddress) -> SocketAddress? {
    switch self {
    case .mux: media
    case .next: media.port == .max ? nil : SocketAddress(media.ip, media.port + 1)
    case .address(let address): address
    }
  }
}

extension RTCPPlace: CustomStringConvertible {
  public var description: String {
    switch self {
    case .mux: "mux"
    case .next: "next"
    case .address(let address): "\(address)"
    }
  }
}

/// A codec under its payload type at a clear-RTP participant.
public struct RTPFormat: Hashable, Sendable {
  /// As SDP names it, e.g. "opus" or "VP8".
  public var codec: String
  public var kind: MediaKind
  /// 0 to 127, not 64 to 95.
  public var payloadType: UInt8
  /// Hz.
  public var clockRate: UInt32
  public var channels: UInt8
  /// Format parameters as in SDP; nil: none, or those usual for the codec.
  public var fmtp: String?
  /// Of a sender: the SSRC it sends under; nil: learned by payload type. Of a mere receiver: the SSRC of the first track
  /// it gets in this codec; nil: chosen at random.
  public var ssrc: UInt32?

  /// Whether it is a track by itself; key presses and comfort noise go beside one, on its SSRC.
  var carriesMedia: Bool { sent.carriesMedia }

  /// What it sends, as others are told. H.264 from encoders comes in fragmented units, which SDP does not assume.
  var sent: NegotiatedCodec {
    let usual = codec == "H264" ? "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" : nil
    return NegotiatedCodec(
      payloadType: payloadType, name: codec, clockRate: clockRate, channels: channels, fmtp: fmtp ?? usual)
  }

  /// Whether it takes what is published as `other`. Without parameters of its own it takes every profile.
  func takes(_ other: NegotiatedCodec) -> Bool {
    guard other.name.lowercased() == codec.lowercased(), other.clockRate == clockRate, other.channels == channels else {
      return false
    }
    return fmtp == nil || sent.decodes(other)
  }
}

/// A codec that clear RTP may carry, with what SDP assumes of it.
public struct RTPCodec: Hashable, Sendable {
  public var name: String
  public var kind: MediaKind
  public var clockRate: UInt32
  public var channels: UInt8 = 1

  /// Those that pass between all others, too, each at the clock rate that it has mostly.
  public static let known: [RTPCodec] = Capabilities.standard.codecs.filter { $0.name != "red" }
    .reduce(into: []) { known, codec in
      guard !known.contains(where: { $0.name == codec.name }) else { return }
      known.append(
        RTPCodec(
          name: codec.name, kind: codec.kind == .audio ? .audio : .video, clockRate: codec.clockRate,
          channels: codec.channels))
    }

  public static func named(_ name: String) -> RTPCodec? { known.first { $0.name.lowercased() == name.lowercased() } }
}
