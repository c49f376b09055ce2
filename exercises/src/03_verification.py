"""Exercise of lecture verification: the threshold of a door, and who gets in.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- verification.open_set ------------------------------------------------------------------------------------------

STATEMENT_DOOR = r"""
A door has $U$ users. `known` $(N, U)$ are the scores of $N$ visitors who are enrolled, for each user, small if alike;
`answers` $(N,)$ says which column is right. `validation` $(M, U)$ are the scores of $M$ strangers, people who
are not enrolled, on whom $\gamma$ is chosen. A visitor is let in as $\hat\imath = \arg\min_u s_u$ if
$\min_u s_u < \gamma$.

Choose $\gamma$ such that exactly $k = \lfloor \text{rate} \cdot M \rfloor$ of the validation strangers are let in: it
is the $(k + 1)$-th smallest of their scores $\min_u s_u$. Then return the tensor $(\gamma,\ \text{DIR})$, where DIR is
the share of all $N$ enrolled visitors who are let in **under their own name**. No two scores are equal, and `rate` is
below 1.
"""

STUB_DOOR = '''
def open_set(known, answers, validation, *, rate):
    """known: (N, U), answers: (N,), validation: (M, U); returns gamma and DIR, (2,)."""
    gamma = ...
    ...
    return ...
'''


def open_set(known, answers, validation, *, rate):
    strangers = validation.amin(dim=1).sort().values
    gamma = strangers[math.floor(rate * len(strangers))]
    score, named = known.min(dim=1)
    return torch.stack([gamma, ((score < gamma) & (named == answers)).float().mean()])


def open_set_by_topk(known, answers, validation, *, rate):
    k = int(rate * len(validation))
    gamma = validation.min(dim=1).values.topk(k + 1, largest=False).values[-1]
    own = known.gather(1, answers[:, None])[:, 0]
    right = (own == known.amin(dim=1)) & (own < gamma)
    return torch.tensor([gamma, right.sum() / len(right)])


def open_set_by_loops(known, answers, validation, *, rate):
    smallest = sorted(min(row.tolist()) for row in validation)
    gamma = smallest[int(rate * len(smallest))]
    right = 0
    for row, answer in zip(known.tolist(), answers.tolist(), strict=True):
        right += min(row) < gamma and row.index(min(row)) == answer
    return torch.tensor([gamma, right / len(known)])


def _gamma(scores, rate):
    return scores.sort().values[math.floor(rate * len(scores))]


def _dir(known, answers, gamma):
    score, named = known.min(dim=1)
    return torch.stack([gamma, ((score < gamma) & (named == answers)).float().mean()])


@mutant(
    "under whatever name",
    "You count everybody who is let in. DIR counts those only whose nearest user is themselves: being let in as "
    "somebody else is no success.",
)
def name_ignored(known, answers, validation, *, rate):
    gamma = _gamma(validation.amin(dim=1), rate)
    return torch.stack([gamma, (known.amin(dim=1) < gamma).float().mean()])


@mutant(
    "the right user's score alone",
    "You compare the score of the right user with gamma, as if the others did not exist. The door does not know "
    "the right user: it takes the smallest score.",
)
def own_score_only(known, answers, validation, *, rate):
    gamma = _gamma(validation.amin(dim=1), rate)
    return torch.stack(
        [gamma, (known.gather(1, answers[:, None])[:, 0] < gamma).float().mean()]
    )


@mutant(
    "among those who are let in",
    "You divide by the number of those who are let in. DIR is a share of all enrolled visitors; a door that admits "
    "one person would reach 1.",
)
def among_the_admitted(known, answers, validation, *, rate):
    gamma = _gamma(validation.amin(dim=1), rate)
    score, named = known.min(dim=1)
    return torch.stack([gamma, (named == answers)[score < gamma].float().mean()])


@mutant(
    "no threshold",
    "Your DIR ignores gamma. A visitor whose score is not below it stays outside, right name or not.",
)
def threshold_ignored(known, answers, validation, *, rate):
    gamma = _gamma(validation.amin(dim=1), rate)
    return torch.stack([gamma, (known.argmin(dim=1) == answers).float().mean()])


@mutant(
    "the largest score",
    "You take the user with the largest score. Scores are distances: small means alike.",
)
def largest_score(known, answers, validation, *, rate):
    gamma = _gamma(validation.amin(dim=1), rate)
    score, named = known.max(dim=1)
    return torch.stack([gamma, ((score < gamma) & (named == answers)).float().mean()])


def cases_door(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, visitors: int, users: int, strangers: int, rate: float) -> Case:
        stream = variant.numbers(seed, "open_set", name)
        answers = stream.randint(0, users, visitors)
        known = stream.uniform(0.5, 2.0, (visitors, users))
        known[np.arange(visitors), answers] *= stream.uniform(0.3, 1.0, visitors)
        validation = stream.uniform(0.6, 2.0, (strangers, users))
        return Case(
            name,
            {
                "known": known.round(5).astype(np.float32),
                "answers": answers,
                "validation": validation.round(5).astype(np.float32),
                "rate": np.array(rate),
            },
            tolerances={"result": Tolerance(1e-5, 1e-5)},
            letters={"result": "2"},
        )

    return [
        case("a small door", 24, 3, 12, 0.25),
        case("a larger one", 40, 6, 21, 0.1),
        case("three tenths of the strangers", 30, 4, 13, 0.3),
    ]


OPEN_SET = Problem(
    id="verification.open_set",
    points=2,
    goal="Choose a threshold without looking at the test",
    statement=STATEMENT_DOOR,
    stub=STUB_DOOR,
    reference=open_set,
    alternates=(open_set_by_topk, open_set_by_loops),
    mutants=(
        Mutant(
            lambda known, answers, validation, *, rate: _dir(
                known, answers, _gamma(known.amin(dim=1), rate)
            ),
            "chosen on the enrolled",
            "You choose gamma on the scores of the enrolled visitors. The rate is about strangers: take "
            "`validation`.",
        ),
        Mutant(
            lambda known, answers, validation, *, rate: _dir(
                known, answers, _gamma(validation.flatten(), rate)
            ),
            "every score for itself",
            "You take each score of a stranger by itself. A stranger is compared with all users, and only "
            "the smallest score of the row counts.",
        ),
        Mutant(
            lambda known, answers, validation, *, rate: _dir(
                known, answers, _gamma(validation.mean(dim=1), rate)
            ),
            "the mean over the users",
            "You average a stranger's scores over the users. The door looks at the nearest user only: the minimum.",
        ),
        Mutant(
            lambda known, answers, validation, *, rate: _dir(
                known,
                answers,
                validation.amin(dim=1)
                .sort()
                .values[max(0, math.floor(rate * len(validation)) - 1)],
            ),
            "one place too early",
            "Your gamma is one place too early. Somebody whose score equals gamma stays outside, so k are let in "
            "with the (k + 1)-th smallest score, which has the index k.",
        ),
        Mutant(
            lambda known, answers, validation, *, rate: _dir(
                known, answers, _gamma(validation.amin(dim=1), 1 - rate)
            ),
            "the share that stays outside",
            "You let in all but the share `rate` of the strangers. `rate` is the share that gets in.",
        ),
        name_ignored,
        own_score_only,
        among_the_admitted,
        threshold_ignored,
        largest_score,
        Mutant(
            lambda known, answers, validation, *, rate: _dir(
                known,
                answers,
                validation.amin(dim=1).sort().values[round(rate * len(validation))],
            ),
            "rounded",
            "You round to the nearest place. k is the whole part of rate M, or a larger share than `rate` would be "
            "let in. A quantile rounds, too, and counts M - 1 steps between M scores.",
        ),
        Mutant(
            lambda known, answers, validation, *, rate: _dir(
                known, answers, torch.quantile(validation.amin(dim=1), rate)
            ),
            "an interpolated quantile",
            "You interpolate between two strangers. gamma is one of their scores, the (k + 1)-th smallest.",
        ),
    ),
    cases=cases_door,
    probe=probes.result,
    hints=(
        "A stranger is let in if the smallest score of the row is below gamma. So only `validation.amin(dim=1)` "
        "counts.",
        "Sort these scores. Which index does the (k + 1)-th smallest have, and how many are strictly below it?",
        "The minimum along dim=1 returns two things: the smallest score of each visitor, and its column. Who is let "
        "in, who is named rightly, and who is both? The mean of a boolean as a float is a share.",
    ),
    blocked=(
        "course_lib.metric.verification",
        "course_lib.metric.contrastive",
        "course_lib.metric.triplet",
    ),
)

PROBLEMS = (OPEN_SET,)
