"""Weights come back as they went, and only as what their card says."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from course_lib import provenance, zoo
from course_lib.denoise.dncnn import DnCNN
from course_lib.fit import History, Trained

CARD = zoo.Card(name="toy", cls="course_lib.denoise.dncnn.DnCNN", arguments=dict(depth=3, width=4),
                recipe="course_lib.denoise.dncnn.train", recipe_arguments=dict(sigma=0.1), data={}, seed=0,
                quality={"psnr": 30.0}, fingerprint="", stamp=provenance.stamp())


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    network = DnCNN(depth=3, width=4)
    nn.init.constant_(network.layers[-1].weight, 0.1)
    zoo.save(Trained(network, History()), CARD)
    return network.eval()


def test_weights_come_back_within_sixteen_bits_frozen_and_in_eval_mode(saved):
    loaded = zoo.load(DnCNN, "toy")
    z = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(loaded(z), saved(z), atol=1e-2)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert zoo.names() == ["toy"] and zoo.card("toy").quality == {"psnr": 30.0}


class Other(nn.Module):
    pass


def test_another_class_is_refused(saved):
    with pytest.raises(TypeError, match="belong to course_lib.denoise.dncnn.DnCNN"):
        zoo.load(Other, "toy")
    with pytest.raises(TypeError, match="is a"):
        zoo.save(Trained(Other(), History()), CARD)


@pytest.mark.parametrize("swapped", [("toy", DnCNN), ("toy", "toy"), (DnCNN, DnCNN)])
def test_a_class_and_a_name_are_asked_for_in_their_order(saved, swapped):
    with pytest.raises(TypeError, match="a class of networks and a name"):
        zoo.load(*swapped)


def test_changed_and_missing_weights_are_refused(saved, tmp_path):
    path = tmp_path / "toy.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="are changed"):
        zoo.load(DnCNN, "toy")
    path.unlink()
    with pytest.raises(ValueError, match="are missing"):
        zoo.load(DnCNN, "toy")


def test_an_unknown_name_gets_a_suggestion(saved):
    with pytest.raises(ValueError, match="did you mean 'toy'"):
        zoo.load(DnCNN, "toi")


def test_weights_that_are_no_numbers_are_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    network = DnCNN(depth=3, width=4)
    nn.init.constant_(network.layers[-1].weight, 1e6)
    with pytest.raises(ValueError, match="does not fit into 16 bits"):
        zoo.save(Trained(network, History()), CARD)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", zoo.names())
def test_every_card_of_the_course_describes_its_file_and_its_network(name):
    card = zoo.card(name)
    assert json.loads((zoo.FOLDER / f"{name}.json").read_text())["name"] == card.name == name
    module, _, cls = card.cls.rpartition(".")
    model = zoo.load(getattr(__import__(module, fromlist=[cls]), cls), name)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert card.data and card.quality and card.fingerprint and dataclasses.is_dataclass(card.stamp)
