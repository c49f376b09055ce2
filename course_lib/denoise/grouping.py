"""Find patches that show the same thing, stack them, and put what was made of them back: what non-local filters share.

    d(p, q) = mean over the patch of (patch at p - patch at q)^2,    q within the window around p

A patch is named by its *position*, the number of its top left corner among all places where a patch fits, row by row:
p = top (W - patch + 1) + left. `search` finds, for every reference patch, the nearest ones. `patches` lays all patches
of an image into a table with one row each, `group` stacks rows of it, `ungroup` adds stacks to an empty table, and
`assemble` averages a table's overlapping patches into an image. Whatever is linear in each patch by itself (a cosine
transform, the window) is done to the table and not to the groups, where each patch occurs several times.

The references stand on a grid of `stride` pixels that always includes the last row and column, so that every pixel is
in a group. Of patches at equal distance the earlier position is nearer, and the reference is the nearest of all.

The distances of all references to one shift of the image are a box filter of its squared difference, read at the grid
only: two products with matrices of zeros and ones, whose sums, unlike running ones, lose nothing.

BM3D and WNNM stand on this; lectures denoising and nonlocality use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments, devices

BAND = 8                        # rows of references that are searched at a time
ENTRIES = 1 << 19               # entries of the stacks that are worked on at a time: 2 MB, which a cache holds


class Matches(NamedTuple):
    """For each of R references the positions of its K nearest patches, and how far away they are."""

    position: Tensor   # (N, R, K), whole numbers, nearest first; the first is the reference itself
    distance: Tensor   # (N, R, K), mean squared difference, in float32 or better


# Where ---------------------------------------------------------------------------------------------------------------


def corners(side: int, *, patch: int, stride: int) -> Tensor:
    """List where reference patches begin along a side: every stride pixels, and at the last place where a patch fits.

    >>> corners(12, patch=4, stride=3)
    tensor([0, 3, 6, 8])
    """
    arguments.positive(stride, name="stride")
    last = side - patch
    if last < 0:
        raise ValueError(f"expected an image at least as large as a patch of {patch} pixels, got a side of {side}.")
    regular = torch.arange(0, last + 1, stride)
    return regular if int(regular[-1]) == last else torch.cat([regular, torch.tensor([last])])


def match(image: Tensor, *, patch: int, window: int, stride: int, count: int) -> Tensor:
    """Find the positions of the patches most like each reference: `search` without the distances.

    Shapes: image (N, C, H, W) -> (N, R, count).

    >>> image = torch.arange(64.0).reshape(1, 1, 8, 8) % 4               # columns repeat every 4 pixels
    >>> match(image, patch=4, window=9, stride=4, count=3)[0, 0]         # the first column of positions
    tensor([0, 4, 5])
    """
    return search(image, patch=patch, window=window, stride=stride, count=count).position


def search(image: Tensor, *, patch: int, window: int, stride: int, count: int) -> Matches:
    """Compare each reference patch with every patch whose corner is in the window around its own; keep the nearest.

    d(p, q) = mean of (patch at p - patch at q)^2 over its pixels and channels.

    patch, window: sides in pixels, the window odd; stride: between references; count: patches kept for each.
    Shapes: image (N, C, H, W); returns (N, R, count) twice, the references row by row. Memory: one band of references
    at a time, BAND rows x window^2 distances for each column.
    """
    arguments.image_batch(image)
    for name, value in (("patch", patch), ("window", window), ("stride", stride), ("count", count)):
        arguments.positive(value, name=name)
    if window % 2 == 0:
        raise ValueError(f"window: expected an odd side, so that the reference is in the middle, got {window}.")
    there = fewest(*image.shape[-2:], patch=patch, window=window)
    if count > there:
        raise ValueError(f"count: expected at most {there}, the patches of {patch} x {patch} that a reference in the "
                         f"corner of {image.shape[-2]} x {image.shape[-1]} pixels finds in its window, got {count}. "
                         "Take a larger window, a smaller patch or fewer patches.")
    image = devices.at_least_float32(image)
    tops, lefts = (corners(side, patch=patch, stride=stride).to(image.device) for side in image.shape[-2:])
    found = [_nearest(*_distances(one, rows, lefts, patch, window), count)
             for one in image for rows in tops.split(BAND)]
    index, distance = (torch.cat(parts).reshape(len(image), -1, count) for parts in zip(*found, strict=True))
    return Matches(index, distance / (image.shape[1] * patch**2))


def fewest(height: int, width: int, *, patch: int, window: int) -> int:
    """Count the patches that a reference in a corner of the image finds in its window: no reference finds fewer.

    >>> fewest(256, 256, patch=8, window=39)
    400
    """
    return math.prod(min(side - patch, window // 2) + 1 for side in (height, width))


def _distances(image: Tensor, tops: Tensor, lefts: Tensor, patch: int, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Squared distances of references in some rows to their whole window, (R, window^2), infinite outside the image.

    Also the positions of the references, and what to add to one to get to each place of the window.
    """
    channels, height, width = image.shape
    reach = window // 2
    first, last = int(tops[0]), int(tops[-1]) + patch
    padded = F.pad(image, (reach, reach, reach, reach))
    fixed = image[:, None, first:last]                                          # (C, 1, h, W)
    box_rows = _box(tops - first, last - first, patch, image)                   # (a, h)
    box_columns = _box(lefts, width, patch, image).T                            # (W, b)
    distance = image.new_empty(len(tops), len(lefts), window, window)           # (a, b, dy, dx)
    for dy in range(window):
        moved = padded[:, first + dy : last + dy].unfold(2, width, 1).permute(0, 2, 1, 3)        # (C, dx, h, W)
        square = (moved - fixed).square_().sum(dim=0) if channels > 1 else (moved - fixed).square_()[0]
        distance[:, :, dy] = (box_rows @ square @ box_columns).permute(1, 2, 0)
    shift = torch.arange(-reach, reach + 1, device=image.device)
    outside = [(start[:, None] + shift < 0) | (start[:, None] + shift > side - patch)
               for start, side in ((tops, height), (lefts, width))]
    distance.masked_fill_(outside[0][:, None, :, None] | outside[1][None, :, None, :], torch.inf)
    across = width - patch + 1
    here = tops[:, None] * across + lefts
    step = shift[:, None] * across + shift
    return distance.flatten(2).flatten(0, 1), here.flatten(), step.flatten()


def _box(starts: Tensor, side: int, patch: int, like: Tensor) -> Tensor:
    """A matrix of zeros and ones, a row for each start: its product with a column sums `patch` entries from there."""
    ahead = torch.arange(side, device=starts.device) - starts[:, None]
    return ((ahead >= 0) & (ahead < patch)).to(like)


def _nearest(distance: Tensor, here: Tensor, step: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The nearest places of a window, (R, count): by distance, then by position; the reference before all."""
    distance[:, len(step) // 2] = -1                                        # the reference: nearer than its equals
    more = min(count + 1, distance.shape[1])
    value, place = distance.topk(more, dim=1, largest=False)                # ties in no order of their own
    if more > count:
        tied = value[:, count - 1] == value[:, count]                       # which of several are kept is left open
        if tied.any():
            value[tied], place[tied] = _stable(distance[tied], more)
    value, place = value[:, :count], place[:, :count]
    place, order = place.sort(dim=1)
    value, order = value.gather(1, order).sort(dim=1, stable=True)
    return here[:, None] + step[place.gather(1, order)], value.clamp(min=0)


def _stable(distance: Tensor, count: int) -> tuple[Tensor, Tensor]:
    value, place = distance.sort(dim=1, stable=True)
    return value[:, :count], place[:, :count]


# Stacks --------------------------------------------------------------------------------------------------------------


def patches(image: Tensor, *, patch: int) -> Tensor:
    """List all patches of an image, one row for each position.

    Shapes: image (N, C, H, W) -> (N, C, P, patch^2) with P = (H - patch + 1) (W - patch + 1).
    """
    arguments.shaped("N C H W", image=image)
    if not 1 <= patch <= min(image.shape[-2:]):
        raise ValueError(f"expected images (N, C, H, W) and the side of a patch that fits into them, got "
                         f"{tuple(image.shape)} and {patch}.")
    n, c, height, width = image.shape
    table = F.unfold(image.reshape(n * c, 1, height, width), patch)         # (N C, patch^2, P)
    return table.mT.contiguous().reshape(n, c, -1, patch * patch)


def group(table: Tensor, index: Tensor) -> Tensor:
    """Stack the rows of a table that belong together: (P, D) and index (R, K) -> (K, R, D)."""
    return table.index_select(0, index.T.flatten()).reshape(*index.T.shape, -1)


def ungroup(stacks: Tensor, index: Tensor, *, into: Tensor) -> Tensor:
    """Add each row of some stacks to its row of a table, which is returned: the transpose of `group`.

    >>> table, index = torch.zeros(3, 1), torch.tensor([[0, 2], [2, 1]])
    >>> ungroup(torch.ones(2, 2, 1), index, into=table).flatten()
    tensor([1., 1., 2.])
    """
    return into.index_add_(0, index.T.flatten(), stacks.reshape(-1, into.shape[1]))


def assemble(table: Tensor, weight: Tensor, *, window: Tensor, size: Sequence[int]) -> Tensor:
    """Average overlapping patches into an image: y(x) = sum_p g(x - p) t_p(x - p) / sum_p w_p g(x - p).

    The table's rows are sums of weighted patches, `weight` the sums of their weights, g the window that counts the
    middle of a patch more than its rim. Pixels that no patch covers become zero.
    Shapes: table (..., P, patch^2), weight (..., P), window (patch, patch) -> (..., H, W).
    """
    side = window.shape[0]
    g = window.flatten()
    stacked = torch.stack([table * g, weight[..., None] * g])               # (2, ..., P, patch^2)
    flat = stacked.reshape(-1, *table.shape[-2:]).mT                        # (n, patch^2, P)
    total, share = F.fold(flat, tuple(size), side).reshape(2, *table.shape[:-2], *size)
    return torch.where(share > 0, total / share.clamp(min=torch.finfo(share.dtype).tiny), 0.0)


def in_turn(index: Tensor, size: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield groups of one size at a time, so many as ENTRIES allows: (which references, their positions (r, k)).

    index (R, K) are positions, nearest first, size (R,) how many of them each group takes; width the entries of a row.
    """
    for k in size.unique().tolist():
        for some in (size == k).nonzero().flatten().split(max(1, ENTRIES // (k * width))):
            yield some, index[some, :k]


def power_of_two(size: Tensor) -> Tensor:
    """Return the largest power of two that is not above a number: the size of group that a Haar transform takes.

    >>> power_of_two(torch.tensor([1, 2, 3, 15, 16]))
    tensor([ 1,  2,  2,  8, 16])
    """
    return 2 ** torch.log2(devices.float64(size)).floor().long().to(size.device)


# Transforms ----------------------------------------------------------------------------------------------------------


def haar(n: int) -> Tensor:
    """Make the orthonormal Haar transform of n = 2^j values as a matrix: their mean, then differences of ever finer
    halves.

    Shapes: (n, n) in float64; rows are what coefficients are inner products with.

    >>> (haar(4) * 2).round(decimals=3)[:2]
    tensor([[ 1.,  1.,  1.,  1.],
            [ 1.,  1., -1., -1.]], dtype=torch.float64)
    """
    arguments.positive(n, name="n")
    if n & (n - 1):
        raise ValueError(f"the Haar transform takes 1, 2, 4, 8, ... values, got {n}.")
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < n:
        fine = torch.eye(len(matrix), dtype=torch.float64)
        matrix = torch.cat([torch.kron(matrix, torch.ones(2)), torch.kron(fine, torch.tensor([1.0, -1.0]))]) / 2**0.5
    return matrix


def dct(n: int) -> Tensor:
    """Make the orthonormal cosine transform of n values as a matrix: row k is a cosine of k half periods.

    T[k, x] = sqrt(2 / n) cos(pi k (2 x + 1) / (2 n)), the row k = 0 divided by sqrt(2). Shapes: (n, n) in float64.

    >>> bool(torch.allclose(dct(5) @ dct(5).T, torch.eye(5, dtype=torch.float64)))
    True
    """
    arguments.positive(n, name="n")
    k, x = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    matrix = (2 / n) ** 0.5 * torch.cos(math.pi * k * (2 * x + 1) / (2 * n))
    matrix[0] /= 2**0.5
    return matrix


def bior15(n: int) -> Tensor:
    """Make the biorthogonal 1.5 wavelet transform of n = 2^j values, periodic, on all levels, as a matrix.

    Details are differences of two neighbours, as Haar's; the smooth part is a mean over ten values, so that the
    synthesis is Haar's and the analysis smoother. Rows are scaled to length 1: noise of level sigma has level sigma in
    every coefficient. Not orthogonal: the inverse is `torch.linalg.inv`, not the transpose.
    Shapes: (n, n) in float64. Source: Cohen, Daubechies and Feauveau 1992.

    >>> bool(torch.allclose(bior15(8).norm(dim=1), torch.ones(8, dtype=torch.float64)))
    True
    """
    arguments.positive(n, name="n")
    if n & (n - 1):
        raise ValueError(f"the wavelet transform takes 1, 2, 4, 8, ... values, got {n}.")
    low = torch.tensor([3, -3, -22, 22, 128, 128, 22, -22, -3, 3], dtype=torch.float64) * 2**0.5 / 256
    high = torch.tensor([1, -1], dtype=torch.float64) / 2**0.5
    smooth = torch.eye(n, dtype=torch.float64)
    details: list[Tensor] = []
    while len(smooth) > 1:
        details.insert(0, _every_second(high, len(smooth), before=0) @ smooth)
        smooth = _every_second(low, len(smooth), before=4) @ smooth
    matrix = torch.cat([smooth, *details])
    return matrix / matrix.norm(dim=1, keepdim=True)


def _every_second(taps: Tensor, n: int, *, before: int) -> Tensor:
    """The matrix (n / 2, n) that filters n periodic values and keeps every second; taps start `before` each of them."""
    matrix = torch.zeros(n // 2, n, dtype=torch.float64)
    for row in range(n // 2):
        for offset, tap in enumerate(taps):
            matrix[row, (2 * row + offset - before) % n] += tap
    return matrix


def on_patches(transform: Callable[[int], Tensor], patch: int, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Make the matrices that apply a transform along both sides of a patch, and its inverse, to rows of a table: t @
    forward.

    Shapes: two matrices (patch^2, patch^2) of the type and place of `like`.
    """
    one = transform(patch)
    both = torch.kron(one, one)
    return both.T.to(like), torch.linalg.inv(both).T.to(like)
