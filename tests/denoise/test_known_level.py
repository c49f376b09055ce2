"""What trainings share whose network is given the noise level: levels that fill their range, and the loss by loops."""

import pytest
from oracles import broken, images

from course_lib import randomness
from course_lib.denoise import known_level


def test_uniform_levels_are_one_for_each_image_and_fill_the_range():
    y = images(4000, 1, 2, 2)
    levels = known_level.uniform_levels(y, sigma=(0.0, 75 / 255), generator=randomness.generator(0))
    assert levels.shape == (4000, 1, 1, 1)
    high = 75 / 255
    assert float(levels.mean()) == pytest.approx(high / 2, abs=4 * high / 12**0.5 / 4000**0.5)
    lowest, highest = float(levels.min()), float(levels.max())
    assert 0 <= lowest < 0.01 * high and 0.99 * high < highest <= high
    given = known_level.uniform_levels(y, sigma=0.1, generator=randomness.generator(0))
    assert given.shape == (4000, 1, 1, 1) and given.unique().numel() == 1


@pytest.mark.parametrize("loss", [
    known_level.loss,
    broken(lambda a, y: (a - y).square().mean(), id="half"),
    broken(lambda a, y: 0.5 * (a - y).abs().mean(), id="L1")])
def test_the_loss_is_that_of_plain_loops(loss):
    estimate, y = images(2, 1, 3, 3, seed=1), images(2, 1, 3, 3, seed=2)
    squares = [(a - b) ** 2 for a, b in zip(estimate.flatten().tolist(), y.flatten().tolist(), strict=True)]
    assert float(loss(estimate, y)) == pytest.approx(sum(squares) / len(squares) / 2, rel=1e-5)
