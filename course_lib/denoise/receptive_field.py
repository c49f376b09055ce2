"""The receptive field: which pixels an output could use, and which of them it does use.

    r = 1 + sum_l (k_l - 1) d_l prod_{m<l} s_m            theoretical: kernels k, dilations d, strides s of the layers
    g = d f(z)(centre) / d z                              an impulse at the centre of the output, propagated back
    e(p) = mean_w [ g(p)^2 / sum_q g(q)^2 ]               effective: where the energy of g lies, over initialisations w

Every path of n steps from the centre of the output to a pixel of the input adds to g there, and far more paths lead to
the middle. With random weights of mean zero E[g^2] is the law of a random walk whose steps are the positions in a
kernel: a Gaussian of standard deviation sqrt(n (k^2 - 1) / 12) along each axis. It grows like sqrt(n), r like n.

Source: W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks", NIPS 2016, section 2; the diffused start is that of its section 4.

Deviations from the paper: the map is the mean energy of g, not the mean of |g| or of g: its spread follows the law of
the walk where weights have mean zero (with uniform positive kernels g itself is that law, and is shown as it is). Each
initialisation counts alike, or a few lucky ones would be all that one sees of deep networks. Sizes are standard
deviations, or the diameter of the disc of e above 4.55 % of its peak, the paper's threshold. The paper's networks are
ResNets with strides, which see 74 pixels (CIFAR-10) and 505 (CamVid); ours is a small one without strides, and what it
is trained for is in `classification`. The diffused start keeps the variance of a layer: the paper says only that
weights grow from the middle outwards.

Lecture receptive_fields teaches it; its exercise builds the arithmetic, the impulse and the diffused start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, devices, randomness
from course_lib.denoise.sight import evaluating, reach
from course_lib.layers import he_normal, initialise, quiet_constructors

LARGEST = 1024                       # pixels: the side of the largest field that is looked for
THRESHOLD = 1 - 0.9545               # of the peak: two standard deviations of a Gaussian hold 95.45 %
Initial = Callable[[Tensor, torch.Generator], None]
Activation = Literal["linear", "relu", "tanh"]
ACTIVATIONS: Mapping[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {   # and the slope, given
    "linear": (lambda x: x, torch.ones_like),                                                  # the activation's value
    "relu": (torch.relu, lambda value: value > 0),
    "tanh": (torch.tanh, lambda value: 1 - value**2),
}


# The theoretical field ---------------------------------------------------------------------------------------------


def by_arithmetic(layers: Iterable[tuple[int, int, int]]) -> int:
    """Compute the side of a receptive field: a layer adds (k - 1) d steps, and a step is as long as all strides before
    it.

    r = 1 + sum_l (k_l - 1) d_l prod_{m<l} s_m, for layers (kernel k, dilation d, stride s), first layer first.

    >>> [by_arithmetic([(3, 1, 1)] * depth) for depth in (5, 10, 20, 40)]
    [11, 21, 41, 81]
    >>> by_arithmetic([(3, 1, 2), (3, 1, 1)])
    7
    """
    field, step = 1, 1
    for kernel, dilation, stride in layers:
        field += (kernel - 1) * dilation * step
        step *= stride
    return field


def theoretical_field(network: Callable[..., Tensor], *, channels: int = 1, **told: Any) -> int:
    """Find the side of the square of input pixels that an output pixel can depend on, whatever the weights.

    Any network whose operations `sight` knows: strides, dilations, unshuffling, branches. Where outputs see squares of
    several sizes (after a transposed convolution, say), the largest. told: further arguments, such as FFDNet's sigma.

    >>> from course_lib.denoise.dncnn import DnCNN
    >>> from course_lib.denoise.ffdnet import FFDNet
    >>> theoretical_field(DnCNN()), theoretical_field(FFDNet(), sigma=25 / 255)
    (35, 62)
    """
    size = 64
    while size <= 2 * LARGEST:                                     # twice the field, or all outputs see the border
        sides = []
        for matrix in reach(network, size=size, channels=channels, **told):
            seen = matrix.any(0).chunk(4)                          # of the middle half: outputs far from the border
            if len(seen) == 4:
                sides += [_extent(row) for row in torch.cat(seen[1:3])]
        if sides and 2 * max(sides) <= size:
            return max(sides)
        size *= 2
    raise ValueError(f"this network sees more than {LARGEST} pixels, or the whole image. Usual cause: an average over "
                     "the image, a layer that connects everything, or many strides one after the other, each of which "
                     "doubles the steps of all layers behind it.")


def _extent(row: Tensor) -> int:
    """From the first to the last true entry.

    >>> _extent(torch.tensor([False, True, False, True]))
    3
    """
    seen = row.nonzero()
    return int(seen[-1] - seen[0]) + 1 if len(seen) else 0


# Networks to look at -----------------------------------------------------------------------------------------------


def constant(weight: Tensor, generator: torch.Generator) -> None:
    """Fill a kernel with equal positive weights of sum one: the "uniform" networks of the paper."""
    nn.init.constant_(weight, 1 / weight[0].numel())


def diffused(weight: Tensor, generator: torch.Generator, *, strength: float = 0.8) -> None:
    """Fill a kernel with random weights, smaller in its middle and larger outside; the variance of the layer is kept.

    w(m) <- w(m) sqrt(1 - s + s |m|^2 / mean |m|^2), m the offset from the middle, s the strength, after He's start.

    A step of the walk then has the variance (1 - s) 2/3 + s 5/6 along each axis, for 3 x 3 kernels, instead of 2/3.
    Source: Luo et al. 2016, section 4, which leaves the profile open.

    >>> weight = torch.empty(16, 16, 3, 3)
    >>> diffused(weight, torch.Generator().manual_seed(0), strength=1.0)
    >>> float(weight[..., 1, 1].abs().max())
    0.0
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: expected 0 (the usual start) to 1 (nothing in the middle), got {strength}.")
    he_normal(weight, generator)
    with torch.no_grad():
        weight.mul_(profile(weight.shape[-1], strength=strength).to(weight))


def profile(kernel: int, *, strength: float) -> Tensor:
    """Compute the factors of the diffused start (kernel, kernel): their squares have mean one.

    >>> profile(3, strength=1.0).square()
    tensor([[1.5000, 0.7500, 1.5000],
            [0.7500, 0.0000, 0.7500],
            [1.5000, 0.7500, 1.5000]])
    """
    offset = torch.arange(kernel) - (kernel - 1) / 2
    squared = offset[:, None] ** 2 + offset**2
    return (1 - strength + strength * squared / squared.mean()).sqrt() if kernel > 1 else torch.ones(1, 1)


class Stack(nn.Module):
    """A plain stack of convolutions without biases, Conv+activation, ..., Conv: what the theory speaks of.

    initial: how weights start, such as `he_normal`, `constant` or `diffused`; dilations: one for each layer, or ones.
    Shapes: z (N, channels, H, W) -> (N, outputs, H, W).

    >>> theoretical_field(Stack(depth=20)), theoretical_field(Stack(depth=3, dilations=(1, 2, 4)))
    (41, 15)
    """

    def __init__(self, *, depth: int, width: int = 16, channels: int = 1, outputs: int = 1, kernel: int = 3,
                 dilations: Sequence[int] | None = None, activation: Activation = "relu", initial: Initial = he_normal,
                 seed: int = 0) -> None:
        super().__init__()
        arguments.one_of(activation, ACTIVATIONS, what="activation")
        if arguments.positive(kernel, name="kernel") % 2 == 0:
            raise ValueError(f"kernel: an odd side, so that it has a middle, got {kernel}.")
        self.dilations = tuple(dilations or [1] * arguments.positive(depth, name="depth"))
        if len(self.dilations) != depth:
            raise ValueError(f"dilations: expected one for each of the {depth} layers, got {len(self.dilations)}.")
        self.channels, self.activation = channels, activation
        sizes = [channels, *[width] * (depth - 1), outputs]
        with quiet_constructors():
            self.layers = nn.ModuleList(
                nn.Conv2d(inputs, outs, kernel, padding=kernel // 2 * dilation, dilation=dilation, bias=False)
                for inputs, outs, dilation in zip(sizes, sizes[1:], self.dilations, strict=False))
        initialise(self, randomness.generator(seed, "Stack"), initial)

    def forward(self, z: Tensor) -> Tensor:
        x = arguments.image_batch(z, channels=self.channels, like=self)
        activate, _ = ACTIVATIONS[self.activation]
        for layer in self.layers[:-1]:
            x = activate(layer(x))
        return self.layers[-1](x)


class Residual(nn.Module):
    """Convolutions in pairs with a way around each pair: the kind of network on which the paper looks at training.

    x <- x + conv(relu(conv(relu(x)))) / sqrt(blocks), between a first and a last convolution; no biases and no
    normalisation, which the division stands in for. Paths around all blocks are short, so that the effective field
    is small at first.
    Shapes: z (N, channels, H, W) -> (N, outputs, H, W).

    >>> theoretical_field(Residual(blocks=5))
    25
    """

    def __init__(self, *, blocks: int, width: int = 16, channels: int = 1, outputs: int = 1,
                 initial: Initial = he_normal, seed: int = 0) -> None:
        super().__init__()
        self.channels, self.blocks = channels, arguments.positive(blocks, name="blocks")
        with quiet_constructors():
            def conv(inputs: int, outs: int) -> nn.Conv2d:
                return nn.Conv2d(inputs, outs, 3, padding=1, bias=False)

            self.first, self.last = conv(channels, width), conv(width, outputs)
            self.pairs = nn.ModuleList(nn.Sequential(nn.ReLU(), conv(width, width), nn.ReLU(), conv(width, width))
                                       for _ in range(blocks))
        initialise(self, randomness.generator(seed, "Residual"), initial)

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(arguments.image_batch(z, channels=self.channels, like=self))
        for pair in self.pairs:
            x = x + pair(x) / math.sqrt(self.blocks)
        return self.last(torch.relu(x))


# Gradients ---------------------------------------------------------------------------------------------------------


def input_gradients(network: Callable[..., Tensor], z: Tensor, *, output: int | None = None, **told: Any) -> Tensor:
    """Propagate an impulse at the centre of the output back to the input: how the output changes with each pixel.

    g = d f(z)(centre) / d z, for each image of the batch; the centre is pixel (H // 2, W // 2) of the output. output:
    the channel of the output; None adds all channels. The network is looked at in eval mode, where images do not mix,
    and left in its own.

    Shapes: z (N, C, H, W) -> (N, C, H, W).

    >>> conv = Stack(depth=1, initial=constant)
    >>> input_gradients(conv, torch.zeros(1, 1, 5, 5))[0, 0, 2]
    tensor([0.0000, 0.1111, 0.1111, 0.1111, 0.0000])
    """
    z = arguments.image_batch(z, like=network).detach().clone().requires_grad_()
    with evaluating(network), torch.enable_grad():
        out = network(z, **told)
        if out.ndim != 4 or not out.requires_grad:
            raise ValueError(f"expected a network that makes images (N, C, H, W) of images and can be differentiated, "
                             f"got an output {tuple(out.shape)}{'' if out.requires_grad else ' without a gradient'}. "
                             "Usual cause: scores of a classifier, or a network that runs in torch.no_grad().")
        if output is not None and not -out.shape[1] <= output < out.shape[1]:
            raise ValueError(f"output: expected one of the {out.shape[1]} output channels, from 0, got {output}.")
        centre = out[..., out.shape[-2] // 2, out.shape[-1] // 2]              # (N, outputs)
        impulse = (centre if output is None else centre[:, output]).sum()      # images do not mix: one sum serves all
        return torch.autograd.grad(impulse, z)[0]


@torch.no_grad()
def many_gradients(networks: Sequence[Stack], z: Tensor) -> Tensor:
    """Compute the gradients of many networks, one image each, at once: exact, and many times faster than one by one.

    Only what the centre depends on is computed. Forward, the image is cut to the theoretical field and convolved
    without padding, so that it shrinks to one pixel, and the slopes of the activations are kept. Back, the impulse
    starts as one pixel and grows by one kernel each layer. All networks share each convolution, a group for each.

    Shapes: z (R, C, H, W) for R networks of one architecture -> (R, C, H, W). H and W hold the theoretical field.

    >>> networks = [Stack(depth=3, seed=seed) for seed in range(4)]
    >>> z = torch.randn(4, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    >>> one_by_one = torch.cat([input_gradients(network, image[None]) for network, image in zip(networks, z)])
    >>> bool((many_gradients(networks, z) - one_by_one).abs().max() < 1e-5)
    True
    """
    if not networks:
        raise ValueError("networks: expected one or more, got none.")
    first, count = networks[0], len(networks)
    z = arguments.image_batch(z, channels=first.channels, like=first)
    if z.shape[0] != count:
        raise ValueError(f"expected an image for each of the {count} networks, got {z.shape[0]}.")
    if any((other.dilations, other.activation) != (first.dilations, first.activation) for other in networks):
        raise ValueError("expected networks of one architecture, got several dilations or activations.")
    kernels = [torch.stack([layer.weight for layer in same]).flatten(0, 1)          # (R out, in, k, k)
               for same in zip(*(network.layers for network in networks), strict=True)]
    spans = [dilation * (kernel.shape[-1] - 1) for dilation, kernel in zip(first.dilations, kernels, strict=True)]
    field, (height, width) = 1 + sum(spans), z.shape[2:]
    top, left = height // 2 - field // 2, width // 2 - field // 2
    if min(top, left) < 0 or top + field > height or left + field > width:
        raise ValueError(f"these networks see {field} x {field} pixels, and the images have {height} x {width}: the "
                         "border would be seen. Usual cause: an image too small for the depth.")
    window = (..., slice(top, top + field), slice(left, left + field))
    activate, slope_of = ACTIVATIONS[first.activation]
    x = z[window].reshape(1, -1, field, field)                                       # (1, R C, r, r)
    slopes = []
    for kernel, dilation in zip(kernels[:-1], first.dilations, strict=False):        # the last layer is linear
        x = activate(F.conv2d(x, kernel, dilation=dilation, groups=count))           # smaller by one span
        slopes.append(slope_of(x))
    g = torch.ones(1, kernels[-1].shape[0], 1, 1).to(z)                              # the impulse
    for i in reversed(range(len(kernels))):
        g = F.conv_transpose2d(g, kernels[i], dilation=first.dilations[i], groups=count)
        if i:
            g = g * slopes[i - 1]
    gradients = torch.zeros_like(z)
    gradients[window] = g.reshape(count, -1, field, field)
    return gradients


@torch.no_grad()
def impulse_response(network: Callable[..., Tensor], z: Tensor, *, at: tuple[int, int], height: float = 1e-3,
                     **told: Any) -> Tensor:
    """Change one pixel of the input a little, and measure where the output changes: forward instead of back.

    (f(z + h delta_at) - f(z)) / h, in all channels of the input at once. Shapes: z (N, C, H, W) -> that of f(z).

    >>> impulse_response(Stack(depth=1, initial=constant), torch.zeros(1, 1, 5, 5), at=(2, 2))[0, 0, 2]
    tensor([0.0000, 0.1111, 0.1111, 0.1111, 0.0000])
    """
    z = arguments.image_batch(z, like=network)
    arguments.pixel(at, z, name="at")
    if arguments.number(height, name="height") == 0:
        raise ValueError("height: expected a number that is not zero, which the change is divided by.")
    changed = z.clone()
    changed[..., at[0], at[1]] += height
    with evaluating(network):
        return (network(changed, **told) - network(z, **told)) / height


# What is measured of them ------------------------------------------------------------------------------------------


def energy(gradients: Tensor) -> Tensor:
    """Compute the effective field: the mean energy of the gradients at each pixel, each image or network counting
    alike.

    e(p) = mean_n [ sum_c g_n(c, p)^2 / sum_q sum_c g_n(c, q)^2 ]. Sums to one. Gradients that are zero do not count.

    Shapes: (N, C, H, W) -> (H, W).

    >>> energy(torch.tensor([[[[3.0, 4.0]]]]))
    tensor([[0.3600, 0.6400]])
    """
    squares = devices.float64(arguments.image_batch(gradients, name="the gradients")).square().sum(1)   # (N, H, W)
    total = squares.sum((1, 2), keepdim=True)
    alive = total[:, 0, 0] > 0
    if not alive.any():
        raise ValueError("all gradients are zero. Usual cause: a network whose last layer starts at zero, or dead "
                         "units.")
    return (squares[alive] / total[alive]).mean(0).float()


def width(field: Tensor) -> float:
    """Compute the standard deviation of a map along an axis, in pixels: the mean over both axes, around the map's own
    middle.

    >>> width(torch.tensor([[0.25, 0.0, 0.25], [0.0, 0.0, 0.0], [0.25, 0.0, 0.25]]))
    1.0
    """
    p = _map(field)
    p = p / p.sum()
    total = 0.0
    for axis in (0, 1):
        along = p.sum(1 - axis)
        place = torch.arange(len(along), dtype=torch.float64)
        total += float((along * (place - (along * place).sum()).square()).sum())
    return math.sqrt(total / 2)


def diameter(field: Tensor, *, threshold: float = THRESHOLD) -> float:
    """Compute the diameter of a disc with as many pixels as the map has above a share of its peak.

    >>> round(diameter(gaussian(5.0, size=65)) / 5.0, 1)
    5.0
    """
    _map(field)
    return 2 * math.sqrt(float((field > threshold * field.max()).sum()) / math.pi)


def square(field: Tensor, *, share: float = 0.95) -> int:
    """Find the side of the smallest square around the centre pixel that holds a share of the map.

    >>> square(gaussian(5.0, size=65), share=0.95)
    23
    """
    arguments.number(share, name="share", low=0, high=1)
    field = _map(field)
    row, column = field.shape[0] // 2, field.shape[1] // 2
    down, right = (torch.arange(n, device=field.device) for n in field.shape)
    ring = torch.maximum((down - row).abs()[:, None], (right - column).abs())       # (H, W): 0 at the centre
    inside = torch.zeros(int(ring.max()) + 1, dtype=torch.float64, device=field.device)
    inside.index_add_(0, ring.flatten(), field.flatten())
    return 2 * int((inside.cumsum(0) / inside.sum() < share - 1e-9).sum()) + 1


def gaussian(std: float, *, size: int) -> Tensor:
    """Make a Gaussian around the centre pixel, integrated over the pixels of a size x size map; it sums to nearly one.

    >>> round(width(gaussian(3.0, size=41)) ** 2 - 1 / 12, 2)
    9.0
    """
    edges = torch.arange(size + 1, dtype=torch.float64) - size // 2 - 0.5
    along = (0.5 * torch.erf(edges / (std * math.sqrt(2)))).diff()
    return (along[:, None] * along).float()


def misfit(field: Tensor) -> float:
    """Measure how far a map is from a Gaussian of its own spread, seen along an axis: the share that would have to
    move.

    Half the sum of |p - q| over the positions of an axis, the mean of both axes; between 0 and 1.

    >>> misfit(gaussian(3.0, size=41)) < 0.001
    True
    """
    field, total = _map(field), 0.0
    for axis in (0, 1):
        along = field.sum(axis) / field.sum()
        edges = torch.arange(len(along) + 1, dtype=torch.float64) - 0.5
        middle = (along * (edges[:-1] + 0.5)).sum()
        std = ((along * (edges[:-1] + 0.5 - middle).square()).sum() - 1 / 12).clamp(min=1e-6).sqrt()   # pixels add 1/12
        total += float((along - (0.5 * torch.erf((edges - middle) / (std * math.sqrt(2)))).diff()).abs().sum())
    return total / 4


def _map(field: Tensor) -> Tensor:
    """A map (H, W) as float64 on the processor, if it is one: no number below zero, and not all of them zero."""
    arguments.tensor(field, name="the map")
    if field.ndim != 2 or not field.numel() or field.is_complex():
        raise ValueError(f"the map: expected (H, W), got {tuple(field.shape)}. Usual cause: gradients (N, C, H, W), "
                         "whose map is energy(gradients).")
    if arguments.finite(field, name="the map").min() < 0 or not field.any():
        raise ValueError(f"the map: expected shares of zero or more, not all zero, got {float(field.min()):.4g} to "
                         f"{float(field.max()):.4g}. Usual cause: gradients, whose map is energy(gradients).")
    return devices.float64(field).cpu()
