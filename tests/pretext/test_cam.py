"""Class activation maps add up to the score, and attention maps need no class."""

import pytest
import torch
from torch import nn

from course_lib.pretext import cam


def features(seed=0):
    return torch.randn(4, 6, 5, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layer(classes=3):
    made = nn.Linear(6, classes).double()
    with torch.no_grad():
        made.weight.normal_(generator=torch.Generator().manual_seed(1))
        made.bias.normal_(generator=torch.Generator().manual_seed(2))
    return made


def difference(centred):
    f, last = features(), layer()
    scores = last(f.mean(dim=(2, 3)))
    return (cam.class_maps(f, last, centred=centred).mean(dim=(2, 3)) + last.bias - scores).abs().max()


def test_the_mean_of_a_map_and_the_bias_are_the_score():
    assert difference(centred=False) < 1e-12


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="centred maps leave the mean of all classes out")
def test_centred_maps_are_told_from_the_plain_ones():
    assert difference(centred=True) < 1e-5


def test_centred_maps_do_not_see_what_no_probability_sees():
    f, last = features(), layer()
    before = cam.class_maps(f, last)
    probabilities = last(f.mean(dim=(2, 3))).softmax(dim=1)
    with torch.no_grad():
        last.weight += torch.randn(6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert torch.allclose(cam.class_maps(f, last), before)
    assert torch.allclose(last(f.mean(dim=(2, 3))).softmax(dim=1), probabilities)


def test_a_map_is_the_gradient_of_the_score_weighted_by_the_features():
    f, last = features().requires_grad_(), layer()
    (slope,) = torch.autograd.grad(last(f.mean(dim=(2, 3)))[:, 1].sum(), f)
    assert torch.allclose((slope.mean(dim=(2, 3), keepdim=True) * f).sum(dim=1) * 35,
                          cam.class_maps(f, last, centred=False)[:, 1])


def test_attention_is_never_below_zero_and_of_length_one():
    maps = cam.attention(features())
    assert bool((maps >= 0).all()) and torch.allclose(maps.flatten(1).norm(dim=1), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_attention_sees_neither_order_nor_sign_nor_scale_of_the_channels(power):
    f = features()
    same = -3 * f[:, torch.tensor([2, 0, 1, 5, 4, 3])]
    assert torch.allclose(cam.attention(f, power=power), cam.attention(same, power=power))


def test_a_mask_is_a_share_of_the_largest_value_and_overlap_counts_pixels():
    maps = torch.tensor([[0.0, 1.0], [2.0, 4.0]]).reshape(1, 1, 2, 2)
    assert cam.mask(maps, share=0.4).flatten().tolist() == [False, False, True, True]
    assert not cam.mask(-maps - 1).any()
    nothing = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    assert cam.overlap(nothing, nothing).item() == 1 and cam.overlap(nothing, ~nothing).item() == 0


def test_first_filters_have_the_scale_of_the_normalisation():
    convolution, norm = nn.Conv2d(3, 4, 5, bias=False), nn.BatchNorm2d(4, eps=0.0)
    norm.running_var.fill_(4.0)
    assert torch.allclose(cam.first_filters(convolution, norm), convolution.weight / 2)
