"""What all networks of this part take and refuse: types of numbers, devices, noise levels."""

import math

import pytest
import torch
from oracles import images
from torch import nn

from course_lib.denoise import bias_free, cbdnet, class_aware, dncnn, ffdnet, receptive_field, straightforward
from course_lib.denoise.fast import Fast
from course_lib.denoise.ffdnet import noise_level_map

SMALL = dict(depth=3, width=4)


def chooser():
    return class_aware.Chooser(class_aware.Classifier(2), {"one": class_aware.Gradual(**SMALL),
                                                           "other": class_aware.Gradual(**SMALL, seed=1)})


BLIND = {"dncnn": lambda: dncnn.DnCNN(**SMALL), "straightforward": lambda: straightforward.network(**SMALL),
         "bias-free": lambda: bias_free.BiasFreeDnCNN(**SMALL), "twin": lambda: bias_free.BiasedTwin(**SMALL),
         "gradual": lambda: class_aware.Gradual(**SMALL), "chooser": chooser,
         "cbdnet": lambda: cbdnet.CBDNet(channels=1, width=4, estimator_width=4)}
INFORMED = {"ffdnet": lambda: ffdnet.FFDNet(**SMALL), "fast": lambda: Fast(**SMALL)}
OTHERS = {"classifier": lambda: class_aware.Classifier(3), "stack": lambda: receptive_field.Stack(**SMALL),
          "residual": lambda: receptive_field.Residual(blocks=1, width=4),
          "estimator": lambda: cbdnet.NoiseEstimator(channels=1, width=4)}
DENOISERS = BLIND | INFORMED
EVERY = DENOISERS | OTHERS


def told(name):
    return {} if name in OTHERS else {"sigma": 0.1}


# Types and devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_images_of_another_float_type_are_taken_in_the_type_of_the_weights(name, dtype):
    network, z = EVERY[name]().eval(), images(2, 1, 12, 12).to(dtype)
    found = network(z, **told(name))
    assert found.dtype == torch.float32 and torch.equal(found, network(z.float(), **told(name)))


@pytest.mark.parametrize("name", EVERY)
def test_a_network_of_float64_takes_images_of_float32(name):
    assert EVERY[name]().double().eval()(images(2, 1, 12, 12), **told(name)).dtype == torch.float64


@pytest.mark.parametrize("call", [
    lambda z: dncnn.DnCNN(**SMALL).eval().noise(z), lambda z: class_aware.Gradual(**SMALL).noise(z),
    lambda z: class_aware.Gradual(**SMALL).noise_estimates(z)[1],
    lambda z: class_aware.Gradual(**SMALL).gradually(z)[1],
    lambda z: BLIND["cbdnet"]().noise_level(z), lambda z: BLIND["cbdnet"]().denoise(z, level=0.1 * torch.ones_like(z))])
def test_the_methods_of_networks_take_images_of_float64_too(call):
    z = images(2, 1, 12, 12)
    assert torch.allclose(call(z.double()).float(), call(z), atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_images_on_another_device_than_the_weights_are_refused(name):
    with pytest.raises(ValueError, match=r"expected them on cpu, where the network is, got meta"):
        EVERY[name]()(torch.zeros(1, 1, 12, 12, device="meta"), **told(name))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("z", "words"), [
    (torch.zeros(12, 12), r"\(N, C, H, W\)"), (torch.zeros(1, 3, 12, 12), r"1 channel"),
    (torch.zeros(0, 1, 12, 12), "one image"), (torch.full((1, 1, 12, 12), math.nan), "finite numbers"),
    (torch.zeros(1, 1, 12, 12).byte(), "/ 255"), (None, "torch tensor")])
def test_what_is_no_batch_for_a_network_is_refused(name, z, words):
    with pytest.raises((ValueError, TypeError), match=words):
        EVERY[name]()(z, **told(name))


# Noise levels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize(("sigma", "words"), [
    ("0.1", "expected a n.*, got '0.1'"), ([0.1], r"expected a n.*, got \[0.1\]"), (math.nan, "zero or more"),
    (-0.1, "zero or more"), (25, "instead of 25 / 255"), (True, "number.*, got True"),
    (torch.tensor([0.1, 0.2]), r"got (a tensor )?\(2,\)"), (torch.zeros(12, 12), r"got (a tensor )?\(12, 12\)"),
    (torch.zeros(2, 1, 12, 11), r"\(2, 1, 12, 11\)"), (torch.tensor(25.0), "instead of 25 / 255"),
    (torch.full((2, 1, 1, 1), math.nan), "zero or more"), (torch.full((2, 1, 12, 12), -0.1), "zero or more")])
def test_a_sigma_that_is_no_noise_level_is_refused_by_networks_that_use_it_and_that_do_not(name, sigma, words):
    with pytest.raises((ValueError, TypeError), match=words):
        DENOISERS[name]()(images(2, 1, 12, 12), sigma=sigma)


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize("sigma", [0, 0.1, torch.tensor(0.1), torch.full((1, 1, 1, 1), 0.1),
                                   torch.full((2, 1, 1, 1), 0.1, dtype=torch.float64), torch.full((2, 1, 12, 12), 0.1),
                                   torch.full((1, 1, 12, 12), 0.1)])
def test_a_sigma_that_is_a_noise_level_is_taken(name, sigma):
    assert DENOISERS[name]()(images(2, 1, 12, 12), sigma=sigma).shape == (2, 1, 12, 12)


def test_an_informed_network_still_asks_for_its_level_and_a_blind_one_does_not():
    with pytest.raises(ValueError, match="needs the noise level"):
        INFORMED["fast"]()(images(1, 1, 12, 12))
    assert BLIND["dncnn"]()(images(1, 1, 12, 12)).shape == (1, 1, 12, 12)


@pytest.mark.parametrize("z", [torch.zeros(12, 12), [0.1]])
def test_a_map_for_what_is_no_batch_is_refused(z):
    with pytest.raises((ValueError, TypeError), match=r"\(N, C, H, W\)"):
        noise_level_map(z, sigma=0.1)


def test_a_chooser_gives_each_image_its_own_level():
    class Tells(nn.Module):
        def forward(self, z, *, sigma=None):
            return torch.zeros_like(z) + sigma

    both = class_aware.Chooser(class_aware.Classifier(2), {"one": Tells(), "other": Tells()})
    levels = torch.tensor([0.1, 0.2]).reshape(2, 1, 1, 1)
    assert torch.equal(both(images(2, 1, 12, 12), sigma=levels), levels.expand(2, 1, 12, 12))
    assert torch.equal(both(images(2, 1, 12, 12), sigma=0.3), torch.full((2, 1, 12, 12), 0.3))


@pytest.mark.parametrize(("level", "words"), [
    (0.1, "a tensor"), (torch.zeros(2), r"got a tensor \(2,\)"), (torch.zeros(2, 1, 12, 11), r"\(2, 1, 12, 11\)")])
def test_a_level_that_does_not_fit_the_images_is_refused_by_cbdnet(level, words):
    with pytest.raises((ValueError, TypeError), match=f"the noise level map: .*{words}"):
        BLIND["cbdnet"]().denoise(images(2, 1, 12, 12), level=level)


def test_the_u_net_alone_takes_sides_that_divide_by_four_and_a_map_of_its_images():
    network = cbdnet.NonBlind(channels=1, width=4)
    assert network(images(1, 1, 8, 12), torch.zeros(1, 1, 8, 12)).shape == (1, 1, 8, 12)
    with pytest.raises(ValueError, match=r"multiples of 4, got \(1, 1, 8, 10\)"):
        network(images(1, 1, 8, 10), torch.zeros(1, 1, 8, 10))
    with pytest.raises(ValueError, match=r"one shape \(N, C, H, W\)"):
        network(images(1, 1, 8, 12), torch.zeros(1, 1, 1, 1))
