"""How close an estimate is to the clean image: PSNR in decibels and SSIM.

Both clip the estimate to [0, 1] first, score each image on its own, and shave no border.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments


def psnr(estimate: Tensor, y: Tensor) -> Tensor:
    """Compute the peak signal-to-noise ratio: the error's energy against the largest possible pixel, on a logarithmic
    scale.

    PSNR = 10 log10(1 / mean((clip(y_hat) - y)^2)), one value for each image; computed in float64.

    Shapes: estimate (N, C, H, W), y the same and in [0, 1]; returns (N,), in dB, infinite for a perfect estimate.

    >>> psnr(torch.full((1, 1, 8, 8), 0.6), torch.full((1, 1, 8, 8), 0.5)).round(decimals=4)
    tensor([20.], dtype=torch.float64)
    """
    estimate, y = _pair(estimate, y)
    return -10 * torch.log10(((estimate - y) ** 2).mean(dim=(1, 2, 3)))


def ssim(estimate: Tensor, y: Tensor) -> Tensor:
    """Compute the structural similarity: how well local means, variances and covariance agree, on a scale up to 1.

    SSIM = mean over pixels of (2 mu mu' + c1)(2 s_xy + c2) / ((mu^2 + mu'^2 + c1)(s_x + s_y + c2)), with Gaussian
    weights of sigma 1.5 (11 x 11), population covariance, c1 = 0.01^2, c2 = 0.03^2; the 5 border pixels, where the
    window leaves the image, are left out, and channels are averaged. Source: Wang et al. 2004.

    Shapes: estimate (N, C, H, W) with sides of at least 11, y the same and in [0, 1]; returns (N,), in float64.

    >>> y = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> ssim(y, y)
    tensor([1.], dtype=torch.float64)
    """
    estimate, y = _pair(estimate, y)
    if min(y.shape[-2:]) < 11:
        raise ValueError(f"ssim: expected images of at least 11 x 11 pixels, got {tuple(y.shape)}.")
    n, c = y.shape[:2]
    offsets = torch.arange(-5, 6, dtype=y.dtype, device=y.device)
    window = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = torch.outer(window, window) / window.sum() ** 2   # (11, 11)

    def local_mean(values: Tensor) -> Tensor:
        flat = values.reshape(n * c, 1, *values.shape[-2:])
        return F.conv2d(flat, window[None, None]).reshape(n, c, -1)

    mu_x, mu_y = local_mean(estimate), local_mean(y)
    s_x, s_y = local_mean(estimate**2) - mu_x**2, local_mean(y**2) - mu_y**2
    s_xy = local_mean(estimate * y) - mu_x * mu_y
    c1, c2 = 0.01**2, 0.03**2
    structure = (2 * mu_x * mu_y + c1) * (2 * s_xy + c2) / ((mu_x**2 + mu_y**2 + c1) * (s_x + s_y + c2))
    return structure.mean(dim=(1, 2))


def _pair(estimate: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    arguments.clean_batch(y)
    arguments.image_batch(estimate, name="the estimate")
    arguments.same_shape(estimate, y, letters="N C H W")
    arguments.same_device(estimate, y, what="the estimate and the clean images")
    # MPS has no float64: score where it exists
    where = "cpu" if y.device.type == "mps" else y.device
    return estimate.detach().to(where, torch.float64).clamp(0, 1), y.detach().to(where, torch.float64)
