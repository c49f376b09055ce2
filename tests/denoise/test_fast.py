"""The fast denoiser: homogeneous, residual, of any size, told the level, and good after seconds."""

import pytest
import torch
from oracles import broken, images
from torch import nn

from course_lib import data, randomness
from course_lib.denoise import fast, known_level
from course_lib.denoise.fast import Fast
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget


def settled(channels=1, *, biases=False):
    """A small network whose every weight is a number of its own, with biases where asked."""
    network = Fast(depth=3, width=6, channels=channels).eval()
    draw = randomness.generator(1)
    for layer in network.layers:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = 0.2 * torch.randn(layer.weight.shape, generator=draw)
            if biases:
                layer.bias = nn.Parameter(0.1 * torch.randn(layer.out_channels, generator=draw))
    return network


def test_it_has_the_number_of_weights_of_its_layers():
    assert sum(w.numel() for w in Fast().parameters()) == 9 * (5 * 48 + 6 * 48 * 48 + 48 * 4) == 128_304
    assert not any("bias" in name for name, _ in Fast().named_parameters())


def test_before_training_the_estimate_is_the_noisy_image_itself():
    z = images(1, 1, 15, 16)
    assert torch.equal(Fast().eval()(z, sigma=0.1), z)


@pytest.mark.parametrize("biases", [False, broken(True)])
@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_an_image_twice_as_bright_with_twice_the_noise_has_an_estimate_twice_as_bright(biases, factor):
    network, z = settled(biases=biases), images(1, 1, 12, 12)
    assert torch.allclose(network(factor * z, sigma=factor * 0.1), factor * network(z, sigma=0.1), atol=1e-5)


def test_it_listens_to_the_level_and_insists_on_it():
    network, z = settled(), images(1, 1, 12, 12)
    assert not torch.allclose(network(z, sigma=0.1), network(z, sigma=0.2), atol=1e-3)
    with pytest.raises(ValueError, match="needs the noise level"):
        network(z)


@pytest.mark.parametrize("size", [(7, 9), (1, 1), (8, 33)])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_odd_image_is_its_even_extension_cropped(size, channels):
    network, z = settled(channels), images(2, channels, *size)
    rows, columns = ([*range(side), *[side - 1] * (side % 2)] for side in size)
    even = z[:, :, rows][:, :, :, columns]
    small = nn.PixelUnshuffle(2)(even)
    told = torch.cat([small, torch.full_like(small[:, :1], 0.1)], dim=1)
    oracle = (even - nn.PixelShuffle(2)(network.layers(told)))[..., : size[0], : size[1]]
    assert torch.allclose(network(z, sigma=0.1), oracle, atol=1e-6) and network(z, sigma=0.1).shape == z.shape


def test_a_network_of_one_layer_and_a_colour_image_in_a_gray_one_are_refused():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        Fast(depth=1)
    with pytest.raises(ValueError, match="built for gray images"):
        Fast()(images(1, 3, 8, 8), sigma=0.1)


def test_the_step_is_half_the_mean_squared_error_by_loops():
    network, z, y = settled(), images(2, 1, 6, 6, seed=1), images(2, 1, 6, 6, seed=2)
    level = torch.tensor([0.1, 0.2]).reshape(2, 1, 1, 1)
    estimate = network(z, sigma=level).flatten().tolist()
    squares = [(a - b) ** 2 for a, b in zip(estimate, y.flatten().tolist(), strict=True)]
    loss = float(known_level.step(network, (z, level, y), None).detach())
    assert loss == pytest.approx(sum(squares) / len(squares) / 2, rel=1e-5)


@pytest.mark.slow
def test_a_few_seconds_of_training_remove_noise():
    pictures = {name: picture[:, 60:188, 60:188] for name, picture in data.photographs("validation").items()}
    pairs = data.fixed_pairs(pictures, Gaussian(25 / 255), seed=0)
    noisy = float(score(lambda z, sigma=None: z, pairs).mean())
    trained = fast.train(data.photographs("train"), sigma=25 / 255, budget=Budget(200, 6, 48), seed=0)
    assert float(score(trained.model, pairs, sigma=25 / 255).mean()) > noisy + 6
    assert not trained.model.training and trained.history.steps[-1] == 200


def test_the_pictures_decide_between_gray_and_colour():
    trained = fast.train([torch.zeros(3, 50, 50, dtype=torch.uint8)], sigma=0.1, budget=Budget(1, 1), seed=0)
    assert trained.model.channels == 3
