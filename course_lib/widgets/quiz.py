"""A quiz for oneself: every wrong answer says why it is wrong, and one may try again.

Texts are plain; `backticks` set code. Formulas are written with letters (σ, η): the frame loads no mathematics.

    Quiz([Question("What does the residual network predict?", [
        Option("the noise", correct=True, why="z - y is what it is trained on."),
        Option("the clean image", why="That is z minus its output."),
    ])])
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from course_lib.widgets import sandbox

MAX_WIDTH = 720


class QuizError(ValueError):
    """A quiz that would leave a student without an answer or an explanation."""


@dataclass(frozen=True)
class Option:
    """One answer to choose; a wrong one must say why it is wrong."""

    text: str
    correct: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise QuizError("an option has no text")
        if not self.correct and not self.why.strip():
            raise QuizError(f"the wrong option {self.text!r} needs why=..., what a student who chose it should read")

    @property
    def reply(self) -> str:
        """What a student who chose this option reads."""
        return f"{'Right.' if self.correct else 'Not this one.'} {self.why}".strip()


@dataclass(frozen=True)
class Question:
    """One question with exactly one right option."""

    text: str
    options: Sequence[Option]

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise QuizError("a question has no text")
        if len(self.options) < 2:
            raise QuizError(f"the question {self.text!r} needs at least two options, got {len(self.options)}")
        if (right := sum(option.correct for option in self.options)) != 1:
            raise QuizError(f"the question {self.text!r} must have exactly one correct option, got {right}")
        if len({option.text for option in self.options}) < len(self.options):
            raise QuizError(f"the question {self.text!r} offers the same option twice")


@dataclass(frozen=True)
class Quiz:
    """Questions with an immediate, explained answer; needs no kernel and keeps no score but the one on the screen."""

    questions: Sequence[Question]
    title: str = "Check yourself"

    def __post_init__(self) -> None:
        if not len(self.questions):
            raise QuizError("a quiz needs at least one question")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.text}

    @property
    def text(self) -> str:
        """The questions and their options for a reader without a browser, answers not given away."""
        lines = [self.title]
        for number, question in enumerate(self.questions, 1):
            lines.append(f"{number}. {question.text}")
            lines += [f"   {chr(96 + i)}) {option.text}" for i, option in enumerate(question.options, 1)]
        return "\n".join(lines)

    @cached_property
    def html(self) -> str:
        """The quiz as HTML that needs nothing but itself."""
        answers = [[[one.correct, _formatted(one.reply)] for one in question.options] for question in self.questions]
        inner = sandbox.document(
            title=self.title,
            style=sandbox.source("quiz.css"),
            body=f"<h1>{escape(self.title)}</h1>"
            + "".join(_fieldset(i, question) for i, question in enumerate(self.questions))
            + f'<p class="score" role="status" aria-live="polite">{len(self.questions)} to answer</p>',
            script=f"const answers = {sandbox.script_data(answers)};\n{sandbox.source('quiz.js')}",
        )
        heights = {width: f"{self._height(max(width, 300))}px" for width in (680, 560, 460, 380, 330, 0)}
        return sandbox.embed(inner, title=f"Quiz: {self.title}", heights=heights, max_width=MAX_WIDTH)

    def _height(self, width: int) -> int:
        """Height that is enough for the quiz in a frame at least this wide, whatever is chosen."""
        inside = width - 58
        total = 98
        for question in self.questions:
            total += sandbox.text_height(f"1. {question.text}", inside, character=8.6) + 58
            total += max(sandbox.text_height(option.reply, inside - 16) for option in question.options)
            total += sum(sandbox.text_height(option.text, inside - 54) + 32 for option in question.options)
        return total


def _formatted(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _fieldset(index: int, question: Question) -> str:
    """A question, its buttons, and a place for the reply as large as the longest one."""
    buttons = "".join(
        f'<button type="button" aria-pressed="false" data-question="{index}" data-option="{i}">'
        f'<span class="mark" aria-hidden="true"></span><span>{_formatted(option.text)}</span></button>'
        for i, option in enumerate(question.options)
    )
    ghosts = "".join(f'<p class="ghost" aria-hidden="true">{_formatted(one.reply)}</p>' for one in question.options)
    return (
        f"<fieldset><legend>{index + 1}. {_formatted(question.text)}</legend>{buttons}"
        f'<div class="slot reply">{ghosts}<p class="said" aria-live="polite"></p></div></fieldset>'
    )
