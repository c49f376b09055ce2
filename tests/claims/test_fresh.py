"""What is shown was measured with today's code: no reporting row and no card of weights is stale."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from course_lib import claims, cli, zoo
from course_lib.claims import Claim, Experiment, confirm
from course_lib.recipes import RECIPES

Make = Callable[..., Claim]


@pytest.mark.slow   # not that it takes long: `make quick` passes while one works
def test_no_reporting_row_and_no_card_is_stale() -> None:
    """Where this fails, `course claims confirm` shows that nothing changed, or the experiment is measured again."""
    assert list(confirm.stale().values()) == []


def test_every_folder_of_results_belongs_to_an_experiment(root: Path) -> None:
    known = {claim.experiment.id for claim in claims.discover()} | {"benchmarks", "lectures"}
    assert {path.name for path in (root / "results").iterdir() if path.is_dir()} - known == set()


def row(seed: int, fingerprint: str) -> dict:
    return {"seed": seed, "figures": {"psnr": 1.0}, "fingerprint": fingerprint, "stamp": {}}


@pytest.fixture
def toy(course: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Store rows of a toy experiment and say what is stale."""
    claim = make()
    monkeypatch.setattr(claims, "discover", lambda: (claim,))
    monkeypatch.setattr(confirm.claims, "discover", lambda: (claim,))

    def stored(*rows: tuple[int, bool]) -> dict[str, str]:
        path = course / "results" / "toy-ablation" / "lecture.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        today = claim.experiment.fingerprint()
        path.write_text(json.dumps([row(seed, today if fresh else "of yesterday") for seed, fresh in rows]))
        return {key: words for key, words in confirm.stale().items() if key.startswith("experiment")}

    return stored


def test_a_stale_reporting_row_is_found_and_a_development_row_never_counts(toy: Callable) -> None:
    assert toy((0, False), (100, True)) == {}
    assert toy((0, True), (100, True), (101, False), (102, False)) == {
        "experiment:toy-ablation": "toy-ablation, lecture, seeds 101, 102"}


def test_the_command_lists_what_is_stale_and_fails_only_when_asked(
    toy: Callable, capsys: pytest.CaptureFixture
) -> None:
    toy((100, False))
    assert cli.main(["claims", "stale"]) == 0
    assert capsys.readouterr().out.startswith("stale: toy-ablation, lecture, seeds 100\n")
    assert cli.main(["claims", "stale", "--strict"]) == 1
    toy((100, True))
    capsys.readouterr()
    assert cli.main(["claims", "stale", "--strict"]) == 0 and capsys.readouterr().out == ""


def test_a_card_of_another_recipe_and_one_without_a_recipe_are_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm.claims, "discover", lambda: ())
    monkeypatch.delitem(RECIPES, "dncnn-b-w32")
    card = zoo.card("dncnn-s25-w32")
    changed = {"dncnn-s25-w32": zoo.dataclasses.replace(card, fingerprint="of yesterday")}
    monkeypatch.setattr(zoo, "card", lambda name, real=zoo.card: changed.get(name) or real(name))
    assert confirm.stale() == {"weights:dncnn-b-w32": "the weights dncnn-b-w32",
                               "weights:dncnn-s25-w32": "the weights dncnn-s25-w32"}


def test_what_confirm_says_is_printed_and_a_refusal_is_a_failure(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    asked = []

    def confirm_all(subjects: list[str], **more: object) -> dict:
        asked.append((subjects, more))
        return dict(zip(subjects, (confirm.Confirmed("the code is equal"), confirm.Refused("a literal is gone")),
                        strict=False))

    other = make(id="more-c", experiment=Experiment("more-work", make().experiment.measure))
    monkeypatch.setattr(claims, "discover", lambda: (make(), other))
    monkeypatch.setattr(confirm, "confirm_all", confirm_all)
    assert cli.main(["claims", "confirm", "toy", "dncnn-3-w32", "--base", "HEAD~1", "--renamed", "a=b", "c=d"]) == 1
    assert capsys.readouterr().out == ("toy-ablation: confirmed, the code is equal\n"
                                       "dncnn-3-w32: REFUSED: a literal is gone\n1 confirmed, 1 refused\n")
    assert cli.main(["claims", "confirm", "dncnn-3-w32"]) == 0
    assert asked == [(["experiment:toy-ablation", "weights:dncnn-3-w32"],
                      {"base": "HEAD~1", "renamed": {"a": "b", "c": "d"}}),
                     (["weights:dncnn-3-w32"], {"base": None, "renamed": {}})]
    assert cli.main(["claims", "confirm", "--renamed", "nothing"]) == 2
    assert "'nothing' is no renaming: write OLD=NEW" in " ".join(capsys.readouterr().err.split())
