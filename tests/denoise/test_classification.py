"""Classification and segmentation: mosaics, labels and the loss, held to plain loops."""

import pytest
import torch

from course_lib import data, deterministic, randomness
from course_lib.denoise import classification
from course_lib.denoise.receptive_field import Stack
from course_lib.profiles import Budget


def test_a_mosaic_has_two_photographs_and_a_straight_cut():
    pictures = [torch.full((1, 40, 40), value, dtype=torch.uint8) for value in (0, 100, 200)]
    x, label = classification.mosaics(pictures, size=16)(32, randomness.generator(0))
    shade = classification.centred(torch.tensor([0, 100, 200]) / 255)
    assert torch.allclose(x[:, 0], shade[label]) and label.shape == (32, 16, 16)
    kinds = [len(one.unique()) for one in label]
    assert max(kinds) == 2 and kinds.count(2) > 10
    assert set(label.unique().tolist()) == {0, 1, 2}


def test_labelled_images_keep_their_labels_and_are_flipped_or_not():
    pictures = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    pictures[:, 0, 0, 0] = torch.arange(4, dtype=torch.uint8) * 50 + 50
    x, label = classification.labelled(pictures, torch.arange(4))(64, randomness.generator(0))
    left, right = x[:, 0, 0, 0], x[:, 0, 0, 1]
    shade = classification.centred((label * 50 + 50) / 255)
    assert torch.allclose(torch.maximum(left, right), shade)
    assert 10 < int((left > right).sum()) < 54


def test_the_loss_is_of_pixels_or_of_their_mean():
    scores = torch.randn(2, 3, 4, 4, generator=randomness.generator(0, "scores"))
    pixels, whole = torch.randint(3, (2, 4, 4), generator=randomness.generator(1)), torch.tensor([0, 2])

    def log_share(values, k):
        return float(values[k] - torch.logsumexp(values, 0))

    places = [(n, i, j) for n in range(2) for i in range(4) for j in range(4)]
    expected = -sum(log_share(scores[n, :, i, j], pixels[n, i, j]) for n, i, j in places)
    assert float(classification.step(lambda x: scores, (None, pixels), None)) == pytest.approx(expected / 32, rel=1e-5)
    expected = -sum(log_share(scores[n].mean((1, 2)), whole[n]) for n in range(2))
    assert float(classification.step(lambda x: scores, (None, whole), None)) == pytest.approx(expected / 2, rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (8, 3, 24, 24), (3, 5, 7, 11), (4, 10, 33, 17), (5, 7)])
def test_the_loss_of_all_devices_is_bitwise_that_of_pytorch_on_the_processor(shape):
    scores = 3 * torch.randn(shape, generator=randomness.generator(0, "scores"))
    label = torch.randint(shape[1], (shape[0], *shape[2:]), generator=randomness.generator(1))
    found = []
    for loss in (deterministic.cross_entropy, torch.nn.functional.cross_entropy):
        leaf = scores.clone().requires_grad_()
        loss(leaf, label).backward()
        found.append((loss(scores, label), leaf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(("images", "labels", "words"), [
    (torch.zeros(4, 1, 2, 2), torch.zeros(4).long(), "8-bit image.*float32"),
    (torch.zeros(1, 2, 2).byte(), torch.zeros(1).long(), r"\(N, C, H, W\), got \(1, 2, 2\)"),
    (torch.zeros(0, 1, 2, 2).byte(), torch.zeros(0).long(), "one 8-bit image or more"),
    ([1], torch.zeros(1).long(), "got list"), (torch.zeros(4, 1, 2, 2).byte(), torch.zeros(4), "whole numbers"),
    (torch.zeros(4, 1, 2, 2).byte(), torch.zeros(3).long(), r"\(4,\)"),
    (torch.zeros(4, 1, 2, 2).byte(), torch.zeros(4, 3).long(), r"\(4,\)")])
def test_what_is_no_labelled_picture_is_refused_before_the_training(images, labels, words):
    with pytest.raises((ValueError, TypeError), match=words):
        classification.labelled(images, labels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_labels_of_any_whole_type_can_be_trained_on(dtype):
    _, label = classification.labelled(torch.zeros(4, 1, 2, 2).byte(), torch.arange(4).to(dtype))(
        8, randomness.generator(0))
    assert label.dtype == torch.int64


@pytest.mark.slow
def test_a_few_seconds_of_training_tell_photographs_apart():
    pictures = {name: data.photographs("train")[name] for name in ("hubble", "grass", "coffee")}
    source = classification.mosaics(pictures, size=24)
    trained = classification.train(source, budget=Budget(150, 8), seed=0, network=Stack(depth=5, outputs=3))
    x, label = source(32, randomness.generator(5))
    with torch.inference_mode():
        assert float((trained.model(x).argmax(1) == label).float().mean()) > 0.6
    assert trained.history.steps[-1] == 150 and not trained.model.training
