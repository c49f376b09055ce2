"""Training of a denoiser that is given the noise level: levels are sampled, noise is added, and both are passed on.

    z = y + sigma eta,    loss(w) = 1/(2N) sum_i | F(z_i, sigma_i; w) - y_i |^2

One network learns all levels of a range, since it is given the level of each image. FFDNet (equation 5 of its paper)
and the course's fast denoiser are trained so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from course_lib import arguments, profiles
from course_lib.data import Pictures, patches, then
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.noise import Gaussian, Sigma
from course_lib.optimisers import Optimiser
from course_lib.profiles import Budget


class Levels(Protocol):
    """How the noise levels of a batch are sampled: (N, 1, 1, 1), or a map (N, 1, H, W) for each image."""

    def __call__(self, y: Tensor, *, sigma: Sigma, generator: torch.Generator) -> Tensor: ...


def uniform_levels(y: Tensor, *, sigma: Sigma, generator: torch.Generator) -> Tensor:
    """Sample one noise level for each image of a batch from (low, high); a number or a map is taken as it is.

    Shapes: y (N, C, H, W) -> (N, 1, 1, 1), or what a given map has.

    >>> uniform_levels(torch.zeros(2, 1, 8, 8), sigma=(0.1, 0.1), generator=torch.Generator()).flatten()
    tensor([0.1000, 0.1000])
    """
    level = Gaussian(sigma).draw(y, generator=generator)
    return level if isinstance(level, Tensor) else y.new_full((y.shape[0], 1, 1, 1), level)


def loss(estimate: Tensor, y: Tensor) -> Tensor:
    """Compute half the mean squared error: equation 5 of FFDNet's paper, divided by the pixels of an image.

    Shapes: both (N, C, H, W); returns a scalar.

    >>> loss(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0))
    tensor(2.)
    """
    arguments.same_shape(estimate, y, letters="N C H W")
    arguments.shaped("N C H W", estimate=estimate, y=y)
    return 0.5 * (estimate.float() - y).square().mean()


def step(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], progress: Progress) -> Tensor:
    """Compute the loss of a training step in which the network is given the level that the noise was made with."""
    arguments.parts(batch, "z", "level", "y")
    z, level, y = batch
    return loss(model(z, sigma=level), y)


def train(network: nn.Module, images: Pictures, *, sigma: Sigma, levels: Levels, patch: int, budget: Budget, seed: int,
          optimiser: Optimiser, ema: float, validate: Validate | None, checkpoint: Path | None) -> Trained:
    """Train a network that is given the noise level, on patches whose levels are sampled anew in every batch."""
    def with_noise(y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        level = levels(y, sigma=sigma, generator=generator)
        return Gaussian(level)(y, generator=generator), level, y

    source = then(patches(images, size=patch), with_noise)
    network = network.to(profiles.device())
    history = fit(network, source, step, budget=budget, seed=seed, optimiser=optimiser, ema=ema, validate=validate,
                  checkpoint=checkpoint)
    return Trained(network.eval(), history)
