"""One line that tells how far a training is: a display with an id in a notebook, tqdm in a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from course_lib.profiles import Budget


class Shown(Protocol):
    """What the line tells of a training."""

    done: int
    budget: Budget
    history: Any


class ProgressLine:
    """One line that tells how far a training is: a display with an id in a notebook, tqdm in a terminal."""

    def __init__(self, run: Shown, *, quiet: bool) -> None:
        self.run, self.quiet, self.shown = run, quiet, 0.0
        self.handle: Any = None
        self.tqdm: Any = None

    def __enter__(self) -> ProgressLine:
        if self.quiet:
            return self
        if _in_notebook():
            from IPython.display import display

            self.handle = display({"text/plain": self._line()}, raw=True, display_id=True)
        else:
            from tqdm import tqdm

            self.tqdm = tqdm(total=self.run.budget.steps, initial=self.run.done, unit="step", leave=False, disable=None)
        return self

    def update(self) -> None:
        now = time.perf_counter()
        if self.tqdm is not None:
            self.tqdm.update()
        elif self.handle is not None and now - self.shown > 0.5:
            self.shown = now
            share = self.run.done / self.run.budget.steps
            self.handle.update({"text/plain": self._line(), "text/html":
                                f'<progress value="{share:.3f}" max="1"></progress> {self._line()}'}, raw=True)

    def __exit__(self, *problem: object) -> None:
        if self.tqdm is not None:
            self.tqdm.close()
        elif self.handle is not None:
            self.handle.update({"text/plain": self._line()}, raw=True)

    def _line(self) -> str:
        run, terms = self.run, {name: values[-1] for name, values in self.run.history.terms.items()}
        validated = {name: values[-1] for name, values in run.history.validated.items()}
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in (terms | validated).items())
        return (f"step {run.done} of {run.budget.steps} · {run.history.seconds:.0f} s"
                f"{' · ' + metrics if metrics else ''}")


def interactive() -> bool:
    """Whether somebody sits at a prompt or a notebook and wants to go on after an interruption."""
    return _in_notebook() or hasattr(sys, "ps1")


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return any(parent.__name__ == "ZMQInteractiveShell" for parent in type(shell).__mro__)   # Colab's is a child of it
