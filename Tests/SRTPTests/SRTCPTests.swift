import SRTP
import Testing

@Suite struct SRTCPTests {
  static let report: [UInt8] = hex("81c90007 11223344 55667788 00000000 00000010 00000000 00000000 00000000")

  private func pair(_ profile: SRTPProfile) throws -> (SRTCPSession, SRTCPSession) {
    var random = FixedRandom(21)
    let a = try random.keys(profile)
    let b = try random.keys(profile)
    return (try SRTCPSession(inbound: a, outbound: b), try SRTCPSession(inbound: b, outbound: a))
  }

  @Test("Protected, opened; the same again is a replay", arguments: SRTPProfile.allCases)
  func roundTrip(profile: SRTPProfile) throws {
    let (ours, theirs) = try pair(profile)
    let sealed = try #require(ours.protect(Self.report))
    #expect(sealed.count > Self.report.count)
    #expect(Array(sealed[8..<20]) != Array(Self.report[8..<20]))
    #expect(theirs.unprotect(sealed) == .success(Self.report))
    #expect(theirs.unprotect(sealed) == .failure(.replayed))
    // Another SSRC of the same transport, and the other direction.
    var other = Self.report
    other[7] ^= 1
    #expect(theirs.unprotect(try #require(ours.protect(other))) == .success(other))
    #expect(ours.unprotect(try #require(theirs.protect(other))) == .success(other))
  }

  @Test("Any flipped bit is refused", arguments: SRTPProfile.allCases)
  func tampering(profile: SRTPProfile) throws {
    let (ours, theirs) = try pair(profile)
    let sealed = try #require(ours.protect(Self.report))
    for bit in 0..<sealed.count * 8 {
      var forged = sealed
      forged[bit / 8] ^= 1 << (bit % 8)
      if case .success = theirs.unprotect(forged) { Issue.record("bit \(bit) went unnoticed") }
    }
    #expect(theirs.unprotect(sealed) == .success(Self.report))
  }

  @Test func ofSendersThereIsALimit() throws {
    let (ours, theirs) = try pair(.aeadAES128GCM)
    func report(of sender: Int) throws -> [UInt8] {
      var report = Self.report
      report[4...7] = [0, 0, UInt8(sender >> 8), UInt8(sender & 0xff)]
      return try #require(ours.protect(report))
    }
    var forged = try report(of: 5000)
    forged[forged.count - 1] ^= 1
    #expect(theirs.unprotect(forged) == .failure(.authenticationFailed), "which counts for nothing")
    for sender in 0..<SRTCPSession.maximumSenders {
      if case .failure(let error) = theirs.unprotect(try report(of: sender)) { Issue.record("\(sender): \(error)") }
    }
    #expect(theirs.unprotect(try report(of: SRTCPSession.maximumSenders)) == .failure(.tooManySSRCs))
    if case .failure = theirs.unprotect(try report(of: 0)) { Issue.record("the known go on") }
  }

  @Test func wrongSizes() throws {
    let (ours, theirs) = try pair(.aeadAES128GCM)
    #expect(ours.protect([]) == nil)
    #expect(ours.protect([0x81, 0xc9, 0, 1]) == nil)
    #expect(ours.protect([UInt8](repeating: 0, count: 70_000)) == nil)
    #expect(theirs.unprotect([]) == .failure(.malformed))
    #expect(theirs.unprotect([UInt8](repeating: 0x80, count: 70_000)) == .failure(.malformed))
    for count in 0..<40 {
      if case .success = theirs.unprotect([UInt8](repeating: 0x80, count: count)) { Issue.record("\(count) octets") }
    }
  }

  /// Reports of several senders, several octets long.
  private static let reports: [[UInt8]] = (0..<300).map { number in
    var random = FixedRandom(UInt64(number))
    let words = UInt8(number % 40 + 1)
    return [0x80, 0xc9, 0, words, 0, 0, 0, UInt8(number % 7)] + random.bytes(Int(words - 1) * 4)
  }

  @Test("libsrtp opens what we protect, and we what it protects", arguments: SRTPProfile.allCases)
  func interoperation(profile: SRTPProfile) throws {
    var random = FixedRandom(22)
    let (a, b) = (try random.keys(profile), try random.keys(profile))
    let ours = try SRTCPSession(inbound: a, outbound: b)
    let (sender, receiver) = (try Oracle(a, inbound: false), try Oracle(b, inbound: true))
    for report in Self.reports {
      #expect(receiver.unprotectRTCP(try #require(ours.protect(report))) == report)
      #expect(ours.unprotect(try #require(sender.protectRTCP(report))) == .success(report))
    }
  }

  @Test("Late packets pass once, within 128; what is older is a replay", arguments: SRTPProfile.allCases)
  func reordering(profile: SRTPProfile) throws {
    let (ours, theirs) = try pair(profile)
    let sealed = try (0..<200).map { _ in try #require(ours.protect(Self.report)) }
    for late in [150, 149, 23, 100] { #expect(theirs.unprotect(sealed[late]) == .success(Self.report)) }
    for seen in [150, 23, 22, 0] { #expect(theirs.unprotect(sealed[seen]) == .failure(.replayed), "\(seen)") }
    #expect(theirs.unprotect(sealed[199]) == .success(Self.report))
    #expect(theirs.unprotect(sealed[72]) == .success(Self.report))
    #expect(theirs.unprotect(sealed[71]) == .failure(.replayed))
  }
}
