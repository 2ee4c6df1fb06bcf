import Wire

/// Reads one packet's body; a read past its end throws `truncatedBody`.
struct RTCPBodyReader {
  private var reader: ByteReader
  private let packetType: UInt8

  init(_ raw: RawRTCPPacket) {
    reader = ByteReader(raw.content)
    packetType = raw.packetType
  }

  var remaining: Int { reader.remaining }
  /// Bytes read so far.
  var position: Int { reader.position - reader.bytes.startIndex }

  mutating func u8() throws(RTCPError) -> UInt8 { try present(reader.u8()) }
  mutating func u16() throws(RTCPError) -> UInt16 { try present(reader.u16()) }
  mutating func u24() throws(RTCPError) -> UInt32 { try present(reader.u24()) }
  mutating func u32() throws(RTCPError) -> UInt32 { try present(reader.u32()) }
  mutating func u64() throws(RTCPError) -> UInt64 { try present(reader.u64()) }
  mutating func take(_ count: Int) throws(RTCPError) -> [UInt8] { Array(try present(reader.take(count))) }
  mutating func rest() -> [UInt8] { Array(reader.rest()) }

  private func present<Value>(_ value: Value?) throws(RTCPError) -> Value {
    guard let value else { throw .truncatedBody(packetType: packetType) }
    return value
  }
}
