import Netlink
import Testing

@Suite struct NetlinkMessageTests {
  @Test func aRequestReadsAsTheMessageItIs() {
    var request = NetlinkRequest(type: 26, flags: NetlinkRequest.dump)
    request.append(UInt32(7))
    request.attribute(1, [1, 2, 3])
    request.attribute(0x8002, [4])
    let bytes = request.finished(sequence: 99)
    let messages = NetlinkMessage.all(in: (bytes + bytes)[...])
    #expect(messages.map(\.type) == [26, 26])
    #expect(messages.map(\.sequence) == [99, 99])
    #expect(messages[0].flags == 0x301)
    #expect(messages[1].body.u32(0) == 7)
    #expect(messages[0].attributes(after: 4).mapValues(Array.init) == [1: [1, 2, 3], 2: [4]])
  }

  @Test(arguments: [
    [], [1], [UInt8](repeating: 0, count: 15), [UInt8](repeating: 0, count: 64), [UInt8](repeating: 255, count: 64),
    [15, 0, 0, 0] + [UInt8](repeating: 0, count: 28), [200, 0, 0, 0] + [UInt8](repeating: 0, count: 28),
  ])
  func whatIsNoMessageIsNone(_ bytes: [UInt8]) {
    #expect(NetlinkMessage.all(in: bytes[...]).isEmpty)
  }

  @Test func attributesEndWhereOneIsNotWhole() {
    let whole: [UInt8] = [5, 0, 1, 0, 9, 0, 0, 0]
    for end: [UInt8] in [[], [1], [3, 0, 2, 0], [9, 0, 2, 0, 1], [0, 0, 0, 0], [255, 255, 2, 0, 1, 2]] {
      #expect(NetlinkMessage.attributes(in: (whole + end)[...]).mapValues(Array.init) == [1: [9]], "\(end)")
    }
  }

  @Test func errorsAreNumbers() {
    let message = { (error: Int32) in
      NetlinkMessage(type: 2, body: withUnsafeBytes(of: error, Array.init)[...])
    }
    #expect(message(-1).errorNumber == 1)
    #expect(message(0).errorNumber == 0)
    #expect(message(.min).errorNumber == 0)
    #expect(NetlinkMessage(type: 2, body: []).errorNumber == 0)
  }
}
