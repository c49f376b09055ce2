"""The protocol that every denoiser of the course follows: noisy images in, clean estimates out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn

from course_lib import arguments, devices
from course_lib.quality import psnr


class Denoiser(Protocol):
    """z (N, C, H, W) -> an estimate of y of the same shape.

    sigma is the noise level that the caller knows or believes, a number or a map; a blind denoiser ignores it.
    """

    def __call__(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor: ...


@torch.inference_mode()
def score(denoiser: Denoiser, pairs: Iterable[tuple[Tensor, Tensor]], *, sigma: float | None = None) -> Tensor:
    """Compute the PSNR of each of some pairs (z, y), each (1, C, H, W): the mean of it is what tables show.

    A network, and a denoiser that asks networks, is scored where the weights are; the pairs may wait elsewhere.

    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> score(lambda z, sigma=None: z, [(y + 0.1, y)]).round(decimals=4)
    tensor([20.], dtype=torch.float64)
    """
    arguments.image_pairs(pairs)
    weight = next(denoiser.parameters(), None) if isinstance(denoiser, nn.Module) else None
    where = devices.home(denoiser, None if weight is None else weight.device)
    scores = []
    for z, y in pairs:
        estimate = arguments.image_batch(denoiser(z.to(where), sigma=sigma), name="the estimate")
        scores.append(psnr(estimate, y.to(estimate.device)).cpu())
    if not scores:
        raise ValueError("pairs: expected one pair (z, y) or more, got none. Usual cause: an iterator that was read "
                         "before; list(pairs) can be read again.")
    return torch.cat(scores)
