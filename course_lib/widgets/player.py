"""A player shows what a method does when its settings move: sliders choose among pictures rendered beforehand.

It works on a page without a kernel, because every picture is inside the page. With a kernel, `Player.live` renders
on demand.

    Player(
        render=lambda sigma: {"noisy": noisy(sigma).clamp(0, 1), "denoised": network(noisy(sigma)).clamp(0, 1)},
        axes=(Axis("sigma", (5, 15, 25, 50), "Noise level (of 255)", start=2),),
        alt=lambda sigma: f"A castle with noise of level {sigma} and what the network makes of it",
        note=lambda sigma: f"PSNR {psnrs[sigma]:.2f} dB",
        caption="The network was trained at 25 only.",
    )
"""

from __future__ import annotations

import itertools
import keyword
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any

from torch import Tensor

from course_lib import profiles
from course_lib.widgets import sandbox
from course_lib.widgets.pictures import Encoding, Frame, PlayerError, address, base64_text, gallery, pixels

Value = float | str

MAX_FRAMES = 256  # settings of a player
WIDE = 560  # px from which controls stand in two columns; player.css knows it too
STILL_QUALITY = 75  # of the start picture where no scripts run
STILL_WIDTH = 240  # px up to which square pixels are enlarged there
MAX_RADIOS = 5  # named values up to which all of them are shown at once


@dataclass(frozen=True)
class Axis:
    """One setting that the reader moves: its name as an argument of `render`, its values in order, and its label.

    Values are numbers, or names such as "wavelet" and "DnCNN". `start` is the position of the value shown first.
    """

    name: str
    values: Sequence[Value]
    label: str
    start: int = 0

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise PlayerError(f"an axis is named like an argument of render, such as 'sigma'; got {self.name!r}")
        if isinstance(self.values, str) or not len(self.values):
            raise PlayerError(f"axis {self.name!r} needs values, as in values=(15, 25, 50); got {self.values!r}")
        if not self.label.strip():
            raise PlayerError(f"axis {self.name!r} has no label: say what the reader moves, as in 'Noise level'")
        if not 0 <= self.start < len(self.values):
            raise PlayerError(
                f"axis {self.name!r} starts at position {self.start}, but it has positions 0 to "
                f"{len(self.values) - 1}: start is a position in values, not a value"
            )
        if len(set(self.texts)) < len(self.values):
            raise PlayerError(f"axis {self.name!r} shows the same text for two values: {', '.join(self.texts)}")

    @property
    def texts(self) -> tuple[str, ...]:
        """What stands at the control for each value."""
        return tuple(value if isinstance(value, str) else f"{value:g}" for value in self.values)

    @property
    def radios(self) -> bool:
        """Whether the values are a few names, all shown at once, rather than positions of a slider."""
        return any(isinstance(value, str) for value in self.values) and len(self.values) <= MAX_RADIOS


@dataclass(frozen=True)
class Player:
    """Sliders over pictures that were rendered beforehand, in one self-contained piece of HTML.

    `render` takes one keyword argument per axis and returns a float image in [0, 1], (C, H, W) or (1, C, H, W), with
    one channel or three; or several side by side, as a dict from title to image (titles may change with the setting,
    as in "denoised, 28.31 dB"). `alt` takes the same arguments and says in words what the picture shows. The same
    arguments must always give the same picture: it is rendered once and kept.

    Optional: `note`, a line under the picture, such as its PSNR; `encoding` of the pictures: "png" is exact, "webp" and
    "jpeg" with `quality` are smaller (the caption then says so), "auto" is exact where that stays small; `pixelated`
    shows square pixels when enlarged (by default for pictures narrower than 128 pixels).
    """

    render: Callable[..., Tensor | Mapping[str, Tensor]]
    axes: tuple[Axis, ...]
    alt: Callable[..., str]
    caption: str
    note: Callable[..., str] | None = None
    encoding: Encoding = "auto"
    quality: int = 90
    pixelated: bool | None = None

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        if not names:
            raise PlayerError("a player needs an axis, as in axes=(Axis('sigma', (15, 25, 50), 'Noise level'),)")
        if len(set(names)) < len(names):
            raise PlayerError(f"two axes have the same name: {', '.join(names)}")
        if not self.caption.strip():
            raise PlayerError("a player needs a caption that says what to see")
        if self.encoding not in ("auto", "png", "webp", "jpeg"):
            raise PlayerError(f"encoding is 'auto', 'png', 'webp' or 'jpeg'; got {self.encoding!r}")
        if not isinstance(self.quality, int) or not 1 <= self.quality <= 100:
            raise PlayerError(f"quality is a whole number from 1 to 100; got {self.quality!r}")

    @property
    def states(self) -> Iterator[dict[str, Value]]:
        """The arguments of every setting, the last axis moving fastest."""
        names = [axis.name for axis in self.axes]
        values = itertools.product(*(axis.values for axis in self.axes))
        return (dict(zip(names, chosen, strict=True)) for chosen in values)

    def frame(self, **state: Value) -> Frame:
        """Render one setting, and check what came."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in state.items())
        answer = self.render(**state)
        named = answer.items() if isinstance(answer, Mapping) else [("", answer)]
        panels = tuple((str(title), pixels(picture, f"render({arguments})")) for title, picture in named)
        if not panels:
            raise PlayerError(f"render({arguments}) returned no picture")
        alt = self.alt(**state)
        if not isinstance(alt, str) or not alt.strip():
            raise PlayerError(f"alt({arguments}) returned {alt!r}: return a sentence that says what the picture shows")
        note = self.note(**state) if self.note else ""
        if not isinstance(note, str):
            raise PlayerError(f"note({arguments}) returned {note!r}: return a line of text")
        return Frame(panels, alt, note)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """All settings, rendered once, in the order of `states`."""
        count = math.prod(len(axis.values) for axis in self.axes)
        if count > MAX_FRAMES:
            counts = " x ".join(f"{len(axis.values)} ({axis.name})" for axis in self.axes)
            raise PlayerError(
                f"{counts} = {count} settings are too many for a page (at most {MAX_FRAMES}): "
                "use fewer values, or show live() in class"
            )
        frames = tuple(self.frame(**state) for state in self.states)
        for state, frame in zip(self.states, frames, strict=True):
            if frame.sizes != frames[0].sizes:
                raise PlayerError(
                    f"render returns pictures of {_sizes(frame)} for {state}, but of {_sizes(frames[0])} "
                    f"for {next(self.states)}: keep one size"
                )
        return frames

    @property
    def start(self) -> int:
        """Position in `frames` of the setting shown first."""
        position = 0
        for axis in self.axes:
            position = position * len(axis.values) + axis.start
        return position

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        shown = self.frames[self.start]
        return {
            "text/html": self.html,
            "image/png": base64_text(shown.png),
            "text/plain": f"{self.caption}\n{shown.alt}",
        }

    @cached_property
    def html(self) -> str:
        """The player as HTML that needs nothing but itself."""
        frames, shown = self.frames, self.frames[self.start]
        pictures = gallery(frames, encoding=self.encoding, quality=self.quality)
        written = pictures.shown[self.start]  # these stand in the page, the others in its script
        data = {
            "shape": [len(axis.values) for axis in self.axes],
            "values": [axis.texts for axis in self.axes],
            "images": [None if index in written else image for index, image in enumerate(pictures.images)],
            "states": [
                [indices, [title for title, _ in frame.panels], frame.alt, frame.note]
                for indices, frame in zip(pictures.shown, frames, strict=True)
            ],
        }
        titles = [max((frame.panels[k][0] for frame in frames), key=len) for k in range(len(shown.panels))]
        note = max((frame.note for frame in frames), key=len)
        panels = "".join(
            f'<div class="panel"><img src="{pictures.images[index]}" alt="{escape(title or shown.alt)}" '
            f'data-image="{index}">{_slot("title", longest, title)}</div>'
            for index, longest, (title, _) in zip(written, titles, shown.panels, strict=True)
        )
        enlarged = "pixelated" if self._pixelated else "auto"
        look = f"--wide:{len(titles)};--narrow:{_narrow(len(titles))};--pixels:{enlarged}"
        inner = sandbox.document(
            title=self.caption,
            style=sandbox.source("player.css"),
            body=f'<div class="panels" role="group" aria-label="{escape(shown.alt)}" style="{look}">{panels}</div>'
            f'{_slot("note", note, shown.note)}<div class="axes">{"".join(map(_control, range(99), self.axes))}</div>'
            '<p class="unseen" role="status" aria-live="polite"></p>',
            script=f"const data = {sandbox.script_data(data)};\n{sandbox.source('player.js')}",
        )
        names = {"webp": "WebP", "jpeg": "JPEG"}
        lossy = f" <small>(Pictures compressed: {names.get(pictures.kind)}, quality {self.quality}.)</small>"
        heights, max_width = _layout(shown.sizes, titles, note, self.axes)
        return sandbox.embed(
            inner,
            title=f"Interactive figure: {self.caption}",
            still=self._still,
            heights=heights,
            max_width=max_width,
            caption=escape(self.caption) + (lossy if pictures.kind in names else ""),
        )

    @property
    def _pixelated(self) -> bool:
        return self.frames[self.start].sizes[0][1] < 128 if self.pixelated is None else self.pixelated

    @property
    def _still(self) -> str:
        """The start picture with its titles, note and settings, for pages that run no scripts."""
        shown = self.frames[self.start]
        if self._pixelated:
            times = math.ceil(STILL_WIDTH / shown.sizes[0][1])
            squares = [(title, p.repeat_interleave(times, 1).repeat_interleave(times, 2)) for title, p in shown.panels]
            picture = address(replace(shown, panels=tuple(squares)).strip, "png")
        else:
            picture = address(shown.strip, "webp", STILL_QUALITY)
        titles = " | ".join(title for title, _ in shown.panels if title)
        settings = ", ".join(f"{axis.label}: {axis.texts[axis.start]}" for axis in self.axes)
        words = "<br>".join(escape(line) for line in (titles, shown.note, settings) if line)
        return f'<img src="{picture}" alt="{escape(shown.alt)}" style="display:block;width:100%"><p>{words}</p>'

    def live(self) -> Any:
        """Show the same player with a kernel behind it: a setting is rendered when it is chosen. Never store its
        output.

        Uses only what ipywidgets 7.7 and 8 have in common. There is no limit on the number of settings. In a lecture
        that runs without a reader it is a sentence.
        """
        if profiles.alone():
            return Sentence("With a kernel running, this player computes each setting when you choose it.")
        try:
            import ipywidgets
        except ImportError as error:
            raise PlayerError(
                "live() needs ipywidgets, which is not installed here (pip install ipywidgets); "
                "the player itself, shown without live(), does not"
            ) from error
        controls = [
            (ipywidgets.RadioButtons if axis.radios else ipywidgets.SelectionSlider)(
                options=list(zip(axis.texts, axis.values, strict=True)),
                value=axis.values[axis.start],
                description=axis.label,
                style={"description_width": "initial"},
                layout=ipywidgets.Layout(width="95%"),
            )
            for axis in self.axes
        ]
        picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%"))
        words = ipywidgets.HTML()

        def show(_: object = None) -> None:
            frame = self.frame(**{axis.name: control.value for axis, control in zip(self.axes, controls, strict=True)})
            titles = " | ".join(title for title, _ in frame.panels if title)
            picture.value = frame.png
            words.value = "<br>".join(escape(line) for line in (titles, frame.note, frame.alt) if line)

        for control in controls:
            control.observe(show, names="value")
        show()
        return ipywidgets.VBox([picture, words, *controls, ipywidgets.HTML(f"<em>{escape(self.caption)}</em>")])


@dataclass(frozen=True)
class Sentence:
    """Words in the place of something that needs a kernel."""

    text: str

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": f"<p>{escape(self.text)}</p>", "text/plain": self.text}


def _sizes(frame: Frame) -> str:
    return ", ".join(f"{height} x {width}" for height, width in frame.sizes)


def _narrow(count: int) -> int:
    """Panels side by side on a narrow page."""
    return min(count, 2)


def _slot(name: str, longest: str, text: str) -> str:
    """A line that keeps the room of its longest text, so that nothing jumps when it changes."""
    if not longest:
        return ""
    ghost = f'<span class="ghost" aria-hidden="true">{escape(longest)}</span>'
    return f'<div class="slot {name}">{ghost}<span class="text">{escape(text)}</span></div>'


def _control(position: int, axis: Axis) -> str:
    """Radio buttons for a few names, a slider for everything else."""
    label, start = escape(axis.label), escape(axis.texts[axis.start])
    if axis.radios:
        options = "".join(
            f'<label><input type="radio" name="axis{position}" data-axis="{position}" value="{i}"'
            f"{' checked' if i == axis.start else ''}>{escape(text)}</label>"
            for i, text in enumerate(axis.texts)
        )
        return f'<fieldset class="axis"><legend>{label}</legend><div class="options">{options}</div></fieldset>'
    ticks = "".join(f"<span>{escape(text)}</span>" for text in axis.texts) if _ticks_fit(axis) else ""
    return (
        f'<div class="axis"><div class="head"><label for="axis{position}">{label}</label>'
        f'<output for="axis{position}">{start}</output></div>'
        f'<input type="range" id="axis{position}" data-axis="{position}" min="0" max="{len(axis.texts) - 1}" step="1" '
        f'value="{axis.start}" aria-valuetext="{start}"{" disabled" if len(axis.texts) == 1 else ""}>'
        f'<div class="ticks" aria-hidden="true">{ticks}</div></div>'
    )


def _ticks_fit(axis: Axis) -> bool:
    return len(axis.texts) > 1 and len(axis.texts) * (max(map(len, axis.texts)) * 7 + 8) <= 300


def _layout(
    sizes: Sequence[tuple[int, int]], titles: Sequence[str], note: str, axes: Sequence[Axis]
) -> tuple[dict[int, str], int]:
    """Height of the frame on a wide and on a narrow page, and its largest width."""
    aspect, width, count = max(h / w for h, w in sizes), max(w for _, w in sizes), len(sizes)
    widest = min(720 / count, max(2 * width, 240), 460 / aspect)  # px of one picture on the page
    max_width = int(max(420, count * widest + 8 * (count - 1) + 26))

    def length(page: int, columns: int, beside: int) -> str:
        inside = page - 26
        rows = math.ceil(count / columns)
        words = [sandbox.text_height(title, inside / columns - 8, line=20) + 4 for title in titles if title]
        controls = [_control_height(axis, inside / beside - 16) + 10 for axis in axes]
        fixed = 26 + rows * max(words, default=0) + 8 * (rows - 1)
        fixed += sandbox.text_height(note, inside) + 10 if note else 0
        fixed += sum(max(controls[i : i + beside]) for i in range(0, len(controls), beside))
        gaps = 26 + 8 * (columns - 1)
        return f"min((100% - {gaps}px) / {columns}, {widest:.0f}px) * {rows * aspect:.4f} + {fixed}px"

    heights = {0: length(330, _narrow(count), 1)}
    if max_width >= WIDE:
        heights[WIDE] = length(WIDE, count, min(len(axes), 2))
    return heights, max_width


def _control_height(axis: Axis, width: float) -> int:
    label = sandbox.text_height(axis.label, width - 60)
    if axis.radios:
        return label + 36 * math.ceil(sum(len(text) * 7.8 + 46 for text in axis.texts) / width)
    return label + 32 + (18 if _ticks_fit(axis) else 0)
