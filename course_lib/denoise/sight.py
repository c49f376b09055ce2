"""What an output pixel can see: push 0/1 matrices through a network instead of pictures, and read its field off them.

Along each axis, entry (o, i) of the matrix of a tensor is true where position o of the tensor depends on position i of
the input. A layer with kernel k, dilation d, stride s and padding p adds up rows of the matrix before it:

    reach'(o, i) = or_j reach(o s - p + j d, i),    j = 0, ..., k - 1

and two branches that are added or put side by side are joined by "or". Nothing is multiplied, so nothing can cancel:
the result is what any weights could use at most.

The network itself is run, on zeros that carry their two matrices along and without its convolutions, so whatever its
`forward` does is followed: dilation, stride, pooling, unshuffling, transposed convolutions, branches. Channels are
kept apart where sub-images are channels. An operation that is not known here is refused, never guessed.

Lecture receptive_fields uses it, through `receptive_field.theoretical_field`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten, tree_map

from course_lib import arguments, devices

POINTWISE = frozenset((
    "relu", "relu_", "leaky_relu", "leaky_relu_", "prelu", "elu", "elu_", "selu", "gelu", "silu", "mish", "sigmoid",
    "tanh", "softplus", "hardtanh", "relu6", "hardswish", "hardsigmoid", "batch_norm", "dropout", "dropout2d", "add",
    "add_", "sub", "sub_", "rsub", "mul", "mul_", "div", "div_", "__add__", "__radd__", "__iadd__", "__sub__",
    "__rsub__", "__isub__", "__mul__", "__rmul__", "__imul__", "__truediv__", "__rtruediv__", "__neg__", "neg",
    "__pow__", "pow", "abs", "square", "sqrt", "exp", "log", "clamp", "clamp_", "clip", "maximum", "minimum", "where",
    "lerp", "float", "double", "type", "contiguous", "clone", "detach", "requires_grad_"))
LIKE = frozenset(("to", "type_as", "expand", "expand_as", "broadcast_to"))      # the first one, as the others are
BLANK = frozenset(("new_full", "new_zeros", "new_ones", "new_empty", "zeros_like", "ones_like", "full_like"))
REARRANGED = frozenset(("pixel_shuffle", "pixel_unshuffle", "pad", "__getitem__", "split", "chunk", "narrow", "flip",
                        "roll", "channel_shuffle", "tensor_split"))


class Reach(NamedTuple):
    """Which input rows and columns each position of a tensor depends on."""

    rows: Tensor        # bool (C or 1, H, rows of the input); 1 where all channels see alike
    columns: Tensor     # bool (C or 1, W, columns of the input)


def reach(network: Callable[..., Tensor], *, size: int, channels: int = 1, **told: Any) -> Reach:
    """Find which rows and columns of an input of size x size pixels each position of the output depends on.

    told: further arguments of the network, such as FFDNet's sigma; a map among them is made as large as the input, as
    what is in it does not matter. The network is run once, in eval mode, on zeros; one on a GPU is copied from there.

    >>> rows = reach(torch.nn.Conv2d(1, 1, 3, dilation=2, padding=2), size=8).rows
    >>> rows[0, 4].nonzero().flatten().tolist()
    [2, 4, 6]
    """
    own = torch.eye(size, dtype=torch.bool)[None]
    network, told = devices.on_processor(network), {name: _fitted(value, size) for name, value in told.items()}
    with evaluating(network), arguments.unread():
        output = network(_carrying(torch.zeros(1, channels, size, size), Reach(own, own)), **told)
    if not isinstance(output, _Carrier):
        raise TypeError("what the network returned does not come from its input, or is no tensor "
                        f"({type(output).__name__}). Usual cause: a network that returns several things.")
    return output.reach


def _fitted(value: Any, size: int) -> Any:
    """An argument on the processor, and as large as the input if it is a map of an image (N, C, H, W)."""
    if not isinstance(value, Tensor):
        return value
    return F.interpolate(value.cpu().float(), size) if value.ndim == 4 else value.cpu()


@contextmanager
def evaluating(network: Callable) -> Iterator[None]:
    """Put a network into eval mode, so that running it leaves no trace in its statistics, and every part back after."""
    parts = {part: part.training for part in network.modules()} if isinstance(network, nn.Module) else {}
    if isinstance(network, nn.Module):
        network.eval()
    try:
        yield
    finally:
        for part, before in parts.items():
            part.training = before


class _Carrier(Tensor):
    """A tensor of zeros that carries its reach; every operation on it comes by `__torch_function__`."""

    reach: Reach

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if func.__name__ in CONVOLUTIONS:
                there, outputs = CONVOLUTIONS[func.__name__](*args, **kwargs)
                return _carrying(torch.zeros(1, outputs, there.rows.shape[1], there.columns.shape[1]), there)
            answer = func(*tree_map(_plain, args), **tree_map(_plain, kwargs))
            if func.__name__ in BLANK or not any(isinstance(one, Tensor) for one in tree_flatten(answer)[0]):
                return answer                       # a shape, a flag, a blank sheet: nothing of what is in a picture
            if func.__name__ in LIKE:
                return _carrying(answer, _spread(args[0].reach, answer.shape)) if isinstance(args[0], _Carrier) \
                    else answer
            carriers = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, _Carrier)]
            if func.__name__ in REARRANGED:
                return _rearranged(func, args, kwargs, answer)
            if func.__name__ in POINTWISE:
                return _carrying(answer, _joined([one.reach for one in carriers]))
            if func.__name__ in RULES:
                return _carrying(answer, RULES[func.__name__](answer.shape, *args, **kwargs))
        raise NotImplementedError(f"how {func.__name__} spreads what a pixel sees is not known here. If it works on "
                                  "each pixel by itself, add its name to course_lib.denoise.sight.POINTWISE.")


def _plain(value: Any) -> Any:
    return value.as_subclass(Tensor) if isinstance(value, Tensor) else value


def _carrying(tensor: Tensor, there: Reach) -> Tensor:
    carrier = tensor.as_subclass(_Carrier)
    carrier.reach = there
    return carrier


def _joined(several: list[Reach]) -> Reach:
    """What is seen by a tensor that is made pixel by pixel of several."""
    joined = several[0]
    for other in several[1:]:
        joined = Reach(joined.rows | other.rows, joined.columns | other.columns)   # one channel or pixel broadcasts
    return joined


def _spread(there: Reach, shape: torch.Size) -> Reach:
    """What is seen by a tensor whose axes of one pixel are repeated."""
    return Reach(there.rows.expand(-1, shape[2], -1), there.columns.expand(-1, shape[3], -1))


# Windows: convolutions and their kin -------------------------------------------------------------------------------


def _look(there: Tensor, taps: Tensor) -> Tensor:
    """Join the rows of a matrix at the positions (out, k) that each output looks at; positions outside see nothing."""
    inside = (taps >= 0) & (taps < there.shape[1])
    return (there[:, taps.clamp(0, there.shape[1] - 1)] & inside[..., None]).any(2)


def _taps(out: int, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    return torch.arange(out)[:, None] * stride - padding + torch.arange(kernel) * dilation


def _both(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    return (pair[0], pair[-1])


def _mixed(there: Reach, *, groups: int, outputs: int) -> Reach:
    """A convolution's outputs see what all inputs of their group see."""
    def mix(matrix: Tensor) -> Tensor:
        if len(matrix) == 1 or groups == 1:
            return matrix.any(0, keepdim=True)
        return matrix.unflatten(0, (groups, -1)).any(1).repeat_interleave(outputs // groups, 0)
    return Reach(mix(there.rows), mix(there.columns))


def _convolution(z: _Carrier, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1) -> tuple[Reach, int]:
    kernel, strides, spread = weight.shape[2:], _both(stride), _both(dilation)
    whole = [d * (k - 1) for k, d in zip(kernel, spread, strict=True)]        # how far apart the first and last tap are
    left = tuple(w // 2 for w in whole) if padding == "same" else _both(0 if padding == "valid" else padding)
    around = whole if padding == "same" else [2 * p for p in left]
    before = _mixed(z.reach, groups=groups, outputs=weight.shape[0])

    def seen(a: int) -> Tensor:
        out = (before[a].shape[1] + around[a] - whole[a] - 1) // strides[a] + 1
        return _look(before[a], _taps(out, kernel[a], strides[a], left[a], spread[a]))
    return Reach(seen(0), seen(1)), weight.shape[0]


def _transposed(z: _Carrier, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
                output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> tuple[Reach, int]:
    kernel, strides, sides, spread = weight.shape[2:], _both(stride), _both(padding), _both(dilation)
    outputs, more = weight.shape[1] * groups, _both(output_padding)
    before = _mixed(z.reach, groups=groups, outputs=outputs)

    def seen(a: int) -> Tensor:
        out = (before[a].shape[1] - 1) * strides[a] - 2 * sides[a] + spread[a] * (kernel[a] - 1) + more[a] + 1
        touched = torch.arange(out)[:, None] + sides[a] - torch.arange(kernel[a]) * spread[a]
        return _look(before[a], torch.where(touched % strides[a] == 0, touched // strides[a], -1))
    return Reach(seen(0), seen(1)), outputs


CONVOLUTIONS: dict[str, Callable[..., tuple[Reach, int]]] = {"conv2d": _convolution, "conv_transpose2d": _transposed}


def _pooling(shape: torch.Size, z: _Carrier, kernel_size: Any, stride: Any = None, padding: Any = 0,
             dilation: Any = 1) -> Reach:
    kernel, strides, sides, spread = (_both(kernel_size), _both(stride or kernel_size), _both(padding),
                                      _both(dilation))
    return Reach(*(_look(matrix, _taps(shape[2 + a], kernel[a], strides[a], sides[a], spread[a]))
                   for a, matrix in enumerate(z.reach)))


def _largest(shape: torch.Size, z: _Carrier, kernel_size: Any, stride: Any = None, padding: Any = 0,
             dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False) -> Reach:
    return _pooling(shape, z, kernel_size, stride, padding, dilation)


def _average(shape: torch.Size, z: _Carrier, kernel_size: Any, stride: Any = None, padding: Any = 0,
             ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None) -> Reach:
    return _pooling(shape, z, kernel_size, stride, padding)


def _interpolated(shape: torch.Size, z: _Carrier, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                  align_corners: bool | None = None, **_: Any) -> Reach:
    if mode not in ("nearest", "bilinear") or align_corners:
        raise NotImplementedError(f"interpolation {mode!r} (align_corners={align_corners}) is not known here; nearest "
                                  "and bilinear without align_corners are.")

    def taps(out: int, n: int) -> Tensor:
        if mode == "nearest":
            return (torch.arange(out) * n // out)[:, None]
        place = ((torch.arange(out, dtype=torch.float64) + 0.5) * n / out - 0.5).clamp(0, n - 1)
        low = place.floor()
        return torch.stack([low, torch.where(place > low, low + 1, -1)], 1).long()   # exactly on a pixel: it alone
    return Reach(*(_look(matrix, taps(shape[2 + a], matrix.shape[1])) for a, matrix in enumerate(z.reach)))


def _side_by_side(shape: torch.Size, tensors: Any, dim: int = 0) -> Reach:
    if dim % 4 != 1:
        raise NotImplementedError(f"tensors put together along axis {dim} are not followed; along channels (1) they "
                                  f"are.")
    size = next(one.reach.rows.shape[-1] for one in tensors if isinstance(one, _Carrier))
    parts: list[Reach] = []
    for one in tensors:                             # a plain tensor (a noise level map) sees nothing of the input
        blind = torch.zeros(1, 1, size, dtype=torch.bool)
        there = one.reach if isinstance(one, _Carrier) else Reach(blind, blind)
        parts.append(Reach(there.rows.expand(one.shape[1], shape[2], -1),
                           there.columns.expand(one.shape[1], shape[3], -1)))
    return Reach(torch.cat([part.rows for part in parts]), torch.cat([part.columns for part in parts]))


def _everywhere(shape: torch.Size, z: _Carrier, *_: Any, **__: Any) -> Reach:
    """Averages over the image: only those over all of it keep four axes and are followed."""
    if len(shape) != 4 or tuple(shape[2:]) != (1, 1):
        raise NotImplementedError("an average is followed over the whole image only, with its axes kept: "
                                  "x.mean((2, 3), keepdim=True).")
    return Reach(*(matrix.any(1, keepdim=True) for matrix in z.reach))


RULES: dict[str, Callable[..., Reach]] = {
    "max_pool2d": _largest, "avg_pool2d": _average, "interpolate": _interpolated, "cat": _side_by_side,
    "concat": _side_by_side, "mean": _everywhere, "adaptive_avg_pool2d": _everywhere,
    "adaptive_max_pool2d": _everywhere,
}


# Pixels that change places -----------------------------------------------------------------------------------------


def _rearranged(func: Callable, args: tuple, kwargs: dict, answer: Any) -> Any:
    """Let the operation sort numbered pixels, and see where each came from; its answer may be several tensors."""
    z = next(one for one in args if isinstance(one, _Carrier))
    if func is F.pad:
        args, kwargs = args[:3], {**kwargs, "value": -1.0 if kwargs.get("mode", "constant") == "constant" else None}
        if len(args) == 3 and args[2] == "constant":
            kwargs["value"] = -1.0

    def sorted_(numbers: Tensor) -> list[Tensor]:
        return tree_flatten(func(*(numbers if one is z else one for one in args), **kwargs))[0]

    _, c, height, width = z.shape
    numbered = [torch.arange(n, dtype=torch.float64).reshape(view).expand(1, c, height, width)
                for n, view in ((c, (1, c, 1, 1)), (height, (1, 1, height, 1)), (width, (1, 1, 1, width)))]
    outputs, structure = tree_flatten(answer)
    found = []
    for output, channel, row, column in zip(outputs, *map(sorted_, numbered), strict=True):
        if output.ndim != 4:
            raise NotImplementedError(f"{func.__name__} takes an axis away; tensors (N, C, H, W) are followed.")
        found.append(_carrying(output, Reach(_gathered(z.reach.rows, channel[0].long(), row[0].long()),
                                             _gathered(z.reach.columns, channel[0].mT.long(), column[0].mT.long()))))
    return torch.utils._pytree.tree_unflatten(found, structure)


def _gathered(there: Tensor, channel: Tensor, place: Tensor) -> Tensor:
    """Rows of a matrix by channel and place (C, out, across), joined over the other axis; -1 sees nothing."""
    if len(there) == 1 and bool((place == place[:1]).all()):   # all channels see alike, and are sorted alike
        channel, place = torch.zeros_like(channel[:1]), place[:1]
    elif len(there) == 1:
        channel = torch.zeros_like(channel)
    if not place.numel():                                      # a part without channels, at the end of a split
        return there.new_zeros(*place.shape[:2], there.shape[-1])
    pairs = torch.stack([channel, place], dim=-1)              # (C, out, across, 2)
    joined = torch.zeros(*place.shape[:2], there.shape[-1], dtype=torch.bool)
    for pair in pairs.unique(dim=2).unbind(2):                 # columns that are sorted alike are looked at once
        known = pair.amin(-1) >= 0
        joined |= there[pair[..., 0].clamp(min=0), pair[..., 1].clamp(min=0)] & known[..., None]
    return joined
