"""Where a network looks: class activation maps of a classifier, and attention maps of any network.

A classifier that averages its last feature maps over all places and applies a linear layer gives the score

    S_c = sum_k w_ck mean_(x, y) F_k(x, y) + b_c = mean_(x, y) M_c(x, y) + b_c,    M_c = sum_k w_ck F_k    (equation 2)

so the map M_c says how much each place adds to the score of class c: nothing is approximated. Of the class itself a map
shows only what tells it from the others. Adding one and the same vector to all w_c changes the maps and no probability,
so by default the mean of all classes is subtracted from w_c.

An attention map, A = sum_k |F_k|^p, needs neither classes nor labels: it shows where activations are large. That is
how networks are compared that were trained for different tasks.

Source: B. Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016; S. Zagoruyko, N.
Komodakis, "Paying More Attention to Attention", ICLR 2017.

Deviation: the mean over the classes is subtracted; `centred=False` gives the paper's map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments


def class_maps(features: Tensor, layer: nn.Linear, *, centred: bool = True) -> Tensor:
    """Compute the class activation maps of all classes: M_c = sum_k w_ck F_k.

    Shapes: features (N, K, H, W), layer from K to C -> (N, C, H, W).

    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.ones_(layer.weight)
    >>> class_maps(torch.ones(1, 2, 3, 3), layer, centred=False)[0, 0, 0]
    tensor([2., 2., 2.], grad_fn=<SelectBackward0>)
    """
    arguments.tensor(features, name="features", real=True)
    if features.ndim != 4 or features.shape[1] != layer.in_features:
        raise ValueError(f"features: expected (N, {layer.in_features}, H, W), what the linear layer gets before it is "
                         f"averaged, got {tuple(features.shape)}.")
    weight = layer.weight - layer.weight.mean(dim=0) if centred else layer.weight
    return torch.einsum("ck,nkhw->nchw", weight.to(features.dtype), features)


def attention(features: Tensor, *, power: float = 2.0) -> Tensor:
    """Add up the powers of all activations at each place; each map is divided by its length as a vector.

    Shapes: features (N, K, H, W) -> (N, 1, H, W), never below zero.

    >>> attention(torch.tensor([3.0, -4.0]).reshape(1, 1, 1, 2), power=1.0).flatten()
    tensor([0.6000, 0.8000])
    """
    arguments.image_batch(features, name="features")
    arguments.number(power, name="power", low=0)
    largest = features.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=torch.finfo(features.dtype).tiny)
    energy = (features / largest).abs().pow(power).sum(dim=1, keepdim=True)
    return F.normalize(energy.flatten(1), dim=1).reshape(energy.shape)


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge maps to the size of the image, bilinearly: (N, C, h, w) -> (N, C, *size)."""
    arguments.image_batch(maps, name="maps")
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def mask(maps: Tensor, *, share: float = 0.2) -> Tensor:
    """Mark where each map is above a share of its own largest value: (N, 1, H, W) -> bool, the same shape.

    A map that is nowhere above zero marks nothing.

    >>> mask(torch.tensor([0.1, 0.5, 1.0]).reshape(1, 1, 1, 3), share=0.4).flatten().tolist()
    [False, True, True]
    """
    arguments.image_batch(maps, name="maps")
    arguments.number(share, name="share", low=0, high=1)
    largest = maps.amax(dim=(2, 3), keepdim=True)
    return (maps > share * largest) & (largest > 0)


def overlap(found: Tensor, truth: Tensor) -> Tensor:
    """Compute the intersection over union of two masks for each image; two empty ones agree: 1.

    Shapes: found, truth (N, 1, H, W), bool -> (N,).

    >>> a, b = torch.tensor([1, 1, 0, 0]), torch.tensor([0, 1, 1, 0])
    >>> overlap(a.bool().reshape(1, 1, 1, 4), b.bool().reshape(1, 1, 1, 4))
    tensor([0.3333])
    """
    arguments.same_shape(found, truth, letters="N 1 H W")
    if found.dtype != torch.bool or truth.dtype != torch.bool:
        raise TypeError(f"found and truth: expected masks of booleans, got {found.dtype} and {truth.dtype}. Usual "
                        "cause: maps that were not compared with a threshold; `mask` does that.")
    both = (found & truth).sum(dim=(1, 2, 3))
    either = (found | truth).sum(dim=(1, 2, 3))
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))


def first_filters(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> Tensor:
    """Return the filters of a first layer as they act, with the scale of the normalisation that follows.

    Shapes: -> (filters, C, k, k).
    """
    weight = convolution.weight.detach()
    if norm is None:
        return weight
    if norm.running_var is None or norm.weight is None:
        raise ValueError("norm: expected batch normalisation with running statistics and a learnt scale.")
    return weight * (norm.weight.detach() / (norm.running_var + norm.eps).sqrt())[:, None, None, None]
