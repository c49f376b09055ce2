"""What lecture receptive_fields says of receptive fields, and the experiments behind it.

Widths are standard deviations along an axis, in pixels, of the mean energy of the gradient; diameters those of the disc
above 4.55 % of its peak. "usual" is He's start, "diffused" the one with small weights in the middle of each kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import data, randomness, zoo
from course_lib.claims import Claim, Experiment, Metric, bound, growing, together
from course_lib.data import Source
from course_lib.data.images import read, to_float
from course_lib.denoise import classification, receptive_field
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.receptive_field import Residual, Stack, diffused, energy, input_gradients, many_gradients
from course_lib.fit import History
from course_lib.layers import he_normal
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, Profile, choose

PAPER = "Luo et al. 2016 (effective receptive field)"
DEPTHS = (5, 10, 20, 40)
KINDS: dict[str, dict[str, Any]] = {"linear": {"activation": "linear"}, "relu": {}, "tanh": {"activation": "tanh"},
                                    "diffused": {"initial": diffused}}
STARTS = {"usual": he_normal, "diffused": diffused}
TASKS = ("classes", "mosaics")
DENOISERS = (15, 25, 50)         # the noise levels of the course's trained DnCNNs of nine layers
CROP = 41                        # pixels: more than any of them sees


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Fit the exponent p of the power law y = c x^p, in logarithms.

    >>> round(slope([1, 4, 9], [2, 4, 6]), 6)
    0.5
    """
    u, v = ([math.log(value) for value in values] for values in (x, y))
    mean = sum(u) / len(u)
    return sum((a - mean) * b for a, b in zip(u, v, strict=True)) / sum((a - mean) ** 2 for a in u)


# Experiments -------------------------------------------------------------------------------------------------------


def measure_depth(profile: Profile, seed: int) -> dict[str, float]:
    """Measure the effective field of untrained stacks of 5 to 40 layers, over many initialisations."""
    count, channels = choose(smoke=(4, 4), lecture=(64, 16), full=(256, 32))
    metrics: dict[str, float] = {}
    for kind, how in KINDS.items():
        for depth in DEPTHS:
            side = 2 * depth + 1
            field = energy(many_gradients(
                [Stack(depth=depth, width=channels, seed=10_000 * seed + k, **how) for k in range(count)],
                torch.randn(count, 1, side, side, generator=randomness.generator(seed, "field", kind, str(depth)))))
            metrics[f"width_{kind}_{depth}"] = receptive_field.width(field)
            metrics[f"share_{kind}_{depth}"] = receptive_field.diameter(field) / side
            metrics[f"misfit_{kind}_{depth}"] = receptive_field.misfit(field)
        metrics[f"slope_{kind}"] = slope(DEPTHS, [metrics[f"width_{kind}_{depth}"] for depth in DEPTHS])
    return metrics


def network(task: str, kind: str, start: str, seed: int) -> nn.Module:
    """Build a network with a field of 25 pixels and a score for each class: with skip connections ("residual") or
    without."""
    channels, outputs = {"classes": (3, 10), "mosaics": (1, len(data.photographs("train")))}[task]
    wide, blocks = choose(smoke=(4, 1), lecture=(16, 5), full=(32, 5))
    if kind == "residual":
        return Residual(blocks=blocks, width=wide, channels=channels, outputs=outputs, initial=STARTS[start], seed=seed)
    return Stack(depth=2 * blocks + 2, width=wide, channels=channels, outputs=outputs, initial=STARTS[start], seed=seed)


def source(task: str) -> Source:
    """Make batches of CIFAR-10 with its classes, or of mosaics of the bundled photographs."""
    if task == "mosaics":
        return classification.mosaics(data.photographs("train"), size=choose(smoke=32, lecture=48, full=64))
    few = choose(smoke=4, lecture=500, full=None)
    found = data.labelled("cifar10_jpeg", split="train", per_class=few)
    return classification.labelled(found.images, found.labels)


def field_of(model: nn.Module, x: Tensor) -> Tensor:
    """Compute the mean energy over images and over the classes' scores, each at the centre."""
    where = next(model.parameters()).device
    outputs = model(x[:1].to(where)).shape[1]
    return energy(torch.cat([input_gradients(model, x.to(where), output=k) for k in range(outputs)])).cpu()


def measure_training(profile: Profile, seed: int) -> dict[str, float]:
    """Measure the field before and after training, on two tasks, with and without skip connections, from both
    starts."""
    metrics: dict[str, float] = {}
    for task in TASKS:
        draw, batch = source(task), {"classes": 32, "mosaics": 8}[task]
        budget = choose(smoke=Budget(4, batch), lecture=Budget(600, batch), full=Budget(20_000, 4 * batch))
        x, _ = draw(choose(smoke=4, lecture=64, full=256), randomness.generator(seed, "looked at"))
        histories: dict[str, History] = {}
        for kind, start in (("residual", "usual"), ("residual", "diffused"), ("plain", "usual")):
            model, name = network(task, kind, start, seed), f"{task}_{kind}_{start}"
            metrics[f"before_{name}"] = receptive_field.width(field_of(model, x))
            trained = classification.train(draw, budget=budget, seed=seed, network=model)
            metrics[f"after_{name}"] = receptive_field.width(field_of(trained.model, x))
            metrics[f"loss_{name}"] = smooth(trained.history.terms["loss"])[-1]
            histories[f"{kind}_{start}"] = trained.history
        metrics[f"saved_{task}"] = steps_saved(histories["residual_usual"], histories["residual_diffused"])
    return metrics


def smooth(losses: Sequence[float], *, share: float = 0.1) -> list[float]:
    """Compute the running mean over a tenth of the training."""
    span = max(1, round(share * len(losses)))
    return [sum(losses[max(0, i + 1 - span) : i + 1]) / (i + 1 - max(0, i + 1 - span)) for i in range(len(losses))]


def steps_saved(usual: History, other: History) -> float:
    """Compute the share of steps that the other start saves on the way to the lowest loss that both reach; below 0 it
    needs more.

    1 - steps of the other / steps of the usual, of the smoothed loss.
    """
    curves = [smooth(history.terms["loss"]) for history in (usual, other)]
    level = max(min(curve) for curve in curves)
    first = [next(step for step, loss in zip(history.steps, curve, strict=True) if loss <= level)
             for history, curve in zip((usual, other), curves, strict=True)]
    return 1 - first[1] / first[0]


def measure_denoisers(profile: Profile, seed: int) -> dict[str, float]:
    """Measure how much of their 19 x 19 pixels the course's trained DnCNNs use, each at its noise level."""
    draw = randomness.generator(seed, "places")
    crops = []
    for picture in data.photographs("test").values():
        y = to_float(picture)
        for _ in range(choose(smoke=2, lecture=64, full=256)):
            top, left = (int(torch.randint(side - CROP + 1, (), generator=draw)) for side in y.shape[2:])
            crops.append(y[..., top : top + CROP, left : left + CROP])
    y = torch.cat(crops)
    metrics: dict[str, float] = {}
    for level in DENOISERS:
        model = zoo.load(DnCNN, f"dncnn-s{level}-w32")
        z = Gaussian(level / 255)(y, generator=randomness.generator(seed, "noise", str(level)))
        gradients = input_gradients(model, z)
        field = energy(gradients)
        metrics |= {f"width_{level}": receptive_field.width(field),
                    f"diameter_{level}": receptive_field.diameter(field),
                    f"square_95_{level}": receptive_field.square(field),
                    f"square_99_{level}": receptive_field.square(field, share=0.99),
                    f"theoretical_{level}": receptive_field.theoretical_field(model),
                    f"sum_{level}": float(gradients.sum((1, 2, 3)).mean())}
    return metrics


DEPTH = Experiment("receptive_field-depth", measure_depth)
TRAINING = Experiment("receptive_field-training", measure_training, (read,), ("photographs", "cifar10_jpeg"))
PATCHES = Experiment("receptive_field-denoisers", measure_denoisers, (read,), ("photographs",),
                     weights=tuple(f"dncnn-s{level}-w32" for level in DENOISERS))


# Claims ------------------------------------------------------------------------------------------------------------


ACTIVATIONS = ("linear", "relu", "tanh")


CLAIMS = (
    Claim("receptive_field-root",
          "The width of the effective field grows like the square root of the depth, whatever the activation.",
          f"{PAPER}, section 2 and figure 2", {}, DEPTH,
          bound(*(f"slope_{kind}" for kind in ACTIVATIONS), above=0.45, below=0.55, over="the 95 % interval"), seeds=5),
    Claim("receptive_field-share",
          "The deeper the network, the smaller the part of its theoretical field that it uses.",
          f"{PAPER}, figures 1 and 2; Boracchi 2025", {}, DEPTH,
          together(*(growing(*(f"share_{kind}_{depth}" for depth in reversed(DEPTHS))) for kind in ACTIVATIONS)),
          seeds=5),
    Claim("receptive_field-gaussian",
          "Along an axis, the effective field of an untrained network is nearly a Gaussian.",
          f"{PAPER}, section 2; Boracchi 2025: in many cases the impact is distributed as a Gaussian", {}, DEPTH,
          bound(*(f"misfit_{kind}_{depth}" for kind in ACTIVATIONS for depth in DEPTHS), below=0.1), seeds=5),
    Claim("receptive_field-activation",
          "ReLU and tanh hardly change the width of the effective field of an untrained network.",
          f"{PAPER}, section 3 and figure 1", {}, DEPTH,
          bound(*(abs(Metric(f"width_{kind}_{depth}") / f"width_linear_{depth}" - 1)
                  for kind in ("relu", "tanh") for depth in DEPTHS), below=0.1), seeds=5),
    Claim("receptive_field-training",
          "Training widens the effective field of a network with ways around its layers, in classification and in "
          "segmentation.", f"{PAPER}, section 3 and figure 4; Boracchi 2025", {}, TRAINING,
          bound(*(Metric(f"after_{task}_residual_usual") / f"before_{task}_residual_usual" for task in TASKS), above=1,
                over="the 95 % interval"), seeds=5),
    Claim("receptive_field-training-plain",
          "Training widens the effective field of a plain stack, too.",
          f"{PAPER}, section 3, speaks of trained networks in general", {}, TRAINING,
          bound(*(Metric(f"after_{task}_plain_usual") / f"before_{task}_plain_usual" for task in TASKS), above=1,
                over="the 95 % interval"), seeds=5),
    Claim("receptive_field-diffused",
          "A start with small weights in the middle of each kernel widens the effective field.",
          f"{PAPER}, section 4; Boracchi 2025", {}, DEPTH,
          bound(*(Metric(f"width_diffused_{depth}") / f"width_relu_{depth}" for depth in DEPTHS), above=1,
                over="the 95 % interval"), seeds=5),
    Claim("receptive_field-diffused-faster",
          "The diffused start saves steps of training, in classification and in segmentation.",
          f"{PAPER}, section 4: in a few cases 30 % faster, overall not always significant; Boracchi 2025",
          {"saved_classes": 0.3}, TRAINING,
          bound(*(f"saved_{task}" for task in TASKS), above=0, over="the 95 % interval"), seeds=5),
    Claim("receptive_field-denoiser",
          "A trained DnCNN takes nearly all it uses from a square much smaller than the one it could see.",
          f"{PAPER}: the effective field is a fraction of the theoretical one; Zhang et al. 2017 (DnCNN), table I, "
          f"lists "
          "what others see", {}, PATCHES,
          bound(*(Metric(f"square_95_{level}") / f"theoretical_{level}" for level in DENOISERS), below=0.75)),
    Claim("receptive_field-noise",
          "The noisier the images it was trained on, the wider a denoiser looks.",
          "Mohan et al. 2020 (BF-CNN), figures of adaptive filters", {}, PATCHES,
          growing(*(f"width_{level}" for level in DENOISERS))),
)
