"""Verification: how well a distance tells pairs of one person from pairs of two, and which threshold to act on.

A distance d says "same" where it is small. Over genuine pairs (y = 0) and impostor pairs (y = 1), at a threshold t,

    FAR(t) = P(d <= t | impostor),    FRR(t) = P(d > t | genuine)         false acceptances and false rejections
    EER = (FAR + FRR) / 2 where the two cross                             one number for the whole curve
    AUC = P(d_genuine < d_impostor) + 1/2 P(d_genuine = d_impostor)       the other one (Mann and Whitney)

A door is harder: it compares a visitor with all people enrolled, and the visitor may be no one of them. With s_u the
score of user u, small if alike, someone is let in as argmin_u s_u where s = min_u s_u < gamma. What can go wrong is
counted by the false positive identification rate, and what goes right by the detection and identification rate:

    FPIR(gamma) = P(s < gamma | not enrolled),    DIR(gamma) = P(s < gamma and the argmin is right | enrolled)

gamma is chosen on the scores of impostors kept for validation, who are neither trained on nor tested with. The more
people are enrolled, the smaller is the smallest score of a stranger: at a fixed gamma FPIR grows with the gallery.

Source: G. Boracchi, "Departing From Supervised Learning", 2025, "Metric Learning"; the rates are those of P. Grother,
P. Phillips, "Models of Large Population Recognition Performance", CVPR 2004, written with distances in place of
similarities.

Lecture 02 teaches it; exercise 02 builds on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib import arguments
from course_lib.data.readers import Labelled
from course_lib.metric.identification import Gallery, Rule, check_finite, check_threshold, distances


class Roc(NamedTuple):
    """The rates at every threshold where one of them changes; the first threshold, -inf, accepts nobody."""

    thresholds: Tensor      # (T,), increasing
    far: Tensor             # (T,), from 0 to 1
    frr: Tensor             # (T,), from 1 to 0


class OpenSet(NamedTuple):
    """What happens at a door; the first three are shares of the probes of enrolled people and sum to one."""

    detected: float         # let in under their own name: DIR
    confused: float         # let in under somebody else's
    rejected: float         # not let in
    false_positives: float  # share of the strangers who are let in, under whatever name: FPIR
    threshold: float        # gamma


# Pairs ---------------------------------------------------------------------------------------------------------------


def pair_distances(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The distances of all pairs i < j: first of the genuine ones, then of the impostors.

    Shapes: embeddings (N, d), labels (N,) -> (G,), (I,) with G + I = N (N - 1) / 2.

    >>> pair_distances(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 7, 8]))
    (tensor([1.]), tensor([5., 4.]))
    """
    labels = _labels(embeddings, labels)
    i, j = torch.triu_indices(len(labels), len(labels), offset=1)
    d, same = distances(embeddings, embeddings)[i, j], labels[i] == labels[j]
    return d[same], d[~same]


def roc(genuine: Tensor, impostor: Tensor) -> Roc:
    """False acceptances and false rejections at each distance that occurs: FAR(t) = P(d <= t), FRR(t) = P(d > t).

    Shapes: genuine (G,), impostor (I,) -> three of (T,), T - 1 the number of different distances.

    >>> roc(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0])).far
    tensor([0.0000, 0.0000, 0.5000, 0.5000, 1.0000], dtype=torch.float64)
    """
    genuine, impostor = _sorted(genuine, "genuine"), _sorted(impostor, "impostor")
    thresholds = torch.cat([genuine.new_full((1,), -math.inf), torch.cat([genuine, impostor]).unique()])
    return Roc(thresholds, torch.searchsorted(impostor, thresholds, right=True) / _count(impostor),
               1 - torch.searchsorted(genuine, thresholds, right=True) / _count(genuine))


def equal_error_rate(genuine: Tensor, impostor: Tensor) -> float:
    """Where false acceptances and false rejections cross: the mean of the two where they are nearest to each other.

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
    """The chance that a genuine pair is closer than an impostor pair, ties counted half.

    >>> auc(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    0.75
    """
    genuine, impostor = _sorted(genuine, "genuine"), _sorted(impostor, "impostor")
    below, up_to = (torch.searchsorted(impostor, genuine, right=right) for right in (False, True))
    won = 2 * len(impostor) - below - up_to                    # (G,): 2 for each impostor farther away, 1 for a tie
    return float(won.sum()) / (2 * len(genuine) * len(impostor))


# Retrieval -----------------------------------------------------------------------------------------------------------


def recall_at(embeddings: Tensor, labels: Tensor, ks: Sequence[int]) -> dict[int, float]:
    """The share of pictures that have one of the same person among their k nearest others.

    The query itself, which is nearest to itself, does not count. Of equally near ones the first counts as nearer. A
    picture without another of its person is never found.

    Shapes: embeddings (N, d), labels (N,).

    >>> recall_at(torch.tensor([[0.0], [1.0], [1.5], [4.0]]), torch.tensor([0, 0, 1, 1]), (1, 2))
    {1: 0.5, 2: 0.75}
    """
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
    return {k: float((first < k).double().mean()) for k in ks}


def cumulative_match(scores: Tensor, answers: Tensor) -> Tensor:
    """The share of probes whose own user is among the k best, for k = 1, 2, ...: recall with one entry per user (CMC).

    Of equally good users the one enrolled first is ahead.

    Shapes: scores (N, users), small if alike; answers (N,), columns of scores -> (users,).

    >>> cumulative_match(torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.9, 0.7]]), torch.tensor([0, 1]))
    tensor([0.5000, 0.5000, 1.0000], dtype=torch.float64)
    """
    _check_scores(scores, answers)
    place = (scores.argsort(dim=1, stable=True) == answers[:, None]).int().argmax(dim=1)    # (N,)
    return (place[:, None] <= torch.arange(scores.shape[1], device=place.device)).double().mean(dim=0)


# A door --------------------------------------------------------------------------------------------------------------


def choose_threshold(impostor_scores: Tensor, *, rate: float) -> float:
    """gamma: the largest threshold at which at most a share `rate` of these strangers is let in.

    Give it the scores of strangers kept for validation: each one's smallest score over the users, or all of them.
    On the strangers that it is tested with it would be an oracle, and tell of a rate that nobody gets.

    Shapes: impostor_scores (M,) or (M, users).

    >>> choose_threshold(torch.tensor([3.0, 1.0, 2.0, 4.0]), rate=0.25)        # 1 < gamma is let in, 2 is not
    2.0
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: expected a share between 0 and 1, got {rate:g}. Usual cause: per cent.")
    if 0 in impostor_scores.shape:
        raise ValueError(f"impostor_scores: expected one or more, got {tuple(impostor_scores.shape)}.")
    smallest = impostor_scores.min(dim=1).values if impostor_scores.ndim == 2 else impostor_scores
    best = _sorted(smallest, "validation impostors'")
    allowed = math.floor(rate * len(best) + 1e-9)
    return math.inf if allowed == len(best) else float(best[allowed])


def open_set_rate(known_scores: Tensor, answers: Tensor, impostor_scores: Tensor, *, threshold: float) -> OpenSet:
    """What a threshold lets in and keeps out: DIR, its two ways to go wrong, and FPIR. A score is let in below gamma.

    Shapes: known_scores (N, users), answers (N,) columns of it; impostor_scores (M, users).

    >>> known = torch.tensor([[1.0, 5.0], [2.0, 3.0], [9.0, 8.0]])
    >>> open_set_rate(known, torch.tensor([0, 1, 1]), torch.tensor([[4.0, 6.0], [1.0, 7.0]]), threshold=4.0)[3]
    0.5
    """
    _check_scores(known_scores, answers)
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
    """A door from end to end: enrol, choose gamma on the validation strangers, and open for the known and the others.

    The first pictures of each known person are the templates, the rest are probes. Validation and test strangers are
    other people than the known ones and than each other; both meet the same gallery, since FPIR grows with its size.

    embed: images (N, C, H, W) -> (N, d); rule: how distances to templates become a score, as `Gallery.scores` has it.
    """
    arguments.positive(templates, name="templates")
    gallery = Gallery()
    probes: list[tuple[Tensor, Tensor]] = []
    f = embed(known.images)
    for person in known.labels.unique().tolist():
        mine = (known.labels == person).nonzero().flatten()
        if len(mine) <= templates:
            raise ValueError(f"templates: a person has only {len(mine)} pictures, of which one or more must be left as "
                             f"probes; got {templates} templates.")
        gallery.enrol(str(person), f[mine[:templates]])
        probes.append((f[mine[templates:]], torch.full((len(mine) - templates,), len(probes))))
    gamma = choose_threshold(gallery.scores(embed(validation.images), rule=rule), rate=rate)
    return open_set_rate(gallery.scores(torch.cat([f for f, _ in probes]), rule=rule),
                         torch.cat([who for _, who in probes]),
                         gallery.scores(embed(test.images), rule=rule), threshold=gamma)


# What they share -----------------------------------------------------------------------------------------------------


def _labels(embeddings: Tensor, labels: Tensor) -> Tensor:
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(f"expected embeddings (N, d) and labels (N,), got {tuple(embeddings.shape)} and "
                         f"{tuple(labels.shape)}. Images become embeddings with identification.pixels or .embed.")
    check_finite(embeddings, name="embeddings")
    return labels.to(embeddings.device)


def _check_scores(scores: Tensor, answers: Tensor) -> None:
    if scores.ndim != 2 or answers.shape != scores.shape[:1] or 0 in scores.shape:
        raise ValueError(f"expected scores (N, users) and answers (N,), got {tuple(scores.shape)} and "
                         f"{tuple(answers.shape)}. `Gallery.scores` makes them; answers are columns, not names.")
    if not 0 <= int(answers.min()) <= int(answers.max()) < scores.shape[1]:
        raise ValueError(f"answers: expected columns 0 to {scores.shape[1] - 1} of the scores, got "
                         f"{int(answers.min())} to {int(answers.max())}. Usual cause: strangers among the known.")
    check_finite(scores, name="scores")


def _sorted(values: Tensor, name: str) -> Tensor:
    if values.ndim != 1 or not len(values):
        raise ValueError(f"expected the {name} distances as (N,) with one or more, got {tuple(values.shape)}. Usual "
                         "cause: a set with one person only, or with one picture each.")
    if values.isnan().any():
        raise ValueError(f"the {name} distances hold values that are no numbers (NaN).")
    return values.double().sort().values


def _count(values: Tensor) -> Tensor:
    return torch.tensor(len(values), dtype=torch.float64)


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean())
