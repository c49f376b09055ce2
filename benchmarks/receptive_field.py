"""Gradients of many networks at once beside one `.backward()` for each: the effective field of 64 initialisations."""

from __future__ import annotations

import torch

from benchmarks.side_by_side import Comparison, compare
from course_lib import profiles, randomness
from course_lib.denoise.receptive_field import Stack, input_gradients, many_gradients

DEPTH, WIDTH, SIDE, NETWORKS = 8, 16, 33, 64
LARGEST_ERROR = 1e-5       # of the largest entry of the gradients


def cases() -> tuple[list[Stack], torch.Tensor]:
    """The networks, each with weights of its own and ReLU, and an image for each."""
    where = profiles.device()
    z = torch.randn(NETWORKS, 1, SIDE, SIDE, generator=randomness.generator(0, "benchmark"))
    return [Stack(depth=DEPTH, width=WIDTH, seed=seed).to(where) for seed in range(NETWORKS)], z.to(where)


def backward_each(networks: list[Stack], z: torch.Tensor) -> torch.Tensor:
    """One forward pass and one `.backward()` for each network, as one writes it down."""
    gradients = []
    for network, image in zip(networks, z, strict=True):
        network.zero_grad()
        leaf = image[None].clone().requires_grad_()
        network(leaf)[0, 0, SIDE // 2, SIDE // 2].backward()
        gradients.append(leaf.grad)
    return torch.cat(gradients)


def gradient_each(networks: list[Stack], z: torch.Tensor) -> torch.Tensor:
    """The same, without the gradients of the weights, which nobody needs here."""
    return torch.cat([input_gradients(network, image[None]) for network, image in zip(networks, z, strict=True)])


def agrees(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Refuse to time what is not equal."""
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    if error > LARGEST_ERROR:
        raise ValueError(f"the gradients differ by {error:.1g} of their largest entry; at most {LARGEST_ERROR:g} is "
                         f"allowed")


def against_backward() -> Comparison:
    """All 64 at once beside `.backward()` 64 times."""
    networks, z = cases()
    agrees(many_gradients(networks, z), backward_each(networks, z))
    return compare("gradients of 64 initialisations (8 layers of 16, 33 x 33, ReLU)",
                   lambda: many_gradients(networks, z).sum().item(), lambda: backward_each(networks, z).sum().item(),
                   peer="one .backward() for each", wanted=10.0)


def against_gradients() -> Comparison:
    """All 64 at once beside 64 gradients with respect to the image alone."""
    networks, z = cases()
    agrees(many_gradients(networks, z), gradient_each(networks, z))
    return compare("the same gradients", lambda: many_gradients(networks, z).sum().item(),
                   lambda: gradient_each(networks, z).sum().item(),
                   peer="one gradient for each, of the image alone", wanted=8.0)


COMPARISONS = (against_backward, against_gradients)
