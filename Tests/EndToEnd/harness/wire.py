"""What is on a cable between server and clients: a raw socket at the clients' end, before any rule or policy of theirs."""

import socket
import struct
import threading
import time

from .waiting import wait_for

ETH_P_ALL = 3


class Wire:
    """Counts UDP datagrams that came from the server, by destination port. A context: it listens while its block runs."""

    def __init__(self, namespace, interface="eth0"):
        with namespace.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, 0))
        self.socket.settimeout(0.1)
        self._seen = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join(5)
        self.socket.close()

    def _listen(self):
        while not self._is_over.is_set():
            try:
                frame, address = self.socket.recvfrom(65536)
            except TimeoutError:
                continue
            if address[2] != socket.PACKET_OUTGOING and (datagram := read(frame)):
                self._seen.append((time.monotonic(), *datagram))

    def count(self, port, since=0.0):
        """Datagrams to `port` since a moment of time.monotonic()."""
        return sum(1 for when, _, to, _ in self._seen if to == port and when >= since)

    def count_large(self, source, octets=300):
        """Datagrams from an address with at least so many octets of payload."""
        return sum(1 for _, origin, _, length in self._seen if origin == source and length >= octets)

    def wait_for(self, port, count, since=0.0):
        wait_for(lambda: self.count(port, since) >= count, lambda: f"{count} datagrams; {self.count(port, since)} came")


def read(frame):
    """(source address, destination port, octets of payload) of UDP over IPv4 without options or IPv6 without extension headers;
    None of anything else."""
    ether_type = frame[12:14]
    if ether_type == b"\x08\x00" and frame[14] == 0x45 and frame[23] == 17:
        source, udp = socket.inet_ntop(socket.AF_INET, frame[26:30]), frame[34:42]
    elif ether_type == b"\x86\xdd" and frame[20] == 17:
        source, udp = socket.inet_ntop(socket.AF_INET6, frame[22:38]), frame[54:62]
    else:
        return None
    _, port, length, _ = struct.unpack("!HHHH", udp)
    return source, port, length - 8
