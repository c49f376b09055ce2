"""The claims of lecture ffdnet say yes to metrics made up for a yes, and no to each one spoilt."""

import pytest
import torch
from criteria import criteria

from course_lib.claims import fast, ffdnet
from course_lib.claims.ffdnet import LEVELS, TABLE, WRONG

YES = {
    **{f"right_at_{level}": 40.0 - level / 5 for level in LEVELS},
    **{f"nlm_at_{level}": 38.0 - level / 5 for level in LEVELS},
    **{f"bsd68_{level}": value - 0.5 for level, value in TABLE.items()},
    **{f"true_{true}_told_{told}": 40.0 - true / 5 - (0 if told == true else 2 if told > true else 8)
       for true, told in WRONG},
    "ramp_noisy": 20.0, "ramp_uniform_right": 30.0, "ramp_uniform_mean": 27.0, "ramp_varied_right": 30.1,
    "waves_uniform_right": 30.0, "waves_uniform_mean": 27.5, "waves_varied_right": 29.9,
    "fast": 31.0, "nlm": 30.2, "times_faster": 4.5}
CLAIMS = {claim.id: claim for claim in (*ffdnet.CLAIMS, *fast.CLAIMS)}
SPOILT = {
    "ffdnet-every-level": {"right_at_75": 22.0}, "ffdnet-table": {"bsd68_50": 25.0},
    "ffdnet-told-too-low": {"true_50_told_25": 28.0}, "ffdnet-variant": {"waves_uniform_mean": 29.5},
    "ffdnet-lopsided": {"true_25_told_50": 26.0}, "ffdnet-uniform-suffices": {"waves_varied_right": 30.3},
    "ffdnet-faster": {"times_faster": 2.5}, "fast-photographs": {"nlm": 30.6}, "fast-ten-crops": {"nlm": 30.6}}

TestCriteria = criteria(CLAIMS.values(), YES, SPOILT)


def test_the_right_level_is_the_same_metric_wherever_it_appears():
    assert all(YES[f"true_{true}_told_{true}"] == YES[f"right_at_{true}"] for true in (15, 25, 50))


@pytest.mark.parametrize("make", [ffdnet.ramp, ffdnet.waves])
def test_a_map_that_varies_goes_from_quiet_to_loud_and_fits_its_image(make):
    level = make(torch.zeros(1, 1, 128, 192))
    assert level.shape == (1, 1, 128, 192)
    assert ffdnet.QUIET <= float(level.min()) < 6.5 / 255 and 38.5 / 255 < float(level.max()) <= ffdnet.LOUD + 1e-6
    assert level.diff(dim=-1).abs().max() < 1 / 255


def test_the_best_setting_of_non_local_means_is_the_best_of_those_tried(monkeypatch):
    monkeypatch.setattr(fast, "SETTINGS", ("a", "b", "c"))
    monkeypatch.setattr(fast, "mean_psnr", lambda setting, pictures, sigma: {"a": 1.0, "b": 3.0, "c": 2.0}[setting])
    assert fast.best_nlm({}, 0.1) == ("b", 3.0)


def test_the_speed_is_a_ratio_of_what_was_timed():
    metrics = ffdnet.measure_speed("smoke", 0)
    assert metrics["times_faster"] == pytest.approx(metrics["dncnn_ms"] / metrics["ffdnet_ms"])


def test_the_ten_crops_are_six_and_four_of_the_right_size(course_data, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "lecture")
    crops = fast.ten_crops()
    assert [name.split()[0] for name in crops] == ["BSD68"] * 6 + ["Set12"] * 4
    assert {tuple(crop.shape) for crop in crops.values()} == {(1, 256, 256)}
