import STUN
import Testing
import Wire

/// The test vectors of RFC 5769: bytes → value → the same bytes, with the digests computed anew.
struct RFC5769Tests {
  private let password = Array("VOkJxbRl1RmTxUk/WvJxBt".utf8)
  private let space = UInt8(ascii: " ")

  private let request = hex(
    """
    00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 00240004 6e0001ff
    80290008 932ff9b151263b36 00060009 6576746a3a68367659202020 00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
    80280004 e57a3bcf
    """)
  private let ipv4Response = hex(
    """
    0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643
    00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96
    """)
  private let ipv6Response = hex(
    """
    01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
    00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
    80280004 c8fb0b4c
    """)
  private let longTermRequest = hex(
    """
    00010060 2112a442 78ad3433c6ad72c029da412e 00060012 e3839ee38388e383aae38383e382afe382b90000
    0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341 0014000b 6578616d706c652e6f726700
    00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666
    """)

  @Test func sampleRequest() throws {
    let message = try STUNMessage.decode(request)
    #expect(message.class == .request)
    #expect(message.method == .binding)
    #expect(message.transactionID.bytes == hex("b7e7a701bc34d686fa87dfae"))
    #expect(message.software == "STUN test client")
    #expect(message.priority == 0x6e00_01ff)
    #expect(message.iceControlled == 0x932f_f9b1_5126_3b36)
    #expect(message.iceControlling == nil)
    #expect(message.username == "evtj:h6vY")
    #expect(message.attributes.count == 6)
    #expect(message.unknownComprehensionRequired == [])
    #expect(message.verifyIntegrity(of: request, key: password))
    #expect(message.fingerprintIsValid(request))
    #expect(username(ofRequest: request) == Array("evtj:h6vY".utf8))
  }

  @Test func sampleRequestEncoded() throws {
    let message = STUNMessage(
      class: .request, transactionID: try #require(STUNTransactionID(hex("b7e7a701bc34d686fa87dfae"))),
      attributes: [
        .software("STUN test client"), .priority(0x6e00_01ff), .iceControlled(0x932f_f9b1_5126_3b36),
        .username("evtj:h6vY"),
      ])
    #expect(message.encode(integrityKey: password, fingerprint: true, padding: space) == request)
  }

  @Test func sampleIPv4Response() throws {
    let message = try STUNMessage.decode(ipv4Response)
    #expect(message.class == .successResponse)
    #expect(message.software == "test vector")
    #expect(message.xorMappedAddress == SocketAddress("192.0.2.1:32853"))
    #expect(message.verifyIntegrity(of: ipv4Response, key: password))
    #expect(message.fingerprintIsValid(ipv4Response))
  }

  @Test func sampleIPv6Response() throws {
    let message = try STUNMessage.decode(ipv6Response)
    #expect(message.class == .successResponse)
    #expect(message.xorMappedAddress == SocketAddress("[2001:db8:1234:5678:11:2233:4455:6677]:32853"))
    #expect(message.verifyIntegrity(of: ipv6Response, key: password))
    #expect(message.fingerprintIsValid(ipv6Response))
  }

  @Test func longTermCredentials() throws {
    let message = try STUNMessage.decode(longTermRequest)
    let key = STUNMessage.longTermKey(username: "マトリックス", realm: "example.org", password: "TheMatrIX")
    #expect(message.username == "マトリックス")
    #expect(message.nonce == "f//499k954d6OL34oL9FSTvy64sA")
    #expect(message.realm == "example.org")
    #expect(message.verifyIntegrity(of: longTermRequest, key: key))
    #expect(!message.hasFingerprint)
    #expect(!message.fingerprintIsValid(longTermRequest))
    #expect(message.encode(integrityKey: key) == longTermRequest)
  }

  @Test func bytesBecomeValuesBecomeTheSameBytes() throws {
    for vector in [request, ipv4Response, ipv6Response] {
      let message = try STUNMessage.decode(vector)
      #expect(message.encode(padding: space) == vector)
      #expect(message.encode(integrityKey: password, fingerprint: true, padding: space) == vector)
    }
    #expect(try STUNMessage.decode(longTermRequest).encode() == longTermRequest)
  }

  @Test func anyChangedByteIsNoticed() throws {
    for index in request.indices {
      var changed = request
      changed[index] ^= 0x01
      guard let message = try? STUNMessage.decode(changed) else { continue }
      #expect(!message.fingerprintIsValid(changed), "byte \(index)")
      let isCoveredByIntegrity = index < request.count - 8
      #expect(message.verifyIntegrity(of: changed, key: password) == !isCoveredByIntegrity, "byte \(index)")
    }
  }
}
