"""Triplet loss: a picture shall be nearer to one of the same person than to one of somebody else, by a margin.

    L = max(0, m + |f(I) - f(P)| - |f(I) - f(N)|)                    anchor I, positive P, negative N
    soft margin: L = ln(1 + exp(|f(I) - f(P)| - |f(I) - f(N)|))      pulls on, ever weaker, where the hinge stops

What counts is the difference of two distances, never their size. Most triplets are satisfied soon and teach nothing, so
the art lies in choosing them: at random; semi-hard, with a negative farther than the positive but not by the margin; or
batch-hard, each picture with the farthest of its own and the nearest of the others in its batch.

Source: the loss as in the lecture this course follows (G. Boracchi, "Departing From Supervised Learning!"); batch-hard
mining and the soft margin: A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person
Re-Identification", 2017, equation 5 and section 2; semi-hard negatives: F. Schroff, D. Kalenichenko, J. Philbin,
"FaceNet", CVPR 2015, which squares the norms (`squared=True` here) and normalises f to length one; this does neither.

Deviations from Hermans: the network is the course's small one, trained from the beginning instead of from ImageNet,
with Muon and a cosine schedule for fewer steps, and its last layer begins small. From FaceNet: batches of P people
with K pictures each instead of about 1800 pictures, no unit sphere, and of the farther negatives the nearest one, where
FaceNet takes any within the margin.

Lecture siamese teaches it; its exercise asks for the loss and for batch-hard mining. Figures: the claims `triplet-*`.
"""

from __future__ import annotations

import math
import numbers
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, deterministic, devices, profiles
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation, Batch, then
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.metric import batches
from course_lib.networks import Embedding
from course_lib.profiles import Budget

Margin = float | Literal["soft"]
Mining = Literal["random", "semi-hard", "batch-hard", "all"]
MINING: tuple[Mining, ...] = ("random", "semi-hard", "batch-hard", "all")
NONE = ("no triplets: the mean over none is not defined. Usual cause: a batch with one picture of each person, or with "
        "a single person.")


class Triplets(NamedTuple):
    """Positions in a batch: anchor t, its positive and its negative, each (T,)."""

    anchors: Tensor
    positives: Tensor
    negatives: Tensor


# The loss of triplets ------------------------------------------------------------------------------------------------


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, *, margin: Margin,
                 squared: bool = False) -> Tensor:
    """Pull an anchor closer to its positive than to its negative, by at least the margin.

    L = max(0, m + |f(I) - f(P)| - |f(I) - f(N)|), averaged over all triplets, satisfied ones included; with
    margin="soft" L = ln(1 + exp(|f(I) - f(P)| - |f(I) - f(N)|)). Norms are Euclidean; squared=True squares them.

    Shapes: anchor, positive, negative (T, D); returns a scalar.

    >>> I, P, N = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0]])
    >>> triplet_loss(I, P, N, margin=6.0), triplet_loss(I, P, N, margin=1.0)
    (tensor(1.), tensor(0.))
    """
    arguments.same_shape(anchor, positive, negative, letters="T D")
    if not len(anchor):
        raise ValueError(NONE)
    arguments.same_device(anchor, positive, negative, what="anchor, positive and negative")
    arguments.comparable(anchor, positive, negative)
    exact = torch.promote_types(anchor.dtype, torch.float32)
    to_positive, to_negative = (torch.linalg.vector_norm(anchor.to(exact) - other.to(exact), dim=1)     # (T,)
                                for other in (positive, negative))
    if squared:
        to_positive, to_negative = to_positive**2, to_negative**2
    return penalty(to_positive - to_negative, margin=margin).mean()


def penalty(excess: Tensor, *, margin: Margin) -> Tensor:
    """Penalise an excess |f(I) - f(P)| - |f(I) - f(N)|: with a hinge at -m, or with "soft" by its smooth relative.

    >>> penalty(torch.tensor([-5.0, 0.0, 5.0]), margin=1.0)
    tensor([0., 1., 6.])
    >>> penalty(torch.tensor([-5.0, 0.0, 5.0]), margin="soft")
    tensor([0.0067, 0.6931, 5.0067])
    """
    if not isinstance(excess, Tensor) or not excess.is_floating_point():
        raise TypeError(f"excess: expected a tensor of floats, got {excess!r:.60}.")
    _known(margin)
    return F.softplus(excess) if isinstance(margin, str) else (margin + excess).clamp(min=0)


def collapsed(margin: Margin) -> float:
    """Compute the loss of every triplet where f gives all pictures the same vector: m, or ln 2 with the soft margin.

    >>> collapsed(0.2), round(collapsed("soft"), 4)
    (0.2, 0.6931)
    """
    return float(penalty(torch.zeros(1, dtype=torch.float64), margin=margin))


# Which triplets ------------------------------------------------------------------------------------------------------


def all_triplets(labels: Tensor) -> Triplets:
    """List every triplet of a batch: PK (K - 1) (PK - K) of them with P people and K pictures of each.

    Shape: labels (N,). Pictures without a partner are anchors of none.

    >>> [len(all_triplets(torch.tensor(labels)).anchors) for labels in ([0, 0, 1, 1], [0, 1, 2], [0, 0, 0])]
    [8, 0, 0]
    """
    positive, negative = _partners(labels)
    return Triplets(*(positive[:, :, None] & negative[:, None, :]).nonzero(as_tuple=True))


def random_triplets(labels: Tensor, *, generator: torch.Generator) -> Triplets:
    """Choose one triplet for each picture: a random positive and a random negative from the batch.

    Shape: labels (N,). Anchors without a positive or a negative are left out, as by all miners here.

    >>> random_triplets(torch.tensor([0, 0, 1]), generator=torch.Generator().manual_seed(0)).negatives
    tensor([2, 2])
    """
    arguments.whole_labels(labels)
    if labels.device.type != generator.device.type:
        raise ValueError(f"labels: expected them where the generator draws, on {generator.device}, got "
                         f"{labels.device}. labels.cpu() moves them to the processor.")
    positive, negative = _partners(labels)
    anchors = (positive.any(dim=1) & negative.any(dim=1)).nonzero()[:, 0]
    drawn = [torch.multinomial(mask[anchors].float(), 1, generator=generator)[:, 0] if len(anchors) else anchors
             for mask in (positive, negative)]
    return Triplets(anchors, *drawn)


def semi_hard(embeddings: Tensor, labels: Tensor, *, margin: float) -> Triplets:
    """Choose all triplets whose negative is farther than the positive, but not by more than the margin.

    0 < |f(I) - f(N)| - |f(I) - f(P)| <= m: they are right already, and yet not right enough.
    Shapes: embeddings (N, D), labels (N,). Raises ValueError for the soft margin, which is no distance.

    >>> semi_hard(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 1]), margin=1.0).anchors
    tensor([1])
    """
    if isinstance(_known(margin), str):
        raise ValueError(f"margin: semi-hard negatives lie within a margin, which is a distance; got {margin!r}. "
                         "nearest_semi_hard needs none.")
    distance, triplets = _looked_at(embeddings, labels), all_triplets(batches.same_length(embeddings, labels))
    gap = distance[triplets.anchors, triplets.negatives] - distance[triplets.anchors, triplets.positives]
    return Triplets(*(which[(gap > 0) & (gap <= margin)] for which in triplets))


def nearest_semi_hard(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Choose for each anchor and positive the nearest negative beyond the positive; if none is, the farthest one.

    One triplet for every genuine pair, in both directions, and no margin enters: so TensorFlow Addons chooses. FaceNet
    asks for a negative that is farther, but not by the margin.
    Shapes: embeddings (N, D), labels (N,); on a line, from the picture at 0 with its positive at 2:

    >>> found = nearest_semi_hard(torch.tensor([[0.0], [2.0], [1.0], [3.0], [9.0]]), torch.tensor([0, 0, 1, 2, 3]))
    >>> [which[0].item() for which in found]                        # the negative at 1 is too near, that at 9 too far
    [0, 1, 3]
    """
    distance = _looked_at(embeddings, labels)
    positive, negative = _partners(devices.here(batches.same_length(embeddings, labels)))
    anchors, positives = (positive & negative.any(dim=1, keepdim=True)).nonzero(as_tuple=True)       # (T,)
    there, allowed = distance[anchors], devices.sent(negative[anchors], distance.device)             # (T, N)
    farther = allowed & (there > distance[anchors, positives][:, None])
    nearest = there.masked_fill(~farther, torch.inf).argmin(dim=1)
    farthest = there.masked_fill(~allowed, -torch.inf).argmax(dim=1)
    return Triplets(anchors, positives, torch.where(farther.any(dim=1), nearest, farthest))


def batch_hard(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Choose for each picture the farthest of its own person and the nearest of the others, within the batch.

    Shapes: embeddings (N, D), labels (N,); returns one triplet for each picture that has both.

    >>> batch_hard(torch.tensor([[0.0], [1.0], [3.0], [4.0], [9.0]]), torch.tensor([0, 0, 0, 1, 1])).negatives
    tensor([3, 3, 3, 2, 2])
    """
    distance = _looked_at(embeddings, labels)
    positive, negative = _partners(devices.here(batches.same_length(embeddings, labels)))
    anchors = (positive.any(dim=1) & negative.any(dim=1)).nonzero()[:, 0]
    anchors, positive, negative = (devices.sent(some, distance.device) for some in (anchors, positive, negative))
    farthest = distance.masked_fill(~positive, -torch.inf)[anchors]
    nearest = distance.masked_fill(~negative, torch.inf)[anchors]
    return Triplets(anchors, farthest.argmax(dim=1), nearest.argmin(dim=1)) if len(anchors) else \
        Triplets(anchors, anchors, anchors)


def monitor(embeddings: Tensor, labels: Tensor, *, margin: Margin = "soft", squared: bool = False) -> dict[str, float]:
    """Measure how a training goes: how many triplets still teach, how large f is, and how far it spreads.

    active: the share of all triplets with an excess above -m; with the soft margin, which is never quite zero, of 0 or
    more, so that all count when f has collapsed. length: the mean |f|; spread: the mean distance of two pictures.
    Shapes: embeddings (N, D), labels (N,). Raises ValueError where the batch has no triplets.

    >>> monitor(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 1]))["spread"]
    2.0
    """
    distance = _looked_at(embeddings, labels)
    anchors, positives, negatives = all_triplets(batches.same_length(embeddings, labels))
    if not len(anchors):
        raise ValueError(NONE)
    compared = distance**2 if squared else distance
    excess = compared[anchors, positives] - compared[anchors, negatives]
    _known(margin)
    teaches = excess >= 0 if isinstance(margin, str) else excess > -margin
    count = len(distance)
    return {"active": float(teaches.float().mean()),
            "length": float(torch.linalg.vector_norm(embeddings.detach().float(), dim=1).mean()),
            "spread": float(distance.sum() / (count * (count - 1)))}


def forces(points: Tensor, triplets: Triplets, *, margin: Margin, squared: bool = False) -> Tensor:
    """Compute where a step of gradient descent moves each embedding: minus the gradient of the sum over triplets.

    Shapes: points (N, D) -> (N, D). The triplets are taken as they are: a miner's choice has no gradient.

    >>> line = torch.tensor([[0.0], [3.0], [-5.0]])
    >>> forces(line, Triplets(*torch.tensor([[0], [1], [2]])), margin=4.0).flatten()
    tensor([ 2., -1., -1.])
    """
    arguments.shaped("N D", points=points)
    for which in triplets:
        arguments.positions(which, points, name="triplets")
    leaf = points.detach().clone().requires_grad_()
    with torch.enable_grad():
        mean = triplet_loss(*(deterministic.rows(leaf, which) for which in triplets), margin=margin, squared=squared)
        gradient, = torch.autograd.grad(len(triplets.anchors) * mean, leaf)
    return -gradient


# Training ------------------------------------------------------------------------------------------------------------


def step(model: nn.Module, batch: tuple[Tensor, ...], progress: Progress, *, mining: Mining = "batch-hard",
         margin: Margin = "soft", squared: bool = False) -> Tensor:
    """Embed all pictures of a batch with the one network, and return the loss of the triplets that are chosen.

    With mining="random" the batch has them already, as its source draws what is random.
    """
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise TypeError(f"the batch: expected (images, labels) or, with random mining, triplets as well, got "
                        f"{batch!r:.60}.")
    images, labels, *drawn = batch
    f = model(images)
    triplets = Triplets(*drawn) if mining == "random" else mined(f, labels, mining=mining)
    return triplet_loss(*(deterministic.rows(f, which) for which in triplets), margin=margin, squared=squared)


def mined(embeddings: Tensor, labels: Tensor, *, mining: Mining) -> Triplets:
    """Choose the triplets of a batch by the name of the mining, which must not be random: (N, D), (N,) -> (T,) each."""
    arguments.one_of(mining, MINING[1:], what="mining without chance")
    if mining == "all":
        return all_triplets(devices.here(batches.same_length(embeddings, labels)))
    return batch_hard(embeddings, labels) if mining == "batch-hard" else nearest_semi_hard(embeddings, labels)


def with_random_triplets(batch: Batch, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Add random triplets to a batch of images (N, C, H, W) and labels (N,)."""
    arguments.parts(batch, "images", "labels")
    images, labels = batch
    return (images, labels, *random_triplets(labels, generator=generator))


def train(images: Labelled, *, budget: Budget, seed: int, mining: Mining = "batch-hard", margin: Margin = "soft",
          squared: bool = False, network: nn.Module | None = None, view: Augmentation | None = None,
          each: int = 4, validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train an embedding with the triplet loss on pictures of known people.

    images: uint8 pictures with the person each shows; budget.batch = P * each: P people, `each` pictures of every one;
    mining: "random", "semi-hard" (the nearest of the farther negatives), "batch-hard" (Hermans's) or "all"; margin: in
    the unit of f, or "soft"; view: the augmentation, such as `batches.jitter()`.
    Raises ValueError for a margin that is not positive, and in several processes.
    """
    one_process()
    arguments.one_of(mining, MINING, what="mining")
    _known(margin)
    batches.check_labelled(images)
    network = (network or Embedding(channels=images.images.shape[1], seed=seed, start=batches.START)
               ).to(profiles.device())
    source = batches.identity_batches(images, each=batches.at_least_two(each), view=view)
    source = then(source, with_random_triplets) if mining == "random" else source
    history = fit(network, source, partial(step, mining=mining, margin=margin, squared=squared), budget=budget,
                  seed=seed, optimiser=batches.OPTIMISER, validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)


# Small parts ---------------------------------------------------------------------------------------------------------


def _looked_at(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Compute the distances by which a miner chooses; a choice has no gradient."""
    batches.same_length(embeddings, labels)
    return batches.batch_distances(embeddings.detach())


def _partners(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Find which pictures may be the positive, and which the negative, of each: (N, N). None is its own positive."""
    arguments.tensor(labels, name="labels")
    if labels.ndim != 1:
        raise ValueError(f"labels: expected one for each picture of the batch, (N,), got {tuple(labels.shape)}.")
    arguments.whole_labels(labels)
    same = labels[:, None] == labels[None]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def _known(margin: Margin) -> Margin:
    if isinstance(margin, str):
        arguments.one_of(margin, ("soft",), what="margin")
    elif isinstance(margin, bool) or not isinstance(margin, numbers.Real) or not 0 < margin < math.inf:
        raise ValueError(f'margin: expected a distance above zero, or "soft", got {margin!r}. With zero a network that '
                         "gives all pictures the same vector has no loss at all.")
    return margin
