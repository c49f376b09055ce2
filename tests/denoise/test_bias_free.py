"""Bias-free networks: homogeneous, locally linear, and at home at noise they never met; their twins are none of it."""

import argparse
import math
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from oracles import broken, images
from torch import nn
from torch.nn import functional as F

from course_lib import data, randomness
from course_lib.denoise import bias_free
from course_lib.denoise.bias_free import BiasedTwin, BiasFreeDnCNN, BiasFreeNorm
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget


def settled(model, *, dtype=torch.float32):
    """A network whose every weight, also of the norms, is a number of its own, in eval mode."""
    draw = randomness.generator(1)
    for name, value in model.state_dict().items():
        if value.ndim == 4:
            value.copy_(torch.randn(value.shape, generator=draw) * math.sqrt(2 / value[0].numel()))
        elif value.is_floating_point():
            positive = name.endswith(("weight", "running_var"))
            value.copy_(torch.rand(value.shape, generator=draw) + (0.5 if positive else -0.5))
    return model.to(dtype).eval()


def bias_free_network(**changed):
    return settled(BiasFreeDnCNN(**{**dict(depth=5, width=8), **changed}), dtype=torch.float64)


def twin(**changed):
    return settled(BiasedTwin(**{**dict(depth=5, width=8), **changed}), dtype=torch.float64)


# The normalisation -------------------------------------------------------------------------------------------------


def norm_by_loops(x, gain, eps=1e-5):
    """Training mode, one channel after the other, in plain Python."""
    out = np.empty(x.shape)
    for c in range(x.shape[1]):
        values = x[:, c].flatten().tolist()
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        out[:, c] = gain[c] * np.asarray(x[:, c]) / (math.sqrt(variance) + eps)
    return out


def twice_centred(x, gain):
    return F.batch_norm(x, None, None, gain.to(x), training=True)


def eps_inside(x, gain):
    return gain.to(x).view(1, -1, 1, 1) * x / (x.var(dim=(0, 2, 3), keepdim=True) + 1e-5).sqrt()


def second_moment(x, gain):
    return gain.to(x).view(1, -1, 1, 1) * x / (x.square().mean(dim=(0, 2, 3), keepdim=True).sqrt() + 1e-5)


def biased_variance(x, gain):
    return gain.to(x).view(1, -1, 1, 1) * x / (x.var(dim=(0, 2, 3), keepdim=True, correction=0).sqrt() + 1e-5)


def ours(x, gain):
    norm = BiasFreeNorm(len(gain)).to(x.dtype)
    norm.load_state_dict({"weight": gain, "running_var": torch.ones(len(gain))})
    return norm(x)


@pytest.mark.parametrize("norm", [ours, *map(broken, (twice_centred, eps_inside, second_moment, biased_variance))])
def test_the_norm_divides_by_the_centred_deviation_and_shifts_nothing(norm):
    # a faint channel (deviation 1e-3), so that the place of epsilon shows; few values, so that n - 1 does
    x = (images(2, 3, 2, 3).double() + torch.tensor([0.0, 1.0, -3.0]).view(1, 3, 1, 1)) * \
        torch.tensor([1.0, 2.0, 1e-3]).view(1, 3, 1, 1)
    gain = torch.tensor([0.5, -2.0, 1.0])
    assert np.allclose(norm(x, gain).detach().numpy(), norm_by_loops(x, gain.tolist()), rtol=1e-6, atol=0)


def test_gradients_go_through_the_variance():
    norm = BiasFreeNorm(2).double()
    assert torch.autograd.gradcheck(norm, (images(2, 2, 3, 3).double().requires_grad_(),))
    # if the variance were taken for a constant, a channel could grow and grow: the gradient along x itself is zero
    x = images(2, 2, 3, 3).double().requires_grad_()
    gradient, = torch.autograd.grad(norm(x).pow(3).sum(), x)
    assert (gradient * x).sum(dim=(0, 2, 3)).abs().max() < 1e-2 * (gradient.abs() * x).sum()


def test_eval_mode_divides_by_a_running_variance_that_follows_as_that_of_batch_norm_does():
    norm, oracle = BiasFreeNorm(3), nn.BatchNorm2d(3)
    for seed in range(4):
        x = (1 + seed) * images(4, 3, 8, 8, seed=seed)
        norm(x), oracle(x)
    assert torch.allclose(norm.running_var, oracle.running_var, rtol=1e-5)
    x = images(1, 3, 4, 4)
    expected = x / (oracle.running_var.view(1, -1, 1, 1).sqrt() + 1e-5)
    assert torch.allclose(norm.eval()(x), expected, rtol=1e-6)
    assert torch.allclose(norm(x[:, :, :1, :1]), expected[:, :, :1, :1])      # no statistics of the image at hand


def test_a_channel_that_is_the_same_everywhere_divides_by_nearly_nothing_but_has_finite_gradients():
    x = torch.full((2, 1, 3, 3), 0.25, requires_grad=True)
    BiasFreeNorm(1)(x).sum().backward()
    assert x.grad.isfinite().all()


def test_half_precision_is_normalised_by_statistics_in_single_precision():
    x = 3 + images(4, 2, 16, 16)
    half = BiasFreeNorm(2)(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), BiasFreeNorm(2)(x), rtol=2e-2)


# The networks ------------------------------------------------------------------------------------------------------


def test_it_is_dncnn_of_the_papers_size_without_an_additive_constant():
    network = BiasFreeDnCNN()
    kinds = [type(layer).__name__ for layer in network.layers[:5]]
    assert kinds == ["Conv2d", "ReLU", "Conv2d", "BiasFreeNorm", "ReLU"]
    assert (network.depth, sum(weight.ndim == 4 for weight in network.parameters())) == (20, 20)
    assert {name.rpartition(".")[2] for name, _ in network.named_parameters()} == {"weight"}
    assert sum(weight.numel() for weight in network.parameters()) == 664_704 + 18 * 64


def test_the_twin_has_a_bias_in_every_convolution_and_ordinary_norms():
    network = BiasedTwin()
    assert all(layer.bias is not None for layer in network.layers if isinstance(layer, nn.Conv2d))
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in network.layers) == 18


def test_both_begin_with_the_same_convolutions_and_with_the_noisy_image():
    a, b, z = BiasFreeDnCNN(depth=4, width=8, seed=3), BiasedTwin(depth=4, width=8, seed=3), images(1, 1, 9, 9)
    assert torch.equal(a.layers[2].weight, b.layers[2].weight)
    assert torch.equal(a.eval()(z), z) and torch.equal(b.eval()(z), z)


@pytest.mark.parametrize("factor", [2.0, 0.25, 0.37, 5.0, 1e-3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_bias_free_network_is_homogeneous_in_eval_mode(factor, dtype):
    network = settled(BiasFreeDnCNN(depth=20, width=16), dtype=dtype)
    error = bias_free.homogeneity_error(network, images(2, 1, 24, 24).to(dtype), factor=factor)
    assert error <= (1e-5 if dtype == torch.float32 else 1e-13)


def test_scaling_by_a_power_of_two_is_exact():
    network, z = settled(BiasFreeDnCNN(depth=8, width=8)), images(1, 1, 20, 20)
    assert bias_free.homogeneity_error(network, z, factor=2.0) == 0.0
    assert bias_free.homogeneity_error(network, z, factor=0.125) == 0.0


def shifting(network):
    """The ways in which a constant stays behind, each in a network of its own."""
    class Centred(nn.Module):
        def forward(self, z, *, sigma=None):
            return network(z - 0.5) + 0.5

    class Clamped(nn.Module):
        def forward(self, z, *, sigma=None):
            return network(z).clamp(0, 1)

    last_bias = bias_free_network()
    last_bias.layers[-1].bias = nn.Parameter(torch.full((1,), 0.05, dtype=torch.float64))
    shifted_norm = bias_free_network()
    shifted_norm.layers[3] = settled(nn.BatchNorm2d(8), dtype=torch.float64)
    return {"biased twin": twin(), "centred input": Centred(), "clamped output": Clamped(),
            "bias at the end": last_bias, "one ordinary norm": shifted_norm}


@pytest.mark.parametrize("constant", ["biased twin", "centred input", "clamped output", "bias at the end",
                                      "one ordinary norm"])
def test_one_constant_that_stays_behind_is_noticed(constant):
    network = shifting(bias_free_network())[constant]
    assert bias_free.homogeneity_error(network, 2 * images(1, 1, 16, 16).double() - 0.5) > 1e-3


def test_negative_factors_are_no_part_of_it_and_are_refused():
    network, z = bias_free_network(), images(1, 1, 12, 12).double()
    assert not torch.allclose(network(-z), -network(z), rtol=1e-2)               # ReLU sees the sign
    with pytest.raises(ValueError, match="above zero, got -1"):
        bias_free.homogeneity_error(network, z, factor=-1)


def test_training_mode_is_refused_where_eval_mode_is_meant():
    network, z = BiasFreeDnCNN(depth=3, width=4).train(), images(1, 1, 8, 8)
    for view in (bias_free.homogeneity_error, bias_free.net_bias, bias_free.jacobian):
        with pytest.raises(ValueError, match="training mode"):
            view(network, z)


# Removing biases ---------------------------------------------------------------------------------------------------


def test_any_network_of_convolutions_batch_norm_and_relu_becomes_homogeneous():
    network = nn.Sequential(nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
                            nn.Sequential(nn.Conv2d(6, 6, 3, padding=2, dilation=2), nn.BatchNorm2d(6), nn.LeakyReLU()),
                            nn.MaxPool2d(2), nn.ConvTranspose2d(6, 1, 4, stride=4))
    z = images(1, 1, 16, 16)
    assert bias_free.homogeneity_error(settled(network), z, factor=3) > 1e-3
    assert bias_free.remove_biases(network) is network
    assert bias_free.homogeneity_error(network.eval(), z, factor=3) < 1e-6
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_a_norm_keeps_its_gain_and_its_running_variance():
    network = settled(nn.Sequential(nn.BatchNorm2d(3, momentum=0.3)))
    gain, variance = network[0].weight.detach().clone(), network[0].running_var.clone()
    norm = bias_free.remove_biases(network)[0]
    assert torch.equal(norm.weight, gain) and torch.equal(norm.running_var, variance)
    assert (norm.momentum, norm.training) == (0.3, False)


def test_a_bias_free_ffdnet_scales_with_its_noise_level_map():
    network = settled(bias_free.remove_biases(FFDNet(depth=4, width=8)))
    z = images(1, 1, 16, 16)
    assert torch.equal(network(2 * z, sigma=0.4), 2 * network(z, sigma=0.2))
    assert not torch.allclose(network(2 * z, sigma=0.2), 2 * network(z, sigma=0.2), rtol=1e-3)


@pytest.mark.parametrize("layer", [nn.GroupNorm(1, 4), nn.Sigmoid(), nn.LayerNorm(4)])
def test_layers_that_cannot_be_homogeneous_are_refused_by_name(layer):
    with pytest.raises(ValueError, match=rf"1 is a {type(layer).__name__}, which cannot be made homogeneous"):
        bias_free.remove_biases(nn.Sequential(nn.Conv2d(1, 4, 3), layer))


def test_no_tool_that_looks_for_batch_norm_replaces_the_bias_free_one():
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(BiasFreeDnCNN(depth=3, width=4))
    assert isinstance(converted.layers[3], BiasFreeNorm)


# The local linear view ---------------------------------------------------------------------------------------------


def jacobian_by_differences(network, z, step=1e-6):
    """A column for each input pixel, from central differences."""
    columns = []
    for place in range(z.numel()):
        nudge = torch.zeros_like(z).flatten()
        nudge[place] = step
        nudge = nudge.reshape(z.shape)
        with torch.no_grad():
            columns.append(((network(z + nudge) - network(z - nudge)) / (2 * step)).flatten())
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("view", [
    bias_free.jacobian,
    broken(lambda network, z: bias_free.jacobian(network, z).mT, id="transposed"),
    broken(lambda network, z: torch.eye(z.numel()) - bias_free.jacobian(network, z), id="of the noise")])
@pytest.mark.parametrize("build", [bias_free_network, twin])
def test_the_jacobian_is_that_of_small_differences(view, build):
    network, z = build(channels=2), images(1, 2, 5, 4).double()
    assert torch.allclose(view(network, z), jacobian_by_differences(network, z), atol=1e-6)


def test_the_jacobian_does_not_depend_on_how_many_rows_are_taken_at_once():
    network, z = bias_free_network(), images(1, 1, 6, 5).double()
    whole = bias_free.jacobian(network, z)
    assert torch.allclose(bias_free.jacobian(network, z, rows_at_once=7), whole, atol=1e-12)
    oracle = torch.autograd.functional.jacobian(network, z).reshape(30, 30)
    assert torch.allclose(whole, oracle, atol=1e-12)


def test_filters_are_rows_of_the_jacobian_at_row_and_column():
    network, z = bias_free_network(channels=3), images(1, 3, 5, 7).double()
    rows = bias_free.jacobian(network, z).reshape(3, 5, 7, 3, 5, 7)
    found = bias_free.adaptive_filters(network, z, pixels=[(4, 6), (0, 2)], channel=1)
    assert torch.allclose(found, torch.stack([rows[1, 4, 6], rows[1, 0, 2]]), atol=1e-12)
    with pytest.raises(ValueError, match="rows come first"):
        bias_free.adaptive_filters(network, z, pixels=[(6, 4)])


def test_the_estimate_of_a_bias_free_network_is_its_filters_applied_to_the_noisy_image():
    network, z = bias_free_network(), images(1, 1, 12, 12).double()
    filters = bias_free.adaptive_filters(network, z, pixels=[(3, 3), (11, 0)])
    assert torch.allclose((filters * z).sum(dim=(1, 2, 3)), network(z)[0, 0, [3, 11], [3, 0]], atol=1e-12)
    biased = twin()
    filters = bias_free.adaptive_filters(biased, z, pixels=[(3, 3)])
    assert float(((filters * z).sum() - biased(z)[0, 0, 3, 3]).detach().abs()) > 1e-3


def test_the_net_bias_is_what_the_jacobian_leaves_and_zero_without_constants():
    z = images(1, 1, 6, 6).double()
    network = twin()
    left = network(z).flatten() - bias_free.jacobian(network, z) @ z.flatten()
    assert torch.allclose(bias_free.net_bias(network, z).flatten(), left, atol=1e-10)
    assert float(left.detach().norm()) > 1e-2 * float(network(z).detach().norm())
    assert float(bias_free.net_bias(bias_free_network(), z).norm()) < 1e-12 * float(z.norm())


def test_the_view_is_of_weights_that_are_frozen_too_and_leaves_no_gradients():
    network, z = bias_free_network().requires_grad_(False), images(1, 1, 6, 6).double()
    with torch.no_grad():
        assert bias_free.jacobian(network, z).requires_grad is False
        assert bias_free.net_bias(network, z).requires_grad is False
    free = bias_free_network()
    bias_free.adaptive_filters(free, z, pixels=[(1, 1)])
    assert all(weight.grad is None for weight in free.parameters())


def test_two_images_at_once_have_no_one_linear_view():
    with pytest.raises(ValueError, match="belongs to one image"):
        bias_free.jacobian(bias_free_network(), images(2, 1, 6, 6).double())


def test_the_dimensionality_of_a_projection_is_its_rank():
    basis = torch.linalg.qr(torch.randn(20, 6, generator=randomness.generator(0), dtype=torch.float64))[0]
    assert bias_free.effective_dimensionality(basis @ basis.mT) == pytest.approx(6, rel=1e-12)
    matrix = torch.randn(9, 9, generator=randomness.generator(1))
    squares = sum(value**2 for value in torch.linalg.svdvals(matrix.double()).tolist())
    assert bias_free.effective_dimensionality(matrix) == pytest.approx(squares, rel=1e-10)


def test_it_is_the_share_of_white_noise_that_gets_through():
    matrix = torch.randn(12, 12, generator=randomness.generator(2), dtype=torch.float64)
    noise = torch.randn(12, 40_000, generator=randomness.generator(3), dtype=torch.float64)
    through = float((matrix @ noise).square().sum(dim=0).mean())
    assert bias_free.effective_dimensionality(matrix) == pytest.approx(through, rel=0.02)


def test_singular_vectors_are_pairs_of_what_is_looked_for_and_what_is_written():
    network, z = bias_free_network(), images(1, 1, 6, 5).double()
    matrix = bias_free.jacobian(network, z)
    v, s, u = bias_free.singular_vectors(matrix, shape=(1, 6, 5))
    assert v.shape == u.shape == (30, 1, 6, 5) and s.tolist() == sorted(s.tolist(), reverse=True)
    for k in (0, 7, 29):
        assert torch.allclose(matrix @ v[k].flatten(), s[k] * u[k].flatten(), atol=1e-10)
    assert torch.allclose(v.flatten(1) @ v.flatten(1).mT, torch.eye(30, dtype=torch.float64), atol=1e-10)
    assert (v.sum(dim=(1, 2, 3)) >= 0).all()


def test_a_box_filter_is_as_wide_as_its_formula_says():
    weights = torch.zeros(1, 21, 21)
    weights[0, 10 - 3 : 10 + 4, 10 - 3 : 10 + 4] = -0.5
    variance = (7**2 - 1) / 12                                                   # of a uniform law on 7 places
    assert bias_free.filter_width(weights, pixel=(10, 10)) == pytest.approx(math.sqrt(2 * variance))
    assert bias_free.filter_width(weights, pixel=(10, 14)) == pytest.approx(math.sqrt(2 * variance + 16))


# Published weights -------------------------------------------------------------------------------------------------


def published(depth, width, *, biased, channels=1):
    """Made-up weights with the authors' keys: their bias-free norms carry means and shifts that nobody reads."""
    weights, seed = OrderedDict(), 0

    def add(key, *shape, positive=False):
        nonlocal seed
        seed += 1
        weights[key] = images(*shape, seed=seed) + 0.2 if positive else 0.7 * (images(*shape, seed=seed) - 0.5)

    def conv(name, outputs, inputs):
        add(f"{name}.weight", outputs, inputs, 3, 3)
        if biased:
            add(f"{name}.bias", outputs)

    conv("first_layer", width, channels)
    for i in range(depth - 2):
        conv(f"hidden_layer_list.{i}", width, width)
    for i in range(depth - 2):
        for kind in ("weight", "bias", "running_mean", "running_var"):
            add(f"bn_layer_list.{i}.{kind}", width, positive=kind in ("weight", "running_var"))
        weights[f"bn_layer_list.{i}.num_batches_tracked"] = torch.tensor(100)
    conv("last_layer", channels, width)
    return weights


def as_the_authors_compute(weights, z, *, biased):
    """Eval mode, written down with functions of PyTorch and without this course's code."""
    def conv(name, x):
        return F.conv2d(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"), padding=1)

    x = F.relu(conv("first_layer", z))
    for i in range(sum(key.startswith("hidden_layer_list") and key.endswith("weight") for key in weights)):
        x, norm = conv(f"hidden_layer_list.{i}", x), f"bn_layer_list.{i}"
        gain, shift, mean, variance = (weights[f"{norm}.{kind}"] for kind in
                                       ("weight", "bias", "running_mean", "running_var"))
        if biased:
            x = F.batch_norm(x, mean, variance, gain, shift, training=False, eps=1e-5)
        else:
            x = gain.view(1, -1, 1, 1) * (x / (variance.view(1, -1, 1, 1) ** 0.5 + 1e-5))
        x = F.relu(x)
    return z - conv("last_layer", x)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_weights_in_the_authors_layout_load_and_do_what_the_authors_compute(biased, channels):
    weights, z = published(20, 8, biased=biased, channels=channels), images(2, channels, 15, 18)
    network = bias_free.from_published(weights)
    assert (network.depth, network.channels, network.training) == (20, channels, False)
    assert isinstance(network, BiasFreeDnCNN) is not biased
    weights, network, z = {key: value.double() for key, value in weights.items()}, network.double(), z.double()
    expected = as_the_authors_compute(weights, z, biased=biased)
    assert torch.allclose(network(z), expected, rtol=1e-9) and (expected - z).abs().max() > 1e-3
    assert (bias_free.homogeneity_error(network, z, factor=3) < 1e-5) is not biased


def test_the_real_size_loads_from_a_file_of_the_authors_kind(tmp_path):
    torch.save({"model": [published(20, 64, biased=False)], "args": argparse.Namespace(min_noise=10, max_noise=0)},
               tmp_path / "0-10.pt")
    with torch.serialization.safe_globals([argparse.Namespace]):
        file = torch.load(tmp_path / "0-10.pt", weights_only=True)
    for weights in (file, file["model"], file["model"][0]):
        assert sum(weight.numel() for weight in bias_free.from_published(weights).parameters()) == 665_856


@pytest.mark.parametrize("biased", [False, True])
def test_a_layer_that_is_missing_or_one_too_many_is_noticed(biased):
    weights = published(5, 4, biased=biased)
    for key in ("hidden_layer_list.1.weight", "bn_layer_list.2.running_var", "bn_layer_list.0.weight"):
        with pytest.raises(ValueError, match=rf"Missing: {re.escape(key)}\."):
            bias_free.from_published({name: value for name, value in weights.items() if name != key})
    with pytest.raises(ValueError, match=r"Too many: strange\.weight\."):
        bias_free.from_published({**weights, "strange.weight": torch.zeros(1)})


@pytest.mark.parametrize("weights", [{}, {"first_layer.weight": torch.zeros(64, 1, 3, 3)}])
def test_weights_of_something_else_are_refused(weights):
    with pytest.raises(ValueError, match="no weights of the authors' DnCNN"):
        bias_free.from_published(weights)


# Other networks and images ------------------------------------------------------------------------------------------


LOOKS = [bias_free.net_bias, bias_free.jacobian,
         lambda network, z: bias_free.adaptive_filters(network, z, pixels=[(1, 2), (3, 5)]),
         lambda network, z: torch.tensor(bias_free.homogeneity_error(network, z, factor=3))]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("frozen", [False, True])
def test_images_of_float64_and_frozen_networks_are_looked_at_too(look, frozen):
    network, z = settled(BiasedTwin(depth=3, width=4)).requires_grad_(not frozen), images(1, 1, 5, 7)
    assert torch.equal(look(network, z.double()), look(network, z))


@pytest.mark.parametrize("look", LOOKS)
def test_a_network_left_in_training_mode_is_refused_with_the_call_that_helps(look):
    with pytest.raises(ValueError, match=r"Call network.eval\(\) first"):
        look(BiasFreeDnCNN(depth=3, width=4).train(), images(1, 1, 5, 7))


@pytest.mark.parametrize(("how", "words"), [
    (dict(pixels=[]), "one .row, column. or more"), (dict(pixels=(1, 2)), "two whole numbers, got 1"),
    (dict(pixels=[(1.0, 2.0)]), "two whole numbers"), (dict(pixels=[(5, 0)]), "rows come first"),
    (dict(pixels=[(1, 2)], channel=1), "one of the 1 channels"), (dict(pixels=[(1, 2)], channel=-1), "one of the 1")])
def test_pixels_and_channels_that_an_image_has_not_are_refused(how, words):
    with pytest.raises((ValueError, TypeError), match=words):
        bias_free.adaptive_filters(bias_free_network(), images(1, 1, 5, 7), **how)


@pytest.mark.parametrize("measure", [
    bias_free.effective_dimensionality, lambda matrix: bias_free.singular_vectors(matrix, shape=(1, 2, 2))])
@pytest.mark.parametrize("matrix", [torch.zeros(1, 1, 2, 2), torch.zeros(4, 3)])
def test_what_is_no_matrix_of_a_denoiser_is_refused(measure, matrix):
    with pytest.raises(ValueError, match=r"expected \(P, P\)"):
        measure(matrix)




# Training ----------------------------------------------------------------------------------------------------------


def test_the_default_network_is_bias_free_has_the_channels_of_the_images_and_ends_in_eval_mode():
    for channels in (1, 3):
        trained = bias_free.train([torch.zeros(channels, 24, 24, dtype=torch.uint8)], budget=Budget(1, 2, 16), seed=0)
        assert isinstance(trained.model, BiasFreeDnCNN) and not trained.model.training
        assert (trained.model.channels, trained.model.depth) == (channels, 20)


@pytest.mark.slow
def test_trained_on_faint_noise_only_the_bias_free_one_removes_strong_noise_and_its_twin_does_not():
    pictures = {name: picture[:, 60:188, 60:188] for name, picture in data.photographs("validation").items()}
    found = {}
    for name, network in (("bias-free", BiasFreeDnCNN(depth=4, width=16)), ("twin", BiasedTwin(depth=4, width=16))):
        model = bias_free.train(data.photographs("train"), budget=Budget(200, 8, 32), seed=0, network=network).model
        for level in (10, 50):
            pairs = data.fixed_pairs(pictures, Gaussian(level / 255), seed=0)
            found[name, level] = float(score(model, pairs).mean() - score(lambda z, sigma=None: z, pairs).mean())
    assert min(found["bias-free", 10], found["twin", 10]) > 1
    assert found["bias-free", 50] > found["twin", 50] + 1.5
