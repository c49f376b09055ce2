"""PSNR and SSIM are those of scikit-image."""

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from course_lib import data
from course_lib.data.images import to_float
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


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        psnr(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 9))
