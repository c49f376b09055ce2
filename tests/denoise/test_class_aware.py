"""Class-aware denoising: the split, the sum, the classes and the choice, held to loops and to cases by hand."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Listens, broken, images
from torch import nn
from torch.nn import functional as F

from course_lib import data, randomness
from course_lib.data.drawn import CLASSES, drawn
from course_lib.denoise import class_aware
from course_lib.denoise.class_aware import Chooser, Classifier, Gradual, sum_of
from course_lib.denoiser import score
from course_lib.noise import Gaussian, Poisson
from course_lib.profiles import Budget


def small(*, cls=Gradual, **changed):
    return cls(**{**dict(depth=5, width=6), **changed}).eval()


# The network, written down again -----------------------------------------------------------------------------------


def contributions_by_loops(network, z):
    """The authors' graph: what the layers add to ten times the image, one layer after the other."""
    passed, found, depth = z - 0.5, [], len(network.layers)
    for i, layer in enumerate(network.layers):
        out = F.conv2d(passed, layer.weight, layer.bias, padding=1)
        found.append(out[:, : z.shape[1]])
        passed = out[:, z.shape[1] :]
        if i < depth - 2:
            passed = passed.clamp(min=0)
    return found


class SplitAfterRelu(Gradual):
    def noise_estimates(self, z):
        found, passed = [], z - 0.5
        for i, layer in enumerate(self.layers):
            out = F.relu(layer(passed)) if i < self.depth - 2 else layer(passed)
            found.append(out[:, : self.channels] / -10)
            passed = out[:, self.channels :]
        return found


class ReluEverywhere(Gradual):
    def noise_estimates(self, z):
        found, passed = [], z - 0.5
        for layer in self.layers:
            out = layer(passed)
            found.append(out[:, : self.channels] / -10)
            passed = F.relu(out[:, self.channels :])
        return found


class NotCentred(Gradual):
    def noise_estimates(self, z):
        return super().noise_estimates(z + 0.5)


class AddsTheNoise(Gradual):
    def forward(self, z, *, sigma=None):
        return z + self.noise(z)


class LastOnly(Gradual):
    def noise(self, z):
        return self.noise_estimates(z)[-1]


WRONG = [*map(broken, (SplitAfterRelu, ReluEverywhere, NotCentred, AddsTheNoise, LastOnly))]


@pytest.mark.parametrize("cls", [Gradual, *WRONG])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_estimate_is_the_image_and_a_tenth_of_all_split_channels(cls, channels):
    network, z = small(cls=cls, channels=channels).double(), images(2, channels, 9, 7).double() - 0.2
    with torch.no_grad():
        expected = z + sum(contributions_by_loops(network, z)) / 10
        assert torch.allclose(network(z), expected, atol=1e-12) and (expected - z).abs().max() > 1e-3


def test_the_paper_has_twenty_layers_of_64_of_which_63_go_on():
    layers = Gradual().layers
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == [(1, 64), *[(63, 64)] * 18, (63, 1)]
    assert all(layer.kernel_size == (3, 3) and (layer.bias == 0.01).all() for layer in layers)


# The sum -----------------------------------------------------------------------------------------------------------


class SummedAnotherWay(Gradual):
    """Right in real numbers: the sum from the last layer to the first."""

    def forward(self, z, *, sigma=None):
        return z - sum_of(self.noise_estimates(z)[::-1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.sampled_from([1, 3]))
def test_the_output_is_bit_for_bit_the_input_minus_the_sum_of_the_gradual_estimates(seed, depth, channels):
    network = small(depth=depth, channels=channels, seed=seed)
    z = 2 * images(1, channels, 8, 9, seed=seed) - 0.5
    with torch.no_grad():
        estimate, found = network(z), network.noise_estimates(z)
        total = sum(found[1:], found[0])
        assert len(found) == depth and all(one.shape == z.shape for one in found)
        assert torch.equal(estimate, z - total)
        assert torch.equal(network.noise(z), total) and torch.equal(network.gradually(z)[-1], estimate)
        # the one rounding that is left, that of the subtraction, is all that z - y_hat may differ by
        rounding = torch.finfo(torch.float32).eps * estimate.abs().double()
        assert ((z.double() - estimate.double() - total.double()).abs() <= rounding).all()


@pytest.mark.parametrize("cls", [broken(SummedAnotherWay)])   # floating point depends on the order
def test_another_order_of_the_sum_is_noticed(cls):
    network, z = small(cls=cls, depth=12), images(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(z), z - sum_of(network.noise_estimates(z)))


def test_input_minus_output_is_the_sum_itself_where_numbers_are_short():
    network = small(depth=6)
    for layer in network.layers:                       # multiples of 10 / 32 that the division by 10 leaves exact
        layer.weight.data.zero_()
        layer.bias.data.copy_(torch.randint(-8, 9, layer.bias.shape, generator=randomness.generator(2)) * 10 / 32)
    z = torch.randint(0, 257, (1, 1, 8, 8), generator=randomness.generator(3)) / 256
    with torch.no_grad():
        total = sum_of(network.noise_estimates(z))
        assert total.abs().max() > 0.1 and torch.equal(z - network(z), total)


def test_each_image_of_the_gradual_ones_is_one_estimate_further():
    network, z = small(depth=4), images(1, 1, 8, 8)
    with torch.no_grad():
        steps, found = network.gradually(z), network.noise_estimates(z)
    before = z
    for after, one in zip(steps, found, strict=True):
        assert torch.allclose(before - after, one, atol=1e-6)
        before = after


def test_a_layer_sees_one_pixel_further_than_the_one_before():
    network, z = small(depth=4, width=8).double(), images(1, 1, 15, 15).double().requires_grad_()
    for d, one in enumerate(network.noise_estimates(z), start=1):
        (gradient,) = torch.autograd.grad(one[0, 0, 7, 7], z, retain_graph=True)
        seen = gradient[0, 0].abs() > 0
        assert seen[7 - d : 8 + d, 7 - d : 8 + d].sum() == seen.sum() > 0
        assert seen[7 - d].any() or d == 4             # the outermost ring too, but by a dead unit at the end


@pytest.mark.parametrize(("arguments", "words"), [
    ({"depth": 1}, "at least 2, got 1"), ({"width": 1}, "more are needed, got 1"),
    ({"width": 3, "channels": 3}, "more are needed, got 3")])
def test_networks_that_cannot_be_split_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Gradual(**arguments)


def test_wrong_images_and_a_sigma_of_25_are_refused():
    with pytest.raises(ValueError, match="built for gray images"):
        small()(images(1, 3, 8, 8))
    with pytest.raises(ValueError, match="25 instead of 25 / 255"):
        small()(images(1, 1, 8, 8), sigma=25)
    assert torch.equal(small()(images(1, 1, 8, 8), sigma=0.1), small()(images(1, 1, 8, 8)))


def test_the_seed_decides_the_weights_and_the_global_state_stays():
    before = torch.get_rng_state()
    a, b, c = (small(seed=seed).layers[2].weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    Classifier(3)
    assert torch.equal(before, torch.get_rng_state())


# The choice --------------------------------------------------------------------------------------------------------


class ByBrightness(nn.Module):
    """Takes dark images for the first class and bright ones for the second."""

    def forward(self, z):
        bright = z.mean(dim=(1, 2, 3))
        return torch.stack([0.5 - bright, bright - 0.5], dim=1)


class Adds(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, z, *, sigma=None):
        return z + self.value


class ForTheWholeBatch(Chooser):
    """The first image of a batch decides for all."""

    def choose(self, z):
        return super().choose(z)[:1] * len(z)


@pytest.mark.parametrize("cls", [Chooser, broken(ForTheWholeBatch)])
def test_each_image_goes_to_the_network_of_its_own_class(cls):
    chooser = cls(ByBrightness(), {"night": Adds(0.1), "day": Adds(-0.1)})
    z = torch.tensor([0.2, 0.9, 0.3]).reshape(3, 1, 1, 1).expand(3, 1, 4, 4)
    assert chooser.choose(z) == ["night", "day", "night"]
    assert torch.allclose(chooser(z, sigma=0.1)[:, 0, 0, 0], torch.tensor([0.3, 0.8, 0.4]))


def test_a_chooser_without_networks_or_with_too_few_is_refused():
    with pytest.raises(ValueError, match="got none"):
        Chooser(ByBrightness(), {})
    with pytest.raises(ValueError, match="tells 2 classes apart, but there are networks for 1: day"):
        Chooser(ByBrightness(), {"day": Adds(0)})(images(1, 1, 4, 4))


def test_the_classifier_gets_all_classes_in_equal_parts_with_their_numbers():
    flat = {name: [torch.full((1, 40, 40), value, dtype=torch.uint8)]
            for name, value in (("a", 10), ("b", 20), ("c", 30))}
    crops, labels = class_aware._labelled(flat, size=16)(8, randomness.generator(0))
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert torch.allclose(crops.mean(dim=(1, 2, 3)) * 255, 10.0 * (labels + 1))
    few, label = class_aware._labelled(flat, size=16)(2, randomness.generator(0))
    assert label.tolist() == [0, 1] and len(few) == 2


@pytest.mark.slow
def test_a_few_seconds_teach_the_classifier_to_see_through_the_noise():
    classes = {kind: drawn(kind, 60, size=64, seed=1) for kind in CLASSES}
    model = class_aware.train_classifier(classes, noise=50 / 255, budget=Budget(200, 12, 48), seed=0).model
    pairs = [(z, kind) for kind in CLASSES
             for z, _ in data.fixed_pairs(drawn(kind, 8, size=64, seed=2), Gaussian(50 / 255), seed=0)]
    right = [CLASSES[int(model(z).argmax())] == kind for z, kind in pairs]
    assert sum(right) >= 21                                                       # of 24; 8 by chance


# Training ----------------------------------------------------------------------------------------------------------


def test_the_noise_is_the_one_asked_for():
    gray = [torch.full((1, 40, 40), 128, dtype=torch.uint8)]
    counts, level = Listens(), Listens()
    class_aware.train(gray, noise=Poisson(peak=8), budget=Budget(10, 4, 32), seed=0, network=counts)
    class_aware.train(gray, noise=0.1, budget=Budget(10, 4, 32), seed=0, network=level)
    z = torch.cat([seen for seen, _ in counts.heard])
    assert torch.allclose(z * 8, (z * 8).round(), atol=1e-4)
    assert float(z.var()) == pytest.approx(128 / 255 / 8, rel=0.05)
    assert float(torch.cat([seen for seen, _ in level.heard]).std()) == pytest.approx(0.1, rel=0.05)


def test_further_training_starts_from_the_network_it_is_given():
    pictures, network = list(drawn("text", 2, size=48).values()), small(depth=3, width=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    own = copy.deepcopy(network)
    trained = class_aware.train(pictures, noise=0.1, budget=Budget(2, 2, 32), seed=0, network=own)
    assert trained.model is own and not trained.model.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (own.layers[1].weight - before["layers.1.weight"]).abs().max() > 0


@pytest.mark.slow
def test_a_network_trained_further_on_text_is_better_at_text_and_worse_at_cloth():
    classes = {kind: drawn(kind, 20, seed=1) for kind in CLASSES}
    everything = [picture for pictures in classes.values() for picture in pictures.values()]
    base = class_aware.train(everything, noise=0.2, budget=Budget(150, 8, 32), seed=0,
                             network=Gradual(depth=6, width=16)).model

    def further(pictures):
        return class_aware.train(pictures, noise=0.2, budget=Budget(100, 8, 32), seed=0,
                                 network=copy.deepcopy(base)).model

    agnostic, aware = further(everything), further(classes["text"])
    text, cloth = (data.fixed_pairs(drawn(kind, 4, seed=2), Gaussian(0.2), seed=0) for kind in ("text", "texture"))
    assert score(aware, text).mean() > score(agnostic, text).mean() + 0.2
    assert score(aware, cloth).mean() < score(agnostic, cloth).mean()
