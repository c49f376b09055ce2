"""Exercises of lecture dncnn: the loss of residual learning, the network, and batches of unknown noise level.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- dncnn.residual_loss --------------------------------------------------------------------------------------------

STATEMENT_LOSS = r"""
The layers of DnCNN do not estimate the clean image. From a noisy batch $z = y + \eta$ they compute $R(z)$, an
estimate of the **noise** $\eta = z - y$. For a batch of $N$ images the paper minimises

$$\ell = \frac{1}{2N} \sum_{n=1}^{N} \bigl\lVert R(z_n) - (z_n - y_n) \bigr\rVert^2$$

(Zhang et al. 2017, Eq. 1). The squared norm adds the squares of all pixels and channels of an image. Write this loss
as a function of `estimate`, which is $R(z)$, of `z` and of `y`. It returns one number as a tensor, through which
gradients can flow back. (The training in `course_lib` also divides by the number of pixels of an image; here write
the paper's loss.)
"""

STUB_LOSS = '''
def residual_loss(estimate, z, y):
    """estimate, z, y: (N, C, H, W); returns a scalar tensor."""
    noise = ...     # what the network should have estimated
    return ...
'''


def residual_loss(estimate, z, y):
    noise = z - y
    return ((estimate - noise) ** 2).sum() / (2 * len(z))


def residual_loss_of_torch(estimate, z, y):
    return 0.5 * F.mse_loss(estimate, z - y, reduction="sum") / z.shape[0]


def residual_loss_by_image(estimate, z, y):
    norms = torch.linalg.vector_norm(z - estimate - y, dim=(1, 2, 3))
    return norms.square().mean() / 2


def residual_loss_in_a_loop(estimate, z, y):
    total = torch.zeros(())
    for one, noisy, clean in zip(estimate, z, y, strict=True):
        total = total + torch.sum((one + clean - noisy).pow(2))
    return total / 2 / len(estimate)


def cases_loss(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, *shape: int) -> Case:
        numbers = variant.numbers(seed, "residual_loss", name)
        y = numbers.uniform(0.05, 0.95, shape)
        eta = 0.3 * numbers.standard_normal(shape)
        estimate = 0.6 * eta + 0.2 * numbers.standard_normal(shape) + 0.1
        arrays = {"estimate": estimate, "z": y + eta, "y": y}
        return Case(
            name,
            {key: array.round(2).astype(np.float32) for key, array in arrays.items()},
            letters={"gradient": "N C H W"},
        )

    return [
        case("two gray images", 2, 1, 4, 3),
        case("three colour images", 3, 3, 2, 3),
        case("one image", 1, 1, 3, 3),
    ]


RESIDUAL_LOSS = Problem(
    id="dncnn.residual_loss",
    points=2,
    goal="Write the loss of residual learning",
    statement=STATEMENT_LOSS,
    stub=STUB_LOSS,
    reference=residual_loss,
    alternates=(residual_loss_of_torch, residual_loss_by_image, residual_loss_in_a_loop),
    mutants=(
        Mutant(
            lambda estimate, z, y: F.mse_loss(estimate, z - y),
            "mean over pixels",
            "You take the mean over all pixels; the equation sums the pixels of an image, halves, and only the "
            "images are averaged. Both have the same minimum, but your gradients are smaller by the number of "
            "pixels, so a learning rate published for SGD would hardly move your network.",
        ),
        Mutant(
            lambda estimate, z, y: 0.5 * torch.mean((estimate - (z - y)) ** 2),
            "half the mean over pixels",
            "The half is there, but you average over pixels as well. In the equation only N, the number of images, "
            "divides: the norm is a sum over pixels and channels. The course's own training divides as you do, on "
            "purpose, so that one learning rate fits all patch sizes; here write the paper's loss.",
        ),
        Mutant(
            lambda estimate, z, y: F.mse_loss(estimate, z - y, reduction="sum") / len(z),
            "the half is missing",
            "Your loss is twice too large: the equation divides by 2N, not by N. The 2 cancels the one that "
            "differentiating the square brings down.",
        ),
        Mutant(
            lambda estimate, z, y: 0.5 * torch.sum((estimate - (z - y)) ** 2),
            "not divided by N",
            "Your loss grows with the batch: the sum over images is not divided by N. Then a batch twice as large "
            "would act like a learning rate twice as large.",
        ),
        Mutant(
            lambda estimate, z, y: ((estimate - y) ** 2).sum() / (2 * len(y)),
            "the target is the clean image",
            "You compare R(z) with the clean image y. That trains a network to output the image itself; residual "
            "learning wants the noise from it. Which part of z is noise?",
        ),
        Mutant(
            lambda estimate, z, y: ((estimate - z) ** 2).sum() / (2 * len(y)),
            "the target is the noisy image",
            "You compare R(z) with z, which the network already sees as its input: copying it would make this loss "
            "zero. The target is only the noise in z.",
        ),
        Mutant(
            lambda estimate, z, y: ((estimate - (y - z)) ** 2).sum() / (2 * len(y)),
            "the noise has the wrong sign",
            "Your target is y - z, the noise with the wrong sign. Since z = y + noise, and the clean estimate is "
            "z - R(z), what should R(z) be?",
        ),
        Mutant(
            lambda estimate, z, y: (estimate - (z - y)).abs().sum() / (2 * len(y)),
            "absolute values instead of squares",
            "You add absolute values; the equation adds squares. Squares lead to the mean of the possible clean "
            "images, absolute values to their median.",
        ),
        Mutant(
            lambda estimate, z, y: (
                torch.linalg.vector_norm(estimate - (z - y), dim=(1, 2, 3)).mean() / 2
            ),
            "the norm is not squared",
            "You average the norms of the errors; the equation averages their squares. The root makes every "
            "image pull equally hard, however wrong its estimate is.",
        ),
        Mutant(
            lambda estimate, z, y: 0.5 * ((estimate - (z - y)) ** 2).sum(dim=(1, 2, 3)),
            "a loss for each image",
            "You return one number for each image, and the half of it is right. Gradient descent needs one number "
            "for the whole batch: the mean of yours.",
        ),
        Mutant(
            lambda estimate, z, y: residual_loss(estimate, z, y).item(),
            "the graph is cut",
            "The value is right, but it is a plain number: `.item()`, `float(...)` and `.detach()` cut it from the "
            "graph, so no gradient would reach the network. Return the tensor.",
        ),
    ),
    cases=cases_loss,
    probe=probes.loss,
    hints=(
        "First write down what the network should have said: which part of `z` is not `y`?",
        "There are three steps: the error of the estimate, its squares added up over everything, and one division.",
        "`.sum()` without arguments adds over images, channels and pixels at once. What is left is the factor 1/(2N); "
        "N is the length of the first axis.",
    ),
    blocked=("course_lib.denoise.dncnn",),
)

# --- dncnn.network --------------------------------------------------------------------------------------------------

STATEMENT_NETWORK = r"""
Build DnCNN for gray images. With depth $D$ and width $W$ its layers are, in this order:

| layers | how many | channels |
|---|---|---|
| convolution, ReLU | 1 | $1 \to W$ |
| convolution, batch norm, ReLU | $D - 2$ | $W \to W$ |
| convolution | 1 | $W \to 1$ |

All convolutions are $3 \times 3$, keep the size of the image by zero padding, and have **no bias**: batch norm brings a
shift of its own. Together the layers compute the noise $R(z)$. The network returns the clean estimate
$\hat y = z - R(z)$.

Two numbers to test yourself: at $D = 17$, $W = 64$ the convolutions have 554 112 weights, and a pixel of the output
depends on $35 \times 35$ pixels of the input.
"""

STUB_NETWORK = '''
class DnCNN(nn.Module):
    """Maps noisy images z (N, 1, H, W) to clean estimates (N, 1, H, W)."""

    def __init__(self, *, depth, width):
        super().__init__()
        self.residual = ...     # the layers that compute R(z)

    def forward(self, z):
        return ...
'''


def conv(inputs, outputs, padding=1, bias=False):
    return nn.Conv2d(inputs, outputs, 3, padding=padding, bias=bias)


class DnCNN(nn.Module):
    def __init__(self, *, depth, width):
        super().__init__()
        layers = [conv(1, width), nn.ReLU()]
        for _ in range(2, depth):
            layers += [conv(width, width), nn.BatchNorm2d(width), nn.ReLU()]
        self.residual = nn.Sequential(*layers, conv(width, 1))

    def forward(self, z):
        return z - self.residual(z)


class NamedLayers(nn.Module):
    """The last layer is made first, the middle ones are in a ModuleList, the activation is a function."""

    def __init__(self, *, depth, width):
        super().__init__()
        self.last = conv(width, 1)
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width, eps=1e-4, momentum=0.05) for _ in range(depth - 2)
        )
        self.middle = nn.ModuleList(conv(width, width) for _ in range(depth - 2))
        self.first = conv(1, width)

    def forward(self, z):
        x = F.relu(self.first(z))
        for layer, norm in zip(self.middle, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return z - self.last(x)


class Blocks(nn.Module):
    """Nested blocks, padding="same", in-place activations, and the subtraction as an addition."""

    def __init__(self, depth, width):
        super().__init__()
        widths = [1] + [width] * (depth - 1) + [1]
        self.body = nn.Sequential()
        for i in range(depth):
            block = nn.Sequential(
                nn.Conv2d(widths[i], widths[i + 1], (3, 3), padding="same", bias=False)
            )
            if 0 < i < depth - 1:
                block.append(nn.BatchNorm2d(width))
            if i < depth - 1:
                block.append(nn.ReLU(inplace=True))
            self.body.append(block)

    def forward(self, z):
        return torch.add(z, self.body(z), alpha=-1)


class Wrong(DnCNN):
    """The reference, one of whose choices each mutant changes."""

    def __init__(
        self,
        *,
        depth,
        width,
        padding=1,
        bias=False,
        first_norm=False,
        last_relu=False,
        blocks=None,
    ):
        nn.Module.__init__(self)
        layers = [
            conv(1, width, padding, bias),
            *[nn.BatchNorm2d(width)] * first_norm,
            nn.ReLU(),
        ]
        for _ in range(depth - 2 if blocks is None else blocks):
            layers += self.block(width, padding, bias)
        self.residual = nn.Sequential(
            *layers, conv(width, 1, padding, bias), *[nn.ReLU()] * last_relu
        )

    def block(self, width, padding, bias):
        return [conv(width, width, padding, bias), nn.BatchNorm2d(width), nn.ReLU()]


@mutant(
    "returns the noise",
    "You return R(z), which is the noise. The layers are right; what is left to do in `forward` to get the clean "
    "estimate from the noisy image?",
)
class ReturnsNoise(DnCNN):
    def forward(self, z):
        return self.residual(z)


@mutant(
    "adds the noise",
    "You add R(z) to the noisy image. R(z) is the noise that is in z already: take it away.",
)
class AddsNoise(DnCNN):
    def forward(self, z):
        return z + self.residual(z)


@mutant(
    "output clamped to [0, 1]",
    "You clamp the clean estimate to [0, 1]. Where it is clamped no gradient flows back, so a network that is "
    "wrong there is never corrected; and the statement asks for z - R(z) as it is. Clip pictures where they are "
    "shown, not in the network.",
)
class Clamped(DnCNN):
    def forward(self, z):
        return super().forward(z).clamp(0, 1)


@mutant(
    "ReLU on the output",
    "Your output is never negative: there is a ReLU, or a clamp at 0, behind z - R(z). Where it cuts, no gradient "
    "flows back and nothing is learned. ReLUs belong between the layers; the subtraction comes last.",
)
class NeverNegative(DnCNN):
    def forward(self, z):
        return F.relu(super().forward(z))


@mutant(
    "biases in the first and the last layer",
    "Your first and your last convolution have a bias; PyTorch adds one unless told otherwise. The table wants "
    "none in any layer: also the two layers that no batch norm follows do without.",
)
class BiasAtTheEnds(DnCNN):
    def __init__(self, *, depth, width):
        super().__init__(depth=depth, width=width)
        self.residual[0] = conv(1, width, bias=True)
        self.residual[-1] = conv(width, 1, bias=True)


@mutant(
    "a bias in the first layer",
    "Your first convolution has a bias; PyTorch adds one unless told otherwise. The table wants none in any layer, "
    "the first one included, although no batch norm follows it.",
)
class BiasAtTheStart(DnCNN):
    def __init__(self, *, depth, width):
        super().__init__(depth=depth, width=width)
        self.residual[0] = conv(1, width, bias=True)


@mutant(
    "batch norm after the last layer",
    "There is a batch norm behind the last convolution. It would rescale R(z) by the statistics of the batch, but "
    "the strength of the noise is what R(z) has to say: the last layer is a bare convolution.",
)
class NormAtTheEnd(DnCNN):
    def __init__(self, *, depth, width):
        super().__init__(depth=depth, width=width)
        self.residual.append(nn.BatchNorm2d(1))


@mutant(
    "no batch norm",
    "The batch norms are missing. Each of the D - 2 middle layers is convolution, batch norm, ReLU.",
)
class WithoutNorm(Wrong):
    def block(self, width, padding, bias):
        return [conv(width, width), nn.ReLU()]


@mutant(
    "ReLU before batch norm",
    "Your middle layers are convolution, ReLU, batch norm. In DnCNN the batch norm comes before the ReLU: it "
    "centres the channel, so that the ReLU cuts about half of it.",
)
class NormAfterRelu(Wrong):
    def block(self, width, padding, bias):
        return [conv(width, width), nn.ReLU(), nn.BatchNorm2d(width)]


@mutant(
    "one block, used again and again",
    "Your middle layers all share one set of weights. A list times a number repeats the same objects; it makes no "
    "new ones. Make new layers in every round of a loop.",
)
class SharedBlock(nn.Module):
    def __init__(self, *, depth, width):
        super().__init__()
        middle = [conv(width, width), nn.BatchNorm2d(width), nn.ReLU()] * (depth - 2)
        self.residual = nn.Sequential(conv(1, width), nn.ReLU(), *middle, conv(width, 1))

    def forward(self, z):
        return z - self.residual(z)


@mutant(
    "layers in a plain list",
    "Your network holds layers that PyTorch does not find among its `parameters()`, so an optimiser would never "
    "train them. A plain Python list hides its layers: put them into `nn.Sequential` or `nn.ModuleList`.",
)
class PlainList(NamedLayers):
    def __init__(self, *, depth, width):
        super().__init__(depth=depth, width=width)
        middle = list(self.middle)
        del self.middle
        self.middle = middle


@mutant(
    "cropped instead of padded",
    "You crop the image to the size of R(z). The clean estimate should be as large as the image: let the "
    "convolutions pad with zeros instead.",
)
class CroppedResidual(DnCNN):
    def __init__(self, *, depth, width):
        super().__init__(depth=depth, width=width)
        self.residual = Wrong(depth=depth, width=width, padding=0).residual
        self.margin = depth

    def forward(self, z):
        m = self.margin
        return z[..., m:-m, m:-m] - self.residual(z)


def cases_network(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, depth: int, width: int, *shape: int) -> Case:
        z = (
            variant.numbers(seed, "network", name)
            .uniform(-0.2, 1.2, shape)
            .round(2)
            .astype(np.float32)
        )
        return Case(
            name,
            {"depth": np.array(depth), "width": np.array(width), "z": z},
            letters={"output": "N C H W"},
            tolerances={"output": Tolerance(relative=1e-3, absolute=2e-3)},
        )

    return [
        case("depth 5, width 4", 5, 4, 2, 1, 12, 11),
        case("depth 3, width 6", 3, 6, 1, 1, 8, 9),
    ]


NETWORK = Problem(
    id="dncnn.network",
    points=3,
    goal="Build DnCNN",
    statement=STATEMENT_NETWORK,
    stub=STUB_NETWORK,
    reference=DnCNN,
    alternates=(NamedLayers, Blocks),
    mutants=(
        ReturnsNoise,
        AddsNoise,
        Mutant(
            lambda *, depth, width: Wrong(depth=depth, width=width, first_norm=True),
            "batch norm after the first layer",
            "There is a batch norm behind the first convolution too. Only the D - 2 middle layers have one: the "
            "first layer reads the noisy image, and the last writes the noise, as they are.",
        ),
        Mutant(
            lambda *, depth, width: Wrong(depth=depth, width=width, last_relu=True),
            "ReLU after the last layer",
            "There is a ReLU behind the last convolution, so R(z) is never negative. Noise is negative half of the "
            "time: the last layer has to be a bare convolution.",
        ),
        Mutant(
            lambda *, depth, width: Wrong(depth=depth, width=width, bias=True),
            "convolutions with biases",
            "Your convolutions have biases, as they do in PyTorch unless told otherwise. Batch norm subtracts the "
            "mean of a channel, so a bias in front of it changes nothing at all. The first and the "
            "last layer go without one as well.",
        ),
        BiasAtTheEnds,
        BiasAtTheStart,
        NormAtTheEnd,
        Clamped,
        NeverNegative,
        Mutant(
            lambda *, depth, width: Wrong(depth=depth, width=width, blocks=depth),
            "D middle layers",
            "You have D middle layers. D counts all convolutions, the first and the last too. The receptive field "
            "shows it: each 3 x 3 layer adds 2 pixels, and yours is 4 too large.",
        ),
        Mutant(
            lambda *, depth, width: Wrong(depth=depth, width=width, blocks=depth - 1),
            "D - 1 middle layers",
            "There is one middle layer too many. D counts all convolutions, and both the first and the last are "
            "among them.",
        ),
        Mutant(
            lambda *, depth, width: Wrong(depth=depth, width=width, blocks=depth - 3),
            "D - 3 middle layers",
            "There is one middle layer too few: with a first and a last convolution, D - 2 are between them. "
            "Does your loop begin at 1 and stop early?",
        ),
        WithoutNorm,
        NormAfterRelu,
        SharedBlock,
        PlainList,
        Mutant(
            lambda *, depth, width: Wrong(depth=depth, width=width, padding=0),
            "no padding",
            "Your convolutions have no padding: each of them loses a pixel on every side, so R(z) is smaller than z "
            "and cannot be subtracted from it. How much padding does a 3 x 3 kernel need to keep the size?",
        ),
        CroppedResidual,
    ),
    cases=cases_network,
    probe=probes.network,
    hints=(
        "Write the layers into a Python list first, the middle ones in a loop, and hand the list to `nn.Sequential` "
        "with a star in front.",
        "Look up three arguments of `nn.Conv2d`: the size of the kernel, the padding that keeps the image's size, and "
        "the one that switches the bias off.",
        "`depth` counts every convolution, so the loop runs `depth - 2` times and adds three layers each time. "
        "`forward` needs one line: run the layers, and take their result away from what came in.",
    ),
    blocked=("course_lib.denoise.dncnn",),
)

# --- dncnn.blind_batch ----------------------------------------------------------------------------------------------

STATEMENT_BATCH = r"""
A network that was trained at one noise level fails at the others. DnCNN-B is trained on all of them at once: every
image $n$ of a batch gets a level of its own,

$$\sigma_n \sim \mathcal{U}(a, b), \qquad z_n = y_n + \sigma_n \, \xi_n, \qquad \xi_n \sim \mathcal{N}(0, 1)
\text{ for each pixel and channel, independently.}$$

Write the function that makes such a noisy batch; `low` is $a$ and `high` is $b$, in the unit of the images. Draw
**all** random numbers from `generator` (as in `torch.rand(..., generator=generator)`), so that a run can be repeated.
Do not clip: clipped noise is no longer zero on average.
"""

STUB_BATCH = '''
def blind_batch(y, *, low, high, generator):
    """y: clean images (N, C, H, W); returns noisy images of the same shape."""
    sigma = ...     # the levels
    return ...
'''


def blind_batch(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, 1, generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


def blind_batch_noise_first(y, *, low, high, generator):
    eta = torch.empty_like(y).normal_(generator=generator)
    sigma = torch.empty(y.shape[0]).uniform_(low, high, generator=generator)
    return torch.einsum("n,nchw->nchw", sigma, eta) + y


def blind_batch_by_image(y, *, low, high, generator):
    noisy = []
    for image in y:
        sigma = float(torch.rand(1, generator=generator)) * (high - low) + low
        noisy.append(torch.normal(image, sigma, generator=generator))
    return torch.stack(noisy)


@mutant(
    "one level for the batch",
    "All images of a batch get the same noise level. Then every step of the training pulls the network towards one "
    "level only. Draw N levels, in a shape that broadcasts against (N, C, H, "
    "W).",
    decisive=("repeatable", "tails", "stuck", "channels", "rows", "columns", "within"),
)
def one_level(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(1, generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "a level for each pixel",
    "Every pixel gets a level of its own. A network cannot read a level from one pixel; the mixture merely looks "
    "like one heavy-tailed noise of a single level. Draw one level for each image.",
)
def level_of_each_pixel(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(y.shape, generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "a level for each channel",
    "The channels of one image get different levels. In the equation sigma has the index n only: one level for "
    "each image.",
)
def level_of_each_channel(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(*y.shape[:2], 1, 1, generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "a level for each row",
    "Every row of pixels gets a level of its own. In the equation sigma has the index n only: one level for a "
    "whole image. Which axes of (N, C, H, W) must have length 1 in the tensor of the "
    "levels?",
    decisive=("repeatable", "tails", "stuck", "rows", "columns"),
)
def level_of_each_row(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, y.shape[2], 1, generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "a level for each column",
    "Every column of pixels gets a level of its own. In the equation sigma has the index n only: one level for a "
    "whole image. The levels stand along the last axis of (N, C, H, W) and belong along the "
    "first.",
    decisive=("repeatable", "tails", "stuck", "rows", "columns"),
)
def level_of_each_column(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, y.shape[3], generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "levels along the width",
    "You draw N levels, but a tensor of shape (N,) is matched with the last axis: here every column of pixels gets "
    "a level, and where N differs from the width it would be an error. Give the levels the shape (N, 1, 1, 1).",
)
def levels_along_the_width(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "global random state",
    "Two calls with equal generators give different noise: some numbers do not come from `generator`. Hand it to "
    "every function that draws.",
    decisive=("repeatable",),
)
def global_numbers(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, 1)
    return y + sigma * torch.randn_like(y)


@mutant(
    "the same levels in every batch",
    "Every batch gets the very same levels: the first image always has the same one, and so on. They do not come "
    "from `generator` but from one that your function seeds itself, or from no chance at all. A whole training "
    "would then see N levels only. Draw the levels from `generator`, as the "
    "noise.",
    decisive=(
        "repeatable",
        "tails",
        "common",
        "stuck",
        "channels",
        "rows",
        "columns",
        "across",
    ),
)
def levels_seeded_inside(y, *, low, high, generator):
    own = torch.Generator().manual_seed(0)
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, 1, generator=own)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "the images share their noise",
    "The images of a batch share one noise pattern, only scaled. Draw the noise in the full shape of `y`.",
)
def same_noise(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, 1, generator=generator)
    return y + sigma * torch.randn(y.shape[1:], generator=generator)


@mutant(
    "one number for an image",
    "You draw one random number for each image, so the whole image is shifted and has no grain. The level has the "
    "shape (N, 1, 1, 1); the noise has the full shape of `y`.",
)
def one_number_for_an_image(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, 1, generator=generator)
    return y + sigma * torch.randn(len(y), 1, 1, 1, generator=generator)


@mutant(
    "uniform noise",
    "Your noise is uniform on [0, 1] and never negative: `torch.rand` where `torch.randn` is meant. The level is "
    "uniform, the noise itself is normal.",
)
def uniform_noise(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, 1, generator=generator)
    return y + sigma * torch.rand(y.shape, generator=generator)


@mutant(
    "starts at zero",
    "Your levels begin at 0, not at `low`. Stretch numbers from [0, 1] to the length of the range, then shift them "
    "to where it begins.",
)
def low_ignored(y, *, low, high, generator):
    sigma = high * torch.rand(len(y), 1, 1, 1, generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "ends above high",
    "Your levels go up to `low + high`. The range is `high - low` long, and begins at `low`.",
)
def low_added(y, *, low, high, generator):
    sigma = low + high * torch.rand(len(y), 1, 1, 1, generator=generator)
    return y + sigma * torch.randn(y.shape, generator=generator)


@mutant(
    "sigma taken as a variance",
    "Your noise levels are the square roots of what they should be: you use sigma as a variance. In z = y + sigma "
    "n, sigma is a standard deviation.",
)
def variance_for_level(y, *, low, high, generator):
    sigma = low + (high - low) * torch.rand(len(y), 1, 1, 1, generator=generator)
    return y + sigma**0.5 * torch.randn(y.shape, generator=generator)


def cases_batch(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, low: float, high: float, *shape: int) -> Case:
        y = (
            variant.numbers(seed, "blind_batch", name)
            .uniform(0.0, 0.4, shape)
            .round(2)
            .astype(np.float32)
        )
        width = high - low
        level = Tolerance(0.0, 0.04 * width)
        return Case(
            name,
            {"y": y, "low": np.array(low), "high": np.array(high)},
            tolerances={
                "mean": Tolerance(0.0, 0.02),
                "tails": Tolerance(0.0, 0.1),
                "common": Tolerance(0.0, 0.03),
                "stuck": Tolerance(0.0, 0.02),
                "channels": Tolerance(0.0, 0.01),
                "rows": Tolerance(0.0, 0.02),
                "columns": Tolerance(0.0, 0.02),
                "aligned": Tolerance(0.0, 0.02),
                "across": level,
                "within": level,
                "level": level,
                "spread": level,
            },
        )

    # as many images as columns, so that levels of shape (N,) broadcast in silence, as they will one day
    return [
        case("levels from 0.1 to 0.5", 0.1, 0.5, 8, 2, 12, 8),
        case("levels from 0.2 to 0.6", 0.2, 0.6, 8, 3, 6, 8),
    ]


BLIND_BATCH = Problem(
    id="dncnn.blind_batch",
    points=2,
    goal="Give every image a noise level of its own",
    statement=STATEMENT_BATCH,
    stub=STUB_BATCH,
    reference=blind_batch,
    alternates=(blind_batch_noise_first, blind_batch_by_image),
    mutants=(
        level_of_each_pixel,
        level_of_each_channel,
        level_of_each_row,
        levels_along_the_width,
        level_of_each_column,
        Mutant(
            lambda y, *, low, high, generator: blind_batch(
                y, low=low, high=high, generator=generator
            ).clamp(0, 1),
            "clipped",
            "You clip the noisy images. Near black the noise can then only go up, so it is no longer zero on "
            "average and the network would learn that shift. Leave values below 0 and above 1 as they are.",
        ),
        global_numbers,
        Mutant(
            lambda y, *, low, high, generator: blind_batch(
                y, low=low, high=high, generator=torch.Generator().manual_seed(0)
            ),
            "a new generator in each call",
            "Every batch gets the very same noise, since your function makes or seeds a generator by itself. A "
            "network can learn such a pattern by heart and then fails on any other. Draw on from `generator`.",
            decisive=("repeatable", "stuck"),
        ),
        same_noise,
        one_number_for_an_image,
        uniform_noise,
        low_ignored,
        low_added,
        variance_for_level,
        Mutant(
            lambda y, *, low, high, generator: blind_batch(
                y, low=low / 255, high=high / 255, generator=generator
            ),
            "divided by 255 again",
            "Your noise is 255 times too weak. `low` and `high` are already in the unit of the images, which "
            "lie in [0, 1].",
        ),
        Mutant(
            lambda y, *, low, high, generator: blind_batch(
                torch.zeros_like(y), low=low, high=high, generator=generator
            ),
            "the image is missing",
            "You return the noise alone. The noisy image is the clean one plus the noise.",
        ),
        one_level,
        levels_seeded_inside,
    ),
    cases=cases_batch,
    probe=probes.noise,
    hints=(
        "Two things are random, the levels and the noise. How many numbers does each of them need for a batch "
        "(N, C, H, W)?",
        "`torch.rand` draws from [0, 1]. What do you multiply it by, and what do you add, so that it covers "
        "[low, high]?",
        "N levels of shape (N, 1, 1, 1) broadcast against the noise, which has the shape of `y`; that one comes from "
        "`torch.randn`. Each of the two draws takes `generator=generator`.",
    ),
    blocked=("course_lib.denoise.dncnn", "course_lib.noise"),
)

PROBLEMS = (RESIDUAL_LOSS, NETWORK, BLIND_BATCH)
