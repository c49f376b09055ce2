"""How the claims test embeddings on people and characters that nobody was trained on: their pictures and the start."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib import randomness
from course_lib.data.readers import Labelled
from course_lib.metric.batches import jitter

START = 0.1                                                 # how large the trunk's last weights begin, for all alike
STROKES = jitter(shift=2, brightness=0.0, turn=12.0)        # how drawings of 35 pixels vary


def strokes(of: Labelled) -> Labelled:
    """Turn drawings white on black, a third as large."""
    return smaller(Labelled(255 - of.images, of.labels, of.names), 3)


def drawings(images: Tensor) -> Tensor:
    """Turn pictures (N, 1, H, W) of black drawings into what `strokes` makes."""
    return strokes(Labelled(images, torch.arange(len(images)), ())).images


def smaller(of: Labelled, factor: int) -> Labelled:
    """Average each square of so many pixels into one."""
    averaged = torch.nn.functional.avg_pool2d(of.images.float(), factor)
    return Labelled(averaged.round().byte(), of.labels, of.names)


def with_turned(of: Labelled) -> Labelled:
    """Add the turned copies of characters as characters of their own: four times as many to learn from."""
    turns = (0, 1, 2, 3)
    return Labelled(torch.cat([of.images.rot90(turn, (2, 3)) for turn in turns]),
                    torch.cat([of.labels + turn * len(of.names) for turn in turns]),
                    tuple(f"{name}, turned {90 * turn}" for turn in turns for name in of.names))


def of_people(everybody: Labelled, chosen: Tensor) -> Labelled:
    """Select the pictures of some people, in the order in which they are named."""
    index = torch.cat([(everybody.labels == who).nonzero().flatten() for who in chosen])
    return Labelled(everybody.images[index], torch.searchsorted(chosen.sort().values, everybody.labels[index]),
                    tuple(everybody.names[who] for who in chosen.sort().values))


def seen_through(view: jitter, of: Labelled, seed: int) -> Labelled:
    """Augment every picture once, as 8-bit pixels again: what another camera would have sent."""
    moved = view(of.images.float() / 255, randomness.generator(seed, "unseen"))
    return Labelled((moved.clamp(0, 1) * 255).round().byte(), of.labels, of.names)
