"""Noise has the mean and the variance that it says, and is the same for the same generator."""

import math

import pytest
import torch

from course_lib.noise import Gaussian
from course_lib.randomness import generator

Y = torch.linspace(0, 1, 64 * 64).reshape(1, 1, 64, 64).repeat(4, 1, 1, 1)
MAP = torch.linspace(0.05, 0.3, 64).reshape(1, 1, 1, 64)
SEEDS = 20


def moments_agree(noise, promised) -> bool:
    """Mean and variance of eta within 4 standard errors over 20 seeds, where the noise has the promised law."""
    eta = torch.cat([noise(Y, generator=generator(seed, "moments")) - Y for seed in range(SEEDS)]).double()
    variance, n = promised.variance(Y).double().mean(), eta.numel()
    error_of_variance = (((eta**4).mean() - eta.var() ** 2) / n).sqrt()
    return bool(abs(eta.mean()) < 4 * math.sqrt(variance / n) and abs(eta.var() - variance) < 4 * error_of_variance)


@pytest.mark.parametrize("sigma", [25 / 255, MAP], ids=["level", "map"])
def test_mean_and_variance_are_those_promised(sigma):
    assert moments_agree(Gaussian(sigma), Gaussian(sigma))


def test_the_variance_of_a_range_is_its_average_over_the_levels():
    eta = torch.cat([Gaussian((0.0, 0.2))(torch.zeros(64, 1, 8, 8), generator=generator(seed)) for seed in range(100)])
    levels = 6400
    assert abs(float(eta.var()) - 0.04 / 3) < 4 * math.sqrt(0.2**4 * (1 / 5 - 1 / 9) / levels)


@pytest.mark.parametrize("broken", [
    lambda y, generator: (y + 0.1 * torch.randn(y.shape, generator=generator)).clamp(0, 1),   # clipped
    lambda y, generator: y + 0.1**2 * torch.randn(y.shape, generator=generator),               # variance for deviation
    lambda y, generator: y + 0.1 * torch.rand(y.shape, generator=generator),                   # not centred
], ids=["clipped", "variance as deviation", "uniform"])
def test_the_moments_tell_broken_noise(broken):
    assert not moments_agree(broken, Gaussian(0.1))


def test_the_same_generator_gives_the_same_noise_and_a_map_agrees_with_a_level():
    flat = torch.full((1, 1, 64, 64), 0.1)
    level, constant_map = (Gaussian(s)(Y, generator=generator(7)) for s in (0.1, flat))
    assert torch.equal(level, constant_map)
    assert torch.equal(level, Gaussian(0.1)(Y, generator=generator(7)))


def test_a_range_gives_every_image_a_level_of_its_own():
    noise = Gaussian((0.0, 0.2))
    eta = noise(torch.zeros(200, 1, 32, 32), generator=generator(0))
    levels = eta.flatten(1).std(dim=1)
    assert 0 <= levels.min() < 0.02 and 0.18 < levels.max() < 0.22
    assert abs(float(levels.mean()) - 0.1) < 4 * 0.2 / math.sqrt(12 * 200)


def test_noise_is_never_clipped():
    z = Gaussian(0.5)(torch.ones(1, 1, 64, 64), generator=generator(0))
    assert z.max() > 1.5 and z.min() < 0.5
