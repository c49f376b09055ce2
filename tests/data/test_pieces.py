"""Pieces are upright parts of the photographs of their split, the same for the same seed."""

import pytest
import torch

from course_lib.data.photographs import photographs
from course_lib.data.pieces import SMALLER, pieces, small_photographs


def found_in(piece, whole):
    size = piece.shape[-1]
    windows = whole.unfold(1, size, 1).unfold(2, size, 1)                     # (3, H', W', size, size)
    return bool((windows == piece[:, None, None]).all(dim=4).all(dim=3).all(dim=0).any())


def test_every_piece_is_an_upright_part_of_a_photograph_of_its_split():
    for split in ("train", "test"):
        wholes = small_photographs(split).values()
        assert all(any(found_in(piece, whole) for whole in wholes) for piece in pieces(6, size=24, split=split))
    turned = torch.rot90(pieces(1, size=24)[0], 1, (1, 2))
    assert not any(found_in(turned, whole) for whole in small_photographs("train").values())


def test_photographs_are_made_smaller_by_averaging():
    whole, small = photographs("test", channels=3)["chelsea"], small_photographs("test")["chelsea"]
    wanted = whole[:, 8:12, 20:24].float().mean(dim=(1, 2))
    assert SMALLER == 4 and (small[:, 2, 5].float() - wanted).abs().max() <= 0.5


def test_pieces_are_those_of_their_seed_and_all_photographs_give_some():
    assert torch.equal(pieces(5), pieces(5)) and not torch.equal(pieces(5), pieces(5, seed=1))
    many, wholes = pieces(60, size=16), small_photographs("train").values()
    assert all(any(found_in(piece, whole) for piece in many) for whole in wholes)


def test_changing_a_small_photograph_changes_it_for_nobody_else():
    small_photographs("test")["chelsea"].zero_()
    assert small_photographs("test")["chelsea"].any()


def test_pieces_larger_than_a_photograph_are_refused():
    with pytest.raises(ValueError, match="at most 75 pixels"):
        pieces(1, size=76, split="test")
