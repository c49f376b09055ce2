"""Denoisers, operators and scores take every type of float, every layout, and leave what they are given as it is."""

import math

import pytest
import torch
from oracles import images

from course_lib import operators, quality
from course_lib.denoise import bm3d, grouping
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.denoise.nn3d import NN3D, Bank, Scaled, filter_groups, similar
from course_lib.denoise.wnnm import WNNM
from course_lib.denoiser import score

SIGMA = 25 / 255


def darker(z, *, sigma=None):
    return 0.9 * z


DENOISERS = {
    "wavelet": Wavelet(), "non-local means": NonLocalMeans(distance=3), "BM3D": BM3D(), "scaled": Scaled(darker, 0.1),
    "WNNM": WNNM(iterations=2, window=11, count=20), "NN3D": NN3D(darker, window=11), "bank": Bank({0.1: darker}),
}
OPERATORS = {
    "bicubic loss": lambda y: operators.bicubic_loss(y, scale=2), "mosaic": operators.mosaic,
    "convolution": lambda y: operators.convolve(y, torch.tensor([[1.0, 2.0], [0.0, 1.0]]) / 4),
    "demosaic": lambda y: operators.demosaic(y[:, :1]), "opponent colours": bm3d.colours,
    "filter of groups": lambda y: filter_groups(y, similar(y, patch=4, count=4, window=7, stride=3), patch=4, tau=0.1),
}
SCORES = {"psnr": lambda y: quality.psnr(0.9 * y, y), "ssim": lambda y: quality.ssim(0.9 * y, y),
          "jpeg": lambda y: operators.jpeg(y, quality=90)}
ALL = {**{name: lambda z, ask=ask: ask(z, sigma=SIGMA) for name, ask in DENOISERS.items()}, **OPERATORS, **SCORES}
PICTURE = 0.3 + 0.4 * torch.linspace(0, 1, 24).expand(2, 3, 20, 24) + 0.1 * images(2, 3, 20, 24)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", DENOISERS | OPERATORS)
def test_the_answer_is_right_in_the_type_of_the_images(name, kind):
    z = PICTURE.to(kind)
    answer, exact = ALL[name](z), ALL[name](z.double())
    assert answer.dtype == kind
    assert (answer.double() - exact).abs().mean() < 2 * torch.finfo(kind).eps + 1e-7


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scores_are_computed_in_float64_and_jpeg_keeps_the_type(kind):
    y = PICTURE.to(kind)
    assert quality.psnr(y, y.clone()).dtype == quality.ssim(y, y.clone()).dtype == torch.float64
    assert torch.allclose(SCORES["psnr"](y), SCORES["psnr"](y.double()), atol=0.1)
    stored = operators.jpeg(y, quality=95)
    assert stored.dtype == kind and (stored - y).abs().mean() < 0.02


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_patches_are_compared_in_32_bits(kind):
    z = PICTURE.to(kind)
    setting = dict(patch=4, window=9, stride=3, count=8)
    found, exact = grouping.search(z, **setting), grouping.search(z.float(), **setting)
    assert found.distance.dtype == torch.float32 and torch.equal(found.position, exact.position)


@pytest.mark.parametrize("name", ALL)
def test_layout_and_gradients_change_nothing_and_the_images_stay_as_they_are(name):
    expected = ALL[name](PICTURE.clone())
    for z in (PICTURE.to(memory_format=torch.channels_last), torch.stack([PICTURE, PICTURE], -1)[..., 0],
              PICTURE.mT.contiguous().mT, PICTURE.clone().requires_grad_()):
        before = z.detach().clone()
        assert torch.allclose(ALL[name](z).detach(), expected, atol=1e-6)
        assert torch.equal(z.detach(), before)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_pixel_that_is_no_number_is_refused(name, wrong):
    z = PICTURE.clone()
    z[0, 0, 3, 3] = wrong
    with pytest.raises(ValueError, match="expected finite numbers, got 1 of"):
        ALL[name](z)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_an_estimate_that_is_no_number_has_no_score(wrong):
    y = PICTURE[:1]
    for scored in (quality.psnr, quality.ssim, lambda estimate, y: score(lambda z, sigma=None: estimate, [(y, y)])):
        with pytest.raises(ValueError, match="the estimate: expected finite numbers"):
            scored(torch.full_like(y, wrong), y)


@pytest.mark.parametrize("name", ["NN3D", "scaled", "bank"])
@pytest.mark.parametrize("sigma", ["0.1", [0.1], None, torch.full((2, 1, 1, 1), 0.1), -0.1, math.nan, 25])
def test_a_level_that_is_none_is_refused_by_what_asks_others(name, sigma):
    with pytest.raises((TypeError, ValueError), match="noise level"):
        DENOISERS[name](PICTURE, sigma=sigma)


@pytest.mark.parametrize("name", ["wavelet", "non-local means", "BM3D", "WNNM"])
@pytest.mark.parametrize("sigma", ["0.1", [0.1], (0.1,), torch.full((2,), 0.1), -0.1, math.inf, 25, True])
def test_a_level_that_is_none_is_refused_by_filters(name, sigma):
    with pytest.raises((TypeError, ValueError), match="noise level"):
        DENOISERS[name](PICTURE, sigma=sigma)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Wavelet(coarsest=0), "coarsest"), (lambda: Wavelet(coarsest=-3), "coarsest"),
    (lambda: NonLocalMeans(patch=0), "patch"), (lambda: NonLocalMeans(distance=-1), "distance"),
    (lambda: NonLocalMeans(strength=0.0), "strength"), (lambda: NonLocalMeans(strength=math.nan), "strength"),
    (lambda: BM3D(stages=3), "stages"), (lambda: BM3D(stages=0), "stages"), (lambda: BM3D(kaiser=-1.0), "kaiser"),
    (lambda: BM3D(bm3d.Profile(bm3d.Stage(4, 5, 4, 7, 100.0), bm3d.Stage(4, 2, 4, 7, 100.0), 2.7)), "no group"),
    (lambda: BM3D(bm3d.Profile(bm3d.Stage(4, 2, 0, 7, 100.0), bm3d.Stage(4, 2, 4, 7, 100.0), 2.7)), "count"),
    (lambda: BM3D(bm3d.Profile(bm3d.Stage(4, 2, 4, 7, -1.0), bm3d.Stage(4, 2, 4, 7, 100.0), 2.7)), "similar"),
    (lambda: BM3D(bm3d.Profile(bm3d.Stage(4, 2, 4, 7, 9.0), bm3d.Stage(4, 2, 4, 7, 9.0), -2.7)), "threshold"),
    (lambda: WNNM(patch=0), "patch"), (lambda: WNNM(count=-4), "count"), (lambda: WNNM(iterations=0), "iterations"),
    (lambda: WNNM(stride=2.5), "stride"), (lambda: WNNM(again=0), "again"),
    (lambda: WNNM(feedback=1.5), "feedback"), (lambda: WNNM(strength=math.nan), "strength"),
    (lambda: WNNM(left=-0.5), "left"), (lambda: WNNM(window=8), "odd"),
    (lambda: NN3D(darker, patch=0), "patch"), (lambda: NN3D(darker, stride=0), "stride"),
    (lambda: NN3D(darker, window=-3), "window"), (lambda: NN3D(darker, count=0), "count"),
    (lambda: NN3D(lambda z, sigma: z[..., :-1]), "one shape"), (lambda: NN3D(lambda z, sigma: z / 0), "finite"),
    (lambda: NN3D(lambda z, sigma: z * math.nan, grouped=False), "the estimate of the denoiser"),
    (lambda: Scaled(darker, 0.0), "level"), (lambda: Scaled(darker, math.nan), "level"),
    (lambda: Bank({math.nan: darker}), "by the level"), (lambda: Bank({0.1: darker, -0.1: darker}), "by the level")])
def test_a_setting_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()(PICTURE, sigma=SIGMA)


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 7), (2, 1, 3, 2)])
def test_images_smaller_than_a_patch_are_denoised(name, shape):
    z = images(*shape)
    assert DENOISERS[name](z, sigma=SIGMA).isfinite().all()


@pytest.mark.parametrize("call", [
    lambda: grouping.patches(images(1, 1, 3, 9), patch=4), lambda: grouping.patches(images(1, 1, 9, 9), patch=0),
    lambda: grouping.patches(images(9, 9), patch=2), lambda: grouping.corners(9, patch=3, stride=0),
    lambda: grouping.dct(0), lambda: grouping.haar(-4), lambda: grouping.bior15(0),
    lambda: Wavelet.__call__.__globals__["forward"](images(1, 1, 5, 6)), lambda: bm3d.colours(images(1, 2, 4, 4)),
    lambda: Wavelet.__call__.__globals__["inverse"](images(1, 1, 4, 4), images(1, 1, 2, 4, 4)),
    lambda: bm3d.threshold_groups(images(1, 1, 16, 16), sigma=0, profile=bm3d.NORMAL),
    lambda: bm3d.threshold_groups(images(2, 1, 16, 16), sigma=0.1, profile=bm3d.NORMAL),
    lambda: bm3d.wiener_groups(images(1, 1, 16, 16), images(1, 1, 16, 15), sigma=0.1, stage=bm3d.NORMAL.second),
    lambda: filter_groups(images(2, 1, 16, 16), torch.zeros(1, 4, 4).long(), patch=4, tau=0.1)])
def test_parts_of_filters_refuse_what_does_not_fit(call):
    with pytest.raises(ValueError, match="expected|one image"):
        call()
