"""What lecture context says of features learnt from patch positions and puzzles, and the experiment behind it.

Upright objects are drawn on pieces of photographs, 200 pictures of each of ten kinds to train on and 50 others to test
on. Two towers of the first two blocks of NIN, with an eighth of the paper's width, learn where the second of two
patches lies; nine learn in which of 72 orders the tiles of a puzzle are. "random" are the same blocks with their first
weights. Towers see normalised tiles; before their features are judged on whole pictures, the normalisations of all
three networks see the pictures. Then the head of lecture rotnet, with two hidden layers, learns the kinds from the
features of block 2, with labels; "nearest" lets the five nearest pictures in these features vote. All shares are of the
other pictures; "learnt" is how often a pretext task is solved on them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.claims import Claim, Experiment, bound, exceeds
from course_lib.data.objects import objects
from course_lib.data.readers import Labelled
from course_lib.embeddings import as_float, embed, knn_probe
from course_lib.networks import settle
from course_lib.pretext import jigsaw, position, probe, towers
from course_lib.pretext.jigsaw import Puzzle
from course_lib.pretext.nin import NIN
from course_lib.pretext.position import Patches
from course_lib.profiles import Budget, Profile, choose
from course_lib.randomness import generator

PATCHES = Patches(size=10, gap=4, jitter=2)
PUZZLE = Puzzle(cell=10, tile=8)


def drawn_objects(seed: int) -> tuple[Labelled, Labelled]:
    """Draw pictures of upright objects to train on, and others on other backgrounds to test on, by profile."""
    each, asked = choose(smoke=(4, 2), lecture=(200, 50), full=(2000, 200))
    return objects(each, seed=2 * seed), objects(asked, seed=2 * seed + 1, split="test")


def backbone(seed: int) -> NIN:
    """Build the two blocks that a tower is, by profile."""
    return NIN(blocks=2, width=choose(smoke=12, lecture=24, full=192), seed=seed)


def budget() -> Budget:
    """Choose how long a pretext task is learnt, by profile."""
    return choose(smoke=Budget(3, 8), lecture=Budget(700, 32), full=Budget(80_000, 128))


def seen(network: NIN, images: Tensor, seed: int) -> NIN:
    """Let the normalisations of a network see pictures in random order, and return it in eval mode."""
    order = torch.randperm(len(images), generator=generator(seed, "seen"))
    return settle(network, (as_float(images[some]) for some in order.split(64)))


def judged(network: NIN, known: Labelled, asked: Labelled, seed: int) -> dict[str, float]:
    """Measure what a head and the nearest neighbours find in block 2, on other pictures."""
    model = probe.probe(network, block=2, classes=len(known.names),
                        size=tuple(known.images.shape[1:]), seed=seed)             # type: ignore[arg-type]
    steps = choose(smoke=Budget(3, 16), lecture=Budget(300, 64), full=Budget(40_000, 128))
    found = probe.accuracy(probe.train(model, known, budget=steps, seed=seed).model, asked)

    def features(images: Tensor) -> Tensor:
        return network.features(images, 2).flatten(1)

    with torch.inference_mode():
        at = next(network.parameters()).device
        f_known, f_asked = (embed(lambda some: features(some.to(at)), of.images) for of in (known, asked))
    return {"head": found, "nearest": knn_probe(f_known, known.labels, f_asked, asked.labels)}


def measure_objects(profile: Profile, seed: int) -> dict[str, float]:
    """Compare what both tasks teach with what a random network has."""
    known, asked = drawn_objects(seed)
    first, second = (position.network(backbone(seed), PATCHES, seed=seed),
                     jigsaw.network(backbone(seed), PUZZLE, seed=seed))
    position.train(known, budget=budget(), seed=seed, patches=PATCHES, model=first)
    jigsaw.train(known, budget=budget(), seed=seed, puzzle=PUZZLE, model=second)
    metrics = {f"{name}_learnt": towers.accuracy(model, asked.images, view, generator=generator(seed, "asked"))
               for name, model, view in (("position", first, PATCHES), ("jigsaw", second, PUZZLE))}
    networks = {"position": first.tower.network, "jigsaw": second.tower.network, "random": backbone(seed)}
    for name, network in networks.items():
        network = seen(network.to(next(first.parameters()).device),                # type: ignore[arg-type]
                       known.images, seed)
        metrics |= {f"{name}_{kind}": share for kind, share in judged(network, known, asked, seed).items()}
    return metrics


OBJECTS = Experiment("position-objects", measure_objects,
                     uses=(position.train, jigsaw.train, probe.train, towers.accuracy, objects))


# Claims --------------------------------------------------------------------------------------------------------------


POSITION, PUZZLES = "Doersch et al. 2015", "Noroozi and Favaro 2016"
CLAIMS = (
    Claim("position-learnt",
          "Where a second patch of an upright object lies can be learnt without labels: on new objects a network with "
          "all guards is right more than twice as often as by chance.", POSITION, {}, OBJECTS,
          bound("position_learnt", above=0.25)),
    Claim("position-puzzles-learnt",
          "So can the order of nine tiles, of 72: more than ten times as often as by chance.", PUZZLES, {}, OBJECTS,
          bound("jigsaw_learnt", above=10 / 72)),
    Claim("position-random",
          "A head on the features that were learnt from two patches names more objects rightly than one on those of a "
          "random network.", POSITION, {}, OBJECTS, exceeds("position_head", "random_head")),
    Claim("position-puzzles-random",
          "So does a head on the features that were learnt from puzzles.", PUZZLES, {}, OBJECTS,
          exceeds("jigsaw_head", "random_head")),
)
