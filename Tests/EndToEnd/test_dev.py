"""The development server as `make run` starts it: what its first lines say, and what it leaves behind."""

import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest
from harness.network import SERVER_ADDRESS
from harness.server import copy_for_anybody, environment_without_keys
from harness.waiting import wait_for


class DevelopmentServer:
    """`needletail --dev` and no other word, but that its admin socket is in `folder`, as are program and certificate."""

    def __init__(self, network, folder, run_as):
        self.admin_socket = folder / "admin.sock"
        self.log = folder / "server.log"
        command = ["ip", "netns", "exec", network.server.name, *run_as, copy_for_anybody(folder), "--dev"]
        environment = environment_without_keys() | {"NEEDLETAIL_ADMIN_SOCKET": str(self.admin_socket)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        wait_for(lambda: " ready " in self.said, lambda: f"the server to be ready:\n{self.said}")

    @property
    def said(self):
        return self.log.read_text()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@pytest.fixture(params=["root", "nobody"])
def user(request):
    return request.param


@pytest.fixture
def development_server(network, user):
    run_as = [] if user == "root" else ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        shutil.chown(folder, user)
        server = DevelopmentServer(network, Path(folder), run_as)
        yield server
        server.process.kill()
        server.process.wait()


def get(network, url):
    """What a browser would be shown after it accepted the certificate."""
    with network.clients.inside():
        return urllib.request.urlopen(url, context=ssl._create_unverified_context(), timeout=20).read().decode()


def test_the_development_server(network, development_server, user):
    server = development_server
    first = server.said.splitlines()[0]
    assert re.search(r"development mode: listens on every address, takes no tokens", first), first
    urls = re.search(r"^open (https://\S+(?:\n {5}https://\S+)*)$", server.said, re.MULTILINE)[1].split()
    assert {"https://localhost:8443/", f"https://{SERVER_ADDRESS}:8443/"} <= set(urls)
    assert "<title>Needletail" in get(network, f"https://{SERVER_ADDRESS}:8443/")
    assert server.admin_socket.is_socket() and os.stat(server.admin_socket).st_mode & 0o777 == 0o600
    if user == "root":
        assert re.search("interface .*lane=xsk name=eth0 ", server.said) and network.xdp_programs(), "the test would prove nothing"
    else:
        assert 'the fast path is the socket lane reason="no permission to load BPF programs: run as root, or grant CAP_BPF' in server.said
    assert server.interrupt() == 0
    assert not server.admin_socket.exists()
    network.assert_nothing_is_attached()


@pytest.fixture(params=["full disk", "reader gone"])
def unwritable_log(request, tmp_path):
    """A place for the log, and what to do once the server is there so that no line can be written any more."""
    if request.param == "full disk":
        return Path("/dev/full"), lambda: None
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    return fifo, lambda: os.close(reader)


def test_a_log_that_cannot_be_written_ends_nothing(start_server, unwritable_log):
    log, make_unwritable = unwritable_log
    server = start_server(log=log)
    make_unwritable()
    assert server.admin("/drain", {}) == {"done": True}
    assert server.stop() == 0
    assert not Path(server.keys["admin-socket"]).exists()
