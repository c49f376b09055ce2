"""The claims of lecture dncnn hold on metrics that say so, fail on others, and are measured as they say."""

import pytest
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import dncnn
from course_lib.claims.dncnn import CLAIMS, JPEG_QUALITIES, LEVELS

GOOD = {
    **{f"{name}_{peer}": value for name in ("photographs", "set12", "bsd68")
       for peer, value in {"noisy": 20.0, "wavelet": 26.0, "nlm": 28.0, "dncnn": 29.0}.items()},
    "border_loss_0": 1.4, "border_loss_1": 0.5, "border_loss_2_3": 0.2, "border_loss_4_7": 0.03, "border_beyond": 0.0,
    "residual_bn": 30.4, "residual_plain": 30.1, "direct_bn": 29.0, "direct_plain": 29.9,
    **{f"{kind}_at_{level}": 40 - level / 5 - price for level in LEVELS
       for kind, price in {"blind": 1.0, "specific": 0.0, "wavelet": 2.0, "nlm": 0.5, "s25": 0.0}.items()},
    "s25_at_50": 17.0, "blind_at_75": 20.0,
    **{f"{name}{given}": 30.0 + (not given) for name in (
        *(f"noise_{level}" for level in (15, 25, 50)), *(f"scale_{scale}" for scale in (2, 3, 4)),
        *(f"jpeg_{quality}" for quality in JPEG_QUALITIES)) for given in ("", "_given")},
    "images_1": 30.2, "images_2": 30.3, "images_4": 30.5, "images_8": 30.6,
}
BAD = {
    "dncnn-beats-classical": [{"bsd68_dncnn": 27.9}, {"photographs_dncnn": 25.0}, {"set12_dncnn": 28.0}],
    "dncnn-border": [{"border_loss_4_7": 0.2}, {"border_beyond": 1e-3}, {"border_loss_0": 0.1}],
    "dncnn-residual-with-norm": [{"direct_bn": 30.5}],
    "dncnn-norm-helps-residual": [{"residual_plain": 30.5}],
    "dncnn-blind-spans": [{"blind_at_25": 33.4}, {"blind_at_5": 36.9}, {"wavelet_at_50": 29.5}],
    "dncnn-one-level-only": [{"s25_at_50": 27.0}, {"blind_at_50": 19.0}],
    "dncnn-outside-range": [{"blind_at_75": 25.0}],
    "dncnn-three-tasks": [{"jpeg_40": 29.9}, {"scale_2": 29.9}, {"noise_15": 29.9}],
    "dncnn-few-images": [{"images_4": 29.0}, {"images_8": 31.0}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


@pytest.mark.slow
@each_experiment(CLAIMS)
def test_every_metric_that_a_claim_asks_for_is_measured(experiment, course_data):
    metrics = measured(experiment, CLAIMS)
    asked = {
        "dncnn-benchmark": ("photographs_", "set12_", "bsd68_", "border_"), "dncnn-ablation": ("residual_", "direct_"),
        "dncnn-blind": ("blind_", "specific_", "wavelet_", "nlm_", "s25_"), "dncnn-images": ("images_",),
        "dncnn-three-tasks": ("noise_", "scale_", "jpeg_"),
    }[experiment.id]
    needed = {name for name in GOOD if name.startswith(asked)}
    if experiment.id == "dncnn-blind":
        needed -= {f"specific_at_{level}" for level in LEVELS if level not in (15, 25, 50)}
    assert needed <= metrics.keys()


def test_the_full_profile_has_the_papers_sizes_and_patches_that_every_task_divides():
    with profiles.using("full"):
        assert (dncnn.network(0).depth, dncnn.network(0, deep=True).depth) == (17, 20)
        assert dncnn.budget(1) == profiles.Budget(80_000, 128, 40)
