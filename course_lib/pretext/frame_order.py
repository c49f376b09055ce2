"""Frame order: a network sees two frames of a film and says which came first.

    L = - log F_o( f(frame_1), f(frame_2) ),    o = 0 if frame_1 was first, 1 if frame_2 was

Things on a belt move one way, so whoever finds the same thing in both frames can tell. The label costs nothing: films
know the order of their frames. Two towers see one frame each, as for two patches of a picture.

Shortcut: anything that changes with time on its own, such as light that fades or a counter in a corner, tells the order
without a look at the things.

Source: I. Misra, C. Zitnick, M. Hebert, "Shuffle and Learn: Unsupervised Learning Using Temporal Order Verification",
ECCV 2016; G. Boracchi, "Departing From Supervised Learning", 2025, which frame came first.

Deviations: two frames instead of three, and their order instead of whether it is right.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib import arguments, deterministic, devices
from course_lib.data.sorting import Frames
from course_lib.data.sources import Source, pictures, then
from course_lib.fit import Trained
from course_lib.networks import Encoder
from course_lib.pretext import towers
from course_lib.pretext.towers import Towers
from course_lib.profiles import Budget


def neighbours(film: Frames, *, apart: int = 1) -> Tensor:
    """List pairs of frames of one sequence that are so many frames apart, the earlier one first.

    Shapes: -> uint8 (P, 2 C, H, W), the two frames one behind the other. Raises ValueError where no sequence is as
    long.
    """
    arguments.positive(apart, name="apart")
    found = [torch.cat([mine[:-apart], mine[apart:]], dim=1)
             for sequence in film.sequences.unique() if len(mine := film.images[film.sequences == sequence]) > apart]
    if not found:
        raise ValueError(f"apart: no sequence has two frames that are {apart} apart.")
    return torch.cat(found)


def shuffled(pairs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Exchange the frames of half of the pairs: (N, 2 C, H, W) -> frames (N, 2, C, H, W) and which came first (N,)."""
    if arguments.image_batch(pairs, name="pairs").shape[1] % 2:
        raise ValueError(f"pairs: expected two frames one behind the other, (N, 2 C, H, W), got {tuple(pairs.shape)}.")
    exchanged = torch.rand(len(pairs), generator=generator, device=generator.device) < 0.5
    exchanged = devices.sent(exchanged, pairs.device)
    frames = pairs.unflatten(1, (2, pairs.shape[1] // 2))
    return torch.where(exchanged[:, None, None, None, None], frames.flip(1), frames), exchanged.long()


def orders(film: Frames, *, apart: int = 1) -> Source:
    """Choose random pairs of frames in a random order: batch N -> frames (N, 2, C, H, W) and which came first (N,)."""
    return then(pictures(neighbours(film, apart=apart)), shuffled)


class Places(nn.Module):
    """An encoder whose last maps are kept: where a thing is has to be known. (N, C, H, W) -> (N, features)."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return deterministic.averaged(self.encoder.activations(images), 6).flatten(1)


def train(film: Frames, *, budget: Budget, seed: int, apart: int = 1, network: nn.Module | None = None,
          checkpoint: Path | None = None) -> Trained:
    """Train a network to say which of two frames came first. Raises ValueError in several processes."""
    if network is None:
        encoder = Encoder(channels=film.images.shape[1], widths=(16, 32, 32), seed=seed)
        network = Towers(Places(encoder), features=32 * 36, count=2, outputs=2, seed=seed)
    return towers.train(orders(film, apart=apart), model=network, budget=budget, seed=seed, checkpoint=checkpoint)


def accuracy(network: nn.Module, film: Frames, *, apart: int = 1) -> float:
    """Measure how often a network is right, with every pair in both orders."""
    device = devices.home(network, None)
    network.eval()
    pairs = neighbours(film, apart=apart).float().div(255).unflatten(1, (2, film.images.shape[1]))
    right = 0
    with torch.inference_mode():
        for some in pairs.split(128):
            for frames, first in ((some, 0), (some.flip(1), 1)):
                right += int((network(frames.to(device)).argmax(dim=1) == first).sum())
    return right / (2 * len(pairs))
