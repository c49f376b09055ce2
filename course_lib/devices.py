"""What a GPU asks of code that also runs without one: where numbers are drawn, how they get there, what it can compute.

Choices (which picture, which crop, which level) are drawn on the processor, where reading them costs nothing; noise is
drawn where the images are. A training waits for its GPU once in a step, so nothing else here waits for it. On the
processor no function of this module changes a result, whatever it is called with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Draws(torch.Generator):
    """A generator on the processor whose batches belong on another device: what `fit` gives to a source.

    Its state is that of a processor, so a training that lost its GPU goes on with the same choices.
    """

    place: torch.device


def draws(generator: torch.Generator, place: torch.device) -> torch.Generator:
    """Return a generator that continues a generator's stream, for batches on a device.

    >>> stream = draws(torch.Generator().manual_seed(0), torch.device("meta"))
    >>> stream.device.type, place(stream).type
    ('cpu', 'meta')
    """
    if generator.device == place:
        return generator
    made = Draws()
    made.set_state(generator.get_state())
    made.place = place
    return made


def place(generator: torch.Generator) -> torch.device:
    """Return the device on which the batches that a generator draws are wanted; usually its own."""
    return getattr(generator, "place", generator.device)


def on(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """Return a generator on a device, to draw noise there: the generator itself, or a new one that it seeds.

    >>> ours = torch.Generator()
    >>> on(ours, torch.device("cpu")) is ours
    True
    """
    if generator.device.type == device.type:
        return generator
    seed = int(torch.randint(1 << 62, (), generator=generator, device=generator.device))
    return torch.Generator(device=device).manual_seed(seed)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Move values to a device without waiting for it; from a GPU to the processor the call waits, or would return
    before they have come."""
    return values.to(device, non_blocking=values.device.type == "cpu")


def float64(values: Tensor) -> Tensor:
    """Return values as float64: where they are, or on the processor if their device (MPS) has no such type."""
    return values.to("cpu" if values.device.type == "mps" else values.device, torch.float64)


@contextmanager
def layers_seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let layers that draw from an accelerator's global state (dropout) draw from a seed, and put the state back.

    On the processor nothing happens: its global state is set by the caller.
    """
    if device.type == "cpu":
        yield
        return
    module = getattr(torch, device.type)
    before = module.get_rng_state()
    module.manual_seed(seed)
    try:
        yield
    finally:
        module.set_rng_state(before)


def settings() -> None:
    """Refuse a device that the environment names and that is not here, and numbers of a launcher that are none.

    >>> settings()      # all is well
    """
    for name, least in (("WORLD_SIZE", 1), ("LOCAL_RANK", 0)):
        text = os.environ.get(name, str(least))
        if not text.isdecimal() or int(text) < least:
            raise ValueError(f"{name}: expected a whole number of {least} or more, as torchrun and accelerate launch "
                             f"set it, got {text!r}. Unset it to train in one process.")
    if named := os.environ.get("COURSE_DEVICE"):
        _expect_here(named)
    elif (rank := int(os.environ.get("LOCAL_RANK", 0))) and 0 < _gpus() <= rank:
        raise ValueError(f"LOCAL_RANK: expected a number below {_gpus()}, the number of GPUs here, got {rank}. Usual "
                         "cause: more processes than GPUs.")


def _expect_here(named: str) -> None:
    try:
        device = torch.device(named)
    except RuntimeError:
        device = torch.device("meta")
    here = {"cpu": 1, "cuda": _gpus(), "mps": int(torch.backends.mps.is_available())}
    if device.type not in here:
        raise ValueError(f"COURSE_DEVICE: expected cpu, cuda, cuda:1 for the second GPU, or mps, got {named!r}.")
    if (device.index or 0) >= here[device.type]:
        raise ValueError(f"COURSE_DEVICE: expected a device that is here, got {named!r}, and PyTorch can use "
                         f"{here[device.type] or 'none'} of this type, counted from 0. `course doctor` looks for the "
                         "cause; COURSE_DEVICE=cpu computes on the processor.")


def _gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
