"""Operations of PyTorch whose kernels on a GPU add up in no certain order, in forms that do not.

Under deterministic algorithms, which smoke demands, PyTorch refuses those kernels. Each function here is one of its
operations: on the processor it gives what that one gives, to the last bit, and a test compares them.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.devices import sent


def rows(table: Tensor, which: Tensor) -> Tensor:
    """Take rows of a table (N, D) by their positions (T,), as `table[which]` does: (T, D).

    A row that is taken often gets a sum of gradients. `table[which]` adds them in an order that depends on the threads,
    this in the order of `which`, on one thread or many.

    >>> rows(torch.tensor([[1.0], [2.0]]), torch.tensor([1, 1, 0])).flatten()
    tensor([2., 2., 1.])
    """
    return F.embedding(sent(which, table.device), table)


def averaged(x: Tensor, size: int) -> Tensor:
    """Average images (N, C, H, W) to size x size places, each over its own window, as `nn.AdaptiveAvgPool2d` does.

    Its gradient on CUDA has no form that always adds in the same order; a product of matrices has.

    >>> averaged(torch.arange(4.0).reshape(1, 1, 2, 2), 1).item()
    1.5
    """
    if x.device.type == "cpu":
        return F.adaptive_avg_pool2d(x, size)
    return _averaged(x, size)


def _averaged(x: Tensor, size: int) -> Tensor:
    """Average by matrices of weights, (size, H) from the left and (W, size) from the right."""
    def weights(length: int) -> Tensor:
        first = torch.arange(size, device=x.device)[:, None] * length
        place = torch.arange(length, device=x.device)
        inside = (place >= first // size) & (place <= (first + length - 1) // size)             # (size, length)
        return inside.to(x) / inside.sum(dim=1, keepdim=True)

    return weights(x.shape[2]).to(x) @ x @ weights(x.shape[3]).to(x).T


def median(values: Tensor, *, dim: int) -> Tensor:
    """Return the lower median along an axis.

    >>> median(torch.tensor([[4.0, 1.0, 3.0, 2.0]]), dim=1)
    tensor([2.])
    """
    return values.sort(dim=dim).values.select(dim, (values.shape[dim] - 1) // 2)


def padded(images: Tensor, margins: tuple[int, int, int, int], mode: str) -> Tensor:
    """Pad images at the left, right, top and bottom, as F.pad does; what "reflect" mirrors can be differentiated.

    >>> padded(torch.arange(3.0).expand(1, 1, 1, 3), (2, 1, 0, 0), "reflect")
    tensor([[[[2., 1., 0., 1., 2., 1.]]]])
    """
    if mode != "reflect":
        return F.pad(images, margins, mode=mode)
    for axis, before, after in ((-1, *margins[:2]), (-2, *margins[2:])):
        last = images.shape[axis] - 1
        place = torch.arange(-before, last + after + 1, device=images.device).abs()
        images = images.index_select(axis, last - (last - place).abs())
    return images


def resized(images: Tensor, size: tuple[int, int], mode: str, *, antialias: bool) -> Tensor:
    """Resample images to a size, as F.interpolate does; where its gradient has no certain order, by two matrices."""
    resample = partial(F.interpolate, mode=mode, antialias=antialias)
    if not (images.requires_grad and images.is_cuda and torch.are_deterministic_algorithms_enabled()):
        return resample(images, size=size)
    rows, columns = (resample(torch.eye(side).to(images)[None, None], size=(new, side))
                     for side, new in zip(images.shape[-2:], size, strict=True))
    return rows @ images @ columns.mT                      # (1, 1, H', H), (N, C, H, W), (1, 1, W, W')


def cross_entropy(scores: Tensor, label: Tensor) -> Tensor:
    """Compute the mean cross entropy of scores (N, K) or (N, K, H, W) with classes (N,) or (N, H, W).

    A GPU adds up the errors of pixels in any order, and refuses that in its deterministic mode; there they are one long
    list, which it adds up in one order.

    >>> round(float(cross_entropy(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))), 4)
    0.6931
    """
    if scores.device.type != "cpu":
        scores, label = scores.movedim(1, -1).flatten(0, -2), label.flatten()
    return F.cross_entropy(scores, label)
