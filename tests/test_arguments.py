"""Errors speak to a student: what was expected, what came, the usual cause."""

import pytest
import torch

from course_lib import arguments, profiles
from course_lib.denoise.dncnn import DnCNN
from course_lib.noise import Gaussian


def test_a_single_gray_image_is_refused_with_the_index_that_makes_a_batch():
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got \(8, 8\).*image\[None, None\]"):
        DnCNN(depth=2)(torch.zeros(8, 8))


def test_eight_bit_pixels_are_refused_with_the_division():
    with pytest.raises(TypeError, match=r"floats in \[0, 1\], got uint8.*/ 255"):
        DnCNN(depth=2)(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))


def test_colour_into_a_gray_network_is_refused():
    with pytest.raises(ValueError, match=r"expected 1 channel \(N, 1, H, W\), got 3.*built for gray"):
        DnCNN(depth=2)(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("sigma", [25, (0, 55), torch.tensor([[25.0]])])
def test_a_sigma_of_25_is_refused_with_25_over_255(sigma):
    with pytest.raises(ValueError, match=r"instead of (25|55) / 255"):
        Gaussian(sigma)


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_a_noise_level_is_a_number_of_zero_or_more(sigma):
    with pytest.raises(ValueError, match="zero or more"):
        Gaussian(sigma)


def test_a_range_of_noise_levels_goes_upwards():
    with pytest.raises(ValueError, match="low <= high"):
        Gaussian((0.2, 0.1))


def test_an_array_is_no_tensor():
    with pytest.raises(TypeError, match="from_numpy"):
        arguments.image_batch([[0.0]])


def test_an_unknown_profile_gets_a_suggestion(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "lectur")
    with pytest.raises(arguments.UnknownName, match="did you mean 'lecture'"):
        profiles.current()


def test_a_word_like_no_other_gets_the_list_only():
    with pytest.raises(arguments.UnknownName) as error:
        arguments.one_of("zzz", ["dncnn"], what="method")
    assert str(error.value) == "unknown method 'zzz'. There are: dncnn"


def test_a_budget_is_made_of_whole_positive_numbers():
    with pytest.raises(ValueError, match="batch: expected a whole number of 1 or more, got 0"):
        profiles.Budget(steps=10, batch=0)


def test_suggestions_do_not_care_about_capitals():
    assert arguments.suggest("bsd", ["Set12", "BSD68"]) == "did you mean 'BSD68'?"
