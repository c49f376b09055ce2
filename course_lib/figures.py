"""The course's figures: one calm style, words for those who cannot see them, the paper's numbers marked as the paper's.

Each function returns a `Picture` (or a `Table`), which a notebook shows by itself. Nothing here touches pyplot, the
backend or the reader's matplotlib settings. Figures are up to 7 inches wide at 144 dots per inch: sharp at the 700
pixels of a page.
"""

from __future__ import annotations

import base64
import inspect
import io
import math
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from course_lib import arguments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from course_lib.fit import History

_PAGE = 7.0  # inches
_DPI = 144
_CSS_PX = 100  # pixels on the page per inch
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#2B2B2B", "#3F9BDB")  # told apart by colour-blind readers
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STROKES = ("-", "--", "-.", ":")
_STYLE = {
    "font.family": ["DejaVu Sans"],
    "font.size": 12.0,
    "axes.titlesize": 12.0,
    "axes.labelsize": 12.0,
    "legend.fontsize": 11.5,
    "xtick.labelsize": 11.0,
    "ytick.labelsize": 11.0,
    "text.color": "#222222",
    "axes.labelcolor": "#222222",
    "axes.edgecolor": "#8A8F98",
    "xtick.color": "#4A4F57",
    "ytick.color": "#4A4F57",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E6EB",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 6.0,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "figure.dpi": _DPI,
}
Series = Sequence[float | None] | Tensor


class Note(Protocol):
    """What may stand below a caption, folded: `claims.cite` makes notes on the origin of numbers."""

    @property
    def html(self) -> str: ...

    @property
    def text(self) -> str: ...


class FigureError(ValueError):
    """A figure that cannot be drawn as asked; the message says what came and what to change."""


@dataclass(frozen=True)
class Picture:
    """A finished figure: its pixels, what it shows in words, what to see in it, and the numbers it was drawn from."""

    png: bytes
    alt: str
    caption: str = ""
    width: int = 700  # pixels on the page
    data: Table | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise FigureError(
                "a figure needs alt text: one or two sentences that say what it shows to someone who cannot see it"
            )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            "text/html": self.html,
            "image/png": base64.b64encode(self.png).decode("ascii"),
            "text/plain": "\n".join(filter(None, (self.caption, self.alt, *(note.text for note in self.notes)))),
        }

    @property
    def html(self) -> str:
        """The figure as HTML with everything inside, readable on light and dark pages."""
        source = f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"
        caption = escape(self.caption)
        if self.data:
            caption += f"<details><summary>Numbers</summary>{self.data.html}</details>"
        caption += "".join(note.html for note in self.notes)
        return (
            f'<figure style="margin:1em 0;max-width:{self.width}px">'
            f'<img class="dark-light" src="{source}" alt="{escape(self.alt)}" '
            f'style="display:block;width:100%;height:auto;background:#fff;border-radius:4px">'
            + (f'<figcaption style="margin-top:.5em">{caption}</figcaption>' if caption else "")
            + "</figure>"
        )


_DAGGER = '<abbr title="the value in the paper" style="text-decoration:none">†</abbr>'


@dataclass(frozen=True)
class Paper:
    """A number printed in a paper, not measured here."""

    value: float | str | None


Cell = float | int | str | None | Paper


@dataclass(frozen=True)
class Table:
    """Numbers as a table that a screen reader can walk through; the paper's are set in italics with a dagger."""

    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    columns: tuple[str, ...]
    caption: str
    corner: str = ""
    digits: int | None = 2
    best: tuple[frozenset[int], ...] = ()  # for each column the rows in bold
    notes: tuple[Note, ...] = ()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.text}

    @property
    def html(self) -> str:
        """The table as HTML with a caption and header cells that say what they head."""
        line, soft = "border-bottom:1px solid rgba(128,128,128,.75)", "border-bottom:1px solid rgba(128,128,128,.3)"
        left, right = "text-align:left;padding:.3em .8em .3em 0", "text-align:right;padding:.3em .8em"
        rows = []
        for i, (name, cells) in enumerate(self.rows):
            wrap = ";white-space:nowrap" if len(name) <= 20 else ""
            row = f'<th scope="row" style="{left};font-weight:normal;{soft}{wrap}">{escape(name)}</th>'
            for j, cell in enumerate(cells):
                text = escape(self._text(cell))
                if isinstance(cell, Paper):
                    row += f'<td style="{right};{soft}"><i>{text}</i>{_DAGGER}</td>'
                else:  # digits stay under digits: room for the dagger that is not there
                    text = f"<b>{text}</b>" if self.best and i in self.best[j] else text
                    row += f'<td style="{right};padding-right:1.35em;{soft}">{text}</td>'
            rows.append(f'<tr style="background:none">{row}</tr>')
        head = f'<th scope="col" style="{left};{line}">{escape(self.corner)}</th>' + "".join(
            f'<th scope="col" style="{right};{line}">{escape(name)}</th>' for name in self.columns
        )
        foot = "".join(
            f'<tr style="background:none"><td colspan="{len(self.columns) + 1}" style="{left}">{note}</td></tr>'
            for note in self._footnotes()
        )
        return (
            f'<div style="overflow-x:auto;margin:1em 0" tabindex="0" role="region" aria-label="{escape(self.caption)}">'
            '<table style="border-collapse:collapse;border:0;font-variant-numeric:tabular-nums;margin:0">'
            f'<caption style="caption-side:top;text-align:left;padding-bottom:.4em">{escape(self.caption)}</caption>'
            f'<thead><tr style="background:none">{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
            + (f"<tfoot>{foot}</tfoot>" if foot else "")
            + f"</table>{''.join(note.html for note in self.notes)}</div>"
        )

    @property
    def text(self) -> str:
        """The table in plain text, columns aligned."""
        hang = " " if self._footnotes() else ""  # digits stay under digits
        words = [
            (name, *(self._text(c) + ("†" if isinstance(c, Paper) else hang) for c in cells))
            for name, cells in self.rows
        ]
        grid = [(self.corner, *(name + hang for name in self.columns)), *words]
        widths = [max(len(row[j]) for row in grid) for j in range(len(grid[0]))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in grid
        ]
        return "\n".join([self.caption, *lines, *self._footnotes(), *(note.text for note in self.notes)])

    def _text(self, cell: Cell) -> str:
        value = cell.value if isinstance(cell, Paper) else cell
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "–"
        if isinstance(value, float) and math.isfinite(value):
            return (f"{value:.{self.digits}f}" if self.digits is not None else f"{value:g}").replace("-", "−")
        if isinstance(value, int) and abs(value) >= 10_000:
            return f"{value:,}".replace(",", "\u202f")  # 554 112, the space narrow and unbreakable
        return str(value)

    def _footnotes(self) -> list[str]:
        cells = [cell for _, row in self.rows for cell in row]
        return ["† printed in the paper, not measured here."] if any(isinstance(cell, Paper) for cell in cells) else []


def table(
    rows: Mapping[str, Mapping[str, Cell]],
    *,
    caption: str,
    columns: Sequence[str] | None = None,
    corner: str = "",
    paper: Collection[str] = (),
    digits: int | None = 2,
    best: str | Mapping[str, str] | None = None,
    note: Note | Sequence[Note] = (),
) -> Table:
    """Show numbers side by side, measured ones and the paper's, each marked as such.

    `rows` is {row: {column: value}}; a missing value is shown as a dash. `paper` names the rows or columns that come
    from the paper; a single value is marked with `Paper(28.3)`. `best` is "max" or "min" (or {column: ...}): the best
    measured value of a column is bold. Floats show `digits` decimals (None: as short as they are), integers and words
    stand as they are. `note` stands below, folded.
    """
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in rows.values() for name in row))
    if not rows or not names:
        raise FigureError(
            "a table needs at least one row and one column, as in table({'DnCNN': {'PSNR': 28.3}}, caption=...)"
        )
    if unknown := [name for name in paper if name not in rows and name not in names]:
        raise FigureError(
            f"paper names {unknown[0]!r}, which is neither a row ({', '.join(rows)}) nor a column ({', '.join(names)})"
        )
    for row in rows:
        if unknown := [name for name in rows[row] if name not in names]:
            raise FigureError(
                f"row {row!r} has a value for {unknown[0]!r}, which is not among the columns ({', '.join(names)})"
            )

    def cell(row: str, column: str) -> Cell:
        value = rows[row].get(column)
        if value is None or isinstance(value, Paper):
            return value
        if isinstance(value, Tensor):
            if value.numel() != 1:
                raise FigureError(
                    f"row {row!r} has a tensor {tuple(value.shape)} for {column!r}: give one number, such as its mean"
                )
            value = float(value)
        return Paper(value) if row in paper or column in paper else value

    cells = {row: tuple(cell(row, column) for column in names) for row in rows}
    wanted = dict.fromkeys(names, best) if isinstance(best, str) else dict(best or {})
    if wrong := [word for word in wanted.values() if word not in ("max", "min")]:
        raise FigureError(f"best is 'max' or 'min', got {wrong[0]!r}")
    bold = [_best([row[j] for row in cells.values()], wanted.get(name), digits) for j, name in enumerate(names)]
    return Table(tuple(cells.items()), tuple(names), caption, corner, digits, tuple(bold), _several(note))


def _best(column: Sequence[Cell], which: str | None, digits: int | None) -> frozenset[int]:
    """The places of the best measured values, equal ones as shown included; none where nothing competes."""
    rounded = {
        i: round(float(cell), 12 if digits is None else digits)
        for i, cell in enumerate(column)
        if isinstance(cell, (int, float)) and not math.isnan(cell)
    }
    if which is None or len(rounded) < 2:
        return frozenset()
    best = max(rounded.values()) if which == "max" else min(rounded.values())
    return frozenset(i for i, value in rounded.items() if value == best)


def images(
    pictures: Mapping[str, Tensor] | Sequence[Tensor] | Tensor,
    *,
    alt: str,
    caption: str = "",
    reference: Tensor | None = None,
    columns: int | None = None,
    zoom: tuple[int, int, int] | None = None,
    signed: Collection[str] = (),
    unit: str = "intensity",
) -> Picture:
    """Show pictures side by side, each under its title; with a reference, each with its PSNR.

    `pictures` are (C, H, W) or (1, C, H, W) in [0, 1], by title, or without titles as a sequence or a batch; values
    outside are clipped for showing; PSNR is that of `quality`. `zoom` is (top, left, size): that square is marked and
    shown enlarged in the corner farthest from it. `signed` names the pictures that are differences: zero is white, both
    signs have a colour, with one scale for all and a colour bar in `unit`.
    """
    titles, tensors = _titled(pictures)
    if unknown := [name for name in signed if name not in titles]:
        raise FigureError(f"signed names {unknown[0]!r}, which is not among the pictures ({', '.join(titles)})")
    arrays = [_image(tensor, title, signed=title in signed) for title, tensor in zip(titles, tensors, strict=True)]
    if zoom is not None:
        for title, array in zip(titles, arrays, strict=True):
            _inside(zoom, array.shape, title)
    if reference is not None:
        clean = arguments.clean_batch(_image(reference, "reference", signed=False)[None], name="the reference")[0]
        titles = [
            title
            if title in signed or torch.equal(array, clean)
            else f"{title}\n{_psnr(array, clean, title):.2f} dB".strip()
            for title, array in zip(titles, arrays, strict=True)
        ]
    shown = [name in signed for name in (pictures if isinstance(pictures, Mapping) else [""] * len(arrays))]
    if columns is not None and columns < 1:
        raise FigureError(f"columns: expected a whole number of 1 or more, got {columns}")
    count = min(columns or (6 if arrays[0].shape[-1] <= 64 else 2 if len(arrays) == 4 else 3), len(arrays))
    rows = math.ceil(len(arrays) / count)
    cell = min(3.45 if rows == 1 else 2.8, (_PAGE - 0.1 * (count - 1)) / count)  # inches
    aspect = max(array.shape[-2] / array.shape[-1] for array in arrays)
    letters = max(8, int(cell * 72 / 7.2))
    lines = [[part for line in title.split("\n") if line for part in textwrap.wrap(line, letters)] for title in titles]
    words = max(map(len, lines)) * 0.215 + (0.08 if any(lines) else 0)
    bar = 0.62 if any(shown) else 0.0
    width, height = count * cell + 0.1 * (count - 1), rows * (cell * aspect + words) + 0.1 * (rows - 1) + bar
    sizes = [array.abs().flatten() for array, is_signed in zip(arrays, shown, strict=True) if is_signed]
    limit = _quantile(torch.cat(sizes), 0.998) or 1.0 if sizes else 1.0  # a few outliers do not pale the rest

    def draw(figure: Figure) -> None:
        from matplotlib.colors import TwoSlopeNorm

        scale = TwoSlopeNorm(0.0, -limit, limit)
        for k, (array, title, is_signed) in enumerate(zip(arrays, lines, shown, strict=True)):
            left, top = (k % count) * (cell + 0.1), (k // count) * (cell * aspect + words + 0.1) + words
            axes = figure.add_axes(
                (left / width, 1 - (top + cell * aspect) / height, cell / width, cell * aspect / height)
            )
            axes.set_anchor("N")
            options: dict[str, Any] = (
                {"cmap": "RdBu_r", "norm": scale} if is_signed else {"cmap": "gray", "vmin": 0, "vmax": 1}
            )
            _show(axes, array, options)
            axes.set_title("\n".join(title), pad=4, linespacing=1.15)
            if zoom is not None:
                _inset(axes, array, zoom, options)
        if bar:
            from matplotlib.cm import ScalarMappable

            strip = figure.add_axes((0.5 - 0.25, 0.40 / height, 0.5, 0.13 / height))
            colours = figure.colorbar(
                ScalarMappable(scale, "RdBu_r"),
                cax=strip,
                orientation="horizontal",
                extend="both",
                ticks=[-limit, 0, limit],
            )
            colours.ax.set_xticklabels([f"−{limit:.2g}", "0", f"+{limit:.2g}"])
            colours.ax.text(1.09, 0.5, unit, transform=colours.ax.transAxes, va="center", fontsize=11)

    return _picture(draw, width, height, alt=alt, caption=caption, photograph=True)


def history(
    runs: History | Mapping[str, History],
    *,
    alt: str | None = None,
    caption: str = "",
    log: bool | None = None,
    labels: Mapping[str, str] | None = None,
) -> Picture:
    """Plot how a training went: each loss term against the step, and beside it each validation metric.

    Takes one `fit.History` or several by name. The pale line is what was measured, the strong one its running mean.
    `log` chooses the scale of the losses (by default where they span a factor of 20); `labels` renames terms and
    validation metrics, as in {"psnr": "validation PSNR (dB)"}. Alt text is written from the numbers unless given.
    """
    named = dict(runs) if isinstance(runs, Mapping) else {"": runs}
    labels = labels or {}
    losses = [
        (run, term, h.steps, values) for run, h in named.items() for term, values in h.terms.items() if len(values)
    ]
    validated = list(dict.fromkeys(name for h in named.values() for name, found in h.validated.items() if len(found)))
    if not losses and not validated:
        raise FigureError("this history is empty: no step was logged; did the training run at all?")
    panels = (["loss"] if losses else []) + validated
    values = [v for *_, line in losses for v in line if v == v]
    logarithmic = log if log is not None else bool(values) and min(values) > 0 and max(values) > 20 * min(values)
    across = min(len(panels), 3 if len(panels) != 4 else 2)
    rows = math.ceil(len(panels) / across)
    several_terms = len({term for _, term, *_ in losses}) > 1

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, across, squeeze=False)
        handles: dict[str, Any] = {}
        for axes, panel in zip(grid.flat, panels, strict=False):
            axes.set_xlabel("step")
            axes.set_title(labels.get(panel, panel), loc="left")
            if panel == "loss" and losses:
                for run, term, steps, line in losses:
                    order = list(named).index(run)
                    style = list(dict.fromkeys(t for _, t, *_ in losses)).index(term)
                    colour = COLOURS[(order if len(named) > 1 else style) % len(COLOURS)]
                    name = ", ".join(filter(None, (run, labels.get(term, term) if several_terms else "")))
                    axes.plot(steps, line, color=colour, alpha=0.25, linewidth=1)
                    smooth = _running_mean(line)
                    handles[name] = axes.plot(
                        steps, smooth, color=colour, linestyle=_STROKES[style % 4 if len(named) > 1 else 0]
                    )[0]
                if logarithmic:
                    axes.set_yscale("log")
            else:
                for order, (run, h) in enumerate(named.items()):
                    if panel in h.validated:
                        drawn = axes.plot(
                            h.validation_steps,
                            h.validated[panel],
                            color=COLOURS[order % len(COLOURS)],
                            marker=_MARKERS[order % len(_MARKERS)],
                            markersize=5 if len(h.validation_steps) < 40 else 0,
                        )[0]
                        handles.setdefault(run, drawn)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        handles.pop("", None)
        if handles:
            _legend(figure, handles)

    if alt is None:
        parts = []
        for run, h in named.items():
            ends = [
                f"{labels.get(name, name)} from {line[0]:.3g} to {line[-1]:.3g}"
                for name, line in (*h.terms.items(), *h.validated.items())
                if len(line)
            ]
            last = max([*h.steps[-1:], *h.validation_steps[-1:]])
            parts.append((f"{run}: " if run else "") + f"{last} steps, " + ", ".join(ends))
        alt = "Training curves. " + ". ".join(parts) + "."
    size = _PAGE if across > 1 else 4.6
    return _picture(draw, size, 2.9 * rows + (0.25 if len(named) > 1 or several_terms else 0), alt=alt, caption=caption)


def lines(
    x: Series,
    curves: Mapping[str, Series | tuple[Series, Series, Series]],
    *,
    xlabel: str,
    ylabel: str,
    alt: str | None = None,
    caption: str = "",
    paper: Mapping[str, Mapping[float, float]] | None = None,
    mark: Mapping[str, float] | None = None,
    log: str = "",
    note: Note | Sequence[Note] = (),
) -> Picture:
    """Plot curves over one axis, with a band where a curve was measured several times, and the paper's points hollow.

    A curve is a sequence as long as `x`, or (mean, low, high) of such sequences; None or NaN leaves a gap. `paper`
    gives the paper's points {label: {x: y}}; under a curve's label they take its colour. `mark` draws labelled vertical
    lines {text: x}. `log` is "x", "y" or "xy". Alt text is written from the numbers unless given. `note` stands below
    the caption, folded.
    """
    places = _floats(x)
    paper = paper or {}
    bands: dict[str, tuple[list[float], list[float] | None, list[float] | None]] = {}
    for label, curve in curves.items():
        several = (
            isinstance(curve, tuple)
            and len(curve) == 3
            and all(isinstance(part, Sequence) or (isinstance(part, Tensor) and part.ndim) for part in curve)
        )
        found = [_floats(part) for part in curve] if several else [_floats(curve)]
        if wrong := [len(part) for part in found if len(part) != len(places)]:
            raise FigureError(f"curve {label!r} has {wrong[0]} values, but x has {len(places)}")
        bands[label] = (found[0], found[1], found[2]) if several else (found[0], None, None)
    if not bands and not paper:
        raise FigureError("lines needs at least one curve, as in lines(sigmas, {'DnCNN': psnrs}, ...)")
    names = list(dict.fromkeys([*bands, *paper]))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        handles: dict[str, Any] = {}
        for order, label in enumerate(names):
            colour, marker = COLOURS[order % len(COLOURS)], _MARKERS[order % len(_MARKERS)]
            if label in bands:
                mean, low, high = bands[label]
                handles[label] = axes.plot(
                    places,
                    mean,
                    color=colour,
                    marker=marker,
                    markersize=6 if len(places) < 40 else 0,
                    linestyle=_STROKES[order // len(COLOURS) % 4],
                )[0]
                if low is not None:
                    axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
            if label in paper:
                points = paper[label]
                handles[f"{label} (paper)"] = axes.plot(
                    list(points),
                    list(points.values()),
                    linestyle="none",
                    marker=marker,
                    markersize=9,
                    markerfacecolor="white",
                    markeredgecolor=colour,
                    markeredgewidth=1.8,
                    zorder=3,
                )[0]
        if "x" in log:
            axes.set_xscale("log")
            if len(places) <= 10:
                axes.set_xticks(places, [f"{place:g}" for place in places])
                axes.minorticks_off()
        if "y" in log:
            axes.set_yscale("log")
        for text, place in (mark or {}).items():
            axes.axvline(place, color="#4A4F57", linewidth=1.2, linestyle=":")
            axes.annotate(
                text,
                (place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(4, -2),
                textcoords="offset points",
                va="top",
                fontsize=11,
            )
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        if len(handles) > 1 or paper:
            _legend(figure, handles)
        else:
            axes.set_title(names[0], loc="left")

    rows: dict[str, dict[str, Cell]] = {}
    for i, place in enumerate(places):
        rows[f"{place:g}"] = {label: _short(mean[i]) for label, (mean, *_) in bands.items()}
    for label, points in paper.items():
        for place, value in points.items():
            rows.setdefault(f"{place:g}", {})[f"{label} (paper)"] = Paper(_short(value))
    numbers = table(
        rows,
        columns=[*bands, *(f"{label} (paper)" for label in paper)],
        caption=f"{ylabel} against {xlabel}",
        corner=xlabel,
        digits=None,
    )
    if alt is None:
        said = [f"{label}: {_ends(places, mean)}" for label, (mean, *_) in bands.items()]
        said += [
            f"{label} in the paper: {_ends(list(points), list(points.values()))}" for label, points in paper.items()
        ]
        alt = f"{ylabel} against {xlabel}. " + ". ".join(said) + "."
    height = 4.0 + 0.25 * math.ceil(len(names) / 3)
    return _picture(draw, _PAGE, height, alt=alt, caption=caption, data=numbers, notes=_several(note))


def bars(
    values: Mapping[str, float | Mapping[str, float]],
    *,
    xlabel: str,
    alt: str | None = None,
    caption: str = "",
    paper: Collection[str] = (),
    base: float = 0.0,
    digits: int = 2,
    note: Note | Sequence[Note] = (),
) -> Picture:
    """Plot named quantities as horizontal bars with their numbers; bars of the paper's values are hollow, with a label.

    `values` is {name: value}, or {group: {name: value}} for groups that compare the same names. `paper` lists the names
    that are the paper's. Bars start at `base`; where that is not zero the axis says so, since lengths then do not
    compare. Alt text is written from the numbers unless given. `note` stands below the caption, folded.
    """
    grouped = any(isinstance(value, Mapping) for value in values.values())
    groups: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) != grouped:
            raise FigureError("bars takes {name: value} or {group: {name: value}}, not both at once")
        groups.setdefault(name if isinstance(value, Mapping) else "", {}).update(
            {n: float(v) for n, v in value.items()} if isinstance(value, Mapping) else {name: float(value)}
        )
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    if not names:
        raise FigureError("bars needs at least one value, as in bars({'DnCNN': 28.3}, xlabel='PSNR (dB)')")
    if unknown := [name for name in paper if name not in names]:
        raise FigureError(f"paper names {unknown[0]!r}, which is not among the bars ({', '.join(names)})")
    if lost := [(name, v) for group in groups.values() for name, v in group.items() if not math.isfinite(v)]:
        raise FigureError(f"bar {lost[0][0]!r} is {lost[0][1]:g}: expected a finite number")
    if low := [(name, v) for group in groups.values() for name, v in group.items() if v < base]:
        raise FigureError(f"bar {low[0][0]!r} is {low[0][1]:g}, below the base {base:g}: lower base")
    count = sum(map(len, groups.values())) + (0.6 * (len(groups) - 1) if grouped else 0)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        place = 0.0
        ticks: dict[float, str] = {}
        handles: dict[str, Any] = {}
        for group, members in groups.items():
            first = place
            for name, value in members.items():
                colour = COLOURS[names.index(name) % len(COLOURS)] if grouped else COLOURS[0]
                look: dict[str, Any] = (
                    {"facecolor": "white", "hatch": "///", "linewidth": 1.5}
                    if name in paper
                    else {"facecolor": colour, "linewidth": 0}
                )
                bar = axes.barh(place, value - base, left=base, height=0.78, edgecolor=colour, **look)
                handles[name + (" (paper)" if name in paper else "")] = bar
                axes.annotate(
                    f"{value:.{digits}f}",
                    (value, place),
                    xytext=(4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=11,
                )
                if not grouped:
                    ticks[place] = name + (" (paper)" if name in paper else "")
                place += 1
            if grouped:
                ticks[(first + place - 1) / 2] = group
                place += 0.6
        axes.set_yticks(list(ticks), ["\n".join(textwrap.wrap(text, 24)) for text in ticks.values()])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(base == 0)
        axes.tick_params(axis="y", length=0, labelsize=12, labelcolor="#222222")
        axes.margins(x=0.12)
        axes.set_xlim(left=base)
        axes.set_xlabel(xlabel + (f"; the axis starts at {base:g}" if base else ""))
        if grouped:
            _legend(figure, handles)

    rows = (
        {group: dict(members) for group, members in groups.items()}
        if grouped
        else {name: {xlabel: v} for name, v in groups[""].items()}
    )
    numbers = table(rows, caption=xlabel, paper=paper, digits=digits)
    if alt is None:
        said = [
            (f"{group}: " if group else "")
            + ", ".join(f"{n}{' (paper)' if n in paper else ''} {v:.{digits}f}" for n, v in members.items())
            for group, members in groups.items()
        ]
        alt = f"{xlabel}. " + ". ".join(said) + "."
    return _picture(
        draw,
        _PAGE,
        0.34 * count + 0.75 + (0.25 * math.ceil(len(names) / 3) if grouped else 0),
        alt=alt,
        caption=caption,
        data=numbers,
        notes=_several(note),
    )


def scored(pictures: Mapping[str, Tensor], *, reference: Tensor) -> dict[str, Tensor]:
    """Clip pictures for a player to [0, 1], and put their PSNR in the titles.

    `pictures` and `reference` are (1, C, H, W), on any device.

    >>> y = torch.zeros(1, 1, 8, 8)
    >>> list(scored({"noisy": y + 0.1}, reference=y))
    ['noisy, 20.00 dB']
    """
    arguments.clean_batch(reference, name="the reference")
    if not isinstance(pictures, Mapping):
        raise FigureError(f"expected pictures by title, as in {{'noisy': z}}, got {type(pictures).__name__}")
    for title, picture in pictures.items():
        if not isinstance(picture, Tensor) or picture.ndim != 4 or not picture.numel():
            came = tuple(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
            raise FigureError(f"picture {title!r}: expected a tensor (1, C, H, W), got {came}")
    return {
        f"{title}, {_psnr(picture[0].cpu(), reference[0].cpu(), title):.2f} dB": picture.clamp(0, 1)
        for title, picture in pictures.items()
    }


def panel(draw: Callable[[Axes], None], size: tuple[float, float], *, dpi: int) -> Tensor:
    """Draw a small plot as a picture (3, H, W) for a player; `draw` gets its axes, `size` is in inches."""
    import numpy
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    canvas.draw()
    return torch.from_numpy(numpy.asarray(canvas.buffer_rgba())[..., :3].copy()).permute(2, 0, 1) / 255


def framed(picture: Tensor, *, top: int, left: int, size: int, colour: tuple[float, float, float]) -> Tensor:
    """Draw a frame around a square of a picture, one pixel wide, in colour.

    `picture` is (..., C, H, W) with C = 1 or 3; returns (..., 3, H, W).
    """
    if not isinstance(picture, Tensor):
        raise FigureError(f"expected a picture (..., C, H, W), a tensor, got {type(picture).__name__}")
    if picture.ndim < 3 or picture.shape[-3] not in (1, 3):
        raise FigureError(f"expected a picture (..., C, H, W) with C = 1 or 3, got {tuple(picture.shape)}")
    shown = picture.expand(*picture.shape[:-3], 3, *picture.shape[-2:])
    frame = torch.zeros(shown.shape[-2:], dtype=torch.bool, device=shown.device)
    frame[max(top - 1, 0) : top + size + 1, max(left - 1, 0) : left + size + 1] = True
    frame[top : top + size, left : left + size] = False
    return torch.where(frame, torch.tensor(colour).to(shown)[:, None, None], shown)


@dataclass(frozen=True)
class Source:
    """The library's own code, folded: a click shows it."""

    text: str
    names: tuple[str, ...]

    @property
    def html(self) -> str:
        """The source below its names, in colour."""
        from IPython.display import Code

        names = ", ".join(f"<code>{escape(name)}</code>" for name in self.names)
        return (f"<details class=\"source\"><summary>The library's {names}</summary>"
                f"{Code(self.text, language='python')._repr_html_()}</details>")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.text}


def code(*objects: Any) -> Source:
    """Show the source code of functions, methods or classes of the library, one below the other, folded."""
    return Source("\n".join(inspect.getsource(part) for part in objects),
                  tuple(getattr(part, "__qualname__", type(part).__name__) for part in objects))


@contextmanager
def _style() -> Iterator[None]:
    """The course's settings and matplotlib's own for the rest, whatever the reader has set."""
    import matplotlib

    defaults: dict[Any, Any] = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith(("backend", "interactive", "toolbar", "webagg", "date.epoch"))
    }
    defaults.update(_STYLE)
    with matplotlib.rc_context(defaults):
        yield


def _picture(
    draw: Callable[[Figure], None],
    width: float,
    height: float,
    *,
    alt: str,
    caption: str,
    photograph: bool = False,
    data: Table | None = None,
    notes: tuple[Note, ...] = (),
) -> Picture:
    """Draw on a canvas of our own and keep the pixels as a small PNG."""
    with _style():
        import numpy
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), dpi=_DPI, layout=None if photograph else "constrained")
        canvas = FigureCanvasAgg(figure)
        draw(figure)
        canvas.draw()
        pixels = numpy.asarray(canvas.buffer_rgba())[..., :3].copy()
    return Picture(_png(pixels, exact=photograph), alt, caption, round(width * _CSS_PX), data, notes)


def _several(note: Note | Sequence[Note]) -> tuple[Note, ...]:
    return tuple(note) if isinstance(note, Sequence) else (note,)


def _png(pixels: Any, *, exact: bool) -> bytes:
    """PNG in as few bytes as its pixels allow: gray where it is gray, a palette of 256 for plots."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if (pixels == pixels[..., :1]).all():
        image = image.getchannel(0)
    elif not exact:
        image = image.quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _titled(pictures: Mapping[str, Tensor] | Sequence[Tensor] | Tensor) -> tuple[list[str], list[Tensor]]:
    if isinstance(pictures, Mapping):
        titles, tensors = list(pictures), list(pictures.values())
    elif isinstance(pictures, Tensor) and pictures.ndim != 4:
        raise FigureError(
            f"a batch of pictures is (N, C, H, W), got {tuple(pictures.shape)}; give one picture as {{title: picture}}"
        )
    elif not isinstance(pictures, Sequence | Tensor):
        raise FigureError(
            f"expected pictures in a list or by title, as in {{'noisy': z}}, got {type(pictures).__name__}"
        )
    else:
        titles, tensors = [""] * len(pictures), list(pictures)
    if not tensors:
        raise FigureError("images needs at least one picture, as in images({'noisy': z}, alt=...)")
    return titles, tensors


def _image(tensor: object, title: str, *, signed: bool) -> Tensor:
    """One picture as float (C, H, W) on the CPU, or an error that says what came."""
    name = f"picture {title!r}" if title else "a picture"
    if not isinstance(tensor, Tensor):
        raise FigureError(f"{name} is {type(tensor).__name__}, expected a float tensor (C, H, W)")
    if not tensor.is_floating_point():
        raise FigureError(f"{name} is {tensor.dtype}, expected floats in [0, 1]: divide by 255")
    image = tensor.detach().float().cpu()
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] not in ((1,) if signed else (1, 3)) or 0 in image.shape:
        wanted = "(1, H, W), one channel of a difference" if signed else "(C, H, W) or (1, C, H, W) with C = 1 or 3"
        raise FigureError(f"{name} has shape {tuple(tensor.shape)}, expected {wanted}")
    if not torch.isfinite(image).all():
        raise FigureError(f"{name} holds NaN or infinite values")
    if image.abs().max() > 16:
        raise FigureError(
            f"{name} has values up to {float(image.abs().max()):.3g}, expected about [0, 1]: divide by 255"
        )
    return image


def _psnr(image: Tensor, clean: Tensor, title: str) -> float:
    from course_lib import quality

    if image.shape != clean.shape:
        raise FigureError(
            f"picture {title!r} has shape {tuple(image.shape)}, but the reference has {tuple(clean.shape)}"
        )
    return float(quality.psnr(image[None], clean[None]))


def _inside(zoom: tuple[int, int, int], shape: Sequence[int], title: str) -> None:
    top, left, size = zoom
    if size < 2 or top < 0 or left < 0 or top + size > shape[-2] or left + size > shape[-1]:
        raise FigureError(
            f"zoom (top {top}, left {left}, size {size}) is not inside picture {title!r} of {shape[-2]} x {shape[-1]}"
        )


def _show(axes: Axes, image: Tensor, options: Mapping[str, Any]) -> None:
    array = image[0].numpy() if image.shape[0] == 1 else image.clamp(0, 1).permute(1, 2, 0).numpy()
    axes.imshow(array, **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)


def _inset(axes: Axes, image: Tensor, zoom: tuple[int, int, int], options: Mapping[str, Any]) -> None:
    """Mark a square of the picture and enlarge it in the corner farthest from it."""
    from matplotlib.patches import Rectangle

    top, left, size = zoom
    height, width = image.shape[-2:]
    side, gap = 0.42 * min(height, width), 0.012 * min(height, width)
    corner_left = gap if left + size / 2 > width / 2 else width - side - gap
    corner_top = gap if top + size / 2 > height / 2 else height - side - gap
    axes.add_patch(Rectangle((left - 0.5, top - 0.5), size, size, fill=False, edgecolor="#FFB000", linewidth=1.6))
    inset = axes.inset_axes((corner_left / width, 1 - (corner_top + side) / height, side / width, side / height))
    _show(inset, image[:, top : top + size, left : left + size], {**options, "interpolation": "nearest"})
    inset.spines[:].set(visible=True, edgecolor="#FFB000", linewidth=1.6)


def _legend(figure: Figure, handles: Mapping[str, Any]) -> None:
    """The legend above a figure, in as many columns, up to three, as its labels leave room for."""
    widest = max(len(label) for label in handles)
    columns = max(1, min(3, int(_PAGE / (0.095 * widest + 0.7))))   # inches: a letter, and a handle with its gap
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=columns)


def _running_mean(line: Sequence[float]) -> list[float]:
    """Mean over the last thirtieth of the steps, over fewer at the beginning."""
    span = max(1, len(line) // 30)
    return [sum(line[max(0, i - span + 1) : i + 1]) / min(i + 1, span) for i in range(len(line))]


def _quantile(values: Tensor, fraction: float) -> float:
    return float(values.sort().values[int(fraction * (len(values) - 1))])


def _floats(values: object) -> list[float]:
    listed = values.tolist() if isinstance(values, Tensor) else list(values)  # type: ignore[call-overload]
    return [math.nan if value is None else float(value) for value in listed]


def _short(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.4g}")


def _ends(x: Sequence[float], y: Sequence[float]) -> str:
    known = [(a, b) for a, b in zip(x, y, strict=True) if not math.isnan(b)]
    if not known:
        return "no values"
    (x0, y0), (x1, y1) = known[0], known[-1]
    return f"{y0:.4g} at {x0:g}" + (f" to {y1:.4g} at {x1:g}" if len(known) > 1 else "")
