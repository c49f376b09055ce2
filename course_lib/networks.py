"""The networks that parts A and B share: from an image to a short vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from course_lib import arguments, deterministic, randomness
from course_lib.layers import initialise, quiet_constructors

N = TypeVar("N", bound=nn.Module)
GRID = 3      # what is left of an image before the linear layer of an Embedding, in rows and in columns


class Encoder(nn.Module):
    """An encoder turns an image into features: convolutional blocks, then the mean over places.

    A block is a convolution, normalisation, ReLU and pooling, which halves the image. The mean of each channel of the
    last block is a feature: it says what is somewhere in the image, not where, and is never below zero. Images of any
    size fit.

    channels: 1 gray, 3 colour; widths: channels after each block; the last of them is how many features there are,
    `dimensions`.
    Shapes: images (N, channels, H, W) in [0, 1] -> (N, dimensions); H and W at least 2^blocks. Images of another
    precision are computed in that of the weights.

    >>> network = Encoder(widths=(16, 32))
    >>> sum(weight.numel() for weight in network.parameters()), network.dimensions
    (4848, 32)
    >>> network(torch.zeros(2, 1, 48, 48)).shape, network(torch.zeros(2, 1, 56, 46)).shape
    (torch.Size([2, 32]), torch.Size([2, 32]))
    """

    def __init__(self, *, channels: int = 1, widths: Sequence[int] = (16, 32, 64, 64), seed: int = 0) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths: expected the channels after each block, such as (16, 32, 64, 64), got none.")
        for channels_of_a_layer in (channels, *widths):
            arguments.positive(channels_of_a_layer, name="channels and widths")
        self.channels, self.dimensions = channels, widths[-1]
        self.smallest = 2 ** len(widths)                                         # side of which one pixel is left
        with quiet_constructors():
            layers: list[nn.Module] = []
            for inputs, outputs in zip((channels, *widths), widths, strict=False):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
                           nn.MaxPool2d(2)]
            self.features = nn.Sequential(*layers)
        initialise(self, randomness.generator(seed, "Encoder"))

    def activations(self, images: Tensor) -> Tensor:
        """Return what the last block gives, (N, widths[-1], H / 2^blocks, W / 2^blocks)."""
        images = arguments.image_batch(images, channels=self.channels, like=self)
        if min(images.shape[2:]) < self.smallest:
            raise ValueError(f"the images: {len(self.features) // 4} blocks, each of which halves an image, need at "
                             f"least {self.smallest} x {self.smallest} pixels, got {tuple(images.shape[2:])}. Enlarge "
                             f"them, or take fewer blocks: {type(self).__name__}(widths=...).")
        return self.features(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.activations(images).mean(dim=(2, 3))


class Embedding(Encoder):
    """An embedding turns an image into a vector: blocks of an encoder, averaged to 3 x 3 places, then a linear layer.

    So the linear layer knows where something is, roughly. Its output is neither rectified nor normalised.

    dimensions: of the vector; start: a factor on the linear layer's first weights. With 0.1 distances begin small
    beside what one step changes, and losses on distances learn much sooner.
    Shapes: images (N, channels, H, W) in [0, 1] -> (N, dimensions); H and W at least 2^blocks.

    >>> network = Embedding()
    >>> sum(weight.numel() for weight in network.parameters())
    97328
    >>> network(torch.zeros(2, 1, 48, 48)).shape, network(torch.zeros(2, 1, 56, 46)).shape
    (torch.Size([2, 64]), torch.Size([2, 64]))
    """

    def __init__(self, *, channels: int = 1, widths: Sequence[int] = (16, 32, 64, 64), dimensions: int = 64,
                 seed: int = 0, start: float = 1.0) -> None:
        super().__init__(channels=channels, widths=widths, seed=seed)
        self.dimensions = arguments.positive(dimensions, name="dimensions")
        with quiet_constructors():
            self.last = nn.Linear(widths[-1] * GRID**2, dimensions)
        arguments.number(start, name="start")
        initialise(self.last, randomness.generator(seed, "Embedding"))
        with torch.no_grad():
            self.last.weight.mul_(start)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(deterministic.averaged(self.activations(images), GRID).flatten(1))


def settle(network: N, batches: Iterable[Tensor]) -> N:
    """Let the normalisations of an untrained network see some batches, and return it in eval mode.

    Only their running means and variances change. Without them a network that learnt nothing would be compared with
    statistics that belong to no images, and look worse than it is.
    Shapes: batches of images (N, C, H, W), as the network takes them.

    >>> settle(nn.BatchNorm2d(1), [torch.zeros(2, 1, 4, 4)] * 3).num_batches_tracked
    tensor(3)
    """
    if not isinstance(batches, Iterable) or getattr(batches, "shape", None) == ():
        raise TypeError(f"batches: expected a list of batches of images, or a source of them, got {batches!r:.60}.")
    network.train()
    with torch.no_grad():
        for batch in batches:
            arguments.tensor(batch, name="a batch")
            network(batch)
    return network.eval()
