"""Identification: find a person by comparing with stored templates, in a space where distance means something.

    s_u = 1/#T_u sum_j | f(I) - f(T_u,j) |,    i_hat = argmin_u s_u,    accept iff s_i_hat < gamma

I is the image of a visitor, T_u,j are the stored pictures (templates) of user u, gamma is the threshold, f is an
embedding: the pixels themselves, the penultimate activations of a classifier (this file), or a network trained to
measure distances (lecture siamese). Norms are Euclidean. Where no user is near enough, there is "no identification".
Enrolment stores a vector, and nothing else.

Source: G. Boracchi, "Departing From Supervised Learning", PhD course, Politecnico di Milano, 2025: face identification
by classification, by template matching, and the rule with a threshold; the minimum instead of the mean is a common
variant.

Deviations from the source: the classifier is a small network from scratch instead of a large one, trained on batches of
some people with some pictures each, which the metric losses of lecture siamese get too, so that they can be compared.

Lecture identification teaches it; its exercise builds the mean rule, the threshold and the enrolment.
"""

from __future__ import annotations

import math
import numbers
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation
from course_lib.embeddings import check_finite, distances
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.layers import initialise, quiet_constructors
from course_lib.metric.batches import OPTIMISER, check_labelled, identity_batches
from course_lib.networks import Embedding
from course_lib.profiles import Budget

Rule = Literal["mean", "minimum"]


# Templates -----------------------------------------------------------------------------------------------------------


class Gallery:
    """A gallery keeps the people who are enrolled: a name and the embeddings of some pictures for each.

    Enrolment adds rows and touches nothing else; removing is its inverse.

    >>> gallery = Gallery()
    >>> gallery.enrol("Ada", torch.tensor([[0.0], [4.0]]))
    >>> gallery.enrol("Bob", torch.tensor([[5.0]]))
    >>> gallery.scores(torch.tensor([[2.0]])), gallery.scores(torch.tensor([[3.0]]), rule="minimum")
    (tensor([[2., 3.]]), tensor([[1., 2.]]))
    >>> gallery.identify(torch.tensor([[2.0], [9.0]]), threshold=3.0)
    ['Ada', None]
    """

    def __init__(self) -> None:
        self._templates: dict[str, Tensor] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all who are enrolled, in the order of enrolment."""
        return tuple(self._templates)

    def __len__(self) -> int:
        return len(self._templates)

    def enrol(self, name: str, templates: Tensor) -> None:
        """Store the embeddings (T, d) of somebody's pictures; for a name that is there, they are added.

        Raises TypeError and ValueError for what is no table of numbers, or of another embedding.
        """
        if not isinstance(name, str) or not isinstance(templates, Tensor):
            raise TypeError(f"expected a name and a tensor of embeddings (T, d), got {type(name).__name__} and "
                            f"{type(templates).__name__}.")
        if templates.ndim != 2 or not templates.numel():
            raise ValueError(f"templates: expected embeddings (T, d) of one picture or more, got "
                             f"{tuple(templates.shape)}. One embedding f (d,) becomes one template with f[None].")
        check_finite(templates, name="templates")
        for other in self._templates.values():
            if other.shape[1] != templates.shape[1]:
                raise ValueError(f"templates: those in the gallery have {other.shape[1]} numbers each, these "
                                 f"{templates.shape[1]}. Usual cause: two different embeddings.")
            arguments.same_device(other, templates, what="the gallery and new templates")
            break
        there = [self._templates[name]] if name in self._templates else []
        self._templates[name] = torch.cat([*there, templates.detach()])

    def remove(self, name: str) -> None:
        """Forget the templates of a name; raises ValueError where it is not enrolled."""
        del self._templates[arguments.one_of(name, self._templates, what="name in the gallery")]

    def scores(self, f: Tensor, *, rule: Rule = "mean") -> Tensor:
        """Compute how far images are from each user: the mean, or minimum, of the distances to the user's templates.

        The mean of distances is not the distance to the mean template, which is never larger.
        Shapes: f (N, d) -> (N, users). Raises ValueError while nobody is enrolled, and for f that are no numbers.
        """
        arguments.one_of(rule, get_args(Rule), what="rule")
        if not self._templates:
            raise ValueError("nobody is enrolled yet: gallery.enrol(name, templates) comes first.")
        check_finite(f, name="f")
        users = list(self._templates.values())
        arguments.same_device(users[0], f, what="the gallery and f")
        every = distances(f, torch.cat(users)).split([len(templates) for templates in users], dim=1)
        return torch.stack([d.mean(dim=1) if rule == "mean" else d.amin(dim=1) for d in every], dim=1)

    def identify(self, f: Tensor, *, threshold: float = math.inf, rule: Rule = "mean") -> list[str | None]:
        """Name the user with the lowest score for each image if that is below the threshold, else None.

        None means "no identification". The score must be strictly below; of equal scores the first enrolled wins.
        """
        check_threshold(threshold)
        best, user = self.scores(f, rule=rule).min(dim=1)                # of equal ones the first
        names = self.names
        return [names[u] if s < threshold else None for s, u in zip(best.tolist(), user.tolist(), strict=True)]


def check_threshold(threshold: float) -> float:
    """Return a threshold if it is a number, infinity included; NaN raises ValueError."""
    if not isinstance(threshold, numbers.Real):
        raise TypeError(f"threshold: expected a distance, one number, got {threshold!r}.")
    if math.isnan(threshold):
        raise ValueError("threshold: expected a distance, 0 (nobody comes in) to infinity (everybody does), got NaN.")
    return threshold


# The classifier ------------------------------------------------------------------------------------------------------


class Classifier(nn.Module):
    """A classifier names the person on an image by one output for each: an embedding, a ReLU and a linear layer.

    `latent(x)`, the activations before the last layer, is the embedding that template matching uses.
    Shapes: images (N, C, H, W) -> logits (N, people); latent (N, d).

    >>> network = Classifier(7)
    >>> network(torch.zeros(2, 1, 48, 48)).shape, network.latent(torch.zeros(2, 1, 48, 48)).shape
    (torch.Size([2, 7]), torch.Size([2, 64]))
    """

    def __init__(self, people: int, *, embedding: Embedding | None = None, seed: int = 0) -> None:
        super().__init__()
        self.embedding = Embedding(seed=seed) if embedding is None else embedding
        with quiet_constructors():
            self.last = nn.Linear(self.embedding.dimensions, arguments.positive(people, name="people"))
        initialise(self.last, randomness.generator(seed, "Classifier"))

    def latent(self, images: Tensor) -> Tensor:
        """Return what the last layer sees: the penultimate activations (N, d), none below zero."""
        return self.embedding(images).relu()

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.latent(images))


def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
    """Compute the cross-entropy of the network's softmax with the person on each image, a scalar."""
    arguments.parts(batch, "images", "labels")
    images, labels = batch
    logits = model(images).float()
    arguments.classes(labels, logits)
    return F.cross_entropy(logits, arguments.whole_labels(labels).to(logits.device))


def train(images: Labelled, *, budget: Budget, seed: int, network: nn.Module | None = None,
          view: Augmentation | None = None, each: int = 4, validate: Validate | None = None,
          checkpoint: Path | None = None) -> Trained:
    """Train a classifier of the people in `images`, on batches of budget.batch / each people with `each` pictures.

    view: the augmentation. Raises ValueError for a network with fewer outputs than people.
    """
    check_labelled(images)
    if network is None:
        network = Classifier(len(images.names), embedding=Embedding(channels=images.images.shape[1], seed=seed),
                             seed=seed)
    if isinstance(network, Classifier) and network.last.out_features < len(images.names):
        raise ValueError(f"network: a classifier with {network.last.out_features} outputs cannot name "
                         f"{len(images.names)} people. Classifier(people) has as many outputs as people.")
    network = network.to(profiles.device())
    history = fit(network, identity_batches(images, each=each, view=view), step, budget=budget, seed=seed,
                  optimiser=OPTIMISER, validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)
