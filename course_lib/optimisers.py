"""Optimisers and learning-rate schedules as small values that `fit` turns into PyTorch's objects.

AdamW and SGD are PyTorch's. Muon for convolutions is ours: a weight (out, in, k, k) is a matrix with one row for each
output channel, and its momentum is replaced by the nearest matrix whose singular values are all about one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from course_lib import arguments, devices

Schedule = Callable[[float], float]   # fraction of the training done -> factor on the learning rate


class Optimiser(Protocol):
    """A recipe that can be applied to a network: what `fit` accepts."""

    def build(self, model: nn.Module, groups: Mapping[str, float]) -> list[torch.optim.Optimizer]: ...


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov 2019), which leaves biases and norms undecayed."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

    def build(self, model: nn.Module, groups: Mapping[str, float]) -> list[torch.optim.Optimizer]:
        arguments.number(self.lr, name="lr", low=0)
        arguments.number(self.weight_decay, name="weight_decay", low=0)
        named = list(model.named_parameters())
        return [torch.optim.AdamW(_grouped(named, groups, self.lr, self.weight_decay), lr=self.lr, betas=self.betas)]


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum."""

    lr: float = 1e-1
    momentum: float = 0.9
    weight_decay: float = 0.0
    nesterov: bool = False

    def build(self, model: nn.Module, groups: Mapping[str, float]) -> list[torch.optim.Optimizer]:
        arguments.number(self.lr, name="lr", low=0)
        arguments.number(self.momentum, name="momentum", low=0)
        arguments.number(self.weight_decay, name="weight_decay", low=0)
        named = list(model.named_parameters())
        return [torch.optim.SGD(_grouped(named, groups, self.lr, self.weight_decay), lr=self.lr,
                                momentum=self.momentum, nesterov=self.nesterov)]


@dataclass(frozen=True)
class Muon:
    """Orthogonalised momentum for the hidden convolutions; AdamW for first and last layers, norms and biases.

    M <- mu M + (1 - mu) G;  W <- W - lr sqrt(max(1, out / (in k k))) orthogonalise((1 - mu) G + mu M).
    Source: K. Jordan's Muon (2024), as in torch.optim.Muon, whose steps this equals on matrices.
    """

    lr: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 0.0
    adam: AdamW = AdamW(lr=2e-3)

    def build(self, model: nn.Module, groups: Mapping[str, float]) -> list[torch.optim.Optimizer]:
        arguments.number(self.lr, name="lr", low=0)
        arguments.number(self.weight_decay, name="weight_decay", low=0)
        arguments.number(self.adam.lr, name="lr of adam", low=0)
        arguments.number(self.adam.weight_decay, name="weight_decay of adam", low=0)
        arguments.number(self.momentum, name="momentum", low=0, high=1)
        matrices = [(name, p) for name, p in model.named_parameters() if p.ndim >= 2]
        ends = {name for name, _ in (*matrices[:1], *matrices[-1:])}
        hidden = [(name, p) for name, p in matrices if name not in ends]
        names = {name for name, _ in hidden}
        rest = [(name, p) for name, p in model.named_parameters() if name not in names]
        adam = torch.optim.AdamW(_grouped(rest, groups, self.adam.lr, self.adam.weight_decay), lr=self.adam.lr,
                                 betas=self.adam.betas)
        moved = _grouped(hidden, groups, self.lr, self.weight_decay)
        return [_Muon(moved, lr=self.lr, momentum=self.momentum), adam] if moved else [adam]


def cosine(fraction: float, *, warm_up: float = 0.05) -> float:
    """Rise over the first twentieth, then fall along half a cosine to zero.

    >>> [round(cosine(f), 3) for f in (0.0, 0.05, 0.525, 1.0)]
    [0.0, 1.0, 0.5, 0.0]
    """
    if not 0 <= warm_up < 1:
        raise ValueError(f"warm_up: expected a fraction from 0 to below 1, got {warm_up}.")
    if fraction < warm_up:
        return fraction / warm_up
    return 0.5 * (1 + math.cos(math.pi * (fraction - warm_up) / (1 - warm_up)))


def constant(fraction: float) -> float:
    """Do not change the learning rate."""
    return 1.0


@dataclass(frozen=True)
class steps_down:
    """Multiply the learning rate by a factor at each of some fractions of the training: the classical milestones.

    >>> steps_down(at=(0.5, 0.75), by=0.1)(0.6)
    0.1
    """

    at: tuple[float, ...]
    by: float = 0.1

    def __call__(self, fraction: float) -> float:
        arguments.number(self.by, name="by", low=0)
        return self.by ** sum(fraction >= milestone for milestone in self.at)


def orthogonalise(stack: Tensor, *, rounds: int = 5) -> Tensor:
    """Push all singular values of matrices towards one, keeping their singular vectors, by Newton-Schulz iterations.

    X <- a X + (b A + c A A) X with A = X X^T and (a, b, c) = (3.4445, -4.775, 2.0315), from X = M / |M|.
    Computed in the precision of the stack (layers, r, c); singular values end in about [0.7, 1.2].

    >>> m = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(0))
    >>> s = torch.linalg.svdvals(orthogonalise(m))
    >>> bool((s > 0.6).all() and (s < 1.3).all())
    True
    """
    if stack.ndim != 3:
        raise ValueError(f"expected a stack of matrices (layers, r, c), got {tuple(stack.shape)}. One matrix becomes a "
                         "stack with matrix[None].")
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = stack.shape[-2] > stack.shape[-1]
    x = stack.mT if tall else stack
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(rounds):
        gram = x @ x.mT                                                          # A
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class _Muon(torch.optim.Optimizer):
    """Weights of one shape are stepped as one stack: a batched product for each shape, not a loop over layers."""

    def __init__(self, groups: list[dict], *, lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(weight.shape, []).append(weight)
            for weights in by_shape.values():
                self._step_stack(weights, group)

    def _step_stack(self, weights: list[nn.Parameter], group: dict) -> None:
        mu = group["momentum"]
        updates = []
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            gradient = cast(Tensor, weight.grad)
            state["momentum"].lerp_(gradient, 1 - mu)
            updates.append(gradient.lerp(state["momentum"], mu).flatten(1))   # (out, in k k)
        momenta = torch.stack(updates)                                           # (layers, out, in k k)
        stack = orthogonalise(momenta.to(devices.matrix_type(momenta.device)))   # in bfloat16, as torch's
        rows, columns = stack.shape[-2:]
        for weight, update in zip(weights, stack.unbind(), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update.to(weight.dtype).view_as(weight), alpha=-group["lr"] * math.sqrt(max(1, rows / columns)))


def _grouped(named: list[tuple[str, nn.Parameter]], groups: Mapping[str, float], lr: float, decay: float) -> list[dict]:
    """Parameter groups: one for each factor on the learning rate, with and without weight decay."""
    chosen: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        factor = next((f for prefix, f in groups.items() if name == prefix or name.startswith(prefix + ".")), 1.0)
        if factor:
            chosen.setdefault((factor, decay if parameter.ndim >= 2 else 0.0), []).append(parameter)
    return [{"params": parameters, "lr": lr * factor, "weight_decay": d} for (factor, d), parameters in chosen.items()]


def check_groups(model: nn.Module, groups: Mapping[str, float]) -> None:
    """Refuse a group that names no part of the model, and a factor on its learning rate that is below zero."""
    names = [name for name, _ in model.named_modules()] + [name for name, _ in model.named_parameters()]
    for prefix in groups:
        arguments.one_of(prefix, [name for name in names if name], what="part of the network in groups")
        arguments.number(groups[prefix], name=f"the factor of {prefix!r} in groups", low=0)
