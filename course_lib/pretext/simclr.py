"""SimCLR: a network learns to find the other view of a picture among the views of all pictures of the batch.

    l_i = -log( exp(s(z_i, z_i') / tau) / sum_{k != i} exp(s(z_i, z_k) / tau) ),    L = 1/(2N) sum_i l_i    (equation 1)

A batch of N pictures gives 2N views. z = g(f(x)) is the projection of the features f(x), s the cosine, i' the other
view of the picture that i shows, and k runs over the 2N - 1 views that are not i: NT-Xent is the cross-entropy of
picking the partner among them. After the training g is thrown away, and the features f(x) are what is used.

Source: T. Chen, S. Kornblith, M. Norouzi, G. Hinton, "A Simple Framework for Contrastive Learning of Visual
Representations", ICML 2020; the head with its normalisations as in the authors' code. Alignment and uniformity:
T. Wang, P. Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
Hypersphere", ICML 2020.

Deviations from the paper: a small network instead of a ResNet-50, batches of a hundred pictures instead of thousands,
AdamW instead of LARS and no warm-up before the cosine schedule; the last normalisation of the head has no learnt scale.
The loss is the mean over all 2N views, as in the paper; the authors' code returns the sum over the two halves, twice as
much. No two pictures of a batch are the same one. Views: see `views`.

Lecture simclr teaches it; its exercise builds the loss, its mask and the measures. Claims: `simclr-*`.
"""

from __future__ import annotations

import math
import numbers
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, devices, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation, Source
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.networks import Encoder
from course_lib.optimisers import AdamW
from course_lib.pretext.views import Views
from course_lib.profiles import Budget


def nt_xent(a: Tensor, b: Tensor, *, temperature: float = 0.5) -> Tensor:
    """Pick the other view of the same picture among all views of the batch: a softmax over 2N - 1 candidates.

    The mean over all 2N views i of -s(i, i') / tau + log sum_{k != i} exp(s(i, k) / tau), with s the cosine.

    Shapes: a, b (N, D), row n of both is the same picture -> a scalar. Computed in float32 at least.
    Source: equation 1 of Chen et al. 2020.

    >>> a = torch.eye(2, dtype=torch.float64)
    >>> round(float(nt_xent(a, a, temperature=1.0)), 6)        # log(1 + 2 / e)
    0.551445
    """
    arguments.tensor(a, name="a")
    arguments.tensor(b, name="b")
    arguments.same_shape(a, b, letters="N D")
    arguments.same_device(a, b, what="a and b")
    if len(a) < 2:
        raise ValueError(f"expected views of two pictures or more, got {len(a)}: one has no others to be told from.")
    _temperature(temperature)
    with torch.autocast(a.device.type, enabled=False):
        z = on_sphere(torch.cat([a, b]))                                              # (2N, D)
        similar = z @ z.T / temperature                                               # (2N, 2N)
        similar = similar.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
        partner = torch.arange(len(z), device=z.device).roll(len(a))                  # i' = i + N mod 2N
        return F.cross_entropy(similar, partner)


def alignment(a: Tensor, b: Tensor) -> Tensor:
    """Measure how far apart the two views of a picture lie on the sphere: the mean of |a - b|^2. Smaller is better.

    Shapes: a, b (N, D), any lengths -> a scalar between 0 and 4.

    >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 5.0]]))
    tensor(2.)
    """
    arguments.tensor(a, name="a")
    arguments.tensor(b, name="b")
    arguments.same_shape(a, b, letters="N D")
    arguments.same_device(a, b, what="a and b")
    return (on_sphere(a) - on_sphere(b)).square().sum(dim=1).mean()


def uniformity(z: Tensor) -> Tensor:
    """Measure how evenly points cover the sphere: log of the mean of exp(-2 |z_i - z_j|^2). Smaller is better.

    Shapes: z (N, D), any lengths -> a scalar: 0 if all lie in one point, about -4 if they are spread over many axes.

    >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))                 # two opposite points: exp(-2 * 4)
    tensor(-8.)
    """
    arguments.tensor(z, name="z")
    if z.ndim != 2 or len(z) < 2:
        raise ValueError(f"uniformity: expected the embeddings of two or more images (N, D), got {tuple(z.shape)}.")
    z = on_sphere(z)
    i, j = torch.triu_indices(len(z), len(z), offset=1, device=z.device)
    return (4 * (z @ z.T)[i, j] - 4).exp().mean().log()              # |z_i - z_j|^2 = 2 - 2 s(i, j)


def on_sphere(z: Tensor) -> Tensor:
    """Divide each row by its length, in float32 at least: (N, D) -> (N, D). Products of rows are cosines.

    Raises ValueError for a row of zeros, which has no direction; in a training, where nothing is read, it stays one.
    """
    if arguments.tensor(z, name="z", real=True).ndim != 2 or not z.numel():
        raise ValueError(f"expected embeddings (N, D) of one image or more, got {tuple(z.shape)}.")
    arguments.comparable(z)
    if arguments.reads(z) and not bool(z.any(dim=1).all()):
        raise ValueError(f"expected embeddings with a direction, got {int((~z.any(dim=1)).sum())} of {len(z)} that are "
                         "all zeros. Usual cause: a ReLU before them that lets nothing through.")
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    return F.normalize(z, dim=1, eps=torch.finfo(z.dtype).tiny)


# The network ---------------------------------------------------------------------------------------------------------


class ProjectionHead(nn.Module):
    """The head g, which is there while training only: linear, normalisation, ReLU, linear, normalisation.

    Shapes: h (N, width) -> z (N, dimensions).
    """

    def __init__(self, width: int, *, dimensions: int = 64, seed: int = 0) -> None:
        super().__init__()
        with quiet_constructors():
            self.layers = nn.Sequential(
                nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
                nn.Linear(width, dimensions, bias=False), nn.BatchNorm1d(dimensions, affine=False))
        initialise(self, randomness.generator(seed, "ProjectionHead"))

    def forward(self, h: Tensor) -> Tensor:
        arguments.layer_input(h, cast(nn.Linear, self.layers[0]), name="h")
        return self.layers(h)


class SimCLR(nn.Module):
    """An encoder f with a head g on top: images (N, C, H, W) -> z = g(f(x)); `encoder` is what is used afterwards.

    dimensions: of z. head=False trains the features themselves, to compare with.
    """

    def __init__(self, encoder: Encoder, *, dimensions: int = 64, head: bool = True, seed: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = ProjectionHead(encoder.dimensions, dimensions=dimensions, seed=seed) if head else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))


# Training ------------------------------------------------------------------------------------------------------------


def pairs(images: Tensor, view: Augmentation, *, both: bool = True) -> Source:
    """Choose random pictures, all different, and two views of each: batch N -> (a, b), both (N, C, H, W) in [0, 1].

    images: uint8 (I, C, H, W); view: the augmentation. both=False: one view of each, and beside it the picture itself.
    Raises TypeError and ValueError for what are no 8-bit pictures.

    >>> source = pairs(torch.zeros(8, 3, 16, 16, dtype=torch.uint8), Views())
    >>> [tuple(half.shape) for half in source(4, torch.Generator().manual_seed(0))]
    [(4, 3, 16, 16), (4, 3, 16, 16)]
    """
    arguments.eight_bit(images)
    return _Pairs(images, view, both)


class _Pairs:
    """The source that `pairs` makes; what it keeps on each device is private and no part of its identity."""

    def __init__(self, images: Tensor, view: Augmentation, both: bool) -> None:
        self.images, self.view, self.both = images, view, both
        self._resident: dict[torch.device, Tensor] = {}

    def __call__(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if batch > len(self.images):
            raise ValueError(f"a batch of {batch} different pictures cannot be drawn from {len(self.images)}: a "
                             "picture that comes twice would have to be told from itself. Take a smaller batch.")
        device = devices.place(generator)
        if device not in self._resident:
            self._resident[device] = self.images.to(device)
        images = self._resident[device]
        chosen = torch.randperm(len(images), generator=generator, device=generator.device)[:batch]
        pictures = images[devices.sent(chosen, device)].float().div_(255)
        if not self.both:
            return self.view(pictures, generator), pictures
        a, b = self.view(torch.cat([pictures, pictures]), generator).chunk(2)
        return a, b


def train(images: Labelled | Tensor, *, budget: Budget, seed: int, network: SimCLR | None = None,
          view: Augmentation | None = None, both: bool = True, temperature: float = 0.5,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a network on pictures without their labels; `model.encoder` gives the features.

    images: a labelled set, whose labels are not looked at, or uint8 (I, C, H, W). budget.batch is N, pictures, so that
    2N views go through the network at once. view: the augmentation; both: whether both are views, or one is the
    picture itself. Raises ValueError in several processes.
    """
    one_process()
    _temperature(temperature)
    pictures = images.images if isinstance(images, Labelled) else images
    source = pairs(pictures, view or Views(), both=both)
    if network is None:
        network = SimCLR(Encoder(channels=pictures.shape[1], seed=seed), seed=seed)
    network = network.to(profiles.device())

    def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
        a, b = model(torch.cat(batch)).chunk(2)       # one batch: normalisation sees all the views at once
        return nt_xent(a, b, temperature=temperature)

    history = fit(network, source, step, budget=budget, seed=seed,
                  optimiser=AdamW(lr=2e-3, weight_decay=1e-4), validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)


def train_encoder(images: Labelled | Tensor, *, budget: Budget, seed: int, network: Encoder | None = None,
                  view: Augmentation | None = None, temperature: float = 0.5, validate: Validate | None = None,
                  checkpoint: Path | None = None) -> Trained:
    """Train an encoder under a head, which is then thrown away: as `train`, but an encoder goes in and comes out."""
    model, history = train(images, budget=budget, seed=seed, view=view, temperature=temperature, validate=validate,
                           network=SimCLR(network, seed=seed) if network else None, checkpoint=checkpoint)
    return Trained(cast(SimCLR, model).encoder, history)


def _temperature(temperature: float) -> None:
    if isinstance(temperature, bool) or not isinstance(temperature, numbers.Real) or not 0 < temperature < math.inf:
        raise ValueError(f"temperature: expected a number above zero, the paper's are 0.1 to 0.5, got {temperature!r}.")
