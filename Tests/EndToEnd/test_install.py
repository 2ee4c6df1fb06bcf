"""What `make install` makes: programs that run where there is no Swift."""

import re
import subprocess
from pathlib import Path

import pytest
from harness.server import BINARY, ROOT, Server
from test_dev import get


@pytest.fixture
def installed(tmp_path):
    """The prefix inside a DESTDIR."""
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}/root", "PREFIX=/opt/calls"], check=True)
    return tmp_path / "root/opt/calls"


@pytest.fixture
def without_swift():
    """Words before a command: it runs where the toolchain's libraries are not."""
    linked = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    libraries = re.search(r"=> (/\S+)/libswiftCore\.so", linked)[1]
    return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', libraries]


def test_the_installed_programs_run_without_swift(network, tmp_path, installed, without_swift):
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([*without_swift, BINARY, "--version"], capture_output=True, check=True)
    for program in ("needletail", "needlectl"):
        subprocess.run([*without_swift, installed / "bin" / program, "--help"], capture_output=True, check=True)
    server = Server(network, tmp_path, binary=installed / "bin/needletail", run_as=without_swift)
    del server.keys["web"]
    try:
        server.start()
        assert f"{installed}/lib/needletail/libswiftCore.so" in Path(f"/proc/{server.process.pid}/maps").read_text()
        assert get(network, f"{server.url}/healthz") == "ok\n"
        assert "<title>Needletail" in get(network, f"{server.url}/")
        assert network.xdp_programs()
        assert server.stop() == 0
    finally:
        server.kill()
    check = [*without_swift, installed / "bin/needletail", "--check", "--config", tmp_path / "needletail.yaml"]
    assert subprocess.run(check, capture_output=True, text=True).stdout == "the configuration is good\n"


def test_what_is_installed_is_small_and_says_its_licence(installed):
    assert (installed / "bin/needletail").stat().st_size < 25_000_000
    assert "Apache License" in (installed / "share/doc/needletail/LICENSE").read_text()
    for source in [*(ROOT / "bpf").glob("*.[ch]"), *(ROOT / "bpf/abi").glob("*.h")]:
        assert source.read_text().startswith("/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */\n"), source


def test_the_installed_unit_starts_the_installed_server(installed):
    unit = (installed / "lib/systemd/system/needletail.service").read_text()
    assert "\nExecStart=/opt/calls/bin/needletail --config /etc/needletail/needletail.yaml\n" in unit
