"""Drag embeddings in the plane and see how contrastive and triplet losses would move them.

Each point is a picture, its shape and colour the person on it. Arrows are minus the gradient of the loss that the
methods train with (`batch_loss`, `triplet_loss`), computed in the page: no kernel is needed. Points are dragged, or
chosen by the tabulator key and moved by the arrow keys.

    Forces(((-1.0, 0.5), (1.2, 0.4), (0.0, -0.8), (0.4, 1.1)), (0, 0, 1, 1))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import torch
from torch import Tensor

from course_lib import arguments
from course_lib.metric.contrastive import batch_loss, hadsell_loss, slide_loss
from course_lib.metric.triplet import all_triplets, batch_hard, triplet_loss
from course_lib.widgets import sandbox
from course_lib.widgets.pictures import base64_text

LOSSES = {
    "slide": "contrastive, slide form",
    "hadsell": "contrastive, Hadsell's form",
    "all": "triplet, all triplets of the batch",
    "hard": "triplet, batch-hard",
    "soft": "triplet, batch-hard, soft margin",
    "squared": "triplet, batch-hard, squared distances",
}
MARGINS = (0.5, 4.0)      # ends of the slider
WIDTH, HEIGHT = 9.0, 5.0  # of the plane, in units of the embedding
UNIT = 80                 # drawing units for one of these
ARROW = 0.7               # length of an arrow for a force of 1 / N
LONGEST = 1.2             # longer arrows are cut
SHAPES = ("M-9 0a9 9 0 1 0 18 0a9 9 0 1 0 -18 0Z", "M-8 -8H8V8H-8Z", "M0 -10L10 8H-10Z", "M0 -11L11 0L0 11L-11 0Z")
MAX_WIDTH = 720


class ForcesError(ValueError):
    """Points that cannot be shown; the message says why."""


def loss_and_forces(points: Tensor, labels: Tensor, *, loss: str, margin: float) -> tuple[float, Tensor]:
    """Compute the loss of a batch, and minus its gradient at each point: what the page computes, by the library itself.

    Shapes: points (N, 2), labels (N,) -> a number and (N, 2).

    >>> loss_and_forces(torch.tensor([[0.0, 0.0], [2.0, 0.0], [3.0, 0.0]]), torch.tensor([0, 0, 1]), loss="slide",
    ...                 margin=2.0)[0]
    1.25
    """
    arguments.one_of(loss, LOSSES, what="loss")
    arguments.shaped("N 2", points=points)
    arguments.whole_labels(labels, count=len(points))
    if max(map(abs, arguments.extremes(points, name="points")), default=0) > arguments.MAX_VALUE:
        raise ForcesError(f"points lie near the plane that is shown, got some beyond {arguments.MAX_VALUE:g}")
    leaf = points.detach().clone().requires_grad_()
    with torch.enable_grad():
        if loss in ("slide", "hadsell"):
            terms = batch_loss(leaf, labels, margin=margin, loss=slide_loss if loss == "slide" else hadsell_loss)
            value = torch.stack(list(terms.values())).sum()
        else:
            chosen = all_triplets(labels) if loss == "all" else batch_hard(leaf, labels)
            value = triplet_loss(*(leaf[which] for which in chosen), margin="soft" if loss == "soft" else margin,
                                 squared=loss == "squared")
        gradient, = torch.autograd.grad(value, leaf)
    return float(value.detach()), -gradient


@dataclass(frozen=True)
class Forces:
    """Points of some people in the plane, with the forces of a loss on them, to be dragged about.

    points: (x, y) of each picture, x in [-4.5, 4.5], y in [-2.5, 2.5]; labels: whose picture it is; loss: the first
    one shown, a name in LOSSES; margin: the first one.
    """

    points: Sequence[tuple[float, float]]
    labels: Sequence[int]
    loss: str = "slide"
    margin: float = 2.0
    caption: str = "Shape and colour: the person. Arrows: where a step of gradient descent moves each picture."

    def __post_init__(self) -> None:
        arguments.one_of(self.loss, LOSSES, what="loss")
        for name in ("points", "labels"):                           # a tensor of them, too, wherever it is
            values = getattr(self, name)
            object.__setattr__(self, name, values.tolist() if isinstance(values, Tensor) else values)
        if len(self.points) != len(self.labels):
            raise ForcesError(f"every point needs a label: got {len(self.points)} points and {len(self.labels)} labels")
        people = set(self.labels)
        if not people <= set(range(len(SHAPES))):
            raise ForcesError(f"labels are 0 to {len(SHAPES) - 1}, one shape for each person; got {sorted(people)}")
        if len(people) < 2 or len(people) == len(self.labels):
            raise ForcesError("forces need two people or more, and two pictures of one of them")
        if not all(abs(x) <= WIDTH / 2 and abs(y) <= HEIGHT / 2 for x, y in self.points):
            raise ForcesError(f"points lie in [-{WIDTH / 2:g}, {WIDTH / 2:g}] x [-{HEIGHT / 2:g}, {HEIGHT / 2:g}]")
        if not MARGINS[0] <= self.margin <= MARGINS[1]:
            raise ForcesError(f"margin lies between {MARGINS[0]:g} and {MARGINS[1]:g}, got {self.margin:g}")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": f"{self.caption}\n{self.words}"}

    @property
    def words(self) -> str:
        """What the start shows, for who cannot see it."""
        value, _ = self._start
        return (f"{len(self.points)} pictures of {len(set(self.labels))} people as points in the plane, with an arrow "
                f"each. Loss: {LOSSES[self.loss]}, margin {self.margin:.1f}: {value:.2f}.")

    @property
    def _start(self) -> tuple[float, Tensor]:
        return loss_and_forces(torch.tensor(self.points, dtype=torch.float64), torch.tensor(self.labels),
                               loss=self.loss, margin=self.margin)

    @cached_property
    def html(self) -> str:
        """The widget as HTML that needs nothing but itself; without scripts it is a still picture of the start."""
        value, forces = self._start
        marks = "".join(_point(k, *point, label, *force) for k, (point, label, force)
                        in enumerate(zip(self.points, self.labels, (len(forces) * forces).tolist(), strict=True)))
        view = f'viewBox="{-WIDTH / 2 * UNIT:g} {-HEIGHT / 2 * UNIT:g} {WIDTH * UNIT:g} {HEIGHT * UNIT:g}"'
        style = sandbox.source("forces.css")
        drawing = (f'<svg xmlns="http://www.w3.org/2000/svg" {view}><style>{sandbox.source("sandbox.css")}{style}'
                   f"svg {{ border: 0; }}</style>{marks}</svg>")
        still = (f'<img src="data:image/svg+xml;base64,{base64_text(drawing.encode())}" alt="{escape(self.words)}" '
                 'style="display:block;width:100%">')
        options = "".join(f'<option value="{name}"{" selected" if name == self.loss else ""}>{escape(text)}</option>'
                          for name, text in LOSSES.items())
        settings = {"points": [list(point) for point in self.points], "labels": list(self.labels), "unit": UNIT,
                    "width": WIDTH, "height": HEIGHT, "arrow": ARROW, "longest": LONGEST}
        low, high = MARGINS
        body = (
            f'<svg {view} role="group" aria-label="{escape(self.words)}"><g class="lines"></g><g class="rings"></g>'
            f'<g class="marks">{marks}</g></svg>'
            f'<p class="note"><b>loss <output class="loss">{value:.2f}</output></b> <span class="said"></span></p>'
            f'<div class="controls"><label>Loss <select>{options}</select></label>'
            f'<label>Margin <output class="margin">{self.margin:.1f}</output><input type="range" min="{low}" '
            f'max="{high}" step="0.1" value="{self.margin}"></label></div>'
            '<div class="buttons"><button type="button" data-do="step">One step</button>'
            '<button type="button" data-do="run" aria-pressed="false">Run</button>'
            '<button type="button" data-do="squeeze">Squeeze together</button>'
            '<button type="button" data-do="again">Start again</button></div>'
            '<p class="help">Drag a point, or choose one with Tab and move it with the arrow keys.</p>'
            '<p class="unseen" role="status" aria-live="polite"></p>'
        )
        inner = sandbox.document(
            title=self.caption, style=style, body=body,
            script=f"const settings = {sandbox.script_data(settings)};\n{sandbox.source('forces.js')}",
        )
        picture = f"(100% - 26px) * {HEIGHT / WIDTH:.4f}"
        heights = {0: f"{picture} + 390px", 430: f"{picture} + 300px", 600: f"{picture} + 222px"}
        return sandbox.embed(inner, title=f"Interactive figure: {self.caption}", still=still, heights=heights,
                             max_width=MAX_WIDTH, caption=escape(self.caption))


def _point(k: int, x: float, y: float, label: int, right: float, up: float) -> str:
    """A mark with its arrow, as the script draws them too; upwards is positive, which in a drawing it is not."""
    name = f"picture {k + 1}, person {label + 1}"
    return (f'<g class="mark person{label}" data-k="{k}" tabindex="0" role="button" aria-label="{name}" '
            f'transform="translate({x * UNIT:.1f} {-y * UNIT:.1f})"><circle class="grip" r="22"/>'
            f'<path class="arrow" d="{_arrow(right, up)}"/><path class="shape" d="{SHAPES[label]}"/></g>')


def _arrow(right: float, up: float) -> str:
    """A line along the force on one of N points, with two barbs at its tip; nothing where there is no force.

    >>> _arrow(0.5, 0.0)
    'M0 0L28.0 0.0M18.6 -5.5L28.0 0.0L18.6 5.5'
    """
    size = math.hypot(right, up)
    length = min(LONGEST, ARROW * size) * UNIT
    if length < 2:
        return ""
    x, y = right / size, 0.0 - up / size
    tip = f"L{length * x:.1f} {length * y:.1f}"
    left, other = (f"{(length - 9.4) * x - side * y:.1f} {(length - 9.4) * y + side * x:.1f}" for side in (-5.5, 5.5))
    return f"M0 0{tip}M{left}{tip}L{other}"
