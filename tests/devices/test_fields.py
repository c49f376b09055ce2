"""Receptive fields and the local linear view of networks on the pretend GPU: the numbers of the processor."""

import pytest
import torch
from pretend_cuda import pretend_cuda

from course_lib import devices, randomness
from course_lib.denoise import bias_free, cbdnet, receptive_field
from course_lib.denoise.class_aware import Gradual
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.receptive_field import Stack

SMALL = dict(depth=3, width=4)


@pytest.fixture
def gpu():
    with pretend_cuda() as seen:
        yield seen


def images(*shape, seed=0):
    return torch.rand(*shape, generator=randomness.generator(seed, "test images"))


@pytest.mark.parametrize(("build", "told", "field"), [
    (lambda: DnCNN(**SMALL), {}, 7), (lambda: Gradual(**SMALL), {}, 7), (lambda: FFDNet(**SMALL), {"sigma": 0.1}, 14),
    (lambda: cbdnet.NoiseEstimator(channels=1, width=2), {}, 11)])
def test_the_theoretical_field_of_a_network_on_a_gpu_is_found_and_the_network_left_there(gpu, build, told, field):
    network = build().to("cuda")
    assert receptive_field.theoretical_field(network, **told) == field
    assert {weight.device.type for weight in network.parameters()} == {"cuda"} and network.training


def test_a_map_on_a_gpu_is_no_hindrance(gpu):
    network, level = FFDNet(**SMALL).to("cuda"), torch.full((1, 1, 20, 20), 0.1, device="cuda")
    assert receptive_field.theoretical_field(network, sigma=level) == 14


@pytest.mark.parametrize("measure", [
    receptive_field.width, receptive_field.misfit, receptive_field.square, receptive_field.diameter,
    lambda field: receptive_field.energy(field[None, None]).cpu().tolist(),
    lambda field: bias_free.filter_width(field[None], pixel=(3, 4)),
    lambda field: bias_free.effective_dimensionality(field[:9, :9]),
    lambda field: [part.tolist() for part in bias_free.singular_vectors(field[:9, :9], shape=(1, 3, 3))]])
def test_measures_of_a_map_on_a_gpu_are_those_of_the_processor(gpu, measure):
    field = images(9, 12)
    assert measure(field.to("cuda")) == measure(field)


@pytest.mark.parametrize("look", [
    receptive_field.input_gradients, lambda network, z: receptive_field.impulse_response(network, z, at=(3, 4)),
    lambda network, z: receptive_field.many_gradients([network], z), bias_free.net_bias, bias_free.jacobian,
    lambda network, z: bias_free.adaptive_filters(network, z, pixels=[(1, 2), (8, 10)]),
    lambda network, z: torch.tensor(bias_free.homogeneity_error(network, z, factor=3))])
@pytest.mark.parametrize("frozen", [False, True])
def test_looks_into_a_network_on_a_gpu_are_those_of_the_processor(gpu, look, frozen):
    network, z = Stack(**SMALL).requires_grad_(not frozen), images(1, 1, 9, 11)
    expected = look(network, z)
    assert torch.equal(look(network.to("cuda"), z.to("cuda")).cpu(), expected)


@pytest.mark.parametrize("look", [
    receptive_field.input_gradients, lambda network, z: receptive_field.impulse_response(network, z, at=(3, 4)),
    lambda network, z: receptive_field.many_gradients([network], z), bias_free.net_bias, bias_free.jacobian,
    lambda network, z: bias_free.adaptive_filters(network, z, pixels=[(1, 2)]), bias_free.homogeneity_error])
def test_an_image_on_the_processor_for_a_network_on_a_gpu_is_refused(gpu, look):
    with pytest.raises(ValueError, match="expected them on cuda:0, where the network is, got cpu"):
        look(Stack(**SMALL).to("cuda"), images(1, 1, 9, 11))


@pytest.mark.parametrize("measure", [
    receptive_field.width, receptive_field.misfit, receptive_field.square,
    lambda field: receptive_field.energy(field[None, None]).tolist(),
    lambda field: bias_free.filter_width(field[None], pixel=(3, 4)),
    lambda field: bias_free.effective_dimensionality(field[:9, :9]),
    lambda field: [part.tolist() for part in bias_free.singular_vectors(field[:9, :9], shape=(1, 3, 3))],
    lambda field: bias_free.homogeneity_error(Stack(**SMALL), field[None, None], factor=3)])
def test_a_device_without_float64_is_asked_for_none(monkeypatch, measure):
    asked, double = [], torch.Tensor.double
    field = images(9, 12)
    expected, of_ours = measure(field), devices.float64
    monkeypatch.setattr(devices, "float64", lambda values: asked.append(values) or of_ours(values))
    monkeypatch.setattr(torch.Tensor, "double", lambda values: pytest.fail("asks the device of its values for float64"))
    assert measure(field) == expected and asked
    assert double(field).dtype == torch.float64
