"""Take turns: a peer and the library, round after round on one machine; the median of the ratios is the result."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """How many times faster than its peer something is, and what was asked for."""

    name: str
    peer: str
    ratio: float
    lowest: float
    highest: float
    wanted: float
    seconds: float        # the library's median round
    peer_seconds: float

    def __str__(self) -> str:
        verdict = "as wanted" if self.ratio >= self.wanted else "BELOW"
        return (f"{self.name}: {self.ratio:.2f} times {self.peer} (rounds {self.lowest:.2f} to {self.highest:.2f}; "
                f"{1000 * self.seconds:.1f} against {1000 * self.peer_seconds:.1f} ms); wanted {self.wanted:g}: "
                f"{verdict}")


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], *, peer: str, wanted: float,
            rounds: int = 5) -> Comparison:
    """Time both alternately after one round each to warm up, and take the median of the rounds' ratios."""
    ours(), theirs()
    pairs = []
    for _ in range(rounds):
        peer_seconds, seconds = _timed(theirs), _timed(ours)
        pairs.append((seconds, peer_seconds))
    ratios = [peer_seconds / seconds for seconds, peer_seconds in pairs]
    return Comparison(name, peer, statistics.median(ratios), min(ratios), max(ratios), wanted,
                      statistics.median(seconds for seconds, _ in pairs), statistics.median(p for _, p in pairs))


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
