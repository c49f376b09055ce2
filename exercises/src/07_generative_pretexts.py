"""Exercises of lecture generative_pretexts: weights for rare colours, the rim of a hole, invariance of features.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Variant, mutant

# --- colorization.soft_weights --------------------------------------------------------------------------------------

STATEMENT_WEIGHTS = r"""
The lecture weighs a pixel by its most probable bin, and mixes the prior with a uniform distribution. Write another
rebalanced loss. There are $P$ pixels and $Q$ bins; `scores` $(P, Q)$ come from the network, before the softmax,
`target` $(P, Q)$ holds the spread colours $Z_{iq}$, whose rows add up to 1, and `prior` $(Q,)$ is $p_q$, all above
zero. A bin's weight is a *power* of how often it occurs, scaled so that its mean over the pixels is 1, and a pixel gets
the mean weight of all the bins among which its colour is spread:

$$w_q = \frac{p_q^{-\alpha}}{\sum_r p_r\, p_r^{-\alpha}}, \qquad v_i = \sum_q Z_{iq}\, w_q, \qquad
\mathcal{L} = -\frac1P \sum_i v_i \sum_q Z_{iq} \log \hat Z_{iq} ,$$

where $\hat Z_{iq}$ is the softmax of the scores over the bins. `power` is $\alpha$. Return $\mathcal{L}$ as one number
through which gradients can flow back to the scores.
"""

STUB_WEIGHTS = '''
def rebalanced_loss(scores, target, prior, *, power):
    """scores, target: (P, Q); prior: (Q,); returns a scalar tensor."""
    w = ...             # (Q,)
    v = ...             # (P,)
    return ...
'''


def _weights(prior, power):
    w = prior**-power
    return w / (prior * w).sum()


def _entropies(scores, target):
    return -(target * scores.log_softmax(dim=1)).sum(dim=1)


def rebalanced_loss(scores, target, prior, *, power):
    v = target @ _weights(prior, power)
    return (v * _entropies(scores, target)).mean()


def rebalanced_loss_by_library(scores, target, prior, *, power):
    w = torch.exp(-power * prior.log())
    v = torch.einsum("pq,q->p", target, w / (prior @ w))
    each = F.cross_entropy(scores, target, reduction="none")
    return torch.dot(v, each) / len(v)


def rebalanced_loss_in_loops(scores, target, prior, *, power):
    below = sum(float(p) * float(p) ** -power for p in prior)
    total = torch.zeros(())
    for s, z in zip(scores, target, strict=True):
        log_p = s - torch.logsumexp(s, dim=0)
        v = sum(float(z[q]) * float(prior[q]) ** -power / below for q in range(len(prior)))
        total = total - v * (z * log_p).sum()
    return total / len(scores)


@mutant(
    "the weight of the most probable bin",
    "You weigh a pixel by the bin in which most of its colour lies. That is the paper's choice. Here it gets the mean "
    "weight of all its bins, sum_q Z_q w_q.",
)
def weight_of_the_largest(scores, target, prior, *, power):
    v = _weights(prior, power)[target.argmax(dim=1)]
    return (v * _entropies(scores, target)).mean()


@mutant(
    "each bin has its own weight",
    "You weigh the terms of the cross-entropy one by one, sum_q w_q Z_q log. Then the rare bins of a pixel pull harder "
    "than its common ones, and the best answer is no longer Z. A pixel has one weight, outside of the sum.",
)
def weight_inside(scores, target, prior, *, power):
    w = _weights(prior, power)
    return -(w * target * scores.log_softmax(dim=1)).sum(dim=1).mean()


@mutant(
    "weights are not scaled",
    "Your weights are the bare powers of the prior. Divide them by sum_q p_q w_q, their mean over the pixels: else a "
    "larger power only means a larger learning rate.",
)
def not_scaled(scores, target, prior, *, power):
    v = target @ prior**-power
    return (v * _entropies(scores, target)).mean()


@mutant(
    "scaled by the mean over bins",
    "You scale the weights so that their mean over the *bins* is 1. Rare bins count as much as common ones there. The "
    "mean over the pixels weighs each bin by how often it occurs, sum_q p_q w_q.",
)
def scaled_over_bins(scores, target, prior, *, power):
    w = prior**-power
    return (target @ (w / w.mean()) * _entropies(scores, target)).mean()


@mutant(
    "divided by the weights of this batch",
    "You divide by the sum of the weights of these pixels. Then a batch of gray pixels counts as much as one with rare "
    "colours, which the weights should prevent. Divide by the number of pixels.",
)
def divided_by_weights(scores, target, prior, *, power):
    v = target @ _weights(prior, power)
    return (v * _entropies(scores, target)).sum() / v.sum()


@mutant(
    "the softmax twice",
    "The softmax is taken twice: `F.cross_entropy` and `log_softmax` do it themselves. Give them the scores.",
)
def softmax_twice(scores, target, prior, *, power):
    return rebalanced_loss(scores.softmax(dim=1), target, prior, power=power)


@mutant(
    "the softmax over the pixels",
    "Your softmax runs over the pixels. Each pixel has its own distribution over the bins: dim=1.",
)
def softmax_over_pixels(scores, target, prior, *, power):
    v = target @ _weights(prior, power)
    return (v * -(target * scores.log_softmax(dim=0)).sum(dim=1)).mean()


def cases_weights(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, pixels: int, bins: int, power: float) -> Case:
        stream = variant.numbers(seed, "soft_weights", name)
        share = stream.dirichlet(np.full(bins, 2.0)) + 0.02
        target = stream.dirichlet(np.full(bins, 0.7), pixels)
        return Case(
            name,
            {
                "scores": stream.normal(0, 1.5, (pixels, bins)).round(2).astype(np.float32),
                "target": (target / target.sum(axis=1, keepdims=True)).astype(np.float32),
                "prior": (share / share.sum()).astype(np.float32),
                "power": np.array(power),
            },
            letters={"gradient": "P Q"},
        )

    return [
        case("four bins", 5, 4, 0.5),
        case("seven bins", 3, 7, 0.8),
        case("a power of one", 6, 5, 1.0),
    ]


SOFT_WEIGHTS = Problem(
    id="colorization.soft_weights",
    points=3,
    goal="Weigh pixels by all the bins of their colour",
    statement=STATEMENT_WEIGHTS,
    stub=STUB_WEIGHTS,
    reference=rebalanced_loss,
    alternates=(rebalanced_loss_by_library, rebalanced_loss_in_loops),
    mutants=(
        weight_of_the_largest,
        weight_inside,
        not_scaled,
        scaled_over_bins,
        Mutant(
            lambda scores, target, prior, *, power: rebalanced_loss(
                scores, target, prior, power=-power
            ),
            "common bins weigh more",
            "The sign of the exponent is wrong: your weights grow with how often a bin occurs. Rare bins should count "
            "more, p to the power of minus alpha.",
        ),
        Mutant(
            lambda scores, target, prior, *, power: _entropies(scores, target).mean(),
            "all pixels count alike",
            "Your answer does not depend on the prior. Multiply the cross-entropy of each pixel by its weight before "
            "the mean is taken.",
        ),
        Mutant(
            lambda scores, target, prior, *, power: (
                len(scores) * rebalanced_loss(scores, target, prior, power=power)
            ),
            "a sum over the pixels",
            "You add the pixels up. Divide by their number.",
        ),
        divided_by_weights,
        softmax_twice,
        softmax_over_pixels,
        Mutant(
            lambda scores, target, prior, *, power: (
                -rebalanced_loss(scores, target, prior, power=power)
            ),
            "the minus is missing",
            "Your loss is negative: the logarithm of a probability is. The formula has a minus.",
        ),
        Mutant(
            lambda scores, target, prior, *, power: rebalanced_loss(
                scores, target, prior, power=power
            ).item(),
            "a plain number",
            "You return a number through which no gradient can flow. Keep the loss a tensor: leave out `.item()`, "
            "`float(...)`, `.detach()` and `torch.tensor(...)`.",
        ),
    ),
    cases=cases_weights,
    probe=probes.loss,
    hints=(
        "Three steps: the weights of the bins (Q,), the weights of the pixels (P,), the cross-entropies of the pixels "
        "(P,). Print the shapes.",
        "`target @ w` gives each pixel the mean weight of its bins. And `(prior * w).sum()` should be 1.",
        "`-(target * scores.log_softmax(dim=1)).sum(dim=1)` are the cross-entropies, (P,). Multiply by v, then mean.",
    ),
    blocked=("course_lib.pretext.colorization",),
)

# --- context_encoder.rim --------------------------------------------------------------------------------------------

STATEMENT_RIM = r"""
A filling that does not fit to what is around it shows as a seam. So let the **rim** of a hole count more. `mask`
$(N, 1, H, W)$ is 1 in the holes and 0 where the picture is known. A pixel of a hole belongs to the rim if at least one
of its **eight** neighbours is known; what is outside of the picture is not known. With

$$u = \begin{cases} \omega & \text{on the rim} \\ 1 & \text{elsewhere in a hole} \\ 0 & \text{where it is known}
\end{cases} \qquad
\mathcal{L} = \frac{\sum u\, (\hat x - x)^2}{C \sum u} ,$$

where the upper sum runs over all $N$ pictures, $C$ channels and pixels, and the lower one over pictures and pixels.
`estimate` is $\hat x$, `image` is $x$, both $(N, C, H, W)$, and `weight` is $\omega$. Return $\mathcal{L}$ as one number
through which gradients can flow back to the estimate.
"""

STUB_RIM = '''
def rim_loss(estimate, image, mask, *, weight):
    """estimate, image: (N, C, H, W), mask: (N, 1, H, W); returns a scalar tensor."""
    rim = ...           # (N, 1, H, W)
    u = ...
    return ...
'''


def _rim(mask):
    return mask * F.max_pool2d(1 - mask, 3, stride=1, padding=1)


def _weighted(estimate, image, u):
    return (u * (estimate - image) ** 2).sum() / (image.shape[1] * u.sum())


def rim_loss(estimate, image, mask, *, weight):
    return _weighted(estimate, image, mask + (weight - 1) * _rim(mask))


def rim_loss_by_eroding(estimate, image, mask, *, weight):
    inner = -F.max_pool2d(-mask, 3, stride=1, padding=1)
    u = torch.where(mask > inner, weight, mask)
    error = (estimate - image).square().mean(dim=1, keepdim=True)
    return (u * error).sum() / u.sum()


def rim_loss_in_loops(estimate, image, mask, *, weight):
    n, channels, height, width = image.shape
    above, below = torch.zeros(()), 0.0
    for k in range(n):
        for y in range(height):
            for x in range(width):
                if mask[k, 0, y, x] == 0:
                    continue
                near = mask[k, 0, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                u = weight if (near == 0).any() else 1.0
                above = above + u * ((estimate[k, :, y, x] - image[k, :, y, x]) ** 2).sum()
                below += u * channels
    return above / below


@mutant(
    "four neighbours",
    "Your rim has no corners: you look at the neighbours above, below, left and right. The four diagonal ones count, "
    "too.",
)
def four_neighbours(estimate, image, mask, *, weight):
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])[None, None]
    rim = mask * (F.conv2d(1 - mask, cross, padding=1) > 0)
    return _weighted(estimate, image, mask + (weight - 1) * rim)


@mutant(
    "the outside counts as known",
    "A hole at the edge of the picture gets a rim along that edge. Nothing is known there. A zero that pads the mask "
    "says 'known': pad with ones, or let `F.max_pool2d` look at 1 - mask.",
)
def outside_is_known(estimate, image, mask, *, weight):
    known = F.pad(1 - mask, (1, 1, 1, 1), value=1.0)
    rim = mask * F.max_pool2d(known, 3, stride=1)
    return _weighted(estimate, image, mask + (weight - 1) * rim)


@mutant(
    "the rim lies outside",
    "Your rim is made of known pixels beside the hole. It belongs to the hole: a pixel of it that has a known "
    "neighbour.",
)
def rim_outside(estimate, image, mask, *, weight):
    rim = (1 - mask) * F.max_pool2d(mask, 3, stride=1, padding=1)
    return _weighted(estimate, image, mask + weight * rim)


@mutant(
    "the weight is added",
    "On the rim your u is 1 + weight. It is the weight itself there.",
)
def weight_added(estimate, image, mask, *, weight):
    return _weighted(estimate, image, mask + weight * _rim(mask))


@mutant(
    "divided by the area of the hole",
    "You divide by the number of pixels in the holes. Divide by the sum of u: otherwise a larger weight gives a larger "
    "loss even if all errors are the same.",
)
def divided_by_area(estimate, image, mask, *, weight):
    u = mask + (weight - 1) * _rim(mask)
    return (u * (estimate - image) ** 2).sum() / (image.shape[1] * mask.sum())


@mutant(
    "a mean over all pixels",
    "You average over all pixels, known ones included. Then a small hole has a small loss, however badly it is filled.",
)
def mean_over_all(estimate, image, mask, *, weight):
    u = mask + (weight - 1) * _rim(mask)
    return (u * (estimate - image) ** 2).mean()


@mutant(
    "a mean for each picture first",
    "You take a mean for each picture, and then the mean of those. The formula has one sum over all pictures above the "
    "line and one below: a picture with a larger hole counts more.",
)
def each_picture_alike(estimate, image, mask, *, weight):
    u = mask + (weight - 1) * _rim(mask)
    above = (u * (estimate - image) ** 2).sum(dim=(1, 2, 3))
    return (above / (image.shape[1] * u.sum(dim=(1, 2, 3)))).mean()


def cases_rim(variant: Variant, seed: int) -> list[Case]:
    def case(
        name: str,
        channels: int,
        holes: list[list[tuple[int, int, int, int]]],
        weight: float,
    ) -> Case:
        stream = variant.numbers(seed, "rim", name)
        mask = np.zeros((len(holes), 1, 8, 9), dtype=np.float32)
        for picture, boxes in zip(mask, holes, strict=True):
            for top, left, bottom, right in boxes:
                picture[0, top:bottom, left:right] = 1
        shape = (len(holes), channels, 8, 9)
        return Case(
            name,
            {
                "estimate": stream.uniform(0, 1, shape).round(2).astype(np.float32),
                "image": stream.uniform(0, 1, shape).round(2).astype(np.float32),
                "mask": mask,
                "weight": np.array(weight),
            },
            letters={"gradient": "N C H W"},
        )

    return [
        case(
            "a hole in the middle and a smaller one",
            3,
            [[(2, 2, 7, 7)], [(1, 4, 4, 7)]],
            10.0,
        ),
        case("holes at the edge", 2, [[(0, 0, 4, 5)], [(3, 4, 8, 9)]], 5.0),
        case("a corner that points inwards", 1, [[(1, 1, 7, 5), (1, 1, 4, 8)]], 4.0),
    ]


RIM = Problem(
    id="context_encoder.rim",
    points=3,
    goal="Let the rim of a hole count more",
    statement=STATEMENT_RIM,
    stub=STUB_RIM,
    reference=rim_loss,
    alternates=(rim_loss_by_eroding, rim_loss_in_loops),
    mutants=(
        four_neighbours,
        outside_is_known,
        rim_outside,
        weight_added,
        divided_by_area,
        mean_over_all,
        each_picture_alike,
        Mutant(
            lambda estimate, image, mask, *, weight: rim_loss(
                estimate, image, mask, weight=1.0
            ),
            "the weight is not used",
            "Your answer does not depend on `weight`: the rim counts like the rest of the hole.",
        ),
        Mutant(
            lambda estimate, image, mask, *, weight: _weighted(
                estimate, image, weight * _rim(mask)
            ),
            "the rim alone",
            "Only the rim counts in your loss. The rest of the hole has a weight of 1.",
        ),
        Mutant(
            lambda estimate, image, mask, *, weight: _weighted(
                estimate, image, 1 + (weight - 1) * _rim(mask)
            ),
            "known pixels count",
            "Known pixels count in your loss. They are copied into the result afterwards, so what a network says there "
            "does not matter: u is 0 where the mask is 0.",
        ),
        Mutant(
            lambda estimate, image, mask, *, weight: (
                image.shape[1] * rim_loss(estimate, image, mask, weight=weight)
            ),
            "not divided by the channels",
            "You add the channels up. The line below has a factor of C.",
        ),
        Mutant(
            lambda estimate, image, mask, *, weight: rim_loss(
                estimate, image, mask, weight=weight
            ).item(),
            "a plain number",
            "You return a number through which no gradient can flow. Keep the loss a tensor: leave out `.item()`, "
            "`float(...)`, `.detach()` and `torch.tensor(...)`.",
        ),
    ),
    cases=cases_rim,
    probe=probes.loss,
    hints=(
        "Which pixels have a known neighbour? A maximum of 1 - mask over a window of 3 x 3 is 1 there.",
        "`F.max_pool2d(x, 3, stride=1, padding=1)` keeps the size, and what it pads with never is the maximum.",
        "u is the mask plus (weight - 1) times the rim. The squared errors are (N, C, H, W), u is (N, 1, H, W): "
        "multiply, sum, and divide by C times the sum of u.",
    ),
    blocked=("course_lib.pretext.context_encoder",),
)

# --- exemplar.quadrants ---------------------------------------------------------------------------------------------

STATEMENT_QUADRANTS = r"""
Dosovitskiy et al. describe a patch by its feature maps in a short vector: each map is cut into its four **quadrants**,
and of each quadrant the **maximum** is kept, so $C$ maps give $4C$ numbers. `seeds` and `copies` are the maps of $N$
seeds and of one transformed copy of each, $(N, C, H, W)$, with even $H$ and $W$; row $n$ of both belongs together. With
$s_n$ and $t_n$ the vectors of seed and copy, compute how much nearer a copy is to its own seed than to others:

$$\frac1N \sum_n \cos(t_n, s_n) \;-\; \frac{1}{N (N - 1)} \sum_n \sum_{m \neq n} \cos(t_n, s_m) .$$

Return the difference as one tensor `()`. It is 0 for a network that gives all patches the same features, and at most
2.
"""

STUB_QUADRANTS = '''
def nearer_to_its_own(seeds, copies):
    """seeds, copies: (N, C, H, W); returns a scalar tensor."""
    ...
    return ...
'''


def _pooled(maps):
    n, c, height, width = maps.shape
    return maps.reshape(n, c, 2, height // 2, 2, width // 2).amax(dim=(3, 5)).flatten(1)


def _difference(s, t):
    cosines = F.normalize(t, dim=1) @ F.normalize(s, dim=1).T
    own = cosines.diagonal()
    return own.mean() - (cosines.sum() - own.sum()) / (cosines.numel() - len(own))


def nearer_to_its_own(seeds, copies):
    return _difference(_pooled(seeds), _pooled(copies))


def nearer_by_pooling(seeds, copies):
    s, t = (F.adaptive_max_pool2d(maps, 2).flatten(1) for maps in (seeds, copies))
    cosines = F.cosine_similarity(t[:, None], s[None], dim=2)
    same = torch.eye(len(s), dtype=torch.bool)
    return cosines[same].mean() - cosines[~same].mean()


def nearer_in_loops(seeds, copies):
    def vector(maps):
        height, width = maps.shape[1] // 2, maps.shape[2] // 2
        parts = [
            maps[:, y : y + height, x : x + width].flatten(1).max(dim=1).values
            for y in (0, height)
            for x in (0, width)
        ]
        whole = torch.cat(parts)
        return whole / whole.square().sum().sqrt()

    s, t = [vector(maps) for maps in seeds], [vector(maps) for maps in copies]
    own = [torch.dot(a, b) for a, b in zip(s, t, strict=True)]
    others = [torch.dot(t[n], s[m]) for n in range(len(t)) for m in range(len(s)) if m != n]
    return torch.stack(own).mean() - torch.stack(others).mean()


@mutant(
    "the mean of a quadrant",
    "You average over each quadrant. Keep its maximum: it says that something is there, wherever in the quadrant.",
)
def mean_of_quadrants(seeds, copies):
    return _difference(
        *(F.adaptive_avg_pool2d(maps, 2).flatten(1) for maps in (seeds, copies))
    )


@mutant(
    "one maximum for the whole map",
    "You keep one number for each map. Four quadrants give four.",
)
def whole_maps(seeds, copies):
    return _difference(*(maps.amax(dim=(2, 3)) for maps in (seeds, copies)))


@mutant(
    "windows of two by two",
    "`F.max_pool2d(maps, 2)` pools windows of 2 x 2 pixels. There are 2 x 2 quadrants, each half as high and as wide as "
    "the map.",
)
def small_windows(seeds, copies):
    return _difference(*(F.max_pool2d(maps, 2).flatten(1) for maps in (seeds, copies)))


@mutant(
    "its own seed among the others",
    "Your second mean includes n = m. Leave the diagonal out, and divide by N (N - 1).",
)
def own_among_others(seeds, copies):
    s, t = _pooled(seeds), _pooled(copies)
    cosines = F.normalize(t, dim=1) @ F.normalize(s, dim=1).T
    return cosines.diagonal().mean() - cosines.mean()


@mutant(
    "the diagonal counts as zeros",
    "You set the diagonal to zero and take the mean of the whole table. The zeros pull it down: divide by N (N - 1), "
    "not by N times N.",
)
def zeros_on_the_diagonal(seeds, copies):
    s, t = _pooled(seeds), _pooled(copies)
    cosines = F.normalize(t, dim=1) @ F.normalize(s, dim=1).T
    own = cosines.diagonal()
    return own.mean() - (cosines.sum() - own.sum()) / cosines.numel()


@mutant(
    "the copies compared with each other",
    "You compare copies with copies. The table has the copies in its rows and the seeds in its columns.",
)
def copies_with_copies(seeds, copies):
    s, t = _pooled(seeds), _pooled(copies)
    others = F.normalize(t, dim=1) @ F.normalize(t, dim=1).T
    off = (others.sum() - others.diagonal().sum()) / (others.numel() - len(others))
    return F.cosine_similarity(t, s, dim=1).mean() - off


def cases_quadrants(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, n: int, channels: int, height: int, width: int) -> Case:
        stream = variant.numbers(seed, "quadrants", name)
        shape = (n, channels, height, width)
        first = stream.standard_normal(shape).clip(0) * stream.uniform(
            0.3, 2, (n, channels, 1, 1)
        )
        other = first + 0.6 * stream.standard_normal(shape).clip(0)
        return Case(
            name,
            {
                "seeds": first.round(2).astype(np.float32),
                "copies": other.round(2).astype(np.float32),
            },
            letters={"result": ""},
        )

    return [
        case("three seeds", 3, 2, 4, 6),
        case("five seeds", 5, 3, 6, 4),
        case("two seeds", 2, 4, 8, 8),
    ]


QUADRANTS = Problem(
    id="exemplar.quadrants",
    points=2,
    goal="Measure how much nearer copies are to their own seed",
    statement=STATEMENT_QUADRANTS,
    stub=STUB_QUADRANTS,
    reference=nearer_to_its_own,
    alternates=(nearer_by_pooling, nearer_in_loops),
    mutants=(
        mean_of_quadrants,
        whole_maps,
        small_windows,
        own_among_others,
        zeros_on_the_diagonal,
        copies_with_copies,
        Mutant(
            lambda seeds, copies: _difference(seeds.flatten(1), copies.flatten(1)),
            "the whole maps",
            "You compare the maps pixel by pixel. First keep the maximum of each quadrant: a copy was moved, and its "
            "features with it.",
        ),
        Mutant(
            lambda seeds, copies: F.cosine_similarity(
                _pooled(copies), _pooled(seeds), dim=1
            ).mean(),
            "the cosine alone",
            "You return the mean cosine of a seed and its copy. It is large for a network that gives all patches "
            "nearly the same features, too: subtract that of other seeds.",
        ),
        Mutant(
            lambda seeds, copies: -nearer_to_its_own(seeds, copies),
            "exchanged",
            "Your difference has the opposite sign: own minus others.",
        ),
        Mutant(
            lambda seeds, copies: (
                (_pooled(copies) * _pooled(seeds)).sum(dim=1).mean()
                - (_pooled(copies) @ _pooled(seeds).T)[
                    ~torch.eye(len(seeds), dtype=torch.bool)
                ].mean()
            ),
            "dot products instead of cosines",
            "You compare with dot products. Divide the vectors by their lengths first.",
        ),
    ),
    cases=cases_quadrants,
    probe=probes.result,
    hints=(
        "`F.adaptive_max_pool2d(maps, 2)` gives (N, C, 2, 2). `.flatten(1)` makes vectors of it.",
        "Normalise the rows of both; one matrix product then gives the table of all cosines, copies by seeds.",
        "The diagonal of the table has the pairs that belong together. The sum of the rest, over N (N - 1), is the "
        "second mean.",
    ),
    blocked=("course_lib.pretext.exemplar", "course_lib.claims.exemplar"),
)

PROBLEMS = (SOFT_WEIGHTS, RIM, QUADRANTS)
