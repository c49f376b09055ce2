"""What lecture ffdnet says of FFDNet and its noise level map, and the experiment behind it.

At lecture profile the networks have 8 layers of 32 channels and train for a minute or two; at full profile they are the
paper's. All scores are PSNR in dB, of fixed noisy images, in float32.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from course_lib import profiles, randomness
from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, together
from course_lib.claims.denoising import mean_psnr, scored
from course_lib.data import photographs
from course_lib.data.images import read, to_float
from course_lib.denoise import classical, ffdnet
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoiser import Denoiser, score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, Profile, choose

PAPER = "Zhang et al. 2018 (FFDNet)"
LEVELS = (5, 15, 25, 35, 50, 75)
TABLE = {15: 31.63, 25: 29.19, 35: 27.73, 50: 26.29, 75: 24.79}   # the paper's scores on BSD68
QUIET, LOUD = 5 / 255, 40 / 255                                   # the ends of the maps that vary: 20.3 dB, unprocessed
WRONG = tuple((true, told) for true in (15, 25, 50) for told in LEVELS)


def network(seed: int) -> FFDNet:
    """Build the network of the experiments, by profile."""
    depth, width = choose(smoke=(3, 8), lecture=(8, 32), full=(15, 64))
    return FFDNet(depth=depth, width=width, seed=seed)


def budget() -> Budget:
    """Choose the training's length: a minute or two at lecture profile, a handful of steps at smoke, the paper's epochs
    at full."""
    return choose(smoke=Budget(20, 4, 24), lecture=Budget(10_000, 8, 48), full=Budget(80_000, 128, 70))


def ramp(y: Tensor) -> Tensor:
    """Make a noise map for an image (N, C, H, W): quiet at its left side, loud at its right one. Shape (1, 1, H, W)."""
    return torch.linspace(QUIET, LOUD, y.shape[-1]).expand(1, 1, *y.shape[-2:]).clone()


def waves(y: Tensor, *, period: int = 64) -> Tensor:
    """Make a noise map that swings between quiet and loud along both sides, once every period pixels. Shape (1, 1, H,
    W)."""
    down, right = (torch.sin(2 * math.pi * torch.arange(side) / period) for side in y.shape[-2:])
    return (QUIET + (LOUD - QUIET) * (2 + down[:, None] + right) / 4)[None, None]


def variant_scores(denoisers: dict[str, Denoiser], *, prefix: str) -> dict[str, float]:
    """Score denoisers under noise that varies over the image, given the right map and given its mean everywhere."""
    found: dict[str, list[Tensor]] = {}
    for name, picture in scored("photographs").items():
        for kind, make in (("ramp", ramp), ("waves", waves)):
            y = to_float(picture)
            level = make(y)
            z = Gaussian(level)(y, generator=randomness.generator(0, "variant", kind, name))
            for key, denoiser in denoisers.items():
                for told, sigma in (("right", level), ("mean", level.mean())):
                    def informed(z: Tensor, *, sigma: float | Tensor | None = None, told: Tensor = sigma,
                                 denoiser: Denoiser = denoiser) -> Tensor:
                        return denoiser(z, sigma=told.to(z))

                    where = next(iter(denoiser.parameters())).device if isinstance(denoiser, FFDNet) else None
                    found.setdefault(f"{prefix}{kind}_{key}_{told}", []).append(
                        score(informed, [(z.to(where), y.to(where))]))
            found.setdefault(f"{prefix}{kind}_noisy", []).append(score(lambda z, sigma=None: z, [(z, y)]))
    return {key: float(torch.cat(values).mean()) for key, values in found.items()}


# Experiments -------------------------------------------------------------------------------------------------------


def measure_maps(profile: Profile, seed: int) -> dict[str, float]:
    """Score one network with the right level, a wrong level and maps, next to a network trained on varying maps."""
    images, pictures = photographs("train"), scored("photographs")
    model = ffdnet.train(images, budget=budget(), seed=seed, network=network(seed)).model
    varied = ffdnet.train(images, budget=budget(), seed=seed, network=network(seed), maps="variant").model
    metrics = {f"right_at_{level}": mean_psnr(model, pictures, level / 255) for level in LEVELS}
    metrics |= {f"varied_at_{level}": mean_psnr(varied, pictures, level / 255) for level in LEVELS}
    metrics |= {f"nlm_at_{level}": mean_psnr(classical.NonLocalMeans(), pictures, level / 255) for level in LEVELS}
    metrics |= {f"noisy_at_{level}": mean_psnr(lambda z, sigma=None: z, pictures, level / 255) for level in LEVELS}
    for true, told in WRONG:
        def misinformed(z: Tensor, *, sigma: float | Tensor | None = None, told: int = told) -> Tensor:
            return model(z.to(next(model.parameters()).device), sigma=told / 255).cpu()

        metrics[f"true_{true}_told_{told}"] = mean_psnr(misinformed, pictures, true / 255)
    metrics |= variant_scores({"uniform": model, "varied": varied}, prefix="")
    for name in ("Set12", "BSD68"):
        metrics |= {f"{name.lower()}_{level}": mean_psnr(model, scored(name), level / 255) for level in TABLE}
    return metrics


@torch.inference_mode()
def measure_speed(profile: Profile, seed: int) -> dict[str, float]:
    """Time one gray image through FFDNet and DnCNN at the papers' sizes, in milliseconds: the shortest of seven turns
    each, one after the other, in float32."""
    where, side = profiles.device(), choose(smoke=32, lecture=256, full=512)
    z = torch.rand(1, 1, side, side, generator=randomness.generator(seed, "speed")).to(where)
    networks = {"ffdnet": FFDNet(seed=seed).eval().to(where), "dncnn": DnCNN(seed=seed).eval().to(where)}
    shortest = dict.fromkeys(networks, math.inf)
    for _ in range(choose(smoke=1, lecture=7, full=7)):
        for name, network in networks.items():
            before = time.perf_counter()
            network(z, sigma=25 / 255).sum().item()
            shortest[name] = min(shortest[name], 1000 * (time.perf_counter() - before))
    return {f"{name}_ms": value for name, value in shortest.items()} | {
        "times_faster": shortest["dncnn"] / shortest["ffdnet"]}


MAPS = Experiment("ffdnet-maps", measure_maps, (read,), ("photographs", "Set12", "BSD68"))
SPEED = Experiment("ffdnet-speed", measure_speed, times=("dncnn_ms", "ffdnet_ms", "times_faster"))


# Claims ------------------------------------------------------------------------------------------------------------


TOO_LOW, TOO_HIGH = (Metric(f"right_at_{true}") - f"true_{true}_told_{told}" for true, told in ((50, 25), (25, 50)))
CLAIMS = (
    Claim("ffdnet-every-level",
          "One small FFDNet that is told the level is ahead of non-local means at every level of the paper's table, "
          "from 15 to 75.", f"{PAPER}, table III", {}, MAPS,
          together(*(exceeds(f"right_at_{level}", f"nlm_at_{level}") for level in TABLE))),
    Claim("ffdnet-table",
          "After a minute or two of training a small FFDNet is within a decibel of the paper's on BSD68, at all five "
          "levels of its table.", f"{PAPER}, table III: 15 layers of 64",
          {f"bsd68_{level}": value for level, value in TABLE.items()}, MAPS,
          bound(*(Metric(f"bsd68_{level}") - value for level, value in TABLE.items()), above=-1.0)),
    Claim("ffdnet-told-too-low",
          "Told half of the true level it leaves noise in the image and loses more than five decibels.",
          f"{PAPER}, figure 4; Boracchi 2025, wrong M", {}, MAPS, exceeds("right_at_50", "true_50_told_25", by=5.0)),
    Claim("ffdnet-lopsided",
          "Told half of the truth it loses more than twice as much as told twice the truth: in doubt, tell it more.",
          f"{PAPER}, figure 4; Boracchi 2025, wrong M", {}, MAPS,
          together(exceeds(TOO_LOW, 2 * TOO_HIGH), bound(2 * TOO_HIGH, above=1.0))),
    Claim("ffdnet-variant",
          "Under noise that varies over the image, the right map is more than two decibels ahead of its mean told "
          "everywhere.",
          "Boracchi 2025, level maps: 20.55 dB noisy, 30.08 with the true map, 27.45 with a uniform one (one image)",
          {"ramp_noisy": 20.55, "ramp_uniform_right": 30.08, "ramp_uniform_mean": 27.45}, MAPS,
          together(*(exceeds(f"{kind}_uniform_right", f"{kind}_uniform_mean", by=2.0) for kind in ("ramp", "waves")))),
    Claim("ffdnet-uniform-suffices",
          "A network that met uniform maps only handles maps that vary within a fifth of a decibel of one that was "
          "trained on them.",
          f"{PAPER}, section III; Boracchi 2025, FFDNet training", {}, MAPS,
          bound(*(Metric(f"{kind}_varied_right") - f"{kind}_uniform_right" for kind in ("ramp", "waves")), below=0.2)),
    Claim("ffdnet-faster",
          "At the papers' sizes FFDNet denoises an image more than three times as fast as DnCNN.",
          f"{PAPER}, table VI, running times", {}, SPEED, bound("times_faster", above=3)),
)
