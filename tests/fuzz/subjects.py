"""Finds what the fuzz tests call: every public function and method that takes an image, a level, labels or embeddings.

Found by introspection, so a new function joins by itself. Its arguments are made by their names; where a name says too
little, `EXTRA` gives the arguments. A function that cannot be called so fails the listing test.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import course_lib
from course_lib.data.readers import Labelled, Pair, Run
from course_lib.data.sorting import Frames, line
from course_lib.denoise.bm3d import Profile, Stage
from course_lib.denoise.cbdnet import CBDNet
from course_lib.denoise.class_aware import Classifier
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.nn3d import similar
from course_lib.denoise.receptive_field import Stack
from course_lib.fit import Progress
from course_lib.metric.batches import jitter
from course_lib.metric.identification import Classifier as PeopleClassifier
from course_lib.metric.identification import Gallery
from course_lib.metric.one_shot import hausdorff_distances
from course_lib.metric.triplet import all_triplets
from course_lib.networks import Embedding, Encoder
from course_lib.noise import Camera, Gaussian
from course_lib.pretext import context_encoder, position
from course_lib.pretext.autoencoder import Autoencoder
from course_lib.pretext.before_after import Classifier as FrameClassifier
from course_lib.pretext.before_after import Segmenter, backgrounds
from course_lib.pretext.colorization import ColorNet
from course_lib.pretext.jigsaw import Puzzle
from course_lib.pretext.nin import NIN
from course_lib.pretext.probe import Mean, probe
from course_lib.pretext.towers import Tower
from course_lib.pretext.views import Views
from course_lib.randomness import generator

ABOVE = ("cli", "doctor", "claims", "checks", "grading", "lectures")  # floors 4 and 5 call, they are not called

STAGE = Stage(patch=4, stride=2, count=4, window=9, similar=3000.0)
GENUINE = torch.tensor([0.1, 0.2, 0.4])


def image(*shape: int) -> Tensor:
    return torch.rand(shape or (2, 1, 16, 16), generator=generator(0, "fuzz", "images"))


def embeddings(*shape: int) -> Tensor:
    return torch.randn(shape or (4, 3), generator=generator(0, "fuzz", "embeddings"))


def labels() -> Tensor:
    return torch.tensor([0, 0, 1, 1])


def pictures(*shape: int) -> Tensor:
    return (image(*shape) * 255).to(torch.uint8)


def people() -> Labelled:
    return Labelled(pictures(4, 1, 16, 16), labels(), ("ann", "bob"))


@cache
def network(kind: Callable[..., nn.Module], **arguments: Any) -> nn.Module:
    return kind(**arguments).eval()


def dncnn() -> nn.Module:
    return network(DnCNN, depth=3, width=4, batch_norm=False)


def embedding() -> nn.Module:
    return network(Embedding, widths=(4, 4), dimensions=3)


def cbdnet() -> nn.Module:
    return network(CBDNet, channels=1, width=4, estimator_width=4)


def nin(outputs: int = 4) -> nn.Module:
    return network(NIN, width=12, channels=1, outputs=outputs)


def centres() -> Tensor:
    return torch.tensor([[-20.0, 10.0], [0.0, 0.0], [10.0, 20.0], [30.0, -10.0], [0.0, 40.0], [60.0, 50.0]])


def towers() -> nn.Module:
    return position.network(nin(), position.Patches()).eval()


def film() -> Frames:
    return line(2, frames=1, size=24)


def drawings() -> Tensor:
    """Two drawings, black on white."""
    drawn = torch.full((2, 1, 16, 16), 255, dtype=torch.uint8)
    drawn[0, :, 3:9, 5], drawn[1, :, 8, 2:12] = 0, 0
    return drawn


def as_floats(images: Tensor) -> Tensor:
    return images.flatten(1).float()


IMAGES = (
    "y", "z", "x", "images", "image", "batch", "estimate", "pilot", "noise_estimate", "picture", "level",
    "values",
)  # fmt: skip
EMBEDDINGS = (
    "f", "embeddings", "a", "b", "anchor", "positive", "negative", "points", "train", "test", "templates", "h",
)  # fmt: skip
LABELS = ("labels", "answers", "test_labels")
LEVELS = {
    "sigma": 0.1,
    "peak": 30.0,
    "keep": 0.5,
    "signal": 0.02,
    "read": 0.02,
    "share": 0.1,
    "gain": 0.01,
    "exposure": 0.2,
    "tau": 0.1,
    "factor": 1.5,
    "level": 0.1,
    "height": 0.001,
    "value": 0.1,
}

# What is spoilt, by the name of the parameter. A number is made where the parameter takes one, a tensor otherwise.
FED: dict[str, Callable[[], Any]] = {
    **dict.fromkeys(IMAGES, image),
    **dict.fromkeys(EMBEDDINGS, embeddings),
    **dict.fromkeys(LABELS, labels),
    "pictures": lambda: {"one": image(1, 16, 16), "two": image(1, 16, 16)},
    "reference": lambda: image(1, 16, 16),
    "pairs": lambda: [(image(1, 1, 16, 16), 0.5 * image(1, 1, 16, 16))],
    "estimates": lambda: [image(), image()],
    "field": lambda: image(9, 9),
    "gradients": image,
    "drawing": lambda: drawings()[0],
    "tests": drawings,
    "training": drawings,
    "runs": lambda: [Run(drawings(), drawings(), torch.tensor([1, 0]))],
    "distance": lambda: GENUINE.clone(),
    "genuine": lambda: GENUINE.clone(),
    "impostor": lambda: GENUINE + 0.15,
    "impostor_scores": lambda: embeddings(4, 2).abs(),
    "scores": lambda: embeddings(4, 2).abs(),
    "known_scores": lambda: embeddings(4, 2).abs(),
    "excess": lambda: embeddings(4),
    "of": people,
    "known": people,
    "validation": people,
    "turn": lambda: torch.tensor([0.1, 0.2]),
    "degrees": lambda: torch.tensor([5.0, 10.0]),
    "kernel": lambda: torch.full((3, 3), 1 / 9),
    "tensors": lambda: [image(), image()],
    "batches": lambda: [image(), image()],
    "tables": lambda: [embeddings(), embeddings()],
    "features": lambda: image(2, 4, 8, 8),
    "maps": image,
    "found": lambda: image() > 0.5,
    "truth": lambda: image() > 0.3,
    "orders": lambda: torch.stack([torch.arange(9), torch.arange(9).flip(0), torch.arange(9).roll(1)]),
    "lab": lambda: 60 * image(2, 3, 16, 16),
    "ab": lambda: 20 * embeddings(8, 2),
    "centres": centres,
    "prior": lambda: torch.tensor([0.7, 0.2, 0.1]),
    "probabilities": lambda: image(2, 6, 4, 4).softmax(dim=1),
    "lightness": lambda: 100 * image(2, 1, 16, 16),
    "tiles": lambda: image(2, 2, 1, 16, 16),
    "patches": lambda: image(2, 2, 3, 8, 8),
    "seeds": lambda: image(2, 3, 24, 24),
    "which": lambda: torch.tensor([1, 0]),
    "mask": lambda: (image() > 0.5).float(),
    "holey": image,
    "frames": pictures,
    "behind": lambda: image(1, 16, 16),
    **dict.fromkeys(("top", "left"), lambda: torch.tensor([[0, 1], [2, 3]])),
    "photographs": lambda: {"one": pictures(3, 40, 40), "two": pictures(3, 30, 50)},
}

# Tensors that are neither images nor levels, labels or embeddings: weights of networks, and the insides of a method.
INSIDES = (
    "weight", "weights", "matrix", "table", "index", "window", "size", "like", "stacks", "into", "matches", "s",
    "strength", "stack", "box", "transform", "embed", "smooth", "details", "network", "shape",
)  # fmt: skip

# What else a call needs, small, so that it takes milliseconds.
PLAIN: dict[str, Callable[[], Any]] = {
    "generator": lambda: generator(0, "fuzz"),
    "progress": lambda: Progress(step=0, steps=10),
    "network": dncnn,
    "denoiser": dncnn,
    "model": dncnn,
    "margin": lambda: 0.5,
    "seed": lambda: 0,
    "channels": lambda: 1,
    "depth": lambda: 3,
    "width": lambda: 4,
    "estimator_width": lambda: 4,
    "widths": lambda: (4, 4),
    "classes": lambda: 2,
    "people": lambda: 2,
    "dimensions": lambda: 3,
    "blocks": lambda: 1,
    "encoder": lambda: network(Encoder, widths=(4, 4)),
    "embedding": embedding,
    "patch": lambda: 4,
    "window": lambda: 9,
    "stride": lambda: 4,
    "count": lambda: 4,
    "iterations": lambda: 1,
    "scale": lambda: 2,
    "quality": lambda: 90,
    "size": lambda: 8,
    "name": lambda: "the argument",
    "noise": lambda: Gaussian(0.1),
    "k": lambda: 1,
    "ks": lambda: (1,),
    "threshold": lambda: 0.5,
    "rate": lambda: 0.1,
    "embed": lambda: as_floats,
    "alt": lambda: "two images",
    "caption": lambda: "",
    "strength": lambda: 0.5,
    "camera": Camera,
    "method": lambda: "BM3D",
    "stage": lambda: STAGE,
    "profile": lambda: Profile(STAGE, STAGE, 2.7),
    "device": lambda: torch.device("cpu"),
    "what": lambda: "two tensors",
    "letters": lambda: "N C H W",
    "pixels": lambda: [(3, 4)],
    "at": lambda: (3, 4),
    "triplets": lambda: all_triplets(labels()),
    "mining": lambda: "batch-hard",
    "view": Views,
    "kind": lambda: "png",
    "top": lambda: 2,
    "left": lambda: 2,
    "colour": lambda: (1.0, 0.0, 0.0),
    "call": lambda: "render()",
    "templates": lambda: 1,
    "stacks": lambda: embeddings(4, 2, 9),
    "parts": lambda: [1, 1],
    "networks": lambda: [dncnn()],
    "block": lambda: 1,
    "degrees": lambda: 90,
    "each": lambda: 1,
    "layer": lambda: network(nn.Linear, in_features=4, out_features=2),
    "outputs": lambda: 4,
}

ONE = {"z": lambda: image(1, 1, 8, 8)}
COLOUR = {"y": lambda: image(2, 3, 16, 16)}
HUES = {"batch": lambda: image(2, 3, 16, 16), "factor": lambda: torch.tensor([0.5, 1.5])}
TWO = {"batch": lambda: (image(), 0.5 * image())}
THREE = {"batch": lambda: (image(), 0.1 * image(), 0.5 * image())}
FACES = {"batch": lambda: (image(4, 1, 16, 16), labels()), "model": embedding}
DISTANCES = {"y": lambda: torch.tensor([0.0, 1.0, 1.0])}
LISTED = {"images": lambda: [pictures(1, 16, 16), pictures(1, 12, 18)]}
LABELLED = {"images": people}
TRAINED = {"model": cbdnet}
FILMED = {"film": film, "behind": lambda: backgrounds(film())}
SORTED = {"images": lambda: pictures(4, 1, 16, 16), "labels": lambda: torch.tensor([0, 1, 0, 1])}
EACH = {"tower": lambda: Tower(nin(), block=2).eval(), "features": lambda: 192, "count": lambda: 2}
JIGSAW = {"cell": lambda: 5, "tile": lambda: 4, "tiles": lambda: image(2, 9, 1, 4, 4)}

# Arguments of one function, where their names say too little.
EXTRA: dict[str, dict[str, Callable[[], Any]]] = {
    "data.images.to_float": {"image": lambda: pictures(1, 16, 16)},
    "data.sources.fixed_pairs": {"images": lambda: {"one": pictures(1, 16, 16)}},
    "data.sources.patches": LISTED,
    "data.sources.channels_of": LISTED,
    "denoise.bias_free.adaptive_filters": ONE,
    "denoise.bias_free.jacobian": ONE,
    "denoise.bias_free.net_bias": ONE,
    "denoise.bm3d.threshold_groups": ONE,
    "denoise.bm3d.wiener_groups": {**ONE, "pilot": lambda: image(1, 1, 8, 8)},
    "denoise.cbdnet.step": THREE | TRAINED,
    "denoise.cbdnet.real_step": TWO | TRAINED,
    "denoise.cbdnet.alternating_step": TRAINED | {"batch": lambda: (THREE["batch"](), TWO["batch"]())},
    "denoise.cbdnet.real_patches": {"pairs": lambda: [Pair(pictures(1, 16, 16), pictures(1, 16, 16))]},
    "denoise.class_aware.Chooser": {
        "classifier": lambda: network(Classifier, classes=2, width=4),
        "networks": lambda: {"one": dncnn(), "two": dncnn()},
    },
    "denoise.class_aware.step": TWO,
    "denoise.class_aware.classifier_step": {
        "model": lambda: network(Classifier, classes=2, width=4),
        "batch": lambda: (image(4, 1, 16, 16), labels()),
    },
    "denoise.classification.labelled": {"images": lambda: pictures(4, 1, 16, 16)},
    "denoise.classification.mosaics": {"pictures": lambda: [pictures(1, 16, 16), pictures(1, 12, 18)]},
    "denoise.classification.step": {
        "model": lambda: network(Stack, depth=2, width=4, outputs=2),
        "batch": lambda: (image(), (image()[:, 0] > 0.5).long()),
    },
    "denoise.dncnn.step": TWO,
    "denoise.dncnn.three_tasks": {"y": lambda: image(3, 1, 24, 24)},
    "denoise.ffdnet.variant_levels": {"sigma": lambda: (0.05, 0.1)},
    "denoise.known_level.step": THREE | {"model": lambda: network(FFDNet, depth=3, width=4)},
    "denoise.nn3d.Bank": {"networks": lambda: {0.05: dncnn(), 0.2: dncnn()}},
    "denoise.nn3d.filter_groups": {"matches": lambda: similar(image(), patch=4, count=4, window=9, stride=4)},
    "denoise.receptive_field.many_gradients": {
        "networks": lambda: [network(Stack, depth=2, width=4, seed=seed) for seed in (0, 1)]
    },
    "denoise.receptive_field.Stack": {"kernel": lambda: 3},
    "denoise.straightforward.step": TWO,
    "denoise.wnnm.low_rank": {
        "table": lambda: embeddings(4, 9),
        "index": lambda: torch.tensor([[0, 1], [2, 3]]),
        "sigma": lambda: torch.full((4,), 0.1),
    },
    "embeddings.embed": {"network": embedding},
    "embeddings.tsne": {"f": lambda: embeddings(12, 3), "perplexity": lambda: 3.0},
    "metric.batches.check_labelled": LABELLED,
    "metric.batches.identity_batches": LABELLED | {"each": lambda: 2},
    "figures.scored": {"pictures": lambda: {"one": image(1, 1, 16, 16)}, "reference": lambda: image(1, 1, 16, 16)},
    "metric.batches.settle_on_people": {
        "images": lambda: Labelled(pictures(8, 1, 16, 16), labels().repeat(2), ("ann", "bob")),
        "network": lambda: Embedding(widths=(4, 4), dimensions=3),
        "view": jitter,
        "batch": lambda: 4,
    },
    "metric.batches.jitter": {"noise": lambda: 0.05},
    "metric.contrastive.hadsell_loss": DISTANCES,
    "metric.contrastive.slide_loss": DISTANCES,
    "metric.contrastive.step": FACES,
    "metric.triplet.step": FACES,
    "metric.identification.step": FACES | {"model": lambda: network(PeopleClassifier, people=2, embedding=embedding())},
    "metric.one_shot.modified_hausdorff": {"a": lambda: embeddings(4, 2), "b": lambda: embeddings(3, 2)},
    "metric.one_shot.one_shot_error": {"distance": lambda: hausdorff_distances},
    "metric.one_shot.one_shot_errors": {"distance": lambda: hausdorff_distances},
    "metric.triplet.with_random_triplets": {"batch": lambda: (image(4, 1, 16, 16), labels())},
    "metric.verification.open_set": {"test": people},
    "networks.settle": {"network": lambda: Embedding(widths=(4, 4), dimensions=3)},
    "operators.mosaic": COLOUR,
    "pretext.simclr.ProjectionHead": {"h": lambda: embeddings(4, 4)},
    "pretext.simclr.pairs": {"images": lambda: pictures(4, 1, 16, 16)},
    "pretext.simclr.uniformity": {"z": embeddings},
    "pretext.simclr.on_sphere": {"z": embeddings},
    "pretext.views.brightness": HUES,
    "pretext.views.contrast": HUES,
    "pretext.views.hue": HUES,
    "pretext.views.saturation": HUES,
    "pretext.views.crop": {"box": lambda: torch.tensor([[0, 0, 8, 8], [2, 3, 8, 9]])},
    "pretext.autoencoder.Autoencoder": {"encoder": nin},
    "pretext.autoencoder.reconstruction": {"network": lambda: Autoencoder(nin()).eval()},
    "pretext.cam.enlarged": {"size": lambda: (32, 32)},
    "pretext.colorization.ColorNet": {"outputs": lambda: 6},
    "pretext.colorization.colours": {"images": lambda: pictures(4, 3, 16, 16)},
    "pretext.colorization.coloured": {
        "network": lambda: network(ColorNet, width=4),
        "images": lambda: image(2, 3, 16, 16),
    },
    "pretext.colorization.split": {"images": lambda: image(2, 3, 16, 16)},
    "pretext.colorization.chroma": {"ab": lambda: 20 * embeddings(2, 2, 4, 4)},
    "pretext.colorization.loss": {"ab": lambda: 20 * embeddings(2, 2, 4, 4), "scores": lambda: embeddings(2, 6, 4, 4)},
    "pretext.lab.from_rgb": {"images": lambda: image(2, 3, 16, 16)},
    "pretext.before_after.accuracy": SORTED | {"network": lambda: nin(3)},
    "data.sorting.cutouts": {"illegal": lambda: ("ann",), "legal": lambda: ("bob",)},
    "pretext.before_after.by_mask": FILMED,
    "pretext.before_after.without_background": FILMED,
    "pretext.before_after.Classifier": {"channels": lambda: 1, "label": lambda: 0},
    "pretext.before_after.pseudo_masks": SORTED
    | {
        "network": lambda: network(FrameClassifier, channels=1, widths=(4, 4)),
    },
    "pretext.before_after.segmented": {"network": lambda: network(Segmenter, channels=1, width=4)},
    "pretext.context_encoder.ChannelWise": {"channels": lambda: 2, "side": lambda: 4, "x": lambda: image(2, 2, 4, 4)},
    "pretext.context_encoder.ContextEncoder": {"size": lambda: 16, "width": lambda: 4, "channels": lambda: 1},
    "pretext.context_encoder.filled": {
        "network": lambda: network(context_encoder.ContextEncoder, size=16, width=4, channels=1),
    },
    "pretext.context_encoder.Hole": {"shape": lambda: image().shape},
    "pretext.context_encoder.holes": {"images": pictures, "hole": context_encoder.Hole},
    "pretext.exemplar.ExemplarNet": {"size": lambda: 16, "block": lambda: 3},
    "pretext.exemplar.Transformation": {"colour": lambda: 0.5, "scale": lambda: (0.7, 1.4), "turn": lambda: 20.0},
    "pretext.frame_order.shuffled": {"pairs": lambda: image(2, 2, 16, 16)},
    "pretext.jigsaw.Puzzle": JIGSAW,
    "pretext.jigsaw.puzzles": {"images": lambda: pictures(4, 1, 16, 16), "puzzle": lambda: Puzzle(cell=5, tile=4)},
    "pretext.position.pairs": {"images": lambda: pictures(4, 1, 40, 40), "patches": position.Patches},
    "pretext.position.Patches": {
        "colour": lambda: "projected",
        "images": lambda: image(2, 3, 40, 40),
        "shape": lambda: image(2, 3, 40, 40).shape,
    },
    "pretext.position.projected": {"images": lambda: image(2, 3, 16, 16)},
    "pretext.towers.accuracy": {"model": towers, "images": lambda: image(2, 1, 40, 40), "view": position.Patches},
    "pretext.towers.Tower": {"network": nin, "block": lambda: 2},
    "pretext.towers.Towers": EACH,
    "pretext.probe.Probe": {
        "trunk": nin,
        "head": lambda: probe(nin(), block=1, classes=2, size=(1, 16, 16)).head.eval(),
        "size": lambda: (1, 16, 16),
    },
    "pretext.probe.accuracy": LABELLED | {"model": lambda: nin(2)},
    "pretext.probe.few": LABELLED,
    "pretext.probe.labelled": LABELLED,
    "pretext.rotnet.accuracy": {"network": nin, "degrees": lambda: (0, 90, 180, 270)},
    "pretext.rotnet.rotations": {"images": lambda: pictures(4, 1, 16, 16), "degrees": lambda: (0, 90, 180, 270)},
    "pretext.rotnet.turns": {"degrees": lambda: (0, 90, 180, 270)},
    "pretext.shortcuts.fringes": {"images": lambda: pictures(2, 3, 16, 16)},
    "pretext.shortcuts.vignette": {"images": pictures},
    "arguments.eight_bit": {"images": lambda: pictures(4, 1, 16, 16)},
    "data.sources.pictures": {"images": lambda: pictures(4, 1, 16, 16), "labels": lambda: torch.tensor([0, 1, 0, 1])},
    "widgets.forces.loss_and_forces": {"points": lambda: embeddings(4, 2), "loss": lambda: "slide"},
    "widgets.pictures.address": {"picture": lambda: pictures(1, 16, 16)},
    "widgets.pictures.encode": {"picture": lambda: pictures(1, 16, 16)},
    "widgets.pictures.pixels": {"picture": lambda: image(1, 16, 16)},
}


def enrolled() -> Gallery:
    gallery = Gallery()
    gallery.enrol("ann", embeddings()[:2])
    gallery.enrol("bob", embeddings()[2:])
    return gallery


# Objects that need more than a constructor.
# The halves of a CBDNet are made by it, which leaves the global random state alone and gives them their weights.
MADE: dict[str, Callable[[], Any]] = {
    "metric.identification.Gallery": enrolled,
    "denoise.cbdnet.NoiseEstimator": lambda: cbdnet().estimator,
    "denoise.cbdnet.NonBlind": lambda: cbdnet().denoiser,
    "pretext.probe.Mean": lambda: Mean(),
}

# What the result is asked for before it is judged.
THEN: dict[str, Callable[[Any], Any]] = dict.fromkeys(
    [
        "data.sources.patches",
        "denoise.cbdnet.real_patches",
        "denoise.classification.labelled",
        "pretext.simclr.pairs",
        "pretext.rotnet.rotations",
        "data.sources.pictures",
        "pretext.probe.labelled",
        "pretext.colorization.colours",
        "pretext.context_encoder.holes",
        "pretext.jigsaw.puzzles",
        "pretext.position.pairs",
        "denoise.classification.mosaics",
        "metric.batches.identity_batches",
    ],
    lambda source: source(4, generator(0, "fuzz", "source")),
) | {
    "denoise.cbdnet.white": lambda degrade: degrade(image(), generator(0, "fuzz", "source")),
}

# Results that may be infinite, and what that means. NaN never means anything.
INFINITE = {
    "quality.psnr": "a perfect estimate",
    "denoiser.score": "a perfect estimate",
    "figures.scored": "a perfect estimate",
    "pretext.autoencoder.reconstruction": "a perfect estimate",
    "metric.verification.roc": "the first and the last threshold, which reject and accept everybody",
}

# Results that rounding changes, and why.
CHAOTIC = {"embeddings.tsne": "a descent of hundreds of steps from a start where everybody is near everybody"}

# Arguments that a function is there to change.
CHANGED = {"networks.settle": "network", "metric.batches.settle_on_people": "network"}

LEFT_OUT: dict[str, str] = {
    "*.train": "starts a training; the functions it calls are here",
    "*.train_*": "as train",
    "fit.*": "as train",
    "guard.*": "as train",
    "arguments.shaped": "takes tensors by any names; what calls it is here",
    "arguments.points": "as shaped",
    "arguments.colours": "as shaped",
    "arguments.comparable": "as shaped",
    "arguments.classes": "looks at labels beside scores that a network made",
    "arguments.layer_input": "looks at what one layer gives to the next",
    "arguments.positions": "looks at positions that a miner made",
    "arguments.drawings": "what calls it is here",
    "deterministic.*": "an operation of PyTorch, compared with it by tests/devices; its callers are checked",
    "devices.*": "computes what a checked caller asks; tests/devices holds it against what a GPU does",
    "recipes.Recipe.*": "as train",
    "*.from_published": "reads weights by name; the doctests do",
    "checkpoints.*": "reads and writes a training",
}


@dataclass(frozen=True)
class Subject:
    """Something to call, with ordinary arguments, of which those named `fed` are spoilt."""

    name: str
    call: Callable[..., Any]
    parameters: dict[str, inspect.Parameter]
    owner: Callable[..., Any] | None = None  # the class of a method
    making: tuple[str, ...] = ()  # the parameters of its constructor
    fed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # what may be fed, and has a name that no list here has

    def arguments(self) -> dict[str, Any]:
        """Make ordinary arguments, new ones each time."""
        extra = EXTRA.get(self.name, EXTRA.get(self.name.rpartition(".")[0], {}))
        made: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if name in extra:
                made[name] = extra[name]()
            elif parameter.kind is parameter.VAR_KEYWORD:
                continue
            elif name in self.fed:
                made[name] = LEVELS[name] if number(parameter) else FED[name]()
            elif name in PLAIN:
                made[name] = PLAIN[name]()
            elif parameter.default is parameter.empty:
                raise LookupError(f"{self.name}: nothing here makes {parameter}")
        return made

    def __call__(self, **arguments: Any) -> Any:
        if self.owner is not None:
            made = self.owner(**{name: arguments.pop(name) for name in self.making if name in arguments})
            arguments["self"] = made.eval() if isinstance(made, nn.Module) else made
        spread = [name for name, parameter in self.parameters.items() if parameter.kind is parameter.VAR_POSITIONAL]
        before = list(self.parameters)[: list(self.parameters).index(spread[0])] if spread else []
        first = [arguments.pop(name) for name in before]
        first += [value for name in spread for value in starred(arguments.pop(name))]
        return THEN.get(self.name, lambda result: result)(self.call(*first, **arguments))


def starred(values: Any) -> list[Any]:
    """What stands behind a star; Python refuses f(*None) before f is called, so that f(None) is meant."""
    return list(values) if isinstance(values, tuple | list | dict | str) else [values]


def mentions(parameter: inspect.Parameter, words: str) -> bool:
    return bool(re.search(rf"\b({words})\b", re.sub(r"Callable\[.*?\]", "", str(parameter.annotation))))


def number(parameter: inspect.Parameter) -> bool:
    """Tell whether a level is made for a parameter, which is one number, rather than a tensor."""
    return parameter.name in LEVELS and mentions(parameter, "float|Sigma")


def subject(name: str, call: Callable[..., Any], owner: type | None = None) -> Subject:
    parameters = dict(inspect.signature(call).parameters)
    parameters.pop("self", None)
    maker = MADE.get(name.rpartition(".")[0], owner)
    making = dict(inspect.signature(maker).parameters) if maker else {}
    both = {**making, **parameters}
    told = [
        p
        for p, parameter in both.items()
        if number(parameter) or mentions(parameter, "Tensor|Sigma|Pictures|Labelled|Pair|Run|Synthetic|Batch")
    ]
    fed = tuple(p for p in told if p in FED or p in LEVELS)
    return Subject(name, call, both, maker, tuple(making), fed, tuple(set(told) - set(fed) - set(INSIDES)))


def public() -> Iterator[Subject]:
    """Every public function and method of the library below the ledger."""
    for found in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
        if found.name.split(".")[1] in ABOVE:
            continue
        module = importlib.import_module(found.name)
        for name, thing in sorted(vars(module).items()):
            if name.startswith("_") or getattr(thing, "__module__", "") != found.name:
                continue
            full = f"{found.name.removeprefix('course_lib.')}.{name}"
            if inspect.isfunction(thing):
                yield subject(full, thing)
            elif inspect.isclass(thing) and not issubclass(thing, tuple | BaseException | torch.Generator):
                if getattr(thing, "_is_protocol", False):
                    continue
                for method, call in inspect.getmembers(thing, inspect.isfunction):
                    ours = call.__module__.startswith("course_lib")
                    if ours and (method == "__call__" or not method.startswith("_")):
                        yield subject(f"{full}.{method}", call, thing)


def reason(name: str) -> str | None:
    """Why a function is left out; None if it is not."""
    return next((why for pattern, why in LEFT_OUT.items() if fnmatch(name, pattern)), None)


@cache
def subjects() -> dict[str, Subject]:
    """What is fuzzed, by name."""
    return {one.name: one for one in public() if (one.fed or one.unknown) and reason(one.name) is None}
