"""Bias-free networks: take every additive constant out of a denoiser, and it works at noise levels it never met.

    f(a z) = a f(z)  for a > 0,    so that  f(z) = A_z z,    A_z = df/dz at z                (equation 3 of the paper)

Convolutions without biases, ReLUs, and a normalisation that only divides: such a network is piecewise linear, and each
piece goes through the origin. Noise five times as strong is the noise of training in an image five times as dark. And
the estimate at a pixel is a weighted sum of the noisy pixels: a row of A_z, the filter that the network chose for it.
With constants left in, f(z) = A_z z + b_z, and the net bias b_z has no reason to fit noise that was never met.

    BF batch norm:  x  ->  gain x / (sqrt(Var x) + eps)      (no mean is subtracted, nothing is added)

Source: S. Mohan, Z. Kadkhodaie, E. P. Simoncelli, C. Fernandez-Granda, "Robust and interpretable blind image denoising
via bias-free convolutional neural networks", ICLR 2020; the normalisation as in the authors' code (the variance is the
centred one, of a batch while training, a running one after; eps = 1e-5 is outside the root).

Deviations from the paper: the training is that of `dncnn` (half the mean squared error averaged over pixels, Muon with
a cosine schedule and averaged weights, fresh noise, the last layer starts at zero); filters start with sums of zero,
which stands in for the mean that is no longer subtracted and speeds up both twins; the paper's recurrent, U-shaped and
densely connected networks are not built here, but `remove_biases` makes any network of such layers bias-free.

Lecture bias_free teaches it; its exercise asks for the normalisation. Weights: `bias_free-*` in the zoo.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from course_lib import arguments, devices, published, randomness
from course_lib.data import Pictures
from course_lib.denoise import dncnn
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoiser import Denoiser
from course_lib.fit import Trained, Validate
from course_lib.layers import he_normal, initialise
from course_lib.noise import Sigma
from course_lib.profiles import Budget

NARROW = (0.0, 10 / 255)     # noise that is hardly visible: the range of the paper's first figure
_HOMOGENEOUS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)        # without a bias: f(a x) = a f(x)
_SHIFTING = (nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d, nn.Sigmoid, nn.Tanh, nn.Softmax, nn.GELU, nn.SiLU, nn.ELU,
             nn.Softplus, nn.Hardtanh)                           # no constant to take out makes these homogeneous


class BiasFreeNorm(nn.Module):
    """Divide each channel by its standard deviation, times a learnt gain, and shift nothing.

    x -> gain x / (sqrt(var) + eps): var is the centred variance over batch and pixels while training (unbiased, and
    followed by a running mean of it), and the running one in eval mode, where the layer is linear.
    Shapes: (N, C, H, W) -> the same. It is no nn.BatchNorm2d, so no tool that converts those takes it for one.

    >>> norm = BiasFreeNorm(1)
    >>> norm(torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2)).flatten()      # the deviation is sqrt(2), the mean stays
    tensor([0.7071, 2.1213], grad_fn=<ViewBackward0>)
    """

    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(arguments.positive(channels, name="channels")))   # the gain
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        arguments.tensor(x, name="x")
        variance = self.running_var
        if self.training:
            values = x.movedim(1, -1).reshape(-1, x.shape[1])                    # (N H W, C)
            values = values.to(torch.promote_types(values.dtype, torch.float32))
            spread = (values * values).mean(dim=0) - values.mean(dim=0) ** 2     # twice as fast as x.var()
            variance = spread.clamp(min=1e-12) * (len(values) / max(len(values) - 1, 1))
            with torch.no_grad():
                self.running_var.lerp_(variance, self.momentum)
        return x * (self.weight / (variance.sqrt() + self.eps)).to(x.dtype).view(1, -1, 1, 1)


class BiasedTwin(DnCNN):
    """DnCNN with all its constants: convolutions with biases, and ordinary batch normalisation. To compare with.

    Arguments and shapes are those of `DnCNN`; 20 layers of 64 channels in the paper.
    """

    def __init__(self, *, depth: int = 20, width: int = 64, channels: int = 1,
                 padding: Literal["zeros", "reflect"] = "zeros", seed: int = 0) -> None:
        super().__init__(depth=depth, width=width, channels=channels, bias=True, padding=padding, seed=seed)
        _begin(self, seed)


class BiasFreeDnCNN(DnCNN):
    """The same network without a single additive constant; with the same seed it begins with the same convolutions.

    >>> [sum(weight.numel() for weight in network().parameters()) for network in (BiasedTwin, BiasFreeDnCNN)]
    [668225, 665856]
    """

    def __init__(self, *, depth: int = 20, width: int = 64, channels: int = 1,
                 padding: Literal["zeros", "reflect"] = "zeros", seed: int = 0) -> None:
        super().__init__(depth=depth, width=width, channels=channels, bias=False, padding=padding, seed=seed)
        remove_biases(self)
        _begin(self, seed)


def balanced(weight: Tensor, generator: torch.Generator) -> None:
    """Fill a kernel with He's weights and subtract each output channel's mean, so that a flat input gives zero at
    first.

    >>> weight = torch.empty(8, 4, 3, 3)
    >>> balanced(weight, torch.Generator().manual_seed(0))
    >>> bool((weight.sum(dim=(1, 2, 3)).abs() < 1e-5).all())
    True
    """
    he_normal(weight, generator)
    with torch.no_grad():
        weight -= weight.mean(dim=(1, 2, 3), keepdim=True)


def _begin(network: DnCNN, seed: int) -> None:
    initialise(network, randomness.generator(seed, "bias-free"), balanced)
    for weight in network.layers[-1].parameters():
        nn.init.zeros_(weight)                    # as in DnCNN: the first estimate is z itself


def remove_biases(network: nn.Module) -> nn.Module:
    """Take every additive constant out of a network, in place, and return it; train it afterwards.

    Convolutions and linear layers lose their biases; a BatchNorm2d becomes a BiasFreeNorm with its gain. Layers that
    no removal makes homogeneous (GroupNorm, sigmoids, ...) are refused; what `forward` itself adds cannot be seen here,
    but `homogeneity_error` finds it.

    >>> [name for name, _ in remove_biases(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU())).named_parameters()]
    ['0.weight']
    """
    for name, part in network.named_modules():
        if isinstance(part, _SHIFTING):
            raise ValueError(f"{name or 'the network'} is a {type(part).__name__}, which cannot be made homogeneous: "
                             "f(2 z) = 2 f(z) fails whatever its weights are. Use ReLU and batch normalisation.")
    for parent in list(network.modules()):
        if isinstance(parent, _HOMOGENEOUS):
            parent.bias = None
        for name, part in parent.named_children():
            if isinstance(part, nn.BatchNorm2d):
                norm = BiasFreeNorm(part.num_features, eps=part.eps,
                                    momentum=0.1 if part.momentum is None else part.momentum)
                kept = {key: value for key, value in part.state_dict().items() if key in ("weight", "running_var")}
                norm.load_state_dict(norm.state_dict() | kept)
                setattr(parent, name, norm.train(part.training).to(next(network.parameters()).device))
    return network


# The local linear view ---------------------------------------------------------------------------------------------


def homogeneity_error(denoiser: Denoiser, z: Tensor, *, factor: float = 2.0) -> float:
    """Measure how far a denoiser is from f(a z) = a f(z): | f(a z) - a f(z) | / | a f(z) |, Euclidean norms.

    Zero, but for rounding, for a bias-free network in eval mode; exactly zero where a is a power of two.
    Shapes: z (N, C, H, W); factor: a > 0.

    >>> homogeneity_error(lambda z, sigma=None: z + 1.0, torch.ones(1, 1, 2, 2))     # (3 - 4) / 4
    0.25
    """
    if not arguments.number(factor, name="factor") > 0:
        raise ValueError(f"factor: homogeneity is about factors above zero, got {factor:g}.")
    _evaluating(denoiser)
    z = arguments.image_batch(z, like=denoiser)
    with torch.no_grad():
        scaled, expected = denoiser(factor * z), factor * denoiser(z)
        if not bool(expected.any()):
            raise ValueError("z: the denoiser makes nothing but zeros of it, so there is no share of them to measure. "
                             "Usual cause: an image that is zero everywhere.")
        return float(devices.float64(scaled - expected).norm() / devices.float64(expected).norm())


def adaptive_filters(network: nn.Module, z: Tensor, *, pixels: Sequence[tuple[int, int]], channel: int = 0) -> Tensor:
    """Compute the filters that a network chose for some pixels of an image: the weight of every noisy pixel in each
    estimate.

    w_p = d f(z)_p / d z, row p of A_z, exact, by automatic differentiation. For a bias-free network <w_p, z> = f(z)_p.
    pixels: (row, column) of each output pixel; channel: which channel of the output.
    Shapes: z (1, C, H, W) -> (pixels, C, H, W), on the device of z.
    """
    z = _one_image(z, network)
    if not pixels:
        raise ValueError("pixels: expected one (row, column) or more, got none.")
    for at in pixels:
        arguments.pixel(at, z, name="pixels")
    if not 0 <= channel < z.shape[1]:
        raise ValueError(f"channel: expected one of the {z.shape[1]} channels of the image, from 0, got {channel}.")
    height, width = z.shape[2:]
    places = torch.tensor([(channel * height + row) * width + column for row, column in pixels], device=z.device)
    return _rows(network, z, places)


def jacobian(network: nn.Module, z: Tensor, *, rows_at_once: int = 100) -> Tensor:
    """Compute the matrix A_z of a denoiser at one small image: its derivative, row by row, exactly.

    Shapes: z (1, C, H, W) -> (P, P) with P = C H W pixels; rows and columns run over `z.flatten()`.

    >>> jacobian(nn.Identity(), torch.zeros(1, 1, 1, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    z = _one_image(z, network)
    places = torch.arange(z.numel(), device=z.device)
    return torch.cat([_rows(network, z, some).flatten(1) for some in places.split(rows_at_once)])


def net_bias(network: nn.Module, z: Tensor) -> Tensor:
    """Compute the part of an estimate that is no weighted sum of the noisy pixels: b_z = f(z) - A_z z.

    A_z z is one directional derivative, from two backward passes, so the image may be large.
    Shapes: z (N, C, H, W) -> the same.

    >>> net_bias(nn.ReLU(), torch.ones(1, 1, 1, 1)), net_bias(nn.Tanh(), torch.ones(1, 1, 1, 1)).round(decimals=4)
    (tensor([[[[0.]]]]), tensor([[[[0.3416]]]]))
    """
    _evaluating(network)
    z = arguments.image_batch(z, like=network).detach()
    with torch.enable_grad():
        estimate, linear = torch.autograd.functional.jvp(network, z, z)
    return (estimate - linear).detach()


def effective_dimensionality(matrix: Tensor) -> float:
    """Count how many dimensions of the noise a linear denoiser lets through: sum of squared singular values, |A|_F^2.

    For white noise n of variance s^2, E |A n|^2 = s^2 |A|_F^2. A projection has its rank, the identity all pixels.
    Shape: (P, P). Source: section 5 of the paper.

    >>> effective_dimensionality(torch.eye(4)), effective_dimensionality(torch.full((4, 4), 1 / 4))
    (4.0, 1.0)
    """
    return float(devices.float64(_square(matrix)).square().sum())


def singular_vectors(matrix: Tensor, *, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the pictures that a linear denoiser looks for, how much of each it keeps, and what it writes in their
    place.

    A = sum_i s_i u_i v_i^T. Returns what it looks for, v_i, (P, C, H, W); the s_i, falling, (P,); and what it writes,
    u_i, (P, C, H, W), on the CPU in float64. The sign of a pair is free: the larger half of v_i is made positive.

    >>> v, s, u = singular_vectors(torch.diag(torch.tensor([1.0, 2.0])), shape=(1, 1, 2))
    >>> s.tolist(), v[0].flatten().tolist()
    ([2.0, 1.0], [0.0, 1.0])
    """
    u, s, vh = torch.linalg.svd(devices.float64(_square(matrix)).cpu())
    sign = torch.where(vh.sum(dim=1) < 0, -1.0, 1.0).to(vh)
    return (sign[:, None] * vh).reshape(-1, *shape), s, (sign * u).mT.reshape(-1, *shape)


def filter_width(weights: Tensor, *, pixel: tuple[int, int]) -> float:
    """Measure how far a filter looks: the root mean square distance of its weights from its pixel, weighted by their
    squares.

    Shape: (C, H, W), with pixel (row, column); unit: pixels.

    >>> filter_width(torch.tensor([[[1.0, 0.0, 0.0, 1.0]]]), pixel=(0, 0))     # half of it at 0, half at 3
    2.1213203435596424
    """
    energy = devices.float64(weights).square().sum(dim=0)                        # (H, W)
    down, right = (torch.arange(side, device=energy.device) - at
                   for side, at in zip(energy.shape, pixel, strict=True))        # (H,), (W,)
    return math.sqrt(((down[:, None] ** 2 + right**2) * energy).sum() / energy.sum())


def _rows(network: nn.Module, z: Tensor, places: Tensor) -> Tensor:
    """Rows of the Jacobian, one for each place in the flattened output: (len(places), C, H, W).

    In eval mode the images of a batch do not meet, so one backward pass through copies of z gives a row for each copy.
    """
    _evaluating(network)
    with torch.enable_grad():
        copies = z.detach().expand(len(places), -1, -1, -1).clone().requires_grad_()
        chosen = network(copies).flatten(1).gather(1, places[:, None])
        rows, = torch.autograd.grad(chosen.sum(), copies)
    return rows


def _evaluating(denoiser: object) -> None:
    if isinstance(denoiser, nn.Module) and any(isinstance(part, nn.BatchNorm2d | BiasFreeNorm) and part.training
                                               for part in denoiser.modules()):
        raise ValueError("the network is in training mode, where its normalisation divides by what it sees in this "
                         "batch, so nothing it does is linear or homogeneous. Call network.eval() first.")


def _square(matrix: Tensor) -> Tensor:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"the matrix of a denoiser: expected (P, P) with P = C H W, got {tuple(matrix.shape)}. "
                         "Usual cause: an image in the place of `jacobian(network, image)`.")
    return matrix


def _one_image(z: Tensor, network: nn.Module) -> Tensor:
    z = arguments.image_batch(z, like=network)
    if z.shape[0] != 1:
        raise ValueError(f"the local linear view belongs to one image, (1, C, H, W), got {tuple(z.shape)}. "
                         "Take one of the batch with z[:1].")
    return z


# Training and published weights ------------------------------------------------------------------------------------


def train(images: Pictures, *, sigma: Sigma = NARROW, budget: Budget, seed: int, network: nn.Module | None = None,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a bias-free denoiser, or its twin as `network`, exactly as DnCNN is trained.

    images: uint8 (C, H, W); sigma: a range (low, high) from which each patch draws its level (the paper: from 0 to 10,
    30, 55 or 100 of 255), in the unit of [0, 1] images; patches of budget.patch pixels (the paper: 50).
    """
    if network is None:
        first = next(iter(images.values() if isinstance(images, Mapping) else images))
        network = BiasFreeDnCNN(channels=first.shape[0], seed=seed)
    return dncnn.train(images, sigma=sigma, budget=budget, seed=seed, network=network, validate=validate,
                       checkpoint=checkpoint)


def from_published(weights: Mapping[str, Any]) -> DnCNN:
    """Build the network that the authors' weights describe, bias-free or the biased twin, in eval mode.

    The layout is that of the authors' code (MIT licence): `first_layer`, `hidden_layer_list.N`, `bn_layer_list.N`,
    `last_layer`. Their files hold it in a list, beside the arguments of the training: load one yourself with

        with torch.serialization.safe_globals([argparse.Namespace]):
            file = torch.load(path, map_location="cpu", weights_only=True)

    and give all of it or file["model"][0]. A bias-free file has means and shifts of its normalisation too, which its
    network does not use; nor does this. Dilations leave no trace in a state dict, so a network that had some would
    load, and be wrong.
    """
    weights = published.state_dict(weights)
    hidden = [key for key in weights if re.fullmatch(r"hidden_layer_list\.\d+\.weight", key)]
    if not hidden or "first_layer.weight" not in weights or "last_layer.weight" not in weights:
        raise ValueError("these are no weights of the authors' DnCNN: expected keys first_layer.weight, "
                         "hidden_layer_list.0.weight, bn_layer_list.0.weight, ..., last_layer.weight, got "
                         f"{', '.join(list(weights)[:3]) or 'nothing'}.")
    biased = any(re.fullmatch(r"(first_layer|last_layer|hidden_layer_list\.\d+)\.bias", key) for key in weights)
    width, channels = weights["first_layer.weight"].shape[0], weights["first_layer.weight"].shape[1]
    count = 1 + max(int(key.split(".")[1]) for key in hidden)
    network = (BiasedTwin if biased else BiasFreeDnCNN)(depth=count + 2, width=width, channels=channels)
    unused = () if biased else ("bias", "running_mean", "num_batches_tracked")     # all that shifts
    used = {key: value for key, value in weights.items()
            if not (key.startswith("bn_layer_list.") and key.endswith(unused))}
    return published.filled(network, used, name=lambda key: _their_name(key, count))


def _their_name(key: str, hidden: int) -> str:
    """The authors' name of a tensor of ours.

    >>> [_their_name(f"layers.{place}.weight", 4) for place in (0, 2, 3, 14)]
    ['first_layer.weight', 'hidden_layer_list.0.weight', 'bn_layer_list.0.weight', 'last_layer.weight']
    """
    _, place, kind = key.split(".")
    number, normalises = divmod(int(place) - 2, 3)
    inner = f"{'bn' if normalises else 'hidden'}_layer_list.{number}"
    return f"{'first_layer' if number < 0 else 'last_layer' if number == hidden else inner}.{kind}"
