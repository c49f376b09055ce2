"""BM3D: each stage as plain loops have it, and what a denoiser of its kind must do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import haar, matches_by_loops, noise, noisy_square
from scipy import fft

from course_lib import data
from course_lib.denoise import bm3d, grouping
from course_lib.denoise.bm3d import BM3D, HIGH_NOISE, NORMAL, Profile, Stage
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.quality import psnr

SIGMA = 25 / 255
SMALL = Stage(patch=4, stride=3, count=4, window=7, similar=1200.0)


@pytest.fixture(scope="module")
def pairs():
    pictures = {name: picture[:, 100:196, 120:216] for name, picture in data.photographs("test").items()}
    return data.fixed_pairs(pictures, Gaussian(SIGMA), seed=0)


# The stages ----------------------------------------------------------------------------------------------------------


def stage_by_loops(z, pilot, stage, *, sigma, threshold=None):
    """One stage on a gray image (H, W), a group at a time: scipy's cosines, Haar by halving, weights by counting."""
    size, across = stage.patch, z.shape[1] - stage.patch + 1
    index, distance = matches_by_loops(torch.from_numpy(pilot)[None], patch=size, window=stage.window,
                                       stride=stage.stride, count=stage.count)
    bell = np.outer(np.kaiser(size, 2.0), np.kaiser(size, 2.0))
    total, share = np.zeros_like(z), np.zeros_like(z)
    for positions, far in zip(index.tolist(), distance.tolist(), strict=True):
        alike = sum(d < stage.similar / 255**2 for d in far)
        positions = positions[: 1 << (max(1, alike).bit_length() - 1)]
        corners = [divmod(p, across) for p in positions]
        stack, expected = (spectrum(np.stack([picture[y : y + size, x : x + size] for y, x in corners]))
                           for picture in (z, pilot))
        if threshold is not None:
            kept = np.abs(stack) > threshold * sigma
            stack, worth = stack * kept, 1 / max(1, kept.sum())
        else:
            gain = expected**2 / (expected**2 + sigma**2)
            stack, worth = stack * gain, 1 / max(1, (gain**2).sum())
        for (y, x), patch in zip(corners, spectrum(stack, back=True), strict=True):
            total[y : y + size, x : x + size] += worth * bell * patch
            share[y : y + size, x : x + size] += worth * bell
    return total / share


def spectrum(stack, *, back=False):
    if back:
        return fft.idctn(haar(stack, back=True), axes=(1, 2), norm="ortho")
    return haar(fft.dctn(stack, axes=(1, 2), norm="ortho"))


@pytest.fixture(scope="module")
def picture():
    return noisy_square(SIGMA)


def test_the_first_stage_is_that_of_plain_loops(picture):
    mine = bm3d.threshold_groups(picture, sigma=SIGMA, profile=Profile(SMALL, SMALL, 2.7))
    theirs = stage_by_loops(picture[0, 0].numpy(), picture[0, 0].numpy(), SMALL, sigma=SIGMA, threshold=2.7)
    assert np.allclose(mine[0, 0], theirs) and not np.allclose(theirs, picture[0, 0], atol=0.05)


def test_the_second_stage_is_that_of_plain_loops(picture):
    pilot = torch.nn.functional.avg_pool2d(picture, 3, stride=1, padding=1, count_include_pad=False)
    mine = bm3d.wiener_groups(picture, pilot, sigma=SIGMA, stage=SMALL)
    assert np.allclose(mine[0, 0], stage_by_loops(picture[0, 0].numpy(), pilot[0, 0].numpy(), SMALL, sigma=SIGMA))


@pytest.mark.parametrize(("module", "name", "broken"), [
    (grouping, "haar", lambda n: torch.eye(n, dtype=torch.float64)),
    (grouping, "power_of_two", lambda size: torch.ones_like(size)),
    (bm3d, "_unit", lambda similar, z: similar),
    (torch, "kaiser_window", lambda n, **more: torch.ones(n, dtype=torch.float64))])
def test_the_loops_notice_a_broken_stage(monkeypatch, picture, module, name, broken):
    expected = stage_by_loops(picture[0, 0].numpy(), picture[0, 0].numpy(), SMALL, sigma=SIGMA, threshold=2.7)
    monkeypatch.setattr(module, name, broken)
    mine = bm3d.threshold_groups(picture, sigma=SIGMA, profile=Profile(SMALL, SMALL, 2.7))
    assert not np.allclose(mine[0, 0], expected)


def test_the_loops_notice_a_wiener_filter_that_trusts_the_noisy_image(picture):
    pilot = torch.nn.functional.avg_pool2d(picture, 3, stride=1, padding=1, count_include_pad=False)
    expected = stage_by_loops(picture[0, 0].numpy(), pilot[0, 0].numpy(), SMALL, sigma=SIGMA)
    assert not np.allclose(bm3d.wiener_groups(picture, picture, sigma=SIGMA, stage=SMALL)[0, 0], expected)


# What it promises ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [10 / 255, SIGMA, 60 / 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_image_stays(sigma, channels):
    z = torch.full((1, channels, 24, 30), 0.4)
    assert torch.allclose(BM3D()(z, sigma=sigma), z, atol=1e-3)


def test_without_noise_nothing_changes(pairs):
    z, y = pairs[0]
    assert torch.equal(BM3D()(z, sigma=0), z)
    assert float(psnr(BM3D()(y, sigma=1 / 255), y)) > 45


def test_without_shrinkage_the_groups_give_the_image_back(picture):
    for profile in (NORMAL, HIGH_NOISE):
        kept = bm3d.threshold_groups(picture, sigma=SIGMA, profile=replace(profile, threshold=0.0))
        assert torch.allclose(kept, picture)


def test_it_is_ahead_of_the_other_classical_filters_and_its_own_first_stage(pairs):
    wavelet, nlm, first, both = (float(score(denoiser, pairs, sigma=SIGMA).mean()) for denoiser in
                                 (Wavelet(), NonLocalMeans(), BM3D(stages=1), BM3D()))
    assert wavelet + 1 < nlm + 0.5 < first + 0.2 < both


@pytest.mark.parametrize("shape", [(2, 1, 33, 47), (1, 3, 20, 17), (1, 1, 5, 9), (1, 1, 1, 1), (1, 1, 13, 40)])
@pytest.mark.parametrize("sigma", [SIGMA, 50 / 255])
def test_batches_colours_odd_and_tiny_sizes_go_through(shape, sigma):
    z = noise(*shape).float() * 0.1 + 0.5
    estimate = BM3D()(z, sigma=sigma)
    assert estimate.shape == shape and estimate.dtype == z.dtype and estimate.isfinite().all()
    assert torch.allclose(estimate[:1], BM3D()(z[:1], sigma=torch.tensor(sigma)), atol=1e-5)


def test_a_transposed_image_has_the_transposed_estimate(pairs):
    z = pairs[0][0][..., :48, :40].double()
    assert torch.allclose(BM3D()(z.mT, sigma=SIGMA), BM3D()(z, sigma=SIGMA).mT, atol=1e-8)


def test_opponent_colours_keep_the_noise_white_and_invert():
    z = noise(1, 3, 40, 50)
    opponent = bm3d.colours(z)
    assert torch.allclose(bm3d.colours(opponent, back=True), z)
    assert torch.allclose(opponent.square().sum(dim=1), z.square().sum(dim=1))
    gray = bm3d.colours(torch.full((1, 3, 2, 2), 0.5, dtype=torch.float64))
    assert (gray[:, 0] - 0.5 * 3**0.5).abs().max() < 1e-12 and gray[:, 1:].abs().max() < 1e-12


def test_a_gray_image_in_colour_is_grouped_as_the_gray_one():
    """Noise that is equal in all channels has level sqrt(3) sigma in the brightness, as the image has sqrt(3) y."""
    z = noise(1, 1, 24, 24) * 0.1 + 0.5
    colour = BM3D(NORMAL)(z.expand(1, 3, -1, -1), sigma=3**0.5 * SIGMA)
    assert torch.allclose(colour, BM3D(NORMAL)(z, sigma=SIGMA).expand(1, 3, -1, -1), atol=1e-8)


def test_colours_together_are_better_than_each_alone():
    pictures = {"chelsea": data.photographs("test", channels=3)["chelsea"][:, 100:180, 120:200]}
    (z, y), = data.fixed_pairs(pictures, Gaussian(SIGMA), seed=0)
    alone = torch.cat([BM3D()(z[:, c : c + 1], sigma=SIGMA) for c in range(3)], dim=1)
    assert float(psnr(BM3D()(z, sigma=SIGMA), y)) > float(psnr(alone, y)) + 1


def test_above_40_the_profile_for_strong_noise_is_taken():
    z = noise(1, 1, 24, 24)
    assert torch.equal(BM3D()(z, sigma=40 / 255), BM3D(NORMAL)(z, sigma=40 / 255))
    assert torch.equal(BM3D()(z, sigma=41 / 255), BM3D(HIGH_NOISE)(z, sigma=41 / 255))
    assert not torch.equal(BM3D(NORMAL)(z, sigma=41 / 255), BM3D(HIGH_NOISE)(z, sigma=41 / 255))


@pytest.mark.parametrize(("shape", "sigma", "message"), [
    ((1, 1, 8, 8), None, "needs the noise level"), ((1, 1, 8, 8), torch.zeros(1, 1, 8, 8), "one noise level"),
    ((1, 1, 8, 8), 25, "25 / 255"), ((1, 2, 8, 8), 0.1, "gray images"), ((8, 8), 0.1, r"\(N, C, H, W\)")])
def test_what_it_cannot_filter_is_refused(shape, sigma, message):
    with pytest.raises(ValueError, match=message):
        BM3D()(torch.zeros(shape), sigma=sigma)


# Beside others -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_is_as_good_as_its_authors_program(pairs):
    theirs = pytest.importorskip("bm3d", reason="the authors' program is for its users to install")
    for z, y in pairs:
        oracle = torch.from_numpy(theirs.bm3d(z[0, 0].double().numpy(), SIGMA))[None, None]
        assert float(psnr(BM3D()(z, sigma=SIGMA), y)) == pytest.approx(float(psnr(oracle, y)), abs=0.25)


@pytest.mark.full
def test_on_set12_it_has_the_published_quality(course_data):
    pairs = data.fixed_pairs(data.load("Set12"), Gaussian(SIGMA), seed=0)
    assert float(score(BM3D(), pairs, sigma=SIGMA).mean()) == pytest.approx(29.97, abs=0.2)   # the published mean
