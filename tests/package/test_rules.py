"""Rules that a program can read: no hosts, no machine paths, no pickles, no hidden random numbers, one grammar."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sources import ROOT, dotted, files, python, texts

# Written with a gap, so that this file does not name them either.
HOSTS = [name.replace(" ", "") for name in (
    "pypi .org", "files.python hosted.org", "pypi.nvi dia.com", "download.py torch.org", "registry.npm js.org",
    "npm js.com", "registry.yarn pkg.com", "conda.ana conda.org", "repo.ana conda.com", "conda- forge.org",
    "deb.deb ian.org", "archive.ubu ntu.com", "security.ubu ntu.com",
    "crates .io", "ruby gems.org", "proxy.go lang.org",
)]  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.~$}/:-])/(?:home|root|Users|work|mnt|srv|private)/[\w.]|\b[A-Z]:\\\\?Users\b")
OURS = ("course_lib", "tools", "benchmarks", "lectures", "exercises")


def named_places(text: str) -> list[str]:
    """The registry hosts and machine paths that a text names."""
    return [host for host in HOSTS if host in text] + [match.group() for match in MACHINE_PATH.finditer(text)]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    assert {str(path): found for path, text in texts() if (found := named_places(text))} == {}


@pytest.mark.parametrize(
    "place", [f"--index-url https://{HOSTS[0]}/simple", "'{}home/me/x.png'", "see {}work/x", "({}root/.cache)"]
)
def test_a_planted_host_or_path_is_found(place: str) -> None:
    assert named_places(place.format("/"))


@pytest.mark.parametrize(
    "text", ["a/root/b", "#!/usr/bin/env bash", "https://example.org/home/x", "~/work/x", "$HOME/work/x"]
)
def test_other_paths_are_not_mistaken_for_one(text: str) -> None:
    assert not named_places(text)


def unpicklers(tree: ast.AST) -> Iterator[str]:
    """Code that could run what a file says."""
    modules = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"import {name}" for name in names if name.split(".")[0] in modules)
        if isinstance(node, ast.Call):
            given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
            if dotted(node.func) == "torch.load" and given.get("weights_only") is not True:
                yield "torch.load without weights_only=True"
            if given.get("allow_pickle") is True or dotted(node.func).endswith("read_pickle"):
                yield "unpickling by name"


def test_nothing_is_unpickled() -> None:
    assert {str(path): found for path, tree in python(*OURS) if (found := list(unpicklers(tree)))} == {}


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "torch.load(p)", "torch.load(p, weights_only=False)",
     "np.load(p, allow_pickle=True)", "def f():\n    import marshal"],
)  # fmt: skip
def test_a_planted_unpickler_is_found(code: str) -> None:
    assert list(unpicklers(ast.parse(code)))


DRAWS = {
    f"torch.{name}"
    for name in ("rand", "randn", "randint", "randperm", "bernoulli", "normal", "poisson", "multinomial")
}
IN_PLACE = {"normal_", "uniform_", "bernoulli_", "random_", "exponential_", "cauchy_", "log_normal_", "geometric_"}
NEVER = {
    f"torch.{name}"
    for name in ("manual_seed", "seed", "cuda.manual_seed", "cuda.manual_seed_all", "random.manual_seed")
    + ("rand_like", "randn_like", "randint_like")
}


def global_draws(tree: ast.AST) -> Iterator[str]:
    """Calls that draw from a random state which is no argument. `randomness.seeded` is the one place for them."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        has_generator = any(keyword.arg == "generator" for keyword in node.keywords)
        numpy = re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", name)
        if (
            name in NEVER
            or (numpy and numpy.group(1) not in ("default_rng", "Generator", "SeedSequence", "PCG64", "RandomState"))
            or (name.startswith("random.") and name != "random.Random")
        ):
            yield f"{name} at line {node.lineno}"
        elif not has_generator and (name in DRAWS or getattr(node.func, "attr", "") in IN_PLACE):
            yield f"{name or node.func.attr} without a generator at line {node.lineno}"  # type: ignore[attr-defined]


def test_the_library_draws_no_global_random_numbers() -> None:
    found = {}
    for path, tree in python("course_lib"):
        if path == Path("course_lib/randomness.py"):
            tree.body = [node for node in tree.body if getattr(node, "name", "") != "seeded"]
        if draws := list(global_draws(tree)):
            found[str(path)] = draws
    assert found == {}


@pytest.mark.parametrize(
    "code",
    ["torch.manual_seed(0)", "np.random.seed(0)", "np.random.randn(3)", "random.shuffle(x)", "torch.randn(3)",
     "w.normal_(0, 1)", "torch.randn_like(x)", "def f():\n    torch.randperm(5)"],
)  # fmt: skip
def test_a_planted_global_draw_is_found(code: str) -> None:
    assert list(global_draws(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "torch.randn(3, generator=g)",
        "np.random.default_rng(0).normal()",
        "random.Random(0)",
        "w.normal_(0, 1, generator=g)",
    ],
)
def test_a_draw_from_an_argument_is_allowed(code: str) -> None:
    assert not list(global_draws(ast.parse(code)))


def lint(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Ruff with no rule but the grammar of Python 3.11, which it checks whatever Python runs it."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--target-version",
        "py311",
        "--select",
        "E9",
    ]
    return subprocess.run([*command, *arguments], cwd=ROOT, input=code, capture_output=True, text=True)


def test_every_file_is_python_3_11() -> None:
    done = lint(*(str(path) for path in files() if path.suffix == ".py"))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("code", ["def f[T](x: T) -> T:\n    return x\n", "type X = int\n", "print(f'{d['a']}')\n"])
def test_newer_grammar_is_found(code: str) -> None:
    assert lint("-", code=code).returncode == 1
