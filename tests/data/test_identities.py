"""Drawn people: the same person again and again, strangers by pixels, and sets that share nobody."""

import pytest
import torch

from course_lib.data.identities import PASSPORT, PERSON, PICTURE, people, split
from course_lib.data.readers import Labelled


@pytest.fixture(scope="module")
def some() -> Labelled:
    return people(24, each=6)


def test_a_person_and_a_picture_are_the_same_whoever_else_is_drawn(some):
    alone = people(2, each=3, first=17)
    assert alone.names == ("person 017", "person 018") == some.names[17:19]
    assert torch.equal(alone.images.reshape(2, 3, -1), some.images.reshape(24, 6, -1)[17:19, :3])
    many = people(70, each=1)                                            # more than are drawn at once
    assert torch.equal(many.images[:24], some.images[::6])


def test_images_are_8_bit_and_labelled_person_after_person(some):
    assert some.images.shape == (144, 1, 48, 48) and some.images.dtype == torch.uint8
    assert torch.equal(some.labels, torch.arange(144) // 6) and some.labels.dtype == torch.int64
    assert people(1, each=2, size=64).images.shape == (2, 1, 64, 64)


def test_other_seeds_share_nobody_and_no_picture_occurs_twice(some):
    others = people(24, each=6, seed=1)
    assert len({picture.numpy().tobytes() for picture in torch.cat([some.images, others.images])}) == 288


def test_the_passport_photograph_is_frontal_in_even_light_and_without_noise(some):
    """Nothing but the person differs: the two halves are alike but for the parting, and the border is one tone."""
    first, later = some.images[::6].double() / 255, some.images[1::6].double() / 255
    border = torch.cat([first[:, 0, 0], first[:, 0, :20, 0]], dim=1)
    assert float((border - 0.78).abs().median()) < 0.03
    unlike = [(faces - faces.flip(-1)).abs().mean(dim=(1, 2, 3)) for faces in (first, later)]
    assert float(unlike[0].mean()) < 0.25 * float(unlike[1].mean())
    assert set(PASSPORT) <= set(PICTURE)


def test_many_people_differ_in_many_ways():
    """Two passport photographs are never nearly the same, though nothing but the person makes the difference."""
    passports = people(240, each=1).images.double().flatten(1) / 255
    apart = torch.cdist(passports, passports) / passports.shape[1] ** 0.5
    assert float(apart.fill_diagonal_(1).min()) > 0.02 and len(PERSON) >= 30


def test_pictures_of_one_person_differ_more_by_pixels_than_passports_of_two(some):
    faces = some.images.double().reshape(24, 6, -1) / 255
    same = (faces[:, 1:] - faces[:, :1]).norm(dim=-1)
    other = torch.cdist(faces[:, 0], faces[:, 0])[~torch.eye(24, dtype=torch.bool)]
    assert float(same.mean()) > 1.3 * float(other.mean())


def test_pixels_mix_people_up():
    """Nearest neighbours by pixels are wrong most of the time, though better than chance (1 in 40)."""
    faces = people(40, each=12, first=200).images.double().flatten(1) / 255
    apart = torch.cdist(faces, faces).fill_diagonal_(torch.inf)
    right = (apart.argmin(dim=1) // 12 == torch.arange(480) // 12).double().mean()
    assert 1 / 40 < float(right) < 0.25


def test_a_split_shares_nobody_and_loses_nothing(some):
    train, rest = split(some, 20, 4)
    assert not set(train.names) & set(rest.names) and train.names + rest.names == some.names
    assert torch.equal(torch.cat([train.images, rest.images]), some.images)
    assert torch.equal(rest.labels, torch.arange(24) // 6)
    shuffled = torch.randperm(144, generator=torch.Generator().manual_seed(0))
    mixed = split(Labelled(some.images[shuffled], some.labels[shuffled], some.names), 20, 4)[1]
    assert {image.numpy().tobytes() for image in mixed.images} == {image.numpy().tobytes() for image in rest.images}
    assert len(split(some, 3)) == 1                                      # the others are left out


@pytest.mark.parametrize(("call", "words"), [
    (lambda: people(0), "count: expected a whole number"),
    (lambda: people(1, each=0), "each: expected a whole number"),
    (lambda: people(1, size=16), "32 pixels or more"),
    (lambda: people(1, first=-1), "counted from 0"),
    (lambda: people(1, first=1.5), "in whole numbers"),
    (lambda: split(people(3, each=1), 2, 2), r"2 \+ 2 people were asked for, and there are 3"),
    (lambda: split(people(3, each=1)), "how many people go to each part"),
], ids=["nobody", "no picture", "tiny", "negative", "a half", "too many", "no part"])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_global_random_state_stays():
    before = torch.get_rng_state()
    people(2, each=2)
    assert torch.equal(before, torch.get_rng_state())
