"""Class-aware denoising: every layer takes away a part of the noise, and each class of pictures has its own network.

    y_hat = z + 1/10 sum_d c_d,    c_d = channel 0 of layer d,    loss(w) = mean (y_hat - y)^2

Layer d makes `width` channels. Channel 0 is split off before the ReLU: it is the layer's own contribution to the
estimate. The others go on to the next layer. So the noise that the network finds is a sum with a term for each layer,
eta_d = -c_d / 10, and the image after d layers, z - eta_1 - ... - eta_d, can be looked at. The second idea is to narrow
down what an image can be: a network that has learnt all kinds of images is trained further on one kind only, and a
classifier that looks at the noisy image chooses which of these networks is to denoise it.

Source: T. Remez, O. Litany, R. Giryes, A. M. Bronstein, "Class-Aware Fully Convolutional Gaussian and Poisson
Denoising", IEEE TIP 2018; and the authors' code for what the text leaves open (the split before the ReLU, the factor
1/10, no ReLU after the last but one layer, gray images minus 0.5, Xavier's start with biases at 0.01).

Deviations from the paper: Muon with a cosine schedule and averaged weights instead of Adam; images are not mirrored
by 20 pixels at test time and their borders are scored too; the classes are drawn by our own code (`data.drawn`), those
of the paper are photographs of faces, pets, flowers, living rooms and streets; the classifier is a small one, trained
here on noisy pictures.

Lecture class_aware teaches it; its exercise splits the channels. Weights: `class_aware-*` in the zoo.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, devices, profiles, randomness
from course_lib.data import Pictures, Source, noisy, patches, then
from course_lib.denoiser import Denoiser
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.layers import initialise, quiet_constructors
from course_lib.noise import Gaussian, Noise, Sigma
from course_lib.optimisers import AdamW, Muon
from course_lib.profiles import Budget

SHARE = 10.0        # a contribution is the split channel divided by this
CENTRE = 0.5        # the layers see z - 0.5


class Gradual(nn.Module):
    """Remove noise layer by layer: each convolution says what it found, and all they found is subtracted.

    depth: convolutions in all; width: channels of each, one for each image channel of which is split off.
    Shapes: z (N, channels, H, W) of any size -> y_hat of the same shape; sigma is ignored.

    >>> sum(weight.numel() for weight in Gradual().parameters())
    655544
    """

    def __init__(self, *, depth: int = 20, width: int = 64, channels: int = 1, seed: int = 0) -> None:
        super().__init__()
        if arguments.positive(depth, name="depth") < 2:
            raise ValueError(f"depth: the network has a first and a last convolution, so at least 2, got {depth}.")
        if arguments.positive(width, name="width") <= channels:
            raise ValueError(f"width: {channels} of the channels of a layer are split off, so more are needed, got "
                             f"{width}.")
        self.channels, self.depth = channels, depth
        sizes = [channels, *[width - channels] * (depth - 1)]
        with quiet_constructors():
            self.layers = nn.ModuleList(
                nn.Conv2d(inputs, width if i < depth - 1 else channels, 3, padding=1) for i, inputs in enumerate(sizes))
        initialise(self, randomness.generator(seed, "Gradual"), _xavier)
        for layer in self.layers:
            nn.init.constant_(cast(Tensor, layer.bias), 0.01)

    def forward(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        z = arguments.image_batch(z, channels=self.channels, like=self)
        arguments.noise_levels(sigma, z)   # not used, but a sigma of 25 would be a mistake
        return z - self.noise(z)

    def noise(self, z: Tensor) -> Tensor:
        """Estimate eta = z - y: the noise estimates of all layers, added up one after the other."""
        return sum_of(self.noise_estimates(z))

    def noise_estimates(self, z: Tensor) -> list[Tensor]:
        """Compute what each layer takes away: `depth` estimates of the shape of z (N, channels, H, W), which sum to
        `noise`."""
        z = arguments.image_batch(z, channels=self.channels, like=self)
        found, passed = [], z - CENTRE
        for i, layer in enumerate(self.layers):
            own, passed = layer(passed).tensor_split([self.channels], dim=1)    # split off before the ReLU
            found.append(own.float().to(z.dtype) / -SHARE)
            if i < self.depth - 2:
                passed = F.relu(passed)
        return found

    def gradually(self, z: Tensor) -> list[Tensor]:
        """Compute the image after each layer, z - eta_1 - ... - eta_d for d = 1 ... depth; the last is the estimate
        itself."""
        found = self.noise_estimates(z)
        return [z - sum_of(found[:d]) for d in range(1, len(found) + 1)]


def sum_of(estimates: list[Tensor]) -> Tensor:
    """Add tensors from the first to the last, in this order: floating point depends on it.

    >>> sum_of([torch.tensor(1.0), torch.tensor(1e8), torch.tensor(-1e8)])
    tensor(0.)
    """
    if not isinstance(estimates, list | tuple) or not estimates:
        raise TypeError(f"estimates: expected a list of one tensor or more, got {estimates!r:.60}.")
    if any(not isinstance(one, Tensor) or one.shape != estimates[0].shape for one in estimates):
        raise TypeError("estimates: expected tensors of one shape, got "
                        f"{', '.join(str(tuple(getattr(one, 'shape', ()))) for one in estimates)}.")
    total = estimates[0]
    for estimate in estimates[1:]:
        total = total + estimate
    return total


def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
    """Compute the loss of a training step: the mean squared error of the network's estimate."""
    arguments.shaped("N C H W", **arguments.parts(batch, "z", "y"))
    z, y = batch
    return (model(z).float() - y).square().mean()


def train(images: Pictures, *, noise: Noise | Sigma, budget: Budget, seed: int, network: nn.Module | None = None,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a gradual denoiser on pictures of all kinds, or a trained one further on pictures of one class.

    images: uint8 (C, H, W); noise: a model such as Poisson(peak=8), or a level of Gaussian noise; patches of
    budget.patch pixels (the paper: 128). Give a copy of a trained network as `network` to make it class-aware.
    """
    if network is None:
        first = next(iter(images.values() if isinstance(images, Mapping) else images))
        network = Gradual(channels=first.shape[0], seed=seed)
    source = then(patches(images, size=budget.patch or 128), noisy(_model_of(noise)))
    network = network.to(profiles.device())
    history = fit(network, source, step, budget=budget, seed=seed, optimiser=Muon(), ema=0.99, validate=validate,
                  checkpoint=checkpoint)
    return Trained(network.eval(), history)


# Which class is it? --------------------------------------------------------------------------------------------------


class Classifier(nn.Module):
    """Tell the class of a noisy picture: three convolutions with stride 2, a mean over the image, one linear layer.

    Shapes: z (N, channels, H, W) of any size -> scores (N, classes).
    """

    def __init__(self, classes: int, *, width: int = 16, channels: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.channels = channels
        with quiet_constructors():
            self.features = nn.Sequential(nn.Conv2d(channels, width, 5, stride=2, padding=2), nn.ReLU(),
                                          nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(),
                                          nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1), nn.ReLU())
            self.scores = nn.Linear(2 * width, arguments.positive(classes, name="classes"))
        initialise(self, randomness.generator(seed, "Classifier"))

    def forward(self, z: Tensor) -> Tensor:
        z = arguments.image_batch(z, channels=self.channels, like=self)
        return self.scores(self.features(z - CENTRE).mean(dim=(2, 3)))


def classifier_step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
    """Compute the loss of the classifier: cross entropy of its scores (N, K) with the classes (N,)."""
    arguments.parts(batch, "z", "label")
    z, label = batch
    scores = model(z).float()
    arguments.whole_labels(label, count=len(scores))
    if label.dtype not in (torch.int64, torch.uint8):
        raise TypeError(f"labels: expected int64, got {label.dtype}. label.long() makes them so.")
    if any(not 0 <= one < scores.shape[1] for one in arguments.extremes(label, name="labels")):
        raise ValueError(f"labels: expected classes from 0 to {scores.shape[1] - 1}, got {label.tolist()!s:.60}.")
    return F.cross_entropy(scores, label)


def train_classifier(classes: Mapping[str, Pictures], *, noise: Noise | Sigma, budget: Budget, seed: int,
                     network: nn.Module | None = None, validate: Validate | None = None,
                     checkpoint: Path | None = None) -> Trained:
    """Train a classifier to tell classes of pictures apart in spite of the noise; its scores are in their order."""
    if network is None:
        first = next(iter(classes.values()))
        one = next(iter(first.values() if isinstance(first, Mapping) else first))
        network = Classifier(len(classes), channels=one.shape[0], seed=seed)
    source = then(_labelled(classes, size=budget.patch or 64),
                  lambda batch, generator: (_model_of(noise)(batch[0], generator=generator), batch[1]))
    network = network.to(profiles.device())
    history = fit(network, source, classifier_step, budget=budget, seed=seed, optimiser=AdamW(lr=1e-2), ema=0.99,
                  validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)


class Chooser(nn.Module):
    """Look at a noisy picture, guess its class, and let that class's network denoise it.

    networks: a denoiser for each class, in the order of the classifier's scores.
    Shapes: z (N, C, H, W) -> y_hat of the same shape; the choice is made for each image on its own.
    """

    def __init__(self, classifier: nn.Module, networks: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not networks:
            raise ValueError("networks: expected a denoiser for each class, got none.")
        self.classifier, self.names = classifier, tuple(networks)
        self.networks = nn.ModuleList(networks.values())

    def forward(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        network: Mapping[str, Denoiser] = dict(zip(self.names, self.networks, strict=True))
        levels = arguments.each_image(sigma, arguments.image_batch(z))
        return torch.cat([network[name](image, sigma=level)
                          for name, image, level in zip(self.choose(z), z.split(1), levels, strict=True)])

    def choose(self, z: Tensor) -> list[str]:
        """Find the class that the classifier sees in each image of a batch."""
        scores = self.classifier(z)
        if scores.shape[1] != len(self.names):
            raise ValueError(f"the classifier tells {scores.shape[1]} classes apart, but there are networks for "
                             f"{len(self.names)}: {', '.join(self.names)}.")
        return [self.names[i] for i in scores.argmax(dim=1).tolist()]


# Small parts -------------------------------------------------------------------------------------------------------


def _labelled(classes: Mapping[str, Pictures], *, size: int) -> Source:
    """Crops of all classes in equal parts, each with the number of its class."""
    sources = [patches(pictures, size=size) for pictures in classes.values()]

    def draw(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        counts = [len(part) for part in torch.arange(batch).tensor_split(len(sources))]
        crops: list[Any] = [source(count, generator) for source, count in zip(sources, counts, strict=True) if count]
        label = torch.arange(len(sources)).repeat_interleave(torch.tensor(counts))
        return torch.cat(crops), devices.sent(label, devices.place(generator))

    return draw


def _model_of(noise: Noise | Sigma) -> Noise:
    return Gaussian(noise) if isinstance(noise, float | int | tuple | Tensor) else noise


def _xavier(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.xavier_uniform_(weight, generator=generator)
