"""What lecture siamese says of the triplet loss, and the experiments behind it: strangers told apart, five ways.

All learnt distances get the same: trunk (`Embedding`), first weights, batches, views, steps, optimiser. What differs is
the loss, and that the classifier is asked for its latent space. Its trunk begins in two ways: as those of the others
do, with a linear layer whose weights are a tenth of the usual ones, and with the usual ones. Pixels learn nothing. On
Omniglot the budget is what the classifier of 544 characters needs (after a quarter of it, it has hardly learnt, while
triplets are nearly done). All are scored on people, or characters, that nobody was trained on:

    eer, auc                over all pairs of their pictures
    dir, fpir, confused     a door with three templates each: gamma lets in a tenth of the validation strangers, and is
                            tested on others; the mean over 20 divisions of the unseen into known people, validation
                            strangers and test strangers
    recall                  whose nearest other picture shows the same person
    one_shot                Omniglot only: right names in the 20-way runs

All are shares in [0, 1]. A seed draws the first weights and the batches, on the drawn set the people, on ORL who is
seen and who is not; alphabets and digits are divided once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import data, randomness
from course_lib.claims import Claim, Experiment, bound, exceeds, together
from course_lib.claims.unseen import START, STROKES, drawings, of_people, seen_through, smaller, strokes, with_turned
from course_lib.data import identities
from course_lib.data.images import read
from course_lib.data.readers import Labelled
from course_lib.embeddings import embed, pixels
from course_lib.metric import contrastive, identification, triplet
from course_lib.metric.batches import jitter
from course_lib.metric.identification import Classifier
from course_lib.metric.one_shot import nearest_in, one_shot_error
from course_lib.metric.verification import auc, equal_error_rate, open_set, pair_distances, recall_at
from course_lib.networks import Embedding
from course_lib.profiles import Budget, Profile, choose

SOURCE = "Boracchi 2025: can a network trained to compare do better than the latent space of a classifier?"
PIXELS = "Boracchi 2025: the distance of pixels is bad news"
CONTESTANTS = ("pixels", "classifier", "slide", "hadsell", "triplet")
RATE = 0.1                  # FPIR that the threshold is chosen for
MARGIN = 4.0                # of both contrastive losses
USUAL = "classifier_usual"  # the same classifier with the usual first weights, which it was tried with first
Embed = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Trial:
    """Who is learnt from, who is not, and how pictures vary beyond what the set has."""

    seen: Labelled
    unseen: Labelled                    # as they are scored: moved and lit anew, where the trial says so
    view: jitter
    division: tuple[int, int, int]      # of the unseen: known, validation strangers, test strangers
    budget: Budget                      # of every learnt distance


# Who is learnt from --------------------------------------------------------------------------------------------------


def drawn_people(seed: int) -> Trial:
    """Draw the bundled set: other people for each seed, who move and are lit differently by themselves."""
    seen, unseen, division = choose(smoke=(12, 8, (4, 2, 2)), lecture=(160, 80, (30, 25, 25)),
                                    full=(1000, 200, (80, 60, 60)))
    everybody = identities.people(seen + unseen, seed=seed)
    learn, rest = identities.split(everybody, seen, unseen)
    return Trial(learn, rest, jitter(shift=2, brightness=0.3), division, budget(1000))


def orl(seed: int) -> Trial:
    """Load ORL at 46 x 56, whose pictures are aligned: moved by up to 4 pixels, brightened or darkened, mirrored."""
    faces = data.labelled("orl_faces")
    order = torch.randperm(40, generator=randomness.generator(seed, "orl"))
    seen, unseen = of_people(faces, order[:25]), of_people(faces, order[25:])
    view = jitter(shift=4, brightness=0.3, mirror=True)
    return Trial(smaller(seen, 2), seen_through(view, smaller(unseen, 2), seed), view, (5, 5, 5), budget(400))


def omniglot(seed: int) -> Trial:
    """Load characters: five alphabets with their turned copies to learn from, three others to be told apart."""
    return Trial(with_turned(strokes(data.labelled("omniglot", split="small1"))),
                 strokes(data.labelled("omniglot", split="small2_only", per_class=10)), STROKES, (40, 33, 33),
                 budget(2400))


# Five distances ------------------------------------------------------------------------------------------------------


def budget(lecture_steps: int) -> Budget:
    """Choose the training's length, the same for every learnt distance: ten people with four pictures each."""
    return choose(smoke=Budget(4, 16), lecture=Budget(lecture_steps, 40), full=Budget(20 * lecture_steps, 72))


def learnt(trial: Trial, *, seed: int) -> dict[str, Embed]:
    """Train the distances of an experiment, as embeddings, all but the first on the same batches."""
    def network(start: float = START) -> Embedding:
        return Embedding(seed=seed, start=start)

    def latent(start: float) -> Embed:
        classifier = Classifier(len(trial.seen.names), embedding=network(start), seed=seed)
        identification.train(trial.seen, network=classifier, **how)
        return lambda images: embed(classifier.latent, images)

    def of(model: nn.Module) -> Embed:
        return lambda images: embed(model, images)

    how: dict[str, Any] = {"budget": trial.budget, "seed": seed, "view": trial.view}
    models = {loss: contrastive.train(trial.seen, loss=form, margin=MARGIN, network=network(), **how).model
              for loss, form in (("slide", contrastive.slide_loss), ("hadsell", contrastive.hadsell_loss))}
    models["triplet"] = triplet.train(trial.seen, network=network(), **how).model
    return {"pixels": pixels, "classifier": latent(START), USUAL: latent(1.0),
            **{name: of(model) for name, model in models.items()}}


def scores(f: Tensor, trial: Trial, *, seed: int) -> dict[str, float]:
    """Score embeddings (N, d) of the unseen people."""
    unseen = trial.unseen
    genuine, impostor = pair_distances(f, unseen.labels)
    doors = []
    for number_ in range(choose(smoke=2, lecture=20, full=20)):
        order = torch.randperm(len(unseen.names), generator=randomness.generator(seed, "door", str(number_)))
        parts = [of_people(Labelled(f, unseen.labels, unseen.names), some.sort().values)
                 for some in order[:sum(trial.division)].split(trial.division)]
        doors.append(open_set(lambda f: f, *parts, rate=RATE))
    return {"eer": equal_error_rate(genuine, impostor), "auc": auc(genuine, impostor),
            "recall": recall_at(f, unseen.labels, (1,))[1],
            **{name: statistics.fmean(getattr(door, field) for door in doors) for name, field in
               (("dir", "detected"), ("confused", "confused"), ("fpir", "false_positives"))}}


# Experiments ---------------------------------------------------------------------------------------------------------


def compare(trial: Trial, seed: int) -> tuple[dict[str, float], dict[str, Embed]]:
    """Compare all five distances on the unseen people of a trial; return their scores and the distances."""
    distances = learnt(trial, seed=seed)
    metrics = {f"{name}_{figure}": value for name, f in distances.items()
               for figure, value in scores(f(trial.unseen.images), trial, seed=seed).items()}
    return metrics, distances


def measure_people(profile: Profile, seed: int) -> dict[str, float]:
    """Compare five distances on drawn people whom none of them was trained on."""
    return compare(drawn_people(seed), seed)[0]


def measure_orl(profile: Profile, seed: int) -> dict[str, float]:
    """Compare five distances on 15 of ORL's 40 people, after training on the others."""
    return compare(orl(seed), seed)[0]


def measure_omniglot(profile: Profile, seed: int) -> dict[str, float]:
    """Compare five distances on unseen alphabets, and in the one-shot runs."""
    metrics, distances = compare(omniglot(seed), seed)
    runs = data.one_shot_runs()[:choose(smoke=2, lecture=20, full=20)]

    def of_drawings(f: Embed) -> Embed:
        return lambda images: f(drawings(images))

    return metrics | {f"{name}_one_shot": 1 - one_shot_error(runs, nearest_in(of_drawings(f)))
                      for name, f in distances.items()}


def measure_few(profile: Profile, seed: int) -> dict[str, float]:
    """Train on the digits 0 to 4, and measure equal error rates on 0 to 4 and on 5 to 9, of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    table = load_digits()
    digits = Labelled((torch.from_numpy(table.images) * 255 / 16).round().byte()[:, None],
                      torch.from_numpy(table.target).long(), tuple("0123456789"))
    halves = [of_people(digits, some) for some in (torch.arange(5), torch.arange(5, 10))]
    steps = choose(smoke=Budget(4, 16), lecture=Budget(200, 40), full=Budget(2000, 40))
    model = triplet.train(halves[0], budget=steps, seed=seed, each=8, view=jitter(shift=0, brightness=0.2),
                          network=Embedding(widths=(32, 64), seed=seed, start=START)).model
    return {f"{name}_{half}": equal_error_rate(*pair_distances(f(part.images), part.labels))
            for half, part in zip(("seen", "unseen"), halves, strict=True)
            for name, f in (("pixels", pixels), ("triplet", lambda images: embed(model, images)))}


PEOPLE = Experiment("triplet-people", measure_people, (read,))
ORL = Experiment("triplet-orl", measure_orl, (read,), ("orl_faces",))
OMNIGLOT = Experiment("triplet-omniglot", measure_omniglot, (read,), ("omniglot",))
FEW = Experiment("triplet-few", measure_few)


# Claims --------------------------------------------------------------------------------------------------------------


def gains(metrics: Sequence[dict[str, float]], other: str) -> dict[str, list[float]]:
    """Compute by how much the triplet's distance is ahead of another one, at each seed."""
    return {"eer": [row[f"{other}_eer"] - row["triplet_eer"] for row in metrics],
            "dir": [row["triplet_dir"] - row[f"{other}_dir"] for row in metrics]}


FAR_AHEAD = together(exceeds("pixels_eer", "triplet_eer", by=0.15), exceeds("triplet_dir", "pixels_dir", by=0.15))
AHEAD = together(*(exceeds(*pair) for other in ("classifier", USUAL)
                   for pair in ((f"{other}_eer", "triplet_eer"), ("triplet_dir", f"{other}_dir"))))
CLAIMS = (
    Claim("triplet-people-pixels",
          "On drawn people whom nobody was trained on, the distance learnt from triplets is far ahead of pixels, in "
          "pairs and at a door.", PIXELS, {}, PEOPLE, FAR_AHEAD),
    Claim("triplet-people-classifier",
          "It is ahead of the latent space of a classifier, too, after as many steps on the same batches.", SOURCE, {},
          PEOPLE, AHEAD),
    Claim("triplet-orl-pixels",
          "On the faces of ORL, moved, mirrored and in other light, the distance learnt from triplets is far ahead of "
          "pixels.", PIXELS, {}, ORL, FAR_AHEAD),
    Claim("triplet-orl-classifier",
          "There, too, it is ahead of the classifier's latent space.", SOURCE, {}, ORL,
          AHEAD),
    Claim("triplet-omniglot-pixels",
          "On alphabets that nobody was trained on, the distance learnt from triplets is far ahead of pixels.",
          PIXELS, {}, OMNIGLOT, FAR_AHEAD),
    Claim("triplet-omniglot-classifier",
          "There, too, it is ahead of the classifier's latent space.", SOURCE, {},
          OMNIGLOT, AHEAD),
    Claim("triplet-few",
          "Trained on five digits alone, the distance learnt from triplets is worse than pixels on the five others, "
          "although it hardly errs on its own five: learning to compare takes many identities.",
          "none; measured here", {}, FEW,
          together(exceeds("triplet_unseen", "pixels_unseen"), bound("triplet_seen", below=0.05))),
)
