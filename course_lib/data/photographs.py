"""Photographs that come inside the wheels of scikit-image and scikit-learn: real images with nothing to download.

They are split by image, so that no patch of a test image is ever trained on.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from course_lib import arguments, files

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "validation", "test"]

SKIMAGE = ("skimage", "data")
SKLEARN = ("sklearn", "datasets/images")


@dataclass(frozen=True)
class Photograph:
    """One bundled photograph: where it lies, what it is allowed for and whom to thank."""

    name: str
    split: Split
    where: tuple[str, str]
    file: str
    colour: bool
    credit: str
    licence: str
    sha256: str


PHOTOGRAPHS = (
    Photograph("astronaut", "train", SKIMAGE, "astronaut.png", True, "NASA", "public domain",
               "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
    Photograph("china", "train", SKLEARN, "china.jpg", True, "danielbuechele on Flickr", "CC BY 2.0",
               "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
    Photograph("coffee", "train", SKIMAGE, "coffee.png", True, "Rachel Michetti", "CC0",
               "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
    Photograph("motorcycle", "train", SKIMAGE, "motorcycle_left.png", True, "Middlebury Stereo 2014", "CC0",
               "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
    Photograph("rocket", "train", SKIMAGE, "rocket.jpg", True, "SpaceX", "public domain",
               "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
    Photograph("hubble", "train", SKIMAGE, "hubble_deep_field.jpg", True, "NASA", "public domain",
               "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"),
    Photograph("coins", "train", SKIMAGE, "coins.png", False, "Brooklyn Museum", "no known restrictions",
               "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"),
    Photograph("grass", "train", SKIMAGE, "grass.png", False, "Rawpixel and Dave Herrick", "CC0",
               "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
    Photograph("flower", "validation", SKLEARN, "flower.jpg", True, "vultilion on Flickr", "CC BY 2.0",
               "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"),
    Photograph("gravel", "validation", SKIMAGE, "gravel.png", False, "CC0Textures", "CC0",
               "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
    Photograph("camera", "test", SKIMAGE, "camera.png", False, "Lav Varshney", "CC0",
               "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
    Photograph("chelsea", "test", SKIMAGE, "chelsea.png", True, "Stefan van der Walt", "CC0",
               "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
    Photograph("brick", "test", SKIMAGE, "brick.png", False, "CC0Textures", "CC0",
               "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
)


def photographs(split: Split, *, channels: int = 1) -> dict[str, Tensor]:
    """Load the photographs of a split by name, each a uint8 tensor (C, H, W); with channels=3 only those in colour.

    >>> {name: tuple(image.shape) for name, image in photographs("test").items()}
    {'camera': (1, 512, 512), 'chelsea': (1, 300, 451), 'brick': (1, 512, 512)}
    """
    arguments.one_of(split, ("train", "validation", "test"), what="split")
    if channels not in (1, 3):
        raise ValueError(f"channels: expected 1 (gray) or 3 (colour), got {channels!r}.")
    return {photograph.name: _read(photograph, channels).clone() for photograph in PHOTOGRAPHS
            if photograph.split == split and (photograph.colour or channels == 1)}


@cache
def _read(photograph: Photograph, channels: int) -> Tensor:
    from course_lib.data import images

    path = locate(photograph)
    if not path.is_file() or files.sha256(path) != photograph.sha256:
        package = photograph.where[0]
        raise FileNotFoundError(f"the photograph {photograph.name!r} is not the one expected at {path}. "
                                f"Usual cause: an unusual build of {package}; reinstall it from its wheel.")
    return images.read(path, channels=channels)


def locate(photograph: Photograph) -> Path:
    """Find the file of a photograph without importing the package that holds it."""
    package, folder = photograph.where
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the bundled photographs come with {package}, which is not installed.")
    return Path(spec.submodule_search_locations[0]) / folder / photograph.file
