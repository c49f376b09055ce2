"""The colour space CIE L*a*b*: lightness L, and two axes of colour, green to red (a) and blue to yellow (b).

    L = 116 f(Y) - 16,    a = 500 (f(X) - f(Y)),    b = 200 (f(Y) - f(Z)),    f(t) = t^(1/3), and a line near zero

X, Y and Z are the light's red, green and blue, mixed as the eye mixes them and divided by those of white. Equal steps
in Lab look about equally large, and L alone is the gray picture: colorization gets L and predicts a and b.

L is between 0 and 100; of colours that a screen can show a is between -86 and 98, b between -108 and 94.

Source: IEC 61966-2-1 (sRGB), CIE 15 (Lab); white is D65, seen by the observer of 1931.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib import arguments

TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)
NEAR_ZERO = 0.008856       # of X, Y and Z, below which f is a line
SLOPE = 7.787


def from_rgb(images: Tensor) -> Tensor:
    """Turn sRGB images in [0, 1] into Lab.

    Shapes: (N, 3, H, W) -> (N, 3, H, W).

    >>> red = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).reshape(1, 3, 1, 1)
    >>> [round(value, 2) for value in from_rgb(red).flatten().tolist()]
    [53.24, 80.09, 67.2]
    """
    images = arguments.image_batch(images, channels=3)
    light = torch.where(images > 0.04045, ((images.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, images / 12.92)
    x, y, z = _mixed(light, TO_XYZ).unbind(dim=1)
    fx, fy, fz = (torch.where(part > NEAR_ZERO, part.clamp(min=NEAR_ZERO) ** (1 / 3), SLOPE * part + 16 / 116)
                  for part in (x / WHITE[0], y / WHITE[1], z / WHITE[2]))
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=1)


def to_rgb(lab: Tensor) -> Tensor:
    """Turn Lab into sRGB in [0, 1]; colours that no screen can show are clipped.

    Shapes: (N, 3, H, W) -> (N, 3, H, W).

    >>> gray = torch.tensor([53.389, 0.0, 0.0], dtype=torch.float64).reshape(1, 3, 1, 1)
    >>> [round(value, 2) for value in to_rgb(gray).flatten().tolist()]
    [0.5, 0.5, 0.5]
    """
    if arguments.image_batch(lab, name="lab").shape[1] != 3:
        raise ValueError(f"lab: expected (N, 3, H, W), got {tuple(lab.shape)}.")
    lightness, a, b = lab.unbind(dim=1)
    fy = (lightness + 16) / 116
    cubes = (fy + a / 500, fy, fy - b / 200)
    light = torch.stack([white * torch.where(f > NEAR_ZERO ** (1 / 3), f ** 3, (f - 16 / 116) / SLOPE)
                         for f, white in zip(cubes, WHITE, strict=True)], dim=1)
    back = torch.linalg.inv(torch.tensor(TO_XYZ, dtype=torch.float64)).tolist()
    light = _mixed(light, back).clamp(0, 1)
    return torch.where(light > 0.0031308, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055, 12.92 * light)


def _mixed(images: Tensor, matrix: object) -> Tensor:
    return torch.einsum("ij,njhw->nihw", torch.tensor(matrix, dtype=images.dtype, device=images.device), images)
