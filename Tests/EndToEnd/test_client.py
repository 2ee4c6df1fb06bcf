"""The client module, as its documentation says that other pages use it."""

import re
from pathlib import Path

import pytest
from harness.server import ROOT
from harness.waiting import wait_for

README = Path(ROOT / "web/README.md").read_text()


@pytest.fixture
def server(start_server):
    return start_server(allowed_origins=["https://elsewhere.example"])


def test_the_example_of_the_documentation(server, new_page, new_participant):
    """In a page of another origin."""
    example = re.search(r"```js\n(.*?)```", README, re.DOTALL)[1]
    example = "const token = null;\n" + example.replace("https://sfu.example.org", server.url)
    page = new_page(permissions=["camera", "microphone", "local-network-access"])
    elsewhere = "https://elsewhere.example/"
    page.route(elsewhere, lambda route: route.fulfill(content_type="text/html", body=f'<body><script type="module">{example}</script>'))
    page.goto(elsewhere)
    elements = lambda: page.evaluate("[...document.querySelectorAll('audio, video')].map(({ localName }) => localName).sort()")
    grace = new_participant().join("lounge", "Grace")
    grace.wait_for_media(2)
    wait_for(lambda: elements() == ["audio", "video"], "an element for each track")
    room = f"[...(await import('{server.url}/needletail.js')).rooms][0]"
    subscribe = f"async (tracks) => {room}.setSubscriptions(tracks)"
    has_media = f"""async () => [...{room}.participants.values()]
      .flatMap(({{ tracks }}) => [...tracks.values()]).map(({{ media }}) => Boolean(media))"""
    for tracks, expected in (([], [False, False]), (None, [True, True])):
        page.evaluate(subscribe, tracks)
        wait_for(lambda: page.evaluate(has_media) == expected, "the subscription to change")
    assert elements() == ["audio", "video"]
    grace.leave()
    wait_for(lambda: elements() == [], "the elements to go")


def test_everybody_goes_when_the_room_is_left(new_participant):
    ada, grace = (new_participant().join("lounge", name) for name in ("Ada", "Grace"))
    for person in (ada, grace):
        person.wait_for_media(2)
    wait_for(lambda: grace.evaluate("() => call.speakers.length"), "somebody to speak")
    assert grace.evaluate("""() => {
      const told = [];
      for (const type of ["trackremoved", "participantleft", "speakers", "state"]) {
        call.addEventListener(type, () => told.push([type, call.state]));
      }
      call.leave();
      return [told, call.participants.size, call.speakers];
    }""") == [[[type, "closed"] for type in ("speakers", "trackremoved", "trackremoved", "participantleft", "state")], 0, []]


def test_addresses_that_are_none(new_page, server):
    page = new_page()
    page.goto(f"{server.url}/healthz")
    assert page.evaluate("""async () => {
      const { connect } = await import("/needletail.js");
      const failure = (url) => connect({ url, room: "a", name: "b" }).catch(({ name, code }) => `${name} ${code}`);
      return Promise.all(["http://[", "ftp://host"].map(failure));
    }""") == ["NeedletailError bad-url"] * 2
