"""The pictures of people and characters that nobody was trained on."""

import torch

from course_lib.claims.unseen import drawings, of_people, seen_through, smaller, with_turned
from course_lib.data.readers import Labelled
from course_lib.metric.batches import jitter


def test_people_are_chosen_with_all_their_pictures_and_counted_anew():
    labels = torch.tensor([5, 5, 0, 2, 2, 2])
    everybody = Labelled(torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1), labels, tuple("abcdef"))
    some = of_people(everybody, torch.tensor([2, 5]))
    assert some.images.flatten().tolist() == [3, 4, 5, 0, 1]
    assert some.labels.tolist() == [0, 0, 0, 1, 1] and some.names == ("c", "f")


def test_a_turned_character_is_another_one():
    one = Labelled(torch.tensor([[[[1, 2], [3, 4]]]], dtype=torch.uint8), torch.tensor([0]), ("a",))
    four = with_turned(one)
    assert four.labels.tolist() == [0, 1, 2, 3] and len(four.names) == 4
    assert four.images.flatten(1).tolist() == [[1, 2, 3, 4], [2, 4, 1, 3], [4, 3, 2, 1], [3, 1, 4, 2]]


def test_each_square_of_pixels_becomes_its_mean():
    one = Labelled(torch.tensor([[[[0, 2, 9, 9], [4, 6, 9, 9]]]], dtype=torch.uint8), torch.tensor([0]), ("a",))
    assert smaller(one, 2).images.tolist() == [[[[3, 9]]]]


def test_drawings_become_white_on_black_and_a_third_as_large():
    black = torch.full((2, 1, 6, 6), 255, dtype=torch.uint8)
    black[0, 0, :3, :3] = 0
    assert drawings(black).tolist() == [[[[255, 0], [0, 0]]], [[[0, 0], [0, 0]]]]


def test_a_view_is_drawn_once_for_each_seed():
    people = Labelled(torch.randint(256, (3, 1, 8, 8)).byte(), torch.arange(3), tuple("abc"))
    view = jitter(shift=2, brightness=0.3)
    once, again, other = (seen_through(view, people, seed).images for seed in (0, 0, 1))
    assert torch.equal(once, again) and not torch.equal(once, other) and once.dtype == torch.uint8
    unmoved = seen_through(jitter(shift=0, brightness=0.0), people, 0)
    assert torch.equal(unmoved.images, people.images) and unmoved.names == people.names
