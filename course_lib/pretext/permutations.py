"""Sets of permutations of nine tiles that differ in many places: what a jigsaw puzzle asks a network to tell apart.

Two orders of the tiles that differ in two places only are one puzzle for anybody who cannot tell those two tiles apart,
two pieces of sky, say. So the orders of a set should differ in as many places as possible: their *Hamming distance*,
the number of places with different tiles, should be large for every pair.

Algebra gives the largest sets there are, with proof. Number the tiles by the nine elements of the field GF(9). The maps
x -> a x + b with a != 0 permute them, and two such maps agree in at most one place, since a x + b = a' x + b' has at
most one solution: 9 * 8 = 72 orders with distance 8 or 9. Number them by GF(8) and infinity instead. The maps
x -> (a x + b) / (c x + d) with a d != b c agree in at most two places: 9 * 8 * 7 = 504 orders, distance 7 or more. No
set with these distances can be larger. Searching step by step, as is usually done, finds worse ones.

Source: M. Noroozi, P. Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", ECCV 2016,
for the task and the greedy search; for the groups and the bounds: P. Frankl, M. Deza, "On the Maximum Number of
Permutations with Given Maximal or Minimal Distance", J. Combinatorial Theory A 22 (1977).

Deviations: the groups are not in the paper. The greedy search asks for the largest smallest distance first, and for the
mean after that; the paper's sets maximise the mean, and hold pairs that differ in two places only.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor

from course_lib import arguments, randomness

TILES = 9


def hamming(a: Tensor, b: Tensor) -> Tensor:
    """Count in how many places each order of a differs from each order of b.

    Shapes: a (P, 9), b (Q, 9) -> (P, Q), whole numbers.

    >>> hamming(torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 2], [0, 2, 1], [1, 2, 0]]))
    tensor([[0, 2, 3]])
    """
    for name, orders in (("a", a), ("b", b)):
        if arguments.tensor(orders, name=name).ndim != 2:
            raise ValueError(f"{name}: expected orders of tiles (P, 9), got {tuple(orders.shape)}.")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"expected orders of equally many tiles, got {a.shape[1]} and {b.shape[1]}.")
    return torch.stack([(order != b).sum(dim=1) for order in a]) if len(a) else a.new_zeros(0, len(b))


def distances(orders: Tensor) -> Tensor:
    """List the Hamming distances of all pairs of a set, each pair once: (P (P - 1) / 2,)."""
    table = hamming(orders, orders)
    i, j = torch.triu_indices(len(orders), len(orders), offset=1, device=table.device)
    return table[i, j]


def translations() -> Tensor:
    """Return the nine maps x -> x + b of GF(9), (9, 9): all differ in all nine places.

    >>> distances(translations()).unique()
    tensor([9])
    """
    return torch.tensor([[_plus9(x, b) for x in range(9)] for b in range(9)])


def affine() -> Tensor:
    """Return the 72 maps x -> a x + b of GF(9), (72, 9): they differ in eight places or nine, and no larger set does.

    >>> distances(affine()).amin()
    tensor(8)
    """
    return torch.tensor([[_plus9(_times9(a, x), b) for x in range(9)] for a in range(1, 9) for b in range(9)])


def projective() -> Tensor:
    """Return the 504 maps x -> (a x + b) / (c x + d) of GF(8) and infinity, (504, 9): they differ in seven places or
    more, and no larger set does.

    >>> orders = projective()
    >>> tuple(orders.shape), int(distances(orders).amin())
    ((504, 9), 7)
    """
    maps = {_mobius(*numbers) for numbers in itertools.product(range(8), repeat=4)
            if _times8(numbers[0], numbers[3]) != _times8(numbers[1], numbers[2])}
    return torch.tensor(sorted(maps))


def greedy(count: int, *, seed: int = 0, by: Literal["least", "mean"] = "least") -> Tensor:
    """Search for orders one by one: from a random one on, each next one is as far as possible from those before.

    by: "least" asks for the largest distance to the nearest order before, and of those for the largest mean; "mean" for
    the mean alone, as the paper does.
    Shapes: -> (count, 9).
    """
    if arguments.positive(count, name="count") > 362_880:
        raise ValueError(f"count: there are 362880 orders of nine tiles, got {count}.")
    arguments.one_of(by, ("least", "mean"), what="way to choose")
    everything = torch.tensor(list(itertools.permutations(range(TILES))), dtype=torch.int8)              # (9!, 9)
    first = int(torch.randint(len(everything), (), generator=randomness.generator(seed, "permutations")))
    chosen = [first]
    apart = (everything != everything[first]).sum(dim=1)
    least, total = apart.clone(), apart.clone()
    while len(chosen) < count:
        score = total if by == "mean" else least * (TILES * count + 1) + total
        score[chosen] = -1
        chosen.append(int(score.argmax()))
        apart = (everything != everything[chosen[-1]]).sum(dim=1)
        least, total = torch.minimum(least, apart), total + apart
    return everything[chosen].long()


# Arithmetic of the two fields ----------------------------------------------------------------------------------------


def _plus9(x: int, y: int) -> int:
    """Add in GF(9): x = u + 3 v stands for u + v i, with u and v modulo 3."""
    return (x + y) % 3 + 3 * ((x // 3 + y // 3) % 3)


def _times9(x: int, y: int) -> int:
    """Multiply in GF(9), where i^2 = -1.

    >>> _times9(3, 3)                                # i i = -1 = 2
    2
    """
    u, v, s, t = x % 3, x // 3, y % 3, y // 3
    return (u * s - v * t) % 3 + 3 * ((u * t + v * s) % 3)


def _times8(x: int, y: int) -> int:
    """Multiply in GF(8): bits are coefficients of a polynomial, modulo t^3 + t + 1.

    >>> _times8(2, 4)                                # t t^2 = t^3 = t + 1
    3
    """
    product = 0
    for bit in range(3):
        product ^= (x << bit) if y >> bit & 1 else 0
    for bit in (4, 3):
        product ^= (0b1011 << (bit - 3)) if product >> bit & 1 else 0
    return product


def _mobius(a: int, b: int, c: int, d: int) -> tuple[int, ...]:
    """The images of 0, ..., 7 and of infinity, which is written 8."""
    def quotient(above: int, below: int) -> int:
        return 8 if below == 0 else next(x for x in range(8) if _times8(x, below) == above)

    return (*(quotient(_times8(a, x) ^ b, _times8(c, x) ^ d) for x in range(8)), quotient(a, c))
