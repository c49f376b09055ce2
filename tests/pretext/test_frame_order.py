"""Pairs of frames are of one sequence, and their order is random and known."""

import pytest
import torch

from course_lib.data.sorting import line
from course_lib.pretext import frame_order
from course_lib.pretext.frame_order import neighbours, shuffled
from course_lib.profiles import Budget


def test_pairs_are_of_one_sequence_the_earlier_first():
    film = line(2, frames=4, size=32)
    pairs = neighbours(film)
    assert len(pairs) == 6 * 3
    assert torch.equal(pairs[0, :3], film.images[0]) and torch.equal(pairs[0, 3:], film.images[1])
    assert len(neighbours(film, apart=3)) == 6
    with pytest.raises(ValueError, match="no sequence has two frames that are 4 apart"):
        neighbours(film, apart=4)


def test_half_of_the_pairs_are_exchanged_and_it_is_known_which():
    pairs = torch.arange(400.0)[:, None, None, None].expand(-1, 2, 2, 2) + torch.tensor([0, 0.5])[:, None, None]
    frames, first = shuffled(pairs, torch.Generator().manual_seed(0))
    later = frames[:, 1, 0, 0, 0] > frames[:, 0, 0, 0, 0]
    assert torch.equal(later, first == 0) and 0.4 < float(first.float().mean()) < 0.6


def test_a_training_runs_and_its_accuracy_is_a_share():
    film = line(2, frames=3, size=32)
    network, _ = frame_order.train(film, budget=Budget(2, 4), seed=0)
    assert 0 <= frame_order.accuracy(network, film) <= 1
