"""DnCNN: a training step at the library's defaults, and the supply of its patches, each beside the common way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.side_by_side import Comparison, compare
from course_lib import data, profiles, randomness
from course_lib.data.photographs import PHOTOGRAPHS, locate
from course_lib.denoise import dncnn
from course_lib.fit import fit
from course_lib.noise import Gaussian
from course_lib.optimisers import Muon
from course_lib.profiles import Budget

SIGMA = 25 / 255
STEPS, BATCH, PATCH = 4, 16, 40


def training_step() -> Comparison:
    """Several steps of DnCNN-17 at full width: ours with the method's own defaults (Muon, averaged weights, precision
    by hardware), the peer's in float32, NCHW, with Adam."""
    batch = data.noisy(Gaussian(SIGMA))(torch.rand(BATCH, 1, PATCH, PATCH), randomness.generator(0))
    ours = dncnn.DnCNN().to(profiles.device())
    plain = dncnn.DnCNN().to(profiles.device())
    adam = torch.optim.Adam(plain.parameters(), lr=1e-3)
    z, y = (leaf.to(profiles.device()) for leaf in batch)

    def peer() -> None:
        plain.train()
        for _ in range(STEPS):
            adam.zero_grad()
            loss = nn.functional.mse_loss(plain(z), y)
            loss.backward()
            adam.step()
            loss.item()

    def fitted() -> None:
        fit(ours, lambda n, generator: (z, y), dncnn.step, budget=Budget(STEPS, BATCH), seed=0,
            optimiser=Muon(), ema=0.99)

    return compare("training step of DnCNN-17", fitted, peer, peer="a plain float32 NCHW loop", wanted=2.0)


class DecodingDataset(Dataset):
    """The common way: each item opens and decodes its picture, crops a patch, flips it and adds noise."""

    def __init__(self, read: list[Callable[[], Image.Image]], length: int) -> None:
        self.read, self.length = read, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        draw = np.random.default_rng(item)
        pixels = np.asarray(self.read[item % len(self.read)]().convert("L"))
        top, left = (draw.integers(side - PATCH + 1) for side in pixels.shape)
        patch = np.rot90(pixels[top : top + PATCH, left : left + PATCH], draw.integers(4))
        y = torch.from_numpy(np.ascontiguousarray(patch[:, ::-1] if draw.integers(2) else patch)).float()[None] / 255
        return y + SIGMA * torch.randn(y.shape), y


def patch_supply() -> Comparison:
    """A thousand noisy patches of the field's training set where it is there, else of the bundled photographs."""
    folder = data.find("Train400")
    if folder is not None:
        pictures = data.load("Train400")
        paths = [folder / name for name in data.SETS["Train400"].hashes]
    else:
        pictures = data.photographs("train")
        paths = [locate(photograph) for photograph in PHOTOGRAPHS if photograph.split == "train"]
    loader = DataLoader(DecodingDataset([lambda path=path: Image.open(path) for path in paths], 1024), batch_size=64)
    source = data.then(data.patches(pictures, size=PATCH), data.noisy(Gaussian(SIGMA)))
    generator = randomness.generator(0)
    name = f"patches of {'Train400' if folder is not None else 'the bundled photographs'}"
    return compare(name, lambda: [source(64, generator) for _ in range(16)], lambda: [None for _ in loader],
                   peer="a data set that decodes a picture for each patch", wanted=12.0)


COMPARISONS = (training_step, patch_supply)
