"""The server's keys: what is wrong is named with its place, and the nearer word counts."""

import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness.clear_rtp import ClearSender
from harness.network import CLIENT_ADDRESS, SERVER_ADDRESS
from harness.server import BINARY, ROOT, copy_for_anybody, environment_without_keys
from harness.waiting import PATIENCE, wait_for
from websockets.sync.client import connect


@pytest.fixture
def check(tmp_path):
    """Runs `needletail --check`: its exit code and what it says, with the file's path cut out."""
    file = tmp_path / "keys.yaml"

    def check(yaml="", *flags, **environment):
        file.write_text(yaml)
        result = subprocess.run([BINARY, "--check", "--config", file, *flags], capture_output=True, text=True, timeout=PATIENCE,
                                env=environment_without_keys() | environment)
        return result.returncode, (result.stdout + result.stderr).replace(f"{tmp_path}/", "")

    return check


def test_a_good_configuration(check):
    assert check("port: 9000\nlane: xsk\n", "--media-port", "4000", NEEDLETAIL_AUTH="none") == (0, "the configuration is good\n")


@pytest.mark.parametrize("yaml, problem", [
    ("# comment\nprot: 9000\n", 'keys.yaml:2: unknown key "prot"; did you mean "port"?'),
    ("nonsense-beyond-all: 1\n", 'keys.yaml:1: unknown key "nonsense-beyond-all"; the keys are address, port, '),
    ("auth: none\nport: 99999\n", 'keys.yaml:2: port: "99999" is not allowed; it must be an integer from 0 to 65535'),
    ("\n\nlane: fast\n", 'keys.yaml:3: lane: "fast" is not allowed; it must be auto or kernel or xsk or socket'),
    ("address: localhost\n", 'keys.yaml:1: address: "localhost" is not allowed; it must be an IP address'),
    ("public-addresses: [10.0.0.1, nowhere]\n", "keys.yaml:1: public-addresses: [10.0.0.1, nowhere] is not allowed; it must be a list of IP"),
    ("plain-http: maybe\n", 'keys.yaml:1: plain-http: "maybe" is not allowed; it must be true or false'),
    ("port: {a: 1}\n", "keys.yaml:1: port: must be an integer from 0 to 65535"),
    ("lane: xsk\nport: 1\n# port: 2\nweb: .\nport: 2\n", "keys.yaml:5: each key may stand once; twice: port"),
    ("{port: 1, port: 2}\n", "keys.yaml:1: each key may stand once; twice: port"),
    ("rtp-participants:\n  - name: a\n    room: r\n    'name' : b\n  - name: c\n", "keys.yaml:4: each key may stand once; twice: name"),
    ("port: [1\n", "not YAML: "),
    ("- port\n", "keys.yaml: must be a YAML mapping of keys to values"),
    ("\ncertificate: a.pem\n", "keys.yaml:2: certificate: needs certificate-key: the two go together"),
    ("\ncertificate-key: a.pem\n", "keys.yaml:2: certificate-key: needs certificate: the two go together"),
    ("plain-http: on\ncertificate: a.pem\n", "keys.yaml:1: plain-http: excludes certificate (keys.yaml:2): it serves without TLS"),
    (f"token-secret-file: secret\ntoken-secret: {'s' * 32}\n", "keys.yaml:2: token-secret: excludes token-secret-file (keys.yaml:1): set one"),
    ("\ntoken-secret-file: /nope\n", "keys.yaml:2: token-secret-file: /nope cannot be read: No such file or directory"),
    ("\nweb: /nope\n", "keys.yaml:2: web: /nope is not a folder"),
    ("rtp-participants:\n  - {room: r, name: n, speed: 9}\n", 'keys.yaml:2: rtp-participants: unknown key "speed"; the keys are room, '),
    ("rtp-participants:\n  - room: r\n    name: camera\n    direction: sideways\n    remote: 192.0.2.7:5004\n    codec: vp8\n    payload-type: 96\n",
     "keys.yaml:4: rtp-participants: "),
    ("rtp-participants:\n" + "  - room: r\n    name: camera\n    remote: 192.0.2.7:5004\n    codec: vp8\n    payload-type: 96\n" * 2,
     "keys.yaml:8: rtp-participants: name: there is a participant camera in room r already (keys.yaml:2)"),
    ("rtp-participants:\n"
     "  - {room: r, name: camera, direction: send, remote: 192.0.2.7:5004, codec: vp8, payload-type: 96}\n"
     "  - room: q\n    name: other\n    direction: send\n    remote: 192.0.2.7:5005\n    codec: vp8\n    payload-type: 96\n",
     "keys.yaml:6: rtp-participants: remote: 192.0.2.7:5005 is camera's in room r already (keys.yaml:2)"),
])
def test_what_is_wrong_in_the_file_is_named_with_its_line(check, yaml, problem):
    code, said = check(yaml)
    assert code == 2 and problem in said, said


def test_what_is_wrong_elsewhere_is_named_by_variable_and_flag(check):
    code, said = check("lane: fast\n", "--media-port", "many", "--prot=1", "stray", "--port", NEEDLETAIL_LANE="slow")
    assert code == 2
    for problem in ["keys.yaml:1: lane: ", 'NEEDLETAIL_LANE: lane: "slow" is not allowed', '--media-port: media-port: "many" is not allowed',
                    '--prot: unknown key "prot"; did you mean "port"?', "stray: is not a flag", "--port: needs a value"]:
        assert f"needletail: {problem}" in said, f"{problem} is not in:\n{said}"


def test_a_file_and_a_conflict_are_named_with_the_place_whose_word_counts(check):
    assert check("web: /nope\n", NEEDLETAIL_WEB="/none") == (2, "needletail: NEEDLETAIL_WEB: web: /none is not a folder\n")
    assert check("web: /nope\n", "--web", "/nil", NEEDLETAIL_WEB="/none") == (2, "needletail: --web: web: /nil is not a folder\n")
    code, said = check("certificate-key: a.pem\n", "--plain-http", NEEDLETAIL_CERTIFICATE="a.pem")
    assert code == 2 and "needletail: --plain-http: plain-http: excludes certificate (NEEDLETAIL_CERTIFICATE): it serves" in said
    assert "needletail: NEEDLETAIL_CERTIFICATE: certificate: a.pem cannot be read: No such file or directory" in said


@pytest.mark.parametrize("flag", ["--dev", "--check", "--version", "--help"])
def test_flags_that_take_no_value(check, flag):
    assert check("", f"{flag}=maybe") == (2, f"needletail: {flag}: takes no value\n")


def test_no_file_is_named_by_an_empty_word():
    run = lambda *flags: subprocess.run([BINARY, "--check", *flags], capture_output=True, text=True, timeout=PATIENCE,
                                        env=environment_without_keys() | {"NEEDLETAIL_CONFIG": ""})
    assert (run().returncode, run().stderr) == (2, 'needletail: NEEDLETAIL_CONFIG: "" is not allowed; it must be a path\n')
    assert run("--config=").stderr == 'needletail: --config: "" is not allowed; it must be a path\n'


def test_a_short_secret_is_refused_and_not_shown(check, tmp_path):
    code, said = check("token-secret: hunter2\n")
    assert code == 2 and "keys.yaml:1: token-secret: this value is not allowed; it must be a text of at least 32 bytes" in said
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    code, said = check(f"token-secret-file: {secret}\n")
    assert code == 2 and "keys.yaml:1: token-secret-file: secret holds fewer than 32 bytes" in said and "hunter2" not in said


def test_files_that_cannot_be_read_say_why():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        program, folder = copy_for_anybody(folder), Path(folder)
        (folder / "good.yaml").write_text(f"token-secret-file: {folder}/secret\n")
        (folder / "secret").write_text("s" * 32)
        (folder / "secret").chmod(0o600)
        (folder / "latin1.yaml").write_bytes(b"# caf\xe9\n")
        run = lambda name, *user: subprocess.run([*user, program, "--check", "--config", folder / name], capture_output=True, text=True, timeout=PATIENCE,
                                                 env=environment_without_keys())
        said = lambda *how: run(*how).stderr.replace(f"{folder}/", "")
        nobody = "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"
        assert run("good.yaml").returncode == 0
        assert said("none.yaml") == "needletail: none.yaml: cannot be read: No such file or directory\n"
        assert said("web") == "needletail: web: cannot be read: Is a directory\n"
        assert said("latin1.yaml") == "needletail: latin1.yaml: cannot be read: it is not UTF-8 text\n"
        assert "token-secret-file: secret cannot be read: Permission denied\n" in said("good.yaml", *nobody)
        (folder / "good.yaml").chmod(0o600)
        assert said("good.yaml", *nobody) == "needletail: good.yaml: cannot be read: Permission denied\n"


@pytest.fixture
def certificate(tmp_path):
    """Makes a self-signed certificate: its file and its key's."""
    def make(name, days=30):
        files = tmp_path / f"{name}.pem", tmp_path / f"{name}-key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                        "-days", str(days), "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
        return files

    return make


def test_files_that_the_configuration_names(check, certificate, tmp_path):
    (good, key), (other, other_key), (old, old_key) = certificate("good"), certificate("other"), certificate("old", days=3)
    said = lambda certificate, key: check(f"certificate: {certificate}\ncertificate-key: {key}\n")
    assert said(good, key) == (0, "the configuration is good\n")
    assert said(key, key) == (2, "needletail: keys.yaml:1: certificate: good-key.pem holds no certificate in PEM\n")
    assert said(good, good) == (2, "needletail: keys.yaml:2: certificate-key: good.pem holds no private key in PEM that needs no passphrase\n")
    assert said(good, other_key) == (2, "needletail: keys.yaml:2: certificate-key: other-key.pem is not the key of the certificate in good.pem\n")
    assert said(good, tmp_path / "none") == (2, "needletail: keys.yaml:2: certificate-key: none cannot be read: No such file or directory\n")
    code, text = said(old, old_key)
    assert code == 0 and "needletail: certificate old.pem expires at 20" in text and "the configuration is good" in text
    assert check(f"web: {tmp_path}/none\n") == (2, "needletail: keys.yaml:1: web: none is not a folder\n")


def test_a_folder_where_no_certificate_can_be_made(tmp_path):
    (tmp_path / "certs").write_text("a file")
    result = subprocess.run([BINARY, "--port", "0", "--media-port", "0", "--lane", "socket"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE,
                            env=environment_without_keys())
    assert result.returncode == 1
    assert f"needletail: certificate: no development certificate can be made: certs/development-key.pem in {tmp_path}: Not a directory; set " in result.stderr


@pytest.fixture
def start_in_vain(network, tmp_path):
    """Starts a server that cannot run: what it says at the end."""
    def start(*flags, run_as=(), program=BINARY, folder=tmp_path):
        command = ["ip", "netns", "exec", network.server.name, *run_as, program, "--auth", "none", "--plain-http", "--interfaces", "eth0",
                   "--admin-socket", folder / "admin.sock", *flags]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, env=environment_without_keys())
        assert result.returncode == 1 and not (folder / "admin.sock").exists()
        return result.stderr.splitlines()[-1]

    return start


def test_what_a_server_cannot_listen_on_is_said_before_the_fast_path_starts(network, tmp_path, start_in_vain):
    """Whose first step is the media port, which is taken as well."""
    taken = tmp_path / "taken.sock"
    with network.server.inside(), socket.create_server((SERVER_ADDRESS, 8443)), socket.socket(type=socket.SOCK_DGRAM) as media, \
            socket.socket(socket.AF_UNIX) as admin:
        media.bind(("0.0.0.0", 3478))
        admin.bind(str(taken))
        admin.listen()
        assert f"cannot listen on {SERVER_ADDRESS}, TCP port 8443: Address already in use; " in start_in_vain("--address", SERVER_ADDRESS)
        assert "cannot listen on 192.0.2.1, TCP port 8443: Cannot assign requested address" in start_in_vain("--address", "192.0.2.1")
        assert f"another server already listens on {taken}" in start_in_vain("--port", "0", "--admin-socket", taken)
        assert "UDP port 3478 is in use by another program" in start_in_vain("--port", "0")


def test_a_port_that_takes_a_capability(start_in_vain):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        shutil.chown(folder, "nobody")
        nobody = {"run_as": ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"], "program": copy_for_anybody(folder), "folder": Path(folder)}
        advice = "from 1024 up, or give the server CAP_NET_BIND_SERVICE."
        assert f"No permission to open TCP port 80. Choose a port {advice}" in start_in_vain("--port", "80", **nobody)
        assert f"No permission to open UDP port 80. Choose a media port {advice}" in start_in_vain("--port", "0", "--media-port", "80", **nobody)


def test_hang_up_reads_the_certificate_anew(network, start_server, certificate):
    (first, first_key), (second, second_key) = certificate("first"), certificate("second")
    server = start_server(certificate=str(first), certificate_key=str(first_key))

    def shown():
        with network.clients.inside():
            return ssl.get_server_certificate((SERVER_ADDRESS, 8443))

    assert shown() == first.read_text()
    first.write_text(second.read_text())
    server.process.send_signal(signal.SIGHUP)
    refusal = rf'certificate not read anew: the one in use stays reason="\S+/needletail.yaml:\d+: certificate-key: {first_key} is not the key of'
    wait_for(lambda: re.search(refusal, server.log.read_text()), "the server to refuse half a pair")
    first_key.write_text(second_key.read_text())
    assert shown() != second.read_text()
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: shown() == second.read_text(), "the new certificate")
    assert server.stop() == 0


def test_the_documented_reference_is_the_programs():
    reference = subprocess.run([BINARY, "--reference"], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    documented = re.search(r"This table is `needletail --reference`:\n\n(.+?\n)\n", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
    assert documented[1] == reference


def test_a_flag_beats_the_environment_which_beats_the_file(start_server):
    server = start_server(
        flags=["--media-port", "4003"], media_port=4001, port=8444, auth="none",
        environment={"NEEDLETAIL_MEDIA_PORT": "4002", "NEEDLETAIL_PORT": "8445", "NEEDLETAIL_PROT": "1"})
    status = server.needlectl("status")
    assert (status["mediaPort"], status["url"], status["authentication"]) == (4003, f"https://{SERVER_ADDRESS}:8445/", "none")
    assert "the environment variable NEEDLETAIL_PROT names no key and is ignored; did you mean NEEDLETAIL_PORT?" in server.log.read_text()


def test_dev_beats_the_file_but_neither_environment_nor_flags(start_server):
    server = start_server(flags=["--dev", "--port", "8446"], address="127.0.0.1", auth="none", environment={"NEEDLETAIL_AUTH": "tokens"})
    status = server.needlectl("status")
    assert (status["url"], status["authentication"]) == ("https://localhost:8446/", "tokens")
    assert "takes no tokens" not in server.log.read_text()


def test_json_logs(network, start_server):
    """Every line is an object, and the events of a participant have its ids."""
    server = start_server(log_format="json")
    sender = ClearSender(network.clients)
    sender.add(server, "logged", "camera")
    (id,) = {p["id"] for p in server.needlectl("rtp", "list")["participants"]}
    server.needlectl("kick", "logged", "camera")
    sender.close()
    assert server.stop() == 0
    # The URL is for people and on standard output.
    lines = [line for line in server.log.read_text().splitlines() if not line.startswith("open https://")]
    events = [json.loads(line) for line in lines]
    for event in events:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]), event
        assert event["level"] in ("trace", "debug", "info", "notice", "warning", "error") and event["message"], event
    mine = [event for event in events if event.get("participant") == id]
    assert len(mine) >= 2 and all(event["room"] == "logged" for event in mine), mine


def test_the_log_knows_where_a_participant_is_and_whose_token_was_refused(network, start_server):
    server = start_server(log_format="json", log_level="info", auth="tokens")
    token = server.admin("/token", {"room": "logged"})["token"]
    tls = ssl._create_unverified_context()
    with network.clients.inside():
        with connect(f"wss://{SERVER_ADDRESS}:8443/ws", ssl=tls, proxy=None) as socket:
            socket.send(json.dumps({"type": "join", "room": "logged", "name": "Ada", "token": token}))
            assert json.loads(socket.recv(timeout=PATIENCE))["type"] == "joined"
        client = http.client.HTTPSConnection(SERVER_ADDRESS, 8443, timeout=PATIENCE, context=tls)
        client.request("POST", "/whip/logged/Eve", "v=0", {"content-type": "application/sdp"})
        assert client.getresponse().status == 401
        client.close()
    assert server.stop() == 0
    events = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (joined,) = [event for event in events if event["message"] == "participant joined"]
    (opened,) = [event for event in events if event["message"] == "WebSocket opened"]
    assert joined["connection"] == opened["connection"] and opened["client"].startswith(f"{CLIENT_ADDRESS}:")
    (refused,) = [event for event in events if event["message"] == "token refused"]
    assert refused["path"] == "/whip/logged/Eve" and refused["reason"] and refused["client"].startswith(f"{CLIENT_ADDRESS}:")
