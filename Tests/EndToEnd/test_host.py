"""The fast path leaves the rest of the host alone."""

import hashlib
import os
import re
import resource
import shutil
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

import pytest
from harness.aiortc_client import Session
from harness.network import CLIENT_ADDRESS_V6, SERVER_ADDRESS, SERVER_ADDRESS_V6
from harness.server import ROOT, LaneCount, Server, copy_for_anybody
from harness.waiting import wait_for
from test_calls import assert_lane


def exchange_over_tcp(network, data):
    """Sends `data` from the clients to the server's machine, and back comes its hash."""
    with network.server.inside():
        listener = socket.create_server((SERVER_ADDRESS, 0))
    received = hashlib.sha256()

    def receive():
        connection, _ = listener.accept()
        with connection:
            while chunk := connection.recv(1 << 16):
                received.update(chunk)
            connection.sendall(received.digest())

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    with network.clients.inside(), socket.create_connection(listener.getsockname(), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(64) == hashlib.sha256(data).digest()
    thread.join(5)
    listener.close()


def test_kill_leaves_nothing_on_the_interface(network, server):
    assert network.xdp_programs(), "no XDP program is attached, so the test would prove nothing"
    server.kill()
    wait_for(lambda: not network.xdp_programs(), "the XDP program to go")
    exchange_over_tcp(network, os.urandom(1 << 20))


def test_stop_leaves_nothing_on_the_interface(network, server):
    assert network.xdp_programs()
    assert server.stop() == 0
    assert not network.xdp_programs()


@pytest.mark.parametrize("lane", ["auto", "socket"])
def test_clients_are_told_of_the_addresses_that_the_host_has_now(network, start_server, aiortc, lane):
    server = start_server(lane=lane)

    def told():
        session = aiortc.run(Session.publish(f"{server.url}/whip/moving/probe"))
        aiortc.run(session.delete())
        return set(session.server_addresses)

    assert told() == {SERVER_ADDRESS}
    with network.ipv6():
        wait_for(lambda: told() == {SERVER_ADDRESS, SERVER_ADDRESS_V6}, "the new address to be told of", pause=0.5)
        session = aiortc.run(Session.publish(f"{server.url}/whip/moving/encoder", server_address=SERVER_ADDRESS_V6))
        heard = lambda: [s for s in server.admin("/streams?room=moving")["sources"] if s["packets"] > 20]
        wait_for(lambda: len(heard()) == 2, "media on the new address")
        (encoder,) = server.admin("/participants?room=moving")["participants"]
        assert [peer["remote"].startswith(f"[{CLIENT_ADDRESS_V6}]:") for peer in encoder["peers"]] == [True]
        aiortc.run(session.delete())
    wait_for(lambda: told() == {SERVER_ADDRESS}, "the old address to be forgotten", pause=0.5)


def test_tcp_still_works(network, server):
    assert network.xdp_programs()
    exchange_over_tcp(network, os.urandom(32 << 20))


def test_other_udp_ports_still_work(network, server):
    with network.server.inside():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((SERVER_ADDRESS, 0))
        listener.settimeout(5)
    with network.clients.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        packet = b"\x80\x60" + os.urandom(200)  # looks like RTP
        sender.sendto(packet, listener.getsockname())
        assert listener.recv(2048) == packet
    listener.close()


def units_capabilities():
    unit = (ROOT / "scripts/needletail.service").read_text()
    return re.search(r"^AmbientCapabilities=(.+)$", unit, re.MULTILINE)[1].split()


@pytest.fixture
def start_server_of_nobody(network):
    """Starts a server as another user, with these capabilities alone. CAP_IPC_LOCK stands for the LimitMEMLOCK=infinity of the
    systemd unit, since a container's limit may not be raised."""
    servers = []

    def start(names, **keys):
        capabilities = ",".join(["-all", *("+" + name.lower().removeprefix("cap_") for name in [*names, "CAP_IPC_LOCK"])])
        run_as = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
                  *(f"--{kind}={capabilities}" for kind in ("inh-caps", "ambient-caps", "bounding-set"))]
        binary = copy_for_anybody(folder)
        shutil.chown(folder, "nobody")
        servers.append(Server(network, folder, binary=binary, run_as=run_as, web=f"{folder}/web", lane="xsk", **keys))
        return servers[-1].start()

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield start
        network.restore()
        for server in servers:
            server.kill()


def test_a_user_with_the_units_capabilities_has_the_fast_path(network, start_server_of_nobody, aiortc):
    server = start_server_of_nobody(units_capabilities())
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert re.search(r"^Uid:\s+0\b", status, re.MULTILINE) is None, "the server runs as root"
    aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder"))
    wait_for(lambda: len([s for s in server.admin("/streams")["sources"] if s["packets"] > 0]) >= 2, "its media")
    player = aiortc.run(Session.play(f"{server.url}/whep/studio/encoder"))
    lanes = LaneCount(server)
    before = min(player.frames.values())
    wait_for(lambda: min(player.frames.values()) >= before + 120, "120 more frames of both tracks")
    assert_lane(lanes.since(), "xsk")
    assert server.stop() == 0
    assert not network.xdp_programs()


def test_the_units_user_puts_settings_of_lo_back_after_a_kill(start_server_of_nobody, settings):
    server = start_server_of_nobody(units_capabilities(), interfaces=["eth0", "lo"])
    assert settings() == ["1", "1"]
    server.kill()
    assert settings() == ["1", "1"], "nobody could have put them back"
    server.start()
    assert server.stop() == 0
    assert settings() == ["0", "0"]
    assert "no note" not in server.log.read_text()


def test_settings_of_lo_that_cannot_be_noted_are_a_warning(start_server_of_nobody, settings):
    server = start_server_of_nobody(units_capabilities(), interfaces=["lo"], environment={"RUNTIME_DIRECTORY": "/nowhere"})
    warning = r"WARNING .* no note of what it was can be kept reason=\"/run/needletail-lo-\d+: Permission denied, /nowhere/.*: No such"
    assert re.search(warning, server.log.read_text()), server.tail()
    assert server.stop() == 0
    assert settings() == ["0", "0"]


FLOODER_ADDRESS = "10.77.0.3"


def resident_bytes(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) << 10


def test_a_flood_of_stun_fills_no_memory_and_stops_nothing(network, server, aiortc):
    """Requests of 245 attributes, faster than anybody could answer them; meanwhile others join, from another address."""
    aiortc.run(Session.publish(f"{server.url}/whip/studio/encoder"))
    wait_for(lambda: len([s for s in server.admin("/streams")["sources"] if s["packets"] > 0]) >= 2, "its media")
    request = bytes.fromhex("0001 03d4 2112a442") + os.urandom(12) + bytes(980)
    network.clients.run("ip", "addr", "add", f"{FLOODER_ADDRESS}/24", "dev", "eth0")
    with network.clients.inside():
        flooder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flooder.bind((FLOODER_ADDRESS, 0))
    flooder.connect((SERVER_ADDRESS, 3478))
    is_over = threading.Event()

    def flood():
        while not is_over.is_set():
            for _ in range(100):
                flooder.send(request)

    before = resident_bytes(server)
    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        wait_for(lambda: verdict(server, "worker_unexpected") > 50_000, "datagrams refused")
        player = aiortc.run(Session.play(f"{server.url}/whep/studio/encoder"))
        wait_for(lambda: min(player.frames.values()) >= 30, "30 frames of both tracks")
        assert resident_bytes(server) - before < 64 << 20
    finally:
        is_over.set()
        thread.join()
        flooder.close()
        network.clients.run("ip", "addr", "del", f"{FLOODER_ADDRESS}/24", "dev", "eth0")
    assert verdict(server, "control_queue_full") == 0


def verdict(server, name):
    return next(v["count"] for v in server.admin("/fastpath")["verdicts"] if v["name"] == name)


def test_a_missing_capability_is_named_alone(start_server_of_nobody):
    held = [name for name in units_capabilities() if name != "CAP_PERFMON"]
    assert len(held) == 3
    interfaces = start_server_of_nobody(held).admin("/fastpath")["interfaces"]
    assert [interface["lane"] for interface in interfaces] == ["socket"]
    assert re.findall(r"CAP_\w+", interfaces[0]["reason"]) == ["CAP_PERFMON"], interfaces[0]["reason"]


def test_an_interface_that_is_not_there_is_no_silent_slow_path(network, start_server):
    server = start_server(interfaces=["eth0", "nope0"])
    told = lambda: {i["name"]: (i["lane"], i["reason"]) for i in server.admin("/fastpath")["interfaces"]}
    assert told()["nope0"] == ("socket", "there is no interface nope0")
    assert told()["eth0"] == ("xsk", "")
    wait_for(lambda: re.search("WARNING.*there is no interface nope0", server.tail()), "the warning")
    network.server.run("ip", "link", "add", "nope0", "type", "veth", "peer", "name", "nope1")
    try:
        network.server.run("ip", "link", "set", "nope0", "up")
        wait_for(lambda: told()["nope0"] == ("xsk", ""), "the interface to be taken")
        wait_for(lambda: re.search("NOTICE.*interface .*lane=xsk name=nope0", server.tail()), "the news of it")
        news = re.findall(r"(?:NOTICE|WARNING) +interface.*", server.log.read_text())
        fields = [re.findall(r"lane=(\w+) name=(\w+)", line) for line in news]
        assert fields == [[("socket", "nope0")], [("xsk", "eth0")], [("xsk", "nope0")]], "each is told once"
    finally:
        network.server.run("ip", "link", "del", "nope0")


def test_without_descriptors_connections_wait_and_nothing_spins(start_server):
    server = start_server(lane="socket")
    process = server.process.pid
    with server.without_descriptors() as waiting:
        before, start = cpu_seconds(process), time.monotonic()
        server.wait_for_refusals(3)
        took = time.monotonic() - start
        assert took > 1 and cpu_seconds(process) - before < 0.2 * took
        assert "interface gone" not in server.log.read_text()
        waited = waiting.pop()
    with ssl._create_unverified_context().wrap_socket(waited) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def cpu_seconds(process):
    """What all its threads had of the processors."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
