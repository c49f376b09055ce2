"""Where a result comes from: the code and data it depends on, the values it was given, and the machine it ran on."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import json
import linecache
import os
import platform
import subprocess
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from course_lib import canonical
from course_lib.canonical import PACKAGE


def fingerprint(*objects: Callable | type, data: Sequence[str] = (), weights: Sequence[str] = ()) -> str:
    """Hash the code that a result depends on, the named data sets and the named trained weights.

    The code is what the objects are and everything of the course that they reach, in canonical form (`canonical`): it
    is the same on every Python, and knows no words, no names of modules and no names of variables. So rewording or
    moving a function changes nothing, a changed constant does.

    Raises ValueError where no weights have that name.
    """
    parts = sorted(identity(thing) for thing in objects)
    return canonical.hashed([*parts, *_data_hashes(data), *(f"{name} {_weights_hash(name)}" for name in weights)])


def identity(value: object) -> str:
    """Hash a value as an argument: numbers, tensors, dataclasses, functions with what they close over.

    It is the same on every Python and does not depend on the device that tensors are on.

    >>> identity((25, "a")) == identity((25, "a")) != identity((26, "a"))
    True
    """
    return canonical.hashed(_describe(value, seen=set()))


@dataclasses.dataclass(frozen=True)
class Stamp:
    """When, from which commit, with which versions and on which hardware a result was made."""

    date: str
    commit: str
    dirty: bool
    python: str
    versions: dict[str, str]
    hardware: str
    threads: int
    precision: str
    profile: str


def stamp() -> Stamp:
    """Make the stamp of a result made here and now."""
    import torch

    from course_lib import profiles

    versions = {name: metadata.version(name) for name in ("torch", "numpy", "scikit-image")}
    commit, dirty = _commit()
    return Stamp(date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), commit=commit, dirty=dirty,
                 python=platform.python_version(), versions=versions, hardware=hardware(),
                 threads=torch.get_num_threads(), precision=str(profiles.precision()).removeprefix("torch."),
                 profile=profiles.current())


def hardware() -> str:
    """Name the processor, and the accelerator if there is one."""
    import torch

    names = [_processor(), f"{os.cpu_count()} cores"]
    if torch.cuda.is_available():
        names.append(torch.cuda.get_device_name())
    elif torch.backends.mps.is_available():
        names.append("MPS")
    return ", ".join(names)


# Code -------------------------------------------------------------------------------------------------------------


@functools.cache
def _code(folders: tuple[str, ...]) -> canonical.Code:
    return canonical.Code([Path(folder) for folder in folders])


def code() -> canonical.Code:
    """Return the source of the course as it is installed here."""
    import course_lib

    return _code(tuple(course_lib.__path__))


def definition(value: Any) -> canonical.Definition | None:
    """Find where the course defines a function or a class at the top of a module; None for anything else."""
    if isinstance(value, types.MethodType):
        return None
    value = inspect.unwrap(value) if callable(value) else value
    name, module = getattr(value, "__qualname__", "").partition(".")[0], getattr(value, "__module__", None) or ""
    inner = "<" in getattr(value, "__qualname__", "<")
    found = None if inner or module.partition(".")[0] != PACKAGE else code().module(module)
    return canonical.Definition(module, name) if found and name in found.names.defined else None


def _function(function: types.FunctionType) -> Iterator[str]:
    """The words of a function that is no definition of the course: one within a function, a test, a notebook."""
    node = _node(function)
    if node is None:     # typed into a prompt: then by the instructions of this Python
        yield from _instructions(function.__code__)
        return
    module = code().module(function.__module__ or "")
    resolve = code().resolver(module) if module else functools.partial(_outside, function.__globals__)
    for word in canonical.Writer(code(), resolve, free=function.__code__.co_freevars).node(node):
        yield word if isinstance(word, str) else code().digest(word)


def _outside(names: Mapping[str, Any], name: str) -> canonical.Target | None:
    """What a name stands for in a file that is not of the course, by the value it has now."""
    if name not in names:
        return None
    if isinstance(value := names[name], types.ModuleType):
        return code().find(value.__name__)
    return definition(value) or f"name {name}"      # its value is described by itself


@functools.lru_cache(maxsize=64)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _node(function: types.FunctionType) -> ast.AST | None:
    """The syntax of a function in its source, None where there is no source that can be read."""
    its_code = function.__code__
    linecache.checkcache(its_code.co_filename)
    try:
        tree = _parsed("".join(linecache.getlines(its_code.co_filename)))
    except SyntaxError:
        return None
    spans = [((line, column), (last, end)) for line, last, column, end in its_code.co_positions() if end]

    def is_it(node: ast.AST) -> bool:
        if isinstance(node, ast.Lambda):
            first, last = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
            return its_code.co_name == "<lambda>" and its_code.co_firstlineno == node.lineno and all(
                first <= start and end <= last for start, end in spans)
        return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == its_code.co_name and \
            its_code.co_firstlineno == min(part.lineno for part in (node, *node.decorator_list))

    found = [node for node in ast.walk(tree) if is_it(node)]
    return found[-1] if found else None       # the innermost one, which a walk meets last


def _instructions(of: types.CodeType) -> Iterator[str]:
    yield hashlib.sha256(of.co_code).hexdigest()
    yield repr((of.co_names, of.co_varnames))
    for item in of.co_consts:
        if isinstance(item, types.CodeType):
            yield from _instructions(item)
        else:
            yield repr(sorted(item, key=repr) if isinstance(item, frozenset) else item)


# Values and data --------------------------------------------------------------------------------------------------


def _describe(value: Any, seen: set[int]) -> Iterator[str]:
    """A value as a stream of words that are equal when the values are."""
    import numpy as np
    import torch

    if isinstance(value, torch.device):
        return      # where a training runs may change
    if value is None or isinstance(value, bool | int | float | str | bytes | torch.dtype):
        yield f"{type(value).__name__} {value!r}"
        return
    if id(value) in seen:
        yield "again"
        return
    if isinstance(value, types.ModuleType):
        yield value.__name__
        return
    if found := definition(value):
        yield code().digest(found)
        yield value.__qualname__.partition(".")[2]      # which method of a class
        return
    seen = seen | {id(value)}
    yield _kind(type(value))
    if isinstance(value, torch.Tensor):
        array = value.detach().cpu().contiguous()
        yield f"{tuple(array.shape)} {array.dtype}"
        yield hashlib.sha256(array.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
    elif isinstance(value, np.ndarray):
        yield f"{value.shape} {value.dtype} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    elif isinstance(value, Mapping):
        for key in value:
            yield from _describe(key, seen)
            yield from _describe(value[key], seen)
    elif isinstance(value, list | tuple | set | frozenset):
        yield f"{len(value)} items"
        for item in sorted(value, key=repr) if isinstance(value, set | frozenset) else value:
            yield from _describe(item, seen)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name
            yield from _describe(getattr(value, field.name), seen)
    elif isinstance(value, functools.partial):
        yield from _describe((value.func, value.args, value.keywords), seen)
    elif isinstance(value, types.MethodType):
        yield from _describe((value.__func__, value.__self__), seen)
    elif isinstance(value, types.FunctionType):
        yield from _function(value)
        for cell in value.__closure__ or ():
            with suppress(ValueError):      # a name that is not bound yet
                yield from _describe(cell.cell_contents, seen)
        yield from _describe((value.__defaults__, value.__kwdefaults__), seen)
        for name in sorted(_names(value.__code__) & value.__globals__.keys()):   # what it looks up outside
            used = value.__globals__[name]
            if not isinstance(used, types.ModuleType | type):
                yield from _describe((name, used), seen)
    elif isinstance(value, torch.nn.Module):
        yield str(value)
        for part in value.modules():
            yield repr(sorted((name, option) for name, option in vars(part).items() if name != "training"
                              and isinstance(option, bool | int | float | str)))
        yield from _describe(dict(value.state_dict()), seen)
    elif hasattr(value, "__dict__"):   # what begins with an underscore is a cache
        yield from _describe({name: part for name, part in vars(value).items() if not name.startswith("_")}, seen)
    else:
        yield repr(value)


def _kind(of: type) -> str:
    """A class of the course by what it does, another one by its full name."""
    found = definition(of)
    return code().digest(found) if found else f"{of.__module__}.{of.__qualname__}"


def _names(of: types.CodeType) -> set[str]:
    return set(of.co_names).union(*(_names(item) for item in of.co_consts if isinstance(item, types.CodeType)))


def _data_hashes(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    from course_lib import data

    return [f"{name} {data.content_hash(name)}" for name in names]


def _weights_hash(name: str) -> str:
    """The hash of trained weights that come with the course, as their card has it."""
    path = Path(__file__).parent / "weights" / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["weights_sha256"]
    except FileNotFoundError:
        raise ValueError(f"there are no weights {name!r}: {path.parent.name}/ holds no card of this name.") from None


# The machine ------------------------------------------------------------------------------------------------------


@functools.cache
def _processor() -> str:
    with_name = Path("/proc/cpuinfo")
    if with_name.exists():
        for line in with_name.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> tuple[str, bool]:
    """The commit of the checkout this code runs from, and whether it has been changed since; blank in a wheel."""
    folder = Path(__file__).parent.parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout

    try:
        if Path(git("rev-parse", "--show-toplevel").strip()) != folder.resolve():
            return "", False
        changed = git("status", "--porcelain", "-uno", "course_lib").strip()
        return git("rev-parse", "--short=12", "HEAD").strip(), bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return "", False
