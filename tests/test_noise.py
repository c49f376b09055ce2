"""Noise has the mean and the variance that it says, and is the same for the same generator."""

import math

import pytest
import torch

from course_lib.noise import (
    Bernoulli,
    Camera,
    Correlated,
    Gaussian,
    Impulse,
    LowLight,
    Poisson,
    PoissonGaussian,
    Rain,
    TextOverlay,
)
from course_lib.operators import convolve
from course_lib.randomness import generator

Y = torch.linspace(0, 1, 64 * 64).reshape(1, 1, 64, 64).repeat(4, 1, 1, 1)
MAP = torch.linspace(0.05, 0.3, 64).reshape(1, 1, 1, 64)
SEEDS = 20


def moments_agree(noise, promised) -> bool:
    """Mean and variance of eta within 4 standard errors over 20 seeds, where the noise has the promised law."""
    eta = torch.cat([noise(Y, generator=generator(seed, "moments")) - Y for seed in range(SEEDS)]).double()
    variance, n = promised.variance(Y).double().mean(), eta.numel()
    error_of_variance = (((eta**4).mean() - eta.var() ** 2) / n).sqrt()
    return bool(abs(eta.mean()) < 4 * math.sqrt(variance / n) and abs(eta.var() - variance) < 4 * error_of_variance)


@pytest.mark.parametrize("sigma", [25 / 255, MAP], ids=["level", "map"])
def test_mean_and_variance_are_those_promised(sigma):
    assert moments_agree(Gaussian(sigma), Gaussian(sigma))


def test_the_variance_of_a_range_is_its_average_over_the_levels():
    eta = torch.cat([Gaussian((0.0, 0.2))(torch.zeros(64, 1, 8, 8), generator=generator(seed)) for seed in range(100)])
    levels = 6400
    assert abs(float(eta.var()) - 0.04 / 3) < 4 * math.sqrt(0.2**4 * (1 / 5 - 1 / 9) / levels)


@pytest.mark.parametrize("broken", [
    lambda y, generator: (y + 0.1 * torch.randn(y.shape, generator=generator)).clamp(0, 1),   # clipped
    lambda y, generator: y + 0.1**2 * torch.randn(y.shape, generator=generator),               # variance for deviation
    lambda y, generator: y + 0.1 * torch.rand(y.shape, generator=generator),                   # not centred
], ids=["clipped", "variance as deviation", "uniform"])
def test_the_moments_tell_broken_noise(broken):
    assert not moments_agree(broken, Gaussian(0.1))


def test_the_same_generator_gives_the_same_noise_and_a_map_agrees_with_a_level():
    flat = torch.full((1, 1, 64, 64), 0.1)
    level, constant_map = (Gaussian(s)(Y, generator=generator(7)) for s in (0.1, flat))
    assert torch.equal(level, constant_map)
    assert torch.equal(level, Gaussian(0.1)(Y, generator=generator(7)))


def test_a_range_gives_every_image_a_level_of_its_own():
    noise = Gaussian((0.0, 0.2))
    eta = noise(torch.zeros(200, 1, 32, 32), generator=generator(0))
    levels = eta.flatten(1).std(dim=1)
    assert 0 <= levels.min() < 0.02 and 0.18 < levels.max() < 0.22
    assert abs(float(levels.mean()) - 0.1) < 4 * 0.2 / math.sqrt(12 * 200)


def test_noise_is_never_clipped():
    z = Gaussian(0.5)(torch.ones(1, 1, 64, 64), generator=generator(0))
    assert z.max() > 1.5 and z.min() < 0.5


# All models -------------------------------------------------------------------------------------------------------

COMET = torch.tensor([[0.0, 3.0, 0.0], [0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])     # no symmetry at all
RISING = torch.linspace(0.1, 0.3, 64).reshape(1, 1, 1, 64)                     # a map
COLOUR = torch.linspace(0, 1, 48 * 64).reshape(1, 1, 48, 64) * torch.tensor([1.0, 0.5, 0.25]).reshape(1, 3, 1, 1)
MODELS = {
    "gaussian": Gaussian(0.1),
    "poisson": Poisson(peak=20),
    "poisson, map": Poisson(peak=100 * RISING),
    "poisson-gaussian": PoissonGaussian(gain=0.02, sigma=0.05),
    "poisson-gaussian, maps": PoissonGaussian(gain=RISING / 10, sigma=RISING),
    "correlated": Correlated(0.1, COMET),
    "correlated, map": Correlated(RISING, torch.ones(3, 3)),
    "impulse": Impulse(0.1),
    "impulse, map": Impulse(RISING),
    "bernoulli": Bernoulli(keep=0.7),
    "bernoulli, map": Bernoulli(keep=RISING),
    "low light": LowLight(exposure=0.3, gain=0.02, sigma=0.02),
    "rain": Rain(density=0.02, length=9, angle=20.0),
    "rain, any angle": Rain(density=0.02, length=9, angle=(-60.0, 60.0)),
}
QUARTERS = 4   # of the rows: the brightness rises down the image, so a law in y shows


def by_quarter(values):
    """Means over the four quarters of the rows of (N, C, H, W), from dark to bright."""
    return torch.stack([part.double().mean() for part in values.chunk(QUARTERS, dim=2)])


def law_holds(noise, law, y=COLOUR) -> bool:
    """Mean and variance at four brightnesses within 4 standard errors, as the spread over 20 seeds gives these."""
    mean = law.mean(y) if hasattr(law, "mean") else y
    off = torch.stack([noise(y, generator=generator(seed, "law")) - mean for seed in range(SEEDS)])    # (S, N, C, H, W)
    for found, promised in ((off, torch.zeros_like(y)), (off**2, law.variance(y))):
        over_seeds = torch.stack([by_quarter(one) for one in found])                                    # (S, 4)
        error = over_seeds.std(dim=0) / math.sqrt(SEEDS)
        if ((over_seeds.mean(dim=0) - by_quarter(promised)).abs() > 4 * error).any():
            return False
    return True


@pytest.mark.parametrize("noise", MODELS.values(), ids=list(MODELS))
def test_each_model_keeps_its_law_from_dark_to_bright(noise):
    assert law_holds(noise, noise)


@pytest.mark.parametrize("broken, law", [
    (Poisson(peak=21), Poisson(peak=20)),
    (Gaussian(math.sqrt(0.5 / 20)), Poisson(peak=20)),                               # right on average only
    (PoissonGaussian(gain=0.02, sigma=0.06), PoissonGaussian(gain=0.02, sigma=0.05)),
    (Correlated(0.1 * math.sqrt(6), torch.ones(1, 6) / 6), Correlated(0.1, torch.ones(1, 6))),    # summed, not scaled
    (Impulse(0.11), Impulse(0.1)),
    (lambda y, generator: Impulse(0.1)(y, generator=generator) - 0.05 + 0.1 * y, Impulse(0.1)),   # centred
    (lambda y, generator: Bernoulli(0.7)(y, generator=generator) / 0.7, Bernoulli(0.7)),          # rescaled
    (lambda y, generator: Poisson(20)(y, generator=generator).clamp(0, 1), Poisson(20)),          # clipped
    (LowLight(exposure=0.25, gain=0.02, sigma=0.02), LowLight(exposure=0.3, gain=0.02, sigma=0.02)),
    (Rain(density=0.03, length=9, angle=20.0), Rain(density=0.02, length=9, angle=20.0)),
    (Rain(density=0.02, length=7, angle=20.0), Rain(density=0.02, length=9, angle=20.0)),
], ids=["another peak", "gaussian for poisson", "more read noise", "kernel of sum one", "more impulses",
        "centred impulses", "rescaled drops", "clipped photons", "less light", "more rain", "shorter drops"])
def test_the_law_tells_broken_models(broken, law):
    if isinstance(broken, Correlated):   # its kernel must be normalised by the model itself
        def unscaled(y, generator):
            eta = Correlated(0.1, law.kernel)(y, generator=generator) - y
            return y + eta * torch.linalg.vector_norm(law.kernel) / law.kernel.sum()
        assert law_holds(broken, Correlated(0.1 * math.sqrt(6), law.kernel)) and not law_holds(unscaled, law)
    else:
        assert not law_holds(broken, law)


@pytest.mark.parametrize("noise", [*MODELS.values(), TextOverlay(), Camera(), Camera(quality=None)])
def test_the_same_generator_gives_the_same_noise_and_another_another(noise):
    first, again, other = (noise(COLOUR, generator=generator(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("make, level", [
    (Poisson, 20.0), (lambda v: PoissonGaussian(v, 0.05), 0.02), (lambda v: PoissonGaussian(0.02, v), 0.05),
    (lambda v: Correlated(v, COMET), 0.1), (Impulse, 0.1), (Bernoulli, 0.7), (lambda v: Camera(signal=v), 0.02),
    (lambda v: Camera(read=v), 0.02)], ids=["peak", "gain", "read", "correlated", "share", "keep", "signal", "camera"])
def test_a_map_of_one_value_is_that_value(make, level):
    number, constant = make(level), make(torch.full((1, 1, 48, 64), level))
    assert torch.equal(number(COLOUR, generator=generator(1)), constant(COLOUR, generator=generator(1)))
    assert torch.allclose(number.variance(COLOUR), constant.variance(COLOUR))
    assert number.variance(COLOUR).shape == constant.variance(COLOUR).shape == COLOUR.shape


def test_images_and_channels_of_a_batch_have_independent_noise():
    y = torch.full((2, 2, 64, 64), 0.5)
    for noise in (Poisson(20), PoissonGaussian(0.02, 0.05), Correlated(0.1, COMET), Impulse(0.3)):
        eta = (noise(y, generator=generator(0)) - y).flatten(2).reshape(4, -1)
        assert torch.corrcoef(eta)[~torch.eye(4, dtype=torch.bool)].abs().max() < 0.12
    for noise in (Bernoulli(0.5), Rain()):                                        # one mask, the same streaks
        first, second = (noise(y, generator=generator(0)) - y).unbind(dim=1)
        assert torch.equal(first, second) and not torch.equal(first[0], first[1])


# One by one -------------------------------------------------------------------------------------------------------


def test_photons_are_whole_and_follow_the_distribution_of_poisson():
    counts = Poisson(peak=4)(torch.full((1, 1, 256, 256), 0.5), generator=generator(0)) * 4
    assert torch.equal(counts, counts.round())
    for k in range(6):
        expected = math.exp(-2) * 2**k / math.factorial(k)
        error = math.sqrt(expected * (1 - expected) / counts.numel())
        assert abs(float((counts == k).float().mean()) - expected) < 4 * error


def test_without_read_noise_a_sensor_counts_photons():
    y = torch.full((1, 1, 8, 8), 0.5)
    assert torch.allclose(PoissonGaussian(gain=0.1, sigma=0.0)(y, generator=generator(0)),
                          Poisson(peak=10)(y, generator=generator(0)))


def autocorrelation(eta, reach):
    """Slow: the mean over p of eta(p) eta(p + d), over the variance, for all d up to the reach; (2r + 1, 2r + 1)."""
    table = torch.zeros(2 * reach + 1, 2 * reach + 1)
    middle = eta[..., reach:-reach, reach:-reach]
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            rows, columns = (slice(reach + d, side - reach + d) for d, side in zip((down, right), eta.shape[-2:],
                                                                                  strict=True))
            table[down + reach, right + reach] = (middle * eta[..., rows, columns]).mean()
    return table / table[reach, reach]


@pytest.mark.parametrize("kernel", [COMET, torch.ones(3, 3), torch.tensor([[1.0, -1.0, 0.5]])])
def test_neighbours_agree_as_the_kernel_says(kernel):
    noise = Correlated(0.1, kernel)
    eta = noise(torch.zeros(20, 1, 96, 96), generator=generator(0))
    h, w = kernel.shape
    expected = torch.zeros(7, 7)
    expected[3 - (h - 1) : 3 + h, 3 - (w - 1) : 3 + w] = noise.autocorrelation()
    assert noise.autocorrelation().shape == (2 * h - 1, 2 * w - 1)
    error = 4 * 3 / math.sqrt(eta.numel())              # neighbours agree, which widens the plain error somewhat
    assert (autocorrelation(eta, 3) - expected).abs().max() < error
    other = Correlated(0.1, kernel.flip(0) if h > 1 else kernel.abs())
    if not torch.equal(other.kernel, kernel):           # an autocorrelation that is another one is told
        eta = other(torch.zeros(20, 1, 96, 96), generator=generator(0))
        assert (autocorrelation(eta, 3) - expected).abs().max() > error


def test_the_autocorrelation_is_that_of_a_loop():
    loop = torch.zeros(5, 5)
    for down in range(-2, 3):
        for right in range(-2, 3):
            loop[down + 2, right + 2] = sum(
                COMET[i, j] * COMET[i + down, j + right] for i in range(3) for j in range(3)
                if 0 <= i + down < 3 and 0 <= j + right < 3)
    assert torch.allclose(Correlated(0.1, COMET).autocorrelation(), loop / (COMET**2).sum())


def test_the_grain_is_a_convolution_of_white_noise_with_the_kernel():
    y = torch.zeros(1, 1, 16, 20)
    white = torch.randn(1, 1, 18, 22, generator=generator(3))
    expected = 0.1 * convolve(white, COMET) / math.sqrt(14)
    assert torch.allclose(Correlated(0.1, COMET)(y, generator=generator(3)), expected, atol=1e-6)


def test_impulses_leave_the_other_pixels_alone_and_may_take_all():
    y = torch.full((1, 3, 32, 32), 0.4)
    z = Impulse(0.3)(y, generator=generator(0))
    assert set(z.unique().tolist()) == {0.0, float(y[0, 0, 0, 0]), 1.0}
    assert set(Impulse(1.0)(y, generator=generator(0)).unique().tolist()) == {0.0, 1.0}
    assert torch.equal(Impulse(0.0)(y, generator=generator(0)), y)
    assert torch.equal(Bernoulli(1.0)(y, generator=generator(0)), y)
    assert not Bernoulli(0.0)(y, generator=generator(0)).any()


def test_text_covers_the_share_that_was_asked_for_and_leaves_the_rest():
    y = torch.full((3, 3, 96, 96), 2.0)                   # no letter has this value
    z = TextOverlay(share=0.2)(y, generator=generator(0))
    covered = (z != y).any(dim=1).float().mean(dim=(1, 2))
    assert (covered >= 0.2).all() and (covered < 0.4).all()
    inside = z[z != y]
    assert inside.min() >= 0 and inside.unique().numel() > 10
    assert torch.equal(TextOverlay(share=0.0)(y, generator=generator(0)), y)


def test_a_camera_keeps_its_law_in_linear_light():
    class Linear:
        camera = Camera(signal=0.05, read=0.02)
        variance = camera.variance

        def __init__(self, model=camera):
            self.model = model

        def mean(self, y):
            return y**2.2

        def __call__(self, y, *, generator):
            return self.model.linear(y, generator=generator)

    assert law_holds(Linear(), Linear())
    assert not law_holds(Linear(Camera(signal=0.05**0.5, read=0.02)), Linear())       # the deviation for the variance
    assert not law_holds(Linear(Camera(signal=0.05, read=0.02, gamma=1.0)), Linear())


def test_a_camera_without_noise_gives_the_image_back_and_its_file_is_in_8_bits():
    smooth = 0.5 + 0.3 * torch.sin(torch.linspace(0, 6, 64)).reshape(1, 1, 1, 64).expand(1, 3, 48, 64)
    clear = Camera(signal=0.0, read=0.0, mosaic=False, quality=None)(smooth, generator=generator(0))
    assert torch.allclose(clear, smooth, atol=1e-5)
    with_mosaic = Camera(signal=0.0, read=0.0, quality=None)(smooth, generator=generator(0))
    assert 1e-4 < float((with_mosaic - smooth).abs()[..., 1:-1, 1:-1].max()) < 0.02
    z = Camera(signal=0.1, read=0.1)(smooth, generator=generator(0))
    assert torch.allclose(z * 255, (z * 255).round(), atol=1e-3) and z.min() >= 0 and z.max() <= 1


def test_the_mosaic_makes_a_camera_s_noise_correlated():
    y = torch.full((1, 3, 128, 128), 0.6)
    agreement = {}
    for mosaic in (False, True):
        z = Camera(signal=0.01, read=0.01, mosaic=mosaic, quality=None)(y, generator=generator(0))
        agreement[mosaic] = float(autocorrelation(z - z.mean(dim=(2, 3), keepdim=True), 1)[1, 2])
    assert abs(agreement[False]) < 4 / 128 and agreement[True] > 0.2


@pytest.mark.parametrize("angle", [0.0, 30.0, -30.0])
def test_rain_falls_along_its_angle(angle):
    eta = Rain(density=0.01, length=15, angle=angle)(torch.zeros(4, 1, 128, 128), generator=generator(0))
    table = autocorrelation(eta - eta.mean(), 6)
    along = {a: float(table[6 + round(6 * math.cos(math.radians(a))), 6 + round(6 * math.sin(math.radians(a)))])
             for a in (-60.0, -30.0, 0.0, 30.0, 60.0)}
    assert max(along, key=along.__getitem__) == angle
    assert eta.min() >= 0


@pytest.mark.parametrize("make, says", [
    (lambda: Poisson(0), "photons above zero"), (lambda: PoissonGaussian(0.0, 0.1), "one photon above zero"),
    (lambda: PoissonGaussian(0.01, 25), "25 instead of 25 / 255"),
    (lambda: Correlated(25, COMET), "25 instead of 25 / 255"),
    (lambda: Correlated(0.1, torch.zeros(3, 3)), "not all zero"),
    (lambda: Correlated(0.1, torch.ones(3)), "not all zero"),
    (lambda: Impulse(10), "a share of the pixels in \\[0, 1\\], got 10"),
    (lambda: Bernoulli(torch.tensor([-0.1])), "got -0.1"),
    (lambda: TextOverlay(share=2), "share of the image"), (lambda: TextOverlay(sizes=(20, 10)), "sizes"),
    (lambda: Camera(gamma=0), "monitors have 2.2"), (lambda: Camera(signal=-1), "in \\[0, 1\\], got -1"),
    (lambda: LowLight(exposure=0), "above 0"), (lambda: LowLight(gain=0.0), "one photon above zero"),
    (lambda: Rain(density=2), "share of the pixels"), (lambda: Rain(length=0), "length"),
])
def test_a_wrong_setting_is_refused_with_its_usual_cause(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("noise", [Poisson(10), PoissonGaussian(0.1, 0.1), Camera()])
def test_noise_on_a_noisy_image_is_refused_where_light_is_counted(noise):
    with pytest.raises(ValueError, match="noisy already"):
        noise(torch.full((1, 1, 8, 8), -0.1), generator=generator(0))


@pytest.mark.parametrize("noise", [*MODELS.values(), TextOverlay(), Camera()])
def test_a_single_image_without_its_batch_is_refused(noise):
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        noise(torch.rand(8, 64, generator=generator(0)), generator=generator(0))


WRONG_SHAPES = [(2,), (2, 1), (8, 8), (1, 8, 8), (2, 1, 1), (3, 1, 1, 1), (2, 2, 1, 1), (2, 1, 8, 9), (1, 2, 1, 1, 1)]
LEVELLED = {"Gaussian": Gaussian, "Poisson": Poisson, "gain": lambda t: PoissonGaussian(t, 0.1),
            "sigma": lambda t: PoissonGaussian(0.1, t), "Correlated": lambda t: Correlated(t, COMET),
            "Impulse": Impulse, "Bernoulli": Bernoulli, "signal": lambda t: Camera(signal=t),
            "read": lambda t: Camera(read=t)}


@pytest.mark.parametrize("name", LEVELLED)
@pytest.mark.parametrize("shape", WRONG_SHAPES)
def test_a_level_that_would_broadcast_to_another_meaning_is_refused(name, shape):
    noise, y = LEVELLED[name](torch.full(shape, 0.5)), torch.full((2, 1, 8, 8), 0.5)
    for go in (lambda: noise(y, generator=generator(0)), lambda: noise.variance(y)):
        with pytest.raises(ValueError, match=r"expected one number, a number for each image \(2, 1, 1, 1\), or a map"):
            go()


def test_two_levels_of_two_images_are_told_how_to_stand():
    with pytest.raises(ValueError, match=r"level\[:, None, None, None\]"):
        Gaussian(torch.tensor([0.0, 0.5]))(torch.zeros(2, 1, 4, 4), generator=generator(0))


@pytest.mark.parametrize("name", LEVELLED)
@pytest.mark.parametrize("shape", [(), (2, 1, 1, 1), (1, 1, 8, 8), (2, 1, 8, 8), (1, 1, 8, 1)])
def test_a_level_for_each_image_or_pixel_keeps_the_shape_of_the_images(name, shape):
    noise, y = LEVELLED[name](torch.full(shape, 0.5)), torch.full((2, 1, 8, 8), 0.5)
    assert noise(y, generator=generator(0)).shape == noise.variance(y).shape == y.shape


@pytest.mark.parametrize("level", ["0.1", [0.1, 0.2], None, True, torch.tensor([0.1, math.nan]), {0.1}, 1j])
@pytest.mark.parametrize("name", LEVELLED)
def test_a_level_that_is_no_number_is_refused(name, level):
    with pytest.raises((TypeError, ValueError), match="expected .*got"):
        LEVELLED[name](level)


@pytest.mark.parametrize("levels", [(0.1,), (0.1, 0.2, 0.3), (0.1, "0.2"), (math.nan, 0.2)])
def test_a_range_of_levels_is_two_numbers(levels):
    with pytest.raises((TypeError, ValueError), match="sigma: expected"):
        Gaussian(levels)


@pytest.mark.parametrize("noise", [*MODELS.values(), TextOverlay(), Camera()])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_image_with_a_value_that_is_no_number_is_refused(noise, bad):
    y = torch.full((1, 1, 8, 64), 0.5)
    y[0, 0, 3, 3] = bad
    with pytest.raises(ValueError, match="the images: expected finite numbers, got 1 of 512"):
        noise(y, generator=generator(0))


@pytest.mark.parametrize("noise", [Gaussian(0.1), Gaussian((0.1, 0.2)), Poisson(10), PoissonGaussian(0.1, 0.1),
                                   Correlated(0.1, COMET), Impulse(0.1), Bernoulli(0.5), TextOverlay(), Camera(),
                                   LowLight(), Rain()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_noise_has_the_type_of_the_images(noise, dtype):
    y = torch.full((2, 3, 16, 16), 0.5, dtype=dtype)
    z = noise(y, generator=generator(0))
    assert z.dtype == dtype and bool(z.isfinite().all())
