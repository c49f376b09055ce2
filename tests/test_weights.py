"""Weights are made by recipe, resumed when killed, and left alone when fresh."""

import dataclasses
import sys

import pytest

from course_lib import data, zoo
from course_lib.denoise import dncnn
from course_lib.profiles import Budget
from course_lib.recipes import RECIPES, Recipe
from tools import weights


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "course.toml").touch()
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "weights")
    monkeypatch.setattr(data, "photographs", lambda split, channels=1: {"flower": PICTURE})
    recipe = Recipe(dncnn.DnCNN, {"depth": 3, "width": 4}, dncnn.train, {"sigma": 0.1}, Budget(4, 2, 16), (25,))
    monkeypatch.setattr(weights, "RECIPES", {"toy": recipe})
    return tmp_path


PICTURE = data.photographs("validation")["flower"][:, :64, :64]


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["weights", *words])
    weights.main()


def test_a_recipe_makes_weights_with_a_card_that_tells_how(toy, monkeypatch, capsys):
    run(monkeypatch)
    card = zoo.card("toy")
    assert card.recipe == "course_lib.denoise.dncnn.train"
    assert card.recipe_arguments == {"sigma": 0.1, "steps": 4, "batch": 2, "patch": 16}
    assert card.quality["photographs_25"] > 15 and card.data["photographs"]
    assert zoo.load(dncnn.DnCNN, "toy").depth == 3
    assert not list((toy / "build" / "weights").iterdir())
    run(monkeypatch)
    assert capsys.readouterr().out.endswith("toy: fresh\n")


def test_every_recipe_has_its_weights_and_every_weight_its_recipe():
    assert set(zoo.names()) == set(RECIPES)


def test_what_a_recipe_asks_for_is_part_of_its_fingerprint():
    recipe = RECIPES["dncnn-s25-w32"]
    others = [dataclasses.replace(recipe, **change) for change in (
        {"budget": Budget(2000, 16, 36)}, {"train_arguments": {"sigma": 26 / 255}}, {"seed": 1}, {"arguments": {}})]
    assert len({one.fingerprint() for one in (recipe, *others)}) == 5
