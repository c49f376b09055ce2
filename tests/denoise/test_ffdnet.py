"""FFDNet: its input, its maps, its order of sub-images and its trainings, held to loops and to plain PyTorch."""


import pytest
import torch
from oracles import Listens, broken, images, kair
from torch import nn
from torch.nn import functional as F

from course_lib import data, randomness
from course_lib.denoise import ffdnet, known_level
from course_lib.denoise.ffdnet import FFDNet, noise_level_map
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget


def small(channels=1, *, cls=FFDNet, **changed):
    """A network whose biases are numbers too, in eval mode."""
    network = cls(**{**dict(channels=channels, depth=3, width=6), **changed})
    draw = randomness.generator(1)
    for name, value in network.state_dict().items():
        if name.endswith("bias"):
            value.copy_(0.1 * torch.randn(value.shape, generator=draw))
    return network.eval()


# What the network sees, by loops -----------------------------------------------------------------------------------


def estimate_by_loops(network, z, level):
    """The paper's pipeline for images of even size, its sub-images written down pixel by pixel."""
    n, c, height, width = z.shape
    told = torch.zeros(n, 4 * c + 1, height // 2, width // 2)
    for i in range(height // 2):
        for j in range(width // 2):
            for colour in range(c):
                for k, (down, right) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
                    told[:, 4 * colour + k, i, j] = z[:, colour, 2 * i + down, 2 * j + right]
            told[:, 4 * c, i, j] = level[:, 0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean(dim=(1, 2))
    small_estimate, estimate = network.layers(told), torch.zeros_like(z)
    for i in range(height):
        for j in range(width):
            for colour in range(c):
                estimate[:, colour, i, j] = small_estimate[:, 4 * colour + 2 * (i % 2) + j % 2, i // 2, j // 2]
    return estimate


class Broken(FFDNet):
    """The pipeline with one of its parts replaced."""

    def unshuffle(self, z):
        return F.pixel_unshuffle(ffdnet.to_even(z), 2)

    def told(self, small, level):
        return torch.cat([small, level], dim=1)

    def shuffle(self, small, z):
        return F.pixel_shuffle(small, 2)[..., : z.shape[2], : z.shape[3]]

    def forward(self, z, *, sigma=None):
        return self.shuffle(self.layers(self.told(self.unshuffle(z), noise_level_map(z, sigma=sigma))), z)


class MapFirst(Broken):
    def told(self, small, level):
        return torch.cat([level, small], dim=1)


class ByColumns(Broken):
    """MatConvNet's order of the sub-images: down first, then right."""

    def unshuffle(self, z):
        return super().unshuffle(z).unflatten(1, (-1, 4))[:, :, [0, 2, 1, 3]].flatten(1, 2)


class ByColumnsBothWays(ByColumns):
    def shuffle(self, small, z):
        return super().shuffle(small.unflatten(1, (-1, 4))[:, :, [0, 2, 1, 3]].flatten(1, 2), z)


class ColoursInside(Broken):
    """All colours of the first sub-image, then all of the second: the same for gray."""

    def unshuffle(self, z):
        return super().unshuffle(z).unflatten(1, (-1, 4)).transpose(1, 2).flatten(1, 2)


class NotDivided(Broken):
    def told(self, small, level):
        return super().told(small, 255 * level)


class Residual(Broken):
    def shuffle(self, small, z):
        return z - super().shuffle(small, z)


@pytest.mark.parametrize(("cls", "channels"), [
    (FFDNet, 1), (FFDNet, 3), (Broken, 3),
    *(broken(cls, channels) for channels in (1, 3)
      for cls in (MapFirst, ByColumns, ByColumnsBothWays, NotDivided, Residual)),
    broken(ColoursInside, 3)])
def test_the_estimate_is_that_of_plain_loops(cls, channels):
    network, z = small(channels, cls=cls), images(2, channels, 8, 6)
    level = 0.3 * images(2, 1, 8, 6, seed=1)
    assert torch.allclose(network(z, sigma=level), estimate_by_loops(network, z, level), atol=1e-6)


@pytest.mark.parametrize(("arguments", "all_"), [
    (dict(channels=1), 485_316), (dict(channels=3), 852_108), (dict(depth=2, width=8), 368 + 292)])
def test_it_has_the_papers_number_of_weights(arguments, all_):
    assert sum(w.numel() for w in FFDNet(**arguments).parameters()) == all_


def test_the_layers_are_convolutions_with_relus_between_them_and_nothing_else():
    assert [type(layer).__name__ for layer in FFDNet(depth=3).layers] == ["Conv2d", "ReLU", "Conv2d", "ReLU", "Conv2d"]


@pytest.mark.parametrize("depth", [2, 4, 15])
def test_one_output_pixel_sees_twice_what_its_layers_see(depth):
    network = FFDNet(depth=depth, width=2)
    for weight in network.parameters():
        nn.init.constant_(weight, 0.1)   # positive: no path cancels, no unit is dead
    z = torch.ones(1, 1, 80, 80, requires_grad=True)
    network(z, sigma=0.1)[0, 0, 40, 40].backward()
    seen = z.grad[0, 0].ne(0)
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == network.receptive_field == 2 * (2 * depth + 1)


# Sizes -------------------------------------------------------------------------------------------------------------


class NoCrop(Broken):
    def shuffle(self, small, z):
        return F.pixel_shuffle(small, 2)


class PaddedWithZeros(Broken):
    """The missing row and column are black instead of repeated."""

    def unshuffle(self, z):
        return F.pixel_unshuffle(F.pad(z, (0, z.shape[3] % 2, 0, z.shape[2] % 2)), 2)


@pytest.mark.parametrize("cls", [FFDNet, Broken, broken(NoCrop), broken(PaddedWithZeros)])
@pytest.mark.parametrize("size", [(7, 9), (8, 5), (5, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_odd_image_is_its_even_extension_cropped(cls, size, channels):
    network, z = small(channels, cls=cls), images(2, channels, *size)
    level = 0.3 * images(2, 1, *size, seed=1)
    rows, columns = ([*range(side), *[side - 1] * (side % 2)] for side in size)
    even, even_level = (picture[:, :, rows][:, :, :, columns] for picture in (z, level))
    oracle = estimate_by_loops(network, even, even_level)[..., : size[0], : size[1]]
    estimate = network(z, sigma=level)
    assert estimate.shape == z.shape and torch.allclose(estimate, oracle, atol=1e-6)


def test_a_single_pixel_goes_through():
    assert small(3)(images(1, 3, 1, 1), sigma=0.1).shape == (1, 3, 1, 1)


# Maps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
@pytest.mark.parametrize("level", [0.0, 25 / 255, 0.1, 1 / 3, 75 / 255])
def test_a_map_that_is_the_same_everywhere_equals_the_number_exactly(size, level):
    network, z = small(), images(2, 1, *size)
    told = network(z, sigma=level)
    for shape in ((1, 1, *size), (2, 1, *size), (2, 1, 1, 1), (1, 1, 1, 1), ()):
        for kind in (torch.float32, torch.float64):
            assert torch.equal(network(z, sigma=torch.full(shape, level, dtype=kind)), told)


@pytest.mark.parametrize("average", [
    lambda level: noise_level_map(level, sigma=level),
    broken(lambda level: F.interpolate(level, scale_factor=0.5), id="subsampled"),
    broken(lambda level: F.max_pool2d(level, 2), id="largest")])
def test_a_map_is_averaged_over_two_by_two_pixels(average):
    level = images(2, 1, 6, 10)
    assert torch.allclose(average(level), F.avg_pool2d(level, 2), atol=1e-7)


def test_each_image_of_a_batch_has_its_own_level():
    network, z = small(), images(3, 1, 8, 8)
    levels = torch.tensor([0.0, 0.1, 0.3])
    together = network(z, sigma=levels.reshape(3, 1, 1, 1))
    alone = [network(z[i : i + 1], sigma=float(level)) for i, level in enumerate(levels)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


def test_a_map_acts_where_it_changes_and_not_beyond_the_receptive_field():
    network, z = small(depth=3), images(1, 1, 40, 40)
    level = torch.full((1, 1, 40, 40), 0.1)
    louder = level.clone()
    louder[..., :10, :] = 0.3
    change = (network(z, sigma=louder) - network(z, sigma=level)).abs()
    assert change[..., :10, :].max() > 1e-4 and change[..., 16:, :].max() == 0   # three layers of two pixels each


def test_without_a_level_the_error_says_what_to_do():
    with pytest.raises(ValueError, match="needs the noise level"):
        small()(images(1, 1, 8, 8))


@pytest.mark.parametrize(("sigma", "words"), [
    (25, "25 instead of 25 / 255"), (torch.full((1, 1, 8, 8), 25.0), "25 instead of 25 / 255"),
    (-0.1, "zero or more"), (torch.tensor(float("nan")), "zero or more"),
    (torch.zeros(8, 8), r"map\[None, None\]"), (torch.zeros(2), r"levels\.reshape\(-1, 1, 1, 1\)"),
    (torch.zeros(1, 1, 4, 4), r"\(N, 1, H, W\) = \(2, 1, 8, 8\)"),
    (torch.zeros(2, 3, 8, 8), "one level for each pixel"),
    (torch.zeros(3, 1, 1, 1), "one level for each pixel")])
def test_a_level_that_is_none_is_refused(sigma, words):
    with pytest.raises(ValueError, match=words):
        small()(images(2, 1, 8, 8), sigma=sigma)


def test_a_colour_image_in_a_gray_network_is_refused():
    with pytest.raises(ValueError, match="built for gray images"):
        small()(images(1, 3, 8, 8), sigma=0.1)


def test_a_network_of_one_layer_and_an_unknown_start_are_refused():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        FFDNet(depth=1)
    with pytest.raises(ValueError, match="unknown start"):
        FFDNet(initial="orthogonl")


# First weights -----------------------------------------------------------------------------------------------------


def test_the_start_is_orthogonal_and_the_other_is_not():
    for weight in (w for w in FFDNet(depth=4, width=16).parameters() if w.ndim == 4):
        assert torch.allclose(torch.linalg.svdvals(weight.flatten(1)), torch.ones(weight.shape[0]), atol=1e-4)
    he = FFDNet(depth=4, width=16, initial="he").layers[2].weight
    assert torch.linalg.svdvals(he.flatten(1)).std() > 0.05


def test_the_seed_decides_the_weights_and_the_global_state_stays():
    before = torch.get_rng_state()
    a, b, c = (FFDNet(depth=3, width=4, seed=seed).layers[2].weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(before, torch.get_rng_state())


# Levels of the training --------------------------------------------------------------------------------------------


def test_variant_levels_change_smoothly_over_an_image():
    levels = ffdnet.variant_levels(images(8, 1, 40, 40), sigma=(0.1, 0.3), generator=randomness.generator(0))
    assert levels.shape == (8, 1, 40, 40) and float(levels.min()) >= 0.1 and float(levels.max()) <= 0.3
    assert (levels.flatten(1).std(dim=1) > 0.01).all()
    assert levels.diff(dim=-1).abs().max() < 0.2 / 12     # at most the whole range from one point to the next
    with pytest.raises(ValueError, match="need a range"):
        ffdnet.variant_levels(images(1, 1, 8, 8), sigma=0.1, generator=randomness.generator(0))


@pytest.mark.parametrize("maps", ["uniform", "variant"])
def test_the_network_is_told_the_level_that_the_noise_has(maps):
    listener = Listens()
    gray = [torch.full((1, 40, 40), 128, dtype=torch.uint8)]
    ffdnet.train(gray, sigma=(0.0, 0.3), budget=Budget(30, 8, 40), seed=0, network=listener, maps=maps)
    eta = torch.cat([z - 128 / 255 for z, _ in listener.heard])
    told = torch.cat([level.expand(8, 1, 40, 40) for _, level in listener.heard])
    unit = (eta / told.clamp(min=1e-3))[told > 0.01]
    assert abs(float(unit.mean())) < 0.01 and float(unit.std()) == pytest.approx(1, abs=0.01)
    spread = told.flatten(1).std(dim=1)
    assert (spread == 0).all() if maps == "uniform" else (spread > 0).all()


# Published weights -------------------------------------------------------------------------------------------------


def published(depth, width, channels):
    """A made-up checkpoint with the keys of KAIR."""
    return kair(4 * channels + 1, *[width] * (depth - 1), 4 * channels)


def plain_pipeline(weights, z, sigma):
    """The same tensors in PyTorch's own containers, for images of even size, without this course's code."""
    tensors = list(weights.values())
    layers = []
    for weight, bias in zip(tensors[::2], tensors[1::2], strict=True):
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        conv.load_state_dict({"weight": weight, "bias": bias})
        layers += [conv, nn.ReLU()]
    small = nn.PixelUnshuffle(2)(z)
    told = torch.cat([small, torch.full_like(small[:, :1], sigma)], dim=1)
    return nn.PixelShuffle(2)(nn.Sequential(*layers[:-1])(told))


@pytest.mark.parametrize(("depth", "channels"), [(15, 1), (12, 3)])
def test_a_published_checkpoint_loads_and_equals_a_plain_sequential_of_its_tensors(depth, channels):
    weights, z = published(depth, 8, channels), images(2, channels, 20, 24)
    network = ffdnet.from_published(weights)
    assert (network.depth, network.channels, network.training) == (depth, channels, False)
    estimate = network(z, sigma=25 / 255)
    assert torch.allclose(estimate, plain_pipeline(weights, z, 25 / 255), rtol=1e-4, atol=1e-5)
    assert (estimate - network(z, sigma=50 / 255)).abs().max() > 1e-4


def test_the_real_sizes_of_the_published_files_load():
    for channels, (depth, width) in ffdnet.SIZES.items():
        network = ffdnet.from_published(published(depth, width, channels))
        assert sum(w.numel() for w in network.parameters()) == {1: 485_316, 3: 852_108}[channels]


@pytest.mark.parametrize("weights", [
    {}, {"head.weight": torch.zeros(1, 1, 3, 3)},
    {"model.0.weight": torch.zeros(64, 1, 3, 3), "model.2.weight": torch.zeros(1, 64, 3, 3)}])
def test_weights_of_something_else_are_refused(weights):
    with pytest.raises(ValueError, match="no FFDNet weights in a known layout"):
        ffdnet.from_published(weights)


# Training ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures():
    return {name: picture[:, 60:188, 60:188] for name, picture in data.photographs("validation").items()}


@pytest.mark.slow
def test_a_few_seconds_of_training_remove_noise_of_any_level_and_the_map_matters(pictures):
    trained = ffdnet.train(data.photographs("train"), budget=Budget(1000, 8, 32), seed=0,
                           network=FFDNet(depth=5, width=24))
    assert not trained.model.training and trained.history.steps[-1] == 1000
    for level in (25, 50):
        pairs = data.fixed_pairs(pictures, Gaussian(level / 255), seed=0)
        noisy = float(score(lambda z, sigma=None: z, pairs).mean())
        right = float(score(trained.model, pairs, sigma=level / 255).mean())
        too_low = float(score(trained.model, pairs, sigma=level / 2 / 255).mean())
        assert right > noisy + 4 and right > too_low + 1


@pytest.mark.slow
def test_a_training_that_hides_the_level_is_noticed(pictures, monkeypatch):
    def deaf(model, batch, progress):
        return known_level.loss(model(batch[0], sigma=0.1), batch[2])

    monkeypatch.setattr(known_level, "step", deaf)
    model = ffdnet.train(data.photographs("train"), budget=Budget(1000, 8, 32), seed=0,
                         network=FFDNet(depth=5, width=24)).model
    pairs = data.fixed_pairs(pictures, Gaussian(50 / 255), seed=0)
    right, too_low = (float(score(model, pairs, sigma=level / 255).mean()) for level in (50, 25))
    assert right < too_low + 1


def test_the_pictures_decide_between_gray_and_colour():
    for channels, depth in ((1, 15), (3, 12)):
        trained = ffdnet.train([torch.zeros(channels, 20, 20, dtype=torch.uint8)], budget=Budget(1, 1, 16), seed=0)
        assert (trained.model.channels, trained.model.depth) == (channels, depth)


def test_a_patch_larger_than_an_image_and_unknown_maps_are_refused():
    with pytest.raises(ValueError, match="patch of 70 x 70 is larger"):
        ffdnet.train([torch.zeros(1, 30, 30, dtype=torch.uint8)], budget=Budget(1, 1), seed=0)
    with pytest.raises(ValueError, match="unknown kind of maps"):
        ffdnet.train([torch.zeros(1, 30, 30, dtype=torch.uint8)], budget=Budget(1, 1, 16), seed=0, maps="variable")
