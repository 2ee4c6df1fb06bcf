"""The fast path leaves the rest of the host alone."""

import hashlib
import os
import socket
import threading

from harness.network import SERVER_ADDRESS
from harness.waiting import wait_for


def exchange_over_tcp(network, data):
    """Sends `data` from the clients to the server's machine, and back comes its hash."""
    with network.server.inside():
        listener = socket.create_server((SERVER_ADDRESS, 0))
    received = hashlib.sha256()

    def receive():
        connection, _ = listener.accept()
        with connection:
            while chunk := connection.recv(1 << 16):
                received.update(chunk)
            connection.sendall(received.digest())

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    with network.clients.inside(), socket.create_connection(listener.getsockname(), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(64) == hashlib.sha256(data).digest()
    thread.join(5)
    listener.close()


def test_kill_leaves_nothing_on_the_interface(network, server):
    assert network.xdp_programs(), "no XDP program is attached, so the test would prove nothing"
    server.kill()
    wait_for(lambda: not network.xdp_programs(), "the XDP program to go", seconds=5)
    exchange_over_tcp(network, os.urandom(1 << 20))


def test_stop_leaves_nothing_on_the_interface(network, server):
    assert network.xdp_programs()
    assert server.stop() == 0
    assert not network.xdp_programs()


def test_tcp_still_works(network, server):
    assert network.xdp_programs()
    exchange_over_tcp(network, os.urandom(32 << 20))


def test_other_udp_ports_still_work(network, server):
    with network.server.inside():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((SERVER_ADDRESS, 0))
        listener.settimeout(5)
    with network.clients.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        packet = b"\x80\x60" + os.urandom(200)  # looks like RTP
        sender.sendto(packet, listener.getsockname())
        assert listener.recv(2048) == packet
    listener.close()
