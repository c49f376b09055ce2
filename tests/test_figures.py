"""Figures: what is drawn is what was given, in words too, whatever the reader's matplotlib is set to."""

from __future__ import annotations

import base64
import io
import math
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from course_lib import figures, quality
from course_lib.figures import FigureError, Paper, Picture

HISTORY = SimpleNamespace(
    steps=[10, 20, 30, 40],
    terms={"loss": [0.5, 0.2, 0.05, 0.01]},
    validation_steps=[20, 40],
    validated={"psnr": [24.5, 28.25]},
    seconds=1.0,
    stopped=None,
)


def clean(size: int = 48, channels: int = 1) -> torch.Tensor:
    """A smooth picture with an edge."""
    ramp = torch.linspace(0.1, 0.6, size).expand(channels, size, size).clone()
    ramp[:, :, size // 2 :] += 0.3
    return ramp


def noise(size: int = 48) -> torch.Tensor:
    return 0.1 * torch.randn(1, size, size, generator=torch.Generator().manual_seed(0))


def pixels(picture: Picture) -> numpy.ndarray:
    """The picture as RGB, 0 to 255."""
    return numpy.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """All elements of a piece of HTML with their attributes; every one that opens must close."""
    found: list[tuple[str, dict[str, str | None]]] = []
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))
            if tag != "img":
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(html)
    assert not opened
    return found


ALL: dict[str, Callable[..., Picture]] = {
    "images": lambda **more: figures.images({"clean": clean(), "noisy": clean() + noise()}, **{"alt": "Two.", **more}),
    "history": lambda **more: figures.history(HISTORY, **more),
    "lines": lambda **more: figures.lines([15, 25], {"net": [31.0, 28.5]}, xlabel="noise", ylabel="PSNR", **more),
    "bars": lambda **more: figures.bars({"net": 28.5, "wavelet": 26.0}, xlabel="PSNR (dB)", **more),
}


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_html_with_alt_text_and_a_caption_an_image_and_words(name: str) -> None:
    text = 'What "we" see: σ < 25 & </figure>'
    bundle = ALL[name](alt=text, caption=text)._repr_mimebundle_(include=None)
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    found = tags(bundle["text/html"])
    source = dict(found)["img"]
    assert source["alt"] == text
    assert source["src"] == f"data:image/png;base64,{bundle['image/png']}"
    assert [tag for tag, _ in found[:3]] == ["figure", "img", "figcaption"]
    assert "What &quot;we&quot; see: σ &lt; 25 &amp; &lt;/figure&gt;" in bundle["text/html"]
    assert bundle["text/plain"] == f"{text}\n{text}"
    assert base64.b64decode(bundle["image/png"])[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", ALL)
def test_a_figure_without_alt_text_is_refused(name: str) -> None:
    with pytest.raises(FigureError, match="needs alt text"):
        ALL[name](alt=" ")


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_the_same_twice_whatever_the_reader_has_set(name: str) -> None:
    import matplotlib

    plain = ALL[name]().png
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "image.cmap": "jet", "lines.linewidth": 9,
                                "figure.dpi": 30, "savefig.bbox": "tight", "axes.grid": False}):  # fmt: skip
        before = dict(matplotlib.rcParams)
        assert ALL[name]().png == plain
        assert dict(matplotlib.rcParams) == before


def test_figures_bring_in_neither_pyplot_nor_a_backend_and_matplotlib_only_when_drawing() -> None:
    code = """
import sys
from course_lib import figures
assert "matplotlib" not in sys.modules
figures.table({"a": {"b": 1.0}}, caption="c").html
assert "matplotlib" not in sys.modules
figures.bars({"a": 1.0}, xlabel="x")
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error::DeprecationWarning:course_lib", "-c", code], check=True)


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_sharp_on_a_page_small_and_white_at_its_corners(name: str) -> None:
    picture = ALL[name]()
    shown = pixels(picture)
    assert picture.width <= 700
    assert 1.4 < shown.shape[1] / picture.width < 1.5
    assert len(picture.png) < 80_000
    assert (shown[0, 0] == 255).all() or name == "images"


CONFUSIONS = {  # in linear light: Machado, Oliveira and Fernandes 2009, severity 1
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def light(colour: str) -> numpy.ndarray:
    return (numpy.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255) ** 2.2


def nearest(colours: tuple[str, ...], kind: str) -> float:
    """How far apart the two most similar colours are for such a reader, out of 255."""
    seen = [(numpy.array(CONFUSIONS[kind]) @ light(colour)).clip(0, 1) ** (1 / 2.2) * 255 for colour in colours]
    return min(float(abs(a - b).max()) for i, a in enumerate(seen) for b in seen[:i])


@pytest.mark.parametrize("kind", CONFUSIONS)
def test_colours_are_told_apart_by_colour_blind_readers(kind: str) -> None:
    assert nearest(figures.COLOURS, kind) > 40
    assert nearest(("#D55E00", "#A88600"), kind) < 25  # a red and an ochre that they confuse


def test_colours_stand_out_from_white() -> None:
    contrasts = [1.05 / (float(light(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05) for colour in figures.COLOURS]
    assert min(contrasts) > 2.95


def test_pictures_are_drawn_as_they_are() -> None:
    image = (torch.arange(16.0).reshape(1, 4, 4) / 15).flip(2)
    shown = pixels(figures.images({"a": image}, alt="A staircase."))
    top = next(row for row in range(len(shown)) if abs(shown[row] - 255 * 3 / 15).max(axis=1).min() <= 1 and row > 20)
    block = shown[top:, :, 0]
    cell = block.shape[1] // 4
    centres = block[cell // 2 :: cell, cell // 2 :: cell][:4, :4]
    assert abs(centres - (image[0].numpy() * 255).round()).max() <= 1


def test_titles_carry_the_psnr_of_quality_and_the_reference_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    real = figures._picture

    def spy(draw: Callable, *arguments: Any, **more: Any) -> Picture:
        def both(figure: Any) -> None:
            draw(figure)
            titles.extend(axes.get_title() for axes in figure.axes)

        return real(both, *arguments, **more)

    monkeypatch.setattr(figures, "_picture", spy)
    y, z = clean(), clean() + noise()
    figures.images({"clean": y, "noisy": z, "noise": z - y}, reference=y, signed=["noise"], alt="Three.")
    value = float(quality.psnr(z[None], y[None]))
    assert titles[:3] == ["clean", f"noisy\n{value:.2f} dB", "noise"]
    assert 18 < value < 22


def test_a_difference_is_white_at_zero_red_above_and_blue_below() -> None:
    step = torch.tensor([-0.2, 0.0, 0.2]).repeat_interleave(16).expand(1, 48, 48)
    shown = pixels(figures.images({"d": step}, signed=["d"], alt="A step."))
    row = shown[len(shown) // 2]
    below, zero, above = row[len(row) // 6], row[len(row) // 2], row[-len(row) // 6]
    assert below[2] > below[0] + 50 and above[0] > above[2] + 50
    assert zero.min() > 240 and abs(zero - zero.mean()).max() < 4


def test_the_zoomed_square_is_enlarged_in_the_corner_farthest_from_it() -> None:
    image = torch.zeros(1, 64, 64)
    image[:, 2:10, 2:10] = 1.0
    plain = pixels(figures.images({"": image}, alt="A white square."))
    zoomed = pixels(figures.images({"": image}, alt="A white square.", zoom=(2, 2, 8)))
    height, width = plain.shape[:2]
    corner = (slice(int(0.7 * height), int(0.9 * height)), slice(int(0.7 * width), int(0.9 * width)))
    assert plain[corner].max() == 0
    assert zoomed[corner].min() == 255


def test_a_gray_figure_is_stored_gray_and_a_plot_with_a_palette() -> None:
    assert Image.open(io.BytesIO(ALL["images"]().png)).mode == "L"
    assert Image.open(io.BytesIO(ALL["bars"]().png)).mode == "P"
    assert Image.open(io.BytesIO(figures.images([clean(channels=3) * 0.9 + 0.05 * torch.eye(3)[0][:, None, None]],
                                                alt="Colour.").png)).mode == "RGB"  # fmt: skip


def test_a_batch_is_shown_without_titles() -> None:
    batch = torch.rand(12, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    shown = pixels(figures.images(batch, alt="Twelve patches.", columns=6))
    assert shown.shape[1] / shown.shape[0] == pytest.approx(3, rel=0.05)


def test_alt_text_of_a_history_is_its_numbers() -> None:
    one = figures.history(HISTORY, labels={"psnr": "validation PSNR (dB)"})
    assert one.alt == "Training curves. 40 steps, loss from 0.5 to 0.01, validation PSNR (dB) from 24.5 to 28.2."
    two = figures.history({"residual": HISTORY, "direct": HISTORY})
    assert "residual: 40 steps" in two.alt and "direct: 40 steps" in two.alt
    assert two.png != one.png


def test_a_history_takes_what_fit_returns() -> None:
    from course_lib.fit import History

    run = History(steps=[1, 2], terms={"data": [1.0, 0.5], "prior": [0.2, 0.1]})
    assert figures.history(run).alt == "Training curves. 2 steps, data from 1 to 0.5, prior from 0.2 to 0.1."


def test_an_empty_history_says_so() -> None:
    empty = SimpleNamespace(steps=[], terms={"loss": []}, validation_steps=[], validated={})
    with pytest.raises(FigureError, match="no step was logged"):
        figures.history(empty)


def test_lines_say_their_numbers_and_keep_them_in_a_table_with_the_papers_marked() -> None:
    picture = figures.lines(
        [15, 25, 50], {"net": [31.5, 29.0, None], "runs": ([1.0, 2, 3], [0, 1, 2], [2, 3, 4])},
        paper={"net": {15: 31.6, 50: 26.2}}, xlabel="noise level", ylabel="PSNR (dB)",
    )  # fmt: skip
    assert picture.alt == (
        "PSNR (dB) against noise level. net: 31.5 at 15 to 29 at 25. runs: 1 at 15 to 3 at 50. "
        "net in the paper: 31.6 at 15 to 26.2 at 50."
    )
    assert picture.data is not None
    assert [line.split() for line in picture.data.text.splitlines()[2:5]] == [
        ["15", "31.5", "1", "31.6†"],
        ["25", "29", "2", "–"],
        ["50", "–", "3", "26.2†"],
    ]
    assert "<details><summary>Numbers</summary>" in picture.html
    tags(picture.html)


def test_a_band_changes_the_picture_and_so_do_the_papers_points() -> None:
    mean = [1.0, 2.0]
    plain = figures.lines([1, 2], {"a": mean}, xlabel="x", ylabel="y")
    band = figures.lines([1, 2], {"a": (mean, [0.5, 1.5], [1.5, 2.5])}, xlabel="x", ylabel="y")
    paper = figures.lines([1, 2], {"a": mean}, paper={"a": {1: 1.5}}, xlabel="x", ylabel="y")
    assert len({plain.png, band.png, paper.png}) == 3


def test_three_points_in_a_tuple_are_a_curve_and_no_band() -> None:
    assert figures.lines([1, 2, 3], {"a": (5.0, 6.0, 7.0)}, xlabel="x", ylabel="y").alt.endswith("5 at 1 to 7 at 3.")


def test_bars_say_their_numbers_which_are_the_papers_and_where_the_axis_starts() -> None:
    picture = figures.bars({"net": 28.5, "BM3D": 28.57}, xlabel="PSNR (dB)", paper=["BM3D"], base=20)
    assert picture.alt == "PSNR (dB). net 28.50, BM3D (paper) 28.57."
    grouped = figures.bars({"15": {"net": 31.0}, "25": {"net": 28.5}}, xlabel="PSNR (dB)")
    assert grouped.alt == "PSNR (dB). 15: net 31.00. 25: net 28.50."
    assert picture.data is not None and "28.57†" in picture.data.text


ROWS = {
    "wavelet": {"15": 28.631, "25": 26.2, "parameters": 0},
    "net": {"15": 31.1, "25": 28.71, "parameters": 29_000},
    "DnCNN-S": {"15": 31.73, "25": 29.23, "parameters": 554_112},
    "BM3D": {"15": Paper(31.07), "25": math.nan},
}


def test_a_table_reads_aloud_with_its_caption_and_heads() -> None:
    found = tags(figures.table(ROWS, caption="PSNR (dB)", corner="method", paper=["DnCNN-S"]).html)
    names = [tag for tag, _ in found]
    assert names.count("caption") == 1
    assert [a["scope"] for tag, a in found if tag == "th"] == ["col"] * 4 + ["row"] * 4
    assert names.count("td") == 4 * 3 + 1  # and the note


def test_a_table_in_plain_text_is_aligned_and_marks_what_the_paper_says() -> None:
    text = figures.table(ROWS, caption="PSNR (dB)", corner="method", paper=["DnCNN-S"]).text
    assert text.splitlines() == [
        "PSNR (dB)",
        "method      15      25   parameters",
        "wavelet  28.63   26.20            0",
        "net      31.10   28.71       29\u202f000",
        "DnCNN-S  31.73†  29.23†     554\u202f112†",
        "BM3D     31.07†      –            –",
        "† printed in the paper, not measured here.",
    ]


def test_the_papers_numbers_are_in_italics_and_never_the_best() -> None:
    html = figures.table(ROWS, caption="c", paper=["DnCNN-S"], best={"15": "max", "parameters": "min"}).html
    assert "<i>31.73</i><abbr" in html and "<i>31.07</i><abbr" in html
    assert html.count("<b>") == 2 and "<b>31.10</b>" in html and "<b>0</b>" in html
    forgotten = figures.table(ROWS, caption="c", best={"15": "max", "parameters": "min"}).html
    assert "<b>31.73</b>" in forgotten  # without the mark it would be


def test_equal_values_as_shown_are_both_the_best_and_a_lone_one_is_not() -> None:
    html = figures.table(
        {"a": {"x": 1.001}, "b": {"x": 1.002}, "c": {"x": 0.5, "y": 3.0}}, caption="c", best="max"
    ).html
    assert html.count("<b>1.00</b>") == 2 and html.count("<b>") == 2


def test_a_table_escapes_what_it_shows() -> None:
    html = figures.table({"<b>": {'"a" & b': "</td>"}}, caption="σ < 25").html
    tags(html)
    assert "&lt;b&gt;" in html and "&quot;a&quot; &amp; b" in html and "&lt;/td&gt;" in html and "σ &lt; 25" in html


class Remark:
    html, text = "<details><summary>a &lt; b</summary></details>", "a < b"


def test_a_note_stands_folded_below_the_caption_and_below_the_plain_text() -> None:
    drawn = figures.bars({"a": 1.0}, xlabel="x", caption="c", note=Remark())
    assert drawn.html.endswith(f"</details>{Remark.html}</figcaption></figure>")  # behind the folded numbers
    assert drawn._repr_mimebundle_()["text/plain"] == "c\nx. a 1.00.\na < b"
    curve = figures.lines([1, 2], {"a": [1.0, 2.0]}, xlabel="x", ylabel="y", note=[Remark(), Remark()])
    assert curve.html.count(Remark.html) == 2
    table = figures.table({"a": {"x": 1.0}}, caption="c", note=Remark())
    assert table.html.endswith(f"</table>{Remark.html}</div>") and table.text.endswith("\na < b")
    assert figures.bars({"a": 1.0}, xlabel="x").png == figures.bars({"a": 1.0}, xlabel="x", note=Remark()).png


def test_scored_pictures_are_clipped_and_have_their_psnr_in_the_title() -> None:
    y = torch.full((1, 1, 8, 8), 0.95)
    shown = figures.scored({"bright": y + 0.1, "exact": y}, reference=y)
    assert list(shown) == ["bright, 26.02 dB", "exact, inf dB"]  # the error is 0.05 after clipping
    assert float(shown["bright, 26.02 dB"].max()) == 1.0


@pytest.mark.parametrize("reference", [1.5 * clean(), clean() - 1])
def test_a_reference_that_is_no_clean_picture_is_refused(reference: torch.Tensor) -> None:
    for draw in (
        lambda: figures.images({"noisy": clean()}, alt="a", reference=reference),
        lambda: figures.scored({"noisy": clean()[None]}, reference=reference[None]),
    ):
        with pytest.raises(ValueError, match=r"the reference: expected values in \[0, 1\]"):
            draw()


def test_a_panel_is_a_small_plot_as_a_picture() -> None:
    panel = figures.panel(lambda axes: axes.plot([0, 1], [0, 1], color="red"), (2.0, 1.0), dpi=50)
    assert panel.shape == (3, 50, 100) and panel.dtype == torch.float32
    assert float(panel.max()) == 1.0 and bool((panel[0] - panel[1] > 0.5).any())


def test_a_frame_lies_around_its_square_and_is_cut_at_the_border() -> None:
    gray = torch.full((1, 1, 6, 7), 0.5)
    shown = figures.framed(gray, top=0, left=2, size=3, colour=(1.0, 0.0, 0.25))
    assert shown.shape == (1, 3, 6, 7) and bool((gray == 0.5).all())
    marked = (shown[0] != 0.5).any(dim=0)
    rows = ["0100010", "0100010", "0100010", "0111110", "0000000", "0000000"]
    assert marked.int().tolist() == [[int(mark) for mark in row] for row in rows]
    assert shown[0, :, 3, 3].tolist() == [1.0, 0.0, 0.25]


def test_code_shows_the_source_of_several_objects() -> None:
    shown = figures.code(figures.FigureError, figures.Picture.html.fget)
    assert shown.text.startswith("class FigureError(ValueError):") and "\n\n    @property\n    def html" in shown.text
    assert shown.html.startswith('<details class="source"><summary>The library\'s <code>FigureError</code>, ')
    assert "highlight" in shown.html and shown._repr_mimebundle_()["text/plain"] == shown.text


Y = clean()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.images({"z": (Y * 255).to(torch.uint8)}, alt="a"), "'z' is torch.uint8.*divide by 255"),
        (lambda: figures.images({"z": Y * 255}, alt="a"), "values up to.*divide by 255"),
        (lambda: figures.images({"z": Y[0]}, alt="a"), r"shape \(48, 48\), expected \(C, H, W\)"),
        (lambda: figures.images({"z": Y * math.nan}, alt="a"), "NaN"),
        (lambda: figures.images({"z": numpy.zeros((1, 4, 4))}, alt="a"), "is ndarray"),
        (lambda: figures.images({}, alt="a"), "at least one picture"),
        (lambda: figures.images(Y, alt="a"), r"\(N, C, H, W\), got \(1, 48, 48\)"),
        (lambda: figures.images({"z": Y}, alt="a", signed=["noise"]), "'noise', which is not among the pictures"),
        (lambda: figures.images({"z": Y.expand(3, 48, 48)}, alt="a", signed=["z"]), "one channel of a difference"),
        (lambda: figures.images({"z": Y}, alt="a", zoom=(40, 0, 16)), "not inside picture 'z' of 48 x 48"),
        (lambda: figures.images({"z": Y[:, :24]}, alt="a", reference=Y), r"the reference has \(1, 48, 48\)"),
        (lambda: figures.lines([1, 2], {"a": [1.0]}, xlabel="x", ylabel="y"), "'a' has 1 values, but x has 2"),
        (lambda: figures.lines([], {}, xlabel="x", ylabel="y"), "at least one curve"),
        (lambda: figures.bars({}, xlabel="x"), "at least one value"),
        (lambda: figures.bars({"a": 1.0, "g": {"a": 2.0}}, xlabel="x"), "not both at once"),
        (lambda: figures.bars({"a": 1.0}, xlabel="x", base=2), "below the base 2"),
        (lambda: figures.bars({"a": 1.0}, xlabel="x", paper=["b"]), "'b', which is not among the bars"),
        (lambda: figures.table({}, caption="c"), "at least one row"),
        (lambda: figures.table(ROWS, caption="c", paper=["BM4D"]), "'BM4D', which is neither a row"),
        (lambda: figures.table(ROWS, caption="c", columns=["15"]), "which is not among the columns"),
        (lambda: figures.table(ROWS, caption="c", best="highest"), "best is 'max' or 'min'"),
        (lambda: figures.images({"z": Y}, alt="a", columns=-1), "columns: expected"),
        (lambda: figures.images({"z": Y}, alt="a", columns=0), "columns: expected"),
        (lambda: figures.bars({"a": math.nan}, xlabel="x"), "bar 'a' is nan"),
        (lambda: figures.bars({"g": {"a": 1.0, "b": math.inf}}, xlabel="x"), "bar 'b' is inf"),
        (lambda: figures.table({"a": {"b": torch.zeros(3)}}, caption="c"), r"a tensor \(3,\) for 'b'"),
        (lambda: figures.framed(Y[0], top=0, left=0, size=4, colour=(1.0, 0.0, 0.0)), "C = 1 or 3"),
        (lambda: figures.framed(Y.expand(2, 48, 48), top=0, left=0, size=4, colour=(1.0, 0.0, 0.0)), "C = 1 or 3"),
    ],
)
def test_a_lecturer_is_told_what_is_wrong(draw: Callable[[], object], message: str) -> None:
    with pytest.raises(FigureError, match=message):
        draw()
