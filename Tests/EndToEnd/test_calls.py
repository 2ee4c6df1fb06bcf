"""Calls between real browsers, over each lane: what arrives is whole, and it took the lane it should."""

import pytest
from harness.firefox import Firefox
from harness.network import CLIENT_ADDRESS_V6, SERVER_ADDRESS_V6
from harness.participant import Flow, Participant
from harness.server import LaneCount
from harness.waiting import wait_for


def assert_lane(counted, lane, at_least=0.99):
    for kind, (xsk, socket) in counted.items():
        total = xsk + socket
        assert total > 100, f"only {total} packets at {kind}"
        share = (xsk if lane == "xsk" else socket) / total
        assert share >= at_least, f"{kind}: {xsk} packets on xsk, {socket} on socket"


def assert_call(server, people, lane="xsk", tracks=None, frames=90):
    """Everyone receives two tracks of everyone else, whole and over `lane`."""
    tracks = tracks or 2 * (len(people) - 1)
    for person in people:
        person.wait_for_media(tracks)
    lanes = LaneCount(server)
    flows = [Flow(person) for person in people]
    for flow in flows:
        flow.wait(frames).assert_good()
    assert_lane(lanes.since(), lane)
    for person in people:
        assert person.evaluate("() => call.errors") == []


def test_two_chromiums(server, new_participant):
    people = [new_participant().join("two", name) for name in ("Ada", "Grace")]
    assert_call(server, people)


def test_two_chromiums_on_the_socket_lane(start_server, new_page):
    server = start_server(lane="socket")
    people = [Participant(new_page(), server).join("two", name) for name in ("Ada", "Grace")]
    assert_call(server, people, lane="socket")


def test_three_chromiums(server, new_participant):
    people = [new_participant().join("three", name) for name in ("Ada", "Grace", "Alan")]
    assert_call(server, people)


def test_chromium_and_firefox(server, new_participant, firefox):
    people = [new_participant().join("mixed", "Ada"), Participant(firefox, server).join("mixed", "Grace")]
    assert_call(server, people)


@pytest.fixture
def another_firefox(network):
    with network.clients.inside():
        firefox = Firefox()
    yield firefox
    firefox.close()


def test_two_firefoxes(server, firefox, another_firefox):
    people = [Participant(page, server).join("foxes", name) for page, name in ((firefox, "Ada"), (another_firefox, "Grace"))]
    assert_call(server, people)


def test_media_over_ipv6(network, start_server, new_page):
    with network.ipv6():
        server = start_server(public_addresses=[SERVER_ADDRESS_V6])
        people = [Participant(new_page(), server).join("six", name) for name in ("Ada", "Grace")]
        assert_call(server, people)
        peers = [peer for p in server.admin("/participants?room=six")["participants"] for peer in p["peers"]]
        assert len(peers) == 4
        for peer in peers:
            assert peer["remote"].startswith(f"[{CLIENT_ADDRESS_V6}]:"), peer["remote"]


def test_clients_hear_of_ice_servers(start_server, new_page):
    server = start_server(ice_servers=["stun:192.0.2.1", "turn:ada:s%2Ccret@192.0.2.1:3478?transport=tcp"])
    ada = Participant(new_page(), server).join("servers", "Ada", microphone=False)
    (servers,) = ada.evaluate("() => connections.map((c) => c.getConfiguration().iceServers)")
    assert [{key: server[key] for key in ("urls", "username", "credential") if server.get(key)} for server in servers] == [
        {"urls": ["stun:192.0.2.1"]},
        {"urls": ["turn:192.0.2.1:3478?transport=tcp"], "username": "ada", "credential": "s,cret"},
    ]


def test_720p_passes_one_megabit_within_15_seconds(server, new_participant):
    viewer = new_participant().join("fast", "Grace", quality=None, microphone=False)
    sender = new_participant().join("fast", "Ada", quality=None, microphone=False, noise=True)

    def fast(person, direction):
        return [e for e in person.stats(direction) if e["kind"] == "video" and (e["bitsPerSecond"] or 0) > 1e6]

    (sent,) = wait_for(lambda: fast(sender, "send"), "the sender to send more than 1 Mbit/s", seconds=15, pause=0.5)
    assert (sent["width"], sent["height"]) == (1280, 720)
    wait_for(lambda: fast(viewer, "receive"), "the viewer to receive as much", seconds=15, pause=0.5)


def test_statistics_name_the_lane(server, new_participant):
    people = [new_participant().join("figures", name) for name in ("Ada", "Grace")]
    people[0].wait_for_media(2)
    for direction in ("send", "receive"):
        lanes = lambda: {e["lane"] for e in people[0].stats(direction)}
        wait_for(lambda: lanes() == {"xsk"}, lambda: f"what it {direction}s to be in the xsk lane; {lanes()}")


def test_needlectl_shows_every_stream_with_its_lane(server, new_participant):
    people = [new_participant().join("operator", name) for name in ("Ada", "Grace")]
    for person in people:
        person.wait_for_media(2)
    live = lambda kind: [s for s in server.needlectl("streams")[kind] if s["packets"] > 0]
    wait_for(lambda: {s["name"] for s in live("sources")} == {"Ada", "Grace"}, "packets of both to be counted")
    wait_for(lambda: len(live("sinks")) >= 4, "two sinks of each")
    assert {(s["lane"], s["laneReason"]) for s in live("sources")} == {("xsk", "not in the kernel: the source is encrypted")}
    assert {(s["lane"], s["laneReason"]) for s in live("sinks")} == {("xsk", "not in the kernel: the sink is encrypted")}
    assert server.needlectl("fastpath")["interfaces"][0]["xdpMode"] in ("native", "generic")
    # One who stays connected and sends nothing any more is told from one who loses nothing.
    people[0].evaluate("() => Promise.all(connections.flatMap((c) => c.getSenders()).map((s) => s.replaceTrack(null)))")
    silent = lambda: {s["name"]: s.get("lossBeforeRepair") for s in server.needlectl("streams")["sources"] if s.get("silentSeconds", 0) > 10}
    wait_for(lambda: silent() == {"Ada": None}, lambda: f"Ada to be silent; {silent()}", seconds=30)
