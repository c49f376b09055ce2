"""Build the environment `.venv` from requirements.lock, once, and again only when something it depends on changed.

    python3 tools/bootstrap.py [--torch cpu|default] [--strict] [--oracles]
    python3 tools/bootstrap.py --lock [--upgrade]

It needs nothing but a Python with pip. The installer uv is taken from PATH, or installed inside
`.venv` from the lock itself.
A note in `.venv` says what was installed and whether the installation ended; one that did not is begun anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ("lab", "book", "test", "dev")  # what requirements.lock holds besides the library's own needs
Note = dict[str, Any]


class Failed(Exception):
    """An installation step failed; the message says what to try."""


# The lock as text: one block per requirement, continued by indented lines.


def blocks(lock: str) -> dict[str, list[str]]:
    """Split a lock into the blocks of its requirements, by package name; a name may have one block per marker."""
    found: dict[str, list[str]] = {}
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", lock):
        name = re.match(r"[A-Za-z0-9._-]+", block)
        if name:
            found.setdefault(name.group().lower(), []).append(block)
    return found


def needs_accelerator(name: str) -> bool:
    """Whether a package comes from PyTorch's own index in a CPU-only environment, or is not needed there at all."""
    return name in ("torch", "torchvision", "triton") or name.startswith(("nvidia-", "cuda-"))


def without_accelerator(lock: str) -> str:
    """The lock less PyTorch and everything that only a GPU needs."""
    kept = (found for name, found in blocks(lock).items() if not needs_accelerator(name))
    return "".join(block for found in kept for block in found)


def pins(lock: str, names: Iterable[str]) -> list[str]:
    """The `name==version` of some packages, as the lock has them."""
    found = blocks(lock)
    return [block.split(" ", 1)[0].strip() for name in names for block in found[name]]


# What is there, what is wanted, and the difference.


def wanted(root: Path, *, torch: str) -> Note:
    """What a finished installation of this tree would note down."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    return {"digest": digest.hexdigest(), "torch": torch, "place": str(root)}


def decide(note: Note | None, want: Note, *, runs: bool, other_python: bool) -> str:
    """Say "keep", "update" or "rebuild".

    `note` is what the last installation left (None: it was never ours, or there is none), `runs` whether the
    environment's interpreter starts, `other_python` whether it is of another version than the one asked for.
    """
    if not runs or other_python:
        return "rebuild"
    if note is None:
        return "update"
    if not note.get("finished") or note.get("place") != want["place"]:
        return "rebuild"  # a half-installed package cannot be told from a whole one; scripts know their folder by name
    return "keep" if all(note.get(key) == value for key, value in want.items()) else "update"


def read_note(path: Path) -> Note | None:
    """The note of the last installation; an unreadable one counts as an unfinished installation."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {"finished": False}
    return note if isinstance(note, dict) else {"finished": False}


def write_note(path: Path, note: Note) -> None:
    """Write the note in one step, so that a kill leaves the old one or the new one."""
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(note, indent=1), encoding="utf-8")
    os.replace(beside, path)


def interpreter(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def version(python: Path) -> str | None:
    """The version of an interpreter, or None if it does not start."""
    try:
        code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


# The steps.


def environment(inherited: Mapping[str, str], *, trusting: bool) -> dict[str, str]:
    """What the steps run in: uv trusts the machine's own certificate authorities, as pip does, where there are any."""
    settings = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"} if trusting else {}  # the second name is for older uv
    return {**settings, **inherited}


def has_authorities() -> bool:
    """Whether this machine keeps certificate authorities; a bare container may not, and uv then uses its own."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(os.scandir(paths.capath))))


def run(command: Sequence[str | Path], *, advice: str) -> None:
    """Run one step, its output shown; a failure becomes advice."""
    settings = environment(os.environ, trusting=has_authorities())
    if subprocess.run([str(part) for part in command], cwd=ROOT, env=settings).returncode != 0:
        raise Failed(f"This step failed:\n  {' '.join(map(str, command))}\n{advice}")


OFFLINE = "Usual causes: no network or a proxy that pip does not know, or a full disk (PyTorch with CUDA takes 6 GB)."


def create(venv: Path) -> None:
    """Make an empty environment with this interpreter, with pip in it where this Python can do so."""
    command = [sys.executable, "-m", "venv", "--clear"]
    if subprocess.run([*command, venv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        # Some systems ship Python without ensurepip; pip then works from outside.
        run(
            [*command, "--without-pip", venv],
            advice="This Python cannot make virtual environments; install its venv module.",
        )


def find_uv(venv: Path, lock: str) -> list[str | Path]:
    """The command that runs uv: the one on PATH, or the lock's version installed in the environment by pip."""
    on_path = shutil.which("uv")
    if on_path:
        return [on_path]
    python = interpreter(venv)
    command: list[str | Path] = [python, "-m", "uv"]
    if subprocess.run([*command, "--version"], capture_output=True).returncode == 0:
        return command
    has_pip = subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0
    pip = [python, "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", python]
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text("".join(blocks(lock)["uv"]), encoding="utf-8")
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        run([*pip, "install", *quiet, "-r", only_uv], advice=f"pip could not install uv. {OFFLINE}")
    return command


def install_lock(path: Path, how: Sequence[str], *, uv: Sequence[str | Path], venv: Path, torch: str) -> None:
    """Install a lock into the environment, each file checked by its hash; less PyTorch if that is to be CPU-only."""
    lock = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text(without_accelerator(lock) if torch == "cpu" else lock, encoding="utf-8")
        run([*uv, *how, listed, "--require-hashes", "--python", interpreter(venv)], advice=OFFLINE)


def install(venv: Path, *, torch: str) -> None:
    """Make the environment hold what the lock says, and the course itself, editable."""
    path = ROOT / "requirements.lock"
    lock = path.read_text(encoding="utf-8")
    uv = [*find_uv(venv, lock), "pip"]
    into = ["--python", interpreter(venv)]
    install_lock(path, ["sync"], uv=uv, venv=venv, torch=torch)
    if torch == "cpu":
        chosen = pins(lock, ("torch", "torchvision"))
        advice = f"The CPU-only PyTorch comes from PyTorch's own index. TORCH=default takes the usual one. {OFFLINE}"
        run([*uv, "install", *into, "--no-deps", "--torch-backend", "cpu", *chosen], advice=advice)
    course = ["install", *into, "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT]
    run([*uv, *course], advice="The course's own package could not be installed; pyproject.toml may be broken.")


def add_oracles(venv: Path, *, torch: str) -> None:
    """Install the independent peers that the complete tests compare with, on top; what is there costs nothing."""
    uv = [*find_uv(venv, (ROOT / "requirements.lock").read_text(encoding="utf-8")), "pip"]
    how = ["install", "--quiet", "--no-deps", "-r"]
    install_lock(ROOT / "requirements-oracles.lock", how, uv=uv, venv=venv, torch=torch)


def ensure(*, torch: str | None, strict: bool, oracles: bool = False) -> str:
    """Bring `.venv` to what this tree asks for; returns what had to be done.

    `torch` None keeps the choice made before. `strict` asks for the very version of this interpreter; otherwise an
    environment of another supported version is kept.
    """
    venv = ROOT / ".venv"
    path = venv / "course-environment.json"
    note = read_note(path)
    want = wanted(ROOT, torch=torch or (note or {}).get("torch") or "default")
    found = version(interpreter(venv))
    mine = ".".join(map(str, sys.version_info[:3]))
    supported = found is not None and tuple(map(int, found.split(".")[:2])) >= (3, 11)
    step = decide(note, want, runs=supported, other_python=strict and found != mine)
    if step == "rebuild":
        print(f"Making .venv with Python {mine}. The first time this downloads a few gigabytes.", flush=True)
        create(venv)
    if step != "keep":
        print("Bringing .venv to what requirements.lock says.", flush=True)
        write_note(path, {**want, "finished": False})
        install(venv, torch=want["torch"])
        write_note(path, {**want, "finished": True})
    if oracles:
        add_oracles(venv, torch=want["torch"])
    return step


def lock(*, upgrade: bool) -> None:
    """Resolve the two locks anew. They name no hosts and no machine paths: no header, and paths from the root."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    compile_ = [
        *find_uv(ROOT / ".venv", text),
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "pyproject.toml",
        "--universal",
    ]
    common = ["--python-version", "3.11", "--generate-hashes", "--no-header", *(["--upgrade"] if upgrade else [])]
    groups = [part for group in GROUPS for part in ("--group", group)]
    run([*compile_, *common, *groups, "-o", "requirements.lock"], advice=OFFLINE)
    peers = ["--group", "oracles", "-c", "requirements.lock", "-o", "requirements-oracles.lock"]
    run([*compile_, *common, *peers], advice=OFFLINE)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build .venv from requirements.lock.")
    parser.add_argument("--torch", choices=("cpu", "default"), help="cpu: PyTorch without CUDA; kept until changed")
    parser.add_argument(
        "--strict", action="store_true", help="rebuild .venv if it has another Python version than this one"
    )
    parser.add_argument("--oracles", action="store_true", help="install requirements-oracles.lock on top")
    parser.add_argument("--lock", action="store_true", help="resolve the locks anew instead")
    parser.add_argument("--upgrade", action="store_true", help="with --lock: move to the newest versions")
    options = parser.parse_args(arguments)
    try:
        if options.lock:
            lock(upgrade=options.upgrade)
        else:
            ensure(torch=options.torch, strict=options.strict, oracles=options.oracles)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run begins the installation anew.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
