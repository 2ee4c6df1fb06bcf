"""What is on the cable between server and clients: a raw socket at the clients' end, before any rule or policy of theirs."""

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
            if address[2] != socket.PACKET_OUTGOING and (port := destination_port(frame)):
                self._seen.append((time.monotonic(), port))

    def count(self, port, since=0.0):
        """Datagrams to `port` since a moment of time.monotonic()."""
        return sum(1 for when, to in self._seen if to == port and when >= since)

    def wait_for(self, port, count, since=0.0):
        wait_for(lambda: self.count(port, since) >= count, lambda: f"{count} datagrams; {self.count(port, since)} came")


def destination_port(frame):
    """Of UDP over IPv4 without options or IPv6 without extension headers; None of anything else."""
    ether_type = frame[12:14]
    if ether_type == b"\x08\x00" and frame[14] == 0x45 and frame[23] == 17:
        return struct.unpack_from("!H", frame, 36)[0]
    if ether_type == b"\x86\xdd" and frame[20] == 17:
        return struct.unpack_from("!H", frame, 56)[0]
    return None
