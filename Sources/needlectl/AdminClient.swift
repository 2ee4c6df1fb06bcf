import Foundation

enum AdminError: Error, CustomStringConvertible {
  case notReachable(socket: String, reason: String)
  /// The server said no; the text is its own.
  case refused(String)

  var exitCode: Int32 {
    switch self {
    case .notReachable: 3
    case .refused: 1
    }
  }

  var description: String {
    switch self {
    case .refused(let text): "needlectl: \(text)"
    case .notReachable(let socket, let reason):
      """
      needlectl: no server answers on \(socket): \(reason)
      Start one with `make run` or `needletail --config FILE`, or name its socket: --socket, NEEDLETAIL_ADMIN_SOCKET.
      """
    }
  }
}

/// One HTTP/1.1 request per connection over a Unix socket, blocking.
struct AdminClient {
  let path: String

  /// Where a server of this user listens unless it is told otherwise.
  static var defaultPath: String {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["NEEDLETAIL_ADMIN_SOCKET"], !path.isEmpty { return path }
    if getuid() == 0 { return "/run/needletail/admin.sock" }
    if let runtime = environment["XDG_RUNTIME_DIR"], !runtime.isEmpty { return runtime + "/needletail-admin.sock" }
    return "/tmp/needletail-\(getuid())/admin.sock"
  }

  /// The body of a 2xx response; otherwise throws what its problem says.
  func get(_ resource: String, query: [String: String] = [:]) throws(AdminError) -> Data {
    try request("GET", Self.target(resource, query), Data())
  }

  func delete(_ resource: String, query: [String: String]) throws(AdminError) -> Data {
    try request("DELETE", Self.target(resource, query), Data())
  }

  private static func target(_ resource: String, _ query: [String: String]) -> String {
    let pairs = query.sorted { $0.key < $1.key }.map { "\($0.key)=\(escaped($0.value))" }
    return pairs.isEmpty ? resource : resource + "?" + pairs.joined(separator: "&")
  }

  func post(_ resource: String, _ body: some Encodable) throws(AdminError) -> Data {
    guard let data = try? JSONEncoder().encode(body) else { throw .refused("the request cannot be written as JSON") }
    return try request("POST", resource, data)
  }

  private func request(_ method: String, _ target: String, _ body: Data) throws(AdminError) -> Data {
    let descriptor = try connect()
    defer { close(descriptor) }
    var head = "\(method) \(target) HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n"
    if method == "POST" { head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
    try write(Data((head + "\r\n").utf8) + body, to: descriptor)
    let response = try AdminResponse(try readAll(descriptor), from: path)
    guard (200..<300).contains(response.status) else { throw .refused(response.problem) }
    return response.body
  }

  private func connect() throws(AdminError) -> CInt {
    guard path.utf8.count <= 107 else { throw .notReachable(socket: path, reason: "the path is longer than 107 bytes") }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw failure() }
    var timeout = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      let error = failure()
      close(descriptor)
      throw error
    }
    return descriptor
  }

  private func write(_ data: Data, to descriptor: CInt) throws(AdminError) {
    var rest = [UInt8](data)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { throw failure() }
      rest = rest.dropFirst(count)
    }
  }

  private func readAll(_ descriptor: CInt) throws(AdminError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count == 0 { return bytes }
      guard count > 0 else { throw failure() }
      bytes += buffer[..<count]
    }
  }

  private func failure() -> AdminError {
    let hint = errno == EACCES || errno == EPERM ? "; only the server's own user and root may open it" : ""
    return .notReachable(socket: path, reason: String(cString: strerror(errno)) + hint)
  }

  private static func escaped(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: CharacterSet(charactersIn: "-._~").union(.alphanumerics)) ?? ""
  }
}

/// A response read to its end.
private struct AdminResponse {
  let status: Int
  let body: Data

  init(_ bytes: [UInt8], from path: String) throws(AdminError) {
    let end: [UInt8] = Array("\r\n\r\n".utf8)
    guard let split = bytes.indices.first(where: { bytes[$0...].starts(with: end) }),
      let line = String(decoding: bytes[..<split], as: UTF8.self).split(separator: "\r\n").first,
      let status = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { throw .notReachable(socket: path, reason: "what answers there does not speak HTTP") }
    self.status = status
    body = Data(bytes[(split + end.count)...])
  }

  /// What the problem document (RFC 9457) says.
  var problem: String {
    struct Problem: Decodable { var detail: String }
    return (try? JSONDecoder().decode(Problem.self, from: body).detail) ?? "the server answered with status \(status)"
  }
}
