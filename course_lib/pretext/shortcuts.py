"""Shortcuts on purpose: what lenses do to pictures, so that one can see whether a pretext task is fooled by it.

Pictures of nothing have no content to recognise: whoever solves a pretext task on them has found a shortcut. Noise
whose neighbours agree shows lines that go on; a vignette shows where in the picture a patch was; so do coloured
fringes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, randomness


def nothing(count: int, *, size: int = 48, channels: int = 3, smooth: float = 2.0, seed: int = 0) -> Tensor:
    """Draw pictures of nothing: noise, blurred by a Gaussian of `smooth` pixels, all channels alike in kind.

    Shapes: -> (count, channels, size, size), uint8 around the middle gray.

    >>> nothing(2, size=16).shape
    torch.Size([2, 3, 16, 16])
    """
    arguments.positive(count, name="count")
    arguments.positive(size, name="size")
    arguments.number(smooth, name="smooth", low=0)
    reach = int(4 * smooth + 0.5)
    generator = randomness.generator(seed, "nothing")
    noise = torch.randn(count * channels, 1, size + 2 * reach, size + 2 * reach, generator=generator)
    if reach:
        places = torch.arange(-reach, reach + 1.0)
        weights = torch.exp(-places.square() / (2 * smooth**2))
        weights = weights / weights.square().sum().sqrt()                  # the deviation stays 1
        noise = F.conv2d(F.conv2d(noise, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return (127.5 + 45 * noise).clamp(0, 255).round().byte().reshape(count, channels, size, size)


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


def fringes(images: Tensor, *, amount: float = 0.02) -> Tensor:
    """Magnify the red channel by 1 + amount and the blue one by 1 - amount, as a simple lens does.

    Shapes: uint8 (N, 3, H, W) -> the same.
    """
    arguments.eight_bit(images)
    if images.shape[1] != 3:
        raise ValueError(f"images: expected colour (N, 3, H, W), got {tuple(images.shape)}.")
    arguments.number(amount, name="amount", low=-0.5, high=0.5)
    grid = _grid(images).expand(len(images), -1, -1, -1)
    channels = [F.grid_sample(images[:, k:k + 1].float(), grid / scale, padding_mode="reflection", align_corners=True)
                for k, scale in enumerate((1 + amount, 1.0, 1 - amount))]
    return torch.cat(channels, dim=1).round().clamp(0, 255).byte()


def _grid(images: Tensor) -> Tensor:
    """Where pixels lie, (H, W, 2): columns and rows from -1 to 1."""
    down, right = (torch.linspace(-1, 1, length, device=images.device) for length in images.shape[2:])
    return torch.stack([right.expand(len(down), -1), down[:, None].expand(-1, len(right))], dim=-1)
