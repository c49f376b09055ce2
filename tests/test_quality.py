"""PSNR and SSIM are those of scikit-image."""

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from course_lib import data
from course_lib.data.images import to_float
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.quality import psnr, ssim
from course_lib.randomness import generator


@pytest.fixture(scope="module", params=[1, 3], ids=["gray", "colour"])
def pair(request):
    y = to_float(data.photographs("test", channels=request.param)["chelsea"])[..., :120, :150]
    return Gaussian(0.05)(y, generator=generator(0)).clamp(0, 1), y


def test_psnr_is_that_of_scikit_image(pair):
    z, y = (image[0].double().numpy() for image in pair)
    assert float(psnr(*pair)) == pytest.approx(peak_signal_noise_ratio(y, z, data_range=1), abs=1e-9)


def test_ssim_is_that_of_scikit_image(pair):
    z, y = (image[0].double().numpy() for image in pair)
    oracle = structural_similarity(y, z, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
                                   channel_axis=0)
    assert float(ssim(*pair)) == pytest.approx(oracle, abs=1e-6)


def test_the_score_of_a_set_is_the_mean_of_images_not_of_errors():
    y = torch.full((2, 1, 8, 8), 0.5)
    estimate = y + torch.tensor([0.1, 0.01]).reshape(2, 1, 1, 1)
    assert psnr(estimate, y).tolist() == pytest.approx([20, 40], abs=1e-4)


def test_estimates_are_clipped_for_scoring():
    y = torch.ones(1, 1, 8, 8)
    assert float(psnr(y + 0.5, y)) == float("inf")


@pytest.mark.parametrize("scored", [psnr, ssim])
@pytest.mark.parametrize("y", [255 * torch.rand(1, 1, 16, 16), 2 * torch.rand(1, 1, 16, 16) - 1,
                               torch.full((1, 1, 16, 16), 1.2)])
def test_a_clean_image_outside_its_range_is_refused(scored, y):
    with pytest.raises(ValueError, match=r"the clean images: expected values in \[0, 1\]"):
        scored(y, y)


def test_an_empty_set_has_no_score():
    with pytest.raises(ValueError, match="one pair"):
        score(lambda z, sigma=None: z, [])
    pairs = iter([(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4))])
    assert score(lambda z, sigma=None: z, pairs).tolist() == [0]
    with pytest.raises(ValueError, match="read before"):
        score(lambda z, sigma=None: z, pairs)


def test_a_score_leaves_both_images_as_they_are():
    y, z = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16) * 3 - 1
    before = y.clone(), z.clone()
    psnr(z, y), ssim(z, y)
    assert torch.equal(y, before[0]) and torch.equal(z, before[1])


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        psnr(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 9))
