"""What `fit` promises of a step: it ended with finite numbers, or it left everything as it was and says why.

Whether batch, loss, weights and buffers are finite is read once, after the step, together with the loss: on a GPU a
reading waits for all that was computed before it. Weights and buffers are set aside before the step and put back if
it failed. A training that goes right is not changed by anything here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import arguments


class TrainingFailed(RuntimeError):
    """A step that gave no finite numbers: says at which step, what it was, and what to try."""


class Guard:
    """Weights and buffers of a model as they were before a step, and the one reading after it."""

    def __init__(self, model: nn.Module) -> None:
        self.state = [value.detach() for value in model.state_dict(keep_vars=True).values()]
        self.floats = [value for value in self.state if value.is_floating_point() and value.numel()]
        self.kept = [value.clone() for value in self.state]

    def keep(self) -> None:
        """Set weights and buffers aside."""
        torch._foreach_copy_(self.kept, self.state)

    def put_back(self) -> None:
        """Give weights and buffers the values that were set aside."""
        torch._foreach_copy_(self.state, self.kept)

    def read(self, batch: Any, terms: Mapping[str, Tensor], *, done: int) -> dict[str, float]:
        """Return the loss terms as numbers; where something is not finite, put all back and raise TrainingFailed.

        done: how many steps were whole before this one.
        """
        losses = [term.detach() for term in terms.values()]
        finite = [*(leaf.isfinite().all() for leaf in leaves(batch) if leaf.is_floating_point()),
                  torch.stack(torch._foreach_norm(self.floats, math.inf)).isfinite().all()]
        ok = torch.stack(finite).all().to(losses[0])
        *values, fine = torch.stack([*losses, ok]).tolist()
        if not fine or not math.isfinite(sum(values)):
            self.put_back()
            raise TrainingFailed(_why(batch, dict(zip(terms, values, strict=True)), done + 1))
        return dict(zip(terms, values, strict=True))


def leaves(batch: Any) -> Iterator[Tensor]:
    """Give the tensors of a batch, one after the other.

    >>> [leaf.shape[0] for leaf in leaves((torch.zeros(2), (torch.zeros(3), torch.zeros(4))))]
    [2, 3, 4]
    """
    if isinstance(batch, tuple):
        for part in batch:
            yield from leaves(part)
    else:
        yield batch


def checked_batch(batch: Any) -> Any:
    """Return a batch if it is a tensor (N, ...) or a tuple of such.

    >>> checked_batch([torch.zeros(2, 1)])
    Traceback (most recent call last):
        ...
    TypeError: the source: expected a batch, a tensor (N, ...) or a tuple of tensors, got a list. Usual cause: a \
source that returns [z, y] instead of (z, y).
    """
    for leaf in leaves(batch):
        if not isinstance(leaf, Tensor):
            hint = {list: " Usual cause: a source that returns [z, y] instead of (z, y).",
                    dict: " Give the tensors in a tuple; the step names them: `z, y = batch`.",
                    type(None): " Usual cause: a source without a `return`."}.get(type(leaf), "")
            raise TypeError("the source: expected a batch, a tensor (N, ...) or a tuple of tensors, got "
                            f"{_named(leaf)}.{hint}")
        if not leaf.ndim or not leaf.numel():
            raise ValueError("the source: expected a batch (N, ...) of one sample or more, got a tensor of shape "
                             f"{tuple(leaf.shape)}. Usual cause: no images, or a selection that is empty.")
    if batch == ():
        raise ValueError("the source: expected a batch, got an empty tuple.")
    return batch


def checked_terms(terms: dict[str, Any]) -> dict[str, Tensor]:
    """Return the named terms of a loss, if there is one or more and one depends on the weights.

    >>> checked_terms({"loss": None})
    Traceback (most recent call last):
        ...
    TypeError: the step: expected a loss, a tensor without axes, or named terms of it, {name: tensor}, got nothing \
(None) as loss. Usual cause: a step without a `return`.
    """
    if not terms:
        raise ValueError("the step: expected one term of the loss or more, got an empty dict.")
    for name, term in terms.items():
        if not isinstance(term, Tensor):
            hint = {type(None): " Usual cause: a step without a `return`.",
                    float: " Usual cause: `.item()` or `float(...)`, which leave no gradient."}.get(type(term), "")
            raise TypeError("the step: expected a loss, a tensor without axes, or named terms of it, {name: tensor}, "
                            f"got {_named(term)} as {name}.{hint}")
        if term.ndim or not term.is_floating_point():
            kind = str(term.dtype).removeprefix("torch.")
            raise ValueError("the step: expected a loss without axes, one float, got a tensor of shape "
                             f"{tuple(term.shape)} of {kind} as {name}. Usual cause: a loss for each sample that was "
                             "not averaged: .mean().")
    arguments.same_device(*terms.values(), what="the terms of the loss")
    if torch.is_grad_enabled() and not any(term.requires_grad for term in terms.values()):
        raise ValueError("the step: the loss does not depend on the weights of the network that are trained, so it has "
                         "no gradient. Usual cause: .detach(), torch.no_grad() or .item() on the way to the loss, or "
                         "a loss of the batch alone.")
    return terms


def checked_metrics(found: Any) -> dict[str, float]:
    """Return what a validation found, if it is one named number or more.

    >>> checked_metrics({"psnr": torch.tensor(30.0)})
    {'psnr': 30.0}
    """
    if not isinstance(found, dict) or not found:
        hint = " Usual cause: a validation without a `return`." if found is None else ""
        raise TypeError("validate: expected named metrics such as {'psnr': 30.1}, or a Stop, got "
                        f"{_named(found) if found != {} else 'an empty dict'}.{hint}")
    for name, value in found.items():
        if not isinstance(value, numbers.Real) and not (isinstance(value, Tensor) and value.numel() == 1):
            raise TypeError(f"validate: expected one number for {name!r}, got {_named(value)}. Usual cause: a value "
                            "for each image that was not averaged: float(values.mean()).")
    return {name: float(value) for name, value in found.items()}


def thawed(model: nn.Module) -> nn.Module:
    """Return a model that can be trained: one of which every weight is frozen, as `zoo.load` gives it, is thawed.

    Where some weights are frozen and others are not, somebody chose so, and it stays. Raises ValueError for a model
    without weights.

    >>> thawed(nn.Linear(1, 1).requires_grad_(False)).bias.requires_grad
    True
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model: expected a network, an nn.Module, got {_named(model)}.")
    weights = list(model.parameters())
    if not weights:
        raise ValueError(f"the model: {type(model).__name__} has no weights that could be trained. Usual cause: layers "
                         "in a list, which PyTorch does not see; nn.ModuleList(layers) registers them.")
    return model if any(weight.requires_grad for weight in weights) else model.requires_grad_(True)


def _why(batch: Any, terms: Mapping[str, float], step: int) -> str:
    """Say what was not finite: the batch, else the loss, else the weights that came out."""
    if not all(bool(leaf.isfinite().all()) for leaf in leaves(batch)):
        return (f"the batch of step {step} holds values that are no numbers (NaN or infinite). Usual cause: an image "
                "with NaN, or a division by zero in a view of the source. "
                "The network is as it was after the step before.")
    if which := [name for name, value in terms.items() if not math.isfinite(value)]:
        what = f"the loss became {terms[which[0]]} at step {step} (term: {', '.join(which)})"
    else:
        what = f"weights or buffers became infinite or NaN at step {step}, the loss was still {sum(terms.values()):.4g}"
    return (f"{what} though the batch is finite: the training diverged. Try a tenth of the learning rate, or a longer "
            "warm-up; without that, look for a gradient that is no number, as of a root or a logarithm at zero. "
            "Weights and buffers are those of the step before.")


def _named(value: object) -> str:
    return "nothing (None)" if value is None else f"a {type(value).__name__}"
