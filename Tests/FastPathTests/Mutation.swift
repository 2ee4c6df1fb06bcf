import Foundation

/// Random numbers that are the same for the same seed: MUTATION_SEED in the environment repeats a run.
struct Mutation: RandomNumberGenerator {
  let seed: UInt64
  private var state: UInt64

  init() {
    seed = ProcessInfo.processInfo.environment["MUTATION_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
    state = seed
  }

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// One of `frames`, up to four octets of it changed, mostly with a right IPv4 header checksum then, perhaps cut short.
  /// BPF_PROG_RUN takes no less than an Ethernet header.
  mutating func mutate(_ frames: [[UInt8]]) -> [UInt8] {
    var frame = frames.randomElement(using: &self) ?? []
    for _ in 0..<Int.random(in: 0...4, using: &self) {
      frame[Int.random(in: 0..<frame.count, using: &self)] = .random(in: 0 ... .max, using: &self)
    }
    if Int.random(in: 0..<4, using: &self) != 0 { frame.correctHeaderChecksum() }
    if Int.random(in: 0..<4, using: &self) == 0 { frame.removeLast(Int.random(in: 0..<frame.count - 13, using: &self)) }
    return frame
  }
}

extension [UInt8] {
  /// Of an IPv4 header where it is, behind one tag or none.
  mutating func correctHeaderChecksum() {
    guard count >= 38 else { return }
    let ip = u16(12) == 0x8100 ? 18 : 14
    guard u16(ip - 2) == 0x0800 else { return }
    put(0, at: ip + 10)
    let sum = stride(from: ip, to: ip + 20, by: 2).reduce(0) { $0 + u16($1) }
    put(~(sum % 0xffff) & 0xffff, at: ip + 10)
  }
}
