"""The locks: they meet what pyproject.toml asks for, each file hashed, and the peers stand on top of the lab."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sources import ROOT

from tools import bootstrap

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAB = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PEERS = (ROOT / "requirements-oracles.lock").read_text(encoding="utf-8")


def versions(lock: str) -> dict[str, set[str]]:
    """The versions that a lock has of each package: more than one where a marker chooses."""
    return {
        name: set(re.findall(r"(?m)^[\w.-]+==([^\s;\\]+)", "".join(found)))
        for name, found in bootstrap.blocks(lock).items()
    }


def unmet(requirements: list[str], lock: str) -> list[str]:
    """The requirements that a lock does not meet, for one Python or another."""
    have = versions(lock)
    parsed = [(line, Requirement(line)) for line in requirements]
    return [
        line for line, want in parsed
        if not (found := have.get(canonicalize_name(want.name))) or not all(want.specifier.contains(v) for v in found)
    ]  # fmt: skip


def test_the_lock_meets_every_requirement_of_the_library_and_its_groups() -> None:
    wanted = PYPROJECT["project"]["dependencies"] + PYPROJECT["build-system"]["requires"]
    wanted += [line for group in bootstrap.GROUPS for line in PYPROJECT["dependency-groups"][group]]
    assert unmet(wanted, LAB) == []
    assert unmet(["torch>=99", "no-such-package"], LAB) == ["torch>=99", "no-such-package"]


def test_the_lock_of_the_peers_meets_their_group_at_the_versions_of_the_lab() -> None:
    assert unmet(PYPROJECT["dependency-groups"]["oracles"], PEERS) == []
    lab, peers = versions(LAB), versions(PEERS)
    assert {name: peers[name] for name in peers.keys() & lab.keys() if not peers[name] <= lab[name]} == {}


@pytest.mark.parametrize("lock", [LAB, PEERS], ids=["lab", "peers"])
def test_every_requirement_is_pinned_and_hashed_and_nothing_else_stands_in_a_lock(lock: str) -> None:
    line = re.compile(
        r"[a-z0-9][a-z0-9._-]*(\[[\w,-]+\])?==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # .*"
    )
    assert [text for text in lock.splitlines() if not line.fullmatch(text)] == []
    assert [
        name for name, found in bootstrap.blocks(lock).items() if not all("--hash=sha256:" in block for block in found)
    ] == []


def test_the_benchmarks_non_commercial_peer_is_in_no_group() -> None:
    assert "bm3d" not in versions(LAB) | versions(PEERS)
