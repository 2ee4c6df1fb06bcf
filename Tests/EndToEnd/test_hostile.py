"""What strangers do: nothing from the network ends or stalls the server, or locks others out."""

import base64
import contextlib
import json
import os
import socket
import struct
import time
from pathlib import Path

import pytest
from harness.network import CLIENT_ADDRESS, SERVER_ADDRESS
from harness.waiting import PATIENCE, wait_for
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

OTHER_ADDRESS = "10.77.0.3"
UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


@pytest.fixture
def two_hosts(network):
    """The clients' end has a second address: another host's, as far as the server knows."""
    network.clients.run("ip", "address", "add", f"{OTHER_ADDRESS}/24", "dev", "eth0")
    yield
    network.clients.run("ip", "address", "del", f"{OTHER_ADDRESS}/24", "dev", "eth0")


@pytest.fixture
def dial(network):
    """Opens TCP connections to the server; they are closed when the test ends."""
    with contextlib.ExitStack() as connections:
        def dial(source=CLIENT_ADDRESS):
            with network.clients.inside():
                connection = socket.create_connection((SERVER_ADDRESS, 8443), timeout=PATIENCE, source_address=(source, 0))
            connections.enter_context(connection)
            return connection

        yield dial


def ask(connection, method, path, *headers, body=b""):
    """The status of the answer to a request, and what it says; (0, b"") if the connection ends."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    try:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = connection.recv(1 << 16)
            if not chunk:
                return 0, b""
            answer += chunk
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = int(next((line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b"0"))
        while len(rest) < length:
            rest += connection.recv(1 << 16)
        return int(head.split()[1]), rest
    except ConnectionError:
        return 0, b""


def metric(connection, name):
    status, page = ask(connection, "GET", "/metrics")
    assert status == 200
    return float(next(line.split()[-1] for line in page.decode().splitlines() if line.startswith(name + " ")))


def url_part(text):
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize("header", [
    b'{"alg":"HS256","x":1e300}', b'{"alg":"HS256","x":' + b"[" * 3000 + b"]" * 3000 + b"}", b'{"alg":"HS256","x":-1e999}',
    b"[" * 12000, b'{"alg":"none"}',
], ids=["number", "nested", "beyond", "brackets", "none"])
def test_a_token_that_nobody_signed_costs_nothing(start_server, dial, header):
    server = start_server(auth="tokens", plain_http=True)
    token = f"{url_part(header)}.{url_part(b'{}')}.AAAA"
    connection = dial()
    for _ in range(20):
        assert ask(connection, "POST", "/whip/r/n", "Content-Type: application/sdp", f"Authorization: Bearer {token}", body=b"x")[0] == 401
    with server.network.clients.inside(), connect(f"ws://{SERVER_ADDRESS}:8443/ws") as client:
        client.send(json.dumps({"type": "join", "room": "r", "name": "n", "token": token}))
        assert json.loads(client.recv(PATIENCE))["code"] == "unauthorized"
    assert server.process.poll() is None


def test_a_reader_of_the_log_that_has_stopped(start_server, dial, tmp_path):
    pipe = tmp_path / "stalled"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = start_server(log=pipe, auth="tokens", plain_http=True)
    connection = dial()
    # Each is a line of the log, and some more than the server says of one kind.
    path = "/whip/r/" + "n" * 60
    for _ in range(1200):
        status, _ = ask(connection, "POST", path, "Content-Type: application/sdp", "Authorization: Bearer a.b.c")
        if status == 429:
            connection = dial()
        assert status in (401, 429)
    assert ask(dial(), "GET", "/healthz") == (200, b"ok\n")
    assert metric(dial(), "needletail_log_lines_suppressed_total") > 0
    assert server.admin("/status")["rooms"] == 0
    # The reader goes on, and so does the log.
    os.set_blocking(reader, False)
    said = bytearray()

    def read():
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(reader, 1 << 16):
                said.extend(chunk)
        return said

    wait_for(lambda: read().count(b"token refused") >= 1000, "what was logged")

    def next_line_tells():
        # One in a tenth of a second is written.
        ask(dial(), "POST", path, "Content-Type: application/sdp", "Authorization: Bearer a.b.c")
        return b"suppressed=" in read()

    wait_for(next_line_tells, "the count of what was left out")
    assert server.stop() == 0
    os.close(reader)


def test_a_log_that_nobody_reads_does_not_keep_the_server_from_ending(start_server, dial, tmp_path):
    pipe = tmp_path / "stalled"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = start_server(log=pipe, auth="tokens", plain_http=True)
    connection = dial()
    for _ in range(600):
        if ask(connection, "POST", "/whip/r/" + "n" * 60, "Authorization: Bearer a.b.c")[0] == 429:
            connection = dial()
    assert server.stop() == 0
    os.close(reader)


def test_one_host_does_not_take_every_connection(start_server, dial, two_hosts):
    start_server(max_connections=40, plain_http=True)
    mine = [dial() for _ in range(30)]
    said = [ask(connection, "GET", "/healthz") for connection in mine]
    assert [status for status, _ in said].count(200) == 10, "a quarter"
    assert any(b"10 connections from your address (max-connections-per-address)" in text for _, text in said)
    others = [dial(OTHER_ADDRESS) for _ in range(10)]
    assert [ask(connection, "GET", "/healthz")[0] for connection in others] == [200] * 10
    refused = metric(others[0], 'needletail_connections_refused_total{limit="max-connections-per-address"}')
    assert refused == 20


def test_who_comes_back_finds_room(start_server, dial, network, two_hosts):
    server = start_server(max_connections=8, max_connections_per_address=8, plain_http=True)
    url = f"ws://{SERVER_ADDRESS}:8443/ws"
    join = lambda client, **more: client.send(json.dumps({"type": "join", "room": "r", "name": "ada"} | more))
    with network.clients.inside(), connect(url, source_address=(OTHER_ADDRESS, 0)) as ada:
        join(ada)
        secret = json.loads(ada.recv(PATIENCE))["resume"]
        taken = [dial() for _ in range(7)]
        assert [ask(connection, "GET", "/healthz")[0] for connection in taken] == [200] * 7
        assert server.admin("/status")["participants"] == 1, "the operator finds room"
        with connect(url, source_address=(OTHER_ADDRESS, 0)) as stranger:
            join(stranger, name="eve")
            assert json.loads(stranger.recv(PATIENCE))["code"] == "limit-exceeded"
            with pytest.raises(ConnectionClosed):
                stranger.recv(PATIENCE)
        with connect(url, source_address=(OTHER_ADDRESS, 0)) as again:
            join(again, resume=secret)
            assert json.loads(again.recv(PATIENCE))["type"] == "joined"
            (person,) = server.admin("/participants?room=r")["participants"]
            assert person["name"] == "ada"


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


def test_unfinished_frames_are_not_kept(start_server, dial):
    server = start_server(plain_http=True)
    joined = []
    for number in range(60):
        connection = dial()
        connection.sendall(UPGRADE + b"\r\n")
        connection.recv(1000)
        text = json.dumps({"type": "join", "room": f"r{number}", "name": "n"}).encode()
        connection.sendall(struct.pack("!BB", 0x81, 0x80 | len(text)) + b"\0\0\0\0" + text)
        connection.recv(1000)
        joined.append(connection)
    before = resident(server)
    size = (4 << 20) - 16
    for connection in joined:
        connection.sendall(struct.pack("!BBQ", 0x81, 0xff, size) + b"\0\0\0\0")
        connection.settimeout(0.2)
        with contextlib.suppress(OSError):
            connection.sendall(b"a" * (size - 1))
    grown = resident(server) - before
    assert grown < 60, f"{grown} MiB for 60 unfinished frames, each of which is beyond the limit of a message"
    begun = time.monotonic()
    for connection in joined:
        connection.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            while connection.recv(1 << 16):
                pass
    assert time.monotonic() - begun < 28, "they end before silence would end them"
    assert ask(dial(), "GET", "/healthz")[0] == 200


@pytest.mark.parametrize("path", ["/ws", "/whip/r/n"])
def test_pages_of_others_join_nothing_where_nobody_needs_a_token(start_server, dial, path):
    start_server(plain_http=True)

    def status(origin, *headers):
        if path == "/ws":
            headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
            return ask(dial(), "GET", path, *headers, *origin)[0]
        return ask(dial(), "POST", path, "Content-Type: application/sdp", *origin, body=b"v=0")[0]

    assert status(["Origin: https://evil.example"]) == 403
    assert status(["Origin: http://x"]) != 403 and status([]) != 403


def test_the_longest_turns_are_known(start_server, dial):
    start_server(plain_http=True)
    assert metric(dial(), "needletail_loop_turn_seconds_count") > 0


def loop_seconds(server):
    """Processor time that the control plane's event loop has had."""
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        if (task / "comm").read_text().startswith("NIO"):
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    raise AssertionError("no event loop")


def tracks(count, version):
    """An offer of sixteen videos, of which `count` are sent."""
    session = f"v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {' '.join(map(str, range(16)))}\r\n"
    transport = ("a=ice-ufrag:abcdefgh\r\na=ice-pwd:abcdefghabcdefghabcdefgh\r\na=setup:actpass\r\na=rtcp-mux\r\n"
                 f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n")
    return session + "".join(
        f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n{transport}a=mid:{mid}\r\na=rtpmap:96 VP8/90000\r\n"
        + (f"a=sendonly\r\na=ssrc:{1000 + mid} cname:x\r\n" if mid < count else "a=inactive\r\n") for mid in range(16))


def test_who_changes_everything_all_the_time_has_its_share_and_no_more(start_server, network, dial):
    server = start_server(plain_http=True, max_messages_per_second=1000)
    url = f"ws://{SERVER_ADDRESS}:8443/ws"
    with network.clients.inside(), contextlib.ExitStack() as clients:
        def join(name):
            client = clients.enter_context(connect(url))
            client.send(json.dumps({"type": "join", "room": "r", "name": name}))
            assert json.loads(client.recv(PATIENCE))["type"] == "joined"
            return client

        for number in range(8):
            join(f"listener-{number}")
        restless = join("restless")
        asked = answered = 0
        # The half second that it has at once, and from then on its share.
        while metric(dial(), "needletail_connection_pauses_total") == 0:
            for _ in range(20):
                asked += 1
                restless.send(json.dumps({"type": "publish", "sdp": tracks(16 if asked % 2 else 1, asked)}))
            while answered < asked:
                answered += json.loads(restless.recv(PATIENCE))["type"] == "answer"
        begun, had = time.monotonic(), loop_seconds(server)
        for _ in range(60):
            asked += 1
            restless.send(json.dumps({"type": "publish", "sdp": tracks(16 if asked % 2 else 1, asked)}))
        while answered < asked:
            answered += json.loads(restless.recv(PATIENCE))["type"] == "answer"
        share = (loop_seconds(server) - had) / (time.monotonic() - begun)
        assert share < 0.2, f"{share:.0%} of a processor"


def test_a_server_that_was_stopped_for_half_a_minute_blames_nobody(start_server, network):
    server = start_server(plain_http=True)
    with network.clients.inside(), contextlib.ExitStack() as clients:
        people = [clients.enter_context(connect(f"ws://{SERVER_ADDRESS}:8443/ws", ping_interval=None)) for _ in range(2)]
        for number, client in enumerate(people):
            client.send(json.dumps({"type": "join", "room": "r", "name": f"p{number}"}))
            assert json.loads(client.recv(PATIENCE))["type"] == "joined"
        server.hang()
        end = time.monotonic() + 33
        while time.monotonic() < end:
            for client in people:
                client.ping()
            time.sleep(1)
        server.go_on()
        # Whoever would be judged is within the next seconds.
        for _ in range(5):
            assert all(client.ping().wait(PATIENCE) for client in people), "it is answered as before"
            time.sleep(1)
        assert server.admin("/status")["participants"] == 2
