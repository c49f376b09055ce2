"""The canonical form of code: the same on every Python, blind to names and places, and to nothing else."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib import canonical
from course_lib.canonical import Code, Definition

# Every kind of syntax that the course uses, and what it may use one day.
SYNTAX = r'''
from __future__ import annotations
import os.path
import torch.nn.functional as F
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from torch import nn
try:
    import fast
except ImportError:
    fast = None
if TYPE_CHECKING:
    from elsewhere import Type
NUMBERS = 1, -2, 0x10, 0b11, 1_000, 1.5, 1e-3, 2j, True, None, ..., b"a\xff", "\u00e9\U0001F600", "a" 'b' r"\d"
LOW, (RATE, *REST) = 0.1, (0.2, 0.3)
TYPED: int = 5
TABLE = {"a": 1, **{"b": 2}}
TABLE["c"] = 3
TABLE.update(d=4)
TYPED += 1
EMPTY = [], (), {}, set(), f"", ""
if os.path.sep == "/":
    SIDE = "one"
else:
    SIDE = "other"
PAIRS = [(i, j) for i in range(3) if i for j in range(i) if j if i > j]


def positional(a, b=1, /, c=2, *rest, d, e=TYPED, **more) -> int:
    """Arguments of each kind."""
    return a + b * c ** d // e % len(rest) - len(more)


def operators(a, b):
    x = not a or b and a is not b
    x = a < b <= 3 != b in rest if a else a not in [b]
    x = ~a, +a, -a, a @ b, a / b, a << 1, a >> 2, a & b, a | b, a ^ b, a >= b, a > b, a == b, a is b
    x += 1
    x.y[...] -= 2
    x[1:2, ::3, None, :] = 4
    x[a][b]["key"].z = [*x, 1], {*x}, {**x}, (*x,)
    del x[0], x
    return lambda q, *r, s=3, **t: (q, r, s, t)


def strings(a, b, width=3):
    return f"{a}" f" and {b!r:>{width}}" "{c}", f"{a:{width}}", f"{a:.{width}f}", f"{a=}", f"{{{b!s}}}", f"{a!a:}", f"x"


def statements(items):
    global TYPED
    found: list[int] = []
    bare: int
    for i, item in enumerate(items):
        if item is None:
            continue
        elif item == 3:
            break
        else:
            pass
    else:
        found.append(-1)
    while (n := len(found)) < 3:
        found.append(n)
    else:
        TYPED = n
    with open("a") as one, open("b") as (two, three), open("c"):
        ...
    try:
        assert found, "words"
    except (KeyError, ValueError) as error:
        raise RuntimeError("words") from error
    except OSError:
        raise
    else:
        found = found[::-1]
    finally:
        del found
    try:
        pass
    except* ValueError as group:
        print(group)
    import math
    from os import path as p
    return math.pi, p.sep, fast


def matched(x):
    match x:
        case 1 | "a" | None:
            return 1
        case [first, *others] if first:
            return others
        case {"k": value, **left}:
            return value, left
        case Point(0, y=other) as whole:
            return other, whole
        case nn.Module():
            return SIDE
        case _:
            return x


def nested(x):
    count = 0

    def inner(y=count):
        nonlocal count
        count += y
        return [count for count in range(y)] + [z for z in (w := [x])] + w

    class Local(nn.Module, metaclass=type):
        size = count

        def forward(self):
            return super().forward(), self.size

    return inner, Local, {k: v async for k, v in x}, {k for k in x}, (k for k in x)


async def waiting(x):
    async with x as y:
        async for z in y:
            yield await z
    yield
    return


def generating():
    got = yield 1
    yield from (got,)


@nn.decorated(3)
@other.decorator
class Thing(NamedTuple):
    """A class."""

    KINDS: ClassVar[tuple] = "a", "b"
    first: int
    second: Type = 3

    @property
    def both(self) -> int:
        return self.first + self.second + F.relu(self.KINDS)


def circle(n):
    return square(n - 1) if n else TYPED


def square(n):
    return circle(n - 2)
'''
# What these definitions were given on Python 3.11; a change of the form changes every fingerprint of the course.
GOLDEN = {
    "fast": "671288a3b71be08e", "NUMBERS": "ca68579ed2a84718", "LOW": "05c3a57b4b60a42a", "RATE": "07241f53ec8e5d01",
    "REST": "4c3a95557ff37345", "TYPED": "d34920695fff55e1", "TABLE": "60434b967ef0ad7b",
    "EMPTY": "607a13e04cc70890", "SIDE": "5e628f3f316f1135", "PAIRS": "923e5cf89ac0c913",
    "positional": "218bf9bb940cfc42", "operators": "d78dcb093818cd4f", "strings": "7b9c4244693b8eeb",
    "statements": "edb61dc0eadf8b93", "matched": "9ea01372d0950a39", "nested": "3f95b7eb54eae549",
    "waiting": "cf059cc3e19e4ed5", "generating": "247bf65aa2a13b9a", "Thing": "ecadf672e6c5196a",
    "circle": "86354f95915f2f50", "square": "88695e111d2acc35",
}
PRINT = """
import json, sys
from pathlib import Path
from course_lib import canonical
code = canonical.Code.of_text(sys.stdin.read())
names = code.module("text").names.defined
found = {name: code.digest(canonical.Definition("text", name)) for name in names}
code = canonical.Code([Path("course_lib")])
for path in sorted(Path("course_lib").rglob("*.py")):
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    found |= {f"{module}:{name}": code.digest(canonical.Definition(module, name))
              for name in code.module(module).names.defined}
print(json.dumps(found))
"""


def digest(source: str, name: str = "f") -> str:
    return Code.of_text(source).digest(Definition("text", name))


def pythons() -> dict[str, Path]:
    """The interpreters of 3.11 to 3.14 on this machine that start: on the path, or installed beside this one."""
    beside = Path(sys.base_prefix).resolve().parent
    found = {}
    for minor in (11, 12, 13, 14):
        name = f"python3.{minor}"
        for place in (shutil.which(name), *sorted(beside.glob(f"*/bin/{name}"))):
            if place and subprocess.run([place, "--version"], capture_output=True).returncode == 0:
                found[f"3.{minor}"] = Path(place)
                break
    return found


def test_every_python_gives_the_same_digests(root):
    here = f"3.{sys.version_info.minor}"
    found = {version: json.loads(subprocess.run([python, "-c", PRINT], input=SYNTAX, cwd=root, capture_output=True,
                                                text=True, check=True, encoding="utf-8").stdout)
             for version, python in ({here: Path(sys.executable)} | pythons()).items()}
    for version, digests in found.items():
        assert {name: value for name, value in digests.items() if ":" not in name} == GOLDEN, version
        assert digests == found[here], version
    assert len(found[here]) > 1000 and here in found


def kinds(tree: ast.AST) -> set[str]:
    return {type(node).__name__ for node in ast.walk(tree)}


def test_the_golden_module_has_every_kind_of_syntax_of_the_course(root):
    of_course = set().union(*(kinds(ast.parse(path.read_text())) for path in root.glob("course_lib/**/*.py")))
    assert of_course - kinds(ast.parse(SYNTAX)) == set()


@pytest.mark.parametrize(("one", "other"), [
    ("def f(x):\n    y = 2 * x\n    return y",
     "def f(x: int) -> int:\n    '''Twice.'''\n    twice: int = 2 * x  # why\n    return twice"),
    ("def f(x): return g(x)\ndef g(x): return x + 1", "def h(x): return x + 1\ndef f(x): return h(x)"),
    ("import torch\ndef f(x): return torch.nn.functional.relu(x)",
     "from torch.nn import functional as F\ndef f(x): return F.relu(x)"),
    ("def f(x):\n    import numpy as np\n    return np.pi", "from numpy import pi\ndef f(x): return pi"),
    ("def f(x): raise ValueError('no')", "def f(x): raise ValueError(f'no {x}') from None"),
    ("def f(x): assert x, 'no'", "def f(x): assert x, 'never'"),
    ("def f(x): return [y for y in x if y]", "def f(x): return [item for item in x if item]"),
    ("def f(x):\n    def inner(y):\n        return x\n    return inner",
     "def f(x):\n    def other(y):\n        return x\n    return other"),
    ("class f:\n    x: int = 3", "class f:\n    x: float = 3"),
    ("A = 3\ndef f(): return A", "B: int = 3\ndef f(): return B"),
    ("def f(x):\n    x: int\n    pass", "def f(x):\n    ..."),
    ("def f(x):\n    try:\n        g\n    except OSError as error:\n        print(error)",
     "def f(x):\n    try:\n        g\n    except OSError as e:\n        print(e)"),
    ("def f(x):\n    match x:\n        case [a, *b]:\n            return a, b",
     "def f(x):\n    match x:\n        case [c, *d]:\n            return c, d"),
    ("def f(n): return g(n)\ndef g(n): return f(n - 1)", "def g(n): return f(n - 1)\ndef f(n): return g(n)"),
])  # fmt: skip
def test_names_words_and_places_change_no_digest(one, other):
    assert digest(one) == digest(other)


@pytest.mark.parametrize(("one", "other"), [
    ("def f(x): return x + 1", "def f(x): return x + 2"),
    ("def f(x): return x + 1", "def f(x): return x + 1.0"),
    ("def f(x, y=1): return x", "def f(x, y=2): return x"),
    ("def f(x): return x", "def f(y): return y"),
    ("def f(a, b): return a - b", "def f(a, b): return b - a"),
    ("def f(x):\n    a, b = x\n    return a - b", "def f(x):\n    a, b = x\n    return b - a"),
    ("def f(x): return x.a", "def f(x): return x.b"),
    ("def f(x): raise KeyError(x)", "def f(x): raise ValueError(x)"),
    ("if g():\n    A = 1\ndef f(): return A", "if g():\n    pass\nelse:\n    A = 1\ndef f(): return A"),
    ("try:\n    A = 1\nexcept OSError:\n    A = 2\ndef f(): return A",
     "try:\n    A = 1\nexcept KeyError:\n    A = 2\ndef f(): return A"),
    ("x = 0\ndef f():\n    x = 1\n    def g():\n        global x\n        return x\n    return g",
     "x = 0\ndef f():\n    x = 1\n    def g():\n        return x\n    return g"),
    ("def h(): return 1\ndef f():\n    def g():\n        from a import h\n        return h\n    return g, h()",
     "def h(): return 2\ndef f():\n    def g():\n        from a import h\n        return h\n    return g, h()"),
    ("def f(x): return x(a=1)", "def f(x): return x(b=1)"),
    ("def f(x): return min(x)", "def f(x): return max(x)"),
    ("def f(x): return f'{x:.2f}'", "def f(x): return f'{x:.3f}'"),
    ("def f(x): return f'{x!r}'", "def f(x): return f'{x}'"),
    ("def f(x):\n    if x:\n        raise ValueError", "def f(x):\n    if not x:\n        raise ValueError"),
    ("A, B = 1, 2\ndef f(): return A", "A, B = 1, 2\ndef f(): return B"),
    ("A = {}\nA['k'] = 1\ndef f(): return A", "A = {}\nA['k'] = 2\ndef f(): return A"),
    ("A = {}\nA.update(k=1)\ndef f(): return A", "A = {}\nA.update(k=2)\ndef f(): return A"),
    ("if g():\n    A = 1\nelse:\n    A = 2\ndef f(): return A",
     "if h():\n    A = 1\nelse:\n    A = 2\ndef f(): return A"),
    ("A = {}\nfor k in 'ab':\n    A[k] = 1\ndef f(): return A",
     "A = {}\nfor k in 'ab':\n    A[k] = 2\ndef f(): return A"),
    ("class f:\n    x: int\n    y: int", "class f:\n    y: int\n    x: int"),
    ("class f:\n    x: int = 3", "class f:\n    x = 3"),
    ("class f:\n    x: int = 3", "class f:\n    x: ClassVar[int] = 3"),
    ("def g(): return 1\ndef f(): return g()", "def g(): return 2\ndef f(): return g()"),
    ("def f(x):\n    y = 1\n    def g():\n        return y\n    y = 2\n    return g",
     "def f(x):\n    y = 1\n    def g():\n        y = 2\n        return y\n    return g"),
    ("def f(n): return g(n)\ndef g(n): return f(n - 1)", "def f(n): return g(n)\ndef g(n): return f(n - 2)"),
    ("from torch import relu\ndef f(x): return relu(x)", "from torch import tanh as relu\ndef f(x): return relu(x)"),
])  # fmt: skip
def test_what_could_change_a_result_changes_the_digest(one, other):
    assert digest(one) != digest(other)


# Modules of a made-up course ----------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    """Write modules below a folder and return a function that gives the digest of a definition there."""
    def given(name: str, **files: str) -> str:
        shutil.rmtree(tmp_path / "course_lib", ignore_errors=True)
        for module, text in ({"__init__": ""} | files).items():
            path = tmp_path / "course_lib" / (module.replace("__of__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        module, _, definition = name.rpartition(".")
        return Code([tmp_path / "course_lib"]).digest(Definition(f"course_lib.{module}", definition))

    return given


USE = "def f(): return {0}"


def test_a_move_and_another_import_form_change_no_digest(tree):
    used = "def train(): return 3"
    forms = [
        tree("a.f", a="from course_lib.b import train\n" + USE.format("train()"), b=used),
        tree("a.f", a="from course_lib import b\n" + USE.format("b.train()"), b=used),
        tree("a.f", a="import course_lib.b\n" + USE.format("course_lib.b.train()"), b=used),
        tree("a.f", a="import course_lib.b as other\n" + USE.format("other.train()"), b=used),
        tree("a.f", a="from .b import train as t\n" + USE.format("t()"), b=used),
        tree("a.f", a="def f():\n    from course_lib.b import train\n    return train()", b=used),
        tree("a.f", a="from course_lib.p import train\n" + USE.format("train()"),
             p__of____init__="from course_lib.p.c import train", p__of__c=used),
        tree("a.f", a="from course_lib import p\n" + USE.format("p.c.train()"), p__of____init__="", p__of__c=used),
        tree("moved.f", moved=used + "\n" + USE.format("train()")),
    ]
    assert len(set(forms)) == 1


def test_two_functions_of_one_name_are_told_apart(tree):
    use = "from course_lib import b, c\ndef f(): return {0}.train(), {1}.train()"
    files = {"b": "def train(): return 1", "c": "def train(): return 2"}
    assert tree("a.f", a=use.format("b", "c"), **files) != tree("a.f", a=use.format("c", "b"), **files)


def test_a_module_as_a_value_stands_for_all_that_it_defines(tree):
    use = "from course_lib import b, c\ndef f(): return [method.train() for method in (b, c)]"
    one = tree("a.f", a=use, b="def train(): return 1", c="def train(): return 2")
    assert one != tree("a.f", a=use, b="def train(): return 1", c="def train(): return 3")


def test_what_only_refuses_or_stores_is_known_by_name_alone(tree):
    use = "from course_lib import arguments, data\ndef f(x): return arguments.positive(x), data.sets.load(x)"
    files = {"data__of____init__": "", "data__of__sets": "def load(x): return x"}
    one = tree("a.f", a=use, arguments="def positive(x): return x", **files)
    assert one == tree("a.f", a=use, arguments="def positive(x): return x > 0", **files)
    assert one != tree("a.f", a=use.replace("positive", "finite"), arguments="def finite(x): return x", **files)


def test_an_attribute_that_no_file_defines_is_named(tree):
    with pytest.raises(canonical.CanonicalError, match="no file of the course defines gone in course_lib.b"):
        tree("a.f", a="from course_lib import b\n" + USE.format("b.gone()"), b="x = 1")


@pytest.mark.parametrize(("source", "words"), [
    ("from math import *\ndef f(): return pi", "text imports everything from math: name what it uses"),
    ("if g():\n    from a import f\nelse:\n    from b import f", "text imports f from two places"),
    ("def f():\n    import a\n    import b as a\n    return a", "a function imports a from two places"),
    ("def f(a):\n    import a\n    return a", "a is imported and bound in one function"),
    ("class f:\n    import a", "the class f imports in its body"),
])
def test_imports_that_a_reader_cannot_follow_are_refused(source, words):
    with pytest.raises(canonical.CanonicalError, match=words):
        digest(source)


def test_circles_are_hashed_alike_from_wherever_they_are_entered():
    source = "def a(): return b(), 1\ndef b(): return c(), 2\ndef c(): return a(), 3\ndef d(): return a(), b(), c()"
    orders = []
    for first in "abcd":
        code = Code.of_text(source)
        code.digest(Definition("text", first))
        orders.append([code.digest(Definition("text", name)) for name in "abcd"])
    assert all(order == orders[0] for order in orders) and len(set(orders[0])) == 4
