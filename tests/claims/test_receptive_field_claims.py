"""The claims of lecture receptive_fields say yes to metrics made up for a yes, and no to each one spoilt."""

import math

import pytest
import torch
from criteria import measured

from course_lib import profiles
from course_lib.claims import receptive_field
from course_lib.claims.receptive_field import CLAIMS, DENOISERS, DEPTHS, TASKS, slope, smooth, steps_saved
from course_lib.fit import History

YES = {
    **{f"width_{kind}_{depth}": math.sqrt(2 * depth / 3) * (1.1 if kind == "diffused" else 1.0)
       for kind in ("linear", "relu", "tanh", "diffused") for depth in DEPTHS},
    **{f"share_{kind}_{depth}": 2 / math.sqrt(depth) for kind in ("linear", "relu", "tanh", "diffused")
       for depth in DEPTHS},
    **{f"misfit_{kind}_{depth}": 0.02 for kind in ("linear", "relu", "tanh", "diffused") for depth in DEPTHS},
    **{f"slope_{kind}": 0.5 for kind in ("linear", "relu", "tanh", "diffused")},
    **{f"{when}_{task}_{kind}_{start}": 1.5 if when == "before" else 2.0 for when in ("before", "after")
       for task in TASKS for kind, start in (("residual", "usual"), ("residual", "diffused"), ("plain", "usual"))},
    **{f"saved_{task}": 0.2 for task in TASKS},
    **{f"width_{level}": 1.0 + level / 50 for level in DENOISERS},
    **{f"square_95_{level}": 11.0 for level in DENOISERS}, **{f"theoretical_{level}": 19.0 for level in DENOISERS}}
SPOILT = {
    "receptive_field-root": {"slope_relu": 0.9}, "receptive_field-gaussian": {"misfit_relu_20": 0.2},
    "receptive_field-share": {"share_tanh_40": 0.9}, "receptive_field-activation": {"width_tanh_10": 4.0},
    "receptive_field-training": {"after_classes_residual_usual": 0.5},
    "receptive_field-training-plain": {"after_mosaics_plain_usual": 0.5},
    "receptive_field-diffused": {"width_diffused_40": 4.0}, "receptive_field-diffused-faster": {"saved_mosaics": -0.3},
    "receptive_field-denoiser": {"square_95_50": 17.0}, "receptive_field-noise": {"width_25": 3.0}}
BY_ID = {claim.id: claim for claim in CLAIMS}


def seeds(*changes):
    """Figures of five seeds that scatter a little, each with its change."""
    rows = []
    for k, change in enumerate([*changes, *[{}] * (5 - len(changes))]):
        rows.append({key: value * (1 + 0.001 * k) if not key.startswith(("square", "theoretical")) else value
                     for key, value in YES.items()} | change)
    return rows


@pytest.mark.parametrize("name", BY_ID)
def test_a_claim_holds_for_good_metrics_and_fails_where_one_seed_is_bad(name):
    good = BY_ID[name].holds(seeds())
    assert good.holds and any(character.isdigit() for character in good.because)
    bad = BY_ID[name].holds(seeds(SPOILT[name]))
    assert not bad.holds and bad.because


def test_every_claim_has_metrics_that_fail_it():
    assert SPOILT.keys() == BY_ID.keys()


@pytest.mark.parametrize("power", [0.5, 1.0, -2.0])
def test_the_slope_of_a_power_law_is_its_exponent(power):
    assert slope(DEPTHS, [3 * depth**power for depth in DEPTHS]) == pytest.approx(power)


def test_steps_are_counted_to_the_lowest_loss_that_both_reach():
    steps = list(range(1, 11))
    usual = History(steps=steps, terms={"loss": [10.0 - k for k in steps]})          # ends at 0
    twice = History(steps=steps, terms={"loss": [max(10.0 - 2 * k, 1.0) for k in steps]})   # at 1 by step 5
    assert steps_saved(usual, twice) == pytest.approx(1 - 5 / 9)
    assert steps_saved(twice, usual) == pytest.approx(1 - 9 / 5)
    assert steps_saved(usual, usual) == 0


def test_a_loss_is_smoothed_over_a_tenth_of_the_training():
    assert smooth([float(k % 2) for k in range(20)])[-1] == 0.5
    assert smooth([1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("profile", ["smoke", "lecture"])
def test_both_kinds_of_network_see_as_far_and_have_a_score_for_each_class(profile):
    with profiles.using(profile):
        for task, channels, classes in (("classes", 3, 10), ("mosaics", 1, 8)):
            found = [receptive_field.network(task, kind, "usual", 0) for kind in ("residual", "plain")]
            fields = {receptive_field.receptive_field.theoretical_field(model, channels=channels) for model in found}
            assert len(fields) == 1
            assert all(model(torch.zeros(1, channels, 16, 16)).shape[1] == classes for model in found)


@pytest.mark.slow
def test_every_metric_that_a_claim_asks_for_is_measured(course_data):
    metrics = [measured(experiment, CLAIMS) for experiment in {claim.experiment for claim in CLAIMS}]
    assert YES.keys() <= set().union(*metrics)
