import Forwarding
import RTP
import SFU
import Testing
import Wire

/// An operator who captures.
struct Operator {
  let world: World

  func order(_ room: String = "class", _ participant: String? = nil, decrypted: Bool = false, seconds: Int = 60)
    -> AdminOutcome
  {
    perform(
      .beginCapture(
        CaptureOrder(
          room: room, participant: participant, isDecrypted: decrypted, seconds: seconds,
          timeOfDay: 1_700_000_000_000_000_000)))
  }

  func begin(_ participant: String? = nil, decrypted: Bool = false, seconds: Int = 60) throws -> CaptureID {
    guard case .captureBegun(let id) = order("class", participant, decrypted: decrypted, seconds: seconds) else {
      throw Failure()
    }
    return id
  }

  func read(_ id: CaptureID) throws -> CaptureReport {
    guard case .captureRead(let report) = perform(.readCapture(id)) else { throw Failure() }
    return report
  }

  @discardableResult func perform(_ action: AdminAction) -> AdminOutcome {
    let (outcome, commands) = world.sfu.administer(action, now: world.now)
    world.take(commands)
    return outcome
  }

  /// The worker says what it recorded.
  func tell(_ id: CaptureID, _ packets: [(CapturedPacket, [UInt8])] = [], isLast: Bool = false) {
    var record = CapturedPackets()
    record.until = world.now
    record.isLast = isLast
    for (packet, bytes) in packets {
      var packet = packet
      packet.range = record.bytes.count..<record.bytes.count + bytes.count
      record.packets.append(packet)
      record.bytes += bytes
    }
    world.handle(.fastPath(.captured(id, record)))
  }

  struct Failure: Error {}
}

/// The blocks of a pcapng file, as far as tests look at them.
struct Blocks {
  var types: [UInt32] = []
  var packets: [Packet] = []
  /// Of each interface: packets received and dropped.
  var statistics: [[UInt64]] = []

  struct Packet {
    var interface: UInt32
    var time: UInt64
    var payload: [UInt8]
    var comment: String
  }

  init(_ bytes: [UInt8]) {
    func u32(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }
    var at = 0
    while at + 12 <= bytes.count {
      let length = Int(u32(at + 4))
      types.append(u32(at))
      if u32(at) == 6 {
        let size = Int(u32(at + 20))
        let option = at + 28 + (size + 3) & ~3
        let text = bytes[option + 4..<option + 4 + Int(bytes[option + 2]) + Int(bytes[option + 3]) << 8]
        packets.append(
          Packet(
            interface: u32(at + 8), time: UInt64(u32(at + 12)) << 32 | UInt64(u32(at + 16)),
            payload: Array(bytes[at + 28 + 28..<at + 28 + size]), comment: String(decoding: text, as: UTF8.self)))
      }
      if u32(at) == 5 { statistics.append([UInt64(u32(at + 24)), UInt64(u32(at + 36))]) }
      at += length
    }
  }
}

@Suite struct CaptureTests {
  private func call() throws -> (World, Operator, Client, Client) {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    try bob.answer()
    return (world, Operator(world: world), ann, bob)
  }

  private func captureCommands(_ world: World) -> [(CaptureID, CaptureCommand)] {
    world.routes.compactMap { if case .capture(let id, let command) = $0 { (id, command) } else { nil } }
  }

  private func logs(_ world: World, _ message: String) -> [LogEvent] {
    world.commands.compactMap { if case .log(let event) = $0, event.message == message { event } else { nil } }
  }

  @Test func includesThoseWhoAreThereAndThoseWhoCome() throws {
    let (world, admin, _, _) = try call()
    let present = world.routes.transports.map(\.id)
    let id = try admin.begin()
    let commands = captureCommands(world)
    guard case .begin(false, let capacity)? = commands.first?.1 else { return #expect(Bool(false), "\(commands)") }
    #expect(capacity == 4 << 20 && commands.allSatisfy { $0.0 == id })
    #expect(Set(commands.dropFirst().map(\.1)) == Set(present.map { .include($0) }) && present.count == 2)

    let elsewhere = world.join("dan", room: "other")
    try elsewhere.publish()
    let cat = world.join("cat")
    try cat.publish()
    let routes = world.routes
    let transport = try #require(routes.transports.last?.id)
    #expect(captureCommands(world).map(\.1).suffix(from: 3) == [.include(transport)])
    let added = routes.firstIndex { if case .addTransport(let new) = $0 { new.id == transport } else { false } }
    let included = routes.firstIndex { if case .capture(_, .include(transport)) = $0 { true } else { false } }
    #expect(try #require(added) < (try #require(included)), "what is not there cannot be included")
  }

  @Test func ofOneParticipantOnlyItsOwn() throws {
    let (world, admin, ann, _) = try call()
    _ = try admin.begin("ann")
    let publishing = try #require(world.routes.transports.first { $0.tuple == ann.publishing?.tuple })
    #expect(captureCommands(world).dropFirst().map(\.1) == [.include(publishing.id)])
    #expect(admin.order("class", "nobody") == .notFound("there is no participant nobody in room class"))
    #expect(admin.order("nowhere") == .notFound("there is no room nowhere"))
  }

  @Test func packetsBecomeBlocksThatSayWhoseTheyAre() throws {
    let (world, admin, ann, bob) = try call()
    let id = try admin.begin()
    var file = try admin.read(id).blocks
    #expect(captureCommands(world).last?.1 == .collect)
    let source = try #require(world.routes.sources.first { $0.kind == .video && $0.repairs == nil })
    let sink = try #require(world.routes.sinks.first { $0.source == source.id })
    let tuples = try (#require(ann.publishing?.tuple), #require(bob.subscribing?.tuple))
    func at(_ milliseconds: UInt64) -> Instant { world.now.advanced(by: .milliseconds(milliseconds)) }
    let arrived = CapturedPacket(
      at: at(10), direction: .arrived, transport: source.transport, tuple: tuples.0, source: source.id, lane: .xsk)
    var late = arrived
    (late.at, late.source, late.isGenuine) = (at(400), nil, false)
    let left = CapturedPacket(
      at: at(11), direction: .left, transport: sink.transport, tuple: tuples.1, source: source.id, sink: sink.id,
      lane: .socket)
    let begin = world.now
    world.now = at(100)
    admin.tell(id, [(arrived, [1, 2]), (left, [3]), (late, [4])])
    let report = try admin.read(id)
    #expect(report.packets == 3 && report.dropped == 0 && report.ended == nil)
    file += report.blocks
    var blocks = Blocks(file)
    #expect(blocks.types == [0x0a0d_0d0a, 1, 1, 6, 6], "the third packet is later than the worker has told of")
    #expect(blocks.packets.map(\.payload) == [[1, 2], [3]] && blocks.packets.map(\.interface) == [0, 1])
    #expect(blocks.packets.map(\.time) == [1_700_000_000_010_000_000, 1_700_000_000_011_000_000])
    #expect(blocks.packets[0].comment.hasPrefix("from ann: video VP8, track T"))
    #expect(blocks.packets[0].comment.hasSuffix(", xsk lane"))
    #expect(blocks.packets[1].comment.hasPrefix("to bob: video VP8 of ann, track T"))
    #expect(blocks.packets[1].comment.hasSuffix(", socket lane"))

    world.now = begin.advanced(by: .milliseconds(500))
    #expect(admin.perform(.endCapture(id)) == .done)
    #expect(captureCommands(world).last?.1 == .end)
    #expect(try admin.read(id).ended == nil, "the worker has not told all")
    admin.tell(id, isLast: true)
    let last = try admin.read(id)
    #expect(last.ended == "stopped")
    blocks = Blocks(last.blocks)
    #expect(blocks.packets.map(\.comment) == ["from ann: an SSRC of no track, xsk lane"])
    #expect(blocks.types.suffix(2) == [5, 5] && blocks.statistics == [[2, 0], [1, 0]])
    #expect(admin.perform(.readCapture(id)) == .notFound("there is no capture \(id.rawValue)"))
  }

  /// SRTCP as it is on the wire, RTCP in clear, in order of time with the worker's packets.
  @Test(arguments: [false, true]) func controlPacketsAreCapturedToo(_ isDecrypted: Bool) throws {
    let (world, admin, ann, _) = try call()
    let id = try admin.begin("ann", decrypted: isDecrypted)
    _ = try admin.read(id)
    _ = world.takeCommands()
    let report = [RTCPPacket.receiverReport(ReceiverReport(ssrc: 1, blocks: []))]
    ann.publishing?.send(report)
    world.now = world.now.advanced(by: .milliseconds(5))
    ann.publishing?.send([
      .senderReport(
        SenderReport(
          ssrc: 9, ntp: NTPTime(rawValue: 1), rtpTimestamp: 5, packetCount: 9, octetCount: 9))
    ])
    world.now = world.now.advanced(by: .milliseconds(5))
    admin.tell(id)
    let packets = Blocks(try admin.read(id).blocks).packets
    #expect(packets.map(\.comment) == ["from ann: RTCP", "from ann: RTCP"] && packets.map(\.interface) == [0, 0])
    let isClear = packets.first?.payload == RTCPPacket.encode(report)
    #expect(isClear == isDecrypted)
    if !isDecrypted { #expect((packets.first?.payload.count ?? 0) > RTCPPacket.encode(report).count) }
  }

  @Test func endsByItself() throws {
    let (world, admin, ann, bob) = try call()
    // Nobody reads.
    let unread = try admin.begin()
    world.advance(.milliseconds(1900))
    #expect(!captureCommands(world).contains { $0.0 == unread && $0.1 == .end })
    world.advance(.milliseconds(200))
    #expect(captureCommands(world).last?.0 == unread && captureCommands(world).last?.1 == .end)
    #expect(admin.perform(.readCapture(unread)) == .notFound("there is no capture \(unread.rawValue)"))
    // Time.
    let short = try admin.begin(seconds: 3)
    for _ in 0..<3 {
      _ = try admin.read(short)
      admin.tell(short)
      world.advance(.seconds(1))
    }
    admin.tell(short, isLast: true)
    #expect(try admin.read(short).ended == "3 s are over")
    // The room.
    let id = try admin.begin()
    for client in [ann, bob] { world.handle(.disconnected(client.connection)) }
    admin.tell(id, isLast: true)
    #expect(try admin.read(id).ended == "the room is closed")
  }

  @Test func onlySoManyGoOn() throws {
    let (world, admin, _, _) = try call()
    let first = try admin.begin()
    for _ in 1..<4 { _ = try admin.begin() }
    guard case .limited(let why) = admin.order() else { return #expect(Bool(false), "a fifth") }
    #expect(why.contains("4 captures"))
    admin.perform(.endCapture(first))
    admin.tell(first, isLast: true)
    _ = try admin.read(first)
    _ = try admin.begin()
    world.advance(.seconds(3))
    #expect(admin.perform(.endCapture(first)) == .notFound("there is no capture \(first.rawValue)"))
  }

  @Test func decryptedCapturesAreWarnedOf() throws {
    let (world, admin, _, _) = try call()
    _ = try admin.begin()
    #expect(logs(world, "capture begins").map(\.level) == [.info])
    let id = try admin.begin(decrypted: true)
    admin.perform(.endCapture(id))
    admin.perform(.endCapture(id))
    let lines = [logs(world, "capture begins").last, logs(world, "capture ends").last]
    #expect(lines.map { $0?.level } == [.warning, .warning])
    #expect(lines.map { $0?.metadata["room"] } == ["class", "class"])
    #expect(logs(world, "capture ends").count == 1)
  }
}
