"""Lost resolution is bicubic, antialiased, and keeps what is smooth."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import data
from course_lib.data.images import to_float
from course_lib.operators import bicubic_loss


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_is_the_bicubic_interpolation_of_pillow(scale):
    y = to_float(data.photographs("test")["chelsea"])[..., :240, :240]
    picture = Image.fromarray(y[0, 0].numpy(), mode="F")
    small = picture.resize((240 // scale, 240 // scale), Image.Resampling.BICUBIC)
    oracle = np.asarray(small.resize((240, 240), Image.Resampling.BICUBIC))
    assert np.abs(bicubic_loss(y, scale=scale)[0, 0].numpy() - oracle).max() < 1e-4


def test_a_straight_ramp_survives_away_from_the_border():
    ramp = torch.linspace(0, 1, 60).expand(1, 1, 60, 60)
    assert torch.allclose(bicubic_loss(ramp, scale=3)[..., 12:-12], ramp[..., 12:-12], atol=1e-5)


def test_sides_that_do_not_divide_are_cropped():
    assert bicubic_loss(torch.zeros(1, 1, 50, 51), scale=4).shape == (1, 1, 48, 48)
