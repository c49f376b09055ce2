"""The claims on triplets hold on figures that say so, fail on figures that do not, and are measured as they say."""

import math

import pytest
import torch
from criteria import criteria

from course_lib import profiles
from course_lib.claims import triplet
from course_lib.claims.triplet import CLAIMS, CONTESTANTS, Trial, interval
from course_lib.data import identities
from course_lib.data.readers import Labelled
from course_lib.metric.batches import jitter
from course_lib.metric.identification import pixels

SETS = ("people", "orl", "omniglot")
BY_ID = {claim.id: claim for claim in CLAIMS}
GOOD = {
    **{f"{name}_{figure}": value for name, eer, dir_ in
       (("pixels", 0.45, 0.01), ("classifier", 0.15, 0.3), (triplet.USUAL, 0.15, 0.3), ("slide", 0.14, 0.2),
        ("hadsell", 0.16, 0.2), ("triplet", 0.12, 0.4))
       for figure, value in {"eer": eer, "dir": dir_, "fpir": 0.1, "confused": 0.05, "auc": 0.9,
                             "recall": 0.6}.items()},
    "triplet_seen": 0.01, "triplet_unseen": 0.3, "pixels_seen": 0.2, "pixels_unseen": 0.21,
}
BAD = {
    **{f"triplet-{name}-pixels": [{"triplet_eer": 0.31}, {"pixels_dir": 0.37}] for name in SETS},
    **{f"triplet-{name}-classifier": [{"triplet_eer": 0.25}, {"classifier_dir": 0.8}, {f"{triplet.USUAL}_eer": 0.05}]
       for name in SETS},
    "triplet-few": [{"triplet_unseen": 0.209}, {"triplet_seen": 0.051}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


def test_in_the_mean_one_bad_seed_may_be_made_up_for_and_the_interval_says_it():
    bad = {**GOOD, "triplet_eer": 0.16}
    verdict = BY_ID["triplet-people-classifier"].holds([GOOD, bad, GOOD])
    assert verdict.holds and "interval -0.041 to 0.074" in verdict.because          # 3, -1, 3 hundredths


def test_the_interval_is_students():
    from scipy.stats import ttest_1samp

    values = [0.3, 1.9, 2.2, 0.7]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values)[1:] == pytest.approx((expected.low, expected.high))
    assert interval([2.0]) == (2.0, -math.inf, math.inf)


def test_all_contestants_get_the_same_but_for_the_loss(monkeypatch):
    """The trunk, its first weights, the batches, the view and the budget, as each `train` is handed them."""
    asked = []

    def note(images, *, budget, seed, network, view, **others):
        trunk = getattr(network, "embedding", network).state_dict()
        asked.append((images, budget, seed, view, {key: value.clone() for key, value in trunk.items()}, others))
        return type("Trained", (), {"model": network})

    for method in (triplet.identification, triplet.triplet, triplet.contrastive):
        monkeypatch.setattr(method, "train", note)
    with profiles.using("smoke"):
        found = triplet.learnt(triplet.drawn_people(0), seed=3)
    assert set(found) == {*CONTESTANTS, triplet.USUAL} and len(asked) == 5
    first, *others = asked
    for other in others:
        assert other[0] is first[0] and other[1:4] == first[1:4]
    usual = [not torch.equal(other[4]["last.weight"], first[4]["last.weight"]) for other in others]
    assert sum(usual) == 1                                             # one classifier, which begins as networks do
    for other in others:
        assert all(torch.equal(other[4][key], value) for key, value in first[4].items() if key != "last.weight")
    assert all("each" not in how for *_, how in asked)                 # as many pictures of each person


def test_nobody_is_on_two_sides():
    """The seen and the unseen share no person, and a door's three groups share none either."""
    with profiles.using("smoke"):
        trial = triplet.drawn_people(0)
    assert not set(trial.seen.names) & set(trial.unseen.names)
    assert sum(trial.division) <= len(trial.unseen.names)


def test_people_are_chosen_with_all_their_pictures_and_counted_anew():
    labels = torch.tensor([5, 5, 0, 2, 2, 2])
    everybody = Labelled(torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1), labels, tuple("abcdef"))
    some = triplet.of_people(everybody, torch.tensor([2, 5]))
    assert some.images.flatten().tolist() == [3, 4, 5, 0, 1]
    assert some.labels.tolist() == [0, 0, 0, 1, 1] and some.names == ("c", "f")


def test_a_turned_character_is_another_one():
    one = Labelled(torch.tensor([[[[1, 2], [3, 4]]]], dtype=torch.uint8), torch.tensor([0]), ("a",))
    four = triplet.with_turned(one)
    assert four.labels.tolist() == [0, 1, 2, 3] and len(four.names) == 4
    assert four.images.flatten(1).tolist() == [[1, 2, 3, 4], [2, 4, 1, 3], [4, 3, 2, 1], [3, 1, 4, 2]]


def test_a_perfect_distance_scores_so_and_a_blind_one_by_chance():
    with profiles.using("smoke"):
        people = identities.people(8, each=5, seed=0)
        trial = Trial(people, people, jitter(), (4, 2, 2), triplet.budget(1))
        known = triplet.scores(torch.nn.functional.one_hot(people.labels).double(), trial, seed=0)
        alike = triplet.scores(torch.zeros(40, 3), trial, seed=0)
    assert (known["eer"], known["auc"], known["recall"], known["dir"], known["fpir"]) == (0, 1, 1, 1, 0)
    assert (alike["eer"], alike["auc"], alike["dir"], alike["fpir"]) == (0.5, 0.5, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", {claim.experiment.id: claim.experiment for claim in CLAIMS}.values(),
                         ids=lambda experiment: experiment.id)
def test_every_figure_that_a_claim_asks_for_is_measured(experiment, course_data):
    with profiles.using("smoke"):
        figures = experiment.measure("smoke", 0)
    asked = {name for name in GOOD if name.endswith("seen") == (experiment.id == "triplet-few")}
    assert asked <= figures.keys() and all(math.isfinite(value) for value in figures.values())


def test_the_unseen_of_orl_are_moved_once_and_the_same_for_all(course_data):
    trial, again, other = (triplet.orl(seed) for seed in (0, 0, 1))
    assert torch.equal(trial.unseen.images, again.unseen.images) and trial.unseen.names != other.unseen.names
    assert len(trial.seen.names) == 25 and len(trial.unseen.names) == 15
    assert pixels(trial.unseen.images).shape == (150, 46 * 56)


def test_the_unseen_characters_are_of_other_alphabets(course_data):
    trial = triplet.omniglot(0)
    seen, unseen = ({name.split("/")[0] for name in part.names} for part in (trial.seen, trial.unseen))
    assert len(trial.seen.names) == 4 * 136 and len(trial.unseen.names) == 106 and not seen & unseen
    assert trial.unseen.images.shape == (1060, 1, 35, 35)
    assert float(trial.unseen.images.float().mean()) < 60                           # white strokes on black
