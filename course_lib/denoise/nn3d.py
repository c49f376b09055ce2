"""NN3D: let a local network and a non-local filter take turns, so that what repeats in an image helps every copy.

    zbar_k = lambda_k z + (1 - lambda_k) y_hat_{k-1},    lambda_k = 1/k              part of the noisy image comes back
    ytilde_k = D(zbar_k; lambda_k sigma)                                             the network: looks near each pixel
    y_hat_k = F(ytilde_k; tau_k),    tau_k = lambda_k sigma / 4,    k = 1, ..., K    the filter: looks far, at groups

D is any denoiser. F stacks each patch with the K_g patches most like it and filters along the stack only: a Haar
transform of each pixel's K_g values, Gamma(q) = q^3 / (q^2 + tau^2) for each coefficient q, and back. The patches go
home and overlap; a group counts for 1 / sum of squared factors Gamma(q)/q, the less of it is left, the more. Groups
are found once, in ytilde_1, where the noise no longer decides what looks alike.

A network that knows one level sigma_0 serves any other by scaling, sigma_0/sigma z in and sigma/sigma_0 y_hat out:
`Scaled`. To a network without biases this is nothing new, since D(a z) = a D(z) for all a >= 0.

Source: C. Cruz, A. Foi, V. Katkovnik, K. Egiazarian, "Nonlocality-Reinforced Convolutional Neural Networks for Image
Denoising", IEEE Signal Processing Letters 2018; K = 2. Written from descriptions; no code was taken over.

Deviations from the paper: its program was not at hand. The sizes of patches (10) and groups (32) are as others report
them; the window of 39 pixels and the step of 5 between references are ours, in BM3D's manner, and so is the exact form
of the weights. The reference grid includes the last row and column. Images too small for a full group get smaller ones.
Colour images, which the paper does not treat, are compared in all channels at once and filtered in each.

Lecture nonlocality teaches it; its exercise builds its search, its filter and its iterations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, devices
from course_lib.denoise import grouping
from course_lib.denoise.bm3d import one_level
from course_lib.denoiser import Denoiser


class Round(NamedTuple):
    """What one iteration did, each (N, C, H, W), and with which numbers."""

    share: float        # lambda_k: how much of the noisy image comes back
    level: float        # lambda_k sigma: what the network is told
    tau: float          # how strongly the filter shrinks
    fed: Tensor         # zbar_k
    denoised: Tensor    # ytilde_k
    estimate: Tensor    # y_hat_k


@dataclass(frozen=True)
class NN3D:
    """Alternate a denoiser with a filter of groups of similar patches.

    z (N, C, H, W) -> estimate of the same shape; sigma is one noise level, in the unit of the images.

    denoiser: D, told the level; iterations: K; patch: side of a patch; count: patches in a group, a power of two;
    window: side of the square in which patches are looked for; stride: between references; strength: tau / (lambda
    sigma). grouped=False leaves the filter out and keeps the iterations, for comparison.

    >>> nothing = NN3D(lambda z, sigma=None: z, patch=4, count=4, stride=2)
    >>> z = torch.full((1, 1, 16, 16), 0.5)
    >>> bool(torch.allclose(nothing(z, sigma=0.1), z, atol=2e-3))
    True
    """

    denoiser: Denoiser
    iterations: int = 2
    patch: int = 10
    count: int = 32
    window: int = 39
    stride: int = 5
    strength: float = 0.25
    grouped: bool = True

    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        return self.rounds(z, sigma=sigma)[-1].estimate

    @torch.no_grad()
    def rounds(self, z: Tensor, *, sigma: float | Tensor | None = None) -> list[Round]:
        """Run all iterations and return each with what went in and what came out: the last one's estimate is the
        result."""
        arguments.image_batch(z)
        level = one_level(sigma, method="NN3D")
        arguments.positive(self.patch, name="patch")
        if self.stride > self.patch:
            raise ValueError(f"stride: expected at most the side of a patch, {self.patch}, or pixels between the "
                             f"references would belong to no group; got {self.stride}.")
        done: list[Round] = []
        matches: Tensor | None = None
        for k in range(1, arguments.positive(self.iterations, name="iterations") + 1):
            share, tau = schedule(k, sigma=level, strength=self.strength)
            fed = z if k == 1 else share * z + (1 - share) * done[-1].estimate
            denoised = self.denoiser(fed, sigma=share * level)
            arguments.image_batch(denoised, name="the estimate of the denoiser")
            arguments.same_shape(denoised, z, letters="N C H W")
            estimate = denoised
            if self.grouped:
                if matches is None:
                    matches = similar(denoised, patch=self.patch, count=self.count, window=self.window,
                                      stride=self.stride)
                estimate = filter_groups(denoised, matches, patch=self.patch, tau=tau)
            done.append(Round(share, share * level, tau, fed, denoised, estimate))
        return done


def schedule(k: int, *, sigma: float, strength: float = 0.25) -> tuple[float, float]:
    """Compute lambda_k = 1/k, the weight of the noisy image in iteration k, and tau_k, how strongly its filter shrinks.

    >>> schedule(2, sigma=0.4)
    (0.5, 0.05)
    """
    arguments.positive(k, name="k")
    arguments.number(sigma, name="sigma", low=0)
    share = 1 / k
    return share, strength * share * sigma


def similar(image: Tensor, *, patch: int, count: int, window: int, stride: int) -> Tensor:
    """Find for every reference patch the positions of those most like it, as many as a Haar transform takes.

    Shapes: image (N, C, H, W) -> (N, R, K), K the largest power of two up to count that the image has room for.

    >>> similar(torch.zeros(1, 1, 12, 12), patch=10, count=32, window=39, stride=5).shape      # 3 x 3 places
    torch.Size([1, 4, 8])
    """
    arguments.image_batch(image)
    image = _at_least(image, arguments.positive(patch, name="patch"))
    room = min(arguments.positive(count, name="count"), grouping.fewest(*image.shape[-2:], patch=patch, window=window))
    return grouping.match(image, patch=patch, window=window, stride=stride,
                          count=int(grouping.power_of_two(torch.tensor(room))))


def filter_groups(image: Tensor, matches: Tensor, *, patch: int, tau: float) -> Tensor:
    """Filter each group along itself, and average the patches where they overlap.

    y(x) = sum_g w_g sum_i (patch i of group g)(x) / sum_g w_g,    w_g = 1 / sum over its coefficients (Gamma(q)/q)^2

    Shapes: image (N, C, H, W), matches (N, R, K) as `similar` gives them -> the estimate (N, C, H, W).
    """
    arguments.image_batch(image)
    if arguments.sigma_value(tau, name="tau") == 0:
        return image.clone()
    arguments.shaped("N R K", whole=True, matches=matches)
    if len(matches) != len(image):
        raise ValueError(f"matches: expected (N, R, K), groups for each of {len(image)} images, got "
                         f"{tuple(matches.shape)}.")
    height, width = image.shape[-2:]
    padded = _at_least(devices.at_least_float32(image.detach()), patch)
    total = grouping.patches(padded, patch=patch)                               # (N, C, P, D), D = patch^2
    if any(not 0 <= place < total.shape[2] for place in arguments.extremes(matches, name="matches")):
        raise ValueError(f"matches: expected positions among the {total.shape[2]} patches of an image of {height} x "
                         f"{width} pixels, got some beyond. Usual cause: groups that were found in a larger image.")
    weight = torch.zeros_like(total[..., 0])                                    # (N, C, P)
    for one, many in enumerate(matches):
        size = torch.full_like(many[:, 0], many.shape[1])
        for channel, table in enumerate(total[one]):
            given = table.clone()
            table.zero_()
            for _, some in grouping.in_turn(many, size, table.shape[1]):
                stacks, worth = shrink_along(grouping.group(given, some), tau=tau)
                grouping.ungroup(stacks * worth[:, None], some, into=table)
                weight[one, channel].index_add_(0, some.T.flatten(), worth.repeat(some.shape[1]))
    flat = padded.new_ones(patch, patch)
    return grouping.assemble(total, weight, window=flat, size=padded.shape[-2:])[..., :height, :width].to(image)


def shrink_along(stacks: Tensor, *, tau: float) -> tuple[Tensor, Tensor]:
    """Transform each group by Haar, apply Gamma(q) = q^3 / (q^2 + tau^2), and transform back; return each group's
    weight, too.

    What all patches of a group share becomes one large coefficient, which stays; what only one of them has is spread
    over small ones, which go. The weight is at most that of a group of which one coefficient is left.

    Shapes: stacks (K, R, D), K a power of two -> the same, and the weights (R,).

    >>> stacks, worth = shrink_along(torch.tensor([1.0, 0.0]).reshape(2, 1, 1), tau=0.5**0.5)
    >>> (stacks.flatten() - torch.tensor([0.5, 0.0])).abs().max() < 1e-6, worth   # q = (1, 1) / sqrt(2) loses half
    (tensor(True), tensor([1.]))
    """
    arguments.number(tau, name="tau", low=0, above=True)
    along = grouping.haar(stacks.shape[0]).to(stacks)
    q = (along @ stacks.flatten(1)).reshape(stacks.shape)
    kept = q.square() / (q.square() + tau**2)                                   # Gamma(q) / q
    back = (along.T @ (kept * q).flatten(1)).reshape(stacks.shape)
    return back, 1 / kept.square().sum(dim=(0, 2)).clamp(min=1)


def _at_least(image: Tensor, side: int) -> Tensor:
    """Repeat the last row and column until a patch fits."""
    down, right = (max(0, side - length) for length in image.shape[-2:])
    return F.pad(image, (0, right, 0, down), mode="replicate") if down or right else image


# Networks that know one level ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaled:
    """Bring the noise to the level that a denoiser knows, and its estimate back: y_hat = D(a z; level) / a.

    a = level / sigma. If z = y + eta has noise of level sigma, a z = a y + a eta is an image with noise of the known
    level. Its contrast is a times as large, which the denoiser may not know: a < 1 darkens, a > 1 leaves [0, 1].

    >>> told = []
    >>> Scaled(lambda z, sigma=None: told.append(sigma) or z, 0.5)(torch.ones(1, 1, 1, 1), sigma=0.75), told
    (tensor([[[[1.]]]]), [0.5])
    """

    denoiser: Denoiser
    level: float

    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        arguments.image_batch(z)
        arguments.number(self.level, name="level", low=0, above=True)
        if (true := one_level(sigma, method="Scaled")) == 0:
            return z.clone()
        a = arguments.sigma_value(self.level, name="level") / true
        return self.denoiser(a * z, sigma=self.level) / a


@dataclass(frozen=True)
class Bank:
    """Denoisers that know one level each: ask the one whose level is nearest, in ratio, with the image scaled to it.

    networks: level -> denoiser. What NN3D needs of DnCNN-S, since each iteration has a level of its own.

    >>> bank = Bank({0.1: lambda z, sigma=None: 0 * z + 1, 0.2: lambda z, sigma=None: 0 * z + 2})
    >>> bank(torch.zeros(1, 1, 1, 1), sigma=0.2), bank(torch.zeros(1, 1, 1, 1), sigma=0.05)
    (tensor([[[[2.]]]]), tensor([[[[0.5000]]]]))
    """

    networks: Mapping[float, Denoiser]

    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        arguments.image_batch(z)
        if not self.networks or not all(level > 0 for level in self.networks):
            raise ValueError("a bank holds denoisers by the level above zero that each knows, as in "
                             f"Bank({{50 / 255: network}}), got levels {sorted(self.networks)}.")
        if (true := one_level(sigma, method="Bank")) == 0:
            return z.clone()
        level = min(self.networks, key=lambda known: abs(math.log(known / true)))
        return Scaled(self.networks[level], level)(z, sigma=true)
