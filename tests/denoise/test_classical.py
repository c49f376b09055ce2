"""The classical filters: an orthonormal transform, scikit-image's results, and errors that help."""

import numpy as np
import pytest
import torch

from course_lib import data, randomness
from course_lib.denoise import classical
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.quality import psnr

SIGMA = 25 / 255


@pytest.fixture(scope="module")
def pairs():
    return data.fixed_pairs(data.photographs("test"), Gaussian(SIGMA), seed=0)


def test_the_transform_keeps_energy_and_inverts():
    image = torch.randn(2, 3, 32, 48, generator=randomness.generator(0))
    smooth, details = classical.forward(image)
    assert torch.allclose(smooth.square().sum() + details.square().sum(), image.square().sum(), rtol=1e-5)
    assert torch.allclose(classical.inverse(smooth, details), image, atol=1e-5)


def test_a_straight_ramp_has_no_details_where_it_does_not_wrap():
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    assert classical.forward(ramp)[1][..., :-1].abs().max() < 1e-4   # two vanishing moments


def test_the_transform_is_that_of_pywavelets():
    pywt = pytest.importorskip("pywt")
    image = torch.randn(1, 1, 16, 16, generator=randomness.generator(0)).double()
    smooth, _ = pywt.dwt2(image[0, 0].numpy(), "db2", mode="periodization")
    phases = [classical.forward(image.roll((i, i), dims=(2, 3)))[0][0, 0].numpy() for i in range(-3, 4)]
    assert min(np.abs(phase - smooth).max() for phase in phases) < 1e-6   # it starts at another pixel


def test_shrinkage_is_as_good_as_scikit_images(pairs):
    pytest.importorskip("pywt")
    from skimage.restoration import denoise_wavelet

    for z, y in pairs:
        oracle = denoise_wavelet(z[0, 0].numpy(), sigma=SIGMA, method="BayesShrink", mode="soft", wavelet="db2",
                                 rescale_sigma=False)
        theirs = float(psnr(torch.from_numpy(oracle)[None, None], y))
        assert float(psnr(Wavelet()(z, sigma=SIGMA), y)) == pytest.approx(theirs, abs=0.15)


def test_without_sigma_shrinkage_estimates_it(pairs):
    z, _ = pairs[0]
    assert float((Wavelet()(z) - Wavelet()(z, sigma=SIGMA)).abs().mean()) < 0.01


def test_both_improve_photographs_and_non_local_means_more(pairs):
    noisy, wavelet, nlm = (float(score(denoiser, pairs, sigma=SIGMA).mean()) for denoiser in
                           (lambda z, sigma=None: z, Wavelet(), NonLocalMeans()))
    assert noisy + 5 < wavelet < nlm


@pytest.mark.parametrize("filter_", [Wavelet(), NonLocalMeans(distance=3)])
@pytest.mark.parametrize("shape", [(2, 1, 33, 47), (1, 3, 40, 40)])
def test_batches_colours_and_odd_sizes_go_through(filter_, shape):
    z = torch.rand(shape, generator=randomness.generator(0))
    assert filter_(z, sigma=0.1).shape == shape
    assert torch.allclose(filter_(z, sigma=0.1)[:1], filter_(z[:1], sigma=0.1), atol=1e-5)


def test_a_map_is_refused_by_filters_that_know_one_level():
    with pytest.raises(ValueError, match="one noise level"):
        Wavelet()(torch.zeros(1, 1, 16, 16), sigma=torch.zeros(1, 1, 16, 16))


def test_non_local_means_asks_for_the_level():
    with pytest.raises(ValueError, match="needs the noise level"):
        NonLocalMeans()(torch.zeros(1, 1, 16, 16))
