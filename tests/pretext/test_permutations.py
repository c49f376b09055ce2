"""Sets of orders have the distances that algebra promises, pair by pair."""

import itertools

import pytest
import torch

from course_lib.pretext import permutations
from course_lib.pretext.permutations import affine, distances, greedy, hamming, projective, translations


@pytest.mark.parametrize("orders", [translations(), affine(), projective(), greedy(24)])
def test_each_order_is_one_and_no_two_are_the_same(orders):
    assert torch.equal(orders.sort(dim=1).values, torch.arange(9).expand_as(orders))
    assert len(orders.unique(dim=0)) == len(orders)


def test_the_affine_group_of_gf9_meets_its_distances():
    counts = distances(affine()).bincount(minlength=10).tolist()
    assert len(affine()) == 72 and {d: n for d, n in enumerate(counts) if n} == {8: 2268, 9: 288}


def test_the_projective_group_of_gf8_meets_its_distances():
    counts = distances(projective()).bincount(minlength=10).tolist()
    assert len(projective()) == 504 and {d: n for d, n in enumerate(counts) if n} == {7: 54432, 8: 15876, 9: 56448}


def test_translations_differ_everywhere():
    assert set(distances(translations()).tolist()) == {9}


def test_both_fields_are_fields():
    plus, times = permutations._plus9, permutations._times9
    for x, y, z in itertools.product(range(9), repeat=3):
        assert times(x, plus(y, z)) == plus(times(x, y), times(x, z))
    assert all(any(times(x, y) == 1 for y in range(9)) for x in range(1, 9))
    assert all(any(permutations._times8(x, y) == 1 for y in range(8)) for x in range(1, 8))


def test_distances_are_those_of_a_plain_loop():
    orders = affine()[::7]
    for i, j in itertools.product(range(len(orders)), repeat=2):
        wanted = sum(int(a) != int(b) for a, b in zip(orders[i], orders[j], strict=True))
        assert int(hamming(orders, orders)[i, j]) == wanted


def test_no_two_orders_differ_in_one_place():
    everything = torch.tensor(list(itertools.permutations(range(4))))
    assert 1 not in hamming(everything, everything).unique().tolist()


@pytest.mark.slow
def test_the_greedy_search_is_behind_the_group_and_the_mean_is_the_wrong_aim():
    by_least, by_mean = distances(greedy(72)), distances(greedy(72, by="mean"))
    assert int(by_least.min()) == 7 and int(by_mean.min()) == 2
    assert int(distances(affine()).min()) == 8
