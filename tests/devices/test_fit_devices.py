"""What `fit` promises on a GPU: its random states are its own, and a checkpoint goes on wherever there is a device."""

from __future__ import annotations

import pytest
import torch
from pretend_cuda import pretend_cuda
from torch import nn

from course_lib import devices, optimisers
from course_lib.fit import TrainingFailed, fit
from course_lib.optimisers import AdamW, Muon
from course_lib.profiles import Budget


class Killed(BaseException):
    """Ends a training like a kill does."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 4, 3),
                         nn.Conv2d(4, 1, 3))


def pictures(batch: int, generator: torch.Generator) -> torch.Tensor:
    chosen = torch.rand(batch, 1, 12, 12, generator=generator, device=generator.device)
    place = devices.place(generator)
    noise = torch.randn(chosen.shape, generator=devices.on(generator, place), device=place)
    return devices.sent(chosen, place) + 0.1 * noise


class Step:
    """A step that is killed once, and remembers the batches it saw."""

    def __init__(self, kill: int | None = None) -> None:
        self.kill, self.seen = kill, []

    def __call__(self, model: nn.Module, batch: torch.Tensor, progress: object) -> torch.Tensor:
        if progress.step == self.kill:
            raise Killed
        self.seen.append(batch.cpu())
        return (model(batch) - batch[..., 3:-3, 3:-3]).square().mean()


@pytest.fixture(autouse=True)
def same_arguments(monkeypatch):
    """Steps that only differ in being killed count as the same, and so do the devices of a network."""
    monkeypatch.setattr("course_lib.provenance.identity", lambda value: "same")


def train(device: str, step: Step, **more: object) -> dict[str, torch.Tensor]:
    model = network().to(device)
    fit(model, pictures, step, budget=Budget(12, 4), seed=3, optimiser=Muon(), ema=0.9, **more)
    return {name: value.cpu().clone() for name, value in model.state_dict().items()}


def test_dropout_on_a_gpu_resumes_with_the_same_bits(tmp_path):
    with pretend_cuda():
        expected, path = train("cuda", Step()), tmp_path / "t.safetensors"
        with pytest.raises(Killed):
            train("cuda", Step(kill=7), checkpoint=path)
        torch.cuda.manual_seed(99)                  # whatever happened in between
        resumed = train("cuda", Step(), checkpoint=path)
    assert all(torch.equal(value, resumed[name]) for name, value in expected.items())


def test_a_training_on_a_gpu_leaves_the_global_states_where_they_were():
    with pretend_cuda():
        model = network().to("cuda")
        torch.cuda.manual_seed(5)
        before = torch.cuda.get_rng_state(), torch.get_rng_state()
        fit(model, pictures, Step(), budget=Budget(3, 4), seed=3)
        assert torch.equal(torch.cuda.get_rng_state(), before[0]) and torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("first, then", [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_checkpoint_of_one_device_goes_on_at_another_and_says_so(tmp_path, capsys, first, then):
    undisturbed, resumed, path = Step(), Step(), tmp_path / "t.safetensors"
    with pretend_cuda():
        train(first, undisturbed)
        with pytest.raises(Killed):
            train(first, Step(kill=7), checkpoint=path)
        weights = train(then, resumed, checkpoint=path)
    assert f"resuming with device {then} instead of {first}: the result may differ." in capsys.readouterr().out
    assert all(value.isfinite().all() for value in weights.values())
    same_choices = undisturbed.seen[-len(resumed.seen)] - resumed.seen[0]       # the noise is another one
    assert len(resumed.seen) == 5 and 0 < same_choices.std() < 0.2


def test_a_step_that_fails_on_a_gpu_puts_everything_back():
    with pretend_cuda():
        model = network().to("cuda")
        before = {name: value.cpu().clone() for name, value in model.state_dict().items()}
        with pytest.raises(TrainingFailed, match="step 1"):
            fit(model, pictures, lambda m, b, p: m(b).sum() * float("inf"), budget=Budget(2, 4), seed=0)
        assert all(torch.equal(value.cpu(), before[name]) for name, value in model.state_dict().items())


def test_muon_multiplies_in_float32_where_bfloat16_is_only_imitated(monkeypatch):
    taken = []
    original = optimisers.orthogonalise
    monkeypatch.setattr(optimisers, "orthogonalise", lambda stack: taken.append(stack.dtype) or original(stack))
    for capability in ((7, 5), (8, 0)):
        with pretend_cuda(capability=capability):
            fit(network().to("cuda"), pictures, Step(), budget=Budget(1, 4), seed=0, optimiser=Muon(adam=AdamW()))
    fit(network(), pictures, Step(), budget=Budget(1, 4), seed=0, optimiser=Muon())
    assert taken == [torch.float32, torch.bfloat16, torch.bfloat16]


def test_float32_is_no_tf32_during_a_training_and_the_users_setting_comes_back():
    seen, cudnn = [], torch.backends.cudnn.conv
    before = cudnn.fp32_precision

    def step(model, batch, progress):
        seen.append((cudnn.fp32_precision, torch.backends.cuda.matmul.fp32_precision))
        return model(batch).square().mean()

    fit(network(), pictures, step, budget=Budget(1, 4), seed=0)
    assert seen == [("ieee", "ieee")] and cudnn.fp32_precision == before
