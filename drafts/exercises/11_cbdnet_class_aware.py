"""Two exercises for lecture 11: the asymmetric loss of CBDNet, and the image after each layer of a gradual network.

For staff: it holds the solutions. They join `exercises/src/11_robust_denoisers.py` and its tuple PROBLEMS.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Variant

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


def sign_exchanged(estimate, level, *, alpha):
    return asymmetric_loss(estimate, level, alpha=1 - alpha)


def symmetric(estimate, level, *, alpha):
    return F.mse_loss(estimate, level)


def half_of_symmetric(estimate, level, *, alpha):
    return 0.5 * F.mse_loss(estimate, level)


def only_below(estimate, level, *, alpha):
    return (1 - alpha) * (F.relu(level - estimate) ** 2).mean()


def without_absolute_value(estimate, level, *, alpha):
    return ((alpha - (estimate < level).to(estimate.dtype)) * (estimate - level) ** 2).mean()


def weight_inside_the_square(estimate, level, *, alpha):
    return (((alpha - (estimate < level).to(estimate.dtype)) * (estimate - level)) ** 2).mean()


def not_squared(estimate, level, *, alpha):
    return ((alpha - (estimate < level).to(estimate.dtype)).abs() * (estimate - level).abs()).mean()


def summed(estimate, level, *, alpha):
    return asymmetric_loss(estimate, level, alpha=alpha) * estimate.numel()


def by_the_mean(estimate, level, *, alpha):
    weight = 1 - alpha if estimate.mean() < level.mean() else alpha
    return weight * ((estimate - level) ** 2).mean()


def alpha_fixed(estimate, level, *, alpha):
    return asymmetric_loss(estimate, level, alpha=0.3)


def asymmetric_cut(estimate, level, *, alpha):
    return asymmetric_loss(estimate, level, alpha=alpha).detach()


def cases_asymmetric(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, alpha: float, *shape: int) -> Case:
        numbers = variant.numbers(seed, "asymmetric_loss", name)
        level = numbers.uniform(0.2, 0.6, shape).round(2)
        size = numbers.uniform(0.05, 0.4, shape).round(2)                       # never zero: the sign is clear
        error = np.where(numbers.uniform(size=shape) < 0.4, -size, size)
        return Case(name, {"estimate": (level + error).astype(np.float32), "level": level.astype(np.float32),
                           "alpha": np.array(alpha)}, letters={"gradient": "N C H W"})

    return [case("alpha 0.3", 0.3, 2, 3, 3, 4), case("alpha 0.1", 0.1, 1, 1, 4, 4), case("alpha 0.8", 0.8, 3, 1, 2, 3)]


ASYMMETRIC_LOSS = Problem(
    id="cbdnet.asymmetric_loss",
    points=2,
    goal="Punish a noise level that is too low",
    statement=STATEMENT_ASYMMETRIC,
    stub=STUB_ASYMMETRIC,
    reference=asymmetric_loss,
    alternates=(asymmetric_by_where, asymmetric_in_two_parts, asymmetric_in_a_loop),
    mutants=(
        Mutant(sign_exchanged, "the wrong side is punished",
               "Your two weights are exchanged: with alpha = 0.3 a level that is too low weighs 0.3 in your loss and "
               "should weigh 0.7. Published code has this mistake. Put in numbers: where the estimate is below the "
               "level the indicator is 1, and |0.3 - 1| is 0.7."),
        Mutant(symmetric, "both sides weigh one",
               "You return the plain mean squared error: both directions cost the same, and alpha is not used. The "
               "weight depends on the sign of estimate - level."),
        Mutant(half_of_symmetric, "both sides weigh a half",
               "Both directions cost the same in your loss, and alpha is not used. The weight depends on the sign of "
               "estimate - level."),
        Mutant(only_below, "levels that are too high are free",
               "A level that is too high costs nothing in your loss, so the network could estimate any large number. "
               "It weighs alpha: less than one that is too low, but not nothing."),
        Mutant(without_absolute_value, "the absolute value is missing",
               "Where the estimate is too low your weight is alpha - 1, a negative number: being wrong is rewarded "
               "there. Take the absolute value of the weight."),
        Mutant(weight_inside_the_square, "the weight is squared",
               "You multiply first and square then, so the weights become 0.49 and 0.09 instead of 0.7 and 0.3. Only "
               "the error is squared in the equation."),
        Mutant(not_squared, "absolute errors",
               "You weigh the absolute errors; the equation weighs their squares. (Yours is the pinball loss, whose "
               "minimum is a quantile. Squares lead to an expectile.)"),
        Mutant(summed, "summed instead of averaged",
               "Your loss grows with the number of pixels: the sum is not divided by it."),
        Mutant(by_the_mean, "one weight for the batch",
               "You compare the means and take one weight for all. Each pixel has its own indicator: one may be too "
               "low where another is too high."),
        Mutant(alpha_fixed, "alpha is always 0.3",
               "Your loss is right at alpha = 0.3 only. Use the argument."),
        Mutant(asymmetric_cut, "the graph is cut",
               "The value is right, but no gradient can flow back: `.item()`, `float(...)` and `.detach()` cut the "
               "graph. Return the tensor."),
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


def _run(z, first, middle, last, *, relu_on_last_middle=False, relu=True, relu_before=False, channel=0, sign=-1,
         share=10.0, centre=0.5, padding=1):
    """The reference, one of whose choices each mutant changes: the noise estimates of all layers."""
    weights, passed, found = [first, *middle, last], z - centre, []
    for i, weight in enumerate(weights):
        out = F.conv2d(passed, weight, padding=padding)
        active = relu and (i < len(weights) - 2 or (relu_on_last_middle and i < len(weights) - 1))
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
        image = image + out[:, :1] / 10                       # minus the noise estimate, which is minus a tenth
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


def split_after_relu(z, first, middle, last):
    return _images(z, _run(z, first, middle, last, relu_before=True))


def relu_to_the_end(z, first, middle, last):
    return _images(z, _run(z, first, middle, last, relu_on_last_middle=True))


def no_relu(z, first, middle, last):
    return _images(z, _run(z, first, middle, last, relu=False))


def last_channel(z, first, middle, last):
    return _images(z, _run(z, first, middle, last, channel=-1))


def sign_wrong(z, first, middle, last):
    return _images(z, _run(z, first, middle, last, sign=1))


def not_a_tenth(z, first, middle, last):
    return _images(z, _run(z, first, middle, last, share=1.0))


def not_centred(z, first, middle, last):
    return _images(z, _run(z, first, middle, last, centre=0.0))


def from_the_centred_image(z, first, middle, last):
    return _images(z - 0.5, _run(z, first, middle, last))


def estimates_only(z, first, middle, last):
    return torch.stack(_run(z, first, middle, last))


def each_from_the_input(z, first, middle, last):
    return z - torch.stack(_run(z, first, middle, last))


def estimate_only(z, first, middle, last):
    return gradually(z, first, middle, last)[-1]


def with_the_input(z, first, middle, last):
    return torch.cat([z[None], gradually(z, first, middle, last)])


def cases_gradually(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, depth: int, width: int, *shape: int) -> Case:
        numbers = variant.numbers(seed, "gradually", name)

        def weight(*size: int) -> np.ndarray:
            return numbers.normal(0.0, (2 / size[-3] / 9) ** 0.5 * 2, size).round(2).astype(np.float32)

        return Case(name, {"z": numbers.uniform(-0.1, 1.1, shape).round(2).astype(np.float32),
                           "first": weight(width, 1, 3, 3), "middle": weight(depth - 2, width, width - 1, 3, 3),
                           "last": weight(1, width - 1, 3, 3)}, letters={"result": "D N 1 H W"})

    return [case("five layers of 4", 5, 4, 2, 1, 5, 6), case("four layers of 3", 4, 3, 1, 1, 4, 4)]


GRADUALLY = Problem(
    id="class_aware.gradually",
    points=3,
    goal="Watch the noise go, layer by layer",
    statement=STATEMENT_GRADUALLY,
    stub=STUB_GRADUALLY,
    reference=gradually,
    alternates=(gradually_by_cumsum, gradually_backwards),
    mutants=(
        Mutant(split_after_relu, "split after the ReLU",
               "You split channel 0 off after the ReLU, so it is never negative: a layer could only ever brighten the "
               "image. Noise has both signs. Split first; only what goes on passes the ReLU."),
        Mutant(relu_to_the_end, "a ReLU too many",
               "What layer D - 1 passes on goes through a ReLU in your code. In this network only layers 1 to D - 2 "
               "have one."),
        Mutant(no_relu, "no ReLU",
               "There is no ReLU between your layers. Then all of them together are one linear filter."),
        Mutant(last_channel, "another channel",
               "You split off the last channel. It is channel 0 that is the layer's estimate; the others keep their "
               "order."),
        Mutant(sign_wrong, "the wrong sign",
               "Your noise estimates have the wrong sign. They are MINUS a tenth of channel 0, and they are "
               "subtracted: together a tenth of channel 0 is added to the image."),
        Mutant(not_a_tenth, "not divided by ten",
               "You subtract the whole channel. A noise estimate is a tenth of it."),
        Mutant(not_centred, "the image is not centred",
               "Your first layer sees z. It should see z - 0.5, so that gray is zero, also in the padding."),
        Mutant(from_the_centred_image, "subtracted from the centred image",
               "Your images are too dark by 0.5 everywhere: only the layers see the centred image; the noise estimates "
               "are subtracted from z."),
        Mutant(estimates_only, "the noise estimates",
               "You return the noise estimates themselves. Asked for are the images: z minus all estimates so far."),
        Mutant(each_from_the_input, "only the last estimate is subtracted",
               "From z you subtract the estimate of one layer only. After layer d all the estimates from 1 to d are "
               "gone: keep the image and go on from it."),
        Mutant(estimate_only, "only the end",
               "You return the image after the last layer only. Keep the one after each layer, and stack them."),
        Mutant(with_the_input, "the input is in the stack",
               "You return D + 1 images, with z first. Asked for is the image after each of the D layers."),
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

PROBLEMS = (ASYMMETRIC_LOSS, GRADUALLY)
