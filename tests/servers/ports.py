"""Ports of the loopback interface, for servers that tests and benchmarks start."""

import random
import socket

# Below the ports that the kernel gives to outgoing connections: one of those, opened between asking for a port and
# listening on it, takes the port away (an S3 server ended that way once in CI).
FIRST, LAST = 15_000, 32_000


def free_port():
    """Return a TCP port of the loopback interface that nothing listens on."""
    while True:
        port = random.SystemRandom().randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def listening(port):
    """Tell whether something accepts connections on a port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
