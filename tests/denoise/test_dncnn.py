"""DnCNN: the paper's layers, loss and trainings, held to loops, to plain PyTorch and to their own algebra."""

from collections import OrderedDict

import pytest
import torch
from oracles import broken, images, kair
from torch import nn

from course_lib import data, randomness
from course_lib.denoise import dncnn
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget


def settled(model):
    """A network whose every weight, also of the norms, is a number of its own, in eval mode."""
    draw = randomness.generator(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=draw) + 0.5 if "var" in name
                        else 0.2 * torch.randn(value.shape, generator=draw))
    return model.eval()


# The network -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "convolutions", "all_"), [
    (dict(depth=17), 554_112, 556_032), (dict(depth=20), 664_704, 667_008),
    (dict(depth=17, channels=3), 556_416, 558_336)])
def test_it_has_the_papers_number_of_weights(arguments, convolutions, all_):
    network = DnCNN(**arguments)
    assert sum(w.numel() for w in network.parameters() if w.ndim == 4) == convolutions
    assert sum(w.numel() for w in network.parameters()) == all_


def test_the_layers_are_those_of_the_paper():
    kinds = [type(layer).__name__ for layer in DnCNN(depth=4).layers]
    assert kinds == ["Conv2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]


@pytest.mark.parametrize("depth", [3, 5, 17])
def test_one_output_pixel_sees_a_square_of_twice_the_depth_plus_one(depth):
    network = DnCNN(depth=depth, width=2, batch_norm=False)
    for weight in network.parameters():
        nn.init.constant_(weight, 0.1)   # positive: no path cancels, no unit is dead
    z = torch.ones(1, 1, 41, 41, requires_grad=True)
    network.layers(z)[0, 0, 20, 20].backward()
    seen = z.grad[0, 0].ne(0)
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == network.receptive_field == 2 * depth + 1


@pytest.mark.parametrize("residual", [True, False])
def test_estimate_and_noise_add_up_to_the_input(residual):
    network, z = settled(DnCNN(depth=3, width=4, residual=residual)), images(2, 1, 12, 12)
    assert torch.allclose(network(z) + network.noise(z), z, atol=1e-6)
    layers = network.layers(z)
    assert torch.allclose(network.noise(z) if residual else network(z), layers, atol=1e-6)


def test_before_training_the_estimate_is_the_noisy_image_itself():
    z = images(1, 1, 16, 16)
    assert torch.equal(DnCNN().eval()(z), z)
    assert not torch.allclose(DnCNN(residual=False).eval()(z), z, atol=0.1)


@pytest.mark.parametrize("size", [(7, 9), (1, 1), (64, 33)])
def test_any_size_goes_through(size):
    assert settled(DnCNN(depth=3, width=4, channels=3))(images(2, 3, *size)).shape == (2, 3, *size)


def test_a_shifted_image_has_a_shifted_estimate_away_from_the_border():
    network, z = settled(DnCNN(depth=3, width=4)), images(1, 1, 32, 32)
    shifted = network(z.roll((2, 5), dims=(2, 3)))
    assert torch.allclose(shifted[..., 8:-8, 8:-8], network(z).roll((2, 5), dims=(2, 3))[..., 8:-8, 8:-8], atol=1e-5)


def test_the_seed_decides_the_weights():
    a, b, c = (DnCNN(depth=3, width=4, seed=seed).layers[2].weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_a_network_of_one_layer_is_refused():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        DnCNN(depth=1)


# The loss ----------------------------------------------------------------------------------------------------------


def loss_by_loops(noise_estimate, z, y):
    total, n = 0.0, noise_estimate.numel()
    for r, a, b in zip(noise_estimate.flatten().tolist(), z.flatten().tolist(), y.flatten().tolist(), strict=True):
        total += (r - (a - b)) ** 2
    return total / (2 * n)


@pytest.mark.parametrize("loss", [
    dncnn.residual_loss,
    broken(lambda r, z, y: 0.5 * (r - (y - z)).square().mean(), id="sign"),
    broken(lambda r, z, y: (r - (z - y)).square().mean(), id="half"),
    broken(lambda r, z, y: 0.5 * (r - y).square().mean(), id="target"),
    broken(lambda r, z, y: 0.5 * (r - (z - y)).abs().mean(), id="L1")])
def test_the_loss_is_that_of_plain_loops(loss):
    r, z, y = images(2, 1, 3, 3, seed=1), images(2, 1, 3, 3, seed=2), images(2, 1, 3, 3, seed=3)
    assert float(loss(r, z, y)) == pytest.approx(loss_by_loops(r, z, y), rel=1e-5)


def test_the_step_is_the_loss_of_the_noise_estimate_for_both_kinds_of_network():
    for residual in (True, False):
        network = settled(DnCNN(depth=3, width=4, residual=residual))
        z, y = images(2, 1, 8, 8, seed=1), images(2, 1, 8, 8, seed=2)
        expected = 0.5 * (network(z) - y).square().mean()
        assert torch.allclose(dncnn.step(network, (z, y), None), expected, atol=1e-6)


# Three tasks -------------------------------------------------------------------------------------------------------


def test_the_three_tasks_share_a_batch_in_thirds():
    y = images(9, 1, 24, 24) * 0.2 + 0.4
    z, target = dncnn.three_tasks(y, randomness.generator(0))
    assert torch.equal(target, y) and z.shape == y.shape
    noise, scale, blocks = ((z - y)[part] for part in (slice(0, 3), slice(3, 6), slice(6, 9)))
    assert all(part.abs().max() > 1e-3 for part in (noise, scale, blocks))
    # lost resolution and JPEG smooth a white picture, noise does not
    rough = [float((z[part].diff(dim=-1) ** 2).mean() / (y[part].diff(dim=-1) ** 2).mean()) for part in
             (slice(0, 3), slice(3, 6), slice(6, 9))]
    assert rough[0] > 1 > max(rough[1:])


def test_patches_that_do_not_divide_by_every_scale_are_refused():
    with pytest.raises(ValueError, match="divide by 12"):
        dncnn.three_tasks(images(3, 1, 20, 20), randomness.generator(0))


@pytest.mark.parametrize("batch", [1, 2])
def test_a_batch_too_small_for_three_tasks_is_refused(batch):
    with pytest.raises(ValueError, match=f"expected 3 patches or more, one for each, got {batch}"):
        dncnn.three_tasks(images(batch, 1, 24, 24), randomness.generator(0))


# Published weights -------------------------------------------------------------------------------------------------


def merged(depth, width, channels):
    """A made-up checkpoint with the keys of KAIR: convolutions with biases, norms merged."""
    return kair(channels, *[width] * (depth - 1), channels)


def saoyan(depth, width, channels):
    """A made-up checkpoint with the keys of SaoYan: convolutions without biases, norms without a batch counter."""
    weights = OrderedDict({"module.dncnn.0.weight": 0.1 * images(width, channels, 3, 3, seed=8)})
    for layer in range(depth - 2):
        weights[f"module.dncnn.{2 + 3 * layer}.weight"] = 0.1 * images(width, width, 3, 3, seed=9 + layer) - 0.05
        for kind in ("weight", "bias", "running_mean", "running_var"):
            weights[f"module.dncnn.{3 + 3 * layer}.{kind}"] = images(width, seed=30 + layer) + 0.1
    weights[f"module.dncnn.{2 + 3 * (depth - 2)}.weight"] = 0.1 * images(channels, width, 3, 3, seed=50)
    return weights


def plain_sequential(weights, *, norms):
    """The same tensors in PyTorch's own containers, written down without this course's code."""
    convs = [value for key, value in weights.items() if value.ndim == 4]
    layers = []
    for i, weight in enumerate(convs):
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, bias=not norms)
        layers.append(conv)
        if norms and 0 < i < len(convs) - 1:
            layers.append(nn.BatchNorm2d(weight.shape[0]))
        if i < len(convs) - 1:
            layers.append(nn.ReLU())
    plain = nn.Sequential(*layers)
    state = [key for key in plain.state_dict() if not key.endswith("num_batches_tracked")]
    plain.load_state_dict(dict(zip(state, weights.values(), strict=True)), strict=False)
    return plain.eval()


@pytest.mark.parametrize(("layout", "norms"), [(merged, False), (saoyan, True)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_published_checkpoint_loads_and_equals_a_plain_sequential_of_its_tensors(layout, norms, channels):
    weights = layout(17, 8, channels)
    network, z = dncnn.from_published(weights), images(2, channels, 20, 23)
    assert (network.depth, network.channels, network.training) == (17, channels, False)
    assert torch.allclose(network(z), z - plain_sequential(weights, norms=norms)(z), atol=1e-6)
    assert (network(z) - z).abs().max() > 1e-3


def test_the_real_sizes_of_the_published_files_load():
    assert sum(w.numel() for w in dncnn.from_published(saoyan(17, 64, 1)).parameters() if w.ndim == 4) == 554_112
    assert dncnn.from_published(saoyan(20, 64, 1)).depth == 20
    assert dncnn.from_published(merged(17, 64, 1)).layers[0].bias is not None


@pytest.mark.parametrize("weights", [
    {}, {"head.weight": torch.zeros(1, 1, 3, 3)},
    {"model.0.weight": torch.zeros(64, 5, 3, 3), "model.2.weight": torch.zeros(4, 64, 3, 3)}])
def test_weights_of_something_else_are_refused(weights):
    with pytest.raises(ValueError, match="no DnCNN weights in a known layout"):
        dncnn.from_published(weights)


# Training ----------------------------------------------------------------------------------------------------------


def small(seed=0, **changed):
    return DnCNN(**{**dict(depth=4, width=16, seed=seed), **changed})


@pytest.fixture(scope="module")
def pairs():
    pictures = {name: picture[:, 60:188, 60:188] for name, picture in data.photographs("validation").items()}
    return data.fixed_pairs(pictures, Gaussian(25 / 255), seed=0)


@pytest.mark.slow
def test_a_few_seconds_of_training_remove_noise(pairs):
    noisy = float(score(lambda z, sigma=None: z, pairs).mean())
    trained = dncnn.train(data.photographs("train"), sigma=25 / 255, budget=Budget(150, 8, 32), seed=0, network=small())
    assert float(score(trained.model, pairs).mean()) > noisy + 5
    assert not trained.model.training and trained.history.steps[-1] == 150


@pytest.mark.slow
def test_training_towards_the_image_instead_of_the_noise_is_noticed(pairs, monkeypatch):
    monkeypatch.setattr(dncnn, "residual_loss", lambda r, z, y: 0.5 * (r.float() - y).square().mean())
    trained = dncnn.train(data.photographs("train"), sigma=25 / 255, budget=Budget(150, 8, 32), seed=0, network=small())
    assert float(score(trained.model, pairs).mean()) < 15


def test_the_kind_of_sigma_decides_between_s_and_b():
    budget, pictures = Budget(1, 1, 16), [torch.zeros(1, 20, 20, dtype=torch.uint8)]
    assert dncnn.train(pictures, sigma=0.1, budget=budget, seed=0).model.depth == 17
    assert dncnn.train(pictures, sigma=dncnn.BLIND, budget=budget, seed=0).model.depth == 20
    colour = [torch.zeros(3, 24, 24, dtype=torch.uint8)]
    assert dncnn.train_three_tasks(colour, budget=Budget(1, 3, 12), seed=0).model.channels == 3


def test_a_patch_larger_than_an_image_is_refused():
    with pytest.raises(ValueError, match="patch of 40 x 40 is larger"):
        dncnn.train([torch.zeros(1, 30, 30, dtype=torch.uint8)], sigma=0.1, budget=Budget(1, 1), seed=0)
