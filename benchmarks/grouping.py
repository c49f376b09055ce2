"""Block matching: ours beside the same search with a pooling layer for each shift, at the size BM3D uses it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.side_by_side import Comparison, compare
from course_lib import randomness
from course_lib.denoise import grouping

PATCH, WINDOW, STRIDE, COUNT, SIDE = 8, 39, 3, 16, 256


def shifted_and_pooled(image: Tensor) -> Tensor:
    """The common way: shift the image, square the difference, average it over patches by pooling, keep the grid."""
    reach, across = WINDOW // 2, SIDE - PATCH + 1
    starts = grouping.corners(SIDE, patch=PATCH, stride=STRIDE)
    grid = (starts[:, None] * across + starts).flatten()
    padded, distances, steps = F.pad(image, (reach,) * 4, value=1e3), [], []   # outside everything is far away
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            moved = padded[..., reach + dy : reach + dy + SIDE, reach + dx : reach + dx + SIDE]
            distances.append(F.avg_pool2d((moved - image) ** 2, PATCH, stride=1).flatten()[grid])
            steps.append(dy * across + dx)
    place = torch.stack(distances, dim=1).topk(COUNT, dim=1, largest=False).indices
    return grid[:, None] + torch.tensor(steps)[place]


def block_matching() -> Comparison:
    """All references of a noisy 256 x 256 image; both find the same patches, which is checked first."""
    ramp = torch.linspace(0, 1, SIDE)
    image = (ramp[:, None] * ramp + 0.1 * torch.randn(SIDE, SIDE, generator=randomness.generator(0)))[None, None]

    def ours() -> Tensor:
        return grouping.match(image, patch=PATCH, window=WINDOW, stride=STRIDE, count=COUNT)[0]

    same = float((ours() == shifted_and_pooled(image)).float().mean())
    if same < 0.999:                                    # pooling rounds otherwise: a rare pair may change places
        raise AssertionError(f"the two ways agree on {same:.2%} of the patches only")
    return compare("block matching in 256 x 256 pixels", ours, lambda: shifted_and_pooled(image),
                   peer="a shift and a pooling layer at a time", wanted=4.0, rounds=3)


COMPARISONS = (block_matching,)
