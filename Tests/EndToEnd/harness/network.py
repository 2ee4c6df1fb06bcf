"""Two network namespaces, joined by one veth pair, each end called eth0: the server's and the clients'.

The server's XDP program runs on its end. What it sends from XDP or AF_XDP is received only by a peer with NAPI, so GRO is
turned on at the clients' end.
"""

import contextlib
import ctypes
import json
import os
import subprocess

SERVER_ADDRESS = "10.77.0.1"
CLIENT_ADDRESS = "10.77.0.2"
SERVER_ADDRESS_V6 = "fd77::1"
CLIENT_ADDRESS_V6 = "fd77::2"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(command)}: {result.stderr.strip()}"
    return result.stdout


def _enter(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns: these tests need root")


class Namespace:
    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        # Else the link-local addresses become usable seconds later: a change of network, at which Chromium drops what it loads.
        self.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command):
        return run("ip", "netns", "exec", self.name, *command)

    @contextlib.contextmanager
    def inside(self):
        """This thread's new sockets, threads and processes belong to the namespace."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            inner = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                _enter(inner)
            finally:
                os.close(inner)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(before)

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


class Network:
    def __init__(self):
        self.server = self.clients = None
        try:
            self.server = Namespace(f"ntl-s-{os.getpid()}")
            self.clients = Namespace(f"ntl-c-{os.getpid()}")
            self._join()
        except BaseException:
            self.remove()
            raise

    def _join(self):
        run("ip", "link", "add", "eth0", "netns", self.server.name, "type", "veth",
            "peer", "name", "eth0", "netns", self.clients.name)
        for namespace, address in ((self.server, SERVER_ADDRESS), (self.clients, CLIENT_ADDRESS)):
            namespace.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            namespace.run("ip", "link", "set", "eth0", "up")
        self.clients.run("ethtool", "-K", "eth0", "gro", "on")

    def drop(self):
        """Nothing passes any more, either way, as if the cable were cut without either end noticing."""
        rules = "".join(
            f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; policy accept; }}\n"
            f"add rule inet cut {hook} {meta} eth0 drop\n" for hook, meta in (("input", "iifname"), ("output", "oifname")))
        rules = f"add table inet cut\n{rules}"
        subprocess.run(["ip", "netns", "exec", self.clients.name, "nft", "-f", "-"], input=rules, text=True, check=True)

    def restore(self):
        subprocess.run(["ip", "netns", "exec", self.clients.name, "nft", "delete", "table", "inet", "cut"],
                       capture_output=True)

    @contextlib.contextmanager
    def ipv6(self):
        """Both ends have IPv6 addresses as well."""
        ends = ((self.server, SERVER_ADDRESS_V6), (self.clients, CLIENT_ADDRESS_V6))
        for namespace, address in ends:
            namespace.run("ip", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        try:
            yield
        finally:
            for namespace, address in ends:
                namespace.run("ip", "address", "del", f"{address}/64", "dev", "eth0")

    @contextlib.contextmanager
    def without_gro(self):
        """The clients' end receives nothing that XDP sends, as a veth without NAPI does: TC has to forward."""
        self.clients.run("ethtool", "-K", "eth0", "gro", "off")
        try:
            yield
        finally:
            self.clients.run("ethtool", "-K", "eth0", "gro", "on")

    def xdp_programs(self):
        """Ids of the XDP programs on the server's interfaces."""
        links = json.loads(self.server.run("ip", "-j", "-d", "link", "show"))
        return [link["xdp"]["prog"]["id"] for link in links if link.get("xdp", {}).get("prog")]

    def assert_nothing_is_attached(self):
        """No XDP program, no TC program, filter or qdisc of the fast path is on any of the server's interfaces."""
        assert self.xdp_programs() == []
        assert "clsact" not in self.server.run("tc", "qdisc", "show")
        for interface in ("eth0", "lo"):
            assert self.server.run("tc", "filter", "show", "dev", interface, "ingress") == ""
        state = json.loads(self.server.run("bpftool", "-j", "net", "show"))
        assert not any(state[0].values()), state

    def remove(self):
        for namespace in (self.server, self.clients):
            if namespace:
                namespace.remove()
