"""CBDNet: one network estimates how noisy each pixel of a real photograph is, a second one is told and removes it.

    y_hat = z + D(z, s_hat),    s_hat = E(z),    loss = L_rec + 0.5 L_asymm + 0.05 L_TV

    L_rec = mean (y_hat - y)^2,    L_asymm = mean |alpha - 1[s_hat < s]| (s_hat - s)^2,    alpha = 0.3
    L_TV = mean (d/dx s_hat)^2 + mean (d/dy s_hat)^2                                  (section 3.3 of the paper)

E is five convolutions, D a U-Net that sees z and the map. The asymmetric loss punishes a level that is too low with
0.7, one that is too high with 0.3: a denoiser that is told too little leaves the noise where it is, one that is told
too much loses a little detail. As important is what it trains on: pictures that went through a camera, whose noise
grows with the light and is smeared by demosaicing and JPEG. Real pairs take turns with them where there are some; of
those nobody knows s, so L_asymm is left out.

Source: S. Guo, Z. Yan, K. Zhang, W. Zuo, L. Zhang, "Toward Convolutional Blind Denoising of Real Photographs",
CVPR 2019. A known re-implementation has the two weights of the asymmetric loss exchanged; this is the paper's sign.

Deviations from the paper: the camera has a plain gamma, drawn for each picture, where the paper draws one of 201
measured response curves; its signal-dependent noise has the *variance* of the paper's text, and its levels end at a
deviation at white of 0.05 and a read noise of 0.006, where the paper's code goes up to 0.16 and 0.06; the logarithm of
a level is uniform, not the level: in a short training a network must not meet loud cameras only. So that such levels
still count, the losses take them in tenths. s is the deviation of the noise in linear light, before it is mixed. The
target is what the same camera stores without noise at JPEG quality 100, so that the network is not asked to sharpen.
The channels of a training image change places at random: the course has few photographs in colour, and their colours
are soon known by heart. The sides of an image become multiples of 4 by repeating its last row and column (the paper
mirrors). Muon with a cosine schedule and averaged weights instead of Adam; D ends in zeros, so that the first estimate
is z itself; E begins with s_hat = 0.01 everywhere, so that none of its outputs begins dead, and learns with smaller
steps than D, which sees ten times the map. For cameras as quiet as these E learns what light and colour imply, and
little of how noisy the camera is (claim cbdnet-finds-camera-level); white noise it finds.

Lecture camera_noise teaches it; its exercise writes its asymmetric loss. Weights: `cbdnet-*` in the zoo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, devices, profiles, randomness
from course_lib.data import Pair, Pictures, Source, patches, then
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.layers import initialise, quiet_constructors
from course_lib.noise import Camera, Gaussian, Sigma
from course_lib.optimisers import Muon
from course_lib.profiles import Budget

ALPHA = 0.3                     # weight of a level that is too high; one too low weighs 1 - ALPHA
ASYMMETRIC, VARIATION = 0.5, 0.05   # weights of L_asymm and L_TV beside L_rec
SIGNAL = (0.005, 0.05)          # deviations in linear light, least and largest: of the signal's noise at white
READ = (0.0005, 0.006)          # and of the read noise
GAMMAS = (1.8, 2.6)             # the response curves that a camera draws from
QUALITIES = (60, 100)           # and its JPEG qualities
RATE = 0.012                    # of Muon: with 0.02 the U-Net forgets half-way what it has learnt
MAP = 10.0                      # D and the losses see levels times this: they are small beside gray values
SLOWER = 0.5                    # the estimator paints its map itself, which wants smaller steps still
UNMIXED = 0.2                   # share of the cameras without a mosaic

Synthetic = tuple[Tensor, Tensor, Tensor]       # z, s and y
Degrade = Callable[[Tensor, torch.Generator], Synthetic]


class NoiseEstimator(nn.Module):
    """Estimate the noise level of each pixel and channel: five 3 x 3 convolutions, each with a ReLU, the last too.

    Shapes: z (N, channels, H, W) -> s_hat of the same shape, never negative. It sees 11 x 11 pixels.
    """

    def __init__(self, *, channels: int = 3, width: int = 32, depth: int = 5) -> None:
        super().__init__()
        self.channels = channels
        sizes = [channels, *[width] * (depth - 1), channels]
        self.layers = nn.Sequential(*(layer for inputs, outputs in pairwise(sizes)
                                      for layer in (nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(arguments.image_batch(z, channels=self.channels, like=self)) / MAP


class NonBlind(nn.Module):
    """Predict y - z from z and a noise level map: a U-Net on three scales whose skips are sums.

    2 convolutions at full size, 3 at half, 6 at a quarter, 3 at half, 2 at full, and a last one without a ReLU; means
    over 2 x 2 pixels lead down, transposed convolutions lead up.

    Shapes: z and level (N, channels, H, W), sides multiples of 4 -> (N, channels, H, W).
    """

    def __init__(self, *, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        self.channels = channels
        full, half, quarter = width, 2 * width, 4 * width
        self.full_in = _convolutions(2 * channels, full, 2)
        self.half_in = _convolutions(full, half, 3)
        self.quarter = _convolutions(half, quarter, 6)
        self.to_half = nn.ConvTranspose2d(quarter, half, 2, stride=2)
        self.half_out = _convolutions(half, half, 3)
        self.to_full = nn.ConvTranspose2d(half, full, 2, stride=2)
        self.full_out = _convolutions(full, full, 2)
        self.last = nn.Conv2d(full, channels, 1)

    def forward(self, z: Tensor, level: Tensor) -> Tensor:
        z = arguments.image_batch(z, channels=self.channels, like=self)
        arguments.same_shape(z, level, letters="N C H W")
        arguments.image_batch(level, name="the noise level map")
        if level.dtype == torch.float64 != z.dtype:
            raise TypeError("the noise level map: expected the type of the network, got float64. level.float() has it.")
        if any(side % 4 for side in z.shape[2:]):
            raise ValueError(f"the U-Net halves images twice, so their sides must be multiples of 4, got "
                             f"{tuple(z.shape)}. CBDNet extends images of other sizes.")
        full = self.full_in(torch.cat([z, MAP * level], dim=1))                       # (N, w, H, W)
        half = self.half_in(F.avg_pool2d(full, 2))                              # (N, 2w, H/2, W/2)
        quarter = self.quarter(F.avg_pool2d(half, 2))                           # (N, 4w, H/4, W/4)
        half = self.half_out(half + self.to_half(quarter))
        return self.last(self.full_out(full + self.to_full(half)))


class CBDNet(nn.Module):
    """Estimate the noise level map of a photograph, then remove that much noise.

    width: channels of the U-Net at full size (twice and four times as many below); estimator_width: of the estimator.
    Shapes: z (N, channels, H, W) of any size -> y_hat of the same shape. sigma is ignored: it finds out by itself.
    `denoise` takes a map of yours instead, such as half or twice the estimate.

    >>> sum(weight.numel() for weight in CBDNet().parameters())
    4365382
    """

    def __init__(self, *, channels: int = 3, width: int = 64, estimator_width: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.channels = channels
        with quiet_constructors():
            self.estimator = NoiseEstimator(channels=channels, width=arguments.positive(estimator_width,
                                                                                        name="estimator_width"))
            self.denoiser = NonBlind(channels=channels, width=arguments.positive(width, name="width"))
        initialise(self, randomness.generator(seed, "CBDNet"))
        nn.init.zeros_(self.denoiser.last.weight)                               # begin with y_hat = z
        ends = cast(nn.Conv2d, self.estimator.layers[-2])
        nn.init.zeros_(ends.weight)                                             # and with s_hat = 0.01
        nn.init.constant_(cast(Tensor, ends.bias), 0.01 * MAP)

    def forward(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        z = arguments.image_batch(z, channels=self.channels, like=self)
        arguments.noise_levels(sigma, z)   # not used, but a sigma of 25 would be a mistake
        return self.denoise(z, level=self.noise_level(z))

    def noise_level(self, z: Tensor) -> Tensor:
        """Estimate s_hat, the deviation of the noise in linear light, for each pixel and channel of z (N, C, H, W)."""
        return self.estimator(z)

    def denoise(self, z: Tensor, *, level: Tensor) -> Tensor:
        """Remove noise of a given level: a map (N, C, H, W), as `noise_level` returns it, or what broadcasts to it."""
        z = arguments.image_batch(z, channels=self.channels, like=self)
        if not isinstance(level, Tensor):
            raise TypeError(f"the noise level map: expected a tensor (N, C, H, W), got {level!r:.60}. A number becomes "
                            "one with torch.tensor(number).")
        if not all(abs(one) <= arguments.MAX_VALUE for one in arguments.extremes(level, name="the noise level map")):
            raise ValueError("the noise level map: expected deviations in the unit of [0, 1] images, got values that "
                             "are NaN or far too large.")
        level = arguments.per_image(level, z, name="the noise level map")
        both = _to_fours(torch.cat([z, level.to(z.dtype).expand_as(z)], dim=1))
        found = self.denoiser(*both.chunk(2, dim=1))
        return z + found[..., : z.shape[2], : z.shape[3]]


# Losses ------------------------------------------------------------------------------------------------------------


def asymmetric_loss(estimate: Tensor, level: Tensor, *, alpha: float = ALPHA) -> Tensor:
    """Punish a noise level that is too low more than one that is too high by as much.

    L = mean |alpha - 1[s_hat < s]| (s_hat - s)^2: the weight is 1 - alpha where s_hat < s, alpha elsewhere.

    Shapes: both (N, C, H, W); returns a scalar. Source: section 3.3 of the paper, as a mean.

    >>> low, level, high = (torch.full((1, 1, 1, 1), value) for value in (1.0, 2.0, 3.0))
    >>> asymmetric_loss(low, level), asymmetric_loss(high, level)
    (tensor(0.7000), tensor(0.3000))
    """
    arguments.same_shape(estimate, level, letters="N C H W")
    arguments.shaped("N C H W", estimate=estimate, level=level)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: expected a weight between 0 and 1, got {alpha:g}; below 0.5 it punishes levels that "
                         "are too low.")
    error = estimate.to(level.dtype) - level                                    # bfloat16 in training
    weight = (alpha - (error < 0).to(error)).abs()
    return (weight * error.square()).mean()


def total_variation(estimate: Tensor) -> Tensor:
    """Punish a noise level map that changes from pixel to pixel.

    L = mean (difference to the left neighbour)^2 + mean (difference to the upper neighbour)^2.

    Shapes: (N, C, H, W) with both sides at least 2; returns a scalar. Source: section 3.3 of the paper, as means.

    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    tensor(1.)
    """
    arguments.image_batch(estimate, name="the noise level map")
    if min(estimate.shape[2:]) < 2:
        raise ValueError(f"the noise level map: neighbours need sides of at least 2, got {tuple(estimate.shape)}.")
    estimate = estimate.float()
    return estimate.diff(dim=-1).square().mean() + estimate.diff(dim=-2).square().mean()


def step(model: Any, batch: Synthetic, progress: Progress, *, alpha: float = ALPHA) -> dict[str, Tensor]:
    """Compute the loss terms of a training step on simulated noise, whose level is known."""
    arguments.shaped("N C H W", **arguments.parts(batch, "z", "level", "y"))
    z, level, y = batch
    estimate = model.noise_level(z)
    return _terms(model.denoise(z, level=estimate), y, estimate) | {
        "asymmetric": ASYMMETRIC * asymmetric_loss(MAP * estimate, MAP * level, alpha=alpha)}


def real_step(model: Any, batch: tuple[Tensor, Tensor], progress: Progress) -> dict[str, Tensor]:
    """Compute the loss terms of a training step on real pairs, whose noise level is unknown: without the asymmetric
    loss."""
    arguments.shaped("N C H W", **arguments.parts(batch, "z", "y"))
    z, y = batch
    estimate = model.noise_level(z)
    return _terms(model.denoise(z, level=estimate), y, estimate) | {"asymmetric": 0.0 * estimate.float().sum()}


def alternating_step(model: Any, batch: tuple[Synthetic, tuple[Tensor, Tensor]], progress: Progress, *,
                     alpha: float = ALPHA) -> dict[str, Tensor]:
    """Train on simulated noise in even steps and on real noise in odd ones."""
    arguments.parts(batch, "made", "real")
    made, real = batch
    return real_step(model, real, progress) if progress.step % 2 else step(model, made, progress, alpha=alpha)


def _terms(estimate: Tensor, y: Tensor, level: Tensor) -> dict[str, Tensor]:
    return {"reconstruction": (estimate.float() - y).square().mean(),
            "variation": VARIATION * total_variation(MAP * level)}


# What it trains on -------------------------------------------------------------------------------------------------


def recoloured(y: Tensor, generator: torch.Generator) -> Tensor:
    """Exchange the channels of each image, (N, C, H, W), at random: a network must not learn colours of few pictures.

    >>> y = torch.arange(3.0).reshape(1, 3, 1, 1).expand(500, 3, 1, 1)
    >>> sorted(set(map(tuple, recoloured(y, torch.Generator().manual_seed(0))[..., 0, 0].int().tolist())))
    [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    """
    arguments.image_batch(y)
    order = torch.rand(y.shape[:2], generator=generator, device=generator.device).argsort(dim=1)
    order = devices.sent(order, y.device)
    return y.gather(1, order[:, :, None, None].expand_as(y))


def draw_camera(channels: int, generator: torch.Generator) -> Camera:
    """Sample a camera of the family that the network trains on: its noise, its gamma, its mosaic and its JPEG quality.

    The logarithms of the deviations are uniform: of the signal's noise at white from 0.005 to 0.05, of the read
    noise from 0.0005 to 0.006, each channel its own. Most cameras are quiet, and few are very noisy.
    """
    share = torch.rand(2, 1, channels, 1, 1, generator=generator, device=generator.device)
    signal, read = (low * (high / low) ** part for (low, high), part in zip((SIGNAL, READ), share, strict=True))
    gamma, mixed, quality = torch.rand(3, generator=generator, device=generator.device).tolist()
    low, high = QUALITIES
    return Camera(signal=signal**2, read=read, gamma=GAMMAS[0] + (GAMMAS[1] - GAMMAS[0]) * gamma,
                  mosaic=mixed >= UNMIXED, quality=low + int((high - low + 1) * quality))


def noise_free(camera: Camera, y: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return what the camera would store of y without noise, at its best JPEG quality: the target of the training.

    The mean of many shots is about that. JPEG halves the resolution of colours even at quality 100; without that the
    target has the coloured edges of the mosaic, and a network learns to paint them wherever an edge is.
    """
    return Camera(signal=0.0, read=0.0, gamma=camera.gamma, mosaic=camera.mosaic, quality=100)(y, generator=generator)


def photographed(y: Tensor, generator: torch.Generator) -> Synthetic:
    """Take every image of a batch with a camera of its own: the stored picture, its noise level and its target.

    Shapes: y (N, C, H, W) -> z, s, target, all (N, C, H, W); s is the deviation of the noise in linear light.
    """
    arguments.image_batch(y)
    taken = []
    for image in y.split(1):
        camera = draw_camera(y.shape[1], generator)
        taken.append((camera(image, generator=generator), camera.variance(image).sqrt(),
                      noise_free(camera, image, generator=generator)))
    z, level, target = (torch.cat(parts) for parts in zip(*taken, strict=True))
    return z, level, target


def white(sigma: Sigma) -> Degrade:
    """Return the noise that other networks train on: white, Gaussian, of one level or of a level from (low, high)."""
    noise = Gaussian(sigma)

    def degrade(y: Tensor, generator: torch.Generator) -> Synthetic:
        level = noise.draw(y, generator=generator)
        level = level if isinstance(level, Tensor) else y.new_full((1, 1, 1, 1), level)
        return Gaussian(level)(y, generator=generator), level.expand_as(y).contiguous(), y

    return degrade


def real_patches(pairs: Sequence[Pair] | Mapping[str, Pair], *, size: int) -> Source:
    """Sample crops (z, y) at the same places of real pairs, flipped and rotated alike.

    >>> gray = torch.zeros(1, 20, 20, dtype=torch.uint8)
    >>> z, y = real_patches([Pair(gray + 51, gray)], size=8)(4, torch.Generator().manual_seed(0))
    >>> z.shape, float(z.max()), float(y.max())
    (torch.Size([4, 1, 8, 8]), 0.20000000298023224, 0.0)
    """
    if not isinstance(pairs, Sequence | Mapping) or not all(
            isinstance(pair, Pair) and isinstance(pair.noisy, Tensor) and isinstance(pair.clean, Tensor)
            for pair in (pairs.values() if isinstance(pairs, Mapping) else pairs)):
        raise TypeError("pairs: expected a list of data.Pair(noisy, clean), two 8-bit pictures (C, H, W) each.")
    if any(pair.noisy.shape != pair.clean.shape or pair.noisy.ndim != 3
           for pair in (pairs.values() if isinstance(pairs, Mapping) else pairs)):
        raise ValueError("pairs: expected two pictures (C, H, W) of one shape in each pair.")
    both = [torch.cat([pair.noisy, pair.clean])
            for pair in (pairs.values() if isinstance(pairs, Mapping) else pairs)]
    return then(patches(both, size=size), lambda crops, generator: tuple(crops.chunk(2, dim=1)))


def train(images: Pictures, *, degrade: Degrade | Sigma = photographed, pairs: Sequence[Pair] | Mapping[str, Pair] = (),
          alpha: float = ALPHA, budget: Budget, seed: int, network: nn.Module | None = None,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a CBDNet on pictures that a camera takes; with real pairs, every second step sees those instead.

    images: uint8 (C, H, W); patches of budget.patch pixels (the paper: 128), a multiple of 4. degrade: `photographed`,
    or a level, or a range of levels such as (0.0, 55 / 255), of white noise. alpha: of the asymmetric loss.
    To fine-tune, give a trained network and `pairs`, as `data.pairs` reads them.
    """
    size = budget.patch or 128
    if size % 4:
        raise ValueError(f"patches: the U-Net halves them twice, so their side must be a multiple of 4, got {size}.")
    if network is None:
        first = next(iter(images.values() if isinstance(images, Mapping) else images))
        network = CBDNet(channels=first.shape[0], seed=seed)
    made = then(then(patches(images, size=size), recoloured), degrade if callable(degrade) else white(degrade))
    chosen = partial(alternating_step if pairs else step, alpha=alpha)
    source = _both(made, real_patches(pairs, size=size)) if pairs else made
    network = network.to(profiles.device())
    history = fit(network, source, chosen, budget=budget, seed=seed, optimiser=Muon(lr=RATE), ema=0.99,
                  groups={"estimator": SLOWER}, validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)


# Small parts -------------------------------------------------------------------------------------------------------


def _both(made: Source, real: Source) -> Source:
    """A batch of each of two sources, as a pair."""
    def draw(batch: int, generator: torch.Generator) -> Any:
        return made(batch, generator), real(batch, generator)

    return draw


def _convolutions(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """So many 3 x 3 convolutions, each with a ReLU."""
    layers: list[nn.Module] = []
    for i in range(count):
        layers += [nn.Conv2d(outputs if i else inputs, outputs, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def _to_fours(images: Tensor) -> Tensor:
    """Repeat the last row and column until both sides are multiples of 4."""
    down, right = (-side % 4 for side in images.shape[2:])
    return F.pad(images, (0, right, 0, down), mode="replicate") if down or right else images
