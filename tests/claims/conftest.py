"""A course of its own in a temporary folder, and toy experiments that cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from course_lib.claims import Claim, Experiment, Verdict

TOML = '[course]\ntitle = "Toy"\nrepository = "toy/toy"\nrelease = "main"\n[parts]\nC = "Toys"\n'
LECTURE = '[[lecture]]\nnumber = 9\nname = "dncnn"\ntitle = "Toy"\npart = "C"\npromise = "play"\n'


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of an empty course, which COURSE_ROOT names."""
    (tmp_path / "course.toml").write_text(TOML + LECTURE)
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    return tmp_path


def good(profile: str, seed: int) -> dict[str, float]:
    return {"dncnn": 29.0 + 0.1 * (seed % 100), "nlm": 27.0}


def above(metrics: list[dict[str, float]]) -> Verdict:
    gaps = [row["dncnn"] - row["nlm"] for row in metrics]
    return Verdict(min(gaps) > 1, f"smallest gap {min(gaps):.2f} dB")


@pytest.fixture
def make() -> Callable[..., Claim]:
    """Make a claim on an experiment that counts how often it is measured."""

    def build(measure: Callable[[str, int], dict[str, float]] = good, **changes: object) -> Claim:
        fields = {
            "id": "toy-beats",
            "sentence": "The toy network beats the toy filter.",
            "source": "nobody, Table 0",
            "paper": {"dncnn": 29.5},
            "experiment": Experiment("toy-ablation", measure),
            "holds": above,
        }
        return Claim(**{**fields, **changes})

    return build
