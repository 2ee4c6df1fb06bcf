"""Every command of needlectl: what people see, what programs get, and the exit code."""

import json
import os
import subprocess

import pytest
from harness.clear_rtp import ClearReceiver, ClearSender
from harness.network import CLIENT_ADDRESS
from harness.server import BINARY
from harness.waiting import wait_for

DONE, REFUSED, WRONG_USAGE, NOT_REACHABLE = 0, 1, 2, 3
ROOM = "studio"


def run(*arguments, socket):
    """Exit code, standard output, standard error."""
    result = subprocess.run([BINARY.parent / "needlectl", *map(str, arguments), "--socket", socket],
                            capture_output=True, text=True, timeout=45)
    return result.returncode, result.stdout, result.stderr


@pytest.fixture
def needlectl(server):
    return lambda *arguments: run(*arguments, socket=server.keys["admin-socket"])


@pytest.fixture
def call(network, server):
    """A camera and a recorder in a room, and the camera sends."""
    sender, receiver = ClearSender(network.clients), ClearReceiver(network.clients)
    sender.add(server, ROOM, "camera")
    receiver.add(server, ROOM, "recorder", 101)
    streams = lambda: server.needlectl("streams", ROOM)
    with sender.stream():
        wait_for(lambda: all(s["lane"] == "kernel" and s["packets"] for kind in streams().values() for s in kind), streams)
        yield sender, receiver
    sender.close()
    receiver.close()


# What a command's table must have, and the JSON's keys.
LOOKING = [
    (["status"], ["media on UDP port 3478", "auth none", "1 room, 2 participants, 1 source, 1 sink"], {"version", "rooms", "sources", "sinks", "draining", "counters"}),
    (["rooms"], ["ROOM", "PARTICIPANTS", ROOM], {"rooms"}),
    (["participants", ROOM], ["NAME", "VIA", "camera", "recorder"], {"participants"}),
    (["streams"], ["LANE", "WHY", "LOSS", "AFTER", "KEYREQ", "camera", "recorder", "kernel"], {"sources", "sinks"}),
    (["streams", "--wide"], ["FROM", "TO", "4711", CLIENT_ADDRESS], {"sources", "sinks"}),
    (["streams", ROOM], ["camera", "recorder"], {"sources", "sinks"}),
    (["fastpath"], ["INTERFACE", "eth0", "PROGRAM", "MAP", "VERDICT", "camera"],
     {"interfaces", "programs", "maps", "verdicts", "sources", "sinks"}),
    (["rtp", "list"], ["camera", "recorder", "opus", "4711"], {"participants"}),
    (["rtp", "list", "--room", ROOM], ["camera", "recorder"], {"participants"}),
    (["rtp", "sdp", "--room", ROOM, "--name", "recorder"], ["m=audio", "a=rtpmap:101 opus/48000/2"], {"sdp"}),
]


def test_looking(needlectl, call):
    for arguments, shown, keys in LOOKING:
        code, text, problem = needlectl(*arguments)
        assert (code, problem) == (DONE, ""), arguments
        assert [word for word in shown if word not in text] == [], text
        assert text.endswith("\n") and not text.endswith("\n\n"), text
        code, text, problem = needlectl(*arguments, "--json")
        assert (code, problem) == (DONE, ""), arguments
        assert keys <= json.loads(text).keys(), text


def test_nothing_to_see(needlectl):
    for arguments, said in [(["rooms"], "no rooms"), (["streams"], "no streams"), (["rtp", "list"], "no clear-RTP participants")]:
        assert needlectl(*arguments) == (DONE, said + "\n", "")


def test_mute_stops_the_packets_and_unmute_brings_them_back(server, needlectl, call):
    sender, receiver = call
    source = lambda: server.needlectl("streams", ROOM)["sources"][0]
    assert needlectl("mute", ROOM, "camera") == (DONE, "camera is muted\n", "")
    assert source()["muted"] and "in, muted" in needlectl("streams")[1]

    def is_quiet():
        before, sent = len(receiver.packets), sender.sent
        wait_for(lambda: sender.sent >= sent + 50, "50 packets more to be sent")
        return len(receiver.packets) == before
    wait_for(is_quiet, "no more packets")
    taken = source()["packets"]
    wait_for(lambda: source()["packets"] > taken, "what is sent to be taken all the same")

    code, text, _ = needlectl("mute", ROOM, "camera", source()["track"], "--unmute", "--json")
    assert (code, json.loads(text)) == (DONE, {"done": True})
    before = len(receiver.packets)
    wait_for(lambda: len(receiver.packets) > before + 50, "the packets to come back")
    assert not source()["muted"]
    later = receiver.packets[before:]
    assert [p.sequence for p in later] == [(later[0].sequence + i) % 65536 for i in range(len(later))]


def test_kick_and_close(needlectl, call):
    assert needlectl("kick", ROOM, "recorder") == (DONE, "recorder is out of studio\n", "")
    assert needlectl("kick", ROOM, "recorder") == (REFUSED, "", "needlectl: there is no participant recorder in room studio\n")
    code, text, _ = needlectl("close", ROOM, "--json")
    assert (code, json.loads(text)) == (DONE, {"done": True})
    assert needlectl("close", ROOM) == (REFUSED, "", "needlectl: there is no room studio\n")
    assert needlectl("rooms")[1] == "no rooms\n"


def test_the_log_has_what_was_ordered_in_fields(start_server):
    """What only reads is no order, and nobody ordered what the configuration has."""
    camera = {"room": ROOM, "name": "camera", "direction": "send", "remote": f"{CLIENT_ADDRESS}:5004", "codec": "opus", "payload-type": 96}
    server = start_server(rtp_participants=[camera])
    recorder = ["--room", ROOM, "--name", "recorder"]
    for arguments in [
        ["rtp", "add", *recorder, "--receive", "--remote", f"{CLIENT_ADDRESS}:5006", "--codec", "opus", "--payload-type", "111"],
        ["rtp", "sdp", *recorder], ["streams"], ["mute", ROOM, "camera"], ["mute", ROOM, "camera", "nosuch", "--unmute"],
        ["rtp", "remove", *recorder], ["kick", ROOM, "camera"], ["close", ROOM], ["drain"],
    ]:
        run(*arguments, socket=server.keys["admin-socket"])
    orders = [line.partition("operator's order ")[2] for line in server.log.read_text().splitlines() if "operator's order" in line]
    assert orders == [
        f"action=rtp-add outcome=done participant=recorder room={ROOM}",
        f"action=mute outcome=done participant=camera room={ROOM} track=all",
        f'action=unmute outcome="camera publishes no track nosuch" participant=camera room={ROOM} track=nosuch',
        f"action=rtp-remove outcome=done participant=recorder room={ROOM}",
        f"action=kick outcome=done participant=camera room={ROOM}",
        f'action=close outcome="there is no room {ROOM}" room={ROOM}',
        "action=drain on=true outcome=done",
    ]


def test_drain(server, needlectl):
    assert needlectl("drain") == (DONE, "draining\n", "")
    assert server.needlectl("status")["draining"] and ", draining" in needlectl("status")[1]
    code, text, _ = needlectl("drain", "--off", "--json")
    assert (code, json.loads(text)) == (DONE, {"done": True})
    assert not server.needlectl("status")["draining"]


def test_rtp(needlectl):
    add = ["rtp", "add", "--room", ROOM, "--name", "camera", "--send", "--remote", "10.77.0.2:5004", "--codec", "vp8", "--payload-type", "96"]
    assert needlectl(*add) == (DONE, "camera is in studio\n", "")
    code, _, problem = needlectl(*add)
    assert code == REFUSED and "camera" in problem
    code, text, _ = needlectl("rtp", "list", "--json")
    (camera,) = json.loads(text)["participants"]
    assert (camera["room"], camera["name"], camera["direction"], camera["formats"][0]["payloadType"]) == (ROOM, "camera", "send", 96)
    code, text, _ = needlectl("rtp", "remove", "--room", ROOM, "--name", "camera", "--json")
    assert (code, json.loads(text)) == (DONE, {"done": True})
    code, _, problem = needlectl("rtp", "remove", "--room", ROOM, "--name", "camera")
    assert code == REFUSED and problem.startswith("needlectl: ")
    code, _, problem = needlectl(*[word.replace("10.77.0.2:5004", "nowhere") for word in add])
    assert code == REFUSED and '"remote"' in problem


def test_no_tokens_where_none_are_taken(needlectl):
    code, text, problem = needlectl("token", "create", "--room", ROOM)
    assert (code, text) == (REFUSED, "") and "auth is none" in problem


def test_tokens(start_server):
    server = start_server(auth="tokens")
    create = lambda *more: run("token", "create", "--room", ROOM, "--ttl", "15m", *more, socket=server.keys["admin-socket"])
    code, text, _ = create()
    assert code == DONE and text.count(".") == 2 and text.endswith("\n")
    assert create("--ttl", "366d")[0] == DONE
    code, text, _ = create("--identity", "Ada", "--no-publish", "--json")
    assert code == DONE and json.loads(text).keys() == {"token", "expiresAt"}


def test_doctor(needlectl):
    code, text, _ = needlectl("doctor", "--json")
    diagnosis = json.loads(text)
    assert code == (DONE if diagnosis["ok"] else REFUSED)
    assert diagnosis["ok"] == all(check["state"] != "missing" for check in diagnosis["checks"])
    assert {"kernel", "AF_XDP"} <= {check["check"] for check in diagnosis["checks"]}, diagnosis
    shown_code, text, _ = needlectl("doctor")
    assert shown_code == code and text.startswith("CHECK")
    assert [check["check"] for check in diagnosis["checks"] if check["check"] not in text] == []


@pytest.mark.parametrize("arguments", [
    ["participants", "nowhere"], ["streams", "nowhere"], ["kick", "nowhere", "Ada"], ["mute", "nowhere", "Ada"], ["close", "nowhere"],
    ["rtp", "list", "--room", "nowhere"], ["rtp", "remove", "--room", "nowhere", "--name", "camera"],
    ["rtp", "sdp", "--room", "nowhere", "--name", "camera"], ["trace", "--source", "99"], ["capture", "--room", "nowhere", "-w", "/dev/null"],
])
def test_what_is_not_there(needlectl, arguments):
    code, text, problem = needlectl(*arguments)
    assert (code, text) == (REFUSED, "") and problem.startswith("needlectl: "), problem


@pytest.mark.parametrize("arguments", [
    ["frobnicate"], ["status", "more"], ["participants"], ["kick", ROOM], ["close"], ["streams", "--lane", "xsk"], ["token", "create", "--ttl", "soon"],
    ["token", "create", "--ttl", "999999d"], ["token", "create", "--ttl", "367d"], ["token", "create", "--ttl", "0.5"], ["token", "create", "--ttl", "nan"],
    ["rtp", "add", "--room", ROOM], ["trace", "--source", "first"],
    ["rtp", "add", "--room", ROOM, "--name", "camera", "--codec", "vp8", "--codec", "opus", "--payload-type", "96"],
])
def test_wrong_usage(tmp_path, arguments):
    code, text, problem = run(*arguments, socket=tmp_path / "none.sock")
    assert (code, text) == (WRONG_USAGE, "") and problem.startswith("Error: "), problem


@pytest.mark.parametrize("arguments", [
    ["status"], ["rooms"], ["participants", ROOM], ["streams"], ["fastpath"], ["kick", ROOM, "Ada"], ["mute", ROOM, "Ada"], ["close", ROOM], ["drain"],
    ["token", "create"], ["rtp", "list"], ["trace", "--source", "1"],
])
@pytest.mark.parametrize("json", [[], ["--json"]])
def test_no_server(tmp_path, arguments, json):
    socket = tmp_path / "none.sock"
    code, text, problem = run(*arguments, *json, socket=socket)
    assert (code, text) == (NOT_REACHABLE, "")
    assert problem.startswith(f"needlectl: no server answers on {socket}: No such file or directory\n"), problem


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["drain", "--off"], ["doctor"], ["--help"]])
def test_output_that_cannot_be_written(server, arguments):
    command = [BINARY.parent / "needlectl", *arguments, "--socket", server.keys["admin-socket"]]
    with open("/dev/full", "wb") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=45)
    assert (result.returncode, result.stderr) == (REFUSED, "needlectl: standard output cannot be written: No space left on device\n")
    # Python ignores SIGPIPE, and so do its children: the write fails.
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=45, restore_signals=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (REFUSED, "")
