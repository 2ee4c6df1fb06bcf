"""Participants of a room, by plain RTP: each sends what Scapy makes to the server, and gets what all others send.

usage: participants.py NEEDLECTL PARTICIPANTS PACKETS

They are on this host, by `lo`; or, if SCAPY_NAMESPACES names them, in network namespaces of their own.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

from scapy.arch import get_if_hwaddr
from scapy.config import conf
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.rtp import RTP
from scapy.packet import Raw

ROOM = "scapy"
NAMESPACES = os.environ.get("SCAPY_NAMESPACES")
INTERFACE = "eth0" if NAMESPACES else "lo"
# Audio of 20 ms at 48 kHz; of many participants less often, because more copies are too many for receivers in Python.
INTERVAL, TICKS = 0.02, 960
MOST_COPIES_PER_SECOND = 5000
SO_RCVBUFFORCE = 33  # beyond net.core.rmem_max
# The sequence number of the first packet: it rolls over soon.
FIRST = 65500

NEEDLECTL, PARTICIPANTS, PACKETS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def needlectl(*arguments):
    result = subprocess.run([NEEDLECTL, *map(str, arguments), "--json"], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"needlectl {' '.join(map(str, arguments))}: {result.stderr or result.stdout}")
    return json.loads(result.stdout)


def wait_for(condition, seconds):
    """The last value of `condition`, true or not."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return value


@contextlib.contextmanager
def inside(namespace):
    """Sockets made here belong to the namespace."""
    if namespace is None:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(file):
        if libc.setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"setns {file.name}")

    with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{namespace}") as there:
        enter(there)
        try:
            yield
        finally:
            enter(before)


class Participant:
    def __init__(self, number):
        self.number = number
        self.name = f"Scapy {number}"
        self.ssrc = 1000 + number
        self.payload_type = 96 + number % 32
        self.address = (f"10.79.0.{10 + number}", 5004) if NAMESPACES else ("127.0.0.1", 5700 + 2 * number)
        self.remote = f"{self.address[0]}:{self.address[1]}"
        with inside(NAMESPACES and f"{NAMESPACES}-{number}"):
            # Also while it sends: the port is then its own.
            self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
            self.receiver.bind(self.address)
            # Sender reports arrive here; nobody reads them.
            self.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.rtcp.bind((self.address[0], self.address[1] + 1))
            # Protocol 0: what others send is not read here.
            self.wire = conf.L2socket(iface=INTERFACE, type=0, promisc=False)
            self.hardware_address = get_if_hwaddr(INTERFACE)
        self.head = None
        self.flows = {}
        self.strays = 0

    def join(self):
        needlectl("rtp", "add", "--room", ROOM, "--name", self.name, "--both", "--remote", self.remote,
                  "--codec", "opus", "--payload-type", self.payload_type, "--ssrc", self.ssrc)

    def leave(self):
        subprocess.run([NEEDLECTL, "rtp", "remove", "--room", ROOM, "--name", self.name], capture_output=True)

    def payload(self, index):
        return f"packet {index} of {self.name}, ".encode().ljust(160, b".")

    def head_for(self, server, hardware_address):
        """What each of its frames begins with: the source that it was added with, for strangers' RTP is dropped."""
        host, port = server.rsplit(":", 1)
        head = Ether(src=self.hardware_address, dst=hardware_address) / IP(src=self.address[0], dst=host)
        self.head = head / UDP(sport=self.address[1], dport=int(port))

    def send(self, index):
        rtp = RTP(payload_type=self.payload_type, sequence=(FIRST + index) % 65536, timestamp=index * TICKS,
                  sourcesync=self.ssrc)
        self.wire.send(self.head / rtp / Raw(self.payload(index)))

    def receive(self):
        packet = RTP(self.receiver.recv(2048))
        flow = self.flows.get(packet.sourcesync)
        if flow:
            flow.check(packet)
        else:
            self.strays += 1


class Flow:
    """What one participant gets of another: the same packets, under an SSRC and the payload type of the receiver."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver = sender, receiver
        self.received = self.wrong = 0
        self.first = None

    def check(self, packet):
        """Payload, and numbers that go on from the packet before, in order and without a gap."""
        index, self.received = self.received, self.received + 1
        self.first = self.first or packet
        sequence = (self.first.sequence + index) % 65536
        timestamp = (self.first.timestamp + index * TICKS) % 2**32
        right = packet.version == 2 and packet.payload_type == self.receiver.payload_type
        right = right and (packet.sequence, packet.timestamp) == (sequence, timestamp)
        if not right or bytes(packet.payload) != self.sender.payload(index):
            self.wrong += 1

    @property
    def lost(self):
        return PACKETS - self.received


def streams():
    """By sender's address, its source and the sinks of it."""
    answer = needlectl("streams", ROOM)
    sinks = {source["id"]: [] for source in answer["sources"]}
    for sink in answer["sinks"]:
        sinks[sink["source"]].append(sink)
    return {source["remote"]: (source, sinks[source["id"]]) for source in answer["sources"]}


def all_in_the_kernel():
    found = streams()
    complete = len(found) == PARTICIPANTS and all(len(sinks) == PARTICIPANTS - 1 for _, sinks in found.values())
    lanes = {stream["lane"] for source, sinks in found.values() for stream in (source, *sinks)}
    return found if complete and lanes == {"kernel"} else None


def all_counted():
    found = streams()
    return all(stream["packets"] >= PACKETS for source, sinks in found.values() for stream in (source, *sinks))


def table(title, rows):
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    sys.stdout.flush()


def show_counters(when, participants):
    """What the server counts: needlectl streams, needlectl fastpath."""
    found = streams()
    rows = [("FROM", "ADDRESS", "PACKETS IN", "COPIES OUT, BY SINK", "LANE", "WHY")]
    for participant in participants:
        source, sinks = found[participant.remote]
        copies = " ".join(str(sink["packets"]) for sink in sinks)
        rows.append((participant.name, participant.remote, source["packets"], copies, source["lane"],
                     sinks[0]["laneReason"]))
    table(f"{when}: sources and their sinks", rows)
    counted = [(v["name"], v["count"]) for v in needlectl("fastpath")["verdicts"] if v["count"]]
    table(f"{when}: verdicts that were counted", [("VERDICT", "PACKETS"), *(counted or [("none", 0)])])


def copies_in_the_kernel():
    """Those that the worker made, by its AF_XDP or UDP sockets, do not count."""
    sinks = [sink for _, sinks in streams().values() for sink in sinks]
    return sum(sink["packets"] - sink["packetsOnXSK"] - sink["packetsOnSocket"] for sink in sinks)


def send(participants):
    """Everyone's packets in turn, evenly over time."""
    pause = max(INTERVAL / PARTICIPANTS, (PARTICIPANTS - 1) / MOST_COPIES_PER_SECOND)
    due = time.monotonic()
    for index in range(PACKETS):
        for participant in participants:
            time.sleep(max(0, due - time.monotonic()))
            participant.send(index)
            due += pause


def receive(participants, is_over):
    with selectors.DefaultSelector() as selector:
        for participant in participants:
            selector.register(participant.receiver, selectors.EVENT_READ, participant)
        while (ready := selector.select(0.5)) or not is_over.is_set():
            for key, _ in ready:
                key.data.receive()


def exchange(participants):
    is_over = threading.Event()
    receiving = threading.Thread(target=receive, args=(participants, is_over), daemon=True)
    receiving.start()
    send(participants)
    is_over.set()
    receiving.join(30)


def meet(participants):
    """Everyone joins; returns when the kernel has all routes."""
    for participant in participants:
        participant.join()
    found = wait_for(all_in_the_kernel, 10)
    if not found:
        every = [stream for source, sinks in streams().values() for stream in (source, *sinks)]
        lanes = sorted({f"  {stream['lane']}: {stream['laneReason']}" for stream in every})
        sys.exit("\n".join(["not every stream is in the kernel lane:", *lanes]))
    by_remote = {participant.remote: participant for participant in participants}
    for remote, (_, sinks) in found.items():
        for sink in sinks:
            receiver = by_remote[sink["remote"]]
            receiver.flows[sink["ssrc"]] = Flow(by_remote[remote], receiver)
    for participant in participants:
        participant.head_for(found[participant.remote][0]["local"], get_if_hwaddr(INTERFACE))


def show_result(participants):
    """Returns whether all is well."""
    rows = [("PARTICIPANT", "SENT", "RECEIVED", "FROM", "LOST", "WRONG", "STRAY")]
    for participant in participants:
        flows = participant.flows.values()
        rows.append((participant.name, PACKETS, sum(flow.received for flow in flows),
                     sum(flow.received > 0 for flow in flows), sum(flow.lost for flow in flows),
                     sum(flow.wrong for flow in flows), participant.strays))
    table("Received, with SSRC, payload type, sequence numbers, timestamps and payload checked", rows)
    flows = [flow for participant in participants for flow in participant.flows.values()]
    return not any(flow.lost or flow.wrong for flow in flows) and not any(p.strays for p in participants)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    participants = [Participant(number) for number in range(1, PARTICIPANTS + 1)]
    try:
        meet(participants)
        show_counters("Before", participants)
        exchange(participants)
        wait_for(all_counted, 3)
        show_counters("After", participants)
        in_kernel = copies_in_the_kernel()
        is_good = show_result(participants)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for participant in participants:
            participant.leave()
    wanted = PACKETS * PARTICIPANTS * (PARTICIPANTS - 1)
    print(f"\n{in_kernel} of {wanted} copies were made in the kernel")
    if not is_good or in_kernel < wanted:
        sys.exit("Something was lost or wrong, or did not go the kernel's way")


main()
