import SFU
import Signalling
import Testing

@Suite struct ClientMessageTests {
  private func decode(_ text: String) throws(ClientMessageError) -> ReceivedMessage {
    try ReceivedMessage.decode(Array(text.utf8))
  }

  private func error(_ text: String) -> ClientMessageError? {
    do throws(ClientMessageError) {
      _ = try decode(text)
      return nil
    } catch { return error }
  }

  /// Comparing text costs the square of a run of marks, whether they are written out, as escapes, or as pairs of those.
  @Test(arguments: [
    ("\u{301}\u{323}", 30), (#"\u0301\u0323"#, 30), (#"\ud834\udd65\ud834\udd66"#, 30), ("\u{1d165}\u{1d166}", 30),
    ("\u{1f1e6}\u{4e00}", .max), (#"\ud83d\ude00\u4e00"#, .max),
  ])
  func noRunOfMarksIsTaken(pair: String, most: Int) throws {
    func run(_ marks: Int) -> String { String(repeating: pair, count: marks / 2) + "x" }
    let refusal = "a text has more than 30 combining marks in a row"
    for marks in [30, 32, 30_000] {
      for text in [
        #"{"type":"mute","track":"\#(run(marks))","muted":true}"#, #"{"\#(run(marks))":1,"type":"leave"}"#,
      ] {
        #expect((error(text) == .badJSON(refusal)) == (marks > most), "\(marks)")
      }
    }
    let apart = String(repeating: run(30), count: 100)
    #expect(error(#"{"type":"mute","track":"\#(apart)","muted":true}"#) == nil, "runs of their own")
  }

  @Test func decodesEveryType() throws {
    #expect(
      try decode(#"{"type":"join","room":"r","name":"n","token":"t","resume":"s","later":[1]}"#)
        == ReceivedMessage(.join(room: "r", name: "n", resume: "s"), token: "t"))
    #expect(
      try decode(#"{"type":"join","room":"r","name":"n"}"#) == ReceivedMessage(.join(room: "r", name: "n", resume: nil))
    )
    #expect(
      try decode(#"{"type":"publish","sdp":"v=0","sources":{"0":"microphone","1":"screen-audio"}}"#).message
        == .publish(sdp: "v=0", sources: ["0": .microphone, "1": .screenAudio]))
    #expect(try decode(#"{"type":"publish","sdp":"v=0"}"#).message == .publish(sdp: "v=0", sources: [:]))
    #expect(try decode(#"{"sdp":"v=0","type":"answer"}"#).message == .answer(sdp: "v=0"))
    #expect(try decode(#"{"type":"subscribe"}"#).message == .subscribe(tracks: nil, quality: nil))
    #expect(try decode(#"{"type":"subscribe","tracks":[]}"#).message == .subscribe(tracks: [], quality: nil))
    #expect(
      try decode(#"{"type":"subscribe","tracks":["a"],"quality":"low"}"#).message
        == .subscribe(tracks: ["a"], quality: "low"))
    #expect(try decode(#"{"type":"mute","track":"t","muted":true}"#).message == .mute(track: "t", muted: true))
    #expect(try decode(#"{"type":"restart","target":"subscribe"}"#).message == .restart(target: .subscribe, sdp: nil))
    #expect(
      try decode(#"{"type":"restart","target":"publish","sdp":"v=0","sources":{"0":"camera"}}"#).message
        == .restart(target: .publish, sdp: "v=0", sources: ["0": .camera]))
    #expect(try decode(#"{"type":"leave"}"#).message == .leave)
  }

  @Test(arguments: [
    (#""candidate:1 1 udp 1 1.2.3.4 5 typ host""#, "candidate:1 1 udp 1 1.2.3.4 5 typ host"),
    (#"{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}"#, "candidate:1"), ("null", ""), (#""""#, ""),
    (#"{"candidate":null}"#, ""),
  ])
  func takesCandidatesAsBrowsersGiveThem(json: String, line: String) throws {
    let message = try decode(#"{"type":"candidate","target":"publish","candidate":\#(json)}"#).message
    #expect(message == .candidate(target: .publish, candidate: line))
  }

  @Test(arguments: [
    (#"{"type":"join","name":"n"}"#, #"join: field "room" is missing; it must be a string"#),
    (#"{"type":"join","room":5,"name":"n"}"#, #"join: field "room" must be a string, not a number"#),
    (#"{"type":"join","room":true,"name":"n"}"#, #"join: field "room" must be a string, not true or false"#),
    (#"{"type":"join","room":null,"name":"n"}"#, #"join: field "room" must be a string, not null"#),
    (#"{"type":"join","room":"r","name":"n","token":{}}"#, #"join: field "token" must be a string, not an object"#),
    (#"{"type":"mute","track":"t","muted":1}"#, #"mute: field "muted" must be true or false, not a number"#),
    (#"{"type":"mute","track":"t","muted":"yes"}"#, #"mute: field "muted" must be true or false, not a string"#),
    (#"{"type":"subscribe","tracks":"a"}"#, #"subscribe: field "tracks" must be a list of strings, not a string"#),
    (
      #"{"type":"subscribe","tracks":[1]}"#,
      #"subscribe: field "tracks" must be a list of strings, not a list of other things"#
    ),
    (#"{"type":"restart","target":"both"}"#, #"restart: field "target" must be "publish" or "subscribe""#),
    (
      #"{"type":"join","room":"r","name":"\ud800"}"#,
      #"join: field "name" must be a string, not a number out of range, or text that is not Unicode"#
    ),
    (
      #"{"type":"publish","sdp":"","sources":{"0":null}}"#,
      #"publish.sources: field "0" must be a string, not null"#
    ),
    (
      #"{"type":"publish","sdp":"","sources":[]}"#,
      #"publish: field "sources" must be an object of m-line ids to "camera", "microphone", "screen" or "#
        + #""screen-audio", not a list of other things"#
    ),
    (#"{"type":5}"#, #"message: field "type" must be a string, not a number"#),
    (#"{"room":"r"}"#, #"message: field "type" is missing; it must be a string"#),
    (#"[]"#, #"the message must be a JSON object with a "type""#),
    (#""join""#, #"the message must be a JSON object with a "type""#),
  ])
  func namesTheFieldThatIsWrong(json: String, message: String) {
    #expect(error(json) == .badMessage(message))
  }

  @Test func refusesUnknownTypesAndLabels() {
    #expect(error(#"{"type":"dance"}"#)?.message.contains("unknown type \"dance\"; one of join, publish") == true)
    #expect(error(#"{"type":"publish","sdp":"","sources":{"0":"sofa"}}"#)?.message.contains("not \"sofa\"") == true)
  }

  @Test(arguments: [
    "", "{", "nonsense", #"{"type":"leave"} x"#, #"{'type':'leave'}"#, #"{"type":"leave",}"#,
    #"{"type":"leave","x":[1,]}"#,
    #"{"type":"leave","x":007}"#, #"{"type":"leave","x":1.}"#, #"{"type":"leave","x":+1}"#,
    #"{"type":"leave","x":"\x"}"#,
    "{\"type\":\"leave\",\"x\":\"\t\"}", #"{"type":"leave","x":"\u00g0"}"#, #"{"type":"leave",1:2}"#,
    #"{"type":"leave","x":nul}"#, #"{"type" "leave"}"#, "/**/{}",
  ])
  func saysWhenItIsNoJSON(text: String) {
    #expect(error(text)?.code == .badJSON)
  }

  @Test func takesAllOfJSON() throws {
    let values = #"[ -0.5e+7, 0, 10, true,false ,null, {}, [ ], "\"\\\/\b\n" ]"#
    let text = " { \"type\" : \"le\\u0061ve\" ,\r\n\t\"x\":\(values) } "
    #expect(try decode(text).message == .leave)
  }

  @Test func refusesDeepNestingButNotBracketsInStrings() {
    let deep = #"{"type":"leave","x":"# + String(repeating: "[", count: 17) + String(repeating: "]", count: 17) + "}"
    #expect(error(deep) == .badJSON("the JSON is nested deeper than 16 levels"))
    #expect(error(#"{"type":"leave","x":"\"[[[[[[[[[[[[[[[[[[[[[["}"#) == nil)
  }

  @Test(arguments: [
    "", " a", "a ", "a/b", "a\\b", "..", ".", "a\u{202e}b", "a\nb", String(repeating: "x", count: 65),
    String(repeating: "👩‍👩‍👧‍👦", count: 21), "\u{200d}", "\u{3164}", "\u{115f}", "\u{2800}", "\u{34f}", "\u{fe0f}",
    "a\u{3164}b", "a\u{2800}", "\u{200c}a", "a\u{ad}b",
  ])
  func refusesBadNames(name: String) { #expect(!CallName.isValid(name)) }

  @Test func namesTheRuleThatANameBreaks() {
    for part in ["512 bytes", "backslash", "invisible", #"not "." or "..""#] { #expect(CallName.rule.contains(part)) }
  }

  @Test(arguments: [
    "a", "Anna Müller", "会議室", "👩‍👩‍👧 team", "❤️", "می‌خواهم", String(repeating: "x", count: 64), "room-1_(b)",
  ])
  func acceptsGoodNames(name: String) { #expect(CallName.isValid(name)) }
}
