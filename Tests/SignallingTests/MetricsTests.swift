import Forwarding
import Foundation
import SFU
import Signalling
import Testing

@Suite struct MetricsTests {
  @Test func writesEveryMetric() {
    var report = Report()
    report.counters.iceFailures = ["no-checks": 2]
    report.counters.iceRefusals = ["401-bad-integrity": 5]
    report.counters.joinSeconds[1] = 3
    report.counters.joinSeconds[8] = 1
    report.counters.joinSecondsSum = 20.5
    var fastPath = FastPathStatistics(at: .zero)
    fastPath.verdicts = [VerdictCount(name: "to \"xsk\"", count: 4)]
    fastPath.forwardingTimes.counts[0] = 7
    fastPath.media.received.xsk = MediaTotals.Count(packets: 30, bytes: 3000)
    fastPath.media.sent.kernel = MediaTotals.Count(packets: 9, bytes: 900)
    (fastPath.media.authenticationFailures, fastPath.media.replays) = (3, 2)
    let text = MetricsPage(report: report, fastPath: fastPath).text
    for line in [
      "needletail_rooms 0", "needletail_participants 0", #"needletail_sources{lane="xsk"} 0"#,
      #"needletail_sinks{lane="kernel"} 0"#,
      #"needletail_rtp_packets_total{direction="in",lane="socket"} 0"#,
      #"needletail_rtp_packets_total{direction="in",lane="xsk"} 30"#,
      #"needletail_rtp_bytes_total{direction="out",lane="xsk"} 0"#,
      #"needletail_rtp_bytes_total{direction="out",lane="kernel"} 900"#,
      #"needletail_fastpath_verdicts_total{verdict="to \"xsk\""} 4"#, "needletail_srtp_auth_failures_total 3",
      "needletail_srtp_replays_total 2", #"needletail_nacks_total{direction="in"} 0"#,
      #"needletail_plis_total{direction="out"} 0"#,
      #"needletail_ice_failures_total{reason="no-checks"} 2"#,
      #"needletail_ice_refusals_total{reason="401-bad-integrity"} 5"#,
      #"needletail_ice_failures_total{reason="consent-expired"} 0"#,
      #"needletail_ice_failures_total{reason="not-nominated"} 0"#,
      #"needletail_ice_refusals_total{reason="400-missing-credentials"} 0"#,
      #"needletail_ice_refusals_total{reason="401-wrong-username"} 0"#,
      #"needletail_ice_refusals_total{reason="420-unknown-attribute"} 0"#,
      #"needletail_ice_refusals_total{reason="487-role-conflict"} 0"#,
      "# TYPE needletail_dtls_handshakes_total counter",
      #"needletail_dtls_handshakes_total{result="completed"} 0"#,
      #"needletail_dtls_handshakes_total{result="failed"} 0"#,
      #"needletail_dtls_handshakes_total{result="fingerprint-mismatch"} 0"#,
      #"needletail_dtls_handshakes_total{result="timeout"} 0"#,
      #"needletail_join_seconds_bucket{le="0.1"} 0"#, #"needletail_join_seconds_bucket{le="0.2"} 3"#,
      #"needletail_join_seconds_bucket{le="10"} 3"#, #"needletail_join_seconds_bucket{le="+Inf"} 4"#,
      "needletail_join_seconds_sum 20.5",
      "needletail_join_seconds_count 4", #"needletail_forward_seconds_bucket{le="1e-05"} 7"#,
      "needletail_forward_seconds_count 7",
    ] {
      #expect(text.split(separator: "\n").contains(line[...]), "\(line)")
    }
  }

  @Test func theDocumentationHasEachOfThem() throws {
    let page = MetricsPage(report: Report(), fastPath: FastPathStatistics(at: .zero)).text
    let written = page.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map {
      String($0.split(separator: " ")[2])
    }
    let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let text = try String(contentsOf: folder.appendingPathComponent("docs/operations.md"), encoding: .utf8)
    // `name` or `name{label}`.
    let quoted = text.components(separatedBy: "`").filter { $0.hasPrefix("needletail_") }
    let documented = quoted.map { String($0.prefix { $0 != "{" }) }
    #expect(Set(written).symmetricDifference(documented) == [])
  }

  @Test func servesThem() throws {
    let server = try TestServer()
    let response = try TestClient(port: server.port).request("GET", "/metrics")
    #expect(response.status == 200 && response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    #expect(response.body.hasPrefix("# HELP needletail_rooms "))
  }
}
