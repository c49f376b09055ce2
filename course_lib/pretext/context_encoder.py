"""Context encoder: a network fills a hole in a picture, and for that has to understand what is around it.

    L = mean over the hole of (F((1 - M) x) - x)^2        (equation 1)

M is the mask of the hole, 1 inside. The mean colour fills it in the input. An encoder makes the picture small, a fully
connected layer for each channel lets every place know of every other (*channel-wise*: m n^4 weights instead of m^2 n^4,
with m maps of n x n), and a decoder draws the hole. With a hole that is always in the middle a network learns where it
is; random blocks are the better task for features.

A hole has many plausible fillings, and the mean of all is the best answer to a squared error: it is blurred.

Source: D. Pathak, P. Krähenbühl, J. Donahue, T. Darrell, A. Efros, "Context Encoders: Feature Learning by Inpainting",
CVPR 2016; sizes as in the authors' code.

Deviations: there is no adversarial loss, as in the paper's own networks for features. `width` is 64 in the paper.
Random regions are rectangles, not the paper's arbitrary shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib import arguments, devices, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Source, pictures, then
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.optimisers import AdamW
from course_lib.profiles import Budget

Masked = tuple[Tensor, Tensor, Tensor]     # the picture with its hole, the picture, the mask


@dataclass(frozen=True)
class Hole:
    """Where holes are: one in the middle, or some rectangles at random places.

    share: of the side that a hole in the middle has, and of the area that random ones cover together, at most.
    """

    share: float = 0.5
    random: bool = False
    blocks: int = 3

    def __post_init__(self) -> None:
        arguments.number(self.share, name="share", low=0, high=0.9)
        arguments.positive(self.blocks, name="blocks")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Masked:
        """Make a hole in each image: (N, C, H, W) -> the holey image, the image, and the mask (N, 1, H, W)."""
        images = arguments.image_batch(images)
        mask = self.mask(images.shape, generator)
        mask = devices.sent(mask, images.device).to(images)
        mean = images.mean(dim=(2, 3), keepdim=True)
        return images * (1 - mask) + mean * mask, images, mask

    def mask(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draw masks (N, 1, H, W), True in the holes."""
        count, _, height, width = shape
        down, right = torch.arange(height)[:, None], torch.arange(width)
        if not self.random:
            h, w = round(height * self.share), round(width * self.share)
            top, left = (height - h) // 2, (width - w) // 2
            inside = (down >= top) & (down < top + h) & (right >= left) & (right < left + w)
            return inside.expand(count, 1, -1, -1)
        side = (self.share / self.blocks) ** 0.5
        at = torch.rand(count, self.blocks, 2, generator=generator, device=generator.device).cpu()
        top = (at[..., 0] * height * (1 - side)).long()[:, :, None, None]
        left = (at[..., 1] * width * (1 - side)).long()[:, :, None, None]
        inside = ((down >= top) & (down < top + round(side * height))
                  & (right >= left) & (right < left + round(side * width)))               # (N, blocks, H, W)
        return inside.any(dim=1, keepdim=True)


class ChannelWise(nn.Module):
    """A fully connected layer within each channel: (N, C, h, w) -> (N, C, h, w). Channels do not meet here.

    >>> sum(weight.numel() for weight in ChannelWise(2, 3).parameters())           # m n^4
    162
    """

    def __init__(self, channels: int, side: int, *, seed: int = 0) -> None:
        super().__init__()
        arguments.positive(channels, name="channels")
        places = arguments.positive(side, name="side") ** 2
        self.side, self.weight = side, nn.Parameter(torch.empty(channels, places, places))
        with torch.no_grad():
            self.weight.normal_(0, places**-0.5, generator=randomness.generator(seed, "ChannelWise"))

    def forward(self, x: Tensor) -> Tensor:
        x = arguments.image_batch(x, channels=len(self.weight), name="x", like=self)
        if x.shape[2:] != (self.side, self.side):
            raise ValueError(f"x: expected maps of {self.side} x {self.side}, got {tuple(x.shape)}.")
        return torch.einsum("ncp,cqp->ncq", x.flatten(2), self.weight).reshape(x.shape)


class ContextEncoder(nn.Module):
    """Convolutions that halve the picture, a fully connected layer for each channel, and their mirror image.

    size: side of the pictures, a power of two; width: channels after the first layer; layers: how often the picture is
    halved. `features` is what the encoder gives.
    Shapes: images (N, C, size, size) -> (N, C, size, size).

    >>> ContextEncoder(size=32, width=8)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(self, *, size: int = 32, channels: int = 3, width: int = 64, layers: int = 3, seed: int = 0) -> None:
        super().__init__()
        if arguments.positive(size, name="size") % 2 ** arguments.positive(layers, name="layers"):
            raise ValueError(f"size: expected a multiple of {2**layers}, since {layers} layers halve it, got {size}.")
        self.channels, self.size = channels, size
        widths = [width * min(2**layer, 8) for layer in range(layers)]
        with quiet_constructors():
            down: list[nn.Module] = []
            for inputs, outputs in zip([channels, *widths], widths, strict=False):
                down += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs),
                         nn.LeakyReLU(0.2)]
            up: list[nn.Module] = []
            for inputs, outputs in zip(widths[::-1], [*widths[-2::-1], channels], strict=True):
                up.append(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
                up += [nn.BatchNorm2d(outputs), nn.ReLU()] if outputs != channels else []
            self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up)
        initialise(self, randomness.generator(seed, "ContextEncoder"))
        self.middle = ChannelWise(widths[-1], size // 2**layers, seed=seed)
        with quiet_constructors():
            self.propagate = nn.Conv2d(widths[-1], widths[-1], 1)
        initialise(self.propagate, randomness.generator(seed, "ContextEncoder", "propagate"))

    def features(self, images: Tensor) -> Tensor:
        """Return what the encoder gives: (N, C, H, W) -> (N, width 2^(layers - 1), H / 2^layers, W / 2^layers)."""
        images = arguments.image_batch(images, channels=self.channels, like=self)
        if images.shape[2:] != (self.size, self.size):
            raise ValueError(f"the images: expected {self.size} x {self.size} pixels, for which the network was built, "
                             f"got {tuple(images.shape[2:])}.")
        return self.encoder(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.propagate(self.middle(self.features(images)).relu()).relu())


def filled(network: nn.Module, holey: Tensor, mask: Tensor) -> Tensor:
    """Let a network fill the holes; what was known stays as it is, bit for bit.

    Shapes: holey (N, C, H, W), mask (N, 1, H, W) -> (N, C, H, W).
    """
    _check_holes(holey, mask)
    with torch.inference_mode():
        return torch.where(mask > 0, network(holey.to(devices.home(network, None))).float().to(holey.device), holey)


def loss(estimate: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean squared error in the holes. Shapes: (N, C, H, W), (N, C, H, W), (N, 1, H, W) -> a scalar."""
    arguments.same_shape(estimate, images, letters="N C H W")
    arguments.image_batch(estimate, name="estimate")
    _check_holes(images, mask)
    return ((estimate - images) ** 2 * mask).sum() / (mask.sum() * images.shape[1]).clamp(min=1)


def _check_holes(images: Tensor, mask: Tensor) -> None:
    arguments.image_batch(images)
    if arguments.tensor(mask, name="mask").shape != (len(images), 1, *images.shape[2:]):
        raise ValueError(f"mask: expected (N, 1, H, W) of images {tuple(images.shape)}, got {tuple(mask.shape)}.")
    if mask.dtype != torch.bool:
        arguments.image_batch(mask, name="mask")


def holes(images: Tensor, hole: Hole) -> Source:
    """Choose random pictures and make holes in them: a batch of N gives the three of `Hole`."""
    return then(pictures(images), hole)


def train(images: Labelled | Tensor, *, budget: Budget, seed: int, hole: Hole | None = None,
          network: nn.Module | None = None, validate: Validate | None = None,
          checkpoint: Path | None = None) -> Trained:
    """Train a network to fill holes; labels of a labelled set are not looked at. Raises ValueError in several
    processes."""
    one_process()
    images = images.images if isinstance(images, Labelled) else images
    if network is None:
        network = ContextEncoder(size=images.shape[-1], channels=images.shape[1], seed=seed)
    network = network.to(profiles.device())

    def step(model: nn.Module, batch: Masked, progress: Progress) -> Tensor:
        holey, whole, mask = batch
        return loss(model(holey).float(), whole, mask)

    history = fit(network, holes(images, hole or Hole(random=True)), step, budget=budget, seed=seed,
                  optimiser=AdamW(lr=2e-3, weight_decay=1e-4), validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)
