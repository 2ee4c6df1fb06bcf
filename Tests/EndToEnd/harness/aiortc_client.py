"""Clients without a browser: aiortc publishing over WHIP and playing over WHEP."""

import asyncio
import fractions
import math
import threading
import time
from array import array

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from av import AudioFrame, VideoFrame

from .waiting import PATIENCE


class NamespaceLoop:
    """An asyncio loop on a thread of its own inside a network namespace."""

    def __init__(self, namespace):
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        def work():
            with namespace.inside():
                started.set()
                self.loop.run_forever()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        started.wait()

    def run(self, coroutine, seconds=PATIENCE):
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, seconds), self.loop).result(seconds + 5)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


class Picture(VideoStreamTrack):
    """A bar that moves over 320×180 at 30 frames a second."""

    async def recv(self):
        timestamp, base = await self.next_timestamp()
        frame = VideoFrame(320, 180, "yuv420p")
        position = (timestamp // 3000 * 4) % 320
        row = bytes(200 if (x - position) % 320 < 40 else 60 for x in range(320))
        for index, plane in enumerate(frame.planes):
            line = (row if index == 0 else b"\x80" * plane.width).ljust(plane.line_size, b"\x80")
            plane.update(line * plane.height)
        frame.pts, frame.time_base = timestamp, base
        return frame


class Tone(AudioStreamTrack):
    """440 Hz at 48 kHz."""

    _sent = 0
    _start = None

    async def recv(self):
        self._start = self._start or time.monotonic()
        delay = self._start + self._sent / 48000 - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        samples = array("h", (int(8000 * math.sin(2 * math.pi * 440 * (self._sent + i) / 48000)) for i in range(960)))
        frame = AudioFrame("s16", "mono", 960)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = 48000, self._sent, fractions.Fraction(1, 48000)
        self._sent += 960
        return frame


class Session:
    """One WHIP or WHEP resource. Make it with `publish` or `play`, on a NamespaceLoop."""

    def __init__(self, url, server_address="", token=None):
        """`server_address`: the only one of the server's that the client is to know."""
        self.url = url
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.server_address = server_address
        self.connection = RTCPeerConnection()
        self.resource = None
        self.frames = {"audio": 0, "video": 0}
        self._tasks = []

    @classmethod
    async def publish(cls, url, server_address="", token=None):
        session = cls(url, server_address, token)
        session.connection.addTrack(Tone())
        session.connection.addTrack(Picture())
        await session._negotiate()
        return session

    @classmethod
    async def play(cls, url):
        session = cls(url)
        for kind in ("audio", "video"):
            session.connection.addTransceiver(kind, direction="recvonly")
        session.connection.on("track", lambda track: session._tasks.append(asyncio.ensure_future(session._count(track))))
        await session._negotiate()
        return session

    async def _count(self, track):
        try:
            while True:
                await track.recv()
                self.frames[track.kind] += 1
        except MediaStreamError:
            pass

    async def _negotiate(self):
        await self.connection.setLocalDescription(await self.connection.createOffer())
        async with self._http() as http:
            headers = {"content-type": "application/sdp"}
            async with http.post(self.url, data=self.connection.localDescription.sdp, headers=headers) as response:
                answer = await response.text()
                assert response.status == 201, f"POST {self.url}: {response.status} {answer}"
                self.resource = str(response.url.join(aiohttp.client.URL(response.headers["location"])))
        lines = answer.splitlines(keepends=True)
        candidates = [line for line in lines if line.startswith("a=candidate:")]
        self.server_addresses = [line.split()[4] for line in candidates]
        unknown = {line for line in candidates if f" {self.server_address} " not in line and self.server_address}
        answer = "".join(line for line in lines if line not in unknown)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def counts(self):
        """Frames decoded, and packets received and lost, by kind."""
        stats = [report for report in (await self.connection.getStats()).values() if report.type == "inbound-rtp"]
        return {report.kind: (self.frames[report.kind], report.packetsReceived, report.packetsLost) for report in stats}

    async def delete(self):
        async with self._http() as http, http.delete(self.resource) as response:
            status = response.status
        await self.connection.close()
        return status

    async def close(self):
        await self.connection.close()

    def _http(self):
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False), headers=self.headers)
