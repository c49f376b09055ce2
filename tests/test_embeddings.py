"""Embeddings: exact distances, tables in eval mode, maps, and probes against scikit-learn and plain loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from oracles import broken

from course_lib import embeddings, randomness
from course_lib.data.photographs import photographs
from course_lib.embeddings import distances, embed, knn_probe, linear_probe, pixels, tsne
from course_lib.metric.identification import Classifier
from course_lib.networks import Embedding

# Distances and embeddings --------------------------------------------------------------------------------------------


def test_distances_are_exact_where_the_product_trick_is_not():
    """Sixty points far from the origin and close to each other: the trick finds 0.7 between a point and itself."""
    a = 100 + 0.01 * torch.randn(60, 64, generator=torch.Generator().manual_seed(0))
    slow = np.linalg.norm(a.double().numpy()[:, None] - a.double().numpy()[None], axis=-1)
    assert np.abs(distances(a, a).numpy() - slow).max() < 1e-6
    assert float(distances(a, a).diagonal().abs().max()) == 0.0
    assert float(torch.cdist(a, a, compute_mode="use_mm_for_euclid_dist").diagonal().max()) > 0.1   # broken variant


@pytest.mark.parametrize("found", [
    embeddings._by_differences,
    broken(lambda a, b: (a[:, None] - b).square().sum(dim=2).sqrt(), id="the root of a sum of squares"),
    broken(lambda a, b: ((a[:, None] - b).square().sum(dim=2) + 1e-9).sqrt(), id="never quite zero")])
def test_distances_by_differences_are_those_of_cdist_and_so_is_their_gradient(found):
    """Where two rows are equal it is zero."""
    stream = torch.Generator().manual_seed(0)
    rows, weights = (torch.randn(6, 5, dtype=torch.float64, generator=stream) for _ in range(2))
    a, b = rows[:, :3].clone(), rows[:5, 2:].clone()
    b[1] = a[4]
    results = []
    for measure in (found, partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")):
        leaves = a.clone().requires_grad_(), b.clone().requires_grad_()
        d = measure(*leaves)
        results.append([d.detach(), *torch.autograd.grad((weights * d).sum(), leaves, retain_graph=True)])
        assert d[4, 1] == 0 and not any(g.any() for g in torch.autograd.grad(d[4, 1], leaves))
    assert all(torch.allclose(ours, theirs, atol=1e-12) for ours, theirs in zip(*results, strict=True))


def test_three_images_that_look_unlike_can_be_equally_far():
    """A shifted image, a brighter one, one with a dark box: the same distance to 1e-12, as the lecture shows."""
    image = torch.rand(1, 1, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moved = image.roll(1, -1)
    d = (moved - image).norm()
    brighter = image + d / image.numel() ** 0.5
    box = image.clone()
    box[..., 8:16, 8:16] = 0
    box = image + (box - image) * d / (box - image).norm()
    three = distances(pixels(torch.cat([moved, brighter, box])), pixels(image))
    assert float((three / d - 1).abs().max()) < 1e-12
    assert min(float((a - b).abs().max()) for a, b in [(moved, brighter), (moved, box), (brighter, box)]) > 0.1


def test_three_versions_of_the_photograph_are_as_far_from_it_as_was_measured():
    """The camera man, every fourth pixel, moved by two, brighter, or with a dark box: all at 18.489454."""
    image = photographs("test")["camera"][None, :, ::4, ::4].double() / 255
    moved = image.roll(2, dims=3)
    brighter, box = image + 18.489454 / image.numel() ** 0.5, image.clone()
    box[..., 40:80, 40:80] = 0
    box = image + (box - image) * 18.489454 / (box - image).norm()
    found = distances(pixels(torch.cat([moved, brighter, box])), pixels(image))
    assert found.flatten().tolist() == pytest.approx([18.489454] * 3, abs=5e-7)
    three = [moved, brighter, box]
    assert min(float((a - b).abs().max()) for a, b in zip(three, three[1:] + three[:1], strict=True)) > 0.1


def test_a_stored_template_is_the_one_computed_again_in_eval_mode_only():
    """In training mode, normalisation makes it depend on the images that are beside it: the classic bug."""
    images = torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    network = Classifier(3, embedding=Embedding(widths=(4, 8), dimensions=6)).train()
    alone, among = embed(network.latent, images[:1]), embed(network.latent, images)[:1]
    assert torch.allclose(alone, among, atol=1e-6) and network.training
    broken_alone, broken_among = network.latent(images[:2])[:1], network.latent(images)[:1]
    assert not torch.allclose(broken_alone, broken_among, atol=1e-2)
    assert torch.allclose(embed(network.latent, images, batch=3), embed(network.latent, images), atol=1e-6)


def test_embeddings_come_without_gradients_in_float32_from_8_bit_images_too():
    images = torch.randint(0, 256, (5, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    network = Embedding(widths=(4,), dimensions=6)
    f = embed(network, images)
    assert f.shape == (5, 6) and f.dtype == torch.float32 and not f.requires_grad and not f.is_inference()
    assert torch.equal(f, embed(network, images.float() / 255))
    assert torch.equal(pixels(images), (images.float() / 255).reshape(5, -1))
    network.train()
    embed(network, images)
    assert network.training and network.features[1].num_batches_tracked == 0       # left as it was


# A map --------------------------------------------------------------------------------------------------------------


def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    """Eight clouds of fifteen points, each around an axis of its own, in 16 dimensions."""
    labels = torch.arange(120) % 8
    noise = torch.randn(120, 16, generator=torch.Generator().manual_seed(0))
    return 10 * torch.eye(16)[labels] + noise, labels


@pytest.mark.parametrize("place", [
    pytest.param(tsne, id="t-SNE"),
    broken(lambda f: torch.linalg.svd(f - f.mean(dim=0)).U[:, :2], id="two principal components")])
def test_on_the_map_the_nearest_neighbours_are_of_the_same_cloud(place):
    f, labels = clouds()
    places = place(f)
    assert places.shape == (120, 2)
    nearest = torch.cdist(places, places).fill_diagonal_(math.inf).argmin(dim=1)
    assert float((labels[nearest] == labels).double().mean()) > 0.95


def test_the_map_is_that_of_its_seed_and_fills_the_unit_square():
    f, _ = clouds()
    before = torch.get_rng_state()
    places = tsne(f, seed=1)
    assert torch.equal(places, tsne(f, seed=1)) and torch.equal(before, torch.get_rng_state())
    assert places.amin(dim=0).tolist() == [0, 0] and places.amax(dim=0).tolist() == [1, 1]
    assert not torch.allclose(places, tsne(f, seed=1, perplexity=30.0), atol=1e-3)


@pytest.mark.parametrize(("f", "perplexity", "words"), [
    (clouds()[0][:30], 10.0, r"three times the perplexity, 10, got \(30, 16\)"),
    (torch.arange(40.0), 10.0, r"embeddings \(N, d\)"),
    (clouds()[0], 0.5, "perplexity, 0.5"),
    (torch.full((40, 4), torch.nan), 10.0, "f: .* no numbers"),
    (torch.zeros(40, 4), 10.0, "network that has collapsed"),
], ids=["too few points", "no table", "too small a perplexity", "NaN", "all the same"])  # fmt: skip
def test_a_map_that_cannot_be_drawn_is_refused(f, perplexity, words):
    with pytest.raises(ValueError, match=words):
        tsne(f, seed=0, perplexity=perplexity)


# Probes ---------------------------------------------------------------------------------------------------------------


def blobs(each=20, classes=3, d=4, apart=3.0, seed=0):
    """Points around a centre for each class."""
    draw = randomness.generator(seed, "blobs")
    centres = apart * torch.randn(classes, d, generator=randomness.generator(0, "centres"))
    labels = torch.arange(classes).repeat_interleave(each)
    return centres[labels] + torch.randn(len(labels), d, generator=draw), labels


def test_separable_features_are_named_rightly_and_noise_is_guessed():
    x, y = blobs(apart=8.0)
    new, wanted = blobs(apart=8.0, seed=1)
    assert linear_probe(x, y, new, wanted) == knn_probe(x, y, new, wanted) == 1.0
    noise = torch.randn(60, 4, generator=randomness.generator(2))
    for probe in (linear_probe, knn_probe):
        assert abs(probe(noise, y, torch.randn(600, 4, generator=randomness.generator(3)), wanted.repeat(10)) - 1 / 3
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
        assert linear_probe(x, y, new, wanted, strength=strength) == pytest.approx(expected, abs=1e-12)


def test_the_linear_probe_does_not_see_scale_or_shift_and_bears_a_constant_feature():
    x, y = blobs(apart=1.0)
    new, wanted = blobs(apart=1.0, seed=1)
    found = linear_probe(x, y, new, wanted)
    scale = torch.tensor([1e-3, 1.0, 10.0, 500.0])
    assert linear_probe(scale * x + 7, y, scale * new + 7, wanted) == pytest.approx(found, abs=0.02)
    constant = [torch.cat([rows, torch.full((len(rows), 1), 4.0)], dim=1) for rows in (x, new)]
    assert linear_probe(constant[0], y, constant[1], wanted) == found


def test_features_that_remember_their_gradient_are_probed_as_others_are():
    x, y = blobs(apart=0.7)
    new, wanted = blobs(apart=0.7, seed=1)
    for probe in (linear_probe, knn_probe):
        expected = probe(x, y, new, wanted)
        assert probe(x.clone().requires_grad_(), y, new.clone().requires_grad_(), wanted) == expected


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
    assert knn_probe(x, y, new, wanted, k=k) == pytest.approx(nearest_by_loops(x, y, new, wanted, k))


def test_of_equal_votes_the_nearer_neighbour_wins():
    x, labels = torch.tensor([[1.0, 0.0], [1.0, 0.2]]), torch.tensor([1, 0])
    assert knn_probe(x, labels, torch.tensor([[1.0, 0.0]]), torch.tensor([1]), k=2) == 1.0


def test_neighbours_are_compared_by_direction():
    x, labels = torch.tensor([[10.0, 0.0], [0.5, 0.6]]), torch.tensor([0, 1])
    new = torch.tensor([[0.6, 0.1]])                                 # the second is nearer, the first points there
    assert knn_probe(x, labels, new, torch.tensor([0]), k=1) == 1.0


def test_features_that_do_not_fit_their_labels_are_refused():
    x, y = blobs()
    for probe in (linear_probe, knn_probe):
        with pytest.raises(ValueError, match="two different networks"):
            probe(x, y, x[:, :3], y)
        with pytest.raises(ValueError, match="a label each"):
            probe(x, y[:-1], x, y)
        with pytest.raises(ValueError, match="no numbers"):
            probe(x * torch.nan, y, x, y)
        for wrong in (y.float(), y - 1):
            with pytest.raises((TypeError, ValueError), match="training labels.*whole numbers"):
                probe(x, wrong, x, y)
            with pytest.raises((TypeError, ValueError), match="test labels.*whole numbers"):
                probe(x, y, x, wrong)
        with pytest.raises(ValueError, match="one image or more"):
            probe(x, y, x[:0], y[:0])
    with pytest.raises(ValueError, match="two kinds or more apart, and these are all 3"):
        linear_probe(x, torch.full_like(y, 3), x, y)
    with pytest.raises(ValueError, match="at most as many neighbours"):
        knn_probe(x, y, x, y, k=100)
    with pytest.raises(ValueError, match="above zero"):
        linear_probe(x, y, x, y, strength=0.0)
