"""Network in Network: the backbone of RotNet, in blocks whose features can be looked at one by one.

    block = convolution k x k, two convolutions 1 x 1, each with batch normalisation and ReLU, then pooling

The two 1 x 1 convolutions are a small network for each pixel, hence the name. Block 1 has 5 x 5 kernels and
max-pooling, block 2 has 5 x 5 and average pooling, all later ones 3 x 3 without pooling. After the last block each
channel is averaged over all places, and a linear layer gives the scores.

Source: M. Lin, Q. Chen, S. Yan, "Network In Network", ICLR 2014; layers, widths and first weights as in the code of
S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations", ICLR 2018.

Deviations: images are not standardised with the mean and deviation of their set; the first normalisation does that up
to the frame of zeros around an image. `width` is 192 in the paper; lectures take less.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_lib import arguments, randomness
from course_lib.layers import initialise, quiet_constructors

KERNELS = (5, 5)     # of blocks 1 and 2; 3 from then on


class NIN(nn.Module):
    """Blocks of a convolution and a small network for each pixel, averaged over all places, and a linear layer.

    blocks: how many, 3 for a supervised network, 4 for RotNet; outputs: scores; width: channels of all layers, but for
    the last two of block 1, which have 5/6 and 1/2 of it. `dimensions` is the number of features of the last block.
    Shapes: images (N, channels, H, W) in [0, 1] -> (N, outputs).

    >>> network = NIN()
    >>> [tuple(network.features(torch.zeros(1, 3, 32, 32), block).shape) for block in (1, 2, 3)]
    [(1, 96, 16, 16), (1, 192, 8, 8), (1, 192, 8, 8)]
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 4])
    """

    def __init__(self, *, blocks: int = 4, outputs: int = 4, channels: int = 3, width: int = 192,
                 seed: int = 0) -> None:
        super().__init__()
        for count, name in ((blocks, "blocks"), (outputs, "outputs"), (channels, "channels"), (width, "width")):
            arguments.positive(count, name=name)
        self.channels, self.dimensions = channels, width
        self.widths = [width // 2 if block == 0 and blocks > 1 else width for block in range(blocks)]
        with quiet_constructors():
            self.blocks = nn.ModuleList()
            inputs = channels
            for block in range(blocks):
                last = self.widths[block]
                middle = width * 5 // 6 if last < width else width
                kernel = KERNELS[block] if block < len(KERNELS) else 3
                layers: list[nn.Module] = [_unit(inputs, width, kernel), _unit(width, middle, 1),
                                           _unit(middle, last, 1)]
                if block < len(KERNELS):
                    pool = nn.MaxPool2d if block == 0 else nn.AvgPool2d
                    layers.append(pool(3, stride=2, padding=1))
                self.blocks.append(nn.Sequential(*layers))
                inputs = last
            self.last = nn.Linear(inputs, outputs)
        initialise(self, randomness.generator(seed, "NIN"), fan_out_normal)

    def features(self, images: Tensor, block: int) -> Tensor:
        """Return what a block gives, counted from 1: (N, width, H / 4, W / 4) from the second one on."""
        if block not in range(1, len(self.blocks) + 1):
            raise ValueError(f"block: expected a number from 1 to {len(self.blocks)}, got {block!r}.")
        images = arguments.image_batch(images, channels=self.channels, like=self)
        for layers in self.blocks[:block]:
            images = layers(images)
        return images

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.features(images, len(self.blocks)).mean(dim=(2, 3)))


def fan_out_normal(weight: Tensor, generator: torch.Generator) -> None:
    """Fill a kernel with N(0, 2 / fan_out), which keeps the variance of gradients constant over the depth.

    >>> w = torch.empty(64, 16, 3, 3)
    >>> fan_out_normal(w, torch.Generator().manual_seed(0))
    >>> abs(float(w.std()) / math.sqrt(2 / 576) - 1) < 0.02
    True
    """
    fan_out = weight.shape[0] * math.prod(weight.shape[2:])
    with torch.no_grad():
        weight.normal_(0.0, math.sqrt(2 / fan_out), generator=generator)


def _unit(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs),
                         nn.ReLU())
