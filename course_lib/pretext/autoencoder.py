"""Autoencoder: a network that repeats its input through a narrow middle, to see what this alone teaches.

    L = mean over pictures and pixels of (g(f(x)) - x)^2

f is the backbone that the pretext tasks use, up to one of its blocks; g mirrors it, with transposed convolutions for
the pooling. Nothing here asks what is on a picture: whatever lets the pixels be drawn again is kept. It is the baseline
that a pretext task has to beat, beside random weights.

If f and g are linear, the best they can do is a projection onto the first principal components.

Source: G. Boracchi, "Departing From Supervised Learning", 2025, "autoencoders"; D. Rumelhart, G. Hinton, R. Williams,
Nature 1986. The comparison: Gidaris et al. 2018, table 3.

Deviations: no paper fixes the mirrored network; ours has one transposed convolution for each pooling, and
normalisation.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Augmentation, pictures, then
from course_lib.embeddings import as_float
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.optimisers import AdamW
from course_lib.pretext.nin import NIN
from course_lib.profiles import Budget
from course_lib.quality import psnr


class Autoencoder(nn.Module):
    """The first blocks of a network, and their mirror image, which draws the input again from their features.

    block: the last one of the encoder; narrow: channels of the middle, which a 1 x 1 convolution makes (none leaves the
    features as they are). Sides of images are multiples of 4.
    Shapes: images (N, C, H, W) in [0, 1] -> (N, C, H, W).

    >>> Autoencoder(NIN(width=12))(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 3, 16, 16])
    """

    def __init__(self, encoder: NIN, *, block: int = 2, narrow: int | None = None, seed: int = 0) -> None:
        super().__init__()
        if block not in range(1, len(encoder.blocks) + 1):
            raise ValueError(f"block: expected a number from 1 to {len(encoder.blocks)}, got {block!r}.")
        self.encoder, self.block = encoder, block
        width = encoder.widths[block - 1]
        with quiet_constructors():
            middle = [nn.Conv2d(width, narrow, 1), nn.Conv2d(narrow, width, 1), nn.ReLU()] if narrow else []
            layers: list[nn.Module] = [*middle]
            for mirrored in reversed(range(block)):
                before = encoder.widths[mirrored - 1] if mirrored else width
                if mirrored < 2:        # these blocks halve the image
                    layers.append(nn.ConvTranspose2d(width, before, 4, stride=2, padding=1, bias=False))
                else:
                    layers.append(nn.Conv2d(width, before, 3, padding=1, bias=False))
                layers += [nn.BatchNorm2d(before), nn.ReLU()]
                width = before
            layers.append(nn.Conv2d(width, encoder.channels, 3, padding=1))
            self.decoder = nn.Sequential(*layers)
        initialise(self.decoder, randomness.generator(seed, "Autoencoder"))

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder.features(images, self.block))


def train(images: Labelled | Tensor, *, budget: Budget, seed: int, network: nn.Module | None = None,
          view: Augmentation | None = None, validate: Validate | None = None,
          checkpoint: Path | None = None) -> Trained:
    """Train a network to draw its input again; labels of a labelled set are not looked at. `model.encoder` is what is
    used afterwards. Raises ValueError in several processes."""
    one_process()
    images = images.images if isinstance(images, Labelled) else images
    source = pictures(images) if view is None else then(pictures(images), view)
    network = (network or Autoencoder(NIN(channels=images.shape[1], seed=seed), seed=seed)).to(profiles.device())

    def step(model: nn.Module, batch: Tensor, progress: Progress) -> Tensor:
        return F.mse_loss(model(batch).float(), batch)

    history = fit(network, source, step, budget=budget, seed=seed,
                  optimiser=AdamW(lr=2e-3, weight_decay=1e-4), validate=validate, checkpoint=checkpoint)
    return Trained(network.eval(), history)


def reconstruction(network: nn.Module, images: Tensor) -> float:
    """Measure how well images are drawn again: the mean PSNR in dB, of (N, C, H, W), uint8 or floats in [0, 1]."""
    arguments.tensor(images, name="images")
    images = as_float(images)
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        return float(psnr(network(images.to(device)).float().cpu(), images).mean())
