"""In what two closures of code differ: their literals, their default values, and the statements that changed.

A run at smoke shows that what it executed does the same. What it cannot show is compared here as text: values that are
the same at smoke only, and code that was not executed. Statements that only refuse are left out: an `if` that ends in
`raise`, and the call of a check whose value is not used. A result is there because none of them refused.
"""

from __future__ import annotations

import ast
import copy
import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib import canonical, profiles
from course_lib.canonical import Code, Definition, Scope, Word, Writer

Place = tuple[Path, range]      # a statement: its file, and the lines of which one is executed when it is
PROFILES = {f'constant str "{name}"' for name in profiles.PROFILES}
# These give back what they get, on the processor.
SAME = {"arguments.clean_batch", "arguments.finite", "arguments.image_batch", "arguments.light_batch",
        "arguments.tensor", "devices.here", "devices.on", "devices.sent"}
CHANGING = ast.Lambda | ast.Await | ast.Yield | ast.YieldFrom    # in a condition
PARTS = ("body", "orelse", "finalbody", "handlers", "cases")


def changes(old: Text, new: Text) -> str | tuple[list[Place], list[Place]]:
    """Compare two closures: return in words what forbids to confirm by a run, or the statements that changed in
    each."""
    for what, words in (("literals", "its literals are not the same"), ("defaults", "its defaults are not the same"),
                        ("ordered", "literals stand in another order")):
        before, after = getattr(old, what)(), getattr(new, what)()
        if before != after:
            return f"{words}: " + "; ".join(f"{which} {', '.join(sorted(found.elements()))}" for which, found in (
                ("gone are", before - after), ("new are", after - before)) if found)
    signatures = old.signatures(), new.signatures()
    for name in sorted(signatures[0].keys() & signatures[1].keys()):
        before, after = (found[name] for found in signatures)
        if before != after and sorted(before) == sorted(after):
            return f"the parameters of {name} stand in another order: {', '.join(before)} became {', '.join(after)}"
    branches = old.branches(new), new.branches(old)
    for some, others, words in ((*branches, "gone is"), (*branches[::-1], "new is")):
        if found := some - others:
            return f"a part of an expression that a run may leave out is not the same: {words} {next(iter(found))}"
    return old.changed(new), new.changed(old)


@dataclass(frozen=True)
class Statement:
    """A statement without those within it, the lines that execute it, and of which parts of others it is one."""

    node: ast.AST
    lines: range
    path: str
    words: list[Word]


class Written:
    """The statements of a tree's code, each written once for all closures that hold it."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self._scopes: dict[Definition, list[Scope]] = {}
        self._statements: dict[Definition, list[Statement]] = {}

    def module(self, one: Definition) -> canonical.Module:
        module = self.code.module(one.module)
        assert module is not None
        return module

    def statements(self, one: Definition) -> list[Statement]:
        """List the statements of a definition, in order."""
        if one not in self._statements:
            found = [Statement(alone, lines, path, self.words(one, alone))
                     for _, top in self.code.statements(one)
                     for alone, lines, path in _alone(top, refuses=lambda node: self.refuses(one, node))]
            self._statements[one] = [statement for statement in found
                                     if statement.words and not canonical.idle(statement.node)
                                     and not _is_itself(self._without_checks(statement.node, self._writer(one)))]
        return self._statements[one]

    def reached(self, roots: Iterable[Definition]) -> set[Definition]:
        """Find what some definitions reach otherwise than in a refusal, these included."""
        found: set[Definition] = set()
        waiting = list(roots)
        while waiting:
            if (one := waiting.pop()) not in found:
                found.add(one)
                whole = one.name == canonical.WHOLE
                waiting += self.code.mentioned(one) if whole else [
                    word for statement in self.statements(one) for word in statement.words
                    if isinstance(word, Definition) and not word.inert]
        return found

    def refuses(self, one: Definition, node: ast.AST) -> bool:
        """Whether a statement can only refuse: nothing that comes after it is another one because it was there."""
        if isinstance(node, ast.If):
            *words, last = node.body            # what the error will say, and the error
            refuses = (isinstance(last, ast.Raise) or self.refuses(one, last)) and not node.orelse and all(
                isinstance(word, ast.Assign) or self.refuses(one, word) for word in words)
            parts = [part for some in (node.test, *words) for part in ast.walk(some)]
            return refuses and not any(isinstance(part, CHANGING) or _draws(part) for part in parts) \
                and not self._outlives(one, node)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = self._writer(one).target(node.value.func)
            return isinstance(called, Definition) and called.inert and not any(map(_draws, ast.walk(node.value)))
        return False

    def _outlives(self, one: Definition, node: ast.If) -> bool:
        """Whether something that a refusal binds is used elsewhere, too."""
        targets = [target for part in ast.walk(node) if isinstance(part, ast.Assign | ast.NamedExpr)
                   for target in (part.targets if isinstance(part, ast.Assign) else [part.target])]
        bound = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        return bool(bound) and any(_loads(top, bound) > _loads(node, bound) for _, top in self.code.statements(one))

    def words(self, one: Definition, node: ast.AST) -> list[Word]:
        """Write a part of a definition as words, with variables by name."""
        writer = self._writer(one)
        return [canonical.renamed(word, self.code.renamed) for word in writer.node(self._without_checks(node, writer))]

    def _writer(self, one: Definition) -> Writer:
        module = self.module(one)
        if one not in self._scopes:
            tops = [statement for _, statement in self.code.statements(one)]
            imported = [part for top in tops for part in ast.walk(top) if isinstance(part, ast.Import | ast.ImportFrom)]
            self._scopes[one] = [Scope(kept=_variables(tops)), *(
                Scope(imported=canonical.imports(part, one.module, module.is_package)) for part in imported)]
        writer = Writer(self.code, self.code.resolver(module))
        writer.scopes = list(self._scopes[one])
        return writer

    def _without_checks(self, node: ast.AST, writer: Writer) -> ast.AST:
        """A part without the calls that give back their first argument, and without the keywords of other checks."""
        def inert(part: ast.AST) -> str:
            called = writer.target(part.func) if isinstance(part, ast.Call) and part.args else None
            if not isinstance(called, Definition) or not called.inert:
                return ""
            return f"{called.module}.{called.name}".removeprefix(f"{canonical.PACKAGE}.")

        class Without(ast.NodeTransformer):
            def visit_Call(self, call: ast.Call) -> ast.AST:
                name = inert(call)
                self.generic_visit(call)
                if name.startswith("arguments."):
                    call.keywords = []
                return call.args[0] if name in SAME else call

        return Without().visit(copy.deepcopy(node)) if any(map(inert, ast.walk(node))) else node


class Text:
    """The statements of a closure, to be compared with those of another one.

    Definitions that both have, by their digests in `common`, are words by their digest and are not looked at; others
    are words by their name.
    """

    def __init__(self, written: Written, closure: set[Definition], common: set[str]) -> None:
        self.written, self.code, self.common = written, written.code, common
        self.own = sorted(one for one in closure if not one.inert and one.name != canonical.WHOLE
                          and self.code.digest(one) not in common)
        self.namesakes = Counter(one.name for one in self.own)

    def literals(self) -> Counter[str]:
        """Count how often each constant stands in the code."""
        return Counter(word for one in self.own for statement in self.written.statements(one)
                       for word in statement.words if isinstance(word, str) and word.startswith("constant "))

    def defaults(self) -> Counter[str]:
        """Count how often each parameter has each default value."""
        found: Counter[str] = Counter()
        for one, node in self._nodes(ast.arguments):
            places = [*node.posonlyargs, *node.args]
            pairs = [*zip(places[len(places) - len(node.defaults):], node.defaults, strict=True),
                     *zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            for place, default in pairs:
                if default is not None:
                    name = self.code.renamed.get(place.arg, place.arg)
                    found[f"{name} = {self._text(self.written.words(one, default))}"] += 1
        return found

    def ordered(self) -> Counter[str]:
        """Count the sequences of literals of constants and of statements that name a profile."""
        found: Counter[str] = Counter()
        for one in self.own:
            constant = not any(isinstance(top, canonical.INNER) for _, top in self.code.statements(one))
            for statement in self.written.statements(one):
                literals = [word for word in statement.words if str(word).startswith("constant ")]
                if len(literals) > 1 and (constant or PROFILES & set(literals)):
                    found[", ".join(map(str, literals))] += 1
        return found

    def signatures(self) -> dict[str, list[str]]:
        """List the parameters of each function and the fields of each class, by name, in their order."""
        found = {f"{one.name} ({node.name})": [part.arg for part in (*node.args.posonlyargs, *node.args.args)]
                 for one, node in self._nodes(ast.FunctionDef | ast.AsyncFunctionDef)}
        found |= {f"{one.name} ({node.name})": [ast.unparse(part.target) for part in node.body
                                                if isinstance(part, ast.AnnAssign)]
                  for one, node in self._nodes(ast.ClassDef)}
        return {name: [self.code.renamed.get(part, part) for part in parts] for name, parts in found.items()}

    def branches(self, other: Text) -> Counter[str]:
        """Count what stands behind `if`, `and`, `or` and `lambda` within the changed statements; `self.x` counts as
        `x`.

        A statement counts as executed as a whole: a run does not say which of these was.
        """
        bare = _Bare(self.code.renamed)
        return Counter(ast.unparse(bare.visit(ast.parse(ast.unparse(part), mode="eval")))
                       for one in self.own for statement in self._changed(one, other)
                       for inner in ast.walk(statement.node) for part in _branches(inner))

    def changed(self, other: Text) -> list[Place]:
        """Find the statements that the other text has not, in definitions of the same name and in their order."""
        return [(self.written.module(one).path, statement.lines) for one in self.own
                for statement in self._changed(one, other) if statement.lines]

    def _changed(self, one: Definition, other: Text) -> Iterator[Statement]:
        twins = [twin for twin in other.own if twin == one] or [twin for twin in other.own if twin.name == one.name]
        own, theirs = self.written.statements(one), other.written.statements(twins[0]) if twins else []
        matcher = difflib.SequenceMatcher(
            None, [f"{statement.path} {other._text(statement.words)}" for statement in theirs],
            [f"{statement.path} {self._text(statement.words)}" for statement in own], autojunk=False)
        same = {place for block in matcher.get_matching_blocks() for place in range(block.b, block.b + block.size)}
        return (statement for place, statement in enumerate(own) if place not in same)

    def _nodes(self, kind: Any) -> Iterator[tuple[Definition, Any]]:
        return ((one, node) for one in self.own for _, statement in self.code.statements(one)
                for node in ast.walk(statement) if isinstance(node, kind))

    def _text(self, words: Sequence[Word]) -> str:
        return " ".join(map(self._word, words))

    def _word(self, word: Word) -> str:
        if isinstance(word, str) or word.inert:
            return word if isinstance(word, str) else word.name
        if (digest := self.code.digest(word)) in self.common:
            return digest
        return word.name if self.namesakes[word.name] < 2 else f"{word.module}.{word.name}"


class _Bare(ast.NodeTransformer):
    """Attributes of names, but for methods that are called, become their last name; the renamings are made."""

    def __init__(self, renamed: Mapping[str, str]) -> None:
        self.renamed = renamed

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.renamed.get(node.id, node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        inner = self.visit(node.value)
        name = self.renamed.get(node.attr, node.attr)
        return ast.Name(name, node.ctx) if isinstance(inner, ast.Name) else ast.Attribute(inner, name, node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        method = node.func
        self.generic_visit(node)
        if isinstance(method, ast.Attribute):
            node.func = ast.Attribute(self.visit(method.value), method.attr, method.ctx)
        return node


def _branches(node: ast.AST) -> Sequence[ast.expr]:
    """What a node may leave out when it is executed."""
    if isinstance(node, ast.IfExp):
        return (node.body, node.orelse)
    if isinstance(node, ast.BoolOp):
        return node.values[1:]
    return (node.body,) if isinstance(node, ast.Lambda) else ()


def _variables(statements: Sequence[ast.AST]) -> set[str]:
    """All parameters and variables of the functions within some statements."""
    found: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found |= {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
            found |= canonical.bound([node.body] if isinstance(node, ast.Lambda) else node.body)
        elif isinstance(node, ast.comprehension):
            found |= canonical.bound([node.target])
    return found


def _is_itself(node: ast.AST) -> bool:
    """Whether an assignment gives a name its own value, as z = z: there the call of a check was."""
    return isinstance(node, ast.Assign) and list(map(ast.unparse, node.targets)) == [ast.unparse(node.value)]


def _loads(node: ast.AST, names: set[str]) -> int:
    """How often some names are read within a node."""
    return sum(isinstance(part, ast.Name) and part.id in names and isinstance(part.ctx, ast.Load)
               for part in ast.walk(node))


def _draws(node: ast.AST) -> bool:
    """Whether something is called with a generator or an iterator, which goes on by that."""
    return isinstance(node, ast.Call) and ("generator" in {word.arg for word in node.keywords}
                                           or (isinstance(node.func, ast.Name) and node.func.id == "next"))


def _alone(node: Any, path: str = "", *, refuses: Callable[[ast.AST], bool]) -> Iterator[tuple[ast.AST, range, str]]:
    """A statement, handler or case and all those within it: each without those within it, the lines that execute it,
    and of which parts of which others it is one. Those that only refuse are left out."""
    if refuses(node):
        return
    parts = {name: getattr(node, name, None) or [] for name in PARTS}
    inner = [part for some in parts.values() for part in some]
    alone = type(node)(**{name: [] if parts.get(name) else getattr(node, name, None) for name in node._fields})
    place = getattr(node, "pattern", node)          # a case has no lines of its own
    begin = min([place.lineno, *(part.lineno for part in getattr(node, "decorator_list", []))])
    end = min([place.end_lineno, *(max(place.lineno, getattr(part, "pattern", part).lineno - 1) for part in inner)])
    unseen = isinstance(node, ast.Raise | ast.Try) or canonical.idle(node)
    yield alone, range(0) if unseen else range(begin, end + 1), path
    for name, some in parts.items():
        for part in some:
            yield from _alone(part, f"{path}/{name}", refuses=refuses)
