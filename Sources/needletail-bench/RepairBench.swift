import Forwarding
import Glibc
import SRTP
import Wire

/// What repair costs a worker: media with and without packets being kept, in turns within one run; packets sent again; and how
/// long media waits while everybody asks for everything.
struct RepairBench {
  private static let profiles = [SRTPProfile.aeadAES128GCM, .aes128CMHMACSHA180]
  private static let rounds = 15
  /// Copies in one turn, and packets that each receiver misses of them.
  private static let copiesPerRound = 16_000
  private static let missed = 8

  func printTables() throws {
    print("profile              fan-out  ns/copy  packets kept  change  ns/receipt  packets kept  ns/repair")
    for profile in Self.profiles {
      for fanOut in [16, 256] { print(try cost(profile, fanOut)) }
    }
    print("")
    print("media's way through the worker, 500 receivers of 100 packets a second, GCM, in microseconds")
    print("receivers ask for         p50     p99  sent again/s  denied/s")
    for (name, perAsking) in [("nothing", 0), ("17 packets every 10 ms", 17)] {
      let storm = try Storm(perAsking)
      print(Self.column(name, 22, left: true) + storm.text)
    }
  }

  private func cost(_ profile: SRTPProfile, _ fanOut: Int) throws -> String {
    let publisher = try SRTPReference(keys: WorkerBench.randomKeys(profile))
    let receivers = try (0..<fanOut).map { _ in try WorkerBench.randomKeys(profile) }
    var plain = WorkerUnderTest(.preferred, publisher: publisher.keys, receivers: receivers)
    var keeping = WorkerUnderTest(.preferred, publisher: publisher.keys, receivers: receivers, keepsPackets: true)
    let packetCount = Self.copiesPerRound / fanOut
    var (copies, keptCopies, receipts, keptReceipts, repairs) = (
      [Double](), [Double](), [Double](), [Double](), [Double]()
    )
    for round in 0...Self.rounds {
      let first = UInt16(truncatingIfNeeded: round * packetCount)
      let sealed = try (0..<packetCount).map {
        try publisher.protect(WorkerBench.packet(sequence: first &+ UInt16($0), 1188))
      }
      let now = Instant.zero.advanced(by: .seconds(UInt64(round + 1)))
      keeping.forwarder.tend(now: now)
      let without = try plain.run(sealed, now: now)
      let with = try keeping.run(sealed, now: now)
      let last = first &+ UInt16(packetCount)
      let asking = keeping.ask((1...UInt16(Self.missed)).map { last &- $0 }, now: now)
      let begin = WorkerBench.clock()
      let sent = keeping.repair(limit: .max, now: now)
      let sending = WorkerBench.clock() - begin
      guard sent == fanOut * Self.missed else {
        throw WorkerBench.Failure(description: "sent \(sent) of \(fanOut * Self.missed) again")
      }
      guard round > 0 else { continue }
      copies.append(without.copying / Double(packetCount * fanOut))
      keptCopies.append(with.copying / Double(packetCount * fanOut))
      receipts.append(without.receiving / Double(packetCount))
      keptReceipts.append(with.receiving / Double(packetCount))
      repairs.append((asking + sending) / Double(sent))
    }
    let (plainCost, keptCost) = (WorkerBench.median(copies), WorkerBench.median(keptCopies))
    let tenths = Int(((keptCost / plainCost - 1) * 1000).rounded())
    return Self.column("\(profile)", 21, left: true) + Self.column("\(fanOut)", 7)
      + Self.column(Self.whole(plainCost), 9) + Self.column(Self.whole(keptCost), 14)
      + Self.column("\(tenths < 0 ? "-" : "+")\(abs(tenths) / 10).\(abs(tenths) % 10)%", 8)
      + Self.column(Self.whole(WorkerBench.median(receipts)), 12)
      + Self.column(Self.whole(WorkerBench.median(keptReceipts)), 14)
      + Self.column(Self.whole(WorkerBench.median(repairs)), 11)
  }

  fileprivate static func column(_ text: String, _ width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return left ? text + space : space + text
  }

  fileprivate static func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }
}

/// 500 receivers of one source for some seconds, as the worker's turns go: what is asked for, media, and then no more than 256
/// packets again. Time is the thread's own: what else the machine does is not the worker's doing.
private struct Storm {
  private static let receivers = 500
  private static let seconds = 5.0
  private static let packetSpacing = 10_000_000.0
  private static let askingSpacing = 10_000_000.0
  private static let repairsPerTurn = 256

  private var waits: [Double] = []
  private var sent = 0
  private var asked = 0

  /// Each asks for so many packets at a time; 0: for none.
  init(_ perAsking: Int) throws {
    let publisher = try SRTPReference(keys: WorkerBench.randomKeys(.aeadAES128GCM))
    let keys = try (0..<Self.receivers).map { _ in try WorkerBench.randomKeys(.aeadAES128GCM) }
    var worker = WorkerUnderTest(.preferred, publisher: publisher.keys, receivers: keys, keepsPackets: true)
    let count = Int(Self.seconds * 1e9 / Self.packetSpacing)
    let packets = try (0..<count).map { try publisher.protect(WorkerBench.packet(sequence: UInt16($0), 1188)) }
    let start = Self.clock()
    var nextAsking = start + Self.askingSpacing / 2
    var next = 0
    while next < count {
      let time = Self.clock()
      let now = Instant(nanoseconds: UInt64(time))
      if perAsking > 0, time >= nextAsking {
        let latest = UInt16(next)
        _ = worker.ask((0..<UInt16(min(perAsking, next))).map { latest &- 1 &- $0 }, now: now)
        asked += Self.receivers * min(perAsking, next)
        nextAsking += Self.askingSpacing
      }
      let due = start + Double(next) * Self.packetSpacing
      if time >= due {
        _ = try worker.run([packets[next]], now: now)
        waits.append(Self.clock() - due)
        next += 1
      }
      sent += worker.repair(limit: Self.repairsPerTurn, now: now)
    }
  }

  private static func clock() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  var text: String {
    let sorted = waits.sorted()
    func quantile(_ share: Double) -> Double { sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] / 1000 }
    return RepairBench.column(RepairBench.whole(quantile(0.5)), 7)
      + RepairBench.column(RepairBench.whole(quantile(0.99)), 8)
      + RepairBench.column("\(Int(Double(sent) / Self.seconds))", 14)
      + RepairBench.column("\(Int(Double(asked - sent) / Self.seconds))", 10)
  }
}
