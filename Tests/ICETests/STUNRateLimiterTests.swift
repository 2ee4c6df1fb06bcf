import ICE
import Testing
import Wire

struct STUNRateLimiterTests {
  private let source = IPAddress.v4(0x0102_0304)

  @Test func aBurstThenTheRate() {
    let limiter = Limiter(STUNRateLimiter(rate: 10, burst: 5))
    for _ in 0..<5 { #expect(limiter.admit(source, now: at(0))) }
    #expect(!limiter.admit(source, now: at(0)))
    #expect(!limiter.admit(source, now: at(0.09)))
    #expect(limiter.admit(source, now: at(0.1)))
    #expect(!limiter.admit(source, now: at(0.1)))
    let admitted = (1...1000).filter { limiter.admit(source, now: at(0.1 + Double($0) / 100)) }.count
    #expect((99...101).contains(admitted))
    // The bucket holds no more than the burst after a long silence.
    #expect((0..<100).filter { _ in limiter.admit(source, now: at(1000)) }.count == 5)
  }

  @Test func sourcesDoNotDisturbEachOther() {
    let limiter = Limiter(STUNRateLimiter(rate: 1, burst: 1))
    #expect(limiter.admit(source, now: at(0)))
    #expect(!limiter.admit(source, now: at(0)))
    #expect(limiter.admit(.v4(0x0102_0305), now: at(0)))
  }

  @Test func anIPv6HostIsItsPrefix() {
    let limiter = Limiter(STUNRateLimiter(rate: 1, burst: 2))
    #expect(limiter.admit(.v6(1, 1), now: at(0)))
    #expect(limiter.admit(.v6(1, 2), now: at(0)))
    #expect(!limiter.admit(.v6(1, 3), now: at(0)))
    #expect(limiter.admit(.v6(2, 1), now: at(0)))
  }

  @Test func theTableIsBoundedAndForgetsTheOldest() {
    let limiter = Limiter(STUNRateLimiter(rate: 1, burst: 1, capacity: 16))
    for host in 0..<16 { #expect(limiter.admit(.v4(UInt32(host)), now: at(0))) }
    #expect(!limiter.admit(.v4(0), now: at(0)))
    #expect(limiter.admit(.v4(16), now: at(0)))
    #expect(limiter.limiter.count == 16)
    #expect(!limiter.admit(.v4(1), now: at(0)))
    #expect(limiter.admit(.v4(0), now: at(0)))
    #expect(limiter.admit(.v4(1), now: at(0)))
    for host in 100..<10_000 { #expect(limiter.admit(.v4(UInt32(host)), now: at(0))) }
    #expect(limiter.limiter.count == 16)
  }

  @Test func theDefaultLetsAThousandClientsBehindOneNATJoin() {
    let limiter = Limiter(STUNRateLimiter())
    #expect((0..<1000).filter { _ in limiter.admit(source, now: at(0)) }.count == 1000)
    #expect(!limiter.admit(source, now: at(0)))
  }
}

/// The limiter under test, held by reference because `#expect` takes no mutating calls.
private final class Limiter {
  var limiter: STUNRateLimiter

  init(_ limiter: STUNRateLimiter) { self.limiter = limiter }

  func admit(_ ip: IPAddress, now: Instant) -> Bool { limiter.admit(ip, now: now) }
}
