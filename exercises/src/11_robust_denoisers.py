"""Exercises of lecture 11: normalising without a constant, an asymmetric loss, and the image after each layer.

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

# --- class_aware.gradually ------------------------------------------------------------------------------------------

STATEMENT_GRADUALLY = r"""
The gradual network of Remez et al. subtracts what each of its $D$ layers found, one after the other. Its first layer
sees the centred image $x_1 = z - 0.5$. Every layer $d$ is a $3 \times 3$ convolution, padded with zeros, without biases
here: $u_d = w_d * x_d$. Of its output

- **channel 0** is split off: the layer's noise estimate is $\eta_d = -\tfrac{1}{10}\, u_d[0]$;
- the **other channels** go on. In layers $1$ to $D - 2$ they pass a ReLU, $x_{d+1} = \max(0, u_d[1{:}])$; in layer $D -
  1$ they go on as they are. Layer $D$ has channel 0 only.

Return the image after each layer, $z - \eta_1 - \dots - \eta_d$ for $d = 1, \dots, D$, stacked along a new first axis.
The last of them is the estimate $\hat y$.

Given are `z` of shape $(N, 1, H, W)$ and the weights: `first` of shape $(W, 1, 3, 3)$, `middle` of shape
$(D - 2, W, W - 1, 3, 3)$, one for each middle layer, and `last` of shape $(1, W - 1, 3, 3)$. `F` is
`torch.nn.functional`.
"""

STUB_GRADUALLY = '''
def gradually(z, first, middle, last):
    """z: (N, 1, H, W); returns the images after each layer, (D, N, 1, H, W)."""
    image, passed = z, z - 0.5
    for weight in [first, *middle, last]:
        ...
    return ...
'''


def _run(
    z,
    first,
    middle,
    last,
    *,
    relu_on_last_middle=False,
    relu=True,
    relu_before=False,
    channel=0,
    sign=-1,
    share=10.0,
    centre=0.5,
    padding=1,
):
    """The reference, one of whose choices each mutant changes: the noise estimates of all layers."""
    weights, passed, found = [first, *middle, last], z - centre, []
    for i, weight in enumerate(weights):
        out = F.conv2d(passed, weight, padding=padding)
        active = relu and (
            i < len(weights) - 2 or (relu_on_last_middle and i < len(weights) - 1)
        )
        if relu_before and active:
            out = F.relu(out)
        at = channel % out.shape[1]
        found.append(sign * out[:, at : at + 1] / share)
        passed = torch.cat([out[:, :at], out[:, at + 1 :]], dim=1)
        if active:
            passed = F.relu(passed)
    return found


def gradually(z, first, middle, last):
    image, passed = z, z - 0.5
    after, weights = [], [first, *middle, last]
    for d, weight in enumerate(weights, start=1):
        out = F.conv2d(passed, weight, padding=1)
        image = image + out[:, :1] / 10  # minus the noise estimate, which is minus a tenth
        after.append(image)
        passed = out[:, 1:] if d >= len(weights) - 1 else F.relu(out[:, 1:])
    return torch.stack(after)


def gradually_by_cumsum(z, first, middle, last):
    return z - torch.stack(_run(z, first, middle, last)).cumsum(dim=0)


def gradually_backwards(z, first, middle, last):
    found = _run(z, first, middle, last)
    after = [z - sum(found)]
    for one in found[:0:-1]:
        after.insert(0, after[0] + one)
    return torch.stack(after)


def _images(z, found):
    return z - torch.stack(found).cumsum(dim=0)


def cases_gradually(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, depth: int, width: int, *shape: int) -> Case:
        numbers = variant.numbers(seed, "gradually", name)

        def weight(*size: int) -> np.ndarray:
            return (
                numbers.normal(0.0, (2 / size[-3] / 9) ** 0.5 * 2, size)
                .round(2)
                .astype(np.float32)
            )

        return Case(
            name,
            {
                "z": numbers.uniform(-0.1, 1.1, shape).round(2).astype(np.float32),
                "first": weight(width, 1, 3, 3),
                "middle": weight(depth - 2, width, width - 1, 3, 3),
                "last": weight(1, width - 1, 3, 3),
            },
            letters={"result": "D N 1 H W"},
        )

    return [
        case("five layers of 4", 5, 4, 2, 1, 5, 6),
        case("four layers of 3", 4, 3, 1, 1, 4, 4),
    ]


GRADUALLY = Problem(
    id="class_aware.gradually",
    points=3,
    goal="Remove the noise layer by layer",
    statement=STATEMENT_GRADUALLY,
    stub=STUB_GRADUALLY,
    reference=gradually,
    alternates=(gradually_by_cumsum, gradually_backwards),
    mutants=(
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, relu_before=True)
            ),
            "split after the ReLU",
            "You split channel 0 off after the ReLU, so it is never negative: a layer could only ever brighten the "
            "image. Noise has both signs. Split first; only what goes on passes the ReLU.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, relu_on_last_middle=True)
            ),
            "a ReLU too many",
            "What layer D - 1 passes on goes through a ReLU in your code. In this network only layers 1 to D - 2 "
            "have one.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, relu=False)
            ),
            "no ReLU",
            "There is no ReLU between your layers. Then all of them together are one linear filter.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, channel=-1)
            ),
            "another channel",
            "You split off the last channel. It is channel 0 that is the layer's estimate; the others keep their "
            "order.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(z, _run(z, first, middle, last, sign=1)),
            "the wrong sign",
            "Your noise estimates have the wrong sign. They are MINUS a tenth of channel 0, and they are "
            "subtracted: together a tenth of channel 0 is added to the image.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, share=1.0)
            ),
            "not divided by ten",
            "You subtract the whole channel. A noise estimate is a tenth of it.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, centre=0.0)
            ),
            "the image is not centred",
            "Your first layer sees z. It should see z - 0.5, so that gray is zero, also in the padding.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(z - 0.5, _run(z, first, middle, last)),
            "subtracted from the centred image",
            "Your images are too dark by 0.5 everywhere: only the layers see the centred image; the noise estimates "
            "are subtracted from z.",
        ),
        Mutant(
            lambda z, first, middle, last: torch.stack(_run(z, first, middle, last)),
            "the noise estimates",
            "You return the noise estimates themselves. Asked for are the images: z minus all estimates so far.",
        ),
        Mutant(
            lambda z, first, middle, last: z - torch.stack(_run(z, first, middle, last)),
            "only the last estimate is subtracted",
            "From z you subtract the estimate of one layer only. After layer d all the estimates from 1 to d are "
            "gone: keep the image and go on from it.",
        ),
        Mutant(
            lambda z, first, middle, last: gradually(z, first, middle, last)[-1],
            "only the end",
            "You return the image after the last layer only. Keep the one after each layer, and stack them.",
        ),
        Mutant(
            lambda z, first, middle, last: torch.cat(
                [z[None], gradually(z, first, middle, last)]
            ),
            "the input is in the stack",
            "You return D + 1 images, with z first. Asked for is the image after each of the D layers.",
        ),
    ),
    cases=cases_gradually,
    probe=probes.result,
    hints=(
        "Keep two things from layer to layer: the image, from which you subtract, and the channels that go on.",
        "`out[:, :1]` is channel 0 and keeps its axis; `out[:, 1:]` are the others. Unlike `out[:, 0]`, the first can "
        "be subtracted from an image (N, 1, H, W).",
        "`[first, *middle, last]` is a list of all weights. The ReLU is left out for the last two of them.",
    ),
    blocked=("course_lib.denoise.class_aware",),
)

PROBLEMS = (NORMALISE, ASYMMETRIC_LOSS, GRADUALLY)
