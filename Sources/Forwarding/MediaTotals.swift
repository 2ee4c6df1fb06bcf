/// Media since the start. The counters of a source or sink go with it; these stay.
public struct MediaTotals: Hashable, Sendable {
  /// RTP as received or sent: header, payload and authentication tag.
  public struct Count: Hashable, Sendable, Codable {
    public var packets: UInt64 = 0
    public var bytes: UInt64 = 0

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
      self.packets = packets
      self.bytes = bytes
    }
  }

  public struct ByLane: Hashable, Sendable {
    public var kernel = Count()
    public var xsk = Count()
    public var socket = Count()

    public subscript(lane: Lane) -> Count {
      switch lane {
      case .kernel: kernel
      case .xsk: xsk
      case .socket: socket
      }
    }

    @inline(__always)
    mutating func add(_ lane: Lane, packets: UInt64, bytes: UInt64) {
      switch lane {
      case .kernel: kernel.add(packets, bytes)
      case .xsk: xsk.add(packets, bytes)
      case .socket: socket.add(packets, bytes)
      }
    }
  }

  /// Of every source.
  public var received = ByLane()
  /// Of every sink.
  public var sent = ByLane()
  /// Packets that did not come in time, how many of them came by retransmission, and how many never.
  public var missing: UInt64 = 0
  public var repaired: UInt64 = 0
  public var unrepaired: UInt64 = 0
  /// What was sent again (RFC 4588), which `sent` includes.
  public var retransmitted = Count()
  public var authenticationFailures: UInt64 = 0
  public var replays: UInt64 = 0

  public init() {}
}

extension MediaTotals.Count {
  @inline(__always)
  mutating func add(_ packets: UInt64, _ bytes: UInt64) {
    self.packets &+= packets
    self.bytes &+= bytes
  }
}
