"""Exercises of lecture identification: an image at a given distance, the scores of a gallery, and the decision with its threshold.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- identification.equally_far -------------------------------------------------------------------------------------

STATEMENT_FAR = r"""
Whatever you do to a picture, you can do less of it, or more. Let $a$ be an image and $b$ a changed version of it: with
a box over the eyes, or darker, or shifted. On the straight line through both lies the image

$$c = a + \frac{d}{\lVert b - a \rVert_2}\,(b - a), \qquad \lVert c - a \rVert_2 = d ,$$

at exactly the distance $d$ from $a$, in the direction of $b$. Here `a` and `b` hold a batch of images each,
`(N, C, H, W)`, the first of `a` belonging to the first of `b`; every image of the answer has the distance $d$ from its
own image of `a`. The norm is Euclidean: the root of the sum of squares over all pixels of **one** image. Do not clip.
Where $b$ equals $a$ there is no direction: the answer is $a$ itself.
"""

STUB_FAR = '''
def equally_far(a, b, *, d):
    """a, b: (N, C, H, W); returns images at distance d from a, towards b."""
    length = ...        # of each image's change
    return ...
'''


def equally_far(a, b, *, d):
    change = b - a
    length = change.flatten(1).norm(dim=1)[:, None, None, None]
    return a + d * torch.where(length > 0, change / length, 0.0)


def equally_far_one_by_one(a, b, *, d):
    images = []
    for one, other in zip(a, b, strict=True):
        length = float(((other - one) ** 2).sum()) ** 0.5
        images.append(one + (other - one) * (d / length if length else 0.0))
    return torch.stack(images)


def equally_far_by_pixels(a, b, *, d):
    direction = torch.nn.functional.normalize((b - a).reshape(len(a), -1), dim=1, eps=1e-20)
    return (a.reshape(len(a), -1) + d * direction).reshape(a.shape)


def _scaled(a, b, factor):
    return a + torch.nan_to_num((b - a) * factor, nan=0.0, posinf=0.0, neginf=0.0)


@mutant(
    "zero by zero",
    "Where b equals a you divide zero by zero, and NaN fills the image. There the answer is a itself.",
)
def divides_by_zero(a, b, *, d):
    change = b - a
    return a + d * change / change.flatten(1).norm(dim=1)[:, None, None, None]


def cases_far(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, shape: tuple[int, ...], d: float, *, equal: bool = False) -> Case:
        stream = variant.numbers(seed, "equally_far", name)
        a = stream.uniform(0.0, 1.0, shape).round(3)
        size = np.linspace(0.2, 1.0, shape[0])[
            :, None, None, None
        ]  # each image changes by its own amount
        b = (a + size * stream.uniform(-0.5, 0.5, shape)).round(3)
        if equal:
            b[-1] = a[-1]
        return Case(
            name,
            {"a": a.astype(np.float32), "b": b.astype(np.float32), "d": np.array(d)},
            tolerances={"result": Tolerance(1e-4, 1e-4)},
            letters={"result": "N C H W"},
        )

    return [
        case("three gray images", (3, 1, 4, 5), 2.0),
        case("two colour images", (2, 3, 3, 4), 0.5),
        case("one image", (1, 1, 5, 4), 1.5),
        case("the last pair is equal", (2, 1, 3, 3), 1.0, equal=True),
    ]


EQUALLY_FAR = Problem(
    id="identification.equally_far",
    points=2,
    goal="Make images at one pixel distance",
    statement=STATEMENT_FAR,
    stub=STUB_FAR,
    reference=equally_far,
    alternates=(equally_far_one_by_one, equally_far_by_pixels),
    mutants=(
        Mutant(
            lambda a, b, *, d: _scaled(a, b, d / (b - a).norm()),
            "one norm for the batch",
            "You take one norm over the whole batch. Then the images are at different distances, and only together "
            "at d. Sum over the pixels of each image alone: `flatten(1)`, then `norm(dim=1)`.",
        ),
        Mutant(
            lambda a, b, *, d: _scaled(
                a, b, d / (b - a).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            ),
            "the mean of the squares",
            "You divide by the root of the *mean* square. That is the norm divided by the root of the number of "
            "pixels: your images are too far away. The Euclidean norm adds the squares.",
        ),
        Mutant(
            lambda a, b, *, d: _scaled(
                a, b, d / (b - a).square().sum(dim=(1, 2, 3), keepdim=True)
            ),
            "the norm is squared",
            "You divide by the squared norm: the root is missing. Your images come nearer the more b differs.",
        ),
        Mutant(
            lambda a, b, *, d: _scaled(
                a, b, d / (b - a).abs().sum(dim=(1, 2, 3), keepdim=True)
            ),
            "absolute values",
            "You divide by the sum of absolute values, the L1 norm. The Euclidean one is the root of the sum of "
            "squares.",
        ),
        Mutant(
            lambda a, b, *, d: _scaled(
                a, b, d / (b - a).abs().amax(dim=(1, 2, 3), keepdim=True)
            ),
            "the largest change",
            "You divide by the largest change of a pixel. That makes d the largest change of your image, not its "
            "Euclidean distance.",
        ),
        Mutant(
            lambda a, b, *, d: a + d * (b - a),
            "not divided by the norm",
            "You go d times as far as b. To be at the distance d the change must first have length one: divide it "
            "by its norm.",
        ),
        Mutant(
            lambda a, b, *, d: _scaled(
                b, a, d / (b - a).flatten(1).norm(dim=1)[:, None, None, None]
            ),
            "seen from b",
            "Your images are at distance d from b. The line begins at a: a + ..., in the direction b - a.",
        ),
        Mutant(
            lambda a, b, *, d: equally_far(a, b, d=d) - a,
            "the change alone",
            "You return the change, of length d. The image is a plus the change.",
        ),
        Mutant(
            lambda a, b, *, d: equally_far(a, b, d=d).clamp(0, 1),
            "clipped",
            "You clip to [0, 1]. A clipped image is nearer than d. Clip only to show it.",
        ),
        Mutant(
            lambda a, b, *, d: 2 * a - equally_far(a, b, d=d),
            "away from b",
            "Your images are at distance d, on the wrong side: the direction is b - a.",
        ),
        Mutant(
            lambda a, b, *, d: _scaled(a, b, d / (b - a).norm(dim=1, keepdim=True)),
            "a norm for each pixel",
            "You divide each pixel by the norm of its own change. One image has one norm, over all its pixels and "
            "channels.",
        ),
        Mutant(
            lambda a, b, *, d: _scaled(
                a, b, d / (b - a).square().sum(dim=(2, 3), keepdim=True).sqrt()
            ),
            "a norm for each channel",
            "You divide each channel by its own norm. One image has one norm, over all its pixels and channels.",
        ),
        divides_by_zero,
    ),
    cases=cases_far,
    probe=probes.result,
    hints=(
        "Each image needs a norm of its own: make rows of the images first, (N, C H W), and take the norm of each row.",
        "The norms (N,) must become (N, 1, 1, 1) before they can divide images: `length[:, None, None, None]`.",
        "`torch.where(length > 0, change / length, 0.0)` answers what to do where nothing changed.",
    ),
    blocked=("course_lib.metric.identification", "course_lib.embeddings"),
)

# --- identification.scores ------------------------------------------------------------------------------------------

STATEMENT_SCORES = r"""
A gallery holds $T$ templates in one table, `templates` `(T, D)`, and to each the number of its user, `users` `(T,)`,
from 0 to $U - 1$, in any order. Every user has at least one. For $N$ visitors with embeddings `f` `(N, D)` compute the
score of every user by the **mean rule**,

$$s_{nu} = \frac{1}{\# T_u} \sum_{j \text{ of } u} \lVert f_n - T_j \rVert_2 ,$$

or, if `minimum` is `True`, by the **minimum rule**: the smallest of these distances instead of their mean. Return the
scores `(N, U)`. The norms are Euclidean, not squared.
"""

STUB_SCORES = '''
def scores(f, templates, users, *, minimum):
    """f: (N, D), templates: (T, D), users: (T,); returns (N, U)."""
    d = ...     # (N, T), all distances
    return ...
'''


def _distances(f, templates):
    return (f[:, None] - templates[None]).square().sum(dim=-1).sqrt()


def scores(f, templates, users, *, minimum):
    d = _distances(f, templates)
    columns = [d[:, users == user] for user in range(int(users.max()) + 1)]
    return torch.stack(
        [some.amin(dim=1) if minimum else some.mean(dim=1) for some in columns], dim=1
    )


def scores_by_loops(f, templates, users, *, minimum):
    out = torch.zeros(len(f), int(users.max()) + 1)
    for n, visitor in enumerate(f):
        for user in range(out.shape[1]):
            found = [
                float(torch.dist(visitor, t))
                for t, u in zip(templates, users, strict=True)
                if int(u) == user
            ]
            out[n, user] = min(found) if minimum else sum(found) / len(found)
    return out


def scores_by_membership(f, templates, users, *, minimum):
    d = torch.cdist(f, templates, compute_mode="donot_use_mm_for_euclid_dist")
    member = torch.nn.functional.one_hot(users).to(d.dtype)  # (T, U)
    if minimum:
        return (d[:, :, None] + torch.where(member[None] > 0, 0.0, torch.inf)).amin(dim=1)
    return d @ member / member.sum(dim=0)


def _by_user(f, templates, users, one):
    return torch.stack(
        [one(f, templates[users == user]) for user in range(int(users.max()) + 1)], dim=1
    )


@mutant(
    "distance to the mean template",
    "You average the templates first and then measure one distance. The rule averages the distances. With "
    "templates 0 and 4 and a visitor at 2 these are 0 and 2: the mean of the templates may be like no person.",
)
def centroid(f, templates, users, *, minimum):
    if minimum:
        return scores(f, templates, users, minimum=True)
    return _by_user(f, templates, users, lambda g, t: (g - t.mean(dim=0)).norm(dim=1))


@mutant(
    "squared distances",
    "Your distances are squared: the root is missing. One far template then weighs much more than by the rule, "
    "and the threshold would mean something else.",
)
def squared(f, templates, users, *, minimum):
    pick = (lambda d: d.amin(dim=1)) if minimum else (lambda d: d.mean(dim=1))
    return _by_user(f, templates, users, lambda g, t: pick(_distances(g, t).square()))


@mutant(
    "the root after the mean",
    "You average the squares and take the root of the mean. The root belongs to each distance, before the mean.",
)
def root_of_mean_square(f, templates, users, *, minimum):
    if minimum:
        return scores(f, templates, users, minimum=True)
    return _by_user(
        f, templates, users, lambda g, t: _distances(g, t).square().mean(dim=1).sqrt()
    )


@mutant(
    "the sum",
    "You add the distances of a user's templates and do not divide by how many there are. A user with more "
    "templates would then never be found.",
)
def not_divided(f, templates, users, *, minimum):
    if minimum:
        return scores(f, templates, users, minimum=True)
    return _by_user(f, templates, users, lambda g, t: _distances(g, t).sum(dim=1))


@mutant(
    "divided by all templates",
    "You divide by the number of all templates. Each user's sum is divided by the user's own number.",
)
def divided_by_all(f, templates, users, *, minimum):
    if minimum:
        return scores(f, templates, users, minimum=True)
    return not_divided.solution(f, templates, users, minimum=False) / len(templates)


@mutant(
    "the maximum",
    "With `minimum=True` you take the largest distance. The minimum rule asks for the nearest template.",
)
def maximum(f, templates, users, *, minimum):
    if not minimum:
        return scores(f, templates, users, minimum=False)
    return _by_user(f, templates, users, lambda g, t: _distances(g, t).amax(dim=1))


@mutant(
    "absolute differences",
    "You add absolute differences along the vector, the L1 distance. Here it is the Euclidean one.",
)
def city_block_scores(f, templates, users, *, minimum):
    pick = (lambda d: d.amin(dim=1)) if minimum else (lambda d: d.mean(dim=1))
    return _by_user(
        f, templates, users, lambda g, t: pick((g[:, None] - t[None]).abs().sum(dim=-1))
    )


@mutant(
    "columns in the order of appearance",
    "Your columns are in the order in which the users first appear. Column u belongs to user u.",
)
def in_order_of_appearance(f, templates, users, *, minimum):
    found = list(dict.fromkeys(users.tolist()))
    return scores(f, templates, users, minimum=minimum)[:, found]


@mutant(
    "zeros for the others' templates",
    "You multiply by a mask, so the distances to other people's templates are 0, and the minimum is one of these "
    "zeros. Choose the columns of one user: `d[:, users == user]`.",
)
def zeros_for_the_others(f, templates, users, *, minimum):
    if not minimum:
        return scores(f, templates, users, minimum=False)
    d = _distances(f, templates)
    return torch.stack(
        [(d * (users == user)).amin(dim=1) for user in range(int(users.max()) + 1)], dim=1
    )


def cases_scores(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, visitors: int, users: list[int], d: int, minimum: bool) -> Case:
        stream = variant.numbers(seed, "scores", name)
        f, templates = (
            stream.normal(size=(visitors, d)).round(3),
            stream.normal(size=(len(users), d)).round(3),
        )
        return Case(
            name,
            {
                "f": f.astype(np.float32),
                "templates": templates.astype(np.float32),
                "users": np.array(users),
                "minimum": np.array(minimum),
            },
            tolerances={"result": Tolerance(1e-4, 1e-4)},
            letters={"result": "N U"},
        )

    mixed = [0, 1, 1, 2, 0, 1, 0, 0]
    return [
        case("three users, mean rule", 5, mixed, 4, False),
        case("three users, minimum rule", 5, mixed, 4, True),
        case("one visitor, two users, mean rule", 1, [1, 0, 1, 1], 3, False),
        case("one template each", 4, [2, 0, 1], 2, False),
    ]


SCORES = Problem(
    id="identification.scores",
    points=3,
    goal="Score every user of a gallery",
    statement=STATEMENT_SCORES,
    stub=STUB_SCORES,
    reference=scores,
    alternates=(scores_by_loops, scores_by_membership),
    mutants=(
        centroid,
        squared,
        root_of_mean_square,
        not_divided,
        divided_by_all,
        Mutant(
            lambda f, templates, users, *, minimum: scores(
                f, templates, users, minimum=not minimum
            ),
            "the rules exchanged",
            "The two rules are exchanged: `minimum=True` wants the smallest distance, `False` the mean.",
        ),
        Mutant(
            lambda f, templates, users, *, minimum: scores(
                f, templates, users, minimum=False
            ),
            "always the mean",
            "You use the mean whatever `minimum` says.",
        ),
        Mutant(
            lambda f, templates, users, *, minimum: scores(
                f, templates, users, minimum=True
            ),
            "always the minimum",
            "You use the smallest distance whatever `minimum` says. With `minimum=False` the mean is wanted.",
        ),
        maximum,
        city_block_scores,
        in_order_of_appearance,
        zeros_for_the_others,
        Mutant(
            lambda f, templates, users, *, minimum: (
                scores(f, templates, users, minimum=minimum).T
            ),
            "users first",
            "Rows and columns are exchanged: a row for each visitor, a column for each user.",
        ),
    ),
    cases=cases_scores,
    probe=probes.result,
    hints=(
        "First all distances, (N, T), then a column for each user. `f[:, None] - templates[None]` is (N, T, D).",
        "`d[:, users == user]` are the distances to one user's templates, (N, number of them).",
        "Take `.mean(dim=1)` or `.amin(dim=1)` of each and put the columns side by side: `torch.stack(..., dim=1)`.",
    ),
    blocked=("course_lib.metric.identification", "course_lib.embeddings"),
)

# --- identification.decision ----------------------------------------------------------------------------------------

STATEMENT_DECISION = r"""
The scores `s` `(N, U)` say how far each visitor is from each user. Identify each visitor as the user with the lowest
score, if that score is **strictly below** the threshold $\gamma$; otherwise there is no identification:

$$\hat\imath_n = \operatorname*{argmin}_u s_{nu} \ \text{ if }\ \min_u s_{nu} < \gamma, \qquad \text{else } -1 .$$

The number of a user is that of the column, from 0. Of users with equal scores take the one with the lowest number.
Return a tensor of whole numbers `(N,)`, $-1$ meaning "no identification". `gamma` may be 0, which identifies
no visitor, or infinite, which identifies every visitor.
"""

STUB_DECISION = '''
def decision(s, *, gamma):
    """s: (N, U); returns the number of the user, or -1, for each visitor, (N,)."""
    ...
'''


def decision(s, *, gamma):
    best = s.argmin(dim=1)
    return torch.where(s.amin(dim=1) < gamma, best, -1)


def decision_by_loops(s, *, gamma):
    out = []
    for row in s.tolist():
        user = min(range(len(row)), key=row.__getitem__)
        out.append(user if row[user] < gamma else -1)
    return torch.tensor(out)


def decision_by_sorting(s, *, gamma):
    value, user = s.sort(dim=1, stable=True)
    return user[:, 0].masked_fill(~(value[:, 0] < gamma), -1)


def cases_decision(variant: Variant, seed: int) -> list[Case]:
    def case(
        name: str, shape: tuple[int, int], gamma: float, *, ties: bool = False
    ) -> Case:
        stream = variant.numbers(seed, "decision", name)
        s = stream.uniform(0.1, 4.0, shape).round(2)
        if ties:
            s[0, [1, 3]] = 0.05  # two equally good users
            s[1] = gamma + stream.uniform(0.1, 1.0, shape[1]).round(2)
            s[1, 2] = gamma  # exactly at the threshold
            s[2] = gamma / 2 + stream.uniform(0, 0.3, shape[1]).round(
                2
            )  # everybody is near
        return Case(
            name,
            {"s": s.astype(np.float32), "gamma": np.array(gamma)},
            tolerances={"result": Tolerance(0.0, 0.1)},
            letters={"result": "N"},
        )

    return [
        case("eight visitors, five users", (8, 5), 1.5, ties=True),
        case("a strict door", (6, 4), 0.75, ties=True),
        case("gamma = 0", (3, 4), 0.0),
        case("gamma is infinite", (5, 3), float("inf")),
        case("one user", (4, 1), 2.0),
    ]


DECISION = Problem(
    id="identification.decision",
    points=2,
    goal="Say who it is, or that it is nobody",
    statement=STATEMENT_DECISION,
    stub=STUB_DECISION,
    reference=decision,
    alternates=(decision_by_loops, decision_by_sorting),
    mutants=(
        Mutant(
            lambda s, *, gamma: torch.where(s.amin(dim=1) <= gamma, s.argmin(dim=1), -1),
            "at the threshold",
            "You accept a score that is exactly at the threshold. It must be strictly below: with gamma = 0 no "
            "visitor is accepted, not even with a copy of a template.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(s.amax(dim=1) < gamma, s.argmax(dim=1), -1),
            "the largest score",
            "You take the user with the largest score. Scores are distances here: the lowest is the nearest.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(s.amin(dim=1) > gamma, s.argmin(dim=1), -1),
            "above the threshold",
            "You accept scores above gamma. Near means small: accept below.",
        ),
        Mutant(
            lambda s, *, gamma: s.argmin(dim=1),
            "without a threshold",
            "You never use gamma. An argmin always finds somebody, for a stranger too.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(s.amin(dim=1) < gamma, s.argmin(dim=1), 0),
            "nobody is user 0",
            "You return 0 for no identification. That is the number of the first user, who would be let in for "
            "every stranger. Use -1.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(s.amin(dim=1) < gamma, s.argmin(dim=1) + 1, -1),
            "counted from one",
            "Your numbers begin at 1. Users are counted from 0, as columns of a tensor are.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(
                (s < gamma).any(dim=1), (s < gamma).int().argmax(dim=1), -1
            ),
            "the first below the threshold",
            "You take the first user whose score is below gamma. There may be several; the nearest is wanted.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(
                s.amin(dim=1) < gamma, s.shape[1] - 1 - s.flip(1).argmin(dim=1), -1
            ),
            "the last of equals",
            "Of equal scores you take the last user. Take the first, so that a later enrolment changes nothing "
            "unless it is strictly nearer.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(s.amax(dim=1) < gamma, s.argmin(dim=1), -1),
            "everybody must be near",
            "You ask that all scores of a visitor are below gamma. Only the lowest one counts.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(s.mean(dim=1) < gamma, s.argmin(dim=1), -1),
            "the mean score",
            "You compare the mean over all users with gamma. Only the lowest score counts; how far the others are "
            "says nothing about this visitor.",
        ),
        Mutant(
            lambda s, *, gamma: torch.where(s.amin(dim=0) < gamma, s.argmin(dim=0), -1),
            "over the visitors",
            "You look for the nearest visitor of each user. The question is the other way round: one answer for "
            "each visitor, along the users, `dim=1`.",
        ),
    ),
    cases=cases_decision,
    probe=probes.result,
    hints=(
        "`s.argmin(dim=1)` is the nearest user of each visitor, and `s.amin(dim=1)` how near that is.",
        "`torch.where(condition, this, that)` chooses for each visitor; `that` may be the number -1.",
        "Strictly below is `<`. Check your function with gamma = 0: it should return only -1.",
    ),
    blocked=("course_lib.metric.identification", "course_lib.embeddings"),
)

PROBLEMS = (EQUALLY_FAR, SCORES, DECISION)
