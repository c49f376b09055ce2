"""The tests themselves keep away from the network, in this process and in those they start."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request

import pytest


def test_a_connection_to_elsewhere_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no network"):
        socket.create_connection(("192.0.2.1", 80))
    with socket.socket() as plain, pytest.raises(RuntimeError, match="no network"):
        plain.connect(("192.0.2.1", 80))


def test_a_name_of_elsewhere_is_not_looked_up() -> None:
    with pytest.raises(RuntimeError, match="no network"):
        urllib.request.urlopen("http://example.invalid/")


def test_a_child_process_is_refused_too() -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "NetworkBlocked" in done.stderr


def test_this_machine_is_reachable() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()) as client:
            assert client.getpeername() == server.getsockname()
