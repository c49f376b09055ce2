"""What lecture dncnn says of DnCNN, and the experiments behind it.

At lecture profile the networks have 7 layers of 32 channels (9 where the paper has 20 instead of 17), and train for a
minute or two on the bundled photographs. At full profile size, patches and steps are the paper's, and the pictures are
Train400. All scores are PSNR in dB, of fixed noisy images, in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib import data
from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, growing, together
from course_lib.claims.denoising import SIGMA, mean_psnr, scored, training_images
from course_lib.data.images import read, to_float
from course_lib.denoise import classical, dncnn
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoiser import Denoiser
from course_lib.noise import Gaussian
from course_lib.operators import bicubic_loss
from course_lib.profiles import Budget, Profile, choose
from course_lib.quality import psnr

PAPER = "Zhang et al. 2017 (DnCNN)"
LEVELS = (5, 15, 25, 35, 50, 65, 75)
JPEG_QUALITIES = (10, 20, 30, 40)
RINGS = {"0": (0, 0), "1": (1, 1), "2_3": (2, 3), "4_7": (4, 7)}   # distances to the border, in pixels


def network(seed: int, *, deep: bool = False, residual: bool = True, batch_norm: bool = True) -> DnCNN:
    """Build the network of the experiments, by profile; a deep one where the paper takes 20 layers."""
    depth, width = choose(smoke=(3, 8), lecture=(9 if deep else 7, 32), full=(20 if deep else 17, 64))
    return DnCNN(depth=depth, width=width, seed=seed, residual=residual, batch_norm=batch_norm)


def budget(lecture_steps: int, *, full: Budget = Budget(80_000, 128, 40)) -> Budget:
    """Choose the training's length: the steps that are given at lecture profile, a handful at smoke, 50 epochs of the
    paper's patches at full."""
    return choose(smoke=Budget(20, 4, 24), lecture=Budget(lecture_steps, 16, 36), full=full)



# Experiments -------------------------------------------------------------------------------------------------------


def measure_benchmark(profile: Profile, seed: int) -> dict[str, float]:
    """Compare the live network of the lecture with the classical filters, and measure its error near borders."""
    trained = dncnn.train(training_images(), sigma=SIGMA, budget=budget(2200), seed=seed, network=network(seed))
    peers: dict[str, Denoiser] = {"noisy": lambda z, sigma=None: z, "wavelet": classical.Wavelet(),
                                  "nlm": classical.NonLocalMeans(), "dncnn": trained.model}
    metrics = {f"{name.lower()}_{peer}": mean_psnr(denoiser, scored(name), SIGMA)
               for name in ("photographs", "Set12", "BSD68") for peer, denoiser in peers.items()}
    return metrics | border_losses(trained.model)


def border_losses(model: nn.Module, *, size: int = 96) -> dict[str, float]:
    """Measure how much worse the estimate of a small picture is, near its border, than the estimate of the same pixels
    inside the whole photograph: in dB for each ring of pixels, and the largest change beyond the receptive field."""
    device = next(model.parameters()).device
    reach = sum(isinstance(part, nn.Conv2d) for part in model.modules())   # a pixel for each 3 x 3 convolution
    away = torch.arange(size).minimum(torch.arange(size).flip(0))
    distance = torch.minimum(away[:, None], away[None, :])
    errors: dict[str, list[Tensor]] = {"cut": [], "whole": []}
    beyond = 0.0
    for z, y in data.fixed_pairs(scored("photographs"), Gaussian(SIGMA), seed=0):
        with torch.inference_mode():
            estimate = model(z.to(device)).cpu()
            for top in range(0, z.shape[2] - size + 1, size):
                for left in range(0, z.shape[3] - size + 1, size):
                    window = (..., slice(top, top + size), slice(left, left + size))
                    cut = model(z[window].to(device)).cpu()
                    errors["cut"].append((cut - y[window])[0, 0] ** 2)
                    errors["whole"].append((estimate[window] - y[window])[0, 0] ** 2)
                    inner = slice(reach, size - reach)
                    beyond = max(beyond, float((cut - estimate[window])[..., inner, inner].abs().max()))
    mean = {key: torch.stack(values).mean(dim=0) for key, values in errors.items()}
    losses = {}
    for name, (nearest, farthest) in RINGS.items():
        ring = (distance >= nearest) & (distance <= farthest)
        losses[f"border_loss_{name}"] = float(10 * torch.log10(mean["cut"][ring].mean() / mean["whole"][ring].mean()))
    return losses | {"border_beyond": beyond}


def measure_ablation(profile: Profile, seed: int) -> dict[str, float]:
    """Train with and without residual learning, with and without batch normalisation, at one short budget."""
    metrics = {}
    for residual in (True, False):
        for batch_norm in (True, False):
            trained = dncnn.train(training_images(), sigma=SIGMA, budget=budget(800), seed=seed,
                                  network=network(seed, residual=residual, batch_norm=batch_norm))
            name = f"{'residual' if residual else 'direct'}_{'bn' if batch_norm else 'plain'}"
            metrics[name] = mean_psnr(trained.model, scored("photographs"), SIGMA)
    return metrics


def measure_blind(profile: Profile, seed: int) -> dict[str, float]:
    """Compare one blind network with networks for one level each, within and beyond what they trained on."""
    images, pictures = training_images(), scored("photographs")
    steps = budget(1500, full=Budget(150_000, 128, 50))
    blind = dncnn.train(images, sigma=dncnn.BLIND, budget=steps, seed=seed, network=network(seed, deep=True)).model
    metrics = {f"blind_at_{level}": mean_psnr(blind, pictures, level / 255) for level in LEVELS}
    for level in (15, 25, 50):
        specific = dncnn.train(images, sigma=level / 255, budget=steps, seed=seed,
                               network=network(seed, deep=True)).model
        metrics[f"specific_at_{level}"] = mean_psnr(specific, pictures, level / 255)
        if level == 25:
            metrics |= {f"s25_at_{other}": mean_psnr(specific, pictures, other / 255) for other in LEVELS}
    filters: dict[str, Denoiser] = {"wavelet": classical.Wavelet(), "nlm": classical.NonLocalMeans()}
    return metrics | {f"{name}_at_{level}": mean_psnr(filter_, pictures, level / 255)
                      for name, filter_ in filters.items() for level in LEVELS}


def measure_three_tasks(profile: Profile, seed: int) -> dict[str, float]:
    """Train one network for noise, lost resolution and JPEG, and measure its gain over its inputs."""
    model = dncnn.train_three_tasks(training_images(), budget=budget(3000, full=Budget(400_000, 128, 48)), seed=seed,
                                    network=network(seed, deep=True)).model
    device, pictures = next(model.parameters()).device, scored("Set12")
    metrics = {}
    for level in (15, 25, 50):
        metrics[f"noise_{level}"] = mean_psnr(model, pictures, level / 255)
        metrics[f"noise_{level}_given"] = mean_psnr(lambda z, sigma=None: z, pictures, level / 255)
    clean = [to_float(picture) for picture in pictures.values()]

    def gain(name: str, degraded: list[Tensor]) -> None:
        wanted = [y[..., : z.shape[2], : z.shape[3]] for z, y in zip(degraded, clean, strict=True)]
        with torch.inference_mode():
            restored = [model(z.to(device)).cpu() for z in degraded]
        for key, estimates in ((name, restored), (f"{name}_given", degraded)):
            scores = [psnr(estimate, y) for estimate, y in zip(estimates, wanted, strict=True)]
            metrics[key] = float(torch.cat(scores).mean())

    for scale in dncnn.SCALES:
        gain(f"scale_{scale}", [bicubic_loss(y, scale=scale) for y in clean])
    for quality in JPEG_QUALITIES:
        gain(f"jpeg_{quality}", [dncnn.jpeg(y, quality=quality) for y in clean])
    return metrics


def measure_images(profile: Profile, seed: int) -> dict[str, float]:
    """Repeat one training on one, two, four and all photographs."""
    images = list(data.photographs("train").values())   # at every profile: this is about few images
    return {f"images_{count}": mean_psnr(
        dncnn.train(images[:count], sigma=SIGMA, budget=budget(800), seed=seed, network=network(seed)).model,
        scored("photographs"), SIGMA) for count in (1, 2, 4, 8)}


BENCHMARK = Experiment("dncnn-benchmark", measure_benchmark, (read,), ("photographs", "Set12", "BSD68"))
ABLATION = Experiment("dncnn-ablation", measure_ablation, (read,), ("photographs",))
BLIND = Experiment("dncnn-blind", measure_blind, (read,), ("photographs",))
THREE_TASKS = Experiment("dncnn-three-tasks", measure_three_tasks, (read,), ("photographs", "Set12"))
IMAGES = Experiment("dncnn-images", measure_images, (read,), ("photographs",))


# Claims ------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("dncnn-beats-classical",
          "After a minute of training on eight photographs a small DnCNN beats non-local means and wavelet shrinkage "
          "at sigma 25, on photographs, on Set12 and on BSD68.",
          f"{PAPER}, tables II and III; DnCNN-S has 17 layers of 64",
          {"set12_dncnn": 30.44, "bsd68_dncnn": 29.23}, BENCHMARK,
          together(*(exceeds(f"{name}_dncnn", f"{name}_{peer}") for name in ("photographs", "set12", "bsd68")
                     for peer in ("nlm", "wavelet")))),
    Claim("dncnn-border",
          "A border, padded with zeros, costs quality in the last few pixels before it only, and changes nothing "
          "beyond the receptive field.", f"{PAPER}, section III: zeros are padded, artefacts are not seen", {},
          BENCHMARK, together(growing("border_loss_4_7", "border_loss_2_3", "border_loss_0"),
                              bound("border_loss_4_7", below=0.1), bound("border_beyond", below=1e-5))),
    Claim("dncnn-residual-with-norm",
          "With batch normalisation, a network that predicts the noise is ahead of one that predicts the image.",
          f"{PAPER}, figure 2 (curves)", {}, ABLATION, exceeds("residual_bn", "direct_bn")),
    Claim("dncnn-norm-helps-residual",
          "With residual learning, batch normalisation brings the network further at the same number of steps.",
          f"{PAPER}, figure 2 (curves)", {}, ABLATION, exceeds("residual_bn", "residual_plain")),
    Claim("dncnn-blind-spans",
          "One blind network works at every level from 5 to 50, ahead of wavelet shrinkage that is told the level. At "
          "this small size not knowing costs about a decibel; the paper's large network pays a tenth of one.",
          f"{PAPER}, table II: on BSD68 DnCNN-B loses 0.12, 0.07 and 0.00 dB at 15, 25 and 50", {}, BLIND,
          together(bound(*(Metric(f"specific_at_{level}") - f"blind_at_{level}" for level in (15, 25, 50)), below=1.5),
                   *(exceeds(f"blind_at_{level}", f"wavelet_at_{level}") for level in LEVELS if level <= 50))),
    Claim("dncnn-one-level-only",
          "A network trained at sigma 25 alone fails at 50, where even non-local means is better.",
          "Zhang et al. 2018 (FFDNet), introduction: a network for one level is hard to use at others", {}, BLIND,
          together(exceeds("nlm_at_50", "s25_at_50", by=3.0), exceeds("blind_at_50", "s25_at_50", by=3.0))),
    Claim("dncnn-outside-range",
          "Beyond the noise it was trained on, at 75, the blind network fails too: it falls behind non-local means.",
          "Zhang et al. 2018 (FFDNet), table V: colour DnCNN-B at 75 on CBSD68 24.47, FFDNet 26.24", {}, BLIND,
          exceeds("nlm_at_75", "blind_at_75")),
    Claim("dncnn-three-tasks",
          "One network improves noise, lost resolution and JPEG artefacts alike on Set12, without being told which it "
          "gets.",
          f"{PAPER}, tables III and IV", {}, THREE_TASKS,
          together(*(exceeds(name, f"{name}_given") for name in (
              *(f"noise_{level}" for level in (15, 25, 50)), *(f"scale_{scale}" for scale in dncnn.SCALES),
              *(f"jpeg_{quality}" for quality in JPEG_QUALITIES))))),
    Claim("dncnn-few-images",
          "Eight training photographs are hardly better than four: patches, not pictures, are what it learns from.",
          f"{PAPER}, section IV: more than 400 training images hardly helped", {}, IMAGES,
          bound(abs(Metric("images_8") - "images_4"), below=0.3)),
)
