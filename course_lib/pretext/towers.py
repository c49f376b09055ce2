"""One network for every tile, and a classifier on all their features together: what patch positions and puzzles need.

    scores = g( f(tile_1), ..., f(tile_T) )

f sees one tile at a time, so it cannot compare edges: what it says of a tile it has to read from its content. Only g
sees all tiles. Position takes two tiles, a puzzle nine, the order of two frames two.

Source: C. Doersch, A. Gupta, A. Efros, ICCV 2015 (two towers); M. Noroozi, P. Favaro, ECCV 2016 (the context-free
network, nine).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib import arguments, deterministic, devices, profiles, randomness
from course_lib.data.sources import Source, View
from course_lib.embeddings import as_float
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.optimisers import AdamW
from course_lib.pretext.nin import KERNELS, NIN
from course_lib.profiles import Budget


class Towers(nn.Module):
    """The same network for each tile, then two linear layers on what it says of all of them.

    tower: from tiles (M, C, h, w) to features of any shape, such as a block of NIN (`Tower`); features: how many
    numbers it gives for a tile; count: how many tiles there are; outputs: scores; hidden: units between the two linear
    layers.
    Shapes: tiles (N, count, C, h, w) -> (N, outputs).
    """

    def __init__(self, tower: nn.Module, *, features: int, count: int, outputs: int, hidden: int = 256,
                 seed: int = 0) -> None:
        super().__init__()
        for number, name in ((features, "features"), (count, "count"), (outputs, "outputs"), (hidden, "hidden")):
            arguments.positive(number, name=name)
        self.tower, self.features, self.count = tower, features, count
        with quiet_constructors():
            self.top = nn.Sequential(nn.Linear(features * count, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
                                     nn.Linear(hidden, outputs))
        initialise(self.top, randomness.generator(seed, "Towers"))

    def each(self, tiles: Tensor) -> Tensor:
        """Return what the tower says of each tile: (N, count, C, h, w) -> (N, count, features)."""
        if arguments.tensor(tiles, name="tiles").ndim != 5 or tiles.shape[1] != self.count:
            raise ValueError(f"tiles: expected (N, {self.count}, C, h, w), got {tuple(tiles.shape)}.")
        single = arguments.image_batch(tiles.flatten(0, 1), name="tiles", like=self)
        found = self.tower(single).flatten(1)
        if found.shape[1] != self.features:
            raise ValueError(f"tiles: expected {self.features} features of each, for which the network was built, got "
                             f"{found.shape[1]} of tiles {tuple(tiles.shape[2:])}. Usual cause: tiles of another size.")
        return found.unflatten(0, tiles.shape[:2])

    def forward(self, tiles: Tensor) -> Tensor:
        return self.top(self.each(tiles).flatten(1))


class Tower(nn.Module):
    """The first blocks of NIN as a tower: images (N, C, H, W) -> the features of a block."""

    def __init__(self, network: NIN, *, block: int) -> None:
        super().__init__()
        self.network, self.block = network, block

    def forward(self, images: Tensor) -> Tensor:
        return self.network.features(images, self.block)


def of_blocks(backbone: NIN, *, block: int, size: int, count: int, outputs: int, seed: int = 0) -> Towers:
    """Build towers of the first blocks of a backbone, for tiles (C, size, size).

    >>> of_blocks(NIN(width=12), block=2, size=10, count=2, outputs=8).features          # 12 channels of 3 x 3
    108
    """
    side = size
    for _ in range(min(block, len(KERNELS))):                                 # these blocks halve an image
        side = (side + 1) // 2
    return Towers(Tower(backbone, block=block), features=backbone.widths[block - 1] * side**2, count=count,
                  outputs=outputs, seed=seed)


def train(source: Source, *, model: nn.Module, budget: Budget, seed: int, validate: Validate | None = None,
          checkpoint: Path | None = None) -> Trained:
    """Train a network to name the label of tiles, such as their place or their order.

    source: batches of tiles (N, count, C, h, w) and labels (N,). Raises ValueError in several processes.
    """
    one_process()
    model = model.to(profiles.device())

    def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
        tiles, label = batch
        return deterministic.cross_entropy(model(tiles).float(), label)

    history = fit(model, source, step, budget=budget, seed=seed, validate=validate,
                  optimiser=AdamW(lr=1e-3, weight_decay=1e-4), checkpoint=checkpoint)
    return Trained(model.eval(), history)


def accuracy(model: nn.Module, images: Tensor, view: View, *, generator: torch.Generator, rounds: int = 4) -> float:
    """Measure how often a network names the label rightly that a view gives to tiles, such as their place or order.

    view: `position.Patches` or `jigsaw.Puzzle`; images (N, C, H, W), each of which is cut so many times.
    """
    device, images = devices.home(model, None), as_float(images)
    model.eval()
    right = count = 0
    with torch.inference_mode():
        for _ in range(arguments.positive(rounds, name="rounds")):
            for some in images.split(256):
                tiles, label = view(some, generator)
                right += int((model(tiles.to(device)).argmax(dim=1).cpu() == label.cpu()).sum())
                count += len(label)
    return right / count


def normalised(tiles: Tensor) -> Tensor:
    """Subtract from each tile the mean of each channel, and divide by its deviation; a constant tile becomes zero.

    Without this, brightness and contrast of the tiles give their places away.
    Shapes: (..., C, h, w) -> (..., C, h, w).

    >>> normalised(torch.tensor([[[0.0, 2.0]]]))
    tensor([[[-1.,  1.]]])
    """
    tiles = arguments.tiles(tiles, name="tiles")
    tiles = tiles - tiles.mean(dim=(-2, -1), keepdim=True)
    deviation = tiles.square().mean(dim=(-2, -1), keepdim=True).sqrt()
    return torch.where(deviation > 1e-6, tiles / deviation.clamp(min=1e-6), 0.0)


def cut(images: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
    """Cut tiles out of images, each at its own place: (N, C, H, W), top and left (N, T) -> (N, T, C, size, size).

    >>> ramp = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> cut(ramp, torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), 2).flatten(2).tolist()
    [[[1.0, 2.0, 4.0, 5.0], [3.0, 4.0, 6.0, 7.0]]]
    """
    arguments.image_batch(images)
    arguments.positive(size, name="size")
    if arguments.shaped("N T", whole=True, top=top, left=left)["N"] != len(images):
        raise ValueError(f"top and left: expected a row for each of the {len(images)} images, got {len(top)}.")
    for corner, length, name in ((top, images.shape[2], "top"), (left, images.shape[3], "left")):
        if arguments.reads(corner) and not 0 <= int(corner.min()) <= int(corner.max()) <= length - size:
            raise ValueError(f"{name}: expected places from 0 to {length - size}, where a tile of {size} pixels fits "
                             f"into {length}, got {int(corner.min())} to {int(corner.max())}.")
    top, left = top.long(), left.long()
    windows = images.unfold(2, size, 1).unfold(3, size, 1)                    # (N, C, H', W', size, size), a view
    which = torch.arange(len(images), device=images.device)[:, None].expand_as(top)
    return windows.movedim(1, 3)[which, top, left]
