"""The real server binary, in the server's namespace."""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import yaml

from .network import SERVER_ADDRESS
from .waiting import PATIENCE, wait_for

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("NEEDLETAIL_BIN", ROOT / ".build/release/needletail"))


def environment_without_keys():
    return {name: value for name, value in os.environ.items() if not name.startswith("NEEDLETAIL_")}


def copy_for_anybody(folder):
    """The program and the demo client, where users who may not look into the repository can read them."""
    Path(folder).chmod(0o755)
    shutil.copytree(ROOT / "web", Path(folder, "web"))
    return Path(shutil.copy(BINARY, folder))


class Server:
    """`keys` are configuration keys, with underscores for dashes: lane="socket", max_participants=2. `run_as`: words before
    the command, which run it as another user. `flags` and `environment`: what it gets besides the file."""

    def __init__(self, network, folder, binary=BINARY, run_as=(), flags=(), environment=(), **keys):
        assert binary.exists(), f"{binary} is missing: build it with `make build`, or set NEEDLETAIL_BIN"
        self.network = network
        self.folder = Path(folder)
        self.command = [*run_as, str(binary), *flags]
        self.environment = environment_without_keys() | dict(environment)
        self.keys = {
            "address": SERVER_ADDRESS, "port": 8443, "auth": "none", "web": str(ROOT / "web"),
            "admin-socket": str(self.folder / "admin.sock"), "log-level": "debug", "interfaces": ["eth0"],
        } | {name.replace("_", "-"): value for name, value in keys.items()}
        self.log = self.folder / "server.log"
        self.process = None

    @property
    def url(self):
        scheme = "http" if self.keys.get("plain-http") else "https"
        return f"{scheme}://{SERVER_ADDRESS}:{self.keys['port']}"

    def start(self):
        path = self.folder / "needletail.yaml"
        path.write_text(yaml.safe_dump(self.keys))
        command = ["ip", "netns", "exec", self.network.server.name, *self.command, "--config", str(path)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=self.environment)
        wait_for(self._is_ready, "the server to start")
        return self

    def _is_ready(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.tail()}"
        try:
            return self.admin("/status")
        except OSError:
            return None

    def stop(self, seconds=20):
        """Ends it as Ctrl-C does; returns the exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {seconds} s of SIGINT:\n{self.tail()}")
        self.process = None
        return code

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def hang(self):
        """From when this returns the server does nothing, until `go_on`: a signal takes a moment to reach every thread."""
        self.process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.process.pid}/task")
        states = lambda: {thread.read_text().rpartition(")")[2].split()[0] for thread in threads.glob("*/stat")}
        wait_for(lambda: states() == {"T"}, lambda: f"every thread to stop; {states()}", pause=0.01)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def admin(self, path, body=None):
        """What the admin API says, as `needlectl` gets it."""
        connection = http.client.HTTPConnection("admin", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self.keys["admin-socket"])
        try:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            assert response.status == 200, f"{path}: {response.status} {text!r}"
            return json.loads(text)
        finally:
            connection.close()

    def needlectl(self, *arguments):
        binary = BINARY.parent / "needlectl"
        result = subprocess.run([binary, *arguments, "--json", "--socket", self.keys["admin-socket"]],
                                capture_output=True, text=True, timeout=PATIENCE)
        assert result.returncode == 0, f"needlectl {arguments}: {result.stderr or result.stdout}"
        return json.loads(result.stdout)

    @contextmanager
    def without_descriptors(self, waiting=8):
        """The server can open nothing and accept nobody, and says every second that it cannot. Yields connections that wait."""
        process = self.process.pid
        limit = resource.prlimit(process, resource.RLIMIT_NOFILE)
        assert limit[0] == limit[1], "the server takes all it may have"
        taken = set(os.listdir(f"/proc/{process}/fd"))
        lowest_free = next(n for n in range(limit[0]) if str(n) not in taken)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (lowest_free, limit[1]))
        # Several: the admin API's last connection may leave its descriptor to one of them.
        with self.network.clients.inside():
            connections = [socket.create_connection((SERVER_ADDRESS, 8443), timeout=10) for _ in range(waiting)]
        try:
            yield connections
        finally:
            resource.prlimit(process, resource.RLIMIT_NOFILE, limit)
            for connection in connections:
                connection.close()

    def wait_for_refusals(self, count):
        """So many seconds without a descriptor."""
        wait_for(lambda: self.log.read_text().count("no connection can be accepted for a second") >= count,
                 "the server to try again", seconds=count + PATIENCE)

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.is_file() else ""


class LaneCount:
    """Media packets by lane, of every source and sink there is, from one moment to another, while media flows."""

    def __init__(self, server):
        self.server = server
        self.before = self._counted()

    def since(self):
        """{"sources": (xsk, socket), "sinks": (xsk, socket)} since it was made."""
        total = {"sources": [0, 0], "sinks": [0, 0]}
        for key, counts in self._counted().items():
            earlier = self.before.get(key, (0, 0))
            for lane in (0, 1):
                total[key[0]][lane] += counts[lane] - earlier[lane]
        return {kind: tuple(counts) for kind, counts in total.items()}

    def _counted(self):
        """Counted after the call. The server counts once a second: what it says first may be from before, when a stream had
        only begun and nothing of it was counted yet."""
        earlier = self._told()
        return wait_for(lambda: (now := self._told()) != earlier and now, "the server to count again")

    def _told(self):
        """By (kind, id) of each stream that had packets: those on the xsk lane, those on the socket lane."""
        streams = self.server.admin("/streams")
        return {
            (kind, stream["id"]): (stream["packetsOnXSK"], stream["packetsOnSocket"])
            for kind in ("sources", "sinks") for stream in streams[kind] if stream["packets"] > 0
        }
