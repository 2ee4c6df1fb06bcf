import Foundation
import NIOCore

/// What the load client hears from the server (docs/signalling.md), as far as it cares.
enum SignallingMessage {
  case joined
  case answer(sdp: String)
  case offer(sdp: String)
  case error(String, target: String?)
  /// Of no concern here, such as other participants' coming and going.
  case other

  private struct Body: Decodable {
    var type: String
    var sdp: String?
    var code: String?
    var message: String?
    var target: String?
  }

  init(_ text: ByteBuffer) {
    guard let type = Self.type(of: text) else {
      self = .other
      return
    }
    switch type {
    case "joined": self = .joined
    case "answer", "offer", "error": self = Self.decoded(text)
    default: self = .other
    }
  }

  private static func decoded(_ text: ByteBuffer) -> SignallingMessage {
    guard let body = try? JSONDecoder().decode(Body.self, from: Data(text.readableBytesView)) else { return .other }
    switch (body.type, body.sdp) {
    case ("answer", let sdp?): return .answer(sdp: sdp)
    case ("offer", let sdp?): return .offer(sdp: sdp)
    case ("error", _): return .error("\(body.code ?? "error"): \(body.message ?? "")", target: body.target)
    default: return .other
    }
  }

  /// The value of "type" without parsing the rest: in a large room nearly all messages are of no concern, and a client
  /// that plays a thousand participants hears of everybody a thousand times. Within JSON strings the quotes would be
  /// escaped, so that the bytes looked for cannot be part of one.
  private static func type(of text: ByteBuffer) -> String? {
    text.withUnsafeReadableBytes { bytes in
      guard bytes.count > key.count else { return nil }
      for start in 0..<bytes.count - key.count
      where bytes[start + 1] == key[1] && bytes[start..<start + key.count].elementsEqual(key) {
        let value = bytes[(start + key.count)...].prefix(20)
        return String(decoding: value.prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
      }
      return nil
    }
  }

  private static let key = [UInt8](#""type":""#.utf8)
}

/// What the load client says.
enum SignallingRequest {
  static func join(room: String, name: String, token: String?) -> [UInt8] {
    text(["type": "join", "room": room, "name": name].merging(token.map { ["token": $0] } ?? [:]) { $1 })
  }
  static func publish(_ sdp: String) -> [UInt8] { text(["type": "publish", "sdp": sdp]) }
  static func answer(_ sdp: String) -> [UInt8] { text(["type": "answer", "sdp": sdp]) }
  /// Subscribes to nothing: publishers only send.
  static let subscribeToNothing = [UInt8](#"{"type":"subscribe","tracks":[]}"#.utf8)
  static let leave = [UInt8](#"{"type":"leave"}"#.utf8)

  private static func text(_ fields: [String: String]) -> [UInt8] {
    // A dictionary of strings always encodes.
    (try? JSONEncoder().encode(fields)).map { [UInt8]($0) } ?? []
  }
}
