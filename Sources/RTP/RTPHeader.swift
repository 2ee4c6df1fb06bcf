import Wire

/// The header of one RTP packet as a value (RFC 3550 section 5.1; diagram at `RTPLayout`).
public struct RTPHeader: Hashable, Sendable {
  /// A header extension.
  public enum Extension: Hashable, Sendable {
    /// Elements with ids 1 to 14 and 1 to 16 bytes (RFC 8285 section 4.2).
    case oneByte([Element])
    /// Elements with ids 1 to 255 and 0 to 255 bytes; four bits "appbits" (RFC 8285 section 4.3).
    case twoByte([Element], appBits: UInt8)
    /// Of another profile: its 16 bits and data, a multiple of 4 bytes.
    case other(profile: UInt16, [UInt8])
  }

  /// One header-extension element.
  public struct Element: Hashable, Sendable {
    public var id: UInt8
    public var data: [UInt8]

    public init(id: UInt8, data: [UInt8]) {
      self.id = id
      self.data = data
    }
  }

  public var payloadType: UInt8
  public var marker: Bool
  public var sequence: UInt16
  public var timestamp: UInt32
  public var ssrc: UInt32
  /// The first 15 are encoded.
  public var csrcs: [UInt32]
  public var `extension`: Extension?

  public init(
    payloadType: UInt8, marker: Bool = false, sequence: UInt16, timestamp: UInt32, ssrc: UInt32, csrcs: [UInt32] = [],
    extension: Extension? = nil
  ) {
    self.payloadType = payloadType
    self.marker = marker
    self.sequence = sequence
    self.timestamp = timestamp
    self.ssrc = ssrc
    self.csrcs = csrcs
    self.extension = `extension`
  }

  /// Reads the header of a packet, clear or SRTP; nil if it is malformed.
  public init?(_ bytes: [UInt8]) {
    let parsed: RTPHeader? = bytes.withUnsafeBytes { packet in
      RTPLayout.parseProtected(packet).map { RTPHeader($0, of: packet) }
    }
    guard let parsed else { return nil }
    self = parsed
  }

  /// The data of the element with `id`; nil if there is none.
  public func element(id: UInt8) -> [UInt8]? {
    switch `extension` {
    case .oneByte(let elements), .twoByte(let elements, _): elements.first { $0.id == id }?.data
    case .other, nil: nil
    }
  }

  init(_ layout: RTPLayout, of packet: UnsafeRawBufferPointer) {
    self.init(
      payloadType: layout.payloadType, marker: layout.marker, sequence: layout.sequence, timestamp: layout.timestamp,
      ssrc: layout.ssrc)
    csrcs = (0..<layout.csrcCount).map { packet.bigEndianU32(at: RTPLayout.fixedHeaderLength + 4 * $0) }
    guard layout.hasExtension else { return }
    let elements = layout.extensions(of: packet).map { Element(id: $0.id, data: Array($0.data(in: packet))) }
    switch layout.extensionProfile {
    case 0xbede: `extension` = .oneByte(elements)
    case 0x1000...0x100f: `extension` = .twoByte(elements, appBits: UInt8(layout.extensionProfile & 0x0f))
    default:
      let data = packet[layout.extensionOffset..<layout.payloadOffset]
      `extension` = .other(profile: layout.extensionProfile, Array(data))
    }
  }
}

extension RTPHeader {
  /// The header's bytes, without padding bit.
  public func encode() -> [UInt8] {
    var writer = ByteWriter(capacity: 64)
    encode(hasPadding: false, into: &writer)
    return writer.bytes
  }

  func encode(hasPadding: Bool, into writer: inout ByteWriter) {
    let csrcs = csrcs.prefix(15)
    writer.u8(0x80 | (hasPadding ? 0x20 : 0) | (`extension` == nil ? 0 : 0x10) | UInt8(csrcs.count))
    writer.u8((marker ? 0x80 : 0) | payloadType & 0x7f)
    writer.u16(sequence)
    writer.u32(timestamp)
    writer.u32(ssrc)
    for csrc in csrcs { writer.u32(csrc) }
    `extension`?.encode(into: &writer)
  }
}

extension RTPHeader.Extension {
  /// Profile, length and data, padded to 32 bits. Elements that the form cannot express are left out.
  fileprivate func encode(into writer: inout ByteWriter) {
    var data = ByteWriter(capacity: 64)
    let profile: UInt16
    switch self {
    case .oneByte(let elements):
      profile = 0xbede
      for element in elements where (1...14).contains(element.id) && (1...16).contains(element.data.count) {
        data.u8(element.id << 4 | UInt8(element.data.count - 1))
        data.append(element.data)
      }
    case .twoByte(let elements, let appBits):
      profile = 0x1000 | UInt16(appBits & 0x0f)
      for element in elements where element.id != 0 && element.data.count <= 255 {
        data.u8(element.id)
        data.u8(UInt8(element.data.count))
        data.append(element.data)
      }
    case .other(let value, let bytes):
      profile = value
      data.append(bytes)
    }
    data.pad(to: 4)
    // More than the length field can tell is cut: a packet of 64 KiB does not exist anyway.
    let bytes = data.bytes.prefix(0xffff * 4)
    writer.u16(profile)
    writer.u16(UInt16(bytes.count / 4))
    writer.append(bytes)
  }
}
