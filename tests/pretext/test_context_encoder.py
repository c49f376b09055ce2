"""Holes are where they should be, what was known stays, and channels do not meet in the middle."""

import pytest
import torch

from course_lib.pretext import context_encoder
from course_lib.pretext.context_encoder import ChannelWise, ContextEncoder, Hole, filled, loss


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=3):
    return torch.rand(count, 3, 32, 32, generator=generator())


def test_a_hole_in_the_middle_is_a_quarter_of_the_picture():
    holey, whole, mask = Hole()(pictures(), generator())
    assert mask.shape == (3, 1, 32, 32) and mask.sum() == 3 * 16 * 16
    assert mask[0, 0, 8, 8] == 1 == mask[0, 0, 23, 23] and mask[0, 0, 7, 8] == 0
    assert torch.equal(whole, pictures()) and torch.equal(holey[..., 0, :], whole[..., 0, :])
    known = (mask[0, 0] == 0)
    assert torch.allclose(holey[0, :, 10, 10], whole[0, :, known].mean(dim=1))


@pytest.mark.parametrize("hole", [Hole(), Hole(random=True), Hole(share=0.9, random=True, blocks=1)])
def test_nothing_of_what_is_hidden_is_left_in_the_input(hole):
    holey, _, mask = hole(pictures(), generator())
    others = torch.where(mask > 0, 1 - pictures(), pictures())          # the same around the hole, other things in it
    again, _, _ = hole(others, generator())
    assert torch.equal(holey, again)


def test_random_holes_differ_and_cover_at_most_their_share():
    mask = Hole(share=0.3, random=True).mask(torch.Size((200, 3, 32, 32)), generator())
    area = mask.float().mean(dim=(1, 2, 3))
    assert float(area.max()) < 0.33 and float(area.min()) > 0.05 and len(mask.unique(dim=0)) > 150


def test_what_was_known_stays_bit_for_bit():
    holey, _, mask = Hole()(pictures(), generator())
    estimate = filled(ContextEncoder(size=32, width=4).eval(), holey, mask)
    outside = (mask == 0).expand_as(holey)
    assert torch.equal(estimate[outside], holey[outside]) and not torch.equal(estimate, holey)


def test_only_the_hole_counts():
    estimate = pictures().requires_grad_()
    _, whole, mask = Hole()(torch.rand(3, 3, 32, 32, generator=generator(1)), generator())
    (slope,) = torch.autograd.grad(loss(estimate, whole, mask), estimate)
    assert not slope[(mask == 0).expand_as(slope)].any() and slope[(mask == 1).expand_as(slope)].any()
    inside = (mask == 1).expand_as(whole)
    wanted = (estimate - whole)[inside].square().mean()
    assert torch.allclose(loss(estimate, whole, mask), wanted)


def test_channels_do_not_meet_in_the_channel_wise_layer():
    layer = ChannelWise(3, 4)
    x = torch.rand(1, 3, 4, 4, generator=generator())
    jacobian = torch.autograd.functional.jacobian(layer, x)[0, :, :, :, 0].abs().sum(dim=(1, 2, 4, 5))
    assert torch.equal(jacobian > 0, torch.eye(3, dtype=torch.bool))
    assert layer.weight.numel() == 3 * 4**4


def test_every_place_knows_of_every_other():
    layer = ChannelWise(1, 4)
    jacobian = torch.autograd.functional.jacobian(layer, torch.zeros(1, 1, 4, 4))
    assert bool((jacobian != 0).all())


@pytest.mark.parametrize("size", [30, 0])
def test_sizes_that_cannot_be_halved_are_refused(size):
    with pytest.raises(ValueError, match="size"):
        ContextEncoder(size=size)


def test_a_source_gives_the_three():
    images = (255 * pictures()).byte()
    holey, whole, mask = context_encoder.holes(images, Hole(random=True))(4, generator())
    assert holey.shape == whole.shape == (4, 3, 32, 32) and mask.shape == (4, 1, 32, 32)
