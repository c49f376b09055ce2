"""Linear measurements of an image: a loss of resolution, a convolution, the colour mosaic of a sensor; and JPEG.

The blurs, masks and samplings of part E, each with its adjoint, will live here too.
"""

from __future__ import annotations

from io import BytesIO

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, deterministic, devices

BAYER = ((0, 1), (1, 2))        # which channel the sensor sees at even and odd rows and columns: RG over GB


def bicubic_loss(y: Tensor, *, scale: int) -> Tensor:
    """Shrink by a whole factor and enlarge again, both by bicubic interpolation: what super-resolution starts from.

    Interpolation kernel of Keys with a = -0.5, widened when shrinking (antialiased), as MATLAB's imresize does it.
    Sides that the factor does not divide are cropped at the right and the bottom.

    Shapes: y (N, C, H, W) -> (N, C, H', W') with H' = H - H % scale.
    Source: DnCNN (Zhang 2017), section IV, single image super-resolution.

    >>> bicubic_loss(torch.full((1, 1, 8, 9), 0.25), scale=2).shape
    torch.Size([1, 1, 8, 8])
    """
    arguments.image_batch(y)
    arguments.positive(scale, name="scale")
    if scale > min(y.shape[-2:]):
        raise ValueError(f"scale: expected at most the shorter side of the images {tuple(y.shape)}, got {scale}.")
    height, width = (side - side % scale for side in y.shape[-2:])
    y = y[..., :height, :width]
    exact = devices.at_least_float32(y)
    small = deterministic.resized(exact, (height // scale, width // scale), "bicubic", antialias=True)
    return deterministic.resized(small, (height, width), "bicubic", antialias=True).to(y)


def convolve(y: Tensor, kernel: Tensor) -> Tensor:
    """Convolve every channel with one kernel, and keep the pixels for which no value outside the image is needed.

    (k * y)(p) = sum_q k(q) y(p - q): a convolution, so a single bright pixel becomes the kernel as it is written.
    (PyTorch's conv2d is a correlation, which would turn it by 180 degrees.)

    Shapes: y (N, C, H, W), kernel (h, w) -> (N, C, H - h + 1, W - w + 1).

    >>> dot = F.pad(torch.ones(1, 1, 1, 1), (2, 2, 0, 0))
    >>> convolve(dot, torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[[[1., 2., 3.]]]])
    """
    arguments.image_batch(y)
    if not isinstance(kernel, Tensor) or kernel.is_complex():
        raise TypeError(f"the kernel: expected a tensor (h, w) of real numbers, got {type(kernel).__name__}. A numpy "
                        "array becomes one with torch.from_numpy(array).")
    if kernel.ndim != 2 or not kernel.numel() or kernel.shape[0] > y.shape[2] or kernel.shape[1] > y.shape[3]:
        raise ValueError(f"the kernel: expected (h, w), not empty and no larger than the images {tuple(y.shape)}, got "
                         f"{tuple(kernel.shape)}.")
    arguments.finite(kernel, name="the kernel")
    n, c, height, width = y.shape
    turned = kernel.to(y).flip(0, 1)[None, None]
    blurred = F.conv2d(y.reshape(n * c, 1, height, width), turned)
    return blurred.reshape(n, c, *blurred.shape[-2:])


def mosaic(y: Tensor) -> Tensor:
    """Keep one colour at each pixel, as a sensor behind a Bayer filter does: red green over green blue.

    Shapes: y (N, 3, H, W) -> (N, 1, H, W).

    >>> y = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    >>> mosaic(y)
    tensor([[[[1., 2.],
              [2., 3.]]]])
    """
    arguments.image_batch(y)
    if y.shape[1] != 3:
        raise ValueError(f"a mosaic is made of colour images (N, 3, H, W), got {tuple(y.shape)}.")
    return (y * _bayer_masks(y)).sum(dim=1, keepdim=True)


def demosaic(z: Tensor) -> Tensor:
    """Fill the colours that a mosaic left out with the mean of their nearest neighbours (bilinear interpolation).

    Linear: noise that was independent from pixel to pixel becomes correlated. Pixels that were seen stay as they are.

    Shapes: z (N, 1, H, W) -> (N, 3, H, W), both sides at least 2.

    >>> demosaic(mosaic(torch.full((1, 3, 4, 4), 0.5))).unique()
    tensor([0.5000])
    """
    arguments.image_batch(z)
    if z.shape[1] != 1 or min(z.shape[-2:]) < 2:
        raise ValueError(f"a mosaic has one channel and sides of 2 or more (N, 1, H, W), got {tuple(z.shape)}.")
    masks = _bayer_masks(z)                                                        # (1, 3, H, W)
    cross = z.new_tensor([[0, 1, 0], [1, 4, 1], [0, 1, 0]])                        # green: 4 neighbours
    square = z.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]])                       # red and blue: 2 or 4
    weights = torch.stack([square, cross, square])[:, None]                        # (3, 1, 3, 3), symmetric
    return F.conv2d(z * masks, weights, padding=1, groups=3) / F.conv2d(masks, weights, padding=1, groups=3)


def jpeg(y: Tensor, *, quality: int) -> Tensor:
    """Store images as JPEG and read them again: 8 x 8 blocks with coarse frequencies.

    Not linear, and 8-bit by nature: it clips to [0, 1] and rounds. quality from 1 to 100. Shapes: (N, C, H, W) -> the
    same, gray or colour.

    >>> y = torch.full((1, 1, 16, 16), 0.5)
    >>> float((jpeg(y, quality=50) - y).abs().max()) < 0.01
    True
    """
    import numpy as np
    from PIL import Image

    arguments.image_batch(y)
    if y.shape[1] not in (1, 3):
        raise ValueError(f"JPEG stores gray images (N, 1, H, W) or colour (N, 3, H, W), got {tuple(y.shape)}.")
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise ValueError(f"quality: expected a whole number from 1 to 100, an int of Python's, got {quality!r}.")
    stored = []
    for image in (y.detach().clamp(0, 1) * 255).round().byte().cpu():
        pixels, file = image.permute(1, 2, 0).numpy(), BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "JPEG", quality=quality)
        stored.append(torch.from_numpy(np.array(Image.open(file)).reshape(pixels.shape)).permute(2, 0, 1))
    return torch.stack(stored).to(y) / 255


def _bayer_masks(like: Tensor) -> Tensor:
    """Where each of the three colours is seen: (1, 3, H, W) of zeros and ones."""
    masks = like.new_zeros(1, 3, *like.shape[-2:])
    for row, channels in enumerate(BAYER):
        for column, channel in enumerate(channels):
            masks[:, channel, row::2, column::2] = 1
    return masks
