"""Checks of arguments that speak to a student: what was expected, what came, and the usual cause."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MAX_SIGMA = 2.0  # in units of the image range; 25 instead of 25 / 255 is far above, the noisiest lecture far below


class UnknownName(ValueError):
    """A name that is in no list, with the nearest one that is."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word as a question; an empty text where none is near.

    >>> suggest("dncn", ["dncnn", "ffdnet"])
    "did you mean 'dncnn'?"
    >>> suggest("zebra", ["dncnn", "ffdnet"])
    ''
    """
    spelt = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), spelt, n=1, cutoff=0.5)
    return f"did you mean {spelt[near[0]]!r}?" if near else ""


def one_of(word: str, known: Iterable[str], *, what: str) -> str:
    """Return the word, or say which words there are.

    >>> one_of("smok", ["smoke", "lecture"], what="profile")
    Traceback (most recent call last):
        ...
    course_lib.arguments.UnknownName: unknown profile 'smok': did you mean 'smoke'? There are: smoke, lecture
    """
    known = list(known)
    if word not in known:
        hint = suggest(word, known)
        there = f"There are: {', '.join(known)}" if known else "There are none"
        raise UnknownName(f"unknown {what} {word!r}{':' if hint else '.'} {hint + ' ' if hint else ''}{there}")
    return word


def image_batch(z: Tensor, *, channels: int | None = None, name: str = "the images") -> Tensor:
    """Return z if it is a float batch (N, C, H, W) of the expected channels.

    >>> import torch
    >>> image_batch(torch.zeros(4, 4))
    Traceback (most recent call last):
        ...
    ValueError: the images: expected a tensor of shape (N, C, H, W), got (4, 4). A single gray image (H, W) becomes a \
batch with image[None, None].
    """
    import torch

    if not isinstance(z, torch.Tensor):
        raise TypeError(f"{name}: expected a torch tensor (N, C, H, W), got {type(z).__name__}. "
                        "A numpy array becomes one with torch.from_numpy(array).")
    if z.ndim != 4:
        cause = {2: "A single gray image (H, W) becomes a batch with image[None, None].",
                 3: "A single image (C, H, W) becomes a batch with image[None]."}.get(z.ndim, "")
        raise ValueError(f"{name}: expected a tensor of shape (N, C, H, W), got {tuple(z.shape)}. {cause}".rstrip())
    if not z.is_floating_point():
        raise TypeError(f"{name}: expected floats in [0, 1], got {str(z.dtype).removeprefix('torch.')}. "
                        "Usual cause: 8-bit pixels that were not divided: image.float() / 255.")
    if channels is not None and z.shape[1] != channels:
        cause = "The network was built for gray images; convert, or build it with channels=3." if channels == 1 else \
            f"The network was built with channels={channels}."
        raise ValueError(f"{name}: expected {channels} channel{'s' if channels > 1 else ''} (N, {channels}, H, W), "
                         f"got {z.shape[1]} in {tuple(z.shape)}. {cause}")
    return z


def sigma_value(sigma: float, *, name: str = "sigma") -> float:
    """Return a noise level if it is one, in the unit of the images.

    >>> sigma_value(25)
    Traceback (most recent call last):
        ...
    ValueError: sigma: expected a noise level in the unit of the images, which lie in [0, 1], got 25. Usual cause: \
25 instead of 25 / 255.
    """
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"{name}: expected a noise level of zero or more, got {sigma}.")
    if sigma > MAX_SIGMA:
        raise ValueError(f"{name}: expected a noise level in the unit of the images, which lie in [0, 1], "
                         f"got {sigma:g}. Usual cause: {sigma:g} instead of {sigma:g} / 255.")
    return float(sigma)


def same_shape(*tensors: Tensor, letters: str) -> None:
    """Refuse tensors whose shapes differ or do not have one axis per letter.

    >>> import torch
    >>> same_shape(torch.zeros(2, 3), torch.zeros(2, 4), letters="N D")
    Traceback (most recent call last):
        ...
    ValueError: expected tensors of one shape (N, D), got (2, 3) and (2, 4).
    """
    shapes = [tuple(t.shape) for t in tensors]
    if len(set(shapes)) > 1 or len(shapes[0]) != len(letters.split()):
        raise ValueError(f"expected tensors of one shape ({', '.join(letters.split())}), "
                         f"got {' and '.join(str(s) for s in shapes)}.")


def positive(value: int, *, name: str) -> int:
    """Return a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: expected a whole number of 1 or more, got {value!r}.")
    return value
