"""What lecture nonlocality says of NN3D and of scaling, and the experiments behind it.

At lecture profile the networks are those of lectures dncnn and ffdnet, 7 or 8 layers of 32 channels trained for about a
minute on the bundled photographs, and the table is of Set12 at sigma 50. At full profile they are the papers', and the
table has the paper's three levels and BSD68 too. All scores are PSNR in dB, of fixed noisy images, in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from course_lib import data, profiles, randomness
from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, together
from course_lib.claims.denoising import scored, training_images
from course_lib.data.images import read
from course_lib.denoise import dncnn, ffdnet
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.nn3d import NN3D, Bank, Round, Scaled, filter_groups, similar
from course_lib.denoiser import Denoiser
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, Profile, choose
from course_lib.quality import psnr

PAPER = "Cruz et al. 2018 (NN3D)"
SIGMA = 50 / 255
NAMED = {"02": "house", "09": "barbara"}                    # Set12 by number
REPEATING = ("house", "barbara", "brick")
PHOTOGRAPHS = ("brick", "camera", "chelsea")
MOST = 4                                                    # iterations that are looked at; the paper has two
LEVELS = (15, 25, 40, 50, 60, 75, 90)                       # where the network for 50 is tried
# The source's table I: BM3D, DnCNN, NN3D(DnCNN), FFDNet, NN3D(FFDNet), WDnCNN, NN3D(WDnCNN)
TABLE = {
    ("Set12", 30): (29.12, 29.54, 29.66, 29.63, 29.66, 29.91, 29.96),
    ("Set12", 50): (26.70, 27.19, 27.32, 27.33, 27.39, 27.48, 27.61),
    ("Set12", 75): (24.90, 25.22, 25.43, 25.51, 25.61, 25.64, 25.81),
    ("BSD68", 30): (27.75, 28.36, 28.41, 28.38, 28.37, 28.56, 28.56),
    ("BSD68", 50): (25.63, 26.23, 26.27, 26.30, 26.29, 26.39, 26.42),
    ("BSD68", 75): (24.22, 24.64, 24.71, 24.79, 24.80, 24.85, 24.91),
    ("Urban100", 30): (28.75, 28.88, 29.23, 29.06, 29.18, 29.84, 30.04),
    ("Urban100", 50): (25.95, 26.28, 26.63, 26.55, 26.76, 27.08, 27.49),
    ("Urban100", 75): (23.93, 23.99, 24.45, 24.53, 24.81, 25.06, 25.53),
}


def trained_at(level: int, *, seed: int, bias_free: bool = False) -> nn.Module:
    """Train a DnCNN for one level (of 255), by profile; bias-free without normalisation and biases, so homogeneous."""
    depth, width = choose(smoke=(3, 8), lecture=(7, 32), full=(17, 64))
    network = DnCNN(depth=depth, width=width, seed=seed) if not bias_free else \
        DnCNN(depth=depth, width=width, seed=seed, batch_norm=False, bias=False)
    budget = choose(smoke=Budget(10, 4, 24), lecture=Budget(1500, 16, 36), full=Budget(80_000, 128, 40))
    return dncnn.train(training_images(), sigma=level / 255, budget=budget, seed=seed, network=network).model


def denoisers(seed: int) -> dict[str, Denoiser]:
    """Train what NN3D is put around: a bank of DnCNN-S, since each iteration has a level of its own, and one FFDNet."""
    depth, width = choose(smoke=(3, 8), lecture=(8, 32), full=(15, 64))
    budget = choose(smoke=Budget(10, 4, 24), lecture=Budget(4000, 8, 48), full=Budget(80_000, 128, 70))
    flexible = ffdnet.train(training_images(), budget=budget, seed=seed,
                            network=FFDNet(depth=depth, width=width, seed=seed)).model
    bank = Bank({level / 255: trained_at(level, seed=seed)
                 for level in choose(smoke=(50,), lecture=(25, 50), full=(15, 25, 30, 38, 50, 75))})
    return {"dncnn": bank, "ffdnet": flexible}


def pairs(pictures: dict[str, Tensor], level: int) -> list[tuple[str, Tensor, Tensor]]:
    """Name, noisy and clean image of each picture, where networks are; their noise is always the same."""
    made = data.fixed_pairs(pictures, Gaussian(level / 255), seed=0)
    where = profiles.device()
    return [(name, z.to(where), y.to(where)) for name, (z, y) in zip(pictures, made, strict=True)]


def scores(rounds: list[Round], y: Tensor) -> tuple[float, float]:
    """Score the first iteration, which is the network alone, and the last one."""
    return float(psnr(rounds[0].denoised, y)), float(psnr(rounds[-1].estimate, y))


# Experiments -------------------------------------------------------------------------------------------------------


def measure_gain(profile: Profile, seed: int) -> dict[str, float]:
    """Score both networks alone, within NN3D, and in its iterations without the filter; on sets the means of their
    images."""
    sets = {name: scored(name) for name in choose(smoke=("Set12",), lecture=("Set12",), full=("Set12", "BSD68"))}
    metrics: dict[str, float] = {}
    for net, denoiser in denoisers(seed).items():
        for name, pictures in {**sets, "photographs": scored("photographs")}.items():
            for level in choose(smoke=(50,), lecture=(50,), full=(30, 50, 75)):
                found = {}
                for key, z, y in pairs(pictures, level):
                    alone, joined = scores(NN3D(denoiser).rounds(z, sigma=level / 255), y)
                    control = scores(NN3D(denoiser, grouped=False).rounds(z, sigma=level / 255), y)[1]
                    found[key] = {"alone": alone, "nn3d": joined, "ungrouped": control}
                rows = {NAMED.get(key, key): row for key, row in found.items()
                        if level == 50 and (name == "photographs" or (name == "Set12" and key in NAMED))}
                rows[f"{name.lower()}_{level}"] = {kind: sum(row[kind] for row in found.values()) / len(found)
                                                   for kind in ("alone", "nn3d", "ungrouped")}
                metrics |= {f"{net}_{key}_{kind}": value for key, row in rows.items() for kind, value in row.items()}
    return metrics


def measure_parts(profile: Profile, seed: int) -> dict[str, float]:
    """Measure at level 50 the gain after each iteration, and what it depends on: where groups are found, how many, how
    strongly."""
    bank = Bank({level / 255: trained_at(level, seed=seed) for level in (25, 50)})
    found: dict[str, list[float]] = {}

    def note(key: str, estimate: Tensor, alone: Tensor, y: Tensor) -> None:
        found.setdefault(key, []).append(float(psnr(estimate, y) - psnr(alone, y)))

    side = choose(smoke=60, lecture=200, full=10_000)
    middles = {name: picture[:, 60 : 60 + side, 60 : 60 + side] for name, picture in scored("photographs").items()}
    for name, z, y in pairs(middles, 50):
        rounds = NN3D(bank, iterations=MOST).rounds(z, sigma=SIGMA)
        first = rounds[0].denoised
        for k, done in enumerate(rounds, start=1):
            note(f"{name}_iteration_{k}", done.estimate, first, y)
        chance = torch.randn(y.shape, generator=randomness.generator(seed, "chance", name)).to(y)
        for where, image in (("chance", chance), ("noisy", z), ("denoised", first), ("clean", y)):
            matches = similar(image, patch=10, count=32, window=39, stride=5)
            note(f"{name}_groups_{where}", filter_groups(first, matches, patch=10, tau=SIGMA / 4), first, y)
            found[f"{name}_agree_{where}"] = [agreement(matches, similar(y, patch=10, count=32, window=39, stride=5))]
        matches = similar(first, patch=10, count=32, window=39, stride=5)
        for count in (1, 2, 4, 8, 16, 32):
            note(f"{name}_count_{count}", filter_groups(first, matches[..., :count], patch=10, tau=SIGMA / 4), first, y)
        for share in (2, 4, 8, 16):
            note(f"{name}_tau_{share}", filter_groups(first, matches, patch=10, tau=SIGMA / share), first, y)
    return {key: values[0] for key, values in found.items()}


def agreement(matches: Tensor, others: Tensor) -> float:
    """Return the share of positions that two searches have in common, of those beside the reference itself."""
    both = (matches[..., 1:, None] == others[..., None, 1:]).any(dim=-1)
    return float(both.float().mean())


def measure_scaling(profile: Profile, seed: int) -> dict[str, float]:
    """Score a network for 50 at other levels, as it is and scaled, beside its twin without biases and networks for 25
    and 75."""
    nets: dict[str, nn.Module] = {
        "biased": trained_at(50, seed=seed), "free": trained_at(50, seed=seed, bias_free=True),
        "own_25": trained_at(25, seed=seed), "own_75": trained_at(75, seed=seed)}
    metrics: dict[str, float] = {}
    for level in LEVELS:
        found: dict[str, list[Tensor]] = {}
        for _, z, y in pairs(scored("photographs"), level):
            with torch.inference_mode():
                for name, net in nets.items():
                    if name in ("biased", "free"):
                        found.setdefault(f"{name}_plain", []).append(psnr(net(z), y))
                        found.setdefault(f"{name}_scaled", []).append(psnr(Scaled(net, SIGMA)(z, sigma=level / 255), y))
                    elif name == f"own_{level}":
                        found.setdefault("own", []).append(psnr(net(z), y))
        metrics |= {f"{name}_at_{level}": float(torch.cat(values).mean()) for name, values in found.items()}
    return metrics


GAIN = Experiment("nn3d-gain", measure_gain, (read,), ("photographs", "Set12", "BSD68"))
PARTS = Experiment("nn3d-parts", measure_parts, (read,), ("photographs",))
SCALING = Experiment("nn3d-scaling", measure_scaling, (read,), ("photographs",))


# Claims ------------------------------------------------------------------------------------------------------------


NETS = ("dncnn", "ffdnet")


def _added(k: int) -> Metric:
    """What iteration k adds to the mean score of the photographs."""
    def gain(row: Mapping[str, float], k: int) -> float:
        return sum(row[f"{name}_iteration_{k}"] for name in PHOTOGRAPHS) / 3 if k else 0.0

    return Metric(f"iteration_{k}_adds", lambda row: gain(row, k) - gain(row, k - 1))


def _scaling_changes(net: str, levels: Sequence[int]) -> list[Metric]:
    return [abs(Metric(f"{net}_scaled_at_{level}") - f"{net}_plain_at_{level}") for level in levels]


CLAIMS = (
    Claim("nn3d-improves",
          "NN3D improves DnCNN and FFDNet at sigma 50 by more than a tenth of a decibel on House, on Barbara and on a "
          "photograph of a brick wall.", f"{PAPER}, table I: Set12 at 50, DnCNN 27.19 to 27.32, FFDNet 27.33 to 27.39",
          {}, GAIN, together(*(exceeds(f"{net}_{name}_nn3d", f"{net}_{name}_alone", by=0.1)
                               for net in NETS for name in REPEATING))),
    Claim("nn3d-table",
          "On the mean of Set12 at sigma 50, too, NN3D is ahead of the network that it is put around.",
          f"{PAPER}, table I; its networks are the papers', with 17 and 15 layers of 64",
          dict(zip(("dncnn_set12_50_alone", "dncnn_set12_50_nn3d", "ffdnet_set12_50_alone", "ffdnet_set12_50_nn3d"),
                   TABLE["Set12", 50][1:5], strict=True)), GAIN,
          together(*(exceeds(f"{net}_set12_50_nn3d", f"{net}_set12_50_alone") for net in NETS))),
    Claim("nn3d-iterations-alone-ffdnet",
          "Without groups the same two iterations do not improve FFDNet on House, Barbara and the brick wall.",
          f"{PAPER}, on what the non-local filter is for; the paper has no such column", {}, GAIN,
          bound(*(Metric(f"ffdnet_{name}_ungrouped") - f"ffdnet_{name}_alone" for name in REPEATING), below=0.05)),
    Claim("nn3d-iterations-alone-dncnn",
          "Without groups the same two iterations do not improve a bank of DnCNNs either.",
          f"{PAPER}, on what the non-local filter is for; the paper has no such column", {}, GAIN,
          bound(*(Metric(f"dncnn_{name}_ungrouped") - f"dncnn_{name}_alone" for name in REPEATING), below=0.05)),
    Claim("nn3d-needs-groups",
          "On each of the three pictures, and for both networks, NN3D with groups is ahead of NN3D without.",
          f"{PAPER}, on what the non-local filter is for", {}, GAIN,
          together(*(exceeds(f"{net}_{name}_nn3d", f"{net}_{name}_ungrouped", by=0.1)
                     for net in NETS for name in REPEATING))),
    Claim("nn3d-likeness",
          "Groups of patches that are alike are worth more than groups that were drawn by lot from the same window.",
          f"{PAPER}, on self-similarity", {}, PARTS,
          together(*(exceeds(f"{name}_groups_denoised", f"{name}_groups_chance") for name in PHOTOGRAPHS))),
    Claim("nn3d-found-when-denoised",
          "Searched for in the denoised image, groups have many more members in common with those of the clean image "
          "than searched for in the noisy one.", f"{PAPER}: groups are found in the first estimate of the network", {},
          PARTS, together(*(exceeds(f"{name}_agree_denoised", f"{name}_agree_noisy", by=0.1) for name in PHOTOGRAPHS))),
    Claim("nn3d-better-when-denoised",
          "And the filter gains more with these groups, on each of the three photographs.",
          f"{PAPER}: groups are found in the first estimate of the network", {}, PARTS,
          together(*(exceeds(f"{name}_groups_denoised", f"{name}_groups_noisy") for name in PHOTOGRAPHS))),
    Claim("nn3d-first-counts",
          "The first iteration brings most of the gain; further ones add or take less than half as much.",
          f"{PAPER}: two iterations are enough", {}, PARTS,
          together(*(exceeds(_added(1), 2 * abs(_added(k))) for k in range(2, MOST + 1)))),
    Claim("nn3d-scaled",
          "Scaled to the level that it knows, a network for 50 is more than three decibels better at 75 than as it "
          "is, and within half a decibel of a network that was trained for 75.",
          f"{PAPER}, table I: scaled by 50/75, WDnCNN is ahead of FFDNet, which knows 75, by 0.13 dB on Set12", {},
          SCALING, together(exceeds("biased_scaled_at_75", "biased_plain_at_75", by=3.0),
                            exceeds("biased_scaled_at_75", "own_at_75", by=-0.5)), seeds=5),
    Claim("nn3d-scaled-down-only",
          "Downwards it works less well: at 25, where the image must be made twice as bright, the scaled network for "
          "50 is further behind the network trained for 25 than at 75 behind that for 75.",
          "none; follows from what the network was trained on", {}, SCALING,
          exceeds(Metric("own_at_25") - "biased_scaled_at_25", Metric("own_at_75") - "biased_scaled_at_75"), seeds=5),
    Claim("nn3d-scaled-without-biases",
          "For the same network without biases scaling changes nothing: it does so by itself.",
          "Mohan et al. 2020 (BF-CNN): without biases a ReLU network is homogeneous", {}, SCALING,
          together(bound(*_scaling_changes("free", LEVELS), below=0.001),
                   bound(*_scaling_changes("biased", (25, 75)), above=0.1))),
)
