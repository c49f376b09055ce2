"""A small set of made-up people, on which the losses train."""

import pytest
import torch
from torch.nn import functional as F

from course_lib import randomness
from course_lib.data.readers import Labelled


@pytest.fixture(scope="module")
def crowd():
    """Twelve people of four pictures: a pattern each, shifted, in other light."""
    draw = randomness.generator(0, "crowd")
    base = torch.rand(12, 1, 1, 4, 4, generator=draw)
    upright = F.interpolate(base.flatten(0, 1), size=(16, 16)).reshape(12, 1, 1, 16, 16)
    light = 0.5 + torch.rand(12, 4, 1, 1, 1, generator=draw)
    images = (255 * (upright * light).clamp(0, 1)).byte().flatten(0, 1)
    return Labelled(images, torch.arange(12).repeat_interleave(4), tuple(f"person {i:03d}" for i in range(12)))
