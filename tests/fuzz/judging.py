"""The oracle of the fuzz tests: a finite answer or our own error, and nothing changed on the way."""

from __future__ import annotations

import dataclasses
import dis
import numbers
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import course_lib

LIBRARY = Path(course_lib.__file__).parent


def leaves(value: Any) -> Iterator[Any]:
    """The tensors, arrays and numbers inside a value, however it is packed."""
    if isinstance(value, Tensor | np.ndarray | numbers.Number):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.state_dict(keep_vars=True).values()
        yield value.training
    elif isinstance(value, Mapping):
        yield from (leaf for part in value.values() for leaf in leaves(part))
    elif isinstance(value, tuple | list):
        yield from (leaf for part in value for leaf in leaves(part))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from (leaf for field in dataclasses.fields(value) for leaf in leaves(getattr(value, field.name)))


def written(value: Any) -> list[object]:
    """What a value is, to compare later: the bytes of each tensor, its version, and whether it asks for a gradient."""
    found: list[object] = []
    for leaf in leaves(value):
        if isinstance(leaf, Tensor):
            copy = leaf.detach().clone(memory_format=torch.contiguous_format)
            numbers_in_it = copy.reshape(-1).view(torch.uint8).numpy().tobytes()
            graded = leaf.requires_grad, leaf.is_leaf and leaf.grad is not None
            found.append((numbers_in_it, leaf.shape, leaf.stride(), leaf.dtype, leaf._version, graded))
        else:
            found.append((leaf.tobytes(), leaf.shape, leaf.dtype) if isinstance(leaf, np.ndarray) else repr(leaf))
    return found


def random_state() -> tuple[object, ...]:
    name, words, *rest = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), (name, bytes(words), *rest), random.getstate()


def is_ours(error: BaseException) -> bool:
    """Tell whether a `raise` in the library made the error, and it says something; one that PyTorch or Python made from
    within a line of the library is a traceback that a student cannot read."""
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or LIBRARY not in Path(last.tb_frame.f_code.co_filename).parents or not str(error).strip():
        return False
    raised = last.tb_frame.f_code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return raised and (isinstance(error, ValueError | TypeError) or type(error).__module__.startswith("course_lib"))


def wrong_numbers(result: Any, *, ordinary: bool, finite: bool) -> str | None:
    for leaf in leaves(result):
        values = (
            leaf.detach().numpy(force=True)
            if isinstance(leaf, Tensor) and leaf.dtype != torch.bfloat16
            else leaf.detach().float().numpy()
            if isinstance(leaf, Tensor)
            else np.asarray(leaf)
        )
        if values.dtype.kind not in "fc":
            continue
        if finite and np.isnan(values).any():
            return "NaN came out"
        if ordinary and np.isinf(values).any():
            return "infinity came out"
    return None


def fault(
    call: Callable[..., Any],
    arguments: dict[str, Any],
    *,
    ordinary: bool = True,
    finite: bool = True,
    expected: Any = None,
    changed: str | None = None,
) -> str | None:
    """What is wrong with what a call does with these arguments, in words; None where all is well.

    expected: the result of the same numbers in another layout; changed: the argument that may be changed.
    """
    kept = {name: value for name, value in arguments.items() if name != changed}
    before, state = written(kept), random_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result, complaint = call(**arguments), None
        except Exception as error:
            result, complaint = None, None if is_ours(error) else f"raw {type(error).__name__}: {_first_line(error)}"
            refused = True
        else:
            refused = False
    if complaint is None and written(kept) != before:
        complaint = "an argument was changed"
    if complaint is None and random_state() != state:
        complaint = "the global random state was moved"
    if complaint is None and not refused:
        complaint = wrong_numbers(result, ordinary=ordinary, finite=finite)
    if complaint is None and not refused and expected is not None and not alike(result, expected):
        complaint = "another layout of the same numbers gives another result"
    return complaint


def alike(one: Any, other: Any) -> bool:
    """Tell whether two results hold the same numbers, up to rounding."""
    ours, theirs = ([leaf for leaf in leaves(value) if not isinstance(leaf, bool)] for value in (one, other))
    if len(ours) != len(theirs):
        return False
    return all(
        np.allclose(_array(a), _array(b), rtol=1e-3, atol=1e-4, equal_nan=True)
        if np.shape(_array(a)) == np.shape(_array(b))
        else False
        for a, b in zip(ours, theirs, strict=True)
    )


def _array(leaf: Any) -> np.ndarray:
    return leaf.detach().numpy(force=True) if isinstance(leaf, Tensor) else np.asarray(leaf)


def _first_line(error: BaseException) -> str:
    words = str(error).strip().split("\n")[0]
    return words if len(words) <= 110 else f"{words[:107]}..."
