"""A small document in a sandboxed frame: it looks and works the same on every page and asks the network for nothing.

The frame has its own origin, so it cannot tell the page how tall it is. The page therefore computes the height itself,
from the width it has (`embed`), and the document inside is laid out so that it fits any height near that one.

JupyterLab takes frames and scripts out of what a notebook shows until somebody trusts the notebook. What stands for the
document there is in a `noscript` element: browsers show its content where no scripts run, and JupyterLab takes away the
element but keeps its content.
"""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Mapping
from html import escape
from math import ceil
from pathlib import Path

UNTRUSTED = (
    "<p><small>Scripts are off here, so nothing moves or answers. In JupyterLab the command “Trust Notebook” "
    "(View, Activate Command Palette) turns them on.</small></p>"
)
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def source(name: str) -> str:
    """Read a style sheet or script that lies beside this file."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def document(*, title: str, style: str, body: str, script: str) -> str:
    """Build the complete HTML of a frame, with a policy that blocks every request; only pictures written into it
    load."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{source('sandbox.css')}{style}</style></head><body>{body}<script>{script}</script></body></html>"
    )


def embed(
    inner: str, *, title: str, still: str, heights: Mapping[int, str], max_width: int, caption: str = ""
) -> str:
    """Build the HTML that shows a document on a page, in a frame whose height follows from the width of the page.

    `still` is HTML without frames, scripts and style sheets, which stands for the document where no scripts run.
    `heights` maps the narrowest width (px) for which it holds to a CSS length, in which 100% is the width of the frame.
    At one and the same width, an entry for narrower frames must not be lower than one for wider frames.
    """
    widths = sorted(heights, reverse=True)
    lengths = [heights[widths[0]]]
    for wider, narrower in itertools.pairwise(widths):  # a huge length below the switch, a negative one above it
        lengths.append(f"min(({wider}px - 100%) * 9999, {heights[narrower]})")
    height = f"max({', '.join(lengths)})" if len(lengths) > 1 else lengths[0]
    below = f'<figcaption style="margin-top:.5em">{caption}</figcaption>' if caption else ""
    return (
        f'<figure class="course-frame" style="margin:1em 0;max-width:{max_width}px;width:100%">'
        f"<noscript>{still}{UNTRUSTED}</noscript>"
        f'<div style="position:relative;padding-bottom:calc({height})">'
        f'<iframe title="{escape(title)}" sandbox="allow-scripts" '
        f'style="position:absolute;left:0;top:0;width:100%;height:100%;border:0" '
        f'srcdoc="{escape(inner)}"></iframe></div>{below}</figure>'
    )


def script_data(value: object) -> str:
    """Write JSON that may stand inside a script element: no text in it can close the element.

    >>> script_data("</script>")
    '"\\\\u003c/script>"'
    """
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def text_height(text: str, width: float, *, character: float = 7.8, line: float = 21.0) -> int:
    """Estimate the height in pixels that is enough for a text set at the frame's size in a column of this width."""
    length = character * sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    ragged = 30.0  # what a line loses at its end, where a word does not fit
    return ceil(line * (1 if length <= width else ceil(length / max(width - ragged, 40.0))))
