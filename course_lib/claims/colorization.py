"""What lecture generative_pretexts says of colorization, and the experiment behind it.

Networks learn to colour pieces of six small photographs, 64 pixels wide, and are asked about pieces of two others. At
lecture profile they have an eighth of the paper's channels and see 16 pieces in each step. "squared" answers with one
colour and is trained on squared errors; "plain" gives a distribution over the bins, and all bins count alike;
"rebalanced" is the same with weights for rare bins. Colours are the annealed mean at a temperature of 0.38 where
nothing else is said; "at_100" stands for a temperature of 1. Chroma is the mean over all predicted colours, errors are
the root of the mean squared distance in the plane of colours. The probe asks the fifth group, by the protocol of
`transfer`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib import profiles
from course_lib.claims import Claim, Experiment, Metric, exceeds, growing, together
from course_lib.claims.transfer import Trunk, worth
from course_lib.data.images import read
from course_lib.data.pieces import pieces
from course_lib.embeddings import as_float
from course_lib.networks import settle
from course_lib.pretext import colorization, lab
from course_lib.pretext.colorization import ColorNet, balance, bins, chroma, predicted, prior, split
from course_lib.profiles import Budget, Profile, choose

PAPER = "Zhang et al. 2016 (colorization)"
SIZE = 64
TEMPERATURES = (100, 38, 10)        # per cent


def network(seed: int, *, outputs: int = 313) -> ColorNet:
    """Build the network of the experiments, by profile."""
    return ColorNet(width=choose(smoke=4, lecture=8, full=64), outputs=outputs, seed=seed)


def budget() -> Budget:
    """Choose how long the experiments train, by profile."""
    return choose(smoke=Budget(3, 4), lecture=Budget(250, 16), full=Budget(20_000, 40))


def pictures(seed: int) -> tuple[Tensor, Tensor]:
    """Cut pieces of photographs to learn from, and pieces of two others, by profile."""
    known, asked = choose(smoke=(8, 2), lecture=(1000, 50), full=(20_000, 500))
    return (pieces(known, size=SIZE, seed=seed),
            torch.cat([pieces(asked, size=SIZE, seed=seed, split=split) for split in ("validation", "test")]))


def weights(known: Tensor) -> Tensor:
    """Compute the weight of each bin from how often it occurs in some pictures."""
    _, ab = split(as_float(known))
    return balance(prior(ab.movedim(1, -1).flatten(0, -2), bins()))


def features(network: ColorNet) -> Trunk:
    """Let a probe see what the fifth group gives for the lightness of a picture."""
    return Trunk(network, lambda images: network.features(lab.from_rgb(images)[:, :1]))


def untrained(seed: int, known: Tensor, *, batches: int = 4) -> ColorNet:
    """Build the network with its first weights, whose normalisations have seen these pictures."""
    lightness, _ = split(as_float(known[:200]))
    return settle(network(seed), [lightness[start::batches] for start in range(batches)])


def measure(profile: Profile, seed: int) -> dict[str, float]:
    """Compare the colours that three ways of training give, and what the features of one of them are worth."""
    known, asked = pictures(seed)
    lightness, ab = split(as_float(asked))
    balanced = weights(known)
    metrics = {"true": float(chroma(ab).mean())}
    trained: dict[str, ColorNet] = {}
    for name, outputs, weight in (("squared", 2, None), ("plain", 313, None), ("rebalanced", 313, balanced)):
        model = network(seed, outputs=outputs)
        colorization.train(known, budget=budget(), seed=seed, network=model, weight=weight)
        trained[name] = model
        found = predicted(model, lightness)
        metrics[name] = float(chroma(found).mean())
        metrics[f"{name}_error"] = float((found - ab).square().sum(dim=1).mean().sqrt())
    for name in ("plain", "rebalanced"):
        for percent in TEMPERATURES:
            found = predicted(trained[name], lightness, temperature=percent / 100)
            metrics[f"{name}_at_{percent}"] = float(chroma(found).mean())
    shares = worth({"probe": features(trained["rebalanced"]), "random_probe": features(untrained(seed, known))}, seed)
    return metrics | shares


PHOTOGRAPHS = Experiment("colorization-photographs", measure, uses=(read, colorization.train, profiles.device),
                         data=("photographs",))


# Claims --------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("colorization-dull",
          "On photographs that it has not seen, a network trained on squared errors gives less saturated colours than "
          "one trained on bins, and with weights for rare bins that one gives more saturated ones than without.",
          f"{PAPER}, section 2.2", {}, PHOTOGRAPHS,
          together(exceeds("plain", "squared"), exceeds("rebalanced", "plain"))),
    Claim("colorization-temperature",
          "The lower the temperature, the more saturated the colours, in the mean over all pixels.",
          f"{PAPER}, section 2.3", {}, PHOTOGRAPHS,
          together(*(growing(*(f"{name}_at_{percent}" for percent in TEMPERATURES))
                     for name in ("plain", "rebalanced")))),
    Claim("colorization-price",
          "Saturated colours have a price: the errors of the network trained on squared errors are smaller than those "
          "of the network with weights for rare bins.", f"{PAPER}, section 3.1: root mean squared errors", {},
          PHOTOGRAPHS, exceeds(Metric("rebalanced_error"), "squared_error")),
    Claim("colorization-transfer",
          "A linear head on the features of a network that learnt to colour photographs finds the kind of a drawn "
          "object more often than one on a random network.", f"{PAPER}, section 3.2", {}, PHOTOGRAPHS,
          exceeds("probe", "random_probe")),
)
