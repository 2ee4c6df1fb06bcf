"""Looking inside: the fast path's counters, and single packets, by needlectl."""

import json
import signal
import socket
import struct
import subprocess
import threading

import pytest
from harness.network import CLIENT_ADDRESS
from harness.server import BINARY
from harness.waiting import PATIENCE, wait_for

SSRC = 4711


def rtp(sequence, marker=False, payload=b"v" * 300):
    return struct.pack("!BBHII", 0x80, (0x80 if marker else 0) | 96, sequence & 0xFFFF, sequence * 3000, SSRC) + payload


class ClearCall:
    """A sender and receivers of plain RTP in one room, and what the sender sends from now on, 50 packets a second."""

    def __init__(self, server, receivers=2):
        self.server = server
        with server.network.clients.inside():
            self.sender = self._socket()
            self.receivers = [self._socket() for _ in range(receivers)]
        self._add("camera", "--send", self.sender, "--ssrc", str(SSRC))
        for number, receiver in enumerate(self.receivers):
            self._add(f"recorder{number}", "--receive", receiver, "--key-frames", "0")
        self.media = self._media()
        self.source = server.needlectl("streams", "inside")["sources"][0]["id"]
        self.sent = 0
        self._isEnded = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _socket(self):
        new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        new.bind((CLIENT_ADDRESS, 0))
        new.settimeout(5)
        return new

    def _add(self, name, direction, end, *options):
        self.server.needlectl(
            "rtp", "add", "--room", "inside", "--name", name, direction, "--codec", "vp8", "--payload-type", "96", "--remote",
            f"{CLIENT_ADDRESS}:{end.getsockname()[1]}", *options)

    def _media(self):
        address, port = self.server.admin("/rtp")["participants"][0]["local"].rsplit(":", 1)
        return address, int(port)

    def _send(self):
        sequence = 1000
        while not self._isEnded.wait(0.02):
            self.sender.sendto(rtp(sequence, marker=sequence % 5 == 0), self.media)
            sequence += 1
            self.sent += 1

    def end(self):
        self._isEnded.set()
        self._thread.join()
        for end in [self.sender, *self.receivers]:
            end.close()

    def fast_path(self):
        return self.server.needlectl("fastpath")


def start_trace(server, *arguments):
    command = [BINARY.parent / "needlectl", "trace", *map(str, arguments), "--socket", server.keys["admin-socket"]]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def trace(server, *arguments):
    """Its exit code, the packets if they are JSON, and what else it says."""
    process = start_trace(server, *arguments)
    shown, said = process.communicate(timeout=PATIENCE)
    return process.returncode, packets_of(shown) if "--json" in arguments else shown.splitlines(), said


def packets_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def clear_call(server):
    call = ClearCall(server)
    yield call
    call.end()


def wait_for_xdp(call):
    """Until the kernel forwards by XDP; TC does until XDP is ready to. Returns the sources' rows."""
    def forwards():
        fast_path = call.fast_path()
        counts = {verdict["name"]: verdict["count"] for verdict in fast_path["verdicts"]}
        by_xdp = [source for source in fast_path["sources"] if (source["lane"], source["laneReason"]) == ("kernel", "XDP")]
        return counts["xdp_broadcast"] > 0 and by_xdp
    return wait_for(forwards, lambda: f"the kernel lane: {call.fast_path()}")


def test_every_source_and_sink_has_its_counters(server, clear_call):
    (source,) = wait_for_xdp(clear_call)
    assert (source["id"], source["ssrc"], source["name"], source["room"]) == (clear_call.source, SSRC, "camera", "inside")
    assert source["remote"].startswith(CLIENT_ADDRESS) and source["bytes"] == source["packets"] * 312
    assert 0 <= source["lastSeenSecondsAgo"] < 5
    fast_path = clear_call.fast_path()
    assert {sink["name"] for sink in fast_path["sinks"]} == {"recorder0", "recorder1"}
    for sink in fast_path["sinks"]:
        assert sink["source"] == clear_call.source and sink["lane"] == "kernel" and sink["packetsOnKernel"] > 0
        assert sink["bytes"] == sink["packets"] * 312 and 0 <= sink["lastSentSecondsAgo"] < 5
    assert [program["name"] for program in fast_path["programs"]] == ["needletail_xdp", "needletail_copy", "needletail_tc"]
    interface = fast_path["interfaces"][0]
    assert (interface["name"], interface["xdpMode"], interface["tcMode"]) == ("eth0", "native", "tcx")
    verdicts = {verdict["name"]: verdict["count"] for verdict in fast_path["verdicts"]}
    assert verdicts["xdp_broadcast"] > 0 and "tc_broadcast" in verdicts
    table = subprocess.run([BINARY.parent / "needlectl", "fastpath", "--socket", server.keys["admin-socket"]],
                           capture_output=True, text=True, timeout=30).stdout
    assert "LAST SEEN" in table and "recorder1" in table and "needletail_tc" in table


def test_totals_have_the_last_packets_of_streams_that_ended(server):
    received = lambda: sum(lane["packets"] for lane in server.needlectl("status")["received"].values())
    before = received()
    call = ClearCall(server)
    wait_for_xdp(call)
    call.end()
    server.needlectl("close", "inside")
    wait_for(lambda: received() - before == call.sent, lambda: f"{call.sent} packets to be counted; {received() - before} are")


def test_silence_shows_as_age(clear_call):
    wait_for_xdp(clear_call)
    clear_call._isEnded.set()
    wait_for(lambda: clear_call.fast_path()["sources"][0]["lastSeenSecondsAgo"] > 2
             and clear_call.fast_path()["sinks"][0]["lastSentSecondsAgo"] > 2, "the stream to look old")


def test_trace_shows_packets_that_the_kernel_forwards(server, clear_call):
    wait_for_xdp(clear_call)
    code, packets, said = trace(server, "--source", clear_call.source, "--count", 20, "--json")
    assert (code, len(packets)) == (0, 20), said
    first = packets[0]["sequence"]
    assert [packet["sequence"] for packet in packets] == list(range(first, first + 20)), "every one, in order"
    ends = {f"{CLIENT_ADDRESS}:{receiver.getsockname()[1]}" for receiver in clear_call.receivers}
    for packet in packets:
        assert (packet["program"], packet["verdict"], packet["interface"]) == ("xdp", "broadcast", "eth0")
        assert (packet["ssrc"], packet["payloadType"], packet["length"]) == (SSRC, 96, 312)
        assert packet["timestamp"] == packet["sequence"] * 3000 and packet["marker"] == (packet["sequence"] % 5 == 0)
        assert packet["remote"] == f"{CLIENT_ADDRESS}:{clear_call.sender.getsockname()[1]}"
        assert packet["sinkCount"] == 2 and {sink["remote"] for sink in packet["sinks"]} == ends
        assert {sink["name"] for sink in packet["sinks"]} == {"recorder0", "recorder1"}
    times = [packet["nanoseconds"] for packet in packets]
    assert times == sorted(times) and 0.2 < (times[-1] - times[0]) / 1e9 < 20
    _, packets, said = trace(server, "--source", clear_call.source, "--count", 5, "--every", 5, "--json")
    first = packets[0]["sequence"]
    assert [packet["sequence"] for packet in packets] == list(range(first, first + 25, 5)), said
    code, lines, _ = trace(server, "--source", clear_call.source, "--seconds", 1)
    assert code == 0 and lines and all("broadcast  -> 2: " in line for line in lines), lines


def test_trace_shows_packets_on_their_way_to_the_worker(start_server):
    server = start_server(lane="xsk")
    call = ClearCall(server)
    try:
        wait_for(lambda: any(row["packetsOnXSK"] for row in call.fast_path()["sources"]), "the xsk lane")
        _, packets, said = trace(server, "--source", call.source, "--count", 5, "--json")
        assert [packet["verdict"] for packet in packets] == ["redirect_xsk"] * 5, said
        assert all(packet["sinkCount"] == 2 for packet in packets)
    finally:
        call.end()


def test_trace_says_what_it_cannot(start_server):
    server = start_server(lane="socket")
    call = ClearCall(server, receivers=1)
    try:
        code, _, said = trace(server, "--source", call.source, "--count", 5)
        assert code == 1 and "the configuration asks for the socket lane" in said and "needlectl doctor" in said, said
        code, _, said = trace(server, "--source", 4712)
        assert code == 1 and "there is no source 4712" in said
        code, _, _ = trace(server, "--source", 1, "--every", 0)
        assert code == 2
    finally:
        call.end()


def test_trace_keeps_its_pace_and_each_viewer_its_own(server, clear_call):
    """A burst is shown up to the bound, and the rest is counted; who looks coarsely sees few, whoever else looks."""
    wait_for_xdp(clear_call)
    arguments = ["--source", clear_call.source, "--json"]
    viewers = [start_trace(server, *arguments, "--every", 500), start_trace(server, *arguments)]
    firsts = [viewer.stdout.readline() for viewer in viewers]
    assert all(firsts), "both have begun"
    for number in range(5000):
        clear_call.sender.sendto(rtp(30000 + number), clear_call.media)
    burst = lambda: next(row["packets"] for row in clear_call.fast_path()["sources"])
    wait_for(lambda: burst() > 5000, "the burst to be counted")
    for viewer in viewers:
        viewer.send_signal(signal.SIGINT)
    (few, quiet), (shown, said) = [viewer.communicate(timeout=PATIENCE) for viewer in viewers]
    assert [viewer.returncode for viewer in viewers] == [0, 0]
    packets = packets_of(shown)
    span = (packets[-1]["nanoseconds"] - json.loads(firsts[1])["nanoseconds"]) / 1e9
    assert 90 < len(packets) < 5000 and len(packets) < 110 + 1000 * span
    assert "came too fast to be shown" in said
    assert 5 <= len(few.splitlines()) <= 15, (len(few.splitlines()), quiet)
