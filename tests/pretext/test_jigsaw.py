"""Puzzles are put together again, and their network is free of context."""

import pytest
import torch

from course_lib.pretext import jigsaw, permutations
from course_lib.pretext.jigsaw import Puzzle
from course_lib.pretext.nin import NIN


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_solved_puzzle_is_the_picture():
    exact = Puzzle(cell=6, tile=6, normalise=False, gray=0.0)
    picture = torch.rand(5, 1, 18, 18, generator=generator())
    tiles, which = exact(picture, generator(1))
    rows = exact.solved(tiles, which).unflatten(1, (3, 3))                     # (N, 3, 3, C, 6, 6)
    assert torch.equal(rows.permute(0, 3, 1, 4, 2, 5).reshape(picture.shape), picture)


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the order itself instead of its inverse")
def test_the_order_is_told_from_its_inverse():
    exact = Puzzle(cell=6, tile=6, normalise=False, gray=0.0)
    picture = torch.rand(20, 1, 18, 18, generator=generator())
    tiles, which = exact(picture, generator(1))
    wrong = tiles[torch.arange(20)[:, None], exact.orders[which]].unflatten(1, (3, 3))
    assert torch.equal(wrong.permute(0, 3, 1, 4, 2, 5).reshape(picture.shape), picture)


def test_tiles_lie_within_their_cells():
    puzzle = Puzzle(cell=14, tile=10, normalise=False, gray=0.0, orders=torch.arange(9)[None])
    place = torch.arange(42.0)
    picture = torch.stack([place[:, None].expand(42, 42), place.expand(42, 42), torch.zeros(42, 42)])[None] / 42
    tiles, _ = puzzle(picture.expand(50, -1, -1, -1), generator())
    for k, wanted in ((0, [0, 0, 0, 1, 1, 1, 2, 2, 2]), (1, [0, 1, 2] * 3)):
        cells = ((42 * tiles[:, :, k]).round() // 14).flatten(2)
        assert torch.equal(cells.amin(dim=2), cells.amax(dim=2)) and cells[0, :, 0].tolist() == wanted


def test_normalised_tiles_have_no_mean():
    tiles, _ = Puzzle()(torch.rand(4, 3, 42, 42, generator=generator()), generator())
    assert tiles.mean(dim=(-2, -1)).abs().max() < 1e-5


def test_a_tower_sees_one_tile_and_orders_of_tiles_are_orders_of_answers():
    puzzle = Puzzle(cell=8, tile=8)
    network = jigsaw.network(NIN(width=12), puzzle).eval()
    tiles = torch.rand(2, 9, 3, 8, 8, generator=generator())
    order = permutations.affine()[37]
    assert torch.allclose(network.each(tiles[:, order]), network.each(tiles)[:, order], atol=1e-6)


def test_nine_equal_tiles_say_nothing():
    puzzle = Puzzle(cell=8, tile=8)
    network = jigsaw.network(NIN(width=12), puzzle).eval()
    tile = torch.rand(1, 1, 3, 8, 8, generator=generator()).expand(1, 9, -1, -1, -1)
    scores = torch.cat([network(tile[:, order]) for order in puzzle.orders[:5]])
    assert torch.equal(scores, scores[:1].expand_as(scores))


def test_some_pictures_are_gray():
    puzzle = Puzzle(normalise=False, gray=0.3)
    tiles, _ = puzzle(torch.rand(400, 3, 42, 42, generator=generator()), generator())
    gray = (tiles[:, :, 0] == tiles[:, :, 1]).all(dim=(1, 2, 3))
    assert 0.22 < float(gray.float().mean()) < 0.38


@pytest.mark.parametrize("which", [torch.tensor([0, 72]), torch.tensor([0]), torch.tensor([0.0, 1.0])])
def test_orders_that_are_not_in_the_set_cannot_be_undone(which):
    with pytest.raises((ValueError, TypeError), match="which"):
        Puzzle().solved(torch.zeros(2, 9, 1), which)


@pytest.mark.parametrize("orders", [torch.arange(8)[None], torch.zeros(2, 9, dtype=torch.long), torch.arange(9)])
def test_what_is_no_set_of_orders_is_refused(orders):
    with pytest.raises(ValueError, match="orders"):
        Puzzle(orders=orders)


def test_a_tile_larger_than_its_cell_is_refused():
    with pytest.raises(ValueError, match="expected at least the tile's 20 pixels, got 14"):
        Puzzle(tile=20)
