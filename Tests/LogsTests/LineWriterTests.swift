import Foundation
import Logging
import Logs
import Synchronization
import Testing
import Wire

/// A pipe that nobody reads before the test does.
private final class StalledPipe {
  let pipe = Pipe()

  /// The server does so, too: a writer may outlive its reader.
  init() { signal(SIGPIPE, SIG_IGN) }

  var input: Int32 { pipe.fileHandleForWriting.fileDescriptor }

  /// Everything until `end` has come, 30 s at most.
  func read(until end: String) throws -> String { try read(until: { $0.contains(end) }) }

  func read(until isEnough: (String) -> Bool) throws -> String {
    var text = ""
    var waited = pollfd(fd: pipe.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
    while !isEnough(text), poll(&waited, 1, 30_000) > 0 {
      text += String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
    }
    return text
  }
}

@Suite struct LineWriterTests {
  @Test func neverBlocksAndSaysWhatItDropped() throws {
    let pipe = StalledPipe()
    let writer = LineWriter(descriptor: pipe.input, capacity: 100_000)
    let line = String(repeating: "x", count: 951)  // 1000 with the line break and what it costs
    for _ in 0..<1000 { writer.write(line) }
    // The pipe has 64 KiB, then one batch is being written and one waits.
    #expect((600...900).contains(writer.dropped), "\(writer.dropped)")
    let dropped = writer.dropped
    // A thread that came to its first batch late says it in two parts.
    func told(_ text: String) -> UInt64 {
      text.split(separator: "\n").filter { $0.hasSuffix(" lines dropped") }
        .compactMap { UInt64($0.prefix { $0 != " " }) }.reduce(0, +)
    }
    let text = try pipe.read { told($0) >= dropped }
    #expect(told(text) == dropped && text.hasSuffix(" lines dropped\n"))
    #expect(text.split(separator: "\n").count { $0 == line[...] } == 1000 - Int(dropped))
    writer.write("there is room again")
    #expect(try pipe.read(until: "again\n") == "there is room again\n")
  }

  @Test func flushesWhatWaitsButNotForEver() throws {
    let pipe = StalledPipe()
    let writer = LineWriter(descriptor: pipe.input)
    writer.write("first")
    writer.flush(milliseconds: 30_000)
    #expect(String(decoding: pipe.pipe.fileHandleForReading.availableData, as: UTF8.self) == "first\n")
    for _ in 0..<200 { writer.write(String(repeating: "x", count: 1000)) }
    writer.flush(milliseconds: 50)
    #expect(try pipe.read(until: String(repeating: "x", count: 1000) + "\n").count >= 1001)
  }

  /// A full disk, or a reader that is gone.
  @Test func countsWhatTheDescriptorDoesNotTake() throws {
    let full = open("/dev/full", O_WRONLY)
    defer { close(full) }
    let writer = LineWriter(descriptor: full)
    for _ in 0..<3 { writer.write("lost") }
    writer.flush(milliseconds: 30_000)
    #expect(writer.dropped == 3)
  }

  /// Another process may have set O_NONBLOCK on what it shares with us.
  @Test func waitsWhereItsDescriptorDoesNot() throws {
    let pipe = StalledPipe()
    _ = fcntl(pipe.input, F_SETFL, O_NONBLOCK)
    let writer = LineWriter(descriptor: pipe.input)
    for number in 0..<200 { writer.write("\(number) " + String(repeating: "x", count: 1000)) }
    writer.write("end")
    let lines = try pipe.read(until: "end\n").split(separator: "\n")
    #expect(lines.count == 201 && lines.dropLast().enumerated().allSatisfy { $1.hasPrefix("\($0) ") })
    #expect(writer.dropped == 0)
  }
}

@Suite struct RepetitionLimitTests {
  private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

  @Test func admitsABurstAndThenSoMuchPerSecond() {
    var limit = RepetitionLimit(burst: 3, perSecond: 10)
    let first = (0..<5).map { _ in limit.admit("a", now: at(0)) }
    #expect(first == [0, 0, 0, nil, nil])
    #expect(limit.admit("b", now: at(0)) == 0)
    #expect(limit.admit("a", now: at(99)) == nil)
    #expect(limit.admit("a", now: at(101)) == 3)
    #expect(limit.admit("a", now: at(201)) == 0)
    #expect((0..<5).map { _ in limit.admit("a", now: at(60_000)) } == [0, 0, 0, nil, nil])
  }

  @Test func kindsAreBounded() {
    var limit = RepetitionLimit(burst: 1, perSecond: 1)
    for number in 0..<512 { #expect(limit.admit("\(number)", now: at(0)) == 0) }
    #expect(limit.admit("one more", now: at(0)) == 0)
    #expect(limit.admit("and another", now: at(0)) == nil)
    #expect(limit.admit("7", now: at(1000)) == 0)
  }
}

@Suite struct LineLogTests {
  private func logged(_ format: LineFormat, _ body: (Logger) -> Void) throws -> (lines: [String], LogLosses) {
    let pipe = StalledPipe()
    let log = LineLog(descriptor: pipe.input, format: format, limit: RepetitionLimit(burst: 2, perSecond: 0.001))
    body(Logger(label: "test") { _ in LineLogHandler(log, logLevel: .info) })
    log.write("end")
    let text = try pipe.read(until: "end\n")
    return (text.split(separator: "\n").dropLast().map(String.init), log.losses)
  }

  @Test(arguments: [LineFormat.text, .json])
  func leavesOutWhatIsSaidTooOften(format: LineFormat) throws {
    let (lines, losses) = try logged(format) { log in
      for number in 0..<5 { log.info("token refused", metadata: ["client": "\(number)"]) }
      log.debug("not at this level")
      log.info("another kind")
    }
    #expect(lines.count == 3 && losses == LogLosses(dropped: 0, suppressed: 3))
    #expect(lines.first?.contains("token refused") == true && lines.last?.contains("another kind") == true)
  }

  @Test func noLineIsForged() throws {
    let (lines, _) = try logged(.text) { log in log.info("said", metadata: ["name": "a\nb \"c\""]) }
    #expect(lines.count == 1)
    #expect(lines.first?.hasSuffix("name=\"a\u{fffd}b \\\"c\\\"\"") == true)
  }
}
