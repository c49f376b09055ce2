"""What all denoisers are scored on."""

import pytest
import torch

from course_lib import data, profiles
from course_lib.claims.denoising import mean_psnr, scored, training_images


def test_at_smoke_two_middles_are_scored_and_otherwise_every_picture():
    with profiles.using("smoke"):
        few = scored("photographs")
    with profiles.using("lecture"):
        every = scored("photographs")
    assert list(few) == list(every)[:2] and every.keys() == data.photographs("test").keys()
    assert all(torch.equal(few[name], every[name][:, 60:220, 60:220]) for name in few)


def test_no_picture_is_both_trained_on_and_scored():
    with profiles.using("lecture"):
        assert not training_images().keys() & scored("photographs").keys()


def test_the_score_is_that_of_the_level_that_the_denoiser_knows():
    """What is left of the noise by a filter that takes away half of it: 6.02 dB above the noise's own 20.17."""
    told = []

    def half(z, *, sigma):
        told.append(sigma)
        return clean + (z - clean) / 2

    clean = torch.full((1, 1, 256, 256), 128 / 255)
    pictures = {"gray": torch.full((1, 256, 256), 128, dtype=torch.uint8)}
    assert mean_psnr(half, pictures, 25 / 255) == pytest.approx(20.17 + 6.02, abs=0.05) and told == [25 / 255]
