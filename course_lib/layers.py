"""Small shared blocks and the one place where networks get their first weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn


def he_normal(weight: Tensor, generator: torch.Generator) -> None:
    """Fill a kernel so that the variance stays constant over the depth of a ReLU network: N(0, 2 / fan_in). Source: He
    et al. 2015.

    >>> w = torch.empty(64, 64, 3, 3)
    >>> he_normal(w, torch.Generator().manual_seed(0))
    >>> abs(float(w.detach().std()) / math.sqrt(2 / 576) - 1) < 0.02
    True
    """
    if generator.device.type != weight.device.type:
        raise ValueError(f"expected weights and a generator on one device, got {weight.device} and {generator.device}. "
                         "Make a network on the processor, so that it begins the same for every GPU, and move it then.")
    fan_in = weight[0].numel()
    with torch.no_grad():
        weight.normal_(0.0, math.sqrt(2 / fan_in), generator=generator)


def initialise(module: nn.Module, generator: torch.Generator,
               convolution: Callable[[Tensor, torch.Generator], None] = he_normal) -> nn.Module:
    """Draw every weight of a module from one generator, in the order of its modules; biases 0, norms 1 and 0.

    PyTorch's constructors draw from the global random state: construct within `quiet_constructors()`, then call this.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            convolution(part.weight, generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            part.reset_parameters()
    return module


def quiet_constructors() -> AbstractContextManager[None]:
    """Let PyTorch's layers be constructed without moving the global random state.

    >>> before = torch.get_rng_state()
    >>> with quiet_constructors():
    ...     layer = nn.Conv2d(1, 8, 3)
    >>> bool(torch.equal(before, torch.get_rng_state()))
    True
    """
    return torch.random.fork_rng(devices=[])
