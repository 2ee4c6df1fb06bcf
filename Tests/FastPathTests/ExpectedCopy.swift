import CFastPathABI
import Wire

/// The copies that the routes of `KernelRouteTableTests.program` make, written again plainly.
enum ExpectedCopy {
  /// The verdict of a packet of which no copies are made, whoever its sinks are.
  static func refusal(of frame: [UInt8], _ packet: ExpectedReading.RTPFrame) -> String? {
    if packet.ssrc == 10 { return "drop_rate_limit" }
    if frame.count > FP_MAX_FRAME.rawValue { return "pass_oversize" }
    if !isWellFormed(Array(frame[packet.rtp..<packet.end])) { return "drop_malformed" }
    return frame[packet.hops] > 1 ? nil : "drop_hop_limit"
  }

  /// CSRCs, extension and padding fit (RFC 3550 section 5.1).
  private static func isWellFormed(_ rtp: [UInt8]) -> Bool {
    var header = 12 + 4 * Int(rtp[0] & 15)
    if rtp[0] & 0x10 != 0 {
      guard rtp.count >= header + 4 else { return false }
      header += 4 + 4 * rtp.u16(header + 2)
    }
    guard rtp.count >= header else { return false }
    let padding = Int(rtp[rtp.count - 1])
    return rtp[0] & 0x20 == 0 || padding > 0 && padding <= rtp.count - header
  }

  /// The frame with the sink's addresses, ports and numbers; nil if it does not take the payload type. What was damaged on
  /// its way is as damaged then: its checksum is as far off.
  static func of(_ frame: [UInt8], _ packet: ExpectedReading.RTPFrame) -> [UInt8]? {
    guard frame[packet.rtp + 1] & 0x7f == 96 else { return nil }
    var copy = frame
    copy[packet.hops] = min(frame[packet.hops] - 1, packet.ssrc == 13 ? KernelRouteTableTests.limit : .max)
    let addresses = (packet.isV6 ? ["fd00::1", "fd00::9"] : ["10.0.0.1", "10.0.0.9"]).flatMap {
      IPAddress($0)?.bytes ?? []
    }
    copy.replaceSubrange(packet.udp - addresses.count..<packet.udp, with: addresses)
    if !packet.isV6 {
      copy.put(0, at: packet.ip + 10)
      copy.put(0xffff ^ sum(copy[packet.ip..<packet.udp]), at: packet.ip + 10)
    }
    copy.put(Int(TestProgram.mediaPort), at: packet.udp)
    copy.put(7000, at: packet.udp + 2)
    copy[packet.rtp + 1] = frame[packet.rtp + 1] & 0x80 | 100
    copy.put(frame.u16(packet.rtp + 2) + 0xfffe, at: packet.rtp + 2)
    copy.put(frame.u16(packet.rtp + 4) + 0xffff, at: packet.rtp + 4)
    copy.replaceSubrange(packet.rtp + 8..<packet.rtp + 12, with: [1, 2, 3, 4])
    copy.put(checksum(of: copy, packet, madeFrom: frame), at: packet.udp + 6)
    copy.replaceSubrange(0..<12, with: [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8])
    copy.removeSubrange(12..<packet.ip - 2)
    return copy
  }

  private static func checksum(of copy: [UInt8], _ packet: ExpectedReading.RTPFrame, madeFrom frame: [UInt8]) -> Int {
    let checksum = frame.u16(packet.udp + 6)
    let isUnfinished = checksum == 0 || checksum == pseudoHeader(frame, packet)
    let error = isUnfinished ? 0 : checksum + 0xffff - whole(frame, packet)
    let changed = (whole(copy, packet) + error) % 0xffff
    return changed == 0 ? 0xffff : changed
  }

  /// The UDP checksum that the datagram should have (RFC 768).
  private static func whole(_ frame: [UInt8], _ packet: ExpectedReading.RTPFrame) -> Int {
    let covered = frame[packet.udp..<packet.udp + 6] + [0, 0] + frame[packet.rtp..<packet.end]
    return 0xffff ^ sum(covered, from: pseudoHeader(frame, packet))
  }

  private static func pseudoHeader(_ frame: [UInt8], _ packet: ExpectedReading.RTPFrame) -> Int {
    sum(frame[packet.udp - (packet.isV6 ? 32 : 8)..<packet.udp], from: 17 + packet.end - packet.udp)
  }

  /// RFC 1071.
  private static func sum(_ bytes: ArraySlice<UInt8>, from start: Int = 0) -> Int {
    var sum = start
    for (i, byte) in bytes.enumerated() { sum += i % 2 == 0 ? Int(byte) << 8 : Int(byte) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return sum
  }
}
