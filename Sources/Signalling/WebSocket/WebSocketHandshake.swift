import Foundation
import NIOHTTP1

/// What opens a WebSocket (RFC 6455 section 4.2.1).
enum WebSocketHandshake {
  private static let version = "13"

  /// Whether there is one key, of 16 octets in base64.
  static func hasKey(_ headers: HTTPHeaders) -> Bool {
    let keys = headers["sec-websocket-key"]
    return keys.count == 1 && Data(base64Encoded: keys[0])?.count == 16
  }

  /// Why a request opens none.
  static func refusal(_ headers: HTTPHeaders) -> HTTPReply {
    let isUpgrade = headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
    if isUpgrade, headers["sec-websocket-version"] == [version], !hasKey(headers) {
      return .problem(
        .badRequest, code: "bad-request", "there must be one Sec-WebSocket-Key, and it must be 16 octets in base64")
    }
    return .problem(
      .upgradeRequired, code: "upgrade-required",
      "this is the WebSocket endpoint: open a new connection with Upgrade, Sec-WebSocket-Version \(version)",
      headers: ["upgrade": "websocket", "sec-websocket-version": version])
  }
}
