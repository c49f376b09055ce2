"""FFDNet beside DnCNN, both at the papers' sizes and as the library runs them: an image, and a training step."""

from __future__ import annotations

import torch

from benchmarks.side_by_side import Comparison, compare
from course_lib import profiles, randomness
from course_lib.denoise import dncnn, ffdnet, known_level
from course_lib.fit import fit
from course_lib.noise import Gaussian
from course_lib.optimisers import AdamW
from course_lib.profiles import Budget

SIGMA = 25 / 255
SIDE = 256
STEPS, BATCH, PATCH = 2, 8, 40


def multiplications(network: torch.nn.Module, positions: float) -> int:
    """For each pixel of the image: the weights of the convolutions, times their positions for each pixel.

    >>> multiplications(dncnn.DnCNN(), 1), multiplications(ffdnet.FFDNet(), 1 / 4)
    (554112, 121104)
    """
    return int(positions * sum(weight.numel() for weight in network.parameters() if weight.ndim == 4))


@torch.inference_mode()
def image() -> Comparison:
    """A gray image of 256 x 256 pixels through both networks, in float32, in eval mode."""
    where = profiles.device()
    told, blind = ffdnet.FFDNet().eval().to(where), dncnn.DnCNN().eval().to(where)
    z = torch.rand(1, 1, SIDE, SIDE, generator=randomness.generator(0)).to(where)
    count = multiplications(blind, 1) / multiplications(told, 1 / 4)
    return compare(f"FFDNet on an image, {count:.1f} times fewer multiplications",
                   lambda: told(z, sigma=SIGMA).sum().item(), lambda: blind(z).sum().item(),
                   peer="DnCNN-17 in float32", wanted=4.0)


def training_step() -> Comparison:
    """Training steps on the same patches, both by `fit` as it comes: the same precision, layout and optimiser."""
    where = profiles.device()
    y = torch.rand(BATCH, 1, PATCH, PATCH, generator=randomness.generator(0))
    level = torch.full((BATCH, 1, 1, 1), SIGMA)
    z = Gaussian(level)(y, generator=randomness.generator(1))
    told, blind = ffdnet.FFDNet().to(where), dncnn.DnCNN().to(where)
    budget = Budget(STEPS, BATCH)

    def ours() -> None:
        fit(told, lambda n, generator: (z, level, y), known_level.step, budget=budget, seed=0, optimiser=AdamW(lr=1e-3))

    def peer() -> None:
        fit(blind, lambda n, generator: (z, y), dncnn.step, budget=budget, seed=0, optimiser=AdamW(lr=1e-3))

    return compare("training step of FFDNet", ours, peer, peer="DnCNN-17 with batch norm, by the same loop", wanted=3.5)


COMPARISONS = (image, training_step)
