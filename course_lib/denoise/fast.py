"""The fast denoiser: a small residual network on sub-images of half the size, good after a minute on a processor.

    y_hat = z - S^-1(R([S(z), M]; w)),    loss(w) = 1/(2N) sum_i | y_hat_i - y_i |^2

S makes 4 channels of 2 x 2 pixels, and R is a stack of 3 x 3 convolutions, Conv+ReLU, ..., Conv, without biases and
without batch normalisation. It takes the sub-images and the noise level map M from FFDNet (Zhang et al. 2018), the
residual from DnCNN (Zhang et al. 2017) and the missing biases from BF-CNN (Mohan et al. 2020): without them the
network is homogeneous, y_hat(a z, a M) = a y_hat(z, M) for a >= 0. The map does what biases would do, and scales.

What makes it fast: a quarter of the multiplications (`S`), half of the rest (bfloat16 where the processor has it),
an orthogonal start and Muon for the hidden layers, small patches in small batches, and an average over the last
weights. The recipe was found by measuring on this course's machines; it is no paper's.

Lecture ffdnet trains it before your eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, randomness
from course_lib.data import Pictures
from course_lib.denoise import known_level
from course_lib.denoise.ffdnet import noise_level_map, orthogonal, to_even
from course_lib.denoise.known_level import uniform_levels
from course_lib.fit import Trained, Validate
from course_lib.layers import initialise, quiet_constructors
from course_lib.noise import Sigma
from course_lib.optimisers import Muon
from course_lib.profiles import Budget

MINUTE = Budget(6500, 6, 48)   # about a minute on two cores with bfloat16


class Fast(nn.Module):
    """Predict the noise of four sub-images from them and their noise level, put it together, and subtract it.

    channels: 1 gray, 3 colour. Shapes: z (N, channels, H, W) of any size -> y_hat of the same shape. sigma is needed:
    see `ffdnet.noise_level_map`.

    >>> sum(weight.numel() for weight in Fast().parameters())
    128304
    """

    def __init__(self, *, depth: int = 8, width: int = 48, channels: int = 1, seed: int = 0) -> None:
        super().__init__()
        if arguments.positive(depth, name="depth") < 2:
            raise ValueError(f"depth: the network has a first and a last convolution, so at least 2, got {depth}.")
        self.channels, self.depth = channels, depth
        with quiet_constructors():
            layers: list[nn.Module] = [nn.Conv2d(4 * channels + 1, width, 3, padding=1, bias=False), nn.ReLU()]
            for _ in range(depth - 2):
                layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.ReLU()]
            last = nn.Conv2d(width, 4 * channels, 3, padding=1, bias=False)
            self.layers = nn.Sequential(*layers, last)
        initialise(self, randomness.generator(seed, "Fast"), orthogonal)
        nn.init.zeros_(last.weight)   # begin with R = 0: the first estimate is z itself

    def forward(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        z = arguments.image_batch(z, channels=self.channels, like=self)
        told = torch.cat([F.pixel_unshuffle(to_even(z), 2), noise_level_map(z, sigma=sigma)], dim=1)
        noise = F.pixel_shuffle(self.layers(told), 2)
        return z - noise[..., : z.shape[2], : z.shape[3]]


def train(images: Pictures, *, sigma: Sigma, budget: Budget = MINUTE, seed: int, network: nn.Module | None = None,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train the fast denoiser on pictures, for one noise level or for a range (low, high).

    images: uint8 (C, H, W); sigma in the unit of [0, 1] images; patches of budget.patch pixels (48 where not given).
    """
    if network is None:
        first = next(iter(images.values() if isinstance(images, Mapping) else images))
        network = Fast(channels=first.shape[0], seed=seed)
    return known_level.train(network, images, sigma=sigma, levels=uniform_levels, patch=budget.patch or 48,
                             budget=budget, seed=seed, optimiser=Muon(lr=0.01), ema=0.98, validate=validate,
                             checkpoint=checkpoint)
