"""The fast path does not do what the host's network stack would not: IPsec policies, output rules, NAT, policy routes."""

import contextlib
import json
import socket
import struct
import subprocess
import time

import pytest
from harness.aiortc_client import Session
from harness.clear_rtp import ClearReceiver, ClearSender
from harness.network import CLIENT_ADDRESS, CLIENT_ADDRESS_V6, SERVER_ADDRESS, SERVER_ADDRESS_V6, run
from harness.server import BINARY
from harness.waiting import wait_for
from harness.wire import Wire

ROOM = "rules"
PROMPTLY = 1.0


class ClearCall:
    """A clear sender and a receiver at the clients' end, and what passes the cable."""

    def __init__(self, network, server, address=CLIENT_ADDRESS, server_address=SERVER_ADDRESS):
        self.server = server
        self.sender = ClearSender(network.clients, address=address, server=server_address)
        self.receiver = ClearReceiver(network.clients, address=address)
        self.port = self.receiver.socket.getsockname()[1]
        self.wire = Wire(network.clients)

    def join(self):
        self.sender.add(self.server, ROOM, "sender")
        self.receiver.add(self.server, ROOM, "receiver", 100)

    @property
    def source(self):
        return self.server.needlectl("streams", ROOM)["sources"][0]

    @property
    def sink(self):
        return self.server.needlectl("streams", ROOM)["sinks"][0]

    def wait_for_sink(self, lane, reason="", seconds=45):
        """Until copies take that lane, for a reason that says so."""
        streams = lambda: [s for s in self.server.needlectl("streams", ROOM)["sinks"]
                           if s["lane"] == lane and reason in s["laneReason"]]
        return wait_for(streams, lambda: f"{lane}: {reason}; {self.sink['lane']}: {self.sink['laneReason']}", seconds,
                        pause=0.05)[0]

    def wait_for_arrivals(self, count=200):
        """So many packets more of the sender's have come to the server."""
        before = self.source["packets"]
        wait_for(lambda: self.source["packets"] >= before + count, lambda: f"packets; {self.source}")

    def arrived(self):
        return len(self.receiver.packets)


@pytest.fixture
def new_call(network):
    with contextlib.ExitStack() as stack:
        def make(server, streams=True, **options):
            call = ClearCall(network, server, **options)
            stack.callback(call.sender.close)
            stack.callback(call.receiver.close)
            stack.enter_context(call.wire)
            if streams:
                stack.enter_context(call.sender.stream())
            return call
        yield make


@pytest.fixture
def ipv6(network):
    with network.ipv6():
        yield


@pytest.fixture
def policies(network):
    """`ip xfrm policy …` at the server's end; all go with the test."""
    def change(*words):
        network.server.run("ip", "xfrm", "policy", *words)
    yield change
    network.server.run("ip", "xfrm", "policy", "flush")
    network.server.run("ip", "xfrm", "policy", "setdefault", "in", "accept", "out", "accept")


TO_CLIENTS = ["src", f"{SERVER_ADDRESS}/32", "dst", f"{CLIENT_ADDRESS}/32"]
BLOCKS = f"an IPsec policy blocks what goes to {CLIENT_ADDRESS}"
PROTECTS = f"an IPsec policy protects what goes to {CLIENT_ADDRESS}"
# The lane of the configuration, and the one that is taken while no policy forbids it.
LANES = pytest.mark.parametrize("lane, usual", [("auto", "kernel"), ("xsk", "xsk"), ("socket", "socket")])


@LANES
def test_what_a_policy_covered_before_the_call_never_leaves_in_clear(start_server, new_call, policies, lane, usual):
    policies("add", *TO_CLIENTS, "proto", "udp", "dir", "out", "action", "block")
    server = start_server(lane=lane)
    call = new_call(server)
    call.join()
    call.wait_for_sink("socket", "" if lane == "socket" else BLOCKS)
    call.wait_for_arrivals()
    assert call.wire.count(call.port) == 0
    policies("delete", *TO_CLIENTS, "proto", "udp", "dir", "out")
    call.wait_for_sink(usual)
    call.wire.wait_for(call.port, 100)


@LANES
@pytest.mark.parametrize("action, reason", [("block", BLOCKS), ("protect", PROTECTS)])
def test_a_policy_in_the_middle_of_a_call_holds_at_once(start_server, new_call, policies, lane, usual, action, reason):
    server = start_server(lane=lane)
    call = new_call(server)
    call.join()
    call.wait_for_sink(usual)
    call.wire.wait_for(call.port, 100)
    effect = ["action", "block"] if action == "block" else ["tmpl", "proto", "esp", "mode", "transport"]
    policies("add", *TO_CLIENTS, "dir", "out", *effect)
    added = time.monotonic()
    # Well before the lane is told of.
    wait_for(lambda: time.monotonic() > added + PROMPTLY, "a second to pass", pause=0.02)
    call.wait_for_arrivals()
    assert call.wire.count(call.port, since=added + 0.1) == 0
    call.wait_for_sink("socket", "" if lane == "socket" else reason)
    assert call.wire.count(call.port, since=added + 0.1) == 0
    policies("delete", *TO_CLIENTS, "dir", "out")
    call.wait_for_sink(usual)
    call.wire.wait_for(call.port, 100, since=time.monotonic())


def test_policies_of_ipv6(ipv6, start_server, new_call, policies):
    call = new_call(start_server(), address=CLIENT_ADDRESS_V6, server_address=SERVER_ADDRESS_V6)
    call.join()
    call.wait_for_sink("kernel")
    policies("add", "src", "fd77::/64", "dst", "fd77::/64", "dir", "out", "action", "block")
    added = time.monotonic()
    call.wait_for_sink("socket", f"an IPsec policy blocks what goes to {CLIENT_ADDRESS_V6}")
    call.wait_for_arrivals()
    assert call.wire.count(call.port, since=added + 0.1) == 0


def test_what_a_policy_lets_out_keeps_its_lane(start_server, new_call, policies):
    policies("add", "src", "0.0.0.0/0", "dst", "0.0.0.0/0", "dir", "out", "action", "block", "priority", "100")
    policies("add", *TO_CLIENTS, "dir", "out", "action", "allow", "priority", "10")
    policies("setdefault", "out", "block")
    call = new_call(start_server())
    call.join()
    call.wait_for_sink("kernel")
    call.wire.wait_for(call.port, 100)
    policies("delete", *TO_CLIENTS, "dir", "out")
    call.wait_for_sink("socket", BLOCKS)
    policies("delete", "src", "0.0.0.0/0", "dst", "0.0.0.0/0", "dir", "out")
    call.wait_for_sink("socket", "IPsec blocks what no policy lets out")
    since = time.monotonic()
    call.wait_for_arrivals()
    assert call.wire.count(call.port, since) == 0
    policies("setdefault", "out", "accept")
    call.wait_for_sink("kernel")


def test_a_policy_of_other_ports_is_no_reason(start_server, new_call, policies):
    policies("add", *TO_CLIENTS, "proto", "udp", "dport", "9", "dir", "out", "action", "block")
    policies("add", *TO_CLIENTS, "proto", "tcp", "dir", "out", "action", "block")
    call = new_call(start_server())
    call.join()
    call.wait_for_sink("kernel")
    policies("add", *TO_CLIENTS, "proto", "udp", "dport", str(call.port), "dir", "out", "action", "block")
    call.wait_for_sink("socket", BLOCKS)


@pytest.mark.parametrize("lane, usual", [("auto", "kernel"), ("xsk", "xsk")])
def test_what_must_come_protected_is_not_taken_in_clear(start_server, new_call, policies, lane, usual):
    call = new_call(start_server(lane=lane))
    call.join()
    call.wait_for_sink(usual)
    policies("add", "src", f"{CLIENT_ADDRESS}/32", "dst", f"{SERVER_ADDRESS}/32", "dir", "in", "tmpl", "proto", "esp",
             "mode", "transport")
    reason = f"an IPsec policy wants what comes from {CLIENT_ADDRESS} protected"
    wait_for(lambda: (call.source["lane"], call.source["laneReason"]) == ("socket", reason), lambda: call.source)
    before, sent = call.source["packets"], call.sender.sent
    wait_for(lambda: call.sender.sent > sent + 400, "packets to be sent")
    assert call.source["packets"] == before
    policies("flush")
    call.wait_for_sink(usual)
    call.wait_for_arrivals()


@pytest.fixture
def rules(network):
    """nft at the server's end, one command a call; all goes with the test."""
    def change(command):
        network.server.run("nft", command)
    yield change
    network.server.run("nft", "flush", "ruleset")


@pytest.fixture
def shaper(network):
    """Adds a queueing discipline at the root of the server's eth0; the function that is yielded takes it away."""
    def change(*words):
        network.server.run("tc", "qdisc", *words)
    yield change
    network.server.run("sh", "-c", "tc qdisc del dev eth0 root 2>/dev/null; tc qdisc del dev eth0 clsact 2>/dev/null; true")


APPLY = "the host's output rules apply: "
OUTPUT = ["add table inet f", "add chain inet f out { type filter hook output priority 0; }"]
FAST_LANES = pytest.mark.parametrize("lane, usual", [("auto", "kernel"), ("xsk", "xsk")])


@FAST_LANES
def test_output_rules_hold(start_server, new_call, rules, lane, usual):
    server = start_server(lane=lane)
    call = new_call(server)
    call.join()
    call.wait_for_sink(usual)
    for command in OUTPUT:
        rules(command)
    call.wait_for_arrivals()
    assert call.sink["lane"] == usual, "a chain without rules does nothing"
    rules(f"add rule inet f out udp dport {call.port} drop")
    added = time.monotonic()
    call.wait_for_sink("socket", APPLY + "nftables chain inet f out")
    assert time.monotonic() < added + 3
    call.wait_for_arrivals()
    assert call.wire.count(call.port, since=added + 0.1) == 0
    (interface,) = server.admin("/fastpath")["interfaces"]
    assert interface["reason"] == "copies take the socket lane: " + APPLY + "nftables chain inet f out"
    wait_for(lambda: "the host's output rules keep media on the socket lane" in server.log.read_text(), "a warning")
    rules("flush chain inet f out")
    call.wait_for_sink(usual)
    rules("add chain inet f out { policy drop; }")
    call.wait_for_sink("socket", APPLY + "nftables chain inet f out")


def test_output_rules_of_the_other_family_do_not_count(start_server, new_call, rules):
    rules("add table ip6 f")
    rules("add chain ip6 f out { type filter hook output priority 0; policy drop; }")
    rules("add table ip g")
    rules("add chain ip g in { type filter hook input priority 0; }")
    rules("add rule ip g in udp dport 9 drop")
    call = new_call(start_server())
    call.join()
    call.wait_for_sink("kernel")


def test_source_translation_of_clear_rtp_holds(network, start_server, new_call, rules):
    rules("add table ip n")
    rules("add chain ip n post { type nat hook postrouting priority 100; }")
    call = new_call(start_server())
    rules(f"add rule ip n post udp dport {call.port} snat to 10.77.0.77")
    call.join()
    call.wait_for_sink("socket", APPLY + "nftables chain ip n post")
    call.wire.wait_for(call.port, 100)
    assert call.wire.count_large(SERVER_ADDRESS, octets=100) == 0 < call.wire.count_large("10.77.0.77", octets=100)


def test_a_shaper_is_passed_by_tc_and_keeps_the_worker_to_the_socket(start_server, new_call, shaper):
    call = new_call(start_server())
    call.join()
    call.wait_for_sink("kernel", "XDP")
    shaper("add", "dev", "eth0", "root", "tbf", "rate", "100mbit", "burst", "50k", "limit", "100k")
    sink = call.wait_for_sink("kernel", "TC: " + APPLY + "queueing discipline tbf on eth0")
    assert sink["lane"] == "kernel"
    call.wire.wait_for(call.port, 100, since=time.monotonic())
    shaper("del", "dev", "eth0", "root")
    call.wait_for_sink("kernel", "XDP")


def test_a_shaper_keeps_the_worker_to_the_socket(start_server, new_call, shaper):
    call = new_call(start_server(lane="xsk"))
    call.join()
    call.wait_for_sink("xsk")
    shaper("add", "dev", "eth0", "root", "tbf", "rate", "100mbit", "burst", "50k", "limit", "100k")
    call.wait_for_sink("socket", APPLY + "queueing discipline tbf on eth0")
    call.wire.wait_for(call.port, 100, since=time.monotonic())
    shaper("del", "dev", "eth0", "root")
    call.wait_for_sink("xsk")


@pytest.mark.parametrize("chosen, lane, reason", [
    ("kernel", "kernel", "XDP"), ("xsk", "xsk", "the configuration asks for the xsk lane on eth0"),
    ("socket", "socket", "eth0: the configuration asks for the socket lane"), ("auto", "socket", APPLY),
])
def test_the_lane_of_an_interface_is_the_operators_choice(start_server, new_call, rules, policies, chosen, lane, reason):
    for command in [*OUTPUT, "add rule inet f out udp dport 9 drop"]:
        rules(command)
    server = start_server(interface_lanes=[f"eth0={chosen}"])
    call = new_call(server)
    call.join()
    call.wait_for_sink(lane, reason)
    call.wire.wait_for(call.port, 100)
    policies("add", *TO_CLIENTS, "dir", "out", "action", "block")
    call.wait_for_sink("socket", "" if chosen == "socket" else BLOCKS)


PUBLIC = "203.0.113.7"


@pytest.fixture
def public_address(network, rules):
    """The clients know the server by an address that it has not: it is translated on arrival."""
    rules("add table ip n")
    rules("add chain ip n pre { type nat hook prerouting priority -100; }")
    rules(f"add rule ip n pre ip daddr {PUBLIC} dnat to {SERVER_ADDRESS}")
    network.clients.run("ip", "route", "add", f"{PUBLIC}/32", "via", SERVER_ADDRESS)
    yield PUBLIC
    network.clients.run("ip", "route", "del", f"{PUBLIC}/32")


def test_clients_behind_a_translation_hear_from_the_address_that_they_know(network, start_server, aiortc, public_address):
    server = start_server(public_addresses=[public_address])
    with Wire(network.clients) as wire:
        aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder"))
        wait_for(lambda: len([s for s in server.admin("/streams")["sources"] if s["packets"] > 0]) >= 2, "its media")
        player = aiortc.run(Session.play(f"{server.url}/whep/studio/encoder"))
        wait_for(lambda: min(player.frames.values()) >= 60, "60 frames of both tracks")
        sinks = server.admin("/streams")["sinks"]
        assert {sink["lane"] for sink in sinks} == {"socket"}
        assert all("the host translates its addresses (NAT)" in sink["laneReason"] for sink in sinks)
        assert wire.count_large(SERVER_ADDRESS) == 0 < wire.count_large(public_address)


def test_translation_of_others_leaves_clients_on_the_fast_lane(start_server, aiortc, public_address):
    server = start_server()
    aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder"))
    wait_for(lambda: len([s for s in server.admin("/streams")["sources"] if s["packets"] > 0]) >= 2, "its media")
    player = aiortc.run(Session.play(f"{server.url}/whep/studio/encoder"))
    wait_for(lambda: min(player.frames.values()) >= 60, "60 frames of both tracks")
    wait_for(lambda: {s["lane"] for s in server.admin("/streams")["sinks"]} == {"xsk"}, "the xsk lane")


FAR = "198.51.100.9"


@pytest.fixture
def two_ways(network):
    """Another cable, eth1, and a clients' address behind both, to which the route leads by eth0."""
    for namespace in (network.server, network.clients):
        namespace.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                      "net.ipv4.conf.eth0.rp_filter=0")
    run("ip", "link", "add", "eth1", "netns", network.server.name, "type", "veth",
        "peer", "name", "eth1", "netns", network.clients.name)
    for namespace, address in ((network.server, "10.78.0.1"), (network.clients, "10.78.0.2")):
        namespace.run("ip", "address", "add", f"{address}/24", "dev", "eth1")
        namespace.run("ip", "link", "set", "eth1", "up")
    network.clients.run("ethtool", "-K", "eth1", "gro", "on")
    network.clients.run("ip", "address", "add", f"{FAR}/32", "dev", "lo")
    network.server.run("ip", "route", "add", f"{FAR}/32", "via", CLIENT_ADDRESS)
    network.server.run("ip", "route", "add", f"{FAR}/32", "via", "10.78.0.2", "table", "201")
    yield
    network.server.run("sh", "-c", "while ip rule del lookup 201 2>/dev/null; do :; done; ip route flush table 201")
    network.server.run("ip", "route", "del", f"{FAR}/32")
    network.clients.run("ip", "address", "del", f"{FAR}/32", "dev", "lo")
    network.server.run("ip", "link", "del", "eth1")


@FAST_LANES
def test_routes_by_port_are_followed(network, two_ways, start_server, new_call, lane, usual):
    call = new_call(start_server(lane=lane, interfaces=["eth0", "eth1"]), address=FAR)
    call.join()
    call.wait_for_sink(usual)
    call.wire.wait_for(call.port, 100)
    with Wire(network.clients, "eth1") as other:
        network.server.run("ip", "rule", "add", "ipproto", "udp", "sport", "3478", "lookup", "201")
        other.wait_for(call.port, 100)
        call.wait_for_sink(usual)
        since = time.monotonic()
        other.wait_for(call.port, 100, since)
        assert call.wire.count(call.port, since) == 0
        network.server.run("ip", "rule", "del", "ipproto", "udp", "sport", "3478", "lookup", "201")
        since = time.monotonic()
        call.wire.wait_for(call.port, 100, since)


@pytest.fixture
def camera_address(network):
    """Behind eth0, but nearer by its bits to the address of another interface of the server's."""
    network.server.run("ip", "link", "add", "docker0", "type", "bridge")
    network.server.run("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
    network.server.run("ip", "link", "set", "docker0", "up")
    network.server.run("ip", "route", "add", "172.20.1.5/32", "via", CLIENT_ADDRESS)
    network.clients.run("ip", "address", "add", "172.20.1.5/32", "dev", "lo")
    yield "172.20.1.5"
    network.clients.run("ip", "address", "del", "172.20.1.5/32", "dev", "lo")
    network.server.run("ip", "link", "del", "docker0")
    network.server.run("ip", "route", "del", "172.20.1.5/32")


def test_the_local_address_is_the_routes_own(camera_address, start_server, new_call):
    call = new_call(start_server(), address=camera_address)
    call.join()
    call.wait_for_sink("kernel")
    assert call.source["local"] == f"{SERVER_ADDRESS}:3478"
    call.wire.wait_for(call.port, 100)


def test_doctor_names_what_keeps_media_on_the_socket_lane(network, start_server, rules, shaper, policies):
    server = start_server(lane="socket")

    def finding(check):
        binary = BINARY.parent / "needlectl"
        result = subprocess.run(["ip", "netns", "exec", network.server.name, binary, "doctor", "--json"],
                                capture_output=True, text=True)
        return next(c for c in json.loads(result.stdout)["checks"] if c["check"] == check)

    assert server.admin("/status")
    assert (finding("output rules")["state"], finding("IPsec policies")["state"]) == ("ok", "ok")
    for command in [*OUTPUT, "add rule inet f out udp dport 9 drop"]:
        rules(command)
    shaper("add", "dev", "eth0", "root", "tbf", "rate", "100mbit", "burst", "50k", "limit", "100k")
    policies("add", *TO_CLIENTS, "dir", "out", "action", "block")
    found = finding("output rules")
    assert found["state"] == "note" and "interface-lanes" in found["remedy"]
    assert found["detail"] == "nftables chain inet f out, queueing discipline tbf on eth0"
    assert finding("IPsec policies")["state"] == "note"


def frame_with_header_checksum(network, call, checksum, index):
    """RTP of the call's sender as a frame, with that checksum of its IPv4 header; None: the right one."""
    macs = [bytes.fromhex(namespace.run("cat", "/sys/class/net/eth0/address").strip().replace(":", ""))
            for namespace in (network.server, network.clients)]
    rtp = struct.pack("!BBHIII", 0x80, call.sender.payload_type, index, 0, call.sender.ssrc, index).ljust(172, b".")
    udp = struct.pack("!HHHH", call.sender.socket.getsockname()[1], 3478, 8 + len(rtp), 0) + rtp
    header = lambda value: struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, value,
                                       socket.inet_aton(CLIENT_ADDRESS), socket.inet_aton(SERVER_ADDRESS))
    right = 0xffff - sum(struct.unpack("!10H", header(0))) % 0xffff
    return b"".join(macs) + b"\x08\x00" + header(right if checksum is None else checksum) + udp


@FAST_LANES
def test_a_wrong_header_checksum_is_left_to_the_stack(network, start_server, new_call, lane, usual):
    server = start_server(lane=lane)
    call = new_call(server, streams=False)
    call.join()
    call.sender.send()
    call.wait_for_sink(usual)
    with network.clients.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with raw:
        raw.bind(("eth0", 0))
        for index in range(1, 51):
            raw.send(frame_with_header_checksum(network, call, 0x1234, index))
        raw.send(frame_with_header_checksum(network, call, None, 51))
    verdict = lambda: next(v["count"] for v in server.needlectl("fastpath", "--all")["verdicts"] if v["name"] == "xdp_pass_bad_checksum")
    wait_for(lambda: verdict() == 50, lambda: f"the verdict; {verdict()}")
    wait_for(lambda: any(packet.index == 51 for packet in call.receiver.packets), "the right one")
    assert {packet.index for packet in call.receiver.packets} <= {0, 51}
