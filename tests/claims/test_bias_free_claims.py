"""The claims of lecture bias_free hold on metrics that say so, fail on others, and are measured so."""

import pytest
from criteria import criteria

from course_lib import profiles
from course_lib.claims import bias_free
from course_lib.claims.bias_free import CLAIMS, LEVELS, RANGES, VIEWED

NOISY = {level: 40 - level / 4 for level in LEVELS}
GOOD = {
    **{f"noisy_at_{level}": NOISY[level] for level in LEVELS},
    **{f"free_{high}_at_{level}": NOISY[level] + 8 for high in RANGES for level in LEVELS},
    **{f"twin_{high}_at_{level}": NOISY[level] + (8.1 if level <= high else 0.5)
       for high in RANGES for level in LEVELS},
    "bsd68_free_at_10": 33.8, "bsd68_free_at_50": 25.8, "bsd68_twin_at_10": 33.7, "bsd68_twin_at_50": 15.3,
    "twin_10_scaled_at_50": NOISY[50] + 6,
    "homogeneity_free_at_5": 2e-7, "homogeneity_free_at_50": 3e-7, "homogeneity_twin_at_5": 0.02,
    "homogeneity_twin_at_50": 0.2, "net_bias_free_at_5": 1e-5, "net_bias_free_at_50": 1e-5, "net_bias_twin_at_5": 1.0,
    "net_bias_twin_at_50": 9.0,
    "dimensions_at_10": 200.0, "dimensions_at_30": 80.0, "dimensions_at_100": 30.0,
    "row_sum_at_10": 1.0, "row_sum_at_30": 0.99, "row_sum_at_100": 0.97,
    "width_at_10": 1.0, "width_at_30": 2.0, "width_at_100": 3.0, **{f"asymmetry_at_{level}": 0.4 for level in VIEWED},
}
BAD = {
    "bias_free-homogeneous": [{"homogeneity_free_at_5": 2e-5}, {"homogeneity_twin_at_50": 1e-6}],
    "bias_free-generalises": [{"twin_10_at_50": GOOD["free_10_at_50"] - 4.9}, {"free_10_at_50": NOISY[50] + 5}],
    "bias_free-twin-fails": [{"twin_10_at_50": NOISY[50] + 3}],
    "bias_free-costs-nothing": [{"free_10_at_10": NOISY[10] + 7.7}, {"free_55_at_50": NOISY[50] + 7.7}],
    "bias_free-little-is-enough": [{"free_10_at_50": NOISY[50] + 6.9}],
    "bias_free-beyond-any-range": [{"twin_55_at_100": NOISY[100] + 6}],
    "bias_free-net-bias": [{"net_bias_twin_at_50": 1.9}, {"net_bias_free_at_50": 0.1}],
    "bias_free-scaled-by-hand": [{"twin_10_scaled_at_50": NOISY[50] + 3}],
    "bias_free-fewer-dimensions": [{"dimensions_at_100": 90.0}, {"dimensions_at_10": 70.0}, {"dimensions_at_100": 2.0}],
    "bias_free-adaptive-averages": [{"row_sum_at_100": 0.8}, {"width_at_100": 1.5}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


@pytest.mark.slow
def test_every_metric_that_a_claim_asks_for_is_measured(course_data):
    with profiles.using("smoke"):
        metrics = bias_free.EXPERIMENT.measure("smoke", 0)
    assert metrics.keys() == GOOD.keys()


def test_the_full_profile_has_the_papers_sizes_and_both_twins_are_trained_alike():
    with profiles.using("full"):
        free, twin = bias_free.network(0, biased=False), bias_free.network(0, biased=True)
        assert (free.depth, twin.depth, bias_free.budget()) == (20, 20, profiles.Budget(220_000, 128, 50))
    assert type(free).__name__ == "BiasFreeDnCNN" and twin.layers[0].bias is not None
