"""Exercises of lecture context: tiles without their slope, neighbours that an order keeps, places in a larger square.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- context.flattened ----------------------------------------------------------------------------------------------

STATEMENT_FLATTENED = r"""
Normalising a tile removes its mean, and a vignette still shows in its **slope**. Write a guard that removes both. For
each tile, find the plane that fits it best in the sense of least squares,

$$\min_{m, a, b} \sum_{r, c} \bigl( x_{rc} - m - a\, (r - \bar r) - b\, (c - \bar c) \bigr)^2 ,$$

where $r$ counts the rows, $c$ the columns, and $\bar r$, $\bar c$ are their means. Return what is left of the tile when
the plane is subtracted. Because rows and columns are counted from their means, the three numbers do not depend on each
other: $m$ is the mean of the tile, and

$$a = \frac{\sum_{r, c} (r - \bar r)\, x_{rc}}{\sum_{r, c} (r - \bar r)^2} , \qquad
b = \frac{\sum_{r, c} (c - \bar c)\, x_{rc}}{\sum_{r, c} (c - \bar c)^2} .$$

`tiles` is `(N, H, W)` with at least two rows and two columns; the answer has the same shape. Do not divide by the
deviation. A tile that is a plane becomes zero.
"""

STUB_FLATTENED = '''
def flattened(tiles):
    """tiles: (N, H, W); returns each minus its best plane, (N, H, W)."""
    r = ...       # rows, counted from their mean
    c = ...       # columns, counted from their mean
    return ...
'''


def _axes(tiles):
    height, width = tiles.shape[1:]
    r = torch.arange(height, dtype=tiles.dtype) - (height - 1) / 2
    c = torch.arange(width, dtype=tiles.dtype) - (width - 1) / 2
    return r[:, None].expand(height, width), c.expand(height, width)


def _slope(tiles, axis):
    return (tiles * axis).sum(dim=(1, 2), keepdim=True) / axis.square().sum()


def _mean(tiles):
    return tiles.mean(dim=(1, 2), keepdim=True)


def flattened(tiles):
    r, c = _axes(tiles)
    return tiles - _mean(tiles) - _slope(tiles, r) * r - _slope(tiles, c) * c


def flattened_by_least_squares(tiles):
    r, c = _axes(tiles)
    plane = torch.stack([torch.ones_like(r), r, c], dim=-1).reshape(-1, 3)
    values = tiles.reshape(len(tiles), -1).T
    fitted = plane @ torch.linalg.lstsq(plane, values).solution
    return (values - fitted).T.reshape(tiles.shape)


def flattened_in_a_loop(tiles):
    done = []
    for tile in tiles:
        left = tile - tile.mean()
        for axis in _axes(tiles):
            left = left - (left * axis).sum() / (axis * axis).sum() * axis
        done.append(left)
    return torch.stack(done)


@mutant(
    "one plane for all tiles",
    "You fit one plane to all tiles of the batch. Each tile lies somewhere else in its picture and has its own slope: "
    "sum over rows and columns only, `dim=(1, 2)`.",
)
def one_plane_for_all(tiles):
    r, c = _axes(tiles)
    mean = tiles.mean(dim=0, keepdim=True)
    return tiles - _mean(mean) - _slope(mean, r) * r - _slope(mean, c) * c


@mutant(
    "not counted from the mean",
    "You count rows and columns from 0, and then the mean and the two slopes are no longer independent. Count from the "
    "means: from 0 to H - 1, minus (H - 1) / 2.",
)
def not_counted_from_the_mean(tiles):
    r, c = _axes(tiles)
    r, c = r - r.min(), c - c.min()
    return tiles - _mean(tiles) - _slope(tiles, r) * r - _slope(tiles, c) * c


@mutant(
    "the slope between the edges",
    "You take the slope from the first and the last row or column alone. The best plane uses all pixels, each with its "
    "distance from the middle as its weight.",
)
def from_the_edges(tiles):
    r, c = _axes(tiles)
    down = (tiles[:, -1].mean(dim=1) - tiles[:, 0].mean(dim=1)) / (tiles.shape[1] - 1)
    right = (tiles[:, :, -1].mean(dim=1) - tiles[:, :, 0].mean(dim=1)) / (
        tiles.shape[2] - 1
    )
    return tiles - _mean(tiles) - down[:, None, None] * r - right[:, None, None] * c


def cases_flattened(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, count: int, height: int, width: int) -> Case:
        stream = variant.numbers(seed, "flattened", name)
        slopes = stream.uniform(-0.3, 0.3, (2, count, 1, 1))
        r, c = np.arange(height)[:, None], np.arange(width)
        tiles = slopes[0] * r + slopes[1] * c + stream.uniform(0, 1, (count, height, width))
        return Case(
            name,
            {"tiles": tiles.round(3).astype(np.float32)},
            tolerances={"result": Tolerance(0.0, 1e-4)},
            letters={"result": "N H W"},
        )

    return [
        case("three tiles", 3, 4, 6),
        case("one tall tile", 1, 7, 3),
        case("five small tiles", 5, 2, 3),
    ]


FLATTENED = Problem(
    id="context.flattened",
    points=3,
    goal="Remove the slope of each tile",
    statement=STATEMENT_FLATTENED,
    stub=STUB_FLATTENED,
    reference=flattened,
    alternates=(flattened_by_least_squares, flattened_in_a_loop),
    mutants=(
        Mutant(
            lambda tiles: tiles - _mean(tiles),
            "the mean only",
            "You subtract the mean and keep the slope. A vignette would still show.",
        ),
        Mutant(
            lambda tiles: flattened(tiles) + _mean(tiles),
            "the slope only",
            "You subtract the slopes and keep the mean. The plane has three numbers; the mean is one of them.",
        ),
        Mutant(
            lambda tiles: (
                tiles - _mean(tiles) - _slope(tiles, _axes(tiles)[0]) * _axes(tiles)[0]
            ),
            "the slope of the rows only",
            "You remove the slope from top to bottom and keep that from left to right.",
        ),
        Mutant(
            lambda tiles: (
                tiles - _mean(tiles) - _slope(tiles, _axes(tiles)[1]) * _axes(tiles)[1]
            ),
            "the slope of the columns only",
            "You remove the slope from left to right and keep that from top to bottom.",
        ),
        Mutant(
            lambda tiles: F.layer_norm(flattened(tiles), tiles.shape[1:], eps=1e-12),
            "divided by the deviation",
            "You also divide by the deviation of what is left. Here only the plane is removed.",
        ),
        Mutant(
            lambda tiles: tiles - tiles.mean(dim=1, keepdim=True),
            "each column on its own",
            "You subtract a mean from each column. That removes everything that changes from column to column, not only "
            "a slope. A plane has three numbers for the whole tile.",
        ),
        Mutant(
            lambda tiles: (
                tiles
                - tiles.mean(dim=1, keepdim=True)
                - tiles.mean(dim=2, keepdim=True)
                + _mean(tiles)
            ),
            "each row and each column on its own",
            "You subtract the mean of each row and of each column. That is more than a plane: a plane has three numbers for "
            "the whole tile.",
        ),
        one_plane_for_all,
        not_counted_from_the_mean,
        from_the_edges,
    ),
    cases=cases_flattened,
    probe=probes.result,
    hints=(
        "`torch.arange(H) - (H - 1) / 2` counts rows from their mean. As a column it is `[:, None]`.",
        "a is `(tiles * r).sum(dim=(1, 2), keepdim=True)` divided by the sum of `r ** 2` over *all pixels* of a tile.",
        "Let r and c both have the shape (H, W), with `.expand(H, W)`; then the sums in the formula are over both axes.",
    ),
    blocked=("course_lib.pretext.towers",),
)

# --- context.kept_neighbours ----------------------------------------------------------------------------------------

STATEMENT_NEIGHBOURS = r"""
The Hamming distance counts how many tiles changed their places. For a network that looks at edges something else counts:
how many tiles still lie **beside their old neighbours**. The nine places of a puzzle are numbered row by row,

$$\begin{array}{ccc} 0 & 1 & 2 \\ 3 & 4 & 5 \\ 6 & 7 & 8 \end{array}$$

and an order $s$ puts tile $s(k)$ into place $k$. Of the twelve pairs of places that touch (six side by side, six one below
the other), count those whose two tiles touch *in the same way* in the solved picture: for places $k$ and $k + 1$ of one row
tile $s(k + 1)$ has to be the right neighbour of tile $s(k)$, for places $k$ and $k + 3$ tile $s(k + 3)$ has to be its
lower one. `orders` is `(P, 9)`, whole numbers; return the number of kept pairs of each order, `(P,)`.

The solved puzzle keeps all 12. Its two halves exchanged may keep many, although no tile is in its place.
"""

STUB_NEIGHBOURS = '''
def kept_neighbours(orders):
    """orders: (P, 9), the tile in each place; returns (P,), from 0 to 12."""
    grid = orders.reshape(-1, 3, 3)
    return ...
'''


def _across(grid):
    left, right = grid[:, :, :-1], grid[:, :, 1:]
    return (right == left + 1) & (left % 3 < 2)


def _down(grid):
    return grid[:, 1:] == grid[:, :-1] + 3


def kept_neighbours(orders):
    grid = orders.reshape(-1, 3, 3)
    return _across(grid).sum(dim=(1, 2)) + _down(grid).sum(dim=(1, 2))


def kept_by_loops(orders):
    found = []
    for order in orders.tolist():
        kept = 0
        for row in range(3):
            for column in range(3):
                tile = order[3 * row + column]
                if column < 2 and tile % 3 < 2:
                    kept += order[3 * row + column + 1] == tile + 1
                if row < 2:
                    kept += order[3 * row + column + 3] == tile + 3
        found.append(kept)
    return torch.tensor(found)


def kept_by_rows_and_columns(orders):
    row = (orders // 3).reshape(-1, 3, 3)
    column = (orders % 3).reshape(-1, 3, 3)
    across = (row.diff(dim=2) == 0) & (column.diff(dim=2) == 1)
    down = (row.diff(dim=1) == 1) & (column.diff(dim=1) == 0)
    return across.flatten(1).sum(dim=1) + down.flatten(1).sum(dim=1)


def cases_neighbours(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, orders: np.ndarray) -> Case:
        return Case(name, {"orders": orders.astype(np.int64)}, letters={"result": "P"})

    stream = variant.numbers(seed, "kept_neighbours")
    moved = np.stack([np.roll(np.arange(9), k) for k in (0, 1, 3, 4, 6)])
    grid = np.arange(9).reshape(3, 3)
    turned = np.stack([grid.T, grid[::-1], grid[:, ::-1], np.roll(grid, 1, axis=1)])
    mixed = np.stack([stream.permutation(9) for _ in range(6)])
    nearly = np.stack([np.arange(9)] * 4)
    for order in nearly:
        i, j = stream.choice(9, 2, replace=False)
        order[[i, j]] = order[[j, i]]
    return [
        case("moved along", moved),
        case("turned and rolled", turned.reshape(-1, 9)),
        case("two tiles exchanged", nearly),
        case("six random orders", mixed),
    ]


NEIGHBOURS = Problem(
    id="context.kept_neighbours",
    points=2,
    goal="Count the neighbours that an order keeps",
    statement=STATEMENT_NEIGHBOURS,
    stub=STUB_NEIGHBOURS,
    reference=kept_neighbours,
    alternates=(kept_by_loops, kept_by_rows_and_columns),
    mutants=(
        Mutant(
            lambda orders: _across(orders.reshape(-1, 3, 3)).sum(dim=(1, 2)),
            "side by side only",
            "You count pairs side by side only. Tiles one below the other touch, too.",
        ),
        Mutant(
            lambda orders: _down(orders.reshape(-1, 3, 3)).sum(dim=(1, 2)),
            "one below the other only",
            "You count pairs one below the other only. Tiles side by side touch, too.",
        ),
        Mutant(
            lambda orders: (
                (orders.reshape(-1, 3, 3).diff(dim=2) == 1).sum(dim=(1, 2))
                + _down(orders.reshape(-1, 3, 3)).sum(dim=(1, 2))
            ),
            "around the end of a row",
            "You take tiles 2 and 3 for neighbours, or 5 and 6: their numbers follow each other, but one ends a row and the "
            "other begins the next.",
        ),
        Mutant(
            lambda orders: (
                ((orders.diff(dim=1) == 1) & (orders[:, :-1] % 3 < 2)).sum(dim=1)
                + _down(orders.reshape(-1, 3, 3)).sum(dim=(1, 2))
            ),
            "places around the end of a row",
            "You compare places 2 and 3, and 5 and 6. They follow each other in the list but do not touch in the puzzle: "
            "reshape to (P, 3, 3) first.",
        ),
        Mutant(
            lambda orders: (
                (
                    (orders.reshape(-1, 3, 3).diff(dim=2).abs() == 1)
                    & (
                        orders.reshape(-1, 3, 3).div(3, rounding_mode="floor").diff(dim=2)
                        == 0
                    )
                ).sum(dim=(1, 2))
                + (orders.reshape(-1, 3, 3).diff(dim=1).abs() == 3).sum(dim=(1, 2))
            ),
            "mirrored pairs count",
            "You also count pairs that touch the wrong way round. The right neighbour has to be on the right: the difference "
            "has a sign.",
        ),
        Mutant(
            lambda orders: (orders == torch.arange(9)).sum(dim=1),
            "tiles in their places",
            "You count tiles that are in their places. A tile may have moved together with its neighbour.",
        ),
        Mutant(
            lambda orders: 12 - kept_neighbours(orders),
            "lost neighbours",
            "You count the pairs that are lost. The pairs that are kept were asked for.",
        ),
        Mutant(
            lambda orders: kept_neighbours(orders).sum(),
            "one number for all orders",
            "You add up all orders. Return one number for each.",
        ),
        Mutant(
            lambda orders: kept_neighbours(orders) / 12,
            "the share",
            "You return the share of the pairs. Their number was asked for.",
        ),
        Mutant(
            lambda orders: kept_neighbours(
                orders.reshape(-1, 3, 3).transpose(1, 2).flatten(1)
            ),
            "columns first",
            "You number the places column by column. They are numbered row by row.",
        ),
    ),
    cases=cases_neighbours,
    probe=probes.result,
    hints=(
        "In `grid` (P, 3, 3), `grid[:, :, :-1]` and `grid[:, :, 1:]` are the tiles on the left and on the right of each pair.",
        "The right neighbour of tile t is t + 1, unless t ends a row: t % 3 == 2. Its lower neighbour is t + 3.",
        "`(condition).sum(dim=(1, 2))` counts for each order.",
    ),
    blocked=("course_lib.pretext.jigsaw", "course_lib.pretext.permutations"),
)

# --- context.places -------------------------------------------------------------------------------------------------

STATEMENT_PLACES = r"""
The lecture asks for eight places. Ask for 24: all places of a $5 \times 5$ square around the first patch, without the middle,
numbered row by row from 0 to 23,

$$\begin{array}{ccccc} 0 & 1 & 2 & 3 & 4 \\ 5 & 6 & 7 & 8 & 9 \\ 10 & 11 & \cdot & 12 & 13 \\
14 & 15 & 16 & 17 & 18 \\ 19 & 20 & 21 & 22 & 23 \end{array}$$

Neighbouring places are `step` pixels apart, and both patches have been shifted at random, so the second lies only *near* a
place. `first` and `second` are the rows and columns of their upper left corners, `(N, 2)`, rows grow downwards. Return the
number of the place that the second is nearest to, `(N,)`. No shift is as large as a quarter of a step.
"""

STUB_PLACES = '''
def places(first, second, *, step):
    """first, second: (N, 2), row and column; returns (N,), from 0 to 23."""
    ...
'''


def _steps(first, second, step):
    return ((second - first).double() / step).round().long()


def _numbered(steps):
    number = 5 * (steps[:, 0] + 2) + steps[:, 1] + 2
    return number - (number > 12).long()


def places(first, second, *, step):
    return _numbered(_steps(first, second, step))


def places_by_search(first, second, *, step):
    around = [(r, c) for r in range(-2, 3) for c in range(-2, 3) if (r, c) != (0, 0)]
    wanted = first[:, None] + step * torch.tensor(around)
    apart = (second[:, None] - wanted).abs().amax(dim=2)
    return apart.argmin(dim=1)


def places_by_a_table(first, second, *, step):
    table = torch.full((5, 5), -1)
    table.view(-1)[[k for k in range(25) if k != 12]] = torch.arange(24)
    half = step // 2
    row, column = ((second - first + 2 * step + half) // step).unbind(dim=1)
    return table[row, column]


def cases_places(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, count: int, step: int) -> Case:
        stream = variant.numbers(seed, "places", name)
        number = stream.permutation(24)[:count]
        square = number + (number >= 12)
        steps = np.stack([square // 5 - 2, square % 5 - 2], axis=1)
        reach = (step - 1) // 8
        first = stream.randint(60, 100, (count, 2))
        shift = stream.randint(-reach, reach + 1, (2, count, 2))
        return Case(
            name,
            {
                "first": (first + shift[0]).astype(np.int64),
                "second": (first + step * steps + shift[1]).astype(np.int64),
                "step": np.array(step),
            },
            letters={"result": "N"},
        )

    return [
        case("all places", 24, 17),
        case("no shift", 9, 8),
        case("a wide step", 12, 30),
    ]


PLACES = Problem(
    id="context.places",
    points=2,
    goal="Number 24 places around a patch",
    statement=STATEMENT_PLACES,
    stub=STUB_PLACES,
    reference=places,
    alternates=(places_by_search, places_by_a_table),
    mutants=(
        Mutant(
            lambda first, second, *, step: places(second, first, step=step),
            "seen from the second",
            "You return where the first lies, seen from the second. The place is that of the second: second - first.",
        ),
        Mutant(
            lambda first, second, *, step: (
                5 * (_steps(first, second, step)[:, 0] + 2)
                + _steps(first, second, step)[:, 1]
                + 2
            ),
            "the middle has a number",
            "Your numbers go up to 24: you number the middle, too. No second patch lies there, so places after it are one less.",
        ),
        Mutant(
            lambda first, second, *, step: _numbered(_steps(first, second, step).flip(1)),
            "columns first",
            "You exchanged rows and columns. The first number is the row, and places are numbered row by row.",
        ),
        Mutant(
            lambda first, second, *, step: _numbered(
                ((second - first).div(step, rounding_mode="floor")).clamp(-2, 2)
            ),
            "rounded down",
            "You round the steps down, and a shift of one pixel upwards or to the left moves the patch to another place. Take "
            "the nearest: round.",
        ),
        Mutant(
            lambda first, second, *, step: _numbered(
                ((second - first).div(step, rounding_mode="trunc")).clamp(-2, 2)
            ),
            "rounded towards zero",
            "You round towards zero, and a patch that was shifted towards the first falls into a nearer place. Take the nearest: "
            "round.",
        ),
        Mutant(
            lambda first, second, *, step: _numbered(
                _steps(first, second, step) * torch.tensor([-1, 1])
            ),
            "rows grow upwards",
            "Your rows grow upwards. In pictures row 0 is at the top, and place 0 is above.",
        ),
        Mutant(
            lambda first, second, *, step: places(first, second, step=step) + 1,
            "counted from one",
            "Your numbers begin at 1. They begin at 0, as labels of a cross-entropy do.",
        ),
        Mutant(
            lambda first, second, *, step: (
                5 * (_steps(first, second, step)[:, 0] + 2)
                + _steps(first, second, step)[:, 1]
                + 2
                - (_steps(first, second, step).clamp(min=0).sum(dim=1) > 0).long()
            ),
            "only right and below are behind the middle",
            "You count a place as behind the middle if it lies to the right or below. Behind are all places that come later in "
            "the reading: row by row.",
        ),
        Mutant(
            lambda first, second, *, step: _eight(_steps(first, second, step).clamp(-1, 1)),
            "eight places",
            "You return the eight places of the lecture. Here there are 24, up to two steps away.",
        ),
    ),
    cases=cases_places,
    probe=probes.result,
    hints=(
        "`(second - first) / step`, rounded, is how many steps the second lies below and to the right.",
        "With the middle, the number is 5 (row + 2) + column + 2, and the middle is 12.",
        "Whoever comes after the middle is one less: subtract `(number > 12).long()`.",
    ),
    blocked=("course_lib.pretext.position",),
)


def _eight(steps):
    number = 3 * (steps[:, 0] + 1) + steps[:, 1] + 1
    return number - (number > 4).long()


PROBLEMS = (FLATTENED, NEIGHBOURS, PLACES)
