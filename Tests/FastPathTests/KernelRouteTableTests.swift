import Testing

@Suite struct KernelRouteTableTests {
  static let verdicts = [
    "pass_to_tc", "drop_malformed", "drop_loop", "drop_hop_limit", "drop_rate_limit", "drop_unwanted_payload_type",
    "drop_no_way", "tx", "broadcast", "copy_sent", "copy_surplus", "copy_unwanted", "copy_failed", "copy_unstamped",
  ].map { "xdp_" + $0 }
}
