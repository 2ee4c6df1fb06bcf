import Foundation
import SFU

/// Why a client's text is no message: the code and the text of the `error` that answers it.
public enum ClientMessageError: Error, Hashable, Sendable {
  /// Not JSON (RFC 8259), or JSON beyond the bounds.
  case badJSON(String)
  /// JSON, but not a message of docs/signalling.md; the text names the field and what it must be.
  case badMessage(String)

  public var code: ErrorCode {
    switch self {
    case .badJSON: .badJSON
    case .badMessage: .badMessage
    }
  }

  public var message: String {
    switch self {
    case .badJSON(let text), .badMessage(let text): text
    }
  }
}

/// A client's message, and the token that came with it if it is a `join`.
public struct ReceivedMessage: Hashable, Sendable {
  public var message: ClientMessage
  /// Never logged.
  public var token: String?

  public init(_ message: ClientMessage, token: String? = nil) {
    self.message = message
    self.token = token
  }

  /// Decodes the text of one WebSocket message (docs/signalling.md). Fields it does not know are ignored.
  public static func decode(_ text: [UInt8]) throws(ClientMessageError) -> ReceivedMessage {
    do throws(JSONGrammar.Failure) { try JSONGrammar.check(text) } catch { throw .badJSON(error.message) }
    do {
      return try JSONDecoder().decode(MessageEnvelope.self, from: Data(text)).received
    } catch let error as ClientMessageError {
      throw error
    } catch DecodingError.dataCorrupted(let context) {
      throw .badJSON("not valid JSON: \(Self.reason(context))")
    } catch {
      throw .badMessage("the message must be a JSON object with a \"type\"")
    }
  }

  private static func reason(_ context: DecodingError.Context) -> String {
    let details = (context.underlyingError as NSError?)?.userInfo["NSDebugDescription"] as? String
    return String((details ?? context.debugDescription).prefix(200))
  }
}

/// The message as `type` says it is to be read.
private struct MessageEnvelope: Decodable {
  let received: ReceivedMessage

  init(from decoder: any Decoder) throws {
    guard let container = try? decoder.container(keyedBy: FieldName.self) else {
      throw ClientMessageError.badMessage("the message must be a JSON object with a \"type\"")
    }
    let type = try MessageFields(container, of: "message").string("type")
    let fields = MessageFields(container, of: type)
    switch type {
    case "join": received = try Self.join(fields)
    case "publish":
      received = ReceivedMessage(.publish(sdp: try fields.string("sdp"), sources: try fields.labels("sources")))
    case "answer": received = ReceivedMessage(.answer(sdp: try fields.string("sdp")))
    case "candidate":
      received = ReceivedMessage(
        .candidate(target: try fields.role("target"), candidate: try fields.candidate("candidate")))
    case "subscribe":
      received = ReceivedMessage(
        .subscribe(tracks: try fields.optionalStrings("tracks"), quality: try fields.optionalString("quality")))
    case "mute":
      received = ReceivedMessage(.mute(track: try fields.string("track"), muted: try fields.boolean("muted")))
    case "restart":
      received = ReceivedMessage(
        .restart(
          target: try fields.role("target"), sdp: try fields.optionalString("sdp"),
          sources: try fields.labels("sources")))
    case "leave": received = ReceivedMessage(.leave)
    default: throw ClientMessageError.badMessage("unknown type \"\(type.prefix(40))\"; one of \(Self.types)")
    }
  }

  private static let types = "join, publish, answer, candidate, subscribe, mute, restart, leave"

  private static func join(_ fields: MessageFields) throws(ClientMessageError) -> ReceivedMessage {
    let room = try fields.name("room")
    let name = try fields.name("name")
    let resume = try fields.optionalString("resume")
    return ReceivedMessage(.join(room: room, name: name, resume: resume), token: try fields.optionalString("token"))
  }
}
