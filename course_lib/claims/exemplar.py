"""What lecture generative_pretexts says of exemplar networks, and the experiment behind it.

Seeds are pieces of six photographs with something on them, chosen as in the paper; each is a class of its own, and a
network learns to say which one a moved, scaled, turned and recoloured copy came from. At lecture profile there are 200
seeds, and the convolutions have half of the paper's channels. Measured is on 200 seeds of other photographs, with the
hidden layer's features: the cosine of a seed and of a copy of it ("own"), of a seed and copies of other seeds
("others"), and for what share of the copies the nearest seed by the cosine is its own ("found"). "random" is the same
network with its first weights. The probe asks the second convolution, by the protocol of `transfer`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import profiles, randomness
from course_lib.claims import Claim, Experiment, Metric, exceeds
from course_lib.claims.transfer import Trunk, worth
from course_lib.data.images import read
from course_lib.data.photographs import photographs
from course_lib.embeddings import as_float, embed
from course_lib.pretext import exemplar
from course_lib.pretext.exemplar import ExemplarNet, Transformation, seeds
from course_lib.profiles import Budget, Profile, choose

PAPER = "Dosovitskiy et al. 2014 (exemplar networks)"
SIZE = 32
SAME = Transformation(shift=0.0, scale=(1.0, 1.0), turn=0.0, colour=0.0)      # leaves a seed as it is


def network(seed: int, count: int) -> ExemplarNet:
    """Build the network of the experiments for so many seeds, by profile."""
    return ExemplarNet(outputs=count, width=choose(smoke=4, lecture=32, full=64), seed=seed)


def budget() -> Budget:
    """Choose how long the experiments train, by profile."""
    return choose(smoke=Budget(3, 4), lecture=Budget(400, 64), full=Budget(50_000, 128))


def patches(seed: int) -> tuple[Tensor, Tensor]:
    """Choose seeds in photographs to learn from, and in others, by profile."""
    known, asked = choose(smoke=(6, 4), lecture=(200, 100), full=(8000, 500))
    other = [seeds(photographs(split, channels=3), asked, size=SIZE, seed=seed) for split in ("validation", "test")]
    return seeds(photographs("train", channels=3), known, size=SIZE, seed=seed), torch.cat(other)


def invariance(network: ExemplarNet, asked: Tensor, seed: int) -> dict[str, float]:
    """Measure how near the features of a transformed copy are to those of its seed, and to those of other seeds."""
    generator = randomness.generator(seed, "copies")
    plain, copies = (F.normalize(embed(network.features, change(as_float(asked), generator)), dim=1)
                     for change in (SAME, Transformation()))
    cosines = copies @ plain.T                                                               # (copies, seeds)
    own = cosines.diagonal()
    others = (cosines.sum() - own.sum()) / (cosines.numel() - len(own))
    found = cosines.argmax(dim=1) == torch.arange(len(asked))
    return {"own": float(own.mean()), "others": float(others), "found": float(found.float().mean())}


def second(network: ExemplarNet) -> Trunk:
    """Let a probe see what the second convolution gives."""
    return Trunk(network, lambda images: network.features(images, 2))


def measure(profile: Profile, seed: int) -> dict[str, float]:
    """Compare a trained network with one of random weights, on seeds that neither has seen, and on drawn objects."""
    known, asked = patches(seed)
    networks = {name: network(seed, len(known)).eval() for name in ("exemplar", "random")}
    exemplar.train(known, budget=budget(), seed=seed, network=networks["exemplar"])
    metrics = {f"{name}_{what}": value for name, of in networks.items()
               for what, value in invariance(of, asked, seed).items()}
    return metrics | worth({f"{name}_probe": second(of) for name, of in networks.items()}, seed)


PHOTOGRAPHS = Experiment("exemplar-photographs", measure, uses=(read, exemplar.train, profiles.device),
                         data=("photographs",))


# Claims --------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("exemplar-invariance",
          "On seeds of photographs that it has not seen, a trained network tells copies of a seed from copies of other "
          "seeds by a larger difference of cosines than a random network.", f"{PAPER}, section 4.4", {}, PHOTOGRAPHS,
          exceeds(Metric("exemplar_own") - "exemplar_others", Metric("random_own") - "random_others")),
    Claim("exemplar-found",
          "For more of the copies the nearest seed is their own.", f"{PAPER}, section 4.4", {}, PHOTOGRAPHS,
          exceeds("exemplar_found", "random_found")),
    Claim("exemplar-transfer",
          "A linear head on the features of an exemplar network finds the kind of a drawn object more often than one "
          "on a random network.", f"{PAPER}, table 1", {}, PHOTOGRAPHS, exceeds("exemplar_probe", "random_probe")),
)
