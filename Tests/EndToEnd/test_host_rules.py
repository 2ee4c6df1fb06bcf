"""The fast path does not do what the host's network stack would not: IPsec policies, output rules, NAT, policy routes."""

import contextlib
import time

import pytest
from harness.clear_rtp import ClearReceiver, ClearSender
from harness.network import CLIENT_ADDRESS, CLIENT_ADDRESS_V6, SERVER_ADDRESS, SERVER_ADDRESS_V6
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
        def make(server, **options):
            call = ClearCall(network, server, **options)
            stack.callback(call.sender.close)
            stack.callback(call.receiver.close)
            stack.enter_context(call.wire)
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
