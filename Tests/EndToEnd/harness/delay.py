"""Holds what arrives at an interface for a while, as a long way would: netem's part that every kernel can play.

What the given nft rule matches on the interface's ingress is forwarded to a tap device, whose owner, this program, writes
each frame back after the delay, in order. Run in the namespace: `python delay.py INTERFACE MILLISECONDS`; ends at the end of
standard input.
"""

import collections
import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
TAP = "late0"


@contextlib.contextmanager
def delayed(namespace, milliseconds, interface="eth0"):
    """Whatever comes to the namespace by the interface comes so much later."""
    process = subprocess.Popen(["ip", "netns", "exec", namespace.name, sys.executable, __file__, interface, str(milliseconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n", "the delay did not begin"
    try:
        yield
    finally:
        process.stdin.close()
        assert process.wait(10) == 0


def shell(command):
    subprocess.run(command, shell=True, check=True)


def open_tap(interface):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", TAP.encode(), IFF_TAP | IFF_NO_PI))
    # Before it is up: an address that came with it would be a change of network to browsers, which drop what they load.
    shell(f"sysctl -qw net.ipv6.conf.{TAP}.disable_ipv6=1 net.ipv4.conf.{TAP}.rp_filter=0 net.ipv4.conf.all.rp_filter=0")
    # What is written to it is received by it, so it must be who the frames are for.
    with open(f"/sys/class/net/{interface}/address") as address:
        shell(f"ip link set {TAP} address {address.read().strip()} mtu 9000 up")
    return tap


def carry(tap, delay):
    waiting = collections.deque()
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            os.write(tap, waiting.popleft()[1])
        ready, _, _ = select.select([tap, sys.stdin], [], [], waiting[0][0] - now if waiting else None)
        if sys.stdin in ready:
            return
        if tap in ready:
            with contextlib.suppress(BlockingIOError):
                while True:
                    waiting.append((time.monotonic() + delay, os.read(tap, 1 << 16)))


def main():
    interface, milliseconds = sys.argv[1], int(sys.argv[2])
    tap = open_tap(interface)
    shell(f"nft 'add table netdev late; add chain netdev late way {{ type filter hook ingress device {interface} priority 0; }};"
          f" add rule netdev late way ether type {{ ip, ip6 }} fwd to {TAP}'")
    try:
        print("ready", flush=True)
        carry(tap, milliseconds / 1000)
    finally:
        shell("nft delete table netdev late")


if __name__ == "__main__":
    main()
