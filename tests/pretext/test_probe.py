"""Probes leave the network below alone, unless it is tuned, and count labels as asked."""

import pytest
import torch

from course_lib.data.objects import objects
from course_lib.pretext import autoencoder, probe
from course_lib.pretext.autoencoder import Autoencoder
from course_lib.pretext.nin import NIN
from course_lib.profiles import Budget


def known():
    return objects(2, size=24)


@pytest.mark.parametrize("head", ["linear", "non-linear", "convolutional"])
@pytest.mark.parametrize("tuned", [False, True])
def test_the_network_below_changes_only_where_it_is_tuned(head, tuned):
    trunk = NIN(blocks=3, width=12)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    model = probe.probe(trunk, block=2, classes=10, size=(3, 24, 24), head=head, tuned=tuned)
    model, _ = probe.train(model, known(), budget=Budget(2, 8), seed=0)
    same = all(torch.equal(before[name], value) for name, value in trunk.state_dict().items())
    assert same != tuned
    assert 0 <= probe.accuracy(model, known()) <= 1


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="a trunk in training mode moves its statistics")
def test_a_trunk_that_is_left_in_training_mode_is_noticed():
    trunk = NIN(blocks=3, width=12)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    trunk.train()(known().images.float() / 255)
    assert all(torch.equal(before[name], value) for name, value in trunk.state_dict().items())


def test_the_papers_non_linear_head_has_two_hidden_layers_of_200():
    model = probe.probe(NIN(), block=2, classes=10, size=(3, 32, 32))
    shapes = [tuple(layer.weight.shape) for layer in model.head if isinstance(layer, torch.nn.Linear)]
    assert shapes == [(200, 12288), (200, 200), (10, 200)]


def test_so_many_labels_of_each_class():
    assert probe.few(known(), 1).labels.tolist() == list(range(10))
    with pytest.raises(ValueError, match="tree has fewer than 3"):
        probe.few(known(), 3)


def test_an_autoencoder_draws_its_input_and_keeps_its_encoder():
    network, _ = autoencoder.train(known(), budget=Budget(3, 8), seed=0, network=Autoencoder(NIN(width=12)))
    assert network(known().images[:2].float() / 255).shape == (2, 3, 24, 24)
    assert network.encoder.features(known().images[:2].float() / 255, 2).shape == (2, 12, 6, 6)
    assert autoencoder.reconstruction(network, known().images) > 3
