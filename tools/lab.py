"""Open JupyterLab on the lectures, at a loopback address that is printed once the server answers.

    .venv/bin/python tools/lab.py [--port 8888]

The server sees the whole course, so that links from a lecture to its exercise work; the file browser opens in
`lectures/`. Its terminals find the `course` command, and it asks no questions (`tools/jupyter`).
"""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"


def free_port(wished: int | None = None) -> int:
    """The wished port if nobody has it, otherwise 8888 or any other free one."""
    for port in (wished, 8888, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise OSError(f"no free port at {HOST}")


def port_number(text: str) -> int:
    """The port that a text names."""
    if not text.isdecimal() or not 1024 <= int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a whole number from 1024 to 65535 is expected, not {text!r}, as PORT=8888")
    return int(text)


def has_browser(environment: Mapping[str, str], *, platform: str = sys.platform) -> bool:
    """Whether opening a browser makes sense: on a desktop; a text browser would take over a server's terminal."""
    if platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") or environment.get("BROWSER"))


def announce(address: str, port: int, *, patience: float = 120) -> None:
    """Print the address as soon as the server answers there."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                print(f"\n  The lectures are open at\n\n    {address}\n\n  Control-C stops the server.\n", flush=True)
                return
        time.sleep(0.2)
    print("JupyterLab has not answered for two minutes; its messages above may say why.", file=sys.stderr, flush=True)


def environment(given: Mapping[str, str], *, python: str = sys.executable) -> dict[str, str]:
    """What JupyterLab, its kernels and its terminals get beside what is given: the commands and kernel of this Python,
    the course's settings, a token."""
    def before(name: str, first: Path) -> str:
        return os.pathsep.join([str(first), *filter(None, [given.get(name)])])

    return {
        "PATH": before("PATH", Path(python).parent),
        "JUPYTER_CONFIG_PATH": before("JUPYTER_CONFIG_PATH", ROOT / "tools" / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, not one that lies about in the home folder
        "JUPYTER_TOKEN": given.get("JUPYTER_TOKEN") or secrets.token_hex(16),
    }


def options(port: int, *, browser: bool, root: bool, shell: str | None = None) -> list[str]:
    """JupyterLab's options: loopback only, nothing fetched from the network, no questions asked."""
    return [
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={ROOT}",
        "--LabApp.default_url=/lab/tree/lectures",
        f"--ServerApp.open_browser={browser}",
        f"--ServerApp.allow_root={root}",
        "--ServerApp.answer_yes=True",
        "--ServerApp.log_level=WARN",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        # A shell by name: JupyterLab's own choice may be a login shell, which sets its PATH anew.
        *(["--ServerApp.terminado_settings=" + repr({"shell_command": [shell]})] if shell else []),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Open JupyterLab on the lectures.")
    parser.add_argument("--port", type=port_number, help="where to listen; a free port otherwise")
    wished = parser.parse_args(arguments).port
    port = free_port(wished)
    if wished is not None and port != wished:
        print(f"Port {wished} is in use by another program; using {port}.", flush=True)
    os.environ.update(environment(os.environ))
    address = f"http://{HOST}:{port}/lab/tree/lectures?token={os.environ['JUPYTER_TOKEN']}"
    threading.Thread(target=announce, args=(address, port), daemon=True).start()

    from jupyterlab.labapp import main as jupyterlab  # imported late: the tests of this file need no JupyterLab

    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    shell = None if os.name == "nt" else os.environ.get("SHELL", "sh")
    jupyterlab(options(port, browser=has_browser(os.environ), root=is_root, shell=shell))


if __name__ == "__main__":
    main()
