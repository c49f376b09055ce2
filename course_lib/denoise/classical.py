"""Denoisers that learn nothing: wavelet shrinkage and non-local means, the bars that a network must clear.

Both follow the `Denoiser` protocol: batches of tensors in, clean estimates out, the noise level in the unit of the
images. Non-local means is scikit-image's. Its wavelet shrinkage needs PyWavelets, which Colab need not have, so the
transform is written here; a test holds it to scikit-image's. Lecture denoising explains them,
lecture dncnn compares with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, deterministic, devices

# Daubechies' wavelet with two vanishing moments; the high-pass filter mirrors the low-pass with alternating signs
_ROOT = math.sqrt(3)
LOW = tuple(value / (4 * math.sqrt(2)) for value in (1 + _ROOT, 3 + _ROOT, 3 - _ROOT, 1 - _ROOT))
HIGH = (LOW[3], -LOW[2], LOW[1], -LOW[0])


@dataclass(frozen=True)
class Wavelet:
    """Noise is many small wavelet coefficients, structure is few large ones: shrink them all, kill the small ones.

    Each sub-band's coefficients c become sign(c) max(0, |c| - t) with t = sigma^2 / sigma_y, where
    sigma_y^2 = max(0, mean(c^2) - sigma^2) is what the clean image contributes.
    Source: BayesShrink (Chang, Yu and Vetterli 2000). Without sigma it is the finest diagonal coefficients'
    median absolute value over 0.6745.

    >>> z = torch.full((1, 1, 32, 32), 0.5)
    >>> bool(torch.allclose(Wavelet()(z, sigma=0.1), z, atol=1e-5))
    True
    """

    coarsest: int = 8   # side of the smallest band, in pixels, that is still split

    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        arguments.image_batch(z)
        arguments.positive(self.coarsest, name="coarsest")
        levels = max(1, int(math.log2(min(z.shape[-2:]) / self.coarsest)))
        margin = min(2**levels, *(side - 1 for side in z.shape[-2:]))        # mirrored, so that nothing wraps around
        down, right = ((-(side + 2 * margin)) % 2**levels for side in z.shape[-2:])
        mirrored = deterministic.padded(devices.at_least_float32(z), (margin, margin, margin, margin), "reflect")
        smooth, details = F.pad(mirrored, (0, right, 0, down), mode="replicate"), []
        for _ in range(levels):
            smooth, detail = forward(smooth)
            details.append(detail)
        level = _one_level(sigma)
        finest = deterministic.median(details[0][:, :, 2].abs().flatten(1), dim=1).reshape(-1, 1, 1, 1, 1) / 0.6745
        variance = finest**2 if level is None else level**2
        for detail in reversed(details):
            power = (detail**2).mean(dim=(-2, -1), keepdim=True)             # (N, C, 3, 1, 1)
            clean = (power - variance).clamp(min=0).sqrt()
            threshold = variance / clean.clamp(min=1e-12)
            smooth = inverse(smooth, detail.sign() * (detail.abs() - threshold).clamp(min=0))
        return smooth[..., margin : margin + z.shape[-2], margin : margin + z.shape[-1]].to(z)


@dataclass(frozen=True)
class NonLocalMeans:
    """Similar patches show the same thing under different noise: average the centres of similar patches.

    y_hat(p) = sum_q w(p, q) z(q) / sum_q w(p, q), w = exp(-max(0, d2(p, q) - 2 sigma^2) / h^2) with d2 the mean
    squared difference of the patches around p and q. Source: Buades, Coll and Morel 2005.

    patch: side of a patch; distance: how far to look, in pixels; strength: h in units of sigma. The defaults are the
    better of two settings at sigma 25. It works on the processor; images of a GPU go there and come back.

    >>> z = torch.full((1, 1, 32, 32), 0.5)
    >>> bool(torch.allclose(NonLocalMeans()(z, sigma=0.1), z, atol=1e-5))
    True
    """

    patch: int = 5
    distance: int = 10
    strength: float = 0.6

    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        from skimage.restoration import denoise_nl_means

        arguments.image_batch(z)
        level = _one_level(sigma)
        if level is None:
            raise ValueError("non-local means needs the noise level: call it with sigma=25 / 255, say.")
        arguments.positive(self.patch, name="patch")
        arguments.positive(self.distance, name="distance")
        arguments.number(self.strength, name="strength", low=0, above=True)
        arrays = devices.at_least_float32(z.detach()).cpu().permute(0, 2, 3, 1).numpy()                # (N, H, W, C)
        cleaned = [denoise_nl_means(array, patch_size=self.patch, patch_distance=self.distance, h=self.strength * level,
                                    sigma=level, fast_mode=True, channel_axis=-1) for array in arrays]
        return torch.from_numpy(np.stack(cleaned).reshape(arrays.shape)).permute(0, 3, 1, 2).to(z)


def forward(image: Tensor) -> tuple[Tensor, Tensor]:
    """Compute one level of the orthonormal wavelet transform, periodic at the borders, of images with even sides.

    Shapes: (N, C, H, W) -> smooth (N, C, H/2, W/2) and details (N, C, 3, H/2, W/2): horizontal, vertical, diagonal.
    """
    arguments.shaped("N C H W", image=image)
    if image.shape[2] % 2 or image.shape[3] % 2:
        raise ValueError(f"expected images (N, C, H, W) with even sides, got {tuple(image.shape)}.")
    n, c, height, width = image.shape
    wrapped = F.pad(image.reshape(n * c, 1, height, width), (0, 2, 0, 2), mode="circular")
    bands = F.conv2d(wrapped, _filters(image), stride=2).reshape(n, c, 4, height // 2, width // 2)
    return bands[:, :, 0], bands[:, :, 1:]


def inverse(smooth: Tensor, details: Tensor) -> Tensor:
    """Rebuild an image from its smooth part and its details, with the transpose of the orthonormal transform.

    >>> image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(inverse(*forward(image)), image, atol=1e-5))
    True
    """
    if smooth.ndim != 4 or details.shape != (*smooth.shape[:2], 3, *smooth.shape[2:]):
        raise ValueError("expected the smooth part (N, C, H, W) and its details (N, C, 3, H, W), got "
                         f"{tuple(smooth.shape)} and {tuple(details.shape)}.")
    n, c, height, width = smooth.shape
    bands = torch.cat([smooth[:, :, None], details], dim=2).reshape(n * c, 4, height, width)
    image = F.conv_transpose2d(bands, _filters(smooth), stride=2)        # two rows and columns too many: fold them back
    image[..., :2, :] += image[..., -2:, :]
    image[..., :, :2] += image[..., :, -2:]
    return image[..., :-2, :-2].reshape(n, c, 2 * height, 2 * width)


def _filters(like: Tensor) -> Tensor:
    low, high = like.new_tensor(LOW), like.new_tensor(HIGH)
    return torch.stack([torch.outer(a, b) for a in (low, high) for b in (low, high)])[:, None]   # (4, 1, 4, 4)


def _one_level(sigma: float | Tensor | None) -> float | None:
    if isinstance(sigma, Tensor):
        if sigma.numel() != 1:
            raise ValueError(f"this filter takes one noise level for the whole image, got a map {tuple(sigma.shape)}.")
        sigma = float(sigma)
    return None if sigma is None else arguments.sigma_value(sigma)
