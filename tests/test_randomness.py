"""Random streams are named, independent and never the global one."""

import torch

from course_lib import data, randomness
from course_lib.denoise import dncnn
from course_lib.profiles import Budget


def draw(*names, seed=0):
    return torch.rand(1000, generator=randomness.generator(seed, *names))


def test_the_same_seed_and_name_give_the_same_numbers():
    assert torch.equal(draw("a"), draw("a"))


def test_other_names_and_other_seeds_give_independent_streams():
    for other in (draw("b"), draw("a", seed=1), draw("a", "a"), draw()):
        assert abs(float(torch.corrcoef(torch.stack([draw("a"), other]))[0, 1])) < 0.13   # 4 / sqrt(1000)


def test_nothing_in_the_library_moves_the_global_random_state():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    dncnn.train(data.photographs("validation"), sigma=dncnn.BLIND, budget=Budget(2, 4, 24), seed=0,
                network=dncnn.DnCNN(depth=3, width=4, seed=1))
    assert torch.equal(before, torch.get_rng_state())


def test_seeded_is_repeatable_and_leaves_no_trace():
    before = torch.get_rng_state()
    with randomness.seeded(3):
        first = torch.rand(4)
    with randomness.seeded(3):
        assert torch.equal(first, torch.rand(4))
    assert torch.equal(before, torch.get_rng_state())
