"""Trained weights, each with a card that says what it is, how it was made and how good it is.

Weights travel with the course as 16-bit safetensors; nothing is downloaded and nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from course_lib import arguments, files
from course_lib.fit import Trained
from course_lib.provenance import Stamp

FOLDER = Path(__file__).parent / "weights"
M = TypeVar("M", bound=nn.Module)


@dataclasses.dataclass(frozen=True)
class Card:
    """What there is to know about some weights."""

    name: str
    cls: str                       # module.Class
    arguments: dict                # of the constructor
    recipe: str                    # module.function that trained it
    recipe_arguments: dict
    data: dict[str, str]           # set -> content hash
    seed: int
    quality: dict[str, float]      # what was measured, in dB unless its name says else
    fingerprint: str               # of the recipe's code
    stamp: Stamp
    weights_sha256: str = ""       # filled in by save
    confirmed: dict | None = None  # how a later tree was shown to train the same (`claims.confirm`)


def names() -> list[str]:
    """List the names of all weights there are."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def card(name: str) -> Card:
    """Read the card of some weights."""
    arguments.one_of(name, names(), what="weights")
    content = json.loads((FOLDER / f"{name}.json").read_text())
    return Card(**{**content, "stamp": Stamp(**content["stamp"])})


def load(cls: type[M], name: str, *, device: torch.device | str = "cpu") -> M:
    """Load a trained network in eval mode; raise an error if its class or its weights are not those of its card."""
    from safetensors.torch import load_file

    if not isinstance(cls, type) or not isinstance(name, str):
        raise TypeError(f"expected a class of networks and a name, as in load(DnCNN, 'dncnn-s25'), got {cls!r} and "
                        f"{name!r}.")
    about = card(name)
    path = FOLDER / f"{name}.safetensors"
    if about.cls != _name(cls):
        raise TypeError(f"the weights {name!r} belong to {about.cls}, not to {_name(cls)}.")
    if not path.is_file() or files.sha256(path) != about.weights_sha256:
        raise ValueError(f"the weights of {name!r} are {'changed' if path.is_file() else 'missing'}: {path} is not the "
                         "file its card describes. Reinstall course_lib, or restore the file from git.")
    model = cls(**about.arguments)
    model.load_state_dict({key: value.float() if value.is_floating_point() else value
                           for key, value in load_file(path).items()})
    return model.eval().requires_grad_(False).to(device)


def save(trained: Trained, about: Card, *, folder: Path | None = None) -> Path:
    """Store a trained network as 16-bit weights with its card; returns the weights' path."""
    from safetensors.torch import save as pack

    folder = folder or FOLDER
    module, _, cls = about.cls.rpartition(".")
    if not isinstance(trained.model, getattr(importlib.import_module(module), cls)):
        raise TypeError(f"the card says {about.cls}, but the trained network is a {_name(type(trained.model))}.")
    state = {key: value.detach().cpu().contiguous() for key, value in trained.model.state_dict().items()}
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    for key, value in half.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{key} of {about.name!r} does not fit into 16 bits, or is no number.")
    path = folder / f"{about.name}.safetensors"
    with files.atomic(path) as stream:
        stream.write(pack(half))
    content = dataclasses.asdict(dataclasses.replace(about, weights_sha256=files.sha256(path)))
    files.write_json(path.with_suffix(".json"), {key: value for key, value in content.items() if value is not None})
    return path


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
