"""Classification of images and of their pixels: the two trainings that show how a receptive field changes.

    loss(w) = -1/N sum_i log softmax(f(x_i; w))(label_i)              i an image, or a pixel of one (segmentation)

The network gives each pixel a score for each class. Where an image has one class, its scores are the mean over its
pixels; where each pixel has its own, there is no mean.

Source: W. Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", NIPS 2016,
which classifies CIFAR-10 and segments CamVid. Deviations from the paper: the segmentation is one of mosaics of
photographs, and the optimiser is Muon.

Lecture receptive_fields trains a network on mosaics, and looks at its field with `receptive_field` before and after.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from course_lib import arguments, deterministic, devices, profiles
from course_lib.data import Pictures, Source, patches
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.optimisers import Muon, Optimiser
from course_lib.profiles import Budget


def labelled(images: Tensor, labels: Tensor) -> Source:
    """Sample labelled images (uint8, N C H W), flipped or not: batches of an image, centred, and its class."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
        came = f"{tuple(images.shape)} of {images.dtype}" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"the images: expected one 8-bit image or more, (N, C, H, W), got {came}. "
                         "(images * 255).round().byte() makes them of floats.")
    labels = arguments.whole_labels(labels, count=len(images)).to(images.device)

    def draw(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(images), (batch,), generator=generator, device=generator.device).to(images.device)
        flip = torch.rand((batch, 1, 1, 1), generator=generator, device=generator.device) < 0.5
        flip, x, label = (devices.sent(one, devices.place(generator)) for one in (flip, images[chosen], labels[chosen]))
        x = centred(x.float() / 255)
        return torch.where(flip, x.flip(-1), x), label
    return draw


def mosaics(pictures: Pictures, *, size: int) -> Source:
    """Sample images of two pieces of photographs along a random straight cut; the class of a pixel is its photograph.

    Shapes: a batch of images (N, C, size, size), centred, and of classes (N, size, size).
    """
    if not isinstance(pictures, Mapping | Sequence | Tensor) or not len(pictures):
        raise TypeError(f"pictures: expected one 8-bit picture (C, H, W) or more, got {pictures!r:.60}.")
    listed = list(pictures.values() if isinstance(pictures, Mapping) else pictures)
    sources = [patches([picture], size=size) for picture in listed]
    if len({picture.shape[0] for picture in listed}) > 1:
        raise ValueError("pictures: expected as many channels in all, got "
                         f"{', '.join(str(tuple(picture.shape)) for picture in listed)}.")
    place = torch.arange(size) - (size - 1) / 2

    def draw(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        where = generator.device
        crops = torch.stack([cast(Tensor, source(batch, generator)) for source in sources])   # (K, N, C, s, s)
        kinds = torch.randint(len(sources), (2, batch, 1, 1), generator=generator, device=where)
        angle = 2 * math.pi * torch.rand(batch, 1, 1, generator=generator, device=where)
        offset = size / 3 * (2 * torch.rand(batch, 1, 1, generator=generator, device=where) - 1)
        beyond = angle.cos() * place.to(where)[:, None] + angle.sin() * place.to(where) > offset   # (N, s, s)
        kinds, beyond = (devices.sent(choice, crops.device) for choice in (kinds, beyond))
        label = torch.where(beyond, kinds[0], kinds[1])                                       # (N, s, s)
        each = torch.arange(batch, device=crops.device)
        one, other = (crops[kind.flatten(), each] for kind in kinds)
        return centred(torch.where(beyond[:, None], one, other)), label
    return draw


def centred(x: Tensor) -> Tensor:
    """Shift and scale images of [0, 1] to a mean and a spread that suit a network without biases."""
    arguments.shaped("...", x=x)
    return (x - 0.5) / 0.25


def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
    """Compute the cross-entropy: of each pixel's scores where pixels have classes, of their mean where the image has
    one."""
    arguments.parts(batch, "x", "label")
    x, label = batch
    scores = model(x).float()                                                                 # (N, classes, H, W)
    if not isinstance(label, Tensor) or label.shape not in (scores.shape[:1], scores[:, 0].shape):
        raise ValueError(f"label: expected a class for each of the images, (N,), or of their pixels, (N, H, W), with "
                         f"scores {tuple(scores.shape)}, got {getattr(label, 'shape', label)!s:.60}.")
    if label.dtype != torch.int64:
        raise TypeError(f"label: expected int64, got {label.dtype}. label.long() makes classes so.")
    if any(not 0 <= one < scores.shape[1] for one in arguments.extremes(label, name="label")):
        raise ValueError(f"label: expected classes from 0 to {scores.shape[1] - 1}, got {int(label.min())} to "
                         f"{int(label.max())}.")
    return deterministic.cross_entropy(scores if label.ndim == 3 else scores.mean((2, 3)), label)


def train(source: Source, *, budget: Budget, seed: int, network: nn.Module, optimiser: Optimiser = Muon(),
          validate: Validate | None = None) -> Trained:
    """Train a network that gives each pixel a score for each class, on `labelled` images or on `mosaics`."""
    network = network.to(profiles.device())
    history = fit(network, source, step, budget=budget, seed=seed, optimiser=optimiser, validate=validate)
    return Trained(network.eval(), history)
