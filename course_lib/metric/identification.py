"""Identification: find a person by comparing with stored templates, in a space where distance means something.

    s_u = 1/#T_u sum_j | f(I) - f(T_u,j) |,    i_hat = argmin_u s_u,    accept iff s_i_hat < gamma

I is the image at the door, T_u,j are the stored pictures (templates) of user u, f is an embedding: the pixels
themselves, the penultimate activations of a classifier (this file), or a network trained to measure distances (lecture
02). Norms are Euclidean. Where no user is near enough, there is "no identification". Enrolment stores a vector, and
nothing else.

Source: G. Boracchi, "Departing From Supervised Learning", PhD course, Politecnico di Milano, 2025: face identification
by classification, by template matching, and the rule with gamma; the minimum instead of the mean is a common variant.

Deviations from the source: the classifier is a small network from scratch instead of a large one, trained on batches of
some people with some pictures each, which the metric losses of lecture 02 get too, so that they can be compared.

Lecture 01 teaches it; exercise 01 builds the mean rule, the threshold and the enrolment.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.layers import initialise, quiet_constructors
from course_lib.metric.batches import OPTIMISER, View, check_labelled, identity_batches
from course_lib.networks import Embedding
from course_lib.profiles import Budget

Rule = Literal["mean", "minimum"]


# Embeddings and distances --------------------------------------------------------------------------------------------


def embed(network: nn.Module | Callable[[Tensor], Tensor], images: Tensor, *, batch: int = 256) -> Tensor:
    """The embeddings of images, one row each: in eval mode, without gradients, in float32, on the CPU.

    In training mode batch normalisation would let a template depend on the images that happen to be beside it.
    network: a network, or a method of one, such as `classifier.latent`; it is left in the mode it was in. Any other
    function is called as it is: the network inside a lambda is not put in eval mode.
    Shapes: images (N, C, H, W), uint8 or floats in [0, 1] -> (N, d).

    >>> embed(nn.Flatten(), torch.full((3, 1, 2, 2), 255, dtype=torch.uint8))[0]
    tensor([1., 1., 1., 1.])
    """
    module = network if isinstance(network, nn.Module) else getattr(network, "__self__", None)
    module = module if isinstance(module, nn.Module) else None
    training = module is not None and module.training
    device = next((p.device for p in module.parameters()), images.device) if module is not None else images.device
    if module is not None:
        module.eval()
    try:
        with torch.inference_mode():
            rows = [network(as_float(some).to(device)).float().cpu() for some in images.split(batch)]
    finally:
        if module is not None:
            module.train(training)
    return torch.cat(rows).clone()


def pixels(images: Tensor) -> Tensor:
    """The pixels themselves as an embedding, so that their distance can be compared with learnt ones.

    Shapes: images (N, C, H, W), uint8 or floats in [0, 1] -> (N, C H W).

    >>> pixels(torch.full((1, 1, 1, 2), 255, dtype=torch.uint8))
    tensor([[1., 1.]])
    """
    return as_float(images).flatten(1)


def as_float(images: Tensor) -> Tensor:
    """Images as floats: 8-bit ones divided by 255, others as they are."""
    images = images.float() / 255 if images.dtype == torch.uint8 else images
    return arguments.image_batch(images)


def distances(a: Tensor, b: Tensor) -> Tensor:
    """All Euclidean distances between two sets of embeddings, each from its own differences.

    d_ij = | a_i - b_j |. The usual shortcut |a|^2 + |b|^2 - 2 ab loses small distances: in float32 it can say 0.7 for a
    point and itself.

    Shapes: a (N, d), b (M, d) -> (N, M), in float32 or better.

    >>> distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[5., 0.]])
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"expected embeddings (N, d) and (M, d), got {tuple(a.shape)} and {tuple(b.shape)}. "
                         "One embedding becomes a set of one with f[None].")
    exact = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    a, b = a.to(exact), b.to(exact)
    if a.device.type == "mps":
        return _by_differences(a, b)
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _by_differences(a: Tensor, b: Tensor) -> Tensor:
    """The same by a table of differences (N, M, d): MPS has no gradient of cdist before torch 2.13."""
    return torch.linalg.vector_norm(a[:, None] - b, dim=2)


def tsne(f: Tensor, *, seed: int = 0, perplexity: float = 10.0) -> Tensor:
    """Places on a plane where near neighbours stay neighbours: a map to look at, not one to measure on.

    perplexity: how many neighbours count, about; less than a third of the points.
    Shapes: f (N, d) -> (N, 2), each axis from 0 to 1.
    Source: L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", JMLR 2008; computed by scikit-learn, from the
    two principal components on.
    """
    from sklearn.manifold import TSNE

    if f.ndim != 2 or not 1 <= perplexity < len(f) / 3:
        raise ValueError(f"expected embeddings (N, d) of more than three times the perplexity, {perplexity:g}, got "
                         f"{tuple(f.shape)}.")
    f = check_finite(f, name="f").detach().float().cpu()
    if bool((f == f[0]).all()):
        raise ValueError("f: all embeddings are the same, and nothing is nearer than anything else. Usual cause: a "
                         "network that has collapsed.")
    places = torch.from_numpy(TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(f.numpy()))
    low, high = places.amin(dim=0), places.amax(dim=0)
    return (places - low) / (high - low)


def check_finite(f: Tensor, *, name: str) -> Tensor:
    """Return embeddings or scores if they are numbers: what a diverged network gives is near nobody, or all alike."""
    if not f.isfinite().all():
        raise ValueError(f"{name}: some values are no numbers (NaN or infinite). Usual cause: a training that "
                         "diverged.")
    return f


# Templates -----------------------------------------------------------------------------------------------------------


class Gallery:
    """The people that a door knows: a name and the embeddings of some pictures for each.

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
        """Who is enrolled, in the order of enrolment."""
        return tuple(self._templates)

    def __len__(self) -> int:
        return len(self._templates)

    def enrol(self, name: str, templates: Tensor) -> None:
        """Store the embeddings (T, d) of somebody's pictures; for a name that is there, they are added."""
        if not isinstance(name, str) or not isinstance(templates, Tensor):
            raise TypeError(f"expected a name and a tensor of embeddings (T, d), got {type(name).__name__} and "
                            f"{type(templates).__name__}.")
        if templates.ndim != 2 or not len(templates):
            raise ValueError(f"templates: expected embeddings (T, d) of one picture or more, got "
                             f"{tuple(templates.shape)}. One embedding f (d,) becomes one template with f[None].")
        check_finite(templates, name="templates")
        for other in self._templates.values():
            if other.shape[1] != templates.shape[1]:
                raise ValueError(f"templates: those in the gallery have {other.shape[1]} numbers each, these "
                                 f"{templates.shape[1]}. Usual cause: two different embeddings.")
            break
        there = [self._templates[name]] if name in self._templates else []
        self._templates[name] = torch.cat([*there, templates.detach()])

    def remove(self, name: str) -> None:
        """Forget somebody."""
        del self._templates[arguments.one_of(name, self._templates, what="name in the gallery")]

    def scores(self, f: Tensor, *, rule: Rule = "mean") -> Tensor:
        """How far images are from each user: the mean, or the minimum, of the distances to the user's templates.

        The mean of distances is not the distance to the mean template, which is never larger.
        Shapes: f (N, d) -> (N, users).
        """
        arguments.one_of(rule, get_args(Rule), what="rule")
        if not self._templates:
            raise ValueError("nobody is enrolled yet: gallery.enrol(name, templates) comes first.")
        check_finite(f, name="f")
        users = list(self._templates.values())
        every = distances(f, torch.cat(users)).split([len(templates) for templates in users], dim=1)
        return torch.stack([d.mean(dim=1) if rule == "mean" else d.amin(dim=1) for d in every], dim=1)

    def identify(self, f: Tensor, *, threshold: float = math.inf, rule: Rule = "mean") -> list[str | None]:
        """Who is on each image: the user with the lowest score if it is below the threshold, else None.

        None means "no identification". The score must be strictly below; of equal scores the first enrolled wins.
        """
        check_threshold(threshold)
        best, user = self.scores(f, rule=rule).min(dim=1)                # of equal ones the first
        names = self.names
        return [names[u] if s < threshold else None for s, u in zip(best.tolist(), user.tolist(), strict=True)]


def check_threshold(threshold: float) -> float:
    """Return gamma if it is a number, infinity included."""
    if math.isnan(threshold):
        raise ValueError("threshold: expected a distance, 0 (nobody comes in) to infinity (everybody does), got NaN.")
    return threshold


# The classifier ------------------------------------------------------------------------------------------------------


class Classifier(nn.Module):
    """Name the person on an image by one output for each: an embedding, a ReLU and a linear layer.

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
        """What the last layer sees: the penultimate activations, (N, d), none below zero."""
        return self.embedding(images).relu()

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.latent(images))


def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
    """The cross-entropy of the network's softmax with the person that is there."""
    images, labels = batch
    return F.cross_entropy(model(images).float(), labels)


def train(images: Labelled, *, budget: Budget, seed: int, network: nn.Module | None = None, view: View | None = None,
          each: int = 4, validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train the classifier of the people in `images`, on batches of budget.batch / each people with `each` pictures."""
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
