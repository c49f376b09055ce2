"""Exercises of lecture nonlocality: the search for similar patches, the filter of a group, and the iterations of NN3D.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- nn3d.block_matching --------------------------------------------------------------------------------------------

STATEMENT_MATCH = r"""
A non-local filter begins with a search. The *reference* is the patch of `patch` $\times$ `patch` pixels whose top left
corner lies in row `top` and column `left` of the image $z$. Its distance to the patch with the corner $(r, c)$ is the
mean squared difference

$$d(r, c) = \frac{1}{P} \sum_{i, j} \bigl(z(r + i, c + j) - z(\text{top} + i, \text{left} + j)\bigr)^2 ,$$

with $P$ the number of pixels of a patch. Compare the reference with every patch that lies **wholly in the image** and
whose corner is at most `reach` rows and at most `reach` columns away, $|r - \text{top}| \le$ `reach` and
$|c - \text{left}| \le$ `reach`. Return the corners of the `count` nearest ones, nearest first, as whole numbers
`(count, 2)`: row, column. The reference itself is the first of them. No two distances are equal here.
"""

STUB_MATCH = '''
def block_matching(z, *, top, left, patch, reach, count):
    """z: (H, W); returns the corners of the nearest patches, (count, 2)."""
    reference = z[top : top + patch, left : left + patch]
    found = []      # a distance and a corner for each patch
    ...
    return ...
'''


def block_matching(z, *, top, left, patch, reach, count):
    reference = z[top : top + patch, left : left + patch]
    found = []
    for row in range(max(0, top - reach), min(z.shape[0] - patch, top + reach) + 1):
        for column in range(
            max(0, left - reach), min(z.shape[1] - patch, left + reach) + 1
        ):
            there = z[row : row + patch, column : column + patch]
            found.append((((there - reference) ** 2).mean().item(), row, column))
    return torch.tensor([corner for _, *corner in sorted(found)[:count]])


def block_matching_unfolded(z, *, top, left, patch, reach, count):
    windows = z.unfold(0, patch, 1).unfold(1, patch, 1)  # (H', W', patch, patch)
    distance = (windows - windows[top, left]).square().sum(dim=(2, 3))
    rows, columns = torch.arange(len(distance))[:, None], torch.arange(distance.shape[1])
    away = ((rows - top).abs() > reach) | ((columns - left).abs() > reach)
    nearest = distance.masked_fill(away, math.inf).flatten().argsort()[:count]
    return torch.stack([nearest // distance.shape[1], nearest % distance.shape[1]], dim=1)


def block_matching_by_shifts(z, *, top, left, patch, reach, count):
    distances, corners = [], []
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            row, column = top + down, left + right
            if 0 <= row <= z.shape[0] - patch and 0 <= column <= z.shape[1] - patch:
                difference = (
                    z[row : row + patch, column : column + patch]
                    - z[top : top + patch, left : left + patch]
                )
                distances.append(torch.linalg.vector_norm(difference))
                corners.append([row, column])
    return torch.tensor(corners)[torch.stack(distances).topk(count, largest=False).indices]


def _ordered(z, score, *, top, left, patch, reach, count, rows=None, columns=None):
    """Mistakes share the loop: the corners with the lowest scores of those in the ranges."""
    rows = rows or range(max(0, top - reach), min(z.shape[0] - patch, top + reach) + 1)
    columns = columns or range(
        max(0, left - reach), min(z.shape[1] - patch, left + reach) + 1
    )
    reference = z[top : top + patch, left : left + patch]
    found = [
        (
            float(score(z[row : row + patch, column : column + patch] - reference)),
            row,
            column,
        )
        for row in rows
        for column in columns
    ]
    return torch.tensor([corner for _, *corner in sorted(found)[:count]])


def mean_squared(difference):
    return difference.square().mean()


@mutant(
    "the last patch is left out",
    "Where the window meets the lower or right border you leave out the last patch. A patch fits at row H - patch "
    "too: there are H - patch + 1 places, and `range` ends before its second number.",
)
def last_row_left_out(z, *, top, left, patch, reach, count):
    rows = range(max(0, top - reach), min(z.shape[0] - patch, top + reach + 1))
    columns = range(max(0, left - reach), min(z.shape[1] - patch, left + reach + 1))
    return _ordered(
        z,
        mean_squared,
        top=top,
        left=left,
        patch=patch,
        reach=reach,
        count=count,
        rows=rows,
        columns=columns,
    )


@mutant(
    "around the border",
    "Your patches run over the border and come in again at the opposite side. Compare only with patches that lie "
    "wholly in the image; `torch.roll` and negative indices wrap around.",
)
def wrapped(z, *, top, left, patch, reach, count):
    reference = z[top : top + patch, left : left + patch]
    found = []
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            moved = torch.roll(z, (-down, -right), dims=(0, 1))[
                top : top + patch, left : left + patch
            ]
            found.append(
                (
                    ((moved - reference) ** 2).mean().item(),
                    (top + down) % len(z),
                    (left + right) % z.shape[1],
                )
            )
    return torch.tensor([corner for _, *corner in sorted(found)[:count]])


def cases_match(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, shape: tuple[int, int], **numbers: int) -> Case:
        stream = variant.numbers(seed, "block_matching", name)
        tile = stream.uniform(0.2, 0.8, (3, 4))
        z = np.tile(tile, (shape[0] // 3 + 1, shape[1] // 4 + 1))[: shape[0], : shape[1]]
        z = (z + stream.uniform(-0.15, 0.15, shape)).round(4).astype(np.float32)
        return Case(
            name,
            {"z": z, **{key: np.array(value) for key, value in numbers.items()}},
            tolerances={"result": Tolerance(0.0, 0.1)},
            letters={"result": "count 2"},
        )

    return [
        case("in the middle", (16, 17), top=6, left=7, patch=4, reach=4, count=7),
        case("near a corner", (12, 14), top=8, left=1, patch=3, reach=5, count=6),
        case("on the left side", (13, 13), top=5, left=0, patch=3, reach=4, count=8),
        case("near the other corner", (10, 11), top=6, left=6, patch=3, reach=3, count=20),
    ]


BLOCK_MATCHING = Problem(
    id="nn3d.block_matching",
    points=2,
    goal="Find the patches that are most alike",
    statement=STATEMENT_MATCH,
    stub=STUB_MATCH,
    reference=block_matching,
    alternates=(block_matching_unfolded, block_matching_by_shifts),
    mutants=(
        Mutant(
            lambda z, **how: _ordered(
                z, lambda difference: -mean_squared(difference), **how
            ),
            "the farthest",
            "You return the patches that are least like the reference. A small distance means alike: sort from "
            "small to large.",
        ),
        Mutant(
            lambda z, **how: _ordered(z, lambda difference: difference.abs().mean(), **how),
            "absolute differences",
            "You average absolute differences; the distance here is the mean of the squares. Both are in use, but "
            "only for the squares is the share of Gaussian noise a constant, 2 sigma^2, that keeps the order.",
        ),
        Mutant(
            lambda z, **how: _ordered(z, lambda difference: difference.mean() ** 2, **how),
            "the mean before the square",
            "You square the mean of the differences. Positive and negative ones cancel, so every patch of the same "
            "brightness looks alike, whatever it shows. Square first, then average.",
        ),
        Mutant(
            lambda z, **how: _ordered(z, lambda difference: difference[0, 0] ** 2, **how),
            "only the corner",
            "You compare the corner pixels only. Two noisy pixels agree by chance all the time; a whole patch does "
            "not. Average over all its pixels.",
        ),
        Mutant(
            lambda z, *, top, left, patch, reach, count: block_matching(
                z, top=top, left=left, patch=patch, reach=max(z.shape), count=count
            ),
            "the whole image",
            "You search the whole image. The corner may be at most `reach` rows and columns away: a window keeps "
            "the search short, and fewer patches means fewer that are alike by chance.",
        ),
        Mutant(
            lambda z, *, top, left, patch, reach, count: block_matching(
                z, top=top, left=left, patch=patch, reach=reach - 1, count=count
            ),
            "the end of the window is left out",
            "Your window ends one row and one column too early: corners exactly `reach` away belong to it. "
            "`range(a, b)` ends before b.",
        ),
        Mutant(
            lambda z, *, top, left, patch, reach, count: block_matching(
                z, top=top, left=left, patch=patch, reach=reach // 2, count=count
            ),
            "reach taken for a width",
            "Your window is half as large: `reach` goes in each direction, so the window has 2 reach + 1 corners a "
            "side.",
        ),
        last_row_left_out,
        Mutant(
            lambda z, *, top, left, patch, reach, count: block_matching(
                z, top=top, left=left, patch=patch, reach=reach, count=count + 1
            )[1:],
            "without the reference",
            "You leave out the reference itself. It belongs to its group, at distance 0: the group is filtered as a "
            "whole, and the reference should gain from it.",
        ),
        Mutant(
            lambda z, **how: block_matching(z, **how).flip(1),
            "columns first",
            "Row and column are exchanged in your answer. As in an array, the row comes first.",
        ),
        Mutant(
            lambda z, *, top, left, **how: (
                block_matching(z, top=top, left=left, **how) - torch.tensor([top, left])
            ),
            "relative to the reference",
            "You return how far away the patches are. Add the corner of the reference: the answer is where they lie "
            "in the image.",
        ),
        wrapped,
    ),
    cases=cases_match,
    probe=probes.result,
    hints=(
        "Which rows may r take? It must be at most `reach` away from `top`, and the patch must fit: from 0 to "
        "H - patch. Take the larger of the two lower ends and the smaller of the two upper ones.",
        "Collect (distance, row, column) for each corner in a list. Python sorts tuples by their first entry.",
        "The distance is `((there - reference) ** 2).mean().item()`. Cut the sorted list after `count`, throw the "
        "distances away, and make a tensor.",
    ),
    blocked=(
        "course_lib.denoise.grouping",
        "course_lib.denoise.nn3d",
        "course_lib.denoise.bm3d",
        "course_lib.denoise.wnnm",
    ),
)

# --- nn3d.group_filter ----------------------------------------------------------------------------------------------

STATEMENT_FILTER = r"""
A group is a stack $g$ of $K$ patches of $D$ pixels each, `(K, D)`. Filter it **along the group** as NN3D does: with the
orthonormal Haar matrix $T$ of size $K \times K$,

$$q = T g, \qquad \Gamma(q) = \frac{q^3}{q^2 + \tau^2} \text{ for each coefficient}, \qquad
\hat g = T^\top \Gamma(q).$$

The first row of $T$ is constant; the others take differences of ever finer halves. For $K = 4$, for instance,

$$T = \frac12 \begin{pmatrix} 1 & 1 & 1 & 1 \\ 1 & 1 & -1 & -1 \\ \sqrt2 & -\sqrt2 & 0 & 0 \\ 0 & 0 & \sqrt2 & -\sqrt2
\end{pmatrix} .$$

$K$ is a power of two, 1 included. The order and the signs of the rows after the first do not matter: the answer is the
same. Where $\tau = 0$ nothing changes, also where $q = 0$.
"""

STUB_FILTER = '''
def group_filter(g, *, tau):
    """g: a group of K patches of D pixels, (K, D); returns it filtered, (K, D)."""
    transform = ...     # (K, K)
    return ...
'''


def _haar(size, like):
    matrix = torch.ones(1, 1, dtype=like.dtype)
    while len(matrix) < size:
        fine = torch.eye(len(matrix), dtype=like.dtype)
        pair, difference = (
            torch.tensor([[1.0, 1.0]], dtype=like.dtype),
            torch.tensor([[1.0, -1.0]], dtype=like.dtype),
        )
        matrix = torch.cat(
            [torch.kron(matrix, pair), torch.kron(fine, difference)]
        ) / math.sqrt(2)
    return matrix


def _gamma(q, tau):
    return torch.where(q == 0, 0.0, q**3 / (q**2 + tau**2))


def group_filter(g, *, tau):
    transform = _haar(len(g), g)
    return transform.T @ _gamma(transform @ g, tau)


def group_filter_by_halving(g, *, tau):
    if len(g) == 1:
        return _gamma(g, tau)

    def split(values, top):
        if len(values) == 1:
            return _gamma(values, tau)
        sums, differences = (
            (values[0::2] + values[1::2]) / 2**0.5,
            (values[0::2] - values[1::2]) / 2**0.5,
        )
        sums, differences = split(sums, False), _gamma(differences, tau)
        return (
            torch.stack([sums + differences, sums - differences], dim=1).flatten(0, 1)
            / 2**0.5
        )

    return split(g, True)


def group_filter_coefficient_by_coefficient(g, *, tau):
    filtered, size = torch.zeros_like(g), len(g)
    rows = [(0, size, None)]
    width = size
    while width > 1:
        rows += [(start, width, width // 2) for start in range(0, size, width)]
        width //= 2
    for start, width, half in rows:
        row = g.new_zeros(size)
        row[start : start + width] = 1 / width**0.5
        if half is not None:
            row[start + half : start + width] *= -1
        q = row @ g
        kept = torch.where(q.abs() > 0, q**2 / (q**2 + tau**2), 0.0)
        filtered += torch.outer(row, kept * q)
    return filtered


@mutant(
    "along the patch",
    "You transform the pixels of each patch, not the K values of each pixel. In NN3D the network has dealt with "
    "what is inside a patch; the filter compares the patches. The transform multiplies from the left: (K, K) times "
    "(K, D).",
)
def along_the_patch(g, *, tau):
    side = 2 ** int(math.log2(g.shape[1]))
    transform = _haar(side, g)
    out = g.clone()
    out[:, :side] = _gamma(g[:, :side] @ transform.T, tau) @ transform
    return out


@mutant(
    "rows of another length",
    "Your rows hold ones and minus ones but do not have length 1. Then the noise of a coefficient depends on how "
    "many values it adds, and one tau cannot suit all of them. Divide each row by its length.",
)
def not_normalised(g, *, tau):
    rows = _haar(len(g), g)
    rows = rows / rows.abs().amax(dim=1, keepdim=True)
    return torch.linalg.inv(rows) @ _gamma(rows @ g, tau)


@mutant(
    "a hard threshold",
    "You keep a coefficient above tau as it is and set the others to zero, as the first stage of BM3D does. Gamma "
    "is gradual: at q = tau a half is kept.",
)
def hard_threshold(g, *, tau):
    transform = _haar(len(g), g)
    q = transform @ g
    return transform.T @ (q * (q.abs() > tau))


@mutant(
    "tau is not squared",
    "You add tau to q squared; it has to be squared too. Otherwise images twice as bright would be filtered in "
    "another way.",
)
def tau_not_squared(g, *, tau):
    transform = _haar(len(g), g)
    q = transform @ g
    return transform.T @ torch.where(q == 0, 0.0, q**3 / (q**2 + tau))


@mutant(
    "the factor alone",
    "You return q^2 / (q^2 + tau^2), the share that is kept, and not the coefficient times it. Gamma(q) has q to "
    "the power of three.",
)
def factor_only(g, *, tau):
    transform = _haar(len(g), g)
    q = transform @ g
    return transform.T @ torch.where(q == 0, 0.0, q**2 / (q**2 + tau**2))


@mutant(
    "the mean is spared",
    "You leave the first coefficient as it is. That would be reasonable, since it is mostly far above tau; in NN3D "
    "Gamma acts on all coefficients, the first one too.",
)
def mean_spared(g, *, tau):
    transform = _haar(len(g), g)
    q = transform @ g
    return transform.T @ torch.cat([q[:1], _gamma(q[1:], tau)])


@mutant(
    "one level only",
    "You take sums and differences of pairs and stop there. The sums are split again, and again, until one is "
    "left: the mean of the whole group.",
)
def one_level_only(g, *, tau):
    if len(g) == 1:
        return _gamma(g, tau)
    sums, differences = (
        _gamma((g[0::2] + sign * g[1::2]) / 2**0.5, tau) for sign in (1, -1)
    )
    return (
        torch.stack([sums + differences, sums - differences], dim=1).flatten(0, 1) / 2**0.5
    )


@mutant(
    "zero by zero",
    "With tau = 0 and a coefficient that is 0 you divide zero by zero, and NaN spreads over the group. Equal "
    "patches have such coefficients. What should Gamma(0) be?",
)
def divides_by_zero(g, *, tau):
    transform = _haar(len(g), g)
    q = transform @ g
    return transform.T @ (q**3 / (q**2 + tau**2))


def cases_filter(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, size: int, pixels: int, tau: float, spread: float = 0.15) -> Case:
        stream = variant.numbers(seed, "group_filter", name)
        shared = stream.uniform(0.1, 0.5, pixels)
        if (
            not spread
        ):  # powers of two: their differences are exactly zero on every processor
            shared = 2 ** np.round(np.log2(shared))
        g = shared + spread * stream.standard_normal((size, pixels))
        return Case(
            name,
            {"g": g.round(3).astype(np.float32), "tau": np.array(tau)},
            tolerances={"result": Tolerance(1e-4, 1e-4)},
            letters={"result": "K D"},
        )

    equal = case("four equal patches, tau = 0", 4, 5, 0.0, spread=0.0)
    return [
        case("four patches", 4, 6, 0.3),
        case("eight patches", 8, 5, 0.2),
        case("two patches", 2, 3, 0.25),
        case("one patch", 1, 4, 0.2),
        equal,
    ]


GROUP_FILTER = Problem(
    id="nn3d.group_filter",
    points=3,
    goal="Filter a group along itself",
    statement=STATEMENT_FILTER,
    stub=STUB_FILTER,
    reference=group_filter,
    alternates=(group_filter_by_halving, group_filter_coefficient_by_coefficient),
    mutants=(
        along_the_patch,
        not_normalised,
        Mutant(
            lambda g, *, tau: _gamma(_haar(len(g), g) @ g, tau),
            "not transformed back",
            "You return coefficients. The transpose of an orthonormal matrix brings them back to patches.",
        ),
        hard_threshold,
        tau_not_squared,
        factor_only,
        Mutant(
            lambda g, *, tau: g.mean(dim=0, keepdim=True).expand_as(g).clone(),
            "the mean of the group",
            "You replace every patch by the mean of its group. That is the limit where all differences are taken "
            "for noise; Gamma keeps those that are larger than tau.",
        ),
        mean_spared,
        one_level_only,
        Mutant(
            lambda g, *, tau: _gamma(g, tau),
            "without a transform",
            "You shrink the pixels themselves. What the patches share then counts no more than what only one of "
            "them has: it is the transform that separates the two.",
        ),
        divides_by_zero,
    ),
    cases=cases_filter,
    probe=probes.result,
    hints=(
        "Build T from a smaller one: if T is the matrix for K values, its rows with each entry repeated twice, and "
        "below them the differences of the K pairs, all divided by the root of 2, are the one for 2K.",
        "`torch.kron` repeats entries: with [[1, 1]] those of T, with [[1, -1]] those of the identity.",
        "Three lines are left: q = T @ g, the formula for Gamma (with `torch.where` for q = 0), and T.T @ the result.",
    ),
    blocked=(
        "course_lib.denoise.grouping",
        "course_lib.denoise.nn3d",
        "course_lib.denoise.bm3d",
        "course_lib.denoise.wnnm",
    ),
)

# --- nn3d.iterations ------------------------------------------------------------------------------------------------

STATEMENT_LOOP = r"""
NN3D lets a network $D$ and a group filter $F$ take turns. With $\lambda_k = 1/k$ and $\tau_k = \lambda_k \sigma / 4$,
for $k = 1, \dots, K$:

$$\bar z_k = \lambda_k z + (1 - \lambda_k)\, \hat y_{k-1}, \qquad
\tilde y_k = D(\bar z_k;\, \lambda_k \sigma), \qquad
\hat y_k = F(\tilde y_k;\, \tau_k).$$

In the first iteration $\lambda_1 = 1$, so that no $\hat y_0$ is needed. Write the loop. Both parts are given in the
cell, in a small form that makes mistakes visible: call them as they are. `iterations` is $K$; return $\hat y_K$.
"""

STUB_LOOP = '''
def network(z, sigma):
    """D: a toy that takes a fixed part of its noise level away."""
    return z - 0.3 * sigma * torch.tanh(z / sigma)


def groups(y, tau):
    """F: a toy that pulls every image towards the mean of the batch."""
    mean = y.mean(dim=0, keepdim=True)
    return mean + (y - mean) / (1 + 4 * tau)


def nn3d(z, *, sigma, iterations):
    """z: noisy images (N, C, H, W); returns the estimate of the last iteration."""
    estimate = ...
    return ...
'''


def network(z, sigma):
    return z - 0.3 * sigma * torch.tanh(z / sigma)


def groups(y, tau):
    mean = y.mean(dim=0, keepdim=True)
    return mean + (y - mean) / (1 + 4 * tau)


def nn3d(z, *, sigma, iterations):
    estimate = z
    for k in range(1, iterations + 1):
        share = 1 / k
        estimate = groups(
            network(share * z + (1 - share) * estimate, share * sigma), share * sigma / 4
        )
    return estimate


def nn3d_recursive(z, *, sigma, iterations):
    before = (
        nn3d_recursive(z, sigma=sigma, iterations=iterations - 1)
        if iterations > 1
        else torch.zeros_like(z)
    )
    mixed = torch.lerp(before, z, 1 / iterations)
    return groups(network(mixed, sigma / iterations), sigma / (4 * iterations))


def nn3d_listed(z, *, sigma, iterations):
    estimates = [torch.zeros_like(z)]
    for share in [1 / k for k in range(1, iterations + 1)]:
        mixed = estimates[-1] + share * (z - estimates[-1])
        denoised = network(mixed, sigma * share)
        estimates.append(groups(denoised, 0.25 * share * sigma))
    return estimates[-1]


def _loop(z, sigma, iterations, *, mixed=None, told=None, tau=None, last=None):
    """Mistakes share the loop: each changes one line of it."""
    estimate = z
    for k in range(1, iterations + 1):
        share = 1 / k
        mixture = (
            share * z + (1 - share) * estimate
            if mixed is None
            else mixed(share, z, estimate)
        )
        denoised = network(mixture, share * sigma if told is None else told(share))
        filtered = groups(denoised, share * sigma / 4 if tau is None else tau(share))
        estimate = filtered if last is None else last(k, denoised, filtered)
    return estimate


@mutant(
    "always a half",
    "From the second iteration on you always mix half and half. lambda_k = 1/k goes on falling: a third, a "
    "quarter, ...",
)
def always_a_half(z, *, sigma, iterations):
    estimate = groups(network(z, sigma), sigma / 4)
    for _ in range(iterations - 1):
        estimate = groups(network(0.5 * z + 0.5 * estimate, 0.5 * sigma), 0.5 * sigma / 4)
    return estimate


@mutant(
    "the filter comes first",
    "You filter the groups before the network. While the noise is there, the groups agree on noise: first D, then "
    "F.",
)
def filter_before_the_network(z, *, sigma, iterations):
    estimate = z
    for k in range(1, iterations + 1):
        share = 1 / k
        mixed = share * z + (1 - share) * estimate
        estimate = network(groups(mixed, share * sigma / 4), share * sigma)
    return estimate


@mutant(
    "the network's estimate is fed back",
    "You mix the noisy image with what the network made. The filter then acts on the last estimate only, and the "
    "network never sees its work: y_hat is what goes round.",
)
def feeds_the_networks_estimate(z, *, sigma, iterations):
    denoised = filtered = z
    for k in range(1, iterations + 1):
        share = 1 / k
        denoised = network(share * z + (1 - share) * denoised, share * sigma)
        filtered = groups(denoised, share * sigma / 4)
    return filtered


@mutant(
    "the first share is a half",
    "Your first iteration mixes the noisy image with zeros. lambda_1 = 1: the network sees z itself first. Does "
    "your k begin at 1?",
)
def counts_from_zero(z, *, sigma, iterations):
    estimate = torch.zeros_like(z)
    for k in range(iterations):
        share = 1 / (k + 2)
        estimate = groups(
            network(share * z + (1 - share) * estimate, share * sigma), share * sigma / 4
        )
    return estimate


def cases_loop(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, sigma: float, iterations: int, *shape: int) -> Case:
        z = (
            variant.numbers(seed, "iterations", name)
            .uniform(-0.4, 1.2, shape)
            .round(3)
            .astype(np.float32)
        )
        return Case(
            name,
            {"z": z, "sigma": np.array(sigma), "iterations": np.array(iterations)},
            tolerances={"result": Tolerance(1e-4, 1e-5)},
            letters={"result": "N C H W"},
        )

    return [
        case("two iterations", 0.3, 2, 2, 1, 3, 4),
        case("one iteration", 0.4, 1, 2, 1, 2, 3),
        case("four iterations, in colour", 0.5, 4, 3, 3, 2, 2),
    ]


ITERATIONS = Problem(
    id="nn3d.iterations",
    points=2,
    goal="Let network and filter take turns",
    statement=STATEMENT_LOOP,
    stub=STUB_LOOP,
    reference=nn3d,
    alternates=(nn3d_recursive, nn3d_listed),
    mutants=(
        Mutant(
            lambda z, *, sigma, iterations: _loop(
                z, sigma, iterations, mixed=lambda a, z, y: z if a == 1 else y
            ),
            "nothing comes back",
            "You hand the last estimate to the network and never the noisy image again. What was lost once is then "
            "lost for good: mix lambda_k of z in.",
        ),
        Mutant(
            lambda z, *, sigma, iterations: _loop(
                z,
                sigma,
                iterations,
                mixed=lambda a, z, y: z if a == 1 else (1 - a) * z + a * y,
            ),
            "the shares are exchanged",
            "You mix with the shares exchanged. The noisy image gets lambda_k, which falls from iteration to "
            "iteration, and the estimate gets the rest. In the second iteration both are a half: no difference.",
        ),
        always_a_half,
        Mutant(
            lambda z, *, sigma, iterations: _loop(
                z, sigma, iterations, told=lambda a: sigma
            ),
            "the network is always told sigma",
            "You pass sigma to the network in every iteration. In the mixture only lambda_k of the noise is left; "
            "with a level that is too high, the network smooths detail away.",
        ),
        Mutant(
            lambda z, *, sigma, iterations: _loop(
                z, sigma, iterations, told=lambda a: a**0.5 * sigma
            ),
            "a level taken for a variance",
            "You pass the root of lambda_k times sigma to the network. The mixture holds lambda_k times the noise, "
            "so the deviation falls by lambda_k; the variance falls by its square.",
        ),
        Mutant(
            lambda z, *, sigma, iterations: _loop(
                z, sigma, iterations, tau=lambda a: sigma / 4
            ),
            "the filter stays strong",
            "Your tau is the same in every iteration. It falls with lambda_k, as the mistakes of the network do.",
        ),
        Mutant(
            lambda z, *, sigma, iterations: _loop(
                z, sigma, iterations, tau=lambda a: a * sigma
            ),
            "the quarter is forgotten",
            "Your tau is four times too large. What the network leaves is much weaker than the noise was: the paper "
            "takes a quarter of the level.",
        ),
        Mutant(
            lambda z, *, sigma, iterations: _loop(
                z, sigma, iterations, last=lambda k, denoised, filtered: denoised
            ),
            "without the filter",
            "You never use the group filter. The same iterations of the network alone hardly gain anything: that "
            "is the lecture's control experiment.",
        ),
        filter_before_the_network,
        feeds_the_networks_estimate,
        Mutant(
            lambda z, *, sigma, iterations: nn3d(
                z, sigma=sigma, iterations=max(1, iterations - 1)
            ),
            "one iteration too few",
            "You stop one iteration too early: k runs from 1 to K, and `range(1, K)` ends at K - 1.",
        ),
        counts_from_zero,
    ),
    cases=cases_loop,
    probe=probes.result,
    hints=(
        "Write the first iteration without a loop: what are lambda_1 and tau_1? It needs no estimate.",
        "Begin with any tensor of the right shape as the estimate: in the first round it is multiplied by "
        "1 - lambda_1 = 0.",
        "Each round has one line for the mixture, one for the network, with the level lambda_k sigma, and one for "
        "the filter, with a quarter of that.",
    ),
    blocked=("course_lib.denoise.grouping", "course_lib.denoise.nn3d"),
)

PROBLEMS = (BLOCK_MATCHING, GROUP_FILTER, ITERATIONS)
