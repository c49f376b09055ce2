"""Every training of the course at a size that takes a second, for the tests of devices; and as a command, what waits.

    python tests/devices/trainings.py        # host synchronisations of a step of each training, and where they are
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache, partial
from typing import get_args

import torch

from course_lib import data
from course_lib.data.identities import people
from course_lib.data.shapes import shapes
from course_lib.data.sorting import line
from course_lib.denoise import (
    bias_free,
    cbdnet,
    class_aware,
    classification,
    dncnn,
    fast,
    ffdnet,
    receptive_field,
    straightforward,
)
from course_lib.fit import Trained
from course_lib.metric import batches, contrastive, identification, triplet
from course_lib.networks import Encoder
from course_lib.noise import Camera, PoissonGaussian, Rain
from course_lib.pretext import (
    autoencoder,
    before_after,
    colorization,
    context_encoder,
    exemplar,
    frame_order,
    jigsaw,
    position,
    probe,
    rotnet,
    simclr,
)
from course_lib.pretext.nin import NIN
from course_lib.profiles import Budget

LEVEL, RANGE = 25 / 255, (0.0, 55 / 255)


def photographs(channels: int = 1) -> dict[str, torch.Tensor]:
    return {name: picture[:, :64, :64] for name, picture in data.photographs("validation", channels=channels).items()}


def mosaics_and_labels() -> dict[str, Callable[[Budget], Trained]]:
    """The two trainings of classification, with networks that are built anew each time."""
    def network(classes: int) -> torch.nn.Module:
        return receptive_field.Stack(depth=3, width=4, outputs=classes)

    def mosaics(budget: Budget) -> Trained:
        pictures = photographs()
        return classification.train(classification.mosaics(pictures, size=17), budget=budget, seed=0,
                                    network=network(len(pictures)))

    def labelled(budget: Budget) -> Trained:
        known = shapes(4)
        gray = known.images.float().mean(dim=1, keepdim=True).byte()
        return classification.train(classification.labelled(gray, known.labels), budget=budget, seed=0,
                                    network=network(len(known.names)))

    return {"classification of mosaics": mosaics, "classification of images": labelled}


def of_pictures(train: Callable[..., Trained], network: Callable[[], torch.nn.Module], *, channels: int = 1,
                **more: object) -> Callable[[Budget], Trained]:
    return lambda budget: train(photographs(channels), budget=budget, seed=0, network=network(), **more)


def of_people(train: Callable[..., Trained], **more: object) -> Callable[[Budget], Trained]:
    return lambda budget: train(people(6, each=4), budget=budget, seed=0, view=batches.jitter(turn=5.0, noise=0.02,
                                                                                            mirror=True), **more)


def straightforward_with(forward: object) -> Callable[[Budget], Trained]:
    return lambda budget: straightforward.train(photographs(), forward=forward, budget=budget, seed=0,
                                                model=straightforward.network(depth=3, width=4))


def classifier(budget: Budget) -> Trained:
    pictures = [*photographs().values()]
    return class_aware.train_classifier({"one": pictures[:1], "two": pictures[1:2]}, noise=LEVEL, budget=budget, seed=0,
                                        network=class_aware.Classifier(2, width=4))


def real_pairs(budget: Budget) -> Trained:
    y = photographs(3)
    pairs = [data.Pair((picture.float() + 3).clamp(max=255).byte(), picture) for picture in y.values()]
    return cbdnet.train(y, pairs=pairs, budget=budget, seed=0, network=small_cbdnet())


def small_cbdnet() -> cbdnet.CBDNet:
    return cbdnet.CBDNet(channels=3, width=4, estimator_width=4)


drawn, filmed = cache(shapes), cache(line)


def of_shapes(train: Callable[..., Trained], *, size: int = 32, **more: Callable[[], object]
              ) -> Callable[[Budget], Trained]:
    """A pretext task on drawn shapes; what is a network or a view is built anew each time."""
    return lambda budget: train(drawn(4, size=size), budget=budget, seed=0,
                                **{name: build() for name, build in more.items()})


def patches(colour: position.Colour, jitter: int = 2) -> position.Patches:
    return position.Patches(size=8, gap=4, jitter=jitter, colour=colour)


def towers() -> torch.nn.Module:
    return position.network(NIN(width=12), patches("kept"))


def puzzle() -> jigsaw.Puzzle:
    return jigsaw.Puzzle(cell=10, tile=8)


def exemplars(budget: Budget) -> Trained:
    return exemplar.train(drawn(2, size=24).images, budget=budget, seed=0,
                          network=exemplar.ExemplarNet(outputs=16, size=16, width=4, hidden=16))


def films(budget: Budget) -> Trained:
    return frame_order.train(filmed(4, frames=3), budget=budget, seed=0)


def sorted_waste(budget: Budget) -> Trained:
    film = filmed(4, frames=3)
    return before_after.train(film.images, film.labels, budget=budget, seed=0)


def masks_of_waste(budget: Budget) -> Trained:
    film = filmed(4, frames=3)
    return before_after.train_segmenter(film.images, film.masks, budget=budget, seed=0,
                                        network=before_after.Segmenter(width=4))


def probed(head: probe.Head, *, tuned: bool = False) -> Callable[[Budget], Trained]:
    return lambda budget: probe.train(
        probe.probe(NIN(width=12), block=2, classes=8, size=(3, 32, 32), head=head, tuned=tuned),
        drawn(4), budget=budget, seed=0)


small = partial(dncnn.DnCNN, depth=3, width=4)
# name -> training, and the side of its patches
TRAININGS: dict[str, tuple[Callable[[Budget], Trained], int | None]] = {
    "dncnn": (of_pictures(dncnn.train, small, sigma=LEVEL), 24),
    "dncnn blind": (of_pictures(dncnn.train, small, sigma=RANGE), 24),
    "dncnn three tasks": (of_pictures(dncnn.train_three_tasks, small), 24),
    "straightforward, rain": (straightforward_with(Rain()), 24),
    "straightforward, camera": (straightforward_with(Camera(mosaic=False, quality=None)), 24),
    "ffdnet": (of_pictures(ffdnet.train, partial(ffdnet.FFDNet, depth=3, width=4)), 24),
    "ffdnet, variant maps": (of_pictures(ffdnet.train, partial(ffdnet.FFDNet, depth=3, width=4), maps="variant"),
                             24),
    "fast": (of_pictures(fast.train, partial(fast.Fast, depth=3, width=4), sigma=RANGE), 24),
    "bias_free": (of_pictures(bias_free.train, partial(bias_free.BiasFreeDnCNN, depth=3, width=4)), 24),
    "cbdnet, white": (of_pictures(cbdnet.train, small_cbdnet, channels=3, degrade=RANGE), 24),
    "cbdnet, camera": (of_pictures(cbdnet.train, small_cbdnet, channels=3), 24),
    "cbdnet, real pairs": (real_pairs, 24),
    "class_aware": (of_pictures(class_aware.train, partial(class_aware.Gradual, depth=3, width=4),
                                noise=PoissonGaussian(0.01, 0.02)), 24),
    "class_aware classifier": (classifier, 24),
    **{name: (train, None) for name, train in mosaics_and_labels().items()},
    "identification": (of_people(identification.train), None),
    "contrastive": (of_people(contrastive.train, margin=1.0), None),
    "contrastive, Hadsell": (of_people(contrastive.train, margin=1.0, loss=contrastive.hadsell_loss, balanced=False),
                             None),
    **{f"triplet, {mining}": (of_people(triplet.train, mining=mining, margin=0.2), None)
       for mining in ("random", "semi-hard", "batch-hard", "all")},
    "simclr": (lambda budget: simclr.train(drawn(4), budget=budget, seed=0), None),
    "simclr, gray": (lambda budget: simclr.train(people(6).images, budget=budget, seed=0), None),
    "simclr encoder": (lambda budget: simclr.train_encoder(drawn(4), budget=budget, seed=0,
                                                           network=Encoder(channels=3)), None),
    "rotnet": (of_shapes(rotnet.train, network=lambda: NIN(width=12)), None),
    "rotnet, eight turns": (of_shapes(rotnet.train, network=lambda: NIN(width=12, outputs=8),
                                      degrees=lambda: rotnet.EIGHT), None),
    "autoencoder": (of_shapes(autoencoder.train, network=lambda: autoencoder.Autoencoder(NIN(width=12), narrow=4)),
                    None),
    **{f"probe, {head}": (probed(head), None) for head in get_args(probe.Head)},
    "probe, tuned": (probed("linear", tuned=True), None),
    **{f"position, {colour}": (of_shapes(position.train, patches=partial(patches, colour), model=towers), None)
       for colour in get_args(position.Colour)},
    "jigsaw": (of_shapes(jigsaw.train, puzzle=puzzle,
                         model=lambda: jigsaw.network(NIN(width=12), puzzle())), None),
    "colorization": (of_shapes(colorization.train, network=lambda: colorization.ColorNet(width=4)), None),
    "colorization, rare colours": (of_shapes(colorization.train, network=lambda: colorization.ColorNet(width=4),
                                             weight=lambda: torch.linspace(0.5, 1.5, 313)), None),
    "colorization, squared errors": (of_shapes(colorization.train, network=lambda: colorization.ColorNet(
        width=4, outputs=2)), None),
    "context_encoder": (of_shapes(context_encoder.train, network=lambda: context_encoder.ContextEncoder(width=4)),
                        None),
    "context_encoder, in the middle": (of_shapes(context_encoder.train, hole=context_encoder.Hole,
                                                 network=lambda: context_encoder.ContextEncoder(width=4)), None),
    "exemplar": (exemplars, None),
    "frame_order": (films, None),
    "before_after": (sorted_waste, None),
    "before_after segmenter": (masks_of_waste, None),
}
SAMPLE = ("dncnn blind", "cbdnet, camera", "classification of mosaics", "contrastive", "triplet, all", "simclr",
          "rotnet", "jigsaw")


def run(name: str, steps: int = 3) -> Trained:
    """Train for a few steps; where is decided by COURSE_DEVICE."""
    train, patch = TRAININGS[name]
    return train(Budget(steps, 8, patch))


@contextmanager
def strictly_on(device: str):
    """COURSE_DEVICE, and an error for every operation without a deterministic form."""
    before, mode = os.environ.get("COURSE_DEVICE"), torch.get_deterministic_debug_mode()
    os.environ["COURSE_DEVICE"] = device
    torch.set_deterministic_debug_mode("error")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        os.environ.pop("COURSE_DEVICE") if before is None else os.environ.update(COURSE_DEVICE=before)


def synchronisations(name: str) -> dict[tuple[str, str], float]:
    """Where a step waits for the GPU, and how often: the difference of two trainings that differ in steps only.

    JPEG runs on the processor by nature: its copies are left out.
    """
    from pretend_cuda import pretend_cuda

    with strictly_on("cpu"):
        run(name, 1)           # draws its pictures: on a pretend GPU that takes longer than a training
    counted = []
    for steps in (2, 4):
        with strictly_on("cuda"), pretend_cuda() as gpu:
            run(name, steps)
        assert not gpu.hazards, gpu.hazards
        counted.append(gpu.lines)
    found = {place: (n - counted[0][place]) / 2 for place, n in counted[1].items()}
    return {(kind, place): n for (kind, place), n in found.items() if n > 0 and kind != "copy to the GPU"
            and not (kind == "copy to the CPU" and place.startswith("operators.py"))}


def main() -> None:
    os.environ["COURSE_PROFILE"] = "smoke"
    torch.set_num_threads(1)
    for name in TRAININGS:
        waits = synchronisations(name)
        print(f"{name:28} {sum(waits.values()):6.2f} a step: "
              + ", ".join(f"{n:.2f} {kind} ({place})" for (kind, place), n in waits.items()))


if __name__ == "__main__":
    main()
