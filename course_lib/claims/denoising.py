"""How the claims measure denoisers: the images to train on, the pictures that are scored, the mean of their PSNR."""

from __future__ import annotations

from torch import Tensor

from course_lib import data
from course_lib.denoiser import Denoiser, score
from course_lib.noise import Gaussian
from course_lib.profiles import choose

SIGMA = 25 / 255


def training_images() -> dict[str, Tensor]:
    """Return what the experiments train on, by profile."""
    return data.load("Train400") if choose(smoke=False, lecture=False, full=True) else data.photographs("train")


def scored(name: str) -> dict[str, Tensor]:
    """Return the pictures of a test set; at smoke only the middles of the first two."""
    pictures = data.photographs("test") if name == "photographs" else data.load(name)
    few = {key: picture[:, 60:220, 60:220] for key, picture in list(pictures.items())[:2]}
    return choose(smoke=few, lecture=pictures, full=pictures)


def mean_psnr(denoiser: Denoiser, pictures: dict[str, Tensor], sigma: float) -> float:
    """Compute the mean score of a denoiser that is given the noise level, on pictures with one fixed noise."""
    return float(score(denoiser, data.fixed_pairs(pictures, Gaussian(sigma), seed=0), sigma=sigma).mean())
