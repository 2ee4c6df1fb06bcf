import Foundation
import SFU
import Signalling
import Testing

@Suite struct ServerMessageTests {
  private func object(_ message: ServerMessage) throws -> NSDictionary {
    try #require(try JSONSerialization.jsonObject(with: Data(message.encoded())) as? NSDictionary)
  }

  @Test func encodesJoined() throws {
    let track = TrackInfo(id: "t", kind: "video", label: .camera, codecs: ["VP8"], muted: false)
    let me = ParticipantInfo(id: "p1", name: "Anna", tracks: [])
    let other = ParticipantInfo(id: "p2", name: "Ben", tracks: [track])
    let expected: NSDictionary = [
      "type": "joined", "participant": ["id": "p1", "name": "Anna", "tracks": [String]()],
      "participants": [
        [
          "id": "p2", "name": "Ben",
          "tracks": [
            ["id": "t", "kind": "video", "label": "camera", "codecs": ["VP8"], "muted": false] as NSDictionary
          ],
        ] as NSDictionary
      ], "iceServers": [String](), "resume": "s",
    ]
    #expect(try object(.joined(participant: me, participants: [other], resume: "s")) == expected)
    let servers = [
      ICEServer(urls: ["stun:a"]), ICEServer(urls: ["turn:b?transport=tcp"], username: "u", credential: "p"),
    ]
    let told = try object(.joined(participant: me, participants: [], iceServers: servers, resume: "s"))["iceServers"]
    let inBrowsersTerms: NSArray = [
      ["urls": ["stun:a"]], ["urls": ["turn:b?transport=tcp"], "username": "u", "credential": "p"] as [String: Any],
    ]
    #expect(told as? NSArray == inBrowsersTerms)
  }

  @Test func encodesOffersEventsAndErrors() throws {
    #expect(
      try object(.offer(sdp: "v=0\r\n", tracks: ["0": SubscribedTrack(participant: "p", track: "t")]))
        == ["type": "offer", "sdp": "v=0\r\n", "tracks": ["0": ["participant": "p", "track": "t"]]])
    #expect(
      try object(.error(.roomFull, message: "full")) == ["type": "error", "code": "room-full", "message": "full"])
    #expect(
      try object(.error(.peerFailed, message: "gone", target: .subscribe))
        == ["type": "error", "code": "peer-failed", "message": "gone", "target": "subscribe"])
    #expect(try object(.speakers(["p2", "p1"])) == ["type": "speakers", "participants": ["p2", "p1"]])
    let track = TrackInfo(id: "t", kind: "audio", label: nil, codecs: [], muted: true)
    #expect(
      try object(.unplayable(participant: "p", track: track, receiver: "q", reason: "no codec"))["event"] as? String
        == "unplayable")
    #expect(
      try object(.track(event: .muted, participant: "p", track: track)) == [
        "type": "track", "event": "muted", "participant": "p",
        "track": ["id": "t", "kind": "audio", "codecs": [String](), "muted": true] as NSDictionary,
      ])
    #expect(
      try object(.answer(sdp: "a", tracks: [:])) == [
        "type": "answer", "sdp": "a", "tracks": [String: String]() as NSDictionary,
      ])
  }

  @Test func encodesQualityThatIsNoNumber() throws {
    let quality = TrackQuality(track: "t", direction: "send", loss: .nan, lane: "xsk", laneReason: "xsk")
    let tracks = try #require(try object(.quality([quality]))["tracks"] as? [[String: Any]])
    #expect(tracks.first?["loss"] as? Double == 0)
  }
}
