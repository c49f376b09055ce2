"""The ledger: each empirical sentence of the course, with the experiment behind it and the verdict of its metrics.

Beside the ledger itself (`ledger`, `criteria`, `report`) and the protocols that several methods are measured by
(`denoising`, `transfer`, `unseen`), each module of this package is named after a method and has a tuple `CLAIMS`.
`discover` finds them all.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from course_lib.arguments import suggest
from course_lib.claims.criteria import Metric, bound, exceeds, growing, together
from course_lib.claims.ledger import (
    REPORTING,
    Claim,
    Experiment,
    LedgerError,
    Result,
    Status,
    Summary,
    Verdict,
    first_seeds,
    measured,
    number,
    results,
    run,
    status,
    summarise,
)

__all__ = [
    "REPORTING", "Claim", "Experiment", "LedgerError", "Metric", "Result", "Status", "Summary", "Verdict", "bound",
    "discover", "exceeds", "first_seeds", "growing", "measured", "number", "results", "run", "select", "status",
    "summarise", "together",
]  # fmt: skip

# All other modules are named after a method.
_MACHINERY = ("answers", "changes", "cite", "confirm", "criteria", "denoising", "ledger", "replay", "report",
              "transfer", "unseen")


def discover() -> tuple[Claim, ...]:
    """Find all claims of the course, method by method in alphabetical order."""
    claims: list[Claim] = []
    for module in sorted(entry.name for entry in pkgutil.iter_modules(__path__)):
        if module not in _MACHINERY:
            claims += _claims_of(module)
    _check_unique(claims)
    return tuple(claims)


def select(claims: Sequence[Claim], names: Sequence[str]) -> tuple[Claim, ...]:
    """Find the claims that are meant by some words: ids of claims, ids of experiments, or methods; without a word all
    of them."""
    if not names:
        return tuple(claims)
    known: dict[str, list[Claim]] = {}
    for claim in claims:
        for name in {claim.id, claim.experiment.id, claim.id.split("-")[0]}:
            known.setdefault(name, []).append(claim)
    for name in names:
        if name not in known:
            hint = suggest(name, known) or "`course claims list` shows them"
            raise LedgerError(f"unknown claim or experiment {name!r}: {hint}")
    chosen = {id(claim) for name in names for claim in known[name]}
    return tuple(claim for claim in claims if id(claim) in chosen)


def _claims_of(name: str) -> tuple[Claim, ...]:
    module = importlib.import_module(f"{__name__}.{name}")
    claims = getattr(module, "CLAIMS", None)
    if not isinstance(claims, tuple) or not all(isinstance(claim, Claim) for claim in claims):
        raise LedgerError(f"course_lib/claims/{name}.py needs a tuple CLAIMS of Claim objects")
    if wrong := [claim.id for claim in claims if not claim.id.startswith(f"{name}-")]:
        raise LedgerError(f"course_lib/claims/{name}.py: the claim {wrong[0]!r} must be named {name}-...")
    return claims


def _check_unique(claims: Sequence[Claim]) -> None:
    seen: dict[str, Claim] = {}
    owners: dict[str, Experiment] = {}
    for claim in claims:
        if claim.id in seen:
            raise LedgerError(f"two claims are called {claim.id!r}")
        seen[claim.id] = claim
        if owners.setdefault(claim.experiment.id, claim.experiment) != claim.experiment:
            raise LedgerError(f"two experiments are called {claim.experiment.id!r}")
