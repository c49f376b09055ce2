"""What lecture denoising says of the straightforward network, and the experiment behind it: four trainings that differ
in the forward model only, each scored on the damage of all four.

All scores are PSNR in dB on the test photographs, in gray, of one fixed damage for each image.
"""

from __future__ import annotations

from course_lib import data
from course_lib.claims import Claim, Experiment, exceeds, together
from course_lib.data.images import read
from course_lib.denoise import classical, straightforward
from course_lib.denoiser import score
from course_lib.noise import Camera, Gaussian, LowLight, Noise, Rain
from course_lib.profiles import Budget, Profile, choose

SOURCE = "Boracchi 2025, straightforward solution"
SIGMA = 25 / 255
FORWARD: dict[str, Noise] = {"noise": Gaussian(SIGMA), "rain": Rain(), "dark": LowLight(),
                             "camera": Camera(signal=0.03, read=0.03)}


def measure_forward_models(profile: Profile, seed: int) -> dict[str, float]:
    """Train a network for each kind of damage, and score each on all: `noise_on_rain` is the one trained on noise, on
    rain."""
    images, pictures = data.photographs("train"), data.photographs("test")
    if profile == "smoke":
        pictures = {name: picture[:, 60:140, 60:140] for name, picture in list(pictures.items())[:2]}
    pairs = {name: data.fixed_pairs(pictures, forward, seed=0) for name, forward in FORWARD.items()}
    budget = choose(smoke=Budget(20, 4, 24), lecture=Budget(600, 16, 36), full=Budget(20_000, 64, 48))
    metrics = {f"given_{name}": float(score(lambda z, sigma=None: z, pairs[name]).mean()) for name in FORWARD}
    for peer, filter_ in (("wavelet", classical.Wavelet()), ("nlm", classical.NonLocalMeans())):
        metrics[f"{peer}_on_noise"] = float(score(filter_, pairs["noise"], sigma=SIGMA).mean())
    for name, forward in FORWARD.items():
        model = straightforward.train(images, forward=forward, budget=budget, seed=seed).model
        metrics |= {f"{name}_on_{other}": float(score(model, pairs[other]).mean()) for other in FORWARD}
    return metrics


FORWARD_MODELS = Experiment("straightforward-forward-models", measure_forward_models, (read,), ("photographs",))

CLAIMS = (
    Claim("straightforward-beats-wavelet",
          "Half a minute of training makes five plain convolutions better than wavelet shrinkage at sigma 25.",
          SOURCE, {}, FORWARD_MODELS, exceeds("noise_on_noise", "wavelet_on_noise")),
    Claim("straightforward-one-more",
          "With the same lines and another forward model, the network takes away rain and brightens dark pictures, by "
          "5 dB and more.", SOURCE, {}, FORWARD_MODELS,
          together(*(exceeds(f"{name}_on_{name}", f"given_{name}", by=5.0) for name in ("rain", "dark")))),
    Claim("straightforward-own-model",
          "On each kind of damage the network that was trained on it is the best of the four.", SOURCE, {},
          FORWARD_MODELS, together(*(exceeds(f"{name}_on_{name}", f"{other}_on_{name}")
                                     for name in FORWARD for other in FORWARD if other != name))),
    Claim("straightforward-camera",
          "On a camera's noise, a network trained on white noise of one level is at least 0.5 dB behind one that was "
          "trained on a model of that camera.",
          "Guo et al. 2019 (CBDNet): networks trained on white noise fall behind on real photographs", {},
          FORWARD_MODELS, exceeds("camera_on_camera", "noise_on_camera", by=0.5)),
)
