"""Shortcuts on purpose: what light and lenses do to pictures, so that one can see whether a pretext task is fooled.

Pictures of nothing have no content to recognise: whoever solves a pretext task on them has found a shortcut. Noise
whose neighbours agree shows lines that go on. Light from above, a vignette and coloured fringes each show where in the
picture a patch was.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, randomness


def nothing(count: int, *, size: int = 48, channels: int = 3, smooth: float = 2.0, contrast: float = 45.0,
            seed: int = 0) -> Tensor:
    """Draw pictures of nothing: noise, blurred by a Gaussian of `smooth` pixels, all channels alike in kind.

    Pixels that are d apart have the correlation exp(-d^2 / (4 smooth^2)). contrast: the deviation, of 255.
    Shapes: -> (count, channels, size, size), uint8 around the middle gray.

    >>> nothing(2, size=16).shape
    torch.Size([2, 3, 16, 16])
    """
    arguments.positive(count, name="count")
    arguments.positive(size, name="size")
    arguments.number(smooth, name="smooth", low=0)
    arguments.number(contrast, name="contrast", low=0)
    reach = int(4 * smooth + 0.5)
    generator = randomness.generator(seed, "nothing")
    noise = torch.randn(count * channels, 1, size + 2 * reach, size + 2 * reach, generator=generator)
    if reach:
        places = torch.arange(-reach, reach + 1.0)
        weights = torch.exp(-places.square() / (2 * smooth**2))
        weights = weights / weights.square().sum().sqrt()                  # the deviation stays 1
        noise = F.conv2d(F.conv2d(noise, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return (127.5 + contrast * noise).clamp(0, 255).round().byte().reshape(count, channels, size, size)


def lit(images: Tensor, *, amount: float = 0.2) -> Tensor:
    """Add light from above: a ramp from the top to the bottom, which differ by `amount` of the whole range.

    What is added is the same in each column, and its slope is the same everywhere: a patch without its mean does not
    show where it was.
    Shapes: uint8 (N, C, H, W) -> the same.

    >>> lit(torch.full((1, 1, 3, 1), 100, dtype=torch.uint8), amount=0.4).flatten().tolist()
    [151, 100, 49]
    """
    arguments.eight_bit(images)
    arguments.number(amount, name="amount", low=0, high=1)
    down = _grid(images)[..., 1]                                           # -1 at the top, 1 at the bottom
    return (images.float() - 255 * amount / 2 * down).clamp(0, 255).round().byte()


def vignette(images: Tensor, *, strength: float = 0.5) -> Tensor:
    """Darken images towards their corners, by `strength` in the corners themselves.

    Shapes: uint8 (N, C, H, W) -> the same.

    >>> vignette(torch.full((1, 1, 3, 3), 200, dtype=torch.uint8))[0, 0].diagonal().tolist()
    [100, 200, 100]
    """
    arguments.eight_bit(images)
    arguments.number(strength, name="strength", low=0, high=1)
    radius = _grid(images).square().sum(dim=-1) / 2                        # 0 in the middle, 1 in the corners
    return (images.float() * (1 - strength * radius)).round().byte()


def fringes(images: Tensor, *, amount: float = 0.02, shares: Sequence[float] = (1.0, 0.0, -1.0)) -> Tensor:
    """Magnify the red channel by 1 + amount and the blue one by 1 - amount, as a simple lens does.

    shares: by how much of the amount each channel is magnified; (0, 1, 0) is a lens that bends green only.
    Shapes: uint8 (N, 3, H, W) -> the same.

    >>> ramp = torch.arange(0, 180, 20, dtype=torch.uint8).expand(1, 3, 9, 9)
    >>> fringes(ramp, amount=0.25)[0, :, 0, 6].tolist()                   # between the middle and the right edge
    [112, 120, 133]
    """
    arguments.eight_bit(images)
    if images.shape[1] != 3:
        raise ValueError(f"images: expected colour (N, 3, H, W), got {tuple(images.shape)}.")
    arguments.number(amount, name="amount", low=-0.5, high=0.5)
    if len(shares) != 3:
        raise ValueError(f"shares: expected one for each of the three channels, got {shares!r}.")
    for share in shares:
        arguments.number(share, name="shares", low=-1, high=1)
    grid = _grid(images).expand(len(images), -1, -1, -1)
    channels = [F.grid_sample(images[:, k:k + 1].float(), grid / (1 + amount * share), padding_mode="reflection",
                              align_corners=True) for k, share in enumerate(shares)]
    return torch.cat(channels, dim=1).round().clamp(0, 255).byte()


def _grid(images: Tensor) -> Tensor:
    """Where pixels lie, (H, W, 2): columns and rows from -1 to 1."""
    down, right = (torch.linspace(-1, 1, length, device=images.device) for length in images.shape[2:])
    return torch.stack([right.expand(len(down), -1), down[:, None].expand(-1, len(right))], dim=-1)
