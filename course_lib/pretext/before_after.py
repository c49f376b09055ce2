"""Before and after: a network learns what a human removes, from nothing but which camera took a frame.

Frames from before a human sorted the waste show things that frames from after do not show. A classifier that tells
before from after has to find those things, and its class activation map (`cam`) shows where they are: a segmentation
without a single mask drawn. But the easiest difference between the cameras is the background. So

1. the background is removed from all frames, in training and in test; it is estimated from frames of the empty belt,
   and so is the light in which things are seen;
2. the empty belt becomes a *third class*, so that whatever is left of the background speaks for neither camera.

Then a segmentation network is trained on the maps, thresholded, as if they were masks; on frames from after there is
nothing to mark, and that is known. It is better than its teachers, because their errors differ from frame to frame.

Source: G. Boracchi, "Departing From Supervised Learning", 2025, "before/after"; A. Marelli et al., "WS2: Weakly
Supervised Segmentation using Before-After Supervision in Waste Sorting", ICCV workshops 2025.

Deviations: maps are not refined by a foundation model, and the segmentation network is a small U-Net. The background is
the median of frames of the empty belt, one for each camera; both are averaged where a frame's camera is not known.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, deterministic, devices, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sorting import BACKGROUND, BEFORE, NAMES, Frames
from course_lib.data.sources import pictures
from course_lib.embeddings import as_float
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.networks import Encoder
from course_lib.optimisers import AdamW
from course_lib.pretext import cam, probe
from course_lib.profiles import Budget

LIT = 0.4              # the mean of a background to which the light of all frames is brought
DIFFERENT = 0.09       # of full scale: a pixel that differs from the background by more belongs to a thing


class Classifier(nn.Module):
    """An encoder whose last maps are averaged, and one linear layer: so class activation maps are exact.

    Shapes: images (N, 3, H, W) -> (N, classes).
    """

    def __init__(self, *, classes: int = 3, widths: tuple[int, ...] = (16, 32, 64), channels: int = 3,
                 seed: int = 0) -> None:
        super().__init__()
        self.encoder = Encoder(channels=channels, widths=widths, seed=seed)
        with quiet_constructors():
            self.last = nn.Linear(widths[-1], arguments.positive(classes, name="classes"))
        initialise(self.last, randomness.generator(seed, "Classifier"))

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.encoder(images))

    def maps(self, images: Tensor, *, label: int = BEFORE, centred: bool = True) -> Tensor:
        """Return where a class is: (N, 3, H, W) -> (N, 1, H, W), the class activation map, enlarged."""
        found = cam.class_maps(self.encoder.activations(images), self.last, centred=centred)[:, label:label + 1]
        return cam.enlarged(found.float(), cast(tuple[int, int], tuple(images.shape[-2:])))


# The background ------------------------------------------------------------------------------------------------------


def background(frames: Tensor) -> Tensor:
    """Estimate an empty belt: the median of each pixel over frames (N, C, H, W), uint8 -> (C, H, W) in [0, 1]."""
    return deterministic.median(as_float(frames), dim=0)


def backgrounds(film: Frames) -> dict[int, Tensor]:
    """Estimate the background of each camera from its frames of the empty belt."""
    empty = film.labels == BACKGROUND
    return {int(camera): background(film.images[empty & (film.cameras == camera)])
            for camera in film.cameras[empty].unique()}


def removed(images: Tensor, behind: Tensor, *, different: float = DIFFERENT) -> Tensor:
    """Paint what is background gray: pixels that differ from it by little in all channels.

    The light of a frame as a whole is fitted first. What is kept is shown in the light in which the background would
    have a mean of 0.4: the brightness of a thing would tell the camera as well as its background does.
    Shapes: images (N, C, H, W), uint8 or floats in [0, 1], behind (C, H, W) or (N, C, H, W) -> floats (N, C, H, W).

    >>> behind = torch.full((1, 1, 5), 0.4)
    >>> frame = torch.tensor([0.4, 0.41, 0.4, 0.4, 0.9]).reshape(1, 1, 1, 5)
    >>> removed(frame, behind).flatten()
    tensor([0.5000, 0.5000, 0.5000, 0.4000, 0.9000])
    """
    images = as_float(images)
    arguments.tiles(behind, name="behind")
    if behind.shape not in (images.shape, images.shape[1:]):
        raise ValueError(f"behind: expected the background of all images, {tuple(images.shape[1:])}, or one for each, "
                         f"got {tuple(behind.shape)}.")
    behind = behind.to(images.device).expand_as(images)
    ratio = deterministic.median((images / behind.clamp(min=0.02)).flatten(1), dim=1)[:, None, None, None]
    far = (images / ratio - behind).abs().amax(dim=1, keepdim=True) > different
    far = F.max_pool2d(far.float(), 3, stride=1, padding=1)           # and a pixel around it
    bright = ratio * behind.mean(dim=(1, 2, 3), keepdim=True)
    return torch.where(far > 0, (LIT * images / bright.clamp(min=0.02)).clamp(0, 1), 0.5)


def without_background(film: Frames, behind: dict[int, Tensor]) -> Tensor:
    """Remove from each frame the background of its camera: uint8 (N, 3, H, W)."""
    return (removed(film.images, _of_each(film, behind)) * 255).round().byte()


def _of_each(film: Frames, behind: dict[int, Tensor]) -> Tensor:
    """The background of each frame, (N, 3, H, W)."""
    cameras, frame = film.cameras.tolist(), film.images.shape[1:]
    if not isinstance(behind, dict) or any(arguments.tiles(behind[camera], name="behind").shape != frame
                                           if camera in behind else True for camera in set(cameras)):
        raise ValueError(f"behind: expected the background {tuple(frame)} of each camera of the film, as `backgrounds` "
                         "gives it.")
    return torch.stack([behind[camera] for camera in cameras])


def by_mask(film: Frames, behind: dict[int, Tensor]) -> Tensor:
    """Remove the background with the masks of all things, which nobody would know: what estimation is compared with."""
    kept = removed(film.images, _of_each(film, behind), different=-1.0)             # nothing is near enough
    return (torch.where(film.things, kept, 0.5) * 255).round().byte()


# Training ------------------------------------------------------------------------------------------------------------


def train(images: Tensor, labels: Tensor, *, budget: Budget, seed: int, classes: int = 3,
          network: Classifier | None = None, validate: Validate | None = None,
          checkpoint: Path | None = None) -> Trained:
    """Train a classifier to tell before, after and, as a third class, the empty belt.

    images: uint8 (N, 3, H, W); labels (N,); classes=2 leaves the frames of the empty belt out. Raises ValueError in
    several processes.
    """
    one_process()
    if classes not in (2, 3):
        raise ValueError(f"classes: expected 2 (before, after) or 3 (and background), got {classes!r}.")
    kept = labels < classes
    known = Labelled(images[kept], labels[kept], NAMES[:classes])
    network = (network or Classifier(classes=classes, channels=images.shape[1], seed=seed)).to(profiles.device())

    def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
        frames, label = batch
        return deterministic.cross_entropy(model(frames).float(), label)

    history = fit(network, probe.labelled(known), step, budget=budget, seed=seed, validate=validate,
                  optimiser=AdamW(lr=2e-3, weight_decay=1e-4), checkpoint=checkpoint)
    return Trained(network.eval(), history)


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Measure how often frames of before and after are told apart; those of the empty belt are left out."""
    images, labels = arguments.eight_bit(images), arguments.whole_labels(labels, count=len(images))
    kept = labels != BACKGROUND
    return probe.accuracy(network, Labelled(images[kept], labels[kept], NAMES))


class Segmenter(nn.Module):
    """A small U-Net: images (N, 3, H, W), sides multiples of 4 -> scores (N, 1, H, W), above zero on a thing."""

    def __init__(self, *, channels: int = 3, width: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.channels = channels
        with quiet_constructors():
            self.full_in = _convolutions(channels, width)
            self.half_in = _convolutions(width, 2 * width)
            self.quarter = _convolutions(2 * width, 4 * width)
            self.to_half = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
            self.half_out = _convolutions(4 * width, 2 * width)
            self.to_full = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
            self.full_out = _convolutions(2 * width, width)
            self.last = nn.Conv2d(width, 1, 1)
        initialise(self, randomness.generator(seed, "Segmenter"))

    def forward(self, images: Tensor) -> Tensor:
        images = arguments.image_batch(images, channels=self.channels, like=self)
        if images.shape[2] % 4 or images.shape[3] % 4:
            raise ValueError(f"the images: expected sides that are multiples of 4, got {tuple(images.shape)}.")
        full = self.full_in(images)
        half = self.half_in(F.max_pool2d(full, 2))
        quarter = self.quarter(F.max_pool2d(half, 2))
        half = self.half_out(torch.cat([half, self.to_half(quarter)], dim=1))
        return self.last(self.full_out(torch.cat([full, self.to_full(half)], dim=1)))


def _convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
                         nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def pseudo_masks(network: Classifier, images: Tensor, labels: Tensor, *, share: float = 0.4,
                 batch: int = 128) -> tuple[Tensor, Tensor]:
    """Make masks of class activation maps: of frames that the classifier rightly calls before, and empty ones of frames
    from after. Returns which frames were taken (M,), and their masks (M, 1, H, W)."""
    images, labels = arguments.eight_bit(images), arguments.whole_labels(labels, count=len(images))
    device = devices.home(network, None)
    which, masks = [], []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            some, wanted = as_float(images[start:start + batch]).to(device), labels[start:start + batch].cpu()
            said = network(some).argmax(dim=1).cpu()
            found = cam.mask(network.maps(some), share=share).cpu()
            found &= (wanted == BEFORE)[:, None, None, None]
            kept = (said == wanted) & (wanted != BACKGROUND)
            which.append(kept.nonzero().flatten() + start)
            masks.append(found[kept])
    return torch.cat(which), torch.cat(masks)


def train_segmenter(images: Tensor, masks: Tensor, *, budget: Budget, seed: int, network: Segmenter | None = None,
                    checkpoint: Path | None = None) -> Trained:
    """Train a segmentation network on masks, whoever made them. images: uint8 (N, 3, H, W); masks: bool (N, 1, H,
    W).
    """
    one_process()
    arguments.tensor(masks, name="masks")
    if masks.shape != (len(images), 1, *images.shape[2:]):
        raise ValueError(f"masks: expected one for each image, {(len(images), 1, *images.shape[2:])}, got "
                         f"{tuple(masks.shape)}.")
    stacks = torch.cat([images, 255 * masks.to(images)], dim=1)               # a mask is one channel more
    network = (network or Segmenter(channels=images.shape[1], seed=seed)).to(profiles.device())

    def step(model: nn.Module, batch: Tensor, progress: Progress) -> Tensor:
        return F.binary_cross_entropy_with_logits(model(batch[:, :-1]).float(), batch[:, -1:])

    history = fit(network, pictures(stacks), step, budget=budget, seed=seed,
                  optimiser=AdamW(lr=2e-3, weight_decay=1e-4), checkpoint=checkpoint)
    return Trained(network.eval(), history)


def segmented(network: nn.Module, images: Tensor, *, batch: int = 128) -> Tensor:
    """Mark illegal things: images (N, 3, H, W) -> bool (N, 1, H, W)."""
    if arguments.tensor(images, name="images").ndim != 4:
        raise ValueError(f"images: expected a batch (N, 3, H, W), got {tuple(images.shape)}.")
    device = devices.home(network, None)
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(as_float(some).to(device)).cpu() > 0 for some in images.split(batch)])

