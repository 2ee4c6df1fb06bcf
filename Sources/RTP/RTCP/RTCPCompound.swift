import Wire

/// What could be read of one datagram of RTCP in clear: a compound packet (RFC 3550 section 6.1) or one of reduced size
/// (RFC 5506).
///
/// Implementations of all ages leave out a null byte, announce a block too many or add bytes at the end. The reports beside
/// that are as good as any, so that each packet is judged alone, and within one what is whole counts.
public struct RTCPCompound: Hashable, Sendable {
  /// Those that could be read, in their order.
  public private(set) var packets: [RTCPPacket] = []
  /// What could not, in its order.
  public private(set) var faults: [RTCPError] = []

  public init(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    repeat {
      do throws(RTCPError) {
        take(try RawRTCPPacket(from: &reader, faults: &faults))
      } catch {
        // Without a header nobody knows where another packet would begin.
        faults.append(error)
        return
      }
    } while !reader.isAtEnd
  }

  private mutating func take(_ raw: RawRTCPPacket) {
    var reader = RTCPBodyReader(raw)
    do throws(RTCPError) {
      packets.append(try RTCPPacket(raw, &reader))
      if let shortfall = reader.shortfall { faults.append(shortfall) }
    } catch {
      faults.append(error)
    }
  }
}
