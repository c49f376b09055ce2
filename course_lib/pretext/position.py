"""Relative position: a network sees two patches of a picture, and says where the second lies, seen from the first.

    L = - log F_p( f(patch_1), f(patch_2) ),    p in {0, ..., 7}: the eight places around a patch, row by row

Who knows that wheels are below windows can tell; so the network has to learn what wheels and windows look like. It
would rather take a *shortcut*, though, and each guard here closes one:

- a line that goes on from one patch into the next: a gap between the patches, and a random shift of each;
- brightness and contrast, which change slowly over a picture: each patch is normalised;
- the lens, which bends colours apart towards the edges of a picture, so that the colours of a patch say where in the
  picture it is: colours are dropped (two random channels become noise) or projected (the axis from green to magenta is
  removed).

Source: C. Doersch, A. Gupta, A. Efros, "Unsupervised Visual Representation Learning by Context Prediction", ICCV 2015:
patches of 96 pixels, a gap of 48, a shift of up to 7; colour handling as in the paper and the authors' code.

Deviations: the sizes are parameters; the two replaced channels are Gaussian noise with a hundredth of the kept
channel's deviation, as in the paper (the code: uniform noise). Patches are not shrunk and enlarged. The networks are
`towers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from course_lib import arguments, devices
from course_lib.data.readers import Labelled
from course_lib.data.sources import Source, pictures, then
from course_lib.fit import Trained, Validate
from course_lib.pretext import towers
from course_lib.pretext.nin import NIN
from course_lib.pretext.towers import Towers, cut, normalised
from course_lib.profiles import Budget

PLACES = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))      # rows and columns from the first
GREEN_MAGENTA = (-1.0, 2.0, -1.0)
Colour = Literal["kept", "dropped", "projected"]


@dataclass(frozen=True)
class Patches:
    """How two patches are cut out of a picture: their size, the gap between them, and the guards against shortcuts.

    jitter: each patch is shifted by up to so many pixels in each direction. The gap that is left is at least
    gap - 2 jitter.
    """

    size: int = 12
    gap: int = 6
    jitter: int = 2
    colour: Colour = "projected"
    normalise: bool = True

    def __post_init__(self) -> None:
        arguments.positive(self.size, name="size")
        arguments.one_of(self.colour, get_args(Colour), what="colour handling")
        for name in ("gap", "jitter"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name}: expected a whole number of pixels from 0, got {value!r}.")

    @property
    def reach(self) -> int:
        """The smallest side of a picture that has room for two neighbours."""
        return 2 * self.size + self.gap + 2 * self.jitter

    def __call__(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Cut two neighbours out of each image, and use them in both orders.

        Shapes: images (N, C, H, W) -> patches (2N, 2, C, size, size) and places (2N,); row N + n is row n with the two
        exchanged, and its place is 7 minus that of row n.
        """
        images = arguments.image_batch(images)
        if min(images.shape[2:]) < self.reach:
            raise ValueError(f"the images: two patches of {self.size} pixels with a gap of {self.gap} and a shift of "
                             f"{self.jitter} need {self.reach} x {self.reach}, got {tuple(images.shape[2:])}.")
        top, left, place = self.places(images.shape, generator)
        top, left, place = (devices.sent(part, images.device) for part in (top, left, place))
        patches = cut(images, top, left, self.size)                                  # (N, 2, C, size, size)
        patches = self.guarded(patches, generator)
        return torch.cat([patches, patches.flip(1)]), torch.cat([place, 7 - place])

    def places(self, shape: torch.Size, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Choose where the patches lie: rows and columns (N, 2) and which place the second has (N,)."""
        count, _, height, width = shape
        at = generator.device
        place = torch.randint(8, (count,), generator=generator, device=at)
        steps = torch.tensor(PLACES, device=at)[place]                                  # (N, 2)
        shift = torch.randint(-self.jitter, self.jitter + 1, (count, 2, 2), generator=generator, device=at)
        corners = []
        for axis, length in ((0, height), (1, width)):
            step = steps[:, axis]
            away = step * (self.size + self.gap)
            low = self.jitter - away.clamp(max=0)
            high = length - self.size - self.jitter - away.clamp(min=0)
            first = low + (torch.rand(count, generator=generator, device=at) * (high - low + 1)).long()
            corners.append(torch.stack([first, first + away], dim=1) + shift[:, axis])
        return corners[0], corners[1], place

    def guarded(self, patches: Tensor, generator: torch.Generator) -> Tensor:
        """Take from patches (N, T, C, h, w) what gives their places away."""
        arguments.tiles(patches, name="patches")
        if patches.shape[-3] == 3 and self.colour == "projected":
            patches = projected(patches)
        elif patches.shape[-3] == 3 and self.colour == "dropped":
            patches = dropped(patches, generator)
        return normalised(patches) if self.normalise else patches


def projected(images: Tensor) -> Tensor:
    """Remove the axis from green to magenta from the colour of every pixel: x - (x a) a / (a a), a = (-1, 2, -1).

    Shapes: (..., 3, H, W) -> (..., 3, H, W).

    >>> projected(torch.tensor([-1.0, 2.0, -1.0]).reshape(3, 1, 1)).flatten()
    tensor([0., 0., 0.])
    """
    arguments.tiles(images, channels=3, name="images")
    axis = torch.tensor(GREEN_MAGENTA, device=images.device, dtype=images.dtype)
    along = torch.einsum("...chw,c->...hw", images, axis) / axis.square().sum()
    return images - along.unsqueeze(-3) * axis[:, None, None]


def dropped(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Keep one random channel of each patch, and replace the others by faint noise: (N, T, 3, h, w) -> the same."""
    if arguments.tiles(patches, channels=3, name="patches").ndim != 5:
        raise ValueError(f"patches: expected (N, T, 3, h, w), got {tuple(patches.shape)}.")
    count, tiles = patches.shape[:2]
    kept = torch.randint(3, (count, tiles), generator=generator, device=generator.device)
    kept = devices.sent(kept, patches.device)[:, :, None, None, None].expand(-1, -1, 1, *patches.shape[3:])
    channel = patches.gather(2, kept)                                                # (N, T, 1, h, w)
    noise = torch.randn(patches.shape, generator=devices.on(generator, patches.device), device=patches.device)
    deviation = channel.std(dim=(-2, -1), correction=0, keepdim=True)
    noise = channel.mean(dim=(-2, -1), keepdim=True) + noise * deviation / 100
    which = torch.arange(3, device=patches.device)[:, None, None]
    return torch.where(which == kept[:, :, :, :1, :1], channel, noise)


def network(backbone: NIN, patches: Patches, *, block: int = 2, outputs: int = 8, seed: int = 0) -> Towers:
    """Build two towers of the first blocks of a backbone."""
    return towers.of_blocks(backbone, block=block, size=patches.size, count=2, outputs=outputs, seed=seed)


def pairs(images: Tensor, patches: Patches) -> Source:
    """Choose random pictures and two patches of each: a batch of N gives (2N, 2, C, size, size) and places (2N,).

    >>> source = pairs(torch.zeros(4, 3, 40, 40, dtype=torch.uint8), Patches())
    >>> [tuple(part.shape) for part in source(5, torch.Generator().manual_seed(0))]
    [(10, 2, 3, 12, 12), (10,)]
    """
    return then(pictures(images), patches)


def train(images: Labelled | Tensor, *, budget: Budget, seed: int, patches: Patches | None = None,
          model: nn.Module | None = None, validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a network to say where the second of two patches lies; `model.tower` is what is used afterwards.

    budget.batch counts pictures, each of which gives two rows. Raises ValueError in several processes.
    """
    images = images.images if isinstance(images, Labelled) else images
    patches = patches or Patches()
    if model is None:
        model = network(NIN(channels=images.shape[1], seed=seed), patches, seed=seed)
    return towers.train(pairs(images, patches), model=model, budget=budget, seed=seed, validate=validate,
                        checkpoint=checkpoint)
