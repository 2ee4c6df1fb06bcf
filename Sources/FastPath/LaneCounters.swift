import CXDP
import Forwarding
import Wire

/// Ways out that are the lanes' own, not the forwarder's.
struct LaneCounters {
  /// Datagrams larger than any that is expected here, or without a local address.
  var truncated: UInt64 = 0
  /// Packets some of whose copies could not be made for want of memory.
  var withoutFrame: UInt64 = 0
  /// Frames that the XDP program should not have sent here.
  var malformedFrame: UInt64 = 0
  /// Messages that the kernel would not cut: their datagrams went one by one, as all to that receiver until the way there changes.
  var refusedSegments: UInt64 = 0
  /// Copies that found the AF_XDP send ring full, again and again.
  var fullRing: UInt64 = 0

  /// With what the kernel counts of the AF_XDP sockets.
  func verdicts(_ kernel: xdp_statistics) -> [VerdictCount] {
    [
      VerdictCount(name: "socket_truncated", count: truncated),
      VerdictCount(name: "socket_segments_refused", count: refusedSegments),
      VerdictCount(name: "worker_no_frame", count: withoutFrame),
      VerdictCount(name: "xsk_malformed_frame", count: malformedFrame),
      VerdictCount(name: "xsk_send_ring_full", count: fullRing),
      VerdictCount(name: "xsk_receive_dropped", count: kernel.rx_dropped),
      VerdictCount(name: "xsk_receive_ring_full", count: kernel.rx_ring_full),
      VerdictCount(name: "xsk_fill_ring_empty", count: kernel.rx_fill_ring_empty_descs),
      VerdictCount(name: "xsk_send_refused", count: kernel.tx_invalid_descs),
    ]
  }
}
