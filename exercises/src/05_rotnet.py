"""Exercises of lecture rotnet: turns with an angle for each picture, a vote of four turns, a linear probe in closed form.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- rotnet.turn_each -----------------------------------------------------------------------------------------------

STATEMENT_TURN = r"""
The lecture turns every picture by every angle. A cheaper variant gives each picture of a batch **one** angle of its own.
Turn picture $n$ by $90\, q_n$ degrees **counter-clockwise**, $q_n \in \{0, 1, 2, 3\}$, with transposing and flipping only,
so that pixels move and nothing is computed:

$$(x \text{ turned by } 90)(i, j) = x(j,\; S - 1 - i)$$

for row $i$ and column $j$ of a picture with $S$ rows and columns. `images` is `(N, C, S, S)`, `quarters` holds the $q_n$,
`(N,)`. Return the turned pictures. A hand case: the rows (1, 2) and (3, 4), turned once, become (2, 4) and (1, 3).
"""

STUB_TURN = '''
def turn_each(images, quarters):
    """images: (N, C, S, S); quarters: (N,), whole numbers 0 to 3; returns (N, C, S, S)."""
    turned = ...        # all four turns of all pictures, (4, N, C, S, S)
    return ...
'''


def turn_each(images, quarters):
    across = images.transpose(-2, -1)
    four = torch.stack([images, across.flip(-2), images.flip(-2, -1), across.flip(-1)])
    return four[quarters, torch.arange(len(images))]


def turn_each_in_a_loop(images, quarters):
    return torch.stack(
        [torch.rot90(x, int(q), (1, 2)) for x, q in zip(images, quarters, strict=True)]
    )


def turn_each_by_groups(images, quarters):
    turned = images.clone()
    for q in (1, 2, 3):
        mine = quarters == q
        some = images[mine]
        for _ in range(q):
            some = some.transpose(-2, -1).flip(-2)
        turned[mine] = some
    return turned


@mutant(
    "clockwise",
    "You turn clockwise. Turned once counter-clockwise, the last column becomes the first row: transpose, then flip "
    "the rows.",
)
def clockwise(images, quarters):
    return turn_each(images, (4 - quarters) % 4)


@mutant(
    "transposed instead of turned",
    "You transpose where a quarter turn is asked. A transposed picture is turned and mirrored; a flip is missing.",
)
def transposed(images, quarters):
    across = images.transpose(-2, -1)
    four = torch.stack([images, across, images.flip(-2, -1), across])
    return four[quarters, torch.arange(len(images))]


@mutant(
    "upside down by one flip",
    "You turn by 180 degrees with one flip. That mirrors: half a turn flips rows and columns.",
)
def one_flip(images, quarters):
    across = images.transpose(-2, -1)
    four = torch.stack([images, across.flip(-2), images.flip(-2), across.flip(-1)])
    return four[quarters, torch.arange(len(images))]


def cases_turn(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, quarters: tuple[int, ...], channels: int, side: int) -> Case:
        stream = variant.numbers(seed, "turn_each", name)
        images = stream.uniform(0, 1, (len(quarters), channels, side, side))
        return Case(
            name,
            {"images": images.round(3).astype(np.float32), "quarters": np.array(quarters)},
            tolerances={"result": Tolerance(0.0, 0.0)},
            letters={"result": "N C S S"},
        )

    return [
        case("four pictures", (0, 1, 2, 3), 1, 3),
        case("colour", (3, 1, 1, 0, 2), 3, 4),
        case("one angle", (1, 1, 1), 2, 5),
    ]


TURN_EACH = Problem(
    id="rotnet.turn_each",
    points=2,
    goal="Turn each picture by its own angle",
    statement=STATEMENT_TURN,
    stub=STUB_TURN,
    reference=turn_each,
    alternates=(turn_each_in_a_loop, turn_each_by_groups),
    mutants=(
        clockwise,
        transposed,
        one_flip,
        Mutant(
            lambda images, quarters: turn_each(images, quarters[:1].expand(len(images))),
            "the first angle for all",
            "You turn all pictures by the angle of the first. `four[quarters, torch.arange(N)]` takes its own turn of each.",
        ),
        Mutant(
            lambda images, quarters: turn_each(images, quarters.flip(0)),
            "the angles in the wrong order",
            "Picture n has to be turned by `quarters[n]`; yours gets the angle of another one.",
        ),
        Mutant(
            lambda images, quarters: turn_each(images, (quarters + 1) % 4),
            "one turn too many",
            "You turn every picture once too often: q = 0 leaves it as it is.",
        ),
        Mutant(
            lambda images, quarters: torch.cat(
                [turn_each(images, torch.full_like(quarters, q)) for q in range(4)]
            ),
            "all turns of all pictures",
            "You return all four turns of every picture. Each has one angle here.",
        ),
        Mutant(
            lambda images, quarters: turn_each(images, 2 * (quarters % 2) + quarters // 2),
            "angles exchanged",
            "A quarter turn and half a turn are exchanged: q = 1 is 90 degrees, q = 2 is 180.",
        ),
    ),
    cases=cases_turn,
    probe=probes.result,
    hints=(
        "`images.transpose(-2, -1).flip(-2)` is a quarter turn counter-clockwise of all pictures.",
        "Stack the four turns, `(4, N, C, S, S)`, and choose: one index for the turn, one for the picture.",
        "`four[quarters, torch.arange(len(images))]`.",
    ),
    blocked=("course_lib.pretext.rotnet",),
)

# --- rotnet.vote ----------------------------------------------------------------------------------------------------

STATEMENT_VOTE = r"""
A picture comes in an unknown turn, $a \in \{0, 1, 2, 3\}$ quarters. You turn it once more by each of $j = 0, 1, 2, 3$
quarters and ask the network each time. If it is right, it says $a + j$ modulo 4, so all four answers speak about the same
$a$. With the scores $s_{njk}$ of angle $k$ for picture $n$, turned by $j$ more quarters, let the four answers vote:

$$p_{na} = \frac1Z \prod_{j=0}^{3} \operatorname{softmax}(s_{nj})_{(a + j) \bmod 4}, \qquad
\text{with } Z \text{ such that } \sum_{a} p_{na} = 1 .$$

`scores` is `(N, 4, 4)`. Return the $p_{na}$, `(N, 4)`. Work with logarithms: a product of small numbers loses digits.
"""

STUB_VOTE = '''
def vote(scores):
    """scores: (N, 4, 4), of angle k for a picture turned by j more quarters; returns (N, 4)."""
    log_p = ...
    return ...
'''


def _aligned(log_p):
    j = torch.arange(4)
    which = (torch.arange(4)[:, None] + j) % 4  # (a, j) -> k
    return log_p[:, j, which]  # (N, a, j)


def vote(scores):
    return _aligned(scores.log_softmax(dim=2)).sum(dim=2).softmax(dim=1)


def vote_by_rolling(scores):
    log_p = scores.log_softmax(dim=2)
    total = sum(log_p[:, j].roll(-j, dims=1) for j in range(4))
    return total.softmax(dim=1)


def vote_in_a_loop(scores):
    p = scores.double().softmax(dim=2)
    product = torch.ones(len(scores), 4, dtype=torch.float64)
    for a in range(4):
        for j in range(4):
            product[:, a] *= p[:, j, (a + j) % 4]
    return (product / product.sum(dim=1, keepdim=True)).float()


def cases_vote(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, n: int, strength: float) -> Case:
        stream = variant.numbers(seed, "vote", name)
        scores = stream.standard_normal((n, 4, 4))
        for picture in range(n):
            a = int(stream.integers(4))
            for j in range(4):
                scores[picture, j, (a + j) % 4] += strength
        return Case(
            name,
            {"scores": scores.round(2).astype(np.float32)},
            tolerances={"result": Tolerance(1e-4, 1e-5)},
            letters={"result": "N 4"},
        )

    return [
        case("three pictures", 3, 0.5),
        case("five pictures", 5, 0.2),
        case("nearly sure", 2, 1.0),
    ]


VOTE = Problem(
    id="rotnet.vote",
    points=2,
    goal="Let four turns of a picture vote",
    statement=STATEMENT_VOTE,
    stub=STUB_VOTE,
    reference=vote,
    alternates=(vote_by_rolling, vote_in_a_loop),
    mutants=(
        Mutant(
            lambda scores: scores.log_softmax(dim=2).sum(dim=1).softmax(dim=1),
            "not turned back",
            "You add the answers as they are. The picture was turned by j more quarters, so the answer for a is at a + j.",
        ),
        Mutant(
            lambda scores: sum(
                scores.log_softmax(dim=2)[:, j].roll(j, dims=1) for j in range(4)
            ).softmax(dim=1),
            "turned back the wrong way",
            "You look at a - j. A picture in turn a that is turned by j more quarters is in turn a + j.",
        ),
        Mutant(
            lambda scores: _aligned(scores.softmax(dim=2).log()).exp().mean(dim=2),
            "the mean of the probabilities",
            "You average the probabilities. The vote multiplies them: one answer that is nearly certain outweighs the rest.",
        ),
        Mutant(
            lambda scores: _aligned(scores.log_softmax(dim=2)).sum(dim=2).exp(),
            "not normalised",
            "Your four numbers do not add up to 1: divide by Z, or take the softmax of the sums.",
        ),
        Mutant(
            lambda scores: _aligned(scores.log_softmax(dim=2)).sum(dim=2),
            "logarithms",
            "You return logarithms. Probabilities are asked.",
        ),
        Mutant(
            lambda scores: _aligned(scores.log_softmax(dim=2)).mean(dim=2).softmax(dim=1),
            "the geometric mean",
            "You take the mean of the logarithms, that is the fourth root of the product. The product itself is asked.",
        ),
        Mutant(
            lambda scores: _aligned(scores.log_softmax(dim=1)).sum(dim=2).softmax(dim=1),
            "softmax over the wrong axis",
            "Your softmax runs over the turns j. The network answers with a distribution over the angles k, the last axis.",
        ),
        Mutant(
            lambda scores: scores[:, 0].softmax(dim=1),
            "one answer only",
            "You use the answer to the picture as it came only. All four answers speak about the same a.",
        ),
        Mutant(
            lambda scores: F.one_hot(vote(scores).argmax(dim=1), 4).float(),
            "the winner only",
            "You return the winner. The probabilities of all four are asked.",
        ),
    ),
    cases=cases_vote,
    probe=probes.result,
    hints=(
        "`scores.log_softmax(dim=2)` are the logarithms of the answers.",
        "The answers of turn j, shifted by j: `log_p[:, j].roll(-j, dims=1)`.",
        "Add the four and take the softmax over a: that is the product, divided by Z.",
    ),
    blocked=("course_lib.pretext.rotnet",),
)

# --- rotnet.closed_form ---------------------------------------------------------------------------------------------

STATEMENT_PROBE = r"""
A linear probe need not be trained step by step. With features $h_n \in \mathbb R^D$ of $N$ labelled pictures, centred by
their mean, and one-hot labels $y_n \in \mathbb R^C$, the **ridge regression**

$$\min_W \sum_n \lVert W^\top (h_n - \bar h) - (y_n - \bar y) \rVert^2 + \lambda \lVert W \rVert^2
\quad\text{has the solution}\quad W = (H^\top H + \lambda I)^{-1} H^\top Y$$

where the rows of $H$, `(N, D)`, are the centred features and those of $Y$, `(N, C)`, the one-hot labels minus their mean.
A new picture with features $h$ gets the scores $W^\top (h - \bar h) + \bar y$, $\bar h$ and $\bar y$ still those of the
labelled pictures. `known` is `(N, D)`, `labels` is `(N,)` with numbers from 0, all classes occur, `asked` is `(M, D)`,
`strength` is $\lambda$. Return the scores of the new pictures, `(M, C)`.
"""

STUB_PROBE = '''
def ridge_probe(known, labels, asked, *, strength):
    """known: (N, D); labels: (N,); asked: (M, D); strength: a number; returns (M, C)."""
    W = ...             # (D, C)
    return ...
'''


def _centred(known, labels):
    y = F.one_hot(labels).to(known.dtype)
    return known.mean(dim=0), known - known.mean(dim=0), y.mean(dim=0), y - y.mean(dim=0)


def _ridge(H, Y, strength):
    return torch.linalg.solve(H.T @ H + strength * torch.eye(H.shape[1]), H.T @ Y)


def ridge_probe(known, labels, asked, *, strength):
    middle, H, share, Y = _centred(known, labels)
    return (asked - middle) @ _ridge(H, Y, strength) + share


def ridge_by_rows(known, labels, asked, *, strength):
    middle, H, share, Y = _centred(known, labels)
    K = H @ H.T + strength * torch.eye(len(H))  # the same, with an N x N matrix
    return (asked - middle) @ (H.T @ torch.linalg.solve(K, Y)) + share


def ridge_by_singular_values(known, labels, asked, *, strength):
    middle, H, share, Y = _centred(known, labels)
    U, s, V = torch.linalg.svd(H, full_matrices=False)
    W = V.T @ ((s / (s**2 + strength))[:, None] * (U.T @ Y))
    return (asked - middle) @ W + share


def cases_probe(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, n: int, d: int, c: int, m: int, strength: float) -> Case:
        stream = variant.numbers(seed, "closed_form", name)
        labels = np.concatenate([np.arange(c), stream.integers(0, c, n - c)])
        centres = stream.standard_normal((c, d)) + 1.5
        known = centres[labels] + 0.5 * stream.standard_normal((n, d))
        asked = centres[stream.integers(0, c, m)] + 0.5 * stream.standard_normal((m, d))
        return Case(
            name,
            {
                "known": known.round(2).astype(np.float32),
                "labels": labels,
                "asked": asked.round(2).astype(np.float32),
                "strength": np.array(strength),
            },
            tolerances={"result": Tolerance(1e-3, 1e-4)},
            letters={"result": "M C"},
        )

    return [
        case("three classes", 12, 4, 3, 5, 0.7),
        case("more features than pictures", 8, 12, 2, 4, 2.0),
        case("four classes", 20, 5, 4, 6, 0.3),
    ]


CLOSED_FORM = Problem(
    id="rotnet.closed_form",
    points=3,
    goal="Compute a linear probe without training",
    statement=STATEMENT_PROBE,
    stub=STUB_PROBE,
    reference=ridge_probe,
    alternates=(ridge_by_rows, ridge_by_singular_values),
    mutants=(
        Mutant(
            lambda known, labels, asked, *, strength: (
                asked @ _ridge(known, F.one_hot(labels).to(known.dtype), strength)
            ),
            "not centred",
            "You neither centre the features nor the labels. Then W has to explain their means, too, and is made smaller "
            "for it by the penalty.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: (
                (asked - asked.mean(dim=0))
                @ _ridge(*_centred(known, labels)[1::2], strength)
                + _centred(known, labels)[2]
            ),
            "centred by the new pictures",
            "You centre the new features by their own mean. Then the answer for a picture depends on those that are asked "
            "with it: use the mean of the labelled ones.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: (
                asked @ _ridge(*_centred(known, labels)[1::2], strength)
                + _centred(known, labels)[2]
            ),
            "new features not centred",
            "You centre the labelled features and not the new ones. W belongs to centred features.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: (
                ridge_probe(known, labels, asked, strength=strength)
                - _centred(known, labels)[2]
            ),
            "the mean label is missing",
            "You leave out the mean of the labels: W explains the labels minus their mean, so it has to be added again.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: ridge_probe(
                known, labels, asked, strength=0.0 * strength + 1e-3
            ),
            "no penalty",
            "Your answer does not depend on `strength`. Add strength times the unit matrix before you solve.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: ridge_probe(
                known, labels, asked, strength=strength * len(known)
            ),
            "a mean instead of a sum",
            "Your penalty is N times too strong: you divide the squared errors by N and not the penalty. The formula adds "
            "the errors up.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: ridge_probe(
                known, labels, asked, strength=strength
            ).argmax(dim=1),
            "the winner only",
            "You return the class. The scores of all classes are asked.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: ridge_probe(
                known, labels, asked, strength=strength
            ).softmax(dim=1),
            "a softmax",
            "You take a softmax. The scores of a regression are no logarithms; return them as they are.",
        ),
        Mutant(
            lambda known, labels, asked, *, strength: ridge_probe(
                known, labels, asked, strength=strength**2
            ),
            "the strength is squared",
            "You square lambda. It stands beside the unit matrix as it is.",
        ),
    ),
    cases=cases_probe,
    probe=probes.result,
    hints=(
        "`F.one_hot(labels).to(known.dtype)` makes the labels; subtract their mean over the pictures.",
        "`torch.linalg.solve(A, B)` solves A W = B, which is more exact than an inverse.",
        "`(asked - known.mean(dim=0)) @ W + y.mean(dim=0)`.",
    ),
    blocked=("course_lib.embeddings", "course_lib.pretext.probe", "sklearn"),
)

PROBLEMS = (TURN_EACH, VOTE, CLOSED_FORM)
