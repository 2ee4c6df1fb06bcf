"""The examples, each as its README says, and the traffic they promise."""

import os
import signal
import subprocess
from contextlib import contextmanager

import pytest
from harness.network import CLIENT_ADDRESS, SERVER_ADDRESS
from harness.participant import Participant
from harness.server import BINARY, ROOT
from harness.waiting import PATIENCE, wait_for


@contextmanager
def example(server, name, *arguments):
    """Runs an example beside the server, which it finds by its admin socket; interrupted at the end as by Ctrl-C."""
    path = server.folder / f"{name}.log"
    environment = os.environ | {
        "NEEDLETAIL_ADMIN_SOCKET": str(server.keys["admin-socket"]), "NEEDLETAIL_BIN_FOLDER": str(BINARY.parent)}
    command = ["ip", "netns", "exec", server.network.server.name, str(ROOT / "Examples" / name / "run"), *map(str, arguments)]
    with path.open("w") as log:
        process = subprocess.Popen(
            command, cwd=server.folder, stdout=log, stderr=log, env=environment, start_new_session=True)
    process.said = path.read_text
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def clear_participants(server):
    return [participant["name"] for participant in server.admin("/rtp")["participants"]]


def test_gstreamer_to_browser(start_server, new_page):
    server = start_server(lane="socket", interfaces=["eth0", "lo"])
    with example(server, "gstreamer-to-browser", 60) as run:
        wait_for(lambda: clear_participants(server) == ["GStreamer"], lambda: f"GStreamer to join; {run.said()}")
        viewer = Participant(new_page(), server).join("gstreamer", "Ada", quality=None, microphone=False)
        viewer.wait_for_media(2)
    assert clear_participants(server) == []


def test_browser_to_recorder(start_server, new_page):
    server = start_server(lane="socket", interfaces=["eth0", "lo"])
    with example(server, "browser-to-recorder", 4, "recording", server.folder / "out.mkv") as run:
        wait_for(lambda: clear_participants(server) == ["Recorder"], lambda: f"the recorder to join; {run.said()}")
        Participant(new_page(), server).join("recording", "Ada")
        wait_for(lambda: run.poll() is not None, lambda: f"the recording to end; {run.said()}", seconds=2 * PATIENCE)
        assert run.returncode == 0, run.said()
    assert "codec_name=opus" in run.said() and "codec_name=vp8" in run.said()
    assert clear_participants(server) == []


def test_an_example_needs_no_server_and_leaves_nothing(network, tmp_path):
    environment = os.environ | {
        "NEEDLETAIL_ADMIN_SOCKET": str(tmp_path / "none.sock"), "NEEDLETAIL_BIN_FOLDER": str(BINARY.parent),
        "TMPDIR": str(tmp_path)}
    result = subprocess.run(
        ["ip", "netns", "exec", network.server.name, str(ROOT / "Examples/gstreamer-to-browser/run"), "3"],
        capture_output=True, text=True, env=environment, timeout=2 * PATIENCE)
    assert result.returncode == 0, result.stdout + result.stderr
    assert ":9443/?room=gstreamer" in result.stdout
    assert list(tmp_path.iterdir()) == []
    assert network.xdp_programs() == []


@pytest.mark.parametrize("participants", [2, 10])
def test_scapy_on_lo(start_server, participants):
    server = start_server(interfaces=["eth0", "lo"])
    with example(server, "scapy", "lo", participants, 50) as run:
        wait_for(lambda: run.poll() is not None, lambda: f"the example to end; {run.said()}", seconds=2 * PATIENCE)
    assert run.returncode == 0, run.said()
    copies = 50 * participants * (participants - 1)
    assert f"\n{copies} of {copies} copies were made in the kernel" in run.said()
    assert f"\n  tc_copy_sent         {copies}\n" in run.said()
    assert clear_participants(server) == []


@contextmanager
def scapy_in_namespaces(folder, *arguments):
    environment = os.environ | {"NEEDLETAIL_BIN_FOLDER": str(BINARY.parent), "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [str(ROOT / "Examples/scapy/run"), "namespaces", *map(str, arguments)], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=PATIENCE)
    assert namespaces_of(process) == [] and list(folder.iterdir()) == []


def namespaces_of(process):
    names = [line.split()[0] for line in subprocess.check_output(["ip", "netns", "list"], text=True).splitlines()]
    return [name for name in names if name.startswith(f"ntl-scapy-{process.pid}-")]


@pytest.mark.parametrize("participants", [2, 10])
def test_scapy_across_namespaces(tmp_path, participants):
    with scapy_in_namespaces(tmp_path, participants, 50) as run:
        said, _ = run.communicate(timeout=2 * PATIENCE)
    assert run.returncode == 0, said
    copies = 50 * participants * (participants - 1)
    assert f"\n{copies} of {copies} copies were made in the kernel" in said
    assert f"\n  xdp_copy_sent     {copies}\n" in said


def test_scapy_interrupted_leaves_nothing(tmp_path):
    with scapy_in_namespaces(tmp_path, 2, 60000) as run:
        while "verdicts" not in (line := run.stdout.readline()):
            assert line
        assert len(namespaces_of(run)) == 4
    assert run.returncode == 130


PLAYERS = {
    # Ends by itself once it has shown so many pictures.
    "GStreamer": "gst-launch-1.0 -q filesrc location={sdp} ! sdpdemux ! decodebin ! video/x-raw ! fakesink num-buffers=50",
    "ffplay": "ffplay -hide_banner -protocol_whitelist file,udp,rtp -nodisp -t 3 -autoexit -stats {sdp}",
}


@pytest.mark.parametrize("player", PLAYERS)
def test_players_open_the_sdp_file_of_a_receiver(start_server, network, player):
    server = start_server()
    there = ["ip", "netns", "exec", network.clients.name]
    server.needlectl("rtp", "add", "--room", "studio", "--name", "camera", "--send", "--remote", f"{CLIENT_ADDRESS}:15004",
                     "--codec", "vp8", "--payload-type", "96")
    server.needlectl("rtp", "add", "--room", "studio", "--name", "player", "--receive", "--remote", f"{CLIENT_ADDRESS}:15016",
                     "--codec", "vp8", "--payload-type", "100", "--rtcp", "mux")
    sdp = server.folder / "player.sdp"
    sdp.write_bytes(subprocess.check_output([
        BINARY.parent / "needlectl", "rtp", "sdp", "--room", "studio", "--name", "player", "--socket",
        server.keys["admin-socket"]]))
    camera = subprocess.Popen([
        *there, *"gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 ! vp8enc "
        "deadline=1 keyframe-max-dist=25 ! rtpvp8pay pt=96 ! udpsink bind-port=15004 port=3478".split(),
        f"host={SERVER_ADDRESS}", f"bind-address={CLIENT_ADDRESS}"])
    try:
        result = subprocess.run(
            [*there, *PLAYERS[player].format(sdp=sdp).split()], capture_output=True, text=True, timeout=2 * PATIENCE,
            env=os.environ | {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"})
    finally:
        camera.kill()
        camera.wait()
    assert result.returncode == 0, result.stderr
    if player == "ffplay":
        assert "Video: vp8" in result.stderr and "320x180" in result.stderr, result.stderr
