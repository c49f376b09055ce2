"""What lecture bias_free says of bias-free networks, and the experiment behind it.

At lecture profile the networks have 7 layers of 32 channels and train for less than a minute each on the bundled
photographs; at full profile they are the paper's, trained on Train400. The bias-free network and its twin get the same
batches, steps and first weights. All scores are PSNR in dB, of fixed noisy images, in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_lib import data
from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, growing, together
from course_lib.claims.denoising import mean_psnr, scored, training_images
from course_lib.data.images import read, to_float
from course_lib.denoise import bias_free
from course_lib.denoise.bias_free import BiasedTwin, BiasFreeDnCNN
from course_lib.denoise.dncnn import DnCNN
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, Profile, choose

PAPER = "Mohan et al. 2020 (bias-free networks)"
LEVELS = (5, 10, 20, 30, 50, 75, 100)
RANGES = (10, 55)                            # trained from no noise up to this level
TABLE = (10, 50)                             # levels of the scores on BSD68
FACTORS = (0.2, 2.0, 5.0)
VIEWED = (10, 30, 100)                       # levels of the local linear view, the paper's
PATCH = 24                                   # side of the patches whose Jacobian is taken
PLACES = ((148, 236), (128, 178))            # their left upper corners: a nose, an ear


def network(seed: int, *, biased: bool) -> DnCNN:
    """Build the network of the experiments, or its twin with biases, by profile."""
    depth, width = choose(smoke=(3, 8), lecture=(7, 32), full=(20, 64))
    return (BiasedTwin if biased else BiasFreeDnCNN)(depth=depth, width=width, seed=seed)


def budget() -> Budget:
    """Choose the training's length: less than a minute at lecture profile, a handful of steps at smoke, 70 of the
    paper's epochs at full."""
    return choose(smoke=Budget(20, 4, 24), lecture=Budget(2000, 8, 36), full=Budget(220_000, 128, 50))


# Experiment --------------------------------------------------------------------------------------------------------


def measure_levels(profile: Profile, seed: int) -> dict[str, float]:
    """Train bias-free networks and their twins on faint and on all usual noise, and score them at levels inside and
    outside."""
    images, pictures = training_images(), scored("photographs")
    models: dict[tuple[str, int], nn.Module] = {
        (kind, high): bias_free.train(images, sigma=(0.0, high / 255), budget=budget(), seed=seed,
                                      network=network(seed, biased=kind == "twin")).model
        for high in RANGES for kind in ("free", "twin")}
    metrics = {f"{kind}_{high}_at_{level}": mean_psnr(model, pictures, level / 255)
               for (kind, high), model in models.items() for level in LEVELS}
    metrics |= {f"noisy_at_{level}": mean_psnr(lambda z, sigma=None: z, pictures, level / 255) for level in LEVELS}
    metrics |= {f"bsd68_{kind}_at_{level}": mean_psnr(models[kind, 10], scored("BSD68"), level / 255)
                for kind in ("free", "twin") for level in TABLE}

    def scaled(z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        twin = models["twin", 10]
        return 5 * twin(z.to(next(twin.parameters()).device) / 5).cpu()      # noise of 50 arrives as noise of 10

    metrics["twin_10_scaled_at_50"] = mean_psnr(scaled, pictures, 50 / 255)
    return metrics | constants({kind: models[kind, 10] for kind in ("free", "twin")}) | linear_view(models["free", 55])


def constants(models: dict[str, nn.Module]) -> dict[str, float]:
    """Measure what additive constants do: the largest homogeneity error, and the net bias in gray levels of 255."""
    metrics = {}
    for kind, model in models.items():
        device = next(model.parameters()).device
        for level in (5, 50):
            pairs = data.fixed_pairs(scored("photographs"), Gaussian(level / 255), seed=0)
            crops = [z[..., :160, :160].to(device) for z, _ in pairs]
            squares = [bias_free.net_bias(model, z).square().mean() for z in crops]
            metrics[f"net_bias_{kind}_at_{level}"] = 255 * math.sqrt(sum(map(float, squares)) / len(squares))
            metrics[f"homogeneity_{kind}_at_{level}"] = max(
                bias_free.homogeneity_error(model, z, factor=factor) for z in crops for factor in FACTORS)
    return metrics


def linear_view(model: nn.Module) -> dict[str, float]:
    """Measure the Jacobian at two patches of a photograph, at three levels: its dimensions, its row sums, its symmetry
    and its filters' widths."""
    device, inner = next(model.parameters()).device, range(8, PATCH - 8)
    picture = to_float(data.photographs("test")["camera"])
    metrics: dict[str, float] = {}
    for level in VIEWED:
        found: dict[str, list[float]] = {}
        for place, (top, left) in enumerate(PLACES):
            y = picture[..., top : top + PATCH, left : left + PATCH]
            z = Gaussian(level / 255)(y, generator=torch.Generator().manual_seed(place)).to(device)
            matrix = bias_free.jacobian(model, z).cpu()
            filters = matrix.reshape(PATCH, PATCH, 1, PATCH, PATCH)
            values = {"dimensions": bias_free.effective_dimensionality(matrix),
                      "row_sum": float(matrix.sum(dim=1).mean()),
                      "asymmetry": float((matrix - matrix.mT).norm() / matrix.norm()),
                      "width": sum(bias_free.filter_width(filters[row, column], pixel=(row, column))
                                   for row in inner for column in inner) / len(inner) ** 2}
            for name, value in values.items():
                found.setdefault(name, []).append(value)
        metrics |= {f"{name}_at_{level}": sum(several) / len(several) for name, several in found.items()}
    return metrics


EXPERIMENT = Experiment("bias_free-levels", measure_levels, (read,), ("photographs", "BSD68"))


# Claims ------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("bias_free-homogeneous",
          "Without additive constants a trained network is homogeneous, with them it is not.",
          f"{PAPER}, section 4", {}, EXPERIMENT,
          together(bound("homogeneity_free_at_5", "homogeneity_free_at_50", at_most=1e-5),
                   bound("homogeneity_twin_at_5", "homogeneity_twin_at_50", above=1e-3))),
    Claim("bias_free-generalises",
          "Trained on noise from 0 to 10 only, at 50 the bias-free network is at least 5 dB ahead of its twin.",
          f"{PAPER}, figures 1 and 3, and the curves of the authors' code", {"bsd68_free_at_50": 25.80,
          "bsd68_twin_at_50": 15.29}, EXPERIMENT, exceeds("free_10_at_50", "twin_10_at_50", by=5.0)),
    Claim("bias_free-twin-fails",
          "At 50 the twin trained up to 10 removes less than a quarter of the decibels that the bias-free one removes.",
          f"{PAPER}, figure 1; on BSD68 0.4 of 10.9 dB", {}, EXPERIMENT,
          exceeds(0.25 * (Metric("free_10_at_50") - "noisy_at_50"), Metric("twin_10_at_50") - "noisy_at_50")),
    Claim("bias_free-costs-nothing",
          "Within the range of training the twin is nowhere ahead by more than 0.3 dB.",
          f"{PAPER}, section 4: 33.84 against 33.69 dB at 10 on BSD68", {"bsd68_free_at_10": 33.84,
          "bsd68_twin_at_10": 33.69}, EXPERIMENT,
          bound(*(Metric(f"twin_{high}_at_{level}") - f"free_{high}_at_{level}"
                  for high, level in ((10, 5), (10, 10), (55, 20), (55, 50))), below=0.3)),
    Claim("bias_free-little-is-enough",
          "At 50, a bias-free network that met noise up to 10 is within a decibel of one that met noise up to 55.",
          f"{PAPER}, curves of the authors' code: 25.80 and 26.18 dB on BSD68", {}, EXPERIMENT,
          bound(Metric("free_55_at_50") - "free_10_at_50", below=1.0)),
    Claim("bias_free-beyond-any-range",
          "Trained up to 55, at 100 the bias-free network is at least 3 dB ahead of its twin.",
          f"{PAPER}, curves of the authors' code: 23.57 and 15.43 dB on BSD68", {}, EXPERIMENT,
          exceeds("free_55_at_100", "twin_55_at_100", by=3.0)),
    Claim("bias_free-net-bias",
          "The net bias of the twin grows outside of its range: at 50 it is more than twice that at 5.",
          f"{PAPER}, figure 1: small within the range of training, and exploding outside", {}, EXPERIMENT,
          together(exceeds("net_bias_twin_at_50", 2 * Metric("net_bias_twin_at_5")),
                   bound("net_bias_free_at_50", below=1e-3))),
    Claim("bias_free-scaled-by-hand",
          "Divide the noisy image by 5, denoise it with the twin, multiply by 5: at 50 that is at least 3 dB ahead of "
          "the twin alone.", "this course; the trick is that of Boracchi 2025 for NN3D at a level that is not known",
          {}, EXPERIMENT, exceeds("twin_10_scaled_at_50", "twin_10_at_50", by=3.0)),
    Claim("bias_free-fewer-dimensions",
          "The more noise, the fewer dimensions a bias-free network lets through: about as one over its level.",
          f"{PAPER}, section 5 and figure 6; on the authors' example 210, 108 and 44 of 900 at 10, 30 and 100", {},
          EXPERIMENT,
          together(growing(*(f"dimensions_at_{level}" for level in reversed(VIEWED))),
                   bound(Metric("dimensions_at_100") / "dimensions_at_10", above=10**-1.5, below=10**-0.5))),
    Claim("bias_free-adaptive-averages",
          "Each estimate is an average of noisy pixels, weights summing to one, over a region that grows with the "
          "noise.", f"{PAPER}, section 5 and figure 4", {}, EXPERIMENT,
          together(bound(*(abs(Metric(f"row_sum_at_{level}") - 1) for level in VIEWED), below=0.1),
                   growing(*(f"width_at_{level}" for level in VIEWED)))),
)
