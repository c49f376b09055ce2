"""Show where claims stand: as text of 80 columns, or as plain data for JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from course_lib.claims.ledger import State, Status, number

STATES: tuple[State, ...] = ("holds", "fails", "stale", "missing")
VERBS = {"holds": "hold", "fails": "fail"}


def as_text(statuses: Sequence[Status], *, width: int = 80) -> str:
    """Write one block per claim: state, sentence, source, the paper's values beside the measured ones, and the
    reason."""
    blocks = [_block(status, width) for status in statuses]
    return "\n\n".join([*blocks, tally(statuses)])


def tally(statuses: Sequence[Status]) -> str:
    """Count in one line how many claims hold, fail, are stale or missing."""
    count = Counter(status.state for status in statuses)
    words = [f"{count[state]} {VERBS.get(state, state) if count[state] != 1 else state}" for state in STATES]
    return f"{len(statuses)} claim{'s' * (len(statuses) != 1)}: {', '.join(words)}"


def as_data(statuses: Sequence[Status]) -> list[dict[str, object]]:
    """Return the statuses as dictionaries, which JSON can write."""
    return [
        {
            "id": status.claim.id,
            "sentence": status.claim.sentence,
            "source": status.claim.source,
            "experiment": status.claim.experiment.id,
            "profile": status.profile,
            "seeds": list(status.seeds),
            "state": status.state,
            "holds": status.verdict.holds if status.verdict else None,
            "stale": status.stale,
            "because": status.because,
            "paper": status.claim.paper,
            "metrics": {name: asdict(summary) for name, summary in status.metrics.items()},
        }
        for status in statuses
    ]


def _block(status: Status, width: int) -> str:
    claim = status.claim
    stale = f" ({'held' if status.verdict.holds else 'failed'})" if status.stale and status.verdict else ""
    lines = [f"{status.state.upper()}{stale}  {claim.id}"]
    lines += _wrapped("", claim.sentence, width) + _wrapped("source: ", claim.source, width)
    if claim.paper:
        seeds = f"measured ({status.profile}, {len(status.seeds)} seed{'s' * (len(status.seeds) != 1)})"
        wide = max(len(name) for name in (*claim.paper, "metric"))
        lines.append(f"  {'metric':<{wide}}  {'paper':>9}  {seeds}")
        for name, value in claim.paper.items():
            found = status.metrics.get(name)
            span = f"   {number(found.low)} .. {number(found.high)}" if found and found.n > 1 else ""
            lines.append(f"  {name:<{wide}}  {number(value):>9}  {found or '-'}{span}")
    return "\n".join(lines + _wrapped("because: ", status.because, width))


def _wrapped(label: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        label + text,
        width,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
