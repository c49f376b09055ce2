"""The claims of lecture nonlocality hold on metrics that say so, fail on others, and are measured as they say."""

import pytest
import torch
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import nn3d
from course_lib.claims.nn3d import CLAIMS, LEVELS, PHOTOGRAPHS, REPEATING

GOOD = {
    **{f"{net}_{name}_{kind}": value for net in ("dncnn", "ffdnet") for name in (*REPEATING, "set12_50")
       for kind, value in {"alone": 28.0, "nn3d": 28.4, "ungrouped": 27.9}.items()},
    **{f"{name}_groups_{where}": value for name in PHOTOGRAPHS
       for where, value in {"chance": -0.1, "noisy": 0.1, "denoised": 0.4, "clean": 0.6}.items()},
    **{f"{name}_agree_{where}": value for name in PHOTOGRAPHS
       for where, value in {"chance": 0.02, "noisy": 0.2, "denoised": 0.5, "clean": 1.0}.items()},
    **{f"{name}_iteration_{k}": value for name in PHOTOGRAPHS
       for k, value in enumerate((0.4, 0.5, 0.45, 0.4), start=1)},
    **{f"{kind}_at_{level}": 40 - level / 5 - price for level in LEVELS
       for kind, price in {"own": 0.0, "biased_plain": 0.0, "biased_scaled": 0.3, "free_plain": 0.5,
                           "free_scaled": 0.5}.items()},
    "biased_plain_at_75": 20.0, "biased_scaled_at_25": 33.0, "biased_plain_at_25": 31.0,
}
BAD = {
    "nn3d-improves": [{"dncnn_barbara_nn3d": 28.05}, {"ffdnet_house_nn3d": 27.0}, {"ffdnet_brick_alone": 28.35}],
    "nn3d-table": [{"ffdnet_set12_50_nn3d": 27.9}, {"dncnn_set12_50_nn3d": 28.0}],
    "nn3d-iterations-alone-ffdnet": [{"ffdnet_barbara_ungrouped": 28.2}, {"ffdnet_brick_ungrouped": 28.06}],
    "nn3d-iterations-alone-dncnn": [{"dncnn_house_ungrouped": 28.06}],
    "nn3d-needs-groups": [{"dncnn_barbara_ungrouped": 28.35}, {"ffdnet_house_nn3d": 27.9}],
    "nn3d-likeness": [{"brick_groups_chance": 0.41}, {"chelsea_groups_denoised": -0.2}],
    "nn3d-found-when-denoised": [{"camera_agree_noisy": 0.45}],
    "nn3d-better-when-denoised": [{"camera_groups_noisy": 0.45}],
    "nn3d-first-counts": [{"brick_iteration_2": 1.5}, {"chelsea_iteration_3": -0.5}],
    "nn3d-scaled": [{"biased_plain_at_75": 23.0}, {"own_at_75": 26.0}],
    "nn3d-scaled-down-only": [{"biased_scaled_at_25": 34.9}],
    "nn3d-scaled-without-biases": [{"free_scaled_at_15": 36.6}, {"biased_scaled_at_75": 20.05}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


@pytest.mark.slow
@each_experiment(CLAIMS)
def test_every_metric_that_a_claim_asks_for_is_measured(experiment, course_data, monkeypatch):
    monkeypatch.setattr(nn3d, "scored", whole_few)
    metrics = measured(experiment, CLAIMS)
    asked = {"nn3d-gain": ("dncnn_", "ffdnet_"), "nn3d-parts": PHOTOGRAPHS, "nn3d-scaling": ("biased", "free")}
    needed = {name for name in GOOD if name.startswith(asked[experiment.id])}
    needed |= {"own_at_25", "own_at_75"} if experiment.id == "nn3d-scaling" else set()
    assert needed <= metrics.keys()


def whole_few(name):
    """As at smoke, but with all the pictures that claims name."""
    from course_lib import data

    pictures = data.photographs("test") if name == "photographs" else data.load(name)
    return {key: picture[:, 60:124, 60:124] for key, picture in pictures.items()
            if name == "photographs" or key in nn3d.NAMED}


def test_the_agreement_of_two_searches_by_hand():
    """Neighbours 2 and 3 against 3 and 4 share one of two; the reference, which all share, does not count."""
    assert nn3d.agreement(torch.tensor([[[0, 2, 3]]]), torch.tensor([[[0, 3, 4]]])) == 0.5
    assert nn3d.agreement(torch.tensor([[[0, 2, 3]]]), torch.tensor([[[0, 3, 2]]])) == 1.0


def test_the_sources_table_has_seven_methods_in_each_row():
    assert {len(row) for row in nn3d.TABLE.values()} == {7}
    assert nn3d.TABLE["Set12", 50][1:3] == (27.19, 27.32)


def test_the_full_profile_has_the_papers_sizes_and_a_network_for_each_level_of_its_iterations(monkeypatch):
    asked = []
    monkeypatch.setattr(nn3d, "trained_at", lambda level, *, seed: asked.append(level) or level)
    monkeypatch.setattr(nn3d.ffdnet, "train", lambda images, **how: type("Trained", (), {"model": how["network"]}))
    monkeypatch.setattr(nn3d, "training_images", lambda: {})
    with profiles.using("full"):
        found = nn3d.denoisers(0)
    assert {15, 25, 30, 50, 75} <= set(asked) and found["ffdnet"].depth == 15
