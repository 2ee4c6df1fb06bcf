"""Lost packets: nobody sees that they were."""

import contextlib

import pytest
from harness.waiting import wait_for

RECEIVED = """async () => {
  for (const connection of connections) for (const stat of (await connection.getStats()).values())
    if (stat.type === 'inbound-rtp' && stat.kind === 'video')
      return { frames: stat.framesDecoded, plis: stat.pliCount, repaired: stat.retransmittedPacketsReceived ?? 0 };
}"""
SENT = """async () => {
  for (const connection of connections) for (const stat of (await connection.getStats()).values())
    if (stat.type === 'outbound-rtp' && stat.kind === 'video') return stat.framesSent;
}"""


@contextlib.contextmanager
def loss(network, rule):
    """Of the datagrams that `rule` names, one in twenty is lost at the clients' end; yields how many were."""
    # What an output hook drops its sender is told of, and sends again; what leaves by the device it is not.
    family, hook = ("inet", "input") if "dport" in rule else ("netdev", "egress device eth0")
    network.clients.run("nft", f"add table {family} lossy; "
                        f"add chain {family} lossy way {{ type filter hook {hook} priority 0; }}; "
                        f"add rule {family} lossy way udp {rule} numgen random mod 100 < 5 counter drop")
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
        wait_for(lambda: ada.evaluate(SENT) >= sent + 150, "150 frames")
        sent = ada.evaluate(SENT) - sent
        # What was sent just now is still on its way.
        wait_for(lambda: grace.evaluate(RECEIVED)["frames"] >= before["frames"] + 0.95 * sent, f"95 % of {sent} frames", seconds=5)
        after = grace.evaluate(RECEIVED)
        assert lost() > 10, "the test proves nothing"
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
