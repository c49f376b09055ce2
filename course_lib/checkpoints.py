"""A training as one file: weights, averages, optimisers, random states and history, written whole or not at all.

Nothing here changes where a training ends: a resumed one equals the undisturbed one to the last bit, and tests kill
trainings to see that it does.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from course_lib import files, provenance


class Stored(Protocol):
    """All that a training changes, and what it was asked for."""

    model: nn.Module
    average: dict[str, Tensor] | None
    best: dict[str, Tensor] | None
    best_score: float
    optimisers: list[torch.optim.Optimizer]
    generator: torch.Generator
    random_state: Tensor
    history: Any
    done: int
    arguments: str
    device: torch.device
    rank: int


def save(run: Stored, path: Path) -> None:
    """Write the state of a training to one file, atomically."""
    if run.rank > 0:
        return
    from safetensors.torch import save as pack

    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in (run.average or {}).items()}
    tensors |= {f"best.{name}": value for name, value in (run.best or {}).items()}
    tensors |= {"random.batches": run.generator.get_state(), "random.layers": run.random_state}
    scalars: dict[str, dict] = {}
    for which, optimiser in enumerate(run.optimisers):
        for parameter, state in optimiser.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser.{which}.{parameter}.{name}"] = value
                else:
                    scalars.setdefault(f"{which}.{parameter}", {})[name] = value
    about = {"arguments": run.arguments, "done": run.done, "history": asdict(run.history), "scalars": scalars,
             "best_score": run.best_score if run.best is not None else None, "threads": torch.get_num_threads()}
    tensors = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    about["content"] = provenance.identity(dict(sorted(tensors.items())))
    stored = pack(tensors, metadata={"course_lib.fit": json.dumps(about)})
    with files.atomic(path) as stream:
        stream.write(stored)


def load(run: Stored, path: Path) -> None:
    """Put a training into the state of a file; refuses what is unreadable or of other arguments."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            about = json.loads((stored.metadata() or {})["course_lib.fit"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}
        if provenance.identity(dict(sorted(tensors.items()))) != about["content"]:
            raise ValueError("its content has changed")
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} is no readable checkpoint ({type(error).__name__}). Usual cause: a file of another "
                         "program, or a copy that broke off. Move it away to start this training afresh.") from error
    if about["arguments"] != run.arguments:
        raise ValueError(f"{path} belongs to a training with other arguments (data, network, step, budget, seed, "
                         "optimiser, schedule or precision), so it cannot be resumed by this one. Give this training "
                         "another checkpoint file, or delete that one.")
    if about["threads"] != torch.get_num_threads():
        print(f"resuming with {torch.get_num_threads()} threads what began with {about['threads']}: "
              "the last bits of the result may differ.")

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    run.model.load_state_dict(part("model."))
    if run.average is not None:
        run.average = {name: value.to(run.device) for name, value in part("average.").items()}
    if about["best_score"] is not None:
        run.best, run.best_score = part("best."), about["best_score"]
    for which, optimiser in enumerate(run.optimisers):
        state: dict[int, dict] = {}
        for name, value in part(f"optimiser.{which}.").items():
            parameter, _, key = name.partition(".")
            state.setdefault(int(parameter), {})[key] = value
        for key, value in about["scalars"].items():
            if key.startswith(f"{which}."):
                state.setdefault(int(key.partition(".")[2]), {}).update(value)
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    run.generator.set_state(tensors["random.batches"])
    run.random_state = tensors["random.layers"]
    run.done, run.history = about["done"], type(run.history)(**about["history"])
