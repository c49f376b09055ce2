"""Small upright pieces of the bundled photographs, in colour: unlabelled pictures to learn from, with nothing to
download.

A piece of 32 or 64 pixels of a large photograph shows a bit of a surface. So the photographs are made smaller first,
and a piece shows a part of a thing. Pieces stay upright: the sky is above the roofs.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, randomness
from course_lib.data.photographs import Split, photographs

SMALLER = 4      # times, in each direction


def pieces(count: int, *, size: int = 32, seed: int = 0, split: Split = "train") -> Tensor:
    """Cut random pieces out of the colour photographs of a split, uint8 (count, 3, size, size).

    Each piece comes from a photograph chosen at random, all alike; pieces may overlap. Splits share no photograph.
    Raises ValueError where a photograph is smaller than a piece.

    >>> tuple(pieces(2, size=48).shape)
    (2, 3, 48, 48)
    """
    arguments.positive(count, name="count")
    wholes = list(small_photographs(split).values())
    if arguments.positive(size, name="size") > (most := min(min(whole.shape[1:]) for whole in wholes)):
        raise ValueError(f"size: expected at most {most} pixels, the shorter side of the smallest photograph, got "
                         f"{size}.")
    generator = randomness.generator(seed, "pieces", split)

    def piece() -> Tensor:
        whole = wholes[int(torch.randint(len(wholes), (), generator=generator))]
        top, left = (int(torch.randint(side - size + 1, (), generator=generator)) for side in whole.shape[1:])
        return whole[:, top:top + size, left:left + size]

    return torch.stack([piece() for _ in range(count)])


def small_photographs(split: Split) -> dict[str, Tensor]:
    """Load the colour photographs of a split by name, each uint8 (3, H / 4, W / 4): every 4 x 4 pixels averaged.

    >>> {name: tuple(image.shape) for name, image in small_photographs("test").items()}
    {'chelsea': (3, 75, 112)}
    """
    return {name: image.clone() for name, image in _small(split).items()}


@cache
def _small(split: Split) -> dict[str, Tensor]:
    return {name: F.avg_pool2d(image[None].float(), SMALLER)[0].round().byte()
            for name, image in photographs(split, channels=3).items()}
