"""FFDNet: tell the network how noisy each pixel is, and let it work on four small images instead of a large one.

    y_hat = F(z, M; w),    loss(w) = 1/(2N) sum_i | F(z_i, M_i; w) - y_i |^2_F              (equation 5 of the paper)

z is cut into 4 sub-images of half the size, which become channels; the noise level map M, at half the size too, is one
channel more. A stack of 3 x 3 convolutions (Conv+ReLU, ..., Conv) makes 4 clean sub-images of them, which are put back
together. One set of weights serves all levels, and levels that change over the image.

Source: K. Zhang, W. Zuo, L. Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising",
IEEE TIP 2018.

Deviations from the paper: no batch normalisation, not even during training (the released weights have none either);
the loss is averaged over the pixels of a patch too; Muon with a cosine schedule and averaged weights instead of Adam;
the softly kept orthogonality of the paper's code is left out, its orthogonal start is the default. A map given at the
resolution of the image is averaged over 2 x 2 pixels (the paper's code resizes it).

Lecture ffdnet teaches it; its exercise builds its input and a map for a sensor. Weights: `ffdnet-*` in the zoo.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, published, randomness
from course_lib.data import Pictures
from course_lib.denoise import known_level
from course_lib.denoise.known_level import uniform_levels
from course_lib.fit import Trained, Validate
from course_lib.layers import he_normal, initialise, quiet_constructors
from course_lib.noise import Gaussian, Sigma
from course_lib.optimisers import Muon
from course_lib.profiles import Budget

LEVELS = (0.0, 75 / 255)                        # the noise levels that FFDNet is trained on
SIZES = {1: (15, 64), 3: (12, 96)}              # channels of the image -> depth and width of the paper
GRID = 4                                        # a variant map of the training is smooth between so many points a side


class FFDNet(nn.Module):
    """Denoise sub-images of half the size; a map passed with them says how strong the noise is at each place.

    channels: 1 gray, 3 colour; depth and width: the paper's 15 and 64 for gray, 12 and 96 for colour, where not given.
    initial: "orthogonal", all singular values of a layer one, as in the paper, or "he".
    Shapes: z (N, channels, H, W) of any size -> y_hat of the same shape. sigma is needed: see `noise_level_map`.

    >>> [sum(weight.numel() for weight in FFDNet(channels=channels).parameters()) for channels in (1, 3)]
    [485316, 852108]
    """

    def __init__(self, *, channels: int = 1, depth: int | None = None, width: int | None = None,
                 initial: Literal["orthogonal", "he"] = "orthogonal", seed: int = 0) -> None:
        super().__init__()
        usual_depth, usual_width = SIZES.get(channels, SIZES[3])
        depth, width = depth or usual_depth, width or usual_width
        if arguments.positive(depth, name="depth") < 2:
            raise ValueError(f"depth: an FFDNet has a first and a last convolution, so at least 2, got {depth}.")
        arguments.one_of(initial, ("orthogonal", "he"), what="start")
        self.channels, self.depth = channels, depth
        with quiet_constructors():
            layers: list[nn.Module] = [nn.Conv2d(4 * channels + 1, width, 3, padding=1), nn.ReLU()]
            for _ in range(depth - 2):
                layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
            self.layers = nn.Sequential(*layers, nn.Conv2d(width, 4 * channels, 3, padding=1))
        initialise(self, randomness.generator(seed, "FFDNet"), orthogonal if initial == "orthogonal" else he_normal)

    def forward(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        z = arguments.image_batch(z, channels=self.channels, like=self)
        small = F.pixel_unshuffle(to_even(z), 2)                                    # (N, 4C, H/2, W/2)
        told = torch.cat([small, noise_level_map(z, sigma=sigma)], dim=1)           # (N, 4C+1, H/2, W/2)
        return F.pixel_shuffle(self.layers(told), 2)[..., : z.shape[2], : z.shape[3]]

    @property
    def receptive_field(self) -> int:
        """Return the side of the square of z that one sub-pixel of the output sees: 2 (2 depth + 1)."""
        return 2 * (2 * self.depth + 1)


def noise_level_map(z: Tensor, *, sigma: float | Tensor | None) -> Tensor:
    """Make the channel that says the noise level at each place, beside the sub-images of z.

    sigma: a number; one number for each image (N, 1, 1, 1); or a map at the resolution of the image, (N, 1, H, W) or
    (1, 1, H, W), of which each 2 x 2 pixels are averaged. A map that is the same everywhere equals the number exactly.
    Unit: that of the images, so 25 / 255 and not 25.

    Shapes: z (N, C, H, W) -> (N, 1, ceil(H/2), ceil(W/2)).

    >>> z = torch.zeros(1, 1, 3, 4)
    >>> noise_level_map(z, sigma=torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])[None, None])
    tensor([[[[0.5000, 0.0000],
              [1.0000, 1.0000]]]])
    """
    arguments.image_batch(z)
    n, _, height, width = z.shape
    if sigma is None:
        raise ValueError("this network needs the noise level: call it with sigma=25 / 255, or with a map (N, 1, H, W). "
                         "A network that finds out by itself is DnCNN.")
    half = (n, 1, (height + 1) // 2, (width + 1) // 2)
    if not isinstance(sigma, Tensor):
        return z.new_full(half, arguments.sigma_value(sigma))
    if sigma.ndim and (sigma.ndim != 4 or sigma.shape[0] not in (1, n) or sigma.shape[1] != 1 or
                       tuple(sigma.shape[2:]) not in ((1, 1), (height, width))):
        raise ValueError(f"the noise level map: expected one level for each pixel, (N, 1, H, W) = ({n}, 1, {height}, "
                         f"{width}), or for each image, ({n}, 1, 1, 1), got {tuple(sigma.shape)}. A map (H, W) becomes "
                         "one with map[None, None], levels (N,) with levels.reshape(-1, 1, 1, 1).")
    if sigma.is_complex() or not sigma.numel():
        raise TypeError(f"the noise level map: expected real numbers, got {tuple(sigma.shape)} of {sigma.dtype}.")
    for extreme in (sigma.min(), sigma.max()):
        arguments.noise_levels(extreme, name="the noise level map")
    if sigma.ndim == 0:
        sigma = sigma.reshape(1, 1, 1, 1)
    level = sigma.to(z)
    if level.shape[2:] == (height, width):
        a, b, c, d = F.pixel_unshuffle(to_even(level), 2).split(1, dim=1)
        level = ((a + b) + (c + d)) / 4           # in pairs: exact where all four are equal
    return level.expand(half)


def to_even(images: Tensor) -> Tensor:
    """Repeat the last row and the last column where a side is odd, so that images divide into 2 x 2 pixels.

    >>> to_even(torch.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[1., 2., 3., 3.],
              [1., 2., 3., 3.]]]])
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.numel() or not images.is_floating_point():
        came = f"{tuple(images.shape)} of {images.dtype}" if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"the images: expected a tensor of floats (N, C, H, W), got {came}.")
    down, right = images.shape[2] % 2, images.shape[3] % 2
    return F.pad(images, (0, right, 0, down), mode="replicate") if down or right else images


def orthogonal(weight: Tensor, generator: torch.Generator) -> None:
    """Fill a kernel (out, in, k, k) so that as a matrix (out, in k k) it has all its singular values at one."""
    nn.init.orthogonal_(weight, generator=generator)


def variant_levels(y: Tensor, *, sigma: Sigma, generator: torch.Generator) -> Tensor:
    """Sample a smooth map for each image: levels from (low, high) on a grid of 4 x 4 points, bilinear between them.

    Shapes: y (N, C, H, W) -> (N, 1, H, W).
    """
    arguments.image_batch(y)
    grid = Gaussian(sigma).draw(y.new_empty(y.shape[0] * GRID**2, 1, 1, 1), generator=generator)
    if not isinstance(sigma, tuple) or not isinstance(grid, Tensor):
        raise ValueError(f"sigma: maps that vary need a range (low, high) to draw from, got {sigma}.")
    return F.interpolate(grid.reshape(-1, 1, GRID, GRID), size=tuple(y.shape[2:]), mode="bilinear", align_corners=True)


def train(images: Pictures, *, sigma: Sigma = LEVELS, budget: Budget, seed: int, network: nn.Module | None = None,
          maps: Literal["uniform", "variant"] = "uniform", validate: Validate | None = None,
          checkpoint: Path | None = None) -> Trained:
    """Train an FFDNet on pictures; each patch has its own noise level, sampled from sigma, which the network is given.

    images: uint8 (C, H, W); sigma in the unit of [0, 1] images; patches of budget.patch pixels (the paper's code: 70).
    maps: "uniform", one level a patch, as in the paper; "variant", a level that changes smoothly over the patch.
    """
    arguments.one_of(maps, ("uniform", "variant"), what="kind of maps")
    levels = uniform_levels if maps == "uniform" else variant_levels
    if network is None:
        first = next(iter(images.values() if isinstance(images, Mapping) else images))
        network = FFDNet(channels=first.shape[0], seed=seed)
    return known_level.train(network, images, sigma=sigma, levels=levels, patch=budget.patch or 70, budget=budget,
                             seed=seed, optimiser=Muon(lr=0.007), ema=0.998, validate=validate, checkpoint=checkpoint)


def from_published(weights: Mapping[str, Any]) -> FFDNet:
    """Build the network that a published PyTorch state dict describes, in eval mode.

    The layout is KAIR's (MIT licence): `model.0, model.2, ...`, convolutions with biases; sub-images in PyTorch's order
    (row by row), the map last, the clean image as output, as here. Load the file yourself with
    torch.load(path, map_location="cpu", weights_only=True). Weights for MatConvNet order the sub-images by column: swap
    the second and the third of each colour, in the first layer's inputs and the last layer's outputs, before.
    Dilations leave no trace in a state dict, so a network that had some would load, and be wrong.
    """
    weights = published.state_dict(weights)
    convs = sorted((int(found[1]), value) for key, value in weights.items() if value.ndim == 4
                   and (found := re.fullmatch(r"model\.(\d+)\.weight", key)))
    if not convs or convs[0][1].shape[1] != convs[-1][1].shape[0] + 1 or convs[-1][1].shape[0] % 4:
        raise ValueError("these are no FFDNet weights in a known layout: expected keys model.0.weight, model.0.bias, "
                         "... (KAIR), 4 C + 1 channels in and 4 C out, got "
                         f"{', '.join(list(weights)[:3]) or 'nothing'}.")
    network = FFDNet(channels=convs[-1][1].shape[0] // 4, depth=convs[-1][0] // 2 + 1, width=convs[0][1].shape[0])
    return published.filled(network, weights, name=lambda key: key.replace("layers", "model", 1))
