"""Triplet loss and its mining: by hand, by plain loops over all triplets, and equal to pytorch-metric-learning."""

import itertools
import math
from functools import partial

import pytest
import torch
from oracles import broken, embeddings, images
from torch import nn

from course_lib import randomness
from course_lib.metric import triplet
from course_lib.metric.batches import batch_distances, identity_batches, jitter
from course_lib.metric.triplet import (
    Triplets,
    all_triplets,
    batch_hard,
    collapsed,
    nearest_semi_hard,
    random_triplets,
    semi_hard,
    triplet_loss,
)
from course_lib.networks import Embedding
from course_lib.profiles import Budget

I, P, N = (torch.tensor([point], dtype=torch.float64) for point in ([0.0, 0.0], [3.0, 4.0], [6.0, 8.0]))


def as_set(triplets):
    return set(zip(*(which.tolist() for which in triplets), strict=True))


def chosen(f, triplets, **how):
    """The loss of these triplets, as a number."""
    return float(triplet_loss(*(f[which] for which in triplets), **how))


def every(labels):
    """All triplets in plain loops."""
    n = range(len(labels))
    return {(a, p, q) for a, p, q in itertools.product(n, n, n)
            if a != p and labels[a] == labels[p] and labels[a] != labels[q]}


def distance_table(f):
    return [[math.dist(a, b) for b in f.tolist()] for a in f.tolist()]


# The loss ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "value"), [
    (dict(margin=1.0), 0.0), (dict(margin=6.0), 1.0), (dict(margin=1.0, squared=True), 0.0),
    (dict(margin=80.0, squared=True), 5.0), (dict(margin="soft"), math.log1p(math.exp(-5)))],
    ids=["satisfied", "violated", "squared, satisfied", "squared, violated", "soft"])
def test_a_positive_at_five_and_a_negative_at_ten_as_computed_by_hand(how, value):
    """Squared: 80 + 25 - 100 = 5."""
    assert float(triplet_loss(I, P, N, **how)) == pytest.approx(value)


def loss_by_loops(f, triples, *, margin, squared=False):
    total = 0.0
    for a, p, n in triples:
        d_p, d_n = (math.dist(f[a].tolist(), f[other].tolist()) for other in (p, n))
        excess = d_p**2 - d_n**2 if squared else d_p - d_n
        total += math.log1p(math.exp(excess)) if margin == "soft" else max(0.0, margin + excess)
    return total / len(triples)


@pytest.mark.parametrize("loss", [
    triplet_loss,
    broken(lambda a, p, n, *, margin: triplet_loss(a, n, p, margin=margin), id="positive and negative exchanged"),
    broken(partial(triplet_loss, squared=True), id="squared norms"),
    broken(lambda a, p, n, *, margin: len(a) * triplet_loss(a, p, n, margin=margin), id="a sum"),
    broken(lambda a, p, n, *, margin: torch.stack(
        [one for one in (triplet_loss(*(x[None] for x in t), margin=margin) for t in zip(a, p, n, strict=True))
         if one > 0]).mean(), id="over the violated only"),
    broken(lambda a, p, n, *, margin: ((a - p).norm(dim=1) - (a - n).norm(dim=1) + margin).mean(), id="no hinge"),
    broken(lambda a, p, n, *, margin: ((a - p).norm(dim=1) - (p - n).norm(dim=1) + margin).clamp(min=0).mean(),
           id="from the positive to the negative"),
    broken(lambda a, p, n, *, margin: triplet_loss(
        *(nn.functional.normalize(x, dim=1) for x in (a, p, n)), margin=margin), id="normalised"),
    broken(lambda a, p, n, *, margin: triplet_loss(a, p, n, margin="soft"), id="soft")])
def test_the_loss_is_that_of_plain_loops(loss):
    f, labels = embeddings(10, people=3, seed=1)
    triples = sorted(every(labels))[::3]                       # over all of them anchor and positive could be exchanged
    a, p, n = (f[list(which)] for which in zip(*triples, strict=True))
    assert float(loss(a, p, n, margin=0.5)) == pytest.approx(loss_by_loops(f, triples, margin=0.5))


@pytest.mark.parametrize(("margin", "squared"), [(0.5, True), ("soft", False), ("soft", True)])
def test_the_soft_and_the_squared_loss_are_those_of_plain_loops(margin, squared):
    f, labels = embeddings(10, people=3, seed=1, scale=0.5)
    expected = loss_by_loops(f, sorted(every(labels)), margin=margin, squared=squared)
    assert chosen(f, all_triplets(labels), margin=margin, squared=squared) == pytest.approx(expected)


@pytest.mark.parametrize("eps", [0.0, broken(1e-6, id="torch's default")])
def test_the_hinge_equals_torchs_own_whose_eps_must_be_zero(eps):
    f, labels = embeddings(20, seed=2)
    a, p, n = (f[which] for which in all_triplets(labels))
    theirs = nn.functional.triplet_margin_loss(a, p, n, margin=0.7, eps=eps)
    assert abs(float(triplet_loss(a, p, n, margin=0.7)) - float(theirs)) < 1e-9


@pytest.mark.parametrize("margin", [0.3, 2.0, "soft"])
def test_a_network_that_gives_everybody_one_vector_pays_the_margin_or_the_logarithm_of_two(margin):
    f, labels = torch.ones(12, 3, dtype=torch.float64), torch.arange(12) % 4
    expected = math.log(2) if margin == "soft" else margin
    for triplets in (batch_hard(f, labels), all_triplets(labels), nearest_semi_hard(f, labels)):
        assert chosen(f, triplets, margin=margin) == pytest.approx(expected) == collapsed(margin)


def test_only_the_difference_of_the_distances_counts():
    """Moving, turning and, with the margin, scaling all embeddings leaves the loss as it is, times the scale."""
    f, labels = embeddings(seed=5)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=randomness.generator(2), dtype=torch.float64))
    triplets = all_triplets(labels)
    expected = chosen(f, triplets, margin=0.4)
    assert chosen(f + 7, triplets, margin=0.4) == pytest.approx(expected)
    assert chosen(f @ turn, triplets, margin=0.4) == pytest.approx(expected)
    assert chosen(3 * f, triplets, margin=1.2) == pytest.approx(3 * expected)
    assert abs(chosen(3 * f, triplets, margin=0.4) - 3 * expected) > 0.1


def test_the_soft_margin_is_never_quite_satisfied_and_the_hinge_is():
    """At a gap of 5 the hinge is silent; the soft margin moves the negative on, by sigmoid(-5)."""
    points, one = torch.cat([I, P, N]), Triplets(*torch.tensor([[0], [1], [2]]))
    assert not triplet.forces(points, one, margin=1.0).any()
    pushed = triplet.forces(points, one, margin="soft")[2]
    assert pushed.tolist() == pytest.approx([0.6 / (1 + math.exp(5)), 0.8 / (1 + math.exp(5))])


@pytest.mark.parametrize("margin", [6.0, "soft"])
def test_equal_embeddings_have_a_finite_gradient(margin):
    points = torch.zeros(3, 2, dtype=torch.float64)
    assert bool(triplet.forces(points, Triplets(*torch.tensor([[0], [1], [2]])), margin=margin).isfinite().all())


@pytest.mark.parametrize(("call", "message"), [
    (lambda: triplet_loss(I, P, N[:, :1], margin=1.0), r"one shape \(T, D\)"),
    (lambda: triplet_loss(I[:0], P[:0], N[:0], margin=1.0), "no triplets: .* one picture of each person"),
    (lambda: triplet_loss(I, P, N, margin=0.0), "margin: expected a distance above zero, or \"soft\""),
    (lambda: triplet_loss(I, P, N, margin="sotf"), "unknown margin 'sotf': did you mean 'soft'"),
    (lambda: batch_hard(I, torch.zeros(3)), "expected a label for each of the 1 embeddings"),
    (lambda: all_triplets(torch.zeros(4, 1)), r"labels: expected one for each .* got \(4, 1\)"),
    (lambda: triplet.semi_hard(torch.zeros(2, 1), torch.zeros(2), margin="soft"), "margin, which is a distance"),
    (lambda: triplet.monitor(torch.zeros(2, 1), torch.zeros(2).long()), "no triplets"),
    (lambda: triplet.mined(I, torch.zeros(1), mining="random"), "unknown mining without chance 'random'"),
], ids=["shapes", "nothing", "margin", "name", "labels", "a column of labels", "soft semi-hard",
        "one person", "mining"])
def test_a_student_is_told_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Which triplets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("people", "each"), [(2, 2), (3, 4), (10, 4), (5, 1), (1, 6)])
def test_there_are_as_many_triplets_as_counting_says(people, each):
    """PK anchors, K - 1 positives, PK - K negatives; none without a second picture or a second person."""
    labels = torch.arange(people).repeat_interleave(each)
    found = as_set(all_triplets(labels))
    assert len(found) == len(all_triplets(labels).anchors) == people * each * (each - 1) * (people * each - each)
    assert found == every(labels.tolist())


def hard_by_loops(f, labels):
    """For each anchor the farthest positive and the nearest negative, one comparison at a time."""
    d, found = distance_table(f), set()
    for a in range(len(f)):
        positives = [j for j in range(len(f)) if j != a and labels[j] == labels[a]]
        negatives = [j for j in range(len(f)) if labels[j] != labels[a]]
        if positives and negatives:
            found.add((a, max(positives, key=lambda j: d[a][j]), min(negatives, key=lambda j: d[a][j])))
    return found


def itself_allowed(f, labels):
    """K = 1: the official code takes the anchor for its own positive, at distance zero."""
    d, same = batch_distances(f), labels[:, None] == labels[None]
    return Triplets(torch.arange(len(f)), d.masked_fill(~same, -1).argmax(dim=1),
                    d.masked_fill(same, torch.inf).argmin(dim=1))


def with_distances(change):
    """Batch-hard mining where something about the choice is wrong."""
    def miner(f, labels):
        d, same = batch_distances(f), labels[:, None] == labels[None]
        positive = same & ~torch.eye(len(f), dtype=torch.bool)
        return Triplets(torch.arange(len(f)), *change(d, positive, ~same))
    return miner


WRONG_CHOICES = [
    broken(with_distances(lambda d, pos, neg: (d.masked_fill(~pos, torch.inf).argmin(1),
                                               d.masked_fill(~neg, torch.inf).argmin(1))), id="the nearest positive"),
    broken(with_distances(lambda d, pos, neg: (d.masked_fill(~pos, -1).argmax(1),
                                               d.masked_fill(~neg, -1).argmax(1))), id="the farthest negative"),
    broken(with_distances(lambda d, pos, neg: ((d * pos).argmax(1), (d * neg).argmin(1))),
           id="zeros for what is masked"),
    broken(with_distances(lambda d, pos, neg: (d.masked_fill(~neg, -1).argmax(1),
                                               d.masked_fill(~pos, torch.inf).argmin(1))),
           id="positives and negatives exchanged"),
    broken(lambda f, labels: batch_hard(nn.functional.normalize(f, dim=1), labels), id="on the unit sphere")]


@pytest.mark.parametrize("miner", [batch_hard, *WRONG_CHOICES])
@pytest.mark.parametrize("seed", [1, 2])
def test_batch_hard_is_that_of_plain_loops(miner, seed):
    f, labels = embeddings(16, people=4, seed=seed)
    assert as_set(miner(f, labels)) == hard_by_loops(f, labels)


@pytest.mark.parametrize("miner", [batch_hard, broken(itself_allowed, id="its own positive")])
def test_a_picture_without_a_partner_is_nobodys_anchor(miner):
    f, labels = embeddings(7, seed=3)[0], torch.tensor([0, 0, 0, 1, 1, 2, 3])
    found = miner(f, labels)
    assert set(found.anchors.tolist()) == {0, 1, 2, 3, 4} and as_set(found) == hard_by_loops(f, labels)
    assert {5, 6} <= set(all_triplets(labels).negatives.tolist())           # but somebody's negative


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]], ids=["one person", "nobody twice"])
def test_where_there_is_no_triplet_none_is_mined(labels):
    f, labels = embeddings(4, seed=3)[0], torch.tensor(labels)
    draw = randomness.generator(0)
    for found in (batch_hard(f, labels), nearest_semi_hard(f, labels), semi_hard(f, labels, margin=9.0),
                  all_triplets(labels), random_triplets(labels, generator=draw)):
        assert [len(which) for which in found] == [0, 0, 0]


def semi_hard_by_loops(f, labels, *, margin):
    d = distance_table(f)
    return {(a, p, n) for a, p, n in every(labels.tolist()) if d[a][p] < d[a][n] <= d[a][p] + margin}


@pytest.mark.parametrize("miner", [
    semi_hard,
    broken(lambda f, labels, *, margin: Triplets(*torch.tensor(sorted(
        {t for t in every(labels.tolist())
         if distance_table(f)[t[0]][t[2]] < distance_table(f)[t[0]][t[1]] + margin})).T), id="all violated"),
    broken(lambda f, labels, *, margin: Triplets(*torch.tensor(sorted(
        {t for t in every(labels.tolist())
         if distance_table(f)[t[0]][t[2]] < distance_table(f)[t[0]][t[1]]})).T), id="the hard ones"),
    broken(lambda f, labels, *, margin: semi_hard(nn.functional.normalize(f, dim=1), labels,
                                                       margin=margin), id="on the unit sphere")])
def test_semi_hard_triplets_are_right_but_not_by_the_margin(miner):
    f, labels = embeddings(14, people=4, seed=4)
    assert as_set(miner(f, labels, margin=0.5)) == semi_hard_by_loops(f, labels, margin=0.5)


def facenet_by_loops(f, labels):
    d, found = distance_table(f), set()
    for a, p in {(a, p) for a, p, _ in every(labels.tolist())}:
        negatives = [n for n in range(len(f)) if labels[n] != labels[a]]
        farther = [n for n in negatives if d[a][n] > d[a][p]]
        found.add((a, p, min(farther, key=lambda n: d[a][n]) if farther else max(negatives, key=lambda n: d[a][n])))
    return found


@pytest.mark.parametrize("miner", [
    nearest_semi_hard,
    broken(lambda f, labels: Triplets(*torch.tensor(sorted(
        {(a, p, min((n for n in range(len(f)) if labels[n] != labels[a]),
                    key=lambda n: distance_table(f)[a][n])) for a, p, _ in every(labels.tolist())})).T),
        id="the nearest of all"),
    broken(batch_hard, id="batch-hard")])
@pytest.mark.parametrize("seed", [1, 6])
def test_facenets_choice_is_that_of_plain_loops(miner, seed):
    f, labels = embeddings(13, people=4, seed=seed)
    assert as_set(miner(f, labels)) == facenet_by_loops(f, labels)


def test_facenets_choice_falls_back_to_the_farthest_negative():
    """The positive at 10 is beyond both negatives, at 1 and 2."""
    line = torch.tensor([[0.0], [10.0], [1.0], [2.0]])
    assert (0, 1, 3) in as_set(nearest_semi_hard(line, torch.tensor([0, 0, 1, 2])))


def test_random_triplets_are_valid_one_for_each_picture_and_reach_every_partner():
    labels, draw = torch.tensor([0, 0, 0, 1, 1, 2]), randomness.generator(0)
    drawn = [random_triplets(labels, generator=draw) for _ in range(200)]
    assert all(found.anchors.tolist() == [0, 1, 2, 3, 4] for found in drawn)
    assert set().union(*map(as_set, drawn)) == every(labels.tolist())
    again = random_triplets(labels, generator=randomness.generator(0))
    assert as_set(again) == as_set(drawn[0])


@pytest.mark.parametrize("mine", [batch_hard, nearest_semi_hard, partial(semi_hard, margin=0.7)],
                         ids=["batch-hard", "FaceNet's", "semi-hard"])
def test_the_order_of_a_batch_does_not_count(mine):
    f, labels = embeddings(15, people=5, seed=7)
    order = torch.randperm(15, generator=randomness.generator(3))
    shuffled = Triplets(*(order[which] for which in mine(f[order], labels[order])))
    assert as_set(shuffled) == as_set(mine(f, labels))


def test_a_choice_has_no_gradient_and_the_loss_of_it_has():
    f, labels = embeddings(8, people=2, seed=8)
    f.requires_grad_()
    triplets = batch_hard(f, labels)
    triplet_loss(*(f[which] for which in triplets), margin="soft").backward()
    assert not triplets.anchors.requires_grad and f.grad.abs().max() > 0


# pytorch-metric-learning ---------------------------------------------------------------------------------------------


@pytest.fixture
def pml():
    """The parts that the calls need; distances of embeddings as they are, which is not the default."""
    package = pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import distances, losses, miners, reducers

    assert package
    return losses, miners, reducers, distances.LpDistance(normalize_embeddings=False, p=2, power=1)


@pytest.mark.parametrize("margin", [0.2, 1.5, "soft"])
def test_batch_hard_equals_theirs(pml, margin):
    losses, miners, reducers, distance = pml
    f, labels = embeddings(24, people=6, seed=9)
    triples = miners.BatchHardMiner(distance=distance)(f, labels)
    options = dict(margin=0, smooth_loss=True) if margin == "soft" else dict(margin=margin)
    theirs = losses.TripletMarginLoss(distance=distance, reducer=reducers.MeanReducer(), **options)(f, labels, triples)
    assert chosen(f, batch_hard(f, labels), margin=margin) == pytest.approx(float(theirs), abs=1e-6)
    assert as_set(batch_hard(f, labels)) == as_set(triples)


@pytest.mark.parametrize("margin", [0.2, 1.5])
def test_the_mean_over_all_triplets_equals_theirs(pml, margin):
    losses, _, reducers, distance = pml
    f, labels = embeddings(16, people=4, seed=9)
    theirs = losses.TripletMarginLoss(margin=margin, distance=distance, reducer=reducers.MeanReducer())(f, labels)
    assert chosen(f, all_triplets(labels), margin=margin) == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize("margin", [0.2, 1.5])
def test_the_semi_hard_triplets_are_theirs(pml, margin):
    _, miners, _, distance = pml
    f, labels = embeddings(20, people=5, seed=10)
    theirs = miners.TripletMarginMiner(margin=margin, type_of_triplets="semihard", distance=distance)(f, labels)
    assert as_set(semi_hard(f, labels, margin=margin)) == as_set(theirs) != set()


@pytest.mark.parametrize("trap", ["the reducer that drops satisfied triplets", "normalised embeddings"])
def test_their_defaults_are_another_loss(pml, trap):
    losses, _, reducers, distance = pml
    f, labels = embeddings(16, people=4, seed=9)
    kept = dict(distance=distance) if trap.startswith("the reducer") else dict(reducer=reducers.MeanReducer())
    theirs = losses.TripletMarginLoss(margin=0.5, **kept)(f, labels)
    assert abs(chosen(f, all_triplets(labels), margin=0.5) - float(theirs)) > 0.01


# What is monitored, and training -------------------------------------------------------------------------------------


def test_the_training_statistics_of_a_batch_by_hand():
    """On a line: 0, 1 one person, 3, 7 another. Of the eight triplets one is wrong: from 3, 7 is farther than 1."""
    f, labels = torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([0, 0, 1, 1])
    seen = triplet.monitor(f, labels)
    by_loops = [abs(f[a] - f[p]) - abs(f[a] - f[n]) for a, p, n in every(labels.tolist())]
    assert seen["active"] == sum(float(excess) > 0 for excess in by_loops) / 8
    assert triplet.monitor(f, labels, margin=3.5)["active"] == sum(float(excess) > -3.5 for excess in by_loops) / 8
    assert seen["length"] == 11 / 4 and seen["spread"] == pytest.approx((1 + 3 + 7 + 2 + 6 + 4) / 6)


def test_the_training_statistics_tell_a_collapse():
    seen = triplet.monitor(torch.ones(8, 3), torch.arange(8) % 2, margin=0.5)
    assert seen["spread"] == 0 and seen["active"] == 1
    assert triplet.monitor(torch.ones(8, 3), torch.arange(8) % 2)["active"] == 1


def test_a_step_is_the_loss_of_the_triplets_that_its_mining_chooses(crowd):
    network, labels = Embedding(widths=(4, 8), dimensions=3).eval(), torch.arange(8) % 4
    pictures = images(8, 1, 16, 16)
    f = network(pictures).detach()
    for mining, triplets in (("batch-hard", batch_hard(f, labels)), ("semi-hard", nearest_semi_hard(f, labels)),
                             ("all", all_triplets(labels))):
        loss = triplet.step(network, (pictures, labels), None, mining=mining, margin=0.5)
        assert loss.item() == pytest.approx(chosen(f, triplets, margin=0.5), abs=1e-6)


def test_random_triplets_come_from_the_source_and_the_step_only_takes_them(crowd):
    images, labels, *drawn = triplet.with_random_triplets(identity_batches(crowd, each=2)(8, randomness.generator(0)),
                                            randomness.generator(1))
    assert as_set(drawn) <= every(labels.tolist())
    network = Embedding(widths=(4, 8), dimensions=3).eval()
    loss = triplet.step(network, (images, labels, *drawn), None, mining="random", margin=0.5)
    assert loss.item() == pytest.approx(chosen(network(images).detach(), Triplets(*drawn), margin=0.5), abs=1e-6)


def trained(crowd, **how):
    start = dict(budget=Budget(40, 16), seed=0, network=Embedding(widths=(8, 16), dimensions=8, seed=0))
    return triplet.train(crowd, **(start | how))


@pytest.mark.parametrize(("mining", "margin"), [("batch-hard", "soft"), ("batch-hard", 0.5), ("semi-hard", 0.5),
                                                ("random", 0.5), ("all", "soft")])
def test_a_short_training_orders_the_distances(crowd, mining, margin):
    images = crowd.images.float() / 255
    start = Embedding(widths=(8, 16), dimensions=8, seed=0)
    model = trained(crowd, mining=mining, margin=margin).model
    before, after = (triplet.monitor(network.eval()(images).detach(), crowd.labels)["active"]
                     for network in (start, model))
    assert after < 0.5 * before and not model.training


def test_the_seed_decides_the_training_and_mining_matters(crowd):
    a, b, c, d = (trained(crowd, budget=Budget(3, 16), seed=seed, mining=mining).model.last.weight
                  for seed, mining in ((0, "random"), (0, "random"), (1, "random"), (0, "batch-hard")))
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, d)


@pytest.mark.parametrize("how", [dict(squared=True), dict(margin="soft"), dict(mining="all"), dict(each=2),
                                 dict(view=jitter(shift=2))], ids=lambda how: next(iter(how)))
def test_each_option_of_the_training_has_an_effect(crowd, how):
    usual = dict(budget=Budget(3, 16), margin=0.5)
    plain, again, other = (trained(crowd, **(usual | options)).model.last.weight for options in ({}, {}, how))
    assert torch.equal(again, plain) and not torch.allclose(other, plain, atol=1e-6)


@pytest.mark.parametrize(("how", "message"), [
    (dict(each=1), "two pictures of a person or more"), (dict(mining="hardest"), "unknown mining 'hardest'"),
    (dict(margin=-1.0), "margin")], ids=["each", "mining", "margin"])
def test_a_training_that_could_not_work_is_refused(crowd, how, message):
    with pytest.raises(ValueError, match=message):
        trained(crowd, **how)


def test_pictures_without_labels_are_refused():
    with pytest.raises(TypeError, match="labelled images"):
        trained(torch.zeros(4, 1, 8, 8))


def test_several_processes_are_refused(crowd, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="one process"):
        trained(crowd)
