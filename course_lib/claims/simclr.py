"""What lecture simclr says of SimCLR, and the experiments behind it.

At lecture profile the encoder is the network of part A, trained for 1250 steps of 128 pictures with two views each: a
minute and a half on one core. Views crop a quarter of a picture or more, since a twelfth of 32 pixels shows nothing,
and jitter colours with the strength that the paper takes for CIFAR-10. At full profile the encoder is wider, the
training is twenty times as long, and CIFAR-10 is used as a whole. Probes train on all the labels of the training
pictures and are asked about other pictures; shares are of one. Metrics named after views or crops are about the
features h, "head" is about z, "original" about pairs of a view and the picture itself. For "told" a probe has to find
in h or z what a view changes: which colour a picture has most of.
"""

from __future__ import annotations

import statistics
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import data, profiles, randomness
from course_lib.claims import Claim, Experiment, exceeds, together
from course_lib.data.readers import Labelled
from course_lib.data.shapes import shapes
from course_lib.embeddings import embed, knn_probe, linear_probe
from course_lib.networks import Encoder, settle
from course_lib.pretext import simclr
from course_lib.pretext.simclr import SimCLR
from course_lib.pretext.views import Views
from course_lib.profiles import Budget, Profile, choose

PAPER = "Chen et al. 2020 (SimCLR)"
TEMPERATURE = 0.2
VIEWS = {"views": Views(area=(0.25, 1.0), strength=0.5),                         # crops, mirrored, colours jittered
         "crops": Views(area=(0.25, 1.0), strength=0.0, gray=0.0)}               # the same without the colours


def network(seed: int, *, channels: int = 3) -> SimCLR:
    """Build the network of the experiments, by profile."""
    widths = choose(smoke=(4, 8), lecture=(16, 32, 64, 64), full=(64, 128, 256, 512))
    return SimCLR(Encoder(channels=channels, widths=widths, seed=seed),
                  dimensions=choose(smoke=8, lecture=64, full=128), seed=seed)


def budget() -> Budget:
    """Choose how long the experiments train, by profile."""
    return choose(smoke=Budget(3, 16), lecture=Budget(1250, 128), full=Budget(25_000, 512))


def drawn_shapes(seed: int) -> tuple[Labelled, Labelled]:
    """Draw pictures of shapes to train on and others to test on, by profile."""
    each, asked = choose(smoke=(4, 4), lecture=(120, 100), full=(2000, 200))
    return shapes(each, seed=2 * seed), shapes(asked, seed=2 * seed + 1)


def cifar() -> tuple[Labelled, Labelled]:
    """Load a part of CIFAR-10 to train on, and a part of its test images, by profile."""
    each, asked = choose(smoke=(4, 4), lecture=(300, 100), full=(None, None))
    return (data.labelled("cifar10_jpeg", split="train", per_class=each),
            data.labelled("cifar10_jpeg", split="test", per_class=asked))


def untrained(seed: int, images: Tensor, *, batches: int = 20) -> SimCLR:
    """Build the network before its training, whose normalisations have seen augmented versions of these pictures."""
    source, draw = simclr.pairs(images, VIEWS["views"]), randomness.generator(0, "settled")
    some = min(budget().batch, len(images))
    return settle(network(seed), (torch.cat(list(source(some, draw))) for _ in range(batches)))


def geometry(model: nn.Module, images: Tensor, view: Views) -> dict[str, float]:
    """Measure alignment and uniformity of z, on two views of pictures that the network was not trained on.

    "relative" is the alignment over the mean squared distance of different pictures: a network that puts everything
    near one point is aligned well, and 1 here.
    """
    source = simclr.pairs(images, view)
    a, b = source(min(500, len(images)), randomness.generator(0, "geometry"))
    za, zb = embed(model, a), embed(model, b)
    near, strangers = simclr.alignment(za, zb), torch.pdist(F.normalize(za, dim=1)).square().mean()
    return {"alignment": float(near), "relative": float(near / strangers), "uniformity": float(simclr.uniformity(za))}


def probed(embedding: nn.Module, known: Labelled, asked: Labelled) -> dict[str, float]:
    """Measure what both probes find in the features of a network."""
    given = (embed(embedding, known.images), known.labels, embed(embedding, asked.images), asked.labels)
    return {"linear": linear_probe(*given), "nearest": knn_probe(*given)}


def colour_told(of: nn.Module, known: Labelled, asked: Labelled) -> float:
    """Measure how often a linear probe finds the main colour of a picture: red, green or blue. Augmentations change
    it."""
    most = [pictures.images.float().mean(dim=(2, 3)).argmax(dim=1) for pictures in (known, asked)]
    return linear_probe(embed(of, known.images), most[0], embed(of, asked.images), most[1])


def pushes_on_own_kind(model: nn.Module, asked: Labelled, view: Views) -> float:
    """Measure the share of the softmax's weight on other pictures that falls on the same kind: false negatives."""
    chosen = torch.randperm(len(asked.images), generator=randomness.generator(0, "strangers"))[:128]
    source = view(asked.images[chosen].float().repeat(2, 1, 1, 1) / 255, randomness.generator(0, "false negatives"))
    z = F.normalize(embed(model, source), dim=1)                                              # (2N, D)
    weight = (z @ z.T / TEMPERATURE).fill_diagonal_(-torch.inf).softmax(dim=1)                # p_ik, rows sum to one
    picture, kind = torch.arange(len(chosen)).repeat(2), asked.labels[chosen].repeat(2)
    stranger = picture[:, None] != picture
    return float((weight * (stranger & (kind[:, None] == kind))).sum() / (weight * stranger).sum())


# Experiments -------------------------------------------------------------------------------------------------------


def compare(known: Labelled, asked: Labelled, seed: int) -> dict[str, float]:
    """Compare an untrained network with those that learnt from all augmentations and from crops alone."""
    metrics: dict[str, float] = {}

    def note(name: str, of: dict[str, float]) -> None:
        metrics.update({f"{name}_{kind}": value for kind, value in of.items()})

    start = untrained(seed, known.images)
    before = geometry(start, asked.images, VIEWS["views"])
    metrics.update({f"{kind}_before": value for kind, value in before.items()})
    note("random", probed(start.encoder, known, asked))
    metrics["random_own_kind"] = pushes_on_own_kind(start, asked, VIEWS["views"])
    trainings: dict[str, dict[str, Any]] = {name: dict(view=view) for name, view in VIEWS.items()}
    trainings |= {"original": dict(view=VIEWS["views"], both=False)}
    for name, how in trainings.items():
        model = network(seed)
        losses = simclr.train(known, budget=budget(), seed=seed, network=model, temperature=TEMPERATURE,
                              **how).history.terms["loss"]
        if name in VIEWS:
            metrics[f"{name}_loss"] = statistics.fmean(losses[-max(1, len(losses) // 10):])
        note(name, probed(model.encoder, known, asked))
        if name == "views":
            after = geometry(model, asked.images, VIEWS[name])
            metrics.update({f"{kind}_after": value for kind, value in after.items()})
            note("head", probed(model, known, asked))
            metrics.update(told_h=colour_told(model.encoder, known, asked), told_z=colour_told(model, known, asked))
            metrics["views_own_kind"] = pushes_on_own_kind(model, asked, VIEWS[name])
    return metrics


def measure_shapes(profile: Profile, seed: int) -> dict[str, float]:
    """Compare them on drawn shapes, whose colours tell pictures apart and kinds not at all."""
    return compare(*drawn_shapes(seed), seed)


def measure_cifar(profile: Profile, seed: int) -> dict[str, float]:
    """Compare them on photographs of ten kinds of things, 32 pixels wide."""
    return compare(*cifar(), seed)


USES = (compare, simclr.train, simclr.nt_xent, linear_probe, knn_probe, profiles.device)
SHAPE_SET = Experiment("simclr-shapes", measure_shapes, uses=(*USES, shapes))
CIFAR = Experiment("simclr-cifar", measure_cifar, uses=USES, data=("cifar10_jpeg",))


# Claims ------------------------------------------------------------------------------------------------------------


GEOMETRY = "Wang and Isola 2020: the contrastive loss asks for alignment and for uniformity"
FORGETS = (f"{PAPER}, table 3: before the head and after it, 99.3 and 97.4 % find whether a picture was gray, 67.6 and "
           "25.6 % by how much it was turned")
ORIGINAL = "Boracchi 2025: pairs of augmented and not augmented versions of the same image"
UNIFORM = exceeds("uniformity_before", "uniformity_after", by=0.1)
BEATS_RANDOM = together(exceeds("views_linear", "random_linear", by=0.05), exceeds("views_nearest", "random_nearest"))
LOWER_LOSS = exceeds("views_loss", "crops_loss", by=0.5)
CLAIMS = (
    Claim("simclr-geometry-shapes",
          "On drawn shapes that it has not seen, training lowers alignment by more than 0.2 and uniformity by more "
          "than 0.1.", GEOMETRY, {}, SHAPE_SET,
          together(exceeds("alignment_before", "alignment_after", by=0.2), UNIFORM)),
    Claim("simclr-geometry-cifar",
          "On test images of CIFAR-10, training lowers alignment, in units of the distance of strangers, by more than "
          "0.2, and uniformity by more than 0.1.", GEOMETRY, {}, CIFAR,
          together(exceeds("relative_before", "relative_after", by=0.2), UNIFORM)),
    Claim("simclr-beats-random-shapes",
          "On drawn shapes, a linear probe finds the kind in the learnt features more often than in those of an "
          "untrained network, by more than five points; nearest neighbours do, too.",
          f"{PAPER}, section 2.3: features are judged by a linear probe", {}, SHAPE_SET, BEATS_RANDOM),
    Claim("simclr-beats-random-cifar",
          "On CIFAR-10, a linear probe finds the kind in the learnt features more often than in those of an untrained "
          "network, by more than five points; nearest neighbours do, too.",
          f"{PAPER}, section 2.3: features are judged by a linear probe", {}, CIFAR, BEATS_RANDOM),
    Claim("simclr-original-shapes",
          "Pairs of a view and the picture itself teach, too: on drawn shapes a linear probe finds the kind more often "
          "than in an untrained network, by more than five points.", ORIGINAL, {}, SHAPE_SET,
          exceeds("original_linear", "random_linear", by=0.05)),
    Claim("simclr-original-cifar", "So they do on CIFAR-10.", ORIGINAL, {}, CIFAR,
          exceeds("original_linear", "random_linear", by=0.05)),
    Claim("simclr-colour-shortcut-shapes",
          "On drawn shapes, leaving the colours as they are lowers the pretext loss by more than half a nat, and the "
          "linear probe by more than five points.",
          f"{PAPER}, section 3.1: crops alone are solved by the colour histogram", {}, SHAPE_SET,
          together(LOWER_LOSS, exceeds("views_linear", "crops_linear", by=0.05))),
    Claim("simclr-colour-shortcut-cifar",
          "On CIFAR-10, leaving the colours as they are lowers the pretext loss by more than half a nat, and does not "
          "raise the linear probe.",
          f"{PAPER}, section 3.1: crops alone are solved by the colour histogram", {}, CIFAR,
          together(LOWER_LOSS, exceeds("views_linear", "crops_linear"))),
    Claim("simclr-crops-teach-no-shapes",
          "On drawn shapes, the features learnt from crops alone serve a linear probe no better than those of an "
          "untrained network.", "none; what follows if the shortcut is complete", {}, SHAPE_SET,
          exceeds("random_linear", "crops_linear")),
    Claim("simclr-before-the-head-cifar",
          "On CIFAR-10, the features before the head serve a linear probe better than those after it do.",
          f"{PAPER}, section 4.2: more than ten points on ImageNet", {}, CIFAR,
          exceeds("views_linear", "head_linear")),
    Claim("simclr-before-the-head-shapes",
          "On drawn shapes, the features before the head serve a linear probe better than those after it do.",
          f"{PAPER}, section 4.2: more than ten points on ImageNet", {}, SHAPE_SET,
          exceeds("views_linear", "head_linear")),
    Claim("simclr-head-forgets-shapes",
          "On drawn shapes, a linear probe finds a picture's main colour, which views change, more often in the "
          "features before the head than in those after it.", FORGETS, {}, SHAPE_SET,
          exceeds("told_h", "told_z")),
    Claim("simclr-head-forgets-cifar",
          "So it does on CIFAR-10.", FORGETS, {}, CIFAR,
          exceeds("told_h", "told_z")),
    Claim("simclr-pushes-own-kind",
          "On drawn shapes, a larger share of the pushes falls on pictures of the same kind after the training than "
          "before, by more than three points.", "none; follows from a loss that knows no kinds", {}, SHAPE_SET,
          exceeds("views_own_kind", "random_own_kind", by=0.03)),
)
