"""Pictures that our own code draws, whose kind is a shape and whose colours mean nothing: a set with a shortcut.

A picture is a scatter of one shape, in ink of one colour on a ground of another. What shape it is, is the label. The
two colours, the size and the light are drawn anew for each picture, whatever its label: they tell one
picture from another perfectly, and one kind from another not at all. A method that may look at colours when it has to
recognise a picture will, and learns no shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib import arguments, randomness
from course_lib.data.readers import Labelled

Between = Callable[[float, float], float]

SHAPES = ("disc", "ring", "square", "frame", "triangle", "cross", "star", "bar")


def shapes(each: int, *, size: int = 32, seed: int = 0) -> Labelled:
    """Draw so many pictures of each shape, kind after kind, as uint8 (8 each, 3, size, size) with their labels.

    Picture i of a kind and a seed is the same whatever `each`; other seeds share none.

    >>> images, labels, names = shapes(2, size=32)
    >>> tuple(images.shape), labels.tolist()[:4], names[:2]
    ((16, 3, 32, 32), [0, 0, 1, 1], ('disc', 'ring'))
    """
    arguments.positive(each, name="each")
    if arguments.positive(size, name="size") < 16:
        raise ValueError(f"size: a picture of shapes needs 16 pixels or more to show what they are, got {size}.")
    pictures = [(_picture(name, size, randomness.generator(seed, "shapes", name, str(i))).clamp(0, 1) * 255)
                .round().byte() for name in SHAPES for i in range(each)]
    return Labelled(torch.stack(pictures), torch.arange(len(SHAPES)).repeat_interleave(each), SHAPES)


def _picture(name: str, size: int, generator: torch.Generator) -> Tensor:
    """Shapes on a jittered grid, in two colours, a little uneven light and noise. (3, H, W)."""
    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    ink, ground = _colours(generator)
    axis = torch.arange(size) + 0.5
    across, down = axis[None, :], axis[:, None]
    turn, unit = between(-0.2, 0.2), size / 32
    radius, spacing = between(3.6, 5.2) * unit, between(10.5, 13.5) * unit
    shift_x, shift_y = between(0, spacing), between(0, spacing)
    covered = torch.zeros(size, size)
    count = math.ceil(size / spacing) + 1
    for row in range(-1, count):
        for column in range(-1, count):
            cx = shift_x + (column + between(-0.12, 0.12)) * spacing
            cy = shift_y + (row + between(-0.12, 0.12)) * spacing
            angle = turn + between(-0.2, 0.2)
            x, y = (across - cx) / radius, (down - cy) / radius
            u, v = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
            inside = torch.sigmoid(-_outside(name, u, v) * radius * 4)             # an edge is half a pixel wide
            covered = torch.maximum(covered, inside)
    light = 1 + between(-0.15, 0.15) * (across / size - 0.5) + between(-0.15, 0.15) * (down / size - 0.5)
    noise = 0.02 * torch.randn(3, size, size, generator=generator)
    return (ground + (ink - ground) * covered) * light + noise


def _colours(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two colours (3, 1, 1) that stand out against each other, in gray too; which is the darker one is chance."""
    luma = torch.tensor([0.299, 0.587, 0.114])
    while True:
        pair = torch.rand(2, 3, generator=generator)
        if abs(float((pair[0] - pair[1]) @ luma)) > 0.25:
            return pair[0, :, None, None], pair[1, :, None, None]


def _outside(name: str, u: Tensor, v: Tensor) -> Tensor:
    """How far a point is outside a shape of radius one, negative inside it; about one unit is one radius."""
    distance = torch.sqrt(u**2 + v**2)
    match name:
        case "disc":
            return distance - 0.85
        case "ring":
            return (distance - 0.8).abs() - 0.22
        case "square":
            return torch.maximum(u.abs(), v.abs()) - 0.78
        case "frame":
            return (torch.maximum(u.abs(), v.abs()) - 0.72).abs() - 0.2
        case "triangle":
            return torch.maximum(v, math.sqrt(3) / 2 * u.abs() - v / 2) - 0.5
        case "cross":
            return torch.maximum(torch.minimum(u.abs(), v.abs()) - 0.27, torch.maximum(u.abs(), v.abs()) - 1.0)
        case "star":
            return distance - (0.72 + 0.32 * torch.cos(5 * torch.atan2(v, u)))
        case _:
            return torch.maximum(u.abs() - 1.1, v.abs() - 0.32)
