"""Weights that others published: where a file holds them, and what does not fit the network that they are for.

A file is loaded by its user, `torch.load(path, map_location="cpu", weights_only=True)`: on any machine, and without
running what else may be in it. A method's `from_published` knows the layouts of its own networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import TypeVar

from torch import Tensor, nn

from course_lib import arguments

HOLDERS = ("state_dict", "model", "model_state_dict", "params_ema", "params", "net", "network", "weights")
N = TypeVar("N", bound=nn.Module)


def state_dict(file: object) -> dict[str, Tensor]:
    """Find the state dict in what a file holds, as float32 and without the prefix `module.` of nn.DataParallel.

    file: a state dict; a list or a dict that holds one, as {"state_dict": ...}; or a network.

    >>> import torch
    >>> list(state_dict({"epoch": 7, "model": [{"module.conv.weight": torch.zeros(1, dtype=torch.float16)}]}))
    ['conv.weight']
    """
    if isinstance(file, str | PathLike):
        raise TypeError(f"expected loaded weights, got the path {str(file)!r}. Load the file first: "
                        'torch.load(path, map_location="cpu", weights_only=True).')
    if isinstance(file, nn.Module):
        return state_dict(file.state_dict())
    if isinstance(file, list | tuple) and len(file) == 1:
        return state_dict(file[0])
    if not isinstance(file, Mapping):
        several = f" of {len(file)} things; choose one of them" if isinstance(file, list | tuple) else ""
        raise TypeError(f"expected a state dict, tensors by their names, got a {type(file).__name__}{several}.")
    for holder in HOLDERS:
        if isinstance(file.get(holder), Mapping | list | tuple | nn.Module):
            return state_dict(file[holder])
    if wrong := [key for key, value in file.items() if not isinstance(key, str) or not isinstance(value, Tensor)]:
        raise TypeError(f"expected a state dict, tensors by their names, got a {type(file[wrong[0]]).__name__} under "
                        f"{wrong[0]!r}. Usual cause: a whole file, which holds the state dict under one of its keys.")
    prefix = "module." if all(key.startswith("module.") for key in file) else ""
    return {key.removeprefix(prefix): value.float() if value.is_floating_point() else value
            for key, value in file.items()}


def filled(network: N, weights: Mapping[str, Tensor], *, name: Callable[[str], str]) -> N:
    """Put published weights into a network, and return it in eval mode; name: ours of a tensor -> the published one.

    How many batches a BatchNorm has seen may be missing: torch before 0.4.1 did not store it, and evaluation does not
    need it.

    >>> import torch
    >>> filled(nn.Linear(2, 1), {"fc.weight": torch.zeros(1, 2)}, name="fc.{}".format)
    Traceback (most recent call last):
        ...
    ValueError: these weights do not fit the network that they describe. Missing: fc.bias.
    """
    own = {name(key): (key, value) for key, value in network.state_dict().items()}
    faults = {
        "Missing": [there for there, (key, _) in own.items()
                    if there not in weights and not key.endswith("num_batches_tracked")],
        "Too many": [there for there in weights if there not in own],
        "Of another shape": [f"{there} (expected {tuple(value.shape)}, got {tuple(weights[there].shape)})"
                             for there, (_, value) in own.items()
                             if there in weights and weights[there].shape != value.shape]}
    if any(faults.values()):
        raise ValueError("these weights do not fit the network that they describe. " + " ".join(
            f"{what}: {', '.join(some[:4])}{f' and {len(some) - 4} more' if len(some) > 4 else ''}."
            for what, some in faults.items() if some))
    network.load_state_dict({key: arguments.finite(weights[there], name=there) if there in weights else value
                             for there, (key, value) in own.items()})
    return network.eval()
