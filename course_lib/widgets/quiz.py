"""A quiz for oneself: every wrong answer says why it is wrong, and one may try again.

A lecture writes its quiz as text, which `Quiz.parse` reads. Texts are plain; `backticks` set code. Formulas are written
with letters (σ, η): the frame loads no mathematics. In which order the options are shown does not depend on the order
in which they are written, where the right one tends to be first.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from course_lib.widgets import sandbox

MAX_WIDTH = 720
_OPTION = re.compile(r"- ?\[([ x])\]([^|]*)(?:\|(.*))?")


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
            raise QuizError(
                f"the wrong option {self.text!r} needs why=... or | ... in a text: what a student who chose it reads"
            )

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

    @property
    def shuffled(self) -> list[Option]:
        """The options as they are shown: in a random order that is the same each time, drawn by hashing the texts."""
        return sorted(self.options, key=lambda one: hashlib.sha256(f"{self.text}\0{one.text}".encode()).digest())


@dataclass(frozen=True)
class Quiz:
    """Questions with an immediate, explained answer; needs no kernel and keeps no score but the one on the screen."""

    questions: Sequence[Question]
    title: str = "Check yourself"

    def __post_init__(self) -> None:
        if not len(self.questions):
            raise QuizError("a quiz needs at least one question")

    @classmethod
    def parse(cls, text: str, *, title: str = "Check yourself") -> Quiz:
        """Read a quiz from text: paragraphs of a question and its options, with blank lines between them.

        `- [x] text` is the right option, `- [ ] text | why` a wrong one with its reason; the right one may have a
        reason too. A long line continues on the next one, which is indented. A number before a question is left out.

        >>> quiz = Quiz.parse('''
        ... What does the residual network predict?
        ... - [x] the noise | z - y is what it is trained on.
        ... - [ ] the clean image | That is z
        ...   minus its output.
        ... ''')
        >>> [option.reply for option in quiz.questions[0].options]
        ['Right. z - y is what it is trained on.', 'Not this one. That is z minus its output.']
        """
        paragraphs: list[list[tuple[int, str]]] = [[]]
        for number, line in enumerate(textwrap.dedent(text).splitlines(), 1):
            if line.strip():
                paragraphs[-1].append((number, line))
            elif paragraphs[-1]:
                paragraphs.append([])
        return cls([_question(paragraph) for paragraph in paragraphs if paragraph], title)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.text}

    @property
    def text(self) -> str:
        """The questions and their options for a reader without a browser, answers not given away."""
        lines = [self.title]
        for number, question in enumerate(self.questions, 1):
            lines.append(f"{number}. {question.text}")
            lines += [f"   {line}" for line in _lettered(question)]
        return "\n".join(lines)

    @cached_property
    def html(self) -> str:
        """The quiz as HTML that needs nothing but itself."""
        answers = [[[one.correct, _formatted(one.reply)] for one in question.shuffled] for question in self.questions]
        unread = base64.b64encode(json.dumps(answers).encode()).decode()  # who looks at the source sees no answers
        inner = sandbox.document(
            title=self.title,
            style=sandbox.source("quiz.css"),
            body=f"<h1>{escape(self.title)}</h1>"
            + "".join(_fieldset(i, question) for i, question in enumerate(self.questions))
            + f'<p class="score" role="status" aria-live="polite">{len(self.questions)} to answer</p>',
            script=f'const answers = JSON.parse(atob("{unread}"));\n{sandbox.source("quiz.js")}',
        )
        lines = [[f"{n}. {question.text}", *_lettered(question)] for n, question in enumerate(self.questions, 1)]
        still = f"<p><strong>{escape(self.title)}</strong></p>" + "".join(
            f"<p>{'<br>'.join(map(_formatted, question))}</p>" for question in lines
        )
        heights = {width: f"{self._height(max(width, 300))}px" for width in (680, 560, 460, 380, 330, 0)}
        return sandbox.embed(inner, title=f"Quiz: {self.title}", still=still, heights=heights, max_width=MAX_WIDTH)

    def _height(self, width: int) -> int:
        """Height that is enough for the quiz in a frame at least this wide, whatever is chosen."""
        inside = width - 58
        total = 98
        for question in self.questions:
            total += sandbox.text_height(f"1. {question.text}", inside, character=8.6) + 58
            total += max(sandbox.text_height(option.reply, inside - 16) for option in question.options)
            total += sum(sandbox.text_height(option.text, inside - 54) + 32 for option in question.options)
        return total


@contextmanager
def _in_line(number: int) -> Iterator[None]:
    """Say in which line of the text a mistake is."""
    try:
        yield
    except QuizError as error:
        raise QuizError(f"line {number}: {error}") from None


def _question(paragraph: Sequence[tuple[int, str]]) -> Question:
    """The question of a paragraph, given as numbered lines."""
    whole: list[tuple[int, str]] = []  # the question, then each option, with the number of its first line
    for number, line in paragraph:
        if not whole or line.startswith("-"):
            whole.append((number, line.strip()))
        elif line[0].isspace() or len(whole) == 1:
            begun, start = whole[-1]
            whole[-1] = (begun, f"{start} {line.strip()}")
        else:
            raise QuizError(
                f"line {number}: expected an option, got {line!r}. An option starts with '- [x]' or '- [ ]', a line"
                " that continues one is indented, and a blank line comes before the next question"
            )
    (number, text), *options = whole
    if text.startswith("-"):
        raise QuizError(f"line {number}: expected a question before its options, got {text!r}")
    found = [_option(*option) for option in options]
    with _in_line(number):
        return Question(re.sub(r"^\d+[.)]\s+", "", text), found)


def _option(number: int, line: str) -> Option:
    with _in_line(number):
        if (match := _OPTION.fullmatch(line)) is None:
            raise QuizError(f"expected an option, '- [x] right' or '- [ ] wrong | why', got {line!r}")
        mark, text, why = match.groups(default="")
        return Option(text.strip(), correct=mark == "x", why=why.strip())


def _formatted(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _lettered(question: Question) -> list[str]:
    return [f"{chr(96 + i)}) {option.text}" for i, option in enumerate(question.shuffled, 1)]


def _fieldset(index: int, question: Question) -> str:
    """A question, its buttons, and a place for the reply, which the script makes as large as the longest one."""
    buttons = "".join(
        f'<button type="button" aria-pressed="false" data-question="{index}" data-option="{i}">'
        f'<span class="mark" aria-hidden="true"></span><span>{_formatted(option.text)}</span></button>'
        for i, option in enumerate(question.shuffled)
    )
    return (
        f"<fieldset><legend>{index + 1}. {_formatted(question.text)}</legend>{buttons}"
        '<div class="slot reply"><p class="said" aria-live="polite"></p></div></fieldset>'
    )
