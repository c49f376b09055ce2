"""What lecture ffdnet says of the fast denoiser: above non-local means, at its best setting, after a minute.

Non-local means gets several settings and is scored by the best of them, chosen on the very images of the score; the
network gets none. All scores are PSNR in dB at sigma 25, of fixed noisy images, in float32.
"""

from __future__ import annotations

from torch import Tensor

from course_lib import data
from course_lib.claims import Claim, Experiment, exceeds
from course_lib.claims.denoising import SIGMA, mean_psnr, scored
from course_lib.data.images import read
from course_lib.denoise import fast
from course_lib.denoise.classical import NonLocalMeans
from course_lib.denoise.fast import Fast
from course_lib.profiles import Budget, Profile, choose

SETTINGS = tuple(NonLocalMeans(patch, distance, strength) for patch, distance, strength in (
    (5, 6, 0.8), (5, 10, 0.6), (5, 10, 0.7), (7, 6, 0.6), (7, 10, 0.5), (7, 10, 0.6), (7, 10, 0.7), (9, 10, 0.5),
    (9, 10, 0.6)))
CROP = 256


def network(seed: int) -> Fast:
    """Build the network of the experiments, by profile."""
    depth, width = choose(smoke=(3, 8), lecture=(8, 48), full=(8, 48))
    return Fast(depth=depth, width=width, seed=seed)


def best_nlm(pictures: dict[str, Tensor], sigma: float) -> tuple[NonLocalMeans, float]:
    """Find the setting of non-local means that is best on some pictures, and its score."""
    tried = choose(smoke=SETTINGS[-2:], lecture=SETTINGS, full=SETTINGS)
    scores = [mean_psnr(setting, pictures, sigma) for setting in tried]
    return tried[scores.index(max(scores))], max(scores)


def ten_crops() -> dict[str, Tensor]:
    """Return the middle 256 x 256 pixels of the first six images of BSD68 and of the first four of Set12.

    At smoke two crops of 96 pixels.
    """
    chosen = {"BSD68": choose(smoke=1, lecture=6, full=6), "Set12": choose(smoke=1, lecture=4, full=4)}
    side, crops = choose(smoke=96, lecture=CROP, full=CROP), {}
    for name, count in chosen.items():
        for key, picture in data.load(name, first=count).items():
            top, left = ((length - side) // 2 for length in picture.shape[1:])
            crops[f"{name} {key}"] = picture[:, top : top + side, left : left + side]
    return crops


# Experiments -------------------------------------------------------------------------------------------------------


def measure_photographs(profile: Profile, seed: int) -> dict[str, float]:
    """Train as the lecture does, on the bundled photographs, and compare with the best setting of non-local means."""
    budget = choose(smoke=Budget(20, 4, 24), lecture=fast.MINUTE, full=Budget(40_000, 64, 48))
    model = fast.train(data.photographs("train"), sigma=SIGMA, budget=budget, seed=seed, network=network(seed)).model
    pictures = scored("photographs")
    return {"fast": mean_psnr(model, pictures, SIGMA), "nlm": best_nlm(pictures, SIGMA)[1],
            "noisy": mean_psnr(lambda z, sigma=None: z, pictures, SIGMA)}


def measure_ten_crops(profile: Profile, seed: int) -> dict[str, float]:
    """Train the minute's recipe on Train400, and score it on ten crops of the field's test sets.

    Protocol: the crops of `ten_crops`, one noise realisation each at sigma 25 that depends on the crop's name only,
    neither clipped nor rounded; outputs clipped for the score; mean of the crops' PSNR, in float32. The seconds are of
    the training's wall clock, on whatever else the machine was doing.
    """
    budget = choose(smoke=Budget(20, 4, 24), lecture=fast.MINUTE, full=fast.MINUTE)
    trained = fast.train(data.load("Train400"), sigma=SIGMA, budget=budget, seed=seed, network=network(seed))
    crops = ten_crops()
    metrics = {"seconds": trained.history.seconds}
    for name in ("", "BSD68", "Set12"):
        some = {key: crop for key, crop in crops.items() if key.startswith(name)}
        end = f"_{name.lower()}" if name else ""
        metrics |= {f"fast{end}": mean_psnr(trained.model, some, SIGMA),
                    f"noisy{end}": mean_psnr(lambda z, sigma=None: z, some, SIGMA)}
        if not name:
            setting, metrics["nlm"] = best_nlm(some, SIGMA)
        else:
            metrics[f"nlm{end}"] = mean_psnr(setting, some, SIGMA)
    return metrics


PHOTOGRAPHS = Experiment("fast-photographs", measure_photographs, (read,), ("photographs",))
TEN_CROPS = Experiment("fast-ten-crops", measure_ten_crops, (read,), ("Train400", "BSD68", "Set12"),
                       times=("seconds",))


# Claims ------------------------------------------------------------------------------------------------------------

CLAIMS = (
    Claim("fast-photographs",
          "A minute of training on eight photographs brings the fast denoiser half a decibel above the best "
          "setting of non-local means, on photographs it has not seen.",
          "this course", {}, PHOTOGRAPHS, exceeds("fast", "nlm", by=0.5)),
    Claim("fast-ten-crops",
          "A minute of training on Train400 brings the fast denoiser half a decibel above the best setting of "
          "non-local means, on ten crops of BSD68 and Set12.",
          "this course", {}, TEN_CROPS, exceeds("fast", "nlm", by=0.5)),
)
