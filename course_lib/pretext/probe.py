"""Probes: how much of what a label asks for is in the features of a network that never saw a label.

A small classifier, the head, is trained on the features of one block. As long as the network below stays as it is, what
the head finds was there. Three heads ask with more and more effort: a linear layer; two hidden layers; convolutions,
which may also use where something is. Fine-tuning trains the network below as well: then it is a start, not a probe.
Whatever a number is compared with, a network with random weights above all, gets the same head and the same training.

Source: S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations", ICLR
2018, section 4.1 and the authors' code: heads and schedule.

Deviations: the schedule is theirs in shares of the training; `few` takes the first labels of each class, as they do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from course_lib import arguments, deterministic, devices, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation, Source, pictures, then
from course_lib.embeddings import as_float
from course_lib.fit import Progress, Trained, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.metric.batches import check_labelled
from course_lib.optimisers import SGD, steps_down
from course_lib.profiles import Budget

Head = Literal["linear", "non-linear", "convolutional"]
HIDDEN = 20      # units of a hidden layer for each class
PAPERS_SCHEDULE = steps_down(at=(0.35, 0.7, 0.85), by=0.2)


class Probe(nn.Module):
    """A head on the features of one block of a network: images -> a score for each class.

    tuned: whether the network below is trained, too; otherwise it stays as it is, running statistics included. size:
    (C, H, W) of the only images that the head takes, None for any.
    Shapes: images (N, C, H, W) -> (N, classes).
    """

    def __init__(self, trunk: nn.Module, block: int, head: nn.Module, *, tuned: bool = False,
                 size: tuple[int, int, int] | None = None) -> None:
        super().__init__()
        self.trunk, self.block, self.head, self.tuned = trunk, block, head, tuned
        self.size = None if size is None else tuple(size)

    def train(self, mode: bool = True) -> Probe:
        super().train(mode)
        if not self.tuned:
            self.trunk.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        arguments.image_batch(images)
        if self.size is not None and tuple(images.shape[1:]) != self.size:
            raise ValueError(f"the images: expected (N, {', '.join(map(str, self.size))}), the size that the head was "
                             f"built for, got {tuple(images.shape)}.")
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tuned):
            features = self.trunk.features(images, self.block)      # type: ignore[operator]
        return self.head(features)


def probe(trunk: nn.Module, *, block: int, classes: int, size: tuple[int, int, int], head: Head = "non-linear",
          tuned: bool = False, seed: int = 0) -> Probe:
    """Put a head on a block of a network.

    size: (C, H, W) of an image, from which the number of features follows; head: "linear", "non-linear" (two hidden
    layers with normalisation and ReLU) or "convolutional" (a block as in NIN, averaged over all places, and a linear
    layer).
    """
    arguments.one_of(head, get_args(Head), what="head")
    arguments.positive(classes, name="classes")
    device = devices.home(trunk, None)
    was_training = trunk.training
    with torch.inference_mode():
        shape = trunk.eval().features(torch.zeros(1, *size, device=device), block).shape[1:]    # type: ignore[operator]
    trunk.train(was_training)
    with quiet_constructors():
        layers = _layers(head, shape, classes)
    initialise(layers, randomness.generator(seed, "probe"))
    return Probe(trunk, block, layers.to(device) if device else layers, tuned=tuned,
                 size=None if head == "convolutional" else size)


def _layers(head: Head, shape: torch.Size, classes: int) -> nn.Sequential:
    channels, count = shape[0], shape.numel()
    if head == "linear":
        return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(count, affine=False), nn.Linear(count, classes))
    if head == "non-linear":
        hidden = HIDDEN * classes
        return nn.Sequential(nn.Flatten(), nn.Linear(count, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
                             nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
                             nn.Linear(hidden, classes))
    layers: list[nn.Module] = []
    for kernel in (3, 1, 1):
        layers += [nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(channels),
                   nn.ReLU()]
    return nn.Sequential(*layers, Mean(), nn.Linear(channels, classes))


class Mean(nn.Module):
    """The mean of each channel over all places: (N, C, H, W) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        arguments.image_batch(x, name="features", values=False)
        return x.mean(dim=(2, 3))


def labelled(images: Labelled, *, view: Augmentation | None = None) -> Source:
    """Choose random pictures with their labels: batch N -> (N, C, H, W) in [0, 1] and (N,)."""
    check_labelled(images)
    source = pictures(images.images, images.labels)
    return source if view is None else then(source, lambda batch, generator: (view(batch[0], generator), batch[1]))


def train(model: nn.Module, images: Labelled, *, budget: Budget, seed: int, view: Augmentation | None = None,
          rate: float = 0.1, checkpoint: Path | None = None) -> Trained:
    """Train a head, or any classifier, on labelled pictures. Raises ValueError in several processes."""
    one_process()
    model = model.to(profiles.device())

    def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
        pictures, label = batch
        return deterministic.cross_entropy(model(pictures).float(), label)

    history = fit(model, labelled(images, view=view), step, budget=budget, seed=seed, schedule=PAPERS_SCHEDULE,
                  optimiser=SGD(lr=rate, momentum=0.9, weight_decay=5e-4, nesterov=True), checkpoint=checkpoint)
    return Trained(model.eval(), history)


def accuracy(model: nn.Module, images: Labelled, *, batch: int = 256) -> float:
    """Measure the share of pictures whose label gets the largest score."""
    check_labelled(images)
    arguments.positive(batch, name="batch")
    device = devices.home(model, None)
    model.eval()
    right = 0
    with torch.inference_mode():
        for some, wanted in zip(images.images.split(batch), images.labels.split(batch), strict=True):
            right += int((model(as_float(some).to(device)).argmax(dim=1).cpu() == wanted.cpu()).sum())
    return right / len(images.labels)


def few(images: Labelled, each: int) -> Labelled:
    """Take the first pictures of each class, so many of each.

    >>> images = torch.zeros(6, 1, 2, 2, dtype=torch.uint8)
    >>> few(Labelled(images, torch.tensor([0, 0, 0, 1, 1, 1]), ("a", "b")), 2).labels.tolist()
    [0, 0, 1, 1]
    """
    check_labelled(images)
    arguments.positive(each, name="each")
    kept = [(images.labels == kind).nonzero().flatten()[:each] for kind in range(len(images.names))]
    if short := [name for name, mine in zip(images.names, kept, strict=True) if len(mine) < each]:
        raise ValueError(f"each: expected at most as many pictures as every class has, and {short[0]} has fewer than "
                         f"{each}.")
    chosen = torch.cat(kept)
    return Labelled(images.images[chosen], images.labels[chosen], images.names)
