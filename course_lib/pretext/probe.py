"""Probes: how good are features that nobody trained for the labels? Ask the simplest classifiers that there are.

A linear probe trains a linear layer, and only it, on frozen features; nearest neighbours train nothing at all. What a
probe finds was in the features. Whatever they are compared with, a randomly initialised network of the same kind above
all, gets the same probe.

The linear probe is a logistic regression on features that were standardised with the training features' mean and
deviation; neighbours are compared by the cosine, and vote. Lectures 03 to 07 use both.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import arguments


def linear(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, *, strength: float = 1.0) -> float:
    """The share of test features that a linear layer trained on the others names rightly.

    strength: of the penalty on the squared weights, as |w|^2 strength / 2 beside the summed cross-entropy.
    Shapes: train (N, D), labels (N,), test (M, D), test_labels (M,) -> a number from 0 to 1.

    >>> x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    >>> linear(x, torch.tensor([0, 0, 1, 1]), torch.tensor([[-3.0], [3.0]]), torch.tensor([0, 0]))
    0.5
    """
    from sklearn.linear_model import LogisticRegression

    _check(train, labels, test, test_labels)
    if len(labels.unique()) < 2:
        raise ValueError(f"labels: a linear layer tells two kinds or more apart, and these are all {int(labels[0])}. "
                         "Usual cause: the first images of a set that is sorted by its labels.")
    if not strength > 0:
        raise ValueError(f"strength: expected a penalty above zero, got {strength}.")
    train, labels, test, test_labels = (t.detach().cpu() for t in (train, labels, test, test_labels))
    mean, deviation = train.double().mean(dim=0), train.double().std(dim=0, correction=0)
    deviation = torch.where(deviation > 1e-12, deviation, 1.0)                  # a constant feature says nothing
    layer = LogisticRegression(C=1 / strength, max_iter=1000)
    layer.fit(((train - mean) / deviation).numpy(), labels.numpy())
    said = torch.from_numpy(layer.predict(((test - mean) / deviation).numpy()))
    return float((said == test_labels).double().mean())


def nearest(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, *, k: int = 5) -> float:
    """The share of test features whose k nearest training features, by the cosine, elect the right label.

    Of labels with equally many votes the one with the nearer neighbours wins: each vote counts a little less than the
    one before it. Shapes as in `linear`.

    >>> x, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    >>> nearest(x, labels, torch.tensor([[5.0, 1.0], [1.0, 2.0]]), labels, k=1)
    1.0
    """
    _check(train, labels, test, test_labels)
    if arguments.positive(k, name="k") > len(train):
        raise ValueError(f"k: expected at most as many neighbours as training features, {len(train)}, got {k}.")
    known = F.normalize(train.double(), dim=1)
    classes = int(torch.cat([labels, test_labels]).max()) + 1
    weight = 1 - 1e-3 * torch.arange(k, dtype=torch.float64) / k                # of the votes, nearest first
    right = 0
    for some, wanted in zip(test.split(1024), test_labels.split(1024), strict=True):
        close = (F.normalize(some.double(), dim=1) @ known.T).topk(k, dim=1).indices                     # (m, k)
        votes = torch.zeros(len(some), classes, dtype=torch.float64)
        votes.scatter_add_(1, labels[close], weight.expand(len(some), k))
        right += int((votes.argmax(dim=1) == wanted).sum())
    return right / len(test)


def few(labels: Tensor, each: int, generator: torch.Generator) -> Tensor:
    """Indices of so many examples of each label, drawn without repetition: what a probe with few labels gets.

    >>> few(torch.tensor([0, 0, 1, 1, 1]), 1, torch.Generator().manual_seed(0)).shape
    torch.Size([2])
    """
    arguments.positive(each, name="each")
    chosen = []
    for label in labels.unique().tolist():
        there = (labels == label).nonzero().flatten()
        if len(there) < each:
            raise ValueError(f"each: {each} examples of every label were asked for, and label {label} has "
                             f"{len(there)}.")
        chosen.append(there[torch.randperm(len(there), generator=generator)[:each]])
    return torch.cat(chosen)


def _check(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor) -> None:
    for features, names, what in ((train, labels, "training"), (test, test_labels, "test")):
        if features.ndim != 2 or names.shape != features.shape[:1]:
            raise ValueError(f"expected {what} features (N, D) with a label each (N,), got {tuple(features.shape)} and "
                             f"{tuple(names.shape)}. Images become features with "
                             "identification.embed(network, images).")
        if not len(features):
            raise ValueError(f"expected the {what} features of one image or more, got none.")
        if names.is_floating_point() or int(names.min()) < 0:
            raise ValueError(f"expected {what} labels as whole numbers from 0, got {names.dtype} from "
                             f"{names.min().item()}.")
        if not features.isfinite().all():
            raise ValueError(f"the {what} features hold values that are no numbers.")
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"training features have {train.shape[1]} numbers each, test features {test.shape[1]}. Usual "
                         "cause: two different networks.")
