"""Batches for learning to compare: some people, and some pictures of each, so that every batch holds both answers.

A batch of random pictures of hundreds of people shows hardly anybody twice, and a loss on pairs would learn only who
differs. Here the people of a batch are chosen first, at random, then as many pictures of each.

Source: A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, who call
it PK batches; all losses of part A get the same ones. Lectures identification and siamese use them.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, devices, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation, Source
from course_lib.embeddings import distances
from course_lib.networks import settle
from course_lib.optimisers import Muon

N = TypeVar("N", bound=nn.Module)
OPTIMISER = Muon()      # of all trainings of part A: equal budgets are compared with equal optimisers
START = 0.1             # factor on the first weights of a network's last layer, for losses on distances


def identity_batches(images: Labelled, *, each: int = 4, view: Augmentation | None = None) -> Source:
    """Choose P random people, then `each` different pictures of each: a batch of N = P each.

    view: the augmentation of the images of a batch: shifts, light, noise.
    The source returns images (N, C, H, W) in [0, 1] and their labels (N,), person after person. Images are where the
    batch is wanted, labels where the generator draws, as reading them on a GPU would have to wait for it.
    Raises ValueError where somebody has fewer than `each` pictures.

    >>> pictures = Labelled(torch.zeros(9, 1, 8, 8, dtype=torch.uint8), torch.arange(9) // 3, ("a", "b", "c"))
    >>> batch, labels = identity_batches(pictures, each=2)(4, torch.Generator().manual_seed(0))
    >>> batch.shape, labels.unique(return_counts=True)[1]
    (torch.Size([4, 1, 8, 8]), tensor([2, 2]))
    """
    return _Identities(images, arguments.positive(each, name="each"), view)


class _Identities:
    """The source that `identity_batches` makes; what it keeps on each device is private and no part of its identity."""

    def __init__(self, images: Labelled, each: int, view: Augmentation | None) -> None:
        check_labelled(images)
        self.images, self.labels, self.each, self.view = images.images, images.labels.long(), each, view
        self.people, counts = self.labels.unique(return_counts=True)
        if int(counts.min()) < each:
            poor = images.names[int(self.people[counts.argmin()])]
            raise ValueError(f"each: {each} different pictures of everybody were asked for, and there are only "
                             f"{int(counts.min())} of {poor}. Take a smaller `each`, or leave out who has fewer.")
        self._resident: dict[torch.device, Tensor] = {}
        self._table = _table(self.labels, self.people, int(counts.max()))

    def __call__(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        device, people = devices.place(generator), batch // self.each
        if batch % self.each or not 0 < people <= len(self.people):
            raise ValueError(f"a batch of {batch} is no whole number of people with {self.each} pictures each, at "
                             f"most {len(self.people)} people. Usual cause: a Budget whose batch is the number of "
                             f"people; it counts pictures, as in Budget(steps=..., batch=10 * {self.each}).")
        if device not in self._resident:
            self._resident[device] = self.images.to(device)
        images, where = self._resident[device], generator.device
        labels, table = self.labels.to(where), self._table.to(where)
        rows = table[torch.randperm(len(table), generator=generator, device=where)[:people]]      # (P, most)
        lots = torch.rand(rows.shape, generator=generator, device=where).masked_fill(rows < 0, math.inf)
        chosen = rows.gather(1, lots.argsort(dim=1)[:, : self.each]).flatten()                    # (P each,)
        drawn = images[devices.sent(chosen, device)].float().div_(255)
        return (drawn if self.view is None else self.view(drawn, generator)), labels[chosen]


def check_labelled(images: Labelled) -> Labelled:
    """Return labelled images if they are uint8 (N, C, H, W) with a label each, else raise TypeError or ValueError."""
    if not isinstance(images, Labelled):
        raise TypeError(f"expected labelled images, Labelled(images, labels, names), got {type(images).__name__}. "
                        "data.labelled(...) reads a set, identities.people(...) draws one.")
    if not isinstance(images.names, list | tuple):
        raise TypeError(f"names: expected a tuple of names, one for each label, got {images.names!r:.60}.")
    arguments.tensor(images.images, name="images")
    if images.images.ndim != 4 or images.images.dtype != torch.uint8:
        raise ValueError(f"expected 8-bit images (N, C, H, W), got {tuple(images.images.shape)} of "
                         f"{images.images.dtype}. (images * 255).round().byte() makes them of floats in [0, 1].")
    arguments.tensor(images.labels, name="labels")
    if images.labels.shape != images.images.shape[:1]:
        raise ValueError(f"expected one label for each of the {len(images.images)} images, got "
                         f"{tuple(images.labels.shape)}.")
    if not len(images.labels):
        raise ValueError("expected at least one image, got none.")
    labels, known = images.labels.long(), len(images.names)
    least, most = labels.min().item(), labels.max().item()
    if images.labels.is_floating_point() or images.labels.dtype == torch.bool or least < 0 or most >= known:
        raise ValueError(f"expected labels as whole numbers from 0 to {known - 1}, indices into the {known} names, got "
                         f"{images.labels.dtype} from {least} to {most}.")
    return images


def at_least_two(each: int) -> int:
    """Return how many pictures of a person a batch has, if there are two or more: one alone has no partner.

    Raises ValueError where it is less than two.

    >>> at_least_two(4)
    4
    """
    if arguments.positive(each, name="each") < 2:
        raise ValueError("each: a batch needs two pictures of a person or more, so that there are pairs of one person; "
                         "got 1.")
    return each


def settle_on_people(network: N, images: Labelled, *, view: Augmentation, batch: int, seed: int) -> N:
    """Let the normalisations of an untrained network see twenty batches of people, and return it in eval mode.

    It is what a trained network is compared with: the same network, fed the same batches, with weights that never
    moved. batch: how many pictures a batch has, four of each person.

    >>> pictures = Labelled(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.long), ("a",))
    >>> settled = settle_on_people(nn.BatchNorm2d(1), pictures, view=jitter(noise=0.1), batch=4, seed=0)
    >>> settled.num_batches_tracked, settled.training
    (tensor(20), False)
    """
    source, draw = identity_batches(images, view=view), randomness.generator(seed, "settle")
    return settle(network, (source(batch, draw)[0] for _ in range(20)))


# A batch of embeddings -----------------------------------------------------------------------------------------------


def batch_distances(embeddings: Tensor) -> Tensor:
    """Compute the Euclidean distance of every two embeddings of a batch, with a gradient that is finite everywhere.

    The root of a sum of squares has the gradient NaN where two embeddings are equal; here it is zero.
    Shapes: (N, D) -> (N, N), in float32 or better. Raises ValueError where the embeddings are no table.

    >>> batch_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[0., 5.],
            [5., 0.]])
    """
    arguments.tensor(embeddings, name="embeddings")
    if embeddings.ndim != 2:
        raise ValueError(f"expected embeddings (N, D), one row for each picture, got {tuple(embeddings.shape)}.")
    return distances(embeddings, embeddings)


def same_length(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return the labels as int64, on the device of the embeddings, if there is one for each.

    Shapes: embeddings (N, D), labels (N,) -> (N,). Raises ValueError where the labels have another shape, and TypeError
    where they are no whole numbers.
    """
    arguments.tensor(embeddings, name="embeddings")
    arguments.tensor(labels, name="labels")
    if embeddings.ndim != 2:
        raise ValueError(f"expected embeddings (N, D), one row for each picture, got {tuple(embeddings.shape)}.")
    if labels.ndim != 1 or len(labels) != len(embeddings):
        raise ValueError(f"expected a label for each of the {len(embeddings)} embeddings, (N,), "
                         f"got {tuple(labels.shape)}.")
    return devices.sent(arguments.whole_labels(labels), embeddings.device)


# An augmentation -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class jitter:
    """The augmentation of part A: each image is shifted, turned, mirrored, lit anew and made noisy at random.

    shift: at most so many pixels in each direction, the border repeated; turn: at most so many degrees; brightness: a
    factor in [1 - b, 1 + b], b at most 1; mirror: half of the images; noise: the standard deviation of white noise, in
    the unit of [0, 1] images. Every image draws its own numbers. Nothing is clipped.

    >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> jitter(shift=0, brightness=0.0)(image, torch.Generator()).equal(image)
    True
    """

    shift: int = 3
    brightness: float = 0.3
    mirror: bool = False
    turn: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "brightness", "turn", "noise"):
            if not (isinstance(getattr(self, name), numbers.Real) and 0 <= getattr(self, name) < math.inf):
                raise ValueError(f"{name}: expected how far an image is changed at most, 0 or more, got "
                                 f"{getattr(self, name)!r}.")
        if self.shift != int(self.shift):
            raise ValueError(f"shift: expected whole pixels, got {self.shift}.")
        if self.brightness > 1:
            raise ValueError(f"brightness: expected at most 1, where a factor reaches zero, got {self.brightness:g}. "
                             "Usual cause: per cent.")
        if self.turn > 180:
            raise ValueError(f"turn: expected at most 180 degrees, which is every direction, got {self.turn:g}.")
        arguments.sigma_value(self.noise, name="noise")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        arguments.image_batch(images)
        if self.shift >= min(images.shape[2:]):
            raise ValueError(f"shift: expected less than the side of an image, got {self.shift} for images of "
                             f"{images.shape[2]} x {images.shape[3]}: nothing of it would be left.")
        count, device = len(images), images.device
        generator = devices.on(generator, device)       # no draw is read here, so all are made where the images are

        def between(low: float, high: float) -> Tensor:
            return (low + (high - low) * torch.rand(count, generator=generator, device=device)).to(images)

        if self.shift or self.mirror:
            down, right = (torch.randint(-self.shift, self.shift + 1, (count, 1), generator=generator, device=device)
                           for _ in range(2))
            turned_over = between(0, 1)[:, None] < 0.5 if self.mirror else torch.zeros_like(down, dtype=torch.bool)
            rows = _from(images.shape[2], down)                                               # (N, H)
            columns = _from(images.shape[3], right)                                           # (N, W)
            columns = torch.where(turned_over, images.shape[3] - 1 - columns, columns)
            first = torch.arange(count, device=device)[:, None, None]
            images = images.permute(0, 2, 3, 1)[first, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        if self.turn:
            images = rotate(images, between(-self.turn, self.turn))
        if self.brightness:
            images = images * between(1 - self.brightness, 1 + self.brightness)[:, None, None, None]
        if self.noise:
            images = images + self.noise * torch.randn(images.shape, generator=generator, device=device)
        return images


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn each image by its own angle around its middle, counterclockwise; corners repeat the border.

    Shapes: images (N, C, H, W), degrees (N,) -> (N, C, H, W). Raises ValueError where they have other shapes, devices
    or types.

    >>> image = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    >>> rotate(image, torch.tensor([90.0]))[0, 0].round(decimals=4)
    tensor([[2., 4.],
            [1., 3.]])
    """
    arguments.image_batch(images)
    arguments.tensor(degrees, name="degrees")
    arguments.same_device(images, degrees, what="images and degrees")
    if degrees.shape != images.shape[:1] or degrees.dtype != images.dtype:
        raise ValueError(f"degrees: expected one for each image, ({len(images)},) of {images.dtype}, got "
                         f"{tuple(degrees.shape)} of {degrees.dtype}. degrees.to(images) gives them the images' type.")
    height, width = images.shape[2:]
    angle = degrees * (math.pi / 180)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    matrix = torch.stack([cos, -sin * height / width, zero, sin * width / height, cos, zero], dim=1)
    grid = F.affine_grid(matrix.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    inside = torch.tensor([1 - 1 / width, 1 - 1 / height]).to(grid)      # the middle of the last pixel: beyond, repeat
    return F.grid_sample(images, torch.minimum(grid.maximum(-inside), inside), align_corners=False)


def _table(labels: Tensor, people: Tensor, most: int) -> Tensor:
    """List the indices of the pictures of each person, (P, most), -1 where there are fewer."""
    table = torch.full((len(people), most), -1, dtype=torch.long)
    for row, person in zip(table, people, strict=True):
        indices = (labels == person).nonzero().flatten()
        row[: len(indices)] = indices
    return table


def _from(length: int, shift: Tensor) -> Tensor:
    """Find where each row of a shifted image comes from, the first and last repeated: (N, 1) -> (N, length)."""
    return (torch.arange(length, device=shift.device) - shift).clamp(0, length - 1)
