"""What a GPU asks of code that also runs without one: where numbers are drawn, how they get there, what it can compute.

Choices (which picture, which crop, which level) are drawn on the processor, where reading them costs nothing; noise is
drawn where the images are. A training waits for its GPU once in a step, so nothing else here waits for it. On the
processor no function of this module changes a result, whatever it is called with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F


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
    before they have come. Whole numbers, such as labels, stay known on the processor: see `here`."""
    moved = values.to(device, non_blocking=values.device.type == "cpu")
    if moved is not values and values.device.type == "cpu" and not values.is_floating_point():
        moved.here = values     # type: ignore[attr-defined]
    return moved


def here(values: Tensor) -> Tensor:
    """Return values on the processor, where reading them costs nothing; whole numbers that `sent` moved come without
    waiting."""
    return getattr(values, "here", values).cpu()


def rows(table: Tensor, which: Tensor) -> Tensor:
    """Take rows of a table (N, D) by their positions (T,), as `table[which]` does: (T, D).

    A row that is taken often gets a sum of gradients. `table[which]` adds them in an order that depends on the threads,
    this in the order of `which`, on one thread or many.

    >>> rows(torch.tensor([[1.0], [2.0]]), torch.tensor([1, 1, 0])).flatten()
    tensor([2., 2., 1.])
    """
    return F.embedding(sent(which, table.device), table)


def averaged(x: Tensor, size: int) -> Tensor:
    """Average images (N, C, H, W) to size x size places, each over its own window, as `nn.AdaptiveAvgPool2d` does.

    Its gradient on CUDA has no form that always adds in the same order; a product of matrices has.

    >>> averaged(torch.arange(4.0).reshape(1, 1, 2, 2), 1).item()
    1.5
    """
    if x.device.type == "cpu":
        return F.adaptive_avg_pool2d(x, size)
    return _averaged(x, size)


def _averaged(x: Tensor, size: int) -> Tensor:
    """Average by matrices of weights, (size, H) from the left and (W, size) from the right."""
    def weights(length: int) -> Tensor:
        first = torch.arange(size, device=x.device)[:, None] * length
        place = torch.arange(length, device=x.device)
        inside = (place >= first // size) & (place <= (first + length - 1) // size)             # (size, length)
        return inside.to(x) / inside.sum(dim=1, keepdim=True)

    return weights(x.shape[2]).to(x) @ x @ weights(x.shape[3]).to(x).T


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
