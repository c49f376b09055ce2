"""What a GPU asks of code that also runs without one: where numbers are drawn, how they get there, what it can compute.

Choices (which picture, which crop, which level) are drawn on the processor, where reading them costs nothing; noise is
drawn where the images are. A training waits for its GPU once in a step, so nothing else here waits for it. On the
processor no function of this module changes a result, whatever it is called with.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from course_lib import randomness

HOST = torch.device("cpu")


class Draws(torch.Generator):
    """A generator on the processor whose batches belong on another device: what `fit` gives to a source.

    Its state is that of a processor, so a training that lost its GPU can go on.
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
    before they have come. Whole numbers, such as labels, stay known on the processor: see `here`."""
    return known(values.to(device, non_blocking=values.device.type == "cpu"), values)


def known(moved: Tensor, values: Tensor) -> Tensor:
    """Return values that were moved from the processor; whole numbers stay known there: see `here`."""
    if moved is not values and values.device.type == "cpu" and not values.is_floating_point():
        moved.here = values     # type: ignore[attr-defined]
    return moved


def here(values: Tensor) -> Tensor:
    """Return values on the processor, where reading them costs nothing; whole numbers that `sent` moved come without
    waiting."""
    return getattr(values, "here", values).cpu()


def on_processor(network: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a network whose weights are float32 on the processor: itself, or a copy of one whose weights are not.

    >>> on_processor(torch.nn.Conv2d(1, 1, 3).double()).weight.dtype
    torch.float32
    """
    if not isinstance(network, nn.Module) or all(
            weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in network.parameters()):
        return network
    return copy.deepcopy(network).cpu().float()


def float64(values: Tensor) -> Tensor:
    """Return values as float64: where they are, or on the processor if their device (MPS) has no such type."""
    return values.to("cpu" if values.device.type == "mps" else values.device, torch.float64)


def at_least_float32(values: Tensor) -> Tensor:
    """Return values as float32, or as they are in float64: sums of squares lose in 16 bits what filters compare.

    >>> at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def home(denoiser: object, known: torch.device | None) -> torch.device | None:
    """Return where a denoiser works: where it is known to, or where the first network that it asks has its weights.

    A denoiser that is no network asks one, as NN3D does, or one of several, as a bank does; None asks none.
    """
    return known or next((weight.device for network in _asked(denoiser) for weight in network.parameters()), None)


def _asked(denoiser: object) -> Iterator[nn.Module]:
    if isinstance(denoiser, nn.Module):
        yield denoiser
    elif isinstance(denoiser, Mapping) or is_dataclass(denoiser):
        for part in (denoiser if isinstance(denoiser, Mapping) else vars(denoiser)).values():
            yield from _asked(part)


@contextmanager
def layers_seeded(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Let layers that draw from an accelerator's global state (dropout) draw from a seed and the step, and put the
    state back; so a training that goes on at this step draws the same.

    On the processor nothing happens: there the caller has set the global state.
    """
    if device.type == "cpu":
        yield
        return
    module = getattr(torch, device.type)
    before = module.get_rng_state()
    module.manual_seed(randomness.generator(seed, "layers", f"step {step}").initial_seed())
    try:
        yield
    finally:
        module.set_rng_state(before)


def require_float32() -> list[str]:
    """Let CUDA multiply float32 as float32 from now on, and not as TF32, which keeps 10 of its 23 bits; return the
    settings there were."""
    before = [setting.fp32_precision for setting in _float32_settings()]
    for setting in _float32_settings():
        setting.fp32_precision = "ieee"
    return before


@contextmanager
def exact_float32() -> Iterator[None]:
    """Let CUDA multiply float32 as float32 within the block.

    >>> with exact_float32():
    ...     torch.backends.cudnn.conv.fp32_precision
    'ieee'
    """
    before = require_float32()
    try:
        yield
    finally:
        for setting, precision in zip(_float32_settings(), before, strict=True):
            setting.fp32_precision = precision


def _float32_settings() -> tuple[Any, Any, Any]:
    cuda, cudnn = cast(Any, torch.backends.cuda), cast(Any, torch.backends.cudnn)
    return cuda.matmul, cudnn.conv, cudnn.rnn


def matrix_type(device: torch.device) -> torch.dtype:
    """Return bfloat16 where a device multiplies it natively or at least the processor does, else float32 (a T4)."""
    native = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


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
