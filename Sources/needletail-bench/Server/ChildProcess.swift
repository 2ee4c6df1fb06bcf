import Foundation
import Synchronization

/// Programs that the benchmark runs.
enum Shell {
  /// Runs a program of the PATH to its end; what it printed. Fails if it does.
  @discardableResult
  static func run(_ words: String...) throws -> String { try run(words) }

  @discardableResult
  static func run(_ words: [String]) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw BenchFailure("\(words.joined(separator: " ")) failed: \(text.prefix(500))")
    }
    return text
  }

  /// Runs where failing is of no consequence.
  static func attempt(_ words: String...) { _ = try? run(words) }
}

/// A program that runs beside the benchmark and is ended with it.
final class ChildProcess: Sendable {
  let pid: pid_t
  private let process: Mutex<Process>
  private let output: FileHandle

  /// Its standard output is read by `nextLine`; its standard error goes to `log`.
  init(_ words: [String], directory: String, log: String) throws {
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = FileHandle(forWritingAtPath: log)
    try process.run()
    pid = process.processIdentifier
    output = pipe.fileHandleForReading
    self.process = Mutex(process)
  }

  var isRunning: Bool { process.withLock { $0.isRunning } }

  /// Everything it prints, line by line, until it ends; longer than `limit` seconds it does not run.
  func forEachLine(limit: Int, _ body: (String) -> Void) {
    let watchdog = DispatchWorkItem { [self] in stop() }
    DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(limit), execute: watchdog)
    defer { watchdog.cancel() }
    var rest: [UInt8] = []
    while case let data = output.availableData, !data.isEmpty {
      rest += data
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        body(String(decoding: rest[..<end], as: UTF8.self))
        rest.removeFirst(end + 1)
      }
    }
    if !rest.isEmpty { body(String(decoding: rest, as: UTF8.self)) }
  }

  /// SIGTERM, and after three seconds SIGKILL.
  func stop() {
    guard isRunning else { return }
    kill(pid, SIGTERM)
    let deadline = Clock.now.advanced(by: .seconds(3))
    while isRunning, Clock.now < deadline { Clock.sleep(.milliseconds(20)) }
    if isRunning { kill(pid, SIGKILL) }
  }
}
