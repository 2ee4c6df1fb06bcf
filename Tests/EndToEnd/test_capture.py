"""`needlectl capture`: what arrived from and left to the participants of a room, in files that other programs open."""

import contextlib
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest
from harness.aiortc_client import Session
from harness.capture import CaptureFile, capture, start_capture
from harness.clear_rtp import bound_socket
from harness.network import CLIENT_ADDRESS, SERVER_ADDRESS
from harness.waiting import PATIENCE, wait_for

SSRC = 4711
CAMERA, RECORDER = (CLIENT_ADDRESS, 15004), (CLIENT_ADDRESS, 15006)


@contextlib.contextmanager
def tone(network):
    """A clear sender: 50 packets of Opus a second. Yields a list of how many were sent."""
    with network.clients.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(CAMERA)
    stop, sent = threading.Event(), [0]

    def work():
        while not stop.wait(0.02):
            number = sent[0]
            header = struct.pack("!BBHII", 0x80, 111, number & 0xFFFF, number * 960, SSRC)
            sender.sendto(header + sample(number), (SERVER_ADDRESS, 3478))
            sent[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()
        sender.close()


def sample(number):
    """20 ms of silence, told apart by its padding (RFC 6716 section 3.2.5: code 3, one frame, 100 octets of padding)."""
    return bytes([0xFB, 0x41, 100, 0xFF, 0xFE]) + struct.pack("!H", number & 0xFFFF) * 50


def add_camera(server):
    server.needlectl(
        "rtp", "add", "--room", "studio", "--name", "camera", "--send", "--remote", "%s:%d" % CAMERA, "--codec", "opus",
        "--payload-type", "111", "--ssrc", str(SSRC))


def add_recorder(server):
    server.needlectl(
        "rtp", "add", "--room", "studio", "--name", "recorder", "--receive", "--remote", "%s:%d" % RECORDER, "--codec", "opus",
        "--payload-type", "111")


def assert_continuous(packets):
    sequences = [packet.sequence for packet in packets]
    assert [(b - a) & 0xFFFF for a, b in zip(sequences, sequences[1:])] == [1] * (len(sequences) - 1), sequences


def assert_others_open_it(path, file):
    """Wireshark's own reader finds the same packets and nothing wrong with them."""
    command = [
        "tshark", "-r", path, "-d", "udp.port==3478,rtp", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
        "-T", "fields", "-e", "frame.interface_name", "-e", "rtp.seq", "-e", "rtp.ssrc", "-e", "ip.checksum.status",
        "-e", "udp.checksum.status", "-e", "_ws.malformed", "-e", "frame.comment"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    seen = [line.split("\t") for line in result.stdout.splitlines()]
    assert len(seen) == len(file.packets)
    assert {tuple(line[3:5]) for line in seen} == {("1", "1")}
    # SRTCP read as RTCP is nonsense.
    assert not [line for line in seen if line[5] and (line[1] or "DECRYPTED" in file.comment)]
    assert [line[6] for line in seen] == [packet.comment for packet in file.packets]
    rtp = [(name, int(sequence), int(ssrc, 16)) for name, sequence, ssrc, *_ in seen if sequence]
    assert rtp == [(p.interface, p.sequence, p.ssrc) for p in file.packets if not p.is_rtcp]


def test_as_on_the_wire_and_in_clear(server, network, aiortc, tmp_path):
    add_camera(server)
    with tone(network):
        wait_for(lambda: any(s["packets"] for s in server.admin("/streams")["sources"]), "the camera's packets")
        player = aiortc.run(Session.play(f"{server.url}/whep/studio/camera"))
        wait_for(lambda: player.frames["audio"] >= 25, "sound to arrive")
        paths = [tmp_path / "wire.pcapng", tmp_path / "clear.pcapng"]
        running = [start_capture(server, paths[0], "--seconds", "6"), start_capture(server, paths[1], "--seconds", "6", "--decrypted")]
        said = ["".join(process.communicate(timeout=PATIENCE)) for process in running]
        aiortc.run(player.delete())
    assert [process.returncode for process in running] == [0, 0], said
    assert "in clear" in said[1] and "in clear" not in said[0]
    assert "0 dropped: 6 s are over" in said[0]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    wire, clear = map(CaptureFile, paths)
    assert "as on the wire" in wire.comment and "DECRYPTED" in clear.comment

    for file in (wire, clear):
        arrived, left = file.rtp("in"), file.rtp("out")
        assert len(arrived) > 150 and len(left) > 150
        assert {(p.source, p.destination, p.ssrc) for p in arrived} == {(CAMERA, (SERVER_ADDRESS, 3478), SSRC)}
        assert all(p.payload[12:] == sample(p.sequence) for p in arrived)
        assert_continuous(arrived)
        assert_continuous(left)
        assert len({(p.source, p.destination, p.ssrc) for p in left}) == 1 and left[0].destination[0] == CLIENT_ADDRESS
        assert all(p.comment.startswith("from camera: audio opus, track T") for p in arrived)
        assert all("audio opus of camera, track T" in p.comment and p.comment.endswith("xsk lane") for p in left)
        assert file.statistics == {"in": [len(arrived) + len(file.rtcp("in")), 0], "out": [len(left) + len(file.rtcp("out")), 0]}
        assert [p.time for p in file.packets] == sorted(p.time for p in file.packets)
        assert abs(file.packets[0].time / 1e9 - time.time()) < 60
    sealed, opened = ({p.sequence: p.payload for p in file.rtp("out")} for file in (wire, clear))
    both = sealed.keys() & opened.keys()
    assert len(both) > 150
    for sequence in both:
        # The same packet, longer by its authentication tag, and nothing of the sound in it.
        assert sealed[sequence][:8] == opened[sequence][:8] and len(sealed[sequence]) - len(opened[sequence]) in (10, 16)
        assert opened[sequence][-105:] in (sample(p.sequence) for p in clear.rtp("in"))
        assert opened[sequence][-100:] not in sealed[sequence]
    # Receiver reports to the camera, sender reports to the player, and what the player answers.
    assert clear.rtcp("out") and clear.rtcp("in") and wire.rtcp("in")
    assert {p.payload[1] for p in clear.rtcp("out")} <= {200, 201}

    log = server.log.read_text()
    for event in ("capture begins", "capture ends"):
        assert [line for line in log.splitlines() if "WARNING" in line and event in line and "room=studio" in line], event
    assert_others_open_it(paths[0], wire)
    assert_others_open_it(paths[1], clear)


@pytest.mark.parametrize("program", ["auto", "tc"])
def test_what_the_kernel_forwards_comes_by_the_worker_and_goes_back(start_server, network, tmp_path, program):
    server = start_server(kernel_program=program)
    add_camera(server)
    add_recorder(server)
    recorder = bound_socket(network.clients, *RECORDER)
    recorder.settimeout(5)

    def lane():
        (source,) = server.admin("/streams")["sources"]
        return source["lane"], source["laneReason"]

    wait_for(lambda: lane()[0] == "kernel", lambda: f"the kernel lane; {lane()}")
    with tone(network) as sent:
        running = start_capture(server, tmp_path / "a.pcapng", "--seconds", "60")
        wait_for(lambda: lane() == ("xsk", "not in the kernel: it is being captured"), lambda: f"the worker; {lane()}")
        before = sent[0]
        wait_for(lambda: sent[0] > before + 50, "a second of sound")
        running.send_signal(signal.SIGINT)
        said = "".join(running.communicate(timeout=PATIENCE))
        assert running.returncode == 0 and "0 dropped: stopped" in said, said
        wait_for(lambda: lane()[0] == "kernel", lambda: f"the kernel lane again; {lane()}")
    file = CaptureFile(tmp_path / "a.pcapng")
    assert len(file.rtp("in")) > 50 and len(file.rtp("out")) > 50
    assert_continuous(file.rtp("in"))
    got = []
    while not got or got[-1] != sent[0] - 1:
        got.append(struct.unpack_from("!H", recorder.recv(2000), 17)[0])
    recorder.close()
    assert got == list(range(sent[0])), "loss at a change of lanes"
    assert {p.payload[12:] for p in file.rtp("out")} <= {sample(number) for number in range(sent[0])}


def test_a_server_that_stops_leaves_the_file_whole(start_server, network, tmp_path):
    server = start_server()
    add_camera(server)
    path = tmp_path / "a.pcapng"
    with tone(network) as sent:
        running = start_capture(server, path, "--seconds", "60")
        wait_for(lambda: "capture begins" in server.log.read_text(), "the capture to begin")
        before = sent[0]
        wait_for(lambda: sent[0] > before + 50, "a second of sound")
        assert server.stop() == 0
        said = "".join(running.communicate(timeout=PATIENCE))
    assert running.returncode == 3 and "what came" in said and "no server answers" in said, (running.returncode, said)
    file = CaptureFile(path)
    assert len(file.rtp("in")) > 20
    assert_continuous(file.rtp("in"))
    assert_others_open_it(path, file)


def test_refusals(server, tmp_path):
    add_camera(server)
    path = tmp_path / "a.pcapng"
    code, said = capture(server, path, room="nowhere")
    assert code == 1 and "there is no room nowhere" in said and not path.exists()
    code, said = capture(server, path, "--participant", "nobody")
    assert code == 1 and "no participant nobody in room studio" in said and not path.exists()
    code, said = capture(server, tmp_path / "none" / "a.pcapng")
    assert code == 1 and "No such file or directory" in said
    code, said = capture(server, tmp_path)
    assert code == 1 and "exists" in said
    assert capture(server, path, "--seconds", "601")[0] == 2

    path.write_text("precious")
    path.chmod(0o644)
    code, said = capture(server, path, "--seconds", "1")
    assert code == 1 and "--force" in said and path.read_text() == "precious"
    code, said = capture(server, path, "--force", room="nowhere")
    assert code == 1 and path.read_text() == "precious"
    assert capture(server, path, "--seconds", "1", "--force")[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and CaptureFile(path).interfaces == ["in", "out"]

    running = [start_capture(server, tmp_path / f"{n}.pcapng") for n in range(4)]
    wait_for(lambda: server.log.read_text().count("capture begins") >= 5, "four captures to begin")
    code, said = capture(server, tmp_path / "fifth.pcapng")
    assert code == 1 and "4 captures go on" in said and not (tmp_path / "fifth.pcapng").exists()
    # Whose reader is killed ends, and what has no room any more does.
    running[0].kill()
    wait_for(lambda: "nobody reads it" in server.log.read_text(), "the first to end")
    server.needlectl("close", "studio")
    for process in running[1:]:
        said = "".join(process.communicate(timeout=PATIENCE))
        assert process.returncode == 0 and "the room is closed" in said, said
