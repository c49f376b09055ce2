"""The ways in which a fuzz test spoils an argument, each with a name, so that an example reads as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Spoil:
    """One change to an argument; what it promises about the result decides what the oracle asks."""

    name: str
    group: str
    change: Callable[[Any], Any]
    same: bool = False  # the same numbers in another layout: the result must be the same
    ordinary: bool = True  # the values stay of a usual size: no infinity may come out
    finite: bool = True  # the values stay numbers: no NaN may come out


def _put(t: Tensor, value: float) -> Tensor:
    """One element replaced, if the type has such numbers."""
    if not t.numel() or not t.is_floating_point() or torch.finfo(t.dtype).max < abs(value) < math.inf:
        return t
    t = t.clone(memory_format=torch.contiguous_format)
    t.view(-1)[t.numel() // 2] = value
    return t


def _within(t: Tensor) -> Tensor:
    """The same numbers as every other element of a larger tensor."""
    large = t.new_zeros(*t.shape, 2)
    large[..., 0] = t
    return large[..., 0]


def _transposed(t: Tensor) -> Tensor:
    return t.transpose(-1, -2).contiguous().transpose(-1, -2) if t.ndim > 1 else _within(t)


def _expanded(t: Tensor) -> Tensor:
    return t[:1].expand(t.shape) if t.ndim and len(t) else t


def _channels_last(t: Tensor) -> Tensor:
    return t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t


def _needs_grad(t: Tensor) -> Tensor:
    return t.clone().requires_grad_() if t.is_floating_point() or t.is_complex() else t


def _array(t: object) -> np.ndarray:
    return t.detach().numpy() if isinstance(t, Tensor) and t.dtype != torch.bfloat16 else np.asarray(0.5)


def _sides(height: int, width: int) -> Callable[[Tensor], Tensor]:
    return lambda t: t[..., :height, :width] if t.ndim > 1 else t[:height] if t.ndim else t


SHAPES = {
    "one axis less": lambda t: t[0] if t.ndim and len(t) else t,
    "no axes": lambda t: t.flatten()[0] if t.numel() else t,
    "one axis more": lambda t: t[None],
    "flat": lambda t: t.flatten(),
    "five axes": lambda t: t.reshape(-1, 1, 1, 1, 1),
    "empty batch": lambda t: t[:0] if t.ndim else t.new_zeros(0),
    "no columns": lambda t: t[..., :0] if t.ndim else t,
    "one in the batch": lambda t: t[:1] if t.ndim else t,
    "three in the batch": lambda t: torch.cat([t, t[:1]])[:3] if t.ndim and len(t) else t,
    "1 x 1": _sides(1, 1),
    "odd sides": _sides(13, 15),
    "not square": _sides(16, 12),
    "one row": _sides(1, 16),
    "small": _sides(5, 7),
    "two channels": lambda t: torch.cat([t, t], 1) if t.ndim > 1 else t,
    "three channels": lambda t: torch.cat([t[:, :1]] * 3, 1) if t.ndim > 1 else t,
}
TYPES = ("float64", "float16", "bfloat16", "int64", "int32", "uint8", "int8", "bool", "complex64")
LAYOUTS = {
    "not contiguous": _within,
    "transposed in memory": _transposed,
    "channels last": _channels_last,
    "requires grad": _needs_grad,
}
VALUES = {
    "expanded": _expanded,
    "zero": torch.zeros_like,
    "constant": lambda t: torch.ones_like(t) * t.flatten()[:1].sum(),
    "one": torch.ones_like,
    "negative": lambda t: -t if t.dtype not in (torch.bool,) else t,
    "times 255": lambda t: t * 255,
    "tiny": lambda t: t * 1e-20 if t.is_floating_point() else t,
    "times 1e20": lambda t: t * 1e20 if t.is_floating_point() else t,
}
CONTAINERS = {
    "an array": _array,
    "a flipped array": lambda t: np.atleast_1d(_array(t))[..., ::-1],
    "a list": lambda t: t.tolist() if isinstance(t, Tensor) else [t],
    "None": lambda t: None,
    "a word": lambda t: "word",
    "a dictionary": lambda t: {},
    "an empty list": lambda t: [],
}
NUMBERS = {
    "0": 0.0,
    "-0.1": -0.1,
    "0 whole": 0,
    "True": True,
    "25": 25,
    "huge": 1e20,
    "tiny": 1e-20,
    "complex": 0.1j,
    "NumPy number": np.float32(0.1),
    "a tensor": torch.tensor(0.1),
    "an image's each": torch.full((2, 1, 1, 1), 0.1),
    "a map": torch.full((2, 1, 16, 16), 0.1),
    "one for each": torch.full((2,), 0.1),
    "empty": torch.zeros(0),
    "64-bit tensor": torch.tensor(0.1, dtype=torch.float64),
    "whole tensor": torch.tensor(1),
    "a range": (0.05, 0.1),
    "a range reversed": (0.2, 0.1),
    "three numbers": (0.1, 0.2, 0.3),
    "an empty range": (),
    "one of a range": (0.1,),
}
NO_NUMBERS = {
    "NaN": math.nan,
    "infinite": math.inf,
    "NaN tensor": torch.tensor(math.nan),
    "NaN in a map": _put(torch.full((2, 1, 16, 16), 0.1), math.nan),
}


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda _: value.clone() if isinstance(value, Tensor) else value


def _typed(name: str) -> Callable[[Tensor], Tensor]:
    return lambda t: t.real.to(getattr(torch, name)) if t.is_complex() else t.to(getattr(torch, name))


FOR_ANYTHING = [Spoil(name, "containers", change) for name, change in CONTAINERS.items()]
FOR_TENSORS = [
    *(Spoil(name, "layouts", change, same=True) for name, change in LAYOUTS.items()),
    *(Spoil(name, "shapes", change) for name, change in SHAPES.items()),
    *(Spoil(f"as {name}", "types", _typed(name)) for name in TYPES),
    *(Spoil(name, "values", change, ordinary=name != "times 1e20") for name, change in VALUES.items()),
    *(
        Spoil(f"one value of {value}", "values", lambda t, value=value: _put(t, value), ordinary=False)
        for value in (1e20, -1e20, 1e38)
    ),
    *(
        Spoil(f"one value of {value}", "values", lambda t, value=value: _put(t, value), ordinary=False, finite=False)
        for value in (math.nan, math.inf, -math.inf)
    ),
    Spoil("all NaN", "values", lambda t: t * math.nan if t.is_floating_point() else t, ordinary=False, finite=False),
]
FOR_NUMBERS = [
    *(Spoil(name, "numbers", _always(value), ordinary=name != "huge") for name, value in NUMBERS.items()),
    *(Spoil(name, "numbers", _always(value), ordinary=False, finite=False) for name, value in NO_NUMBERS.items()),
]
Path = tuple[Any, ...]  # of an argument, or of an element of one: ("batch", 1)


def places(arguments: Mapping[str, Any], fed: Sequence[str]) -> list[tuple[Path, list[Spoil]]]:
    """Where something can be spoilt, and in which ways: the arguments, and the tensors inside of them."""
    found: list[tuple[Path, list[Spoil]]] = []

    def visit(path: Path, value: Any) -> None:
        kinds = FOR_TENSORS if isinstance(value, Tensor) else FOR_NUMBERS if isinstance(value, float) else []
        found.append((path, [*kinds, *FOR_ANYTHING]))
        if isinstance(value, tuple | list | dict):
            for key in value if isinstance(value, dict) else range(len(value)):
                if isinstance(value[key], Tensor | tuple):
                    visit((*path, key), value[key])

    for name in fed:
        if name in arguments:
            visit((name,), arguments[name])
    return found


def spoilt(arguments: Mapping[str, Any], defects: Sequence[tuple[Path, Spoil]]) -> dict[str, Any]:
    """The arguments with some of them changed, parts before the whole and containers last; none is changed in place."""
    changed = dict(arguments)
    for path, spoil in sorted(defects, key=lambda defect: (-len(defect[0]), defect[1].group == "containers")):
        changed = _replaced(changed, path, spoil.change)
    return changed


def _replaced(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, key: _replaced(value[key], rest, change)}
    parts = [_replaced(part, rest, change) if i == key else part for i, part in enumerate(value)]
    return parts if isinstance(value, list) else value._make(parts) if hasattr(value, "_make") else tuple(parts)
