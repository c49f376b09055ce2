"""What lecture rotnet says of RotNet, and the experiments behind it.

Upright objects are drawn, 200 pictures of each of ten kinds to train on; CIFAR-10 gives 600 of each. At lecture profile
the backbone is NIN with a quarter of the paper's width, trained for 800 steps of 32 pictures in all four turns. The
autoencoder has the same backbone and sees as many images; "random" is the backbone with its first weights, whose
normalisations have seen the pictures. A probe is the paper's non-linear head on the features of one block, trained on
all labels; "few" trains the convolutional head on some labels of each class, beside the same layers trained from
nothing. All shares are of other pictures.
"""

from __future__ import annotations

from torch import Tensor, nn

from course_lib import data, profiles
from course_lib.claims import Claim, Experiment, bound, exceeds, together
from course_lib.data.objects import objects
from course_lib.data.readers import Labelled
from course_lib.embeddings import as_float
from course_lib.networks import settle
from course_lib.pretext import autoencoder, probe, rotnet
from course_lib.pretext.autoencoder import Autoencoder
from course_lib.pretext.nin import NIN
from course_lib.pretext.rotnet import EIGHT, FOUR, HALF, QUARTER
from course_lib.profiles import Budget, Profile, choose

PAPER = "Gidaris et al. 2018 (RotNet)"
SETS = {"four": FOUR, "eight": EIGHT, "half": HALF, "quarter": QUARTER}
BLOCKS = (1, 2, 3, 4)
LABELS = (5, 20, 100)          # of each class


def backbone(seed: int, *, outputs: int = 4, blocks: int = 4) -> NIN:
    """Build the backbone of the experiments, by profile."""
    return NIN(blocks=blocks, outputs=outputs, width=choose(smoke=12, lecture=48, full=192), seed=seed)


def budget(turns: int = 4) -> Budget:
    """Choose how long a network learns, by profile: equally many images whatever the number of turns."""
    steps, images = choose(smoke=(3, 16), lecture=(800, 128), full=(80_000, 512))
    return Budget(steps, images // turns)


def probing() -> Budget:
    """Choose how long a head is trained, by profile."""
    return choose(smoke=Budget(3, 16), lecture=Budget(300, 64), full=Budget(40_000, 128))


def drawn_objects(seed: int) -> tuple[Labelled, Labelled]:
    """Draw pictures of upright objects to train on, and others on other backgrounds to test on, by profile."""
    each, asked = choose(smoke=(4, 2), lecture=(200, 50), full=(2000, 200))
    return objects(each, seed=2 * seed), objects(asked, seed=2 * seed + 1, split="test")


def cifar() -> tuple[Labelled, Labelled]:
    """Load a part of CIFAR-10 to train on, and a part of its test images, by profile."""
    each, asked = choose(smoke=(4, 4), lecture=(600, 100), full=(None, None))
    return (data.labelled("cifar10_jpeg", split="train", per_class=each),
            data.labelled("cifar10_jpeg", split="test", per_class=asked))


def untrained(seed: int, images: Tensor, *, batches: int = 8) -> NIN:
    """Build the backbone with its first weights, whose normalisations have seen these pictures."""
    return settle(backbone(seed), [as_float(images[start::batches][:256]) for start in range(batches)])


def probed(network: nn.Module, known: Labelled, asked: Labelled, *, block: int, seed: int) -> float:
    """Train the paper's non-linear head on a block, and measure it on other pictures."""
    model = probe.probe(network, block=block, classes=len(known.names), size=tuple(known.images.shape[1:]), seed=seed)
    return probe.accuracy(probe.train(model, known, budget=probing(), seed=seed).model, asked)


def learnt(known: Labelled, seed: int, *, turns: str = "four") -> NIN:
    """Train a network on the turns of a set."""
    degrees = SETS[turns]
    network = backbone(seed, outputs=len(degrees))
    rotnet.train(known, budget=budget(len(degrees)), seed=seed, network=network, degrees=degrees)
    return network


# Experiments ---------------------------------------------------------------------------------------------------------


def compare(known: Labelled, asked: Labelled, seed: int) -> dict[str, float]:
    """Compare RotNet's features with random ones, an autoencoder's, and a network that had the labels."""
    network = learnt(known, seed)
    metrics = {"turns": rotnet.accuracy(network, asked.images),
               "symmetric": rotnet.accuracy(network, rotnet.symmetrised(as_float(asked.images)))}
    metrics |= {f"rotnet_{block}": probed(network, known, asked, block=block, seed=seed) for block in BLOCKS}
    random = untrained(seed, known.images)
    metrics |= {f"random_{block}": probed(random, known, asked, block=block, seed=seed) for block in BLOCKS}
    steps, images = budget().steps, 4 * budget().batch
    drawing, _ = autoencoder.train(known, budget=Budget(steps, images), seed=seed,
                                   network=Autoencoder(backbone(seed), seed=seed))
    metrics["autoencoder_2"] = probed(drawing.encoder, known, asked, block=2, seed=seed)
    metrics["autoencoder_psnr"] = autoencoder.reconstruction(drawing, asked.images)
    labels = backbone(seed, outputs=len(known.names), blocks=3)
    model, _ = probe.train(labels, known, budget=Budget(steps, images), seed=seed, view=rotnet.moved_and_mirrored)
    return metrics | {"labels": probe.accuracy(model, asked)}


def measure_objects(profile: Profile, seed: int) -> dict[str, float]:
    """Compare them on upright objects."""
    return compare(*drawn_objects(seed), seed)


def measure_cifar(profile: Profile, seed: int) -> dict[str, float]:
    """Compare them on photographs of ten kinds of things, 32 pixels wide."""
    return compare(*cifar(), seed)


def measure_sets(profile: Profile, seed: int) -> dict[str, float]:
    """Compare the sets of turns: what block 2 is worth after each of them."""
    known, asked = drawn_objects(seed)
    return {turns: probed(learnt(known, seed, turns=turns), known, asked, block=2, seed=seed) for turns in SETS}


def measure_few(profile: Profile, seed: int) -> dict[str, float]:
    """Compare, with few labels, a head on RotNet's features with the same layers trained from nothing."""
    known, asked = drawn_objects(seed)
    network, metrics = learnt(known, seed), {}
    for each in choose(smoke=(1, 2, 4), lecture=LABELS, full=LABELS):
        some = probe.few(known, each)
        for name, trunk, tuned in (("rotnet", network, False), ("nothing", backbone(seed), True)):
            model = probe.probe(trunk, block=2, classes=len(known.names), size=tuple(known.images.shape[1:]),
                                head="convolutional", tuned=tuned, seed=seed)
            model, _ = probe.train(model, some, budget=probing(), seed=seed, view=rotnet.moved_and_mirrored)
            metrics[f"{name}_{each}"] = probe.accuracy(model, asked)
    return metrics


USES = (compare, rotnet.train, autoencoder.train, probe.train, profiles.device)
OBJECTS = Experiment("rotnet-objects", measure_objects, uses=(*USES, objects))
CIFAR = Experiment("rotnet-cifar", measure_cifar, uses=USES, data=("cifar10_jpeg",))
TURNS = Experiment("rotnet-sets", measure_sets, uses=(*USES, objects))
FEW = Experiment("rotnet-few", measure_few, uses=(*USES, objects))


# Claims --------------------------------------------------------------------------------------------------------------

TABLE_1, TABLE_2, TABLE_3 = (f"{PAPER}, table {number}" for number in (1, 2, 3))
AHEAD_OF_RANDOM = exceeds("rotnet_2", "random_2", by=0.1)
AHEAD_OF_DRAWING = exceeds("rotnet_2", "autoencoder_2")
CLAIMS = (
    Claim("rotnet-turns",
          "A network learns to say how far an upright object was turned: right for four turns in five, and for exactly "
          "one in four where the picture looks the same from all sides.", f"{PAPER}, section 3", {}, OBJECTS,
          together(bound("turns", at_least=0.8), bound("symmetric", at_least=0.25, at_most=0.25))),
    Claim("rotnet-random",
          "On drawn objects its second block is worth at least ten points more to a classifier than that of a random "
          "network.", TABLE_3, {}, OBJECTS, AHEAD_OF_RANDOM),
    Claim("rotnet-autoencoder", "There it is ahead of an autoencoder's.", TABLE_3, {}, OBJECTS, AHEAD_OF_DRAWING),
    Claim("rotnet-random-cifar",
          "On photographs its second block is worth more to a classifier than that of a random network.", TABLE_3,
          {"rotnet_2": 0.8906, "labels": 0.928}, CIFAR, exceeds("rotnet_2", "random_2")),
    Claim("rotnet-autoencoder-cifar", "There it is ahead of an autoencoder's, too.", TABLE_3, {}, CIFAR,
          AHEAD_OF_DRAWING),
    Claim("rotnet-last-block",
          "The last block is worth less than the second one: it has learnt to say how a picture is turned, not what is "
          "on it.", TABLE_1, {"rotnet_1": 0.8507, "rotnet_2": 0.8906, "rotnet_3": 0.8621, "rotnet_4": 0.6173}, CIFAR,
          exceeds("rotnet_2", "rotnet_4")),
    Claim("rotnet-labels", "A network that had all labels is ahead of it.", TABLE_3, {"labels": 0.928}, CIFAR,
          exceeds("labels", "rotnet_2")),
    Claim("rotnet-four-turns",
          "Four turns teach features that are worth more than those of two turns.", TABLE_2,
          {"four": 0.8906, "eight": 0.8851, "half": 0.8746, "quarter": 0.8552}, TURNS,
          together(exceeds("four", "half"), exceeds("four", "quarter"))),
    Claim("rotnet-few",
          "With five labels of each class, a head on its features is ahead of the same layers trained from nothing.",
          f"{PAPER}, figure 3", {}, FEW, exceeds("rotnet_5", "nothing_5")),
)
