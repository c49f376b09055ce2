"""Prove that a refactor changed no result, so that stored rows and cards of an older tree count as fresh again.

The base is a clean commit whose own report calls the row fresh. A row or a card is confirmed in one of two ways:

1. *The same code.* The canonical forms of both trees are equal, under the renamings that are given. Nothing is run.
2. *The same at smoke.* All of these are equal in both trees:
   - the figures (but times) and every trained network, bitwise, at two seeds of smoke on one thread;
   - how often each literal and each default value stands in the code that is reached;
   - the arguments of every call of `choose` (all profiles), `Budget`, `generator` and `fit`;
   and every statement that differs, and does more than raise, was executed: today's in today's tree, the base's there.

Names of random streams are literals: a renamed one is refused, since it draws other numbers.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from course_lib import canonical, claims, files, manifest, profiles, zoo
from course_lib.canonical import Code, Definition, Word, Writer
from course_lib.claims import ledger
from course_lib.claims.ledger import Experiment, LedgerError
from course_lib.recipes import RECIPES

SAME_CODE = "the canonical forms are equal"
SAME_AT_SMOKE = ("figures and weights at two seeds of smoke, literals, defaults, and the arguments of choose, Budget, "
                 "generator and fit are equal; every changed statement was executed")


@dataclass(frozen=True)
class Confirmed:
    """A row or a card that the base's code and today's give alike, and how that was shown."""

    how: str
    figures: tuple[str, ...] = ()       # those that were compared


@dataclass(frozen=True)
class Refused:
    """Why a row or a card could not be confirmed; then it is measured again."""

    why: str


@dataclass(frozen=True)
class Tree:
    """A checkout of the course, and what it says of the subjects."""

    folder: Path
    code: Code
    commit: str
    dirty: bool = False
    said: dict[str, Any] = field(default_factory=dict)


def confirm(experiment: Experiment, *, base: str | None = None,
            renamed: Mapping[str, str] | None = None) -> Confirmed | Refused:
    """Compare an experiment in a base commit with the same in the present tree, and renew its rows if it is the same.

    `base` is the merge base with origin/main unless it is named. `renamed` gives the new names of figures, parameters,
    attributes or of the experiment itself: {"watch": "validate"}.

    Raises LedgerError where the base is no commit.
    """
    return confirm_all([f"experiment:{experiment.id}"], base=base, renamed=renamed)[f"experiment:{experiment.id}"]


def confirm_all(subjects: Sequence[str], *, base: str | None = None, renamed: Mapping[str, str] | None = None,
                root: Path | None = None) -> dict[str, Confirmed | Refused]:
    """The same for several subjects, `experiment:<id>` or `weights:<name>`, of which each tree runs what it must."""
    root, names = root or manifest.find_root(), dict(renamed or {})
    before = {subject: _before(subject, names) for subject in subjects}
    with _checkout(root, base or _merge_base(root)) as (folder, commit):
        old = Tree(folder, Code([folder / "course_lib"], renamed=names), commit)
        changed = _git(root, "status", "--porcelain", "course_lib")
        new = Tree(root, Code([root / "course_lib"]), _git(root, "rev-parse", "--short=12", "HEAD"), bool(changed))
        asked = {"do": "describe", "lines": {}}
        said = _both((old, asked | {"subjects": list(before.values())}), (new, asked | {"subjects": list(before)}))
        old, new = replace(old, said=said[0]), replace(new, said=said[1])
        found: dict[str, Confirmed | Refused] = {}
        changes: dict[str, Change] = {}
        for subject, was in before.items():
            judged = _judged_by_form(subject, was, old, new, names)
            if isinstance(judged, Change):
                changes[subject] = judged
            else:
                found[subject] = judged
        if changes:
            ran = _both(*((tree, {"do": "run", "subjects": [before[subject] if tree is old else subject
                                                            for subject in changes],
                                  "lines": _lines(change.of(tree is old) for change in changes.values())})
                          for tree in (old, new)))
            for subject, change in changes.items():
                found[subject] = _judged_by_run(change, ran[0][before[subject]], ran[1][subject], old, new, names,
                                                times=new.said[subject]["times"])
        for subject, verdict in found.items():
            if isinstance(verdict, Confirmed):
                _renew(subject, before[subject], verdict, old, new, names)
    return {subject: found[subject] for subject in subjects}


def stale(*, root: Path | None = None) -> dict[str, str]:
    """The subjects whose stored results are of other code, data or weights than today's, and what says so.

    Those are reporting rows and cards of weights; development rows never count.
    """
    found: dict[str, str] = {}
    for experiment in {claim.experiment.id: claim.experiment for claim in claims.discover()}.values():
        for profile in profiles.PROFILES:
            rows = ledger.results(experiment.id, profile, root=root)
            today = experiment.fingerprint() if rows else ""
            seeds = [str(row.seed) for row in rows if row.seed >= ledger.REPORTING and row.fingerprint != today]
            if seeds:
                found[f"experiment:{experiment.id}"] = f"{experiment.id}, {profile}, seeds {', '.join(seeds)}"
    for name in zoo.names():
        if name not in RECIPES or zoo.card(name).fingerprint != RECIPES[name].fingerprint():
            found[f"weights:{name}"] = f"the weights {name}"
    return found


# Two trees -----------------------------------------------------------------------------------------------------------


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
    if done.returncode:
        raise LedgerError(f"git {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _merge_base(root: Path) -> str:
    try:
        return _git(root, "merge-base", "HEAD", "origin/main")
    except LedgerError:
        raise LedgerError("there is no origin/main to compare with: name the commit whose results were fresh,"
                          " `course claims confirm --base COMMIT`") from None


@contextmanager
def _checkout(root: Path, commit: str) -> Iterator[tuple[Path, str]]:
    """A clean worktree of a commit, for a while."""
    commit = _git(root, "rev-parse", "--verify", "--short=12", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="course-base-") as above:
        folder = Path(above).resolve() / "base"
        _git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
        try:
            yield folder, commit
        finally:
            _git(root, "worktree", "remove", "--force", str(folder))


def _both(*requests: tuple[Tree, dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask two trees at the same time, each in a process of its own with that tree first on the path."""
    asked = []
    for tree, request in requests:
        settings = os.environ | {"PYTHONPATH": str(tree.folder), "OMP_NUM_THREADS": "1", "COURSE_PROFILE": "smoke",
                                 "COURSE_ROOT": str(tree.folder)}
        command = [sys.executable, "-P", str(Path(__file__).with_name("replay.py")), str(tree.folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=settings, cwd=tree.folder)
        assert process.stdin is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        process.stdin = None
        asked.append((tree, process))
    answers = [(tree, process, *process.communicate()) for tree, process in asked]
    for tree, process, _, complaint in answers:
        if process.returncode:
            raise LedgerError(f"the tree {tree.commit} could not be run: {complaint.strip()[-1000:]}")
    return [json.loads(answer) for _, _, answer, _ in answers]


def _before(subject: str, renamed: Mapping[str, str]) -> str:
    """What a subject was called in the base."""
    kind, _, name = subject.partition(":")
    return f"{kind}:{next((old for old, new in renamed.items() if new == name), name)}"


# By form -------------------------------------------------------------------------------------------------------------


@dataclass
class Change:
    """The statements in which two closures differ, by file and lines, in the base and today."""

    base: list[tuple[Path, range]] = field(default_factory=list)
    today: list[tuple[Path, range]] = field(default_factory=list)

    def of(self, base: bool) -> list[tuple[Path, range]]:
        return self.base if base else self.today


def _judged_by_form(subject: str, was: str, old: Tree, new: Tree,
                    names: Mapping[str, str]) -> Confirmed | Refused | Change:
    """A verdict where the two forms are enough for one, else what has to be run."""
    if was not in old.said or subject not in new.said:
        return Refused(f"{was} is not there in {old.commit if was not in old.said else 'the present tree'}")
    ours, theirs = new.said[subject], old.said[was]
    if None in ours["roots"] or None in theirs["roots"]:
        return Refused("it is measured by a function within a function, whose code cannot be followed")
    if not _rows(was, theirs["fingerprint"], new.folder):
        return Refused(f"no stored result is fresh in {old.commit}: the base has to be a commit that made them so")
    for kind, words in (("data", "other data sets"), ("weights", "other trained weights"), ("asked", "another recipe")):
        if ours[kind] != theirs[kind]:
            return Refused(f"it is made of {words}: {theirs[kind]} became {ours[kind]}")
    roots = [[Definition(*root) for root in said["roots"]] for said in (theirs, ours)]
    closures = [tree.code.closure(found) for tree, found in zip((old, new), roots, strict=True)]
    if taken := sorted(names.keys() & names.values() | {new_name for new_name in names.values()
                                                        if _uses_name(closures[0], new_name, old.folder)}):
        return Refused(f"the new name {taken[0]!r} is a name already in the code of {old.commit}")
    if sorted(map(old.code.digest, roots[0])) == sorted(map(new.code.digest, roots[1])):
        return Confirmed(SAME_CODE)
    known = [{tree.code.digest(one) for one in closure} for tree, closure in zip((old, new), closures, strict=True)]
    texts = [Text(tree.code, closure, known[0] & known[1]) for tree, closure in zip((old, new), closures, strict=True)]
    for what in ("literals", "defaults"):
        a, b = (getattr(text, what)() for text in texts)
        if a != b:
            return Refused(f"its {what} are not the same: " + "; ".join(
                f"{words} {', '.join(sorted(found.elements()))}"
                for words, found in (("gone are", a - b), ("new are", b - a)) if found))
    return Change(*(text.changed(other) for text, other in zip(texts, reversed(texts), strict=True)))


def _uses_name(closure: set[Definition], name: str, folder: Path) -> bool:
    """Whether a parameter, an attribute or a keyword of the base has this name."""
    code = Code([folder / "course_lib"])
    return any(word in (f"parameter {name}", f"kept {name}", f"str {name}") for one in closure
               if one.module not in canonical.INERT for word in code.words(one))


class Text:
    """The statements of a closure, to be compared with those of another one.

    Definitions that both have are words by their digest, others by their name.
    """

    def __init__(self, code: Code, closure: set[Definition], common: set[str]) -> None:
        self.code, self.common = code, common
        self.closure = sorted(one for one in closure
                              if one.module not in canonical.INERT and one.name != canonical.WHOLE)

    def literals(self) -> Counter[str]:
        """How often each constant stands in the code."""
        return Counter(word for one in self.closure for word in self.code.words(one)
                       if isinstance(word, str) and word.startswith("constant "))

    def defaults(self) -> Counter[str]:
        """How often each default value of a parameter stands in the code."""
        found: Counter[str] = Counter()
        for one in self.closure:
            for _, statement in self.code.statements(one):
                for node in ast.walk(statement):
                    defaults = (*node.defaults, *node.kw_defaults) if isinstance(node, ast.arguments) else ()
                    found.update(" ".join(self._words(one, default)) for default in defaults if default is not None)
        return found

    def changed(self, other: Text) -> list[tuple[Path, range]]:
        """Where statements are that the other text has not, in definitions of the same name and in their order."""
        counterparts = {key: other._statements(one) for one in other.closure for key in (one, one.name)}
        found: list[tuple[Path, range]] = []
        for one in self.closure:
            if self.code.digest(one) in self.common:
                continue
            own, theirs = self._statements(one), counterparts.get(one, counterparts.get(one.name, []))
            blocks = difflib.SequenceMatcher(None, [words for words, _ in theirs], [words for words, _ in own],
                                             autojunk=False).get_matching_blocks()
            same = {place for block in blocks for place in range(block.b, block.b + block.size)}
            module = self.code.module(one.module)
            assert module is not None
            found += [(module.path, lines) for place, (_, lines) in enumerate(own) if place not in same and lines]
        return found

    def _statements(self, one: Definition) -> list[tuple[str, range]]:
        """The statements of a definition in order, each by its own words and its lines; none for what only raises."""
        found = [(" ".join(self._words(one, alone)), lines)
                 for _, statement in self.code.statements(one) for alone, lines in _alone(statement)]
        return [(words, lines) for words, lines in found if words]

    def _words(self, one: Definition, node: ast.AST) -> Iterator[str]:
        module = self.code.module(one.module)
        assert module is not None
        tops = [statement for _, statement in self.code.statements(one)]
        writer = Writer(self.code, self.code.resolver(module), free=sorted(_names_within(tops)))
        for word in writer.node(node):
            yield self._word(canonical.renamed(word, self.code.renamed))

    def _word(self, word: Word) -> str:
        if isinstance(word, str):
            return word
        inert = word.module in canonical.INERT
        return word.name if inert or self.code.digest(word) not in self.common else self.code.digest(word)


def _names_within(statements: Sequence[ast.AST]) -> set[str]:
    """All parameters and variables of the functions within some statements."""
    found: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found |= {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
            found |= canonical.bound([node.body] if isinstance(node, ast.Lambda) else node.body)
        elif isinstance(node, ast.comprehension):
            found |= canonical.bound([node.target])
    return found


def _alone(node: Any) -> Iterator[tuple[ast.AST, range]]:
    """A statement, handler or case and those within it, each without those within it, and the lines that execute it."""
    parts = {name: getattr(node, name, None) or [] for name in ("body", "orelse", "finalbody", "handlers", "cases")}
    inner = [part for some in parts.values() for part in some]
    alone = type(node)(**{name: [] if parts.get(name) else getattr(node, name, None) for name in node._fields})
    place = getattr(node, "pattern", node)          # a case has no lines of its own
    begin = min([place.lineno, *(part.lineno for part in getattr(node, "decorator_list", []))])
    end = min([place.end_lineno, *(max(place.lineno, getattr(part, "pattern", part).lineno - 1) for part in inner)])
    unseen = isinstance(node, ast.Raise | ast.Try) or canonical.idle(node)
    yield alone, range(0) if unseen else range(begin, end + 1)
    for part in inner:
        yield from _alone(part)


def _lines(changes: Iterable[list[tuple[Path, range]]]) -> dict[str, list[int]]:
    """The lines that the run of a tree should look at, by file, from its root."""
    found: dict[str, set[int]] = {}
    for path, lines in (place for change in changes for place in change):
        inside = path.parts[len(path.parts) - 1 - path.parts[::-1].index("course_lib"):]
        found.setdefault("/".join(inside), set()).update(lines)
    return {path: sorted(lines) for path, lines in found.items()}


# By running ----------------------------------------------------------------------------------------------------------


def _judged_by_run(change: Change, was: dict[str, Any], now: dict[str, Any], old: Tree, new: Tree,
                   names: Mapping[str, str], *, times: Sequence[str]) -> Confirmed | Refused:
    """A verdict on what a subject did in both trees."""
    for answer, where in ((was, old.commit), (now, "the present tree")):
        if "error" in answer:
            return Refused(f"at smoke it fails in {where}: {answer['error']}")
    figures = [[{names.get(name, name): value for name, value in row.items()} for row in answer["figures"]]
               for answer in (was, now)]
    for seed, (before, after) in enumerate(zip(*figures, strict=True)):
        for name in sorted((before.keys() | after.keys()) - set(times)):
            if before.get(name) != after.get(name):
                return Refused(f"the figure {name} at smoke, seed {seed}, was {_float(before.get(name))} and is"
                               f" {_float(after.get(name))}")
    if was["weights"] != now["weights"]:
        return Refused(f"the networks that it trains are other ones ({len(was['weights'])} and {len(now['weights'])})")
    if was["calls"] != now["calls"]:
        before, after = Counter(was["calls"]), Counter(now["calls"])
        gone, come = (next(iter(some), "nothing")[:200] for some in (before - after, after - before))
        return Refused(f"choose, Budget, generator or fit are called otherwise: {gone} became {come}")
    for tree, answer, places in ((old, was, change.base), (new, now, change.today)):
        executed = {(path, line) for path, line in answer["executed"]}
        for path, lines in places:
            if not any((str(path), line) in executed for line in lines):
                return Refused(f"a changed statement is not executed at smoke: {path.relative_to(tree.folder)}, line"
                               f" {lines[0]} of {'the base' if tree is old else 'the present tree'}")
    return Confirmed(SAME_AT_SMOKE, tuple(sorted(set(figures[1][0]) - set(times))) if figures[1] else ())


def _float(value: str | None) -> str:
    return "missing" if value is None else repr(float.fromhex(value))


# Renewing ------------------------------------------------------------------------------------------------------------


def _card(root: Path, name: str) -> Path:
    return root / "course_lib" / "weights" / f"{name}.json"


def _rows(was: str, fingerprint: str, root: Path) -> bool:
    """Whether a stored result of a subject has this fingerprint."""
    kind, _, name = was.partition(":")
    if kind == "weights":
        card = _card(root, name)
        return card.exists() and json.loads(card.read_text(encoding="utf-8"))["fingerprint"] == fingerprint
    return any(row.fingerprint == fingerprint for profile in profiles.PROFILES
               for row in ledger.results(name, profile, root=root))


def _renew(subject: str, was: str, verdict: Confirmed, old: Tree, new: Tree, names: Mapping[str, str]) -> None:
    """Give the rows or the card that were fresh in the base today's fingerprint, and write down how that came."""
    kind, _, name = subject.partition(":")
    today, before = new.said[subject]["fingerprint"], old.said[was]["fingerprint"]
    how: dict[str, object] = {"base": old.commit, "commit": new.commit, "dirty": new.dirty, "compared": verdict.how,
                              "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
    if kind == "weights":
        card = _card(new.folder, name)
        files.write_json(card, json.loads(card.read_text(encoding="utf-8")) | {"fingerprint": today, "confirmed": how})
        return

    def renewed(row: ledger.Result) -> ledger.Result:
        if row.fingerprint != before:
            return row
        figures = {names.get(key, key): value for key, value in row.figures.items()}
        return replace(row, figures=figures, fingerprint=today, confirmed=how | {"figures": list(verdict.figures)})

    ledger.rewrite(was.partition(":")[2], name, change=renewed, root=new.folder)
