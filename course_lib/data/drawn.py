"""Pictures that our own code draws: faces, pages of text, woven cloth. Classes of images with nothing to download.

Each picture of a class is another one, drawn from a generator, and as many as you like can be had. They are no
photographs: a face here is a shaded ellipse with eyes, and anyone can tell. What they have in common with the real
classes is what a class is: pictures that share a structure which other pictures do not have.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course_lib import arguments, randomness

CLASSES = ("faces", "text", "texture")


def drawn(kind: str, count: int, *, size: int = 96, seed: int = 0) -> dict[str, Tensor]:
    """Draw pictures of a class by name, each a uint8 tensor (1, size, size).

    kind: "faces", "text" or "texture". Picture i of a seed is the same whatever the count; other seeds share none.

    >>> pictures = drawn("text", 2, size=64)
    >>> {name: tuple(picture.shape) for name, picture in pictures.items()}
    {'text 0': (1, 64, 64), 'text 1': (1, 64, 64)}
    """
    draw = {"faces": _face, "text": _page, "texture": _cloth}[arguments.one_of(kind, CLASSES, what="class")]
    arguments.positive(count, name="count")
    if arguments.positive(size, name="size") < 32:
        raise ValueError(f"size: a drawn picture needs 32 pixels or more to show what it is, got {size}.")
    return {f"{kind} {i}": (draw(size, randomness.generator(seed, "drawn", kind, str(i))).clamp(0, 1) * 255)
            .round().byte()[None] for i in range(count)}


# Faces ---------------------------------------------------------------------------------------------------------------


def _face(size: int, generator: torch.Generator) -> Tensor:
    """A head in the light: an ellipse with shading, hair, brows, eyes, a nose and a mouth, a little turned. (H, W)."""
    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    across, down = _grid(size)                                                   # from -1 to 1
    turn, zoom = math.radians(between(-15, 15)), between(0.85, 1.15)
    shift_x, shift_y = between(-0.12, 0.12), between(-0.1, 0.1)
    x = (math.cos(turn) * (across - shift_x) + math.sin(turn) * (down - shift_y)) * zoom
    y = (math.cos(turn) * (down - shift_y) - math.sin(turn) * (across - shift_x)) * zoom
    sharp = size / 4                                                             # an edge is a few pixels wide

    def paint(image: Tensor, value: float | Tensor, where: Tensor, share: float = 1.0) -> Tensor:
        return image + share * where * (value - image)

    def ellipse(cx: float, cy: float, rx: float, ry: float, *, soft: float = 1.0) -> Tensor:
        distance = torch.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2) - 1
        return torch.sigmoid(-distance * min(rx, ry) * sharp / soft * 2)

    light_x, light_y = between(-0.5, 0.5), between(-0.4, 0.1)
    skin, hair_value, wide = between(0.45, 0.85), between(0.05, 0.35), between(0.5, 0.62)
    image = between(0.1, 0.7) + between(-0.15, 0.15) * across + between(-0.15, 0.15) * down
    image = paint(image, between(0.1, 0.9), ellipse(0, 1.25, between(0.75, 1.0), 0.5))            # shoulders
    image = paint(image, hair_value, ellipse(0, -0.12, wide + 0.1, 0.78))                          # hair
    image = paint(image, 0.8 * skin, ellipse(0, 0.65, 0.22, 0.35))                                 # neck
    roundness = (1 - (x / wide) ** 2 - (y / 0.72) ** 2).clamp(min=0).sqrt()
    shaded = skin * (0.7 + 0.3 * roundness + 0.35 * (light_x * x + light_y * y))
    hairline = torch.sigmoid((y + between(0.3, 0.45) + 0.3 * x**2) * sharp)
    image = paint(image, shaded, ellipse(0, 0.02, wide, 0.72) * hairline)                          # face
    eye_x, eye_y, open_ = between(0.2, 0.25), between(-0.12, -0.04), between(0.035, 0.065)
    look = between(-0.02, 0.02)
    for side in (-1, 1):
        image = paint(image, hair_value, ellipse(side * eye_x, eye_y - between(0.12, 0.15), 0.12, 0.022))   # brow
        image = paint(image, 0.55 * skin, ellipse(side * eye_x, eye_y, 0.14, 2 * open_, soft=3), 0.5)       # socket
        image = paint(image, 0.92, ellipse(side * eye_x, eye_y, 0.1, open_))
        image = paint(image, 0.08, ellipse(side * eye_x + look, eye_y, 0.045, min(open_, 0.045)))
    shade = 1 if light_x < 0 else -1
    image = paint(image, 0.6 * skin, ellipse(shade * 0.05, 0.13, 0.03, 0.15, soft=2), 0.6)         # nose
    image = paint(image, 0.4 * skin, ellipse(0, 0.25, 0.08, 0.018))
    mouth = between(0.42, 0.48)
    bend = between(-0.6, 0.6) * x**2
    lips = torch.sigmoid(-((((x / between(0.15, 0.22)) ** 2 + ((y - mouth + bend) / 0.04) ** 2).sqrt() - 1)
                           * 0.04 * sharp * 2))
    return paint(image, 0.5 * skin, lips)


# Text ----------------------------------------------------------------------------------------------------------------


def _page(size: int, generator: torch.Generator) -> Tensor:
    """Lines of words of random letters, dark on bright paper or the other way round. (H, W)."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    sheet = Image.new("L", (size, size))
    letters = whole(10, 16)
    font, pen = ImageFont.load_default(letters), ImageDraw.Draw(sheet)
    top = whole(-letters, 0)
    while top < size:
        words = ["".join(chr(ord("a") + whole(0, 25)) for _ in range(whole(2, 8))) for _ in range(2 + size // 25)]
        if whole(0, 3) == 0:
            words[0] = words[0].capitalize()
        pen.text((whole(-letters, 4), top), " ".join(words), fill=255, font=font)
        top += letters + whole(3, 6)
    ink = torch.from_numpy(np.array(sheet)).float() / 255
    dark, bright = (0.25 * float(torch.rand((), generator=generator)) for _ in range(2))
    paper, letter = (1 - bright, dark) if whole(0, 3) else (dark, 1 - bright)
    return paper + (letter - paper) * ink


# Texture -------------------------------------------------------------------------------------------------------------


def _cloth(size: int, generator: torch.Generator) -> Tensor:
    """Plain weave: threads that go over and under each other, seen at some angle, a little crumpled. (H, W)."""
    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    across, down = (axis * size / 2 for axis in _grid(size))                     # in pixels
    angle = between(0, math.pi)
    wave, phase = between(40, 90), between(0, 2 * math.pi)
    u = math.cos(angle) * across + math.sin(angle) * down
    v = math.cos(angle) * down - math.sin(angle) * across
    u, v = u + 2 * torch.sin(2 * math.pi * v / wave + phase), v + 2 * torch.sin(2 * math.pi * u / wave)
    warp, weft = (math.pi / between(5.0, 9.0) for _ in range(2))                 # threads are so many pixels wide
    over = torch.cos(warp * u) * torch.cos(weft * v)                             # whose thread lies above
    sheen = torch.where(over > 0, torch.sin(warp * u).abs(), torch.sin(weft * v).abs())
    first, second = between(0.3, 0.9), between(0.3, 0.9)
    colour = torch.where(over > 0, first, second) * between(0.8, 1.0)
    return colour * (1 - between(0.5, 0.8) * sheen**2)


def _grid(size: int) -> tuple[Tensor, Tensor]:
    """Coordinates from -1 to 1, of the columns (1, size) and of the rows (size, 1)."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    return axis[None, :], axis[:, None]
