"""Where batches come from: sources own every random draw of a sample, so that a training step is deterministic.

A source is a function (batch size, generator) -> batch. `patches` starts one, `then` adds a view to it: noise, a mask,
a second look. Images stay in memory as uint8; a whole batch is cropped, flipped, rotated and noised at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib import arguments, devices, randomness
from course_lib.data.images import to_float
from course_lib.noise import Noise

Batch = Tensor | tuple[Tensor, ...]
Pictures = Sequence[Tensor] | Mapping[str, Tensor]   # uint8 (C, H, W)
Source = Callable[[int, torch.Generator], Batch]
View = Callable[[Any, torch.Generator], Batch]
Augmentation = Callable[[Tensor, torch.Generator], Tensor]     # of a batch of images (N, C, H, W)


def patches(images: Pictures, *, size: int) -> Source:
    """Draw square crops, uniformly over all positions of all images, as a float batch (N, C, size, size) in [0, 1].

    One of the eight flips and rotations is drawn for the whole batch. The images wait in one uint8 canvas as large as
    the largest of them, and a batch is one indexed read of all its windows: some ten times the patches a second of a
    data set that decodes a picture for each patch.

    >>> source = patches([torch.zeros(1, 50, 60, dtype=torch.uint8)], size=40)
    >>> source(8, torch.Generator().manual_seed(0)).shape
    torch.Size([8, 1, 40, 40])
    """
    if not isinstance(images, Iterable) or getattr(images, "ndim", 1) == 0:
        raise TypeError(f"expected 8-bit pictures (C, H, W), in a list or by name, got {images!r}.")
    images = list(images.values() if isinstance(images, Mapping) else images)
    _check(images, arguments.positive(size, name="size"))
    heights, widths = (torch.tensor([image.shape[axis] for image in images]) for axis in (1, 2))
    canvas = images[0].new_zeros(len(images), images[0].shape[0], int(heights.max()), int(widths.max()))
    for space, image in zip(canvas, images, strict=True):
        space[:, : image.shape[1], : image.shape[2]] = image
    return _Patches(canvas, heights, widths, size)


class _Patches:
    """The source that `patches` makes; what it keeps on each device is private and no part of its identity."""

    def __init__(self, canvas: Tensor, heights: Tensor, widths: Tensor, size: int) -> None:
        self.canvas, self.size = canvas, size
        self.across = widths - size + 1                                      # positions along x, of each image
        self.ends = ((heights - size + 1) * self.across).cumsum(0)           # positions of all images up to each
        self._resident: dict[torch.device, Tensor] = {}

    def __call__(self, batch: int, generator: torch.Generator) -> Tensor:
        place, size, ends = devices.place(generator), self.size, self.ends
        if place not in self._resident:
            self._resident[place] = self.canvas.to(place)
        position = torch.randint(int(ends[-1]), (batch,), generator=generator, device=generator.device).to(ends)
        image = torch.searchsorted(ends, position, right=True)               # (N,)
        inside = position - (ends - ends.diff(prepend=ends.new_zeros(1)))[image]
        across = self.across[image]
        image, top, left = devices.sent(torch.stack([image, inside // across, inside % across]), place)
        windows = self._resident[place].unfold(2, size, 1).unfold(3, size, 1)   # (I, C, H', W', size, size), a view
        crops = windows[image, :, top, left].float().div_(255)               # (N, C, size, size)
        return _dihedral(crops, int(torch.randint(8, (), generator=generator, device=generator.device)))


def pictures(images: Tensor, labels: Tensor | None = None) -> Source:
    """Choose random pictures of one size, with repetition: a batch of N is (N, C, H, W) in [0, 1], with labels (N,)
    beside it where there are labels.

    images: uint8 (I, C, H, W); labels (I,). Raises TypeError and ValueError for what are no 8-bit pictures.

    >>> pictures(torch.zeros(3, 1, 4, 4, dtype=torch.uint8))(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 1, 4, 4])
    """
    if not arguments.eight_bit(images).numel():
        raise ValueError(f"expected pictures to choose from, got none in {tuple(images.shape)}.")
    if labels is not None:
        labels = arguments.whole_labels(labels, count=len(images))
    return _Pictures(images, labels)


class _Pictures:
    """The source that `pictures` makes; what it keeps on each device is private and no part of its identity."""

    def __init__(self, images: Tensor, labels: Tensor | None) -> None:
        self.images, self.labels = images, labels
        self._resident: dict[torch.device, tuple[Tensor, Tensor | None]] = {}

    def __call__(self, batch: int, generator: torch.Generator) -> Batch:
        place = devices.place(generator)
        if place not in self._resident:
            self._resident[place] = self.images.to(place), None if self.labels is None else self.labels.to(place)
        images, labels = self._resident[place]
        chosen = torch.randint(len(images), (batch,), generator=generator, device=generator.device)
        chosen = devices.sent(chosen, place)
        some = images[chosen].float().div_(255)
        return some if labels is None else (some, labels[chosen])


def then(source: Source, view: View) -> Source:
    """Look at each batch of a source through a view, which may draw from the same generator.

    >>> twice = then(lambda n, g: torch.ones(n), lambda batch, g: 2 * batch)
    >>> twice(2, torch.Generator())
    tensor([2., 2.])
    """
    return lambda batch, generator: view(source(batch, generator), generator)


def noisy(noise: Noise) -> View:
    """Make the view of learning with clean images: y becomes the pair (z, y), with fresh noise each time.

    >>> from course_lib.noise import Gaussian
    >>> z, y = noisy(Gaussian(0.1))(torch.zeros(2, 1, 4, 4), torch.Generator().manual_seed(0))
    >>> z.shape == y.shape
    True
    """
    return lambda y, generator: (noise(y, generator=generator), y)


def fixed_pairs(images: Mapping[str, Tensor], noise: Noise, *, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Pair whole images with one noise realisation each, (z, y) of (1, C, H, W): what scores are measured on.

    The noise of an image depends on the seed and on the image's name only, never on the other images.
    """
    if not isinstance(images, Mapping):
        raise TypeError(f"expected 8-bit pictures (C, H, W) by name, a dictionary, got {type(images).__name__}.")
    clean = {name: to_float(image) for name, image in images.items()}
    return [(noise(y, generator=randomness.generator(seed, "score", name)), y) for name, y in clean.items()]


def channels_of(images: Pictures) -> int:
    """Return how many channels the pictures have, by the first of them.

    >>> channels_of({"gray": torch.zeros(1, 50, 60, dtype=torch.uint8)})
    1
    """
    if not _pictured(images):
        raise ValueError("expected pictures (C, H, W), one or more, in a list or by name.")
    return next(iter(images.values() if isinstance(images, Mapping) else images)).shape[0]


def _pictured(images: Pictures) -> bool:
    """Whether these are pictures (C, H, W), one or more."""
    listed = images.values() if isinstance(images, Mapping) else images
    return (isinstance(images, Mapping | Sequence | Tensor) and len(listed) > 0
            and all(isinstance(image, Tensor) and image.ndim == 3 for image in listed))


def _check(images: list[Tensor], size: int) -> None:
    if not images:
        raise ValueError("expected at least one image, got none.")
    for image in images:
        if not isinstance(image, Tensor) or image.ndim != 3 or image.dtype != torch.uint8:
            came = f"{tuple(image.shape)} of {image.dtype}" if isinstance(image, Tensor) else type(image).__name__
            raise ValueError(f"expected 8-bit pictures (C, H, W), got {came}. Sources keep images as uint8 in [0, 255] "
                             "and divide by 255 themselves; (image * 255).round().byte() makes one of floats.")
        if image.shape[0] != images[0].shape[0]:
            raise ValueError(f"expected pictures with the same channels, got {images[0].shape[0]} and "
                             f"{image.shape[0]}. Read them all with channels=1 or all with channels=3.")
        if min(image.shape[1:]) < size:
            raise ValueError(f"the patch of {size} x {size} is larger than an image of {image.shape[1]} x "
                             f"{image.shape[2]}. Take a smaller patch, or leave this image out.")


def _dihedral(batch: Tensor, which: int) -> Tensor:
    """One of the eight flips and rotations of a square."""
    batch = torch.rot90(batch, which % 4, dims=(-2, -1))
    return batch.flip(-1) if which >= 4 else batch
