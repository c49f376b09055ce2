"""DnCNN: a deep network learns the noise, not the image, and subtracts what it learnt.

    y_hat = z - R(z; w),    loss(w) = 1/(2N) sum_i | R(z_i; w) - (z_i - y_i) |^2_F          (equation 1 of the paper)

R is a stack of 3 x 3 convolutions: Conv+ReLU, then depth - 2 times Conv+BN+ReLU, then Conv; it sees
(2 depth + 1) x (2 depth + 1) pixels of z. Three trainings give three denoisers:
DnCNN-S (17 layers, one noise level), DnCNN-B (20 layers, any level up to 55), DnCNN-3 (20 layers; noise, lost
resolution and JPEG artefacts at once).

Source: K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang, "Beyond a Gaussian Denoiser", IEEE TIP 2017.

Deviations from the paper: the loss is averaged over the pixels of a patch too, so that a learning rate means the same
for every patch size; the optimiser is Muon with a cosine schedule and averaged weights instead of SGD with a
falling rate (a tenth of the steps for the same quality on this course's budgets); the last layer starts at zero and
the gains of the normalisation at one; noise is fresh in every batch, and a batch shares one flip or rotation and one
scale; convolutions have no biases (the normalisation supplies the shifts; the paper's code has two). DnCNN-3 draws
its three tasks in equal parts from the same pictures.

Lecture dncnn teaches it; its exercise builds its loss, its layers and its batches. Weights: `dncnn-*` in the zoo.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from course_lib import arguments, profiles, published, randomness
from course_lib.data import Pictures, Source, noisy, patches, then
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.layers import initialise, quiet_constructors
from course_lib.noise import Gaussian, Sigma
from course_lib.operators import bicubic_loss, jpeg
from course_lib.optimisers import Muon
from course_lib.profiles import Budget

BLIND = (0.0, 55 / 255)         # the noise levels that DnCNN-B and DnCNN-3 are trained on
SCALES = (2, 3, 4)              # the factors of resolution that DnCNN-3 restores
QUALITIES = (5, 99)             # the JPEG qualities it restores, lowest and highest


class DnCNN(nn.Module):
    """Predict the noise of an image with a stack of convolutions, and subtract it.

    depth: convolutions in all (17 for S, 20 for B and 3); width: channels between them; channels: 1 gray, 3 colour.
    batch_norm=False and residual=False leave out the paper's two ingredients, for comparison; without normalisation the
    convolutions have biases, since nothing else would supply the shifts (bias=True or False decides otherwise).
    Shapes: z (N, channels, H, W) of any size -> y_hat of the same shape; sigma is ignored (a DnCNN is blind).

    >>> network = DnCNN()
    >>> sum(weight.numel() for name, weight in network.named_parameters() if weight.ndim == 4)
    554112
    """

    def __init__(self, *, depth: int = 17, width: int = 64, channels: int = 1, batch_norm: bool = True,
                 residual: bool = True, bias: bool | None = None, padding: Literal["zeros", "reflect"] = "zeros",
                 seed: int = 0) -> None:
        super().__init__()
        if arguments.positive(depth, name="depth") < 2:
            raise ValueError(f"depth: a DnCNN has a first and a last convolution, so at least 2, got {depth}.")
        self.channels, self.depth, self.residual = channels, depth, residual
        bias = not batch_norm if bias is None else bias
        with quiet_constructors():
            def conv(inputs: int, outputs: int) -> nn.Conv2d:
                return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias, padding_mode=padding)

            layers: list[nn.Module] = [conv(channels, width), nn.ReLU()]
            for _ in range(depth - 2):
                layers += [conv(width, width), *([nn.BatchNorm2d(width)] if batch_norm else []), nn.ReLU()]
            last = conv(width, channels)
            self.layers = nn.Sequential(*layers, last)
        initialise(self, randomness.generator(seed, "DnCNN"))
        if residual:
            nn.init.zeros_(last.weight)   # begin with R = 0: the first estimate is z itself

    def forward(self, z: Tensor, *, sigma: float | Tensor | None = None) -> Tensor:
        z = arguments.image_batch(z, channels=self.channels, like=self)
        arguments.noise_levels(sigma, z)   # not used, but a sigma of 25 would be a mistake
        return z - self.layers(z) if self.residual else self.layers(z)

    def noise(self, z: Tensor) -> Tensor:
        """Estimate eta = z - y, whichever of the two the layers predict."""
        return z - self(z)

    @property
    def receptive_field(self) -> int:
        """Return the side of the square of z that one output pixel sees: 2 depth + 1."""
        return 2 * self.depth + 1


def residual_loss(noise_estimate: Tensor, z: Tensor, y: Tensor) -> Tensor:
    """Compute half the mean squared distance of the estimated noise to the true noise.

    loss = 1/(2 N C H W) sum (R(z) - (z - y))^2: equation 1 of the paper, divided by the pixels of an image.

    Shapes: all (N, C, H, W); returns a scalar.

    >>> y = torch.zeros(1, 1, 2, 2)
    >>> residual_loss(torch.zeros(1, 1, 2, 2), y + 2, y)
    tensor(2.)
    """
    arguments.same_shape(noise_estimate, z, y, letters="N C H W")
    arguments.shaped("N C H W", noise_estimate=noise_estimate, z=z, y=y)
    return 0.5 * (noise_estimate.float() - (z - y)).square().mean()


def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
    """Compute the loss of a training step: z - model(z) is the noise estimate of a residual network and of a direct one
    alike."""
    arguments.shaped("N C H W", **arguments.parts(batch, "z", "y"))
    z, y = batch
    return residual_loss(z - model(z), z, y)


def train(images: Pictures, *, sigma: Sigma, budget: Budget, seed: int, network: nn.Module | None = None,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a denoiser on pictures: DnCNN-S with a number as sigma, DnCNN-B with a pair (low, high).

    images: uint8 (C, H, W); sigma in the unit of [0, 1] images; patches of budget.patch pixels (the paper: 40 and 50).
    """
    if network is None:
        network = DnCNN(depth=20 if isinstance(sigma, tuple) else 17, channels=_channels(images), seed=seed)
    source = then(patches(images, size=budget.patch or 40), noisy(Gaussian(sigma)))
    return _fit(network, source, budget=budget, seed=seed, validate=validate, checkpoint=checkpoint)


def train_three_tasks(images: Pictures, *, budget: Budget, seed: int, network: nn.Module | None = None,
                      validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train DnCNN-3: one network for noise of any level, for lost resolution and for JPEG artefacts."""
    if network is None:
        network = DnCNN(depth=20, channels=_channels(images), seed=seed)
    # a multiple of 12 divides by every scale
    source = then(patches(images, size=budget.patch or 48), three_tasks)
    return _fit(network, source, budget=budget, seed=seed, validate=validate, checkpoint=checkpoint)


def three_tasks(y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Degrade a third of a batch by noise, a third by lost resolution, a third by JPEG; patches must divide by 12."""
    arguments.image_batch(y)
    if y.shape[-1] % 12 or y.shape[-2] % 12:
        raise ValueError(f"patches for the three tasks must divide by 12 (scales 2, 3 and 4), got {tuple(y.shape)}.")
    if y.shape[0] < 3:
        raise ValueError(f"a batch for the three tasks: expected 3 patches or more, one for each, got {y.shape[0]}.")
    third = y.shape[0] // 3
    scale = SCALES[int(torch.randint(len(SCALES), (), generator=generator, device=generator.device))]
    low, high = QUALITIES
    qualities = torch.randint(low, high + 1, (y.shape[0] - 2 * third,), generator=generator, device=generator.device)
    z = torch.cat([Gaussian(BLIND)(y[:third], generator=generator),
                   bicubic_loss(y[third : 2 * third], scale=scale),
                   *(jpeg(image[None], quality=int(q)) for image, q in zip(y[2 * third :], qualities, strict=True))])
    return z, y


def from_published(weights: Mapping[str, Any]) -> DnCNN:
    """Build the network that a published PyTorch state dict describes, in eval mode.

    Two layouts are known. KAIR (MIT licence): `model.0, model.2, ...`, convolutions with biases into which the
    normalisation was merged. SaoYan (GPL): `module.dncnn.N`, convolutions without biases and BatchNorm layers.
    Both predict the noise, as this class does. Load the file yourself with torch.load(path, map_location="cpu",
    weights_only=True). Dilations leave no trace in a state dict, so a network that had some would load, and be wrong.
    """
    weights = published.state_dict(weights)
    convs = sorted((int(found[1]), key, value) for key, value in weights.items() if value.ndim == 4
                   and (found := re.fullmatch(r"(?:dncnn|model)\.(\d+)\.weight", key)))
    if not convs or convs[0][2].shape[1] != convs[-1][2].shape[0]:
        raise ValueError("these are no DnCNN weights in a known layout: expected keys model.0.weight, ... (KAIR) or "
                         f"module.dncnn.0.weight, ... (SaoYan), got {', '.join(list(weights)[:3]) or 'nothing'}.")
    prefix, last = convs[0][1].split(".")[0], convs[-1][0]
    norms = any("running_mean" in key for key in weights)
    biases = any(f"{prefix}.{place}.bias" in weights for place, *_ in convs)
    network = DnCNN(depth=(last + 4) // 3 if norms else last // 2 + 1, width=convs[0][2].shape[0],
                    channels=convs[0][2].shape[1], batch_norm=norms, bias=biases)
    return published.filled(network, weights, name=lambda key: key.replace("layers", prefix, 1))


def _channels(images: Pictures) -> int:
    return next(iter(images.values() if isinstance(images, Mapping) else images)).shape[0]


def _fit(network: nn.Module, source: Source, *, budget: Budget, seed: int, validate: Validate | None,
         checkpoint: Path | None) -> Trained:
    network = network.to(profiles.device())
    history = fit(network, source, step, budget=budget, seed=seed, optimiser=Muon(), ema=0.99, validate=validate,
                  checkpoint=checkpoint)
    return Trained(network.eval(), history)
