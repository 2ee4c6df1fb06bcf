import SFU
import Testing

@Suite struct ClearRTPRefusalTests {
  private func refusal(
    _ codecs: [(String, Int, Int?)] = [("vp8", 96, 7)], _ change: (inout RTPParticipantForm) -> Void
  ) throws -> String {
    let device = Device("camera", "send", codecs, in: try World())
    change(&device.form)
    do {
      guard case .refused(let error) = try device.add() else { return "" }
      return "\(error)"
    } catch let error as RTPParticipantError {
      return "\(error)"
    }
  }

  @Test func whatCannotBeIsNamed() throws {
    #expect(try refusal { $0.room = nil } == "room: is missing")
    #expect(try refusal { $0.name = "" } == "name: must be a name")
    #expect(try refusal { $0.direction = "up" }.hasPrefix("direction: must be send, receive or both"))
    #expect(try refusal { $0.remote = nil }.hasPrefix("remote: is missing"))
    #expect(try refusal { $0.remote = "camera:5004" }.hasPrefix("remote: \"camera:5004\" is no address with port"))
    #expect(try refusal { $0.remote = "192.0.2.9:0" }.hasPrefix("remote: 192.0.2.9:0 has port 0"))
    #expect(try refusal { $0.remote = "0.0.0.0:5" }.contains("unspecified"))
    #expect(try refusal { $0.remote = "239.0.0.1:5" }.contains("can only receive"))
    #expect(try refusal { $0.remote = "[2001:db8::7]:5004" }.contains("no such address"))
    #expect(try refusal { $0.rtcp = "5005" }.hasPrefix("rtcp: \"5005\" must be next"))
    #expect(try refusal { $0.remote = "192.0.2.9:65535" }.hasPrefix("rtcp: there is no port after 65535"))
    #expect(try refusal { $0.localPort = 4000 } == "local-port: 4000 is not this server's media port, which is 3478")
    #expect(try refusal { $0.localAddress = "::1" }.hasPrefix("local-address: ::1 is of another family"))
    #expect(try refusal { $0.keyFrames = -1 }.hasPrefix("key-frames: -1 is not allowed"))
    #expect(try refusal { $0.maxPackets = -1 }.hasPrefix("max-packets: -1 is not allowed; it must be 0 (no limit) to"))
    #expect(try refusal { $0.maxBytes = 1 << 40 }.hasPrefix("max-bytes: 1099511627776 is not allowed"))
    #expect(try refusal([]) { _ in }.hasPrefix("codec: is missing; the codecs are opus, vp8"))
  }

  @Test func whatCannotBeOfACodecIsNamed() throws {
    #expect(try refusal([("mp3", 96, 7)]) { _ in }.hasPrefix("codec: \"mp3\" is unknown; the codecs are opus, vp8"))
    #expect(try refusal([("vp8", 72, 7)]) { _ in }.hasPrefix("payload-type: 72 is not allowed"))
    #expect(try refusal([("vp8", 128, 7)]) { _ in }.hasPrefix("payload-type: 128 is not allowed"))
    #expect(try refusal([("vp8", 96, 1 << 32)]) { _ in }.hasPrefix("ssrc: 4294967296 is not allowed"))
    #expect(try refusal([("vp8", 96, -1)]) { _ in }.hasPrefix("ssrc: -1 is not allowed"))
    #expect(try refusal { $0.codecs[0].kind = "audio" } == "kind: VP8 is video")
    #expect(try refusal { $0.codecs[0].clockRate = 0 }.hasPrefix("clock-rate: 0 is not allowed"))
    #expect(try refusal { $0.codecs[0].fmtp = "a\r\nb" }.hasPrefix("fmtp: must be one line"))
    #expect(try refusal([("vp8", 96, 7), ("opus", 96, 8)]) { _ in } == "codecs[1].payload-type: 96 is vp8 already")
    #expect(
      try refusal([("vp8", 96, 7), ("vp8", 96, nil)]) { _ in }.hasPrefix("codecs[1].payload-type: 96 stands twice"))
    #expect(try refusal([("vp8", 96, 7), ("opus", 97, 7)]) { _ in }.hasPrefix("codecs[1].ssrc: 7 stands twice"))
  }

  @Test func namesAndAddressesAreNotSharedEvenByRTCP() throws {
    let world = try World()
    let ann = world.join("ann")
    func add(_ name: String, _ remote: String) throws -> AdminOutcome {
      let device = Device(name, "send", [("vp8", 96, 7)], in: world)
      device.form.remote = remote
      return try device.add()
    }
    #expect(try add("camera", "192.0.2.9:5004") == .done)
    for (name, remote) in [
      ("camera", "192.0.2.9:6000"), ("ann", "192.0.2.9:6000"), ("b", "192.0.2.9:5004"), ("c", "192.0.2.9:5005"),
    ] {
      guard case .refused(let error) = try add(name, remote) else { return #expect(Bool(false), "\(name) \(remote)") }
      #expect(error.reason == .conflict)
    }
    #expect(try add("other", "192.0.2.9:5006") == .done, "an SSRC is the sender's own affair")
  }

  @Test func nobodyComesInWhileDraining() throws {
    let world = try World()
    world.take(world.sfu.administer(.drain(true), now: world.now).1)
    guard case .refused(let error) = try Device("camera", "send", [("vp8", 96, 7)], in: world).add() else {
      return #expect(Bool(false), "let in")
    }
    #expect(error.reason == .refused && error.problem.contains("draining"))
    #expect(world.routes.isEmpty)
  }

  @Test func mediaAndRTCPOfOneParticipantDoNotMeet() throws {
    #expect(
      try refusal([("vp8", 96, 7), ("opus", 97, 8)]) {
        $0.remoteAudio = "192.0.2.9:5005"
      }.hasPrefix("rtcp: 192.0.2.9:5005 is where other media"))
    #expect(
      try refusal([("vp8", 96, 7), ("opus", 97, 8)]) {
        $0.remoteAudio = "192.0.2.9:5008"
        $0.rtcp = "192.0.2.9:5010"
      }.hasPrefix("rtcp: one address cannot serve"))
  }

  @Test func whatIsNotThereIsSaid() throws {
    let world = try World()
    let outcome = world.sfu.administer(.removeRTP(room: "class", name: "camera"), now: world.now).0
    #expect(outcome == .notFound("there is no clear-RTP participant camera in room class"))
    let camera = Device("camera", "send", [("vp8", 96, 7)], in: world)
    try camera.add()
    #expect(camera.sdp == nil, "a sender has nothing to open")
  }
}
