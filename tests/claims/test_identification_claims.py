"""The claims of lecture identification say yes to metrics made up for a yes, and no to each one spoilt."""

import pytest
import torch
from criteria import criteria

from course_lib import profiles
from course_lib.claims import identification
from course_lib.claims.identification import CLAIMS, gallery, growing, named_rightly
from course_lib.data.readers import Labelled
from course_lib.networks import Embedding

YES = {
    **{f"pixels_{many}": value for many, value in (("one", 0.2), ("three", 0.08), ("six", 0.08), ("eer", 0.45))},
    **{f"random_{many}": value for many, value in (("one", 0.1), ("three", 0.08), ("six", 0.08), ("eer", 0.46))},
    "latent_10_one": 0.45, "latent_40_one": 0.7, "latent_160_one": 0.8, "latent_160_three": 0.79,
    "latent_160_six": 0.78, "latent_160_eer": 0.1, "minimum_six": 0.82,
    "strangers_named_5": 0.01, "strangers_named_10": 0.1, "strangers_named_20": 0.2,
    "classifier_changed": 0.1, "classifier_changed_by_lot": 0.08,
    "gallery_changed": 0.01, "gallery_changed_without_cause": 0.0,
    "strangers_sure": 0.8, "strangers_very_sure": 0.4,
    "pixels_clean": 0.82, "pixels_moved": 0.45, "latent_moved": 0.78,
}  # fmt: skip
SPOILT = {
    "identification-retraining": [{"gallery_changed_without_cause": 0.01}, {"classifier_changed": 0.02},
                                  {"gallery_changed": 0.2}],
    "identification-strangers": {"strangers_sure": 0.4},
    "identification-latent": {"latent_160_one": 0.4},
    "identification-learnt": {"random_one": 0.7},
    "identification-more-people": {"latent_10_one": 0.75},
    "identification-minimum": {"minimum_six": 0.7},
    "identification-pixel-templates": {"pixels_three": 0.25},
    "identification-gallery": {"strangers_named_20": 0.05},
    "identification-orl": {"latent_moved": 0.5},
}
BY_ID = {claim.id: claim for claim in CLAIMS}

TestCriteria = criteria(CLAIMS, YES, SPOILT)


def test_little_growth_fails_and_so_does_a_fall():
    growth = BY_ID["identification-gallery"].holds
    assert not growth([YES | {"strangers_named_5": 0.18, "strangers_named_10": 0.19}] * 3).holds
    assert not growth([YES, YES, YES | {"strangers_named_10": 0.005}]).holds


def faces(*values: float, users: int) -> tuple[torch.Tensor, Labelled]:
    """Points of the line as embeddings, in equal parts of so many users."""
    f = torch.tensor(values)[:, None]
    labels = torch.arange(len(values)) // (len(values) // users)
    return f, Labelled(torch.zeros(len(values), 1, 1, 1, dtype=torch.uint8), labels, tuple("abcdefghij"[:users]))


def test_the_share_of_right_names_is_that_counted_by_hand():
    """Templates 0 | 10 (one each): of 1, 7 | 9, 4 the nearer ones are right. Two each: 0, 1 | 10, 9; 7 and 4 left."""
    f, labelled = faces(0.0, 1.0, 7.0, 10.0, 9.0, 4.0, users=2)
    assert named_rightly(f, labelled, templates=1) == 0.5
    assert named_rightly(f, labelled, templates=2, rule="minimum") == 0.0
    made, left = gallery(f, labelled, templates=2, users=1)
    assert made.names == ("a",) and left.tolist() == [False, False, True, True, True, True]


def test_more_users_at_the_same_threshold_name_more_strangers():
    stream = torch.Generator().manual_seed(0)
    labelled = faces(*range(80), users=8)[1]
    f = torch.randn(80, 3, generator=stream)
    found = growing(f, labelled, torch.randn(400, 3, generator=stream))
    assert list(found) == ["strangers_named_5", "strangers_named_10", "strangers_named_20"]
    assert 0 <= found["strangers_named_5"] <= found["strangers_named_10"] == found["strangers_named_20"] <= 1
    assert abs(found["strangers_named_10"] - 0.1) < 0.07                     # what gamma was chosen for


@pytest.mark.parametrize(("others", "share"), [(0.5, 1.0), (40.0, 0.0)], ids=["nearer", "farther"])
def test_the_strangers_that_chose_the_threshold_are_not_those_who_are_counted(others, share):
    """Ten users: five at -1000, five at 0. Strangers at 1 to 10 choose gamma = 2 for all ten; others are counted.

    Were gamma chosen on those, none of them would be named or a tenth; were it chosen for five users, all by five.
    """
    f, labelled = faces(*[-1000.0] * 15, *[0.0] * 15, users=10)
    strangers = torch.tensor([*range(1, 11), *[others] * 10], dtype=torch.float32)[:, None]
    found = growing(f, labelled, strangers)
    assert found == {"strangers_named_5": 0.0, "strangers_named_10": share, "strangers_named_20": share}


def test_the_sets_of_an_experiment_share_nobody():
    with profiles.using("smoke"):
        train, validation, test = identification.sets(0)
    assert len({*train.names, *validation.names, *test.names}) == 12 + 4 + 8


def test_the_untrained_network_has_the_first_weights_and_has_seen_the_pictures():
    with profiles.using("smoke"):
        train, _, _ = identification.sets(0)
        fresh, network = Embedding(seed=3), identification.untrained(train, seed=3)
    for (name, before), after in zip(fresh.state_dict().items(), network.state_dict().values(), strict=True):
        assert torch.equal(before, after) != ("running" in name or "num_batches" in name), name
    assert not network.training


@pytest.mark.slow
def test_the_experiments_give_what_the_claims_read():
    with profiles.using("smoke"):
        metrics = identification.measure_newcomer("smoke", 0)
        spaces = identification.measure_spaces("smoke", 0)
    assert "classifier_changed_by_lot" in metrics and metrics["gallery_changed_without_cause"] == 0
    assert {"pixels_one", "random_eer", "minimum_six", "strangers_named_20"} <= set(spaces)
    assert all(0 <= value <= 1 for value in (metrics | spaces).values())
