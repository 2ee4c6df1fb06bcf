/// Extends 16-bit sequence numbers by their rollovers: each is placed nearest to the one before it
/// (RFC 3550 appendix A.1, without its probation).
public struct SequenceUnwrapper: Hashable, Sendable {
  private var last: Int64?

  public init() {}

  /// The extended number. The first is itself; one from before the first may be negative.
  public mutating func unwrap(_ sequence: UInt16) -> Int64 {
    guard let last else {
      self.last = Int64(sequence)
      return Int64(sequence)
    }
    let step = Int16(bitPattern: sequence &- UInt16(truncatingIfNeeded: last))
    let extended = last &+ Int64(step)
    self.last = extended
    return extended
  }
}
