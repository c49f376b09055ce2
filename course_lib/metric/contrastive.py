"""Contrastive loss: pull pictures of one person together, push those of two people apart until a margin lies between.

    d = |f_w(I_i) - f_w(I_j)|,    y = 0 for the same person, 1 for different ones
    slide form    L = (1 - y)/2 d   + y/2 max(0, m - d)
    Hadsell's     L = (1 - y)/2 d^2 + y/2 max(0, m - d)^2                                    (equation 4 of the paper)

One network f_w is applied to both pictures of a pair, so there is one set of weights: a *siamese* network. Here all
pictures of a batch go through it at once and all their pairs are compared; their distances are Euclidean, and nothing
is normalised. The slide form pulls a pair as hard when it is near as when it is far, Hadsell's is a spring.

Source: R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006; the
form with plain norms is that of the lecture this course follows (G. Boracchi, "Departing From Supervised Learning!").

Deviations from both: pairs are not drawn one by one. A batch of P people with K pictures each holds all its PK (PK -
1)/2 pairs, of which few are genuine, so the mean over the genuine pairs and the mean over the impostor pairs are added,
so that neither drowns the other (on drawn people one mean over all did better: claim contrastive-balance). The network,
its optimiser and the number of steps are the course's; its last layer begins small, so that first distances are small
beside the margin.

Lecture siamese teaches it; its exercise asks for the loss over a batch. Figures: the claims `contrastive-*`.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib import arguments, devices, profiles
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.metric import batches
from course_lib.networks import Embedding
from course_lib.profiles import Budget

PairLoss = Callable[..., Tensor]     # (distance (P,), y (P,), *, margin) -> (P,)


# The loss of a pair --------------------------------------------------------------------------------------------------


def slide_loss(distance: Tensor, y: Tensor, *, margin: float) -> Tensor:
    """Make genuine pairs pay half their distance, and impostor pairs half of what they lack of the margin.

    L = (1 - y)/2 d + y/2 max(0, m - d); y = 0 the same person, 1 different ones.

    Shapes: distance, y (P,), one entry for each pair -> (P,). Distances and margin are in the unit of f.
    Raises ValueError for other values of y than 0 and 1, and for a margin that is not positive.

    >>> slide_loss(torch.tensor([5.0, 5.0, 5.0]), torch.tensor([0, 1, 1]), margin=7.0)
    tensor([2.5000, 1.0000, 1.0000])
    """
    y = _pairs(distance, y, margin)
    return (1 - y) / 2 * distance + y / 2 * (margin - distance).clamp(min=0)


def hadsell_loss(distance: Tensor, y: Tensor, *, margin: float) -> Tensor:
    """Square both terms, so that a pair is pulled or pushed the less the nearer it is to where it belongs.

    L = (1 - y)/2 d^2 + y/2 max(0, m - d)^2. The margin comes before the square: max(0, m - d^2) is another loss.

    Shapes and errors are those of `slide_loss`.

    >>> hadsell_loss(torch.tensor([5.0, 5.0, 5.0]), torch.tensor([0, 1, 0]), margin=7.0)
    tensor([12.5000,  2.0000, 12.5000])
    """
    y = _pairs(distance, y, margin)
    return (1 - y) / 2 * distance**2 + y / 2 * (margin - distance).clamp(min=0) ** 2


def collapsed(loss: PairLoss, *, margin: float) -> float:
    """Compute the loss of an impostor pair where f gives all pictures the same vector: m/2, or m^2/2 with squares.

    The genuine pairs of such a network cost nothing. A training that stays at this value has learnt nothing else.

    >>> collapsed(slide_loss, margin=4.0), collapsed(hadsell_loss, margin=4.0)
    (2.0, 8.0)
    """
    return float(loss(torch.zeros(1), torch.ones(1), margin=margin))


# All pairs of a batch ------------------------------------------------------------------------------------------------


def pairs(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute distance and y of all pairs i < j of a batch, y = 0 where both show the same person.

    Shapes: embeddings (N, D), labels (N,) -> (N (N - 1)/2,) both.

    >>> pairs(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 7, 9]))
    (tensor([1., 5., 4.]), tensor([0, 1, 1]))
    """
    labels = devices.here(batches.same_length(embeddings, labels))
    i, j = torch.triu_indices(len(labels), len(labels), offset=1)
    i, j, y = (devices.sent(some, embeddings.device) for some in (i, j, (labels[i] != labels[j]).long()))
    return batches.batch_distances(embeddings)[i, j], y


def batch_loss(embeddings: Tensor, labels: Tensor, *, margin: float, loss: PairLoss = slide_loss,
               balanced: bool = True) -> dict[str, Tensor]:
    """Average the loss over the genuine pairs of a batch, and over its impostor pairs: two terms of equal weight.

    One mean over all pairs (balanced=False: the terms are the two groups' shares of it) is nearly that of the impostors
    alone: with 10 people of 4 pictures they are 720 pairs of 780.

    Shapes: embeddings (N, D), labels (N,); returns two scalars by name, "genuine" and "impostor".

    >>> {name: float(term) for name, term in batch_loss(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 7, 9]),
    ...                                                 margin=6.0).items()}
    {'genuine': 0.5, 'impostor': 0.75}
    """
    distance, y = pairs(embeddings, labels)
    each = loss(distance, y, margin=margin)
    y = devices.here(y)
    if not (y == 0).any() or not (y == 1).any():
        raise ValueError(f"a batch needs pairs of one person and pairs of two, got labels {labels.tolist()[:8]}... "
                         "Usual cause: one picture of each person (each=1), or a batch with a single person.")
    groups = {name: each[devices.sent((y == kind).nonzero().flatten(), each.device)]
              for name, kind in (("genuine", 0), ("impostor", 1))}
    return {name: group.sum() / (len(group) if balanced else len(each)) for name, group in groups.items()}


def forces(points: Tensor, labels: Tensor, *, margin: float, loss: PairLoss = slide_loss) -> Tensor:
    """Compute where a step of gradient descent moves each embedding: minus the gradient of the sum over all pairs.

    Shapes: points (N, D), labels (N,) -> (N, D).

    >>> forces(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([0, 0]), margin=7.0)
    tensor([[ 0.3000,  0.4000],
            [-0.3000, -0.4000]])
    """
    arguments.shaped("N D", points=points)
    leaf = points.detach().clone().requires_grad_()
    with torch.enable_grad():
        distance, y = pairs(leaf, labels)
        gradient, = torch.autograd.grad(loss(distance, y, margin=margin).sum(), leaf)
    return -gradient


# Training ------------------------------------------------------------------------------------------------------------


def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress, *, margin: float,
         loss: PairLoss = slide_loss, balanced: bool = True) -> dict[str, Tensor]:
    """Embed all pictures of a batch with the one network, and return the loss of all their pairs."""
    arguments.parts(batch, "images", "labels")
    images, labels = batch
    return batch_loss(model(images), labels, margin=margin, loss=loss, balanced=balanced)


def train(images: Labelled, *, margin: float, budget: Budget, seed: int, loss: PairLoss = slide_loss,
          balanced: bool = True, network: nn.Module | None = None, view: Augmentation | None = None,
          each: int = 4, validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train an embedding with the contrastive loss on pictures of known people.

    images: uint8 pictures with the person each shows; budget.batch = P * each: P people, `each` pictures of every one;
    margin: in the unit of f; balanced: as in `batch_loss`; view: the augmentation, such as `batches.jitter()`.
    Raises ValueError for a margin that is not positive, and in several processes.
    """
    one_process()
    batches.check_labelled(images)
    network = (network or Embedding(channels=images.images.shape[1], seed=seed, start=batches.START)
               ).to(profiles.device())
    source = batches.identity_batches(images, each=batches.at_least_two(each), view=view)
    history = fit(network, source, partial(step, margin=_margin(margin), loss=loss, balanced=balanced), budget=budget,
                  seed=seed, optimiser=batches.OPTIMISER, validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)


def _pairs(distance: Tensor, y: Tensor, margin: float) -> Tensor:
    """Return y as a factor, if all three arguments make sense."""
    _margin(margin)
    arguments.tensor(distance, name="distance")
    arguments.tensor(y, name="y")
    arguments.same_shape(distance, y, letters="P")
    arguments.comparable(distance, name="distance")
    if arguments.reads(y) and bool(((y != 0) & (y != 1)).any()):
        raise ValueError(f"y: expected 0 for the same person and 1 for different ones, got "
                         f"{y[(y != 0) & (y != 1)][0].item()}. Usual cause: the labels of people instead of whether "
                         "two agree.")
    return y.to(distance)


def _margin(margin: float) -> float:
    if isinstance(margin, bool) or not isinstance(margin, numbers.Real) or not 0 < margin < math.inf:
        raise ValueError(f"margin: expected a distance above zero, got {margin!r}. Without one impostors are not "
                         "pushed.")
    return margin
