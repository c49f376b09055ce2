"""Streams of random numbers: named, independent, and never the global one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def generator(seed: int, *names: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a generator for one purpose: the same seed with other names gives an independent stream.

    >>> a, b = generator(0, "noise"), generator(0, "crops")
    >>> bool(torch.equal(torch.rand(3, generator=a), torch.rand(3, generator=b)))
    False
    """
    digest = hashlib.sha256(repr((int(seed), *names)).encode()).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run code that only knows the global random state (dropout, say) from a seed, and put the state back after.

    >>> before = torch.get_rng_state()
    >>> with seeded(0):
    ...     _ = torch.rand(1)
    >>> bool(torch.equal(before, torch.get_rng_state()))
    True
    """
    devices = [*range(torch.cuda.device_count())] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
