"""The files of the repository as tests see them: tracked ones, and new ones that git does not ignore."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = {
    ".safetensors",
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
    ".pdf",
    ".zip",
    ".npz",
    ".woff2",
    ".ico",
    ".pt",
    ".pth",
}


@cache
def files() -> tuple[Path, ...]:
    """Every file that a commit of everything would hold; outside a git repository, what stands beside the package."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode == 0:
        named = (ROOT / name for name in done.stdout.decode().split("\0") if name)
    else:
        named = (path for path in ROOT.rglob("*") if not {".venv", "build", "node_modules"} & set(path.parts))
    return tuple(sorted(path for path in named if path.is_file()))


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file with its text."""
    for path in files():
        if path.suffix.lower() not in BINARY:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def python(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """The Python files below some folders, parsed."""
    for path in files():
        inside = path.relative_to(ROOT)
        if path.suffix == ".py" and inside.parts[0] in folders:
            yield inside, ast.parse(path.read_text(encoding="utf-8"), filename=str(inside))


def dotted(node: ast.expr) -> str:
    """`torch.nn.init` for the expression that says so; "" for another one."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
