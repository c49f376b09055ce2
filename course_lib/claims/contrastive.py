"""What lecture siamese says of the contrastive loss: that it learns a distance, and what margin and people do to it.

Everything is measured on drawn people whom no network has seen; each seed draws its own. Networks, batches and numbers
of steps are the same for all rows.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from torch import nn

from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, growing, together
from course_lib.data import identities
from course_lib.data.readers import Labelled
from course_lib.embeddings import embed, pixels
from course_lib.metric import contrastive
from course_lib.metric.contrastive import PairLoss, hadsell_loss, slide_loss
from course_lib.metric.verification import equal_error_rate, pair_distances
from course_lib.profiles import Budget, Profile, choose

SOURCE = "Boracchi 2025, Metric Learning"
HADSELL = "R. Hadsell, S. Chopra, Y. LeCun, CVPR 2006"
MARGIN = 4.0
MARGINS = (1, 16)       # besides
FEW = (5, 20)           # people to learn from, besides all of them


def crowd(seed: int) -> tuple[Labelled, Labelled]:
    """Draw people to learn from, and others to measure on; no one is in two seeds."""
    learn, test, each, size = choose(smoke=(20, 3, 8, 32), lecture=(160, 40, 12, 48), full=(1600, 200, 12, 48))
    everybody = identities.people(learn + test, each=each, size=size, seed=seed)
    known, unknown = identities.split(everybody, learn, test)
    return known, unknown


def trained(images: Labelled, *, seed: int, margin: float = MARGIN, loss: PairLoss = slide_loss,
            balanced: bool = True) -> nn.Module:
    """Train the embedding by the course's recipe; with fewer than ten people a batch has more pictures of each."""
    budget = choose(smoke=Budget(4, 40), lecture=Budget(800, 40), full=Budget(20_000, 80))
    each = max(4, budget.batch // len(images.names))
    return contrastive.train(images, margin=margin, budget=budget, seed=seed, loss=loss, balanced=balanced,
                             each=each).model


def first(images: Labelled, count: int) -> Labelled:
    """Return the first so many people."""
    return identities.split(images, count)[0]


def measure_people(profile: Profile, seed: int) -> dict[str, float]:
    """Measure equal error rates, and the mean distance of impostor pairs, on people not trained on."""
    known, unknown = crowd(seed)
    genuine, impostor = pair_distances(pixels(unknown.images), unknown.labels)
    metrics = {"pixels": equal_error_rate(genuine, impostor)}

    def note(name: str, network: nn.Module, of: Labelled) -> None:
        genuine, impostor = pair_distances(embed(network, of.images), of.labels)
        metrics[name] = equal_error_rate(genuine, impostor)
        metrics[f"{name}_apart"] = float(impostor.mean())

    variants: dict[str, dict[str, Any]] = {
        "slide": {}, "hadsell": {"loss": hadsell_loss}, "one_mean": {"balanced": False},
        **{f"margin_{m}": {"margin": float(m)} for m in MARGINS}}
    for name, how in variants.items():
        note(name, trained(known, seed=seed, **how), unknown)
    for count in FEW:
        few = first(known, count)
        network = trained(few, seed=seed)
        note(f"people_{count}", network, unknown)
        note(f"people_{count}_own", network, few)
    return metrics


PEOPLE = Experiment("contrastive-people", measure_people, (trained,))


# Claims ------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("contrastive-beats-pixels",
          "On people never seen, the distance learnt with either form of the contrastive loss has an equal error rate "
          "lower than that of the pixels by more than 0.2.", f"{SOURCE}: a better distance measure is needed", {},
          PEOPLE, together(*(exceeds("pixels", name, by=0.2) for name in ("slide", "hadsell")))),
    Claim("contrastive-balance",
          "Two means, one over the genuine and one over the impostor pairs, give a lower error rate than one mean over "
          "all pairs of a batch, of which nine in ten are impostors.",
          "none; the usual advice: batches of all pairs are dominated by impostors", {},
          PEOPLE, exceeds("one_mean", "slide"), seeds=5),
    Claim("contrastive-margin-is-scale",
          "The margin sets how far apart people lie more than how well they are told apart: with sixteen times the "
          "margin impostors are more than six times as far apart, and the error rate changes by less than 0.05.",
          f"{SOURCE}: m is a hyperparameter; {HADSELL}", {}, PEOPLE,
          together(bound(Metric("margin_16_apart") / "margin_1_apart", above=6),
                   bound(*(abs(Metric(a) - b) for a, b in combinations(("margin_1", "slide", "margin_16"), 2)),
                         below=0.05))),
    Claim("contrastive-few-people",
          "Trained on five people only, the network tells these five apart nearly without error, and people never seen "
          "much worse than one that was trained on all.",
          "none; with few classes metric learning does not carry over to new ones", {},
          PEOPLE, together(bound("people_5_own", below=0.05), exceeds("people_5", "slide", by=0.1)), seeds=5),
    Claim("contrastive-more-people",
          "The more people there are to learn from, at the same number of steps, the lower is the error rate on people "
          "never seen: 5, 20, all.", "none; the other half of the same statement", {}, PEOPLE,
          growing("slide", "people_20", "people_5"), seeds=5),
)
