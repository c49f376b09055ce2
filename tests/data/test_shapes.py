"""Drawn shapes: a set in which colours tell pictures apart and kinds not at all."""

import pytest
import torch

from course_lib.data.shapes import SHAPES, shapes
from course_lib.embeddings import linear_probe


def test_pictures_depend_on_their_number_and_seed_only():
    three, two, others = shapes(3), shapes(2), shapes(3, seed=1)
    assert three.images.shape == (24, 3, 32, 32) and three.images.dtype == torch.uint8
    assert three.labels.tolist() == [kind for kind in range(8) for _ in range(3)] and three.names == SHAPES
    by_kind = three.images.reshape(8, 3, 3, 32, 32)
    assert torch.equal(by_kind[:, :2].flatten(0, 1), two.images)
    assert len({picture.numpy().tobytes() for picture in (*three.images, *others.images)}) == 48


def test_colours_stand_out_in_gray_too_and_either_may_be_the_darker_one():
    images = shapes(6).images.double() / 255
    gray = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1)
    assert (gray.flatten(1).amax(dim=1) - gray.flatten(1).amin(dim=1) > 0.2).all()
    middle = gray.flatten(1).quantile(0.5, dim=1)                       # nearer to the ground, which covers more
    brighter = gray.flatten(1).amax(dim=1) - middle > middle - gray.flatten(1).amin(dim=1)
    assert 0.2 < float(brighter.double().mean()) < 0.8


def test_colours_tell_pictures_apart_and_kinds_not_at_all():
    """A probe on mean colours guesses; the same pictures are found again by their colours after a crop."""
    known, asked = shapes(60), shapes(40, seed=1)
    mean = [of.images.double().mean(dim=(2, 3)) for of in (known, asked)]
    assert linear_probe(mean[0], known.labels, mean[1], asked.labels) < 0.25
    left, right = (known.images[..., part].double().mean(dim=(2, 3)) for part in (slice(0, 24), slice(8, 32)))
    found = torch.cdist(left, right).argmin(dim=1) == torch.arange(480)
    assert float(found.double().mean()) > 0.5


def test_kinds_differ_in_what_they_cover():
    """Discs and squares are full; triangles, half of a square, cover less, and so do bars."""
    images = shapes(30).images.double() / 255
    ground, away = images.flatten(2).median(dim=2).values[..., None], images.flatten(2)
    covered = ((away - ground).abs().amax(dim=1) > 0.12).double().mean(dim=1).reshape(8, 30).mean(dim=1)
    share = dict(zip(SHAPES, covered.tolist(), strict=True))
    assert min(share["disc"], share["square"]) > 1.2 * max(share["triangle"], share["bar"])


def test_other_sizes_show_the_same_scene_and_tiny_ones_are_refused():
    assert shapes(1, size=48).images.shape == (8, 3, 48, 48)
    with pytest.raises(ValueError, match="16 pixels or more"):
        shapes(1, size=8)
    with pytest.raises(ValueError, match="each"):
        shapes(0)


def test_the_global_random_state_stays():
    before = torch.get_rng_state()
    shapes(1)
    assert torch.equal(before, torch.get_rng_state())
