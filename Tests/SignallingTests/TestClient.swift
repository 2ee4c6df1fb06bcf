import Foundation

struct TestFailure: Error { var reason: String }

/// A blocking socket with a deadline: writes what it is told, right or wrong.
final class TestClient {
  struct Response {
    var status: Int
    var headers: [String: String]
    var body: String
  }

  struct Frame {
    var isFinal: Bool
    var opcode: UInt8
    var payload: [UInt8]
    var text: String { String(decoding: payload, as: UTF8.self) }
  }

  private let descriptor: CInt
  private var buffer: [UInt8] = []

  init(port: Int) throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    try connect(&address)
  }

  init(path: String) throws {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    try connect(&address)
  }

  deinit { Glibc.close(descriptor) }

  /// Of its own end.
  var port: Int {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
    }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  private func connect<Address>(_ address: inout Address) throws {
    var timeout = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
      }
    }
    guard result == 0 else { throw TestFailure(reason: "connect: \(errno)") }
  }

  func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  func send(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// Whether anything comes within that time.
  func hears(milliseconds: Int32) -> Bool {
    var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&waited, 1, milliseconds) > 0
  }

  /// False at the end of the stream.
  private func fill() throws -> Bool {
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    let count = read(descriptor, &chunk, chunk.count)
    guard count >= 0 || errno == ECONNRESET else { throw TestFailure(reason: "nothing came within 30 s") }
    if count > 0 { buffer += chunk[..<count] }
    return count > 0
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while buffer.count < count {
      guard try fill() else { throw TestFailure(reason: "the connection ended") }
    }
    defer { buffer.removeFirst(count) }
    return Array(buffer[..<count])
  }

  /// Whether the server closes without a further byte.
  func isAtEnd() throws -> Bool { try buffer.isEmpty && !fill() }

  /// Reads and forgets everything until the server closes.
  func drain() throws -> Int {
    var count = buffer.count
    buffer = []
    while try fill() {
      count += buffer.count
      buffer = []
    }
    return count
  }

  // MARK: HTTP

  func request(
    _ method: String, _ target: String, headers: [String: String] = [:], body: String = ""
  ) throws -> Response {
    var head = "\(method) \(target) HTTP/1.1\r\nHost: test\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if !body.isEmpty { head += "Content-Length: \(body.utf8.count)\r\n" }
    send(head + "\r\n" + body)
    return try response(hasBody: method != "HEAD")
  }

  func response(hasBody: Bool = true) throws -> Response {
    let end = Array("\r\n\r\n".utf8)
    var split: Int?
    while split == nil {
      split = buffer.indices.first { buffer[$0...].starts(with: end) }
      if split == nil, try !fill() { throw TestFailure(reason: "no response") }
    }
    let lines = String(decoding: try take((split ?? 0) + 4), as: UTF8.self).components(separatedBy: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() where line.contains(": ") {
      let parts = line.components(separatedBy: ": ")
      let value = parts.dropFirst().joined(separator: ": ")
      // Fields of one name are one list (RFC 9110 section 5.3).
      headers[parts[0].lowercased()] = headers[parts[0].lowercased()].map { "\($0), \(value)" } ?? value
    }
    let length = hasBody ? Int(headers["content-length"] ?? "0") ?? 0 : 0
    let status = Int(lines[0].split(separator: " ")[1]) ?? 0
    return Response(status: status, headers: headers, body: String(decoding: try take(length), as: UTF8.self))
  }

  // MARK: WebSocket

  /// The status of the upgrade's response.
  func openWebSocket(_ target: String = "/ws") throws -> Int {
    try request(
      "GET", target,
      headers: [
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      ]
    ).status
  }

  func send(frame opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, isMasked: Bool = true) {
    var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | opcode]
    let maskBit: UInt8 = isMasked ? 0x80 : 0
    switch payload.count {
    case ..<126: bytes.append(maskBit | UInt8(payload.count))
    case ..<65536: bytes += [maskBit | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
    default: bytes += [maskBit | 127] + (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
    }
    let key: [UInt8] = [1, 2, 3, 4]
    if isMasked { bytes += key }
    bytes += isMasked ? payload.enumerated().map { $1 ^ key[$0 % 4] } : payload
    send(bytes)
  }

  func send(message: String) { send(frame: 1, Array(message.utf8)) }

  func frame() throws -> Frame {
    let head = try take(2)
    var length = Int(head[1] & 0x7f)
    if length == 126 { length = try take(2).reduce(0) { $0 << 8 | Int($1) } }
    if length == 127 { length = try take(8).reduce(0) { $0 << 8 | Int($1) } }
    return Frame(isFinal: head[0] & 0x80 != 0, opcode: head[0] & 0xf, payload: try take(length))
  }

  /// The next text message as JSON; pings are passed over.
  func message() throws -> [String: Any] {
    while true {
      let frame = try frame()
      if frame.opcode == 9 { continue }
      guard frame.opcode == 1,
        let object = try JSONSerialization.jsonObject(with: Data(frame.payload)) as? [String: Any]
      else { throw TestFailure(reason: "not a JSON message: opcode \(frame.opcode)") }
      return object
    }
  }

  /// The code and reason of the close frame that comes next.
  func closeFrame() throws -> (code: Int, reason: String) {
    let frame = try frame()
    guard frame.opcode == 8, frame.payload.count >= 2 else {
      throw TestFailure(reason: "not a close frame: \(frame.opcode)")
    }
    return (Int(frame.payload[0]) << 8 | Int(frame.payload[1]), String(decoding: frame.payload[2...], as: UTF8.self))
  }
}
