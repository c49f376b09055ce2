"""Noise models: each turns a clean y into a noisy z = y + eta, and knows the variance of its eta.

Nothing here clips or quantises: a clipped noise is no longer zero-mean, and a denoiser would have to learn the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from course_lib import arguments

Sigma = float | tuple[float, float] | Tensor


class Noise(Protocol):
    """What every noise model offers."""

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor: ...

    def variance(self, y: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Add white Gaussian noise of one level, of a level drawn for each image, or of a level for each pixel.

    z = y + sigma n, n ~ N(0, 1) independent over pixels and channels.
    sigma is a number, or a pair (low, high) from which every image of a batch draws its own level uniformly,
    or a noise level map that broadcasts to (N, C, H, W). Unit: that of the images, so 25 / 255 and not 25.

    >>> y = torch.full((2, 1, 4, 4), 0.5)
    >>> z = Gaussian(25 / 255)(y, generator=torch.Generator().manual_seed(0))
    >>> Gaussian(0.5).variance(y)[0, 0, 0, 0]
    tensor(0.2500)
    """

    sigma: Sigma

    def __post_init__(self) -> None:
        if isinstance(self.sigma, Tensor):
            for extreme in (self.sigma.min(), self.sigma.max()):
                arguments.sigma_value(float(extreme), name="the noise level map")
        elif isinstance(self.sigma, tuple):
            low, high = (arguments.sigma_value(level) for level in self.sigma)
            if low > high:
                raise ValueError(f"sigma: expected a range (low, high) with low <= high, got ({low:g}, {high:g}).")
        else:
            arguments.sigma_value(self.sigma)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        level = self.draw(y, generator=generator)
        return y + level * torch.randn(y.shape, generator=generator, device=y.device, dtype=y.dtype)

    def draw(self, y: Tensor, *, generator: torch.Generator) -> Tensor | float:
        """The noise levels of a batch, broadcastable to (N, C, H, W)."""
        if isinstance(self.sigma, tuple):
            low, high = self.sigma
            share = torch.rand(y.shape[0], 1, 1, 1, generator=generator, device=y.device, dtype=y.dtype)
            return low + (high - low) * share
        return self.sigma.to(y) if isinstance(self.sigma, Tensor) else self.sigma

    def variance(self, y: Tensor) -> Tensor:
        """Variance of eta at each pixel of y (N, C, H, W); for a range, averaged over the levels."""
        if isinstance(self.sigma, tuple):
            low, high = self.sigma
            return torch.full_like(y, (low * low + low * high + high * high) / 3)
        level = self.sigma.to(y) if isinstance(self.sigma, Tensor) else torch.as_tensor(self.sigma).to(y)
        return (level**2).expand_as(y)
