"""Codecs that browsers do not choose by themselves, and simulcast, whose SSRCs are learned from MID."""

import pytest
from harness.participant import Flow, Participant
from harness.server import LaneCount
from harness.waiting import wait_for
from test_calls import assert_lane

# Publishes a picture that moves. `mime`: the only codec it offers. `encodings`: what it offers to send of it.
PUBLISH = """async ({ mime, encodings, width, height }) => {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const paint = canvas.getContext("2d");
  setInterval(() => {
    paint.fillStyle = `hsl(${performance.now() / 20 % 360} 60% 50%)`;
    paint.fillRect(0, 0, width, height);
    paint.fillStyle = "white";
    paint.fillRect(performance.now() / 5 % width, height / 4, width / 16, height / 8);
  }, 33);
  const { addTransceiver } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addTransceiver = function (what, init = {}) {
    const isVideo = what === "video" || what.kind === "video";
    const transceiver = addTransceiver.call(this, what, isVideo && encodings ? { ...init, sendEncodings: encodings } : init);
    const fits = ({ mimeType }) => [mime, "video/rtx"].some((name) => name.toLowerCase() === mimeType.toLowerCase());
    if (isVideo && mime) transceiver.setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs.filter(fits));
    return transceiver;
  };
  await call.publishTrack(canvas.captureStream(30).getVideoTracks()[0], "camera");
}"""


def publish(person, mime=None, encodings=None, width=320, height=180):
    person.evaluate(PUBLISH, {"mime": mime, "encodings": encodings, "width": width, "height": height})


def join(person, name):
    return person.join("codecs", name, quality=None, microphone=False)


def assert_codec(server, viewer, mime):
    viewer.wait_for_media(1)
    lanes = LaneCount(server)
    Flow(viewer).wait(120).assert_good()
    assert_lane(lanes.since(), "xsk")
    assert [e["codec"].lower() for e in viewer.stats()] == [mime.removeprefix("video/").lower()]


@pytest.mark.parametrize("mime", ["video/H264", "video/VP9", "video/AV1"])
def test_chromium_to_chromium(server, new_participant, mime):
    viewer, sender = join(new_participant(), "Grace"), join(new_participant(), "Ada")
    publish(sender, mime)
    assert_codec(server, viewer, mime)


def test_vp9_from_chromium_to_firefox(server, new_participant, firefox):
    viewer, sender = join(Participant(firefox, server), "Grace"), join(new_participant(), "Ada")
    publish(sender, "video/VP9")
    assert_codec(server, viewer, "video/VP9")


def test_of_a_simulcast_offer_the_first_encoding_is_sent(server, new_participant):
    viewer, sender = join(new_participant(), "Grace"), join(new_participant(), "Ada")
    encodings = [{"rid": "q", "scaleResolutionDownBy": 4}, {"rid": "h", "scaleResolutionDownBy": 2}, {"rid": "f"}]
    publish(sender, encodings=encodings, width=1280, height=720)
    (offer,) = sender.evaluate("() => connections.map((c) => c.localDescription.sdp)")
    assert "a=simulcast:send q;h;f" in offer, offer
    assert "a=ssrc:" not in offer, "the SSRC need not be learned"
    viewer.wait_for_media(1)
    lanes = LaneCount(server)
    # Long enough for the first retransmissions, whose SSRC is learned as well, to be less than one in a hundred.
    Flow(viewer).wait(300).assert_good()
    assert_lane(lanes.since(), "xsk")
    wait_for(lambda: [(e["width"], e["height"]) for e in viewer.stats()] == [(320, 180)], lambda: f"the first encoding; {viewer.stats()}")
