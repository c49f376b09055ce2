"""Run experiments and recipes of one tree at smoke and write down everything that a refactor must leave as it was.

`claims.confirm` runs this file in a process of its own for each of two trees, with the tree first on the path:

    PYTHONPATH=<tree> python -P replay.py <tree> < request.json > answer.json

So it may use nothing of the course but its doors: `claims.discover`, `recipes.RECIPES`, `choose`, `Budget`,
`generator`, `fit`. It describes what it is asked for (`describe`) or runs it on one thread (`run`): the metrics as
hexadecimal floats, a hash of every trained network, the arguments of every call of the doors in all three profiles, and
which of the lines that it was told to watch were executed.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import os
import sys
import threading
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SEEDS = (0, 1)
STEPS = 20          # of a recipe's training
CALLS: list[str] = []
WEIGHTS: list[str] = []


def main() -> None:
    tree = Path(sys.argv[1])
    request = json.load(sys.stdin)
    lines = Lines({str(tree / path): {int(line) for line in found} for path, found in request["lines"].items()})
    threading.settrace(lines.enter)
    sys.settrace(lines.enter)
    os.environ["COURSE_PROFILE"] = "smoke"
    answer = sys.stdout
    sys.stdout = sys.stderr     # what trainings print is no part of the answer
    import torch

    import course_lib

    assert Path(course_lib.__file__).parent.parent.samefile(tree), f"{course_lib.__file__} is not of {tree}"
    torch.set_num_threads(1)
    listen()
    from course_lib import claims
    from course_lib.recipes import RECIPES

    experiments = {claim.experiment.id: claim.experiment for claim in claims.discover()}
    found: dict[str, Any] = {}
    for subject in request["subjects"]:
        kind, _, name = subject.partition(":")
        one = (experiments if kind == "experiment" else RECIPES).get(name)
        if one is not None:
            found[subject] = described(kind, one) if request["do"] == "describe" else ran(kind, one, lines)
    json.dump(found, answer)


def described(kind: str, one: Any) -> dict[str, Any]:
    """Describe a subject: the roots of its code, its fingerprint, and what else it is made of."""
    from course_lib import data, provenance, zoo

    functions = [one.measure, *one.uses] if kind == "experiment" else [*one.uses, getattr(one.pictures, "func", None)]
    roots = [provenance.definition(function) for function in functions if function is not None]
    sets, weights = (one.data, one.weights) if kind == "experiment" else (one.sets, ())
    asked = () if kind == "experiment" else (one.arguments, one.train_arguments, one.budget, one.seed, one.pictures,
                                             one.scored_at, one.judge)
    for value in (value for group in asked if isinstance(group, dict) for value in group.values()):
        roots += filter(None, [provenance.definition(value) or provenance.definition(type(value))])
    roots += filter(None, [provenance.definition(getattr(one, "judge", None))])
    return {"fingerprint": one.fingerprint(), "times": list(getattr(one, "times", ())),
            "roots": [root and [root.module, root.name] for root in roots], "asked": [told(value) for value in asked],
            "data": {name: data.content_hash(name) for name in sets},
            "weights": {name: zoo.card(name).weights_sha256 for name in weights}}


def ran(kind: str, one: Any, lines: Lines) -> dict[str, Any]:
    """Run a subject at smoke, at each of two seeds."""
    from course_lib.profiles import Budget

    CALLS.clear()
    WEIGHTS.clear()
    lines.of_functions.clear()
    metrics: list[dict[str, str]] = []
    try:
        for seed in SEEDS:
            if kind == "experiment":
                found = one.measure("smoke", seed)
            else:
                trained = one.learn(budget=Budget(STEPS, one.budget.batch, one.budget.patch), seed=seed)
                found = one.judge(trained.model) if one.judge else {}
            metrics.append({name: float(value).hex() for name, value in found.items()})
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    executed = sorted([*lines.of_functions, *lines.of_modules])
    return {"metrics": metrics, "weights": list(WEIGHTS), "calls": sorted(CALLS), "executed": executed}


# What is written down ----------------------------------------------------------------------------------------------


class Lines:
    """Which of some lines were executed: those of functions since they were last cleared, those of modules ever."""

    def __init__(self, wanted: Mapping[str, set[int]]) -> None:
        self.wanted = wanted
        self.of_functions: set[tuple[str, int]] = set()
        self.of_modules: set[tuple[str, int]] = set()

    def enter(self, frame: types.FrameType, event: str, argument: object) -> Callable | None:
        """Trace a function or a module that begins, if it has lines that are asked for."""
        code = frame.f_code
        wanted = self.wanted.get(code.co_filename)
        if not wanted or wanted.isdisjoint(line for _, _, line in code.co_lines() if line is not None):
            return None
        found = self.of_functions if code.co_flags & inspect.CO_OPTIMIZED else self.of_modules

        def look(frame: types.FrameType, event: str, argument: object) -> Callable:
            if event == "line" and frame.f_lineno in wanted:
                found.add((code.co_filename, frame.f_lineno))
            return look

        return look


def listen() -> None:
    """Write down the arguments of `choose`, `Budget`, `generator` and `fit`, before anything else imports them."""
    from course_lib import fit, profiles, randomness

    for module, name in ((profiles, "choose"), (randomness, "generator"), (fit, "fit")):
        setattr(module, name, listening(getattr(module, name)))
    checked = profiles.Budget.__post_init__

    def made(budget: Any) -> None:
        checked(budget)
        CALLS.append(f"Budget {told(dataclasses.astuple(budget))}")

    profiles.Budget.__post_init__ = made        # type: ignore[method-assign,assignment]


def listening(function: Callable) -> Callable:
    """Wrap a function so that its arguments are written down in the order of its signature; `fit` leaves its
    weights."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def listen(*positional: Any, **named: Any) -> Any:
        given = signature.bind(*positional, **named)
        given.apply_defaults()
        CALLS.append(f"{function.__name__} {told(list(given.arguments.values()))}")
        result = function(*positional, **named)
        if function.__name__ == "fit":
            WEIGHTS.append(told(given.arguments["model"].state_dict()))
        return result

    return listen


def told(value: Any) -> str:
    """Describe a value in words that know no modules: numbers exactly, tensors by hash, functions as such."""
    import numpy as np
    import torch

    if isinstance(value, torch.nn.Module):
        return f"network {told(value.state_dict())}"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().float().numpy() if value.dtype == torch.bfloat16 else value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return f"array {value.shape} {value.dtype} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {told(part)}" for key, part in value.items()) + "}"
    if isinstance(value, torch.Generator):
        return told(value.get_state())
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(told, value))) + "}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(told, value)) + ")"
    if isinstance(value, functools.partial):
        return f"partial {told((value.args, value.keywords))}"
    if isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        return "function"
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, float):
        return value.hex()
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return f"{type(value).__name__} {told(fields)}"
    if hasattr(value, "__dict__"):
        return f"{type(value).__name__} {told(vars(value))}" if type(value).__module__.startswith("course_lib") \
            else type(value).__name__
    return repr(value)


if __name__ == "__main__":
    main()
