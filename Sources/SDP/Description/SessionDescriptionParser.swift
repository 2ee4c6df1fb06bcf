import Wire

/// How much of a session description is read before it is refused.
public struct SDPLimits: Hashable, Sendable {
  public var bytes: Int
  public var lines: Int
  /// Bytes of one line, without its end.
  public var lineBytes: Int
  /// Lines before the first m-line; browsers write ten.
  public var sessionLines: Int
  /// Lines under one m-line; browsers write less than 200.
  public var mediaLines: Int
  public var media: Int

  public init(
    bytes: Int = 256 * 1024, lines: Int = 8192, lineBytes: Int = 8192, sessionLines: Int = 64, mediaLines: Int = 1024,
    media: Int = 256
  ) {
    self.bytes = bytes
    self.lines = lines
    self.lineBytes = lineBytes
    self.sessionLines = sessionLines
    self.mediaLines = mediaLines
    self.media = media
  }

  public static let standard = SDPLimits()

  /// For the offer of a participant who may publish so many tracks. m-lines of tracks that ended stay, and are used again.
  public static func offer(tracks: Int) -> SDPLimits { SDPLimits(media: min(256, max(64, tracks * 4))) }

  /// For the answer to a subscribe offer, which may have hundreds of m-lines of many codecs each; only from a
  /// participant.
  public static let subscribeAnswer = SDPLimits(bytes: 1024 * 1024, lines: 32768)
}

extension SessionDescription {
  /// Reads a session description. Lines may end in CR LF or LF alone.
  ///
  /// What is used is read strictly, where it is used. Whatever else a line holds, it is passed by: an attribute of no known
  /// form, a field that says nothing here, a line that is none. Sizes are limited alike.
  public static func parse(_ text: String, limits: SDPLimits = .standard) throws(SDPError) -> SessionDescription {
    var parser = SessionDescriptionParser(limits: limits)
    try forEachLine(of: text, limits: limits) { (number, line) throws(SDPError) in try parser.line(number, line) }
    return try parser.finish()
  }
}

/// Calls `body` with the number (from 1) and bytes of each line, checked for length and control characters.
func forEachLine(
  of text: String, limits: SDPLimits, _ body: (Int, ArraySlice<UInt8>) throws(SDPError) -> Void
) throws(SDPError) {
  let bytes = Array(text.utf8)
  guard bytes.count <= limits.bytes else { throw .tooLarge(bytes: bytes.count, limit: limits.bytes) }
  let end = (bytes.lastIndex { $0 != 0x0a && $0 != 0x0d } ?? -1) + 1
  var start = 0
  var number = 0
  while start < end {
    number += 1
    guard number <= limits.lines else { throw .tooManyLines(limit: limits.lines) }
    let stop = bytes[start..<end].firstIndex(of: 0x0a) ?? end
    let next = stop + 1
    let line = bytes[start..<(stop > start && stop < end && bytes[stop - 1] == 0x0d ? stop - 1 : stop)]
    guard line.count <= limits.lineBytes else { throw .lineTooLong(line: number, limit: limits.lineBytes) }
    guard isReadable(line) else { throw .malformedLine(line: number) }
    try body(number, line)
    start = next
  }
}

/// Whether it holds no control characters, and no run of marks that would take long to compare.
private func isReadable(_ line: ArraySlice<UInt8>) -> Bool {
  var isPlain = true
  for byte in line {
    if byte < 0x20 && byte != 0x09 || byte == 0x7f { return false }
    if byte >= 0x80 { isPlain = false }
  }
  return isPlain || String(decoding: line, as: UTF8.self).isStreamSafe
}

/// Takes the lines one by one.
private struct SessionDescriptionParser {
  let limits: SDPLimits
  var lines: [SDPLine] = []
  var media: [MediaDescription] = []

  init(limits: SDPLimits) { self.limits = limits }

  mutating func line(_ number: Int, _ bytes: ArraySlice<UInt8>) throws(SDPError) {
    guard let letter = bytes.first, bytes.dropFirst().first == UInt8(ascii: "=") else { return }
    let value = String(decoding: bytes.dropFirst(2), as: UTF8.self)
    let character = Character(Unicode.Scalar(letter))
    if character == "m" { return try mediaLine(number, value) }
    guard let field = SDPField(rawValue: character) else { return }
    if lines.isEmpty, media.isEmpty { try checkVersion(field, value, number) }
    try add(SDPLine(field, field == .attribute ? value.withoutTrailingBlanks : value), number)
  }

  /// What tells that this is a session description at all.
  private func checkVersion(_ field: SDPField, _ value: String, _ number: Int) throws(SDPError) {
    guard field == .version else { throw .badField(line: number, field: "order", expected: "v= before all else") }
    guard value.words == ["0"] else { throw .badField(line: number, field: "v=", expected: "0") }
  }

  private mutating func add(_ line: SDPLine, _ number: Int) throws(SDPError) {
    guard media.isEmpty else {
      guard media[media.count - 1].lines.count < limits.mediaLines else {
        throw .tooManyMediaLines(line: number, limit: limits.mediaLines)
      }
      return media[media.count - 1].lines.append(line)
    }
    guard lines.count < limits.sessionLines else { throw .tooManySessionLines(limit: limits.sessionLines) }
    lines.append(line)
  }

  private mutating func mediaLine(_ number: Int, _ value: String) throws(SDPError) {
    guard !lines.isEmpty else {
      throw .badField(line: number, field: "order", expected: "v=, o=, s= before the first m=")
    }
    guard media.count < limits.media else { throw .tooManyMedia(line: number, limit: limits.media) }
    guard let section = MediaDescription(mediaLine: value) else {
      throw .badField(line: number, field: "m=", expected: "<media> <port 0-65535> <protocol> <format> …")
    }
    media.append(section)
  }

  consuming func finish() throws(SDPError) -> SessionDescription {
    for (field, name) in [(SDPField.version, "v="), (.origin, "o="), (.sessionName, "s=")] {
      guard lines.contains(where: { $0.field == field }) else { throw .missingField(name) }
    }
    var session = SessionDescription(lines: lines, media: media)
    session.index()
    return session
  }
}

extension String {
  /// Blanks at the end of a line mean nothing, and are easily left there.
  var withoutTrailingBlanks: String {
    guard let last = utf8.last, last == 0x20 || last == 0x09 else { return self }
    let end = utf8.lastIndex { $0 != 0x20 && $0 != 0x09 }
    return end.map { String(self[...$0]) } ?? ""
  }
}
