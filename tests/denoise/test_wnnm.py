"""WNNM: the closed form solves its equation, the short way to the matrix is the long one, and groups get simpler."""

import pytest
import torch
from oracles import broken, noise

from course_lib import data
from course_lib.denoise import grouping, wnnm
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.wnnm import WNNM
from course_lib.denoiser import score
from course_lib.noise import Gaussian

SIGMA = 25 / 255
QUICK = WNNM(iterations=3, stride=5, window=21, count=40)


def iterated(s, strength, eps):
    """x <- max(0, s - C / (x + eps)) again and again from x = s, which goes down to the larger root or to zero."""
    x = s.clone()
    for _ in range(500):
        x = (s - strength / (x + eps)).clamp(min=0)
    return x


@pytest.mark.parametrize("shrink", [
    wnnm.shrink,
    broken(lambda s, c, eps: (s - c**0.5).clamp(min=0), id="equal weights"),
    broken(lambda s, c, eps: (s - c / (s + eps)).clamp(min=0), id="once"),
    broken(lambda s, c, eps: torch.where((s + eps) ** 2 > 4 * c, s, 0.0), id="hard")])
def test_the_closed_form_is_where_reweighting_ends(shrink):
    s = torch.tensor([0.0, 0.5, 1.0, 2.5, 3.0, 4.0, 10.0, 100.0], dtype=torch.float64)
    for strength, eps in ((1.0, 1e-8), (2.0, 0.1), (0.3, 1e-3)):
        assert torch.allclose(shrink(s, strength, eps=eps), iterated(s, strength, eps), atol=1e-6)


def test_shrinkage_keeps_the_order_and_spares_the_strong():
    s = torch.linspace(0, 50, 500, dtype=torch.float64)
    x = wnnm.shrink(s, 4.0)
    assert (x.diff() >= 0).all() and (x <= s).all() and (x[s < 4] == 0).all()
    lost = (s - x)[s > 4.1]
    assert (lost.diff() < 0).all() and lost[-1] < 0.1


def test_groups_are_those_of_a_full_decomposition():
    table, index = noise(30, 9), torch.randint(30, (6, 12), generator=torch.Generator().manual_seed(0))
    sigma = noise(30, seed=1).abs()
    total, weight = torch.zeros(30, 9, dtype=torch.float64), torch.zeros(30, dtype=torch.float64)
    for positions in index:
        y = table[positions].T
        mean = y.mean(dim=1, keepdim=True)
        u, s, v = torch.linalg.svd(y - mean, full_matrices=False)
        x = u @ torch.diag(wnnm.shrink(s, 0.7 * 12**0.5 * float(sigma[positions[0]]) ** 2)) @ v + mean
        for column, position in enumerate(positions.tolist()):
            total[position] += x[:, column]
            weight[position] += 1
    mine = wnnm.low_rank(table, index, sigma=sigma, strength=0.7)
    assert torch.allclose(mine[0], total) and torch.equal(mine[1], weight)
    other = wnnm.low_rank(table, index, sigma=sigma, strength=0.9)
    assert not torch.allclose(other[0], total)


def test_strong_noise_leaves_the_mean_of_each_group_and_none_leaves_all():
    table, index = noise(20, 4), torch.arange(20).reshape(4, 5)
    mean = table.reshape(4, 5, 4).mean(dim=1, keepdim=True).expand(4, 5, 4).reshape(20, 4)
    assert torch.allclose(wnnm.low_rank(table, index, sigma=torch.full((20,), 99.0).double(), strength=1.0)[0], mean)
    assert torch.allclose(wnnm.low_rank(table, index, sigma=torch.zeros(20).double(), strength=1.0)[0], table)


@pytest.fixture(scope="module")
def pairs():
    pictures = {name: data.photographs("test")[name][:, 100:164, 120:184] for name in ("camera", "brick")}
    return data.fixed_pairs(pictures, Gaussian(SIGMA), seed=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_image_stays(channels):
    z = torch.full((1, channels, 20, 24), 0.4)
    assert torch.allclose(QUICK(z, sigma=SIGMA), z, atol=1e-5)


def test_without_noise_nothing_changes(pairs):
    z = pairs[0][0]
    assert torch.equal(QUICK(z, sigma=0), z)


def test_without_strength_the_image_comes_back(pairs):
    z = pairs[0][0]
    assert torch.allclose(WNNM(iterations=1, stride=5, window=21, count=40, strength=0.0)(z, sigma=SIGMA), z, atol=1e-4)


def test_without_feedback_a_first_iteration_is_one_pass_over_the_groups(pairs):
    z = pairs[0][0]
    table = grouping.patches(z, patch=7)
    index = grouping.match(z, patch=7, window=21, stride=5, count=40)[0]
    sums = wnnm.low_rank(table[0, 0], index, sigma=torch.full_like(table[0, 0, :, 0], SIGMA), strength=2 * 2**0.5)
    expected = grouping.assemble(*sums, window=torch.ones(7, 7), size=tuple(z.shape[-2:]))
    once = WNNM(iterations=1, stride=5, window=21, count=40)(z, sigma=SIGMA)
    assert torch.allclose(once[0, 0], expected, atol=1e-5)


def test_iterations_help(pairs):
    noisy, once, thrice = (float(score(denoiser, pairs, sigma=SIGMA).mean()) for denoiser in
                           (lambda z, sigma=None: z, WNNM(iterations=1, stride=5, window=21, count=40), QUICK))
    assert noisy + 5 < once + 0.1 < thrice


@pytest.mark.slow
def test_with_the_papers_sizes_it_is_ahead_of_bm3d(pairs):
    wide, bars = (float(score(denoiser, pairs, sigma=SIGMA).mean()) for denoiser in (WNNM(stride=4), BM3D()))
    assert wide > bars


@pytest.mark.parametrize("shape", [(2, 1, 21, 26), (1, 3, 14, 17), (1, 1, 3, 9), (1, 1, 1, 1)])
@pytest.mark.parametrize("sigma", [15 / 255, 70 / 255])
def test_batches_colours_odd_and_tiny_sizes_go_through(shape, sigma):
    z = noise(*shape).float() * 0.1 + 0.5
    quick = WNNM(iterations=2, window=11, count=20)
    estimate = quick(z, sigma=sigma)
    assert estimate.shape == shape and estimate.dtype == z.dtype and estimate.isfinite().all()
    assert torch.allclose(estimate[:1], quick(z[:1], sigma=torch.tensor(sigma)), atol=1e-6)


@pytest.mark.parametrize(("shape", "sigma", "message"), [
    ((1, 1, 8, 8), None, "needs the noise level"), ((1, 1, 8, 8), torch.zeros(1, 1, 8, 8), "one noise level"),
    ((1, 1, 8, 8), 25, "25 / 255"), ((1, 2, 8, 8), 0.1, "gray images")])
def test_what_it_cannot_filter_is_refused(shape, sigma, message):
    with pytest.raises(ValueError, match=message):
        WNNM()(torch.zeros(shape), sigma=sigma)
