"""The training loop: what it promises about losses, averages, validation, resuming, refusing and stopping."""

import json
import math
import signal

import pytest
import torch
from safetensors import safe_open
from torch import nn

from course_lib import files
from course_lib import fit as fitting
from course_lib.fit import Progress, Stop, TrainingFailed, fit
from course_lib.optimisers import SGD, AdamW, Muon, constant
from course_lib.profiles import Budget

TARGET = torch.tensor([[1.0, -2.0]])


def source(batch, generator):
    x = torch.randn(batch, 2, generator=generator)
    return x, x @ TARGET.T


def step(model, batch, progress):
    x, y = batch
    return (model(x) - y).square().mean()


def linear(seed=0):
    model = nn.Linear(2, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


def small_network():
    """Convolutions, a norm with buffers, and dropout, so that every kind of state is there."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(4, 4, 3),
                         nn.Conv2d(4, 1, 3))


def pictures(batch, generator):
    return torch.rand(batch, 1, 12, 12, generator=generator)


def brightness(model, batch, progress):
    return {"fit": (model(batch) - batch[..., 3:-3, 3:-3]).square().mean(), "ramp": progress.fraction * 0.01 * sum(
        p.square().sum() for p in model.parameters())}


RESUMABLE = dict(budget=Budget(40, 4), seed=3, optimiser=Muon(), ema=0.9)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_bitwise_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_gradient_descent_is_that_of_hand():
    model = linear()
    fit(model, lambda n, g: torch.tensor([[1.0, 0.0]]), lambda m, x, p: (m(x) - 1).square().mean(),
        budget=Budget(2, 1), seed=0, optimiser=SGD(lr=0.1, momentum=0.0), schedule=constant)
    # w = b: each step adds 0.1 * 2 * (1 - 2w): 0 -> 0.2 -> 0.32
    assert model.weight[0, 0].item() == pytest.approx(0.32, abs=1e-6)
    assert model.bias.item() == pytest.approx(0.32, abs=1e-6)


def test_a_linear_law_is_learnt_and_the_history_tells_it():
    model = linear()
    history = fit(model, source, step, budget=Budget(300, 32), seed=0, optimiser=AdamW(lr=0.05))
    assert torch.allclose(model.weight, TARGET, atol=1e-2)
    assert history.steps[0] == 1 and history.steps[-1] == 300
    assert len(history.steps) == len(history.terms["loss"]) <= 201
    assert history.terms["loss"][-1] < 1e-3 < history.terms["loss"][0]
    assert history.stopped is None and history.seconds > 0


def test_named_terms_are_summed():
    together, apart = linear(), linear()
    fit(together, source, lambda m, b, p: 2 * step(m, b, p), budget=Budget(10, 4), seed=0)
    history = fit(apart, source, lambda m, b, p: {"a": step(m, b, p), "b": step(m, b, p)}, budget=Budget(10, 4), seed=0)
    assert torch.allclose(together.weight, apart.weight, atol=1e-6)
    assert set(history.terms) == {"a", "b"}


def test_the_average_is_the_one_of_its_formula():
    seen, model = [], linear()

    def remember(m, batch, progress):
        seen.append(m.weight.detach().clone())
        return step(m, batch, progress)

    plain = linear()
    fit(plain, source, step, budget=Budget(6, 4), seed=0, schedule=constant)
    fit(model, source, remember, budget=Budget(6, 4), seed=0, schedule=constant, ema=0.3)
    after = [*seen[1:], plain.weight.detach()]
    average = seen[0]
    for done, weight in enumerate(after, start=1):
        decay = min(0.3, (1 + done) / (10 + done))
        average = decay * average + (1 - decay) * weight
    assert torch.allclose(model.weight, average, atol=1e-6)


def test_validation_sees_averaged_weights_in_eval_mode_and_scores_are_kept():
    def validate(model, progress):
        assert not model.training
        return {"score": -float(model.weight.detach().sub(TARGET).norm())}

    model = linear().train()
    history = fit(model, source, step, budget=Budget(50, 8), seed=0, ema=0.9, validate=validate, validations=5)
    assert history.validation_steps == [10, 20, 30, 40, 50]
    assert history.validated["score"][-1] > history.validated["score"][0]
    assert model.training


def test_a_validation_may_stop_the_training_and_says_why():
    history = fit(linear(), source, step, budget=Budget(50, 8), seed=0, validations=50,
                  validate=lambda m, p: Stop("good enough") if p.step >= 7 else {"score": 0.0})
    assert history.stopped == "good enough" and history.validation_steps[-1] == 6


class Killed(BaseException):
    """Ends a training like a kill does: nothing that fit could catch and tidy."""


def killed_at(when):
    def killing(model, batch, progress):
        if progress.step == when:
            raise Killed
        return brightness(model, batch, progress)

    killing.__qualname__, killing.__module__ = brightness.__qualname__, brightness.__module__
    return killing


@pytest.fixture
def same_arguments(monkeypatch):
    """Steps that only differ in being killed count as the same."""
    describe = fitting.provenance.identity
    monkeypatch.setattr(fitting.provenance, "identity", lambda value: describe(value if isinstance(value, dict) else [
        part if not callable(part) or not hasattr(part, "__code__") else part.__qualname__ for part in value]))


@pytest.mark.parametrize("when", [1, 7, 20, 39])
def test_a_killed_training_ends_with_bitwise_the_same_weights(tmp_path, same_arguments, when):
    undisturbed = small_network()
    expected = fit(undisturbed, pictures, brightness, **RESUMABLE, validate=lambda m, p: {"score": p.fraction})
    path = tmp_path / "training.safetensors"
    with pytest.raises(Killed):
        fit(small_network(), pictures, killed_at(when), **RESUMABLE, validate=lambda m, p: {"score": p.fraction},
            checkpoint=path)
    resumed = small_network()
    history = fit(resumed, pictures, brightness, **RESUMABLE, validate=lambda m, p: {"score": p.fraction},
                  checkpoint=path)
    assert_bitwise_equal(weights(resumed), weights(undisturbed))
    assert (history.steps, history.terms, history.validated) == (expected.steps, expected.terms, expected.validated)


def rewrite(path, change):
    """Change the tensors of a checkpoint and what it says of them, and store it again."""
    from safetensors.torch import save_file

    with safe_open(path, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}
        about = json.loads(stored.metadata()["course_lib.fit"])
    change(tensors, about)
    about["content"] = fitting.provenance.identity(dict(sorted(tensors.items())))
    save_file(tensors, path, metadata={"course_lib.fit": json.dumps(about)})


@pytest.mark.parametrize("forgotten", ["random.batches", "random.layers", "optimiser.0", "average."])
def test_a_checkpoint_that_forgets_a_state_would_be_noticed(tmp_path, same_arguments, forgotten, monkeypatch):
    undisturbed = small_network()
    fit(undisturbed, pictures, brightness, **RESUMABLE)
    path = tmp_path / "training.safetensors"
    with pytest.raises(Killed):
        fit(small_network(), pictures, killed_at(21), **RESUMABLE, checkpoint=path)

    def forget(tensors, about):
        for name, value in tensors.items():
            if name.startswith(forgotten):
                fresh = torch.Generator().manual_seed(1).get_state() if name.startswith("random") else value * 0.5
                tensors[name] = fresh.to(value.dtype)

    rewrite(path, forget)
    resumed = small_network()
    fit(resumed, pictures, brightness, **RESUMABLE, checkpoint=path)
    expected = weights(undisturbed)
    assert any(not torch.equal(value, expected[name]) for name, value in weights(resumed).items())


def test_a_finished_training_is_not_trained_again(tmp_path):
    path = tmp_path / "t.safetensors"
    fit(linear(), source, step, budget=Budget(10, 4), seed=0, checkpoint=path)
    model = linear()
    history = fit(model, source, step, budget=Budget(10, 4), seed=0, checkpoint=path)
    assert history.steps[-1] == 10 and model.weight.abs().sum() > 0


@pytest.mark.parametrize("change", [dict(seed=1), dict(budget=Budget(11, 4)), dict(optimiser=SGD()), dict(ema=0.5)])
def test_resuming_with_other_arguments_is_refused_and_the_file_stays(tmp_path, change):
    path = tmp_path / "t.safetensors"
    same = dict(budget=Budget(10, 4), seed=0)
    fit(linear(), source, step, **same, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="other arguments.*another checkpoint file"):
        fit(linear(), source, step, **{**same, **change}, checkpoint=path)
    assert path.read_bytes() == before


def test_another_precision_resumes_and_says_so(tmp_path, monkeypatch, capsys):
    path = tmp_path / "t.safetensors"
    fit(linear(), source, step, budget=Budget(10, 4), seed=0, checkpoint=path)
    monkeypatch.setenv("COURSE_PRECISION", "bf16")
    fit(linear(), source, step, budget=Budget(10, 4), seed=0, checkpoint=path)
    said = capsys.readouterr().out
    assert "resuming with precision torch.bfloat16 instead of torch.float32: the result may differ." in said


@pytest.fixture
def killed_halfway(tmp_path, same_arguments):
    """The checkpoint of a training of 40 steps that was killed after 20, and the batches of an undisturbed one."""
    seen, path = [], tmp_path / "t.safetensors"

    def recording(batch, generator):
        seen.append(pictures(batch, generator))
        return seen[-1]

    recording.__qualname__ = pictures.__qualname__
    fit(small_network(), recording, brightness, **RESUMABLE)
    batches = [*seen]
    with pytest.raises(Killed):
        fit(small_network(), recording, killed_at(21), **RESUMABLE, checkpoint=path)
    seen.clear()
    return path, batches, recording, seen


def test_on_another_device_it_goes_on_with_the_same_batches_and_says_that_bits_will_differ(killed_halfway, capsys):
    path, batches, recording, seen = killed_halfway
    rewrite(path, lambda tensors, about: about.update(device="cuda"))
    history = fit(small_network(), recording, brightness, **RESUMABLE, checkpoint=path)
    assert history.steps[-1] == 40
    assert "resuming with device cpu instead of cuda: the result may differ." in capsys.readouterr().out
    assert len(seen) == 20 and all(map(torch.equal, seen, batches[20:]))


def test_a_random_state_that_does_not_fit_is_refused_before_anything_is_loaded(killed_halfway):
    path, _, recording, _ = killed_halfway
    rewrite(path, lambda tensors, about: tensors.update({"random.batches": torch.zeros(16, dtype=torch.uint8)}))
    network = small_network()
    before = weights(network)
    with pytest.raises(ValueError, match="no readable checkpoint"):
        fit(network, recording, brightness, **RESUMABLE, checkpoint=path)
    assert_bitwise_equal(weights(network), before)


def test_resuming_with_other_data_is_refused(tmp_path):
    from course_lib.data import noisy, patches, then
    from course_lib.noise import Gaussian

    def pairs(level):
        return then(patches([torch.full((1, 20, 20), 7, dtype=torch.uint8)], size=12), noisy(Gaussian(level)))

    def clean(model, batch, progress):
        return model(batch[0]).square().mean()

    def go(level):
        fit(small_network(), pairs(level), clean, budget=Budget(2, 2), seed=0, checkpoint=tmp_path / "t.safetensors")

    go(0.1)
    with pytest.raises(ValueError, match="other arguments"):
        go(0.2)
    go(0.1)


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_corrupt_checkpoint_is_named_and_kept(tmp_path, content):
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no readable checkpoint.*Move it away"):
        fit(linear(), source, step, budget=Budget(2, 2), seed=0, checkpoint=path)
    assert path.read_bytes() == content


def test_a_full_disk_stops_the_training_with_the_last_checkpoint_whole(tmp_path, monkeypatch):
    path, atomic, written = tmp_path / "t.safetensors", files.atomic, []

    def full_after_two(target, mode="wb"):
        if len(written) == 2:
            raise OSError(28, "the disk is full: could not write t.safetensors", str(target))
        written.append(target)
        return atomic(target, mode)

    monkeypatch.setattr(files, "atomic", full_after_two)
    with pytest.raises(OSError, match="disk is full"):
        fit(linear(), source, step, budget=Budget(100, 4), seed=0, checkpoint=path)
    with safe_open(path, framework="pt") as stored:
        assert json.loads(stored.metadata()["course_lib.fit"])["done"] == 10


def test_nan_in_the_data_is_told_with_its_step_and_spoils_no_weight_and_no_norm():
    def bad(batch, generator):
        bad.calls += 1
        return pictures(batch, generator) * (math.nan if bad.calls == 5 else 1)

    bad.calls, model = 0, small_network()
    with pytest.raises(TrainingFailed, match=r"batch of step 5 holds values that are no numbers"):
        fit(model, bad, brightness, budget=Budget(10, 4), seed=0)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_divergence_is_told_apart_from_bad_data():
    with pytest.raises(TrainingFailed, match=r"became (inf|nan) at step \d+ \(term: loss\).*tenth of the"):
        fit(linear(), source, step, budget=Budget(500, 4), seed=0, optimiser=SGD(lr=1e6))


class GradientWithoutNumber(torch.autograd.Function):
    """The identity, whose gradient is NaN from the third call on."""

    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        GradientWithoutNumber.calls += 1
        return gradient * (math.nan if GradientWithoutNumber.calls >= 3 else 1)


@pytest.mark.parametrize("optimiser", [AdamW(), SGD(), Muon()])
def test_a_gradient_that_is_no_number_fails_at_its_step_with_the_weights_of_the_one_before(optimiser, monkeypatch):
    def go(through, steps):
        fit(model := small_network(), pictures, lambda m, b, p: brightness(m, b, p)["fit"] + 0 * through(
            m[0].weight).sum(), budget=Budget(steps, 4), seed=0, optimiser=optimiser, schedule=constant)
        return model

    networks, GradientWithoutNumber.calls = [], 0
    monkeypatch.setattr(fitting.guard, "thawed", networks.append)
    expected = weights(go(torch.clone, steps=2))
    with pytest.raises(TrainingFailed, match="weights or buffers became infinite or NaN at step 3"):
        go(GradientWithoutNumber.apply, steps=10)
    assert_bitwise_equal(weights(networks[-1]), expected)


@pytest.mark.parametrize("rate", [1e10, 1e30, 1e38])
def test_what_a_training_returns_is_finite_or_it_failed_with_the_last_good_state(rate):
    model = small_network()
    try:
        fit(model, pictures, brightness, budget=Budget(30, 4), seed=0, optimiser=SGD(lr=rate), schedule=constant)
    except TrainingFailed as failure:
        assert "those of the step before" in str(failure)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_a_training_of_one_step_whose_weights_overflow_fails():
    model = linear()
    with pytest.raises(TrainingFailed, match="at step 1"):
        fit(model, source, lambda m, b, p: 1e38 * step(m, b, p) / 10, budget=Budget(1, 4), seed=0,
            optimiser=SGD(lr=1e30), schedule=constant)
    assert not model.weight.any()


BAD_STEPS = {"None": (lambda m, b, p: None, TypeError, "without a `return`"),
             "a float": (lambda m, b, p: step(m, b, p).item(), TypeError, "leave no gradient"),
             "a vector": (lambda m, b, p: (m(b[0]) - b[1]).square()[:, 0], ValueError, "was not averaged"),
             "whole numbers": (lambda m, b, p: torch.tensor(3), ValueError, "of int64"),
             "nothing": (lambda m, b, p: {}, ValueError, "an empty dict"),
             "a float among terms": (lambda m, b, p: {"a": step(m, b, p), "b": 0.5}, TypeError, "got a float as b"),
             "a constant": (lambda m, b, p: b[0].mean(), ValueError, "does not depend on the weights"),
             "a tuple": (lambda m, b, p: (step(m, b, p), 1), TypeError, "got a tuple")}


@pytest.mark.parametrize("name", BAD_STEPS)
def test_a_step_that_returns_no_loss_is_told_what_a_loss_is(name):
    bad, kind, words = BAD_STEPS[name]
    with pytest.raises(kind, match=f"the step: .*{words}"):
        fit(linear(), source, bad, budget=Budget(2, 4), seed=0)


BAD_SOURCES = {"a list": (lambda n, g: list(source(n, g)), TypeError, r"\[z, y\] instead of \(z, y\)"),
               "a dict": (lambda n, g: {"z": torch.zeros(n, 2)}, TypeError, "in a tuple"),
               "None": (lambda n, g: None, TypeError, "without a `return`"),
               "an array": (lambda n, g: torch.zeros(n, 2).numpy(), TypeError, "got a ndarray"),
               "no image": (lambda n, g: torch.zeros(0, 2), ValueError, "no images"),
               "a number": (lambda n, g: torch.tensor(1.0), ValueError, r"shape \(\)"),
               "an empty tuple": (lambda n, g: (), ValueError, "empty tuple")}


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_a_source_that_returns_no_batch_is_told_what_a_batch_is(name):
    bad, kind, words = BAD_SOURCES[name]
    with pytest.raises(kind, match=f"the source: .*{words}"):
        fit(linear(), bad, step, budget=Budget(2, 4), seed=0)


def test_a_network_without_weights_and_what_is_no_network_are_refused():
    with pytest.raises(ValueError, match="no weights that could be trained.*ModuleList"):
        fit(nn.ReLU(), source, step, budget=Budget(2, 4), seed=0)
    with pytest.raises(TypeError, match="expected a network, an nn.Module, got a function"):
        fit(step, source, step, budget=Budget(2, 4), seed=0)


@pytest.mark.parametrize("change", [dict(validations=0), dict(validations=2.5), dict(ema=math.nan), dict(ema=-0.1),
                                    dict(ema=1.5), dict(ema="0.9")])
def test_settings_out_of_range_are_refused_before_the_first_step(change):
    with pytest.raises((ValueError, TypeError), match="validations|ema"):
        fit(linear(), source, step, budget=Budget(2, 4), seed=0, **change)


@pytest.mark.parametrize("found", [None, {}, [3.0], {"psnr": torch.zeros(2)}, {"psnr": "30"}])
def test_a_validation_that_gives_no_metrics_is_told_what_they_are(found):
    with pytest.raises(TypeError, match="validate: expected"):
        fit(linear(), source, step, budget=Budget(2, 4), seed=0, validate=lambda m, p: found)


def test_a_network_that_is_frozen_as_a_whole_is_trained_further():
    model = linear().requires_grad_(False)
    fit(model, source, step, budget=Budget(100, 8), seed=0, optimiser=AdamW(lr=0.05))
    assert model.weight.abs().sum() > 0.5


def test_a_part_that_somebody_froze_stays_frozen():
    model = nn.Sequential(linear().requires_grad_(False), nn.Linear(1, 1))
    fit(model, source, step, budget=Budget(10, 8), seed=0)
    assert not model[0].weight.any() and not model[0].weight.requires_grad


def test_weights_from_the_zoo_are_trained_further():
    from course_lib import data, zoo
    from course_lib.denoise import dncnn

    network = zoo.load(dncnn.DnCNN, "dncnn-s25-w32")
    before = weights(network)
    dncnn.train(data.photographs("validation"), sigma=25 / 255, budget=Budget(2, 2, 24), seed=0, network=network)
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_same_source_object_resumes_its_own_training(tmp_path):
    from course_lib.data import patches

    source = patches([torch.full((1, 20, 20), 7, dtype=torch.uint8)], size=12)
    for _ in range(2):
        fit(small_network(), source, brightness, budget=Budget(2, 2), seed=0, checkpoint=tmp_path / "t.safetensors")


SCALE = 1.0


def scaled(model, batch, progress):
    return SCALE * model(batch).square().mean()


def test_resuming_with_another_network_step_or_constant_is_refused(tmp_path, monkeypatch):
    from course_lib.denoise.dncnn import DnCNN

    def go(network=None, step=scaled):
        network = network or DnCNN(depth=3, width=4)
        fit(network, pictures, step, budget=Budget(2, 2), seed=0, checkpoint=tmp_path / "t.safetensors")

    go()
    go()
    for network in (DnCNN(depth=3, width=4, residual=False), DnCNN(depth=3, width=4, padding="reflect"),
                    DnCNN(depth=3, width=4, seed=1)):
        with pytest.raises(ValueError, match="other arguments"):
            go(network)
    with pytest.raises(ValueError, match="other arguments"):
        go(step=lambda model, batch, progress: model(batch).abs().mean())
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    with pytest.raises(ValueError, match="other arguments"):
        go()


def test_a_changed_byte_in_a_checkpoint_is_noticed(tmp_path):
    path = tmp_path / "t.safetensors"
    fit(linear(), source, step, budget=Budget(2, 2), seed=0, checkpoint=path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no readable checkpoint"):
        fit(linear(), source, step, budget=Budget(2, 2), seed=0, checkpoint=path)


def test_a_script_sees_the_interruption_and_a_notebook_goes_on(monkeypatch):
    def interrupted(model, batch, progress):
        signal.raise_signal(signal.SIGINT)
        return step(model, batch, progress)

    with pytest.raises(KeyboardInterrupt):
        fit(linear(), source, interrupted, budget=Budget(5, 2), seed=0)
    monkeypatch.setattr(fitting, "interactive", lambda: True)
    assert fit(linear(), source, interrupted, budget=Budget(5, 2), seed=0).stopped == "interrupted after step 1"


def test_ctrl_c_keeps_the_best_weights_and_the_same_call_resumes(tmp_path, capsys, same_arguments, monkeypatch):
    monkeypatch.setattr(fitting, "interactive", lambda: True)
    scores = iter([1.0, 5.0, 2.0, 3.0] + [0.0] * 20)
    best = {}

    def validate(model, progress):
        score = next(scores)
        if score == 5.0:
            best.update(weights(model))
        return {"psnr": score}

    def interrupted(model, batch, progress):
        if progress.step == 16:
            signal.raise_signal(signal.SIGINT)   # waits until this step is whole
        return brightness(model, batch, progress)

    interrupted.__qualname__ = brightness.__qualname__
    path, model = tmp_path / "t.safetensors", small_network()
    history = fit(model, pictures, interrupted, **RESUMABLE, validate=validate, validations=10, checkpoint=path)
    assert_bitwise_equal(weights(model), best)
    assert history.stopped == "interrupted after step 17"
    said = capsys.readouterr().out
    assert "interrupted after 17 of 40 steps: the best weights kept; the same call, with the network" in said
    resumed, undisturbed = small_network(), small_network()
    fit(resumed, pictures, brightness, **RESUMABLE, validate=validate, validations=10, checkpoint=path)
    fit(undisturbed, pictures, brightness, **RESUMABLE)
    assert_bitwise_equal(weights(resumed), weights(undisturbed))


def test_a_second_ctrl_c_does_not_wait_and_leaves_the_last_whole_checkpoint(tmp_path, same_arguments):
    def impatient(model, batch, progress):
        if progress.step == 17:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return brightness(model, batch, progress)

    impatient.__qualname__ = brightness.__qualname__
    path, resumed, undisturbed = tmp_path / "t.safetensors", small_network(), small_network()
    with pytest.raises(KeyboardInterrupt):
        fit(small_network(), pictures, impatient, **RESUMABLE, checkpoint=path)
    fit(resumed, pictures, brightness, **RESUMABLE, checkpoint=path)
    fit(undisturbed, pictures, brightness, **RESUMABLE)
    assert_bitwise_equal(weights(resumed), weights(undisturbed))


def test_the_source_alone_decides_the_batches_whatever_the_model_draws():
    seen = []

    def recording(batch, generator):
        x = pictures(batch, generator)
        seen.append(x)
        return x

    fit(small_network(), recording, brightness, budget=Budget(3, 2), seed=0)
    fit(small_network().eval(), recording, lambda m, b, p: brightness(m.eval(), b, p), budget=Budget(3, 2), seed=0)
    for with_dropout, without in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(with_dropout, without)


def test_progress_is_a_fraction():
    assert Progress(5, 20).fraction == 0.25


def test_a_training_tells_nothing_in_a_pipe(capsys):
    fit(linear(), source, step, budget=Budget(3, 2), seed=0)
    assert capsys.readouterr().out == ""
