"""Clear-RTP programs: a sender at a steady rate, and receivers that keep when each packet came."""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass

from .network import CLIENT_ADDRESS, SERVER_ADDRESS

MEDIA_PORT = 3478
SO_RCVBUFFORCE = 33  # beyond net.core.rmem_max
IP_RECVTTL = 12
PAYLOAD_LENGTH = 160
TICKS = 960


def bound_socket(namespace, address, port=0):
    with namespace.inside():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
    made.bind((address, port))
    return made


def text(address):
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass
class Packet:
    arrival: float
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    index: int

    @classmethod
    def parse(cls, data):
        first, second, sequence, timestamp, ssrc, index = struct.unpack_from("!BBHIII", data)
        assert first == 0x80 and len(data) == 12 + PAYLOAD_LENGTH, f"not what was sent: {data[:20].hex()}, {len(data)} octets"
        return cls(time.monotonic(), second, sequence, timestamp, ssrc, index)


class ClearSender:
    """Opus by name: each packet carries its index, counted from 0. The sequence number rolls over soon."""

    def __init__(self, namespace, ssrc=4711, payload_type=96, address=CLIENT_ADDRESS, server=SERVER_ADDRESS):
        self.socket = bound_socket(namespace, address)
        self.ssrc, self.payload_type = ssrc, payload_type
        self.to = (server, MEDIA_PORT)
        self.remote = text(self.socket.getsockname())
        self.sent = 0

    def add(self, server, room, name, *more, codec="opus"):
        server.needlectl("rtp", "add", "--room", room, "--name", name, "--send", "--remote", self.remote, "--codec", codec,
                         "--payload-type", str(self.payload_type), "--ssrc", str(self.ssrc), *more)

    def send(self, count=1):
        for _ in range(count):
            head = struct.pack("!BBHIII", 0x80, self.payload_type, (65300 + self.sent) % 65536, self.sent * TICKS,
                               self.ssrc, self.sent)
            self.socket.sendto(head.ljust(12 + PAYLOAD_LENGTH, b"."), self.to)
            self.sent += 1

    @contextlib.contextmanager
    def stream(self, rate=200):
        """Packets at that rate, as long as the block runs."""
        is_over = threading.Event()

        def work():
            due = time.monotonic()
            while not is_over.wait(max(0, due - time.monotonic())):
                self.send()
                due += 1 / rate

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            is_over.set()
            thread.join(5)

    def close(self):
        self.socket.close()


class ClearReceiver:
    """Keeps all RTP that comes, in order, and notes their times to live. `group`: an IPv4 multicast group to receive."""

    def __init__(self, namespace, address=CLIENT_ADDRESS, group=None):
        self.packets = []
        self.hops = set()
        self._error = None
        self.socket = bound_socket(namespace, group or address)
        if group:
            membership = socket.inet_aton(group) + socket.inet_aton(address)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        self.remote = text(self.socket.getsockname())
        self.socket.settimeout(0.1)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def add(self, server, room, name, payload_type, *more):
        server.needlectl("rtp", "add", "--room", room, "--name", name, "--receive", "--remote", self.remote,
                         "--codec", "opus", "--payload-type", str(payload_type), *more)

    def _receive(self):
        while not self._is_over.is_set():
            try:
                packet, control, _, _ = self.socket.recvmsg(2048, 64)
                self.hops.update(int.from_bytes(value, "little") for *_, value in control)
                self.packets.append(Packet.parse(packet))
            except TimeoutError:
                pass
            except (AssertionError, OSError) as error:
                self._error = error
                return

    def assert_whole(self, payload_type, first=None, last=None):
        """Every packet from the first to the last that came, or from index to index, once and in order, under one SSRC."""
        assert self._error is None, self._error
        packets = self.packets.copy()
        assert packets, "no packet"
        indices = [packet.index for packet in packets]
        first = indices[0] if first is None else first
        last = indices[-1] if last is None else last
        assert indices == list(range(first, last + 1)), f"wanted {first} to {last}; {irregularities(first, indices, last)}"
        start = packets[0]
        for place, packet in enumerate(packets):
            assert (packet.ssrc, packet.payload_type) == (start.ssrc, payload_type), packet
            assert packet.sequence == (start.sequence + place) % 65536, f"{packet} after {packets[place - 1]}"
            assert packet.timestamp == (start.timestamp + place * TICKS) % 2**32, f"{packet} after {packets[place - 1]}"

    def close(self):
        self._is_over.set()
        self._thread.join(5)
        self.socket.close()


def irregularities(first, indices, last):
    steps = [(a, b) for a, b in zip([first - 1, *indices], [*indices, last + 1]) if b != a + 1]
    return f"{len(indices)} came, with these steps: {steps[:10]}"
