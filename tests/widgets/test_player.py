"""A player: every setting shows exactly what render returned, in one piece of HTML that needs nothing else."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import sys
from collections.abc import Callable
from html import escape
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from reading import Page, addresses, frame
from torch import Tensor

from course_lib.widgets import pictures
from course_lib.widgets.pictures import PlayerError
from course_lib.widgets.player import Axis, Player

SIGMA = Axis("sigma", (0, 15, 25), "Noise level", start=1)
METHOD = Axis("method", ("wavelet", "DnCNN"), "Method")


def picture(sigma: float, method: str = "", size: int = 12, channels: int = 1) -> Tensor:
    """A small picture that is another one for each setting."""
    generator = torch.Generator().manual_seed(int(sigma) * 100 + len(method))
    return torch.rand(channels, size, size, generator=generator)


def alt(**state: object) -> str:
    return "a picture with " + ", ".join(f"{name} {value}" for name, value in state.items())


def player(**changes: Any) -> Player:
    """A player of two axes and six settings, with what a test wants changed."""
    plain: dict[str, Any] = {"render": picture, "axes": (SIGMA, METHOD), "alt": alt, "caption": "What to see."}
    return Player(**{**plain, **changes})


def data(html: str) -> dict[str, Any]:
    """What the script of a player works with, the pictures that stand in the page put back in their places."""
    inner = frame(html)
    match = re.search(r"const data = (.*?);\n", inner.one("script").text)
    assert match
    found = json.loads(match.group(1))
    for image in inner.all("img"):
        found["images"][int(image.attributes["data-image"])] = image.attributes["src"]
    return found


def decoded(address: str) -> numpy.ndarray:
    """The pixels of a picture written into a page."""
    return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))))


def expected(image: Tensor) -> numpy.ndarray:
    """A picture (C, H, W) or (1, C, H, W) as 8-bit pixels, one at a time."""
    channels = image.reshape(image.shape[-3:]).tolist()
    planes = [[[math.floor(v * 255 + 0.5) for v in row] for row in channel] for channel in channels]
    return numpy.array(planes[0]) if len(planes) == 1 else numpy.stack(planes, axis=-1)


def faults(shown: Player, html: str) -> list[str]:
    """In which settings a page shows other pixels, alt text or notes than the player's own functions give."""
    found, wrong = data(html), []
    states = list(shown.states)
    if len(found["states"]) != len(states):
        return ["another number of settings"]
    for state, (indices, titles, words, note) in zip(states, found["states"], strict=True):
        answer = shown.render(**state)
        panels = answer if isinstance(answer, dict) else {"": answer}
        pairs = zip(indices, panels.values(), strict=True)
        same = [numpy.array_equal(decoded(found["images"][i]), expected(p)) for i, p in pairs]
        if not all(same) or titles != list(panels):
            wrong.append(f"pictures of {state}")
        if words != shown.alt(**state):
            wrong.append(f"alt of {state}")
        if note != (shown.note(**state) if shown.note else ""):
            wrong.append(f"note of {state}")
    return wrong


PLAYERS = {
    "one axis": player(axes=(SIGMA,)),
    "two axes": player(),
    "colour": player(render=lambda **state: picture(**state, channels=3)),
    "a batch of one": player(axes=(SIGMA,), render=lambda sigma: picture(sigma)[None]),
    "two panels with a note": player(
        render=lambda sigma, method: {"noisy": picture(sigma), f"by {method}": picture(sigma, method)},
        note=lambda sigma, method: f"PSNR {sigma + len(method):.2f} dB",
    ),
}


@pytest.mark.parametrize("name", PLAYERS)
def test_every_setting_shows_what_render_returned_and_says_so(name: str) -> None:
    assert faults(PLAYERS[name], PLAYERS[name].html) == []


def test_settings_differ_where_render_differs() -> None:
    found = data(player().html)
    assert len({found["images"][state[0][0]] for state in found["states"]}) == 6


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (escape('[[0],[""]'), escape('[[1],[""]')),  # the first setting shows the second's picture
        ("sigma 25, method DnCNN", "sigma 25"),  # alt text of another setting
    ],
)
def test_a_page_that_shows_something_else_is_found(old: str, new: str) -> None:
    shown = player()
    assert faults(shown, shown.html.replace(old, new))


@pytest.mark.parametrize("broken", ["axes in the wrong order", "cut instead of rounded", "compressed", "one for all"])
def test_a_broken_player_is_found(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = player()
    if broken == "axes in the wrong order":
        turned = player(axes=(METHOD, SIGMA))
        assert faults(shown, turned.html)
        return
    if broken == "cut instead of rounded":
        monkeypatch.setattr("course_lib.widgets.player.pixels", lambda p, call: (p * 255).to(torch.uint8))
    if broken == "compressed":
        shown = player(encoding="jpeg")
    if broken == "one for all":
        monkeypatch.setattr(pictures, "_key", lambda p: (tuple(p.shape), b""))
    assert faults(shown, shown.html)


def test_the_bundle_holds_html_the_first_picture_and_words() -> None:
    shown = player()
    bundle = shown._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    pixels = decoded("," + bundle["image/png"])
    assert numpy.array_equal(pixels, expected(picture(15, "wavelet")))
    assert bundle["text/plain"] == "What to see.\na picture with sigma 15, method wavelet"


def test_the_start_is_in_the_page_without_its_script_and_the_others_are_in_it_once() -> None:
    html = player().html
    image = frame(html).one("img")
    assert numpy.array_equal(decoded(image.attributes["src"]), expected(picture(15, "wavelet")))
    assert image.attributes["alt"] == "a picture with sigma 15, method wavelet"
    assert Page(html).one("iframe").attributes["srcdoc"].count("data:image/png") == 6


def test_panels_side_by_side_are_one_picture_where_html_is_not_shown() -> None:
    shown = player(axes=(SIGMA,), render=lambda sigma: {"a": picture(sigma, size=8), "b": picture(sigma, size=12)})
    pixels = decoded("," + shown._repr_mimebundle_()["image/png"])
    assert pixels.shape == (12, 8 + 8 + 12)
    assert numpy.array_equal(pixels[:8, :8], expected(picture(15, size=8)))
    assert numpy.array_equal(pixels[:, 16:], expected(picture(15, size=12)))


def still(shown: Player) -> tuple[numpy.ndarray, str, str]:
    """What stands for a player where no scripts run: its picture's pixels, alt text, and the words below."""
    page = Page(shown.html)
    image = next(one for one in page.all("img") if "noscript" in one.inside)
    assert image.attributes["src"].startswith("data:image/")
    return decoded(image.attributes["src"]), image.attributes["alt"], page.one("noscript").text


def test_where_no_scripts_run_the_start_stands_with_its_titles_note_and_settings() -> None:
    shown = PLAYERS["two panels with a note"]
    _, alt, text = still(shown)
    assert alt == shown.frames[shown.start].alt and "Trust Notebook" in text
    assert text.startswith("noisy | by waveletPSNR 22.00 dBNoise level: 15, Method: wavelet")
    pixels, _, _ = still(player())
    assert numpy.array_equal(pixels[::20, ::20], expected(picture(15, "wavelet"))), "12 square pixels, 20 times as wide"
    assert pixels.shape == (240, 240)


def test_a_large_start_picture_is_compressed_and_adds_little_to_the_page() -> None:
    shown = player(axes=GRID, render=noisy)
    pixels, _, _ = still(shown)
    error = pixels.astype(float)[..., 0] - expected(noisy(5, 5))
    assert 10 * math.log10(255**2 / (error**2).mean()) > 25
    html = shown.html
    assert len(html[html.index("<noscript>"):html.index("</noscript>")]) < 0.05 * len(html)


def test_the_frame_is_sandboxed_named_and_fetches_nothing() -> None:
    html = player(note=lambda **_: "a note").html
    attributes = Page(html).one("iframe").attributes
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["title"] == "Interactive figure: What to see."
    assert addresses(html) == []
    policy = frame(html).one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")


@pytest.mark.parametrize(
    "planted",
    ['<img src="https://example.org/a.png">', '<link href="/style.css">', "<style>@import 'x'</style>",
     "<style>a{background:url(x.png)}</style>", '<iframe srcdoc="&lt;img src=&quot;x.png&quot;&gt;"></iframe>',
     "<script>fetch('//example.org')</script>"],
)  # fmt: skip
def test_a_planted_address_is_found(planted: str) -> None:
    assert addresses(player().html + planted)


def test_every_control_has_a_label_a_value_in_words_and_a_place_to_announce() -> None:
    inner = frame(player().html)
    slider, output = inner.one("input", type="range"), inner.one("output")
    assert inner.one("label", for_=slider.attributes["id"]).text == "Noise level"
    assert (slider.attributes["min"], slider.attributes["max"], slider.attributes["value"]) == ("0", "2", "1")
    assert slider.attributes["aria-valuetext"] == output.text == "15"
    assert inner.one("legend").text == "Method"
    radios = inner.all("input", type="radio")
    assert ["checked" in radio.attributes for radio in radios] == [True, False]
    assert {radio.attributes["name"] for radio in radios} == {"axis1"}
    assert inner.one("p", role="status").attributes["aria-live"] == "polite"
    assert all(element.attributes["alt"].strip() for element in inner.all("img"))


def test_many_names_make_a_slider_that_reads_the_names() -> None:
    names = tuple(f"method {i}" for i in range(7))
    shown = player(axes=(Axis("method", names, "Method", start=3),), render=lambda method: picture(0, method))
    slider = frame(shown.html).one("input", type="range")
    assert slider.attributes["aria-valuetext"] == "method 3"
    assert data(shown.html)["values"] == [list(names)]


@pytest.mark.parametrize("text", ['a "quoted" <b>tag</b> & more', "</script><script>alert(1)</script>", "σ ≤ ½ 雑音 '"])
def test_every_text_arrives_as_it_was_written(text: str) -> None:
    axes = (Axis("sigma", (0, 1), text), Axis("method", (text, "other"), "Method"))
    shown = player(
        axes=axes, caption=text, alt=lambda **_: text, note=lambda **_: text,
        render=lambda sigma, method: {text: picture(sigma), "b": picture(1)},
    )  # fmt: skip
    page, inner = Page(shown.html), frame(shown.html)
    assert page.one("figcaption").text == text
    assert page.one("iframe").attributes["title"] == f"Interactive figure: {text}"
    assert inner.one("label", for_="axis0").text == text
    assert inner.all("span", class_="text")[0].text == inner.all("img")[0].attributes["alt"] == text
    assert len(inner.all("script")) == 1 and not inner.all("b")
    assert data(shown.html)["states"][0] == [[0, 1], [text, "b"], text, text]


def test_the_same_player_gives_the_same_bytes_twice() -> None:
    assert player()._repr_mimebundle_() == player()._repr_mimebundle_()


def test_a_setting_is_rendered_once() -> None:
    calls = []

    def render(sigma: float, method: str) -> Tensor:
        calls.append((sigma, method))
        return picture(sigma, method)

    shown = player(render=render)
    assert calls == []
    shown._repr_mimebundle_()
    shown._repr_mimebundle_()
    assert calls == [(s, m) for s in SIGMA.values for m in METHOD.values]


def noisy(sigma: float, trained: float) -> Tensor:
    """The hardest case for a PNG: 256 x 256 pixels of noise, another one each time."""
    generator = torch.Generator().manual_seed(int(sigma * 1000 + trained))
    return (0.5 + 25 / 255 * torch.randn(1, 256, 256, generator=generator)).clamp(0, 1)


GRID = (Axis("sigma", (5, 10, 15, 25, 35, 50), "a"), Axis("trained", (5, 15, 25, 50), "b"))


def test_a_grid_of_noise_is_compressed_says_so_and_stays_small() -> None:
    shown = player(axes=GRID, render=noisy)
    html = shown.html
    assert len(html) < 1_500_000
    assert "(Pictures compressed: WebP, quality 90.)" in Page(html).one("figcaption").text
    found = data(html)
    error = decoded(found["images"][0]).astype(float)[..., 0] - expected(noisy(5, 5))
    assert 10 * math.log10(255**2 / (error**2).mean()) > 30


def test_pictures_that_settings_share_are_stored_once_and_a_small_player_is_exact() -> None:
    def render(sigma: float, trained: float) -> dict[str, Tensor]:
        return {"noisy": picture(1), "other": picture(sigma)}

    shown = player(axes=GRID, render=render)
    assert len(data(shown.html)["images"]) == 1 + 6
    assert "compressed" not in Page(shown.html).one("figcaption").text
    assert faults(shown, shown.html) == []


@pytest.mark.parametrize(("encoding", "kind"), [("png", "png"), ("webp", "webp"), ("jpeg", "jpeg")])
def test_the_encoding_can_be_chosen(encoding: str, kind: str) -> None:
    found = data(player(encoding=encoding).html)
    assert all(image.startswith(f"data:image/{kind};base64,") for image in found["images"])


def test_small_pictures_are_shown_as_square_pixels_unless_told_otherwise() -> None:
    assert "--pixels:pixelated" in player().html
    assert "--pixels:auto" in player(pixelated=False).html
    assert "--pixels:auto" in player(axes=(SIGMA,), render=lambda sigma: picture(sigma, size=160)).html


def image(value: Tensor) -> Callable[..., Tensor]:
    return lambda **_: value


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Axis("sigma", (), "Level"), "needs values"),
        (lambda: Axis("sigma", "abc", "Level"), "needs values"),
        (lambda: Axis("sigma", (1, 2), "Level", start=2), "positions 0 to 1: start is a position in values"),
        (lambda: Axis("sigma", (1, 2), "Level", start=-1), "starts at position -1"),
        (lambda: Axis("noise level", (1, 2), "Level"), "named like an argument"),
        (lambda: Axis("lambda", (1, 2), "Level"), "named like an argument"),
        (lambda: Axis("sigma", (1, 2), " "), "no label"),
        (lambda: Axis("sigma", (1, 1.0), "Level"), "same text for two values"),
        (lambda: player(axes=()), "needs an axis"),
        (lambda: player(axes=(SIGMA, SIGMA)), "two axes have the same name"),
        (lambda: player(caption=""), "needs a caption"),
        (lambda: player(encoding="gif"), "encoding is 'auto'"),
        (lambda: player(quality=101), "quality is a whole number"),
        (lambda: player(quality=0.9), "quality is a whole number"),
        (lambda: player(render=image(torch.zeros(1, 4, 4, dtype=torch.uint8))).html, r"uint8.*/ 255"),
        (lambda: player(render=image(torch.full((1, 4, 4), 255.0))).html, "divide by 255"),
        (lambda: player(render=image(torch.full((1, 4, 4), 1.2))).html, r"clamp\(0, 1\)"),
        (lambda: player(render=image(torch.full((1, 4, 4), math.nan))).html, "NaN"),
        (lambda: player(render=image(torch.zeros(4, 4))).html, r"shape \(4, 4\).*\(C, H, W\)"),
        (lambda: player(render=image(torch.zeros(2, 1, 4, 4))).html, r"shape \(2, 1, 4, 4\)"),
        (lambda: player(render=image(torch.zeros(2, 4, 4))).html, "C = 1 or 3"),
        (lambda: player(render=lambda **_: numpy.zeros((1, 4, 4))).html, r"sigma=0, method='wavelet'.*ndarray"),
        (lambda: player(render=lambda **_: {}).html, "no picture"),
        (lambda: player(render=lambda sigma, method: torch.zeros(1, 4, int(sigma) + 1)).html, "keep one size"),
        (lambda: player(alt=lambda **_: "").html, "alt.*says what the picture shows"),
        (lambda: player(alt=lambda **_: None).html, "returned None"),
        (lambda: player(note=lambda **_: 28.3).html, "a line of text"),
        (lambda: player(axes=(Axis("sigma", range(300), "Level"),)).html, r"300 \(sigma\) = 300 settings.*live"),
        (lambda: player(axes=(SIGMA,), render=lambda sigma: picture(sigma, size=900, channels=3), encoding="png").html,
         "MB as png.*smaller crop"),
    ],
)  # fmt: skip
def test_a_lecturer_is_told_what_is_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(PlayerError, match=message):
        build()


COMMON = {"RadioButtons", "SelectionSlider", "Image", "HTML", "VBox", "Layout"}  # in ipywidgets 7.7 and in 8


@pytest.fixture
def restricted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An ipywidgets of which only the names that 7.7 and 8 share are there."""
    full = pytest.importorskip("ipywidgets")
    shared = SimpleNamespace(**{name: getattr(full, name) for name in COMMON})
    monkeypatch.setitem(sys.modules, "ipywidgets", shared)
    return shared


def test_the_live_player_shows_what_render_returns_for_the_chosen_setting(restricted: Any) -> None:
    shown = PLAYERS["two panels with a note"]
    shot, words, sigma, method, caption = shown.live().children
    before = shot.value
    sigma.value, method.value = 25, "DnCNN"
    pixels = numpy.asarray(Image.open(io.BytesIO(shot.value)))
    assert shot.value != before
    assert numpy.array_equal(pixels[:, 20:], expected(picture(25, "DnCNN")))
    assert "noisy | by DnCNN<br>PSNR 30.00 dB<br>a picture with sigma 25, method DnCNN" in words.value
    assert "What to see." in caption.value
    assert (sigma.description, method.description) == ("Noise level", "Method")
    assert type(method).__name__ == "RadioButtons" and type(sigma).__name__ == "SelectionSlider"


def test_the_live_player_renders_only_what_is_chosen_so_it_has_no_limit(restricted: Any) -> None:
    calls: list[float] = []

    def render(sigma: float) -> Tensor:
        calls.append(sigma)
        return picture(sigma)

    shown = player(axes=(Axis("sigma", tuple(range(1000)), "Level"),), render=render)
    sigma = shown.live().children[2]
    sigma.value = 700
    assert calls == [0, 700]


def test_without_ipywidgets_live_says_what_is_missing_and_the_player_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(PlayerError, match="live\\(\\) needs ipywidgets"):
        player().live()
    assert player().html
