import Forwarding
import Foundation
import NIOHTTP1
import SFU

/// The body of `POST /capture`.
struct AdminCaptureOrder: Decodable {
  var room: String?
  var participant: String?
  var decrypted: Bool?
  var seconds: Int?
}

struct AdminCaptureBegun: Encodable { var id: UInt32 }

struct AdminCapture: Encodable {
  /// The next part of the pcapng file, in base64.
  var blocks: String
  var packets: UInt64
  var dropped: UInt64
  /// Why it is over; missing while it goes on.
  var ended: String?

  init(_ report: CaptureReport) {
    blocks = Data(report.blocks).base64EncodedString()
    packets = report.packets
    dropped = report.dropped
    ended = report.ended
  }
}

// Captures: begun, read piece by piece, ended.
extension AdminAPI {
  func capture(
    _ request: HTTPRequest, _ now: Date, by control: any CallControl
  ) throws(Refusal) -> HTTPReply {
    if request.path == "/capture" {
      guard request.method == .POST else { return wrong(request) }
      return try outcome(of: .beginCapture(try order(request, now)), by: control)
    }
    let name = request.path.dropFirst("/capture/".count)
    guard let id = UInt32(name).map(CaptureID.init(rawValue:)) else {
      throw Refusal(status: .notFound, code: "not-found", detail: "there is no capture \(name.prefix(32))")
    }
    switch request.method {
    case .GET: return try outcome(of: .readCapture(id), by: control)
    case .DELETE: return try outcome(of: .endCapture(id), by: control)
    default:
      var general = request
      general.path = "/capture/ID"
      return wrong(general)
    }
  }

  private func order(_ request: HTTPRequest, _ now: Date) throws(Refusal) -> CaptureOrder {
    let order: AdminCaptureOrder = try decode(request)
    let seconds = order.seconds ?? Self.usualSeconds
    guard CaptureOrder.durations.contains(seconds) else {
      let range = CaptureOrder.durations
      throw Refusal(
        status: .badRequest, code: "bad-message",
        detail: "field \"seconds\" must be \(range.lowerBound) to \(range.upperBound)")
    }
    return CaptureOrder(
      room: try need(order.room, "room"), participant: order.participant, isDecrypted: order.decrypted ?? false,
      seconds: seconds, timeOfDay: UInt64(max(0, now.timeIntervalSince1970) * 1e9))
  }

  private static let usualSeconds = 60
}
