"""WHIP and WHEP, with aiortc as the other implementation."""

from harness.aiortc_client import Session
from harness.participant import Flow
from harness.server import LaneCount
from harness.waiting import wait_for
from test_calls import assert_lane


def test_whip_publisher_to_chromium(server, new_participant, aiortc):
    session = aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder"))
    viewer = new_participant().join("studio", "Grace", quality=None, microphone=False)
    viewer.wait_for_media(2)
    lanes = LaneCount(server)
    Flow(viewer).wait(90).assert_good()
    assert_lane(lanes.since(), "xsk")
    assert viewer.names == ["encoder"]
    assert aiortc.run(session.delete()) == 200
    wait_for(lambda: viewer.names == [], "the publisher to be gone")


def test_chromium_to_whep_player(server, new_participant, aiortc):
    new_participant().join("studio", "Ada")
    wait_for(lambda: len([s for s in server.admin("/streams")["sources"] if s["packets"] > 0]) >= 2, "Ada's media")
    session = aiortc.run(Session.play(f"{server.url}/whep/studio/Ada"))
    wait_for(lambda: min(session.frames.values()) >= 15, "both tracks to arrive", seconds=20)
    lanes = LaneCount(server)
    before = aiortc.run(session.counts())
    wait_for(lambda: session.frames["video"] >= before["video"][0] + 45, "45 more frames", seconds=25)
    after = aiortc.run(session.counts())
    for kind in ("audio", "video"):
        packets, lost = (after[kind][i] - before[kind][i] for i in (1, 2))
        assert packets > 0 and lost / (packets + max(0, lost)) < 0.01, f"{kind}: {lost} lost of {packets}"
    assert_lane(lanes.since(), "xsk")
    assert aiortc.run(session.delete()) == 200


def test_whep_of_nobody_is_404(server, aiortc):
    try:
        aiortc.run(Session.play(f"{server.url}/whep/studio/nobody"))
    except AssertionError as error:
        assert ": 404 " in str(error)
    else:
        raise AssertionError("a player of nobody was answered")
