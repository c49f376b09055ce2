"""Exercises of lecture receptive_fields: the arithmetic of the theoretical field, the effective field, and the diffused start.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- receptive_field.arithmetic -------------------------------------------------------------------------------------

STATEMENT_ARITHMETIC = r"""
A network is a list of $n$ layers, the first one reads the image. Layer $l$ has a kernel of side $k_l$, a dilation $d_l$
(its taps are $d_l$ positions apart) and a stride $s_l$. One pixel of the last output depends on a square of the image;
its side is

$$r = 1 + \sum_{l=1}^{n} (k_l - 1)\, d_l \prod_{m<l} s_m .$$

Write it as a function of three tensors of $n$ whole numbers, in the order of the layers. It returns one number. Two
values to test yourself: five layers of $3 \times 3$ without dilation or stride see 11 pixels; a layer with kernel 3
and stride 2 followed by a plain one of 3 sees 7.
"""

STUB_ARITHMETIC = '''
def receptive_field(kernels, dilations, strides):
    """kernels, dilations, strides: (n,) whole numbers; returns the side in pixels."""
    ...
'''


def receptive_field(kernels, dilations, strides):
    field, step = 1, 1
    for k, d, s in zip(kernels.tolist(), dilations.tolist(), strides.tolist(), strict=True):
        field += (k - 1) * d * step
        step *= s
    return field


def receptive_field_at_once(kernels, dilations, strides):
    steps = torch.cat([strides.new_ones(1), strides.cumprod(0)[:-1]])
    return 1 + ((kernels - 1) * dilations * steps).sum()


def receptive_field_from_behind(kernels, dilations, strides):
    field = 1
    for layer in reversed(range(len(kernels))):
        field = (field - 1) * strides[layer] + (kernels[layer] - 1) * dilations[layer] + 1
    return field


@mutant(
    "only the previous layer's stride counts",
    "You use the stride of the layer just before. Strides multiply: after two layers with stride 2 a step is four "
    "pixels.",
)
def previous_stride_only(kernels, dilations, strides):
    previous = torch.cat([strides.new_ones(1), strides[:-1]])
    return 1 + ((kernels - 1) * dilations * previous).sum()


@mutant(
    "strides are added",
    "You add the strides up. They multiply: two layers with stride 2 make a step of 4, three one of 8.",
)
def strides_added(kernels, dilations, strides):
    steps = 1 + torch.cat([strides.new_zeros(1), (strides - 1).cumsum(0)[:-1]])
    return 1 + ((kernels - 1) * dilations * steps).sum()


def cases_arithmetic(variant: Variant, seed: int) -> list[Case]:
    def case(
        name: str, kernels: list[int], dilations: list[int], strides: list[int]
    ) -> Case:
        shuffled = variant.numbers(seed, "arithmetic", name).permutation(kernels)
        layers = {"kernels": shuffled, "dilations": dilations, "strides": strides}
        return Case(
            name, {key: np.array(row, dtype=np.int64) for key, row in layers.items()}
        )

    return [
        case("dilations and strides", [3, 5, 3, 7, 3], [1, 2, 1, 1, 3], [1, 2, 3, 2, 1]),
        case("a plain stack", [3] * 7, [1] * 7, [1] * 7),
        case("three strides", [7, 3, 1, 3], [1, 1, 1, 2], [2, 2, 2, 1]),
    ]


ARITHMETIC = Problem(
    id="receptive_field.arithmetic",
    points=2,
    goal="Compute the theoretical receptive field",
    statement=STATEMENT_ARITHMETIC,
    stub=STUB_ARITHMETIC,
    reference=receptive_field,
    alternates=(receptive_field_at_once, receptive_field_from_behind),
    mutants=(
        Mutant(
            lambda kernels, dilations, strides: (
                1 + ((kernels - 1) * dilations * strides.cumprod(0)).sum()
            ),
            "the layer's own stride counts too",
            "You multiply by the stride of the layer itself, too. A stride makes the steps of the layers *after* it "
            "longer; the taps of its own kernel are still one step of the layer before apart.",
        ),
        Mutant(
            lambda kernels, dilations, strides: 1 + ((kernels - 1) * dilations).sum(),
            "strides are left out",
            "Your field ignores the strides. After a layer with stride 2, one step is two pixels of the image.",
        ),
        Mutant(
            lambda kernels, dilations, strides: receptive_field(
                kernels, torch.ones_like(dilations), strides
            ),
            "dilations are left out",
            "Your field ignores the dilations. A kernel of 3 with dilation d reaches d positions to each side.",
        ),
        Mutant(
            lambda kernels, dilations, strides: receptive_field(
                kernels + 1, dilations, strides
            ),
            "k instead of k - 1",
            "A kernel of 3 adds two steps, not three: its middle tap is already in the field.",
        ),
        Mutant(
            lambda kernels, dilations, strides: (
                receptive_field(kernels, dilations, strides) - 1
            ),
            "the pixel itself is forgotten",
            "You are one pixel short. Without any layer an output pixel is the input pixel: the field starts at 1.",
        ),
        Mutant(
            lambda kernels, dilations, strides: receptive_field(
                kernels.flip(0), dilations.flip(0), strides.flip(0)
            ),
            "the layers are taken from the wrong end",
            "You multiply by the strides of the layers that come after. The first entry of the tensors is the layer "
            "that reads the image, whose steps are pixels.",
        ),
        previous_stride_only,
        Mutant(
            lambda kernels, dilations, strides: receptive_field(
                kernels, dilations, strides * dilations
            ),
            "a dilation lengthens later steps",
            "You let the dilation lengthen the steps of the later layers. It spreads the taps of its own layer "
            "only; "
            "the outputs of that layer are still one position apart.",
        ),
        strides_added,
    ),
    cases=cases_arithmetic,
    probe=probes.result,
    hints=(
        "Keep two numbers while you go through the layers: the field so far, and how many pixels one step is.",
        "The field starts at 1 and the step at 1. Which of the two does a layer change first?",
        "First `field += (k - 1) * d * step`, and only then `step *= s`.",
    ),
    blocked=("course_lib.denoise.receptive_field", "course_lib.denoise.sight"),
)

# --- receptive_field.effective --------------------------------------------------------------------------------------

STATEMENT_EFFECTIVE = r"""
A stack of $n$ convolutions without activations, with one channel throughout. PyTorch's convolution with a kernel $w$ of
$k \times k$ is $x'(o) = \sum_j w(j)\, x(o + j)$, with the offset $j$ counted from the middle of the kernel. Propagate
an impulse at the output back: the gradient $g(p)$ of the output pixel at the origin with respect to the input pixel at
offset $p$ is a sum over all paths, one offset $j_l$ from each kernel, whose offsets add up to $p$:

$$g(p) = \sum_{j_1 + \dots + j_n = p} w_1(j_1) \cdots w_n(j_n).$$

It lives on a square of $r = n (k - 1) + 1$ pixels. You are given the random kernels of $R$ such networks.
Return their **effective field**, the mean over the networks of where the energy of the gradient lies:

$$e(p) = \frac1R \sum_{i=1}^{R} \frac{g_i(p)^2}{\sum_q g_i(q)^2}.$$

The result is a map of $r \times r$ pixels that sums to one. `F.conv_transpose2d` is the backward pass of `F.conv2d`.
"""

STUB_EFFECTIVE = '''
def effective_field(kernels):
    """kernels: (R, n, k, k), layer by layer; returns (r, r) with r = n (k - 1) + 1."""
    ...
'''


def gradients(kernels):
    count, depth, _, _ = kernels.shape
    g = kernels.new_ones(1, count, 1, 1)
    for layer in range(depth):
        g = F.conv_transpose2d(g, kernels[:, layer, None], groups=count)
    return g[0]


def effective_field(kernels):
    squares = gradients(kernels) ** 2
    return (squares / squares.sum(dim=(1, 2), keepdim=True)).mean(dim=0)


def effective_field_by_autograd(kernels):
    fields = []
    for network in kernels:
        side = len(network) * (kernels.shape[-1] - 1) + 1
        x = torch.zeros(1, 1, side, side, dtype=kernels.dtype, requires_grad=True)
        out = x
        for w in network:
            out = F.conv2d(out, w[None, None])
        (g,) = torch.autograd.grad(out.sum(), x)
        fields.append(g[0, 0].square() / g.square().sum())
    return torch.stack(fields).mean(0)


def effective_field_by_spectra(kernels):
    side = kernels.shape[1] * (kernels.shape[-1] - 1) + 1
    spectra = torch.fft.fft2(kernels.double(), s=(side, side)).prod(dim=1)
    energy = torch.fft.ifft2(spectra).real.square()
    return (energy / energy.sum((-2, -1), keepdim=True)).mean(0).to(kernels.dtype)


@mutant(
    "the mean before the square",
    "You average the gradients first and square then. Random gradients have both signs and cancel; the effective "
    "field averages their energy.",
)
def mean_first(kernels):
    squares = gradients(kernels).mean(0).square()
    return squares / squares.sum()


@mutant(
    "absolute values instead of squares",
    "You average |g|. For squares the variances of the steps add up, which is what gives the law of the walk; with "
    "absolute values the map is wider.",
)
def magnitudes(kernels):
    g = gradients(kernels).abs()
    return (g / g.sum((1, 2), keepdim=True)).mean(0)


@mutant(
    "a few networks count for all",
    "You normalise once, after the mean, so a network with large gradients outweighs the others. Divide each "
    "network's energy by its own sum first.",
)
def lucky_ones(kernels):
    squares = gradients(kernels).square().mean(0)
    return squares / squares.sum()


@mutant(
    "divided by the peak",
    "You divide by the largest value of each network. The map is to sum to one: divide by the sum.",
)
def peak_is_one(kernels):
    squares = gradients(kernels).square()
    return (squares / squares.amax((1, 2), keepdim=True)).mean(0)


@mutant(
    "a map for each network",
    "You return a map for each network. The effective field is their mean.",
)
def each_network(kernels):
    squares = gradients(kernels) ** 2
    return squares / squares.sum(dim=(1, 2), keepdim=True)


@mutant(
    "kernels are added",
    "You add the kernels. Layers follow one another: a path multiplies one weight of each, and offsets add up. "
    "That is a convolution of the kernels.",
)
def kernels_added(kernels):
    rim = (kernels.shape[1] - 1) * (kernels.shape[-1] // 2)
    squares = F.pad(kernels.sum(1), (rim,) * 4).square()
    return (squares / squares.sum((1, 2), keepdim=True)).mean(0)


@mutant(
    "cut to one kernel",
    "Your map has the size of one kernel: it was cut on the way. An impulse grows by k - 1 pixels in each layer.",
)
def cropped(kernels):
    rim = (kernels.shape[1] - 1) * (kernels.shape[-1] // 2)
    return effective_field(kernels)[rim : -rim or None, rim : -rim or None]


def cases_effective(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, networks: int, depth: int, kernel: int) -> Case:
        numbers = variant.numbers(seed, "effective", name)
        kernels = numbers.standard_normal((networks, depth, kernel, kernel)).round(2)
        kernels *= numbers.uniform(0.5, 2.0, (networks, 1, 1, 1)).round(1)
        return Case(
            name,
            {"kernels": kernels.astype(np.float32)},
            letters={"result": "H W"},
            tolerances={"result": Tolerance(relative=1e-3, absolute=1e-5)},
        )

    return [
        case("four networks of three layers", 4, 3, 3),
        case("three networks of two layers of 5 x 5", 3, 2, 5),
        case("two networks of four layers", 2, 4, 3),
    ]


EFFECTIVE = Problem(
    id="receptive_field.effective",
    points=3,
    goal="Compute the effective receptive field",
    statement=STATEMENT_EFFECTIVE,
    stub=STUB_EFFECTIVE,
    reference=effective_field,
    alternates=(effective_field_by_autograd, effective_field_by_spectra),
    mutants=(
        mean_first,
        magnitudes,
        lucky_ones,
        Mutant(
            lambda kernels: gradients(kernels).square().mean(0),
            "nothing is normalised",
            "Your map does not sum to one: each network's energy has to be divided by its own sum.",
        ),
        peak_is_one,
        Mutant(
            lambda kernels: effective_field(kernels.flip(-1, -2)),
            "the kernels are mirrored",
            "Your map is mirrored. The output at the origin reads x(o + j): the weight at offset j belongs to the "
            "input "
            "pixel at offset +j. `F.conv_transpose2d` puts it there; a `conv2d` of an impulse puts it at -j.",
        ),
        Mutant(
            lambda kernels: F.pad(
                effective_field(kernels[:, 1:]), (kernels.shape[-1] // 2,) * 4
            ),
            "a layer is missing",
            "The values fit a stack without its first layer. The impulse goes through all n kernels.",
        ),
        Mutant(
            lambda kernels: effective_field(kernels).sqrt(),
            "a root at the end",
            "You take the root at the end. That is handy for pictures; the effective field is the energy itself.",
        ),
        Mutant(
            lambda kernels: effective_field(kernels) * len(kernels),
            "the sum over networks",
            "You add the maps of the networks; the field is their mean and sums to one.",
        ),
        each_network,
        kernels_added,
        cropped,
    ),
    cases=cases_effective,
    probe=probes.result,
    hints=(
        "Begin with one network and an impulse of 1 x 1 pixel. What size has it after each layer?",
        "`F.conv_transpose2d(g, w[None, None])` takes an impulse back through a layer with the kernel w.",
        "Square, divide by the sum over both axes of the map (keepdim=True), and only then take the mean over the "
        "networks.",
    ),
    blocked=("course_lib.denoise.receptive_field",),
)

# --- receptive_field.diffused ---------------------------------------------------------------------------------------

STATEMENT_DIFFUSED = r"""
Luo et al. (2016) start networks with weights that are smaller in the middle of each kernel and larger outside. Take any
random weights $w$ of shape (out, in, k, k), $k$ odd, and multiply the weight at offset $m$ from the middle of its
kernel by

$$\sqrt{1 - s + s\, \frac{|m|^2}{\overline{|m|^2}}}\,,$$

where $|m|^2 = m_1^2 + m_2^2$ is the squared distance from the middle, $\overline{|m|^2}$ its mean over the $k^2$
positions, and $s$ the strength: 0 changes nothing, 1 leaves nothing in the middle. The squares of the factors have
mean one, so the layer keeps its variance, and the new start differs from the old one in *where* it looks only.

Return the new weights and leave the old ones as they are.
"""

STUB_DIFFUSED = '''
def diffused(weight, *, strength):
    """weight: (out, in, k, k); returns new weights of the same shape."""
    ...
'''


def diffused(weight, *, strength):
    offset = torch.arange(weight.shape[-1]) - weight.shape[-1] // 2
    squared = (offset[:, None] ** 2 + offset**2).to(weight)
    return weight * (1 - strength + strength * squared / squared.mean()).sqrt()


def diffused_by_loops(weight, *, strength):
    k = weight.shape[-1]
    squared = {
        (i, j): (i - k // 2) ** 2 + (j - k // 2) ** 2 for i in range(k) for j in range(k)
    }
    mean = sum(squared.values()) / k**2
    new = weight.clone()
    for (i, j), value in squared.items():
        new[..., i, j] = weight[..., i, j] * (1 - strength + strength * value / mean) ** 0.5
    return new


def diffused_by_closed_form(weight, *, strength):
    k = weight.shape[-1]
    along = torch.linspace(-(k - 1) / 2, (k - 1) / 2, k).square()
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    return torch.einsum(
        "oiab,ab->oiab",
        weight,
        (1 - strength + 6 * strength / (k * k - 1) * (rows + columns)).sqrt(),
    )


def _factors(weight, strength, *, centre=None, squared=None, root=True, mean=None):
    k = weight.shape[-1]
    place = torch.arange(k, dtype=weight.dtype) - (k // 2 if centre is None else centre)
    distance = (
        place[:, None] ** 2 + place**2
        if squared is None
        else squared(place[:, None], place)
    )
    values = (
        1
        - strength
        + strength * distance / (distance.mean() if mean is None else mean(distance))
    )
    return weight * (values.sqrt() if root else values)


@mutant(
    "the middle grows",
    "Your weights are largest in the middle: that makes the field narrower. Factors should grow with the distance.",
)
def concentrated(weight, *, strength):
    k = weight.shape[-1]
    place = torch.arange(k, dtype=weight.dtype) - k // 2
    distance = place[:, None] ** 2 + place**2
    distance = distance.max() - distance
    return weight * (1 - strength + strength * distance / distance.mean()).sqrt()


@mutant(
    "the old weights are changed",
    "The values are right, but you changed the weights that you were given. Return new ones: whoever called you "
    "may want to compare.",
)
def in_place(weight, *, strength):
    weight.copy_(diffused(weight, strength=strength))
    return weight


def cases_diffused(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, strength: float, *shape: int) -> Case:
        weight = (
            variant.numbers(seed, "diffused", name)
            .standard_normal(shape)
            .round(2)
            .astype(np.float32)
        )
        return Case(
            name,
            {"weight": weight, "strength": np.array(strength)},
            letters={"result": "O I K K"},
        )

    return [
        case("strength 0.8", 0.8, 3, 2, 3, 3),
        case("5 x 5", 0.5, 2, 2, 5, 5),
        case("nothing in the middle", 1.0, 2, 1, 3, 3),
    ]


DIFFUSED = Problem(
    id="receptive_field.diffused",
    points=2,
    goal="Start weights that look further",
    statement=STATEMENT_DIFFUSED,
    stub=STUB_DIFFUSED,
    reference=diffused,
    alternates=(diffused_by_loops, diffused_by_closed_form),
    mutants=(
        Mutant(
            lambda weight, *, strength: _factors(weight, strength, root=False),
            "the root is left out",
            "Your factors are squared: the root is missing. It is the *variances*, the squares of the weights, "
            "whose "
            "factors have mean one.",
        ),
        Mutant(
            lambda weight, *, strength: _factors(weight, strength, centre=0),
            "distances from the corner",
            "You measure the distance from the top left entry. The middle of a kernel of side k is at k // 2.",
        ),
        Mutant(
            lambda weight, *, strength: _factors(
                weight, strength, squared=lambda a, b: (a**2 + b**2).sqrt()
            ),
            "the distance is not squared",
            "You use |m| where the formula has its square.",
        ),
        Mutant(
            lambda weight, *, strength: _factors(
                weight, strength, mean=lambda distance: 1.0
            ),
            "not divided by the mean",
            "You do not divide by the mean of |m|^2, so the weights grow as a whole and you would measure the "
            "effect of "
            "larger weights.",
        ),
        Mutant(
            lambda weight, *, strength: _factors(
                weight, strength, mean=lambda distance: distance.max()
            ),
            "divided by the largest",
            "You divide by the largest |m|^2; then all factors are at most one and the layer's variance shrinks. "
            "Divide by "
            "the mean.",
        ),
        concentrated,
        Mutant(
            lambda weight, *, strength: _factors(
                weight, strength, squared=lambda a, b: a**2 + 0 * b
            ),
            "one axis only",
            "Your factors change along one axis only. The squared distance adds the squares of both offsets.",
        ),
        Mutant(
            lambda weight, *, strength: _factors(
                weight, strength, squared=lambda a, b: torch.maximum(a.abs(), b.abs()) ** 2
            ),
            "rings instead of circles",
            "You take the larger of the two offsets. |m|^2 is the sum of their squares, so corners are twice as far "
            "as "
            "edges.",
        ),
        Mutant(
            lambda weight, *, strength: _factors(weight, 1.0),
            "the strength is not used",
            "Your result does not depend on the strength. At 0 nothing should change.",
        ),
        in_place,
    ),
    cases=cases_diffused,
    probe=probes.result,
    hints=(
        "Build a k x k tensor of squared distances first. For k = 3 it is 2 1 2, 1 0 1, 2 1 2.",
        "A row of offsets and a column of offsets broadcast to a square: `offset[:, None] ** 2 + offset ** 2`.",
        "Divide by the mean of the square, mix with 1 by the strength, take the root, multiply: (k, k) broadcasts "
        "against "
        "(out, in, k, k).",
    ),
    blocked=("course_lib.denoise.receptive_field",),
)

PROBLEMS = (ARITHMETIC, EFFECTIVE, DIFFUSED)
