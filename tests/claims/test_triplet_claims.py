"""The claims on triplets hold on metrics that say so, fail on metrics that do not, and are measured as they say."""

import math

import pytest
import torch
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import triplet
from course_lib.claims.triplet import CLAIMS, CONTESTANTS, Trial
from course_lib.data import identities
from course_lib.data.readers import Labelled
from course_lib.embeddings import pixels
from course_lib.metric import contrastive
from course_lib.metric.batches import jitter
from course_lib.metric.verification import OpenSet

SETS = ("people", "orl", "omniglot")
BY_ID = {claim.id: claim for claim in CLAIMS}
GOOD = {
    **{f"{name}_{metric}": value for name, eer, dir_ in
       (("pixels", 0.45, 0.01), ("classifier", 0.15, 0.3), (triplet.USUAL, 0.15, 0.3), ("slide", 0.14, 0.2),
        ("hadsell", 0.16, 0.2), ("triplet", 0.12, 0.4))
       for metric, value in {"eer": eer, "dir": dir_, "fpir": 0.1, "confused": 0.05, "auc": 0.9,
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


def test_one_bad_seed_of_three_leaves_it_open_who_is_ahead():
    bad = {**GOOD, "triplet_eer": 0.16}
    verdict = BY_ID["triplet-people-classifier"].holds([GOOD, bad, GOOD])
    assert not verdict.holds and "interval -0.0407 to 0.074" in verdict.because      # 3, -1, 3 hundredths


def test_all_contestants_get_the_same_but_for_the_loss(monkeypatch):
    """The people, the trunk, its first weights, the batches, the view and the budget, as each `train` gets them."""
    asked, by_name = [], {}

    def note(images, *, budget, seed, network, view, **others):
        trunk = getattr(network, "embedding", network).state_dict()
        asked.append((images, budget, seed, view, {key: value.clone() for key, value in trunk.items()}, others))
        by_name[network] = others.get("loss")
        return type("Trained", (), {"model": network})

    for method in (triplet.identification, triplet.triplet, triplet.contrastive):
        monkeypatch.setattr(method, "train", note)
    monkeypatch.setattr(triplet, "embed", lambda f, images: getattr(f, "__self__", f))      # whose embeddings they are
    with profiles.using("smoke"):
        trial = triplet.drawn_people(0)
        found = triplet.learnt(trial, seed=3)
    assert set(found) == {*CONTESTANTS, triplet.USUAL} and len(asked) == 5
    for images, budget, seed, view, *_ in asked:
        assert images is trial.seen and (budget, seed, view) == (trial.budget, 3, trial.view)
    losses = {name: by_name[f(trial.unseen.images)] for name, f in found.items() if name != "pixels"}
    assert losses == {"slide": contrastive.slide_loss, "hadsell": contrastive.hadsell_loss, "triplet": None,
                      "classifier": None, triplet.USUAL: None}
    assert all(how.get("margin") == (triplet.MARGIN if "loss" in how else None) for *_, how in asked)
    first, *others = asked
    usual = [not torch.equal(other[4]["last.weight"], first[4]["last.weight"]) for other in others]
    assert sum(usual) == 1                                             # one classifier, which begins as networks do
    for other in others:
        assert all(torch.equal(other[4][key], value) for key, value in first[4].items() if key != "last.weight")
    assert all("each" not in how for *_, how in asked)                 # as many pictures of each person


def test_what_is_scored_are_the_unseen(monkeypatch):
    scored = []
    monkeypatch.setattr(triplet, "learnt", lambda trial, *, seed: {"pixels": lambda images: (images, trial, seed)})
    monkeypatch.setattr(triplet, "scores", lambda f, trial, *, seed: scored.append((*f, trial, seed)) or {"eer": 0.5})
    with profiles.using("smoke"):
        trial = triplet.drawn_people(0)
    metrics, distances = triplet.compare(trial, 7)
    (images, learnt_from, seed, *scored_on), = scored
    assert images is trial.unseen.images and learnt_from is scored_on[0] is trial and seed == scored_on[1] == 7
    assert metrics == {"pixels_eer": 0.5} and list(distances) == ["pixels"]


@pytest.mark.parametrize("name", SETS)
def test_an_experiment_compares_on_the_trial_of_its_own_name_and_seed(name, monkeypatch):
    compared = []
    for trial in ("drawn_people", "orl", "omniglot"):
        monkeypatch.setattr(triplet, trial, lambda seed, trial=trial: (trial, seed))
    monkeypatch.setattr(triplet, "compare", lambda *which: compared.append(which) or ({"pixels_eer": 0.5}, {}))
    monkeypatch.setattr(triplet.data, "one_shot_runs", tuple)
    with profiles.using("smoke"):
        metrics = getattr(triplet, f"measure_{name}")("smoke", 7)
    assert compared == [(("drawn_people" if name == "people" else name, 7), 7)] and metrics == {"pixels_eer": 0.5}


def test_the_digits_learnt_from_are_0_to_4_and_each_half_is_scored_by_itself(monkeypatch):
    """Figures are the numbers of pictures here, which differ for the two halves."""
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    model, learnt_from = torch.nn.Identity(), []
    monkeypatch.setattr(triplet.triplet, "train", lambda images, **how: learnt_from.append(images) or type(
        "Trained", (), {"model": model}))
    monkeypatch.setattr(triplet, "embed", lambda f, images: images if f is model else images[:0])
    monkeypatch.setattr(triplet, "pair_distances", lambda f, labels: (len(f), len(labels)))
    monkeypatch.setattr(triplet, "equal_error_rate", lambda pictures, labels: (pictures, labels))
    with profiles.using("smoke"):
        metrics = triplet.measure_few("smoke", 0)
    low = int((load_digits().target < 5).sum())
    high = len(load_digits().target) - low
    assert [images.names for images in learnt_from] == [tuple("01234")] and len(learnt_from[0].images) == low != high
    assert metrics == {"pixels_seen": (low, low), "triplet_seen": (low, low),
                       "pixels_unseen": (high, high), "triplet_unseen": (high, high)}


def test_a_door_has_three_groups_of_people_that_share_nobody(monkeypatch):
    """Known, validation and test strangers, of the sizes of the division, with their own pictures, anew each time."""
    doors, rates = [], []

    def note(embed, *parts, rate):
        assert torch.equal(embed(parts[0].images), parts[0].images)
        doors.append(parts)
        rates.append(rate)
        return OpenSet(0.1 * len(doors), 0.2, 0.7, 0.01, 3.0)

    monkeypatch.setattr(triplet, "open_set", note)
    labels = torch.arange(36) // 3
    unseen = Labelled(torch.zeros(36, 1, 1, 1, dtype=torch.uint8), labels, tuple("abcdefghijkl"))
    with profiles.using("smoke"):
        trial = Trial(None, unseen, jitter(), (5, 2, 3), triplet.budget(1))
        found = triplet.scores(torch.arange(36.0)[:, None], trial, seed=0)
    assert len(doors) == 2 and set(rates) == {triplet.RATE}
    for parts in doors:
        assert [len(part.names) for part in parts] == [5, 2, 3]
        assert len({name for part in parts for name in part.names}) == 10
        for part in parts:
            theirs = [unseen.names[int(picture) // 3] for picture in part.images.flatten()]
            assert theirs == [part.names[label] for label in part.labels]
    assert doors[0][0].names != doors[1][0].names
    assert found["dir"] == pytest.approx(0.15) and (found["confused"], found["fpir"]) == (0.2, 0.01)


def test_nobody_is_on_two_sides():
    """The seen and the unseen share no person, and a door's three groups share none either."""
    with profiles.using("smoke"):
        trial = triplet.drawn_people(0)
    assert not set(trial.seen.names) & set(trial.unseen.names)
    assert sum(trial.division) <= len(trial.unseen.names)


def test_a_perfect_distance_scores_so_and_a_blind_one_by_chance():
    with profiles.using("smoke"):
        people = identities.people(8, each=5, seed=0)
        trial = Trial(people, people, jitter(), (4, 2, 2), triplet.budget(1))
        known = triplet.scores(torch.nn.functional.one_hot(people.labels).double(), trial, seed=0)
        alike = triplet.scores(torch.zeros(40, 3), trial, seed=0)
    assert (known["eer"], known["auc"], known["recall"], known["dir"], known["fpir"]) == (0, 1, 1, 1, 0)
    assert (alike["eer"], alike["auc"], alike["dir"], alike["fpir"]) == (0.5, 0.5, 0, 0)


@pytest.mark.slow
@each_experiment(CLAIMS)
def test_every_metric_that_a_claim_asks_for_is_measured(experiment, course_data):
    metrics = measured(experiment, CLAIMS)
    asked = {name for name in GOOD if name.endswith("seen") == (experiment.id == "triplet-few")}
    assert asked <= metrics.keys() and all(math.isfinite(value) for value in metrics.values())


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
