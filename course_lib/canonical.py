"""What code does, in a form that is the same on every Python, wherever the code stands and whatever it is called.

A definition is a function, a class or a constant of the course at the top of its module. Its form is a list of words,
read from the source text alone: without docstrings, annotations, the words of errors and names of local variables.
Where it mentions another definition, the form has that one's digest in place of a name:

    digest(d) = hash(words of d, with each definition that d mentions replaced by its digest)

Definitions that mention each other in a circle are hashed together, round by round. So a move to another module,
another way of importing, a new name of a function or of a local variable change no digest; a changed constant does.
What other libraries define is called by its full name (`torch.nn.functional.conv2d`), however it was imported.
Parameters, attributes and keyword arguments keep their names, since callers use them.

The module needs nothing but the standard library, and reads the files of any checkout without running them.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = "course_lib"
# What cannot change a result: modules that only refuse, show, store and resume, and lists of files, whose content is
# hashed by itself.
INERT = {f"{PACKAGE}.{name}" for name in (
    "arguments", "canonical", "checkpoints", "deterministic", "devices", "files", "guard", "progress", "provenance",
    "data.photographs.PHOTOGRAPHS", "data.photographs.locate", "data.sets.SETS", "data.sets.expect", "data.sets.root")}
NAMED = re.compile(r'(parameter |kept |str |constant str ")(.+?)("?)')      # words that hold a name callers use
WHOLE = "*"      # a module that is mentioned as a value stands for all its definitions


@dataclass(frozen=True, order=True)
class Definition:
    """A top-level name of a module of the course."""

    module: str
    name: str

    @property
    def inert(self) -> bool:
        """Whether it cannot change a result."""
        return self.module in INERT or f"{self.module}.{self.name}" in INERT


@dataclass(frozen=True, eq=False)
class Module:
    """A module of the course; its path is empty for one that was read from text."""

    name: str
    is_package: bool
    tree: ast.Module
    path: Path = Path()

    @functools.cached_property
    def names(self) -> Names:
        """What the module defines and imports."""
        return Names.of(self)


Target = Definition | Module | str          # what a name stands for; a string is the full name of something else's
Word = str | Definition
Resolve = Callable[[str], Target | None]


class CanonicalError(LookupError):
    """Code that mentions something of the course that no file defines."""


class Code:
    """The source of the course in some folders, by definition.

    >>> code = Code.of_text("def twice(x):\\n    '''Double.'''\\n    y = 2 * x\\n    return y")
    >>> again = Code.of_text("def double(x) -> int:\\n    doubled = 2 * x\\n    return doubled")
    >>> code.digest(Definition("text", "twice")) == again.digest(Definition("text", "double"))
    True
    """

    def __init__(self, folders: Sequence[Path], *, renamed: Mapping[str, str] | None = None) -> None:
        """`renamed` gives parameters, attributes and whole strings of these names other ones, in every form."""
        self.folders = [Path(folder) for folder in folders]
        self.renamed = dict(renamed or {})
        self.modules: dict[str, Module | None] = {}
        self._digests: dict[Definition, str] = {}
        self._words: dict[Definition, list[Word]] = {}

    @classmethod
    def of_text(cls, source: str, *, name: str = "text") -> Code:
        """Read the code of one module from a text."""
        code = cls([])
        code.modules[name] = Module(name, False, ast.parse(source))
        return code

    def module(self, name: str) -> Module | None:
        """Find a module of the course by its full name; None where there is none of this name."""
        if name not in self.modules:
            self.modules[name] = self._read(name)
        return self.modules[name]

    def statements(self, definition: Definition) -> list[tuple[tuple[ast.expr, ...], ast.stmt]]:
        """Return the statements that make a definition, each with the conditions around it."""
        module = self.module(definition.module)
        return module.names.defined.get(definition.name, []) if module else []

    def words(self, definition: Definition) -> list[Word]:
        """Return the canonical form of a definition, with the definitions that it mentions among its words."""
        if definition not in self._words:
            module = self.module(definition.module)
            assert module is not None, definition
            if definition.name == WHOLE:
                found: list[Word] = ["Module"]
                for name in sorted(module.names.defined):
                    found += [name, Definition(definition.module, name)]
            else:
                writer = Writer(self, self.resolver(module))
                found = [renamed(word, self.renamed) for conditions, statement in self.statements(definition)
                         for word in writer.definition(definition.name, statement, conditions)]
            self._words[definition] = found
        return self._words[definition]

    def mentioned(self, definition: Definition) -> list[Definition]:
        """Return the definitions that one mentions and that could change what it does."""
        return [word for word in self.words(definition) if isinstance(word, Definition) and not word.inert]

    def closure(self, roots: Iterable[Definition]) -> set[Definition]:
        """Find all definitions that some others reach, these included."""
        found: set[Definition] = set()
        waiting = list(roots)
        while waiting:
            if (one := waiting.pop()) not in found:
                found.add(one)
                waiting += self.mentioned(one)
        return found

    def digest(self, definition: Definition) -> str:
        """Hash a definition and everything that it reaches."""
        if definition not in self._digests:
            for group in _circles(definition, self.mentioned, self._digests):
                self._hash(group)
        return self._digests[definition]

    def _hash(self, group: list[Definition]) -> None:
        """Hash definitions that mention each other: as many rounds as they are, each with the digests of the last."""
        inside = dict.fromkeys(group, "circle")
        for _ in group:
            inside = {one: hashed(self._word(word, inside) for word in self.words(one)) for one in group}
        self._digests |= inside

    def _word(self, word: Word, inside: dict[Definition, str]) -> str:
        if isinstance(word, str):
            return word
        return f"inert {word.name}" if word.inert else inside.get(word) or self._digests[word]

    # What names stand for ----------------------------------------------------------------------------------------

    def resolver(self, module: Module) -> Resolve:
        """Make the function that says what a name stands for in a module, None for a name that Python brings itself."""
        def resolve(name: str) -> Target | None:
            if name in module.names.defined:
                return Definition(module.name, name)
            return self.find(*module.names.imported[name]) if name in module.names.imported else None

        return resolve

    def find(self, module: str, name: str | None = None) -> Target:
        """Follow `import module` or `from module import name` to where the name is defined."""
        if module.partition(".")[0] != PACKAGE and self.module(module) is None:
            return f"{module}.{name}" if name else module
        found = self.module(module)
        if found is None:
            raise CanonicalError(f"no file of the course defines the module {module}")
        return found if name is None else self.attribute(found, name)

    def attribute(self, module: Module, name: str) -> Target:
        """Find what `module.name` stands for: a definition, what the module imported, or a module below it."""
        its_own = module.names.imported.get(name) == (module.name, name)       # a package imports what lies below it
        if not its_own and (target := self.resolver(module)(name)) is not None:
            return target
        if (below := self.module(f"{module.name}.{name}")) is not None:
            return below
        if name.startswith("__"):
            return f"attribute {name}"
        raise CanonicalError(f"no file of the course defines {name} in {module.name}")

    def _read(self, name: str) -> Module | None:
        package, *rest = name.split(".")
        if package != PACKAGE:
            return None
        for folder in self.folders:
            below = folder.joinpath(*rest)
            for path in (below / "__init__.py", below.with_suffix(".py") if rest else below):
                if path.is_file():
                    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
                    return Module(name, path.name == "__init__.py", tree, path)
        return None


@dataclass
class Names:
    """What a module defines and imports at its top, also inside `if` and `try`."""

    defined: dict[str, list[tuple[tuple[ast.expr, ...], ast.stmt]]] = field(default_factory=dict)
    imported: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, module: Module) -> Names:
        found = cls()
        found._collect(module.tree.body, (), module)
        return found

    def _collect(self, body: Sequence[ast.stmt], conditions: tuple[ast.expr, ...], module: Module) -> None:
        for statement in body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                _add(self.imported, imports(statement, module.name, module.is_package), module.name)
            elif isinstance(statement, ast.If):
                typing = "TYPE_CHECKING" in ast.dump(statement.test)
                taken = [part for part in statement.body if not typing or isinstance(part, ast.Import | ast.ImportFrom)]
                self._collect(taken, (*conditions, statement.test), module)
                self._collect(statement.orelse, (*conditions, ast.UnaryOp(ast.Not(), statement.test)), module)
            elif isinstance(statement, ast.Try):
                self._collect(statement.body, conditions, module)
                for handler in statement.handlers:
                    caught = ast.Constant("except") if handler.type is None else handler.type
                    self._collect(handler.body, (*conditions, caught), module)
                self._collect([*statement.orelse, *statement.finalbody], conditions, module)
            else:
                for name in sorted(bound([statement]) | (_changed(statement) & self.defined.keys())):
                    self.defined.setdefault(name, []).append((conditions, statement))


def _changed(statement: ast.stmt) -> set[str]:
    """The names whose values a top-level statement may change: X.update(...), X["key"] = 1, also in a loop."""
    found: set[str] = set()
    for node in () if isinstance(statement, INNER) else ast.walk(statement):
        places = [getattr(node, "target", None), *getattr(node, "targets", [])]
        places += [node.value.func] if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else []
        found |= {part.id for place in places if isinstance(place, ast.Attribute | ast.Subscript)
                  for part in ast.walk(place) if isinstance(part, ast.Name)}
    return found


def imports(statement: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> dict[str, tuple[str, str | None]]:
    """Return what the names of an import statement stand for: the module, and the name in it or None for the module
    itself."""
    if isinstance(statement, ast.Import):
        return {alias.asname or alias.name.partition(".")[0]:
                (alias.name if alias.asname else alias.name.partition(".")[0], None) for alias in statement.names}
    source = statement.module or ""
    if any(alias.name == "*" for alias in statement.names):
        raise CanonicalError(f"{module} imports everything from {source}: name what it uses")
    if statement.level:
        parents = module.split(".")[: len(module.split(".")) - statement.level + is_package]
        source = ".".join([*parents, *filter(None, [source])])
    return {} if source == "__future__" else {alias.asname or alias.name: (source, alias.name)
                                              for alias in statement.names}


# Which names a scope binds ----------------------------------------------------------------------------------------

INNER = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


SILENT = {ast.Constant, ast.Load, *ast.operator.__subclasses__(), *ast.cmpop.__subclasses__(),
          *ast.unaryop.__subclasses__(), *ast.boolop.__subclasses__()}      # hold no names


def bound(body: Iterable[ast.AST]) -> set[str]:
    """Return the names that statements bind in their own scope, imports left out, `global` and `nonlocal` respected."""
    found: set[str] = set()
    elsewhere: set[str] = set()
    waiting = [(node, False) for node in body]
    while waiting:
        node, inner = waiting.pop()     # inner: within a comprehension, where only := binds outside
        if type(node) in SILENT:
            continue
        if isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere |= set(node.names)
        elif isinstance(node, ast.NamedExpr):
            found.add(node.target.id)
            waiting.append((node.value, inner))
            continue
        elif isinstance(node, ast.Name):
            found |= set() if inner or isinstance(node.ctx, ast.Load) else {node.id}
            continue
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        elif isinstance(node, INNER):
            if not isinstance(node, ast.Lambda):
                found.add(node.name)
                waiting += [(part, inner) for part in node.decorator_list]
            continue
        waiting += [(child, inner or isinstance(node, COMPREHENSIONS)) for child in ast.iter_child_nodes(node)]
    return found - elsewhere


@dataclass
class Scope:
    """The names that a function or a class knows for itself."""

    kept: set[str] = field(default_factory=set)         # parameters, which keep their names
    local: set[str] = field(default_factory=set)        # variables, which are numbered
    numbers: dict[str, int] = field(default_factory=dict)
    imported: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    of_class: bool = False
    outside: set[str] = field(default_factory=set)      # declared global


# The words of a tree ----------------------------------------------------------------------------------------------


class Writer:
    """Writes a syntax tree as words: the kind of each node, then its fields that are not empty.

    `resolve` says what a name outside of all functions stands for, and `free` are variables of functions around it.
    """

    def __init__(self, code: Code, resolve: Resolve, *, free: Sequence[str] = ()) -> None:
        self.code, self.resolve = code, resolve
        self.scopes = [Scope(kept=set(free))] if free else []
        self.variables = 0              # numbered so far
        self.subject = ""               # the name that is being defined

    def definition(self, name: str, statement: ast.stmt, conditions: Sequence[ast.expr] = ()) -> list[Word]:
        """Write a top-level statement as the definition of one name, which itself is left out."""
        self.subject, self.variables = name, 0
        return [*self._all("conditions", conditions), *self.node(statement)]

    def node(self, node: ast.AST) -> list[Word]:
        """Write any node as words."""
        special = getattr(self, f"_{type(node).__name__}", None)
        return list(special(node)) if special else self._plain(node)

    def _plain(self, node: ast.AST, *, without: str = "") -> list[Word]:
        words: list[Word] = [f"({type(node).__name__}"]
        for name in node._fields:
            value = getattr(node, name, None)
            if name not in (without, "ctx", "kind", "type_comment", "type_params") and value not in (None, []):
                words += self._all(name, value) if isinstance(value, list) else [name, *self._value(value)]
        return [*words, ")"]

    def _all(self, name: str, nodes: Sequence[Any]) -> list[Word]:
        """A list as words; statements that do nothing are left out."""
        words = [word for node in nodes if not idle(node) for word in self._value(node)]
        return [name, "[", *words, "]"] if words else []

    def _value(self, value: Any) -> list[Word]:
        return self.node(value) if isinstance(value, ast.AST) else [f"{type(value).__name__} {value}"]

    # Names

    def _variable(self, name: str) -> Word | None:
        """A name of a scope within the definition as a word; None where no scope has it."""
        for depth in range(len(self.scopes) - 1, -1, -1):
            scope = self.scopes[depth]
            if scope.of_class and depth < len(self.scopes) - 1:
                continue
            if name in scope.outside:
                return None
            if name in scope.kept:
                return f"kept {name}"
            if name in scope.local:
                if name not in scope.numbers:
                    scope.numbers[name] = self.variables
                    self.variables += 1
                return f"local {scope.numbers[name]}"
            if name in scope.imported:
                return None
        return None

    def target(self, node: ast.AST) -> Target | None:
        """What a name or a chain of attributes stands for, None for a variable or the attribute of a value."""
        if isinstance(node, ast.Name):
            if self._variable(node.id) is not None:
                return None
            for scope in reversed(self.scopes):
                if node.id in scope.imported:
                    return self.code.find(*scope.imported[node.id])
            return self.resolve(node.id) or f"builtin {node.id}"
        if isinstance(node, ast.Attribute):
            base = self.target(node.value)
            if isinstance(base, Module):
                return self.code.attribute(base, node.attr)
            return f"{base}.{node.attr}" if isinstance(base, str) else None
        return None

    def _Name(self, node: ast.Name) -> Iterator[Word]:
        if not self.scopes and node.id == self.subject and not isinstance(node.ctx, ast.Load):
            yield "subject"
        elif not self.scopes and not isinstance(node.ctx, ast.Load):
            yield "other subject"
        elif (variable := self._variable(node.id)) is not None:
            yield variable
        else:
            yield _word(self.target(node))

    def _Attribute(self, node: ast.Attribute) -> list[Word]:
        target = self.target(node)
        return self._plain(node) if target is None else [_word(target)]

    def _MatchAs(self, node: ast.MatchAs | ast.MatchStar | ast.ExceptHandler) -> list[Word]:
        kept = [self._variable(node.name) or node.name] if node.name else []
        return [*self._plain(node, without="name"), *kept]

    _MatchStar = _ExceptHandler = _MatchAs

    def _MatchMapping(self, node: ast.MatchMapping) -> list[Word]:
        kept = [self._variable(node.rest) or node.rest] if node.rest else []
        return [*self._plain(node, without="rest"), *kept]

    # Scopes

    def _FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[Word]:
        return [f"({type(node).__name__}", *self._own_name(node.name), *self._all("decorators", node.decorator_list),
                *self._function(node.args, node.body), ")"]

    _AsyncFunctionDef = _FunctionDef

    def _Lambda(self, node: ast.Lambda) -> list[Word]:
        return ["(Lambda", *self._function(node.args, [node.body]), ")"]

    def _function(self, arguments: ast.arguments, body: Sequence[ast.AST]) -> list[Word]:
        words = self._plain(arguments)         # defaults belong to the scope around
        parameters = {part.arg for part in ast.walk(arguments) if isinstance(part, ast.arg)}
        inside = [node for statement in body for node in _same_scope(statement)]
        imported: dict[str, tuple[str, str | None]] = {}
        for node in inside:
            if isinstance(node, ast.Import | ast.ImportFrom):
                _add(imported, imports(node, PACKAGE, True), "a function")
        if twice := imported.keys() & (bound(body) | parameters):
            raise CanonicalError(f"{min(twice)} is imported and bound in one function: give the two different names")
        scope = Scope(kept=parameters, local=bound(body) - parameters, imported=imported, outside=_globals(inside))
        return [*words, *self._within(scope, lambda: self._all("body", body))]

    def _ClassDef(self, node: ast.ClassDef) -> list[Word]:
        around = [*self._own_name(node.name), *self._all("decorators", node.decorator_list),
                  *self._all("bases", node.bases), *self._all("keywords", node.keywords)]
        inside = [part for statement in node.body for part in _same_scope(statement)]
        if any(isinstance(part, ast.Import | ast.ImportFrom) for part in inside):
            raise CanonicalError(f"the class {node.name} imports in its body: import at the top of the module")
        scope = Scope(kept=bound(node.body), of_class=True, outside=_globals(inside))
        return ["(ClassDef", *around, *self._within(scope, lambda: self._all("body", node.body)), ")"]

    def _own_name(self, name: str) -> list[Word]:
        """The name of a nested function or class, which is a variable; a definition's own name is left out."""
        return [self._variable(name) or name] if self.scopes else []

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> list[Word]:
        first = node.generators[0].iter
        words = [f"({type(node).__name__}", *self.node(first)]      # evaluated in the scope around
        scope = Scope(local=bound(part.target for part in node.generators))

        def rest() -> list[Word]:
            found: list[Word] = []
            for part in node.generators:
                found += ["async" if part.is_async else "for", *self.node(part.target),
                          *([] if part.iter is first else self.node(part.iter)), *self._all("ifs", part.ifs)]
            values = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            return [*found, *self._all("values", values)]

        return [*words, *self._within(scope, rest), ")"]

    _ListComp = _SetComp = _DictComp = _GeneratorExp = _comprehension

    def _within(self, scope: Scope, write: Callable[[], list[Word]]) -> list[Word]:
        self.scopes.append(scope)
        try:
            return write()
        finally:
            self.scopes.pop()

    # What says nothing, or says it in several ways

    def _arg(self, node: ast.arg) -> list[Word]:
        return [f"parameter {node.arg}"]

    def _AnnAssign(self, node: ast.AnnAssign) -> list[Word]:
        value = [] if node.value is None else self.node(node.value)
        if not (self.scopes and self.scopes[-1].of_class):
            return value and ["(Assign", *self._all("targets", [node.target]), "value", *value, ")"]
        marks = [mark for mark in ("ClassVar", "InitVar", "KW_ONLY") if mark in ast.dump(node.annotation)]
        return ["(Field", *self.node(node.target), *marks, *value, ")"]       # the order of fields is a constructor's

    def _Raise(self, node: ast.Raise) -> list[Word]:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc    # its words and cause do not count
        return ["(Raise", *(self.node(kind) if kind else []), ")"]

    def _Assert(self, node: ast.Assert) -> list[Word]:
        return ["(Assert", *self.node(node.test), ")"]

    def _Constant(self, node: ast.Constant) -> list[Word]:
        value = node.value
        text = json.dumps(value) if isinstance(value, str) else ascii(value)
        return [f"constant {type(value).__name__} {text}"]

    def _JoinedStr(self, node: ast.JoinedStr) -> list[Word]:
        """An f-string; Pythons divide its constant text differently, so it is joined."""
        words: list[Word] = ["(JoinedStr"]
        text = ""
        for part in [*node.values, None]:
            if isinstance(part, ast.Constant):
                text += str(part.value)
                continue
            words += self._Constant(ast.Constant(text)) if text else []
            words += self.node(part) if part is not None else []
            text = ""
        return [*words, ")"]

    def _FormattedValue(self, node: ast.FormattedValue) -> list[Word]:
        spec = self.node(node.format_spec) if node.format_spec is not None else []
        return ["(FormattedValue", *self.node(node.value), f"conversion {node.conversion}",
                *(spec if len(spec) > 2 else []), ")"]


def _word(target: Target | None) -> Word:
    """A target as a word of a form."""
    if isinstance(target, Module):
        return Definition(target.name, WHOLE)
    assert target is not None
    return target


def idle(node: Any) -> bool:
    """Whether a statement does nothing: docstrings, `pass`, bare annotations, imports and declarations of scope."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass | ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal)


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what lies below it, up to nested functions and classes."""
    yield node
    for child in () if isinstance(node, INNER) else ast.iter_child_nodes(node):
        yield from _same_scope(child)


def _add(imported: dict[str, tuple[str, str | None]], more: dict[str, tuple[str, str | None]], where: str) -> None:
    if other := [name for name in more if imported.get(name, more[name]) != more[name]]:
        raise CanonicalError(f"{where} imports {other[0]} from two places: give the two different names")
    imported |= more


def _globals(nodes: Iterable[ast.AST]) -> set[str]:
    return {name for node in nodes if isinstance(node, ast.Global) for name in node.names}


def _circles(root: Definition, mentioned: Callable[[Definition], list[Definition]],
             done: dict[Definition, str]) -> list[list[Definition]]:
    """What a definition reaches, in groups that mention each other, each group after those it needs (Tarjan 1972)."""
    order: dict[Definition, int] = {}
    low: dict[Definition, int] = {}
    stack: list[Definition] = []
    groups: list[list[Definition]] = []

    def visit(one: Definition) -> None:
        order[one] = low[one] = len(order)
        stack.append(one)
        for other in mentioned(one):
            if other in done:
                continue
            if other not in order:
                visit(other)
                low[one] = min(low[one], low[other])
            elif other in stack:
                low[one] = min(low[one], order[other])
        if low[one] == order[one]:
            at = stack.index(one)
            groups.append(stack[at:])
            del stack[at:]

    visit(root)
    return groups


def renamed(word: Word, names: Mapping[str, str]) -> Word:
    """Rename the parameter, attribute or keyword in a word, or the whole string that it holds.

    >>> renamed("parameter watch", {"watch": "validate"}), renamed("local 3", {"3": "4"})
    ('parameter validate', 'local 3')
    """
    found = NAMED.fullmatch(word) if names and isinstance(word, str) else None
    return f"{found[1]}{names.get(found[2], found[2])}{found[3]}" if found else word


def hashed(words: Iterable[str]) -> str:
    """Hash words to sixteen hexadecimal digits, which are equal when the words are.

    >>> hashed(["a", "b"]), hashed(["ab"])
    ('59b271ae1bbcb1d3', 'fb8e20fc2e4c3f24')
    """
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
