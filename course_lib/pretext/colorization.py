"""Colorization: a network learns what things are by saying which colours they have.

A gray picture L goes in, the colours (a, b) of its pixels come out, both in Lab. Many colours are plausible for a car
or a shirt, and a network that answers with one colour, trained on squared errors, answers with the mean of all: brown.
So the plane of colours is divided into Q bins, 10 units wide, and the network gives a probability to each bin q of each
pixel. With the true colour spread over its nearest bins, Z_q, the loss is

    L = - sum_pixels v(Z) sum_q Z_q log Zhat_q,    v(Z) = w_q*, q* = argmax_q Z_q      (equations 2 and 3)

Most of the world is grayish, so rare, saturated colours get more weight, w ~ ((1 - lambda) p + lambda / Q)^-1, where p
is how often a bin occurs; the mean of w over all pixels is 1 (equation 4). In the end one colour is needed: the
*annealed mean*, the mean over the bins of the distribution f_T(z) = exp(log(z) / T) / sum exp(log(z) / T). T = 1 is the
plain mean, T -> 0 the most probable bin, and T = 0.38 lies between the two (equation 5).

Source: R. Zhang, P. Isola, A. Efros, "Colorful Image Colorization", ECCV 2016. The table of bins is that of the
authors' code; the pictures of a screen reach only some 260 of these 313.

Lecture generative_pretexts teaches it. Claims: `colorization-*`.

Deviations: p is not smoothed. `ColorNet(width=64)` has the paper's layers; lectures take fewer channels. Pixels are
weighted, not gradients, which is the same.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, devices, profiles, randomness
from course_lib.data.readers import Labelled
from course_lib.data.sources import Source, pictures, then
from course_lib.embeddings import distances
from course_lib.fit import Progress, Trained, Validate, fit, one_process
from course_lib.layers import initialise, quiet_constructors
from course_lib.optimisers import AdamW, cosine
from course_lib.pretext import lab
from course_lib.pretext.views import MIRRORED
from course_lib.profiles import Budget

NEIGHBOURS, SPREAD = 5, 5.0            # bins over which a colour is spread, and the deviation of the Gaussian
MIX, TEMPERATURE = 0.5, 0.38
STRIDE = 4                             # pixels of the picture for one of the prediction
RANGES = {-90: (50, 90), -80: (20, 90), -70: (0, 90), -60: (-20, 90), -50: (-30, 100), -40: (-40, 100),
          -30: (-50, 100), -20: (-50, 100), -10: (-60, 100), 0: (-70, 100), 10: (-80, 90), 20: (-80, 90),
          30: (-90, 90), 40: (-100, 90), 50: (-100, 80), 60: (-110, 80), 70: (-110, 80), 80: (-110, 70),
          90: (-110, 70), 100: (-90, 0)}                          # of b, both ends included, for each a


def bins() -> Tensor:
    """Return the centres (a, b) of all bins, (313, 2).

    >>> tuple(bins().shape)
    (313, 2)
    """
    return torch.tensor([[a, b] for a, (low, high) in RANGES.items() for b in range(low, high + 1, 10)]).float()


def encode(ab: Tensor, centres: Tensor, *, neighbours: int = NEIGHBOURS, spread: float = SPREAD
           ) -> tuple[Tensor, Tensor]:
    """Spread each colour over its nearest bins, with Gaussian weights that add up to 1.

    Shapes: ab (P, 2), centres (Q, 2) -> bins (P, k) and their weights (P, k), the nearest first.

    >>> which, weights = encode(torch.tensor([[10.0, 20.0]]), bins())
    >>> bins()[which[0, 0]].tolist(), round(float(weights.sum()), 6)
    ([10.0, 20.0], 1.0)
    """
    arguments.shaped("P 2", ab=ab)
    arguments.shaped("Q 2", centres=centres)
    if not 1 <= neighbours <= len(centres):
        raise ValueError(f"neighbours: expected a number from 1 to {len(centres)}, got {neighbours!r}.")
    near, which = distances(ab, centres).topk(neighbours, dim=1, largest=False)
    weights = torch.softmax(-near.square() / (2 * spread**2), dim=1)
    return which, weights


def prior(ab: Tensor, centres: Tensor) -> Tensor:
    """Measure how often each bin occurs: the share of all colours (P, 2) that it gets, (Q,)."""
    which, weights = encode(ab, centres)
    share = torch.zeros(len(centres), dtype=torch.float64)
    share.index_add_(0, which.flatten().cpu(), weights.flatten().double().cpu())
    return (share / share.sum()).float()


def balance(prior: Tensor, *, mix: float = MIX) -> Tensor:
    """Weigh rare bins more: ((1 - mix) p + mix / Q)^-1, divided by its mean over the pixels, sum_q p_q w_q.

    Q counts the bins that occur. mix=1 weighs all alike, mix=0 each by the inverse of how often it occurs.
    Shapes: (Q,) -> (Q,).

    >>> [round(w, 4) for w in balance(torch.tensor([0.7, 0.2, 0.1])).tolist()]
    [0.7542, 1.4612, 1.7984]
    """
    arguments.shaped("Q", prior=prior)
    arguments.number(mix, name="mix", low=0, high=1)
    if arguments.reads(prior) and (float(prior.amin()) < 0 or not float(prior.amax()) > 0):
        raise ValueError("prior: expected shares of 0 or more, some above 0: how often each bin occurs.")
    occurs = prior > 0
    weight = 1 / ((1 - mix) * prior + mix / occurs.sum()).clamp(min=torch.finfo(prior.dtype).tiny)
    weight = torch.where(occurs, weight, 0.0)
    return weight / (prior * weight).sum()


def annealed_mean(probabilities: Tensor, centres: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Decide for one colour: sharpen the distribution by a temperature, and average the bins.

    Shapes: probabilities (N, Q, H, W), centres (Q, 2) -> (N, 2, H, W).

    >>> p = torch.tensor([0.6, 0.3, 0.1]).reshape(1, 3, 1, 1)
    >>> annealed_mean(p, torch.eye(3)[:, :2], temperature=0.38).flatten().round(decimals=4)
    tensor([0.8545, 0.1379])
    """
    arguments.image_batch(probabilities, name="probabilities")
    if arguments.shaped("Q 2", centres=centres)["Q"] != probabilities.shape[1]:
        raise ValueError(f"probabilities: expected one for each of the {len(centres)} bins, (N, {len(centres)}, H, W), "
                         f"got {tuple(probabilities.shape)}.")
    if arguments.reads(probabilities) and (float(probabilities.amin()) < 0
                                           or not float(probabilities.sum(dim=1).amin()) > 0):
        raise ValueError("probabilities: expected numbers of 0 or more, at each pixel some above 0. Usual cause: "
                         "scores of a network without softmax.")
    if not temperature > 0:
        raise ValueError(f"temperature: expected a number above zero, 1 for the mean, the paper's is 0.38; got "
                         f"{temperature!r}.")
    sharp = torch.softmax(probabilities.log() / temperature, dim=1)
    return torch.einsum("nqhw,qc->nchw", sharp, centres.to(sharp))


def chroma(ab: Tensor) -> Tensor:
    """Compute how saturated colours are: the root of a^2 + b^2. Shapes: (N, 2, H, W) -> (N, H, W)."""
    if arguments.image_batch(ab, name="ab").shape[1] != 2:
        raise ValueError(f"ab: expected colours (N, 2, H, W), got {tuple(ab.shape)}.")
    return torch.linalg.vector_norm(ab, dim=1)


# The network ---------------------------------------------------------------------------------------------------------


class ColorNet(nn.Module):
    """Eight groups of convolutions from lightness to a score for each bin, at a quarter of the picture's size.

    width: channels of the first group; 64 is the paper's. outputs: bins, or 2 for a network that answers with a colour.
    `features(L)` is what the fifth group gives, at an eighth of the size.
    Shapes: lightness (N, 1, H, W) from 0 to 100, H and W multiples of 8 -> (N, outputs, H / 4, W / 4).

    >>> ColorNet(width=8)(torch.zeros(1, 1, 32, 32)).shape
    torch.Size([1, 313, 8, 8])
    """

    def __init__(self, *, width: int = 64, outputs: int = 313, seed: int = 0) -> None:
        super().__init__()
        arguments.positive(width, name="width")
        arguments.positive(outputs, name="outputs")
        w, self.outputs = width, outputs
        plan = [(w, 2, 2, 1), (2 * w, 2, 2, 1), (4 * w, 3, 2, 1), (8 * w, 3, 1, 1), (8 * w, 3, 1, 2), (8 * w, 3, 1, 2),
                (8 * w, 3, 1, 1)]                                       # channels, layers, last stride, dilation
        with quiet_constructors():
            groups: list[nn.Module] = []
            inputs = 1
            for channels, layers, stride, dilation in plan:
                groups.append(_group(inputs, channels, layers, stride=stride, dilation=dilation))
                inputs = channels
            groups.append(nn.Sequential(nn.ConvTranspose2d(inputs, 4 * w, 4, stride=2, padding=1), nn.ReLU(),
                                        nn.Conv2d(4 * w, 4 * w, 3, padding=1), nn.ReLU(),
                                        nn.Conv2d(4 * w, 4 * w, 3, padding=1), nn.ReLU()))
            self.groups = nn.ModuleList(groups)
            self.last = nn.Conv2d(4 * w, outputs, 1)
        initialise(self, randomness.generator(seed, "ColorNet"))

    def features(self, lightness: Tensor, *, groups: int = 5) -> Tensor:
        """Return what the first groups give, (N, 8 width, H / 8, W / 8) for five of them."""
        lightness = arguments.image_batch(lightness, name="lightness", like=self)
        if lightness.shape[1] != 1 or lightness.shape[2] % 8 or lightness.shape[3] % 8:
            raise ValueError(f"lightness: expected (N, 1, H, W) with sides that are multiples of 8, got "
                             f"{tuple(lightness.shape)}. It is channel 0 of lab.from_rgb.")
        x = (lightness - 50) / 50
        for group in self.groups[:groups]:
            x = group(x)
        return x

    def forward(self, lightness: Tensor) -> Tensor:
        return self.last(self.features(lightness, groups=len(self.groups)))


def _group(inputs: int, channels: int, layers: int, *, stride: int, dilation: int) -> nn.Sequential:
    made: list[nn.Module] = []
    for layer in range(layers):
        made += [nn.Conv2d(inputs, channels, 3, padding=dilation, dilation=dilation,
                           stride=stride if layer == layers - 1 else 1), nn.ReLU()]
        inputs = channels
    return nn.Sequential(*made, nn.BatchNorm2d(channels))


# Training ------------------------------------------------------------------------------------------------------------


def colours(images: Tensor) -> Source:
    """Choose random pictures: a batch of N gives lightness (N, 1, H, W) and colours (N, 2, H / 4, W / 4).

    images: uint8 (I, 3, H, W). The colours of four by four pixels are averaged.
    """
    return then(pictures(images), lambda batch, generator: split(MIRRORED(batch, generator)))


def split(images: Tensor) -> tuple[Tensor, Tensor]:
    """Divide pictures into lightness (N, 1, H, W) and the colours of four by four pixels, (N, 2, H / 4, W / 4)."""
    in_lab = lab.from_rgb(images)
    if min(images.shape[-2:]) < STRIDE:
        raise ValueError(f"the images: expected sides of {STRIDE} pixels or more, got {tuple(images.shape)}.")
    return in_lab[:, :1], F.avg_pool2d(in_lab[:, 1:], STRIDE)


def loss(scores: Tensor, ab: Tensor, *, centres: Tensor, weight: Tensor | None = None) -> Tensor:
    """Compute the cross-entropy with the spread colour, weighted by how rare the colour is.

    Shapes: scores (N, Q, h, w), ab (N, 2, h, w), centres (Q, 2), weight (Q,) or none -> a scalar, the mean over all
    pixels.
    """
    arguments.shaped("N Q h w", scores=scores)
    arguments.shaped("N 2 h w", ab=ab)
    arguments.shaped("Q 2", centres=centres)
    if scores.shape != (len(ab), len(centres), *ab.shape[2:]):
        raise ValueError(f"scores: expected one for each of the {len(centres)} bins and each colour of ab, "
                         f"{(len(ab), len(centres), *ab.shape[2:])}, got {tuple(scores.shape)}.")
    flat = ab.movedim(1, -1).flatten(0, -2)                                              # (P, 2)
    which, share = encode(flat, centres)                                                 # (P, k)
    log_p = scores.float().movedim(1, -1).flatten(0, -2).log_softmax(dim=1)              # (P, Q)
    each = -(share * log_p.gather(1, which)).sum(dim=1)                                  # (P,)
    return each.mean() if weight is None else (weight[which[:, 0]] * each).mean()


def train(images: Labelled | Tensor, *, budget: Budget, seed: int, network: nn.Module | None = None,
          weight: Tensor | None = None, validate: Validate | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a network to colour pictures: with as many outputs as bins by the cross-entropy, with two by squared
    errors.

    weight: of the bins, from `balance`; without it all count alike. Raises ValueError in several processes.
    """
    one_process()
    source = colours(images.images if isinstance(images, Labelled) else images)
    network = (network or ColorNet(seed=seed)).to(profiles.device())
    device = next(network.parameters()).device
    centres = bins().to(device)
    weight = None if weight is None else weight.to(device)

    def step(model: nn.Module, batch: tuple[Tensor, Tensor], progress: Progress) -> Tensor:
        lightness, ab = batch
        scores = model(lightness)
        if scores.shape[1] == 2:
            return F.mse_loss(scores.float(), ab / 100)
        return loss(scores, ab, centres=centres, weight=weight)

    history = fit(network, source, step, budget=budget, seed=seed, validate=validate, checkpoint=checkpoint,
                  optimiser=AdamW(lr=2e-3, weight_decay=1e-3), schedule=cosine)
    return Trained(network.eval(), history)


def predicted(network: nn.Module, lightness: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Ask a network for the colours (N, 2, H / 4, W / 4) of lightness (N, 1, H, W).

    A network of two outputs answers with a colour, whatever the temperature; one with an output for each bin gives a
    distribution, of which the annealed mean is taken.
    """
    with torch.inference_mode():
        scores = network(lightness.to(devices.home(network, None))).float().to(lightness.device)
    if scores.shape[1] == 2:
        return 100 * scores
    return annealed_mean(scores.softmax(dim=1), bins().to(scores), temperature=temperature)


def coloured(network: nn.Module, images: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Take the colours of pictures away, and let a network give them others: sRGB (N, 3, H, W) in, and out.

    A network of two outputs answers with a colour, whatever the temperature.
    """
    lightness = lab.from_rgb(images)[:, :1]
    ab = predicted(network, lightness, temperature=temperature)
    ab = F.interpolate(ab, size=images.shape[-2:], mode="bilinear", align_corners=False)
    return lab.to_rgb(torch.cat([lightness, ab], dim=1))
