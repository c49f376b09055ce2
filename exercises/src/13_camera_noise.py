"""Exercise of lecture camera_noise: an asymmetric loss.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Variant, mutant

# --- cbdnet.asymmetric_loss -----------------------------------------------------------------------------------------

STATEMENT_ASYMMETRIC = r"""
CBDNet estimates the noise level $\hat s$ of each pixel, and a second network removes that much noise. A level that is
too **low** leaves noise in the image and costs much; one that is too high smooths a little and costs less. The loss
says so:

$$\ell = \frac{1}{P} \sum_{p=1}^{P} \bigl\lvert \alpha - \mathbb 1[\hat s_p < s_p] \bigr\rvert \, (\hat s_p - s_p)^2$$

over all $P$ numbers of the batch (Guo et al. 2019, section 3.3, as a mean). $\mathbb 1[\hat s_p < s_p]$ is 1 where the
estimate is below the true level $s_p$, else 0. Write it as a function of `estimate`, which is $\hat s$, of the true
`level` $s$, and of `alpha`. It returns one number as a tensor, through which gradients can flow back.

By hand: at `alpha` 0.3, an estimate that is 2 below its level costs 2.8, one that is 2 above it 1.2.
"""

STUB_ASYMMETRIC = '''
def asymmetric_loss(estimate, level, *, alpha):
    """estimate, level: (N, C, H, W); returns a scalar tensor."""
    weight = ...
    return ...
'''


def asymmetric_loss(estimate, level, *, alpha):
    below = (estimate < level).to(estimate.dtype)
    weight = (alpha - below).abs()
    return (weight * (estimate - level) ** 2).mean()


def asymmetric_by_where(estimate, level, *, alpha):
    weight = torch.where(estimate < level, 1 - alpha, alpha)
    return (weight * (estimate - level).square()).sum() / estimate.numel()


def asymmetric_in_two_parts(estimate, level, *, alpha):
    error = estimate - level
    return (alpha * F.relu(error) ** 2 + (1 - alpha) * F.relu(-error) ** 2).mean()


def asymmetric_in_a_loop(estimate, level, *, alpha):
    total = torch.zeros(())
    for guess, truth in zip(estimate.flatten(), level.flatten(), strict=True):
        total = total + (1 - alpha if guess < truth else alpha) * (guess - truth) ** 2
    return total / estimate.numel()


@mutant(
    "one weight for the batch",
    "You compare the means and take one weight for all. Each pixel has its own indicator: one may be too low where "
    "another is too high.",
)
def by_the_mean(estimate, level, *, alpha):
    weight = 1 - alpha if estimate.mean() < level.mean() else alpha
    return weight * ((estimate - level) ** 2).mean()


def cases_asymmetric(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, alpha: float, *shape: int) -> Case:
        numbers = variant.numbers(seed, "asymmetric_loss", name)
        level = numbers.uniform(0.2, 0.6, shape).round(2)
        size = numbers.uniform(0.05, 0.4, shape).round(2)  # never zero: the sign is clear
        error = np.where(numbers.uniform(size=shape) < 0.4, -size, size)
        return Case(
            name,
            {
                "estimate": (level + error).astype(np.float32),
                "level": level.astype(np.float32),
                "alpha": np.array(alpha),
            },
            letters={"gradient": "N C H W"},
        )

    return [
        case("alpha 0.3", 0.3, 2, 3, 3, 4),
        case("alpha 0.1", 0.1, 1, 1, 4, 4),
        case("alpha 0.8", 0.8, 3, 1, 2, 3),
    ]


ASYMMETRIC_LOSS = Problem(
    id="cbdnet.asymmetric_loss",
    points=2,
    goal="Punish a noise level that is too low",
    statement=STATEMENT_ASYMMETRIC,
    stub=STUB_ASYMMETRIC,
    reference=asymmetric_loss,
    alternates=(asymmetric_by_where, asymmetric_in_two_parts, asymmetric_in_a_loop),
    mutants=(
        Mutant(
            lambda estimate, level, *, alpha: asymmetric_loss(
                estimate, level, alpha=1 - alpha
            ),
            "the wrong side is punished",
            "Your two weights are exchanged: with alpha = 0.3 a level that is too low weighs 0.3 in your loss and "
            "should weigh 0.7. Published code has this mistake. Put in numbers: where the estimate is below the "
            "level the indicator is 1, and |0.3 - 1| is 0.7.",
        ),
        Mutant(
            lambda estimate, level, *, alpha: F.mse_loss(estimate, level),
            "both sides weigh one",
            "You return the plain mean squared error: both directions cost the same, and alpha is not used. The "
            "weight depends on the sign of estimate - level.",
        ),
        Mutant(
            lambda estimate, level, *, alpha: 0.5 * F.mse_loss(estimate, level),
            "both sides weigh a half",
            "Both directions cost the same in your loss, and alpha is not used. The weight depends on the sign of "
            "estimate - level.",
        ),
        Mutant(
            lambda estimate, level, *, alpha: (
                (1 - alpha) * (F.relu(level - estimate) ** 2).mean()
            ),
            "levels that are too high are free",
            "A level that is too high costs nothing in your loss, so the network could estimate any large number. "
            "It weighs alpha: less than one that is too low, but not nothing.",
        ),
        Mutant(
            lambda estimate, level, *, alpha: (
                (alpha - (estimate < level).to(estimate.dtype)) * (estimate - level) ** 2
            ).mean(),
            "the absolute value is missing",
            "Where the estimate is too low your weight is alpha - 1, a negative number: being wrong is rewarded "
            "there. Take the absolute value of the weight.",
        ),
        Mutant(
            lambda estimate, level, *, alpha: (
                ((alpha - (estimate < level).to(estimate.dtype)) * (estimate - level)) ** 2
            ).mean(),
            "the weight is squared",
            "You multiply first and square then, so the weights become 0.49 and 0.09 instead of 0.7 and 0.3. Only "
            "the error is squared in the equation.",
        ),
        Mutant(
            lambda estimate, level, *, alpha: (
                (alpha - (estimate < level).to(estimate.dtype)).abs()
                * (estimate - level).abs()
            ).mean(),
            "absolute errors",
            "You weigh the absolute errors; the equation weighs their squares. (Yours is the pinball loss, whose "
            "minimum is a quantile. Squares lead to an expectile.)",
        ),
        Mutant(
            lambda estimate, level, *, alpha: (
                asymmetric_loss(estimate, level, alpha=alpha) * estimate.numel()
            ),
            "summed instead of averaged",
            "Your loss grows with the number of pixels: the sum is not divided by it.",
        ),
        by_the_mean,
        Mutant(
            lambda estimate, level, *, alpha: asymmetric_loss(estimate, level, alpha=0.3),
            "alpha is always 0.3",
            "Your loss is right at alpha = 0.3 only. Use the argument.",
        ),
        Mutant(
            lambda estimate, level, *, alpha: asymmetric_loss(
                estimate, level, alpha=alpha
            ).detach(),
            "the graph is cut",
            "The value is right, but no gradient can flow back: `.item()`, `float(...)` and `.detach()` cut the "
            "graph. Return the tensor.",
        ),
    ),
    cases=cases_asymmetric,
    probe=probes.loss,
    hints=(
        "Two things belong to each pixel: its squared error, and a weight that depends on the sign of its error.",
        "`estimate < level` is a tensor of True and False. As numbers these are the indicator of the equation.",
        "Subtract the indicator from alpha, take the absolute value, multiply by the squared error, take the mean.",
    ),
    blocked=("course_lib.denoise.cbdnet",),
)

PROBLEMS = (ASYMMETRIC_LOSS,)
