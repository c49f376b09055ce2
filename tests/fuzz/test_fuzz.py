"""Whatever a function is given: a right answer or our own error, nothing changed, and no NaN from numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fuzzing import TOGETHER, defects, each, falls_short, fuzz
from judging import written
from spoils import spoilt
from subjects import subject, subjects
from torch import Tensor

from course_lib import arguments

SUBJECTS, SHORT = subjects(), falls_short()


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_function_answers_or_refuses_in_our_words(name: str) -> None:
    fuzz(SUBJECTS[name], examples=20, without=SHORT.get(name, ()))


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_a_function_answers_or_refuses_in_our_words_however_long_one_asks(name: str) -> None:
    fuzz(SUBJECTS[name], examples=200, without=SHORT.get(name, ()))


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_the_list_of_what_falls_short_is_exact(name: str) -> None:
    """A function that was mended leaves the list: python tests/fuzz/fuzzing.py writes it."""
    found = {spoil.group for (_, spoil), _ in each(SUBJECTS[name])}
    assert found == set(SHORT.get(name, ())) - {TOGETHER}


# The oracle can fail ------------------------------------------------------------------------------------------------


def good(z: Tensor, *, sigma: float) -> Tensor:
    return arguments.image_batch(z) * arguments.sigma_value(sigma)


def gives_nan(z: Tensor, *, sigma: float) -> Tensor:
    return good(z, sigma=sigma) / z.std()  # of an image that is the same everywhere


def changes(z: Tensor, *, sigma: float) -> Tensor:
    good(z, sigma=sigma)
    return z.data.mul_(sigma)


def changes_through_numpy(z: Tensor, *, sigma: float) -> Tensor:
    good(z, sigma=sigma)
    z.detach().numpy()[...] = 0
    return z


def leaves_a_gradient(z: Tensor, *, sigma: float) -> Tensor:
    result = good(z, sigma=sigma)
    if z.requires_grad:
        result.sum().backward()
    return result


def raises_raw(z: Tensor, *, sigma: float) -> Tensor:
    return torch.nn.functional.conv2d(z, torch.ones(1, 1, 3, 3)) * sigma


def moves_the_random_state(z: Tensor, *, sigma: float) -> Tensor:
    return good(z, sigma=sigma) + torch.rand(())


def reads_memory(z: Tensor, *, sigma: float) -> Tensor:
    good(z, sigma=sigma)
    return z.as_strided((1, 16), (16, 1))  # right if z is contiguous


def says_nothing(z: Tensor, *, sigma: float) -> Tensor:
    if not isinstance(z, Tensor) or z.ndim != 4:
        raise ValueError
    return good(z, sigma=sigma)


BAD = [gives_nan, changes, changes_through_numpy, leaves_a_gradient, raises_raw, moves_the_random_state, reads_memory,
       says_nothing]  # fmt: skip


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions above count as the library's, so that their errors are ours."""
    monkeypatch.setattr("judging.LIBRARY", Path(__file__).parents[2])


def test_a_good_function_passes(ours: None) -> None:
    assert list(each(subject("good", good))) == []
    fuzz(subject("good", good), examples=200, without=())


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
def test_a_bad_function_is_caught(bad: Callable[..., Tensor], ours: None) -> None:
    with pytest.raises(AssertionError, match=bad.__name__):
        fuzz(subject(bad.__name__, bad), examples=200, without=())


def test_there_are_defects_of_every_group() -> None:
    assert {spoil.group for _, spoil in defects(subject("good", good))} == {
        "containers", "layouts", "shapes", "types", "values", "numbers",
    }  # fmt: skip


def test_a_defect_is_made_in_a_copy() -> None:
    one = subject("good", good)
    ordinary = one.arguments()
    before = written(ordinary)
    for defect in defects(one):
        spoilt(ordinary, [defect])
    assert written(ordinary) == before
