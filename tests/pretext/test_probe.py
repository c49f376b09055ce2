"""Probes: what scikit-learn finds, loops by hand, and features that hold the answer or nothing."""

import math

import pytest
import torch

from course_lib import randomness
from course_lib.pretext import probe


def blobs(each=20, classes=3, d=4, apart=3.0, seed=0):
    """Points around a centre for each class."""
    draw = randomness.generator(seed, "blobs")
    centres = apart * torch.randn(classes, d, generator=randomness.generator(0, "centres"))
    labels = torch.arange(classes).repeat_interleave(each)
    return centres[labels] + torch.randn(len(labels), d, generator=draw), labels


def test_separable_features_are_named_rightly_and_noise_is_guessed():
    x, y = blobs(apart=8.0)
    new, wanted = blobs(apart=8.0, seed=1)
    assert probe.linear(x, y, new, wanted) == probe.nearest(x, y, new, wanted) == 1.0
    noise = torch.randn(60, 4, generator=randomness.generator(2))
    for probed in (probe.linear, probe.nearest):
        assert abs(probed(noise, y, torch.randn(600, 4, generator=randomness.generator(3)), wanted.repeat(10)) - 1 / 3
                   ) < 0.12


def test_the_linear_probe_is_scikit_learns_in_its_pipeline():
    linear_model = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    x, y = blobs(apart=0.7)
    new, wanted = blobs(apart=0.7, seed=1)
    for strength in (0.1, 1.0, 30.0):
        peer = pipeline.make_pipeline(preprocessing.StandardScaler(),
                                      linear_model.LogisticRegression(C=1 / strength, max_iter=1000))
        peer.fit(x.double().numpy(), y.numpy())
        expected = peer.score(new.double().numpy(), wanted.numpy())
        assert probe.linear(x, y, new, wanted, strength=strength) == pytest.approx(expected, abs=1e-12)


def test_the_linear_probe_does_not_see_scale_or_shift_and_bears_a_constant_feature():
    x, y = blobs(apart=1.0)
    new, wanted = blobs(apart=1.0, seed=1)
    found = probe.linear(x, y, new, wanted)
    scale = torch.tensor([1e-3, 1.0, 10.0, 500.0])
    assert probe.linear(scale * x + 7, y, scale * new + 7, wanted) == pytest.approx(found, abs=0.02)
    constant = [torch.cat([rows, torch.full((len(rows), 1), 4.0)], dim=1) for rows in (x, new)]
    assert probe.linear(constant[0], y, constant[1], wanted) == found


def test_features_that_remember_their_gradient_are_probed_as_others_are():
    x, y = blobs(apart=0.7)
    new, wanted = blobs(apart=0.7, seed=1)
    for probed in (probe.linear, probe.nearest):
        expected = probed(x, y, new, wanted)
        assert probed(x.clone().requires_grad_(), y, new.clone().requires_grad_(), wanted) == expected


def nearest_by_loops(x, y, new, wanted, k):
    def cosine(u, v):
        return sum(a * b for a, b in zip(u, v, strict=True)) / math.hypot(*u) / math.hypot(*v)

    right = 0
    for row, label in zip(new.tolist(), wanted.tolist(), strict=True):
        order = sorted(range(len(x)), key=lambda i: -cosine(x[i].tolist(), row))[:k]
        votes = {}
        for place, i in enumerate(order):
            votes[int(y[i])] = votes.get(int(y[i]), 0) + 1 - 1e-3 * place / k
        right += max(votes, key=lambda name: votes[name]) == label
    return right / len(new)


@pytest.mark.parametrize("k", [1, 4, 5])
def test_the_neighbours_vote_as_in_plain_loops(k):
    x, y = blobs(each=9, apart=0.8)
    new, wanted = blobs(each=9, apart=0.8, seed=1)
    assert probe.nearest(x, y, new, wanted, k=k) == pytest.approx(nearest_by_loops(x, y, new, wanted, k))


def test_of_equal_votes_the_nearer_neighbour_wins():
    x, labels = torch.tensor([[1.0, 0.0], [1.0, 0.2]]), torch.tensor([1, 0])
    assert probe.nearest(x, labels, torch.tensor([[1.0, 0.0]]), torch.tensor([1]), k=2) == 1.0


def test_neighbours_are_compared_by_direction():
    x, labels = torch.tensor([[10.0, 0.0], [0.5, 0.6]]), torch.tensor([0, 1])
    new = torch.tensor([[0.6, 0.1]])                                 # the second is nearer, the first points there
    assert probe.nearest(x, labels, new, torch.tensor([0]), k=1) == 1.0


def test_few_takes_as_many_of_each_label():
    labels = torch.tensor([2, 2, 2, 5, 5, 5, 5, 9, 9])
    chosen = probe.few(labels, 2, randomness.generator(0))
    assert sorted(labels[chosen].tolist()) == [2, 2, 5, 5, 9, 9] and len(set(chosen.tolist())) == 6
    with pytest.raises(ValueError, match="label 9 has 2"):
        probe.few(labels, 3, randomness.generator(0))


def test_what_does_not_fit_is_refused():
    x, y = blobs()
    for probed in (probe.linear, probe.nearest):
        with pytest.raises(ValueError, match="two different networks"):
            probed(x, y, x[:, :3], y)
        with pytest.raises(ValueError, match="a label each"):
            probed(x, y[:-1], x, y)
        with pytest.raises(ValueError, match="no numbers"):
            probed(x * torch.nan, y, x, y)
        for wrong in (y.float(), y - 1):
            with pytest.raises(ValueError, match=rf"training labels as whole numbers from 0, got {wrong.dtype} from"):
                probed(x, wrong, x, y)
            with pytest.raises(ValueError, match="test labels as whole numbers"):
                probed(x, y, x, wrong)
        with pytest.raises(ValueError, match="one image or more"):
            probed(x, y, x[:0], y[:0])
    with pytest.raises(ValueError, match="two kinds or more apart, and these are all 3"):
        probe.linear(x, torch.full_like(y, 3), x, y)
    with pytest.raises(ValueError, match="at most as many neighbours"):
        probe.nearest(x, y, x, y, k=100)
    with pytest.raises(ValueError, match="above zero"):
        probe.linear(x, y, x, y, strength=0.0)
