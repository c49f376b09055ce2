"""The three outcomes of a check, as text and as HTML: not attempted, incorrect (and why), correct."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check says: one sentence or a few, and the student's line that they speak of, if there is one."""

    why: str
    place: str = ""

    word: ClassVar[str] = ""
    colours: ClassVar[tuple[str, str]] = ("", "")   # text and background; contrast above 7 to 1

    def __repr__(self) -> str:
        return "\n  ".join(filter(None, [f"{self.word}: {_sentence(self.why)}", self.place]))

    def _repr_html_(self) -> str:
        text, background = self.colours
        place = f'<pre style="margin:.5em 0 0;color:inherit;background:none;white-space:pre-wrap">{escape(self.place)}'\
                "</pre>" if self.place else ""
        return (f'<div role="status" style="color:{text};background:{background};border-left:.4em solid {text};'
                f'padding:.6em .9em;max-width:46em"><strong>{self.word}:</strong> {_marked(_sentence(self.why))}'
                f"{place}</div>")


class Correct(Verdict):
    """Every case agrees."""

    word = "Correct"
    colours = ("#0b4f22", "#e6f4ea")


class Incorrect(Verdict):
    """Something differs; `why` says what, and for a known misconception which."""

    word = "Incorrect"
    colours = ("#7a1210", "#fdecea")


class NotAttempted(Verdict):
    """Nothing to judge yet."""

    word = "Not attempted yet"
    colours = ("#27364b", "#e9eef6")


@dataclass(frozen=True, repr=False)
class Hint:
    """One hint of several, each saying more than the one before."""

    text: str
    number: int
    total: int

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.total}: {self.text}"

    def _repr_html_(self) -> str:
        return (f'<div role="note" style="color:#27364b;background:#e9eef6;border-left:.4em solid #27364b;'
                f'padding:.6em .9em;max-width:46em"><strong>Hint {self.number} of {self.total}:</strong> '
                f"{_marked(self.text)}</div>")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _marked(text: str) -> str:
    """Escape a sentence; what stands between backticks becomes code.

    >>> _marked("`a < b` holds")
    '<code style="color:inherit;background:none">a &lt; b</code> holds'
    """
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:   # an unpaired backtick, from an error message for instance: leave all as they are
        return escape(text)
    return "".join(f'<code style="color:inherit;background:none">{part}</code>' if i % 2 else part
                   for i, part in enumerate(parts))
