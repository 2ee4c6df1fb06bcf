import Foundation
import Testing
import needlectl

/// What people see of streams, to the letter.
@Suite struct StreamTablesTests {
  @Test func withinATerminalsWidth() throws {
    let text = StreamTables.text(try answer(streams), isWide: false)
    #expect(
      text == """
               ID  ROOM   NAME            KIND       CODEC  PACKETS  RATE         LANE    WHY
        in     3   class  Ada             video      VP8    51234    2.51 Mbit/s  xsk     not in the kernel: the source is
                                                                                          encrypted
          out  14  class  Grace Brewste…  video      VP8    51200    2.50 Mbit/s  xsk     not in the kernel: the sink is
                                                                                          encrypted
        in     4   class  Ada             video rtx  VP8    70       90 kbit/s    xsk     not in the kernel: the source is
                                                                                          encrypted
        in     12  class  Grace Brewste…  video      H264   900      0 bit/s      xsk     not in the kernel: the source is
                                                                                          encrypted
          out  15  class  recorder        audio      opus   0        0 bit/s      socket  -

               ID  NAME            KIND       LOSS    AFTER  RTT     JITTER  NACKED  REPAIRED  WITHIN  KEYREQ
        in     3   Ada             video      4.9 %   0.0 %  24 ms   3.2 ms  66      62        31 ms   2
          out  14  Grace Brewste…  video      10.1 %  1.3 %  140 ms  12 ms   5400    5101      0.4 ms  7
                 not sent again: 9 awaited, 40 over_budget, 250 too_soon
        in     4   Ada             video rtx  6.2 %   -      -       -       -       -         -       -
        in     12  Grace Brewste…  video      -       -      -       0.0 ms  3       1         8.0 ms  1
                 silent for 1 min 15 s; given up: 2
          out  15  recorder        audio      -       -      -       -       0       0         -       0

        """)
    for line in text.split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
  }

  @Test func wideWithAddressesAndWholeNames() throws {
    let lines = StreamTables.text(try answer(streams), isWide: true).components(separatedBy: "\n")
    let columns = lines[0].split(separator: " ").map(String.init)
    #expect(
      columns == [
        "ID", "ROOM", "NAME", "KIND", "CODEC", "TRACK", "SSRC", "FROM", "TO", "PACKETS", "RATE", "LANE", "WHY",
      ])
    #expect(lines[1].contains("t1     4711  10.77.0.2:52694  10.77.0.1:3478   51234"))
    #expect(lines[2].contains("Grace Brewster Murray Hopper  video"))
    #expect(lines[2].contains("77    10.77.0.1:3478   10.77.0.3:40001  51200"), "a copy goes the other way")
    #expect(lines[2].hasSuffix("not in the kernel: the sink is encrypted"))
  }

  @Test func manyReasonsGoOnInTheNextLine() throws {
    var answer = try #require(try JSONSerialization.jsonObject(with: Data(streams.utf8)) as? [String: Any])
    var sinks = try #require(answer["sinks"] as? [[String: Any]])
    let reasons = [
      "awaited", "passed_on", "never_sent", "too_many", "too_soon", "too_often", "superseded", "over_budget",
    ]
    sinks[0]["repairsDenied"] = Dictionary(uniqueKeysWithValues: reasons.map { ($0, 100_000) })
    answer["sinks"] = sinks
    let body = try JSONSerialization.data(withJSONObject: answer)
    let text = StreamTables.text(try JSONDecoder().decode(StreamsAnswer.self, from: body), isWide: false)
    for line in text.split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
    for reason in reasons { #expect(text.contains("100000 \(reason)")) }
  }

  @Test func mutedAndNone() throws {
    let muted = streams.replacingOccurrences(
      of: #""muted": false, "packets": 900"#, with: #""muted": true, "packets": 900"#)
    #expect(StreamTables.text(try answer(muted), isWide: false).contains("\nin, muted  12"))
    #expect(StreamTables.text(try answer(#"{"sources": [], "sinks": []}"#), isWide: false) == "no streams\n")
  }

  private func answer(_ json: String) throws -> StreamsAnswer {
    try JSONDecoder().decode(StreamsAnswer.self, from: Data(json.utf8))
  }

  /// Ada is seen by Grace, who misses packets, and has sent nothing for more than a minute.
  private let streams = """
    {
      "sources": [
        {
          "room": "class", "name": "Ada", "local": "10.77.0.1:3478", "remote": "10.77.0.2:52694", "id": 3, "track": "t1", "kind": "video", "codec": "VP8", "ssrc": 4711,
          "isRetransmission": false, "muted": false, "packets": 51234, "bitsPerSecond": 2512345.0, "loss": 0.156, "lossBeforeRepair": 0.049, "lossAfterRepair": 0.0,
          "jitterMilliseconds": 3.25, "roundTripMilliseconds": 24.4, "packetsRequested": 66, "packetsRepaired": 62, "packetsGivenUp": 0, "repairMilliseconds": 31.2,
          "keyFrameRequests": 2, "lane": "xsk", "laneReason": "not in the kernel: the source is encrypted"
        },
        {
          "room": "class", "name": "Ada", "local": "10.77.0.1:3478", "remote": "10.77.0.2:52694", "id": 4, "track": "t1", "kind": "video", "codec": "VP8", "ssrc": 4712,
          "isRetransmission": true, "muted": false, "packets": 70, "bitsPerSecond": 90345.0, "loss": 0.0, "lossBeforeRepair": 0.0625,
          "packetsRequested": 0, "packetsRepaired": 0, "packetsGivenUp": 0, "keyFrameRequests": 0, "lane": "xsk", "laneReason": "not in the kernel: the source is encrypted"
        },
        {
          "room": "class", "name": "Grace Brewster Murray Hopper", "local": "10.77.0.1:3478", "remote": "10.77.0.3:40000", "id": 12, "track": "t2", "kind": "video", "codec": "H264", "ssrc": 9,
          "isRetransmission": false, "muted": false, "packets": 900, "bitsPerSecond": 0.0, "loss": 0.0, "jitterMilliseconds": 0.0, "packetsRequested": 3, "packetsRepaired": 1, "packetsGivenUp": 2, "repairMilliseconds": 8.0,
          "keyFrameRequests": 1, "silentSeconds": 75.5, "lane": "xsk", "laneReason": "not in the kernel: the source is encrypted"
        }
      ],
      "sinks": [
        {
          "room": "class", "name": "Grace Brewster Murray Hopper", "local": "10.77.0.1:3478", "remote": "10.77.0.3:40001", "id": 14, "source": 3, "track": "t1", "kind": "video", "codec": "VP8", "ssrc": 77,
          "packets": 51200, "bitsPerSecond": 2501000.0, "reportedLoss": 0.33, "lossBeforeRepair": 0.1012, "lossAfterRepair": 0.0131, "reportedJitterMilliseconds": 12.0, "roundTripMilliseconds": 140.0,
          "packetsNacked": 5400, "packetsRetransmitted": 5101, "repairMilliseconds": 0.42, "repairsDenied": {"too_soon": 250, "over_budget": 40, "awaited": 9}, "keyFrameRequests": 7,
          "lane": "xsk", "laneReason": "not in the kernel: the sink is encrypted"
        },
        {
          "room": "class", "name": "recorder", "id": 15, "source": 99, "track": "t9", "kind": "audio", "codec": "opus", "ssrc": 101,
          "packets": 0, "bitsPerSecond": 0.0, "reportedLoss": 0.0, "reportedJitterMilliseconds": 0.0,
          "packetsNacked": 0, "packetsRetransmitted": 0, "repairsDenied": {}, "keyFrameRequests": 0, "lane": "socket", "laneReason": ""
        }
      ]
    }
    """
}
