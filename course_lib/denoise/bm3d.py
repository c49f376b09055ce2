"""BM3D: stack patches that look alike, and shrink the stack's three-dimensional transform, where structure is sparse.

    first stage     y_1 = T^-1( H(T Z) ),  H(c) = c where |c| > 2.7 sigma, else 0              (the paper's section III)
    second stage    y_2 = T^-1( W T Z ),   W = |T Y_1|^2 / (|T Y_1|^2 + sigma^2)

Z is a group: the patches of the noisy image nearest to a reference, T a two-dimensional transform of each patch and a
Haar transform along the group. In the second stage the groups are found in y_1, which also says how strong each
coefficient should be. Each patch goes back to its place; where estimates overlap they are averaged, a group counting
for 1 / (sigma^2 coefficients kept) in the first stage and 1 / (sigma^2 |W|^2) in the second (at most as much as one
kept coefficient): the less noise is left in it, the more.

Colour (C-BM3D): the three channels become brightness and two opponent colours by an orthonormal matrix; brightness,
the least noisy for what it shows, decides the groups of all three, and each is filtered by itself.

Source: K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain Collaborative
Filtering", IEEE TIP 2007; colour: the same, ICIP 2007. Written from the description; no code was taken over.

Deviations from the paper: above sigma 40 its first stage takes cosine transforms of 12 x 12 patches, in groups of 16
that are found among patches whose small coefficients were set to zero. Here it keeps the wavelets of 8 x 8 patches,
takes groups of 32, and compares the noisy patches with a limit that no longer excludes them: on the first two images
of Set12 at sigma 50 that gives 26.01 and 29.75 dB, the paper's sizes 25.58 and 29.53. The reference grid includes the
last row and column. Images too small for a full group get smaller ones.

Lecture denoising shows it and what a wrong sigma does to it.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, devices
from course_lib.denoise import grouping

# Brightness and two opponent colours; rows are orthogonal, `colours` makes them of length 1
OPPONENT = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
Rule = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Stage:
    """How one stage makes its groups.

    patch: side of a patch; stride: between references; count: patches in a group at most, a power of two;
    window: side of the square in which patches are looked for; similar: largest mean squared difference of patches in
    a group, in squared 8-bit levels as the paper has it; transform: along both sides of a patch.
    """

    patch: int
    stride: int
    count: int
    window: int
    similar: float
    transform: Callable[[int], Tensor] = grouping.dct


@dataclass(frozen=True)
class Profile:
    """Both stages, and the first one's threshold in units of sigma."""

    first: Stage
    second: Stage
    threshold: float


# The paper's table I up to sigma 40. With cosines instead of wavelets in the first stage the whole filter is 0.07 to
# 0.18 dB worse on three images of Set12 at sigma 25, and no faster.
NORMAL = Profile(Stage(8, 3, 16, 39, 3000.0, grouping.bior15), Stage(8, 3, 32, 39, 400.0), threshold=2.7)
HIGH_NOISE = Profile(Stage(8, 4, 32, 39, 25_000.0, grouping.bior15), Stage(11, 6, 32, 39, 3500.0), threshold=2.8)


@dataclass(frozen=True)
class BM3D:
    """Filter groups of similar patches together: by a threshold first, then by Wiener's rule with the first result.

    z (N, 1 or 3, H, W) -> estimate of the same shape; sigma is one noise level, in the unit of the images.

    profile: how groups are made; None takes NORMAL up to sigma 40 / 255 and HIGH_NOISE above.
    stages: 1 stops after the threshold. kaiser: shape of the window that averages overlapping patches.

    >>> z = torch.full((1, 1, 32, 32), 0.5)
    >>> bool(torch.allclose(BM3D()(z, sigma=0.1), z, atol=1e-4))
    True
    """

    profile: Profile | None = None
    stages: int = 2
    kaiser: float = 2.0

    @torch.no_grad()
    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        arguments.image_batch(z)
        level = one_level(sigma, method="BM3D")
        if z.shape[1] not in (1, 3):
            raise ValueError(f"BM3D: expected gray images (N, 1, H, W) or colour (N, 3, H, W), got {tuple(z.shape)}.")
        if self.stages not in (1, 2):
            raise ValueError(f"stages: expected 1, the threshold alone, or 2, got {self.stages}.")
        if level == 0:
            return z.clone()
        profile = self.profile or (NORMAL if level <= 40 / 255 else HIGH_NOISE)
        return torch.cat([self._one(devices.at_least_float32(image[None]), level, profile) for image in z]).to(z)

    def _one(self, z: Tensor, sigma: float, profile: Profile) -> Tensor:
        height, width = z.shape[-2:]
        smallest = max(profile.first.patch, profile.second.patch)
        padded = F.pad(z, (0, max(0, smallest - width), 0, max(0, smallest - height)), mode="replicate")
        opponent = colours(padded)
        first = threshold_groups(opponent, sigma=sigma, profile=profile, kaiser=self.kaiser)
        both = first if self.stages == 1 else wiener_groups(opponent, first, sigma=sigma, stage=profile.second,
                                                            kaiser=self.kaiser)
        return colours(both, back=True)[..., :height, :width]


# Stages --------------------------------------------------------------------------------------------------------------


def threshold_groups(z: Tensor, *, sigma: float, profile: Profile, kaiser: float = 2.0) -> Tensor:
    """Filter groups as the first stage does: set the coefficients that noise alone could explain to zero.

    Shapes: z (1, C, H, W) in float32 or float64, the first channel decides the groups -> the estimate.
    """
    arguments.number(profile.threshold, name="threshold", low=0)
    arguments.number(sigma, name="sigma", low=1e-9)                            # its square divides

    def rule(noisy: Tensor, pilot: Tensor) -> tuple[Tensor, Tensor]:
        kept = noisy.abs() > profile.threshold * sigma
        return noisy * kept, 1 / (sigma**2 * kept.sum(dim=(0, 2)).clamp(min=1).to(noisy))

    return _filter_groups(z, z, rule, stage=profile.first, kaiser=kaiser)


def wiener_groups(z: Tensor, pilot: Tensor, *, sigma: float, stage: Stage, kaiser: float = 2.0) -> Tensor:
    """Filter groups as the second stage does: weaken each coefficient by what a first estimate says of its strength.

    Shapes: z and pilot (1, C, H, W) in float32 or float64, the pilot's first channel decides the groups -> the
    estimate.
    """
    arguments.number(sigma, name="sigma", low=1e-9)

    def rule(noisy: Tensor, pilot: Tensor) -> tuple[Tensor, Tensor]:
        power = pilot**2
        share = power / (power + sigma**2)
        return noisy * share, 1 / (sigma**2 * share.square().sum(dim=(0, 2)).clamp(min=1))

    return _filter_groups(z, pilot, rule, stage=stage, kaiser=kaiser)


def _filter_groups(z: Tensor, pilot: Tensor, rule: Rule, *, stage: Stage, kaiser: float) -> Tensor:
    """Group what is alike in the pilot's first channel, transform, apply a rule, and put everything back.

    rule(noisy, pilot) gets the coefficients (K, R, D) of some groups and returns new ones and the groups' weights (R,).
    """
    arguments.image_batch(z)
    arguments.image_batch(pilot, name="the first estimate")
    arguments.same_shape(z, pilot, letters="1 C H W")
    if z.dtype not in (torch.float32, torch.float64) or pilot.dtype != z.dtype:
        raise TypeError(f"a stage filters float32 or float64, and the first estimate is of the same type as the image, "
                        f"got {z.dtype} and {pilot.dtype}.")
    arguments.positive(stage.patch, name="patch")
    arguments.positive(stage.count, name="count")
    arguments.number(stage.similar, name="similar", low=0)
    arguments.number(kaiser, name="kaiser", low=0)
    if len(z) != 1:
        raise ValueError(f"a stage filters one image at a time (1, C, H, W), got {tuple(z.shape)}.")
    if stage.stride > stage.patch:
        raise ValueError(f"stride: expected at most the side of a patch, {stage.patch}, or pixels between the "
                         f"references would belong to no group; got {stage.stride}.")
    size, side = z.shape[-2:], stage.patch
    count = min(stage.count, grouping.fewest(*size, patch=side, window=stage.window))
    matches = grouping.search(pilot[:, :1], patch=side, window=stage.window, stride=stage.stride,
                              count=int(grouping.power_of_two(torch.tensor(count))))
    index = matches.position[0]
    sizes = grouping.power_of_two((matches.distance[0] < _unit(stage.similar, z)).sum(dim=1).clamp(min=1))
    forward, inverse = grouping.on_patches(stage.transform, side, like=z)
    noisy = grouping.patches(z, patch=side)[0] @ forward                       # (C, P, D)
    known = noisy if pilot is z else grouping.patches(pilot, patch=side)[0] @ forward
    total, weight = torch.zeros_like(noisy), torch.zeros_like(noisy[..., 0])
    for _, some in grouping.in_turn(index, sizes, side**2):
        along = grouping.haar(some.shape[1]).to(z)
        for channel in range(len(noisy)):
            stack = _along(along, grouping.group(noisy[channel], some))
            expected = stack if known is noisy else _along(along, grouping.group(known[channel], some))
            shrunk, worth = rule(stack, expected)
            grouping.ungroup(_along(along.T, shrunk) * worth[:, None], some, into=total[channel])
            weight[channel].index_add_(0, some.T.flatten(), worth.repeat(some.shape[1]))
    bell = torch.kaiser_window(side, periodic=False, beta=kaiser, dtype=z.dtype).to(z)
    return grouping.assemble(total @ inverse, weight, window=torch.outer(bell, bell), size=size)[None]


def _along(matrix: Tensor, stacks: Tensor) -> Tensor:
    """A transform along the group: (K, K) and (K, R, D) -> (K, R, D)."""
    return (matrix @ stacks.flatten(1)).reshape(stacks.shape)


def _unit(similar: float, z: Tensor) -> float:
    """From squared 8-bit levels to squared units of an image, or of the brightness of `colours`."""
    return similar / 255**2 * (3 if z.shape[1] == 3 else 1)


# Colour and levels ---------------------------------------------------------------------------------------------------


def colours(image: Tensor, *, back: bool = False) -> Tensor:
    """Turn red, green and blue into brightness and two opponent colours, or back; gray images stay.

    The matrix is orthonormal, so that noise of level sigma keeps its level in every channel.
    Shapes: (N, 1 or 3, H, W) -> the same.

    >>> colours(torch.ones(1, 3, 1, 1)).flatten().round(decimals=4)
    tensor([1.7321, 0.0000, 0.0000])
    """
    arguments.image_batch(image)
    if image.shape[1] == 1:
        return image
    if image.shape[1] != 3:
        raise ValueError(f"expected gray images (N, 1, H, W) or colour (N, 3, H, W), got {tuple(image.shape)}.")
    rows = torch.tensor(OPPONENT, dtype=image.dtype, device=image.device)
    rows = rows / rows.norm(dim=1, keepdim=True)
    return torch.einsum("oc,nchw->nohw", rows.T if back else rows, image)


def one_level(sigma: float | Tensor | None, *, method: str) -> float:
    """Return the one noise level that a filter needs; a missing level or a map is refused."""
    if sigma is None:
        raise ValueError(f"{method} needs the noise level: call it with sigma=25 / 255, say.")
    if isinstance(sigma, Tensor) and sigma.numel() != 1:
        raise ValueError(f"{method} takes one noise level for the whole image, got a map {tuple(sigma.shape)}. "
                         "Filter with each level that occurs and choose pixel by pixel, or take FFDNet.")
    if isinstance(sigma, bool) or not isinstance(sigma, Tensor | numbers.Real):
        raise TypeError(f"sigma: expected one noise level, a number such as 25 / 255, got {sigma!r}.")
    return arguments.sigma_value(float(sigma))
