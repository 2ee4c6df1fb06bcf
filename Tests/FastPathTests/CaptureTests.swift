import FastPath
import Forwarding
import Glibc
import Testing
import Wire

extension Call {
  func capture(_ commands: CaptureCommand...) {
    fastPath.perform(commands.map { .capture(CaptureID(rawValue: 1), $0) })
  }

  /// Everything that the capture has told, once that is `count` packets.
  func captured(_ count: Int) -> [(packet: CapturedPacket, bytes: [UInt8])] {
    _ = eventually {
      if told.captured.count < count { capture(.collect) }
      return told.captured.count >= count
    }
    return told.captured
  }
}

extension Call.Told {
  var records: [CapturedPackets] { all.compactMap { if case .captured(_, let record) = $0 { record } else { nil } } }

  var captured: [(packet: CapturedPacket, bytes: [UInt8])] {
    records.flatMap { record in record.packets.map { ($0, record.payload(of: $0)) } }
  }
}

@Suite struct CaptureTests {
  /// The socket lane: what the publisher sent is what arrived, what the receivers got is what left.
  @Test func equalsWhatArrivedAndLeft() throws {
    let call = try Call(FastPathConfiguration(mediaPort: 0, lane: .socket))
    defer { call.fastPath.stop() }
    let local = IPAddress.v4(0x7f00_0001)
    let publisher = try UDPClient("127.0.0.1")
    let receivers = try (0..<3).map { _ in try UDPClient("127.0.0.1") }
    call.connect(local, publisher: publisher.address, ssrc: 7, receivers: receivers.map(\.address))
    // The last receiver's transport is left out.
    call.capture(
      .begin(isDecrypted: false, capacity: 1 << 20), .include(TransportID(rawValue: 1)),
      .include(TransportID(rawValue: 100)), .include(TransportID(rawValue: 101)))
    let sent = (0..<50).map { Call.packet(UInt16($0), ssrc: 7) }
    for packet in sent { publisher.send(packet, to: SocketAddress(local, call.fastPath.boundPort)) }
    let got = receivers.map { receiver in sent.compactMap { _ in receiver.receive()?.bytes } }

    let captured = call.captured(150)
    let arrived = captured.filter { $0.packet.direction == .arrived }
    #expect(arrived.map(\.bytes) == sent)
    #expect(arrived.allSatisfy { $0.packet.tuple.remote == publisher.address && $0.packet.lane == .socket })
    for (number, receiver) in receivers.enumerated() {
      let left = captured.filter { $0.packet.direction == .left && $0.packet.tuple.remote == receiver.address }
      #expect(left.map(\.bytes) == (number < 2 ? got[number] : []))
      #expect(left.allSatisfy { $0.packet.sink == SinkID(rawValue: UInt32(number)) })
    }
    #expect(got.allSatisfy { $0.count == 50 } && captured.count == 150)
    let times = captured.map(\.packet.at)
    #expect(times.allSatisfy { $0 > .zero && $0 <= call.told.records.last?.until ?? .zero })
    call.capture(.end)
    #expect(eventually { call.told.records.last?.isLast == true })
  }

  /// What the kernel forwards comes to the worker while it is captured, and goes back, without a packet lost.
  @Test(.enabled(if: geteuid() == 0, "needs root")) func movesAKernelSourceToTheWorkerAndBack() throws {
    let scene = try KernelLaneTests.Scene(.xdp, receivers: 3)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    var sequence = 0
    func send(_ count: Int) {
      for _ in 0..<count {
        scene.send(sequence..<sequence + 1)
        sequence += 1
        if sequence % 20 == 0 { poll(nil, 0, 1) }
      }
    }
    let told = scene.call.told
    for turn in 1...10 {
      send(50)
      let records = told.records.count
      scene.call.capture(
        .begin(isDecrypted: false, capacity: 8 << 20), .include(TransportID(rawValue: 1)), .collect)
      send(50)
      #expect(eventually { told.records.count > records }, "the capture has begun")
      let before = told.captured.count
      send(50)
      #expect(scene.call.captured(before + 50).count >= before + 50)
      scene.call.capture(.end)
      send(50)
      #expect(eventually { told.records.count(where: \.isLast) == turn }, "the capture has ended")
    }
    send(50)
    for receiver in 0..<3 {
      let got = scene.received(receiver, sequence)
      #expect(got.count == sequence && Set(got) == Set(0..<sequence), "receiver \(receiver): \(got.count)")
    }
    let source = try #require(scene.source)
    #expect(source.packetsOnKernel > 0 || eventually { (scene.source?.packetsOnKernel ?? 0) > 0 })
    #expect(told.captured.allSatisfy { $0.bytes.count == 1012 && Call.ssrc($0.bytes) == 7 })
    scene.waitForKernel(.xdp)
  }

  @Test(.enabled(if: geteuid() == 0, "needs root")) func saysWhyASourceIsNotInTheKernel() throws {
    let scene = try KernelLaneTests.Scene(.xdp, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    scene.call.capture(.begin(isDecrypted: false, capacity: 1 << 20), .include(TransportID(rawValue: 101)))
    #expect(eventually { scene.source?.laneReason == "not in the kernel: it is being captured" })
    scene.send(0..<5)
    let captured = scene.call.captured(5)
    #expect(captured.map(\.packet.lane) == [Lane](repeating: .xsk, count: 5))
    #expect(
      captured.allSatisfy { $0.packet.direction == .left && $0.packet.tuple.remote == scene.receivers[1].address })
    let sequences: [Int] = captured.map { captured in Int(captured.bytes[2]) << 8 | Int(captured.bytes[3]) }
    #expect(sequences == scene.received(1, 5))
  }
}
