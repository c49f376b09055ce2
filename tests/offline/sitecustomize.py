"""No test reaches the network, nor does any Python process that a test starts.

Python imports a module of this name at start when its folder is on PYTHONPATH. Loopback and Unix sockets stay open:
kernels, several processes of one training, and a server made for a test need them.
"""

import socket
import sys

CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")  # arguments: socket, address
RESOLVING = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")  # first argument: host
HERE = {None, "", "localhost", "::1", "0.0.0.0", "::", socket.gethostname(), socket.gethostname().split(".")[0]}


class NetworkBlocked(RuntimeError):
    """A test tried to leave this machine. It is no OSError, so that no handler for a bad connection hides it."""


def is_local(host: object) -> bool:
    """Whether a host is this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    return name in HERE or (isinstance(name, str) and name.startswith("127."))


def watch(event: str, arguments: tuple) -> None:
    """Refuse the events of a connection to elsewhere."""
    if event in CONNECTING:
        address = arguments[1]
        if isinstance(address, tuple) and not is_local(address[0]):
            raise NetworkBlocked(f"{event} to {address[0]}: tests use no network")
    elif event in RESOLVING and not is_local(arguments[0]):
        raise NetworkBlocked(f"{event} of {arguments[0]}: tests use no network")


if not hasattr(sys, "_course_tests_offline"):
    sys._course_tests_offline = True  # a hook cannot be taken back; one is enough
    sys.addaudithook(watch)
