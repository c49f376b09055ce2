"""Verification: rates as counting has them, areas as scikit-learn has them, and a door by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.readers import Labelled
from course_lib.embeddings import embed, pixels
from course_lib.metric import identification, verification
from course_lib.metric.verification import (
    auc,
    choose_threshold,
    cumulative_match,
    equal_error_rate,
    open_set,
    open_set_rate,
    pair_distances,
    recall_at,
    roc,
)
from course_lib.networks import Embedding
from course_lib.randomness import generator

# Distances from few values, so that there are ties.
DISTANCES = st.lists(st.integers(0, 9), min_size=1, max_size=30).map(lambda v: torch.tensor(v, dtype=torch.float64))
INCREASING = (lambda d: 3 * d + 1, torch.sqrt, torch.exp, lambda d: d**3)


def some(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed, "verification"), dtype=torch.float64)


@pytest.fixture
def crowd():
    """Forty points of eight people, some way apart."""
    labels = torch.arange(40) % 8
    return 1.5 * some(8, 6, seed=1)[labels] + some(40, 6, seed=2), labels


# Pairs ---------------------------------------------------------------------------------------------------------------


def test_every_pair_is_counted_once_and_in_its_group(crowd):
    f, labels = crowd
    genuine, impostor = pair_distances(f, labels)
    by_loops = {True: [], False: []}
    for i in range(40):
        for j in range(i + 1, 40):
            by_loops[bool(labels[i] == labels[j])].append(math.dist(f[i].tolist(), f[j].tolist()))
    assert len(genuine) + len(impostor) == 40 * 39 // 2
    assert torch.allclose(genuine.sort().values, torch.tensor(sorted(by_loops[True]), dtype=torch.float64))
    assert torch.allclose(impostor.sort().values, torch.tensor(sorted(by_loops[False]), dtype=torch.float64))


def test_a_picture_is_at_distance_zero_from_its_copy():
    """Large norms and small differences, where the product formula for distances is wrong by more than they are."""
    f = 100 + 0.01 * some(30, 64).float()
    twice, labels = torch.cat([f, f]), torch.arange(30).repeat(2)
    genuine, impostor = pair_distances(twice, labels)
    assert float(genuine.max()) == 0 and float(impostor.min()) > 0
    assert equal_error_rate(genuine, impostor) == 0

    def product_formula(a, b):
        return torch.cdist(a, b, compute_mode="use_mm_for_euclid_dist")

    broken = product_formula(twice, twice)
    assert float(broken.diagonal(30).max()) > 0.05                                    # which is where the mistake shows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "distances", product_formula)
        assert float(pair_distances(twice, labels)[0].max()) > 0.05


# The curve -----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(DISTANCES, DISTANCES)
def test_the_rates_are_those_of_counting(genuine, impostor):
    curve = roc(genuine, impostor)
    assert curve.thresholds.tolist() == [-math.inf, *sorted({*genuine.tolist(), *impostor.tolist()})]
    for t, far, frr in zip(*(part.tolist() for part in curve), strict=True):
        assert far == pytest.approx(sum(d <= t for d in impostor.tolist()) / len(impostor), abs=1e-12)
        assert frr == pytest.approx(sum(d > t for d in genuine.tolist()) / len(genuine), abs=1e-12)


@settings(deadline=None)
@given(DISTANCES, DISTANCES)
def test_the_curve_runs_from_nobody_to_everybody_and_never_back(genuine, impostor):
    _, far, frr = roc(genuine, impostor)
    assert (far[0], frr[0], far[-1], frr[-1]) == (0, 1, 1, 0)
    assert (far.diff() >= 0).all() and (frr.diff() <= 0).all()


@settings(deadline=None)
@given(DISTANCES, DISTANCES)
def test_the_area_counts_pairs_of_pairs(genuine, impostor):
    won = sum((g < i) + 0.5 * (g == i) for g in genuine.tolist() for i in impostor.tolist())
    assert auc(genuine, impostor) == pytest.approx(won / (len(genuine) * len(impostor)), abs=1e-12)


@settings(deadline=None)
@given(DISTANCES, DISTANCES)
def test_the_area_is_that_under_the_curve(genuine, impostor):
    _, far, frr = roc(genuine, impostor)
    assert auc(genuine, impostor) == pytest.approx(float(torch.trapezoid(1 - frr, far)), abs=1e-12)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_area_and_curve_are_those_of_scikit_learn_and_scipy(digits):
    from scipy.stats import mannwhitneyu
    from sklearn.metrics import roc_auc_score, roc_curve

    genuine, impostor = some(60).abs().round(decimals=digits), (some(90, seed=1).abs() + 0.4).round(decimals=digits)
    same = torch.cat([torch.ones(60), torch.zeros(90)])
    d = torch.cat([genuine, impostor])
    assert auc(genuine, impostor) == pytest.approx(roc_auc_score(same, -d), abs=1e-12)
    statistic = mannwhitneyu(impostor, genuine).statistic                            # how often an impostor is farther
    assert auc(genuine, impostor) == pytest.approx(statistic / (60 * 90), abs=1e-12)
    far, hits, thresholds = roc_curve(same, -d, drop_intermediate=False)
    ours = roc(genuine, impostor)
    assert torch.allclose(ours.far, torch.from_numpy(far)) and torch.allclose(1 - ours.frr, torch.from_numpy(hits))
    assert torch.equal(ours.thresholds, torch.from_numpy(-thresholds))


def test_equal_errors_by_hand():
    """Genuine 1, 2, 3, 6 and impostors 4, 5, 7, 8: at 4 one of four is let in, one of four is not."""
    assert equal_error_rate(torch.tensor([1.0, 2, 3, 6]), torch.tensor([4.0, 5, 7, 8])) == 0.25
    assert equal_error_rate(torch.tensor([1.0, 2, 3]), torch.tensor([3.0, 4])) == pytest.approx((0 + 1 / 3) / 2)


@settings(deadline=None)
@given(DISTANCES, DISTANCES)
def test_no_threshold_brings_the_two_errors_nearer_together(genuine, impostor):
    _, far, frr = roc(genuine, impostor)
    gap = (far - frr).abs()
    assert equal_error_rate(genuine, impostor) in ((far + frr) / 2)[gap == gap.min()].tolist()


def test_distances_that_separate_make_no_error_and_equal_ones_know_nothing():
    near, afar = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([2.5, 3.0])
    assert equal_error_rate(near, afar) == 0 and auc(near, afar) == 1
    assert equal_error_rate(afar, near) == 1 and auc(afar, near) == 0
    alike = torch.full((4,), 3.0)
    assert equal_error_rate(alike, alike) == 0.5 and auc(alike, alike) == 0.5


def test_permuted_labels_tell_nothing():
    f = some(120, 8)
    genuine, impostor = pair_distances(f, torch.arange(120).remainder(12)[torch.randperm(
        120, generator=generator(0, "permuted"))])
    assert auc(genuine, impostor) == pytest.approx(0.5, abs=0.04)
    assert equal_error_rate(genuine, impostor) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("change", range(len(INCREASING)))
@settings(deadline=None)
@given(DISTANCES, DISTANCES)
def test_only_the_order_of_distances_counts(change, genuine, impostor):
    moved = INCREASING[change]
    for metric in (equal_error_rate, auc):
        assert metric(moved(genuine), moved(impostor)) == metric(genuine, impostor)


@settings(deadline=None)
@given(DISTANCES, DISTANCES)
def test_exchanging_the_groups_exchanges_the_area(genuine, impostor):
    assert auc(impostor, genuine) == pytest.approx(1 - auc(genuine, impostor), abs=1e-12)


def tie_on_both_sides(genuine, impostor):
    """A pair at exactly t counted as a false acceptance and as a false rejection."""
    thresholds = torch.cat([genuine, impostor]).unique()
    far = torch.stack([(impostor <= t).double().mean() for t in thresholds])
    return verification.Roc(thresholds, far, torch.stack([(genuine >= t).double().mean() for t in thresholds]))


def strictly_below(genuine, impostor):
    thresholds = torch.cat([genuine, impostor]).unique()
    far = torch.stack([(impostor < t).double().mean() for t in thresholds])
    return verification.Roc(thresholds, far, torch.stack([(genuine >= t).double().mean() for t in thresholds]))


def exchanged(genuine, impostor, original=roc):
    return original(impostor, genuine)


@pytest.mark.parametrize("broken", [tie_on_both_sides, exchanged])
def test_the_equal_error_notices_a_broken_curve(monkeypatch, broken):
    monkeypatch.setattr(verification, "roc", broken)
    cases = [(torch.tensor([0.0, 1, 2]), torch.tensor([2.5, 3.0]), 0), (torch.tensor([1.0, 2, 3]),
             torch.tensor([3.0, 4]), 1 / 6)]
    assert any(equal_error_rate(g, i) != pytest.approx(rate) for g, i, rate in cases)


@pytest.mark.parametrize("broken", [tie_on_both_sides, strictly_below, exchanged])
def test_the_end_of_the_curve_notices_a_broken_one(broken):
    """At the largest distance everybody is accepted; with < for <= the farthest pair never is."""
    genuine, impostor = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])
    ends = [(float(curve.far[-1]), float(curve.frr[-1]), *(float(rates[curve.thresholds == 2.0][0])
                                                          for rates in curve[1:]))
            for curve in (roc(genuine, impostor), broken(genuine, impostor))]
    assert ends[0] == (1, 0, 0.5, 0) != ends[1]


# Retrieval -----------------------------------------------------------------------------------------------------------


def recall_by_loops(f, labels, k):
    found = 0
    for i in range(len(f)):
        others = sorted((math.dist(f[i].tolist(), f[j].tolist()), j) for j in range(len(f)) if j != i)
        found += any(labels[j] == labels[i] for _, j in others[:k])
    return found / len(f)


def test_recall_is_that_of_plain_loops_and_grows_to_one(crowd):
    f, labels = crowd
    found = recall_at(f, labels, (1, 2, 5, 10, 39))
    assert all(value == pytest.approx(recall_by_loops(f, labels, k)) for k, value in found.items())
    assert 0.125 < found[1] < found[2] < found[5] <= found[39] == 1


def test_recall_with_ties_takes_the_first():
    f, labels = torch.tensor([[0.0], [1.0], [-1.0], [5.0]]), torch.tensor([0, 1, 0, 1])
    assert recall_at(f, labels, (1, 2, 3)) == {k: recall_by_loops(f, labels, k) for k in (1, 2, 3)}


def test_recall_of_pictures_that_are_alone_is_zero():
    assert recall_at(some(5, 2), torch.arange(5), (1, 4)) == {1: 0.0, 4: 0.0}


def test_recall_notices_a_query_that_finds_itself(crowd, monkeypatch):
    """The mistake of every first attempt: with the query among the candidates everything is found at once."""
    f, labels = crowd
    right = recall_at(f, labels, (1,))[1]
    monkeypatch.setattr(torch.Tensor, "fill_diagonal_", lambda self, value: self)
    assert recall_at(f, labels, (1,))[1] == 1 != right


@pytest.mark.parametrize("map_", [0, 1])
def test_recall_does_not_change_where_all_distances_grow(crowd, map_):
    f, labels = crowd
    moved = (3 * f, f @ torch.linalg.qr(some(6, 6, seed=3)).Q)[map_]
    assert recall_at(moved, labels, (1, 3)) == recall_at(f, labels, (1, 3))


def test_the_match_curve_is_recall_with_a_gallery_of_one_each(crowd):
    f, labels = crowd
    gallery = identification.Gallery()
    for user in range(8):
        gallery.enrol(str(user), f[user : user + 1])
    scores = gallery.scores(f[8:])
    curve = cumulative_match(scores, labels[8:])
    named = torch.tensor([int(name) for name in gallery.identify(f[8:])])
    assert float(curve[0]) == pytest.approx(float((named == labels[8:]).double().mean()))
    for k in range(1, 9):
        hits = [int(answer) in row.tolist() for row, answer in zip(scores.argsort(dim=1)[:, :k], labels[8:],
                                                                   strict=True)]
        assert float(curve[k - 1]) == pytest.approx(sum(hits) / 32)
    assert (curve.diff() >= 0).all() and curve[-1] == 1


# A door --------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(DISTANCES, st.floats(0, 1))
def test_the_threshold_keeps_to_the_rate_and_a_larger_one_would_not(impostor, rate):
    gamma = choose_threshold(impostor, rate=rate)
    assert float((impostor < gamma).double().mean()) <= rate + 1e-9
    if gamma < math.inf:
        assert float((impostor <= gamma).double().mean()) > rate


def test_the_threshold_at_its_ends():
    scores = torch.tensor([2.0, 1.0, 3.0])
    assert choose_threshold(scores, rate=0) == 1 and choose_threshold(scores, rate=1) == math.inf
    assert choose_threshold(torch.stack([scores, scores + 5], dim=1), rate=0) == 1
    assert choose_threshold(torch.arange(10.0), rate=0.3) == 3                          # 0.3 x 10 is 2.999... in floats


KNOWN = torch.tensor([[1.0, 5.0], [2.0, 3.0], [9.0, 8.0], [1.0, 4.0]])
ANSWERS = torch.tensor([0, 1, 1, 1])
STRANGERS = torch.tensor([[4.0, 6.0], [1.0, 7.0], [8.0, 8.0], [3.0, 3.0]])


def test_a_door_by_hand():
    """Below 4: the first is right, the second and the last are taken for user 0, the third is kept out."""
    door = open_set_rate(KNOWN, ANSWERS, STRANGERS, threshold=4.0)
    assert door == (0.25, 0.5, 0.25, 0.5, 4.0)
    assert door.detected + door.confused + door.rejected == 1


def test_a_score_of_exactly_gamma_is_kept_out():
    """The rule is s < gamma; with <= the door would open at distance zero for gamma = 0."""
    door = open_set_rate(torch.zeros(1, 1), torch.tensor([0]), torch.zeros(1, 1), threshold=0.0)
    assert door.rejected == 1 and door.false_positives == 0
    at_three = open_set_rate(KNOWN, ANSWERS, STRANGERS, threshold=3.0)
    assert at_three.false_positives == 0.25                                             # and not 1/2


def test_a_closed_and_an_open_door():
    shut, wide = (open_set_rate(KNOWN, ANSWERS, STRANGERS, threshold=gamma) for gamma in (0.0, math.inf))
    assert (shut.detected, shut.confused, shut.rejected, shut.false_positives) == (0, 0, 1, 0)
    assert (wide.rejected, wide.false_positives) == (0, 1)
    assert wide.detected == float(cumulative_match(KNOWN, ANSWERS)[0])


@pytest.mark.parametrize("change", range(len(INCREASING)))
def test_a_door_sees_the_order_of_scores_only(change):
    moved = INCREASING[change]
    for rate in (0.0, 0.25, 0.5, 1.0):
        gamma, other = (choose_threshold(f(STRANGERS), rate=rate) for f in (lambda d: d, moved))
        assert open_set_rate(KNOWN, ANSWERS, STRANGERS, threshold=gamma)[:4] == \
            open_set_rate(moved(KNOWN), ANSWERS, moved(STRANGERS), threshold=other)[:4]


def test_both_rates_grow_with_the_threshold(crowd):
    known, strangers = some(50, 6).abs(), some(70, 6, seed=1).abs()
    answers = torch.arange(50) % 6
    doors = [open_set_rate(known, answers, strangers, threshold=gamma) for gamma in (0, 0.1, 0.3, 0.6, 1, 9)]
    for name in ("detected", "confused", "false_positives"):
        rates = [getattr(door, name) for door in doors]
        assert rates == sorted(rates)


def test_more_people_enrolled_let_more_strangers_in():
    """The smallest of more scores is smaller: at one gamma FPIR never falls when somebody is enrolled."""
    people, strangers = some(30, 5), some(60, 5, seed=1)
    gallery, rates = identification.Gallery(), []
    for user in range(30):
        gallery.enrol(str(user), people[user : user + 1])
        scores = gallery.scores(strangers)
        rates.append(open_set_rate(scores, torch.zeros(60, dtype=torch.long), scores, threshold=1.6).false_positives)
    assert rates == sorted(rates) and rates[0] < rates[10] < rates[-1]


# From end to end -----------------------------------------------------------------------------------------------------


def pictures(people, *, each=6, spread=8.0, seed=0):
    """Tiny 'pictures' of people: a number each and some noise around it, in four pixels."""
    centres = torch.randint(40, 216, (people, 1, 1, 2, 2), generator=generator(seed, "centres"))
    noise = spread * torch.randn((people, each, 1, 2, 2), generator=generator(seed, "noise"))
    return Labelled((centres + noise).clamp(0, 255).byte().flatten(0, 1), torch.arange(people).repeat_interleave(each),
                    tuple(f"person {i}" for i in range(people)))


def door_by_loops(known, validation, test, *, templates, rate, rule):
    """Enrol, choose and open with dictionaries of vectors."""
    def vectors(images):
        return [row.double().flatten().div(255).tolist() for row in images]

    of = {who: vectors(known.images[known.labels == who]) for who in range(len(known.names))}

    def score(probe):
        return {who: {"mean": lambda d: sum(d) / len(d), "minimum": min}[rule](
            [math.dist(probe, t) for t in mine[:templates]]) for who, mine in of.items()}

    lowest = sorted(min(score(probe).values()) for probe in vectors(validation.images))
    gamma = lowest[math.floor(rate * len(lowest) + 1e-9)]
    right = wrong = out = 0
    for who, mine in of.items():
        for probe in mine[templates:]:
            scores = score(probe)
            best = min(scores, key=scores.get)
            out, right, wrong = (out + (scores[best] >= gamma), right + (scores[best] < gamma and best == who),
                                 wrong + (scores[best] < gamma and best != who))
    total = right + wrong + out
    inside = sum(min(score(probe).values()) < gamma for probe in vectors(test.images)) / len(test.images)
    return right / total, wrong / total, out / total, inside, gamma


@pytest.mark.parametrize("rule", ["mean", "minimum"])
@pytest.mark.parametrize("templates", [1, 3])
def test_a_door_from_end_to_end_is_that_of_plain_loops(rule, templates):
    known, validation, test = (pictures(people, spread=20.0, seed=seed) for seed, people in enumerate((8, 5, 6)))
    expected = door_by_loops(known, validation, test, templates=templates, rate=0.1, rule=rule)
    door = open_set(pixels, known, validation, test, templates=templates, rate=0.1, rule=rule)
    assert door == pytest.approx(expected, abs=1e-5)
    assert 0 < door.detected < 1


def on_the_tested_strangers(embed, known, validation, test, **how):
    return open_set(embed, known, test, test, **how)


def test_gamma_from_the_tested_strangers_would_be_an_oracle():
    """The broken variant that flatters: it meets the rate on any set, whatever the validation strangers were like."""
    known, test = pictures(8, seed=0), pictures(12, seed=2)
    easy = Labelled(torch.full((10, 1, 2, 2), 255, dtype=torch.uint8), torch.arange(10) // 5, ("a", "b"))
    right = open_set(pixels, known, easy, test, rate=0.1)
    broken = on_the_tested_strangers(pixels, known, easy, test, rate=0.1)
    assert broken.false_positives <= 0.1 < right.false_positives
    same_people = open_set(pixels, known, test, test, rate=0.1)
    assert same_people == broken                                                 # what a promise of identity would miss


def test_a_network_in_training_mode_gives_another_door():
    """Batch normalisation in train mode makes an embedding depend on its batch-mates; `embed` does not."""
    network = Embedding(widths=(4,), dimensions=4, seed=0).train()
    known, validation, test = (pictures(people, seed=seed) for seed, people in enumerate((6, 4, 5)))
    in_eval = [embed(network, images) for images in (known.images[:6], known.images)]
    assert torch.allclose(in_eval[0], in_eval[1][:6], atol=1e-5)
    with torch.no_grad():
        alone, together = (network(images.float() / 255) for images in (known.images[:6], known.images))
    assert not torch.allclose(alone, together[:6], atol=1e-3)
    network = Embedding(widths=(4,), dimensions=4, seed=0)
    door = open_set(lambda images: embed(network, images), known, validation, test)
    again = open_set(lambda images: embed(network, images, batch=3), known, validation, test)
    assert door == pytest.approx(again, abs=1e-5)


def test_the_order_of_the_pictures_of_a_set_does_not_matter_but_for_templates():
    known, validation, test = (pictures(people, seed=seed) for seed, people in enumerate((6, 4, 5)))
    mixed = torch.randperm(len(test.labels), generator=generator(0, "order"))
    other = Labelled(test.images[mixed], test.labels[mixed], test.names)
    assert open_set(pixels, known, validation, test) == \
        open_set(pixels, known, validation, other)


def test_whole_numbers_are_distances_too():
    genuine, impostor = torch.tensor([1, 3]), torch.tensor([2, 4])
    assert equal_error_rate(genuine, impostor) == 0.5 and auc(genuine, impostor) == 0.75
    assert choose_threshold(torch.tensor([3, 1, 2, 4]), rate=0.25) == 2


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "says"), [
    (lambda: pair_distances(torch.zeros(3, 1, 4, 4), torch.zeros(3)), "embeddings"),
    (lambda: roc(torch.zeros(0), torch.ones(2)), "one person only"),
    (lambda: auc(torch.tensor([math.nan]), torch.ones(2)), "NaN"),
    (lambda: recall_at(torch.zeros(3, 2), torch.zeros(3).long(), (3,)), "only 2 others"),
    (lambda: recall_at(torch.zeros(3, 2), torch.zeros(3).long(), (0,)), "1 or more"),
    (lambda: choose_threshold(torch.ones(3), rate=10), "per cent"),
    (lambda: cumulative_match(torch.ones(2, 3), torch.tensor([0, 3])), "strangers among the known"),
    (lambda: open_set_rate(torch.ones(2, 3), torch.tensor([0]), torch.ones(1, 3), threshold=1.0), "Gallery.scores"),
    (lambda: open_set_rate(torch.ones(2, 3), torch.tensor([0, 1]), torch.ones(4, 2), threshold=1.0), r"\(M, 3\), got"),
    (lambda: open_set_rate(torch.ones(2, 3), torch.tensor([0, 1]), torch.ones(4), threshold=1.0), r"\(M, 3\), got"),
    (lambda: open_set_rate(torch.ones(2, 3), torch.tensor([0, 1]), torch.ones(0, 3), threshold=1.0), "one or more"),
    (lambda: pair_distances(torch.tensor([[0.0], [1.0], [math.nan]]), torch.tensor([0, 0, 1])), "embed.* no numbers"),
    (lambda: recall_at(torch.tensor([[0.0], [1.0], [math.nan]]), torch.tensor([0, 0, 1]), (1,)), "embed.* no numbers"),
    (lambda: recall_at(torch.zeros(1, 2), torch.zeros(1).long(), (1,)), "two pictures or more, .* got 1"),
    (lambda: choose_threshold(torch.ones(3, 0), rate=0.1), r"one or more, got \(3, 0\)"),
    (lambda: cumulative_match(torch.tensor([[1.0, math.nan]]), torch.tensor([0])), "scores: .* no numbers"),
    (lambda: open_set_rate(torch.tensor([[1.0, math.nan]]), torch.tensor([0]), torch.ones(1, 2), threshold=1.0),
     "^scores: .* no numbers"),
    (lambda: open_set_rate(torch.ones(1, 2), torch.tensor([0]), torch.tensor([[1.0, math.nan]]), threshold=1.0),
     "impostor_scores: .* no numbers"),
    (lambda: open_set_rate(KNOWN, ANSWERS, STRANGERS, threshold=math.nan), "threshold: expected a distance"),
    (lambda: open_set(pixels, pictures(3, each=3), pictures(2), pictures(2)), "only 3 pictures"),
])
def test_mistakes_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
