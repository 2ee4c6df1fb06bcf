"""Looking inside: the fast path's counters, and single packets, by needlectl."""

import json
import socket
import struct
import subprocess
import threading

import pytest
from harness.network import CLIENT_ADDRESS
from harness.server import BINARY
from harness.waiting import wait_for

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


def trace(server, *arguments, seconds=15):
    return subprocess.run(
        [BINARY.parent / "needlectl", "trace", *map(str, arguments), "--socket", server.keys["admin-socket"]],
        capture_output=True, text=True, timeout=seconds)


@pytest.fixture
def clear_call(server):
    call = ClearCall(server)
    yield call
    call.end()


def in_the_kernel(call):
    return [row for row in call.fast_path()["sources"] if row["lane"] == "kernel" and row["packetsOnKernel"] > 0]


def test_every_source_and_sink_has_its_counters(server, clear_call):
    source = wait_for(lambda: in_the_kernel(clear_call), lambda: f"the kernel lane: {clear_call.fast_path()['sources']}")[0]
    assert (source["id"], source["ssrc"], source["name"], source["room"]) == (clear_call.source, SSRC, "camera", "inside")
    assert source["remote"].startswith(CLIENT_ADDRESS) and source["bytes"] == source["packets"] * 312
    assert 0 <= source["lastSeenSecondsAgo"] < 1
    fast_path = clear_call.fast_path()
    assert {sink["name"] for sink in fast_path["sinks"]} == {"recorder0", "recorder1"}
    for sink in fast_path["sinks"]:
        assert sink["source"] == clear_call.source and sink["lane"] == "kernel" and sink["packetsOnKernel"] > 0
        assert sink["bytes"] == sink["packets"] * 312 and 0 <= sink["lastSentSecondsAgo"] < 1
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
    wait_for(lambda: in_the_kernel(call), "the kernel lane")
    call.end()
    server.needlectl("close", "inside")
    wait_for(lambda: received() - before == call.sent, lambda: f"{call.sent} packets to be counted; {received() - before} are")


def test_silence_shows_as_age(clear_call):
    wait_for(lambda: in_the_kernel(clear_call), "the kernel lane")
    clear_call._isEnded.set()
    wait_for(lambda: clear_call.fast_path()["sources"][0]["lastSeenSecondsAgo"] > 2
             and clear_call.fast_path()["sinks"][0]["lastSentSecondsAgo"] > 2, "the stream to look old")


def test_trace_shows_packets_that_the_kernel_forwards(server, clear_call):
    wait_for(lambda: in_the_kernel(clear_call), "the kernel lane")
    result = trace(server, "--source", clear_call.source, "--count", 20, "--json")
    assert result.returncode == 0, result.stderr
    packets = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(packets) == 20
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
    assert times == sorted(times) and 0.2 < (times[-1] - times[0]) / 1e9 < 2
    lines = trace(server, "--source", clear_call.source, "--seconds", 1, "--every", 5).stdout.splitlines()
    assert 5 <= len(lines) <= 15 and all("broadcast  -> 2: " in line for line in lines), lines


def test_trace_shows_packets_on_their_way_to_the_worker(start_server):
    server = start_server(lane="xsk")
    call = ClearCall(server)
    try:
        wait_for(lambda: any(row["packetsOnXSK"] for row in call.fast_path()["sources"]), "the xsk lane")
        result = trace(server, "--source", call.source, "--count", 5, "--json")
        packets = [json.loads(line) for line in result.stdout.splitlines()]
        assert [packet["verdict"] for packet in packets] == ["redirect_xsk"] * 5, result.stderr
        assert all(packet["sinkCount"] == 2 for packet in packets)
    finally:
        call.end()


def test_trace_says_what_it_cannot(start_server):
    server = start_server(lane="socket")
    call = ClearCall(server, receivers=1)
    try:
        result = trace(server, "--source", call.source, "--count", 5)
        assert result.returncode == 1 and "the configuration asks for the socket lane" in result.stderr, result
        assert "needlectl doctor" in result.stderr
        unknown = trace(server, "--source", 4712)
        assert unknown.returncode == 1 and "there is no source 4712" in unknown.stderr
        assert trace(server, "--source", 1, "--every", 0).returncode == 2
    finally:
        call.end()


def test_trace_keeps_its_pace_and_each_viewer_its_own(server, clear_call):
    """A burst is shown up to the bound, and the rest is counted; who looks coarsely sees few, whoever else looks."""
    wait_for(lambda: in_the_kernel(clear_call), "the kernel lane")
    arguments = [BINARY.parent / "needlectl", "trace", "--source", str(clear_call.source), "--socket",
                 server.keys["admin-socket"], "--json", "--seconds", "3"]
    fine = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    coarse = subprocess.Popen([*arguments, "--every", "500"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert fine.stdout.readline(), "the trace has begun"
    for number in range(5000):
        clear_call.sender.sendto(rtp(30000 + number), clear_call.media)
    (shown, said), (few, quiet) = fine.communicate(timeout=30), coarse.communicate(timeout=30)
    packets = [json.loads(line) for line in shown.splitlines()]
    span = (packets[-1]["nanoseconds"] - packets[0]["nanoseconds"]) / 1e9
    assert 100 < len(packets) < 5000 and len(packets) < 110 + 1000 * span
    assert "came too fast to be shown" in said
    assert 5 <= len(few.splitlines()) <= 15, (len(few.splitlines()), quiet)
