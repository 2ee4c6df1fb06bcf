import STUN
import Testing
import Wire

struct STUNMessageTests {
  private let id = STUNTransactionID.random()
  private let header = "2112a442 000102030405060708090a0b"

  @Test(arguments: [
    ("", STUNMessage.ParsingError.tooShort),
    ("0001 0000 2112a442 00010203040506070809", .tooShort),
    ("8000 0000 2112a442 000102030405060708090a0b", .notSTUN),
    ("0001 0000 2112a443 000102030405060708090a0b", .badMagicCookie),
    ("0001 0003 2112a442 000102030405060708090a0b 000000", .badLength),
    ("0001 0004 2112a442 000102030405060708090a0b", .badLength),
    ("0001 0000 2112a442 000102030405060708090a0b 00250000", .badLength),
    ("0001 0004 2112a442 000102030405060708090a0b 00060001", .truncatedAttribute(0x0006)),
    ("0001 0008 2112a442 000102030405060708090a0b 0006ffff 61616161", .truncatedAttribute(0x0006)),
    ("0001 0008 2112a442 000102030405060708090a0b 00060002 c3280000", .malformedAttribute(0x0006)),
    ("0001 0008 2112a442 000102030405060708090a0b 00240002 00010000", .malformedAttribute(0x0024)),
    ("0001 0008 2112a442 000102030405060708090a0b 00080004 00010000", .malformedAttribute(0x0008)),
    ("0001 0008 2112a442 000102030405060708090a0b 80280002 00010000", .malformedAttribute(0x8028)),
    ("0001 000c 2112a442 000102030405060708090a0b 00200008 0003a147e112a643", .malformedAttribute(0x0020)),
    ("0111 0008 2112a442 000102030405060708090a0b 00090004 00000264", .malformedAttribute(0x0009)),
    ("0111 0008 2112a442 000102030405060708090a0b 00090004 00000200", .malformedAttribute(0x0009)),
    ("0001 000c 2112a442 000102030405060708090a0b 80280004 00010000 00250000", .attributeAfterFingerprint(0x0025)),
  ])
  func badBytesHaveAName(_ bytes: String, _ error: STUNMessage.ParsingError) {
    #expect(throws: error) { try STUNMessage.decode(hex(bytes)) }
  }

  @Test func everyAttributeSurvivesTheWire() throws {
    let message = STUNMessage(
      class: .errorResponse, transactionID: id,
      attributes: [
        .mappedAddress(SocketAddress(.v4(0xc000_0201), 7)), .username("a:b"), .errorCode(.unknownAttribute),
        .unknownAttributes([1, 2, 3]), .realm("r"), .nonce("n"), .xorMappedAddress(SocketAddress(.v6(1, 2), 65535)),
        .xorMappedAddress(SocketAddress(.v4(0), 0)), .priority(.max), .useCandidate, .software("Needletail"),
        .iceControlled(1), .iceControlling(.max), .other(type: 0xc057, value: [1, 2, 3, 4, 5]),
      ])
    let bytes = message.encode()
    #expect(bytes.count % 4 == 0)
    #expect(try STUNMessage.decode(bytes) == message)
    #expect(try STUNMessage.decode(bytes).encode() == bytes)
  }

  @Test func classAndMethodShareTheTypeField() throws {
    for (kind, type) in [
      (STUNClass.request, "0001"), (.indication, "0011"), (.successResponse, "0101"), (.errorResponse, "0111"),
    ] {
      let message = try STUNMessage.decode(hex(type + "0000" + header))
      #expect(message.class == kind)
      #expect(message.method == .binding)
    }
    for method in [UInt16(0), 1, 0x00f, 0x070, 0x080, 0xf80, 0xfff] {
      let message = STUNMessage(class: .indication, method: STUNMethod(rawValue: method), transactionID: id)
      #expect(try STUNMessage.decode(message.encode()) == message)
    }
  }

  @Test func unknownRequiredAttributesAreListedOnceAndOptionalOnesNot() throws {
    let message = STUNMessage(
      class: .request, transactionID: id,
      attributes: [
        .other(type: 0x7fff, value: []), .other(type: 0x8000, value: []), .other(type: 0x07ad, value: [1]),
        .other(type: 0x7fff, value: [2]),
      ])
    #expect(try STUNMessage.decode(message.encode()).unknownComprehensionRequired == [0x7fff, 0x07ad])
  }

  @Test func illegalOptionalAttributesAreCarriedUninterpreted() throws {
    let message = try STUNMessage.decode(hex("0001 0008" + header + "80290003 01020300"))
    #expect(message.attributes == [.other(type: 0x8029, value: [1, 2, 3])])
    #expect(message.iceControlled == nil)
  }

  @Test func whatFollowsIntegrityIsIgnored() throws {
    let key: [UInt8] = [1, 2, 3]
    let signed = STUNMessage(class: .request, transactionID: id, attributes: [.username("a:b")]).encode(
      integrityKey: key)
    // Somebody on the way adds USE-CANDIDATE and an attribute that would be answered with 420.
    var forged = signed + hex("00250000 7fff0000")
    forged[3] += 8
    let message = try STUNMessage.decode(forged)
    #expect(message.verifyIntegrity(of: forged, key: key))
    #expect(!message.useCandidate)
    #expect(message.unknownComprehensionRequired == [])
  }

  @Test func integrityNeedsTheRightKeyAndToBeThere() throws {
    let message = STUNMessage(class: .request, transactionID: id, attributes: [.username("a:b")])
    let signed = message.encode(integrityKey: [1, 2, 3], fingerprint: true)
    let received = try STUNMessage.decode(signed)
    #expect(received.verifyIntegrity(of: signed, key: [1, 2, 3]))
    #expect(!received.verifyIntegrity(of: signed, key: [1, 2, 4]))
    #expect(!received.verifyIntegrity(of: signed, key: []))
    #expect(!message.verifyIntegrity(of: message.encode(), key: [1, 2, 3]))
    #expect(!received.verifyIntegrity(of: [], key: [1, 2, 3]))
    #expect(!received.fingerprintIsValid([]))
  }

  @Test func errorCodesAreHundredsAndNumber() throws {
    let message = try STUNMessage.decode(hex("0111 000c" + header + "00090008 00000457 526f6c65"))
    #expect(message.errorCode == STUNErrorCode(code: 487, reason: "Role"))
    #expect(STUNErrorCode(code: 299, reason: "") == nil)
    #expect(STUNErrorCode(code: 700, reason: "") == nil)
  }

  @Test func onlyRequestsNameAUser() {
    let attributes: [STUNAttribute] = [.priority(1), .username("them:us")]
    for kind in [STUNClass.indication, .successResponse, .errorResponse] {
      let bytes = STUNMessage(class: kind, transactionID: id, attributes: attributes).encode()
      #expect(username(ofRequest: bytes) == nil)
    }
    let bytes = STUNMessage(class: .request, transactionID: id, attributes: attributes).encode()
    #expect(username(ofRequest: bytes) == Array("them:us".utf8))
    #expect(username(ofRequest: Array(bytes.dropLast(8))) == nil)
    #expect(username(ofRequest: [0x80, 0xc8, 0, 1]) == nil)
    #expect(!STUNMessage.isSTUN([0x16, 0xfe, 0xfd] + [UInt8](repeating: 0, count: 30)))
  }

  @Test func cutOrChangedMessagesNeverTrap() throws {
    var generator = SystemRandomNumberGenerator()
    let bytes = ConnectivityCheck(username: "a:b", password: "p").encode(transactionID: id)
    for count in bytes.indices { _ = try? STUNMessage.decode(Array(bytes[..<count])) }
    for _ in 0..<20_000 {
      var changed = bytes
      for _ in 0..<3 {
        changed[Int.random(in: 0..<changed.count, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      guard let message = try? STUNMessage.decode(changed) else { continue }
      #expect(try STUNMessage.decode(message.encode()) == message)
      _ = message.verifyIntegrity(of: changed, key: [1])
    }
  }
}

struct ConnectivityCheckTests {
  private let check = ConnectivityCheck(username: "them:us", password: "secret", priority: 7, useCandidate: true)
  private let id = STUNTransactionID.random()
  private let address = SocketAddress(.v4(0x0a00_0001), 4242)

  @Test func requestHasWhatAServerNeeds() throws {
    let bytes = check.encode(transactionID: id)
    let message = try STUNMessage.decode(bytes)
    #expect(message.username == "them:us")
    #expect(message.priority == 7)
    #expect(message.iceControlling == 1)
    #expect(message.useCandidate)
    #expect(message.verifyIntegrity(of: bytes, key: Array("secret".utf8)))
    #expect(message.fingerprintIsValid(bytes))
  }

  @Test func answersAreBelievedOnlyWithIntegrity() {
    let success = STUNMessage(class: .successResponse, transactionID: id, attributes: [.xorMappedAddress(address)])
    let key = Array("secret".utf8)
    #expect(check.answer(success.encode(integrityKey: key, fingerprint: true), to: id) == .success(address))
    #expect(check.answer(success.encode(integrityKey: key, fingerprint: true), to: .random()) == .notAnAnswer)
    #expect(check.answer(success.encode(integrityKey: [1], fingerprint: true), to: id) == .notAnAnswer)
    #expect(check.answer(success.encode(), to: id) == .notAnAnswer)
    #expect(check.answer([22, 254, 253], to: id) == .notAnAnswer)

    let conflict = STUNMessage(class: .errorResponse, transactionID: id, attributes: [.errorCode(.roleConflict)])
    #expect(check.answer(conflict.encode(integrityKey: key), to: id) == .refused(.roleConflict, isAuthenticated: true))
    #expect(check.answer(conflict.encode(), to: id) == .refused(.roleConflict, isAuthenticated: false))
    #expect(check.answer(conflict.encode(integrityKey: [1]), to: id) == .notAnAnswer)
  }
}

func username(ofRequest bytes: [UInt8]) -> [UInt8]? {
  bytes.withUnsafeBytes { STUNMessage.username(ofRequest: $0).map { Array($0) } }
}
