"""What lecture camera_noise says of CBDNet and of training on the noise of a camera, and the experiments behind it.

The same network is trained three times, by as many steps, on the colour photographs of the course: seen by made-up
cameras, with white noise of any level up to 55, and with white noise of levels up to 15, which are nearer to those of
the real pictures. The 25 real pairs (Nam 2016) are pictures that a camera stored as JPEG; what they are compared with
is a mean of many shots. The levels of the made-up cameras, and that their targets are stored as JPEG too, were settled
while looking at the first twelve pairs. Some objects are in both halves. At lecture profile the U-Net has 16 channels
instead of 64. All scores are PSNR in dB, float32.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib import data, randomness
from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, growing, together
from course_lib.data import Pair
from course_lib.data.images import read, to_float
from course_lib.denoise import cbdnet
from course_lib.denoise.cbdnet import CBDNet, photographed
from course_lib.denoiser import Denoiser, score
from course_lib.noise import Camera, Gaussian
from course_lib.profiles import Budget, Profile, choose

PAPER = "Guo et al. 2019 (CBDNet)"
WIDE, NEAR = (0.0, 55 / 255), (0.0, 15 / 255)   # levels of the white noise that the peers train on
SETTLED = 12                                    # of the 25 real pairs: on these the levels of the made-up cameras were
                                                # settled, and these are fine-tuned on
KNOBS = (0.25, 0.5, 1.0, 2.0, 4.0)              # factors on the estimated map
LEVELS = (15, 25, 50)                           # of white noise that the estimator is asked for, of 255
STRENGTHS = (0.25, 0.5, 1.0)                    # of a camera whose noise is the largest that was trained on, times this


def network(seed: int) -> CBDNet:
    """Build the network of the experiments, by profile."""
    width, estimator_width = choose(smoke=(4, 4), lecture=(16, 16), full=(64, 32))
    return CBDNet(width=width, estimator_width=estimator_width, seed=seed)


def budget(lecture_steps: int, *, full_steps: int = 100_000) -> Budget:
    """Choose the training's length: the steps that are given at lecture profile, a handful at smoke, the paper's
    patches at full."""
    return choose(smoke=Budget(6, 4, 24), lecture=Budget(lecture_steps, 8, 48), full=Budget(full_steps, 32, 128))


def real_pairs() -> dict[str, Pair]:
    """Return the 25 real pairs; at smoke only the middles of the first four."""
    pairs = data.pairs("nam")
    few = {name: Pair(*(picture[:, 200:264, 200:264] for picture in pair)) for name, pair in list(pairs.items())[:4]}
    return choose(smoke=few, lecture=pairs, full=pairs)


def as_floats(pairs: Mapping[str, Pair]) -> list[tuple[Tensor, Tensor]]:
    """Turn real pairs into float pairs (z, y), each (1, 3, H, W)."""
    return [(to_float(pair.noisy), to_float(pair.clean)) for pair in pairs.values()]


def taken(seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Simulate three cameras that each take the photographs that are not trained on: (z, s, y), each (1, 3, H, W)."""
    pictures = data.photographs("test", channels=3) | data.photographs("validation", channels=3)
    return [photographed(to_float(picture[:, 40:232, 100:356]), randomness.generator(seed, "camera", name, str(shot)))
            for name, picture in pictures.items() for shot in range(3)]


def mean_psnr(denoiser: Denoiser, pairs: list[tuple[Tensor, Tensor]]) -> float:
    """Compute the mean score of a blind denoiser on pairs."""
    return float(score(denoiser, pairs).mean())


def unchanged(z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
    """Return the noisy image as it is."""
    return z


# Experiments -------------------------------------------------------------------------------------------------------


def measure_real(profile: Profile, seed: int) -> dict[str, float]:
    """Train one network for each of three kinds of noise, score each on real pairs, then fine-tune it on some of the
    pairs."""
    images, pairs = data.photographs("train", channels=3), real_pairs()
    kinds: dict[str, Any] = {"camera": photographed, "white": WIDE, "near": NEAR}
    models = {name: cbdnet.train(images, degrade=degrade, budget=budget(2000), seed=seed, network=network(seed)).model
              for name, degrade in kinds.items()}
    made = [(z, y) for z, _, y in taken(seed=0)]
    metrics = {}
    everyone: dict[str, Any] = {"noisy": unchanged, **models}
    for name, denoiser in everyone.items():
        metrics[f"real_{name}"] = mean_psnr(denoiser, as_floats(pairs))
        metrics[f"made_{name}"] = mean_psnr(denoiser, made)
    share = choose(smoke=2, lecture=SETTLED, full=SETTLED)
    known, others = dict(list(pairs.items())[:share]), dict(list(pairs.items())[share:])
    tuned = cbdnet.train(images, pairs=known, budget=budget(300, full_steps=20_000), seed=seed + 1,
                         network=copy.deepcopy(models["camera"])).model
    longer = cbdnet.train(images, budget=budget(300, full_steps=20_000), seed=seed + 1,
                          network=copy.deepcopy(models["camera"])).model
    everyone |= {"longer": longer, "tuned": tuned}
    for name, denoiser in everyone.items():
        metrics[f"others_{name}"] = mean_psnr(denoiser, as_floats(others))
    return metrics


def measure_level(profile: Profile, seed: int) -> dict[str, float]:
    """Train with the asymmetric loss, a symmetric one, and exchanged weights, and measure how often the level is too
    low, how far it is off, and what the estimate is worth when the map is scaled; also one network for white noise."""
    images, metrics = data.photographs("train", channels=3), {}
    for name, alpha in (("asymmetric", 0.3), ("symmetric", 0.5), ("exchanged", 0.7)):
        model: Any = cbdnet.train(images, alpha=alpha, budget=budget(600), seed=seed, network=network(seed)).model
        device = next(model.parameters()).device
        found = taken(seed=0)
        with torch.inference_mode():
            levels = [(model.noise_level(z.to(device)).cpu(), s) for z, s, _ in found]
        metrics[f"{name}_too_low"] = float(torch.stack([(level < s).double().mean() for level, s in levels]).mean())
        metrics[f"{name}_ratio"] = float(torch.stack([level.mean() / s.mean() for level, s in levels]).mean())
        if name == "asymmetric":
            for knob in KNOBS:
                def turned(z: Tensor, *, sigma: float | Tensor | None = None, knob: float = knob,
                           model: Any = model) -> Tensor:
                    return model.denoise(z, level=knob * model.noise_level(z))

                metrics[f"knob_{knob:g}"] = mean_psnr(turned, [(z.to(device), y.to(device)) for z, _, y in found])
            metrics |= {f"camera_{strength:g}": found_level(model, camera(strength)) for strength in STRENGTHS}
    model = cbdnet.train(images, degrade=WIDE, budget=budget(600), seed=seed, network=network(seed)).model
    return metrics | {f"white_{level}": found_level(model, Gaussian(level / 255)) for level in LEVELS}


def camera(strength: float) -> Camera:
    """Return a camera with a share of the largest noise that is trained on."""
    return Camera(signal=(strength * cbdnet.SIGNAL[1]) ** 2, read=strength * cbdnet.READ[1])


def found_level(model: Any, noise: Gaussian | Camera) -> float:
    """Compute the ratio of the estimated level to the true one, both as means over test photographs."""
    shares = []
    for name, picture in data.photographs("test", channels=3).items():
        y = to_float(picture[:, 40:232, 100:356])
        z = noise(y, generator=randomness.generator(0, "found level", name)).to(next(model.parameters()).device)
        with torch.inference_mode():
            shares.append(model.noise_level(z).mean().cpu() / noise.variance(y).sqrt().mean())
    return float(torch.stack(shares).mean())


REAL = Experiment("cbdnet-real", measure_real, (read,), ("photographs", "nam"))
LEVEL = Experiment("cbdnet-level", measure_level, (read,), ("photographs",))


# Claims ------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("cbdnet-real-pairs",
          "On 25 real photographs the network that was trained on made-up cameras beats the same network trained on "
          "white noise, whether of levels up to 55 or of levels up to 15.",
          f"{PAPER}, tables 1 and 2: networks for white noise lose to BM3D on real noise (DND: CDnCNN-B 32.43, "
          "CBDNet trained on cameras 37.57)", {}, REAL,
          together(exceeds("real_camera", "real_white"), exceeds("real_camera", "real_near"))),
    Claim("cbdnet-real-others",
          "The same holds on the thirteen of the pairs on which nothing was settled.", f"{PAPER}, tables 1 and 2", {},
          REAL, together(exceeds("others_camera", "others_white"), exceeds("others_camera", "others_near"))),
    Claim("cbdnet-better-than-nothing",
          "The estimates are nearer to the truth than the noisy photographs are.", f"{PAPER}, table 2", {}, REAL,
          exceeds("real_camera", "real_noisy")),
    Claim("cbdnet-fine-tuned",
          "Fine-tuned on twelve of the real pairs, in turns with made-up cameras, it is better on the other thirteen "
          "than after as many more steps on made-up cameras alone.",
          f"{PAPER}, table 1: CBDNet trained on both 38.06, on cameras alone 37.57 (DND)", {}, REAL,
          exceeds("others_tuned", "others_longer")),
    Claim("cbdnet-asymmetric",
          "The asymmetric loss makes a level that is too low rarer than a symmetric one does; with its two weights "
          "exchanged it becomes more frequent.", f"{PAPER}, section 3.3", {}, LEVEL,
          growing("asymmetric_too_low", "symmetric_too_low", "exchanged_too_low")),
    Claim("cbdnet-finds-white-level",
          "Trained on white noise of any level up to 55, the estimator finds 15, 25 and 50 within a fifth.",
          f"{PAPER}, section 3.2", {}, LEVEL,
          bound(*(abs(Metric(f"white_{level}") - 1) for level in LEVELS), at_most=0.2)),
    Claim("cbdnet-finds-camera-level",
          "Trained on cameras, it tells a camera from one that is four times as noisy: the second level is at least "
          "twice the first.", f"{PAPER}, section 3.2", {}, LEVEL,
          bound(Metric("camera_1") / (0.25 * Metric("camera_0.25")), at_least=2.0)),
    Claim("cbdnet-knob",
          "Told a quarter of the estimated level it removes too little: the estimate is worse. The knob is real.",
          f"{PAPER}, section 3.2, interactive denoising", {}, LEVEL,
          exceeds("knob_1", "knob_0.25", by=0.1), seeds=5),
)
