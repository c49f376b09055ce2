"""How the trained weights of the course are made: a recipe for each, which `python -m tools.weights` follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import nn

from course_lib import canonical, data, provenance
from course_lib.data.identities import people
from course_lib.data.images import read
from course_lib.data.readers import Labelled
from course_lib.data.shapes import shapes
from course_lib.denoise import bias_free, cbdnet, class_aware, dncnn, ffdnet
from course_lib.embeddings import embed, knn_probe, linear_probe
from course_lib.fit import Trained
from course_lib.metric import triplet
from course_lib.metric.batches import START
from course_lib.metric.verification import equal_error_rate, pair_distances, recall_at
from course_lib.networks import Embedding, Encoder
from course_lib.pretext import simclr
from course_lib.pretext.views import Views
from course_lib.profiles import Budget


@dataclass(frozen=True)
class Recipe:
    """How one set of weights is made: from the bundled training photographs, unless it names its own pictures."""

    cls: type[nn.Module]
    arguments: dict
    train: Callable[..., Trained]
    train_arguments: dict
    budget: Budget
    scored_at: tuple[int, ...] = ()   # noise levels of the card, of 255
    seed: int = 0
    pictures: partial[Labelled] | None = None                            # what it trains on, if not photographs
    judge: Callable[[nn.Module], dict[str, float]] | None = None         # what the card says of it, if not PSNR

    @property
    def uses(self) -> tuple[Callable | type, ...]:
        """What the weights depend on, beside what the recipe asks for."""
        return (self.train, self.cls) if self.pictures else (self.train, self.cls, read)

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the sets that it learns from; none where our own code draws the pictures."""
        return () if self.pictures else ("photographs",)

    def fingerprint(self) -> str:
        """Hash all that the weights depend on: code, pictures, and what the recipe asks for."""
        asked = (self.arguments, self.train_arguments, self.budget, self.seed, self.pictures, self.scored_at,
                 self.judge)
        return canonical.hashed([provenance.identity(asked), provenance.fingerprint(*self.uses, data=self.sets)])

    def learn(self, *, budget: Budget | None = None, seed: int | None = None,
              checkpoint: Path | None = None) -> Trained:
        """Train a network as the recipe says, or for another budget and seed."""
        seed = self.seed if seed is None else seed
        channels = self.arguments.get("channels", 1)
        pictures = self.pictures() if self.pictures else data.photographs("train", channels=channels)
        return self.train(pictures, budget=budget or self.budget, seed=seed, checkpoint=checkpoint,
                          network=self.cls(**self.arguments, seed=seed), **self.train_arguments)


def tells_people_apart(model: nn.Module) -> dict[str, float]:
    """Measure the equal error rate and the recall at 1 on 80 other drawn people."""
    others = people(80, first=160)
    f = embed(model, others.images)
    return {"people_eer": equal_error_rate(*pair_distances(f, others.labels)),
            "people_recall": recall_at(f, others.labels, (1,))[1]}


def tells_shapes_apart(model: nn.Module) -> dict[str, float]:
    """Measure what both probes find in the features of 400 other pictures, with the labels of those that were trained
    on."""
    known, asked = shapes(120), shapes(50, seed=1)
    given = (embed(model, known.images), known.labels, embed(model, asked.images), asked.labels)
    return {"shapes_linear": linear_probe(*given), "shapes_nearest": knn_probe(*given)}


SMALL = {"depth": 9, "width": 32}   # the paper's networks have 17 or 20 layers of 64
MINUTES = Budget(3000, 16, 36)
RECIPES = {
    **{f"dncnn-s{level}-w32": Recipe(dncnn.DnCNN, SMALL, dncnn.train, {"sigma": level / 255}, MINUTES, (level,))
       for level in (15, 25, 50)},
    "dncnn-b-w32": Recipe(dncnn.DnCNN, SMALL, dncnn.train, {"sigma": dncnn.BLIND}, MINUTES, (15, 25, 50)),
    "dncnn-3-w32": Recipe(dncnn.DnCNN, SMALL, dncnn.train_three_tasks, {}, MINUTES, (15, 25, 50)),
    "ffdnet-w48": Recipe(ffdnet.FFDNet, {"depth": 9, "width": 48}, ffdnet.train, {}, Budget(25_000, 8, 48),
                         (5, 15, 25, 50, 75)),
    **{f"bias_free-{name}-w32": Recipe(network, SMALL, bias_free.train, {}, Budget(6000, 8, 36), (10, 50))
       for name, network in (("10", bias_free.BiasFreeDnCNN), ("twin-10", bias_free.BiasedTwin))},
    "bias_free-55-w32": Recipe(bias_free.BiasFreeDnCNN, SMALL, bias_free.train, {"sigma": (0.0, 55 / 255)},
                               Budget(6000, 8, 36), (10, 25, 50)),
    "class_aware-s25-w16": Recipe(class_aware.Gradual, {"depth": 20, "width": 16}, class_aware.train,
                                  {"noise": 25 / 255}, Budget(6000, 8, 48), (25,)),
    **{f"cbdnet-{name}-w16": Recipe(cbdnet.CBDNet, {"channels": 3, "width": 16, "estimator_width": 16}, cbdnet.train,
                                    recipe, Budget(6000, 8, 48), (15, 25))
       for name, recipe in (("camera", {}), ("white", {"degrade": (0.0, 55 / 255)}))},
    "triplet-people": Recipe(Embedding, {"start": START}, triplet.train, {}, Budget(1000, 40),
                             pictures=partial(people, 160), judge=tells_people_apart),
    "simclr-shapes": Recipe(Encoder, {"channels": 3}, simclr.train_encoder,
                            {"view": Views(area=(0.25, 1.0), strength=0.5), "temperature": 0.2}, Budget(2500, 128),
                            pictures=partial(shapes, 120), judge=tells_shapes_apart),
}
