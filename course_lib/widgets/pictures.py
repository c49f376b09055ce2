"""Pictures of a player as bytes: what `render` returned is checked, rounded to 8 bits, encoded, and kept once.

A picture that several settings share (the noisy image beside every denoised one) is on the page only once.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Encoding = Literal["auto", "png", "webp", "jpeg"]

LOSSLESS_BYTES = 1_200_000  # of pictures on the page up to which "auto" stays with PNG
MAX_BYTES = 5_000_000  # of pictures on the page
GAP = 8  # white pixels between pictures side by side


class PlayerError(ValueError):
    """A player that cannot be built; the message says what came and what to change."""


@dataclass(frozen=True)
class Frame:
    """One setting, rendered: the pictures side by side, and the words that go with them."""

    panels: tuple[tuple[str, Tensor], ...]  # title, uint8 (1 or 3, H, W)
    alt: str
    note: str = ""

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each panel."""
        return [(picture.shape[-2], picture.shape[-1]) for _, picture in self.panels]

    @property
    def png(self) -> bytes:
        """All panels side by side as one PNG."""
        return encode(self.strip, "png")

    @property
    def strip(self) -> Tensor:
        """All panels side by side, as uint8 (C, H, W)."""
        pictures = [picture for _, picture in self.panels]
        channels, height = max(p.shape[0] for p in pictures), max(p.shape[1] for p in pictures)
        width = sum(p.shape[2] for p in pictures) + GAP * (len(pictures) - 1)
        strip = torch.full((channels, height, width), 255, dtype=torch.uint8)
        left = 0
        for picture in pictures:
            strip[:, : picture.shape[1], left : left + picture.shape[2]] = picture
            left += picture.shape[2] + GAP
        return strip


@dataclass(frozen=True)
class Gallery:
    """The distinct pictures of many frames as data addresses, and which of them each frame shows."""

    images: list[str]
    shown: list[tuple[int, ...]]
    kind: str


def pixels(picture: object, call: str) -> Tensor:
    """Turn a float image in [0, 1] into uint8 (C, H, W); the error says what `call` returned instead.

    >>> pixels(torch.tensor([[[0.0, 0.5, 1.0]]]), "render()")
    tensor([[[  0, 128, 255]]], dtype=torch.uint8)
    """
    if not isinstance(picture, Tensor):
        kind = type(picture).__name__
        raise PlayerError(f"{call} returned {kind}, not a tensor: return a float image (C, H, W) in [0, 1]")
    if not picture.is_floating_point():
        raise PlayerError(f"{call} returned {picture.dtype}: return floats in [0, 1], as in picture.float() / 255")
    image = picture.detach().float().cpu()
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
        raise PlayerError(
            f"{call} returned shape {tuple(picture.shape)}: return (C, H, W) or (1, C, H, W) with C = 1 or 3; "
            "several pictures side by side are a dict from title to picture"
        )
    if not torch.isfinite(image).all():
        raise PlayerError(f"{call} returned NaN or infinite values: the method failed for this setting")
    low, high = float(image.min()), float(image.max())
    if low < -1e-3 or high > 1 + 1e-3:
        hint = "divide by 255" if high > 3 else "noisy values are clipped only for showing: end with .clamp(0, 1)"
        raise PlayerError(f"{call} returned values from {low:.3g} to {high:.3g}, expected [0, 1]: {hint}")
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).contiguous()


def encode(picture: Tensor, kind: str, quality: int = 90) -> bytes:
    """Encode uint8 (C, H, W) as the bytes of a picture file: PNG exactly, WebP and JPEG with loss."""
    from PIL import Image

    if not isinstance(picture, Tensor) or picture.dtype != torch.uint8:
        came = picture.dtype if isinstance(picture, Tensor) else type(picture).__name__
        raise PlayerError(f"encode takes a uint8 tensor (C, H, W), got {came}")
    if picture.ndim != 3 or picture.shape[0] not in (1, 3) or not picture.numel():
        raise PlayerError(f"encode takes a uint8 tensor (C, H, W) with C = 1 or 3, got {tuple(picture.shape)}")
    options: dict[str, dict[str, Any]] = {
        "png": {"compress_level": 9},
        "webp": {"quality": quality, "method": 4},
        "jpeg": {"quality": quality, "optimize": True, "subsampling": 0},
    }
    array = picture[0].numpy() if picture.shape[0] == 1 else picture.permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format=kind, **options[kind])
    return buffer.getvalue()


def base64_text(data: bytes) -> str:
    """Encode bytes as the letters that notebooks and data addresses use."""
    return base64.b64encode(data).decode("ascii")


def address(picture: Tensor, kind: str, quality: int = 90) -> str:
    """Encode uint8 (C, H, W) as the address of a picture that stands in a page itself."""
    return f"data:image/{kind};base64,{base64_text(encode(picture, kind, quality))}"


def gallery(frames: Sequence[Frame], *, encoding: Encoding, quality: int) -> Gallery:
    """Encode each distinct picture once; "auto" takes PNG where all of them stay small, and WebP otherwise."""
    places: dict[tuple[object, bytes], int] = {}
    distinct: list[Tensor] = []
    shown = []
    for frame in frames:
        for _, picture in frame.panels:
            if places.setdefault(_key(picture), len(distinct)) == len(distinct):
                distinct.append(picture)
        shown.append(tuple(places[_key(picture)] for _, picture in frame.panels))

    def encoded(kind: str) -> list[str]:
        return [address(picture, kind, quality) for picture in distinct]

    kind = "png" if encoding == "auto" else encoding
    images = encoded(kind)
    if encoding == "auto" and sum(map(len, images)) > LOSSLESS_BYTES:
        kind = "webp"
        images = encoded(kind)
    if (total := sum(map(len, images))) > MAX_BYTES:
        raise PlayerError(
            f"{len(images)} pictures take {total / 1e6:.1f} MB as {kind}, more than {MAX_BYTES / 1e6:.0f} MB: "
            "show a smaller crop, use fewer values, or encoding='webp' with a lower quality"
        )
    return Gallery(images, shown, kind)


def _key(picture: Tensor) -> tuple[object, bytes]:
    return tuple(picture.shape), picture.numpy().tobytes()
