"""The widget of forces: a still picture without scripts, the library's own losses in the page, and the keyboard."""

from __future__ import annotations

import base64
import math
from xml.etree import ElementTree

import pytest
import torch
from reading import PROGRAM, Page, addresses, frame, in_a_browser

from course_lib.arguments import UnknownName
from course_lib.metric.contrastive import forces, slide_loss
from course_lib.widgets.forces import LOSSES, Forces, ForcesError, loss_and_forces

POINTS = ((-2.6, 1.2), (-0.4, 0.3), (0.9, -1.3), (0.5, 1.3), (2.4, 0.2), (-1.0, -0.9), (-2.2, -0.4), (1.6, -0.6))
LABELS = (0, 0, 0, 1, 1, 1, 2, 2)
MARGIN = 1.5
WIDGET = Forces(POINTS, LABELS, margin=MARGIN)

# What the page computes for each loss, at the start, after an arrow key, after a step, squeezed, and started again.
LOOK = """
const f = document.querySelector("iframe"), d = f.contentDocument, W = f.contentWindow, said = {};
const select = d.querySelector("select"), mark = d.querySelectorAll(".mark")[2], svg = d.querySelector("svg");
const read = () => ({forces: JSON.parse(svg.dataset.forces), loss: Number(svg.dataset.loss),
                     at: mark.getAttribute("transform"), words: d.querySelector("[role=status]").textContent,
                     rings: d.querySelectorAll(".rings circle").length});
const press = (name) => { d.querySelector(`[data-do=${name}]`).click(); return read(); };
for (const option of select.options) {
  select.value = option.value;
  select.dispatchEvent(new W.Event("input", {bubbles: true}));
  const start = read();
  mark.focus();
  for (const key of ["ArrowUp", "ArrowRight"]) mark.dispatchEvent(new W.KeyboardEvent("keydown", {key, bubbles: true}));
  const moved = read(), stepped = press("step"), squeezed = press("squeeze"), again = press("again");
  said[option.value] = {start, moved, stepped, squeezed, again};
}
said.cut = Math.max(d.body.scrollHeight - d.body.clientHeight, d.body.scrollWidth - d.body.clientWidth);
"""


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="needs a Chromium, and there is none")
@pytest.mark.parametrize("width", [320, 700])
def test_the_page_computes_what_the_library_does_and_answers_the_keyboard(tmp_path, width):
    said = in_a_browser(tmp_path, f'<div style="width:{width}px">{WIDGET.html}</div>', LOOK)
    assert said.pop("cut") <= 0 and said.keys() == LOSSES.keys()
    start = torch.tensor(POINTS, dtype=torch.float64)
    moved = start + torch.tensor([[0.1, 0.1] if k == 2 else [0.0, 0.0] for k in range(8)])
    for name, seen in said.items():
        for state, points in (("start", start), ("moved", moved), ("again", start)):
            value, expected = loss_and_forces(points, torch.tensor(LABELS), loss=name, margin=MARGIN)
            if name != "soft":                              # there the page leaves out what hardly pulls
                assert torch.allclose(torch.tensor(seen[state]["forces"], dtype=torch.float64), expected, atol=1e-6)
            assert torch.allclose(torch.tensor(seen[state]["forces"], dtype=torch.float64), expected, atol=0.02)
            assert seen[state]["loss"] == pytest.approx(value, abs=1e-6)
        assert seen["stepped"]["loss"] < seen["moved"]["loss"]
        constant = {"slide": MARGIN / 2, "hadsell": MARGIN**2 / 2, "soft": math.log(2)}.get(name, MARGIN)
        assert seen["squeezed"]["loss"] == pytest.approx(constant, abs=0.06)
        assert seen["moved"]["at"] == "translate(80 96)" and seen["again"]["at"] == seen["start"]["at"]
        assert seen["moved"]["rings"] >= 1 and seen["moved"]["words"].startswith("loss ")


def test_without_scripts_it_shows_the_points_with_their_forces():
    inner = frame(WIDGET.html)
    marks = [mark for mark in inner.all("g") if "mark" in mark.attributes.get("class", "").split()]
    assert [mark.attributes["aria-label"] for mark in marks][:2] == ["picture 1, person 1", "picture 2, person 1"]
    assert all(mark.attributes["tabindex"] == "0" for mark in marks) and len(marks) == 8
    assert marks[0].attributes["transform"] == "translate(-208.0 -96.0)"          # upwards is positive
    arrows = [arrow.attributes["d"] for arrow in inner.all("path", class_="arrow")]
    _, expected = loss_and_forces(torch.tensor(POINTS), torch.tensor(LABELS), loss="slide", margin=MARGIN)
    for arrow, force in zip(arrows, expected, strict=True):
        if arrow:
            tip = torch.tensor([float(part) for part in arrow.split("M")[1].split("L")[1].split()])
            assert torch.allclose(tip * torch.tensor([1.0, -1.0]), 0.7 * 80 * 8 * force, atol=0.06)
    assert sum(map(bool, arrows)) >= 6
    assert inner.one("option", selected="").text == LOSSES["slide"]


def test_where_no_scripts_run_at_all_the_same_drawing_stands_as_a_picture():
    image = next(one for one in Page(WIDGET.html).all("img") if "noscript" in one.inside)
    assert image.attributes["alt"] == WIDGET.words
    drawing = ElementTree.fromstring(base64.b64decode(image.attributes["src"].split(",")[1]))
    drawn = [path.get("d") for path in drawing.iter("{http://www.w3.org/2000/svg}path")]
    assert drawn == [path.attributes["d"] for path in frame(WIDGET.html).all("path")] and len(drawn) == 16


def test_two_points_and_a_third_far_away_move_as_the_librarys_forces_say():
    points, labels = torch.tensor([[0.0, 0.0], [3.0, 4.0], [90.0, 0.0]]), torch.tensor([0, 0, 1])
    _, found = loss_and_forces(points, labels, loss="slide", margin=2.0)
    assert torch.allclose(found, forces(points, labels, margin=2.0, loss=slide_loss), atol=1e-6)
    assert torch.allclose(found[1], torch.tensor([-0.3, -0.4]))


def test_it_fetches_nothing_has_words_and_is_the_same_each_time():
    bundle = WIDGET._repr_mimebundle_()
    assert addresses(WIDGET.html) == [] and bundle == Forces(POINTS, LABELS, margin=MARGIN)._repr_mimebundle_()
    assert "8 pictures of 3 people" in bundle["text/plain"]
    assert Page(WIDGET.html).one("iframe").attributes["sandbox"] == "allow-scripts"
    assert frame(Forces(POINTS, LABELS, caption="</script><b>").html).one("title").text == "</script><b>"


@pytest.mark.parametrize(("how", "message"), [
    (dict(labels=(0, 1)), "every point needs a label"), (dict(labels=(0,) * 8), "two people or more"),
    (dict(points=POINTS[:3], labels=(0, 1, 2)), "two pictures of one"), (dict(labels=(9, *LABELS[1:])), "labels are 0"),
    (dict(points=((5.0, 0.0), *POINTS[1:])), "points lie in"), (dict(margin=9.0), "margin lies between"),
    (dict(points=((float("nan"), 0.0), *POINTS[1:])), "points lie in"), (dict(margin=float("nan")), "margin lies")],
    ids=["labels", "one person", "nobody twice", "shapes", "outside", "margin", "no number", "no margin"])
def test_a_lecturer_is_told_what_cannot_be_shown(how, message):
    with pytest.raises(ForcesError, match=message):
        Forces(**{"points": POINTS, "labels": LABELS, **how})


def test_an_unknown_loss_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'hadsell'"):
        Forces(POINTS, LABELS, loss="hadsel")
