"""What a student may well pass to the functions of metric learning: it is computed rightly, or refused in words."""

import math

import pytest
import torch

from course_lib.data import identities
from course_lib.embeddings import distances, embed, knn_probe, linear_probe, tsne
from course_lib.metric import contrastive, triplet, verification
from course_lib.metric.batches import identity_batches, jitter, rotate
from course_lib.metric.identification import Classifier, Gallery
from course_lib.networks import Embedding, Encoder
from course_lib.pretext.simclr import SimCLR, alignment, nt_xent, uniformity
from course_lib.pretext.views import Views, crop

F = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 3
KINDS = [torch.uint8, torch.int8, torch.int16, torch.int32]

OF_LABELS = {
    "kNN probe": lambda y: knn_probe(F, y, F, y), "linear probe": lambda y: linear_probe(F, y, F, y),
    "pairs of a batch": lambda y: contrastive.batch_loss(F, y, margin=1.0),
    "batch-hard": lambda y: [which.tolist() for which in triplet.batch_hard(F, y)],
    "all triplets": lambda y: [which.tolist() for which in triplet.all_triplets(y)],
    "recall": lambda y: verification.recall_at(F, y, (1, 3)),
    "match curve": lambda y: verification.cumulative_match(F.abs(), y).tolist(),
    "batches": lambda y: identity_batches(
        identities.people(3, seed=0)._replace(images=torch.zeros(12, 1, 8, 8, dtype=torch.uint8), labels=y), each=2)(
            4, torch.Generator().manual_seed(0))[1].tolist()}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_may_be_of_any_integer_type(name, kind):
    assert OF_LABELS[name](LABELS.to(kind)) == OF_LABELS[name](LABELS)


@pytest.mark.parametrize("kind", [torch.float32, torch.bool], ids=str)
@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_that_are_no_whole_numbers_are_refused(name, kind):
    with pytest.raises((TypeError, ValueError), match="whole numbers"):
        OF_LABELS[name](LABELS.to(kind))


X = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
STRANGE = {"two points, repeated": torch.eye(2)[torch.arange(20) % 2], "one point and another": torch.eye(20)[:, :3],
           "one axis": X[:, :1], "constant axes": torch.cat([X[:, :1], torch.ones(20, 3)], dim=1),
           "1e30": X * 1e30, "1e-30": X * 1e-30, "an outlier": torch.cat([X, torch.full((1, 5), 1e20)]),
           "half": X.half(), "double": 1 + X.double() * 1e-13, "with gradients": X.clone().requires_grad_()}


@pytest.mark.parametrize("name", STRANGE)
def test_a_map_of_strange_embeddings_lies_in_the_unit_square(name):
    places = tsne(STRANGE[name], perplexity=2.0)
    assert bool(places.isfinite().all()) and places.amin() == 0 and places.amax() == 1


def test_vectors_that_are_hardly_there_have_a_direction_all_the_same():
    a, b = F[:6], F[6:]
    short = torch.cat([1e-13 * a[:1], a[1:]])
    assert float(nt_xent(short, b)) == pytest.approx(float(nt_xent(a, b)), abs=1e-5)
    assert knn_probe(F * 1e-13, LABELS, F * 1e-13, LABELS, k=3) == knn_probe(F, LABELS, F, LABELS, k=3)


ZERO = torch.cat([F[:5], torch.zeros(1, 4)])


@pytest.mark.parametrize(("call", "words"), [
    (lambda: uniformity(F * 1e20), "whose squares float32 can hold"),
    (lambda: alignment(F * 1e20, F), "whose squares float32 can hold"),
    (lambda: nt_xent(F * 1e-13, F * 1e-13), "whose squares float32 can hold"),
    (lambda: distances(F * 1e30, F), "whose squares float32 can hold"),
    (lambda: distances(F * 1e-30, F * 1e-30), "whose squares float32 can hold"),
    (lambda: verification.pair_distances(F * 1e25, LABELS), "whose squares float32 can hold"),
    (lambda: triplet.triplet_loss(F * 1e30, F, F, margin=1.0), "whose squares float32 can hold"),
    (lambda: contrastive.hadsell_loss(torch.tensor([1e20]), torch.tensor([0]), margin=1.0), "distance: .* squares"),
    (lambda: uniformity(ZERO), "a direction, got 1 of 6 that are all zeros"),
    (lambda: nt_xent(ZERO, F[:6]), "a direction, got 1 of 12"),
    (lambda: nt_xent(F, F, temperature=math.nan), "temperature: expected a number above zero"),
    (lambda: nt_xent(F, F, temperature=math.inf), "temperature: expected a number above zero"),
    (lambda: nt_xent(F, F, temperature="0.5"), "temperature: expected a number above zero"),
    (lambda: triplet.penalty(F, margin=math.inf), "margin: expected a distance above zero"),
    (lambda: triplet.penalty(F, margin=[1.0]), "margin: expected a distance above zero"),
    (lambda: contrastive.collapsed(contrastive.slide_loss, margin=math.inf), "margin: expected a distance"),
    (lambda: contrastive.collapsed(contrastive.slide_loss, margin="1"), "margin: expected a distance"),
    (lambda: knn_probe(F, LABELS, F, LABELS, k=-1), "k: expected a whole number of 1 or more"),
    (lambda: verification.recall_at(F, LABELS, (-2,)), "k: expected a whole number of 1 or more"),
    (lambda: jitter(brightness=80), "brightness: expected at most 1"),
    (lambda: jitter(noise=25), "Usual cause: 25 instead of 25 / 255"),
    (lambda: jitter(turn=1000.0), "turn: expected at most 180"), (lambda: jitter(shift=1.5), "whole pixels"),
    (lambda: jitter(noise=math.nan), "noise: expected"), (lambda: jitter(brightness="0.3"), "brightness: expected"),
    (lambda: jitter(shift=8)(torch.zeros(1, 1, 8, 9), torch.Generator()), "less than the side of an image, got 8"),
    (lambda: Views(gray=20), "gray: expected a number from 0 to 1"),
    (lambda: Views(strength=math.nan), "strength: expected"),
    (lambda: crop(torch.zeros(2, 1, 4, 4), torch.zeros(1, 4)), r"box: .* \(2, 4\), got \(1, 4\)"),
    (lambda: rotate(torch.zeros(2, 1, 4, 4).half(), torch.zeros(2)), "one for each image, .*float16"),
    (lambda: rotate(torch.zeros(2, 1, 4, 4), torch.zeros(3)), r"one for each image, \(2,\)"),
    (lambda: tsne(F[:2]), "three times the perplexity"), (lambda: tsne(F[:0]), "three times the perplexity"),
])  # fmt: skip
def test_what_is_out_of_range_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("call", [
    lambda: Views(area=0.5), lambda: verification.recall_at(F, LABELS, 5), lambda: distances(F.numpy(), F),
    lambda: embed(Embedding(), F.numpy()), lambda: tsne(F, perplexity="2"),
    lambda: Gallery().identify(F, threshold="3"), lambda: verification.auc([1.0], [2.0]),
    lambda: triplet.all_triplets([0, 0, 1])])
def test_what_is_of_another_type_is_refused_in_words(call):
    with pytest.raises(TypeError, match="expected"):
        call()


@pytest.mark.parametrize("kind", [torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("make", [Embedding, Encoder, lambda: Classifier(3), lambda: SimCLR(Encoder())],
                         ids=["Embedding", "Encoder", "Classifier", "SimCLR"])
def test_images_of_another_precision_are_computed_in_that_of_the_network(make, kind):
    images, network = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)).to(kind), make().eval()
    assert torch.equal(network(images), network(images.float()))
    assert torch.equal(embed(network, images), embed(network, images.float()))


@pytest.mark.parametrize("kind", [torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("view", [jitter(shift=2, turn=10.0), Views()], ids=["jitter", "Views"])
def test_views_keep_the_precision_of_the_images(view, kind):
    seen = view(torch.rand(8, 3, 16, 16).to(kind), torch.Generator().manual_seed(0))
    assert seen.dtype == kind and bool(seen.isfinite().all())
