"""Ports of this machine: which are free, and free ones for a test's servers."""

import errno
import random
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager

# Below those that outgoing connections take at any moment (32768 and up).
BASES = range(21_000, 31_000, 100)
CLAIM = 99


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there. A connection of a moment ago does not count, as it would not for servers.

    Raises OSError where nobody may: the address is none of this machine's, or the port wants more rights.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


@contextmanager
def base_of_free_ports(offsets: Collection[int]) -> Iterator[int]:
    """A number from which on all these ports are free, nobody else's for as long as it is held.

    Free is not enough: two test runs that look at the same moment would take the same ports. So the last port of the
    hundred is listened on as a claim, which the kernel takes back from a process that dies.
    """
    for base in random.sample(BASES, len(BASES)):
        with socket.socket() as claim:
            try:
                claim.bind(("127.0.0.1", base + CLAIM))
                claim.listen()
            except OSError:
                continue
            if all(is_free(base + offset) for offset in offsets):
                yield base
                return
    raise RuntimeError("no hundred ports in a row are free on this machine; end the test runs that hold them")
