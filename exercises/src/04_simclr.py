"""Exercises of lecture simclr: the loss NT-Xent, a colour change with a number for each image, alignment and uniformity.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- simclr.nt_xent -------------------------------------------------------------------------------------------------

STATEMENT_LOSS = r"""
A batch of $N$ pictures gives $2N$ views: row $n$ of `a` is the projection of one view of picture $n$, row $n$ of `b`
that of the other. Put below each other they are $z_1, \dots, z_{2N}$. With the cosine $s(u, v) = \frac{u^\top v}
{\lVert u \rVert \lVert v \rVert}$ and $i'$ the other view of the picture that $i$ shows,

$$\ell_i = -\log \frac{\exp\bigl(s(z_i, z_{i'}) / \tau\bigr)}{\sum_{k \neq i} \exp\bigl(s(z_i, z_k) / \tau\bigr)} ,
\qquad \mathcal{L} = \frac{1}{2N} \sum_{i=1}^{2N} \ell_i$$

(Chen et al. 2020, Eq. 1). The sum below the line runs over the $2N - 1$ views that are not $i$ itself: the partner and
the two views of every other picture. Return $\mathcal{L}$ as one number through which gradients can flow back.
`temperature` is $\tau$. A hand case: with $N = 2$ and `a` = `b` = the two unit vectors of the plane, $\tau = 1$ gives
$\log(1 + 2/e) = 0.5514$.
"""

STUB_LOSS = '''
def nt_xent(a, b, *, temperature):
    """a, b: (N, D), row n of both is the same picture; returns a scalar tensor."""
    z = torch.cat([a, b])
    similar = ...       # (2N, 2N)
    return ...
'''


def _similar(a, b, temperature):
    z = F.normalize(torch.cat([a, b]), dim=1)
    return z @ z.T / temperature


def _masked(similar):
    return similar.masked_fill(torch.eye(len(similar), dtype=torch.bool), -torch.inf)


def nt_xent(a, b, *, temperature):
    similar = _masked(_similar(a, b, temperature))
    return F.cross_entropy(similar, torch.arange(len(similar)).roll(len(a)))


def nt_xent_by_logsumexp(a, b, *, temperature):
    a, b = (x / torch.linalg.vector_norm(x, dim=1, keepdim=True) for x in (a, b))
    z = torch.cat([a, b])
    exponentials = torch.exp(z @ z.T / temperature) * (1 - torch.eye(len(z)))
    partner = (a * b).sum(dim=1).repeat(2) / temperature
    return (exponentials.sum(dim=1).log() - partner).mean()


def nt_xent_in_a_loop(a, b, *, temperature):
    z, n = torch.cat([a, b]), len(a)
    total = torch.zeros(())
    for i in range(2 * n):
        s = F.cosine_similarity(z[i][None], z) / temperature
        others = torch.cat([s[:i], s[i + 1 :]])
        total = total - s[(i + n) % (2 * n)] + torch.logsumexp(others, dim=0)
    return total / (2 * n)


@mutant(
    "the view itself is a candidate",
    "You let each view choose itself: its cosine with itself is 1, more than with any partner. The sum below the "
    "line leaves k = i out. Set the diagonal to minus infinity before the softmax.",
)
def diagonal_kept(a, b, *, temperature):
    similar = _similar(a, b, temperature)
    return F.cross_entropy(similar, torch.arange(len(similar)).roll(len(a)))


@mutant(
    "the partner is the next picture",
    "Your target is one row off. View i of the first half has its partner in row i + N, and view i + N in row i.",
)
def next_picture(a, b, *, temperature):
    similar = _masked(_similar(a, b, temperature))
    return F.cross_entropy(similar, torch.arange(len(similar)).roll(len(a) - 1))


@mutant(
    "partners are neighbouring rows",
    "You take rows 0 and 1, 2 and 3, ... for partners. That would fit a batch in which the two views of a picture "
    "follow each other; here all of `a` come first, then all of `b`.",
)
def neighbouring_row(a, b, *, temperature):
    similar = _masked(_similar(a, b, temperature))
    return F.cross_entropy(similar, torch.arange(len(similar)) ^ 1)


@mutant(
    "one half of the pairs",
    "You average over the views in `a` only. Every pair counts twice, once from each side, and the two are not the "
    "same: each has its own candidates.",
)
def first_half_only(a, b, *, temperature):
    similar = _masked(_similar(a, b, temperature))
    return F.cross_entropy(
        similar, torch.arange(len(similar)).roll(len(a)), reduction="none"
    )[: len(a)].mean()


@mutant(
    "dot products instead of cosines",
    "You compare with dot products. Without division by the lengths the network can lower the loss by making "
    "everything longer: that is a temperature it sets itself.",
)
def not_normalised(a, b, *, temperature):
    z = torch.cat([a, b])
    similar = _masked(z @ z.T / temperature)
    return F.cross_entropy(similar, torch.arange(len(similar)).roll(len(a)))


@mutant(
    "candidates from the other half only",
    "You compare `a` with `b` only. The candidates are all views that are not i, those of the same half, too: "
    "2N - 1, not N.",
)
def other_half_only(a, b, *, temperature):
    similar = _similar(a, b, temperature)[: len(a), len(a) :]
    return F.cross_entropy(similar, torch.arange(len(a)))


@mutant(
    "the partner is not among the candidates",
    "You leave the partner out of the sum below the line. It is one of the 2N - 1 candidates: without it the "
    "fraction is no probability, and the loss can fall below zero.",
)
def partner_left_out(a, b, *, temperature):
    similar = _masked(_similar(a, b, temperature))
    partner = torch.arange(len(similar)).roll(len(a))
    chosen = torch.zeros_like(similar, dtype=torch.bool)
    chosen[torch.arange(len(similar)), partner] = True
    below = similar.masked_fill(chosen, -torch.inf).logsumexp(dim=1)
    return (below - similar[chosen.nonzero(as_tuple=True)]).mean()


@mutant(
    "masked with zero",
    "You set the diagonal to 0. A similarity of 0 is that of a view at a right angle, and exp(0) = 1 is still "
    "added. What is left out must contribute exp(...) = 0.",
)
def masked_with_zero(a, b, *, temperature):
    similar = _similar(a, b, temperature)
    similar = similar.masked_fill(torch.eye(len(similar), dtype=torch.bool), 0.0)
    return F.cross_entropy(similar, torch.arange(len(similar)).roll(len(a)))


@mutant(
    "the softmax twice",
    "`F.cross_entropy` takes the softmax itself. Give it the similarities, not their softmax.",
)
def softmax_twice(a, b, *, temperature):
    similar = _masked(_similar(a, b, temperature)).softmax(dim=1)
    return F.cross_entropy(similar, torch.arange(len(similar)).roll(len(a)))


@mutant(
    "columns of length 1",
    "You normalised the columns. A view is a row: `F.normalize(z, dim=1)`.",
)
def columns_of_length_one(a, b, *, temperature):
    z = F.normalize(torch.cat([a, b]), dim=0)
    similar = _masked(z @ z.T / temperature)
    return F.cross_entropy(similar, torch.arange(len(similar)).roll(len(a)))


@mutant(
    "each view its own partner",
    "Your target is the view itself, which the mask has taken out: the loss is infinite. The partner of row i is "
    "row i + N, and that of row i + N is row i.",
)
def its_own_partner(a, b, *, temperature):
    similar = _masked(_similar(a, b, temperature))
    return F.cross_entropy(similar, torch.arange(len(similar)))


def cases_loss(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, n: int, d: int, temperature: float) -> Case:
        stream = variant.numbers(seed, "nt_xent", name)
        a = stream.standard_normal((n, d))
        b = a + 0.7 * stream.standard_normal((n, d))
        return Case(
            name,
            {
                "a": a.round(2).astype(np.float32),
                "b": b.round(2).astype(np.float32),
                "temperature": np.array(temperature),
            },
            letters={"gradient": "N D", "second_gradient": "N D"},
        )

    return [
        case("three pictures", 3, 4, 0.5),
        case("five pictures", 5, 3, 0.2),
        case("four pictures", 4, 6, 0.7),
    ]


NT_XENT = Problem(
    id="simclr.nt_xent",
    points=3,
    goal="Write the contrastive loss",
    statement=STATEMENT_LOSS,
    stub=STUB_LOSS,
    reference=nt_xent,
    alternates=(nt_xent_by_logsumexp, nt_xent_in_a_loop),
    mutants=(
        diagonal_kept,
        next_picture,
        neighbouring_row,
        first_half_only,
        Mutant(
            lambda a, b, *, temperature: 2 * nt_xent(a, b, temperature=temperature),
            "the sum of the two halves",
            "Your loss is twice too large. You add the mean over `a` to the mean over `b`, as the authors' code "
            "does; the equation is the mean over all 2N.",
        ),
        Mutant(
            lambda a, b, *, temperature: (
                2 * len(a) * nt_xent(a, b, temperature=temperature)
            ),
            "not divided by 2N",
            "You sum over the views. Divide by 2N, or the loss of a larger batch is larger for that alone.",
        ),
        not_normalised,
        other_half_only,
        Mutant(
            lambda a, b, *, temperature: nt_xent(a, b, temperature=1 / temperature),
            "multiplied by the temperature",
            "You multiply by tau. A low temperature has to make the softmax sharper: divide.",
        ),
        Mutant(
            lambda a, b, *, temperature: nt_xent(a, b, temperature=1.0),
            "the temperature is not used",
            "Your answer does not depend on `temperature`. Divide every cosine by it.",
        ),
        partner_left_out,
        masked_with_zero,
        Mutant(
            lambda a, b, *, temperature: nt_xent(a, b, temperature=temperature).item(),
            "a plain number",
            "You return a number through which no gradient can flow. Keep the loss a tensor: leave out `.item()`, "
            "`float(...)`, `.detach()` and `torch.tensor(...)`.",
        ),
        Mutant(
            lambda a, b, *, temperature: nt_xent(a, b.detach(), temperature=temperature),
            "one side is cut off",
            "No gradient flows into `b`. Here both views teach the network; a side that is cut off belongs to other "
            "methods, such as SimSiam.",
        ),
        softmax_twice,
        Mutant(
            lambda a, b, *, temperature: (
                first_half_only.solution(a, b, temperature=temperature) / 2
            ),
            "half of the views, divided by all",
            "You add the losses of the views in `a` only and divide by 2N. Each view of `b` looks for its partner, "
            "too.",
        ),
        columns_of_length_one,
        its_own_partner,
    ),
    cases=cases_loss,
    probe=probes.loss_of_two,
    hints=(
        "Normalise the rows first; then one matrix product gives all cosines.",
        "The formula is the cross-entropy of a softmax over each row: `F.cross_entropy(similar, target)`. What is the "
        "target of row i?",
        "`similar.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)` takes the diagonal out, and "
        "`torch.arange(2 * N).roll(N)` says who is whose partner.",
    ),
    blocked=("course_lib.pretext.simclr",),
)

# --- simclr.contrast ------------------------------------------------------------------------------------------------

STATEMENT_CONTRAST = r"""
Augmentation has to be fast: the whole batch at once, and yet **every image with its own numbers**. Write one operation
of the colour jitter, the contrast. Image $n$ is pulled towards the mean of its gray picture, or pushed away from it:

$$x \;\mapsto\; c_n\, x + (1 - c_n)\, \mu_n, \qquad \mu_n = \text{mean over the pixels of }
0.299\,R + 0.587\,G + 0.114\,B ,$$

then everything is clipped to $[0, 1]$. $\mu_n$ is one number for each image. `batch` is `(N, 3, H, W)`, `factor` holds
the $c_n$, `(N,)`. Return the new batch and leave the old one as it is.
"""

STUB_CONTRAST = '''
def contrast(batch, factor):
    """batch: (N, 3, H, W) in [0, 1]; factor: (N,); returns (N, 3, H, W)."""
    mean = ...
    return ...
'''

_LUMA = (0.299, 0.587, 0.114)


def _gray(batch):
    return (batch * torch.tensor(_LUMA)[:, None, None]).sum(dim=1, keepdim=True)


def contrast(batch, factor):
    c = factor[:, None, None, None]
    mean = _gray(batch).mean(dim=(1, 2, 3), keepdim=True)
    return (c * batch + (1 - c) * mean).clamp(0, 1)


def contrast_in_a_loop(batch, factor):
    done = []
    for image, c in zip(batch, factor, strict=True):
        mean = sum(
            weight * channel.mean() for weight, channel in zip(_LUMA, image, strict=True)
        )
        done.append(torch.clamp(mean + c * (image - mean), 0, 1))
    return torch.stack(done)


def contrast_by_lerp(batch, factor):
    means = (
        torch.einsum("nchw,c->n", batch, torch.tensor(_LUMA).to(batch))
        / batch[0, 0].numel()
    )
    flat = torch.lerp(
        means[:, None].expand(len(batch), batch[0].numel()),
        batch.flatten(1),
        factor[:, None],
    )
    return flat.reshape(batch.shape).clamp(0, 1)


def _towards(batch, factor, mean):
    c = factor[:, None, None, None]
    return (c * batch + (1 - c) * mean).clamp(0, 1)


@mutant("not clipped", "Values leave [0, 1]. Images end there: clip them.")
def not_clipped(batch, factor):
    c = factor[:, None, None, None]
    return c * batch + (1 - c) * _gray(batch).mean(dim=(1, 2, 3), keepdim=True)


@mutant(
    "the factors lie along the columns",
    "Your factors go along the columns of the image. A tensor (N,) meets the last axis of (N, 3, H, W): give it "
    "three axes more, `factor[:, None, None, None]`.",
)
def factor_along_the_rows(batch, factor):
    c = factor.repeat(batch.shape[-1] // len(factor) + 1)[: batch.shape[-1]]
    mean = _gray(batch).mean(dim=(1, 2, 3), keepdim=True)
    return (c * batch + (1 - c) * mean).clamp(0, 1)


def cases_contrast(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, factors: tuple[float, ...], height: int, width: int) -> Case:
        stream = variant.numbers(seed, "contrast", name)
        tint = stream.uniform(0.2, 0.8, (len(factors), 3, 1, 1))
        batch = (tint + stream.uniform(-0.2, 0.2, (len(factors), 3, height, width))).clip(
            0, 1
        )
        return Case(
            name,
            {
                "batch": batch.round(3).astype(np.float32),
                "factor": np.array(factors, dtype=np.float32),
            },
            tolerances={"result": Tolerance(0.0, 1e-4)},
            letters={"result": "N 3 H W"},
        )

    return [
        case("three images", (0.4, 1.3, 1.8), 4, 5),
        case("two images", (1.6, 0.2), 3, 2),
        case("four images", (1.0, 0.7, 2.0, 0.1), 4, 4),
    ]


CONTRAST = Problem(
    id="simclr.contrast",
    points=2,
    goal="Change the contrast of every image by its own factor",
    statement=STATEMENT_CONTRAST,
    stub=STUB_CONTRAST,
    reference=contrast,
    alternates=(contrast_in_a_loop, contrast_by_lerp),
    mutants=(
        Mutant(
            lambda batch, factor: contrast(batch, factor[:1].expand(len(batch))),
            "the first factor for all",
            "All images get the factor of the first one. Views of a batch that change together can be "
            "distinguished from those of another batch, but not from each other.",
        ),
        Mutant(
            lambda batch, factor: contrast(batch, factor.mean().expand(len(batch))),
            "the mean factor for all",
            "All images get the same factor, the mean of the given ones. Give each its own: `factor[:, None, None, "
            "None]` stands beside the images.",
        ),
        Mutant(
            lambda batch, factor: _towards(batch, factor, _gray(batch).mean()),
            "the mean of the batch",
            "You pull every image towards the mean of all images. Then what an image becomes depends on those "
            "beside it. Take a mean for each: over all axes but the first.",
        ),
        Mutant(
            lambda batch, factor: _towards(
                batch, factor, batch.mean(dim=(2, 3), keepdim=True)
            ),
            "a mean for each channel",
            "You pull each channel towards its own mean. That changes the contrast of colours, too: a reddish image "
            "stays reddish all over, where it should become gray. There is one mean for each image.",
        ),
        Mutant(
            lambda batch, factor: _towards(
                batch, factor, batch.mean(dim=(1, 2, 3), keepdim=True)
            ),
            "the plain mean of the channels",
            "You average red, green and blue alike. Gray is weighted, 0.299, 0.587 and 0.114, as the eye weighs "
            "them.",
        ),
        Mutant(
            lambda batch, factor: _towards(batch, factor, _gray(batch)),
            "saturation",
            "You pull each pixel towards its own gray. That is the saturation. The contrast pulls towards one "
            "number for the image, the mean of its gray picture.",
        ),
        Mutant(
            lambda batch, factor: _towards(batch, factor, 0.5),
            "towards one half",
            "You pull towards 0.5. Then a dark image becomes brighter, too; its own mean keeps the brightness as it "
            "is.",
        ),
        Mutant(
            lambda batch, factor: contrast(batch, 1 - factor),
            "the factor belongs to the mean",
            "You have exchanged the two parts. With a factor of 1 the image has to stay as it is.",
        ),
        Mutant(
            lambda batch, factor: (factor[:, None, None, None] * batch).clamp(0, 1),
            "brightness",
            "You multiply by the factor and add nothing: that is the brightness. The part (1 - c) of the mean keeps "
            "the image as bright as it was.",
        ),
        not_clipped,
        factor_along_the_rows,
    ),
    cases=cases_contrast,
    probe=probes.result,
    hints=(
        "How does (N,) meet (N, 3, H, W)? Axes are aligned from the right. `factor[:, None, None, None]` has four.",
        "The gray picture is a weighted sum over axis 1. Its mean over the pixels is one number for each image: keep "
        "the axes with `keepdim=True`.",
        "c * batch + (1 - c) * mean, then `.clamp(0, 1)`.",
    ),
    blocked=("course_lib.pretext.views", "torchvision"),
)

# --- simclr.geometry ------------------------------------------------------------------------------------------------

STATEMENT_GEOMETRY = r"""
Two numbers say how the projections lie on the sphere. With all rows brought to length 1,

$$\text{alignment} = \frac1N \sum_n \lVert a_n - b_n \rVert^2, \qquad
\text{uniformity} = \log \frac{2}{N(N-1)} \sum_{i < j} e^{-2 \lVert a_i - a_j \rVert^2} .$$

The first says how far apart the two views of a picture lie, the second how evenly different pictures cover the sphere.
For both, smaller is better. `a` and `b` are the projections of the two views, `(N, D)`, of any lengths. The uniformity
is that of `a`. Return the two numbers in one tensor of shape `(2,)`, alignment first.
"""

STUB_GEOMETRY = '''
def geometry(a, b):
    """a, b: (N, D), two views of each picture; returns (2,): alignment, uniformity."""
    ...
    return torch.stack([..., ...])
'''


def geometry(a, b):
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    return torch.stack(
        [
            (a - b).square().sum(dim=1).mean(),
            torch.pdist(a).square().mul(-2).exp().mean().log(),
        ]
    )


def geometry_from_cosines(a, b):
    cosines = F.cosine_similarity(a, b, dim=1)
    unit = a / a.norm(dim=1, keepdim=True)
    i, j = torch.triu_indices(len(a), len(a), offset=1)
    squared = 2 - 2 * (unit[i] * unit[j]).sum(dim=1)
    return torch.stack([(2 - 2 * cosines).mean(), torch.exp(-2 * squared).mean().log()])


def geometry_in_a_loop(a, b):
    a, b = (x / x.square().sum(dim=1, keepdim=True).sqrt() for x in (a, b))
    near = sum(((u - v) ** 2).sum() for u, v in zip(a, b, strict=True)) / len(a)
    terms = [
        torch.exp(-2 * ((a[i] - a[j]) ** 2).sum()) for i in range(len(a)) for j in range(i)
    ]
    return torch.stack([near, torch.log(torch.stack(terms).mean())])


def _both(a, b, *, near=None, spread=None, normal=True):
    if normal:
        a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    near = near or (lambda a, b: (a - b).square().sum(dim=1).mean())
    spread = spread or (lambda a: torch.pdist(a).square().mul(-2).exp().mean().log())
    return torch.stack([near(a, b), spread(a)])


def cases_geometry(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, n: int, d: int, moved: float) -> Case:
        stream = variant.numbers(seed, "geometry", name)
        a = stream.standard_normal((n, d)) + 0.5
        b = a + moved * stream.standard_normal((n, d))
        return Case(
            name,
            {"a": a.round(2).astype(np.float32), "b": b.round(2).astype(np.float32)},
            letters={"result": "2"},
        )

    return [
        case("five pictures", 5, 3, 0.4),
        case("eight pictures", 8, 6, 0.8),
        case("two pictures", 2, 4, 0.5),
    ]


GEOMETRY = Problem(
    id="simclr.geometry",
    points=2,
    goal="Measure alignment and uniformity",
    statement=STATEMENT_GEOMETRY,
    stub=STUB_GEOMETRY,
    reference=geometry,
    alternates=(geometry_from_cosines, geometry_in_a_loop),
    mutants=(
        Mutant(
            lambda a, b: _both(a, b, normal=False),
            "not on the sphere",
            "You measure the rows as they came. The loss sees directions only, so bring every row to length 1 "
            "first; otherwise a network twice as large would look less aligned.",
        ),
        Mutant(
            lambda a, b: _both(a, b, near=lambda a, b: (a - b).norm(dim=1).mean()),
            "the distance is not squared",
            "Your alignment averages distances; the formula averages their squares.",
        ),
        Mutant(
            lambda a, b: _both(a, b, near=lambda a, b: (a - b).square().mean()),
            "a mean over all numbers",
            "You average over the D numbers of a row, too. A squared distance is a sum over them: sum along the "
            "rows, then take the mean over the pictures.",
        ),
        Mutant(
            lambda a, b: _both(a, b, near=lambda a, b: (a * b).sum(dim=1).mean()),
            "the cosine",
            "You return the mean cosine. It says the same the other way round: the squared distance is 2 minus "
            "twice the cosine, and smaller is better.",
        ),
        Mutant(
            lambda a, b: _both(
                a, b, spread=lambda a: torch.pdist(a).mul(-2).exp().mean().log()
            ),
            "the exponent is not squared",
            "In your exponent stands the distance; it has to be its square.",
        ),
        Mutant(
            lambda a, b: _both(
                a, b, spread=lambda a: torch.cdist(a, a).square().mul(-2).exp().mean().log()
            ),
            "each with itself",
            "You average over all i and j. Each row is at distance 0 from itself and adds exp(0) = 1, which hides "
            "how the others lie. Count pairs i < j only: `torch.pdist` gives those.",
        ),
        Mutant(
            lambda a, b: _both(
                a, b, spread=lambda a: torch.pdist(a).square().mul(-2).mean()
            ),
            "the mean of the logarithms",
            "You take the mean of the exponents. First the exponential, then the mean, then the logarithm: pairs "
            "that lie close count most.",
        ),
        Mutant(
            lambda a, b: _both(
                a, b, spread=lambda a: torch.pdist(a).square().mul(-2).exp().mean()
            ),
            "the logarithm is missing",
            "You return the mean of the exponentials. The uniformity is its logarithm, which is never above 0.",
        ),
        Mutant(
            lambda a, b: _both(
                a, b, spread=lambda a: torch.pdist(a).square().neg().exp().mean().log()
            ),
            "a factor of 1 in the exponent",
            "The factor in the exponent is 2.",
        ),
        Mutant(
            lambda a, b: _both(
                a, b, spread=lambda a: torch.pdist(a).square().mul(-2).exp().sum().log()
            ),
            "not divided by the pairs",
            "You add up the pairs. Divide by their number, N (N - 1) / 2, or more pictures look less uniform.",
        ),
        Mutant(
            lambda a, b: _both(
                a,
                b,
                spread=lambda a: (torch.pdist(a).square().mul(-2).exp().mean() / 2).log(),
            ),
            "divided by twice the pairs",
            "You add the pairs i < j and divide by N (N - 1). That is twice their number.",
        ),
        Mutant(
            lambda a, b: torch.stack([geometry(a, b)[0], geometry(b, a)[1]]),
            "the uniformity of b",
            "Your uniformity is that of `b`. It is asked of `a`.",
        ),
        Mutant(
            lambda a, b: (geometry(a, b) + geometry(b, a)) / 2,
            "the uniformity of both",
            "You average the uniformities of `a` and `b`. It is asked of `a` alone.",
        ),
        Mutant(
            lambda a, b: geometry(a, b).flip(0),
            "exchanged",
            "The two numbers are exchanged: alignment comes first.",
        ),
        Mutant(
            lambda a, b: _both(F.normalize(a, dim=0), F.normalize(b, dim=0), normal=False),
            "columns of length 1",
            "You normalised the columns. A picture is a row: `F.normalize(a, dim=1)`.",
        ),
    ),
    cases=cases_geometry,
    probe=probes.result,
    hints=(
        "`F.normalize(a, dim=1)` brings every row to length 1.",
        "`torch.pdist(a)` gives the distances of all pairs i < j in one row.",
        "`torch.pdist(a).square().mul(-2).exp().mean().log()` is the second number.",
    ),
    blocked=("course_lib.pretext.simclr",),
)

PROBLEMS = (NT_XENT, CONTRAST, GEOMETRY)
