"""Weights that others published: in whatever a file holds them they load, or what is wrong is said by its name."""

from pathlib import Path

import pytest
import torch
from oracles import images, kair
from torch import nn

from course_lib import published
from course_lib.denoise import bias_free, dncnn, ffdnet


def bias_free_weights():
    shapes = {"first_layer.weight": (4, 1, 3, 3), "last_layer.weight": (1, 4, 3, 3)}
    for i in range(2):
        shapes |= {f"hidden_layer_list.{i}.weight": (4, 4, 3, 3), f"bn_layer_list.{i}.weight": (4,),
                   f"bn_layer_list.{i}.running_var": (4,)}
    return {key: images(*shape, seed=i) for i, (key, shape) in enumerate(shapes.items())}


# a method, weights in its layout, a tensor in the middle of them, and what the network needs beside an image
NETWORKS = {"dncnn": (dncnn, kair(1, 4, 4, 1), "model.2.weight", {}),
            "ffdnet": (ffdnet, kair(5, 4, 4, 4), "model.2.weight", {"sigma": 0.1}),
            "bias_free": (bias_free, bias_free_weights(), "hidden_layer_list.0.weight", {})}
EVERY = pytest.mark.parametrize(("method", "weights", "middle", "told"), NETWORKS.values(), ids=NETWORKS)


class Holder(nn.Module):
    """A network of somebody else that has these tensors."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def state_dict(self):
        return self.weights


def same(method, file, weights, told):
    z = images(1, 1, 12, 12)
    return torch.equal(method.from_published(file)(z, **told), method.from_published(weights)(z, **told))


@EVERY
@pytest.mark.parametrize("wrapped", [
    lambda weights: {f"module.{key}": value for key, value in weights.items()},
    lambda weights: {"state_dict": weights},
    lambda weights: {"epoch": 7, "model": weights, "optimizer": {}},
    lambda weights: {"params": weights},
    lambda weights: {"net": {f"module.{key}": value for key, value in weights.items()}},
    lambda weights: {"model": [weights], "args": None},
    lambda weights: [weights],
    lambda weights: (weights,),
    Holder,
    lambda weights: {"model": Holder(weights)},
], ids=["DataParallel", "state_dict", "model", "params", "net", "list in model", "list", "tuple", "network",
        "network in model"])
def test_weights_load_from_whatever_holds_them(method, weights, middle, told, wrapped):
    assert same(method, wrapped(weights), weights, told)


@EVERY
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_float_type_become_float32(method, weights, middle, told, dtype):
    network = method.from_published({key: value.to(dtype) for key, value in weights.items()})
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert same(method, {key: value.to(dtype) for key, value in weights.items()},
                {key: value.to(dtype).float() for key, value in weights.items()}, told)


@EVERY
@pytest.mark.parametrize("path", [str, Path])
def test_a_path_is_refused_with_the_call_that_loads_it(method, weights, middle, told, path):
    with pytest.raises(TypeError, match=r'got the path .*torch.load\(path, map_location="cpu", weights_only=True\)'):
        method.from_published(path("weights.pth"))


@EVERY
def test_a_tensor_that_is_missing_too_many_or_of_another_shape_is_named(method, weights, middle, told):
    without = {key: value for key, value in weights.items() if key != middle}
    with pytest.raises(ValueError, match=f"Missing: {middle}"):
        method.from_published(without)
    with pytest.raises(ValueError, match=r"Too many: strange\."):
        method.from_published({**weights, "strange": torch.zeros(1)})
    with pytest.raises(ValueError, match=rf"another shape: {middle} \(expected \(4, 4, 3, 3\), got \(4, 4, 5, 5\)\)"):
        method.from_published({**weights, middle: torch.zeros(4, 4, 5, 5)})


@pytest.mark.parametrize(("method", "weights"), [(dncnn, kair(1, 4, 4, 1)), (ffdnet, kair(5, 4, 4, 4))])
@pytest.mark.parametrize("missing", ["model.0.bias", "model.2.bias", "model.4.bias"])
def test_a_bias_that_is_missing_is_named_wherever_it_is(method, weights, missing):
    with pytest.raises(ValueError, match=rf"Missing: {missing}\.$"):
        method.from_published({key: value for key, value in weights.items() if key != missing})


def test_a_biased_twin_without_its_first_bias_is_no_bias_free_network():
    twin = bias_free.BiasedTwin(depth=3, width=4).state_dict()
    theirs = {bias_free._their_name(key, 1): value for key, value in twin.items()}
    assert isinstance(bias_free.from_published(theirs), bias_free.BiasedTwin)
    with pytest.raises(ValueError, match=r"Missing: first_layer.bias\.$"):
        bias_free.from_published({key: value for key, value in theirs.items() if key != "first_layer.bias"})


@EVERY
def test_weights_that_are_no_numbers_are_refused_by_their_name(method, weights, middle, told):
    with pytest.raises(ValueError, match=f"{middle}: expected finite numbers"):
        method.from_published({**weights, middle: torch.full_like(weights[middle], torch.nan)})


@pytest.mark.parametrize(("file", "words"), [
    ([{}, {}], "got a list of 2 things; choose one"), (None, "got a NoneType"), (torch.zeros(3), "got a Tensor"),
    ({"epoch": 7}, "got a int under 'epoch'"), ({"model": "resnet"}, "got a str under 'model'"),
    ({0: torch.zeros(1)}, "got a Tensor under 0")])
def test_what_holds_no_weights_is_refused_by_its_kind(file, words):
    with pytest.raises(TypeError, match=words):
        published.state_dict(file)


@pytest.mark.parametrize("method", [dncnn, ffdnet, bias_free])
def test_the_words_beside_say_how_to_load_a_file_of_a_gpu_and_what_weights_do_not_show(method):
    words = method.from_published.__doc__
    assert 'map_location="cpu"' in words and "weights_only=True" in words and "Dilations leave no trace" in words
