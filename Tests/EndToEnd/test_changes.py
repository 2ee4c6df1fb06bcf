"""People come, go and mute."""

import pytest
from harness.clear_rtp import ClearSender
from harness.participant import Flow, Participant
from harness.waiting import wait_for


def pair(new_participant, room="changes"):
    people = [new_participant().join(room, name) for name in ("Ada", "Grace")]
    for person in people:
        person.wait_for_media(2)
    return people


def test_leaving(server, new_participant):
    ada, grace = pair(new_participant)
    ada.leave()
    wait_for(lambda: grace.names == [], "Ada to be gone")
    wait_for(lambda: not [s for s in server.admin("/streams")["sources"] if s["name"] == "Ada"], "Ada's sources to be gone")
    # The m-lines she left serve the next one.
    alan = new_participant().join("changes", "Alan")
    grace.wait_for_media(2)
    alan.wait_for_media(2)
    assert grace.evaluate("() => Math.max(...connections.map((c) => c.getTransceivers().length))") == 2


def test_closing_the_page(server, new_participant):
    ada, grace = pair(new_participant)
    ada.page.context.close()
    wait_for(lambda: grace.names == [], "Ada to be gone")


def turn_on(page):
    for device in ("Microphone", "Camera"):
        page.get_by_role("button", name=device).click()


def test_reloading(server, new_page, new_participant):
    grace = new_participant().join("changes", "Grace")
    page = new_page()
    page.goto(f"{server.url}/?room=changes&name=Ada&autojoin=1&quality=low")
    turn_on(page)
    grace.wait_for_media(2)
    (before,) = grace.evaluate("() => [...call.participants.keys()]")
    page.reload()
    wait_for(lambda: grace.evaluate("() => [...call.participants.keys()]") not in ([], [before]), "Ada to be back")
    turn_on(page)
    grace.wait_for_media(2)
    assert grace.names == ["Ada"]


MUTED = """() => [...call.participants.values()].flatMap(({ tracks }) => [...tracks.values()])
  .filter(({ muted }) => muted).map(({ label }) => label)"""


def wait_for_silence(listener):
    """Until no sound arrives any more, while the picture goes on."""
    audio = lambda: next(e["packets"] for e in listener.stats() if e["kind"] == "audio")
    # What was under way has arrived once two readings, a second of video apart, agree.
    def quiet():
        before, flow = audio(), Flow(listener)
        flow.before = {t: e for t, e in flow.before.items() if e["kind"] == "video"}
        flow.wait(30)
        return audio() == before
    wait_for(quiet, "no more sound")


def test_muting_the_microphone(server, new_participant):
    ada, grace = pair(new_participant)
    ada.evaluate("() => call.mute('microphone')")
    wait_for(lambda: grace.evaluate(MUTED) == ["microphone"], "Grace to hear of it")
    wait_for_silence(grace)
    ada.evaluate("() => call.unmute('microphone')")
    wait_for(lambda: grace.evaluate(MUTED) == [], "Grace to hear of it")
    Flow(grace).wait(30).assert_good(most_concealed=0.1)


def test_who_speaks(server, new_page, new_participant):
    ada, grace = [new_participant().join("changes", name, quality=None, microphone=name == "Ada") for name in ("Ada", "Grace")]
    page = new_page()
    page.goto(f"{server.url}/?room=changes&name=Alan&autojoin=1")
    speaking = lambda: page.eval_on_selector_all(".tile.speaking", "(tiles) => tiles.map(({ dataset }) => dataset.name)")
    speakers = lambda person: person.evaluate("() => call.speakers.map((id) => call.participants.get(id)?.name ?? call.self.name)")
    all_hear = lambda names: [speakers(ada), speakers(grace), speaking()] == [names] * 3
    wait_for(lambda: all_hear(["Ada"]), lambda: f"all to see Ada speak; {speakers(ada)}, {speakers(grace)}, {speaking()}")
    ada.evaluate("() => call.mute('microphone')")
    wait_for(lambda: all_hear([]), "nobody to speak")


def test_muting_the_camera_closes_and_opens_it(server, new_participant):
    ada, grace = pair(new_participant)
    ada.evaluate("() => call.mute('camera')")
    assert ada.evaluate("() => call.published.get('camera').media") is None
    assert not ada.evaluate("() => connections.some((c) => c.getSenders().some(({ track }) => track?.kind === 'video'))")
    wait_for(lambda: any(s["muted"] for s in server.admin("/streams")["sources"] if s["kind"] == "video"), "the mute")
    ada.evaluate("() => call.unmute('camera')")
    Flow(grace).wait(30)


def test_an_operator_mutes(server, new_participant):
    """Grace gets nothing of Ada's until the operator unmutes, and then Ada herself."""
    ada, grace = pair(new_participant)
    source = lambda: next(s for s in server.admin("/streams?room=changes")["sources"] if (s["name"], s["kind"]) == ("Ada", "audio"))
    order = {"room": "changes", "participant": "Ada", "track": source()["track"]}
    server.admin("/mute", order)
    wait_for(lambda: grace.evaluate(MUTED) == ["microphone"], "Grace to hear of it")
    wait_for_silence(grace)
    assert source()["muted"]
    taken = source()["packets"]
    wait_for(lambda: source()["packets"] > taken + 50, "Ada to send all the same")
    server.admin("/mute", order | {"muted": False})
    ada.evaluate("() => call.unmute('microphone')")
    wait_for(lambda: grace.evaluate(MUTED) == [], "Grace to hear of it")
    Flow(grace).wait(30).assert_good(most_concealed=0.1)
    assert not source()["muted"]


def test_an_operator_kicks(server, new_participant):
    ada, grace = pair(new_participant)
    ids = {p["name"]: p["id"] for p in server.admin("/participants?room=changes")["participants"]}
    server.admin("/kick", {"room": "changes", "participant": ids["Ada"]})
    wait_for(lambda: ada.state == "closed", "Ada to be told")
    wait_for(lambda: grace.names == [], "Ada to be gone")


def test_choosing_tracks(server, new_participant):
    ada, grace = pair(new_participant)
    ids = grace.evaluate("""() => [...call.participants.values()].flatMap(({ tracks }) => [...tracks.values()])
      .filter(({ kind }) => kind === "audio").map(({ id }) => id)""")
    grace.evaluate("(ids) => call.setSubscriptions(ids)", ids)
    wait_for(lambda: [e["kind"] for e in grace.stats()] == ["audio"], "the video to end")
    grace.evaluate("() => call.setSubscriptions(null)")
    grace.wait_for_media(2)
    Flow(grace).wait(30)


def test_sharing_and_ending_a_second_video(server, new_participant):
    ada, grace = pair(new_participant)
    share = """async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
      const paint = canvas.getContext("2d");
      globalThis.drawing = setInterval(() => { paint.fillStyle = `hsl(${performance.now() / 20 % 360} 60% 50%)`; paint.fillRect(0, 0, 640, 360); }, 50);
      await call.publishTrack(canvas.captureStream(20).getVideoTracks()[0], "screen");
    }"""
    for _ in range(2):  # and again: the m-line is used anew
        ada.evaluate(share)
        grace.wait_for_media(3)
        assert "screen" in [e["label"] for e in grace.stats()]
        ada.evaluate("() => { clearInterval(drawing); return call.unpublish('screen'); }")
        wait_for(lambda: len(grace.stats()) == 2, "the screen to go")
    Flow(grace).wait(30).assert_good()


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_who_lacks_a_codec_gets_everything_else(request, network, server, new_page, new_participant, browser):
    """The first track on offer is one that neither browser takes."""
    camera = ClearSender(network.clients)
    camera.add(server, "codecs", "camera", codec="h265")
    page = new_page() if browser == "chromium" else request.getfixturevalue("firefox")
    grace = Participant(page, server).join("codecs", "Grace", quality=None, microphone=False)
    state = "() => connections.map((c) => [c.connectionState, c.signalingState])"
    wait_for(lambda: grace.evaluate(state) == [["connected", "stable"]], "Grace to be connected all the same")
    ada = new_participant().join("codecs", "Ada")
    grace.wait_for_media(2)
    Flow(grace).wait(30)
    # An m-line that carried VP8 carries what Grace lacks.
    ada.leave()
    wait_for(lambda: grace.names == ["camera"], "Ada to be gone")
    another = ClearSender(network.clients, ssrc=4712)
    another.add(server, "codecs", "another", codec="h265")
    alan = new_participant().join("codecs", "Alan")
    grace.wait_for_media(2)
    Flow(grace).wait(30)
    assert grace.evaluate("() => [call.errors, connections.length]") == [[], 1]
