"""Interruptions: what breaks comes back by itself."""

import pytest
from harness.participant import Flow, Participant
from harness.waiting import wait_for
from test_calls import assert_call


@pytest.fixture
def pair(server, new_participant):
    people = [new_participant().join("recovery", name) for name in ("Ada", "Grace")]
    for person in people:
        person.wait_for_media(2)
    return people


@pytest.mark.parametrize("stop", ["stop", "kill"])
def test_server_restart(server, pair, stop):
    getattr(server, stop)()
    for person in pair:
        wait_for(lambda: person.state == "reconnecting", "the page to notice")
    server.start()
    for person in pair:
        wait_for(lambda: person.state == "connected", "the page to be connected again", seconds=25)
    assert_call(server, pair, frames=30)


def test_ice_restart(pair, server):
    ada, grace = pair
    fragments = """() => connections.filter((c) => c.connectionState === "connected")
      .map((c) => /a=ice-ufrag:(\\S+)/.exec(c.localDescription.sdp)[1]).sort()"""
    before = ada.evaluate(fragments)
    assert len(before) == 2
    ada.evaluate("() => call.restart()")
    wait_for(lambda: not set(ada.evaluate(fragments)) & set(before), "new ICE credentials")
    wait_for(lambda: len(ada.evaluate(fragments)) == 2, "both connections to be there")
    assert ada.evaluate("() => connections.length") == 2, "the connections should have been kept"
    for person in pair:
        Flow(person).wait(45).assert_good()
    assert ada.evaluate("() => call.errors") == []


def test_network_drop(network, pair):
    ada, grace = pair
    network.drop()
    wait_for(lambda: ada.state == "reconnecting", "the page to notice", seconds=20)
    network.restore()
    for person in pair:
        wait_for(lambda: person.state == "connected", "the page to recover", seconds=25)
        person.wait_for_media(2)
        Flow(person).wait(30)


def test_lost_websocket(network, pair):
    """The TCP connections are reset; media and people come back on a new one."""
    ada, grace = pair
    network.clients.run("ss", "-K", "dport", "=", ":8443")
    for person in pair:
        wait_for(lambda: "reconnecting" in person.evaluate("() => call.states"), "the page to notice")
        wait_for(lambda: person.state == "connected", "the page to recover", seconds=20)
    for person in pair:
        wait_for(lambda: len(person.names) == 1, "the other one, once")
        person.wait_for_media(2)
        Flow(person).wait(30)
