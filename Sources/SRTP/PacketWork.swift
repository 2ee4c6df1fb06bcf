/// One packet to seal or to open.
struct PacketWork {
  /// The header is here; payload and tag are, or go, behind it.
  let packet: UnsafeMutableRawPointer
  let headerLength: Int
  /// Where the payload is read; of a packet to open, behind its header.
  let payload: UnsafeRawPointer
  let payloadLength: Int
  let salt: SessionSalt
  let ssrc: UInt32
  let index: UInt64

  /// Octets without the tag.
  var length: Int { headerLength &+ payloadLength }
}
