import Forwarding

/// Media counted since start. Counters of a source or sink vanish with it; these do not, as Prometheus counters must.
public struct MediaTotals: Sendable, Codable {
  public struct LaneCount: Sendable, Codable, Hashable {
    public var packets: UInt64 = 0
    public var bytes: UInt64 = 0
    public init() {}
  }

  /// By lane ("kernel", "xsk", "socket").
  public private(set) var received: [String: LaneCount] = [:]
  public private(set) var sent: [String: LaneCount] = [:]
  public private(set) var authenticationFailures: UInt64 = 0
  public private(set) var replays: UInt64 = 0

  private var sources: [UInt32: SourceCount] = [:]
  private var sinks: [UInt32: Count] = [:]

  public init() {}

  /// Adds what was counted since the last snapshot. Call with every statistics event.
  public mutating func absorb(_ statistics: FastPathStatistics) {
    var sources: [UInt32: SourceCount] = [:]
    for source in statistics.sources {
      let new = SourceCount(source)
      let old = self.sources[source.id.rawValue] ?? SourceCount()
      add(new.media, since: old.media, to: \.received)
      authenticationFailures &+= growth(new.authenticationFailures, old.authenticationFailures)
      replays &+= growth(new.replays, old.replays)
      sources[source.id.rawValue] = new
    }
    self.sources = sources
    var sinks: [UInt32: Count] = [:]
    for sink in statistics.sinks {
      let new = Count(sink)
      add(new, since: self.sinks[sink.id.rawValue] ?? Count(), to: \.sent)
      sinks[sink.id.rawValue] = new
    }
    self.sinks = sinks
  }

  /// Splits the bytes over the lanes as the packets are.
  private mutating func add(_ new: Count, since old: Count, to total: WritableKeyPath<MediaTotals, [String: LaneCount]>)
  {
    let packets = growth(new.packets, old.packets)
    guard packets > 0 else { return }
    let bytes = growth(new.bytes, old.bytes)
    let onXSK = min(packets, growth(new.onXSK, old.onXSK))
    let onSocket = min(packets - onXSK, growth(new.onSocket, old.onSocket))
    for (lane, count) in [(Lane.xsk, onXSK), (.socket, onSocket), (.kernel, packets - onXSK - onSocket)] where count > 0
    {
      self[keyPath: total][lane.rawValue, default: LaneCount()].packets &+= count
      self[keyPath: total][lane.rawValue, default: LaneCount()].bytes &+= UInt64(
        Double(bytes) * Double(count) / Double(packets))
    }
  }

  private func growth(_ new: UInt64, _ old: UInt64) -> UInt64 { new > old ? new - old : 0 }

  private struct Count: Sendable, Codable {
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
    var onXSK: UInt64 = 0
    var onSocket: UInt64 = 0

    init() {}

    init(_ sink: SinkStatistics) {
      packets = sink.packets
      bytes = sink.bytes
      onXSK = sink.packetsOnXSK
      onSocket = sink.packetsOnSocket
    }
  }

  private struct SourceCount: Sendable, Codable {
    var media = Count()
    var authenticationFailures: UInt64 = 0
    var replays: UInt64 = 0

    init() {}

    init(_ source: SourceStatistics) {
      media.packets = source.packets
      media.bytes = source.bytes
      media.onXSK = source.packetsOnXSK
      media.onSocket = source.packetsOnSocket
      authenticationFailures = source.authenticationFailures
      replays = source.replays
    }
  }
}
