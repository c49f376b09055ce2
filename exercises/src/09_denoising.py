"""Exercises of lecture denoising: PSNR, the noise of a sensor, and a transform that makes the noise of photons even.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- denoising.psnr -------------------------------------------------------------------------------------------------

STATEMENT_PSNR = r"""
How close is an estimate $\hat y$ to the clean image $y$? Pixels lie in $[0, 1]$, and for each image

$$\text{PSNR} = 10 \log_{10} \frac{1}{\text{MSE}}, \qquad
\text{MSE} = \text{the mean of } (\text{clip}(\hat y) - y)^2 \text{ over all pixels and channels of that image.}$$

$\text{clip}$ moves values below 0 to 0 and values above 1 to 1: no screen could show more. A test set is scored by the
**mean of the PSNR values of its images**. Write the function that returns this mean for a batch, as one number in a
tensor.
"""

STUB_PSNR = '''
def mean_psnr(estimate, y):
    """estimate, y: (N, C, H, W); returns a scalar tensor, in dB."""
    mse = ...       # one for each image
    return ...
'''


def mean_psnr(estimate, y):
    mse = (estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3))
    return (10 * torch.log10(1 / mse)).mean()


def mean_psnr_by_image(estimate, y):
    values = [
        -10 * torch.log10(F.mse_loss(one.clip(0, 1), clean))
        for one, clean in zip(estimate, y, strict=True)
    ]
    return torch.stack(values).mean()


def mean_psnr_by_norms(estimate, y):
    root = torch.linalg.vector_norm(
        (estimate.clamp(0, 1) - y).flatten(1), dim=1
    ) / math.sqrt(y[0].numel())
    return -20 * root.log().mean() / math.log(10)


@mutant(
    "signal instead of peak",
    "You divide the mean square of y by the error: that is the signal-to-noise ratio, SNR. In PSNR the P stands "
    "for peak: the largest possible value, 1, is above the fraction line, whatever the image.",
)
def signal_to_noise(estimate, y):
    mse = (estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3))
    return (10 * torch.log10(y.square().mean(dim=(1, 2, 3)) / mse)).mean()


def cases_psnr(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, *shape: int) -> Case:
        numbers = variant.numbers(seed, "psnr", name)
        y = numbers.uniform(0.0, 1.0, shape)
        levels = np.linspace(0.1, 0.5, shape[0] * shape[1]).reshape(
            shape[0], shape[1], 1, 1
        )  # very unlike errors
        estimate = y + levels * numbers.standard_normal(shape)
        return Case(
            name,
            {
                "estimate": estimate.round(2).astype(np.float32),
                "y": y.round(2).astype(np.float32),
            },
            tolerances={"result": Tolerance(1e-4, 1e-3)},
        )

    return [
        case("three gray images", 3, 1, 5, 4),
        case("two colour images", 2, 3, 4, 4),
        case("one image", 1, 1, 6, 5),
    ]


PSNR = Problem(
    id="denoising.psnr",
    points=1,
    goal="Score estimates by PSNR",
    statement=STATEMENT_PSNR,
    stub=STUB_PSNR,
    reference=mean_psnr,
    alternates=(mean_psnr_by_image, mean_psnr_by_norms),
    mutants=(
        Mutant(
            lambda estimate, y: (
                -10 * torch.log10((estimate.clamp(0, 1) - y).square().mean())
            ),
            "PSNR of the mean error",
            "You average the squared errors of all images and take one logarithm. Papers take the logarithm for "
            "each image and average the decibels; the two differ by tenths of a decibel or more when some images "
            "are harder than others.",
        ),
        Mutant(
            lambda estimate, y: (
                -10 * torch.log10((estimate - y).square().mean(dim=(1, 2, 3)))
            ).mean(),
            "not clipped",
            "You did not clip the estimate to [0, 1] before comparing. A value of 1.2 is shown as white, so it "
            "counts as 1. Clip the estimate only, not the difference.",
        ),
        Mutant(
            lambda estimate, y: (
                -10 * torch.log10((estimate - y).clamp(0, 1).square().mean(dim=(1, 2, 3)))
            ).mean(),
            "the difference is clipped",
            "You clip the difference instead of the estimate. That throws away every error below zero, half of "
            "them all.",
        ),
        Mutant(
            lambda estimate, y: (
                -10 * (estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3)).log()
            ).mean(),
            "natural logarithm",
            "You use the natural logarithm: `torch.log` has base e. Decibels have base 10.",
        ),
        Mutant(
            lambda estimate, y: (
                -10
                * torch.log10(
                    (estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3)).sqrt()
                )
            ).mean(),
            "the root of the error",
            "Your value is half of what it should be: you took the root of the mean squared error and multiplied "
            "by 10. It is 10 times the logarithm of the squared error, or 20 times that of its root.",
        ),
        Mutant(
            lambda estimate, y: (
                -20 * torch.log10((estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3)))
            ).mean(),
            "20 with the squared error",
            "Your value is twice too large. The factor 20 belongs to the *root* of the mean squared error; with "
            "the squared error itself it is 10.",
        ),
        Mutant(
            lambda estimate, y: (
                10 * torch.log10((estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3)))
            ).mean(),
            "the sign is wrong",
            "Your value has the wrong sign, so a better estimate scores lower. The error stands below the fraction "
            "line: 10 log10(1 / MSE).",
        ),
        Mutant(
            lambda estimate, y: (
                10
                * torch.log10(
                    255**2 / (estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3))
                )
            ).mean(),
            "the peak is 255",
            "You take 255 as the largest pixel, but these images lie in [0, 1]. That adds 48.13 dB to every "
            "score, for nothing.",
        ),
        Mutant(
            lambda estimate, y: (
                -10 * torch.log10((estimate.clamp(0, 1) - y).abs().mean(dim=(1, 2, 3)))
            ).mean(),
            "absolute errors",
            "You average absolute errors; PSNR is made of squared ones, in which a few large errors weigh more.",
        ),
        Mutant(
            lambda estimate, y: (
                -10 * torch.log10((estimate.clamp(0, 1) - y).square().sum(dim=(1, 2, 3)))
            ).mean(),
            "summed over pixels",
            "You add the squared errors of an image instead of averaging them. The same error would then score "
            "lower in a larger image.",
        ),
        Mutant(
            lambda estimate, y: (
                -10 * torch.log10((estimate.clamp(0, 1) - y).square().mean(dim=(2, 3)))
            ).mean(),
            "one value for each channel",
            "You take a logarithm for each channel. The mean squared error of a colour image runs over its pixels "
            "and channels together.",
        ),
        Mutant(
            lambda estimate, y: (
                -10 * torch.log10((estimate.clamp(0, 1) - y).square().mean(dim=(1, 2, 3)))
            ),
            "the mean is missing",
            "You return one PSNR for each image, and each is right. The score of the batch is their mean.",
        ),
        signal_to_noise,
    ),
    cases=cases_psnr,
    probe=probes.result,
    hints=(
        "Three steps: errors of the clipped estimate, their mean square in each image, then the logarithm of each.",
        "`.mean(dim=(1, 2, 3))` averages over channels and pixels and leaves one number for each image.",
        "10 log10(1 / MSE) is the same as -10 `torch.log10`(MSE). Average over the images last.",
    ),
    blocked=("course_lib.quality",),
)

# --- denoising.sensor_noise -----------------------------------------------------------------------------------------

STATEMENT_SENSOR = r"""
A sensor counts photons, amplifies their number by a gain $a$, and adds a read noise of deviation $\sigma$:

$$z = a K + \sigma n, \qquad K \sim \text{Poisson}(y / a), \qquad n \sim \mathcal N(0, 1),$$

independently for each pixel. The mean and the variance of a Poisson number are both its rate, here $y / a$.

A denoiser for white noise needs **one** level for the image: the deviation that the noise has on average
over its pixels, $\sqrt{\text{mean of } \text{Var}[z]}$. The function returns two maps of the shape of `y`, stacked
along a new first axis: the *standard deviation* of $z$ at each pixel, and the one level of its image, everywhere.
"""

STUB_SENSOR = '''
def sensor_levels(y, *, gain, sigma):
    """y: (N, C, H, W); returns (2, N, C, H, W): deviations, levels of the images."""
    variance = ...  # of z, at each pixel
    return ...
'''


def sensor_levels(y, *, gain, sigma):
    variance = gain * y + sigma**2
    level = variance.mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return torch.stack([variance.sqrt(), level.expand_as(y)])


def sensor_levels_by_image(y, *, gain, sigma):
    answer = torch.empty(2, *y.shape)
    for index, image in enumerate(y):
        rate = image / gain
        answer[0, index] = torch.hypot(gain * rate.sqrt(), torch.tensor(sigma))
        answer[1, index] = math.sqrt(gain * float(image.mean()) + sigma**2)
    return answer


def sensor_levels_by_squares(y, *, gain, sigma):
    deviation = (gain**2 * (y / gain) + sigma * sigma) ** 0.5
    level = torch.sqrt((deviation * deviation).flatten(1).mean(1))
    return torch.stack((deviation, torch.ones_like(y) * level[:, None, None, None]))


def levels_of(variance, y):
    return torch.stack(
        [variance.sqrt(), variance.mean(dim=(1, 2, 3), keepdim=True).sqrt().expand_as(y)]
    )


@mutant(
    "variances for deviations",
    "Both of your maps are variances. A denoiser wants deviations, in the unit of the image: take the root, of the "
    "level after averaging.",
)
def variance_for_deviation(y, *, gain, sigma):
    variance = gain * y + sigma**2
    return torch.stack([variance, variance.mean(dim=(1, 2, 3), keepdim=True).expand_as(y)])


@mutant(
    "the mean of the deviations",
    "The map is right. Your level is the mean of the deviations, but variances are what averages: the mean squared "
    "error of z is the mean of Var[z], and the level is its root.",
)
def mean_of_deviations(y, *, gain, sigma):
    deviation = (gain * y + sigma**2).sqrt()
    return torch.stack(
        [deviation, deviation.mean(dim=(1, 2, 3), keepdim=True).expand_as(y)]
    )


@mutant(
    "one level for the batch",
    "The map is right. Your level is averaged over the whole batch; each image has one of its own.",
)
def one_for_the_batch(y, *, gain, sigma):
    variance = gain * y + sigma**2
    return torch.stack([variance.sqrt(), variance.mean().sqrt().expand_as(y)])


@mutant(
    "one level for each channel",
    "The map is right. Your level is averaged over each channel by itself; an image has one level, over its pixels "
    "and channels.",
)
def one_for_each_channel_of_a_sensor(y, *, gain, sigma):
    variance = gain * y + sigma**2
    return torch.stack(
        [variance.sqrt(), variance.mean(dim=(2, 3), keepdim=True).sqrt().expand_as(y)]
    )


@mutant(
    "the image counts as noise",
    "The map is right. Your level also holds the variance of y over the image, that is, its content. Noise is what "
    "z has more than y.",
)
def of_the_image_too(y, *, gain, sigma):
    variance = gain * y + sigma**2
    level = (
        variance.mean(dim=(1, 2, 3), keepdim=True)
        + y.var(dim=(1, 2, 3), keepdim=True, correction=0)
    ).sqrt()
    return torch.stack([variance.sqrt(), level.expand_as(y)])


def cases_sensor(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, gain: float, sigma: float, *shape: int) -> Case:
        numbers = variant.numbers(seed, "sensor", name)
        y = numbers.uniform(0.0, 1.0, shape) ** 2 * np.linspace(
            0.4, 1.0, shape[0] * shape[1]
        ).reshape(*shape[:2], 1, 1)
        return Case(
            name,
            {
                "y": y.round(3).astype(np.float32),
                "gain": np.array(gain),
                "sigma": np.array(sigma),
            },
            letters={"result": "2 N C H W"},
            tolerances={"result": Tolerance(1e-4, 1e-5)},
        )

    return [
        case("two gray images", 0.05, 0.1, 2, 1, 4, 5),
        case("two colour images", 0.02, 0.03, 2, 3, 3, 4),
        case("much read noise", 0.01, 0.3, 1, 1, 3, 3),
    ]


SENSOR = Problem(
    id="denoising.sensor_noise",
    points=2,
    goal="Say how strong the noise of a sensor is",
    statement=STATEMENT_SENSOR,
    stub=STUB_SENSOR,
    reference=sensor_levels,
    alternates=(sensor_levels_by_image, sensor_levels_by_squares),
    mutants=(
        variance_for_deviation,
        mean_of_deviations,
        Mutant(
            lambda y, *, gain, sigma: levels_of(gain**2 * y + sigma**2, y),
            "gain squared, rate not divided",
            "Your variance of the photons is gain^2 y. Amplifying does multiply the variance by gain^2, but the "
            "variance of K is y / gain, not y. What is left of the two?",
        ),
        Mutant(
            lambda y, *, gain, sigma: levels_of(y + sigma**2, y),
            "the gain cancels",
            "Your photons have the variance y, whatever the gain. You multiply the variance of K by the gain; a "
            "factor on a number multiplies its variance by the factor squared.",
        ),
        Mutant(
            lambda y, *, gain, sigma: levels_of(y / gain + sigma**2, y),
            "not amplified",
            "Your photons have the variance y / gain, which is that of K. The sensor multiplies K by the gain; what "
            "does that do to a variance?",
        ),
        Mutant(
            lambda y, *, gain, sigma: levels_of(gain * y + sigma, y),
            "sigma not squared",
            "You add sigma to a variance. It is a deviation; its variance is sigma^2.",
        ),
        Mutant(
            lambda y, *, gain, sigma: levels_of(((gain * y).sqrt() + sigma) ** 2, y),
            "deviations added",
            "You add the two deviations. For independent noises the variances add, the deviations do not.",
        ),
        Mutant(
            lambda y, *, gain, sigma: levels_of(gain * y + (gain * sigma) ** 2, y),
            "read noise amplified",
            "You amplify the read noise too. In the equation the gain stands before K only.",
        ),
        Mutant(
            lambda y, *, gain, sigma: levels_of(gain * y, y),
            "no read noise",
            "Where y = 0 your sensor has no noise at all: the read noise is missing.",
        ),
        one_for_the_batch,
        one_for_each_channel_of_a_sensor,
        of_the_image_too,
        Mutant(
            lambda y, *, gain, sigma: sensor_levels(y, gain=gain, sigma=sigma).flip(0),
            "in the wrong order",
            "Both maps are right, but in the wrong order: the deviation of each pixel comes first.",
        ),
    ),
    cases=cases_sensor,
    probe=probes.result,
    hints=(
        "Two rules: Var[a K] = a^2 Var[K], and variances of independent numbers add.",
        "Var[K] is the rate, y / gain. Multiply it by gain^2 and see what cancels; then add the read noise's variance.",
        "Average the variances over dim=(1, 2, 3) with keepdim=True, take the root, and let `expand_as(y)` fill a map "
        "with it; `torch.stack` puts the two maps together.",
    ),
    blocked=("course_lib.noise",),
)

# --- denoising.anscombe ---------------------------------------------------------------------------------------------

STATEMENT_ANSCOMBE = r"""
Photon noise is stronger where there is more light, and most denoisers want the same level everywhere. A change of
units helps. If a function $t$ is applied to $z$, its noise is stretched by the slope:
$\text{Var}[t(z)] \approx t'(y)^2 \, \text{Var}[z]$. For photon counts $K$, whose variance is their mean, the choice

$$t(K) = 2 \sqrt{K + \tfrac{3}{8}}$$

(Anscombe 1948) makes the variance nearly 1 at every brightness. So: transform, denoise with $\sigma = 1$, come back.

Here `z` is an image whose white pixels have `peak` photons, $z = K / \text{peak}$. Write the round trip: count,
transform, denoise, go back with the algebraic inverse of $t$, divide by the peak. Read noise and interpolation can
bring $K$ below $-\tfrac38$: take 0 for what stands under the root there. The denoiser is the simplest there is: every
pixel of $t(K)$ is replaced by the mean of $t(K)$ over its whole image. (The mean of roots lies below the root of the
mean, so the estimate comes out a little dark; with a good denoiser and enough light this hardly shows.)
"""

STUB_ANSCOMBE = '''
def denoise_photons(z, *, peak):
    """z: (N, C, H, W); returns the estimate, of the same shape."""
    t = ...         # Anscombe's transform of the counts
    t = ...         # its mean over each image, in every pixel
    return ...
'''


def stabilised(counts):
    return 2 * (counts + 3 / 8).clamp(min=0).sqrt()


def evened(t):
    return t.mean(dim=(1, 2, 3), keepdim=True).expand_as(t)


def denoise_photons(z, *, peak):
    t = evened(stabilised(peak * z))
    return ((t / 2) ** 2 - 3 / 8) / peak


def denoise_photons_by_image(z, *, peak):
    estimates = []
    for image in z:
        t = torch.sqrt(F.relu(4 * image * peak + 1.5)).mean()
        estimates.append(torch.full_like(image, (float(t) ** 2 / 4 - 0.375) / peak))
    return torch.stack(estimates)


def denoise_photons_flat(z, *, peak):
    root = torch.maximum(z.flatten(1) + 0.375 / peak, torch.zeros(())).pow(
        0.5
    )  # in units of 1 / (2 sqrt(peak))
    mean = root.mean(dim=1).square() - 0.375 / peak
    return mean.reshape(-1, 1, 1, 1) * torch.ones_like(z)


@mutant(
    "3/8 outside the root",
    "You add the 3/8 after the root. It belongs under it, next to K.",
)
def offset_outside_the_root(z, *, peak):
    t = evened(2 * (peak * z).clamp(min=0).sqrt() + 3 / 8)
    return ((t / 2) ** 2 - 3 / 8) / peak


@mutant(
    "the mean over the batch",
    "You average over all images of the batch at once. Each image has a mean of its own: dim=(1, 2, 3) with "
    "keepdim=True.",
)
def over_the_batch(z, *, peak):
    t = stabilised(peak * z)
    return ((t.mean().expand_as(t) / 2) ** 2 - 3 / 8) / peak


def cases_anscombe(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, peak: float, lowest: float, *shape: int) -> Case:
        numbers = variant.numbers(seed, "anscombe", name)
        z = numbers.uniform(0.0, 1.0, shape) ** 2 * np.linspace(0.4, 1.2, shape[0]).reshape(
            -1, 1, 1, 1
        )
        z = np.where(numbers.uniform(0, 1, shape) < 0.3, lowest / peak, z)
        return Case(
            name,
            {"z": z.round(3).astype(np.float32), "peak": np.array(peak)},
            letters={"result": "N C H W"},
            tolerances={"result": Tolerance(2e-4, 2e-5)},
        )

    return [
        case("a few photons", 4.0, 0.0, 2, 1, 4, 5),
        case("some counts below zero", 10.0, -2.0, 2, 3, 3, 4),
        case("between zero and the offset", 5.0, -0.2, 1, 1, 5, 5),
    ]


ANSCOMBE = Problem(
    id="denoising.anscombe",
    points=2,
    goal="Make the noise of photons even, denoise, and come back",
    statement=STATEMENT_ANSCOMBE,
    stub=STUB_ANSCOMBE,
    reference=denoise_photons,
    alternates=(denoise_photons_by_image, denoise_photons_flat),
    mutants=(
        Mutant(
            lambda z, *, peak: evened(z),
            "no transform",
            "You average z itself. The mean has to be taken of the transformed counts; bright pixels, whose noise "
            "is strong, then weigh less.",
        ),
        Mutant(
            lambda z, *, peak: (evened(stabilised(peak * z)) / 2) ** 2 / peak,
            "3/8 stays on the way back",
            "Your estimates are 3/8 of a photon too bright: the inverse of t takes the 3/8 away again.",
        ),
        Mutant(
            lambda z, *, peak: (
                ((evened(2 * (peak * z).clamp(min=0).sqrt()) / 2) ** 2 - 3 / 8) / peak
            ),
            "3/8 only on the way back",
            "You subtract 3/8 on the way back without having added it before the root.",
        ),
        Mutant(
            lambda z, *, peak: (evened(2 * (peak * z).clamp(min=0).sqrt()) / 2) ** 2 / peak,
            "without 3/8",
            "Your transform is 2 sqrt(K), without the 3/8. With few photons its variance falls well below 1; the "
            "offset is what keeps it even.",
        ),
        offset_outside_the_root,
        Mutant(
            lambda z, *, peak: (evened(stabilised(peak * z)) ** 2 - 3 / 8) / peak,
            "the 2 is not undone",
            "On the way back you square t without halving it first: your estimates are about four times too large.",
        ),
        Mutant(
            lambda z, *, peak: (evened(stabilised(z)) / 2) ** 2 - 3 / 8,
            "z taken for counts",
            "You transform z as it is. The transform is for photon counts: multiply z by the peak first.",
        ),
        Mutant(
            lambda z, *, peak: denoise_photons(z, peak=peak) * peak,
            "counts returned",
            "You return photon counts. Divide by the peak, so that white is 1 again.",
        ),
        Mutant(
            lambda z, *, peak: ((evened(stabilised(z / peak)) / 2) ** 2 - 3 / 8) * peak,
            "the peak upside down",
            "You divide by the peak where you should multiply, and the other way round: z = K / peak, so "
            "K = peak z.",
        ),
        Mutant(
            lambda z, *, peak: evened(stabilised(peak * z)),
            "not transformed back",
            "You return t itself, in units of the noise. The estimate of y needs the way back.",
        ),
        over_the_batch,
        Mutant(
            lambda z, *, peak: (
                ((evened(2 * ((peak * z).clamp(min=0) + 3 / 8).sqrt()) / 2) ** 2 - 3 / 8)
                / peak
            ),
            "counts clipped at zero",
            "You set negative counts to 0 before adding 3/8. Only what stands under the root must not be negative: "
            "a count of -0.2 still gives 2 sqrt(0.175). Clipping counts would make dark places too bright.",
        ),
    ),
    cases=cases_anscombe,
    probe=probes.result,
    hints=(
        "Write t as a line of its own, with counts = peak * z under it, and test it on a count of 1: it should give "
        "2.345.",
        "Solve t = 2 sqrt(K + 3/8) for K: halve, square, subtract.",
        "`.clamp(min=0)` comes after adding 3/8 and before the root; the mean keeps its dimensions with keepdim=True "
        "and is spread with `expand_as`.",
    ),
    blocked=("course_lib.noise",),
)

PROBLEMS = (PSNR, SENSOR, ANSCOMBE)
