import Wire

/// Reads one packet's body; a read past its end throws `truncatedBody`.
struct RTCPBodyReader {
  /// The five bits of the packet's header.
  let count: UInt8
  /// Why a list ended before it should have; nil: none did.
  private(set) var shortfall: RTCPError?
  private var reader: ByteReader
  private let packetType: UInt8

  init(_ raw: RawRTCPPacket) {
    reader = ByteReader(raw.content)
    count = raw.count
    packetType = raw.packetType
  }

  /// Up to `count` elements, or as many as there are; the first that is not whole ends the list, and the reading.
  mutating func list<Element>(
    of count: Int = .max, _ element: (inout RTCPBodyReader) throws(RTCPError) -> Element
  ) -> [Element] {
    var elements: [Element] = []
    while elements.count < count, count < .max || remaining > 0 {
      guard let next = whole(element) else { break }
      elements.append(next)
    }
    return elements
  }

  /// nil, with a note of it, if there is not enough left for it.
  mutating func whole<Element>(_ element: (inout RTCPBodyReader) throws(RTCPError) -> Element) -> Element? {
    do throws(RTCPError) {
      return try element(&self)
    } catch {
      shortfall = shortfall ?? error
      _ = reader.rest()
      return nil
    }
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
