"""Interruptions: what breaks comes back by itself."""

import contextlib
import json
import subprocess

import pytest
from harness.participant import Flow, Participant
from harness.server import Server
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
        wait_for(lambda: person.state == "connected", "the page to be connected again")
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


def test_ice_restart_of_the_subscribe_peer_alone(pair):
    ada, grace = pair
    fragments = """() => connections.map((c) => /a=ice-ufrag:(\\S+)/.exec(c.remoteDescription.sdp)[1])"""
    before = ada.evaluate(fragments)
    ada.evaluate("() => call.restart('subscribe')")
    wait_for(lambda: len(set(ada.evaluate(fragments)) - set(before)) == 1, "an offer with new ICE credentials")
    Flow(ada).wait(45).assert_good()
    assert ada.evaluate("() => [call.errors, connections.length]") == [[], 2]


def test_network_drop(network, pair):
    ada, grace = pair
    network.drop()
    wait_for(lambda: ada.state == "reconnecting", "the page to notice")
    network.restore()
    for person in pair:
        wait_for(lambda: person.state == "connected", "the page to recover")
        person.wait_for_media(2)
        Flow(person).wait(30)


def test_lost_websocket(network, pair):
    """The TCP connections are reset; media and people come back on a new one."""
    ada, grace = pair
    network.clients.run("ss", "-K", "dport", "=", ":8443")
    for person in pair:
        wait_for(lambda: "reconnecting" in person.evaluate("() => call.states"), "the page to notice")
        wait_for(lambda: person.state == "connected", "the page to recover")
    for person in pair:
        wait_for(lambda: len(person.names) == 1, "the other one, once")
        person.wait_for_media(2)
        Flow(person).wait(30)


# Keeps the page's WebSockets in `sockets`.
WATCH_SOCKETS = """() => {
  globalThis.sockets = [];
  globalThis.WebSocket = class extends globalThis.WebSocket {
    constructor(...all) { super(...all); sockets.push(this); }
  };
}"""


@pytest.mark.parametrize("target, text, renewed", [("publish", "it is gone", True), ("subscribe", "not publish, the other", False)])
def test_the_peer_that_the_server_names_is_made_anew(server, new_page, new_participant, target, text, renewed):
    grace = new_participant().join("recovery", "Grace")
    ada = Participant(new_page(), server)
    ada.evaluate(WATCH_SOCKETS)
    ada.join("recovery", "Ada")
    for person in (ada, grace):
        person.wait_for_media(2)
    before, tracks = ada.evaluate("() => connections.length"), {entry["track"] for entry in grace.stats()}
    message = {"type": "error", "code": "peer-failed", "message": text, "target": target}
    ada.evaluate("(data) => sockets[0].onmessage({ data })", json.dumps(message))
    if renewed:
        wait_for(lambda: not tracks & {entry["track"] for entry in grace.stats()}, "the old tracks to go")
    for person in (ada, grace):
        person.wait_for_media(2)
        Flow(person).wait(30)
    assert (ada.evaluate("() => connections.length") > before) == renewed
    assert ada.evaluate("() => [call.errors, sockets.length]") == [[], 1]


def test_a_server_that_hangs_while_one_joins(server, new_page):
    ada = Participant(new_page(), server)
    ada.evaluate("async () => { globalThis.client = await import('/needletail.js'); }")
    server.hang()
    ada.evaluate("() => client.connect({ room: 'recovery', name: 'Ada' }).catch(({ code }) => { globalThis.refusal = code; }) && null")
    wait_for(lambda: ada.evaluate("() => globalThis.refusal") == "unreachable", "the page to give up")


def test_a_server_that_hangs_while_one_is_alone(server, new_participant):
    """There is no media that stops."""
    ada = new_participant().join("recovery", "Ada", quality=None, microphone=False)
    assert ada.state == "connected"
    server.hang()
    wait_for(lambda: ada.state == "reconnecting", "the page to notice")
    server.go_on()
    wait_for(lambda: ada.state == "connected", "the page to be connected again")
    assert ada.evaluate("() => call.errors") == []


def test_a_restart_that_is_not_answered(server, new_page, new_participant):
    grace = new_participant().join("recovery", "Grace")
    ada = Participant(new_page(), server)
    ada.evaluate(WATCH_SOCKETS)
    ada.join("recovery", "Ada", quality=None, microphone=False).wait_for_media(2)
    ada.evaluate("() => { sockets[0].send = () => {}; call.restart('subscribe'); }")
    wait_for(lambda: ada.evaluate("() => [sockets.length, call.state]") == [2, "connected"], "another WebSocket")
    ada.wait_for_media(2)
    assert grace.names == ["Ada"]


def test_back_at_once_when_the_network_is(server, new_page):
    ada = Participant(new_page(), server)
    ada.evaluate(WATCH_SOCKETS)
    ada.join("recovery", "Ada", quality=None, microphone=False)
    server.kill()
    wait_for(lambda: ada.evaluate("""() => {
      const before = sockets.length;
      if (before < 3 || sockets.at(-1).readyState !== 3) return false;
      dispatchEvent(new Event("online"));
      globalThis.attempts = sockets.length - before;
      return true;
    }"""), "a pause between two attempts")
    assert ada.evaluate("() => attempts") == 1


@pytest.fixture
def mixed_pair(server, new_participant, firefox):
    """Ada on Firefox, Grace on Chromium."""
    people = [Participant(firefox, server).join("recovery", "Ada"), new_participant().join("recovery", "Grace")]
    for person in people:
        person.wait_for_media(2)
    return people


def test_network_drop_with_firefox(network, mixed_pair):
    ada, grace = mixed_pair
    network.drop()
    wait_for(lambda: ada.state == "reconnecting", "Firefox to notice")
    network.restore()
    for person in mixed_pair:
        wait_for(lambda: person.state == "connected", "the page to recover")
        wait_for(lambda: len(person.names) == 1, "the other one, once")
        person.wait_for_media(2)
        Flow(person).wait(30)


def turn_on(firefox):
    wait_for(lambda: firefox.evaluate("() => !document.getElementById('call').hidden"), "the call to show")
    firefox.evaluate("() => ['microphone', 'camera'].forEach((id) => document.getElementById(id).click())")


def test_firefox_reloads_and_leaves(server, firefox, new_participant):
    grace = new_participant().join("recovery", "Grace")
    ids = lambda: grace.evaluate("() => [...call.participants.keys()]")
    firefox.goto(f"{server.url}/?room=recovery&name=Ada&autojoin=1&quality=low")
    turn_on(firefox)
    grace.wait_for_media(2)
    before = ids()
    firefox.command("browsingContext.reload", {"context": firefox.context, "wait": "complete"})
    wait_for(lambda: ids() not in ([], before), "Ada to be back")
    assert grace.names == ["Ada"]
    turn_on(firefox)
    grace.wait_for_media(2)
    firefox.evaluate("async () => [...(await import('/needletail.js')).rooms][0].leave()")
    # Sooner than her silence would end her.
    wait_for(lambda: grace.names == [], "Ada to be gone", seconds=20)
    wait_for(lambda: not [s for s in server.admin("/streams")["sources"] if s["name"] == "Ada"], "Ada's sources to be gone")


@contextlib.contextmanager
def other_ports(network, ports):
    """From now on a NAT sends what comes from these UDP ports of the clients from others, and brings the answers back."""
    new = {port: 20000 + place for place, port in enumerate(ports)}
    out = "".join(f"add rule ip remap output udp dport 3478 udp sport {old} udp sport set {port}\n" for old, port in new.items())
    back = "".join(f"add rule ip remap input udp sport 3478 udp dport {port} udp dport set {old}\n" for old, port in new.items())
    chains = ("add table ip remap\n"
              "add chain ip remap output { type filter hook output priority 0; }\n"
              "add chain ip remap input { type filter hook prerouting priority -300; }\n")
    nft = ["ip", "netns", "exec", network.clients.name, "nft"]
    subprocess.run([*nft, "-f", "-"], input=chains + out + back, text=True, check=True)
    try:
        yield set(new.values())
    finally:
        subprocess.run([*nft, "delete", "table", "ip", "remap"], check=True)


@pytest.mark.parametrize("browser", ["Chromium", "Firefox"])
def test_a_nat_changes_its_mapping(network, server, new_page, new_participant, request, browser):
    """Chromium nominates its pair with every check, Firefox never again: both keep their connections."""
    page = request.getfixturevalue("firefox") if browser == "Firefox" else new_page()
    ada, grace = Participant(page, server).join("nat", "Ada"), new_participant().join("nat", "Grace")
    for person in (ada, grace):
        person.wait_for_media(2)

    def ports():
        peers = next(p["peers"] for p in server.admin("/participants?room=nat")["participants"] if p["name"] == "Ada")
        return {int(peer["remote"].rsplit(":", 1)[1]) for peer in peers}

    with other_ports(network, sorted(ports())) as new:
        wait_for(lambda: ports() == new, lambda: f"the peers to move to {new}; {ports()}")
        for person in (ada, grace):
            Flow(person).wait(45)
        assert ada.evaluate("() => connections.length") == 2, "the connections should have been kept"
        assert server.admin("/status")["counters"]["iceFailures"] == {}


def test_settings_of_lo_are_put_back_after_a_kill(network, start_server, settings):
    server = start_server(interfaces=["eth0", "lo"])
    assert settings() == ["1", "1"]
    server.kill()
    assert settings() == ["1", "1"], "nobody could have put them back"
    server.start()
    assert settings() == ["1", "1"]
    assert server.stop() == 0
    assert settings() == ["0", "0"]
    # A server that wants nothing of lo puts them back as well.
    server.start()
    server.kill()
    assert settings() == ["1", "1"]
    modest = start_server(interfaces=["eth0"], lane="socket")
    assert settings() == ["0", "0"]
    assert modest.stop() == 0
    # What an operator has set, and no killed server, stays.
    network.server.run("sysctl", "-w", "net.ipv4.conf.lo.accept_local=1")
    try:
        server.start()
        assert server.stop() == 0
        assert settings() == ["1", "0"]
    finally:
        network.server.run("sysctl", "-w", "net.ipv4.conf.lo.accept_local=0")


def test_settings_of_lo_are_put_back_by_who_takes_it_over(network, tmp_path, settings):
    first, second = (
        Server(network, tmp_path / name, interfaces=["lo"], port=port, media_port=port + 1000)
        for name, port in (("first", 8443), ("second", 8543)))
    try:
        for server in (first, second):
            server.folder.mkdir()
            server.start()
        lane = lambda: second.admin("/fastpath")["interfaces"][0]["lane"]
        assert lane() == "socket", "both have lo"
        first.kill()
        wait_for(lambda: lane() == "xsk", "the second server to take lo over")
        assert settings() == ["1", "1"]
        assert second.stop() == 0
        assert settings() == ["0", "0"]
    finally:
        first.kill()
        second.kill()
