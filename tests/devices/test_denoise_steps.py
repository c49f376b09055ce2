"""A step of each training of denoisers on the pretend GPU: it runs in the deterministic mode, and waits for nothing."""

import pytest
import torch
from pretend_cuda import pretend_cuda

from course_lib import arguments, deterministic, devices, randomness
from course_lib.data import Pair
from course_lib.denoise import (
    bias_free,
    cbdnet,
    class_aware,
    classification,
    dncnn,
    fast,
    ffdnet,
    known_level,
    straightforward,
)
from course_lib.denoise.receptive_field import Residual, Stack
from course_lib.fit import History, Progress
from course_lib.noise import Gaussian, Poisson
from course_lib.profiles import Budget

BUDGET = Budget(4, 6, 24)


def pictures(channels=1, count=2, side=40):
    draw = torch.Generator().manual_seed(1)
    return [torch.randint(256, (channels, side, side + 4), dtype=torch.uint8, generator=draw) for _ in range(count)]


def labelled():
    return classification.labelled(torch.stack(pictures(3, 10)), torch.arange(10, dtype=torch.int32) % 4)


def camera(**how):
    return cbdnet.train(pictures(3), budget=BUDGET, seed=0, network=cbdnet.CBDNet(width=4, estimator_width=4), **how)


def ffdnet_on(maps):
    return ffdnet.train(pictures(), budget=BUDGET, seed=0, network=ffdnet.FFDNet(depth=3, width=4), maps=maps)


def classify(source, network):
    return classification.train(source, budget=BUDGET, seed=0, network=network)


HOW = dict(budget=BUDGET, seed=0)
SMALL = dict(depth=3, width=4)
TRAININGS = {       # name: the module whose `fit` is called, and the training
    "DnCNN-S": (dncnn, lambda: dncnn.train(pictures(), sigma=0.1, network=dncnn.DnCNN(**SMALL), **HOW)),
    "DnCNN-B": (dncnn, lambda: dncnn.train(pictures(), sigma=dncnn.BLIND, network=dncnn.DnCNN(**SMALL), **HOW)),
    "DnCNN-3": (dncnn, lambda: dncnn.train_three_tasks(pictures(), network=dncnn.DnCNN(**SMALL), **HOW)),
    "straightforward": (straightforward, lambda: straightforward.train(
        pictures(), forward=Gaussian(0.1), model=straightforward.network(**SMALL), **HOW)),
    "bias-free": (dncnn, lambda: bias_free.train(pictures(), network=bias_free.BiasFreeDnCNN(**SMALL), **HOW)),
    "its twin": (dncnn, lambda: bias_free.train(pictures(), network=bias_free.BiasedTwin(**SMALL), **HOW)),
    "FFDNet": (known_level, lambda: ffdnet_on("uniform")),
    "FFDNet, maps": (known_level, lambda: ffdnet_on("variant")),
    "fast": (known_level, lambda: fast.train(pictures(), sigma=0.1, network=fast.Fast(**SMALL), **HOW)),
    "fast, any level": (known_level, lambda: fast.train(pictures(), sigma=(0.0, 0.2), network=fast.Fast(**SMALL),
                                                        **HOW)),
    "CBDNet, camera": (cbdnet, camera),
    "CBDNet, white": (cbdnet, lambda: camera(degrade=(0.0, 0.2))),
    "CBDNet, one level": (cbdnet, lambda: camera(degrade=0.1)),
    "CBDNet, pairs": (cbdnet, lambda: camera(degrade=0.1, pairs=[Pair(*pictures(3))])),
    "gradual": (class_aware, lambda: class_aware.train(pictures(), noise=0.1, network=class_aware.Gradual(**SMALL),
                                                       **HOW)),
    "gradual, Poisson": (class_aware, lambda: class_aware.train(
        pictures(), noise=Poisson(peak=8), network=class_aware.Gradual(**SMALL), **HOW)),
    "classifier": (class_aware, lambda: class_aware.train_classifier(
        {"one": pictures(), "other": pictures()}, noise=0.1, **HOW)),
    "labelled": (classification, lambda: classify(labelled(), Residual(blocks=1, width=4, channels=3, outputs=4))),
    "mosaics": (classification, lambda: classify(
        classification.mosaics(pictures(), size=23), Stack(depth=2, width=4, outputs=2))),
}


def moved(batch, device):
    return tuple(moved(part, device) for part in batch) if isinstance(batch, tuple) else devices.sent(batch, device)


@pytest.fixture
def gpu(monkeypatch):
    """The pretend GPU in the deterministic mode, where trainings go."""
    monkeypatch.setenv("COURSE_DEVICE", "cuda")
    before = torch.get_deterministic_debug_mode()
    with pretend_cuda() as seen:
        torch.set_deterministic_debug_mode("error")
        try:
            yield seen
        finally:
            torch.set_deterministic_debug_mode(before)


def second_step(gpu, monkeypatch, module, train):
    """The second step of a training as `fit` takes it: gradients of all weights, and what the host waited for."""
    taken = {}
    monkeypatch.setattr(module, "fit", lambda model, source, step, **_: taken.update(
        model=model, source=source, step=step) or History())
    train()
    model, place = taken["model"].train(), torch.device("cuda")
    generator = devices.draws(torch.Generator().manual_seed(0), place)
    for done in range(2):
        gpu.reset()
        model.zero_grad()
        with arguments.unread():
            batch = moved(taken["source"](BUDGET.batch, generator), place)
            terms = taken["step"](model, batch, Progress(done, BUDGET.steps))
            (sum(terms.values()) if isinstance(terms, dict) else terms).backward()
    return model


def waits(gpu):
    """How often the host waited, but for the copies that JPEG needs, as it is made on the processor."""
    files = sum(n for (kind, place), n in gpu.lines.items() if kind == "copy to the CPU" and "operators.py" in place)
    return sum(gpu.syncs.values()) - files


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_runs_in_the_deterministic_mode_and_waits_for_nothing(name, gpu, monkeypatch):
    model = second_step(gpu, monkeypatch, *TRAININGS[name])
    assert waits(gpu) == 0, gpu.table()
    assert {weight.device.type for weight in model.parameters()} == {"cuda"}
    assert any(bool(weight.grad.cpu().any()) for weight in model.parameters() if weight.grad is not None)


def test_a_step_that_reads_its_loss_is_noticed(gpu, monkeypatch):
    step = dncnn.step
    monkeypatch.setattr(dncnn, "step", lambda *how: step(*how) * float(step(*how).detach()))
    second_step(gpu, monkeypatch, *TRAININGS["DnCNN-S"])
    assert waits(gpu) == 1


def test_the_two_dimensional_loss_of_pytorch_is_refused_in_the_deterministic_mode(gpu, monkeypatch):
    monkeypatch.setattr(deterministic, "cross_entropy", torch.nn.functional.cross_entropy)
    with pytest.raises(RuntimeError, match="nll_loss2d_forward"):
        second_step(gpu, monkeypatch, *TRAININGS["mosaics"])


@pytest.mark.parametrize("shape", [(8, 3, 24, 24), (3, 5, 7, 11), (5, 7)])
def test_the_loss_of_a_gpu_is_that_of_the_processor_and_its_gradient_too(shape):
    scores = 3 * torch.randn(shape, generator=randomness.generator(0, "scores"))
    label = torch.randint(shape[1], (shape[0], *shape[2:]), generator=randomness.generator(1))
    ours, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    expected = deterministic.cross_entropy(ours, label)
    expected.backward()
    with pretend_cuda():
        found = deterministic.cross_entropy(theirs.to("cuda"), label.to("cuda"))
        found.backward()
    assert torch.allclose(found.cpu(), expected) and torch.allclose(theirs.grad, ours.grad, atol=1e-7)
