"""The straightforward solution: simulate the damage on clean images, and train a network to undo it.

    z = forward(y),    w = argmin sum_i | f(z_i; w) - y_i |^2

f is any network whose output is as large as its input, here five plain 3 x 3 convolutions that paint the estimate.
Nothing in the recipe says "noise": with another forward model the same lines learn to take away rain, to brighten a
dark picture, to fill in what is missing. All that is known of the problem is in `forward`, so all goes wrong where
that is wrong.

Source: G. Boracchi, "Departing From Supervised Learning", 2025, "Straightforward solution". The network is a DnCNN
without its two ingredients (residual learning, batch normalisation), which lecture dncnn adds. Lecture denoising
teaches it; claims `straightforward-*`.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from course_lib import arguments, profiles
from course_lib.data import Pictures, channels_of, noisy, patches, then
from course_lib.denoise.dncnn import DnCNN
from course_lib.fit import Progress, Trained, Validate, fit
from course_lib.noise import Noise
from course_lib.optimisers import Muon
from course_lib.profiles import Budget


def network(*, depth: int = 5, width: int = 32, channels: int = 1, seed: int = 0) -> DnCNN:
    """Build a stack of convolutions and ReLUs that paints the estimate itself.

    >>> network().receptive_field
    11
    """
    return DnCNN(depth=depth, width=width, channels=channels, seed=seed, residual=False, batch_norm=False, bias=True)


def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
    """Compute the mean squared error of the estimate: the loss of any regression with known answers."""
    arguments.shaped("N C H W", **arguments.parts(batch, "z", "y"))
    z, y = batch
    return (model(z).float() - y).square().mean()


def train(images: Pictures, *, forward: Noise, budget: Budget, seed: int, model: nn.Module | None = None,
          validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a network to undo what `forward` does to clean pictures, with fresh damage on every patch.

    images: uint8 (C, H, W); forward: a noise model, or whatever makes z of y; patches of budget.patch pixels (36).
    """
    if model is None:
        model = network(channels=channels_of(images), seed=seed)
    pairs = then(patches(images, size=budget.patch or 36), noisy(forward))     # y becomes (z, y)
    model = model.to(profiles.device())
    history = fit(model, pairs, step, budget=budget, seed=seed, optimiser=Muon(), ema=0.99, validate=validate,
                  checkpoint=checkpoint)
    return Trained(model.eval(), history)
