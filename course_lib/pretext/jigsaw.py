"""Jigsaw: a picture is cut into nine tiles, they are put into another order, and a network says which order it was.

    L = - log F_p( f(tile_s_p(1)), ..., f(tile_s_p(9)) ),    s_p: the p-th order of a set

The tower f sees one tile at a time (a *context-free* network), so that it has to recognise parts of things, not edges
that continue. The set of orders should hold none that are nearly the same: see `permutations`. Shortcuts are closed as
for two patches: each tile is cut at a random place of its cell, so that gaps differ, and is normalised; some pictures
are gray.

Source: M. Noroozi, P. Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", ECCV 2016;
details as in the authors' and in a PyTorch port (cells of 85, tiles of 64 pixels, three in ten pictures gray).

Deviations: sizes are parameters; the default set is the 72 orders of `permutations.affine`, not 1000 that were
searched. Colours are not jittered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib import arguments, devices
from course_lib.data.readers import Labelled
from course_lib.data.sources import Source, pictures, then
from course_lib.fit import Trained, Validate
from course_lib.pretext import permutations, towers
from course_lib.pretext.nin import NIN
from course_lib.pretext.towers import Towers, cut, normalised
from course_lib.pretext.views import in_gray
from course_lib.profiles import Budget

CELLS = 3


@dataclass(frozen=True, eq=False)
class Puzzle:
    """How a picture becomes a puzzle: the size of a cell and of the tile in it, the orders, and the guards.

    The gap between neighbouring tiles is cell - tile in the mean, and any from 0 to twice that.
    """

    cell: int = 14
    tile: int = 10
    orders: Tensor = field(default_factory=permutations.affine)      # (P, 9)
    normalise: bool = True
    gray: float = 0.3

    def __post_init__(self) -> None:
        arguments.positive(self.tile, name="tile")
        if arguments.positive(self.cell, name="cell") < self.tile:
            raise ValueError(f"cell: expected at least the tile's {self.tile} pixels, got {self.cell}.")
        arguments.number(self.gray, name="gray", low=0, high=1)
        arguments.shaped("P 9", whole=True, orders=self.orders)
        if not bool((self.orders.sort(dim=1).values.cpu() == torch.arange(CELLS**2)).all()):
            raise ValueError("orders: expected rows that each hold the numbers 0 to 8 once.")
        object.__setattr__(self, "orders", self.orders.long())

    @property
    def side(self) -> int:
        """The side of a picture that has room for the puzzle."""
        return CELLS * self.cell

    def __call__(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Cut each image into tiles, and put them into a random order of the set.

        Shapes: images (N, C, H, W) -> tiles (N, 9, C, tile, tile) and orders (N,).
        """
        images = arguments.image_batch(images)
        if min(images.shape[2:]) < self.side:
            raise ValueError(f"the images: a puzzle of {CELLS} x {CELLS} cells of {self.cell} pixels needs "
                             f"{self.side} x {self.side}, got {tuple(images.shape[2:])}.")
        at, count = generator.device, len(images)
        shift = torch.randint(self.cell - self.tile + 1, (2, count, CELLS**2), generator=generator, device=at)
        corner = torch.stack([torch.randint(length - self.side + 1, (count,), generator=generator, device=at)
                              for length in images.shape[2:]])                             # (2, N)
        row, column = (torch.arange(CELLS**2, device=at).div(CELLS, rounding_mode="floor"),
                       torch.arange(CELLS**2, device=at) % CELLS)
        top = corner[0][:, None] + self.cell * row + shift[0]
        left = corner[1][:, None] + self.cell * column + shift[1]
        gray = torch.rand(count, generator=generator, device=at) < self.gray
        which = torch.randint(len(self.orders), (count,), generator=generator, device=at)
        order = self.orders.to(at)[which]                                                  # (N, 9)
        top, left, gray, which, order = (devices.sent(part, images.device)
                                         for part in (top.gather(1, order), left.gather(1, order), gray, which, order))
        if images.shape[1] == 3:
            images = torch.where(gray[:, None, None, None], in_gray(images).expand_as(images), images)
        tiles = cut(images, top, left, self.tile)
        return (normalised(tiles) if self.normalise else tiles), which

    def solved(self, tiles: Tensor, which: Tensor) -> Tensor:
        """Put tiles back where they belong, if they were in these orders: (N, 9, ...), (N,) -> (N, 9, ...)."""
        if arguments.tensor(tiles, name="tiles").ndim < 2 or tiles.shape[1] != CELLS**2:
            raise ValueError(f"tiles: expected nine of each picture, (N, 9, ...), got {tuple(tiles.shape)}.")
        which = arguments.whole_labels(which, count=len(tiles), name="which")
        if arguments.reads(which) and not 0 <= int(which.min()) <= int(which.max()) < len(self.orders):
            raise ValueError(f"which: expected numbers of orders, 0 to {len(self.orders) - 1}.")
        order = self.orders.to(tiles.device)[which.to(tiles.device)]
        back = order.argsort(dim=1)
        return tiles[torch.arange(len(tiles), device=tiles.device)[:, None], back]


def network(backbone: NIN, puzzle: Puzzle, *, block: int = 2, seed: int = 0) -> Towers:
    """Build the context-free network: nine towers of the first blocks of a backbone."""
    return towers.of_blocks(backbone, block=block, size=puzzle.tile, count=CELLS**2, outputs=len(puzzle.orders),
                            seed=seed)


def puzzles(images: Tensor, puzzle: Puzzle) -> Source:
    """Choose random pictures and make puzzles of them: a batch of N gives (N, 9, C, tile, tile) and orders (N,)."""
    return then(pictures(images), puzzle)


def train(images: Labelled | Tensor, *, budget: Budget, seed: int, puzzle: Puzzle | None = None,
          model: nn.Module | None = None, validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a network to solve puzzles; `model.tower` is what is used afterwards. Raises ValueError in several
    processes."""
    images = images.images if isinstance(images, Labelled) else images
    puzzle = puzzle or Puzzle()
    if model is None:
        model = network(NIN(channels=images.shape[1], seed=seed), puzzle, seed=seed)
    return towers.train(puzzles(images, puzzle), model=model, budget=budget, seed=seed, validate=validate,
                        checkpoint=checkpoint)
