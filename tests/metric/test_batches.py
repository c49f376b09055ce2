"""Batches of people: so many of them, so many pictures of each, and views that move every image by its own draw."""

import math

import pytest
import torch

from course_lib import randomness
from course_lib.data.readers import Labelled
from course_lib.metric.batches import identity_batches, jitter, rotate, settle_on_people
from course_lib.networks import Embedding, settle


def numbered(*counts: int) -> Labelled:
    """Images whose first pixel is their index, with so many of each person."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    images = torch.arange(sum(counts), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 16, 16).contiguous()
    return Labelled(images, labels, tuple(f"person {i:03d}" for i in range(len(counts))))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_batch_holds_so_many_people_and_so_many_different_pictures_of_each():
    pictures, g = numbered(5, 4, 7, 4, 9), stream()
    source = identity_batches(pictures, each=4)
    for _ in range(50):
        images, labels = source(12, g)
        which = (images[:, 0, 0, 0] * 255).round().long()
        assert images.shape == (12, 1, 16, 16) and images.dtype == torch.float32
        assert which.unique().numel() == 12                                       # no picture twice
        assert torch.equal(pictures.labels[which], labels)                        # with its own label
        people, count = labels.unique(return_counts=True)
        assert len(people) == 3 and count.tolist() == [4, 4, 4]
        assert torch.equal(labels.reshape(3, 4), labels[::4, None].expand(3, 4))  # person after person


def test_every_person_and_every_picture_has_its_turn_equally_often():
    pictures, g = numbered(4, 8, 4), stream()
    source, seen = identity_batches(pictures, each=2), torch.zeros(16)
    for _ in range(3000):
        seen += torch.bincount((source(4, g)[0][:, 0, 0, 0] * 255).round().long(), minlength=16)
    expected = torch.tensor([4, 8, 4]).reciprocal().repeat_interleave(torch.tensor([4, 8, 4])) * 3000 * 4 / 3
    assert float((seen / expected - 1).abs().max()) < 0.1


def test_equal_generators_give_equal_batches_and_a_view_looks_at_each():
    pictures = numbered(4, 4, 4)
    source = identity_batches(pictures, each=2, view=lambda x, g: x + torch.rand(len(x), 1, 1, 1, generator=g))
    (a, labels), (b, again), (c, _) = source(4, stream(1)), source(4, stream(1)), source(4, stream(2))
    assert torch.equal(a, b) and torch.equal(labels, again) and not torch.equal(a, c)
    plain, same = identity_batches(pictures, each=2)(4, stream(1))
    assert torch.equal(same, labels) and len((a - plain).flatten(1).mean(1).unique()) == 4


@pytest.mark.parametrize(("call", "words"), [
    (lambda: identity_batches(numbered(4, 3), each=4), "there are only 3 of person 001"),
    (lambda: identity_batches(numbered(4, 4), each=4)(10, stream()), "no whole number of people"),
    (lambda: identity_batches(numbered(4, 4), each=4)(12, stream()), "at most 2 people"),
    (lambda: identity_batches(numbered(4), each=0), "each: expected"),
    (lambda: identity_batches(numbered(4)._replace(labels=torch.zeros(3)), each=2), "one label for each"),
    (lambda: identity_batches(numbered(4)._replace(images=torch.zeros(4, 1, 8, 8)), each=2), "expected 8-bit images"),
    (lambda: identity_batches(numbered(2, 2)._replace(names=("one",)), each=2), "0 to 0, .* from 0 to 1"),
    (lambda: identity_batches(numbered(4)._replace(labels=torch.zeros(4)), each=2), "whole numbers .* torch.float32"),
], ids=["too few pictures", "no multiple", "too many people", "none of each", "labels", "floats", "more than names",
        "labels as floats"])  # fmt: skip
def test_impossible_batches_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
    with pytest.raises(TypeError, match="labelled images"):
        identity_batches(torch.zeros(4, 1, 8, 8), each=2)


@pytest.mark.parametrize("wrong", [dict(shift=-1), dict(brightness=-0.1), dict(turn=-5.0), dict(noise=-0.1)], ids=str)
def test_a_jitter_by_less_than_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        jitter(**wrong)


# Views ---------------------------------------------------------------------------------------------------------------


def test_a_shift_moves_every_image_by_its_own_whole_pixels_and_repeats_the_border():
    """Against a slow copy, pixel by pixel, with the shift found by trying all of them."""
    images = torch.rand(40, 2, 8, 9, generator=stream())
    moved, found = jitter(shift=2, brightness=0.0)(images, stream(1)), set()
    for image, seen in zip(images, moved, strict=True):
        hits = [(down, right) for down in range(-2, 3) for right in range(-2, 3)
                if torch.equal(seen, shifted(image, down, right))]
        assert len(hits) == 1
        found |= set(hits)
    assert {d for d, _ in found} == {r for _, r in found} == {-2, -1, 0, 1, 2}


def shifted(image, down, right):
    out = torch.empty_like(image)
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            out[:, row, column] = image[:, min(max(row - down, 0), image.shape[1] - 1),
                                        min(max(column - right, 0), image.shape[2] - 1)]
    return out


def test_half_of_the_images_are_mirrored():
    images = torch.rand(400, 1, 4, 4, generator=stream())
    seen = jitter(shift=0, brightness=0.0, mirror=True)(images, stream(1))
    over = torch.tensor([torch.equal(a, b.flip(-1)) for a, b in zip(images, seen, strict=True)])
    straight = torch.tensor([torch.equal(a, b) for a, b in zip(images, seen, strict=True)])
    assert bool((over ^ straight).all()) and abs(float(over.double().mean()) - 0.5) < 0.08


def test_brightness_is_one_factor_for_each_image_and_noise_has_its_deviation():
    images = torch.rand(500, 1, 6, 6, generator=stream()) + 0.1
    factor = (jitter(shift=0, brightness=0.4)(images, stream(1)) / images).flatten(1)
    assert float((factor - factor[:, :1]).abs().max()) < 1e-5
    assert 0.6 <= float(factor.min()) < 0.62 and 1.38 < float(factor.max()) <= 1.4
    noise = jitter(shift=0, brightness=0.0, noise=0.2)(images, stream(1)) - images
    assert abs(float(noise.std()) / 0.2 - 1) < 0.02 and abs(float(noise.mean())) < 0.01


def test_a_view_without_anything_changes_nothing_and_draws_from_its_generator_only():
    images, before = torch.rand(3, 1, 5, 5), torch.get_rng_state()
    assert torch.equal(jitter(shift=0, brightness=0.0)(images, stream()), images)
    view = jitter(mirror=True, turn=10.0, noise=0.1)
    assert torch.equal(view(images, stream(4)), view(images, stream(4)))
    assert view == jitter(mirror=True, turn=10.0, noise=0.1) != jitter()
    assert torch.equal(before, torch.get_rng_state())


def test_a_turned_image_repeats_its_border():
    """A constant image stays constant; others are as grid_sample's own way to repeat the border has them."""
    degrees = torch.tensor([45.0, -20.0, 130.0])
    assert torch.allclose(rotate(torch.full((3, 2, 9, 14), 0.7), degrees), torch.tensor(0.7), atol=1e-6)
    images = torch.rand(3, 2, 9, 14, generator=stream())
    cos, sin = (degrees * math.pi / 180).cos(), (degrees * math.pi / 180).sin()
    matrix = torch.stack([cos, -sin * 9 / 14, 0 * cos, sin * 14 / 9, cos, 0 * cos], dim=1).reshape(-1, 2, 3)
    grid = torch.nn.functional.affine_grid(matrix, [3, 2, 9, 14], align_corners=False)
    expected = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    assert torch.allclose(rotate(images, degrees), expected, atol=1e-5)


def test_images_are_turned_each_by_its_own_angle_in_shape():
    images = torch.rand(3, 1, 10, 10, generator=stream())
    quarter = rotate(images, torch.tensor([0.0, 90.0, 180.0]))
    for image, seen, times in zip(images, quarter, (0, 1, 2), strict=True):
        assert torch.allclose(seen, torch.rot90(image, times, (-2, -1)), atol=1e-5)
    # a bar in an oblong image keeps its length: a turn that forgets the sides would stretch it
    bar = torch.zeros(1, 1, 40, 80)
    bar[..., 18:22, 30:50] = 1.0
    upright = rotate(bar, torch.tensor([90.0]))[0, 0]
    assert abs(float(upright.sum()) - 80) < 4
    assert ((upright > 0.5).any(1).sum(), (upright > 0.5).any(0).sum()) == (20, 4)
    turned = jitter(shift=0, brightness=0.0, turn=20.0)(images, stream())
    assert not torch.allclose(turned, images, atol=1e-3)


def test_a_network_settles_on_twenty_augmented_batches_of_its_seed():
    pictures, view, draw = numbered(5, 4, 7), jitter(noise=0.1), randomness.generator(3, "settle")
    source = identity_batches(pictures, view=view)
    by_hand = settle(Embedding(widths=(4,)), [source(8, draw)[0] for _ in range(20)]).state_dict()
    found = settle_on_people(Embedding(widths=(4,)), pictures, view=view, batch=8, seed=3).state_dict()
    assert all(torch.equal(found[name], value) for name, value in by_hand.items())
