"""Someone in a call: a browser page that uses the client module, web/needletail.js, through its public interface alone."""

from .waiting import PATIENCE, wait_for

# The page keeps its Room in `call` and every RTCPeerConnection it makes in `connections`.
WATCH = """
globalThis.connections = [];
globalThis.RTCPeerConnection = class extends globalThis.RTCPeerConnection {
  constructor(...all) { super(...all); connections.push(this); }
};
"""

JOIN = """async ({ room, name, quality, microphone, noise }) => {
  const { connect } = await import("/needletail.js");
  globalThis.call = await connect({ room, name });
  call.errors = [];
  call.states = [];
  call.addEventListener("error", ({ detail }) => call.errors.push(detail));
  call.addEventListener("state", ({ detail }) => call.states.push(detail.state));
  if (microphone) await call.publishMicrophone({ echoCancellation: false, noiseSuppression: false, autoGainControl: false });
  if (quality) await call.publishCamera({ quality });
  if (noise) {
    const [width, height] = [1280, 720];
    const image = Object.assign(document.createElement("canvas"), { width: width + 64, height: height + 64 });
    const paint = image.getContext("2d");
    const data = paint.createImageData(image.width, image.height);
    for (let i = 0; i < data.data.length; i += 4) {
      data.data[i] = Math.random() * 255; data.data[i + 1] = Math.random() * 255; data.data[i + 2] = data.data[i]; data.data[i + 3] = 255;
    }
    paint.putImageData(data, 0, 0);
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const screen = canvas.getContext("2d");
    setInterval(() => screen.drawImage(image, -Math.random() * 64, -Math.random() * 64), 33);
    await call.publishTrack(canvas.captureStream(30).getVideoTracks()[0], "camera", { encoding: { maxBitrate: 2_500_000 } });
    // Noise is hard: without this the encoder gives up resolution, and the test would be of another size than it says.
    const [sender] = connections.flatMap((c) => c.getSenders()).filter(({ track }) => track?.kind === "video");
    await sender.setParameters({ ...sender.getParameters(), degradationPreference: "maintain-resolution" });
  }
  // A stream that nothing plays may not be decoded.
  globalThis.players ??= new Map();
  const play = ({ detail: { track } }) => {
    const player = players.get(track.id) ?? document.createElement(track.kind);
    players.set(track.id, player);
    player.autoplay = true;
    player.srcObject = track.media && new MediaStream([track.media]);
    player.play().catch(() => {});
  };
  call.addEventListener("trackmedia", play);
  for (const { tracks } of call.participants.values()) for (const track of tracks.values()) if (track.media) play({ detail: { track } });
}"""


# For the message of a test that failed.
INSPECT = """() => JSON.stringify({
  self: call.self, state: call.state, errors: call.errors,
  participants: [...call.participants.values()].map(({ name, tracks }) =>
    [name, ...[...tracks.values()].map(({ id, media }) => [id, Boolean(media)])]),
  connections: connections.map((c) => [c.connectionState, c.signalingState,
    c.getTransceivers().map((t) => [t.mid, t.direction, t.currentDirection])]),
})"""


class Participant:
    """`page` is a Playwright page or a Firefox: something with goto and evaluate."""

    def __init__(self, page, server):
        self.page = page
        page.goto(f"{server.url}/healthz")
        page.evaluate(f"() => {{ {WATCH} }}")

    def join(self, room, name, quality="low", microphone=True, noise=False):
        self.page.evaluate(JOIN, {"room": room, "name": name, "quality": quality, "microphone": microphone, "noise": noise})
        return self

    def evaluate(self, function, argument=None):
        return self.page.evaluate(function, argument)

    def stats(self, direction="receive"):
        return [entry for entry in self.evaluate("() => call.stats()") if entry["direction"] == direction]

    @property
    def state(self):
        return self.evaluate("() => call.state")

    @property
    def names(self):
        return sorted(self.evaluate("() => [...call.participants.values()].map(({ name }) => name)"))

    def leave(self):
        self.evaluate("() => call.leave()")

    def wait_for_media(self, tracks, seconds=PATIENCE, frames=15):
        """Until exactly `tracks` tracks arrive and each of them flows."""
        def flows():
            entries = [entry for entry in self.stats() if entry["packets"] > 0]
            flowing = [e for e in entries if (e["frames"] >= frames if e["kind"] == "video" else e["totalSamplesReceived"] > 24000)]
            return flowing if len(flowing) == tracks else None
        return wait_for(flows, lambda: f"{tracks} tracks to flow; {self._brief()}", seconds)

    def _brief(self):
        seen = [(e["kind"], e["packets"], e["frames"], e["totalSamplesReceived"], e["keyFrameRequests"]) for e in self.stats()]
        return f"kind, packets, frames, samples, key-frame requests: {seen}; {self.evaluate(INSPECT)}"


class Flow:
    """What one participant receives, from one moment to another."""

    def __init__(self, participant):
        self.participant = participant
        self.before = self._now()

    def _now(self):
        return {entry["track"]: entry for entry in self.participant.stats()}

    def wait(self, frames=60, seconds=PATIENCE):
        """Until every track it had at first has gone on for `frames` frames, or as many seconds of sound at 30 a second."""
        def done():
            now = self._now()
            missing = [track for track in self.before if track not in now]
            assert not missing, f"tracks vanished: {missing}"
            return all(self._progress(track, now) >= frames for track in self.before) and now
        self.after = wait_for(done, f"{frames} more frames of each of {len(self.before)} tracks", seconds, pause=0.25)
        return self

    def _progress(self, track, now):
        before, after = self.before[track], now[track]
        if after["kind"] == "video":
            return after["frames"] - before["frames"]
        return (after["totalSamplesReceived"] - before["totalSamplesReceived"]) / 48000 * 30

    def assert_good(self, most_loss=0.01, most_concealed=0.05):
        for track, after in self.after.items():
            if track not in self.before:
                continue
            before = self.before[track]
            grown = lambda name: after[name] - before[name]
            packets, lost = grown("packets"), grown("packetsLost")
            assert packets > 0, f"{after['kind']} {track}: no packets"
            assert lost / (packets + max(0, lost)) < most_loss, f"{after['kind']} {track}: {lost} of {packets + lost} packets lost"
            if after["kind"] == "audio":
                concealed = (grown("concealedSamples") - grown("silentConcealedSamples")) / grown("totalSamplesReceived")
                assert concealed < most_concealed, f"audio {track}: {concealed:.1%} of the sound was concealed"
