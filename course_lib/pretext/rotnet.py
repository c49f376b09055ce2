"""RotNet: a network learns what pictures show by saying how far each one was turned.

    L = -1/(N K) sum_n sum_k log F_k( g(x_n | k) )      (equations 1 and 2)

g(x | k) is the picture x, turned by the k-th angle of a set, and F_k the probability that the network gives to it. Who
wants to know which side of a picture is up has to recognise what is on it. The label costs nothing: we turned the
picture ourselves.

Turns by multiples of 90 degrees only move pixels: transposing and flipping, no arithmetic, so nothing but the content
tells them apart. A turn by 45 degrees has to interpolate, which blurs, and a network can see the blur instead of the
content; with eight angles, even on pictures of nothing, every second one is told from its neighbours for free. Corners
are cut off there, from all eight, so that at least they do not give the turn away.

All turns of a picture are in one batch, as in the paper, whose authors found that better than one random turn each.
Mirroring is no turn, so mirrored pictures are good augmentation; upside-down ones are not: flipping both ways is a
turn.

Source: S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations", ICLR
2018. The schedule is theirs in shares of the training: the rate is divided by five at 30, 60 and 80 % of the steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, deterministic, devices, profiles
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation, Source, pictures, then
from course_lib.embeddings import as_float
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.optimisers import SGD, steps_down
from course_lib.pretext.nin import NIN
from course_lib.pretext.views import MIRRORED
from course_lib.profiles import Budget

FOUR = (0, 90, 180, 270)                                  # degrees, counter-clockwise
EIGHT = (0, 45, 90, 135, 180, 225, 270, 315)
HALF = (0, 180)
QUARTER = (90, 270)
PAPERS_RATE, PAPERS_DECAY = 0.1, 5e-4
PAPERS_SCHEDULE = steps_down(at=(0.3, 0.6, 0.8), by=0.2)


def turned(images: Tensor, degrees: int) -> Tensor:
    """Turn images counter-clockwise by a multiple of 45 degrees; by 90, 180 and 270 degrees pixels only move.

    Odd multiples of 45 are interpolated bilinearly, with zeros where nothing is known.
    Shapes: (..., S, S) -> (..., S, S). Raises ValueError for other angles, and for images that are not square.

    >>> turned(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 90)
    tensor([[2., 4.],
            [1., 3.]])
    """
    arguments.tensor(images, name="images")
    if images.ndim < 2 or images.shape[-1] != images.shape[-2]:
        raise ValueError(f"images: expected square ones (..., S, S), got {tuple(images.shape)}. A picture that is "
                         "turned would show its turn by its shape.")
    if isinstance(degrees, bool) or not isinstance(degrees, int) or degrees % 45:
        raise ValueError(f"degrees: expected a multiple of 45, got {degrees!r}.")
    quarters, rest = divmod(degrees % 360, 90)
    if rest:
        images = _by_45_degrees(images)
    return torch.rot90(images, quarters, (-2, -1))


def turns(images: Tensor, degrees: Sequence[int] = FOUR) -> tuple[Tensor, Tensor]:
    """Turn every image by every angle: the turned images, those of one image together, and the number of each angle.

    Where some angle is no multiple of 90 degrees, the middle is cut out of all of them: no corner shows.
    Shapes: images (N, C, S, S), K angles -> (N K, C, S', S') and (N K,).

    >>> pictures, labels = turns(torch.rand(3, 1, 8, 8))
    >>> tuple(pictures.shape), labels.tolist()
    ((12, 1, 8, 8), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
    """
    images = arguments.image_batch(images)
    if not degrees:
        raise ValueError("degrees: expected the angles of a task, such as (0, 90, 180, 270), got none.")
    all_of_them = torch.stack([turned(images, angle) for angle in degrees], dim=1)           # (N, K, C, S, S)
    if any(angle % 90 for angle in degrees):
        side = images.shape[-1]
        inside = int(side / math.sqrt(2)) - 1
        start = (side - inside) // 2
        all_of_them = all_of_them[..., start:start + inside, start:start + inside]
    labels = torch.arange(len(degrees), device=images.device).repeat(len(images))
    return all_of_them.flatten(0, 1), labels


def symmetrised(images: Tensor) -> Tensor:
    """Average each image over its four turns: what is left looks the same from all sides, and no network can tell.

    Shapes: (N, C, S, S) -> (N, C, S, S).

    >>> x = symmetrised(torch.rand(1, 1, 4, 4, dtype=torch.float64))
    >>> torch.equal(x, turned(x, 90))
    True
    """
    images = arguments.image_batch(images)
    a, b, c, d = (turned(images, angle) for angle in FOUR)
    return ((a + c) + (b + d)) / 4       # in pairs of opposites: the same sum, in the same order, at all four places


def _by_45_degrees(images: Tensor) -> Tensor:
    share = math.sqrt(0.5)
    flat = images.reshape(-1, 1, *images.shape[-2:])
    matrix = torch.tensor([[share, -share, 0.0], [share, share, 0.0]], device=images.device, dtype=images.dtype)
    grid = F.affine_grid(matrix.expand(len(flat), -1, -1), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False).reshape(images.shape)


# Training ------------------------------------------------------------------------------------------------------------


def moved_and_mirrored(images: Tensor, generator: torch.Generator, *, pad: int = 4) -> Tensor:
    """Shift each image by up to `pad` pixels, with zeros at the edge, and mirror half of them: before they are turned.

    Shapes: (N, C, H, W) -> (N, C, H, W).
    """
    arguments.image_batch(images)
    count, _, height, width = images.shape
    down, right = torch.randint(2 * pad + 1, (2, count), generator=generator, device=generator.device)
    down, right = (devices.sent(part, images.device) for part in (down, right))
    windows = F.pad(images, [pad] * 4).unfold(2, height, 1).unfold(3, width, 1)      # (N, C, 2 pad + 1, ., H, W)
    return MIRRORED(windows[torch.arange(count, device=images.device), :, down, right], generator)


def rotations(images: Tensor, degrees: Sequence[int] = FOUR, *, view: Augmentation | None = None) -> Source:
    """Choose random pictures, all turns of each: a batch of N gives N K images and their labels.

    images: uint8 (I, C, S, S); view: the augmentation of a picture before it is turned.

    >>> source = rotations(torch.zeros(8, 3, 16, 16, dtype=torch.uint8))
    >>> pictures, labels = source(2, torch.Generator().manual_seed(0))
    >>> tuple(pictures.shape), labels.tolist()
    ((8, 3, 16, 16), [0, 1, 2, 3, 0, 1, 2, 3])
    """
    view = view or moved_and_mirrored
    return then(pictures(images), lambda batch, generator: turns(view(batch, generator), degrees))


def train(images: Labelled | Tensor, *, budget: Budget, seed: int, network: nn.Module | None = None,
          degrees: Sequence[int] = FOUR, view: Augmentation | None = None, rate: float = PAPERS_RATE,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a network to say how far pictures were turned; labels of a labelled set are not looked at.

    images: a labelled set or uint8 (I, C, S, S). budget.batch counts pictures; K times as many images go through the
    network at once. network: with as many outputs as there are angles. Raises ValueError in several processes.
    """
    one_process()
    images = images.images if isinstance(images, Labelled) else images
    source = rotations(images, degrees, view=view)
    if network is None:
        network = NIN(outputs=len(degrees), channels=images.shape[1], seed=seed)
    network = network.to(profiles.device())

    def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
        turned_images, angle = batch
        return deterministic.cross_entropy(model(turned_images).float(), angle)

    history = fit(network, source, step, budget=budget, seed=seed, schedule=PAPERS_SCHEDULE, validate=validate,
                  optimiser=SGD(lr=rate, momentum=0.9, weight_decay=PAPERS_DECAY, nesterov=True), checkpoint=checkpoint)
    return Trained(network.eval(), history)


def accuracy(network: nn.Module, images: Tensor, *, degrees: Sequence[int] = FOUR, batch: int = 256) -> float:
    """Measure the share of all turns of all images that a network names rightly.

    Shapes: images (N, C, S, S), uint8 or floats in [0, 1] -> a number from 0 to 1.

    >>> class Never(nn.Module):
    ...     def forward(self, x):
    ...         return torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(len(x), -1)
    >>> accuracy(Never(), torch.zeros(5, 1, 8, 8))
    0.25
    """
    if arguments.tensor(images, name="images").ndim != 4:
        raise ValueError(f"images: expected a batch (N, C, S, S), got {tuple(images.shape)}.")
    device = devices.home(network, None)
    network.eval()
    right = count = 0
    with torch.inference_mode():
        for some in images.split(arguments.positive(batch, name="batch")):
            all_turns, labels = turns(as_float(some).to(device), degrees)
            said = network(all_turns).argmax(dim=1)
            right += int((said == labels).sum())
            count += len(labels)
    return right / count
