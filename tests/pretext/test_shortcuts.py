"""Pictures of nothing have the promised correlation, and light and lenses do to pictures what they say."""

import math

import pytest
import torch

from course_lib.embeddings import as_float
from course_lib.pretext import shortcuts
from course_lib.pretext.position import projected
from course_lib.pretext.shortcuts import fringes, lit, nothing, vignette
from course_lib.pretext.towers import normalised


@pytest.mark.parametrize("smooth", [1.0, 2.0])
def test_pixels_of_nothing_agree_as_a_gaussian_says(smooth):
    noise = nothing(300, channels=1, smooth=smooth, contrast=40.0).double() - 127.5
    assert abs(float(noise.square().mean().sqrt()) - 40) < 1.5
    for d in (1, 2, 4, 9):
        found = float((noise[..., d:] * noise[..., :-d]).mean() / noise.square().mean())
        assert abs(found - math.exp(-d**2 / (4 * smooth**2))) < 0.03
        assert abs(float((noise[..., d:, :] * noise[..., :-d, :]).mean() / noise.square().mean()) - found) < 0.03


def test_pictures_of_other_seeds_and_channels_are_other_pictures():
    first, again, other = nothing(2, size=16, seed=0), nothing(2, size=16, seed=0), nothing(2, size=16, seed=1)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first[:, 0], first[:, 1]) and not torch.equal(first[0], first[1])


def test_light_from_above_is_no_longer_there_in_a_normalised_patch():
    flat = torch.full((1, 1, 49, 49), 128, dtype=torch.uint8)
    ramp = lit(flat, amount=0.75).float()
    assert float(ramp[0, 0, 0, 0] - ramp[0, 0, -1, 0]) == pytest.approx(0.75 * 255, abs=1)
    assert torch.equal(ramp, ramp[..., :1].expand_as(ramp))
    patches = normalised(torch.stack([ramp[..., 0:8, 0:8], ramp[..., 40:48, 20:28]]))
    assert (patches[0] - patches[1]).abs().max() < 0.1


def test_a_vignette_is_still_there_in_a_normalised_patch():
    shown = vignette(torch.full((1, 1, 48, 48), 200, dtype=torch.uint8), strength=0.5).float()
    left, right = normalised(torch.stack([shown[0, :, 20:28, 0:8], shown[0, :, 20:28, 40:48]]))
    assert float(left[..., -1].mean()) > 1 > -1 > float(right[..., -1].mean())


def test_fringes_shift_red_and_blue_apart_and_leave_the_middle_and_green():
    gray = nothing(2, size=49, channels=1).expand(-1, 3, -1, -1)
    seen = fringes(gray, amount=0.05)
    assert torch.equal(seen[:, 1], gray[:, 1]) and torch.equal(seen[:, :, 24, 24], gray[:, :, 24, 24])
    assert torch.equal(seen, fringes(gray, amount=-0.05).flip(1))


def test_a_projection_removes_the_fringes_of_a_lens_that_bends_green_only():
    gray = nothing(2, channels=1).expand(-1, 3, -1, -1)
    green, others = (projected(as_float(fringes(gray, shares=shares))) for shares in ((0, 1, 0), (1, 0, -1)))
    assert (green - green.mean(dim=1, keepdim=True)).abs().max() < 1e-5
    assert (others - others.mean(dim=1, keepdim=True)).abs().max() > 0.01


@pytest.mark.parametrize("shares", [(1, 0), (1, 0, -2), (0, 0, float("nan"))])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="shares"):
        fringes(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), shares=shares)


def test_a_picture_of_nothing_is_the_same_from_all_sides_in_the_mean():
    """Turned by 90 degrees it is another picture of the same kind: no network can do more than guess the turn."""
    seen = fringes(vignette(shortcuts.nothing(2000, size=16, channels=1)).expand(-1, 3, -1, -1)).double()
    mean, turned = seen.mean(dim=0), torch.rot90(seen, 1, (2, 3)).mean(dim=0)
    assert (mean - turned).abs().max() < 8                    # five standard errors
