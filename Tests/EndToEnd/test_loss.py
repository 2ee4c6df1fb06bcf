"""Lost packets: nobody sees that they were."""

import contextlib

import pytest
from harness.delay import delayed
from harness.participant import Participant
from harness.waiting import wait_for

RECEIVED = """async () => {
  for (const connection of connections) for (const stat of (await connection.getStats()).values())
    if (stat.type === 'inbound-rtp' && stat.kind === 'video')
      return { frames: stat.framesDecoded, plis: stat.pliCount, lost: stat.packetsLost, nacks: stat.nackCount,
               repaired: stat.retransmittedPacketsReceived ?? 0 };
}"""
SENT = """async () => {
  for (const connection of connections) for (const stat of (await connection.getStats()).values())
    if (stat.type === 'outbound-rtp' && stat.kind === 'video') return stat.framesSent;
}"""
# From here on the page sends sound with what it sent before in each packet (RFC 2198), which browsers can but do not choose.
PREFER_RED = """() => {
  const { addTransceiver } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addTransceiver = function (what, init) {
    const transceiver = addTransceiver.call(this, what, init);
    const isRED = ({ mimeType }) => mimeType.toLowerCase() === 'audio/red';
    const { codecs } = RTCRtpSender.getCapabilities('audio');
    if ((what.kind ?? what) === 'audio') transceiver.setCodecPreferences(codecs.toSorted((a, b) => isRED(b) - isRED(a)));
    return transceiver;
  };
}"""
FIVE_PERCENT = "numgen random mod 100 < 5"


@contextlib.contextmanager
def loss(network, rule, which=FIVE_PERCENT):
    """Of the datagrams that `rule` names, those that `which` chooses are lost at the clients' end; yields how many were."""
    # What an output hook drops its sender is told of, and sends again; what leaves by the device it is not.
    family, hook = ("inet", "input") if "dport" in rule else ("netdev", "egress device eth0")
    network.clients.run("nft", f"add table {family} lossy; "
                        f"add chain {family} lossy way {{ type filter hook {hook} priority 0; }}; "
                        f"add rule {family} lossy way udp {rule} {which} counter drop")
    try:
        yield lambda: int(network.clients.run("nft", f"list table {family} lossy").split("packets ")[1].split()[0])
    finally:
        network.clients.run("nft", f"delete table {family} lossy")


def port(server, name, role):
    """Of a participant's peer, as the server sees it."""
    people = server.admin("/participants?room=class")["participants"]
    peer = next(peer for person in people if person["name"] == name for peer in person["peers"] if peer["role"] == role)
    return peer["remote"].rsplit(":", 1)[1]


def video(server, kind, name):
    """Somebody's only picture among the `kind` of streams, its retransmissions apart."""
    streams = server.admin("/streams?room=class")[kind]
    (stream,) = [s for s in streams if s["name"] == name and s["kind"] == "video" and not s.get("isRetransmission")]
    return stream


@pytest.mark.parametrize("who, role, end", [("Grace", "subscribe", "dport"), ("Ada", "publish", "sport")],
                         ids=["towards a receiver", "from the publisher"])
def test_lost_packets_are_repaired(network, server, new_participant, who, role, end):
    grace = new_participant().join("class", "Grace", quality=None, microphone=False)
    ada = new_participant().join("class", "Ada", quality="high", microphone=False)
    grace.wait_for_media(1)
    wait_for(lambda: grace.evaluate(RECEIVED)["frames"] > 50, "her picture")
    with loss(network, f"{end} {port(server, who, role)}") as lost:
        before, sent = grace.evaluate(RECEIVED), ada.evaluate(SENT)
        wait_for(lambda: ada.evaluate(SENT) >= sent + 150 and lost() > 10, "150 frames, and losses")
        sent = ada.evaluate(SENT) - sent
        # What was sent just now is still on its way.
        wait_for(lambda: grace.evaluate(RECEIVED)["frames"] >= before["frames"] + 0.95 * sent, f"95 % of {sent} frames", seconds=5)
        after = grace.evaluate(RECEIVED)
        kind, owner = ("sinks", "Grace") if end == "dport" else ("sources", "Ada")
        shown = lambda: video(server, kind, owner)
        is_told = lambda s: 0.01 < s.get("lossBeforeRepair", 0) < 0.15 and s.get("lossAfterRepair", 1) < 0.01
        wait_for(lambda: is_told(shown()), lambda: f"the loss, and that it is repaired; {shown()}")
        assert shown()["nacksReceived" if end == "dport" else "nacksSent"] > 0 and shown()["repairMilliseconds"] > 0, shown()
    if end == "dport":
        assert after["repaired"] > before["repaired"]
        (entry,) = [e for e in grace.stats() if e["kind"] == "video"]
        assert entry["packetsRepaired"] > 0 and entry["nacks"] > 0, entry
        assert shown()["packetsRetransmitted"] > 0, shown()
    else:
        wait_for(lambda: any(source["packetsRepaired"] > 0 for source in server.admin("/streams")["sources"]), "repairs counted")


def key_frame_requests(server):
    """That the server has made of Ada. She makes key frames by herself as well, when she changes the size."""
    return video(server, "sources", "Ada")["keyFrameRequests"]


def towards(server, name):
    """What comes to a receiver, as `loss` takes it."""
    return f"dport {port(server, name, 'subscribe')}"


def begin(ada, *receivers):
    """Ada's picture is with all of them."""
    ada.join("class", "Ada", quality="high", microphone=False)
    for receiver in receivers:
        receiver.wait_for_media(1)
        wait_for(lambda: receiver.evaluate(RECEIVED)["frames"] > 50, "her picture")


def assert_frames_come(ada, receiver, share, count=150, losses=()):
    """Of the next `count` frames that she sends, or as many more as it takes until each of `losses`, a function and a number,
    comes to more, this share is seen. Returns what was received before, and then."""
    before, sent = receiver.evaluate(RECEIVED), ada.evaluate(SENT)
    wait_for(lambda: ada.evaluate(SENT) >= sent + count and all(lost() > least for lost, least in losses),
             lambda: f"{count} frames, and losses; {[lost() for lost, _ in losses]}")
    sent = ada.evaluate(SENT) - sent
    # What was sent just now is still on its way.
    wait_for(lambda: receiver.evaluate(RECEIVED)["frames"] >= before["frames"] + share * sent,
             lambda: f"{share:.0%} of {sent} frames; {before}, {receiver.evaluate(RECEIVED)}", seconds=5)
    return before, receiver.evaluate(RECEIVED)


def test_bursts_are_repaired_without_a_key_frame(network, server, new_participant):
    grace, ada = new_participant().join("class", "Grace", quality=None, microphone=False), new_participant()
    begin(ada, grace)
    before, requests = grace.evaluate(RECEIVED), key_frame_requests(server)
    with loss(network, towards(server, "Grace"), "numgen inc mod 200 < 20") as lost:
        wait_for(lambda: lost() >= 60, "three bursts")
    wait_for(lambda: grace.evaluate(RECEIVED)["repaired"] >= before["repaired"] + 45, lambda: f"the repair; {grace.evaluate(RECEIVED)}")
    assert_frames_come(ada, grace, 0.95, count=30)
    assert grace.evaluate(RECEIVED)["plis"] == before["plis"]
    assert key_frame_requests(server) == requests


def test_losses_far_away_are_repaired(network, server, new_participant):
    with delayed(network.clients, 300):
        grace, ada = new_participant().join("class", "Grace", quality=None, microphone=False), new_participant()
        begin(ada, grace)
        two_percent = "numgen random mod 100 < 2"
        with loss(network, towards(server, "Grace"), two_percent) as down:
            with loss(network, f"sport {port(server, 'Ada', 'publish')}", two_percent) as up:
                assert_frames_come(ada, grace, 0.75, losses=[(down, 5), (up, 5)])
        wait_for(lambda: video(server, "sources", "Ada")["packetsRepaired"] > 0, "her packets to be repaired")
        wait_for(lambda: video(server, "sinks", "Grace")["packetsRetransmitted"] > 0, "Grace's packets to be repaired")


def test_firefox_has_lost_packets_repaired(network, server, new_participant, firefox):
    grace, ada = Participant(firefox, server).join("class", "Grace", quality=None, microphone=False), new_participant()
    begin(ada, grace)
    with loss(network, towards(server, "Grace")) as lost:
        before, after = assert_frames_come(ada, grace, 0.95, losses=[(lost, 10)])
    assert after["plis"] == before["plis"]
    wait_for(lambda: video(server, "sinks", "Grace")["packetsRetransmitted"] > 5, "the repair")


def test_one_receivers_losses_are_nobody_elses(network, server, new_participant):
    grace, alan = (new_participant().join("class", name, quality=None, microphone=False) for name in ("Grace", "Alan"))
    ada = new_participant()
    begin(ada, grace, alan)
    requests = key_frame_requests(server)
    with loss(network, towards(server, "Grace")) as lost:
        before, after = assert_frames_come(ada, alan, 0.98, losses=[(lost, 10)])
    for name in ("plis", "lost", "nacks", "repaired"):
        assert after[name] == before[name], (name, before, after)
    assert key_frame_requests(server) == requests


def test_lost_sound_is_in_the_next_packet(network, server, new_participant):
    grace, ada = new_participant().join("class", "Grace", quality=None, microphone=False), new_participant()
    ada.evaluate(PREFER_RED)
    ada.join("class", "Ada", quality=None)
    grace.wait_for_media(1)
    with loss(network, towards(server, "Grace"), "numgen random mod 100 < 10") as lost:
        (before,) = grace.stats()
        sound = lambda: grace.stats()[0]
        is_long = lambda now: now["totalSamplesReceived"] > before["totalSamplesReceived"] + 8 * 48000
        after = wait_for(lambda: is_long(now := sound()) and lost() > 10 and now, "8 s of sound, and losses")
    grown = lambda name: after[name] - before[name]
    concealed = (grown("concealedSamples") - grown("silentConcealedSamples")) / grown("totalSamplesReceived")
    assert concealed < 0.05, f"{concealed:.1%} of the sound was concealed"
