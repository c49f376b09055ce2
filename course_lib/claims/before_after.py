"""What lecture before_after says of a sorting line, and the experiments behind it.

The line is drawn by our own code (`data.sorting`): 120 sequences of four frames before and as many after a human, 60 of
the empty belt of each camera; 40 others of each to test on. The sequences to test on are filmed a second time with the
cameras exchanged: *swapped*. "raw" are the frames as they are, "removed" those without their estimated background (of
each camera the median of its empty belt), "known" those without all that is no thing, by masks that nobody would have.
Accuracy counts frames of before and after only. Maps are marked from 0.4 of their largest value on. A segmentation
network learns from such marks on training frames, another, for comparison, from the true masks. Overlaps are means of
the intersection over union, of frames of before.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, together
from course_lib.data.sorting import AFTER, BEFORE, Frames, line
from course_lib.embeddings import as_float
from course_lib.pretext import before_after, cam
from course_lib.pretext.before_after import Classifier, backgrounds, by_mask, without_background
from course_lib.profiles import Budget, Profile, choose

SOURCE = "Boracchi 2025, before/after self-supervision"
PAPER = "Marelli et al. 2025 (WS2)"


def films(seed: int) -> tuple[Frames, Frames, Frames]:
    """Film sequences to train on, others to test on, and those with the cameras exchanged, by profile."""
    train, test = choose(smoke=(4, 2), lecture=(120, 40), full=(300, 100))
    return line(train, seed=2 * seed), line(test, seed=2 * seed + 1), line(test, seed=2 * seed + 1, swapped=True)


def budget() -> Budget:
    """Choose how long each network learns, by profile."""
    return choose(smoke=Budget(3, 8), lecture=Budget(300, 32), full=Budget(3000, 64))


def classifier(images: Tensor, film: Frames, *, classes: int, seed: int) -> Classifier:
    """Train a classifier of frames of a film, whatever was done to them."""
    return before_after.train(images, film.labels, budget=budget(), seed=seed, classes=classes).model


def overlap(found: Tensor, film: Frames) -> float:
    """Compute the mean overlap of marks (N, 1, H, W) with illegal things, in frames of before."""
    shown = film.labels == BEFORE
    return float(cam.overlap(found[shown], film.masks[shown]).mean())


def marked_after(found: Tensor, film: Frames) -> float:
    """Compute the share of pixels that is marked in frames of after, where nothing is illegal."""
    return float(found[film.labels == AFTER].float().mean())


def by_maps(network: Classifier, images: Tensor) -> Tensor:
    """Mark where the class activation map of before is large."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        return torch.cat([cam.mask(network.maps(as_float(some).to(device)), share=0.4).cpu()
                          for some in images.split(128)])


# Experiments ---------------------------------------------------------------------------------------------------------


def measure_line(profile: Profile, seed: int) -> dict[str, float]:
    """Compare two classes and three, with the background and without, and what maps and networks of maps mark."""
    train, test, swapped = films(seed)
    behind = backgrounds(train)
    without = {"removed": [without_background(film, behind) for film in (train, test, swapped)],
               "known": [by_mask(film) for film in (train, test, swapped)],
               "raw": [film.images for film in (train, test, swapped)]}
    metrics, found = {}, {}
    for how, classes in (("raw", 2), ("raw", 3), ("removed", 2), ("removed", 3), ("known", 3)):
        learnt, here, there = without[how]
        network = found[how, classes] = classifier(learnt, train, classes=classes, seed=seed)
        metrics |= {f"{how}_{classes}": before_after.accuracy(network, here, test.labels),
                    f"{how}_{classes}_swapped": before_after.accuracy(network, there, swapped.labels),
                    f"{how}_{classes}_maps": overlap(by_maps(network, here), test)}
    learnt, here, _ = without["removed"]
    which, marks = before_after.pseudo_masks(found["removed", 3], learnt, train.labels)
    filmed = (train.labels == BEFORE) | (train.labels == AFTER)
    for name, images, masks in (("marks", learnt[which], marks), ("masks", learnt[filmed], train.masks[filmed])):
        segmenter = before_after.train_segmenter(images, masks, budget=budget(), seed=seed).model
        drawn = before_after.segmented(segmenter, here)
        metrics |= {f"{name}_overlap": overlap(drawn, test), f"{name}_after": marked_after(drawn, test)}
    return metrics


LINE = Experiment("before_after-line", measure_line, uses=(line, before_after.train, before_after.train_segmenter))


# Claims --------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("before_after-shortcut",
          "A network that tells before from after looks at the background: it is right on new sequences, and wrong for "
          "more than four frames in five when the cameras are exchanged.", SOURCE, {}, LINE,
          together(bound("raw_2", above=0.95), bound("raw_2_swapped", below=0.2))),
    Claim("before_after-cure",
          "Without the background, estimated from the empty belt, and with the empty belt as a third class, it is right "
          "for more than nine frames in ten whichever camera took them.", SOURCE, {}, LINE,
          bound("removed_3", "removed_3_swapped", above=0.9)),
    Claim("before_after-third-class-alone",
          "The third class alone is no cure: on frames with their background, cameras exchanged, it is right for less "
          "than half.", SOURCE, {}, LINE, bound("raw_3_swapped", below=0.5)),
    Claim("before_after-known-masks",
          "Estimating the background costs less than five points beside masks that nobody would have.", "none", {}, LINE,
          bound(Metric("known_3_swapped") - "removed_3_swapped", below=0.05, over="the 95 % interval")),
    Claim("before_after-maps",
          "The class activation maps of the cured network show illegal things better than those of the network that "
          "looks at the background.", SOURCE, {}, LINE, exceeds("removed_3_maps", "raw_2_maps", by=0.1)),
    Claim("before_after-segmentation",
          "A segmentation network that learnt from the maps marks illegal things better than the maps do.", PAPER, {},
          LINE, exceeds("marks_overlap", "removed_3_maps")),
    Claim("before_after-true-masks",
          "A segmentation network that learnt from true masks is better still.", PAPER, {}, LINE,
          exceeds("masks_overlap", "marks_overlap")),
)
