"""A training as one file: weights, averages, optimisers, random states and history, written whole or not at all.

Nothing here changes where a training ends: a resumed one equals the undisturbed one to the last bit, and tests kill
trainings to see that it does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import files, provenance


class Resumable:
    """What a training in progress changes, as tensors and numbers that a file can hold."""

    model: nn.Module
    average: dict[str, Tensor] | None
    best: dict[str, Tensor] | None
    best_score: float
    optimisers: list[torch.optim.Optimizer]
    generator: torch.Generator
    random_state: Tensor
    history: Any
    done: int
    seed: int
    arguments: str              # the identity of what the training was asked for
    device: torch.device
    precision: torch.dtype
    rank: int

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors of the training by name, and its numbers."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in (self.average or {}).items()}
        tensors |= {f"best.{name}": value for name, value in (self.best or {}).items()}
        tensors |= {"random.batches": self.generator.get_state(), "random.layers": self.random_state}
        scalars: dict[str, dict] = {}
        for which, optimiser in enumerate(self.optimisers):
            for parameter, state in optimiser.state_dict()["state"].items():
                for name, value in state.items():
                    if isinstance(value, Tensor):
                        tensors[f"optimiser.{which}.{parameter}.{name}"] = value
                    else:
                        scalars.setdefault(f"{which}.{parameter}", {})[name] = value
        numbers = {"device": self.device.type, "done": self.done, "history": asdict(self.history), "scalars": scalars,
                   "best_score": self.best_score if self.best is not None else None}
        return {name: value.detach().contiguous().cpu() for name, value in tensors.items()}, numbers

    def load_state_dict(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Put the training into the state of another one that had the same arguments."""
        def part(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        if self.average is not None:
            self.average = {name: value.to(self.device) for name, value in part("average.").items()}
        if numbers["best_score"] is not None:
            self.best, self.best_score = part("best."), numbers["best_score"]
        for which, optimiser in enumerate(self.optimisers):
            state: dict[int, dict] = {}
            for name, value in part(f"optimiser.{which}.").items():
                parameter, _, key = name.partition(".")
                state.setdefault(int(parameter), {})[key] = value
            for key, value in numbers["scalars"].items():
                if key.startswith(f"{which}."):
                    state.setdefault(int(key.partition(".")[2]), {}).update(value)
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        self.generator.set_state(tensors["random.batches"])
        self.random_state = tensors["random.layers"]
        self.done, self.history = numbers["done"], type(self.history)(**numbers["history"])


def save(run: Resumable, path: Path) -> None:
    """Write the state of a training to one file, atomically; of several processes the first one writes."""
    if run.rank > 0:
        return
    from safetensors.torch import save as pack

    tensors, numbers = run.state_dict()
    about = {**numbers, "arguments": run.arguments, "content": provenance.identity(dict(sorted(tensors.items()))),
             "threads": torch.get_num_threads(), "precision": str(run.precision)}
    stored = pack(tensors, metadata={"course_lib.fit": json.dumps(about)})
    with files.atomic(path) as stream:
        stream.write(stored)


def load(run: Resumable, path: Path) -> None:
    """Put a training into the state of a file; refuses what is unreadable or of other arguments."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            about = json.loads((stored.metadata() or {})["course_lib.fit"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}
        if provenance.identity(dict(sorted(tensors.items()))) != about["content"]:
            raise ValueError("its content has changed")
        torch.Generator().set_state(tensors["random.batches"])      # one that a GPU wrote has another size
    except (SafetensorError, KeyError, ValueError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is no readable checkpoint ({type(error).__name__}). Usual cause: a file of another "
                         "program, or a copy that broke off. Move it away to start this training afresh.") from error
    if about["arguments"] != run.arguments:
        raise ValueError(f"{path} belongs to a training with other arguments (data, network, step, budget, seed, "
                         "optimiser or schedule), so it cannot be resumed by this one. Give this training another "
                         "checkpoint file, or delete that one.")
    now = {"threads": torch.get_num_threads(), "precision": str(run.precision), "device": run.device.type}
    if others := [f"{name} {value} instead of {about[name]}" for name, value in now.items() if about[name] != value]:
        print(f"resuming with {', '.join(others)}: the result may differ.")
    run.load_state_dict(tensors, about)
