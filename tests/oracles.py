"""What several test files share: slow loops in plain Python, made-up inputs, and the mark of a broken variant."""

import itertools
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from course_lib import randomness


def broken(*values, id=None):
    """A parameter set that its test must not let pass: an assertion of the test has to fail for it."""
    return pytest.param(*values, marks=pytest.mark.xfail(strict=True, raises=AssertionError), id=id)


# Inputs --------------------------------------------------------------------------------------------------------------


def images(*shape, seed=0):
    """Random images in [0, 1]."""
    return torch.rand(*shape, generator=randomness.generator(seed, "test images"))


def noise(*shape, seed=0):
    """Normal noise of deviation 1 in float64."""
    return torch.randn(*shape, generator=randomness.generator(seed, "test groups"), dtype=torch.float64)


def noisy_square(sigma):
    """A gray image of 16 x 19 pixels in float64: a square on a ramp, and noise."""
    ramp = torch.linspace(0, 1, 19, dtype=torch.float64).expand(1, 1, 16, 19).clone()
    ramp[..., 5:11, 6:13] += 0.4
    return ramp + sigma * noise(1, 1, 16, 19)


def embeddings(count=12, dimensions=5, people=4, seed=0, scale=1.0):
    """Vectors in float64 with a label each, in no order."""
    draw = randomness.generator(seed, "embeddings")
    f = scale * torch.randn(count, dimensions, generator=draw, dtype=torch.float64)
    return f, torch.arange(count)[torch.randperm(count, generator=draw)] % people


def kair(*channels):
    """A made-up checkpoint with the keys of KAIR: convolutions with biases from each number of channels to the next."""
    shapes = {f"model.{2 * i}.": (b, a, 3, 3) for i, (a, b) in enumerate(pairwise(channels))}
    return OrderedDict((key + kind, 0.2 * images(*(shape if kind == "weight" else shape[:1]), seed=7) - 0.08)
                       for key, shape in shapes.items() for kind in ("weight", "bias"))


class Listens(nn.Module):
    """Writes down what a training shows it."""

    def __init__(self):
        super().__init__()
        self.gain, self.heard = nn.Parameter(torch.ones(())), []

    def forward(self, z, *, sigma=None):
        self.heard.append((z.detach(), sigma))
        return self.gain * z


# Wrong names in each of the 20 one-shot runs of Omniglot, in per cent, by the set's own baseline, computed with scipy.
ONE_SHOT_ERRORS = (45, 35, 40, 25, 30, 15, 60, 35, 40, 55, 15, 70, 65, 35, 15, 25, 30, 40, 70, 30)


# Groups of patches ---------------------------------------------------------------------------------------------------


def matches_by_loops(image, *, patch, window, stride, count):
    """The positions and distances of one image (C, H, W), by comparing everything with everything."""
    height, width = image.shape[1:]
    tops, lefts = ([*range(0, side - patch, stride), side - patch] for side in (height, width))
    index, distances = [], []
    for top, left in itertools.product(tops, lefts):
        found = []
        for y, x in itertools.product(range(height - patch + 1), range(width - patch + 1)):
            if abs(y - top) <= window // 2 and abs(x - left) <= window // 2:
                there = image[:, y : y + patch, x : x + patch]
                distance = float((there - image[:, top : top + patch, left : left + patch]).square().mean())
                itself = (y, x) == (top, left)
                found.append((not itself, distance, y * (width - patch + 1) + x))
        nearest = sorted(found)[:count]
        index.append([position for _, _, position in nearest])
        distances.append([distance for _, distance, _ in nearest])
    return torch.tensor(index), torch.tensor(distances, dtype=torch.float64)


def haar(stack, *, back=False):
    """Haar along the first axis: sums of neighbours, halved again and again, before their differences."""
    if len(stack) == 1:
        return stack
    if back:
        sums, differences = haar(stack[: len(stack) // 2], back=True), stack[len(stack) // 2 :]
        return np.stack([sums + differences, sums - differences], axis=1).reshape(stack.shape) / 2**0.5
    sums, differences = stack[0::2] + stack[1::2], stack[0::2] - stack[1::2]
    return np.concatenate([haar(sums / 2**0.5), differences / 2**0.5])
