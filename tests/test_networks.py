"""The shared networks: their sizes by hand, any image size, and weights from their seed alone."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.networks import Embedding, Encoder, settle


def test_a_small_start_scales_the_vectors_and_nothing_else():
    x = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(0.1 * Embedding().eval()(x), Embedding(start=0.1).eval()(x), atol=1e-6)


def test_its_weights_are_those_counted_by_hand():
    """Convolutions without biases, two numbers a channel for each normalisation, a linear layer of 3 x 3 places."""
    by_hand = 9 * (3 * 8 + 8 * 5) + 2 * (8 + 5) + (5 * 9 + 1) * 7
    assert sum(weight.numel() for weight in Embedding(channels=3, widths=(8, 5), dimensions=7).parameters()) == by_hand


def test_it_computes_what_its_docstring_says():
    """Against plain calls of PyTorch's functions, block by block."""
    network = Embedding(widths=(4, 6), dimensions=5, seed=3).double().eval()
    encoder = Encoder(widths=(4, 6), seed=3).double().eval()
    x = torch.rand(2, 1, 16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights, h = network.state_dict(), x
    for block in (0, 4):
        h = F.conv2d(h, weights[f"features.{block}.weight"], padding=1)
        h = F.max_pool2d((h / (1 + 1e-5) ** 0.5).relu(), 2)                   # normalisation as it is before training
    assert h.shape == (2, 6, 4, 3)
    rows = torch.stack([h[..., [0, 1], :].mean(-2), h[..., [1, 2], :].mean(-2), h[..., [2, 3], :].mean(-2)], dim=-2)
    assert torch.allclose(network(x), rows.flatten(1) @ weights["last.weight"].T + weights["last.bias"], atol=1e-12)
    assert torch.allclose(encoder(x), h.mean((2, 3)), atol=1e-12) and encoder.dimensions == 6      # the same blocks


@pytest.mark.parametrize("size", [(48, 48), (56, 46), (28, 105), (16, 16)])
def test_images_of_any_size_fit(size):
    assert Embedding(dimensions=9)(torch.rand(2, 1, *size)).shape == (2, 9)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_state():
    before = torch.get_rng_state()
    a, b, other = Embedding(seed=1), Embedding(seed=1), Embedding(seed=2)
    assert all(torch.equal(u, v) for u, v in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.last.weight, other.last.weight)
    assert torch.equal(before, torch.get_rng_state())


def test_vectors_are_neither_rectified_nor_of_one_length():
    f = Embedding().eval()(torch.rand(50, 1, 48, 48, generator=torch.Generator().manual_seed(0))).detach()
    assert bool((f < 0).any()) and float(f.norm(dim=1).std()) > 1e-3


def test_settling_moves_the_statistics_of_normalisation_and_nothing_else():
    """Three times the same batch: a running mean is a sum of shares 1/10, 9/100, ... of the mean that is there."""
    fresh, network = (Embedding(widths=(4, 6), dimensions=5, seed=3) for _ in range(2))
    x = torch.rand(8, 1, 16, 12, generator=torch.Generator().manual_seed(0))
    assert settle(network, (x for _ in range(3))) is network and not network.training
    for (name, before), after in zip(fresh.state_dict().items(), network.state_dict().values(), strict=True):
        assert torch.equal(before, after) != ("running" in name or "num_batches" in name), name
    there = F.conv2d(x, network.features[0].weight, padding=1).mean(dim=(0, 2, 3)).detach()
    assert torch.allclose(network.features[1].running_mean, (1 - 0.9**3) * there, atol=1e-6)


def test_mistakes_are_told():
    for network in (Embedding, Encoder):
        with pytest.raises(ValueError, match=f"at least 16 x 16 .* {network.__name__}"):
            network()(torch.zeros(1, 1, 12, 48))
    with pytest.raises(ValueError, match="expected 1 channel"):
        Embedding()(torch.zeros(1, 3, 48, 48))
    with pytest.raises(ValueError, match="channels after each block"):
        Embedding(widths=())
    with pytest.raises(TypeError, match="were not divided"):
        Embedding()(torch.zeros(1, 1, 48, 48, dtype=torch.uint8))
