"""Prove that a refactor changed no result, so that stored rows and cards of an older tree count as fresh again.

The base is a clean commit whose own report calls the row fresh. A row or a card is confirmed in one of two ways:

1. *The same code.* The canonical forms of both trees are equal, under the renamings that are given. Nothing is run.
2. *The same at smoke.* All of these are equal in both trees:
   - the metrics (but times) and every trained network, bitwise, at two seeds of smoke on one thread;
   - how often each literal and each default value stands in the code that is reached;
   - the arguments of every call of `choose` (all profiles), `Budget`, `generator` and `fit`;
   and every statement that differs, and does more than refuse, was executed: today's in today's tree, the base's there.

Names of random streams are literals: a renamed one is refused, since it draws other numbers.

What this cannot see: values of `choose` that agree at smoke and change places in code that runs the same there, and a
refusal that a handler catches. A statement counts as executed as a whole; the parts of it that a run may leave out are
compared by their text.
"""

from __future__ import annotations

import functools
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

from course_lib import claims, files, manifest, profiles, zoo
from course_lib.canonical import Code, Definition
from course_lib.claims import ledger
from course_lib.claims.changes import Place, Text, Written, changes
from course_lib.claims.ledger import Experiment, LedgerError
from course_lib.recipes import RECIPES

SAME_CODE = "the canonical forms are equal"
SAME_AT_SMOKE = ("metrics and weights at two seeds of smoke, literals, defaults, and the arguments of choose, Budget, "
                 "generator and fit are equal; every changed statement was executed")


@dataclass(frozen=True)
class Confirmed:
    """A row or a card that the base's code and today's give alike, and how that was shown."""

    how: str


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

    @functools.cached_property
    def plain(self) -> Code:
        """The code without the renamings."""
        return Code(self.code.folders)

    @functools.cached_property
    def written(self) -> Written:
        return Written(self.code)


def confirm(experiment: Experiment, *, base: str | None = None,
            renamed: Mapping[str, str] | None = None) -> Confirmed | Refused:
    """Compare an experiment in a base commit with the same in the present tree, and renew its rows if it is the same.

    `base` is the merge base with origin/main unless it is named. `renamed` gives the new names of metrics, parameters,
    attributes or of the experiment itself: {"watch": "validate"}.

    Raises LedgerError where the base is no commit.
    """
    return confirm_all([f"experiment:{experiment.id}"], base=base, renamed=renamed)[f"experiment:{experiment.id}"]


def confirm_all(subjects: Sequence[str], *, base: str | None = None, renamed: Mapping[str, str] | None = None,
                root: Path | None = None) -> dict[str, Confirmed | Refused]:
    """Confirm several subjects, `experiment:<id>` or `weights:<name>`, in one pair of runs."""
    root, names = (root or manifest.find_root()).resolve(), dict(renamed or {})
    was = {subject: _before(subject, names) for subject in subjects}
    found: dict[str, Confirmed | Refused] = {}
    changed: dict[str, Changes] = {}
    with _checkout(root, base or _merge_base(root)) as (folder, commit):
        dirty = bool(_git(root, "status", "--porcelain", "course_lib"))
        trees = (Tree(folder, Code([folder / "course_lib"], renamed=names), commit),
                 Tree(root, Code([root / "course_lib"]), _git(root, "rev-parse", "--short=12", "HEAD"), dirty))
        said = _both(trees, [{"do": "describe", "subjects": some, "lines": {}} for some in ([*was.values()], [*was])])
        old, new = (replace(tree, said=answer) for tree, answer in zip(trees, said, strict=True))
        for subject in subjects:
            judged = _judged_by_form(subject, was[subject], old, new, names)
            if isinstance(judged, tuple):
                changed[subject] = judged
            else:
                found[subject] = judged
        if changed:
            asked = ([was[subject] for subject in changed], [*changed])
            ran = _both((old, new), [{"do": "run", "subjects": some, "lines": _lines(places)} for some, places in
                                     zip(asked, zip(*changed.values(), strict=True), strict=True)])
            for subject, places in changed.items():
                found[subject] = _judged_by_run((ran[0][was[subject]], ran[1][subject]), places, (old, new), names,
                                                times=_times(old.said[was[subject]], new.said[subject], names))
        for subject, verdict in found.items():
            if isinstance(verdict, Confirmed):
                _renew(subject, was[subject], verdict, old, new, names)
    return {subject: found[subject] for subject in subjects}


def stale(*, root: Path | None = None) -> dict[str, str]:
    """Find the subjects whose stored results are of other code, data or weights than today's, and say which those are.

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
    try:
        commit = _git(root, "rev-parse", "--verify", "--short=12", f"{commit}^{{commit}}")
    except LedgerError:
        raise LedgerError(f"there is no commit {commit!r}") from None
    _git(root, "worktree", "prune")     # what a run that was killed left behind
    with tempfile.TemporaryDirectory(prefix="course-base-") as above:
        folder = Path(above).resolve() / "base"
        _git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
        try:
            yield folder, commit
        finally:
            _git(root, "worktree", "remove", "--force", str(folder))


def _both(trees: Sequence[Tree], requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask two trees at the same time, each in a process of its own with that tree first on the path."""
    processes: list[subprocess.Popen] = []
    try:
        for tree, request in zip(trees, requests, strict=True):
            settings = os.environ | {"PYTHONPATH": str(tree.folder), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1",
                                     "COURSE_PROFILE": "smoke", "COURSE_ROOT": str(tree.folder)}
            command = [sys.executable, "-P", str(Path(__file__).with_name("replay.py")), str(tree.folder)]
            processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                              stderr=subprocess.PIPE, env=settings, cwd=tree.folder))
            stdin = processes[-1].stdin
            assert stdin is not None
            stdin.write(json.dumps(request))
            stdin.close()
            processes[-1].stdin = None      # so that `communicate` leaves it alone
        answers = [process.communicate() for process in processes]
    finally:
        for process in processes:
            process.kill()
    for tree, process, (_, complaint) in zip(trees, processes, answers, strict=True):
        if process.returncode:
            last = complaint.strip().rpartition("\n")[2] or f"it ended with {process.returncode}"
            raise LedgerError(f"the tree {tree.commit} could not be run: {last}")
    return [json.loads(answer) for answer, _ in answers]


def _before(subject: str, renamed: Mapping[str, str]) -> str:
    """What a subject was called in the base."""
    kind, _, name = subject.partition(":")
    return f"{kind}:{next((old for old, new in renamed.items() if new == name), name)}"


# By form -------------------------------------------------------------------------------------------------------------


Changes = tuple[list[Place], list[Place]]       # where the statements are that differ, in the base and today


def _judged_by_form(subject: str, was: str, old: Tree, new: Tree,
                    names: Mapping[str, str]) -> Confirmed | Refused | Changes:
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
    if taken := _taken(names, closures[0], old.plain):
        return Refused(f"the new name {taken!r} is a name already in the code of {old.commit}")
    same = sorted(map(old.code.digest, roots[0])) == sorted(map(new.code.digest, roots[1]))
    if same and not _is_data(names, closures[0], old.plain):
        if not names and ours["fingerprint"] != theirs["fingerprint"]:
            return Refused("something that it is made of and that is no code of its own changed")
        return Confirmed(SAME_CODE)
    digests = [{tree.code.digest(one) for one in closure} for tree, closure in zip((old, new), closures, strict=True)]
    found = changes(*(Text(tree.written, tree.written.reached(some), digests[0] & digests[1])
                      for tree, some in zip((old, new), roots, strict=True)))
    return Refused(found) if isinstance(found, str) else found


def _taken(names: Mapping[str, str], closure: set[Definition], plain: Code) -> str:
    """A new name that has a meaning in the base already, which would be mixed up; empty where there is none."""
    often = Counter(names.values())
    words = {word for one in closure for word in plain.words(one) if isinstance(word, str)}
    return next((new for old, new in sorted(names.items()) if often[new] > 1 or new in names or words & {
        f"parameter {new}", f"kept {new}", f"str {new}", f'constant str "{new}"'}), "")


def _is_data(names: Mapping[str, str], closure: set[Definition], plain: Code) -> bool:
    """Whether a renamed word is a whole string in the base: it may be a random stream or a metric, so it has to run."""
    strings = {f'constant str "{name}"' for name in names}
    return any(word in strings for one in closure for word in plain.words(one))


def _lines(changes: Iterable[list[tuple[Path, range]]]) -> dict[str, list[int]]:
    """The lines that the run of a tree should look at, by file, from its root."""
    found: dict[str, set[int]] = {}
    for path, lines in (place for change in changes for place in change):
        inside = path.parts[len(path.parts) - 1 - path.parts[::-1].index("course_lib"):]
        found.setdefault("/".join(inside), set()).update(lines)
    return {path: sorted(lines) for path, lines in found.items()}


# By running ----------------------------------------------------------------------------------------------------------


def _times(old: dict[str, Any], new: dict[str, Any], names: Mapping[str, str]) -> set[str]:
    """The metrics that both trees declare to be times."""
    return {names.get(name, name) for name in old["times"]} & set(new["times"])


def _judged_by_run(ran: Sequence[dict[str, Any]], changed: Changes, trees: Sequence[Tree], names: Mapping[str, str], *,
                   times: set[str]) -> Confirmed | Refused:
    """A verdict on what a subject did in both trees, the base's first."""
    wheres = (trees[0].commit, "the present tree")
    for answer, where in zip(ran, wheres, strict=True):
        if "error" in answer:
            return Refused(f"at smoke it fails in {where}: {answer['error']}")
    metrics = [[{names.get(name, name): value for name, value in row.items()} for row in answer["metrics"]]
               for answer in ran]
    for seed, (before, after) in enumerate(zip(*metrics, strict=True)):
        for name in sorted((before.keys() | after.keys()) - times):
            if before.get(name) != after.get(name):
                return Refused(f"the metric {name} at smoke, seed {seed}, was {_float(before.get(name))} and is"
                               f" {_float(after.get(name))}")
    was, now = ran
    if was["weights"] != now["weights"]:
        return Refused(f"the networks that it trains are other ones ({len(was['weights'])} and {len(now['weights'])})")
    if was["calls"] != now["calls"]:
        before, after = Counter(was["calls"]), Counter(now["calls"])
        gone, come = (next(iter(some), "nothing")[:200] for some in (before - after, after - before))
        return Refused(f"choose, Budget, generator or fit are called otherwise: {gone} became {come}")
    for tree, answer, places, where in zip(trees, ran, changed, wheres, strict=True):
        executed = {(path, line) for path, line in answer["executed"]}
        for path, lines in places:
            if not any((str(path), line) in executed for line in lines):
                return Refused(f"a changed statement is not executed at smoke: {path.relative_to(tree.folder)}, line"
                               f" {lines[0]} of {where}")
    return Confirmed(SAME_AT_SMOKE)


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
        if row.fingerprint != before or before == today:
            return row
        metrics = {names.get(key, key): value for key, value in row.metrics.items()}
        return replace(row, metrics=metrics, fingerprint=today, confirmed=how)

    ledger.rewrite(was.partition(":")[2], name, change=renewed, root=new.folder)
