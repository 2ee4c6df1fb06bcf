"""WHIP and WHEP, with aiortc as the other implementation."""

import contextlib
import re
import struct

from harness.aiortc_client import Session
from harness.clear_rtp import bound_socket, text
from harness.network import CLIENT_ADDRESS
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
    wait_for(lambda: min(session.frames.values()) >= 15, "both tracks to arrive")
    lanes = LaneCount(server)
    before = aiortc.run(session.counts())
    wait_for(lambda: session.frames["video"] >= before["video"][0] + 90, "90 more frames")
    after = aiortc.run(session.counts())
    for kind in ("audio", "video"):
        packets, lost = (after[kind][i] - before[kind][i] for i in (1, 2))
        assert packets > 0 and lost / (packets + max(0, lost)) < 0.01, f"{kind}: {lost} lost of {packets}"
    assert_lane(lanes.since(), "xsk")
    assert aiortc.run(session.delete()) == 200


def test_a_stop_ends_the_connections_at_once(network, server, aiortc):
    """WebSockets are closed; whoever has none is told by what carries its media: DTLS, or RTCP where that is clear."""
    publisher = aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder"))
    wait_for(lambda: len([s for s in server.admin("/streams")["sources"] if s["packets"] > 0]) >= 2, "its media")
    viewer = aiortc.run(Session.play(f"{server.url}/whep/studio/encoder"))
    wait_for(lambda: min(viewer.frames.values()) >= 5, "both tracks to arrive")
    recorder, control = bound_pair(network.clients, CLIENT_ADDRESS)
    server.needlectl("rtp", "add", "--room", "studio", "--name", "recorder", "--receive", "--remote", text(recorder.getsockname()),
                     "--codec", "opus", "--payload-type", "111")
    (sink,) = [s for s in server.admin("/streams")["sinks"] if s["name"] == "recorder"]
    states = lambda: [session.connection.connectionState for session in (publisher, viewer)]
    assert states() == ["connected", "connected"]
    assert server.stop() == 0
    wait_for(lambda: states() == ["closed", "closed"], "the connections to end", seconds=10)
    goodbye = struct.pack("!BBHI", 0x81, 203, 1, sink["ssrc"])
    last = [packet for packet in drain(control)][-1]
    assert last.endswith(goodbye), last.hex()
    assert server.log.read_text().count('participant left participant=') == 3
    for socket in (recorder, control):
        socket.close()


def bound_pair(namespace, address):
    """An RTP socket, and the RTCP socket of the port after it."""
    while True:
        media = bound_socket(namespace, address)
        try:
            return media, bound_socket(namespace, address, media.getsockname()[1] + 1)
        except OSError:
            media.close()


def drain(socket):
    """What has arrived."""
    socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            yield socket.recv(2048)


def test_the_log_has_the_clients_address(start_server, aiortc):
    """As an IPv4 address, although the server's socket is of IPv6."""
    server = start_server(address="::", auth="tokens", token_secret="0123456789abcdef0123456789abcdef")
    try:
        aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder"))
    except AssertionError as error:
        assert ": 401 " in str(error)
    else:
        raise AssertionError("a publisher without a token was answered")
    token = server.needlectl("token", "create")["token"]
    session = aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder", token=token))
    for message in ("token refused", "participant joined"):
        wait_for(lambda: re.search(rf"{message} client={re.escape(CLIENT_ADDRESS)}:\d+ ", server.log.read_text()), message)
    assert aiortc.run(session.delete()) == 200


def test_whep_of_nobody_is_404(server, aiortc):
    try:
        aiortc.run(Session.play(f"{server.url}/whep/studio/nobody"))
    except AssertionError as error:
        assert ": 404 " in str(error)
    else:
        raise AssertionError("a player of nobody was answered")
