"""Every denoiser of the course works on a GPU in deterministic mode, and gives there what it gives on the processor."""

import copy
from contextlib import contextmanager
from unittest import mock

import pretend_cuda
import pytest
import torch
from oracles import images
from torch import nn

from course_lib import devices
from course_lib.denoise.bias_free import BiasedTwin, BiasFreeDnCNN
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.cbdnet import CBDNet
from course_lib.denoise.class_aware import Chooser, Classifier, Gradual
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.fast import Fast
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.nn3d import NN3D, Bank, Scaled
from course_lib.denoise.receptive_field import Residual, Stack
from course_lib.denoise.wnnm import WNNM
from course_lib.denoiser import score

SIGMA = 25 / 255
FILTERS = {
    "wavelet": Wavelet(), "non-local means": NonLocalMeans(distance=3), "BM3D": BM3D(),
    "BM3D, one stage": BM3D(stages=1), "WNNM": WNNM(iterations=2, window=11, count=20),
    "NN3D": NN3D(Wavelet(), window=11), "scaled": Scaled(Wavelet(), 0.1),
    "bank": Bank({0.05: Wavelet(), 0.1: Wavelet()}), "NN3D of a bank": NN3D(Bank({0.1: Wavelet()}), window=11),
}
NETWORKS = {
    "DnCNN": lambda: DnCNN(depth=3, width=4, channels=3),
    "mirrored": lambda: DnCNN(depth=3, width=4, channels=3, padding="reflect"),
    "bias-free": lambda: BiasFreeDnCNN(depth=3, width=4, channels=3),
    "biased twin": lambda: BiasedTwin(depth=3, width=4, channels=3),
    "CBDNet": lambda: CBDNet(width=4, estimator_width=4),
    "gradual": lambda: Gradual(depth=3, width=8, channels=3), "fast": lambda: Fast(depth=3, width=4, channels=3),
    "FFDNet": lambda: FFDNet(channels=3, depth=3, width=8),
    "chooser": lambda: Chooser(Classifier(2, width=4, channels=3), {
        name: Gradual(depth=3, width=8, channels=3) for name in ("faces", "text")}),
    "stack": lambda: Stack(depth=3, width=4, channels=3, outputs=3),
    "residual": lambda: Residual(blocks=1, width=4, channels=3, outputs=3),
}


@contextmanager
def rehearsal():
    """The pretend GPU where whatever is not deterministic raises an error."""
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error")
    try:
        refused = pretend_cuda.NOT_DETERMINISTIC | {"median", "kthvalue"}          # with the places of what they find
        with mock.patch.object(pretend_cuda, "NOT_DETERMINISTIC", refused), pretend_cuda.pretend_cuda() as gpu:
            yield gpu
    finally:
        torch.set_deterministic_debug_mode(before)


def strongly(network):
    """The network with last layers that do something: they begin at zero."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 0.05)
    return network.eval()


def told(denoiser, z):
    """What a denoiser makes of noisy images: networks that take no level are called without."""
    if isinstance(denoiser, Stack | Residual):
        return denoiser(z)
    return denoiser(z, sigma=SIGMA)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(2, 3, 19, 22), (1, 1, 24, 17)])
def test_a_filter_gives_the_same_on_a_gpu_as_on_the_processor(name, shape):
    z, level = 0.4 + 0.2 * images(*shape), torch.tensor(SIGMA, dtype=torch.float64)
    expected = FILTERS[name](z, sigma=SIGMA)
    with rehearsal() as gpu:
        estimate = FILTERS[name](z.cuda(), sigma=SIGMA)
        assert estimate.is_cuda and torch.equal(estimate.cpu(), expected) and not gpu.hazards
        assert torch.equal(FILTERS[name](z.cuda(), sigma=level.cuda()).cpu(), expected)
    assert not torch.equal(expected, z)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_the_same_on_a_gpu_as_on_the_processor(name):
    network, z = strongly(NETWORKS[name]()), images(2, 3, 24, 22)
    with torch.inference_mode():
        expected = told(network, z)
    with rehearsal() as gpu, torch.inference_mode():
        estimate = told(copy.deepcopy(network).to("cuda"), z.cuda())
        assert estimate.is_cuda and torch.equal(estimate.cpu(), expected) and not gpu.hazards


@pytest.mark.parametrize("name", ["wavelet", "scaled"])
def test_what_can_be_differentiated_has_the_same_gradient_on_a_gpu(name):
    z = images(1, 1, 19, 22)
    ours = z.clone().requires_grad_()
    FILTERS[name](ours, sigma=SIGMA).square().sum().backward()
    with rehearsal():
        theirs = z.cuda().requires_grad_()
        FILTERS[name](theirs, sigma=SIGMA).square().sum().backward()
        assert torch.allclose(theirs.grad.cpu(), ours.grad, atol=1e-6)


# Scores --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", [
    lambda network: network, lambda network: NN3D(network, grouped=False), lambda network: Bank({0.1: network}),
    lambda network: NN3D(Bank({0.1: network, 0.05: network}), grouped=False), lambda network: Scaled(network, 0.1)],
    ids=["network", "NN3D", "bank", "NN3D of a bank", "scaled"])
def test_a_denoiser_that_asks_networks_is_scored_where_they_are(around):
    network, y = strongly(DnCNN(depth=3, width=4)), images(1, 1, 16, 16)
    pairs = [(y + 0.1, y)]
    expected = score(around(network), pairs, sigma=SIGMA)
    with rehearsal():
        on_gpu = around(copy.deepcopy(network).to("cuda"))
        assert torch.equal(score(on_gpu, pairs, sigma=SIGMA), expected)
        assert torch.equal(score(on_gpu, [(z.cuda(), y.cuda()) for z, y in pairs], sigma=SIGMA), expected)


def test_a_denoiser_without_weights_is_scored_where_the_noisy_image_is():
    y = images(1, 1, 16, 16)
    with rehearsal():
        found = [score(Wavelet(), [pair], sigma=SIGMA) for pair in ((y + 0.1, y), ((y + 0.1).cuda(), y))]
        assert torch.equal(*found)


def test_what_asks_no_network_has_no_home():
    assert devices.home(NN3D(Wavelet()), None) is None
    assert devices.home(Bank({0.1: DnCNN(depth=3, width=4)}), None) == torch.device("cpu")


# Devices without float64 ---------------------------------------------------------------------------------------------


class NoDouble(torch.utils._python_dispatch.TorchDispatchMode):
    """As on Apple's GPU, no images are turned into float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if "_to_copy" in func.name() and kwargs.get("dtype") == torch.float64 and args[0].dtype != torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return func(*args, **kwargs)


@pytest.mark.parametrize("name", ["BM3D", "NN3D", "WNNM"])
def test_groups_need_no_float64_on_the_device(name):
    asked = []

    def on_processor(values):
        asked.append(values)
        with torch.utils._mode_utils.no_dispatch(), torch.no_grad():
            return torch.tensor(values.tolist(), dtype=torch.float64)

    z = images(1, 1, 20, 20)
    expected = FILTERS[name](z, sigma=SIGMA)
    with mock.patch.object(devices, "float64", on_processor), NoDouble():
        assert torch.equal(FILTERS[name](z, sigma=SIGMA), expected)
    assert bool(asked) == (name != "WNNM")                          # WNNM takes groups of any size
