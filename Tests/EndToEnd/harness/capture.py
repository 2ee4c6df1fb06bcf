"""`needlectl capture` beside a server, and the pcapng files that it writes, as far as the tests look at them."""

import struct
import subprocess
from dataclasses import dataclass

from .server import BINARY
from .waiting import PATIENCE


def start_capture(server, file, *arguments, room="studio"):
    command = [BINARY.parent / "needlectl", "capture", "--room", room, "-w", file, "--socket", server.keys["admin-socket"], *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def capture(server, file, *arguments, room="studio"):
    """Its exit code and everything it says."""
    process = start_capture(server, file, *arguments, room=room)
    said = "".join(process.communicate(timeout=PATIENCE))
    return process.returncode, said


@dataclass
class Packet:
    interface: str
    time: int
    source: tuple
    destination: tuple
    payload: bytes
    comment: str

    @property
    def is_rtcp(self):
        return 64 <= self.payload[1] & 0x7F <= 95

    @property
    def sequence(self):
        return struct.unpack_from("!H", self.payload, 2)[0]

    @property
    def ssrc(self):
        return struct.unpack_from("!I", self.payload, 8)[0]


class CaptureFile:
    """Every block is walked, so that a file that does not hold together fails here."""

    def __init__(self, path):
        data = path.read_bytes()
        self.packets, self.interfaces, self.statistics, at = [], [], {}, 0
        while at < len(data):
            kind, length = struct.unpack_from("<II", data, at)
            assert length % 4 == 0 and data[at + length - 4:at + length] == struct.pack("<I", length), f"block at {at}"
            body = data[at + 8:at + length - 4]
            if kind == 0x0A0D0D0A:
                assert struct.unpack_from("<IHH", body) == (0x1A2B3C4D, 1, 0)
                self.comment = self._options(body[16:])[1].decode()
            elif kind == 1:
                assert struct.unpack_from("<H", body)[0] == 101
                self.interfaces.append(self._options(body[8:])[2].decode())
            elif kind == 6:
                self.packets.append(self._packet(body))
            elif kind == 5:
                options = self._options(body[12:])
                counts = [struct.unpack("<Q", options[code])[0] for code in (4, 5)]
                self.statistics[self.interfaces[struct.unpack_from("<I", body)[0]]] = counts
            at += length

    def _packet(self, body):
        interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
        assert captured == original
        ip, options = body[20:20 + captured], self._options(body[20 + (captured + 3 & ~3):])
        assert ip[0] == 0x45 and ip[9] == 17 and struct.unpack_from("!H", ip, 2)[0] == len(ip)
        ports = struct.unpack_from("!HH", ip, 20)
        addresses = [".".join(map(str, ip[start:start + 4])) for start in (12, 16)]
        name = self.interfaces[interface]
        assert struct.unpack("<I", options[2])[0] == {"in": 1, "out": 2}[name]
        return Packet(name, high << 32 | low, (addresses[0], ports[0]), (addresses[1], ports[1]), ip[28:], options[1].decode())

    @staticmethod
    def _options(data):
        options, at = {}, 0
        while at < len(data):
            code, length = struct.unpack_from("<HH", data, at)
            options[code] = data[at + 4:at + 4 + length]
            at += 4 + (length + 3 & ~3)
        return options

    def rtp(self, interface):
        return [packet for packet in self.packets if packet.interface == interface and not packet.is_rtcp]

    def rtcp(self, interface):
        return [packet for packet in self.packets if packet.interface == interface and packet.is_rtcp]
