"""The network that parts A and B share: from an image to a short vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_lib import arguments, randomness
from course_lib.layers import initialise, quiet_constructors

GRID = 3      # what is left of an image before the linear layer, in rows and in columns


class Embedding(nn.Module):
    """Turn an image into a vector: blocks of convolution, normalisation, ReLU and pooling, then a linear layer.

    Each block halves the image. What is left is averaged to 3 x 3 places, so that the linear layer knows where
    something is, roughly, and images of any size fit. Its output is neither rectified nor normalised.

    channels: 1 gray, 3 colour; widths: channels after each block; dimensions: of the vector; start: a factor on the
    linear layer's first weights. With 0.1 distances begin small beside what one step changes, and losses on distances
    learn much sooner.
    Shapes: images (N, channels, H, W) in [0, 1] -> (N, dimensions); H and W at least 2^blocks.

    >>> network = Embedding()
    >>> sum(weight.numel() for weight in network.parameters())
    97328
    >>> network(torch.zeros(2, 1, 48, 48)).shape, network(torch.zeros(2, 1, 56, 46)).shape
    (torch.Size([2, 64]), torch.Size([2, 64]))
    """

    def __init__(self, *, channels: int = 1, widths: Sequence[int] = (16, 32, 64, 64), dimensions: int = 64,
                 seed: int = 0, start: float = 1.0) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths: expected the channels after each block, such as (16, 32, 64, 64), got none.")
        self.channels, self.dimensions = channels, arguments.positive(dimensions, name="dimensions")
        self.smallest = 2 ** len(widths)                                         # side of which one pixel is left
        with quiet_constructors():
            layers: list[nn.Module] = []
            for inputs, outputs in zip((channels, *widths), widths, strict=False):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
                           nn.MaxPool2d(2)]
            self.features = nn.Sequential(*layers)
            self.pool = nn.AdaptiveAvgPool2d(GRID)
            self.last = nn.Linear(widths[-1] * GRID**2, dimensions)
        initialise(self, randomness.generator(seed, "Embedding"))
        with torch.no_grad():
            self.last.weight.mul_(start)

    def forward(self, images: Tensor) -> Tensor:
        arguments.image_batch(images, channels=self.channels)
        if min(images.shape[2:]) < self.smallest:
            raise ValueError(f"the images: {len(self.features) // 4} blocks, each of which halves an image, need at "
                             f"least {self.smallest} x {self.smallest} pixels, got {tuple(images.shape[2:])}. Enlarge "
                             "them, or take fewer blocks: Embedding(widths=...).")
        return self.last(self.pool(self.features(images)).flatten(1))
