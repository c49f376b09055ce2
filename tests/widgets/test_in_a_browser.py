"""Widgets in a real browser, at the widths of a phone, a tablet and a page: they answer, and nothing is cut off."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from reading import PROGRAM, in_a_browser

from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Option, Question, Quiz

WIDTHS = (320, 390, 500, 559, 560, 700, 1100)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="needs a Chromium, and there is none")]

LOOK = """
const frames = [...document.querySelectorAll("iframe")];
const cut = (f) => Math.max(f.contentDocument.body.scrollHeight - f.contentDocument.body.clientHeight,
                            f.contentDocument.body.scrollWidth - f.contentDocument.body.clientWidth);
const said = frames.map((f) => {
  const d = f.contentDocument, found = {width: f.clientWidth, cut: [cut(f)], small: 0, states: [], replies: []};
  for (const img of d.querySelectorAll("img")) {
    const cell = Math.min(img.parentElement.clientWidth, 240), box = img.getBoundingClientRect();
    const shown = Math.min(box.width, box.height * img.naturalWidth / img.naturalHeight);
    found.small = Math.max(found.small, 1 - shown / cell);
  }
  for (const input of d.querySelectorAll("[data-axis]")) {
    for (const value of input.type === "range" ? [...Array(+input.max + 1).keys()] : [input.value]) {
      input.value = value; input.checked = true;
      input.dispatchEvent(new f.contentWindow.Event("input", {bubbles: true}));
      const output = input.closest(".axis").querySelector("output");
      const [img, note, status] = ["img", ".note .text", "[role=status]"].map((name) => d.querySelector(name));
      found.states.push([img.src, img.alt, note?.textContent, status.textContent, output && output.textContent,
                         input.getAttribute("aria-valuetext")]);
      found.cut.push(cut(f));
    }
  }
  for (const button of d.querySelectorAll("button")) {
    button.click();
    const reply = button.parentElement.querySelector(".said");
    found.replies.push([reply.textContent, button.className, d.querySelector(".score").textContent]);
    found.cut.push(cut(f));
  }
  return found;
});
"""

SIGMA = Axis("sigma", (5, 15, 25, 50, 75, 100), "Noise level of the image that the network gets to see", start=2)
METHOD = Axis("method", ("wavelet", "non-local means", "DnCNN", "BM3D"), "Method")


def picture(**state: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(str(state)) + sum(map(ord, str(state))))
    return torch.rand(1, 24, 32, generator=generator)


def note(**state: Any) -> str:
    return f"PSNR {sum(map(ord, str(state))) / 100:.2f} dB, a line long enough to need two on a telephone, as some do"


ONE = Player(picture, (SIGMA,), lambda sigma: f"noise {sigma}", "One.")
MANY = Player(
    lambda **state: {"noisy": picture(**state), "the estimate of a method": picture(), "clean": picture(x=1)},
    (SIGMA, METHOD, Axis("trained", tuple(range(0, 100, 10)), "Trained at")), lambda **state: f"alt {state}", "Many.",
    note=note, encoding="webp", quality=30,
)  # fmt: skip
QUIZ = Quiz([
    Question("What does the residual network predict, and why is that easier to learn than the image itself is?", [
        Option("the noise, because it is what the last layer has to be near when there is little of it", True, "Yes."),
        Option("the image", why="That is what the direct network does. " + "It has to pass the image through. " * 6),
        Option("σ", why="One number for a whole image would not do."),
    ])
] * 3)  # fmt: skip


def look(tmp_path: Path, *widgets: str, widths: tuple[int, ...] = WIDTHS) -> list[dict[str, Any]]:
    """What a browser finds in each widget at each width."""
    boxes = "".join(f'<div style="width:{width}px">{html}</div>' for html in widgets for width in widths)
    return in_a_browser(tmp_path, boxes, LOOK)


def test_nothing_is_cut_off_and_everything_answers_at_every_width(tmp_path: Path) -> None:
    found = look(tmp_path, ONE.html, MANY.html, QUIZ.html)
    ones, many, quizzes = found[: len(WIDTHS)], found[len(WIDTHS) : -len(WIDTHS)], found[-len(WIDTHS) :]
    assert [one["width"] for one in many] == [min(width, 762) for width in WIDTHS]
    for seen in found:
        assert max(seen["cut"]) <= 0, f"cut off by {seen['cut']} px at {seen['width']} px"
        assert seen["small"] < 0.1, f"pictures {seen['small']:.0%} too small at {seen['width']} px"
    for seen in ones:
        sources = [state[0] for state in seen["states"]]
        assert len(set(sources)) == len(SIGMA.values)
        assert [state[1:] for state in seen["states"]] == [
            [f"noise {s}", None, f"noise {s}", f"{s}", f"{s}"] for s in SIGMA.values
        ]
    for seen in many:
        assert seen["states"][5][3] == "alt {'sigma': 100, 'method': 'wavelet', 'trained': 0}. " + note(
            sigma=100, method="wavelet", trained=0
        )
        assert seen["states"][-1][3].startswith("alt {'sigma': 100, 'method': 'BM3D', 'trained': 90}. PSNR")
        assert seen["states"][-1][4:] == ["90", "90"]
    for seen in quizzes:
        replies = {reply: state for reply, *state in seen["replies"][:3]}
        assert replies == {option.reply: ["right" if option.correct else "wrong", f"{option.correct:d} of 3 right"]
                           for option in QUIZ.questions[0].options}  # fmt: skip


def test_what_stands_where_no_scripts_run_is_hidden_where_they_do_however_it_came_into_the_page(tmp_path: Path) -> None:
    """As a page is read, as JupyterLab sets an output, and from a document of its own, where scripts are off."""
    both = json.dumps(ONE.html + QUIZ.html).replace("</", "<\\/")
    found = in_a_browser(tmp_path, f'{ONE.html}{QUIZ.html}<div id="set"></div><div id="read"></div>', f"""
      document.querySelector("#set").innerHTML = {both};
      document.querySelector("#read").append(...new DOMParser().parseFromString({both}, "text/html").body.childNodes);
      const said = [document.querySelectorAll("noscript").length, document.querySelectorAll("iframe").length,
                    [...document.querySelectorAll("noscript, noscript *")].filter((one) => one.offsetHeight).length,
                    document.body.innerText];
    """)
    assert found[:3] == [6, 6, 0] and "Trust Notebook" not in found[3] and "σ" not in found[3]


def test_a_frame_that_is_too_low_is_found(tmp_path: Path) -> None:
    low = re.sub(r"padding-bottom:calc\(.*?\)\"", 'padding-bottom:150px"', QUIZ.html)
    flat = re.sub(r"padding-bottom:calc\(.*?\)\"", 'padding-bottom:250px"', ONE.html)
    found = look(tmp_path, low, flat, widths=(500,))
    assert max(found[0]["cut"]) > 0
    assert found[1]["small"] > 0.3
