"""What a page publishes: no device stays open that the page does not show as on."""

import pytest
from harness.participant import Participant
from harness.waiting import wait_for
from playwright.sync_api import expect
from test_page import enter
from test_recovery import WATCH_SOCKETS

# Keeps every track that was opened; `live()` is what is still open. Opening takes `openingTakes` milliseconds.
DEVICES = """
globalThis.opened = [];
globalThis.openingTakes = 0;
globalThis.live = () => opened.filter(({ readyState }) => readyState === "live").map(({ kind }) => kind).sort();
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  await new Promise((resolve) => setTimeout(resolve, openingTakes));
  const stream = await open(wanted);
  opened.push(...stream.getTracks());
  return stream;
};
navigator.mediaDevices.getDisplayMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
  const paint = canvas.getContext("2d");
  setInterval(() => paint.fillRect(Math.random() * 300, 0, 9, 9), 50);
  const stream = canvas.captureStream(15);
  stream.addTrack(new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0]);
  opened.push(...stream.getTracks());
  return stream;
};
"""

# The code of the error that each of these promises ends with, or null.
OUTCOMES = """globalThis.outcomes = (...promises) =>
  Promise.allSettled(promises).then((all) => all.map(({ reason }) => reason?.code ?? null));"""


@pytest.fixture
def new_person(new_page, request):
    def make(server=None):
        page = new_page()
        page.add_init_script(DEVICES + OUTCOMES)
        person = Participant(page, server or request.getfixturevalue("server"))
        person.evaluate(WATCH_SOCKETS)
        return person
    return make


@pytest.fixture
def ada(new_person):
    return new_person().join("devices", "Ada", quality=None, microphone=False)


def test_leaving_while_devices_are_being_opened(ada):
    assert ada.evaluate("""async () => {
      openingTakes = 700;
      const pending = [call.publishCamera(), call.publishMicrophone()];
      await new Promise((resolve) => setTimeout(resolve, 100));
      call.leave();
      return [await outcomes(...pending, call.publishMicrophone()), opened.length, live(), call.published.size];
    }""") == [["closed", "closed", "closed"], 2, [], 0]


def test_leaving_while_a_muted_camera_is_being_opened(ada):
    assert ada.evaluate("""async () => {
      await call.publishCamera();
      await call.mute("camera");
      openingTakes = 700;
      const pending = call.unmute("camera");
      await new Promise((resolve) => setTimeout(resolve, 100));
      call.leave();
      return [await outcomes(pending), opened.length, live()];
    }""") == [["closed"], 2, []]


def test_publishing_twice(ada):
    assert ada.evaluate("""async () => {
      const codes = await outcomes(call.publishCamera(), call.publishCamera());
      const before = live();
      await call.unpublish("camera");
      return [codes, before, live()];
    }""") == [[None, "already-published"], ["video"], []]


def test_what_is_asked_of_a_camera_is_done_in_order(ada):
    assert ada.evaluate("""async () => {
      openingTakes = 200;
      await Promise.all([call.publishCamera(), call.mute("camera"), call.unmute("camera"), call.unmute("camera"), call.mute("camera")]);
      const muted = [call.published.get("camera").muted, live()];
      await Promise.all([call.unmute("camera"), call.unmute("camera")]);
      return [muted, call.published.get("camera").muted, live()];
    }""") == [[True, []], False, ["video"]]


def test_a_track_of_the_page_stays_the_pages(ada):
    assert ada.evaluate("""async () => {
      const [mine] = (await navigator.mediaDevices.getUserMedia({ video: true })).getTracks();
      await call.publishTrack(mine, "camera");
      await call.unpublish("camera");
      await call.publishTrack(mine, "camera");
      call.leave();
      return [await outcomes(call.publishTrack(mine, "camera")), mine.readyState];
    }""") == [["closed"], "live"]


def test_a_quality_that_there_is_not(ada):
    assert ada.evaluate("""async () => {
      const codes = await outcomes(...["ultra", "toString"].map((quality) => call.publishCamera({ quality })));
      return [codes, opened.length];
    }""") == [["bad-quality", "bad-quality"], 0]


def test_a_token_that_does_not_allow_publishing(start_server, new_person):
    server = start_server(auth="tokens", token_secret="a secret of at least 32 bytes, for this test")
    token = server.admin("/token", {"room": "devices", "canPublish": False})["token"]
    assert new_person(server).evaluate("""async (token) => {
      const { connect } = await import("/needletail.js");
      const call = await connect({ room: "devices", name: "Ada", token });
      return [await outcomes(call.publishCamera(), call.publishMicrophone()), live(), call.published.size];
    }""", token) == [["forbidden", "forbidden"], [], 0]


# A server that takes no more tracks rejects their m-lines, or the whole offer.
NO_MORE_TRACKS = ("not-accepted", "limit-exceeded")


def test_the_sound_of_a_screen_is_refused(start_server, new_person):
    ada = new_person(start_server(max_tracks=1)).join("devices", "Ada", quality=None, microphone=False)
    ada.evaluate("() => call.publishScreen()")
    assert ada.evaluate("() => [[...call.published.keys()], live()]") == [["screen"], ["video"]]
    (error,) = ada.evaluate("() => call.errors")
    assert error["code"] in NO_MORE_TRACKS


def test_a_screen_is_refused(start_server, new_person):
    ada = new_person(start_server(max_tracks=1)).join("devices", "Ada", quality=None)
    ((code,), live, published) = ada.evaluate(
        "async () => [await outcomes(call.publishScreen()), live(), [...call.published.keys()]]")
    assert (code in NO_MORE_TRACKS, live, published) == (True, ["audio"], ["microphone"])
    assert ada.evaluate("async () => { await call.unpublish('microphone'); return live(); }") == []


def test_the_connection_is_lost_during_the_first_publish(new_person, new_participant):
    ada, grace = new_person(), new_participant()
    ada.evaluate("""() => {
      let lost = false;
      globalThis.WebSocket = class extends WebSocket {
        send(text) {
          if (lost || JSON.parse(text).type !== "publish") return super.send(text);
          lost = true;
          this.close();
        }
      };
    }""")
    ada.join("devices", "Ada", quality=None, microphone=False)
    assert ada.evaluate("() => outcomes(call.publishMicrophone(), call.publishCamera({ quality: 'low' }))") == [None, None]
    grace.join("devices", "Grace", quality=None, microphone=False).wait_for_media(2)


def test_an_operator_mutes_and_takes_it_back(ada):
    """Only the person turns the camera on again."""
    ada.evaluate("() => { call.moderated = []; call.addEventListener('moderated', ({ detail }) => call.moderated.push(detail)); }")
    ada.evaluate("() => call.publishCamera()")
    told = """(muted) => {
      const { id } = call.published.get("camera");
      const track = { id, kind: "video", label: "camera", codecs: [], muted };
      sockets.at(-1).onmessage({ data: JSON.stringify({ type: "track", event: muted ? "muted" : "unmuted", participant: call.self.id, track }) });
    }"""
    state = lambda: ada.evaluate("() => [call.published.get('camera').muted, live()]")
    ada.evaluate(told, True)
    wait_for(lambda: state() == [True, []], "the camera to be closed")
    ada.evaluate(told, False)
    ada.evaluate("() => call.mute('camera')")
    assert state() == [True, []]
    assert ada.evaluate("() => call.moderated") == [{"label": "camera", "muted": True}, {"label": "camera", "muted": False}]
    ada.evaluate("() => call.unmute('camera')")
    assert state() == [False, ["video"]]


def test_two_presses_of_a_button(server, new_page):
    page = new_page()
    page.add_init_script(DEVICES)
    enter(page, server, "Ada", camera="off", microphone="off")
    page.evaluate("() => { openingTakes = 500; }")
    for _ in range(2):
        page.get_by_role("button", name="Camera").click()
    wait_for(lambda: page.evaluate("() => opened.length") == 1, "the camera to have been opened")
    wait_for(lambda: page.evaluate("() => live()") == [], "the camera to be closed")
    expect(page.get_by_role("button", name="Camera")).to_have_attribute("aria-pressed", "false")


def enter_watched(page, server, **parameters):
    page.add_init_script(DEVICES)
    return enter(page, server, "Ada", **parameters)


def pressed(page, prefix=""):
    return [page.locator(f"#{prefix}{device}").get_attribute("aria-pressed") == "true" for device in ("microphone", "camera")]


@pytest.mark.parametrize("on, off", [("Microphone", "Camera"), ("Camera", "Microphone")])
def test_leaving_turns_nothing_on(server, new_page, on, off):
    page = enter_watched(new_page(), server, **{on.lower(): "off"})
    wait_for(lambda: pressed(page) == [off == "Microphone", off == "Camera"], "what the lobby had on to be on")
    for name in (on, off):
        page.get_by_role("button", name=name).click()
    wait_for(lambda: pressed(page) == [on == "Microphone", on == "Camera"], "both to be changed")
    page.get_by_role("button", name="Leave").click()
    expect(page.locator("#lobby")).to_be_visible()
    assert pressed(page, "lobby-") == [on == "Microphone", on == "Camera"]
    wait_for(lambda: page.evaluate("() => live()") == (["video"] if on == "Camera" else []), "the preview, or none")


def test_who_was_put_out_is_not_filmed(server, new_page):
    page = enter_watched(new_page(), server)
    wait_for(lambda: pressed(page) == [True, True], "both devices to be on")
    server.needlectl("kick", "page", "Ada")
    expect(page.locator("#lobby-error")).to_contain_text("removed from the room")
    expect(page.locator("#preview-note")).to_have_text("Camera is off")
    assert (pressed(page, "lobby-"), page.evaluate("() => live()")) == ([True, False], [])


def test_a_link_turns_nothing_on(server, new_page):
    page = new_page()
    page.add_init_script(DEVICES)
    page.goto(f"{server.url}/?room=page&name=Ada&autojoin=1")
    expect(page.get_by_role("listitem", name="Ada (you), camera off, microphone off")).to_be_visible()
    assert page.evaluate("() => opened.length") == 0
    page.get_by_role("button", name="Camera").click()
    expect(page.get_by_role("listitem", name="Ada (you), camera on, microphone off")).to_be_visible()
