"""CBDNet: its two losses by hand and by loops, its cameras, its networks, and trainings that take turns."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import broken, images
from torch import nn
from torch.nn import functional as F

from course_lib import data, randomness
from course_lib.data import Pair
from course_lib.denoise import cbdnet
from course_lib.denoise.cbdnet import CBDNet, asymmetric_loss, total_variation
from course_lib.denoiser import score
from course_lib.noise import Camera
from course_lib.operators import demosaic, jpeg, mosaic
from course_lib.profiles import Budget


def small(*, channels=3, cls=CBDNet, **changed):
    """A tiny network in eval mode whose last layer is no longer zero."""
    network = cls(**{**dict(channels=channels, width=4, estimator_width=4), **changed})
    draw = randomness.generator(1)
    for name in ("denoiser.last.weight", "estimator.layers.8.weight"):
        value = network.state_dict()[name]
        value.copy_(0.2 * torch.randn(value.shape, generator=draw))
    return network.eval()


# The asymmetric loss -----------------------------------------------------------------------------------------------


def exchanged(estimate, level):
    """The two weights exchanged, as a known re-implementation has them."""
    return asymmetric_loss(estimate, level, alpha=0.7)


def relative_to_zero(estimate, level):
    return ((0.3 - (estimate < 0).float()).abs() * (estimate - level) ** 2).mean()


def weight_squared(estimate, level):
    return ((0.3 - (estimate < level).float()) * (estimate - level)).square().mean()


def without_absolute(estimate, level):
    return ((0.3 - (estimate < level).float()) * (estimate - level) ** 2).mean()


def symmetric(estimate, level):
    return 0.5 * (estimate - level).square().mean()


LOSSES = [asymmetric_loss, *(broken(loss, id=loss.__name__) for loss in (
    exchanged, relative_to_zero, weight_squared, without_absolute, symmetric))]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_level_too_low_by_two_costs_2_8_and_one_too_high_by_two_costs_1_2(loss):
    level = torch.full((1, 1, 1, 2), 5.0)
    assert float(loss(level - 2, level)) == pytest.approx(0.7 * 4)      # under-estimated: the noise would stay
    assert float(loss(level + 2, level)) == pytest.approx(0.3 * 4)      # over-estimated: some detail would go
    assert float(loss(level + torch.tensor([-1.0, 2.0]), level)) == pytest.approx((0.7 * 1 + 0.3 * 4) / 2)
    assert float(loss(level, level)) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_pushes_up_seven_thirds_as_hard_as_down(loss):
    level = torch.full((1, 1, 1, 2), 0.5)
    estimate = torch.tensor([[[[0.4, 0.6]]]], requires_grad=True)
    loss(estimate, level).backward()
    up, down = estimate.grad.flatten().tolist()
    assert up < 0 < down and -up / down == pytest.approx(7 / 3, rel=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_the_asymmetric_loss_is_that_of_plain_loops(seed, alpha):
    estimate, level = images(2, 3, 2, 2, seed=seed), images(2, 3, 2, 2, seed=seed + 1)
    terms = [abs(alpha - (1 if a < b else 0)) * (a - b) ** 2
             for a, b in zip(estimate.flatten().tolist(), level.flatten().tolist(), strict=True)]
    assert float(asymmetric_loss(estimate, level, alpha=alpha)) == pytest.approx(sum(terms) / len(terms), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3])
def test_an_alpha_that_is_no_weight_is_refused(alpha):
    with pytest.raises(ValueError, match="between 0 and 1"):
        asymmetric_loss(images(1, 1, 2, 2), images(1, 1, 2, 2), alpha=alpha)


def test_one_level_for_the_whole_image_is_refused_in_the_loss():
    with pytest.raises(ValueError, match="one shape"):
        asymmetric_loss(images(2, 3, 4, 4), images(2, 1, 1, 1))


# Total variation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variation", [
    total_variation,
    broken(lambda s: s.diff(dim=-1).square().mean(), id="one direction"),
    broken(lambda s: s.diff(dim=-1).abs().mean() + s.diff(dim=-2).abs().mean(), id="absolute"),
    broken(lambda s: s.diff(dim=1).square().mean() + s.diff(dim=-2).square().mean(),
           id="over channels")])
def test_total_variation_is_that_of_plain_loops(variation):
    estimate = images(2, 2, 3, 4)
    across, down = [], []
    for image in estimate.flatten(0, 1).tolist():
        across += [(row[j] - row[j - 1]) ** 2 for row in image for j in range(1, 4)]
        down += [(image[i][j] - image[i - 1][j]) ** 2 for i in range(1, 3) for j in range(4)]
    expected = sum(across) / len(across) + sum(down) / len(down)
    assert float(variation(estimate)) == pytest.approx(expected, rel=1e-4)
    assert float(variation(torch.full((1, 2, 3, 3), 0.7))) == 0


def test_a_map_of_one_row_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        total_variation(images(1, 1, 1, 5))


# The step ----------------------------------------------------------------------------------------------------------


class Fixed(nn.Module):
    """A network of constants, so that the losses of a step can be computed by hand."""

    def __init__(self, level=0.2, removed=0.1):
        super().__init__()
        self.level, self.removed = nn.Parameter(torch.tensor(level)), nn.Parameter(torch.tensor(removed))
        self.told = []

    def noise_level(self, z):
        self.told.append(z)
        return self.level.expand_as(z)

    def denoise(self, z, *, level):
        return z - self.removed


def detached(terms):
    return {name: float(term.detach()) for name, term in terms.items()}


def test_the_terms_of_a_step_have_the_weights_of_the_paper_for_levels_in_tenths():
    y = images(2, 3, 4, 4)
    terms = detached(cbdnet.step(Fixed(), (y + 0.3, torch.full_like(y, 0.4), y), None))
    assert terms == pytest.approx({"reconstruction": 0.2**2, "asymmetric": 0.5 * 0.7 * 2**2, "variation": 0.0},
                                  rel=1e-3)
    model, estimate = Fixed(), images(1, 3, 4, 4)
    model.noise_level = lambda z: estimate
    terms = detached(cbdnet.step(model, (y[:1], estimate, y[:1]), None))
    assert terms["variation"] == pytest.approx(0.05 * float(total_variation(10 * estimate)), rel=1e-4)
    assert terms["asymmetric"] == 0


def test_real_pairs_do_not_judge_the_level():
    model, y = Fixed(), images(2, 3, 4, 4)
    terms = cbdnet.real_step(model, (y + 0.3, y), None)
    assert detached(terms)["reconstruction"] == pytest.approx(0.2**2, rel=1e-3)
    assert detached(terms)["asymmetric"] == 0
    sum(terms.values()).backward()
    assert float(model.level.grad) == 0 and float(model.removed.grad) != 0


# Cameras -----------------------------------------------------------------------------------------------------------


def test_cameras_are_drawn_from_the_ranges_and_fill_them_most_of_them_quiet():
    generator = randomness.generator(0)
    cameras = [cbdnet.draw_camera(3, generator) for _ in range(600)]
    for values, low, high in (
            (torch.stack([camera.signal.sqrt() for camera in cameras]).log10(), math.log10(0.005), math.log10(0.05)),
            (torch.stack([camera.read for camera in cameras]).log10(), math.log10(0.0005), math.log10(0.006)),
            (torch.tensor([camera.gamma for camera in cameras]), 1.8, 2.6),
            (torch.tensor([float(camera.quality) for camera in cameras]), 60.0, 100.0)):
        values, span = values.flatten(), high - low
        assert low - 1e-5 < float(values.min()) < low + 0.05 * span
        assert high - 0.05 * span < float(values.max()) < high + 1e-5
        assert float(values.mean()) == pytest.approx((low + high) / 2, abs=4 * span / 12**0.5 / 600**0.5)
    assert sum(not camera.mosaic for camera in cameras) / 600 == pytest.approx(0.2, abs=0.07)
    assert cameras[0].signal.shape == (1, 3, 1, 1) and cameras[0].signal.unique().numel() == 3


def test_the_level_is_the_deviation_of_the_noise_in_linear_light():
    y, taken = images(3, 3, 8, 8), []
    z, level, target = cbdnet.photographed(y, randomness.generator(5))
    generator = randomness.generator(5)
    for i, image in enumerate(y.split(1)):
        camera = cbdnet.draw_camera(3, generator)
        light = image**camera.gamma
        expected = (camera.signal * light + camera.read**2).sqrt()
        assert torch.allclose(level[i : i + 1], expected, atol=1e-6)
        taken.append(camera(image, generator=generator))
        cbdnet.noise_free(camera, image, generator=generator)
    assert torch.equal(z, torch.cat(taken)) and z.shape == level.shape == target.shape
    assert torch.equal((z * 255).round() / 255, z)                                # it is a stored picture


def test_the_deviation_of_many_shots_in_linear_light_is_the_level():
    camera, y = Camera(signal=0.02, read=0.03), images(1, 3, 4, 4)
    shots = camera.linear(y.expand(20_000, 3, 4, 4), generator=randomness.generator(0))
    assert torch.allclose(shots.std(dim=0, keepdim=True), camera.variance(y).sqrt(), rtol=0.03)


def test_the_target_has_the_mosaic_and_the_coarse_colours_of_the_camera_but_not_its_noise_and_its_blocks():
    y = images(1, 3, 16, 16)
    noisy = Camera(signal=0.1, read=0.1, gamma=2.0, quality=60)
    mosaiced = cbdnet.noise_free(noisy, y, generator=randomness.generator(0))
    assert torch.allclose(mosaiced, jpeg(demosaic(mosaic(y**2.0)) ** 0.5, quality=100), atol=1e-5)
    gray = images(1, 1, 16, 16)
    assert torch.allclose(cbdnet.noise_free(noisy, gray, generator=randomness.generator(0)), gray, atol=0.01)


def test_white_noise_comes_with_its_level_and_its_clean_image():
    y = torch.full((4000, 1, 2, 2), 0.5)
    z, level, target = cbdnet.white((0.1, 0.3))(y, randomness.generator(0))
    assert torch.equal(target, y) and level.shape == y.shape and (level.flatten(1).std(dim=1) < 1e-7).all()
    assert float(((z - y) / level).std()) == pytest.approx(1, abs=0.02)
    assert 0.1 <= float(level.min()) < 0.105 and 0.295 < float(level.max()) <= 0.3
    assert float(cbdnet.white(0.2)(y, randomness.generator(0))[1].mean()) == pytest.approx(0.2)


# Networks ----------------------------------------------------------------------------------------------------------


def reference_pipeline(network, z):
    """The same weights through plain calls, written down layer by layer."""
    weights = network.state_dict()

    def conv(name, x):
        return F.relu(F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))

    def up(name, x):
        return F.conv_transpose2d(x, weights[f"denoiser.{name}.weight"], weights[f"denoiser.{name}.bias"], stride=2)

    level = z
    for i in range(5):
        level = conv(f"estimator.layers.{2 * i}", level)
    x, skips = torch.cat([z, level], dim=1), []                   # E's last layer gives tenths, D is told tenths
    for stage, count in (("full_in", 2), ("half_in", 3), ("quarter", 6), ("half_out", 3), ("full_out", 2)):
        if stage in ("half_in", "quarter"):
            skips.append(x)
            x = F.avg_pool2d(x, 2)
        elif stage in ("half_out", "full_out"):
            x = up({"half_out": "to_half", "full_out": "to_full"}[stage], x) + skips.pop()
        for i in range(count):
            x = conv(f"denoiser.{stage}.{2 * i}", x)
    return z + F.conv2d(x, weights["denoiser.last.weight"], weights["denoiser.last.bias"])


class NotTold(CBDNet):
    def denoise(self, z, *, level):
        return super().denoise(z, level=torch.zeros_like(level))


class Minus(CBDNet):
    def denoise(self, z, *, level):
        return 2 * z - super().denoise(z, level=level)


@pytest.mark.parametrize("cls", [CBDNet, broken(NotTold), broken(Minus)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_network_is_the_papers_layer_by_layer(cls, channels):
    network, z = small(cls=cls, channels=channels), images(2, channels, 16, 24)
    with torch.no_grad():
        expected = reference_pipeline(network, z)
        assert (expected - z).abs().max() > 1e-3 and torch.allclose(network(z), expected, atol=1e-5)


def test_the_network_of_the_paper_has_five_and_sixteen_convolutions():
    network = CBDNet()
    kinds = [type(part) for part in network.denoiser.modules()]
    assert sum(isinstance(part, nn.Conv2d) for part in network.estimator.modules()) == 5
    assert kinds.count(nn.Conv2d) == 17 and kinds.count(nn.ConvTranspose2d) == 2      # 16 and the 1 x 1 at the end
    assert isinstance(list(network.estimator.layers)[-1], nn.ReLU)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_before_training_the_estimate_is_the_image_and_the_level_is_alive_everywhere():
    network, z = CBDNet(width=4, estimator_width=4), images(1, 3, 9, 10)
    with torch.no_grad():
        assert torch.equal(network(z), z) and torch.equal(network.noise_level(z), torch.full_like(z, 0.01))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 4), (5, 11), (18, 7)])
def test_any_size_goes_through_and_what_was_added_is_cut_off(size):
    network, z = small(), images(1, 3, *size)
    height, width = (side + -side % 4 for side in size)
    rows, columns = ([*range(side), *[side - 1] * (-side % 4)] for side in size)
    with torch.no_grad():
        level = network.noise_level(z)
        whole = network.denoise(z[:, :, rows][..., columns], level=level[:, :, rows][..., columns])
        estimate = network(z)
    assert whole.shape[2:] == (height, width) and estimate.shape == z.shape
    assert torch.allclose(estimate, whole[..., : size[0], : size[1]], atol=1e-6)


def test_the_level_is_never_negative_and_a_level_of_ones_own_is_used():
    network, z = small(), images(1, 3, 8, 8)
    with torch.no_grad():
        level = network.noise_level(z - 0.5)
        assert (level >= 0).all()
        assert torch.equal(network(z), network.denoise(z, level=network.noise_level(z)))
        assert torch.equal(network(z, sigma=0.3), network(z))
        number = torch.tensor(0.2)
        assert torch.equal(network.denoise(z, level=number), network.denoise(z, level=torch.full_like(z, 0.2)))
        assert (network.denoise(z, level=number) - network.denoise(z, level=2 * number)).abs().max() > 1e-4


def test_wrong_images_and_a_sigma_of_25_are_refused():
    with pytest.raises(ValueError, match="channels=3"):
        small()(images(1, 1, 8, 8))
    with pytest.raises(ValueError, match="25 instead of 25 / 255"):
        small()(images(1, 3, 8, 8), sigma=25)


def test_the_seed_decides_the_weights_and_the_global_state_stays():
    before = torch.get_rng_state()
    a, b, c = (CBDNet(width=4, seed=seed).denoiser.quarter[0].weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(before, torch.get_rng_state())


# Training ----------------------------------------------------------------------------------------------------------


class Listens(nn.Module):
    """Writes down what a training shows it."""

    def __init__(self):
        super().__init__()
        self.estimator = nn.Identity()
        self.gain, self.heard = nn.Parameter(torch.ones(())), []

    def noise_level(self, z):
        self.heard.append(z.detach())
        return 0.1 * self.gain.expand_as(z)

    def denoise(self, z, *, level):
        return self.gain * z


def pair_of(value):
    gray = torch.full((3, 20, 20), 128, dtype=torch.uint8)
    return Pair(gray + value, gray)


def test_made_and_real_batches_take_turns():
    listener = Listens()
    black = [torch.zeros(3, 20, 20, dtype=torch.uint8)]
    cbdnet.train(black, pairs=[pair_of(30)], budget=Budget(6, 2, 16), seed=0, network=listener)
    is_real = [torch.equal(z, torch.full_like(z, 158 / 255)) for z in listener.heard]
    assert is_real == [False, True] * 3
    alone = Listens()
    cbdnet.train(black, budget=Budget(3, 2, 16), seed=0, network=alone)
    assert len(alone.heard) == 3 and all(float(z.mean()) < 0.3 for z in alone.heard)


def test_real_crops_are_taken_at_the_same_place_and_turned_alike():
    scene = (images(3, 30, 40) * 200).byte()
    z, y = cbdnet.real_patches({"a": Pair(scene + 10, scene)}, size=12)(16, randomness.generator(0))
    assert z.shape == y.shape == (16, 3, 12, 12) and torch.allclose(z - y, torch.full_like(z, 10 / 255), atol=1e-6)


def test_a_level_instead_of_a_camera_means_white_noise():
    gray = [torch.full((1, 40, 40), 128, dtype=torch.uint8)]
    listener = Listens()
    cbdnet.train(gray, degrade=0.1, budget=Budget(8, 4, 32), seed=0, network=listener)
    assert float(torch.cat(listener.heard).std()) == pytest.approx(0.1, rel=0.05)


def test_a_patch_that_does_not_halve_twice_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        cbdnet.train([torch.zeros(3, 64, 64, dtype=torch.uint8)], budget=Budget(1, 1, 30), seed=0)


def test_the_pictures_decide_between_gray_and_colour():
    for channels in (1, 3):
        trained = cbdnet.train([torch.zeros(channels, 16, 16, dtype=torch.uint8)], budget=Budget(1, 1, 8), seed=0)
        assert trained.model.channels == channels and not trained.model.training


@pytest.mark.slow
def test_a_few_seconds_of_training_find_the_level_and_remove_noise_and_no_level_is_found_without_the_loss(monkeypatch):
    pictures = {name: picture[:, 60:188, 60:188] for name, picture in data.photographs("validation").items()}

    def trained():
        model = cbdnet.train(data.photographs("train"), degrade=(0.02, 0.3), budget=Budget(250, 8, 32),
                             seed=0, network=CBDNet(channels=1, width=8, estimator_width=8)).model
        pairs = data.fixed_pairs(pictures, cbdnet.Gaussian(0.2), seed=0)
        with torch.inference_mode():
            quiet, loud = (torch.cat([model.noise_level(z) for z, _ in data.fixed_pairs(
                pictures, cbdnet.Gaussian(level), seed=0)]).mean() for level in (0.05, 0.25))
        return score(model, pairs).mean() - score(lambda z, sigma=None: z, pairs).mean(), loud - quiet

    gain, difference = trained()
    assert gain > 3 and difference > 0.08                                        # of the true 0.2
    monkeypatch.setattr(cbdnet, "ASYMMETRIC", 0.0)
    assert trained()[1] < 0.08
