"""Seeds have something to see, copies keep to their ranges, and a seed without changes is itself."""

import pytest
import torch

from course_lib import data
from course_lib.embeddings import as_float
from course_lib.pretext import exemplar
from course_lib.pretext.exemplar import ExemplarNet, Transformation, seeds, steepness
from course_lib.profiles import Budget


def patches(count=6, seed=0):
    return seeds(data.photographs("train", channels=3), count, size=16, seed=seed)


def test_a_transformation_that_changes_nothing_gives_the_seed_exactly():
    stored = patches().float() / 255
    same = Transformation(shift=0, scale=(1.0, 1.0), turn=0, colour=0)(stored, torch.Generator())
    assert torch.equal(same, stored[..., 4:20, 4:20])


def test_reading_between_pixels_gives_them_back_where_nothing_moves():
    stored = patches().float() / 255
    identity = torch.eye(2, 3).expand(6, -1, -1)
    assert torch.allclose(exemplar._sampled(stored, identity, 16), stored[..., 4:20, 4:20], atol=1e-5)


def test_a_shift_by_a_quarter_moves_a_quarter():
    stored = patches().float() / 255
    moved = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]).expand(6, -1, -1)      # half of the half side
    assert torch.allclose(exemplar._sampled(stored, moved, 16), stored[..., 4:20, 8:24], atol=1e-5)


def test_copies_differ_and_keep_the_shape():
    stored = patches().float() / 255
    copies = Transformation()(stored, torch.Generator().manual_seed(0))
    assert copies.shape == (6, 3, 16, 16) and not torch.allclose(copies, stored[..., 4:20, 4:20], atol=0.05)
    assert float(copies.min()) >= 0 and float(copies.max()) <= 1


def test_flat_patches_are_never_chosen():
    flat = torch.full((3, 64, 64), 90, dtype=torch.uint8)
    busy = torch.randint(256, (3, 64, 64), generator=torch.Generator().manual_seed(0)).byte()
    assert steepness(as_float(torch.stack([flat, busy]))).tolist() == [0, 1]
    assert bool((steepness(as_float(seeds([flat, busy], 5, size=16))) > 0).all())
    with pytest.raises(ValueError, match="only 0 have something to see"):
        seeds([flat], 5, size=16)


def test_seeds_are_those_of_the_photographs_and_of_their_seed():
    one = torch.randint(256, (3, 24, 24), generator=torch.Generator().manual_seed(0)).byte()
    (found,) = seeds([one], 1, size=16)
    assert torch.equal(found.flatten().sort().values, one.flatten().sort().values)
    assert torch.equal(patches(), patches()) and not torch.equal(patches(), patches(seed=1))


@pytest.mark.parametrize("wrong", [{"shift": -1}, {"turn": float("nan")}, {"colour": 80}, {"scale": (1.4, 0.7)}])
def test_transformations_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Transformation(**wrong)


def test_every_seed_is_a_class_and_training_runs():
    network, history = exemplar.train(patches(), budget=Budget(2, 6), seed=0)
    assert isinstance(network, ExemplarNet) and network(torch.rand(2, 3, 16, 16)).shape == (2, 6)
    assert network.features(torch.rand(2, 3, 16, 16)).shape == (2, 128) and len(history.terms) == 1
