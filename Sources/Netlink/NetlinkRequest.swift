/// A request to the kernel by netlink (netlink(7)), built field by field in host order.
public struct NetlinkRequest: Sendable {
  public private(set) var bytes: [UInt8] = []

  /// NLM_F_REQUEST.
  private static let isRequest: UInt16 = 0x1
  /// NLM_F_ROOT and NLM_F_MATCH: everything there is.
  public static let dump: Int32 = 0x300

  /// `flags`: NLM_F_…, besides that it is a request.
  public init(type: Int, flags: Int32 = 0) {
    append(UInt32(0))
    append(UInt16(truncatingIfNeeded: type))
    append(UInt16(truncatingIfNeeded: flags) | Self.isRequest)
    append(UInt32(0))
    append(UInt32(0))
  }

  public mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  public mutating func attribute(_ type: Int, _ data: [UInt8]) {
    append(UInt16(truncatingIfNeeded: 4 + data.count))
    append(UInt16(truncatingIfNeeded: type))
    bytes += data
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  /// With the length in place, which is the message's own, and the number that the answer repeats.
  public func finished(sequence: UInt32) -> [UInt8] {
    var message = bytes
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count)) { message.replaceSubrange(0..<4, with: $0) }
    withUnsafeBytes(of: sequence) { message.replaceSubrange(8..<12, with: $0) }
    return message
  }
}
