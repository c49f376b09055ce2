"""What lectures denoising and nonlocality say of BM3D, C-BM3D and WNNM, and the experiments behind it.

Nothing is trained: a seed changes the noise. All scores are PSNR in dB, in float32. At lecture profile photographs are
their middles of 160 x 160 pixels, Set12 those of 128 x 128, and CBSD68 its first eight images; BSD68 is whole, as
everything is at full profile.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from course_lib import data
from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, together
from course_lib.data.images import read
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.denoise.wnnm import WNNM
from course_lib.denoiser import Denoiser, score
from course_lib.noise import Gaussian
from course_lib.profiles import Profile, choose

PAPER = "Dabov et al. 2007 (BM3D)"
LEVELS = (5, 10, 15, 25, 30, 40, 50, 75)    # what the filter is told; the noise has level 25
BSD68 = 28.57                                   # the published score at 25, on all 68 images


def middles(channels: int, *, side: int) -> dict[str, Tensor]:
    """Return the test photographs, cut to their middles below full profile."""
    side = choose(smoke=32, lecture=side, full=10_000)
    cut = {}
    for name, picture in data.photographs("test", channels=channels).items():
        top, left = (max(0, (length - side) // 2) for length in picture.shape[1:])
        cut[name] = picture[:, top : top + side, left : left + side]
    return cut


def some(name: str, *, lecture: int | None = None) -> dict[str, Tensor]:
    """Return the first pictures of a set, or all; at smoke a corner of the first one, at full all."""
    if (count := choose(smoke=1, lecture=lecture, full=None)) != 1:
        return data.load(name, first=count)
    return {key: picture[:, :32, :32] for key, picture in data.load(name, first=1).items()}


def scores(denoiser: Denoiser, pictures: Mapping[str, Tensor], *, seed: int, true: int = 25, told: int = 25) -> float:
    """Compute the mean score of a denoiser that is given a noise level, which may be wrong."""
    pairs = data.fixed_pairs(pictures, Gaussian(true / 255), seed=seed)
    return float(score(denoiser, pairs, sigma=told / 255).mean())


# Experiments -------------------------------------------------------------------------------------------------------


def measure_told(profile: Profile, seed: int) -> dict[str, float]:
    """Denoise pictures of noise level 25, gray and in colour, with a filter that is given other levels."""
    gray, colour = middles(1, side=160), middles(3, side=160)
    metrics = {f"gray_told_{told}": scores(BM3D(), gray, seed=seed, told=told) for told in LEVELS}
    return metrics | {f"colour_told_{told}": scores(BM3D(), colour, seed=seed, told=told) for told in LEVELS}


def measure_benchmark(profile: Profile, seed: int) -> dict[str, float]:
    """Compare BM3D with wavelets and non-local means, on photographs and BSD68; in colour with each channel alone."""
    gray, colour = {"photographs": middles(1, side=160), "bsd68": some("BSD68")}, some("CBSD68", lecture=8)
    peers: dict[str, Denoiser] = {"wavelet": Wavelet(), "nlm": NonLocalMeans(), "first_stage": BM3D(stages=1),
                                  "bm3d": BM3D()}
    metrics = {f"{name}_{peer}": scores(denoiser, pictures, seed=seed)
               for name, pictures in gray.items() for peer, denoiser in peers.items()}
    return metrics | {"bsd68_images": float(len(gray["bsd68"])), "cbsd68_images": float(len(colour)),
                      "cbsd68_together": scores(BM3D(), colour, seed=seed),
                      "cbsd68_alone": scores(each_channel, colour, seed=seed)}


def each_channel(z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
    """Denoise red, green and blue by gray BM3D, each by itself."""
    n, c, height, width = z.shape
    return BM3D()(z.reshape(n * c, 1, height, width), sigma=sigma).reshape(z.shape)


def measure_wnnm(profile: Profile, seed: int) -> dict[str, float]:
    """Compare WNNM, at its own settings, with BM3D, image by image of Set12; below full profile on their middles."""
    wnnm = choose(smoke=WNNM(iterations=1, stride=9), lecture=WNNM(), full=WNNM())
    half = choose(smoke=16, lecture=64, full=10_000)
    metrics: dict[str, float] = {}
    for name, picture in some("Set12").items():
        rows, columns = (slice(max(0, length // 2 - half), length // 2 + half) for length in picture.shape[1:])
        middle = {name: picture[:, rows, columns]}
        metrics |= {f"bm3d_{name}": scores(BM3D(), middle, seed=seed), f"wnnm_{name}": scores(wnnm, middle, seed=seed)}
    return metrics


TOLD = Experiment("bm3d-told", measure_told, (read,), ("photographs",))
BENCHMARK = Experiment("bm3d-benchmark", measure_benchmark, (read,), ("photographs", "BSD68", "CBSD68"))
AGAINST_WNNM = Experiment("bm3d-against-wnnm", measure_wnnm, (read,), ("Set12",))


# Claims ------------------------------------------------------------------------------------------------------------


def _lost(kind: str, told: int) -> Metric:
    return Metric(f"{kind}_told_25") - f"{kind}_told_{told}"


def _share_for_wnnm(row: Mapping[str, float]) -> float:
    ahead = [row[key] > row[f"bm3d_{key.removeprefix('wnnm_')}"] for key in row if key.startswith("wnnm_")]
    return sum(ahead) / len(ahead)


CLAIMS = (
    Claim("bm3d-too-low",
          "Told a lower level than the true one, BM3D and C-BM3D leave noise in: told 15 instead of 25 costs more than "
          "two decibels, told 5 returns almost the noisy image.",
          "Boracchi 2025, DnCNN and FFDNet performance (wrong M); Zhang et al. 2018 (FFDNet), on wrong noise levels "
          "(curves)", {}, TOLD,
          together(bound("gray_told_5", "colour_told_5", below=20.17 + 2),          # the noise itself has 20.17 dB
                   *(exceeds(f"{kind}_told_25", f"{kind}_told_15", by=2.0) for kind in ("gray", "colour")))),
    Claim("bm3d-too-high",
          "Told a higher level than the true one, BM3D and C-BM3D smooth too much: the score falls slowly, and stays "
          "below that of the right level.",
          "Boracchi 2025: constant, but not at the level of the right sigma; Zhang et al. 2018 (FFDNet), on wrong "
          "noise levels (curves)", {}, TOLD,
          together(bound(*(abs(Metric(f"{kind}_told_50") - f"{kind}_told_30") for kind in ("gray", "colour")), below=2),
                   *(exceeds(f"{kind}_told_25", f"{kind}_told_{told}") for kind in ("gray", "colour")
                     for told in (40, 50, 75)))),
    Claim("bm3d-asymmetric",
          "In doubt, tell a BM3D more noise rather than less: 15 too low costs more than twice as much as 15 too high.",
          "Zhang et al. 2018 (FFDNet), on wrong noise levels (curves)", {}, TOLD,
          together(*(exceeds(_lost(kind, 10), 2 * _lost(kind, 40)) for kind in ("gray", "colour")))),
    Claim("bm3d-beats-classical",
          "BM3D beats non-local means by half a decibel and wavelet shrinkage by one, on photographs and on BSD68.",
          f"{PAPER}, results (curves)", {}, BENCHMARK,
          together(*(exceeds(f"{name}_bm3d", f"{name}_{peer}", by=by) for name in ("photographs", "bsd68")
                     for peer, by in (("nlm", 0.5), ("wavelet", 1.0))))),
    Claim("bm3d-two-stages", "The second stage, which knows from the first how strong each coefficient is, adds to it.",
          f"{PAPER}, on the two steps", {}, BENCHMARK,
          together(*(exceeds(f"{name}_bm3d", f"{name}_first_stage") for name in ("photographs", "bsd68")))),
    Claim("bm3d-as-published",
          "This BM3D has the published quality on BSD68, to within 0.2 dB.",
          "Zhang et al. 2017 (DnCNN), table II", {"bsd68_bm3d": BSD68}, BENCHMARK,
          together(bound(abs(Metric("bsd68_bm3d") - BSD68), below=0.2),
                   bound("bsd68_images", at_least=68, at_most=68))),
    Claim("bm3d-colours-together",
          "Filtered together, with groups found in the brightness, three channels gain more than a decibel over each "
          "channel alone.", "Zhang et al. 2018 (FFDNet), table V, for CBM3D on all of CBSD68",
          {"cbsd68_together": 30.71}, BENCHMARK, exceeds("cbsd68_together", "cbsd68_alone", by=1.0)),
    Claim("bm3d-below-wnnm",
          "On the same kind of groups WNNM is ahead of BM3D on most images of Set12 (on their middles).",
          "Zhang et al. 2017 (DnCNN), table III: Set12 at 25, WNNM 30.26, BM3D 29.97", {}, AGAINST_WNNM,
          bound(Metric("share of images on which WNNM is ahead", _share_for_wnnm), above=0.5)),
)
