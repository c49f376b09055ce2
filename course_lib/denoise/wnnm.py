"""WNNM: a group of similar patches is a matrix of low rank, so shrink its singular values, the small ones most.

    X = U diag(x) V^T  of  Y = U diag(s) V^T,    x_i = s_i - w_i,  w_i = c sqrt(n) sigma^2 / (x_i + eps)

Y has the n patches of a group as columns, their mean taken out. A weight that falls with the singular value leaves
strong structure alone, which an equal weight (the nuclear norm) would weaken as much as noise. w depends on the x that
it makes; solved for x this is `shrink`, in closed form. The filter runs several times and feeds back part of what it
took away, z_k = y_(k-1) + delta (z - y_(k-1)), with the noise that is still left judged anew for each patch:
sigma_k^2 = gamma^2 |sigma^2 - mean (z - z_k)^2|. Groups are found again every second time.

Source: S. Gu, L. Zhang, W. Zuo, X. Feng, "Weighted Nuclear Norm Minimization with Application to Image Denoising",
CVPR 2014. Written from the description; no code was taken over.

Deviations from the paper: singular values come from the eigenvalues of Y Y^T, a small square matrix, and no V is
computed: X = U diag(x / s) U^T Y. The reference grid includes the last row and column. Colour images are turned to
brightness and opponent colours, as BM3D does; the paper is about gray ones.

It stands on the same groups as BM3D, takes some ten times as long, and is here to show what is gained by a better
model of the same groups. Lecture denoising mentions it.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, devices
from course_lib.denoise import grouping
from course_lib.denoise.bm3d import colours, one_level

# The paper's sizes: up to this level (8 bits) a patch of so many pixels, so many of them, so many iterations, gamma
SIZES = ((20, 6, 70, 8, 0.54), (40, 7, 90, 12, 0.56), (60, 8, 120, 14, 0.58), (math.inf, 9, 140, 14, 0.58))


@dataclass(frozen=True)
class WNNM:
    """Shrink the singular values of groups of similar patches, again and again.

    z (N, 1 or 3, H, W) -> estimate of the same shape; sigma is one noise level, in the unit of the images.

    patch, count, iterations: None takes the paper's for the level; stride: between references, None for half a patch
    less one; window: side of the square in which patches are looked for; strength: c; feedback: delta; left: gamma,
    None for the level's; again: groups are found anew every so many iterations.
    For a quick look: WNNM(iterations=4, stride=5, window=31).

    >>> z = torch.full((1, 1, 24, 24), 0.5)
    >>> bool(torch.allclose(WNNM(iterations=2, count=16)(z, sigma=0.1), z, atol=1e-4))
    True
    """

    patch: int | None = None
    count: int | None = None
    iterations: int | None = None
    stride: int | None = None
    window: int = 61
    strength: float = 2 * 2**0.5
    feedback: float = 0.1
    left: float | None = None
    again: int = 2

    @torch.no_grad()
    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        arguments.image_batch(z)
        level = one_level(sigma, method="WNNM")
        if z.shape[1] not in (1, 3):
            raise ValueError(f"WNNM: expected gray images (N, 1, H, W) or colour (N, 3, H, W), got {tuple(z.shape)}.")
        if not all(size is None or (isinstance(size, numbers.Integral) and size > 0)
                   for size in (self.patch, self.count, self.iterations, self.stride)):
            raise ValueError("patch, count, iterations and stride: expected whole numbers of 1 or more, or None for "
                             f"those of the level, got {self}.")
        arguments.positive(self.again, name="again")
        arguments.number(self.strength, name="strength", low=0)
        arguments.number(self.feedback, name="feedback", low=0, high=1)
        return z.clone() if level == 0 else torch.cat([self._one(image[None], level) for image in z])

    def _one(self, z: Tensor, sigma: float) -> Tensor:
        _, patch, count, iterations, left = next(row for row in SIZES if sigma <= row[0] / 255)
        patch, count, iterations = self.patch or patch, self.count or count, self.iterations or iterations
        left = left if self.left is None else self.left
        arguments.number(left, name="left", low=0)
        height, width = z.shape[-2:]
        margins = (0, max(0, patch - width), 0, max(0, patch - height))
        noisy = colours(F.pad(devices.at_least_float32(z), margins, mode="replicate"))
        count = min(count, grouping.fewest(*noisy.shape[-2:], patch=patch, window=self.window))
        given = grouping.patches(noisy, patch=patch)                            # (1, C, P, D)
        estimate = noisy
        for iteration in range(iterations):
            fed = estimate + self.feedback * (noisy - estimate)
            if iteration % self.again == 0:
                index = grouping.match(fed[:, :1], patch=patch, window=self.window, count=count,
                                       stride=self.stride or max(1, patch // 2 - 1))[0]
            table = grouping.patches(fed, patch=patch)
            removed = (given - table).square().mean(dim=-1)                     # (1, C, P)
            remaining = left * (sigma**2 - removed).abs().sqrt() if iteration else torch.full_like(removed, sigma)
            filtered = [low_rank(channel, index, sigma=noise, strength=self.strength)
                        for channel, noise in zip(table[0], remaining[0], strict=True)]
            total, weight = (torch.stack(parts) for parts in zip(*filtered, strict=True))
            flat = noisy.new_ones(patch, patch)
            estimate = grouping.assemble(total, weight, window=flat, size=noisy.shape[-2:])[None]
        return colours(estimate, back=True)[..., :height, :width].to(z)


def low_rank(table: Tensor, index: Tensor, *, sigma: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Replace each group by its mean and a matrix of lower rank; add all up in an empty table.

    Shapes: table (P, D) in float32 or float64, index (R, K), sigma (P,), of which each group takes its reference's
    -> sums of patches (P, D) and how many each is a sum of (P,).
    """
    arguments.shaped("P D", table=table)
    arguments.shaped("P", table=table[:, 0], sigma=sigma)
    if table.dtype not in (torch.float32, torch.float64) or sigma.dtype != table.dtype:
        raise TypeError("expected a table in float32 or float64 and sigma of the same type, got "
                        f"{table.dtype} and {sigma.dtype}.")
    total, weight = torch.zeros_like(table), torch.zeros_like(table[:, 0])
    sizes = torch.full_like(index[:, 0], index.shape[1])
    for _, some in grouping.in_turn(index, sizes, table.shape[1]):
        stacks = grouping.group(table, some)                                    # (K, R, D)
        mean = stacks.mean(dim=0, keepdim=True)
        y = (stacks - mean).permute(1, 2, 0)                                    # (R, D, K): patches are columns
        values, u = torch.linalg.eigh(y @ y.mT)                                 # (R, D), (R, D, D)
        s = values.clamp(min=0).sqrt()
        x = shrink(s, strength * some.shape[1] ** 0.5 * sigma[some[:, 0], None] ** 2)
        kept = torch.where(s > 0, x / s.clamp(min=torch.finfo(s.dtype).tiny), 0.0)
        low = u @ (kept[..., None] * (u.mT @ y))                                # (R, D, K)
        grouping.ungroup(low.permute(2, 0, 1) + mean, some, into=total)
        weight.index_add_(0, some.T.flatten(), torch.ones_like(some.T.flatten(), dtype=weight.dtype))
    return total, weight


def shrink(s: Tensor, strength: float | Tensor, *, eps: float = 1e-8) -> Tensor:
    """Subtract from each singular value a weight that falls with what is left: x = s - C / (x + eps), or 0 without a
    root.

    x = ((s - eps) + sqrt((s + eps)^2 - 4 C)) / 2, the larger root of a quadratic equation, where (s + eps)^2 > 4 C.
    Shapes: s of any shape, not negative, C = `strength` broadcasts to it. Source: Gu et al. 2014.

    >>> shrink(torch.tensor([1.0, 2.0, 5.0]), 4.0, eps=0.0)       # 5 = 4 + 4 / 4
    tensor([0., 0., 4.])
    """
    inside = (s + eps) ** 2 - 4 * strength
    return torch.where(inside > 0, (s - eps + inside.clamp(min=0).sqrt()) / 2, 0.0).clamp(min=0)
