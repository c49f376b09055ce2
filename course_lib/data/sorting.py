"""A sorting line that our own code draws: waste on a belt before and after a human took away what does not belong.

Two cameras film the line, one upstream and one downstream of the human. A *sequence* is a stretch of frames of one
camera during which the things on the belt move along; its frames are nearly the same, so sequences are divided into
training and test, never frames. Upstream some things are *illegal*, brown boxes among gray and blue discs; downstream
none is. Nobody marked them: the only label of a frame is which camera took it, before or after.

The cameras have other light and look at another piece of the belt, as in any factory. That is the shortcut: the
background tells before from after without a look at the things. Frames of the empty belt of both cameras are there,
too. `swapped` exchanges the cameras, and nothing else.

Source: the setting of Boracchi 2025, "before/after self-supervision", and of A. Marelli et al., "WS2: Weakly Supervised
Segmentation using Before-After Supervision in Waste Sorting", ICCV workshops 2025. The drawing is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib import arguments, randomness

NAMES = ("before", "after", "background")
BEFORE, AFTER, BACKGROUND = range(3)
LIGHT = {"upstream": 0.78, "downstream": 1.0}                     # of the two cameras
BELT = {"upstream": (0.40, 0.42, 0.38), "downstream": (0.44, 0.42, 0.46)}
ILLEGAL = (0.50, 0.33, 0.16)
LEGAL = ((0.62, 0.62, 0.64), (0.33, 0.42, 0.62))


class Frames(NamedTuple):
    """Frames of a sorting line: what they show, which camera took them, and, to measure with only, where things are."""

    images: Tensor      # uint8 (N, 3, H, W)
    labels: Tensor      # (N,), 0 before, 1 after, 2 background
    sequences: Tensor   # (N,), which sequence a frame is of
    masks: Tensor       # bool (N, 1, H, W), true on illegal things
    things: Tensor      # bool (N, 1, H, W), true on all things
    cameras: Tensor     # (N,), 0 upstream, 1 downstream


def line(sequences: int, *, frames: int = 4, size: int = 48, seed: int = 0, swapped: bool = False) -> Frames:
    """Film so many sequences before and as many after, and as many of the empty belt, half of them by each camera.

    Sequence i of a seed shows the same things whatever the number; swapped exchanges the cameras.

    >>> film = line(2, frames=3)
    >>> tuple(film.images.shape), film.labels.unique_consecutive().tolist(), film.sequences.unique().numel()
    ((18, 3, 48, 48), [0, 1, 2], 6)
    """
    arguments.positive(sequences, name="sequences")
    arguments.positive(frames, name="frames")
    if arguments.positive(size, name="size") < 24:
        raise ValueError(f"size: a frame needs 24 pixels or more to show what is on the belt, got {size}.")
    images, labels, whose, masks, things, cameras = [], [], [], [], [], []
    for label in (BEFORE, AFTER, BACKGROUND):
        for number in range(sequences):
            downstream = (label == AFTER) != swapped if label != BACKGROUND else number % 2 == 1
            generator = randomness.generator(seed, "sorting", NAMES[label], str(number))
            film, mask, covered = _sequence(label, "downstream" if downstream else "upstream", frames, size, generator)
            images.append(film)
            masks.append(mask)
            things.append(covered)
            labels += [label] * frames
            whose += [label * sequences + number] * frames
            cameras += [int(downstream)] * frames
    return Frames(torch.cat(images), torch.tensor(labels), torch.tensor(whose), torch.cat(masks), torch.cat(things),
                  torch.tensor(cameras))


def _sequence(label: int, camera: str, frames: int, size: int, generator: torch.Generator
              ) -> tuple[Tensor, Tensor, Tensor]:
    """One stretch of film, where its illegal things are and where things are at all: uint8 (frames, 3, H, W), and twice
    bool (frames, 1, H, W)."""
    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    axis = (torch.arange(size) + 0.5) / size
    across, down = axis[None, :].expand(size, size), axis[:, None].expand(size, size)
    things = []
    if label != BACKGROUND:
        for k in range(int(between(3, 6))):
            illegal = label == BEFORE and (k == 0 or between(0, 1) < 0.2)
            things.append((illegal, between(0.1, 0.9), between(0.15, 0.85), between(0.07, 0.11), between(0.85, 1.15),
                           int(between(0, 2))))
    speed, flicker = between(0.03, 0.06), between(0.97, 1.03)
    phase = 0.0 if camera == "upstream" else 0.37
    images, masks, everything = [], [], []
    for frame in range(frames):
        moved = frame * speed
        ribs = 0.03 * torch.cos(2 * torch.pi * 6 * (across - moved + phase))            # the belt moves, too
        picture = torch.stack([level + ribs for level in BELT[camera]])
        mask, thing = torch.zeros(2, size, size)
        for illegal, x, y, radius, tone, which in things:
            dx, dy = (across - (x + moved) % 1.0).abs(), (down - y).abs()
            outside = torch.maximum(dx, dy) - 0.9 * radius if illegal else torch.sqrt(dx**2 + dy**2) - radius
            covered = torch.sigmoid(-outside * size * 3)
            colour = torch.tensor(ILLEGAL if illegal else LEGAL[which])[:, None, None] * tone
            picture = picture + (colour * (1 - 2 * (dx**2 + dy**2)) - picture) * covered
            mask = torch.maximum(mask * (1 - covered), covered) if illegal else mask * (1 - covered)
            thing = torch.maximum(thing, covered)
        noise = 0.015 * torch.randn(3, size, size, generator=generator)
        images.append((picture * LIGHT[camera] * flicker * (1 + 0.1 * (across - 0.5)) + noise).clamp(0, 1))
        masks.append(mask > 0.5)
        everything.append(thing > 0.5)
    return (torch.stack(images) * 255).round().byte(), torch.stack(masks)[:, None], torch.stack(everything)[:, None]
