"""The one training loop of the course: it shows its progress, survives a kill, and ends where it would have ended.

A method brings a source of batches, a deterministic step from a batch to a loss, and a budget. Everything else is here:
precision and memory layout by hardware, the learning-rate schedule, an exponential moving average of the weights,
validation, exact resume from one file, several processes under torchrun or accelerate, and Ctrl-C.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from course_lib import arguments, checkpoints, devices, guard, profiles, provenance, randomness
from course_lib.data.sources import Batch, Source
from course_lib.guard import TrainingFailed as TrainingFailed  # what `fit` raises
from course_lib.optimisers import AdamW, Optimiser, Schedule, check_groups, cosine
from course_lib.profiles import Budget
from course_lib.progress import ProgressLine, interactive

CHECKPOINTS = 20      # a training with a checkpoint file writes it so many times
LOGGED = 200          # a history keeps about so many points of each loss


@dataclass(frozen=True)
class Progress:
    """Where a training stands, for ramps and annealing."""

    step: int
    steps: int

    @property
    def fraction(self) -> float:
        """From 0 at the first step towards 1."""
        return self.step / self.steps


@dataclass(frozen=True)
class Stop:
    """What a validation returns to end the training early, and why."""

    reason: str


@dataclass
class History:
    """What happened during a training, as data; `figures.history` draws it."""

    steps: list[int] = field(default_factory=list)
    terms: dict[str, list[float]] = field(default_factory=dict)
    validation_steps: list[int] = field(default_factory=list)
    validated: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    stopped: str | None = None


class Trained(NamedTuple):
    """What every method's `train` returns."""

    model: nn.Module
    history: History


Step = Callable[[nn.Module, Any, Progress], Tensor | dict[str, Tensor]]
Validate = Callable[[nn.Module, Progress], dict[str, float] | Stop]


def fit(model: nn.Module, source: Source, step: Step, *, budget: Budget, seed: int, optimiser: Optimiser = AdamW(),
        schedule: Schedule = cosine, ema: float | None = None, groups: Mapping[str, float] | None = None,
        validate: Validate | None = None, validations: int = 20, checkpoint: Path | None = None) -> History:
    """Train a model in place and return what happened.

    `step(model, batch, progress)` returns the loss, or named terms that are summed. `ema` is the largest decay of the
    averaged weights, which replace the model's own at the end; it grows as (1 + t) / (10 + t). `groups` maps
    submodules to factors on the learning rate (0 freezes). `validate` is called with the averaged weights, in eval
    mode, `validations` times in all: it returns named metrics, of which the first is the score (higher is better), or
    a Stop.

    What it returns is finite: a step that gives NaN or infinity, in the batch, the loss, the weights or the buffers,
    raises TrainingFailed and leaves weights and buffers as they were before it. float32 on a GPU is float32, not TF32.
    A model whose weights are all frozen, as `zoo.load` gives it, is thawed.

    With `checkpoint`, the same call continues a training that was killed, and ends with bitwise the same weights (on
    CPU, at equal threads and precision); on another device it goes on, with other noise. Other arguments than those of
    the file are refused. Ctrl-C keeps the weights with the best validation score, else the averaged or present ones,
    and returns in a notebook; a script sees KeyboardInterrupt after that. With a checkpoint the training can be resumed
    later.

    Several processes (torchrun, accelerate launch) share each batch: `budget.batch` is the global batch. Batch
    normalisation then sees each process's share, and the history tells the losses of the first.
    """
    guard.thawed(model)
    check_groups(model, groups or {})
    arguments.positive(validations, name="validations")
    arguments.number(0.0 if ema is None else ema, name="ema", low=0, high=1)
    run = Run(model=model, source=source, step=step, budget=budget, seed=seed, optimiser=optimiser, schedule=schedule,
              ema=ema, groups=dict(groups or {}), validate=validate, validations=validations)
    if checkpoint is not None and (checkpoint := Path(checkpoint)).exists():
        checkpoints.load(run, checkpoint)
    was_training, previous = model.training, time.perf_counter()
    interrupted = False
    try:
        with (ProgressLine(run, quiet=run.rank > 0) as line, _between_steps() as asked_to_stop,
              devices.exact_float32()):
            while run.done < budget.steps and run.history.stopped is None:
                run.advance()
                now = time.perf_counter()
                run.history.seconds, previous = run.history.seconds + now - previous, now
                interrupted = asked_to_stop()
                if checkpoint is not None and (interrupted or _due(run.done, budget.steps, CHECKPOINTS)):
                    checkpoints.save(run, checkpoint)
                line.update()
                if interrupted:
                    break
    except KeyboardInterrupt:   # in the middle of a step, whose state is no one to resume from
        interrupted = True
    finally:
        model.train(was_training)
    if not interrupted or run.done == budget.steps:
        run.finish()
        return run.history
    kept = run.finish(interrupted=True)
    again = "; the same call, with the network built anew, resumes it" if checkpoint is not None else ""
    print(f"interrupted after {run.done} of {budget.steps} steps: {kept} weights kept{again}.")
    if run.world > 1 or not interactive():
        raise KeyboardInterrupt   # a script must not take an unfinished training for a finished one
    return run.history


@dataclass
class Run(checkpoints.Resumable):
    """A training in progress: what it was asked for, and everything that it changes."""

    model: nn.Module
    source: Source
    step: Step
    budget: Budget
    seed: int
    optimiser: Optimiser
    schedule: Schedule
    ema: float | None
    groups: dict[str, float]
    validate: Validate | None
    validations: int

    def __post_init__(self) -> None:
        self.rank, self.world = _processes()
        if self.budget.batch % self.world:
            raise ValueError(f"a batch of {self.budget.batch} does not divide among {self.world} processes.")
        self.device = next(self.model.parameters()).device
        self.precision = profiles.precision()
        self.arguments = provenance.identity((self.budget, self.seed, self.optimiser, self.schedule, self.ema,
                                              self.groups, self.source, self.step, self.validations, self.model))
        for weight in self.model.parameters():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.optimisers = self.optimiser.build(self.model, self.groups)
        self.base_rates = [[group["lr"] for group in o.param_groups] for o in self.optimisers]
        self.generator = devices.draws(randomness.generator(self.seed, "batches", device=devices.HOST), self.device)
        self.random_state = randomness.generator(self.seed, "layers").get_state()     # for dropout and its like
        self.average = {name: value.clone() for name, value in _floats(self.model)} if self.ema is not None else None
        self.best: dict[str, Tensor] | None = None
        self.best_score = -math.inf
        self.done = 0
        self.history = History()
        self.guard = guard.Guard(self.model)
        self.stepper: nn.Module = _Stepper(self.model, self.step)
        if self.world > 1:
            self.stepper = nn.parallel.DistributedDataParallel(
                self.stepper, device_ids=[self.device.index] if self.device.type == "cuda" else None)

    def advance(self) -> None:
        """Take one step of the optimiser."""
        progress = Progress(self.done, self.budget.steps)
        self.guard.keep()
        with arguments.unread():
            batch = guard.checked_batch(self.source(self.budget.batch, self.generator))
        batch = _moved(_slice(batch, self.rank, self.world), self.device)
        factor = self.schedule((self.done + 1) / self.budget.steps)
        for optimiser, rates in zip(self.optimisers, self.base_rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        self.model.train()
        with self._layers_random_state(), self._autocast(), arguments.unread():
            terms = self.stepper(batch, progress)
        loss = torch.stack(list(terms.values())).sum()
        logged = _due(self.done + 1, self.budget.steps, LOGGED) or self.done == 0
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        values = self.guard.read(batch, terms, done=self.done)
        self.done += 1
        self._update_average()
        if logged:
            self.history.steps.append(self.done)
            for name, value in values.items():
                self.history.terms.setdefault(name, []).append(value)
        if self.validate is not None and _due(self.done, self.budget.steps, self.validations):
            self._score(self.validate)

    def finish(self, *, interrupted: bool = False) -> str:
        """Leave the weights that count in the model, and say which they are."""
        if interrupted:
            self.history.stopped = self.history.stopped or f"interrupted after step {self.done}"
        if interrupted and self.best is not None:
            _assign(self.model, self.best)
            return "the best"
        if self.average is not None:
            _assign(self.model, self.average)
            return "the averaged"
        return "the present"

    def _score(self, validate: Validate) -> None:
        with self._averaged(), self._autocast(), torch.no_grad():
            self.model.eval()
            found = validate(self.model, Progress(self.done, self.budget.steps))
            if isinstance(found, Stop):
                self.history.stopped = found.reason
                return
            guard.checked_metrics(found)
            self.history.validation_steps.append(self.done)
            for name, value in found.items():
                self.history.validated.setdefault(name, []).append(float(value))
            score = float(next(iter(found.values()), math.nan))
            if score > self.best_score:
                self.best_score = score
                self.best = {name: value.clone() for name, value in self.model.state_dict().items()}

    def _update_average(self) -> None:
        if self.average is None or self.ema is None:
            return
        decay = min(self.ema, (1 + self.done) / (10 + self.done))
        for name, value in _floats(self.model):
            self.average[name].lerp_(value, 1 - decay)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The averaged weights in place of the model's own, for a while."""
        if self.average is None:
            yield
            return
        own = {name: value.clone() for name, value in _floats(self.model)}
        _assign(self.model, self.average)
        try:
            yield
        finally:
            _assign(self.model, own)

    @contextmanager
    def _layers_random_state(self) -> Iterator[None]:
        """Layers that draw from the global state (dropout) draw from the run's own stream."""
        with torch.random.fork_rng(devices=[]), devices.layers_seeded(self.seed, self.done, self.device):
            torch.random.set_rng_state(self.random_state)
            yield
            self.random_state = torch.random.get_rng_state()

    def _autocast(self) -> torch.autocast | nullcontext:
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)


class _Stepper(nn.Module):
    """The step as a module, so that gradients synchronise when several processes wrap it."""

    def __init__(self, model: nn.Module, step: Step) -> None:
        super().__init__()
        self.model, self.step = model, step

    def forward(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        terms = self.step(self.model, batch, progress)
        return guard.checked_terms(terms if isinstance(terms, dict) else {"loss": terms})


@contextmanager
def _between_steps() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C wait until a step is whole; a second one interrupts at once."""
    pressed = False

    def press(number: int, frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


# Small parts -------------------------------------------------------------------------------------------------------


def _due(done: int, steps: int, times: int) -> bool:
    """Whether one of `times` evenly spread moments, the last being the end, falls on this step.

    >>> [done for done in range(1, 11) if _due(done, 10, 3)]
    [4, 7, 10]
    """
    return (done * times) // steps > ((done - 1) * times) // steps


def _floats(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return ((name, value.detach()) for name, value in model.state_dict().items() if value.is_floating_point())


def _assign(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    own = model.state_dict()
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, tuple):
        return tuple(_moved(leaf, device) for leaf in batch)
    layout = torch.channels_last if batch.ndim == 4 else torch.preserve_format
    return devices.known(batch.to(device, memory_format=layout, non_blocking=True), batch)


def _slice(batch: Any, rank: int, world: int) -> Any:
    """This process's share of a global batch."""
    if world == 1:
        return batch
    if isinstance(batch, tuple):
        return tuple(_slice(leaf, rank, world) for leaf in batch)
    share = batch.shape[0] // world
    return batch[rank * share : (rank + 1) * share]


def one_process() -> None:
    """Refuse a training in several processes, for losses that compare all pictures of a batch with each other.

    Raises ValueError where a launcher started more than one.

    >>> one_process()
    """
    devices.settings()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("losses that compare the pictures of a batch with each other are trained in one process, as "
                         "several would each see only their own share. Start it without torchrun or accelerate launch.")


def _processes() -> tuple[int, int]:
    """Rank and world size; joins the group where a launcher started several processes."""
    devices.settings()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 and not torch.distributed.is_initialized():
        return 0, 1
    from accelerate import PartialState

    state = PartialState(cpu=profiles.device().type == "cpu")
    return state.process_index, state.num_processes
