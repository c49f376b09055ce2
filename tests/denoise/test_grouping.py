"""Groups of patches: the same ones as plain loops find, and nothing lost on the way there and back."""

import itertools

import numpy as np
import pytest
import torch
from oracles import matches_by_loops, noise
from scipy import fft

from course_lib import randomness
from course_lib.denoise import grouping


def few_levels(*shape, seed=0):
    """Pictures of the values 0, 1 and 2, in which many patches are equally far from a reference."""
    return torch.randint(3, shape, generator=randomness.generator(seed, "test groups")).float()


# Matching ------------------------------------------------------------------------------------------------------------


SETTINGS = [dict(patch=4, window=7, stride=3, count=5), dict(patch=3, window=5, stride=1, count=9),
            dict(patch=5, window=41, stride=4, count=16), dict(patch=1, window=3, stride=2, count=2)]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("picture", [noise(2, 1, 13, 17), noise(1, 3, 15, 12), few_levels(2, 1, 13, 17),
                                     torch.zeros(1, 1, 14, 14)])
def test_matches_are_those_of_plain_loops_ties_included(picture, setting):
    found = grouping.search(picture, **setting)
    for image, index, distance in zip(picture, *found, strict=True):
        expected, far = matches_by_loops(image, **setting)
        assert torch.equal(index, expected)
        assert torch.allclose(distance.double(), far, atol=1e-6)


def unresolved(distance, here, step, count):
    value, place = distance.flip(1).topk(count, dim=1, largest=False)   # some order of equal patches
    return here[:, None] + step.flip(0)[place], value


def without_the_last(side, *, patch, stride):
    return torch.arange(0, side - patch + 1, stride)


def too_wide(starts, side, patch, like):
    ahead = torch.arange(side) - starts[:, None]
    return ((ahead >= 0) & (ahead <= patch)).to(like)


@pytest.mark.parametrize(("name", "broken"), [
    ("_nearest", unresolved), ("corners", without_the_last), ("_box", too_wide),
    ("_stable", lambda distance, count: distance.topk(count, dim=1, largest=False, sorted=False))])
def test_the_loops_notice_a_broken_search(monkeypatch, name, broken):
    monkeypatch.setattr(grouping, name, broken)
    picture, setting = few_levels(1, 1, 13, 17), SETTINGS[0]
    index, expected = grouping.match(picture, **setting)[0], matches_by_loops(picture[0], **setting)[0]
    assert index.shape != expected.shape or not torch.equal(index, expected)


def test_a_picture_of_repeated_tiles_is_matched_by_its_period():
    tile = noise(1, 1, 6, 6)
    found = grouping.search(tile.tile(1, 1, 4, 4), patch=5, window=13, stride=6, count=4)
    assert found.distance.max() < 1e-12
    rows, columns = found.position // 20, found.position % 20
    assert ((rows - rows[..., :1]) % 6 == 0).all() and ((columns - columns[..., :1]) % 6 == 0).all()


@pytest.mark.parametrize("side", [8, 9, 10, 11, 23, 24])
@pytest.mark.parametrize("stride", [1, 3, 7])
def test_the_references_cover_every_pixel(side, stride):
    covered = torch.zeros(side)
    for start in grouping.corners(side, patch=8, stride=stride):
        covered[start : start + 8] += 1
    assert covered.min() > 0


def test_the_size_of_a_band_changes_nothing(monkeypatch):
    picture, setting = noise(1, 1, 30, 21), SETTINGS[0]
    expected = grouping.match(picture, **setting)
    monkeypatch.setattr(grouping, "BAND", 1)
    assert torch.equal(grouping.match(picture, **setting), expected)


def test_a_corner_has_the_fewest_neighbours():
    assert grouping.fewest(9, 20, patch=4, window=7) == 4 * 4
    assert grouping.fewest(5, 20, patch=4, window=7) == 2 * 4
    found = grouping.search(noise(1, 1, 5, 20), patch=4, window=7, stride=9, count=8)
    assert found.distance.isfinite().all() and found.position.max() < 2 * 17
    assert all(len(set(row)) == 8 for row in found.position[0].tolist())


@pytest.mark.parametrize(("changed", "message"), [
    (dict(count=17), "at most 16"), (dict(window=8), "odd"), (dict(patch=30), "at least as large as a patch of 30"),
    (dict(stride=0), "stride"), (dict(count=0), "count")])
def test_what_cannot_be_searched_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        grouping.search(noise(1, 1, 20, 20), **{**dict(patch=4, window=7, stride=3, count=16), **changed})


# Stacks --------------------------------------------------------------------------------------------------------------


def test_the_table_has_the_patches_row_by_row():
    picture = noise(2, 3, 7, 9)
    table = grouping.patches(picture, patch=3)
    assert table.shape == (2, 3, 5 * 7, 9)
    for top, left in itertools.product(range(5), range(7)):
        assert torch.equal(table[..., top * 7 + left, :], picture[..., top : top + 3, left : left + 3].flatten(2))


def test_a_stack_holds_the_rows_that_the_index_names():
    table, index = noise(6, 2), torch.tensor([[0, 5, 5], [2, 1, 0]])
    stacks = grouping.group(table, index)
    assert all(torch.equal(stacks[k, r], table[index[r, k]]) for k in range(3) for r in range(2))


def test_ungroup_is_the_transpose_of_group():
    index = torch.randint(20, (7, 4), generator=randomness.generator(0))
    table, stacks = noise(20, 5), noise(4, 7, 5, seed=1)
    back = grouping.ungroup(stacks, index, into=torch.zeros_like(table))
    assert torch.allclose((grouping.group(table, index) * stacks).sum(), (table * back).sum())


def test_what_is_put_back_unchanged_is_the_image():
    picture = noise(1, 1, 12, 15)
    table = grouping.patches(picture, patch=4)[0, 0]
    index = grouping.match(picture, patch=4, window=9, stride=3, count=4)[0]
    worth = noise(len(index)).abs() + 0.1
    total = grouping.ungroup(grouping.group(table, index) * worth[:, None], index, into=torch.zeros_like(table))
    weight = torch.zeros(len(table), dtype=torch.float64).index_add_(0, index.T.flatten(), worth.repeat(4))
    bell = torch.kaiser_window(4, periodic=False, beta=2.0, dtype=torch.float64)
    for window in (torch.ones(4, 4, dtype=torch.float64), torch.outer(bell, bell)):
        assert torch.allclose(grouping.assemble(total, weight, window=window, size=(12, 15)), picture[0, 0])


def test_overlapping_patches_are_averaged_as_by_loops():
    table, weight, window = noise(4 * 3, 9), noise(4 * 3, seed=1).abs(), noise(3, 3, seed=2).abs()
    total, share = np.zeros((6, 5)), np.zeros((6, 5))
    for p, (top, left) in enumerate(itertools.product(range(4), range(3))):
        total[top : top + 3, left : left + 3] += (table[p].reshape(3, 3) * window).numpy()
        share[top : top + 3, left : left + 3] += (weight[p] * window).numpy()
    mine = grouping.assemble(table, weight, window=window, size=(6, 5))
    assert torch.allclose(mine, torch.from_numpy(total / share))


def test_pixels_without_a_patch_are_zero():
    weight = torch.zeros(4)
    weight[0] = 1
    image = grouping.assemble(torch.ones(4, 4) * weight[:, None], weight, window=torch.ones(2, 2), size=(3, 3))
    assert image.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_every_group_has_its_turn_once_and_none_is_too_large(monkeypatch):
    monkeypatch.setattr(grouping, "ENTRIES", 64)
    index, size = torch.arange(40 * 8).reshape(40, 8), torch.tensor([1, 2, 4, 8] * 10)
    seen = []
    for some, positions in grouping.in_turn(index, size, 4):
        assert positions.numel() * 4 <= 64 and (size[some] == positions.shape[1]).all()
        assert torch.equal(positions, index[some, : positions.shape[1]])
        seen += some.tolist()
    assert sorted(seen) == list(range(40))


# Transforms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", [grouping.haar(n) for n in (1, 2, 8, 32)] + [grouping.dct(n) for n in (1, 7, 8, 11)])
def test_haar_and_cosines_are_orthonormal(matrix):
    assert torch.allclose(matrix @ matrix.T, torch.eye(len(matrix), dtype=torch.float64))


def test_haar_by_hand():
    rows = [[1, 1, 1, 1], [1, 1, -1, -1], [2**0.5, -(2**0.5), 0, 0], [0, 0, 2**0.5, -(2**0.5)]]
    assert torch.allclose(grouping.haar(4), torch.tensor(rows, dtype=torch.float64) / 2)


@pytest.mark.parametrize("n", [1, 4, 7, 12])
def test_the_cosine_transform_is_scipys(n):
    x = noise(n)
    assert np.allclose(grouping.dct(n) @ x, fft.dct(x.numpy(), norm="ortho"))


@pytest.mark.parametrize("n", [2, 8, 16])
def test_the_wavelets_are_those_of_pywavelets_up_to_their_lengths(n):
    pywt = pytest.importorskip("pywt")
    levels = n.bit_length() - 1
    unit = np.eye(n)
    with pytest.warns(UserWarning, match="Level value"):
        theirs = np.stack([np.concatenate(pywt.wavedec(row, "bior1.5", mode="periodization", level=levels))
                           for row in unit], axis=1)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    mine = grouping.bior15(n).numpy()
    start = 0
    for size in [1, *(2**level for level in range(levels))]:    # each band: the same rows, perhaps in another phase
        band = slice(start, start + size)
        agree = np.abs(theirs[band] @ np.linalg.pinv(mine)[:, band])
        assert np.allclose(np.sort(agree.max(axis=1)), 1, atol=1e-6)
        start += size


def test_wavelets_see_no_detail_in_a_constant_and_invert():
    matrix = grouping.bior15(8)
    assert (matrix[1:] @ torch.ones(8, dtype=torch.float64)).abs().max() < 1e-12
    assert torch.allclose(matrix.norm(dim=1), torch.ones(8, dtype=torch.float64))
    assert not torch.allclose(matrix @ matrix.T, torch.eye(8, dtype=torch.float64), atol=0.05)


@pytest.mark.parametrize("transform", [grouping.dct, grouping.bior15])
def test_a_transform_of_patches_inverts_and_works_along_both_sides(transform):
    forward, inverse = grouping.on_patches(transform, 8, like=noise(1))
    patch, one = noise(8, 8), transform(8)
    assert torch.allclose((patch.flatten() @ forward).reshape(8, 8), one @ patch @ one.T)
    assert torch.allclose(patch.flatten() @ forward @ inverse, patch.flatten())


@pytest.mark.parametrize("transform", [grouping.haar, grouping.bior15])
def test_lengths_that_are_no_powers_of_two_are_refused(transform):
    with pytest.raises(ValueError, match="1, 2, 4, 8"):
        transform(6)
