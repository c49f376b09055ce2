"""Noise models: each turns a clean y into a noisy z = y + eta, and knows the variance of its eta.

Nothing here clips or quantises, but `Camera`, whose job it is: a clipped noise is no longer zero-mean, and a denoiser
would have to learn the bias. Models whose noise is not centred offer `mean(y)`, which is E[z], too. Lecture denoising
shows them all, its exercise asks for the laws of two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from course_lib import arguments, devices
from course_lib.operators import convolve, demosaic, jpeg, mosaic

Sigma = float | tuple[float, float] | Tensor


class Noise(Protocol):
    """What every noise model offers."""

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor: ...

    def variance(self, y: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Add white Gaussian noise of one level, of a level drawn for each image, or of a level for each pixel.

    z = y + sigma n, n ~ N(0, 1) independent over pixels and channels.
    sigma is a number, or a pair (low, high) from which every image of a batch draws its own level uniformly,
    or a noise level map that broadcasts to (N, C, H, W). Unit: that of the images, so 25 / 255 and not 25.

    >>> y = torch.full((2, 1, 4, 4), 0.5)
    >>> z = Gaussian(25 / 255)(y, generator=torch.Generator().manual_seed(0))
    >>> Gaussian(0.5).variance(y)[0, 0, 0, 0]
    tensor(0.2500)
    """

    sigma: Sigma

    def __post_init__(self) -> None:
        if isinstance(self.sigma, Tensor):
            arguments.extremes(self.sigma, name="the noise level map")
            for extreme in (self.sigma.min(), self.sigma.max()):
                arguments.noise_levels(extreme, name="the noise level map")
        elif isinstance(self.sigma, tuple):
            if len(self.sigma) != 2:
                raise ValueError(f"sigma: expected a range (low, high), got {len(self.sigma)} numbers. A level for "
                                 "each image is a tensor (N, 1, 1, 1).")
            low, high = (arguments.sigma_value(level) for level in self.sigma)
            if low > high:
                raise ValueError(f"sigma: expected a range (low, high) with low <= high, got ({low:g}, {high:g}).")
        else:
            arguments.sigma_value(self.sigma)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        level = self.draw(y, generator=generator)
        return y + level * torch.randn(y.shape, generator=devices.on(generator, y.device), device=y.device,
                                       dtype=y.dtype)

    def draw(self, y: Tensor, *, generator: torch.Generator) -> Tensor | float:
        """Sample the noise levels of a batch, broadcastable to (N, C, H, W); of y only the shape and the type count."""
        arguments.image_batch(y, values=False)
        if isinstance(self.sigma, tuple):
            low, high = self.sigma
            share = torch.rand(y.shape[0], 1, 1, 1, generator=devices.on(generator, y.device), device=y.device,
                               dtype=y.dtype)
            return low + (high - low) * share
        arguments.level(self.sigma, y, name="sigma")
        return self.sigma.to(y) if isinstance(self.sigma, Tensor) else self.sigma

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of eta at each pixel of y (N, C, H, W); for a range, averaged over the levels."""
        arguments.image_batch(y)
        if isinstance(self.sigma, tuple):
            low, high = self.sigma
            return torch.full_like(y, (low * low + low * high + high * high) / 3)
        arguments.level(self.sigma, y, name="sigma")
        level = self.sigma.to(y) if isinstance(self.sigma, Tensor) else torch.as_tensor(self.sigma).to(y)
        return (level**2).expand_as(y)


@dataclass(frozen=True, eq=False)
class Poisson:
    """Count photons: where there is less light, the noise is weaker, and yet the image is worse.

    z = K / peak, K ~ Poisson(peak y) independent over pixels and channels, so E[z] = y and Var[z] = y / peak.
    peak: photons at a white pixel, a number or a map that broadcasts to (N, C, H, W). Bright scenes have thousands.

    >>> y = torch.full((1, 1, 4, 4), 0.5)
    >>> z = Poisson(peak=10)(y, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.equal(z * 10, (z * 10).round()))
    True
    >>> Poisson(peak=10).variance(y)[0, 0, 0, 0]
    tensor(0.0500)
    """

    peak: float | Tensor

    def __post_init__(self) -> None:
        _check(self.peak, "peak", "a number of photons above zero, at a white pixel", above=0.0)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        peak = _like(self.peak, y)
        return _counted(y, peak, generator) / peak

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of eta at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        return y / _like(self.peak, y)


@dataclass(frozen=True, eq=False)
class PoissonGaussian:
    """A sensor in linear light: photons are counted, amplified, and read out with a noise that is always there.

    z = gain K + sigma n, K ~ Poisson(y / gain), n ~ N(0, 1), so E[z] = y and Var[z] = gain y + sigma^2: a straight
    line in the brightness. gain = 1 / peak; sigma is the read noise in the unit of the images. Both are numbers or maps
    that broadcast to (N, C, H, W).
    Source: Foi, Trimeche, Katkovnik and Egiazarian 2008.

    >>> PoissonGaussian(gain=0.01, sigma=0.1).variance(torch.full((1, 1, 1, 1), 0.5))
    tensor([[[[0.0150]]]])
    """

    gain: float | Tensor
    sigma: float | Tensor

    def __post_init__(self) -> None:
        _check(self.gain, "gain", "a brightness of one photon above zero", above=0.0)
        Gaussian(self.sigma)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        gain, sigma = _like(self.gain, y), _like(self.sigma, y)
        counts = _counted(y, 1 / gain, generator)
        return gain * counts + sigma * torch.randn(y.shape, generator=devices.on(generator, y.device), device=y.device,
                                                   dtype=y.dtype)

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of eta at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        return _like(self.gain, y) * y + _like(self.sigma, y) ** 2


@dataclass(frozen=True, eq=False)
class Correlated:
    """Noise with grain: white noise through a kernel, scaled back to the level sigma, so that neighbours agree.

    eta(p) = sigma sum_q k(q) n(p - q) / |k|, n white N(0, 1), |k|^2 = sum_q k(q)^2: a convolution. The white noise
    reaches beyond the image, so that eta has the same law up to the border; channels are independent.
    sigma: a number or a map that broadcasts to (N, C, H, W); kernel: (h, w), of any scale.

    >>> noise = Correlated(0.2, torch.ones(1, 2))
    >>> noise.autocorrelation()
    tensor([[0.5000, 1.0000, 0.5000]])
    >>> noise.variance(torch.zeros(1, 1, 1, 1))
    tensor([[[[0.0400]]]])
    """

    sigma: float | Tensor
    kernel: Tensor

    def __post_init__(self) -> None:
        Gaussian(self.sigma)
        if not isinstance(self.kernel, Tensor):
            raise TypeError(f"kernel: expected a tensor (h, w), got {type(self.kernel).__name__}.")
        arguments.finite(self.kernel, name="kernel")
        if self.kernel.ndim != 2 or not self.kernel.is_floating_point() or not self.kernel.any():
            raise ValueError("kernel: expected floats (h, w) that are not all zero, got "
                             f"{tuple(self.kernel.shape)} of {str(self.kernel.dtype).removeprefix('torch.')}.")

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        n, c, height, width = y.shape
        more_rows, more_columns = (side - 1 for side in self.kernel.shape)
        white = torch.randn(n, c, height + more_rows, width + more_columns,
                            generator=devices.on(generator, y.device), device=y.device, dtype=y.dtype)
        return y + _like(self.sigma, y) * convolve(white, self.kernel / torch.linalg.vector_norm(self.kernel))

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of eta at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        return (_like(self.sigma, y) ** 2).expand_as(y)

    def autocorrelation(self) -> Tensor:
        """Compute the correlation of eta with itself d pixels away: r(d) = sum_q k(q) k(q + d) / |k|^2, (2h - 1, 2w -
        1), d = 0 in the middle."""
        h, w = self.kernel.shape
        padded = torch.nn.functional.pad(self.kernel, (w - 1, w - 1, h - 1, h - 1))[None, None]
        return convolve(padded, self.kernel.flip(0, 1))[0, 0] / (self.kernel**2).sum()


@dataclass(frozen=True, eq=False)
class Impulse:
    """Salt and pepper: a share of the values is lost, and black or white stands in their place.

    z = y with probability 1 - share, else 0 or 1, as likely; independent over pixels and channels.
    Not centred: E[z] = (1 - share) y + share / 2. share: a number in [0, 1] or a map.

    >>> Impulse(0.2).mean(torch.zeros(1, 1, 1, 1))
    tensor([[[[0.1000]]]])
    """

    share: float | Tensor

    def __post_init__(self) -> None:
        _check(self.share, "share", "a share of the pixels in [0, 1]", above=None, highest=1.0)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        chance = torch.rand(y.shape, generator=devices.on(generator, y.device), device=y.device, dtype=y.dtype)
        share = _like(self.share, y)
        return torch.where(chance < share, (chance < share / 2).to(y), y)

    def mean(self, y: Tensor) -> Tensor:
        """Compute E[z] at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        share = _like(self.share, y)
        return (1 - share) * y + share / 2

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of eta at each pixel of y (N, C, H, W): that of z."""
        arguments.image_batch(y)
        share = _like(self.share, y)
        return (1 - share) * y**2 + share / 2 - self.mean(y) ** 2


@dataclass(frozen=True, eq=False)
class Bernoulli:
    """Dropped pixels: each is seen with probability keep, else it is black, in all channels at once.

    z = b y, b ~ Bernoulli(keep), so E[z] = keep y and Var[z] = keep (1 - keep) y^2. keep: a number in [0, 1] or a map
    that broadcasts to (N, 1, H, W).

    >>> Bernoulli(keep=0.5).variance(torch.ones(1, 1, 1, 1))
    tensor([[[[0.2500]]]])
    """

    keep: float | Tensor

    def __post_init__(self) -> None:
        _check(self.keep, "keep", "a share of the pixels in [0, 1]", above=None, highest=1.0)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        chance = torch.rand(y[:, :1].shape, generator=devices.on(generator, y.device), device=y.device, dtype=y.dtype)
        return y * (chance < _like(self.keep, y))

    def mean(self, y: Tensor) -> Tensor:
        """Compute E[z] at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        return _like(self.keep, y) * y

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of eta at each pixel of y (N, C, H, W): that of z."""
        arguments.image_batch(y)
        keep = _like(self.keep, y)
        return keep * (1 - keep) * y**2


@dataclass(frozen=True)
class TextOverlay:
    """Print words of random letters over the image, at random places, sizes and brightnesses.

    z = (1 - a) y + a c: words are added until they cover at least `share` of an image; a in [0, 1] is the anti-aliased
    shape of one, c its own colour, uniform in [0, 1] for each channel. sizes: smallest and largest letters, in pixels.
    There is no variance law: what a pixel loses depends on shapes. Not centred, never outside [0, 1].
    Source: the text removal of Noise2Noise (Lehtinen 2018). The letters are those that come with Pillow.

    >>> y = torch.full((1, 1, 32, 32), 2.0)
    >>> z = TextOverlay(share=0.1)(y, generator=torch.Generator().manual_seed(0))
    >>> bool((z == y).float().mean() > 0.5)
    True
    """

    share: float = 0.1
    sizes: tuple[int, int] = (10, 24)

    def __post_init__(self) -> None:
        arguments.number(self.share, name="share of the image", low=0, high=0.9)
        if len(self.sizes) != 2 or not 4 <= arguments.positive(self.sizes[0], name="sizes") <= self.sizes[1] <= 1000:
            raise ValueError(f"sizes: expected (smallest, largest) letters from 4 to 1000 pixels, got {self.sizes}.")

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        return torch.stack([self._printed_on(image, generator) for image in y])

    def _printed_on(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """The words over one image (C, H, W)."""
        height, width = image.shape[-2:]
        seen = torch.ones(1, height, width)                                      # what shows of the image: 1 - a
        while 1 - float(seen.mean()) < self.share:
            size, count = (_whole(low, high, generator) for low, high in (self.sizes, (3, 8)))
            word = "".join(chr(ord("a") + _whole(0, 25, generator)) for _ in range(count))
            place = (_whole(-2 * size, width - size // 2, generator), _whole(-size, height - size // 2, generator))
            shape = _word(word, size, place, width, height)
            colour = torch.rand(image.shape[0], 1, 1, generator=generator, device=generator.device)
            image = image + shape.to(image) * (colour.to(image) - image)
            seen = seen * (1 - shape)
        return image


@dataclass(frozen=True, eq=False)
class Camera:
    """From light to a file: signal-dependent noise in linear light, one colour per pixel, gamma, JPEG.

    z = JPEG(clip(demosaic(mosaic(L + n)))^(1 / gamma)),  L = y^gamma,  n ~ N(0, signal L + read^2).
    Convention: `signal` multiplies the light in the *variance*, `read` is a standard deviation; both in linear light,
    numbers or maps that broadcast to (N, C, H, W). Gray images (and mosaic=False) skip the mosaic, quality=None
    skips JPEG. A camera clips and rounds, so this model does, unlike the others.

    Source: CBDNet (Guo 2019), section 3.1, with a plain gamma instead of measured response curves. Its text has
    the variance as here; its MATLAB code multiplies the *deviation* by L.

    >>> Camera(signal=0.02, read=0.1).variance(torch.ones(1, 1, 1, 1))
    tensor([[[[0.0300]]]])
    """

    signal: float | Tensor = 0.02
    read: float | Tensor = 0.02
    gamma: float = 2.2
    mosaic: bool = True
    quality: int | None = 90

    def __post_init__(self) -> None:
        _check(self.signal, "signal", "a factor on the variance in [0, 1]", above=None, highest=1.0)
        Gaussian(self.read)
        arguments.number(self.gamma, name="gamma (monitors have 2.2)", low=0, above=True)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        light = self.linear(y, generator=generator)
        if self.mosaic and y.shape[1] == 3:
            light = demosaic(mosaic(light))
        picture = light.clamp(0, 1) ** (1 / self.gamma)
        return picture if self.quality is None else jpeg(picture, quality=self.quality)

    def linear(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        """Compute the noisy light L + n, before anything is interpolated, clipped or stored."""
        light = _light(y) ** self.gamma
        white = torch.randn(y.shape, generator=devices.on(generator, y.device), device=y.device, dtype=y.dtype)
        return light + self.variance(y).sqrt() * white

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of n, the noise in linear light, at each pixel of y (N, C, H, W)."""
        arguments.light_batch(y)
        return _like(self.signal, y) * y**self.gamma + (_like(self.read, y) ** 2).expand_as(y)


@dataclass(frozen=True)
class LowLight:
    """Too little light: a scene seen at a small part of its brightness, with the noise that a sensor has there.

    z = PoissonGaussian(gain, sigma)(exposure y), so E[z] = exposure y and Var[z] = gain exposure y + sigma^2. More a
    forward model than a noise: what has to be undone is the darkness too.

    >>> LowLight(exposure=0.2).mean(torch.ones(1, 1, 1, 1))
    tensor([[[[0.2000]]]])
    """

    exposure: float = 0.2
    gain: float = 0.004
    sigma: float = 0.01

    def __post_init__(self) -> None:
        arguments.number(self.exposure, name="exposure", low=0, high=1, above=True)
        PoissonGaussian(self.gain, self.sigma)

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        return self._sensor(self.exposure * y, generator=generator)

    def mean(self, y: Tensor) -> Tensor:
        """Compute E[z] at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        return self.exposure * y

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of z at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        return self._sensor.variance(self.exposure * y)

    @property
    def _sensor(self) -> PoissonGaussian:
        return PoissonGaussian(self.gain, self.sigma)


@dataclass(frozen=True)
class Rain:
    """Add bright streaks, all in one direction: drops that fall while the shutter is open.

    z = y + k * s: drops s stand at a share `density` of the pixels, each of a brightness uniform in
    [strength / 2, strength], and the kernel k draws each as a line of `length` pixels, about two pixels thick, of the
    drop's brightness; `*` is a convolution. The same in all channels. angle: degrees from the vertical, positive leans
    to the right further down; a pair (low, high) draws one for each image, uniformly.
    Not centred, and eta does not depend on y: E[eta] = E[s] sum k, Var[eta] = Var[s] sum k^2.

    >>> rain = Rain(density=0.01, length=11, strength=0.5)
    >>> rain.mean(torch.zeros(1, 1, 1, 1)).round(decimals=4)
    tensor([[[[0.0825]]]])
    """

    density: float = 0.005
    length: int = 15
    angle: float | tuple[float, float] = (-25.0, 25.0)
    strength: float = 0.5

    def __post_init__(self) -> None:
        arguments.number(self.density, name="density, a share of the pixels", low=0, high=1)
        arguments.positive(self.length, name="length")
        arguments.number(self.strength, name="strength")
        if isinstance(self.angle, tuple) and len(self.angle) != 2:
            raise ValueError(f"angle: expected degrees, or a pair (low, high), got {self.angle}.")
        arguments.number(self._angles[0], name="angle")
        arguments.number(self._angles[-1], name="angle")

    def __call__(self, y: Tensor, *, generator: torch.Generator) -> Tensor:
        arguments.image_batch(y)
        n, _, height, width = y.shape
        margin = self.length + 3                                                 # kernels are (length + 4) on a side
        low, high = self._angles
        angles = low + (high - low) * torch.rand(n, generator=generator, device=generator.device, dtype=y.dtype)
        shape = (2, n, 1, height + margin, width + margin)
        falls, brightness = torch.rand(shape, generator=devices.on(generator, y.device), device=y.device, dtype=y.dtype)
        drops = (falls < self.density) * (0.5 + 0.5 * brightness) * self.strength
        streaks = [convolve(drops[i : i + 1], self.kernel(float(angle))) for i, angle in enumerate(angles)]
        return y + torch.cat(streaks)

    def kernel(self, angle: float) -> Tensor:
        """Draw one streak of brightness one in the middle of (length + 4, length + 4) pixels; its sum is 2 length."""
        side = self.length + 4
        offset = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        down, right = offset[:, None], offset[None, :]
        lean = math.radians(angle)
        along = down * math.cos(lean) + right * math.sin(lean)
        across = right * math.cos(lean) - down * math.sin(lean)
        line = (self.length / 2 + 0.5 - along.abs()).clamp(0, 1) * torch.exp(-(across**2) / (2 * 0.8**2))
        return line * (2 * self.length / line.sum())

    def mean(self, y: Tensor) -> Tensor:
        """Compute E[z] at each pixel of y (N, C, H, W)."""
        arguments.image_batch(y)
        return y + 0.75 * self.strength * self.density * 2 * self.length

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of eta at each pixel of y (N, C, H, W); for a range of angles, averaged over them."""
        arguments.image_batch(y)
        # a brightness uniform in [1/2, 1] has mean 3/4 and mean square 7/12
        of_drop = self.strength**2 * (self.density * 7 / 12 - (0.75 * self.density) ** 2)
        low, high = self._angles
        angles = [low + (high - low) * (i + 0.5) / 32 for i in range(32)]
        energy = sum(float((self.kernel(angle) ** 2).sum()) for angle in angles) / 32
        return torch.full_like(y, of_drop * energy)

    @property
    def _angles(self) -> tuple[float, float]:
        return self.angle if isinstance(self.angle, tuple) else (self.angle, self.angle)


def _check(level: float | Tensor, name: str, expected: str, *, above: float | None, highest: float = math.inf) -> None:
    """Refuse a number or a map out of range: at least zero, or above a bound, and not higher than the highest."""
    arguments.extremes(level, name=name)
    extremes = (level.min(), level.max()) if isinstance(level, Tensor) else (level,)
    for value in map(float, extremes):
        if not (math.isfinite(value) and (value >= 0 if above is None else value > above) and value <= highest):
            raise ValueError(f"{name}: expected {expected}, got {value:g}.")


def _like(level: float | Tensor, y: Tensor) -> Tensor:
    """A number or a map as a tensor of y's kind."""
    arguments.level(level, y, name="the level of the noise")
    return level.to(y) if isinstance(level, Tensor) else torch.as_tensor(level, dtype=y.dtype, device=y.device)


def _light(y: Tensor) -> Tensor:
    """y, if there is a scene with so much light."""
    arguments.light_batch(y)
    return y


def _counted(y: Tensor, peak: Tensor, generator: torch.Generator) -> Tensor:
    exact = torch.promote_types(y.dtype, torch.float32)                          # there is no sampler for fewer bits
    rate = (_light(y) * peak).expand_as(y).to(exact).contiguous()
    return torch.poisson(rate, generator=devices.on(generator, y.device)).to(y)


def _whole(low: int, high: int, generator: torch.Generator) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator, device=generator.device))


def _word(word: str, size: int, place: tuple[int, int], width: int, height: int) -> Tensor:
    """The shape of a printed word, (1, H, W) in [0, 1]; place is the left upper corner (x, y)."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new("L", (width, height))
    ImageDraw.Draw(sheet).text(place, word, fill=255, font=ImageFont.load_default(size))
    return torch.from_numpy(np.array(sheet)).float()[None] / 255
