"""Linear measurements of an image. So far the one that DnCNN-3 undoes: a loss of resolution.

The blurs, masks and samplings of part E, each with its adjoint, will live here too.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments


def bicubic_loss(y: Tensor, *, scale: int) -> Tensor:
    """Shrink by a whole factor and enlarge again, both by bicubic interpolation: what super-resolution starts from.

    Interpolation kernel of Keys with a = -0.5, widened when shrinking (antialiased), as MATLAB's imresize does it.
    Sides that the factor does not divide are cropped at the right and the bottom.

    Shapes: y (N, C, H, W) -> (N, C, H', W') with H' = H - H % scale.
    Source: DnCNN (Zhang 2017), section IV, single image super-resolution.

    >>> import torch
    >>> bicubic_loss(torch.full((1, 1, 8, 9), 0.25), scale=2).shape
    torch.Size([1, 1, 8, 8])
    """
    arguments.image_batch(y)
    arguments.positive(scale, name="scale")
    height, width = (side - side % scale for side in y.shape[-2:])
    y = y[..., :height, :width]
    small = F.interpolate(y, size=(height // scale, width // scale), mode="bicubic", antialias=True)
    return F.interpolate(small, size=(height, width), mode="bicubic", antialias=True)
