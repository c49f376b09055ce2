"""Exercise of lecture bias_free: normalising without a constant.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- bias_free.normalise --------------------------------------------------------------------------------------------

STATEMENT_NORMALISE = r"""
Batch normalisation divides each channel by its standard deviation, but it also subtracts a mean and adds a shift. A
bias-free network keeps the division only. For a batch $x$ and each channel $c$, while training,

$$x_c \;\mapsto\; \gamma_c\, \frac{x_c}{\sqrt{v_c} + \epsilon},$$

where $v_c$ is the **variance** of the channel: over all images and all pixels of the batch, around its mean, and
unbiased (divided by their number minus one), as `torch.var` computes it. Write this as a function of `x`, of the gains
`gamma`, one for each channel, and of the number `eps`.
"""

STUB_NORMALISE = '''
def normalise(x, gamma, *, eps):
    """x: (N, C, H, W); gamma: (C,); returns (N, C, H, W)."""
    deviation = ...     # one for each channel
    return ...
'''


def normalise(x, gamma, *, eps):
    deviation = x.var(dim=(0, 2, 3)).sqrt()
    return x * (gamma / (deviation + eps))[:, None, None]


def normalise_in_a_loop(x, gamma, *, eps):
    channels = [
        gain * channel / (channel.std() + eps)
        for gain, channel in zip(gamma, x.unbind(1), strict=True)
    ]
    return torch.stack(channels, dim=1)


def normalise_by_moments(x, gamma, *, eps):
    n = x.numel() // x.shape[1]
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).sum(dim=(0, 2, 3), keepdim=True) / (n - 1)
    return gamma.view(1, -1, 1, 1) * x / (torch.sqrt(variance) + eps)


@mutant(
    "the mean is subtracted",
    "You subtract the mean of the channel before you divide. That is the additive constant which must go: twice "
    "the input would no longer give twice the output in eval mode. The mean is needed for the variance only; x "
    "itself stays where it is.",
)
def mean_subtracted(x, gamma, *, eps):
    deviation = x.std(dim=(0, 2, 3), keepdim=True)
    return (
        gamma.view(1, -1, 1, 1)
        * (x - x.mean(dim=(0, 2, 3), keepdim=True))
        / (deviation + eps)
    )


def cases_normalise(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, eps: float, *shape: int) -> Case:
        numbers = variant.numbers(seed, "normalise", name)
        n, channels = shape[:2]
        # every channel has a mean, a deviation, and in every image a contrast of its own
        mean, deviation = (
            numbers.uniform(0.5, 2.0, (channels, 1, 1)),
            numbers.uniform(0.3, 1.5, (channels, 1, 1)),
        )
        x = mean + deviation * numbers.uniform(
            0.5, 1.5, (n, 1, 1, 1)
        ) * numbers.standard_normal(shape)
        gamma = numbers.uniform(0.4, 1.6, channels)
        return Case(
            name,
            {
                "x": x.round(2).astype(np.float32),
                "gamma": gamma.round(2).astype(np.float32),
                "eps": np.array(eps),
            },
            letters={"result": "N C H W"},
            tolerances={"result": Tolerance(1e-3, 1e-4)},
        )

    # as many channels as columns, so that gains of shape (C,) broadcast without an error, as can happen in practice
    return [
        case("two images of four channels", 0.1, 2, 4, 3, 4),
        case("three images of three channels", 0.05, 3, 3, 2, 3),
    ]


NORMALISE = Problem(
    id="bias_free.normalise",
    points=2,
    goal="Normalise without adding a constant",
    statement=STATEMENT_NORMALISE,
    stub=STUB_NORMALISE,
    reference=normalise,
    alternates=(normalise_in_a_loop, normalise_by_moments),
    mutants=(
        mean_subtracted,
        Mutant(
            lambda x, gamma, *, eps: F.batch_norm(
                x, None, None, gamma, training=True, eps=eps
            ),
            "ordinary batch normalisation",
            "This is ordinary batch normalisation: `F.batch_norm` and `nn.BatchNorm2d` subtract the mean and take "
            "the root of v + eps. Here nothing is subtracted, and eps is added to the root.",
        ),
        Mutant(
            lambda x, gamma, *, eps: (
                gamma.view(1, -1, 1, 1)
                * x
                / (x.var(dim=(0, 2, 3), keepdim=True) + eps).sqrt()
            ),
            "eps under the root",
            "Your eps stands under the root, as in ordinary batch normalisation. Here it is added to the root: "
            "sqrt(v) + eps. For faint channels this makes a difference.",
        ),
        Mutant(
            lambda x, gamma, *, eps: (
                gamma.view(1, -1, 1, 1) * x / (x.var(dim=(0, 2, 3), keepdim=True) + eps)
            ),
            "divided by the variance",
            "You divide by the variance; the formula divides by its root. With the variance, a channel twice as "
            "strong would come out half as strong.",
        ),
        Mutant(
            lambda x, gamma, *, eps: (
                gamma.view(1, -1, 1, 1)
                * x
                / (x.square().mean(dim=(0, 2, 3), keepdim=True).sqrt() + eps)
            ),
            "mean square instead of variance",
            "You divide by the root of the mean square. The variance is taken around the mean of the channel: the "
            "mean is subtracted there, and only there.",
        ),
        Mutant(
            lambda x, gamma, *, eps: (
                gamma.view(1, -1, 1, 1)
                * x
                / (x.std(dim=(0, 2, 3), keepdim=True, correction=0) + eps)
            ),
            "variance divided by n",
            "Your variance divides by the number of values; the unbiased one divides by that number minus one, "
            "which is what `torch.var` does unless told otherwise.",
        ),
        Mutant(
            lambda x, gamma, *, eps: (
                gamma.view(1, -1, 1, 1) * x / (x.std(dim=(2, 3), keepdim=True) + eps)
            ),
            "each image by itself",
            "You take the deviation of each image by itself. That is instance normalisation, which takes away how "
            "strong an image is. The variance runs over the images of the batch too.",
        ),
        Mutant(
            lambda x, gamma, *, eps: (
                gamma.view(1, -1, 1, 1) * x / (x.std(dim=0, keepdim=True) + eps)
            ),
            "each pixel by itself",
            "You take the deviation over the batch at each pixel by itself. A convolution treats all pixels alike, "
            "so the variance runs over them too.",
        ),
        Mutant(
            lambda x, gamma, *, eps: gamma.view(1, -1, 1, 1) * x / (x.std() + eps),
            "one deviation for all channels",
            "You divide all channels by one deviation. Each channel has its own: leave the channel's axis out of "
            "those that you take the variance over.",
        ),
        Mutant(
            lambda x, gamma, *, eps: (
                gamma.view(1, -1, 1, 1) * x / (x.std(dim=(1, 2, 3), keepdim=True) + eps)
            ),
            "over the channels instead of the images",
            "You take the variance over the channels and keep the images apart. It is the other way round: one "
            "number for each channel, over all images.",
        ),
        Mutant(
            lambda x, gamma, *, eps: x / (x.std(dim=(0, 2, 3), keepdim=True) + eps),
            "the gain is missing",
            "The division is right, but gamma does not appear. It is what lets the network choose how strong each "
            "channel comes out.",
        ),
        Mutant(
            lambda x, gamma, *, eps: gamma * x / (x.std(dim=(0, 2, 3), keepdim=True) + eps),
            "the gain runs along the width",
            "gamma has the shape (C,), and PyTorch lines it up with the last axis, which is the width. Give it two "
            "axes more: `gamma[:, None, None]`.",
        ),
        Mutant(
            lambda x, gamma, *, eps: x * (gamma / (x.std(dim=(0, 2, 3)) + eps)),
            "all of it runs along the width",
            "gamma and the deviations have the shape (C,), and PyTorch lines them up with the last axis, which is "
            "the width. Give their quotient two axes more: `[:, None, None]`.",
        ),
    ),
    cases=cases_normalise,
    probe=probes.result,
    hints=(
        "Which axes of x does the variance run over, and which one is left? There is one deviation for each channel.",
        "`x.var(dim=(0, 2, 3))` has the shape (C,). Its root, eps and gamma make one factor for each channel.",
        "The factor has the shape (C,); x has (N, C, H, W). With `[:, None, None]` it becomes (C, 1, 1), which lines "
        "up with the channels.",
    ),
    blocked=("course_lib.denoise.bias_free",),
)

PROBLEMS = (NORMALISE,)
