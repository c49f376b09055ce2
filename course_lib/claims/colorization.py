"""What lecture generative_pretexts says of colorization, and the experiment behind it.

Networks learn to colour 3000 photographs of CIFAR-10, 32 pixels wide, and are asked about others. At lecture profile
they have an eighth of the paper's channels. "squared" answers with one colour and is trained on squared errors; "plain"
gives a distribution over the bins, and all bins count alike; "rebalanced" is the same with weights for rare bins. The
number behind "at" is the temperature of the annealed mean in per cent: 100 for the plain mean, 38 for the paper's. Each
is measured by its mean chroma over all predicted colours; errors are the root of the mean squared distance in the plane
of colours, at 38. The probe asks the second group, by the protocol of `transfer`.
"""

from __future__ import annotations

from torch import Tensor

from course_lib import data, profiles
from course_lib.claims import Claim, Experiment, exceeds
from course_lib.claims.transfer import Trunk, worth
from course_lib.embeddings import as_float
from course_lib.networks import settle
from course_lib.pretext import colorization, lab
from course_lib.pretext.colorization import ColorNet, balance, bins, chroma, predicted, prior, split
from course_lib.profiles import Budget, Profile, choose

PAPER = "Zhang et al. 2016 (colorization)"
TEMPERATURES = (100, 38, 10)        # per cent
GROUP = 2                           # whose features a probe gets


def network(seed: int, *, outputs: int = 313) -> ColorNet:
    """Build the network of the experiments, by profile."""
    return ColorNet(width=choose(smoke=4, lecture=8, full=64), outputs=outputs, seed=seed)


def budget() -> Budget:
    """Choose how long the experiments train, by profile."""
    return choose(smoke=Budget(3, 4), lecture=Budget(400, 32), full=Budget(20_000, 40))


def pictures() -> tuple[Tensor, Tensor]:
    """Load photographs to learn from, and others to be asked about, by profile."""
    each, asked = choose(smoke=(4, 4), lecture=(300, 30), full=(None, None))
    return (data.labelled("cifar10_jpeg", split="train", per_class=each).images,
            data.labelled("cifar10_jpeg", split="test", per_class=asked).images)


def weights(known: Tensor) -> Tensor:
    """Compute the weight of each bin from how often it occurs in some pictures, 300 at most."""
    _, ab = split(as_float(known[:300]))
    return balance(prior(ab.movedim(1, -1).flatten(0, -2), bins()))


def features(network: ColorNet) -> Trunk:
    """Let a probe see what the second group gives for the lightness of a picture."""
    return Trunk(network, lambda images: network.features(lab.from_rgb(images)[:, :1], groups=GROUP))


def untrained(seed: int, known: Tensor, *, batches: int = 4) -> ColorNet:
    """Build the network with its first weights, whose normalisations have seen these pictures."""
    lightness, _ = split(as_float(known[:200]))
    return settle(network(seed), [lightness[start::batches] for start in range(batches)])


def measure(profile: Profile, seed: int) -> dict[str, float]:
    """Compare the colours that three ways of training give, and what the features of one of them are worth."""
    known, asked = pictures()
    lightness, ab = split(as_float(asked))
    balanced = weights(known)
    metrics = {"true": float(chroma(ab).mean())}
    trained: dict[str, ColorNet] = {}
    for name, outputs, weight in (("squared", 2, None), ("plain", 313, None), ("rebalanced", 313, balanced)):
        model = network(seed, outputs=outputs)
        colorization.train(known, budget=budget(), seed=seed, network=model, weight=weight)
        trained[name] = model
        found = predicted(model, lightness)
        metrics[f"{name}_error"] = float((found - ab).square().sum(dim=1).mean().sqrt())
        for percent in TEMPERATURES:
            found = predicted(model, lightness, temperature=percent / 100)
            metrics[f"{name}_at_{percent}"] = float(chroma(found).mean())
    shares = worth({"probe": features(trained["rebalanced"]), "random_probe": features(untrained(seed, known))}, seed)
    return metrics | shares


CIFAR = Experiment("colorization-cifar", measure, uses=(colorization.train, profiles.device), data=("cifar10_jpeg",))


# Claims --------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("colorization-bins",
          "On photographs that it has not seen, a network trained on bins gives more saturated colours than one "
          "trained on squared errors, at a temperature of 0.38, though all bins count alike.",
          f"{PAPER}, section 2", {}, CIFAR, exceeds("plain_at_38", "squared_at_38")),
    Claim("colorization-weights",
          "With weights for rare bins its colours are more saturated than without, by more than 5 in the mean.",
          f"{PAPER}, section 2.2", {}, CIFAR, exceeds("rebalanced_at_38", "plain_at_38", by=5.0)),
    Claim("colorization-temperature",
          "With these weights, the colours are more saturated at a temperature of 0.38 than at 1, in the mean over all "
          "pixels.", f"{PAPER}, section 2.3", {}, CIFAR, exceeds("rebalanced_at_38", "rebalanced_at_100")),
    Claim("colorization-temperature-plain",
          "Without them, they are less saturated at 0.38 than at 1: the most probable bin is gray.",
          "none; follows from a world that is mostly gray", {}, CIFAR, exceeds("plain_at_100", "plain_at_38")),
    Claim("colorization-price",
          "Saturated colours have a price: the error of squared errors is smaller than that of bins with weights.",
          f"{PAPER}, section 3.1: root mean squared errors", {}, CIFAR, exceeds("rebalanced_error", "squared_error")),
    Claim("colorization-transfer",
          "A linear head on the features of a network that learnt to colour photographs finds the kind of a drawn "
          "object more often than one on a random network.", f"{PAPER}, section 3.2", {}, CIFAR,
          exceeds("probe", "random_probe")),
)
