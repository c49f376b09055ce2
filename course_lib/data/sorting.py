"""A sorting line that our own code draws: waste on a belt before and after a human took away what does not belong.

Two cameras film the line, one upstream and one downstream of the human. A *sequence* is a stretch of frames of one
camera during which the things on the belt move along; its frames are nearly the same, so sequences are divided into
training and test, never frames. Upstream some things are *illegal*, brown boxes among gray and blue discs; downstream
none is. Nobody marked them: the only label of a frame is which camera took it, before or after.

The cameras have other light and look at another piece of the belt, as in any factory. That is the shortcut: the
background tells before from after without a look at the things. Frames of the empty belt of both cameras are there,
too. `swapped` exchanges the cameras, and nothing else.

Photographs of waste can lie on the belt instead, cut out of their white background (`cutouts`): cardboard is illegal
there, among glass, metal and plastic.

Source: the setting of Boracchi 2025, "before/after self-supervision", and of A. Marelli et al., "WS2: Weakly Supervised
Segmentation using Before-After Supervision in Waste Sorting", ICCV workshops 2025. The drawing is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from skimage import measure
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, randomness
from course_lib.data.readers import Labelled

NAMES = ("before", "after", "background")
BEFORE, AFTER, BACKGROUND = range(3)
LIGHT = {"upstream": 0.78, "downstream": 1.0}                     # of the two cameras
BELT = {"upstream": (0.45, 0.42, 0.36), "downstream": (0.36, 0.42, 0.45)}        # equally bright, of another tint
BOARD = 0.16                                                      # so far a board's colour may be from that of its rim
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


class Cutouts(NamedTuple):
    """Pictures of things with what they cover as fourth channel, floats in [0, 1]: (M, 4, S, S) and (K, 4, S, S)."""

    illegal: Tensor
    legal: Tensor


def cutouts(of: Labelled, *, illegal: tuple[str, ...] = ("cardboard",),
            legal: tuple[str, ...] = ("glass", "metal", "plastic"), size: int = 48) -> Cutouts:
    """Cut things out of photographs on a white board, such as `data.labelled("trashnet", split="train")`.

    The board is what is as bright and as colourless as the frame of the picture, and hangs together with it.
    """
    if not isinstance(of, Labelled) or not isinstance(of.names, tuple):
        raise TypeError("of: expected labelled photographs with their names, such as data.labelled(...) reads.")
    images, labels = arguments.eight_bit(of.images), arguments.whole_labels(of.labels, count=len(of.images))
    for name in (*illegal, *legal):
        arguments.one_of(name, of.names, what="class of things")
    arguments.positive(size, name="size")
    found = []
    for names in (illegal, legal):
        mine = images[torch.isin(labels, torch.tensor([of.names.index(name) for name in names]))].float() / 255
        if not mine.numel():
            raise ValueError(f"of: there is no photograph of {' or '.join(names)} among them.")
        found.append(F.interpolate(torch.stack([_cut_out(image) for image in mine]), size=(size, size),
                                   mode="bilinear", antialias=True))
    return Cutouts(*found)


def _cut_out(image: Tensor) -> Tensor:
    """A photograph (3, H, W) in [0, 1] and where it is no board, (4, H, W)."""
    rim = torch.cat([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], dim=1)      # (3, 2 H + 2 W)
    board = rim.median(dim=1).values[:, None, None]
    alike = ((image - board).abs().amax(dim=0) < BOARD).numpy()
    parts = measure.label(alike, connectivity=1)
    outer = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    thing = torch.from_numpy((parts == 0) | ~np.isin(parts, outer))          # part 0 is what differs from the board
    return torch.cat([image, thing[None].float()])


def line(sequences: int, *, frames: int = 4, size: int = 48, seed: int = 0, swapped: bool = False,
         things: Cutouts | None = None) -> Frames:
    """Film so many sequences before and as many after, and as many of the empty belt, half of them by each camera.

    Sequence i of a seed shows the same things whatever the number; swapped exchanges the cameras. things: cut out of
    photographs, instead of drawn ones.

    >>> film = line(2, frames=3)
    >>> tuple(film.images.shape), film.labels.unique_consecutive().tolist(), film.sequences.unique().numel()
    ((18, 3, 48, 48), [0, 1, 2], 6)
    """
    arguments.positive(sequences, name="sequences")
    arguments.positive(frames, name="frames")
    if arguments.positive(size, name="size") < 24:
        raise ValueError(f"size: a frame needs 24 pixels or more to show what is on the belt, got {size}.")
    images, labels, whose, masks, everything, cameras = [], [], [], [], [], []
    for label in (BEFORE, AFTER, BACKGROUND):
        for number in range(sequences):
            downstream = (label == AFTER) != swapped if label != BACKGROUND else number % 2 == 1
            generator = randomness.generator(seed, "sorting", NAMES[label], str(number))
            film, mask, covered = _sequence(label, "downstream" if downstream else "upstream", frames, size, generator,
                                            things)
            images.append(film)
            masks.append(mask)
            everything.append(covered)
            labels += [label] * frames
            whose += [label * sequences + number] * frames
            cameras += [int(downstream)] * frames
    return Frames(torch.cat(images), torch.tensor(labels), torch.tensor(whose), torch.cat(masks), torch.cat(everything),
                  torch.tensor(cameras))


def _sequence(label: int, camera: str, frames: int, size: int, generator: torch.Generator, cut: Cutouts | None
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
            x, y, radius, tone, which = (between(0.1, 0.9), between(0.15, 0.85), between(0.07, 0.11),
                                         between(0.85, 1.15), between(0, 1))
            things.append((illegal, x, y, radius if cut is None else 2 * radius, tone, which))
    speed, flicker = between(0.03, 0.06), between(0.97, 1.03)
    phase = 0.0 if camera == "upstream" else 0.37
    images, masks, everything = [], [], []
    for frame in range(frames):
        moved = frame * speed
        ribs = 0.03 * torch.cos(2 * torch.pi * 6 * (across - moved + phase))            # the belt moves, too
        picture = torch.stack([level + ribs for level in BELT[camera]])
        mask, thing = torch.zeros(2, size, size)
        for illegal, x, y, radius, tone, which in things:
            right, below = (across - (x + moved) % 1.0) / radius, (down - y) / radius   # -1 to 1 on a thing
            if cut is None:
                colour, covered = _shape(illegal, which, right, below, size * radius)
            else:
                colour, covered = _pasted(cut.illegal if illegal else cut.legal, which, right, below)
            picture = picture + (colour * tone - picture) * covered
            mask = torch.maximum(mask * (1 - covered), covered) if illegal else mask * (1 - covered)
            thing = torch.maximum(thing, covered)
        noise = 0.015 * torch.randn(3, size, size, generator=generator)
        images.append((picture * LIGHT[camera] * flicker * (1 + 0.1 * (across - 0.5)) + noise).clamp(0, 1))
        masks.append(mask > 0.5)
        everything.append(thing > 0.5)
    return (torch.stack(images) * 255).round().byte(), torch.stack(masks)[:, None], torch.stack(everything)[:, None]


def _shape(illegal: bool, which: float, right: Tensor, below: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """A box or a disc: its colour (3, H, W), darker towards its rim, and where it is (H, W)."""
    outside = torch.maximum(right.abs(), below.abs()) - 0.9 if illegal else torch.sqrt(right**2 + below**2) - 1
    covered = torch.sigmoid(-3 * radius * outside)
    colour = torch.tensor(ILLEGAL if illegal else LEGAL[int(which * len(LEGAL))])[:, None, None]
    return colour * (1 - 0.02 * (right**2 + below**2)), covered


def _pasted(pictures: Tensor, which: float, right: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
    """One of the pictures (M, 4, S, S) where it lies: its colour (3, H, W), and where it is (H, W)."""
    picture = pictures[int(which * len(pictures))][None]
    found = F.grid_sample(picture, torch.stack([right, below], dim=-1)[None], align_corners=False)[0]
    return found[:3], found[3]
