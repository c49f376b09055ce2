"""Exemplar networks: every patch is a class of its own, and a network learns what leaves it the same.

    L = sum over patches i and random transformations T of  - log F_i( T x_i )       (equation 1)

A *seed* is a patch of a picture with something on it: it is chosen with a probability that grows with its gradients.
Its class are K transformed copies: moved, scaled, turned, with other contrast and colours. A classifier with one output
for each seed has to say which one a copy came from, so it learns to ignore what the transformations change. The number
of classes grows with the data, and two seeds that look alike are two classes: that is where the method ends, and where
contrastive losses begin, which need no output for each picture.

Source: A. Dosovitskiy, P. Fischer, J. Springenberg, M. Riedmiller, T. Brox, "Discriminative Unsupervised Feature
Learning with Exemplar Convolutional Neural Networks", NIPS 2014 and TPAMI 2016: ranges of the transformations, and the
smallest network, 64c5-64c5-128f.

Deviations: contrast is changed in HSV only, not along principal components. Copies are cut from the middle of a patch
that is larger by half, bilinearly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, deterministic, devices, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Pictures
from course_lib.data.sources import patches as random_patches
from course_lib.fit import Progress, Trained, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.optimisers import AdamW
from course_lib.pretext import views
from course_lib.pretext.probe import labelled
from course_lib.profiles import Budget

AROUND = 1.5        # side of the stored patch over that of a copy: transformations need room
MOST_TRIES = 1000   # batches of patches among which seeds are looked for


@dataclass(frozen=True)
class Transformation:
    """How far copies may differ from their seed.

    shift: in sides of the patch; scale: from and to; turn: degrees to either side; colour: strength of the changes of
    brightness, contrast, saturation and hue. Zeros (and a scale of one) leave a seed as it is, exactly.
    """

    shift: float = 0.25
    scale: tuple[float, float] = (0.7, 1.4)
    turn: float = 20.0
    colour: float = 0.5

    def __post_init__(self) -> None:
        for name, most in (("shift", 0.5), ("turn", 180), ("colour", 1)):
            arguments.number(getattr(self, name), name=name, low=0, high=most)
        low, high = self.scale
        arguments.number(low, name="scale", low=0, above=True)
        arguments.number(high, name="scale", low=low)

    def __call__(self, seeds: Tensor, generator: torch.Generator) -> Tensor:
        """Transform each seed by its own numbers: (N, C, 1.5 S, 1.5 S) -> (N, C, S, S)."""
        if arguments.image_batch(seeds, name="seeds").shape[2] != seeds.shape[3]:
            raise ValueError(f"seeds: expected squares (N, C, S, S), got {tuple(seeds.shape)}.")
        side = round(seeds.shape[-1] / AROUND)
        count, at = len(seeds), generator.device

        def between(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator, device=at)

        right, down = between(-self.shift, self.shift), between(-self.shift, self.shift)
        scale = torch.exp(between(math.log(self.scale[0]), math.log(self.scale[1])))
        angle = between(-math.radians(self.turn), math.radians(self.turn))
        matrix = torch.stack([torch.stack([scale * angle.cos(), -scale * angle.sin(), 2 * right], dim=1),
                              torch.stack([scale * angle.sin(), scale * angle.cos(), 2 * down], dim=1)], dim=1)
        matrix = devices.sent(matrix, seeds.device)                                            # (N, 2, 3)
        if self.shift or self.turn or tuple(self.scale) != (1.0, 1.0):
            copies = _sampled(seeds, matrix, side)
        else:
            margin = (seeds.shape[-1] - side) // 2
            copies = seeds[..., margin:margin + side, margin:margin + side]
        return views.jittered(copies, self.colour, generator) if self.colour else copies


def _sampled(seeds: Tensor, matrix: Tensor, side: int) -> Tensor:
    """Read copies out of larger patches, bilinearly; the unit of the matrix is half the side of a copy."""
    places = (torch.arange(side, device=seeds.device) - (side - 1) / 2) * 2 / side              # -1 to 1 of a copy
    grid = torch.stack([places.expand(side, -1), places[:, None].expand(-1, side),
                        torch.ones_like(places).expand(side, -1)], dim=-1)                      # (S, S, 3)
    where = torch.einsum("nij,hwj->nhwi", matrix.to(seeds), grid.to(seeds)) * side / seeds.shape[-1]
    return F.grid_sample(seeds, where, padding_mode="reflection", align_corners=False)


def seeds(photographs: Pictures, count: int, *, size: int = 32, seed: int = 0) -> Tensor:
    """Choose patches with a probability that grows with their squared gradients: uint8 (count, C, 1.5 size, 1.5 size).

    Flat patches are never chosen. Raises ValueError where hardly any other is found.
    """
    arguments.positive(count, name="count")
    source = random_patches(photographs, size=round(AROUND * arguments.positive(size, name="size")))
    generator = randomness.generator(seed, "exemplar")
    found: list[Tensor] = []
    for _ in range(MOST_TRIES):
        images = cast(Tensor, source(count, generator))
        found += images[torch.rand(count, generator=generator) < steepness(images)]
        if len(found) >= count:
            return (torch.stack(found[:count]) * 255).round().byte()
    raise ValueError(f"photographs: of {MOST_TRIES * count} patches only {len(found)} have something to see on them, "
                     f"wanted are {count}. Usual cause: pictures that are nearly flat.")


def steepness(images: Tensor) -> Tensor:
    """Measure how much there is to see: the mean squared gradient over that of a busy picture, 0.01, at most 1.

    Shapes: images (N, C, H, W) in [0, 1], sides of 2 or more -> (N,).

    >>> steepness(torch.full((1, 3, 8, 8), 0.3))
    tensor([0.])
    """
    if min(arguments.image_batch(images).shape[2:]) < 2:
        raise ValueError(f"the images: expected sides of 2 pixels or more, got {tuple(images.shape)}.")
    gray = images.mean(dim=1)
    down, across = (gray.diff(dim=axis).square().mean(dim=(1, 2)) for axis in (1, 2))
    return ((down + across) / 0.01).clamp(max=1)


class ExemplarNet(nn.Module):
    """Two convolutions with pooling, a hidden layer, and one output for each seed: 64c5-64c5-128f.

    Shapes: images (N, C, S, S) -> (N, outputs); `features` gives the hidden layer (N, 128), `features(images, block)`
    a convolution's maps.
    """

    def __init__(self, *, outputs: int, channels: int = 3, size: int = 32, width: int = 64, hidden: int = 128,
                 seed: int = 0) -> None:
        super().__init__()
        for number, name in ((outputs, "outputs"), (width, "width"), (hidden, "hidden")):
            arguments.positive(number, name=name)
        self.channels, self.size = channels, size
        with quiet_constructors():
            self.blocks = nn.ModuleList([
                nn.Sequential(nn.Conv2d(inputs, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
                for inputs in (channels, width)])
            self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(width * (size // 4) ** 2, hidden), nn.ReLU())
            self.last = nn.Sequential(nn.Dropout(0.5), nn.Linear(hidden, outputs))
        initialise(self, randomness.generator(seed, "ExemplarNet"))

    def features(self, images: Tensor, block: int = 3) -> Tensor:
        """Return what a convolution gives (block 1 or 2), or the hidden layer (3)."""
        if block not in (1, 2, 3):
            raise ValueError(f"block: expected 1, 2 (convolutions) or 3 (the hidden layer), got {block!r}.")
        x = arguments.image_batch(images, channels=self.channels, like=self)
        if (block == 3 and x.shape[2:] != (self.size, self.size)) or min(x.shape[2:]) < 4:
            raise ValueError(f"the images: expected {self.size} x {self.size} pixels, for which the network was built, "
                             f"got {tuple(x.shape[2:])}. Convolutions alone, block 1 and 2, take any from 4 x 4 on.")
        for layers in self.blocks[:block]:
            x = layers(x)
        return self.hidden(x) if block == 3 else x

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.features(images))


def train(patches: Tensor, *, budget: Budget, seed: int, transformation: Transformation | None = None,
          network: ExemplarNet | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a network to say which seed a transformed copy came from. patches: uint8 from `seeds`, one class each.

    Raises ValueError in several processes.
    """
    one_process()
    surrogate = Labelled(patches, torch.arange(len(patches)), tuple(map(str, range(len(patches)))))
    size = round(patches.shape[-1] / AROUND)
    network = network or ExemplarNet(outputs=len(patches), channels=patches.shape[1], size=size, seed=seed)
    network = network.to(profiles.device())

    def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
        copies, whose = batch
        return deterministic.cross_entropy(model(copies).float(), whose)

    history = fit(network, labelled(surrogate, view=transformation or Transformation()), step, budget=budget,
                  seed=seed, optimiser=AdamW(lr=1e-3, weight_decay=1e-4), checkpoint=checkpoint)
    return Trained(network.eval(), history)
