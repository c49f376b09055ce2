"""A quiz: one right option a question, a reason for every wrong one, and HTML that needs nothing else."""

from __future__ import annotations

import base64
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
    match = re.search(r'const answers = JSON.parse\(atob\("(.*?)"\)\);\n', frame(html).one("script").text)
    assert match
    return json.loads(base64.b64decode(match.group(1)))


def shown(html: str) -> list[list[str]]:
    """The texts of each question's buttons, in their order."""
    found: dict[str, list[str]] = {}
    for button in frame(html).all("button"):
        found.setdefault(button.attributes["data-question"], []).append(button.text)
    return list(found.values())


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
    replies = {"the image": [False, "Not this one. That is z minus it."], "the noise": [True, "Right. It is z - y."]}
    html = quiz().html
    assert answers(html) == [[replies[text] for text in texts] for texts in shown(html)]


def test_plain_text_and_what_stands_where_no_scripts_run_list_the_questions_as_the_frame_does() -> None:
    bundle = quiz()._repr_mimebundle_(include=None)
    assert set(bundle) == {"text/html", "text/plain"}
    (one, two), (three, four) = shown(bundle["text/html"])
    lines = ["Check yourself", "1. What does `net` predict?", f"a) {one}", f"b) {two}", "2. And why?", f"a) {three}",
             f"b) {four}"]  # fmt: skip
    assert [line.strip() for line in bundle["text/plain"].splitlines()] == lines
    still = Page(bundle["text/html"]).one("noscript").text
    assert still.startswith("".join(lines).replace("`", "")) and "Trust Notebook" in still


def test_nothing_but_a_choice_gives_an_answer_away() -> None:
    bundle = quiz()._repr_mimebundle_()
    for reply in ("Right.", "Not this one.", "It is z - y", "That is z minus it"):
        assert reply not in bundle["text/plain"]
        assert reply not in bundle["text/html"].partition("const buttons")[0]


def test_the_order_of_options_is_that_of_their_texts_not_of_their_writing() -> None:
    options = [Option(letter, letter == "a", "x") for letter in "abcdef"]
    orders = {"".join(one.text for one in Question(f"Number {n}?", options).shuffled) for n in range(50)}
    assert len(orders) > 40 and all(sorted(order) == list("abcdef") for order in orders)
    assert Question("Why?", options).shuffled == Question("Why?", options[::-1]).shuffled
    assert [one.text for one in Question("Why?", options).shuffled] == list("feabcd")


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
    assert sorted(button.text for button in inner.all("button")) == sorted([text, "other"])
    place = shown(html)[0].index(text)
    assert Page(f"<p>{answers(html)[0][place][1]}</p>").one("p").text == f"Not this one. {text}"
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


WRITTEN = """
1. What does `net`
   predict?
- [ ] the image | That is
  z minus it.
- [x] the noise | It is z - y.

And why?
Think.
- [x] a | b, c
- [ ] d | it holds | always
"""


def test_a_quiz_is_read_from_text() -> None:
    read = Quiz.parse(WRITTEN, title="T")
    first = Question("What does `net` predict?", [WRONG, RIGHT])
    second = Question("And why? Think.", [Option("a", True, "b, c"), Option("d", why="it holds | always")])
    assert read == Quiz([first, second], title="T")
    assert read.html == Quiz([first, second], title="T").html


def test_a_text_may_be_indented_as_a_whole() -> None:
    assert Quiz.parse(WRITTEN.replace("\n", "\n    ")) == Quiz.parse(WRITTEN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one question"),
        ("- [x] a\n- [ ] b | c", r"^line 1: expected a question before its options, got '- \[x\] a'"),
        ("Why?\n- [x] a\n- b", r"^line 3: expected an option, '- \[x\] right' or '- \[ \] wrong \| why', got '- b'"),
        ("Why?\n- [x] a\n- [y] b | c", "^line 3: expected an option"),
        ("\nWhy?\n- [x] a\n- [ ] b", r"^line 4: the wrong option 'b' needs why=... or \| ... in a text"),
        ("Why?\n- [x] a\n- [ ] b |", "^line 3: the wrong option 'b' needs why"),
        ("Why?\n- [x] a\n- [ ] | c", "^line 3: an option has no text"),
        ("Why?\n- [x] a\n- [ ] b | c\nd", "^line 4: expected an option, got 'd'.*continues one is indented"),
        ("Why?\n- [x] a\n- [ ] b | c\nAnd?\n- [x] e\n- [ ] f | g", "^line 4: .*blank line comes before the next"),
        ("Why?\n\n- [x] a\n- [ ] b | c", r"^line 1: the question 'Why\?' needs at least two options, got 0"),
        ("Why?\n- [ ] a | b\n- [ ] c | d", r"^line 1: the question 'Why\?' must have exactly one correct option"),
        ("A?\n- [x] a\n- [ ] b | c\n\nWhy?\n- [x] a\n- [x] c", "^line 5: .*exactly one correct option, got 2"),
    ],
)
def test_the_line_of_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(QuizError, match=message):
        Quiz.parse(text)
