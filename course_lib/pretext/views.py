"""Views: a random augmentation changes the pixels of each image, and not what the image shows.

    crop of random place, size and shape -> flip -> (probability 0.8) colour jitter -> (probability 0.2) gray

Colour jitter changes brightness, contrast and saturation by factors in [1 - 0.8 s, 1 + 0.8 s] and turns the hue by up
to 0.2 s of the circle, in a random order; s is its strength: 1 for photographs, 0.5 for CIFAR-10. Whole
batches are cropped and coloured at once; every image has its own numbers.

Source: T. Chen, S. Kornblith, M. Norouzi, G. Hinton, "A Simple Framework for Contrastive Learning of Visual
Representations" (SimCLR), ICML 2020, appendix A; the operations are those of torchvision, whose functions these equal.

Deviations from the paper: crops are enlarged bilinearly (the authors: bicubically), and there is no blur, which the
authors leave out for small images, too. Contrast pulls towards the mean gray of an image, as in torchvision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, devices

LUMA = (0.2989, 0.587, 0.114)     # how much of red, green and blue is in gray, with torchvision's digits
TRIES = 10                        # random boxes for a crop until one fits into the image


@dataclass(frozen=True)
class Views:
    """The augmentation that makes one view of each image of a batch: (N, C, H, W) and a generator -> (N, C, H, W).

    area: the share of the image that a crop shows, from and to ((1, 1) leaves crops out); mirror: whether to flip;
    strength: of the colour jitter (0 leaves it out); jitter and gray: how often colours are jittered and removed.
    Images are floats in [0, 1]. Gray ones (one channel) have no colours to change: brightness and contrast are left.

    >>> batch = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> Views()(batch, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 16, 16])
    """

    area: tuple[float, float] = (0.08, 1.0)
    mirror: bool = True
    strength: float = 1.0
    jitter: float = 0.8
    gray: float = 0.2

    def __post_init__(self) -> None:
        if not isinstance(self.area, tuple | list) or len(self.area) != 2:
            raise TypeError(f"area: expected the smallest and the largest share of an image that a crop shows, as in "
                            f"(0.08, 1.0), got {self.area!r}.")
        low, high = self.area
        arguments.number(low, name="area")
        arguments.number(high, name="area")
        arguments.number(self.strength, name="strength")
        arguments.number(self.jitter, name="jitter", low=0, high=1)
        arguments.number(self.gray, name="gray", low=0, high=1)
        if not 0 < low <= high <= 1:
            raise ValueError(f"area: expected the smallest and the largest share of an image that a crop shows, as in "
                             f"(0.08, 1.0), got {self.area}.")
        if not 0 <= self.strength <= 1.25:
            raise ValueError(f"strength: expected a number from 0 (colours stay) to 1 (the paper's), at most 1.25, "
                             f"where a factor reaches zero; got {self.strength}.")

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        arguments.image_batch(batch)
        if batch.shape[1] not in (1, 3):
            raise ValueError(f"the images: expected 1 channel (gray) or 3 (red, green, blue), got {batch.shape[1]} in "
                             f"{tuple(batch.shape)}.")
        if self.area != (1.0, 1.0):
            batch = crop(batch, boxes(batch.shape, self.area, generator))
        if self.mirror:
            batch = torch.where(_chosen(batch, 0.5, generator), batch.flip(-1), batch)
        if self.strength:
            batch = torch.where(_chosen(batch, self.jitter, generator),
                                jittered(batch, self.strength, generator), batch)
        if self.gray and batch.shape[1] == 3:
            batch = torch.where(_chosen(batch, self.gray, generator), in_gray(batch).expand_as(batch), batch)
        return batch


MIRRORED = Views(area=(1.0, 1.0), strength=0.0, gray=0.0)         # half of the images are mirrored, nothing else


# Crops ---------------------------------------------------------------------------------------------------------------


def boxes(shape: torch.Size, area: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Choose a random box for each image, (N, 4) whole numbers: top, left, height, width.

    Its share of the image is uniform in `area`, the logarithm of its width over its height between those of 3/4 and
    4/3; a box that does not fit is chosen again, and after ten that did not the whole image is taken.
    """
    count, _, height, width = shape
    where = generator.device
    share = torch.empty(count, TRIES, device=where).uniform_(*area, generator=generator)
    aspect = torch.empty(count, TRIES, device=where).uniform_(-math.log(4 / 3), math.log(4 / 3), generator=generator)
    across = (share * height * width * aspect.exp()).sqrt().round()                # (N, TRIES)
    down = (share * height * width / aspect.exp()).sqrt().round()
    fits = (across >= 1) & (across <= width) & (down >= 1) & (down <= height)
    first = fits.int().argmax(dim=1, keepdim=True)
    none = ~fits.any(dim=1)
    h = down.gather(1, first)[:, 0].masked_fill(none, height)
    w = across.gather(1, first)[:, 0].masked_fill(none, width)
    down_to, right_to = torch.rand(2, count, generator=generator, device=where)
    top, left = (down_to * (height - h + 1)).floor(), (right_to * (width - w + 1)).floor()
    return torch.stack([top, left, h, w], dim=1).long()


def crop(batch: Tensor, box: Tensor) -> Tensor:
    """Cut each image's own box out and enlarge it, bilinearly, to the size of the image.

    Shapes: batch (N, C, H, W), box (N, 4) with top, left, height, width -> (N, C, H, W).

    >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> crop(image, torch.tensor([[1, 1, 1, 1]])).unique()            # one pixel, as large as the image
    tensor([5.])
    """
    arguments.image_batch(batch)
    height, width = batch.shape[-2:]
    arguments.tensor(box, name="box")
    if box.shape != (len(batch), 4):
        raise ValueError(f"box: expected top, left, height and width for each image, ({len(batch)}, 4), got "
                         f"{tuple(box.shape)}.")
    top, left, h, w = devices.sent(box, batch.device).to(batch.dtype).unbind(dim=1)

    def places(start: Tensor, extent: Tensor, length: int) -> Tensor:
        """Where the pixels of the result lie in the image, (N, length) from -1 to 1; never beyond the box's pixels."""
        inside = (torch.arange(length, device=batch.device) + 0.5) * (extent / length)[:, None] - 0.5
        inside = torch.minimum(inside.clamp(min=0), extent[:, None] - 1)
        return (2 * (start[:, None] + inside) + 1) / length - 1

    y, x = places(top, h, height), places(left, w, width)
    grid = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=3)
    return F.grid_sample(batch, grid.to(batch), align_corners=False)


# Colours -------------------------------------------------------------------------------------------------------------


def jittered(batch: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue, each image by its own amounts and in its own order."""
    arguments.colours(batch)
    count, where = len(batch), generator.device
    factors = 1 + 0.8 * strength * (2 * torch.rand(3, count, generator=generator, device=where) - 1)
    turns = 0.2 * strength * (2 * torch.rand(count, generator=generator, device=where) - 1)
    order = torch.rand(count, 4, generator=generator, device=where).argsort(dim=1)        # (N, 4), which one when
    operations: list[tuple[Callable[[Tensor, Tensor], Tensor], Tensor]] = [
        (brightness, factors[0]), (contrast, factors[1]), (saturation, factors[2]), (hue, turns)]
    if batch.shape[1] == 1:
        operations = operations[:2]
    for turn in range(4):
        changed = batch.clone()
        for which, (operation, amount) in enumerate(operations):
            mine = (order[:, turn] == which).nonzero().flatten()
            some, mine = devices.sent(amount[mine], batch.device), devices.sent(mine, batch.device)
            changed[mine] = operation(batch[mine], some)
        batch = changed
    return batch


def brightness(batch: Tensor, factor: Tensor) -> Tensor:
    """Multiply each image by its factor (N,), and clip."""
    arguments.colours(batch, factor=factor)
    return (batch * _each(factor, batch)).clamp(0, 1)


def contrast(batch: Tensor, factor: Tensor) -> Tensor:
    """Pull each image towards its mean gray, or push it away: factor x + (1 - factor) mean."""
    arguments.colours(batch, factor=factor)
    mean = in_gray(batch).mean(dim=(1, 2, 3), keepdim=True)
    return (_each(factor, batch) * batch + (1 - _each(factor, batch)) * mean).clamp(0, 1)


def saturation(batch: Tensor, factor: Tensor) -> Tensor:
    """Pull each colour towards its gray, or push it away: factor x + (1 - factor) gray(x)."""
    arguments.colours(batch, factor=factor)
    return (_each(factor, batch) * batch + (1 - _each(factor, batch)) * in_gray(batch)).clamp(0, 1)


def hue(batch: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of every pixel by a part of the circle (1 is once around), one for each image.

    With V = max(R, G, B) and the chroma C = V - min(R, G, B), the colour at the hue h has the channels
    V - C clamp(min(k, 4 - k), 0, 1), k = (n + 6 h) mod 6, n = 5, 3, 1 for red, green and blue.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> hue(red, torch.tensor([1 / 3])).flatten().round(decimals=4)
    tensor([0., 1., 0.])
    """
    arguments.colours(batch, turn=turn)
    if batch.shape[1] != 3:
        raise ValueError(f"batch: expected colour images (N, 3, H, W), got {tuple(batch.shape)}; gray has no hue.")
    red, green, blue = batch.unbind(dim=1)                                                 # (N, H, W)
    value, low = batch.amax(dim=1), batch.amin(dim=1)
    chroma = value - low
    safe = torch.where(chroma == 0, 1.0, chroma)
    sixths = torch.where(value == red, (green - blue) / safe,
                         torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe))
    sixths = sixths + 6 * turn.to(batch)[:, None, None]
    first = devices.sent(torch.tensor([5.0, 3.0, 1.0]), batch.device).to(batch)            # of red, green and blue
    k = (sixths[:, None] + first[:, None, None]) % 6                                       # (N, 3, H, W)
    return value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


def in_gray(batch: Tensor) -> Tensor:
    """Compute the gray picture of each image: (N, C, H, W) -> (N, 1, H, W)."""
    arguments.colours(batch)
    if batch.shape[1] == 1:
        return batch
    luma = devices.sent(torch.tensor(LUMA), batch.device).to(batch)
    return (batch * luma[:, None, None]).sum(dim=1, keepdim=True)


def _each(amount: Tensor, batch: Tensor) -> Tensor:
    """One number for each image, (N,), in the type and place of the images: (N, 1, 1, 1)."""
    return amount.to(batch)[:, None, None, None]


def _chosen(batch: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Choose the images that it happens to, each with the same probability: (N, 1, 1, 1)."""
    drawn = torch.rand(len(batch), 1, 1, 1, generator=generator, device=generator.device)
    return devices.sent(drawn < probability, batch.device)
