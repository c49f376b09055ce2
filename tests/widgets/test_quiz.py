"""A quiz: one right option a question, a reason for every wrong one, and HTML that needs nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from reading import Page, addresses, frame

from course_lib.widgets.quiz import Option, Question, Quiz, QuizError

RIGHT, WRONG = Option("the noise", correct=True, why="It is z - y."), Option("the image", why="That is z minus it.")


def quiz(text: str = "What does `net` predict?") -> Quiz:
    return Quiz([Question(text, [WRONG, RIGHT]), Question("And why?", [RIGHT, WRONG])])


def answers(html: str) -> list:
    match = re.search(r"const answers = (.*?);\n", frame(html).one("script").text)
    assert match
    return json.loads(match.group(1))


def test_every_question_is_a_group_of_buttons_with_a_place_for_the_reply() -> None:
    inner = frame(quiz().html)
    assert [legend.text for legend in inner.all("legend")] == ["1. What does net predict?", "2. And why?"]
    buttons = inner.all("button")
    places = [(b.attributes["data-question"], b.attributes["data-option"]) for b in buttons]
    assert places == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
    assert all("fieldset" in b.inside and b.attributes["type"] == "button" for b in buttons)
    assert len(inner.all("p", class_="said", aria_live="polite")) == 2
    assert inner.one("p", role="status").text == "2 to answer"
    assert inner.one("code").text == "net"


def test_the_script_knows_what_is_right_and_what_to_say() -> None:
    wrong, right = [False, "Not this one. That is z minus it."], [True, "Right. It is z - y."]
    assert answers(quiz().html) == [[wrong, right], [right, wrong]]


def test_the_reply_keeps_the_room_of_the_longest_reason_hidden_from_readers() -> None:
    ghosts = frame(quiz().html).all("p", class_="ghost")
    assert len(ghosts) == 4
    assert all(ghost.attributes["aria-hidden"] == "true" for ghost in ghosts)


def test_plain_text_lists_the_questions_and_gives_no_answer_away() -> None:
    bundle = quiz()._repr_mimebundle_(include=None)
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"].splitlines() == [
        "Check yourself",
        "1. What does `net` predict?",
        "   a) the image",
        "   b) the noise",
        "2. And why?",
        "   a) the noise",
        "   b) the image",
    ]


def test_the_frame_is_sandboxed_named_and_fetches_nothing() -> None:
    html = quiz().html
    attributes = Page(html).one("iframe").attributes
    assert (attributes["sandbox"], attributes["title"]) == ("allow-scripts", "Quiz: Check yourself")
    assert addresses(html) == []


@pytest.mark.parametrize("text", ['a "quoted" <b>tag</b> & more', "</script><script>alert(1)</script>", "σ ≤ ½ 雑音 '"])
def test_every_text_arrives_as_it_was_written(text: str) -> None:
    options = [Option(text, why=text), Option("other", correct=True)]
    html = Quiz([Question(text, options)], title=text).html
    inner = frame(html)
    assert inner.one("h1").text == text
    assert inner.one("legend").text == f"1. {text}"
    assert inner.all("button")[0].text == text
    assert Page(f"<p>{answers(html)[0][0][1]}</p>").one("p").text == f"Not this one. {text}"
    assert len(inner.all("script")) == 1 and not inner.all("b")


def test_the_same_quiz_gives_the_same_bytes_twice() -> None:
    assert quiz()._repr_mimebundle_() == quiz()._repr_mimebundle_()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Option("the image"), "'the image' needs why"),
        (lambda: Option("the image", why=" "), "needs why"),
        (lambda: Option(" ", why="x"), "no text"),
        (lambda: Question("Why?", [RIGHT]), "at least two options, got 1"),
        (lambda: Question("Why?", [WRONG, Option("b", why="x")]), "exactly one correct option, got 0"),
        (lambda: Question("Why?", [RIGHT, Option("b", correct=True)]), "exactly one correct option, got 2"),
        (lambda: Question("Why?", [RIGHT, Option("the noise", why="x")]), "same option twice"),
        (lambda: Question("", [RIGHT, WRONG]), "no text"),
        (lambda: Quiz([]), "at least one question"),
    ],
)
def test_a_lecturer_is_told_what_is_missing(build: Callable[[], object], message: str) -> None:
    with pytest.raises(QuizError, match=message):
        build()


def test_a_right_option_needs_no_reason() -> None:
    assert Option("the noise", correct=True).reply == "Right."
