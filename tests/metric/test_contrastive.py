"""Contrastive loss: by hand, by plain loops, equal to pytorch-metric-learning, and one network for both pictures."""

import math
from functools import partial

import pytest
import torch
from oracles import broken, embeddings, images
from torch import nn

from course_lib import randomness
from course_lib.metric import contrastive
from course_lib.metric.batches import batch_distances, jitter
from course_lib.metric.contrastive import batch_loss, collapsed, hadsell_loss, pairs, slide_loss
from course_lib.networks import Embedding
from course_lib.profiles import Budget

LOSSES = pytest.mark.parametrize("loss", [slide_loss, hadsell_loss], ids=["slide", "Hadsell"])


# The loss of a pair --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "y", "margin", "value", "force"), [
    (slide_loss, 0, 7.0, 2.5, (-0.3, -0.4)), (slide_loss, 1, 7.0, 1.0, (0.3, 0.4)), (slide_loss, 1, 4.0, 0.0, (0, 0)),
    (hadsell_loss, 0, 7.0, 12.5, (-3, -4)), (hadsell_loss, 1, 7.0, 2.0, (1.2, 1.6)),
    (hadsell_loss, 1, 4.0, 0.0, (0, 0)),
], ids=["slide genuine", "slide impostor", "slide beyond", "Hadsell genuine", "Hadsell impostor", "Hadsell beyond"])
def test_two_points_five_apart_as_computed_by_hand(loss, y, margin, value, force):
    """a = (0, 0), b = (3, 4): the loss, and minus its gradient with respect to b."""
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
    distance, same = pairs(points, torch.tensor([0, y]))
    assert same.item() == y and loss(distance, same, margin=margin).item() == pytest.approx(value)
    moved = contrastive.forces(points, torch.tensor([0, y]), margin=margin, loss=loss)
    assert moved[1].tolist() == pytest.approx(list(force)) and torch.allclose(moved[0], -moved[1])


def by_loops(f, labels, *, margin, squares):
    """Sum over i < j of the loss, pair by pair in plain Python."""
    total = 0.0
    for i in range(len(f)):
        for j in range(i + 1, len(f)):
            d = math.dist(f[i].tolist(), f[j].tolist())
            y = 0 if int(labels[i]) == int(labels[j]) else 1
            pull, push = (d**2, max(0.0, margin - d) ** 2) if squares else (d, max(0.0, margin - d))
            total += (1 - y) / 2 * pull + y / 2 * push
    return total


def summed(loss, f, labels, *, margin):
    distance, y = pairs(f, labels)
    return float(loss(distance, y, margin=margin).sum())


@pytest.mark.parametrize("loss", [
    slide_loss,
    broken(lambda d, y, *, margin: slide_loss(d, 1 - y, margin=margin), id="y is 1 for the same person"),
    broken(lambda d, y, *, margin: slide_loss(d**2, y, margin=margin), id="squared norms"),
    broken(hadsell_loss, id="Hadsell's"),
    broken(lambda d, y, *, margin: 2 * slide_loss(d, y, margin=margin), id="no half"),
    broken(lambda d, y, *, margin: (1 - y) / 2 * d + y / 2 * (margin - d), id="no hinge"),
    broken(lambda d, y, *, margin: (1 - y) / 2 * d + y / 2 * (-d).clamp(min=0), id="no margin")])
def test_the_slide_form_is_that_of_plain_loops(loss):
    f, labels = embeddings(seed=1)
    assert summed(loss, f, labels, margin=3.0) == pytest.approx(by_loops(f, labels, margin=3.0, squares=False))


@pytest.mark.parametrize("loss", [
    hadsell_loss,
    broken(lambda d, y, *, margin: hadsell_loss(d, 1 - y, margin=margin), id="y is 1 for the same person"),
    broken(slide_loss, id="the slide form"),
    broken(lambda d, y, *, margin: 2 * hadsell_loss(d, y, margin=margin), id="no half"),
    broken(lambda d, y, *, margin: (1 - y) / 2 * d**2 + y / 2 * (margin - d**2).clamp(min=0),
           id="margin minus the squared distance"),
    broken(lambda d, y, *, margin: (1 - y) / 2 * d**2 + y / 2 * (margin - d) ** 2, id="squared before the hinge")])
def test_hadsells_form_is_that_of_plain_loops(loss):
    f, labels = embeddings(seed=1)
    assert summed(loss, f, labels, margin=3.0) == pytest.approx(by_loops(f, labels, margin=3.0, squares=True))


def metric_learning():
    """pytorch-metric-learning with plain distances of embeddings as they are; by default it normalises them."""
    pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import distances, losses, reducers

    return losses.ContrastiveLoss, distances.LpDistance, reducers


def theirs(f, labels, *, margin, reducer="SumReducer", normalize=False, power=1):
    loss, distance, reducers = metric_learning()
    by = distance(normalize_embeddings=normalize, p=2, power=power)
    reducer = {} if reducer is None else {"reducer": getattr(reducers, reducer)()}
    return float(loss(pos_margin=0, neg_margin=margin, distance=by, **reducer)(f, labels))


@pytest.mark.parametrize("margin", [0.5, 3.0, 100.0])
def test_the_slide_form_equals_pytorch_metric_learning_whose_sum_counts_each_pair_twice_and_in_full(margin):
    f, labels = embeddings(20, seed=2)
    assert summed(slide_loss, f, labels, margin=margin) == pytest.approx(theirs(f, labels, margin=margin) / 4, abs=1e-6)


@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_the_two_group_means_equal_theirs_by_the_mean_reducer(margin):
    """Theirs is mean d of the genuine plus mean of the hinge of the impostors; the slide form has half of each."""
    f, labels = embeddings(20, seed=3)
    ours = sum(batch_loss(f, labels, margin=margin).values())
    assert float(ours) == pytest.approx(theirs(f, labels, margin=margin, reducer="MeanReducer") / 2, abs=1e-6)


@pytest.mark.parametrize("trap", [dict(normalize=True), dict(reducer=None), dict(power=2)],
                         ids=["normalised by default", "satisfied pairs dropped by default", "squared distances"])
def test_their_defaults_are_another_loss(trap):
    f, labels = embeddings(20, seed=3)
    ours = float(sum(batch_loss(f, labels, margin=3.0).values()))
    assert abs(ours - theirs(f, labels, margin=3.0, **({"reducer": "MeanReducer"} | trap)) / 2) > 0.01


@LOSSES
def test_a_network_that_gives_everybody_one_vector_pays_half_the_margin(loss):
    """m / 2 or m^2 / 2 for the impostors, nothing for the genuine pairs."""
    f, labels = torch.ones(8, 3), torch.arange(8) // 2
    terms = batch_loss(f, labels, margin=4.0, loss=loss)
    assert float(terms["genuine"]) == 0
    assert float(terms["impostor"]) == collapsed(loss, margin=4.0) == {slide_loss: 2.0, hadsell_loss: 8.0}[loss]


@LOSSES
def test_impostors_beyond_the_margin_cost_and_move_nothing(loss):
    points, labels = torch.tensor([[0.0, 0.0], [0.0, 4.0]], dtype=torch.float64), torch.tensor([0, 1])
    assert not contrastive.forces(points, labels, margin=3.9, loss=loss).any()
    assert contrastive.forces(points, labels, margin=4.1, loss=loss).any()


def test_the_slide_form_pulls_with_the_same_force_at_every_distance_and_hadsells_like_a_spring():
    for far in (0.1, 1.0, 10.0):
        line, one = torch.tensor([[0.0], [far]], dtype=torch.float64), torch.tensor([0, 0])
        assert float(contrastive.forces(line, one, margin=1.0)[1]) == pytest.approx(-0.5)
        assert float(contrastive.forces(line, one, margin=1.0, loss=hadsell_loss)[1]) == pytest.approx(-far)


@LOSSES
@pytest.mark.parametrize("distances", [
    batch_distances,
    broken(lambda f: (f[:, None] - f[None]).square().sum(dim=-1).sqrt(), id="the root of a sum of squares")])
def test_two_equal_embeddings_have_a_finite_gradient(loss, distances):
    f = torch.ones(3, 2, dtype=torch.float64).index_add(0, torch.tensor([2]), torch.ones(1, 2, dtype=torch.float64))
    f.requires_grad_()
    i, j = torch.triu_indices(3, 3, offset=1)
    loss(distances(f)[i, j], torch.tensor([0, 1, 1]), margin=4.0).sum().backward()
    assert bool(f.grad.isfinite().all())


def test_distances_are_exact_where_the_product_of_matrices_is_not():
    """Norm 800, spread 0.01, 60 rows: by |a|^2 + |b|^2 - 2 ab, in float32, a point is 0.7 from itself."""
    f = 100 + 0.01 * torch.randn(60, 64, generator=randomness.generator(0))
    exact = torch.cdist(f.double(), f.double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert batch_distances(f).diagonal().max() == 0
    assert torch.allclose(batch_distances(f).double(), exact, atol=1e-5)
    assert (torch.cdist(f, f, compute_mode="use_mm_for_euclid_dist") - exact).abs().max() > 0.01


def test_embeddings_in_half_precision_are_compared_in_float32():
    f, labels = embeddings(seed=4)
    distance, _ = pairs(f.bfloat16(), labels)
    assert distance.dtype == torch.float32
    assert torch.allclose(distance.double(), pairs(f.bfloat16().double(), labels)[0], atol=1e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: slide_loss(torch.ones(2), torch.tensor([0, 7]), margin=1.0), "y: expected 0 for the same person .* got 7"),
    (lambda: slide_loss(torch.ones(2), torch.zeros(3), margin=1.0), r"one shape \(P\), got \(2,\) and \(3,\)"),
    (lambda: hadsell_loss(torch.ones(2), torch.zeros(2), margin=0.0), "margin: expected a distance above zero"),
    (lambda: slide_loss(torch.ones(2), torch.zeros(2), margin="soft"), "expected a distance above zero, got 'soft'"),
    (lambda: batch_distances(torch.ones(2)), r"expected embeddings \(N, D\)"),
    (lambda: pairs(torch.ones(2, 3), torch.zeros(3)), "expected a label for each of the 2 embeddings"),
    (lambda: batch_loss(torch.ones(3, 2), torch.arange(3), margin=1.0), "needs pairs of one person and pairs of two"),
    (lambda: batch_loss(torch.ones(3, 2), torch.arange(3) * 0, margin=1.0), "needs pairs of one person"),
], ids=["labels for y", "shapes", "margin", "soft margin", "one embedding", "labels", "nobody twice", "one person"])
def test_a_student_is_told_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# A batch -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_batch", [
    lambda f, labels: float(sum(batch_loss(f, labels, margin=1.0).values())),
    broken(lambda f, labels: summed(slide_loss, f, labels, margin=1.0) / 780, id="one mean over all pairs")])
def test_genuine_pairs_weigh_as_much_as_impostors_though_there_are_sixty_of_seven_hundred_and_eighty(of_batch):
    """Ten people of four pictures, all impostors beyond the margin: the loss is the genuine pairs' own mean."""
    labels = torch.arange(10).repeat_interleave(4)
    assert (pairs(torch.zeros(40, 1), labels)[1] == 0).sum() == 60
    f = torch.zeros(40, 2, dtype=torch.float64)
    f[:, 0] = 100.0 * labels
    f[:, 1] = torch.arange(40) % 4
    by_hand = (3 * 1 + 2 * 2 + 1 * 3) / 6 / 2
    assert of_batch(f, labels) == pytest.approx(by_hand)


@LOSSES
def test_unbalanced_terms_add_up_to_the_mean_over_all_pairs(loss):
    f, labels = embeddings(20, seed=3)
    terms = batch_loss(f, labels, margin=3.0, loss=loss, balanced=False)
    assert float(sum(terms.values())) == pytest.approx(summed(loss, f, labels, margin=3.0) / 190)
    assert abs(float(sum(terms.values())) - float(sum(batch_loss(f, labels, margin=3.0, loss=loss).values()))) > 0.1


@LOSSES
def test_the_order_of_a_batch_does_not_count_nor_where_and_how_the_embeddings_lie(loss):
    f, labels = embeddings(seed=5)
    order = torch.randperm(12, generator=randomness.generator(1))
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=randomness.generator(2), dtype=torch.float64))
    loss_of = partial(batch_loss, margin=2.0, loss=loss)
    expected = torch.stack(list(loss_of(f, labels).values()))
    for same in ((f[order], labels[order]), (f + 7, labels), (f @ turn, labels), (f, 100 - labels)):
        assert torch.allclose(torch.stack(list(loss_of(*same).values())), expected)
    larger = torch.stack(list(batch_loss(3 * f, labels, margin=6.0, loss=loss).values()))
    assert torch.allclose(larger, expected * (3 if loss is slide_loss else 9))


def test_a_margin_means_nothing_without_the_scale_of_the_embeddings():
    """On the unit sphere no distance exceeds 2, so a margin above 2 can never be met."""
    f, labels = embeddings(seed=6)
    unit = nn.functional.normalize(f, dim=1)
    distance, y = pairs(unit, labels)
    assert distance.max() <= 2 and bool((slide_loss(distance, y, margin=2.1) > 0).all())
    assert bool((slide_loss(10 * distance, y, margin=2.1)[y == 1] == 0).any())


# One network for both ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return Embedding(widths=(4, 8), dimensions=3, seed=1)


def test_two_pictures_embedded_at_once_are_embedded_as_one_by_one(network):
    a, b = images(2, 1, 16, 16).unsqueeze(1)
    together = network.eval()(torch.cat([a, b]))
    assert torch.allclose(together, torch.cat([network(a), network(b)]), atol=1e-6)


def test_with_batch_statistics_one_batch_of_both_is_not_the_same_as_first_one_then_the_other(network):
    a, b = images(4, 1, 16, 16), 0.3 * images(4, 1, 16, 16, seed=1)
    network.train()
    assert not torch.allclose(network(torch.cat([a, b]))[:4], network(a), atol=1e-2)


def test_the_gradient_is_the_sum_of_both_branches(network):
    """With the weights of one branch held, each gives its part."""
    a, b = images(2, 1, 16, 16).unsqueeze(1)

    def gradient(hold_first, hold_second):
        network.eval().zero_grad()
        f_a, f_b = (network(x).detach() if hold else network(x) for x, hold in ((a, hold_first), (b, hold_second)))
        distance, y = pairs(torch.cat([f_a, f_b]), torch.tensor([0, 0]))
        hadsell_loss(distance, y, margin=1.0).sum().backward()
        return network.last.weight.grad.clone()

    assert torch.allclose(gradient(False, False), gradient(True, False) + gradient(False, True), atol=1e-5)
    assert gradient(True, False).abs().max() > 1e-4


def test_a_pair_and_the_pair_exchanged_have_one_loss(network):
    a, b = images(2, 1, 16, 16).unsqueeze(1)
    f = [network.eval()(torch.cat(order)) for order in ((a, b), (b, a))]
    assert pairs(f[0], torch.tensor([0, 1]))[0].item() == pytest.approx(pairs(f[1], torch.tensor([1, 0]))[0].item())


# Training ------------------------------------------------------------------------------------------------------------


def test_a_step_is_the_loss_of_the_batch_it_is_given(crowd, network):
    batch = (crowd.images[:8].float() / 255, crowd.labels[:8])
    terms = contrastive.step(network.eval(), batch, None, margin=2.0, loss=hadsell_loss)
    expected = batch_loss(network(batch[0]), batch[1], margin=2.0, loss=hadsell_loss)
    assert {name: float(term.detach()) for name, term in terms.items()} == pytest.approx(
        {name: float(term.detach()) for name, term in expected.items()})


def trained(crowd, **how):
    start = dict(margin=2.0, budget=Budget(40, 16), seed=0, network=Embedding(widths=(8, 16), dimensions=8, seed=0))
    return contrastive.train(crowd, **(start | how))


@LOSSES
def test_a_short_training_lowers_the_loss_of_both_kinds_of_pairs_together(crowd, loss):
    history = trained(crowd, loss=loss).history
    first, last = (sum(values[k] for values in history.terms.values()) for k in (0, -1))
    assert set(history.terms) == {"genuine", "impostor"} and last < 0.6 * first


def test_the_seed_and_the_view_decide_the_training(crowd):
    a, b, c, d = (trained(crowd, budget=Budget(3, 16), seed=seed, view=view).model.last.weight
                  for seed, view in ((0, None), (0, None), (1, None), (0, jitter(shift=2))))
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, d)


@pytest.mark.parametrize("how", [dict(loss=slide_loss), dict(balanced=False), dict(margin=1.0), dict(each=2),
                                 dict(view=jitter(shift=2))], ids=lambda how: next(iter(how)))
def test_each_option_of_the_training_has_an_effect(crowd, how):
    usual = dict(budget=Budget(3, 16), loss=hadsell_loss)
    plain, again, other = (trained(crowd, **(usual | options)).model.last.weight for options in ({}, {}, how))
    assert torch.equal(again, plain) and not torch.allclose(other, plain, atol=1e-6)


def test_a_network_in_training_comes_back_in_eval_mode(crowd):
    assert not trained(crowd, budget=Budget(1, 8)).model.training


def test_without_a_network_the_courses_own_is_trained_which_begins_with_small_distances(crowd):
    """A tenth of the usual weights of the last layer; one step of 1e-3 does not change that."""
    model = contrastive.train(crowd, margin=2.0, budget=Budget(1, 8), seed=0).model
    share = (model.last.weight.norm() / Embedding(seed=0).last.weight.norm()).item()
    assert type(model) is Embedding and 0.05 < share < 0.2


def test_one_picture_of_each_person_is_refused(crowd):
    with pytest.raises(ValueError, match="two pictures of a person or more"):
        trained(crowd, each=1)


def test_the_soft_margin_is_of_triplets_only(crowd):
    with pytest.raises(ValueError, match="margin: expected a distance"):
        trained(crowd, margin="soft")


def test_pictures_without_labels_are_refused():
    with pytest.raises(TypeError, match="labelled images"):
        trained(torch.zeros(4, 1, 8, 8))


def test_several_processes_are_refused(crowd, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="one process"):
        trained(crowd)
