"""Runs one subject of the fuzz tests: each defect alone, or some that hypothesis chooses, together.

    python tests/fuzz/fuzzing.py                 # write falls_short.txt: which functions fail, and in which way
    python tests/fuzz/fuzzing.py metric.triplet  # print each defect that makes a function of metric.triplet fail

A function is free of what `falls_short.txt` says of it, and of nothing else: it can only get shorter, since what a new
function does wrong fails its test.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path as File

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from judging import fault
from spoils import Path, Spoil, places, spoilt
from subjects import CHANGED, CHAOTIC, INFINITE, Subject, subjects

FALLS_SHORT = File(__file__).with_name("falls_short.txt")
TOGETHER = "together"  # fails with several defects, and with none of them alone
Defect = tuple[Path, Spoil]


def defects(subject: Subject, *, without: Sequence[str] = ()) -> list[Defect]:
    """Every defect that an argument of a function can have, but for those of some groups."""
    everywhere = places(subject.arguments(), subject.fed)
    return [(path, spoil) for path, spoilings in everywhere for spoil in spoilings if spoil.group not in without]


def complaint(subject: Subject, chosen: Sequence[Defect]) -> str | None:
    """What a function does wrong with some defects in its arguments."""
    told = [spoil for _, spoil in chosen]
    same = bool(told) and all(spoil.same for spoil in told) and subject.name not in CHAOTIC
    return fault(
        subject,
        spoilt(subject.arguments(), chosen),
        ordinary=all(spoil.ordinary for spoil in told) and subject.name not in INFINITE,
        finite=all(spoil.finite for spoil in told),
        expected=subject(**subject.arguments()) if same else None,
        changed=CHANGED.get(subject.name),
    )


def each(subject: Subject) -> Iterator[tuple[Defect, str]]:
    """The defects that a function does not bear, one by one."""
    for defect in defects(subject):
        if wrong := complaint(subject, [defect]):
            yield defect, wrong


def fuzz(subject: Subject, *, examples: int, without: Sequence[str]) -> None:
    """Call a function with random defects, the same ones every time; what fails is shown with as few as possible."""
    known = defects(subject, without=without)
    if not known:
        return
    several = st.lists(st.sampled_from(known), min_size=1, max_size=1 if TOGETHER in without else 3, unique=True)

    @seed(zlib.crc32(subject.name.encode()))
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(several)
    def run(chosen: list[Defect]) -> None:
        wrong = complaint(subject, chosen)
        assert wrong is None, f"{subject.name}, {shown(chosen)}: {wrong}"

    run()


def shown(chosen: Sequence[Defect]) -> str:
    """Defects in words: `z: as float16; sigma: NaN`."""
    return "; ".join(f"{'.'.join(map(str, path))}: {spoil.name}" for path, spoil in chosen)


def falls_short() -> dict[str, tuple[str, ...]]:
    """What the list says: the groups of defects that a function does not bear."""
    lines = (line.split(": ") for line in FALLS_SHORT.read_text(encoding="utf-8").splitlines())
    return {name: tuple(groups.split(", ")) for name, groups in lines}


def short(subject: Subject) -> list[str]:
    """The groups of defects that a function does not bear, as the list has them."""
    groups = sorted({spoil.group for (_, spoil), _ in each(subject)})
    try:
        for examples in (20, 200):
            fuzz(subject, examples=examples, without=groups)
    except AssertionError:
        groups.append(TOGETHER)
    return groups


def main(parts: Sequence[str]) -> None:
    for name, subject in subjects().items():
        if any(name.startswith(part) for part in parts):
            print(*(f"{name}, {shown([defect])}: {wrong}" for defect, wrong in each(subject)), sep="\n")
    if not parts:
        lines = []
        for name, subject in subjects().items():
            if groups := short(subject):
                lines.append(f"{name}: {', '.join(groups)}\n")
                print(lines[-1], end="", flush=True)
        FALLS_SHORT.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
