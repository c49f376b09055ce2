"""Exercises of lecture siamese: the contrastive loss of a batch, and batch-hard triplets.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Variant, mutant

# --- contrastive.batch_loss -----------------------------------------------------------------------------------------

STATEMENT_PAIRS = r"""
A batch of $N$ pictures has the embeddings `f` $(N, D)$ and the `labels` $(N,)$ of the people on them. Compute the
contrastive loss with plain norms over **all pairs** $i < j$. With $d = \lVert f_i - f_j \rVert_2$ and $y = 0$ for the
same person, $y = 1$ for two,

$$\mathcal L_{ij} = \frac{1 - y}{2}\, d + \frac{y}{2} \max(0,\, m - d) .$$

Return the mean over the genuine pairs **plus** the mean over the impostor pairs, as one tensor `()` through which
gradients can flow back. Every batch here has pairs of both kinds. Two embeddings may be equal; then $d = 0$ exactly,
and its gradient must be zero: two equal embeddings do not pull each other.
"""

STUB_PAIRS = '''
def batch_loss(f, labels, *, margin):
    """f: (N, D), labels: (N,); returns a scalar tensor."""
    ...
    return ...
'''


def batch_loss(f, labels, *, margin):
    i, j = torch.triu_indices(len(f), len(f), offset=1)
    d = torch.linalg.vector_norm(f[i] - f[j], dim=1)
    same = labels[i] == labels[j]
    return (d[same] / 2).mean() + ((margin - d[~same]).clamp(min=0) / 2).mean()


def batch_loss_by_table(f, labels, *, margin):
    d = torch.cdist(f, f, compute_mode="donot_use_mm_for_euclid_dist")
    y = (labels[:, None] != labels[None]).float()
    each = (1 - y) / 2 * d + y / 2 * F.relu(margin - d)
    genuine = torch.triu(1 - y, diagonal=1)
    return (each * genuine).sum() / genuine.sum() + (each * y).sum() / y.sum()


def batch_loss_pair_by_pair(f, labels, *, margin):
    terms = {True: [], False: []}
    for i in range(len(f)):
        for j in range(i):
            d = (f[i] - f[j]).norm()
            same = bool(labels[i] == labels[j])
            terms[same].append(0.5 * d if same else 0.5 * torch.relu(margin - d))
    return sum(torch.stack(term).mean() for term in terms.values())


def _groups(
    f, labels, pull, push, join=lambda genuine, impostor: genuine.mean() + impostor.mean()
):
    """Mistakes share the distances and the groups."""
    i, j = torch.triu_indices(len(f), len(f), offset=1)
    d = torch.linalg.vector_norm(f[i] - f[j], dim=1)
    same = labels[i] == labels[j]
    return join(pull(d[same]), push(d[~same]))


@mutant(
    "y the other way round",
    "You pull pictures of two people together and push those of one person apart. Here y = 0 means the same "
    "person; many libraries have it the other way round.",
)
def exchanged(f, labels, *, margin):
    i, j = torch.triu_indices(len(f), len(f), offset=1)
    d = torch.linalg.vector_norm(f[i] - f[j], dim=1)
    same = labels[i] == labels[j]
    return (d[~same] / 2).mean() + ((margin - d[same]).clamp(min=0) / 2).mean()


@mutant(
    "pairs of a picture with itself",
    "You count each picture as a pair with itself. Its distance is always 0, which makes the mean of the genuine "
    "pairs smaller. Take i < j only.",
)
def with_oneself(f, labels, *, margin):
    d = torch.cdist(f, f, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None]
    return (d[same] / 2).mean() + ((margin - d[~same]).clamp(min=0) / 2).mean()


def _with_distances(f, labels, margin, distance):
    i, j = torch.triu_indices(len(f), len(f), offset=1)
    d, same = distance(f, i, j), labels[i] == labels[j]
    return (d[same] / 2).mean() + ((margin - d[~same]).clamp(min=0) / 2).mean()


def cases_pairs(variant: Variant, seed: int) -> list[Case]:
    def case(
        name: str, labels: list[int], dimensions: int, margin: float, *, twins: bool = False
    ) -> Case:
        stream = variant.numbers(seed, "batch_loss", name)
        f = stream.normal(0, 1, (len(labels), dimensions)).round(3).astype(np.float32)
        if twins:
            f[1] = f[0]
        return Case(name, {"f": f, "labels": np.array(labels), "margin": np.array(margin)})

    return [
        case("four people of two", [0, 0, 1, 1, 2, 2, 3, 3], 3, 2.0),
        case("people in any order", [5, 2, 2, 9, 5, 5, 2], 4, 3.0),
        case("an equal pair", [1, 1, 4, 4, 4], 2, 2.5, twins=True),
    ]


BATCH_LOSS = Problem(
    id="contrastive.batch_loss",
    points=2,
    goal="Pull and push all pairs of a batch",
    statement=STATEMENT_PAIRS,
    stub=STUB_PAIRS,
    reference=batch_loss,
    alternates=(batch_loss_by_table, batch_loss_pair_by_pair),
    mutants=(
        exchanged,
        Mutant(
            lambda f, labels, *, margin: _groups(
                f, labels, lambda d: d**2 / 2, lambda d: (margin - d).clamp(min=0) ** 2 / 2
            ),
            "Hadsell's form",
            "You square the distance and the hinge: that is Hadsell's form, whose forces are springs. Here the "
            "norms are plain.",
        ),
        Mutant(
            lambda f, labels, *, margin: _groups(
                f, labels, lambda d: d**2 / 2, lambda d: (margin - d**2).clamp(min=0) / 2
            ),
            "squared distances",
            "You use squared distances in the place of d. The margin is then compared with d^2, and 2 no longer "
            "means a distance of 2. Take the root.",
        ),
        Mutant(
            lambda f, labels, *, margin: 2 * batch_loss(f, labels, margin=margin),
            "without the halves",
            "Your loss is twice as large: both parts of the formula have a factor of one half.",
        ),
        Mutant(
            lambda f, labels, *, margin: _groups(
                f,
                labels,
                lambda d: d / 2,
                lambda d: (margin - d).clamp(min=0) / 2,
                lambda genuine, impostor: torch.cat([genuine, impostor]).mean(),
            ),
            "one mean over all pairs",
            "You take one mean over all pairs. There are many more impostors than genuine pairs, so it is nearly "
            "theirs alone. Take two means and add them.",
        ),
        Mutant(
            lambda f, labels, *, margin: _groups(
                f,
                labels,
                lambda d: d / 2,
                lambda d: (margin - d).clamp(min=0) / 2,
                lambda genuine, impostor: genuine.sum() + impostor.sum(),
            ),
            "a sum instead of means",
            "You add up all pairs. Then a larger batch has a larger loss, and the learning rate would depend on it. "
            "Take the mean of each group.",
        ),
        Mutant(
            lambda f, labels, *, margin: _groups(
                f, labels, lambda d: d / 2, lambda d: (margin - d) / 2
            ),
            "no hinge",
            "Your impostors are pushed for ever: beyond the margin their loss becomes negative. max(0, m - d) "
            "ends it there.",
        ),
        Mutant(
            lambda f, labels, *, margin: _groups(
                f, labels, lambda d: d / 2, lambda d: 0 * d
            ),
            "no push",
            "Your impostors cost nothing. The best network would then give all pictures the same vector.",
        ),
        with_oneself,
        Mutant(
            lambda f, labels, *, margin: _groups(
                f,
                labels,
                lambda d: d / 2,
                lambda d: (margin - d).clamp(min=0) / 2,
                lambda genuine, impostor: genuine.mean() + impostor[impostor > 0].mean(),
            ),
            "the mean over the violated only",
            "You average over those impostors only that are closer than the margin. The mean is over all "
            "impostor pairs, those beyond the margin count as zeros; one well-known library leaves them out by "
            "default.",
        ),
        Mutant(
            lambda f, labels, *, margin: batch_loss(
                F.normalize(f, dim=1), labels, margin=margin
            ),
            "on the unit sphere",
            "You normalise the embeddings first. No distance can then exceed 2, and a margin above 2 is never "
            "met. The loss is about f as it is; one well-known library normalises by default.",
        ),
        Mutant(
            lambda f, labels, *, margin: _with_distances(
                f, labels, margin, lambda f, i, j: (f[i] - f[j]).square().sum(dim=1).sqrt()
            ),
            "a root that has no slope at zero",
            "Where two embeddings are equal, the gradient is NaN: the square root of a sum of squares has an "
            "infinite slope at 0. `torch.linalg.vector_norm` has a zero gradient there.",
        ),
        Mutant(
            lambda f, labels, *, margin: _with_distances(
                f,
                labels,
                margin,
                lambda f, i, j: (f[:, None] - f).square().sum(dim=2).sqrt()[i, j],
            ),
            "a root of the whole table",
            "Your gradient is NaN: the root of a sum of squares has an infinite slope at 0, and the table of all "
            "distances has zeros on its diagonal, even if you do not use them. `torch.linalg.vector_norm(f[i] - "
            "f[j], dim=1)` and `torch.cdist` have a zero gradient there.",
        ),
        Mutant(
            lambda f, labels, *, margin: _with_distances(
                f, labels, margin, lambda f, i, j: F.pairwise_distance(f[i], f[j])
            ),
            "a distance that is never quite zero",
            "`F.pairwise_distance` adds 1e-6 to every difference, so equal embeddings get a direction in which they "
            "are pulled. With `eps=0`, or with `torch.linalg.vector_norm`, the gradient is zero there.",
        ),
        Mutant(
            lambda f, labels, *, margin: _groups(
                f, labels, lambda d: d, lambda d: (margin - d).clamp(min=0) / 2
            ),
            "the pull without its half",
            "The loss of your genuine pairs is their whole distance. Both parts of the formula have a factor of one "
            "half.",
        ),
        Mutant(
            lambda f, labels, *, margin: _groups(
                f, labels, lambda d: d / 2, lambda d: (margin - d).clamp(min=0)
            ),
            "the push without its half",
            "The loss of your impostor pairs is the whole hinge. Both parts of the formula have a factor of one "
            "half.",
        ),
        Mutant(
            lambda f, labels, *, margin: batch_loss(f, labels, margin=margin).item(),
            "a plain number",
            "You return a number through which no gradient can flow. Keep the loss a tensor: leave out `.item()`, "
            "`float(...)`, `.detach()` and `torch.tensor(...)`.",
        ),
    ),
    cases=cases_pairs,
    probe=probes.loss,
    hints=(
        "`i, j = torch.triu_indices(N, N, offset=1)` are the rows and columns of all pairs i < j. What is f[i] - f[j]?",
        "Comparing the labels of i with those of j gives a boolean for each pair. Index the distances with it, and "
        "with its opposite (~), and you have the two groups.",
        "`torch.linalg.vector_norm(f[i] - f[j], dim=1)` gives the distances; `.clamp(min=0)` is the hinge. Two "
        "means, each with its half.",
    ),
    blocked=(
        "course_lib.metric.contrastive",
        "course_lib.metric.triplet",
        "course_lib.metric.verification",
    ),
)

# --- triplet.batch_hard ---------------------------------------------------------------------------------------------

STATEMENT_HARD = r"""
A batch has the embeddings `f` $(N, D)$, and the `labels` $(N,)$ of the people. For every picture $a$ take the
**farthest** picture $p \ne a$ of the same person and the **nearest** picture $n$ of anybody else, by Euclidean
distance, and compute

$$\mathcal L_a = \max\bigl(0,\; m + \lVert f_a - f_p \rVert_2 - \lVert f_a - f_n \rVert_2 \bigr) .$$

Return the mean of $\mathcal L_a$ over all pictures $a$ that have a $p$, as one tensor `()` through which finite
gradients flow back. A picture that is the only one of its person is no anchor, but it can be somebody's negative. There
are always two people or more, and no two distances are equal.
"""

STUB_HARD = '''
def batch_hard(f, labels, *, margin):
    """f: (N, D), labels: (N,); returns a scalar tensor."""
    ...
    return ...
'''


def _parts(f, labels):
    d = torch.cdist(f, f, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None]
    return d, same & ~torch.eye(len(f), dtype=torch.bool), ~same


def batch_hard(f, labels, *, margin):
    d, positive, negative = _parts(f, labels)
    farthest = d.masked_fill(~positive, -math.inf).amax(dim=1)
    nearest = d.masked_fill(~negative, math.inf).amin(dim=1)
    anchors = positive.any(dim=1)
    return (margin + farthest[anchors] - nearest[anchors]).clamp(min=0).mean()


def batch_hard_by_loops(f, labels, *, margin):
    losses = []
    for a in range(len(f)):
        d = torch.linalg.vector_norm(f[a] - f, dim=1)
        own = [d[p] for p in range(len(f)) if p != a and labels[p] == labels[a]]
        if own:
            others = d[labels != labels[a]]
            losses.append(torch.relu(margin + torch.stack(own).max() - others.min()))
    return sum(losses) / len(losses)


def batch_hard_by_choosing_first(f, labels, *, margin):
    with torch.no_grad():
        d, positive, negative = _parts(f, labels)
        anchors = positive.any(dim=1).nonzero()[:, 0]
        p = torch.where(positive, d, -1.0).argmax(dim=1)[anchors]
        n = torch.where(negative, d, d.max() + 1).argmin(dim=1)[anchors]
    return F.triplet_margin_loss(f[anchors], f[p], f[n], margin=margin, eps=0)


def _hard(f, labels, choose_positive, choose_negative, margin):
    d, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    return (
        (
            margin
            + choose_positive(d, positive)[anchors]
            - choose_negative(d, negative)[anchors]
        )
        .clamp(min=0)
        .mean()
    )


def _farthest(d, mask):
    return d.masked_fill(~mask, -math.inf).amax(dim=1)


def _nearest(d, mask):
    return d.masked_fill(~mask, math.inf).amin(dim=1)


@mutant(
    "means instead of the hardest",
    "You average over the positives and over the negatives. Batch-hard takes one of each, the hardest.",
)
def means(f, labels, *, margin):
    def mean(d, mask):
        return (d * mask).sum(dim=1) / mask.sum(dim=1)

    return _hard(f, labels, mean, mean, margin)


@mutant(
    "its own positive",
    "A picture that is the only one of its person is taken for its own positive, at distance 0. It is no anchor: "
    "leave it out of the mean.",
)
def itself_as_positive(f, labels, *, margin):
    d, _, negative = _parts(f, labels)
    return (
        (margin + d.masked_fill(negative, -math.inf).amax(dim=1) - _nearest(d, negative))
        .clamp(min=0)
        .mean()
    )


@mutant(
    "squared norms",
    "You square the distances, as FaceNet does. Here the norms are plain: the margin is a difference of distances.",
)
def squared_norms(f, labels, *, margin):
    d, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    return (
        (
            margin
            + _farthest(d, positive)[anchors] ** 2
            - _nearest(d, negative)[anchors] ** 2
        )
        .clamp(min=0)
        .mean()
    )


@mutant(
    "signs exchanged",
    "Positive and negative have the wrong signs. The loss must grow when the positive moves away, and fall when "
    "the negative does.",
)
def signs_exchanged(f, labels, *, margin):
    d, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    return (
        (margin - _farthest(d, positive)[anchors] + _nearest(d, negative)[anchors])
        .clamp(min=0)
        .mean()
    )


@mutant(
    "no hinge",
    "Your loss becomes negative for triplets that are satisfied, and they are pushed on for ever. max(0, ...) ends "
    "it.",
)
def hinge_missing(f, labels, *, margin):
    d, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    return (
        margin + _farthest(d, positive)[anchors] - _nearest(d, negative)[anchors]
    ).mean()


@mutant(
    "the mean over the violated only",
    "You leave satisfied anchors out of the mean. They count as zeros, or the loss would not fall when they become "
    "more.",
)
def violated_only(f, labels, *, margin):
    d, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    losses = (
        margin + _farthest(d, positive)[anchors] - _nearest(d, negative)[anchors]
    ).clamp(min=0)
    return losses[losses > 0].mean()


@mutant(
    "all triplets",
    "You average over all triplets. Most are easy; batch-hard takes one for each anchor, the hardest.",
)
def all_of_them(f, labels, *, margin):
    d, positive, negative = _parts(f, labels)
    a, p, n = (positive[:, :, None] & negative[:, None, :]).nonzero(as_tuple=True)
    return (margin + d[a, p] - d[a, n]).clamp(min=0).mean()


@mutant(
    "the soft margin",
    "You use the soft margin, ln(1 + exp(...)). Here it is the hinge with the margin that is given.",
)
def soft_margin(f, labels, *, margin):
    d, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    return F.softplus(
        _farthest(d, positive)[anchors] - _nearest(d, negative)[anchors]
    ).mean()


def _hinges(f, labels, margin):
    d, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    return (
        margin + _farthest(d, positive)[anchors] - _nearest(d, negative)[anchors]
    ).clamp(min=0)


@mutant(
    "who is alone is dropped",
    "You leave out pictures that are the only one of their person. They are no anchors, but they can be somebody's "
    "nearest negative.",
)
def lone_ones_dropped(f, labels, *, margin):
    kept = (labels[:, None] == labels[None]).sum(dim=1) > 1
    return batch_hard(f[kept], labels[kept], margin=margin)


@mutant(
    "a root of the whole table",
    "Your gradient is NaN: the root of a sum of squares has an infinite slope at 0, and the table of all distances "
    "has zeros on its diagonal, even if they are masked afterwards. `torch.cdist(f, f)` has a zero gradient there.",
)
def square_root_of_the_table(f, labels, *, margin):
    d = (f[:, None] - f).square().sum(dim=2).sqrt()
    _, positive, negative = _parts(f, labels)
    anchors = positive.any(dim=1)
    return (
        (margin + _farthest(d, positive)[anchors] - _nearest(d, negative)[anchors])
        .clamp(min=0)
        .mean()
    )


def cases_hard(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, labels: list[int], dimensions: int, margin: float) -> Case:
        stream = variant.numbers(seed, "batch_hard", name)
        centres = {
            label: stream.normal(0, 1.5, dimensions) for label in sorted(set(labels))
        }
        f = np.stack(
            [centres[label] + stream.normal(0, 0.7, dimensions) for label in labels]
        )
        for lone in (
            place for place, label in enumerate(labels) if labels.count(label) == 1
        ):
            f[lone] = f[lone - 5] + stream.normal(
                0, 0.4, dimensions
            )  # somebody's nearest, with a hinge of its own
        return Case(
            name,
            {
                "f": f.round(3).astype(np.float32),
                "labels": np.array(labels),
                "margin": np.array(margin),
            },
        )

    return [
        case("four people of three", [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], 4, 0.5),
        case("some alone", [7, 7, 3, 3, 3, 1, 5], 3, 1.0),
        case("a large margin", [2, 4, 4, 2, 2, 4], 3, 4.0),
    ]


BATCH_HARD = Problem(
    id="triplet.batch_hard",
    points=3,
    goal="Find the hardest triplet of every picture",
    statement=STATEMENT_HARD,
    stub=STUB_HARD,
    reference=batch_hard,
    alternates=(batch_hard_by_loops, batch_hard_by_choosing_first),
    mutants=(
        Mutant(
            lambda f, labels, *, margin: _hard(f, labels, _nearest, _nearest, margin),
            "the nearest positive",
            "You take the nearest picture of the same person. That is the easy one: batch-hard takes the farthest.",
        ),
        Mutant(
            lambda f, labels, *, margin: _hard(f, labels, _farthest, _farthest, margin),
            "the farthest negative",
            "You take the farthest picture of somebody else. It is far already and teaches nothing: batch-hard "
            "takes the nearest.",
        ),
        means,
        Mutant(
            lambda f, labels, *, margin: _hard(
                f,
                labels,
                lambda d, mask: (d * mask).amax(dim=1),
                lambda d, mask: (d * mask).amin(dim=1),
                margin,
            ),
            "what is left out counts as zero",
            "You multiply the distances by a mask, so what is left out becomes 0, and the minimum over the "
            "negatives is one of these zeros. Fill it with infinity before a minimum, and with minus infinity "
            "before a maximum.",
        ),
        itself_as_positive,
        squared_norms,
        signs_exchanged,
        hinge_missing,
        violated_only,
        all_of_them,
        Mutant(
            lambda f, labels, *, margin: batch_hard(
                F.normalize(f, dim=1), labels, margin=margin
            ),
            "on the unit sphere",
            "You normalise the embeddings first. That is FaceNet's choice; here f is taken as it is.",
        ),
        lone_ones_dropped,
        Mutant(
            lambda f, labels, *, margin: _hinges(f, labels, margin).sum() / len(f),
            "divided by all pictures",
            "You divide by the number of all pictures. The mean is over those that have another one of their "
            "person.",
        ),
        Mutant(
            lambda f, labels, *, margin: hinge_missing.solution(
                f, labels, margin=margin
            ).clamp(min=0),
            "the hinge after the mean",
            "You take the mean first and the hinge afterwards. Each anchor has its own hinge; otherwise "
            "satisfied ones would make up for the others.",
        ),
        Mutant(
            lambda f, labels, *, margin: margin + _hinges(f, labels, 0.0).mean(),
            "the margin outside the hinge",
            "Your margin stands outside of max(0, ...). Then it changes nothing but the number: it has no gradient, "
            "and no anchor is asked to keep a distance.",
        ),
        square_root_of_the_table,
        Mutant(
            lambda f, labels, *, margin: batch_hard(f, labels, margin=margin).item(),
            "a plain number",
            "You return a number through which no gradient can flow. Keep the loss a tensor: leave out `.item()`, "
            "`float(...)`, `.detach()` and `torch.tensor(...)`.",
        ),
        soft_margin,
    ),
    cases=cases_hard,
    probe=probes.loss,
    hints=(
        "Begin with the table of all distances (N, N), `torch.cdist(f, f)`, and with the table `labels[:, None] == "
        "labels[None]`. Which entries of a row are positives, which negatives? The diagonal is neither.",
        "A maximum over the positives only: `d.masked_fill(~positive, -torch.inf).amax(dim=1)`. And the minimum over "
        "the negatives?",
        "`positive.any(dim=1)` says which pictures are anchors. Choose their entries of both, then hinge, then mean.",
    ),
    blocked=(
        "course_lib.metric.contrastive",
        "course_lib.metric.triplet",
        "course_lib.metric.verification",
    ),
)

PROBLEMS = (BATCH_LOSS, BATCH_HARD)
