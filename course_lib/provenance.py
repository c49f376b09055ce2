"""Where a result comes from: the code and data it depends on, the values it was given, and the machine it ran on."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib
import inspect
import os
import platform
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
# What cannot change a figure: checks that only refuse, shows, stores and resumes, and files whose content is hashed.
INERT = {f"{PACKAGE}.{name}" for name in ("arguments", "files", "provenance", "data.sets", "data.photographs",
                                          "checkpoints", "progress")}


def fingerprint(*objects: Callable | type, data: Sequence[str] = ()) -> str:
    """A hash of the code that a result depends on, and of the named data sets.

    The code is the closure of the objects: their own source and that of everything in the course that their source
    names, read as syntax trees without docstrings, comments, types of arguments and the words of errors. So rewording
    changes nothing, a changed constant does.
    """
    parts = [f"{name}\n{tree}" for name, tree in sorted(_closure(objects).items())]
    return _digest(*parts, *_data_hashes(data))


def identity(value: object) -> str:
    """A hash of a value as an argument: numbers, tensors, dataclasses, functions with what they close over.

    >>> identity((25, "a")) == identity((25, "a")) != identity((26, "a"))
    True
    """
    return _digest(*_describe(value, seen=set()))


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
    """The stamp of a result made here and now."""
    import torch

    from course_lib import profiles

    versions = {name: metadata.version(name) for name in ("torch", "numpy", "scikit-image")}
    commit, dirty = _commit()
    return Stamp(date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), commit=commit, dirty=dirty,
                 python=platform.python_version(), versions=versions, hardware=hardware(),
                 threads=torch.get_num_threads(), precision=str(profiles.precision()).removeprefix("torch."),
                 profile=profiles.current())


def hardware() -> str:
    """The processor, and the accelerator if there is one, in words."""
    import torch

    names = [_processor(), f"{os.cpu_count()} cores"]
    if torch.cuda.is_available():
        names.append(torch.cuda.get_device_name())
    elif torch.backends.mps.is_available():
        names.append("MPS")
    return ", ".join(names)


# The closure of the code ------------------------------------------------------------------------------------------


def _closure(objects: Sequence[Callable | type]) -> dict[str, str]:
    """Every function, class and constant of the course that the objects reach, by name, as a dump of its tree."""
    found: dict[str, str] = {}
    waiting: list[tuple[types.ModuleType, str]] = []

    def reach(value: object) -> None:
        value = inspect.unwrap(value) if callable(value) else value
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        if module is not None and isinstance(value, type | types.FunctionType):
            waiting.append((module, value.__qualname__.split(".")[0]))

    for thing in objects:
        reach(thing.func if isinstance(thing, functools.partial) else thing)
        top = getattr(thing, "__qualname__", "").split(".")[0]
        if "<lambda>" in top or not hasattr(sys.modules.get(getattr(thing, "__module__", "")), top):
            found[f"{getattr(thing, '__module__', '')}:{top}"] = _tree(textwrap.dedent(inspect.getsource(thing)))
    first = {id(module) for module, _ in waiting}
    while waiting:
        module, name = waiting.pop()
        key = f"{module.__name__}.{name}"
        if key in found or not (_ours(module) or id(module) in first):
            continue
        statement = _top_level(module)[0].get(name)
        if statement is None:
            continue
        bare = _bare(statement)
        found[key] = ast.dump(bare)
        waiting.extend(_uses(module, bare))
    return found


def _uses(module: types.ModuleType, statement: ast.AST) -> Iterator[tuple[types.ModuleType, str]]:
    """The names of the course that a statement mentions, each with the module that defines it."""
    local: dict[str, types.ModuleType] = {}   # modules that the statement imports itself
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            for alias in node.names:
                whole = sys.modules.get(f"{node.module}.{alias.name}")
                if whole is not None:
                    local[alias.asname or alias.name] = whole
                elif node.module in sys.modules:
                    yield _home(sys.modules[node.module or ""], alias.name)
        elif isinstance(node, ast.Import):
            local |= {alias.asname: sys.modules[alias.name] for alias in node.names
                      if alias.asname and alias.name in sys.modules}

    def module_of(node: ast.AST) -> types.ModuleType | None:
        if isinstance(node, ast.Name):
            found = local.get(node.id, getattr(module, node.id, sys.modules.get(node.id)))
            return found if isinstance(found, types.ModuleType) else None
        if isinstance(node, ast.Attribute) and (base := module_of(node.value)) is not None:
            return sys.modules.get(f"{base.__name__}.{node.attr}")
        return None

    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield _home(module, node.id)
        elif isinstance(node, ast.Attribute) and (base := module_of(node.value)) is not None \
                and base.__name__.partition(".")[0] == PACKAGE:
            yield _home(base, node.attr)


def _home(module: types.ModuleType, name: str) -> tuple[types.ModuleType, str]:
    """Where what a module calls by a name is defined: packages and modules pass things on."""
    defined, imported = _top_level(module)
    if name not in defined and name in imported:
        source, original = imported[name]
        if f"{source}.{original}" not in sys.modules:
            return _home(importlib.import_module(source), original)   # what ran before must change no fingerprint
    return module, name


@functools.cache
def _top_level(module: types.ModuleType) -> tuple[dict[str, ast.stmt], dict[str, tuple[str, str]]]:
    """What a module of the course defines (functions, classes, constants), and what it imports from the course."""
    defined: dict[str, ast.stmt] = {}
    imported: dict[str, tuple[str, str]] = {}
    try:
        waiting: list[ast.stmt] = list(ast.parse(inspect.getsource(module)).body)
    except (OSError, TypeError):   # a module without a source file
        return defined, imported
    while waiting:
        statement = waiting.pop(0)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            defined |= {name.id: statement for target in targets for name in ast.walk(target)
                        if isinstance(name, ast.Name)}
        elif isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(PACKAGE):
            imported |= {alias.asname or alias.name: (statement.module or "", alias.name) for alias in statement.names}
        elif isinstance(statement, ast.If | ast.Try):
            handlers = [part for handler in getattr(statement, "handlers", []) for part in handler.body]
            waiting += [*statement.body, *handlers, *statement.orelse]
    return defined, imported


def _ours(module: types.ModuleType) -> bool:
    return module.__name__.partition(".")[0] == PACKAGE and module.__name__ not in INERT


def _tree(source: str) -> str:
    try:
        return ast.dump(_bare(ast.parse(source)))
    except SyntaxError:   # a lambda inside a longer line
        return source


class _Stripped(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST:
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) \
                and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            node = type(node)(**{**dict(ast.iter_fields(node)), "body": body[1:] or [ast.Pass()]})
        return super().generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        return ast.Raise()

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _bare(tree: ast.AST) -> ast.AST:
    """A tree without what cannot change a result; the tree itself stays as it is."""
    return _Stripped().visit(ast.parse(ast.unparse(tree)))


# Values and data --------------------------------------------------------------------------------------------------


def _describe(value: Any, seen: set[int]) -> Iterator[str]:
    """A value as a stream of words that are equal when the values are."""
    import numpy as np
    import torch

    if value is None or isinstance(value, bool | int | float | str | bytes | torch.dtype | torch.device):
        yield f"{type(value).__name__} {value!r}"
        return
    if id(value) in seen:
        yield "again"
        return
    seen = seen | {id(value)}
    yield f"{type(value).__module__}.{type(value).__qualname__}"
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
        yield f"{value.__module__}.{value.__qualname__}"
        yield from _describe_code(value.__code__)
        for cell in value.__closure__ or ():
            yield from _describe(cell.cell_contents, seen)
        yield from _describe((value.__defaults__, value.__kwdefaults__), seen)
        for name in sorted(_names(value.__code__) & value.__globals__.keys()):   # what it looks up outside
            used = value.__globals__[name]
            if not isinstance(used, types.ModuleType | type):
                yield from _describe((name, used), seen)
    elif isinstance(value, type):
        yield f"{value.__module__}.{value.__qualname__}"
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


def _describe_code(code: types.CodeType) -> Iterator[str]:
    yield hashlib.sha256(code.co_code).hexdigest()
    yield repr((code.co_names, code.co_varnames))
    documented = code.co_consts[1:] if code.co_consts and isinstance(code.co_consts[0], str) else code.co_consts
    for item in documented:
        if isinstance(item, types.CodeType):
            yield from _describe_code(item)
        else:
            yield repr(sorted(item, key=repr) if isinstance(item, frozenset) else item)


def _names(code: types.CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(item) for item in code.co_consts if isinstance(item, types.CodeType)))


def _data_hashes(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    from course_lib import data

    return [f"{name} {data.content_hash(name)}" for name in names]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


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
