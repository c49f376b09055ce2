"""The fuzz tests call every public function that takes an image, a level, labels or embeddings; a new one joins."""

from __future__ import annotations

import pytest
import subjects
from fuzzing import complaint, falls_short
from torch import Tensor

NAMES = subjects.subjects()
PUBLIC = {one.name for one in subjects.public()}
OWNERS = {name.rpartition(".")[0] for name in PUBLIC}


def test_every_parameter_is_known_to_be_one_or_not() -> None:
    """The name of a new tensor goes into `FED`, or into `INSIDES` if it is no image, level, labels or embeddings."""
    assert {name: one.unknown for name, one in NAMES.items() if one.unknown} == {}


@pytest.mark.parametrize("name", NAMES)
def test_ordinary_arguments_get_an_answer(name: str) -> None:
    subject = NAMES[name]
    subject(**subject.arguments())


def test_the_library_is_found() -> None:
    assert len(NAMES) > 150
    assert {"quality.psnr", "noise.Gaussian.__call__", "denoise.dncnn.DnCNN.forward", "metric.triplet.batch_hard",
            "embeddings.distances", "figures.images"} <= set(NAMES)  # fmt: skip


@pytest.mark.parametrize("table", ["EXTRA", "MADE", "THEN", "INFINITE", "CHAOTIC", "CHANGED"])
def test_a_table_names_what_is_there(table: str) -> None:
    assert [name for name in getattr(subjects, table) if name not in PUBLIC | OWNERS] == []


def test_what_is_left_out_is_there() -> None:
    matched = {pattern for pattern in subjects.LEFT_OUT for name in PUBLIC if subjects.fnmatch(name, pattern)}
    assert matched == set(subjects.LEFT_OUT)


def test_what_falls_short_is_there() -> None:
    assert [name for name in falls_short() if name not in NAMES] == []


def test_a_new_function_joins() -> None:
    def blurred(z: Tensor, *, sigma: float, margin: float = 1.0) -> Tensor:
        return z * sigma

    new = subjects.subject("new.blurred", blurred)
    assert new.fed == ("z", "sigma") and complaint(new, []) is None


def test_a_new_function_with_a_tensor_of_an_unknown_name_is_found() -> None:
    def blurred(photo: Tensor) -> Tensor:
        return photo

    assert subjects.subject("new.blurred", blurred).unknown == ("photo",)


def test_a_new_function_that_needs_more_is_found() -> None:
    def blurred(z: Tensor, *, recipe: dict) -> Tensor:
        return z

    with pytest.raises(LookupError, match="recipe"):
        subjects.subject("new.blurred", blurred).arguments()
