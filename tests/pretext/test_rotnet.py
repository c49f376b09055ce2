"""Turns are exact and balanced, a symmetric picture cannot be told, and a network learns what is up."""

import math

import pytest
import torch
from torch import nn

from course_lib.pretext import rotnet
from course_lib.pretext.nin import NIN
from course_lib.pretext.rotnet import EIGHT, FOUR, HALF, accuracy, moved_and_mirrored, symmetrised, turned, turns


def pictures(count=3, channels=3, side=12, seed=0):
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


def transposed_only(images, degrees):
    """A broken turn: it transposes where it should turn."""
    return images.mT if degrees % 180 else turned(images, degrees)


def test_four_quarter_turns_are_none():
    x = pictures()
    for _ in range(4):
        x = turned(x, 90)
    assert torch.equal(x, pictures())


@pytest.mark.parametrize("a", FOUR)
@pytest.mark.parametrize("b", FOUR)
def test_turns_add_up_exactly(a, b):
    x = pictures()
    assert torch.equal(turned(turned(x, a), b), turned(x, (a + b) % 360))


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="transposing is no turn")
def test_a_transposition_is_told_from_a_turn():
    x = pictures()
    assert torch.equal(transposed_only(transposed_only(x, 90), 90), turned(x, 180))


@pytest.mark.parametrize("angle", FOUR)
def test_mirroring_before_a_turn_is_mirroring_after_the_turn_back(angle):
    x = pictures()
    assert torch.equal(turned(x.flip(-1), angle), turned(x, -angle).flip(-1))


@pytest.mark.parametrize("angle", FOUR)
def test_a_quarter_turn_only_moves_pixels(angle):
    x = pictures(count=1)
    assert torch.equal(turned(x, angle).flatten().sort().values, x.flatten().sort().values)
    shift, scale = torch.rand(3, 1, 1), torch.rand(3, 1, 1)
    assert torch.equal(turned((x - shift) / scale, angle), (turned(x, angle) - shift) / scale)


def test_a_turn_is_counter_clockwise():
    assert turned(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 90).tolist() == [[2.0, 4.0], [1.0, 3.0]]


def test_mirroring_both_ways_is_half_a_turn_so_upside_down_pictures_are_no_augmentation():
    x = pictures()
    assert torch.equal(x.flip(-1, -2), turned(x, 180))


@pytest.mark.parametrize("degrees", [FOUR, HALF, EIGHT])
def test_all_turns_of_a_picture_are_together_and_labels_are_balanced(degrees):
    x = pictures(count=5)
    made, labels = turns(x, degrees)
    assert len(made) == 5 * len(degrees)
    assert labels.bincount().tolist() == [5] * len(degrees)
    assert labels.tolist() == list(range(len(degrees))) * 5
    if degrees != EIGHT:
        assert torch.equal(made[len(degrees)], x[1])


def test_of_eight_turns_no_corner_shows():
    white = torch.ones(1, 1, 33, 33)
    made, _ = turns(white, EIGHT)
    assert made.shape[-1] < 33 / math.sqrt(2) and float(made.amin()) > 0.999


def test_interpolation_gives_every_second_of_eight_turns_away():
    noise = pictures(count=200, channels=1, side=33)
    made, labels = turns(noise, EIGHT)
    steep = made.diff(dim=-2).abs().mean(dim=(1, 2, 3))
    odd = labels % 2 == 1
    assert float(steep[odd].max()) < float(steep[~odd].min())     # one threshold on noise: twice as good as chance


def test_a_symmetric_picture_looks_the_same_from_all_sides():
    x = symmetrised(pictures())
    for angle in FOUR:
        assert torch.equal(turned(x, angle), x)


def test_any_network_is_right_on_a_quarter_of_symmetric_pictures():
    images = (symmetrised(pictures(count=40)) * 255).round().byte()
    network = NIN(blocks=2, width=12, seed=3).eval()
    assert accuracy(network, images) == 0.25


def test_a_constant_answer_is_right_on_a_quarter():
    class Always(nn.Module):
        def forward(self, x):
            return torch.tensor([[0.0, 1.0, 0.0, 0.0]]).expand(len(x), -1)

    assert accuracy(Always(), (pictures(count=7) * 255).byte()) == 0.25


def test_the_first_loss_is_that_of_guessing():
    made, labels = turns(pictures(count=8, side=16))
    scores = NIN(width=24).train()(made)
    assert abs(float(nn.functional.cross_entropy(scores, labels)) - math.log(4)) < 0.5


def test_the_backbone_has_the_papers_layers():
    network = NIN()
    shapes = [tuple(network.eval().features(torch.zeros(1, 3, 32, 32), block).shape[1:]) for block in (1, 2, 3, 4)]
    assert shapes == [(96, 16, 16), (192, 8, 8), (192, 8, 8), (192, 8, 8)]
    kernels = [layer.kernel_size[0] for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [5, 1, 1, 5, 1, 1, 3, 1, 1, 3, 1, 1]
    widths = [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert widths[:6] == [192, 160, 96, 192, 192, 192]
    assert not any(layer.bias is not None for layer in network.modules() if isinstance(layer, nn.Conv2d))


def test_augmentation_shifts_and_mirrors_and_leaves_zeros_at_the_edge():
    x = torch.ones(200, 1, 8, 8)
    moved = moved_and_mirrored(x, torch.Generator().manual_seed(0))
    kept = moved.sum(dim=(1, 2, 3))
    assert set(moved.unique().tolist()) == {0.0, 1.0} and kept.min() == 16 and kept.max() == 64


def test_the_rate_falls_by_five_three_times():
    rates = [round(rotnet.PAPERS_SCHEDULE(t), 4) for t in (0.0, 0.29, 0.3, 0.6, 0.8, 1.0)]
    assert rates == [1, 1, 0.2, 0.04, 0.008, 0.008]


@pytest.mark.parametrize("wrong", [torch.rand(2, 3, 8, 9), torch.rand(2, 3, 8, 8)])
def test_what_cannot_be_turned_is_refused(wrong):
    if wrong.shape[-1] != wrong.shape[-2]:
        with pytest.raises(ValueError, match="expected square ones"):
            turned(wrong, 90)
    else:
        with pytest.raises(ValueError, match="expected a multiple of 45, got 30"):
            turned(wrong, 30)
