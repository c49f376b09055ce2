"""Receptive fields: arithmetic, gradients and impulses held to one another, to the theory and to plain loops."""

import math

import pytest
import torch
from oracles import broken
from torch import nn
from torch.nn import functional as F

from benchmarks import receptive_field as benchmark
from course_lib import randomness
from course_lib.denoise import receptive_field
from course_lib.denoise.cbdnet import CBDNet, NoiseEstimator
from course_lib.denoise.class_aware import Gradual
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.fast import Fast
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.receptive_field import (
    Stack,
    by_arithmetic,
    constant,
    diffused,
    energy,
    gaussian,
    impulse_response,
    input_gradients,
    many_gradients,
    theoretical_field,
    width,
)


def images(*shape, seed=0):
    return torch.randn(*shape, generator=randomness.generator(seed, "test images"))


class UNet(nn.Module):
    """Two levels with a way across: every kind of layer that a U-Net has."""

    def __init__(self, depth=2, width=4):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(2 * width, 1, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.up = nn.ModuleList(nn.ConvTranspose2d(width, width, 2, stride=2) for _ in range(depth))

    def forward(self, x):
        top = x = F.relu(self.first(x))
        for conv in self.down:
            x = F.relu(conv(F.max_pool2d(x, 2)))
        for enlarge in self.up:
            x = F.relu(enlarge(x))
        return self.last(torch.cat([top, x], dim=1))


# The theoretical field ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "field"), [(5, 11), (10, 21), (20, 41), (40, 81)])
def test_stacks_of_the_source_see_what_the_source_says(depth, field):
    assert by_arithmetic([(3, 1, 1)] * depth) == theoretical_field(Stack(depth=depth, width=2)) == field


@pytest.mark.parametrize(("network", "told", "field"), [
    (DnCNN(width=4), {}, 35), (DnCNN(depth=20, width=4), {}, 41), (DnCNN(width=4, padding="reflect"), {}, 35),
    (FFDNet(width=4), {"sigma": 0.1}, 62), (FFDNet(channels=3, width=4), {"sigma": 0.1}, 50),
    (Fast(width=4), {"sigma": 0.1}, 34), (Stack(depth=4, width=2, dilations=(1, 2, 4, 8)), {}, 31)])
def test_networks_of_the_course_see_what_their_papers_say(network, told, field):
    assert theoretical_field(network, channels=network.channels, **told) == field
    if hasattr(network, "receptive_field"):
        assert network.receptive_field == field


@pytest.mark.parametrize(("depth", "field"), [(1, 10), (2, 22)])
def test_a_u_net_sees_what_its_gradient_reaches(depth, field):
    network = UNet(depth).double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.1)
    size, sides = 64, []
    z = torch.rand(1, 1, size, size, dtype=torch.float64, generator=randomness.generator(0)) + 1
    for phase in range(4):     # pooling takes the largest of four: the union over images that make each one win
        touched = torch.zeros(size, dtype=torch.bool)
        for seed in range(12):
            z = (torch.rand(1, 1, size, size, dtype=torch.float64, generator=randomness.generator(seed)) + 1)
            z.requires_grad_()
            touched |= torch.autograd.grad(network(z)[0, 0, 32 + phase].sum(), z)[0].ne(0).any(-1)[0, 0]
        seen = touched.nonzero()
        sides.append(int(seen.max() - seen.min()) + 1)
    assert theoretical_field(UNet(depth)) == max(sides) == field


@pytest.mark.parametrize("layers", [[(3, 1, 2), (3, 2, 1), (5, 1, 2), (3, 1, 1)], [(7, 1, 2), (3, 1, 2), (3, 3, 1)]])
def test_the_formula_agrees_with_the_network_of_its_layers(layers):
    network = nn.Sequential(*[nn.Conv2d(1, 1, k, stride=s, dilation=d, padding=d * (k // 2)) for k, d, s in layers])
    assert theoretical_field(network) == by_arithmetic(layers)


@pytest.mark.parametrize("formula", [
    by_arithmetic,
    broken(lambda layers: 1 + sum((k - 1) * d for k, d, _ in layers), id="no strides"),
    broken(lambda layers: 1 + sum(k * d for k, d, _ in layers), id="k for k - 1"),
    broken(lambda layers: 1 + sum((k - 1) * d * math.prod(s for *_, s in layers[: i + 1])
                                  for i, (k, d, _) in enumerate(layers)), id="own stride")])
def test_a_case_by_hand_tells_the_formula_from_its_misreadings(formula):
    # 3 sees 3; the next taps are 1 step of 1 apart, dilated by 2: 3 + 4 = 7; its stride makes the last one's steps 2
    assert formula([(3, 1, 1), (3, 2, 2), (3, 1, 1)]) == 1 + 2 + 4 + 4


def test_a_network_that_sees_everything_is_refused():
    with pytest.raises(ValueError, match="sees more than"):
        theoretical_field(lambda z: z + z.mean((2, 3), keepdim=True))


@pytest.mark.parametrize(("stages", "field"), [(1, 59), (2, 179), pytest.param(3, 547, marks=pytest.mark.slow),
                                               pytest.param(4, 899, marks=pytest.mark.slow)])
def test_a_resnet_sees_what_the_formula_says_down_to_its_last_stage(stages, field):
    resnet = pytest.importorskip("torchvision").models.resnet34(weights=None)
    layers = [(7, 1, 2), (3, 1, 2)]                                    # the stem: a convolution and a maximum
    for stage, blocks in enumerate((3, 4, 6, 3)[:stages]):
        layers += [(3, 1, 1 + (stage > 0)), *[(3, 1, 1)] * (2 * blocks - 1)]
    parts = [resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool, resnet.layer1, resnet.layer2, resnet.layer3,
             resnet.layer4][: 4 + stages]
    assert theoretical_field(nn.Sequential(*parts), channels=3) == by_arithmetic(layers) == field


def test_a_field_larger_than_is_looked_for_names_strides_among_the_causes():
    network = nn.Sequential(*[nn.Conv2d(1, 1, 3, stride=2, padding=1) for _ in range(11)])
    with pytest.raises(ValueError, match="more than 1024 pixels, or the whole image.*many strides"):
        theoretical_field(network)


@pytest.mark.parametrize(("network", "told", "field"), [
    (Gradual(depth=4, width=4), {}, 9), (Gradual(depth=2, width=4), {}, 5),
    (CBDNet(channels=1, width=2, estimator_width=2), {}, 94), (NoiseEstimator(channels=1, width=2), {}, 11),
    *[(FFDNet(depth=3, width=4), {"sigma": level}, 14) for level in (
        torch.tensor(0.1), torch.full((1, 1, 1, 1), 0.1), torch.rand(1, 1, 40, 40), torch.rand(1, 1, 30, 50).double())],
    (Fast(depth=3, width=4), {"sigma": torch.rand(1, 1, 40, 40)}, 14)])
def test_networks_of_several_kinds_of_layers_and_maps_are_followed(network, told, field):
    assert theoretical_field(network, **told) == field


def test_what_cbdnet_sees_is_what_its_gradient_reaches():
    network = CBDNet(channels=1, width=2, estimator_width=2).double()
    for weight in network.parameters():
        nn.init.constant_(weight, 0.05)       # positive: no path cancels, no unit is dead
    z, sides = torch.ones(1, 1, 128, 128, dtype=torch.float64, requires_grad=True), []
    for phase in range(4):
        seen = torch.autograd.grad(network(z)[0, 0, 64 + phase].sum(), z)[0].ne(0).any(-1)[0, 0].nonzero()
        sides.append(int(seen.max() - seen.min()) + 1)
    assert max(sides) == theoretical_field(network) == 94


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_type_of_the_weights_and_the_mode_change_no_field_and_stay(dtype):
    network = DnCNN(depth=3, width=4).to(dtype).train()
    network.layers[3].eval()
    assert theoretical_field(network) == 7
    assert network.training and not network.layers[3].training and network.layers[0].weight.dtype == dtype


def test_a_way_around_leaves_the_theoretical_field_and_shrinks_the_effective_one():
    z = images(16, 1, 33, 33)
    gradients = {}
    for name, network in (("plain", lambda seed: Stack(depth=12, seed=seed)),
                          ("around", lambda seed: receptive_field.Residual(blocks=5, seed=seed))):
        assert theoretical_field(network(0)) == 25
        gradients[name] = torch.cat([input_gradients(network(seed), image[None]) for seed, image in enumerate(z)])
    assert width(energy(gradients["around"])) < 0.75 * width(energy(gradients["plain"]))


def test_the_residual_network_is_the_sum_of_its_branches_by_hand():
    network, z = receptive_field.Residual(blocks=2, width=3), images(1, 1, 7, 7)
    x = F.conv2d(z, network.first.weight, padding=1)
    for pair in network.pairs:
        inner = F.conv2d(F.relu(x), pair[1].weight, padding=1)
        x = x + F.conv2d(F.relu(inner), pair[3].weight, padding=1) / 2**0.5
    assert torch.allclose(network(z), F.conv2d(F.relu(x), network.last.weight, padding=1), atol=1e-6)


# Three ways to see the same ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [
    nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 5, padding=2)),
    nn.Sequential(nn.Conv2d(1, 2, 3, padding=2, dilation=2), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1)),
    nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose2d(2, 1, 4, stride=2, padding=1)),
    nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2))])
def test_arithmetic_gradient_and_impulses_of_all_phases_agree_on_the_support(network):
    for parameter in network.double().parameters():
        nn.init.constant_(parameter, 0.1)
    size, channels = 24, 1
    z = torch.ones(1, channels, size, size, dtype=torch.float64)
    gradient = input_gradients(network, z)[0, 0].ne(0)                                # of the centre, over the input
    centre = size // 2
    response = torch.zeros(size, size, dtype=torch.bool)
    for row in range(size):
        for column in range(size):                                                    # every phase of the input
            answer = impulse_response(network, z, at=(row, column))
            response[row, column] = answer[0, 0, centre, centre].abs() > 1e-9
    there = receptive_field.reach(network, size=size)
    arithmetic = there.rows.any(0)[centre][:, None] & there.columns.any(0)[centre]
    assert torch.equal(gradient, response) and torch.equal(gradient, arithmetic)


# Gradients ---------------------------------------------------------------------------------------------------------


def gradient_by_differences(network, z):
    """One pixel at a time, in plain loops."""
    gradient, centre = torch.zeros_like(z), z.shape[-1] // 2
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            for row in range(z.shape[2]):
                for column in range(z.shape[3]):
                    changed = z.clone()
                    changed[n, c, row, column] += 1e-6
                    gradient[n, c, row, column] = (network(changed) - network(z))[n, :, centre, centre].sum() / 1e-6
    return gradient


def test_the_gradient_is_that_of_small_changes():
    network = Stack(depth=3, width=4, channels=2, outputs=2, activation="tanh").double()
    z = images(2, 2, 9, 9).double()
    assert torch.allclose(input_gradients(network, z), gradient_by_differences(network, z), atol=1e-5)


def test_one_output_channel_is_a_part_of_the_sum():
    network, z = Stack(depth=2, width=4, outputs=3), images(1, 1, 7, 7)
    parts = [input_gradients(network, z, output=k) for k in range(3)]
    assert torch.allclose(sum(parts), input_gradients(network, z), atol=1e-6)
    assert not torch.allclose(parts[0], parts[1])


def noisy_norms():
    """A network with normalisation, whose running statistics are not those of a batch, in training mode."""
    network = DnCNN(depth=3, width=4, residual=False)
    for name, value in network.state_dict().items():
        if "running" in name:
            value.add_(0.5)
    return network.train()


@pytest.mark.parametrize("look", [
    input_gradients, lambda network, z: impulse_response(network, z, at=(4, 5))])
def test_a_network_left_in_training_mode_is_looked_at_in_eval_mode_and_keeps_its_statistics(look):
    network, z = noisy_norms(), images(3, 1, 9, 11)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = look(network, z)
    assert torch.equal(found, look(noisy_norms().eval(), z))
    assert torch.allclose(found[:1], look(noisy_norms(), z[:1]), atol=1e-3), "the images of a batch met"
    assert network.training and all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("look", [
    input_gradients, lambda network, z: impulse_response(network, z, at=(4, 5)),
    lambda network, z: many_gradients([network] * len(z), z)])
@pytest.mark.parametrize("frozen", [False, True])
def test_images_of_float64_and_frozen_networks_are_looked_at_too(look, frozen):
    network, z = Stack(depth=3, width=4).requires_grad_(not frozen), images(2, 1, 9, 11)
    assert torch.equal(look(network, z.double()), look(network, z))


def test_what_cannot_be_differentiated_or_is_no_image_is_refused():
    network, z = Stack(depth=2, width=4), images(1, 1, 9, 9)
    with pytest.raises(ValueError, match="scores of a classifier"):
        input_gradients(lambda z: network(z).mean((2, 3)), z)
    with pytest.raises(ValueError, match=r"without a gradient.*no_grad"):
        input_gradients(torch.no_grad()(lambda z: network(z)), z)
    with pytest.raises(ValueError, match="output: expected one of the 1 output channels, from 0, got 1"):
        input_gradients(network, z, output=1)
    with pytest.raises(ValueError, match=r"at: expected \(row, column\) inside the image of 9 x 9, got \(9, 0\)"):
        impulse_response(network, z, at=(9, 0))
    with pytest.raises(ValueError, match="expected one or more, got none"):
        many_gradients([], z)


CASES = [dict(depth=8), dict(depth=5, activation="tanh"), dict(depth=4, activation="linear"), dict(depth=1),
         dict(depth=3, kernel=5), dict(depth=4, dilations=(1, 2, 3, 1)), dict(depth=4, channels=3, outputs=2),
         dict(depth=6, initial=diffused)]


def one_by_one(networks, z):
    return torch.cat([input_gradients(network, image[None]) for network, image in zip(networks, z, strict=True)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(
    f"{key} {getattr(value, '__name__', value)}" for key, value in case.items()))
@pytest.mark.parametrize("size", [(33, 33), (26, 31)])
def test_many_networks_at_once_give_the_gradients_of_each(case, size):
    networks = [Stack(**case, seed=seed) for seed in range(5)]
    z = images(5, case.get("channels", 1), *size)
    expected = one_by_one(networks, z)
    assert (many_gradients(networks, z) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert expected.abs().max() > 0


@pytest.mark.slow
def test_the_sixty_four_networks_of_the_benchmark_agree():
    networks, z = benchmark.cases()
    assert (len(networks), len(networks[0].layers), networks[0].layers[3].weight.shape[:2]) == (64, 8, (16, 16))
    expected = benchmark.backward_each(networks, z)
    assert (many_gradients(networks, z) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.equal(benchmark.gradient_each(networks, z), expected)
    with pytest.raises(ValueError, match="differ by 0.5"):
        benchmark.agrees(1.5 * expected, expected)


@pytest.mark.parametrize("slope", [
    pytest.param(lambda value: torch.bernoulli(torch.full_like(value, 0.5), generator=randomness.generator(0)),
                 id="gates drawn at random"),
    pytest.param(torch.ones_like, id="no gates")])
def test_gates_that_are_not_the_networks_own_are_noticed(monkeypatch, slope):
    monkeypatch.setattr(receptive_field, "ACTIVATIONS", {**receptive_field.ACTIVATIONS, "relu": (torch.relu, slope)})
    networks, z = [Stack(depth=4, seed=seed) for seed in range(3)], images(3, 1, 15, 15)
    assert not torch.allclose(many_gradients(networks, z), one_by_one(networks, z), atol=1e-2)


def test_images_too_small_for_the_depth_and_too_few_are_refused():
    networks = [Stack(depth=8)]
    with pytest.raises(ValueError, match="see 17 x 17 pixels, and the images have 16 x 33"):
        many_gradients(networks, images(1, 1, 16, 33))
    with pytest.raises(ValueError, match="an image for each of the 1 networks, got 2"):
        many_gradients(networks, images(2, 1, 33, 33))
    with pytest.raises(ValueError, match="one architecture"):
        many_gradients([Stack(depth=2), Stack(depth=2, activation="tanh")], images(2, 1, 33, 33))


# The law of the walk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 5, 20])
@pytest.mark.parametrize("kernel", [3, 5])
def test_uniform_kernels_spread_like_a_random_walk(depth, kernel):
    network = Stack(depth=depth, width=3, kernel=kernel, activation="linear", initial=constant)
    side = depth * (kernel - 1) + 1
    gradient = many_gradients([network], torch.zeros(1, 1, side, side))[0, 0]
    assert float(gradient.sum()) == pytest.approx(1, rel=1e-4)
    assert width(gradient) == pytest.approx(math.sqrt(depth * (kernel**2 - 1) / 12), rel=1e-4)


def test_many_uniform_layers_are_a_gaussian():
    fits = [receptive_field.misfit(many_gradients(
        [Stack(depth=depth, width=2, activation="linear", initial=constant)],
        torch.zeros(1, 1, 2 * depth + 1, 2 * depth + 1))[0, 0]) for depth in (2, 8, 32)]
    assert fits == sorted(fits, reverse=True) and fits[-1] < 0.003 and fits[0] > 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("initial", "variance"), [
    ("he", 2 / 3), ("diffused", 0.2 * 2 / 3 + 0.8 * 5 / 6),
    broken("he", 0.2 * 2 / 3 + 0.8 * 5 / 6, id="he-diffused")])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_the_mean_energy_of_random_networks_spreads_like_the_walk_of_their_variances(initial, variance, activation):
    start = {"he": receptive_field.he_normal, "diffused": diffused}[initial]
    networks = [Stack(depth=6, width=32, activation=activation, initial=start, seed=seed) for seed in range(150)]
    found = width(energy(many_gradients(networks, images(150, 1, 13, 13))))
    assert found == pytest.approx(math.sqrt(6 * variance), rel=0.035)


def test_the_diffused_start_keeps_the_variance_and_moves_it_outwards():
    usual, moved = torch.empty(64, 64, 3, 3), torch.empty(64, 64, 3, 3)
    receptive_field.he_normal(usual, randomness.generator(0))
    diffused(moved, randomness.generator(0))
    assert float(moved.std() / usual.std()) == pytest.approx(1, rel=0.01)
    spread = moved.square().mean((0, 1)) / usual.square().mean((0, 1))
    assert torch.allclose(spread, receptive_field.profile(3, strength=0.8).square(), rtol=1e-4)
    assert spread[1, 1] < spread[0, 1] < spread[0, 0]
    diffused(moved, randomness.generator(0), strength=0.0)
    assert torch.equal(moved, usual)
    with pytest.raises(ValueError, match="0 \\(the usual start\\) to 1"):
        diffused(moved, randomness.generator(0), strength=2.0)


# Measures of a map -------------------------------------------------------------------------------------------------


def test_each_image_counts_alike_in_the_energy():
    gradients = torch.zeros(3, 2, 1, 2)
    gradients[0, :, 0, 0], gradients[1, :, 0, 1] = 100.0, 1.0        # the third is dead and does not count
    assert energy(gradients).tolist() == [[0.5, 0.5]]
    with pytest.raises(ValueError, match="all gradients are zero"):
        energy(torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("measure", [
    width,
    broken(lambda field: math.sqrt(float((field.sum(0) * torch.arange(5) ** 2).sum())), id="around the corner"),
    broken(lambda field: width(field) * math.sqrt(2), id="both axes added")])
def test_the_width_is_the_standard_deviation_along_an_axis_by_loops(measure):
    field = images(5, 5).abs()
    field /= field.sum()
    variances = []
    for axis in (0, 1):
        pairs = [((row, column)[axis], float(field[row, column])) for row in range(5) for column in range(5)]
        middle = sum(place * p for place, p in pairs)
        variances.append(sum((place - middle) ** 2 * p for place, p in pairs))
    assert measure(field) == pytest.approx(math.sqrt(sum(variances) / 2), rel=1e-5)


def test_the_diameter_of_a_gaussian_is_that_of_the_papers_threshold():
    std = 6.0
    assert receptive_field.diameter(gaussian(std, size=81)) == pytest.approx(
        2 * std * math.sqrt(-2 * math.log(receptive_field.THRESHOLD)), rel=0.02)


def test_the_square_holds_the_share_and_the_next_smaller_does_not():
    field = gaussian(4.0, size=41)
    side = receptive_field.square(field, share=0.9)
    reach = side // 2
    inside = [float(field[20 - r : 21 + r, 20 - r : 21 + r].sum() / field.sum()) for r in (reach - 1, reach)]
    assert inside[0] < 0.9 <= inside[1]


def test_a_gaussian_fits_itself_and_a_box_does_not():
    box = torch.zeros(41, 41)
    box[15:26, 15:26] = 1
    assert receptive_field.misfit(gaussian(4.0, size=41)) < 0.001 < 0.05 < receptive_field.misfit(box)
    off_centre = F.pad(gaussian(4.0, size=41), (6, 0, 0, 6))
    assert receptive_field.misfit(off_centre) < 0.001      # around its own middle, not that of the map


@pytest.mark.parametrize("measure", [
    width, receptive_field.misfit, receptive_field.diameter, receptive_field.square])
@pytest.mark.parametrize(("field", "words"), [
    (torch.ones(1, 1, 5, 5), r"expected \(H, W\), got \(1, 1, 5, 5\)"), (torch.zeros(5, 5), "not all zero"),
    (-torch.ones(5, 5), "zero or more"), (torch.full((5, 5), torch.nan), "finite numbers")])
def test_what_is_no_map_is_refused_by_each_measure(measure, field, words):
    with pytest.raises(ValueError, match=words):
        measure(field)


def test_maps_that_are_not_square_and_of_other_types_are_measured():
    field = gaussian(3.0, size=41)[5:, :]
    assert width(field.double()) == pytest.approx(width(field), rel=1e-6)
    assert width(field) == pytest.approx(width(field.T), rel=1e-6)
    assert receptive_field.misfit(field) == pytest.approx(receptive_field.misfit(field.T), rel=1e-6)
    assert receptive_field.square(gaussian(3.0, size=41)[5:36, :].half()) == receptive_field.square(
        gaussian(3.0, size=41)[5:36, :])


def test_what_a_stack_cannot_be_is_refused():
    with pytest.raises(ValueError, match="an odd side"):
        Stack(depth=2, kernel=4)
    with pytest.raises(ValueError, match="one for each of the 3 layers, got 2"):
        Stack(depth=3, dilations=(1, 2))
    with pytest.raises(ValueError, match="unknown activation 'rellu'"):
        Stack(depth=3, activation="rellu")
