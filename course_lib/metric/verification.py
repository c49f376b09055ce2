"""Verification: how well a distance separates pairs of one person from pairs of two, and which threshold to act on.

A distance d says "same" where it is small. Over genuine pairs (y = 0) and impostor pairs (y = 1), at a threshold t,

    FAR(t) = P(d <= t | impostor),    FRR(t) = P(d > t | genuine)         false acceptances and false rejections
    EER = (FAR + FRR) / 2 where the two cross                             one number for the whole curve
    AUC = P(d_genuine < d_impostor) + 1/2 P(d_genuine = d_impostor)       the other one (Mann and Whitney)

Open-set identification is harder: it compares a visitor with all people enrolled, who may be none of them. With s_u the
score of user u, small if alike, someone is let in as argmin_u s_u where s = min_u s_u < gamma. What can go wrong is
counted by the false positive identification rate, and what goes right by the detection and identification rate:

    FPIR(gamma) = P(s < gamma | not enrolled),    DIR(gamma) = P(s < gamma and the argmin is right | enrolled)

The threshold gamma is chosen on the scores of impostors kept for validation, who are neither trained on nor tested
with. The more people are enrolled, the smaller is the smallest score of a stranger: at a fixed threshold FPIR grows
with the gallery.

Source: G. Boracchi, "Departing From Supervised Learning", 2025, "Metric Learning"; the rates are those of P. Grother,
P. Phillips, "Models of Large Population Recognition Performance", CVPR 2004, written with distances in place of
similarities.

Lecture verification teaches it; its exercise builds on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib import arguments, devices
from course_lib.data.readers import Labelled
from course_lib.embeddings import check_finite, distances
from course_lib.metric.identification import Gallery, Rule, check_threshold


class Roc(NamedTuple):
    """The rates at every threshold where one of them changes; the first threshold, -inf, accepts nobody."""

    thresholds: Tensor      # (T,), increasing
    far: Tensor             # (T,), from 0 to 1
    frr: Tensor             # (T,), from 1 to 0


class OpenSet(NamedTuple):
    """How an open-set identification ends; the first three are shares of the probes of enrolled people."""

    detected: float         # let in under their own name: DIR
    confused: float         # let in under somebody else's
    rejected: float         # not let in
    false_positives: float  # share of the strangers who are let in, under whatever name: FPIR
    threshold: float        # gamma in the formulas above


# Pairs ---------------------------------------------------------------------------------------------------------------


def pair_distances(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the distances of all pairs i < j: first of the genuine ones, then of the impostors.

    Shapes: embeddings (N, d), labels (N,) -> (G,), (I,) with G + I = N (N - 1) / 2.

    >>> pair_distances(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 7, 8]))
    (tensor([1.]), tensor([5., 4.]))
    """
    labels = _labels(embeddings, labels)
    i, j = torch.triu_indices(len(labels), len(labels), offset=1)
    d, same = distances(embeddings, embeddings)[i, j], labels[i] == labels[j]
    return d[same], d[~same]


def roc(genuine: Tensor, impostor: Tensor) -> Roc:
    """Count false acceptances and rejections at each distance that occurs: FAR(t) = P(d <= t), FRR(t) = P(d > t).

    Shapes: genuine (G,), impostor (I,) -> three of (T,), T - 1 the number of different distances.

    >>> roc(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0])).far
    tensor([0.0000, 0.0000, 0.5000, 0.5000, 1.0000], dtype=torch.float64)
    """
    genuine, impostor = _sorted(genuine, "genuine"), _sorted(impostor, "impostor")
    arguments.same_device(genuine, impostor, what="genuine and impostor distances")
    thresholds = torch.cat([genuine.new_full((1,), -math.inf), torch.cat([genuine, impostor]).unique()])
    return Roc(thresholds, torch.searchsorted(impostor, thresholds, right=True) / _count(impostor),
               1 - torch.searchsorted(genuine, thresholds, right=True) / _count(genuine))


def equal_error_rate(genuine: Tensor, impostor: Tensor) -> float:
    """Find where false acceptances and rejections cross: their mean where they are nearest to each other.

    0 for a distance that separates, 1/2 for one that knows nothing. Only the order of the distances counts.

    >>> equal_error_rate(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    0.5
    >>> equal_error_rate(torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([4.0, 5.0, 7.0, 8.0]))
    0.25
    """
    _, far, frr = roc(genuine, impostor)
    crossing = int((far - frr).abs().argmin())
    return float(far[crossing] + frr[crossing]) / 2


def auc(genuine: Tensor, impostor: Tensor) -> float:
    """Estimate the chance that a genuine pair is closer than an impostor pair; ties count half.

    Shapes: genuine (G,), impostor (I,) -> a number from 0 to 1; 1/2 for a distance that knows nothing.

    >>> auc(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    0.75
    """
    genuine, impostor = _sorted(genuine, "genuine"), _sorted(impostor, "impostor")
    arguments.same_device(genuine, impostor, what="genuine and impostor distances")
    below, up_to = (torch.searchsorted(impostor, genuine, right=right) for right in (False, True))
    won = 2 * len(impostor) - below - up_to                    # (G,): 2 for each impostor farther away, 1 for a tie
    return float(won.sum()) / (2 * len(genuine) * len(impostor))


# Retrieval -----------------------------------------------------------------------------------------------------------


def recall_at(embeddings: Tensor, labels: Tensor, ks: Sequence[int]) -> dict[int, float]:
    """Compute the share of pictures that have one of the same person among their k nearest others, for each k.

    The query itself, which is nearest to itself, does not count. Of equally near ones the first counts as nearer. A
    picture without another of its person is never found.

    Shapes: embeddings (N, d), labels (N,). Raises ValueError where a picture has fewer than k others.

    >>> recall_at(torch.tensor([[0.0], [1.0], [1.5], [4.0]]), torch.tensor([0, 0, 1, 1]), (1, 2))
    {1: 0.5, 2: 0.75}
    """
    if isinstance(ks, int):
        raise TypeError(f"ks: expected several numbers of neighbours, such as (1, 5), got {ks}. ({ks},) is one.")
    labels = _labels(embeddings, labels)
    most = len(labels) - 1
    if most < 1:
        raise ValueError(f"expected two pictures or more, of which one may find the other, got {len(labels)}.")
    for k in ks:
        if arguments.positive(k, name="k") > most:
            raise ValueError(f"k: a picture has only {most} others, got k = {k}.")
    d = distances(embeddings, embeddings).fill_diagonal_(math.inf)
    found = labels[d.argsort(dim=1, stable=True)[:, :most]] == labels[:, None]          # (N, N - 1), nearest first
    first = torch.where(found.any(dim=1), found.int().argmax(dim=1), most)              # (N,)
    return {k: float(devices.float64(first < k).mean()) for k in ks}


def cumulative_match(scores: Tensor, answers: Tensor) -> Tensor:
    """Compute the share of probes whose own user is among the k best, for k = 1, 2, ...: the CMC curve.

    Of equally good users the one enrolled first is ahead.

    Shapes: scores (N, users), small if alike; answers (N,), columns of scores -> (users,).

    >>> cumulative_match(torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.9, 0.7]]), torch.tensor([0, 1]))
    tensor([0.5000, 0.5000, 1.0000], dtype=torch.float64)
    """
    answers = _answers(scores, answers)
    place = (scores.argsort(dim=1, stable=True) == answers[:, None]).int().argmax(dim=1)    # (N,)
    return devices.float64(place[:, None] <= torch.arange(scores.shape[1], device=place.device)).mean(dim=0)


# Open-set identification ---------------------------------------------------------------------------------------------


def choose_threshold(impostor_scores: Tensor, *, rate: float) -> float:
    """Choose the largest threshold at which at most a share `rate` of these strangers is let in.

    impostor_scores: of strangers kept for validation, each one's smallest over the users, or all of them. Chosen on
    the strangers that it is tested with, the threshold would promise a rate that nobody gets.
    Shapes: impostor_scores (M,) or (M, users). Raises ValueError for a rate that is no share, and for no strangers.

    >>> choose_threshold(torch.tensor([3.0, 1.0, 2.0, 4.0]), rate=0.25)        # 1 is let in, 2 is not
    2.0
    """
    arguments.number(rate, name="rate")
    arguments.tensor(impostor_scores, name="impostor_scores", real=True)
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: expected a share between 0 and 1, got {rate:g}. Usual cause: per cent.")
    if 0 in impostor_scores.shape:
        raise ValueError(f"impostor_scores: expected one or more, got {tuple(impostor_scores.shape)}.")
    smallest = impostor_scores.min(dim=1).values if impostor_scores.ndim == 2 else impostor_scores
    best = _sorted(smallest, "validation impostors'")
    allowed = math.floor(rate * len(best) + 1e-9)
    return math.inf if allowed == len(best) else float(best[allowed])


def open_set_rate(known_scores: Tensor, answers: Tensor, impostor_scores: Tensor, *, threshold: float) -> OpenSet:
    """Count whom a threshold lets in: DIR, its two ways to go wrong, and FPIR. A score below the threshold is let in.

    Shapes: known_scores (N, users), answers (N,) columns of it; impostor_scores (M, users).
    Raises ValueError where the galleries differ, and for scores or a threshold that are no numbers.

    >>> known = torch.tensor([[1.0, 5.0], [2.0, 3.0], [9.0, 8.0]])
    >>> open_set_rate(known, torch.tensor([0, 1, 1]), torch.tensor([[4.0, 6.0], [1.0, 7.0]]), threshold=4.0)[3]
    0.5
    """
    answers = _answers(known_scores, answers)
    arguments.tensor(impostor_scores, name="impostor_scores", real=True)
    if impostor_scores.shape[1:] != known_scores.shape[1:] or not len(impostor_scores):
        raise ValueError(f"impostor_scores: expected strangers, one or more, scored by the same "
                         f"{known_scores.shape[1]} users, (M, {known_scores.shape[1]}), got "
                         f"{tuple(impostor_scores.shape)}. FPIR depends on the size of the gallery.")
    check_finite(impostor_scores, name="impostor_scores")
    check_threshold(threshold)
    score, named = known_scores.min(dim=1).values, known_scores.argmin(dim=1)
    inside, right = score < threshold, named == answers
    return OpenSet(_share(inside & right), _share(inside & ~right), _share(~inside),
                   _share(impostor_scores.min(dim=1).values < threshold), float(threshold))


def open_set(embed: Callable[[Tensor], Tensor], known: Labelled, validation: Labelled, test: Labelled, *,
             templates: int = 3, rate: float = 0.1, rule: Rule = "mean") -> OpenSet:
    """Enrol the known, choose the threshold on the validation strangers, and count whom it lets in of the others.

    The first pictures of each known person are the templates, the rest are probes. Validation and test strangers are
    other people than the known ones and than each other; both meet the same gallery, since FPIR grows with its size.

    embed: images (N, C, H, W) -> (N, d); rate: the share of validation strangers that may be let in; rule: how
    distances to templates become a score, as in `Gallery.scores`.
    Raises ValueError where somebody has no picture left beside the templates.
    """
    arguments.positive(templates, name="templates")
    if any(not isinstance(one, Labelled) or not isinstance(one.images, Tensor) or not isinstance(one.labels, Tensor)
           or one.labels.shape != one.images.shape[:1] or not len(one.labels) for one in (known, validation, test)):
        raise ValueError("known, validation, test: expected labelled images each, Labelled(images, labels, names), "
                         "with a label for each image and one image or more.")
    arguments.whole_labels(known.labels)
    gallery = Gallery()
    probes: list[tuple[Tensor, Tensor]] = []
    f = embed(known.images)
    for person in known.labels.unique().tolist():
        mine = (known.labels == person).nonzero().flatten().to(f.device)
        if len(mine) <= templates:
            raise ValueError(f"templates: a person has only {len(mine)} pictures, of which one or more must be left as "
                             f"probes; got {templates} templates.")
        gallery.enrol(str(person), f[mine[:templates]])
        probes.append((f[mine[templates:]], torch.full((len(mine) - templates,), len(probes))))
    threshold = choose_threshold(gallery.scores(embed(validation.images), rule=rule), rate=rate)
    return open_set_rate(gallery.scores(torch.cat([f for f, _ in probes]), rule=rule),
                         torch.cat([who for _, who in probes]),
                         gallery.scores(embed(test.images), rule=rule), threshold=threshold)


# What they share -----------------------------------------------------------------------------------------------------


def _labels(embeddings: Tensor, labels: Tensor) -> Tensor:
    arguments.tensor(embeddings, name="embeddings")
    arguments.tensor(labels, name="labels")
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(f"expected embeddings (N, d) and labels (N,), got {tuple(embeddings.shape)} and "
                         f"{tuple(labels.shape)}. Images become embeddings with embeddings.pixels or .embed.")
    check_finite(embeddings, name="embeddings")
    return arguments.whole_labels(labels).to(embeddings.device)


def _answers(scores: Tensor, answers: Tensor) -> Tensor:
    """Return the answers as int64 beside the scores, if there is a column of the scores for each."""
    arguments.tensor(scores, name="scores", real=True)
    arguments.tensor(answers, name="answers")
    if scores.ndim != 2 or answers.shape != scores.shape[:1] or 0 in scores.shape:
        raise ValueError(f"expected scores (N, users) and answers (N,), got {tuple(scores.shape)} and "
                         f"{tuple(answers.shape)}. `Gallery.scores` makes them; answers are columns, not names.")
    answers = arguments.whole_labels(answers).to(scores.device)
    if not 0 <= int(answers.min()) <= int(answers.max()) < scores.shape[1]:
        raise ValueError(f"answers: expected columns 0 to {scores.shape[1] - 1} of the scores, got "
                         f"{int(answers.min())} to {int(answers.max())}. Usual cause: strangers among the known.")
    check_finite(scores, name="scores")
    return answers


def _sorted(values: Tensor, name: str) -> Tensor:
    arguments.tensor(values, name=f"the {name} distances", real=True)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"expected the {name} distances as (N,) with one or more, got {tuple(values.shape)}. Usual "
                         "cause: a set with one person only, or with one picture each.")
    if values.isnan().any():
        raise ValueError(f"the {name} distances hold values that are no numbers (NaN).")
    return devices.float64(values.detach()).sort().values


def _count(values: Tensor) -> Tensor:
    return torch.tensor(len(values), dtype=torch.float64)


def _share(chosen: Tensor) -> float:
    return float(devices.float64(chosen).mean())
