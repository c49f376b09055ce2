"""Upright objects that our own code draws, in front of pieces of photographs: ten kinds, each with a right way up.

A tree stands on its trunk and a mug on its bottom, so who recognises the thing knows which side is up. Colours, sizes,
places, proportions and backgrounds are chosen anew for each picture and tell nothing about the kind. Backgrounds are
pieces of the bundled photographs, turned and mirrored at random: they have no up of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from course_lib import arguments, randomness
from course_lib.data.photographs import Split, photographs
from course_lib.data.readers import Labelled

Between = Callable[[float, float], float]
Parts = list[tuple[Tensor, int]]      # where a part is (H, W), from 0 to 1, and which of the object's colours it has

KINDS = ("tree", "house", "car", "lamp", "mug", "person", "umbrella", "boat", "chair", "candle")


def objects(each: int, *, size: int = 32, seed: int = 0, split: Split = "train") -> Labelled:
    """Draw so many pictures of each kind, kind after kind, as uint8 (10 each, 3, size, size) with their labels.

    Picture i of a kind and a seed is the same whatever `each`; other seeds share none. split: whose photographs the
    backgrounds are from, "train", "validation" or "test".

    >>> images, labels, names = objects(1)
    >>> tuple(images.shape), names[:3]
    ((10, 3, 32, 32), ('tree', 'house', 'car'))
    """
    arguments.positive(each, name="each")
    if arguments.positive(size, name="size") < 24:
        raise ValueError(f"size: a picture of an object needs 24 pixels or more to show what it is, got {size}.")
    behind = photographs(split, channels=3)
    pictures = [_picture(kind, size, behind, randomness.generator(seed, "objects", kind, str(i)))
                for kind in KINDS for i in range(each)]
    return Labelled(torch.stack(pictures), torch.arange(len(KINDS)).repeat_interleave(each), KINDS)


def _picture(kind: str, size: int, behind: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """One object in front of a piece of a photograph, uint8 (3, size, size)."""
    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    picture = _background(size, behind, generator)
    axis = (torch.arange(size) + 0.5) / size * 2 - 1                       # -1 to 1
    scale, lean = between(0.72, 0.95), between(-0.12, 0.12)
    x, y = axis[None, :] - between(-0.15, 0.15), axis[:, None] - between(-0.1, 0.1)
    u = (math.cos(lean) * x + math.sin(lean) * y) / scale
    v = (math.cos(lean) * y - math.sin(lean) * x) / scale                  # downwards
    if between(0, 1) < 0.5:
        u = -u
    colours = torch.rand(3, 3, generator=generator)
    edge = 0.35 * size * scale                                             # of a pixel, in units of the object
    shade = 1 + between(-0.2, 0.2) * u
    for outside, role in _parts(kind, u, v, between):
        covered = torch.sigmoid(-outside * edge * 2)
        picture = picture + (colours[role][:, None, None] * shade - picture) * covered
    noise = 0.015 * torch.randn(3, size, size, generator=generator)
    return ((picture + noise).clamp(0, 1) * 255).round().byte()


def _background(size: int, behind: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    names = sorted(behind)
    photograph = behind[names[int(torch.randint(len(names), (), generator=generator))]]
    reach = 2 * size
    top, left = (int(torch.randint(length - reach + 1, (), generator=generator)) for length in photograph.shape[1:])
    piece = photograph[:, top:top + reach, left:left + reach].float()[None] / 255
    piece = torch.nn.functional.avg_pool2d(piece, 2)[0]
    turn, mirror = torch.randint(4, (), generator=generator), torch.randint(2, (), generator=generator)
    piece = torch.rot90(piece, int(turn), (1, 2))
    return piece.flip(2) if int(mirror) else piece


def _box(u: Tensor, v: Tensor, left: float, top: float, right: float, bottom: float) -> Tensor:
    """How far a point is outside a box, negative inside it."""
    return torch.maximum((u - (left + right) / 2).abs() - (right - left) / 2,
                         (v - (top + bottom) / 2).abs() - (bottom - top) / 2)


def _disc(u: Tensor, v: Tensor, across: float, down: float, radius: float) -> Tensor:
    return torch.sqrt((u - across) ** 2 + (v - down) ** 2) - radius


def _roof(u: Tensor, v: Tensor, top: float, bottom: float, half: float) -> Tensor:
    """A triangle with its tip up."""
    return torch.maximum(v - bottom, u.abs() - half * (v - top) / (bottom - top))


def _parts(kind: str, u: Tensor, v: Tensor, between: Between) -> Parts:
    """The parts of an object from back to front: how far each point is outside, and the number of a colour."""
    wide = between(0.85, 1.15)
    u = u / wide
    match kind:
        case "tree":
            tip = between(-0.95, -0.8)
            return [(_box(u, v, -0.12, 0.3, 0.12, 0.95), 1), (_roof(u, v, tip, 0.1, 0.45), 0),
                    (_roof(u, v, tip + 0.4, 0.5, 0.6), 0)]
        case "house":
            return [(_box(u, v, -0.6, -0.1, 0.6, 0.9), 0), (_roof(u, v, -0.85, -0.05, 0.75), 1),
                    (_box(u, v, -0.15, 0.4, 0.15, 0.9), 2), (_box(u, v, 0.28, 0.1, 0.48, 0.35), 2)]
        case "car":
            wheel = between(0.2, 0.25)
            return [(_box(u, v, -0.5, -0.35, 0.45, 0.15), 0), (_box(u, v, -0.9, 0.05, 0.9, 0.5), 0),
                    (_box(u, v, -0.38, -0.24, 0.3, 0.05), 2), (_disc(u, v, -0.5, 0.5, wheel), 1),
                    (_disc(u, v, 0.5, 0.5, wheel), 1)]
        case "lamp":
            shade = torch.maximum((v + 0.5).abs() - 0.35, u.abs() - (0.55 + 0.55 * (v + 0.5)))
            return [(_box(u, v, -0.06, -0.2, 0.06, 0.8), 1), (_box(u, v, -0.4, 0.78, 0.4, 0.93), 1), (shade, 0)]
        case "mug":
            handle = (torch.sqrt((u - 0.5) ** 2 + v ** 2) - 0.32).abs() - 0.08
            inside = torch.sqrt((u / 0.48) ** 2 + ((v + 0.65) / 0.14) ** 2) * 0.3 - 0.3
            return [(handle, 0), (_box(u, v, -0.55, -0.65, 0.5, 0.75), 0), (inside, 1),
                    (_box(u, v, -0.55, 0.6, 0.5, 0.78), 2)]
        case "person":
            return [(_box(u, v, -0.3, 0.3, -0.05, 0.95), 1), (_box(u, v, 0.05, 0.3, 0.3, 0.95), 1),
                    (_box(u, v, -0.35, -0.4, 0.35, 0.35), 0), (_box(u, v, -0.6, -0.4, 0.6, -0.22), 0),
                    (_disc(u, v, 0.0, -0.68, 0.24), 2)]
        case "umbrella":
            dome = torch.maximum(_disc(u, v, 0.0, -0.05, 0.85), v + 0.05)
            hook = torch.maximum((torch.sqrt((u - 0.14) ** 2 + (v - 0.75) ** 2) - 0.14).abs() - 0.06, 0.75 - v)
            return [(_box(u, v, -0.05, -0.1, 0.05, 0.78), 1), (hook, 1), (dome, 0)]
        case "boat":
            hull = torch.maximum((v - 0.65).abs() - 0.22, u.abs() - (0.95 - 0.9 * (v - 0.43)))
            sail = torch.maximum(torch.maximum(0.06 - u, v - 0.35), u - 0.06 - 0.75 * (v + 0.9) / 1.25)
            return [(_box(u, v, -0.05, -0.92, 0.05, 0.5), 1), (sail, 2), (hull, 0)]
        case "chair":
            return [(_box(u, v, -0.5, -0.9, -0.36, 0.95), 1), (_box(u, v, 0.34, 0.2, 0.48, 0.95), 1),
                    (_box(u, v, -0.5, -0.9, -0.3, 0.1), 0), (_box(u, v, -0.5, 0.05, 0.5, 0.25), 0)]
        case _:
            flame = torch.sqrt((u / 0.14) ** 2 + ((v + 0.72) / 0.22) ** 2) * 0.2 - 0.2
            return [(_box(u, v, -0.2, -0.4, 0.2, 0.8), 0), (_box(u, v, -0.45, 0.75, 0.45, 0.92), 1), (flame, 2)]
