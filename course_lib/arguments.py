"""Checks of arguments that speak to a student: what was expected, what came, and the usual cause."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_SIGMA = 2.0  # in units of the image range; 25 instead of 25 / 255 is far above, the noisiest lecture far below
MAX_VALUE = 1e6  # of an image in [0, 1], in whatever unit somebody left it; squares of it still are numbers
ROUNDING = 0.01  # so far outside [0, 1] a clean image may be: an interpolation overshoots, a 16-bit float rounds

_unread: ContextVar[bool] = ContextVar("_unread", default=False)


class UnknownName(ValueError):
    """A name that is in no list, with the nearest one that is."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word as a question; an empty text where none is near.

    >>> suggest("dncn", ["dncnn", "ffdnet"])
    "did you mean 'dncnn'?"
    >>> suggest("zebra", ["dncnn", "ffdnet"])
    ''
    """
    spelt = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), spelt, n=1, cutoff=0.5)
    return f"did you mean {spelt[near[0]]!r}?" if near else ""


def one_of(word: str, known: Iterable[str], *, what: str) -> str:
    """Return the word, or say which words there are.

    >>> one_of("smok", ["smoke", "lecture"], what="profile")
    Traceback (most recent call last):
        ...
    course_lib.arguments.UnknownName: unknown profile 'smok': did you mean 'smoke'? There are: smoke, lecture
    """
    known = list(known)
    if word not in known:
        hint = suggest(word, known)
        there = f"There are: {', '.join(known)}" if known else "There are none"
        raise UnknownName(f"unknown {what} {word!r}{':' if hint else '.'} {hint + ' ' if hint else ''}{there}")
    return word


@contextmanager
def unread() -> Iterator[None]:
    """Check types and shapes only, and read no value, within the block.

    A value that is read on a GPU has to be waited for, in every training step again. `fit` reads a batch once, and its
    sources draw numbers that need no check.

    >>> import torch
    >>> with unread():
    ...     finite(torch.tensor([math.nan]), name="the images")
    tensor([nan])
    """
    token = _unread.set(True)
    try:
        yield
    finally:
        _unread.reset(token)


def tensor(values: Tensor, *, name: str, real: bool = False) -> Tensor:
    """Return what is a tensor; real: of numbers that have an order, not complex ones and not booleans.

    >>> tensor([1.0], name="y")
    Traceback (most recent call last):
        ...
    TypeError: y: expected a torch tensor, got [1.0]. A NumPy array becomes one with torch.from_numpy(array).
    """
    import torch

    if not isinstance(values, torch.Tensor):
        raise TypeError(f"{name}: expected a torch tensor, got {_shown(values)}. A NumPy array becomes one with "
                        "torch.from_numpy(array).")
    if real and (values.is_complex() or values.dtype == torch.bool):
        raise TypeError(f"{name}: expected real numbers, got {_type(values)}.")
    return values


def reads(values: Tensor) -> bool:
    """Tell whether the values of a tensor may be read: not within `unread`, and not of a tensor that has none."""
    return not _unread.get() and tensor(values, name="the values").numel() > 0 and values.device.type != "meta"


def finite(values: Tensor, *, name: str) -> Tensor:
    """Return a tensor if all its values are numbers, neither NaN nor infinite.

    >>> import torch
    >>> finite(torch.tensor([1.0, math.nan]), name="the images")
    Traceback (most recent call last):
        ...
    ValueError: the images: expected finite numbers, got 1 of 2 that are NaN or infinite. Usual cause: a division by \
zero or a logarithm of zero before, or a training that diverged.
    """
    tensor(values, name=name)
    if reads(values) and not bool(values.isfinite().all()):
        wrong = int((~values.isfinite()).sum())
        raise ValueError(f"{name}: expected finite numbers, got {wrong} of {values.numel()} that are NaN or infinite. "
                         "Usual cause: a division by zero or a logarithm of zero before, or a training that diverged.")
    return values


def eight_bit(images: Tensor) -> Tensor:
    """Return images if they are 8-bit pictures of one size (I, C, H, W).

    >>> import torch
    >>> eight_bit(torch.zeros(2, 3, 4, 4))
    Traceback (most recent call last):
        ...
    ValueError: expected 8-bit pictures of one size (I, C, H, W), got (2, 3, 4, 4) of torch.float32. Of a labelled set \
these are `.images`.
    """
    import torch

    if not isinstance(images, torch.Tensor):
        raise TypeError(f"expected a tensor of pictures (I, C, H, W), got {type(images).__name__}.")
    if images.ndim != 4 or images.dtype != torch.uint8:
        raise ValueError(f"expected 8-bit pictures of one size (I, C, H, W), got {tuple(images.shape)} of "
                         f"{images.dtype}. Of a labelled set these are `.images`.")
    return images


def image_batch(z: Tensor, *, channels: int | None = None, name: str = "the images",
                like: Callable[..., object] | None = None, values: bool = True) -> Tensor:
    """Return z if it is a finite float batch (N, C, H, W) of the expected channels, with one image or more.

    like: the network that z is for. z comes back in the type of its weights, as NumPy makes float64; on another device
    it is refused. A plain function takes any. values=False looks at the shape and the type only.

    >>> import torch
    >>> image_batch(torch.zeros(4, 4))
    Traceback (most recent call last):
        ...
    ValueError: the images: expected a tensor of shape (N, C, H, W), got (4, 4). A single gray image (H, W) becomes a \
batch with image[None, None].
    """
    import torch

    if not isinstance(z, torch.Tensor):
        raise TypeError(f"{name}: expected a torch tensor (N, C, H, W), got {type(z).__name__}. "
                        "A numpy array becomes one with torch.from_numpy(array).")
    if z.ndim != 4:
        cause = {2: "A single gray image (H, W) becomes a batch with image[None, None].",
                 3: "A single image (C, H, W) becomes a batch with image[None]."}.get(z.ndim, "")
        raise ValueError(f"{name}: expected a tensor of shape (N, C, H, W), got {tuple(z.shape)}. {cause}".rstrip())
    if not z.is_floating_point():
        raise TypeError(f"{name}: expected floats in [0, 1], got {_type(z)}. "
                        "Usual cause: 8-bit pixels that were not divided: image.float() / 255.")
    if not z.numel():
        raise ValueError(f"{name}: expected one image of one pixel or more, got {tuple(z.shape)}. Usual cause: a "
                         "selection or a crop that is empty.")
    if channels is not None and z.shape[1] != channels:
        cause = "The network was built for gray images; convert, or build it with channels=3." if channels == 1 else \
            f"The network was built with channels={channels}."
        raise ValueError(f"{name}: expected {channels} channel{'s' if channels > 1 else ''} (N, {channels}, H, W), "
                         f"got {z.shape[1]} in {tuple(z.shape)}. {cause}")
    if values and reads(z):
        extreme = max(abs(float(value)) for value in z.detach().aminmax())
        if math.isnan(extreme) or extreme == math.inf:
            finite(z, name=name)
        if extreme > MAX_VALUE:
            raise ValueError(f"{name}: expected values in or near [0, 1], got {extreme:.3g}. Usual cause: a division "
                             "by almost zero before, or a training that diverged.")
    return z if like is None else _for_network(z, like, name)


def tiles(values: Tensor, *, channels: int | None = None, name: str = "the tiles") -> Tensor:
    """Return finite float images if they are that, behind any axes: (..., C, h, w).

    >>> import torch
    >>> tiles(torch.zeros(4, 4))
    Traceback (most recent call last):
        ...
    ValueError: the tiles: expected images behind any axes, (..., C, h, w), got (4, 4).
    """
    if tensor(values, name=name).ndim < 3:
        raise ValueError(f"{name}: expected images behind any axes, (..., C, h, w), got {tuple(values.shape)}.")
    image_batch(values[None].flatten(0, -4), channels=channels, name=name)
    return values


def _for_network(z: Tensor, network: Callable[..., object], name: str) -> Tensor:
    """The images in the type of a network's weights, if they are on its device."""
    import torch

    weight = next(network.parameters(), None) if isinstance(network, torch.nn.Module) else None
    if weight is None:
        return z
    if z.device != weight.device:
        raise ValueError(f"{name}: expected them on {weight.device}, where the network is, got {z.device}. "
                         f"Move one of them: images.to({str(weight.device)!r}), or network.to({str(z.device)!r}).")
    cast = z.dtype == torch.float64 or not torch.is_autocast_enabled(z.device.type)     # autocast casts the others
    return z.to(weight.dtype) if cast else z


def clean_batch(y: Tensor, *, name: str = "the clean images") -> Tensor:
    """Return y if it is a batch (N, C, H, W) of clean images, which lie in [0, 1] (and 0.01 beyond, for rounding).

    >>> import torch
    >>> clean_batch(torch.full((1, 1, 2, 2), 255.0))
    Traceback (most recent call last):
        ...
    ValueError: the clean images: expected values in [0, 1], got 255 to 255. Usual cause: images in 0 to 255 that were \
not divided: y / 255.
    """
    image_batch(y, name=name)
    if reads(y):
        low, high = (float(extreme) for extreme in y.detach().aminmax())
        if low < -ROUNDING or high > 1 + ROUNDING:
            cause = "images in 0 to 255 that were not divided: y / 255" if high > 2 else \
                "a noisy image in the place of the clean one, or images in [-1, 1]"
            raise ValueError(f"{name}: expected values in [0, 1], got {low:.4g} to {high:.4g}. Usual cause: {cause}.")
    return y


def light_batch(y: Tensor, *, name: str = "the images") -> Tensor:
    """Return y if it is a batch (N, C, H, W) of scenes: light is never negative.

    >>> import torch
    >>> light_batch(torch.full((1, 1, 1, 1), -0.5))
    Traceback (most recent call last):
        ...
    ValueError: the images: light is never negative, but they go down to -0.5. Usual cause: an image that is noisy \
already; begin with a clean one.
    """
    image_batch(y, name=name)
    if (lowest := min(extremes(y, name=name), default=0.0)) < 0:
        raise ValueError(f"{name}: light is never negative, but they go down to {lowest:.3g}. Usual cause: an image "
                         "that is noisy already; begin with a clean one.")
    return y


def same_device(*tensors: Tensor, what: str) -> torch.device:
    """Return the one device that all tensors are on.

    >>> import torch
    >>> same_device(torch.zeros(1), torch.zeros(1, device="meta"), what="estimate and y")
    Traceback (most recent call last):
        ...
    ValueError: estimate and y: expected tensors on one device, got cpu and meta. Move them: x.to(y.device).
    """
    devices = [tensor(one, name=what).device for one in tensors]
    if not devices:
        raise ValueError(f"{what}: expected one tensor or more, got none.")
    if len(set(devices)) > 1:
        raise ValueError(f"{what}: expected tensors on one device, got {' and '.join(map(str, devices))}. "
                         "Move them: x.to(y.device).")
    return devices[0]


def image_pairs(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Refuse what are no pairs (z, y) of tensors. An iterator, which can be read once only, is not read.

    >>> import torch
    >>> image_pairs([torch.zeros(1, 1, 4, 4)])
    Traceback (most recent call last):
        ...
    TypeError: pairs: expected pairs (z, y) of tensors, got Tensor of shape (1, 1, 4, 4) among them.
    """
    import torch

    if isinstance(pairs, str) or hasattr(pairs, "shape") or not isinstance(pairs, Iterable):
        raise TypeError(f"pairs: expected pairs (z, y) of tensors in a list, got {_shown(pairs)}.")
    for pair in pairs if isinstance(pairs, Collection) else ():
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(z, torch.Tensor) for z in pair):
            raise TypeError(f"pairs: expected pairs (z, y) of tensors, got {_shown(pair)} among them.")


def number(value: float, *, name: str, low: float = -math.inf, high: float = math.inf, above: bool = False) -> float:
    """Return a finite number from low to high; `above` leaves the lower bound itself out.

    >>> number(math.nan, name="margin", low=0)
    Traceback (most recent call last):
        ...
    ValueError: margin: expected a number of 0 or more, got nan.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {_shown(value)}.")
    value = float(value)
    if not math.isfinite(value) or not low <= value <= high or (above and value == low):
        bounds = {(True, True): f"a number above {low:g} and up to {high:g}" if above else
                  f"a number from {low:g} to {high:g}",
                  (True, False): f"a number above {low:g}" if above else f"a number of {low:g} or more",
                  (False, True): f"a number of {high:g} or less", (False, False): "a finite number"}
        raise ValueError(f"{name}: expected {bounds[math.isfinite(low), math.isfinite(high)]}, got {value:g}.")
    return value


def sigma_value(sigma: float, *, name: str = "sigma") -> float:
    """Return a noise level if it is one, in the unit of the images.

    >>> sigma_value(25)
    Traceback (most recent call last):
        ...
    ValueError: sigma: expected a noise level in the unit of the images, which lie in [0, 1], got 25. Usual cause: \
25 instead of 25 / 255.
    """
    if isinstance(sigma, bool) or not isinstance(sigma, numbers.Real):
        raise TypeError(f"{name}: expected a noise level, one number such as 25 / 255, got {_shown(sigma)}.")
    sigma = float(sigma)
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"{name}: expected a noise level of zero or more, got {sigma}.")
    if sigma > MAX_SIGMA:
        raise ValueError(f"{name}: expected a noise level in the unit of the images, which lie in [0, 1], "
                         f"got {sigma:g}. Usual cause: {sigma:g} instead of {sigma:g} / 255.")
    return sigma


def per_image(level: Tensor, y: Tensor, *, name: str) -> Tensor:
    """Return a tensor that says one thing of each image, or of each pixel, of y (N, C, H, W), in y's type and place.

    It is one number (), a number for each image (N, 1, 1, 1), or a map that broadcasts to (N, C, H, W). Anything else
    would broadcast to something that was not meant: (2,) would be two columns, and not two images.

    >>> import torch
    >>> per_image(torch.tensor([0.0, 0.5]), torch.zeros(2, 1, 4, 4), name="sigma")
    Traceback (most recent call last):
        ...
    ValueError: sigma: expected one number, a number for each image (2, 1, 1, 1), or a map that broadcasts to \
(2, 1, 4, 4), got a tensor (2,). A number for each image is level[:, None, None, None].
    """
    _expect_per_image(level, y, name)
    return level.to(y)


def _expect_per_image(level: Tensor, y: Tensor, name: str) -> None:
    tensor(level, name=name)
    if tensor(y, name="the images").ndim != 4:
        raise ValueError(f"the images: expected (N, C, H, W), got {tuple(y.shape)}.")
    fits = level.ndim == 4 and all(a in (1, b) for a, b in zip(level.shape, y.shape, strict=True))
    if level.ndim and not fits:
        n = y.shape[0]
        cause = " A number for each image is level[:, None, None, None]." if level.shape == (n,) else ""
        raise ValueError(f"{name}: expected one number, a number for each image ({n}, 1, 1, 1), or a map that "
                         f"broadcasts to {tuple(y.shape)}, got a tensor {tuple(level.shape)}.{cause}")


def level(value: float | Tensor, y: Tensor, *, name: str) -> None:
    """Refuse what is no level of y (N, C, H, W): neither a number nor a tensor that `per_image` takes.

    >>> import torch
    >>> level("0.5", torch.zeros(2, 1, 4, 4), name="sigma")
    Traceback (most recent call last):
        ...
    TypeError: sigma: expected a number, got '0.5'.
    """
    import torch

    if isinstance(value, torch.Tensor):
        return _expect_per_image(value, y, name)
    number(value, name=name)
    if not tensor(y, name="the images").is_floating_point():
        raise TypeError(f"the images: expected floats in [0, 1], got {_type(y)}.")


def extremes(values: float | Tensor, *, name: str) -> list[float]:
    """Return the smallest and the largest value of a tensor, or the number itself; nothing within `unread`.

    >>> extremes("0.5", name="share")
    Traceback (most recent call last):
        ...
    TypeError: share: expected a number or a tensor of numbers, got '0.5'.
    """
    import torch

    if isinstance(values, torch.Tensor) and not values.is_complex() and values.numel():
        return [float(extreme) for extreme in values.detach().aminmax()] if reads(values) else []
    if isinstance(values, bool) or not isinstance(values, numbers.Real):
        raise TypeError(f"{name}: expected a number or a tensor of numbers, got {_shown(values)}.")
    return [float(values)]


def whole_labels(labels: Tensor, *, count: int | None = None, name: str = "labels") -> Tensor:
    """Return labels as int64 if they are whole numbers of one axis, (N,), of any integer type; count: the N expected.

    >>> import torch
    >>> whole_labels(torch.tensor([0, 1], dtype=torch.uint8)).dtype
    torch.int64
    """
    import torch

    if not isinstance(labels, torch.Tensor):
        raise TypeError(f"{name}: expected a tensor of labels (N,), got {_shown(labels)}. "
                        "torch.tensor(list) makes one.")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"{name}: expected whole numbers, got {_type(labels)}. Usual cause: one-hot or averaged "
                        "labels, or a comparison; labels.long() where they are whole.")
    if labels.ndim != 1 or (count is not None and len(labels) != count):
        wanted = "(N,), one for each image" if count is None else f"({count},), one for each of them"
        raise ValueError(f"{name}: expected labels {wanted}, got {tuple(labels.shape)}.")
    return labels.long()


def same_shape(*tensors: Tensor, letters: str) -> None:
    """Refuse tensors whose shapes differ or do not have one axis per letter.

    >>> import torch
    >>> same_shape(torch.zeros(2, 3), torch.zeros(2, 4), letters="N D")
    Traceback (most recent call last):
        ...
    ValueError: expected tensors of one shape (N, D), got (2, 3) and (2, 4).
    """
    shapes = [tuple(tensor(t, name=f"({', '.join(letters.split())})").shape) for t in tensors]
    if not shapes:
        raise ValueError(f"expected one tensor or more ({', '.join(letters.split())}), got none.")
    if len(set(shapes)) > 1 or len(shapes[0]) != len(letters.split()):
        raise ValueError(f"expected tensors of one shape ({', '.join(letters.split())}), "
                         f"got {' and '.join(str(s) for s in shapes)}.")
    same_device(*tensors, what=f"({', '.join(letters.split())})")


def shaped(letters: str, /, *, whole: bool = False, **tensors: Tensor) -> dict[str, int]:
    """Check tensors of one shape, one axis for each letter, and return how long the axis of each letter is.

    A letter stands for one length in all of them, a digit for itself; `...` at the beginning for any axes. They hold
    finite floats, or whole numbers if `whole`, and have one value or more.

    >>> import torch
    >>> shaped("N D", anchor=torch.zeros(2, 3), positive=torch.zeros(2, 3))
    {'N': 2, 'D': 3}
    >>> shaped("N D", anchor=torch.zeros(2, 3), positive=torch.zeros(4, 3))
    Traceback (most recent call last):
        ...
    ValueError: positive: expected (N, D) with N = 2, got (4, 3).
    """
    import torch

    names = letters.split()
    free = names[0] == "..."
    names = names[free:]
    lengths: dict[str, int] = {name: int(name) for name in names if name.isdigit()}
    for called, tensor in tensors.items():
        expected = f"{called}: expected {'whole numbers ' if whole else ''}({', '.join(letters.split())})"
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{expected}, a tensor, got {_shown(tensor)}.")
        kind = not (tensor.is_floating_point() or tensor.is_complex()) if whole else tensor.is_floating_point()
        if not kind or tensor.dtype == torch.bool:
            raise TypeError(f"{expected}, {'whole numbers' if whole else 'floats'}, got {_type(tensor)}.")
        shape = tuple(tensor.shape)
        if len(shape) < len(names) or (len(shape) > len(names) and not free):
            raise ValueError(f"{expected}, got {shape}.")
        for name, length in zip(names, shape[len(shape) - len(names):], strict=True):
            if lengths.setdefault(name, length) != length:
                raise ValueError(f"{expected} with {name} = {lengths[name]}, got {shape}." if not name.isdigit() else
                                 f"{expected}, got {shape}.")
        if not tensor.numel():
            raise ValueError(f"{expected} with one value or more, got {shape}. Usual cause: an empty selection.")
        if not whole:
            finite(tensor, name=called)
    return {name: length for name, length in lengths.items() if not name.isdigit()}


def parts(batch: object, *names: str) -> dict[str, Any]:
    """Return the parts of a training batch by their names, if it has as many.

    >>> parts((1, 2), "z", "y")
    {'z': 1, 'y': 2}
    >>> parts((1, 2, 3), "z", "y")
    Traceback (most recent call last):
        ...
    TypeError: the batch: expected (z, y), got (1, 2, 3). Usual cause: a source made for another training step.
    """
    if not isinstance(batch, tuple | list) or len(batch) != len(names):
        raise TypeError(f"the batch: expected ({', '.join(names)}), got {_shown(batch)}. Usual cause: a source made "
                        "for another training step.")
    return dict(zip(names, batch, strict=True))


def positive(value: int, *, name: str) -> int:
    """Return a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name}: expected a whole number of 1 or more, got {_shown(value)}.")
    return int(value)


def noise_levels(sigma: float | Tensor | None, z: Tensor | None = None, *, name: str = "sigma") -> None:
    """Refuse a sigma that says no noise level of z: it is None, a number, or a tensor that `per_image` takes.

    A network that ignores sigma asks so too, as a sigma of 25 would be a mistake elsewhere.

    >>> import torch
    >>> noise_levels(torch.tensor([[[[0.1]]], [[[25.0]]]]), torch.zeros(2, 1, 4, 4))
    Traceback (most recent call last):
        ...
    ValueError: sigma: expected a noise level in the unit of the images, which lie in [0, 1], got 25. Usual cause: \
25 instead of 25 / 255.
    """
    import torch

    if sigma is None:
        return
    if isinstance(sigma, torch.Tensor) and z is not None:
        per_image(sigma, z, name=name)
    for extreme in extremes(sigma, name=name):
        sigma_value(extreme, name=name)


def each_image(sigma: float | Tensor | None, z: Tensor) -> list[float | Tensor | None]:
    """Return the noise level of each image of a batch, for a loop over its images, as `noise_levels` takes it.

    >>> import torch
    >>> each_image(torch.tensor([0.1, 0.2]).reshape(2, 1, 1, 1), torch.zeros(2, 1, 4, 4))
    [tensor([[[[0.1000]]]]), tensor([[[[0.2000]]]])]
    """
    import torch

    noise_levels(sigma, z)
    if tensor(z, name="the images").ndim != 4:
        raise ValueError(f"the images: expected (N, C, H, W), got {tuple(z.shape)}.")
    if isinstance(sigma, torch.Tensor) and sigma.ndim and len(sigma) > 1:
        return list(sigma.split(1))
    return [sigma] * len(z)


def pixel(at: tuple[int, int], z: Tensor, *, name: str = "pixel") -> tuple[int, int]:
    """Return the place (row, column) of a pixel if it is one of z (N, C, H, W).

    >>> import torch
    >>> pixel((5, 0), torch.zeros(1, 1, 4, 6))
    Traceback (most recent call last):
        ...
    ValueError: pixel: expected (row, column) inside the image of 4 x 6, got (5, 0). Usual cause: x and y in the order \
of plots; rows come first.
    """
    if not isinstance(at, tuple | list) or len(at) != 2 or not all(isinstance(one, numbers.Integral) for one in at):
        raise TypeError(f"{name}: expected (row, column), two whole numbers, got {_shown(at)}.")
    if tensor(z, name="the images").ndim != 4:
        raise ValueError(f"the images: expected (N, C, H, W), got {tuple(z.shape)}.")
    (row, column), (height, width) = at, z.shape[-2:]
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"{name}: expected (row, column) inside the image of {height} x {width}, got {tuple(at)}. "
                         "Usual cause: x and y in the order of plots; rows come first.")
    return row, column


def comparable(*tables: Tensor, name: str = "the embeddings") -> None:
    """Refuse vectors whose distances their type cannot hold: too large, or all too small, to be squared.

    >>> import torch
    >>> comparable(torch.tensor([[1e30, 0.0]]))
    Traceback (most recent call last):
        ...
    ValueError: the embeddings: expected values whose squares float32 can hold, the largest from 9e-13 to 3e+18, got \
1e+30. Usual cause: a training that diverged, or embeddings in another unit; embeddings.double() holds more.
    """
    import torch

    for table in tables:
        if not tensor(table, name=name, real=True).ndim:
            raise ValueError(f"{name}: expected (N, D) or (N,), got one number.")
    if not all(reads(table) for table in tables):
        return
    for table in tables:
        finite(table, name=name)
    largest = max(float(table.detach().abs().amax()) for table in tables)
    exact = torch.float32
    for table in tables:
        exact = torch.promote_types(exact, table.dtype)
    kind, width = torch.finfo(exact), max(table.shape[-1] for table in tables)
    low, high = kind.tiny**0.5 / kind.eps, (kind.max / width) ** 0.5 / 4
    if largest and not low <= largest <= high:
        raise ValueError(f"{name}: expected values whose squares {str(exact).removeprefix('torch.')} can hold, the "
                         f"largest from {low:.0e} to {high:.0e}, got {largest:.3g}. Usual cause: a training that "
                         "diverged, or embeddings in another unit; embeddings.double() holds more.")


def colours(batch: Tensor, **amounts: Tensor) -> None:
    """Refuse what is no batch of gray or colour images (N, C, H, W), or no finite amount for each image, (N,).

    >>> import torch
    >>> colours(torch.zeros(2, 3, 4, 4), factor=torch.ones(3))
    Traceback (most recent call last):
        ...
    ValueError: factor: expected one for each image, (2,), got (3,).
    """
    if tensor(batch, name="batch").ndim != 4 or batch.shape[1] not in (1, 3) or not batch.is_floating_point():
        raise ValueError(f"batch: expected gray or colour images (N, 1 or 3, H, W), floats, got {tuple(batch.shape)} "
                         f"of {_type(batch)}.")
    finite(batch, name="batch")
    for name, amount in amounts.items():
        if tensor(amount, name=name).shape != batch.shape[:1]:
            raise ValueError(f"{name}: expected one for each image, ({len(batch)},), got {tuple(amount.shape)}.")
        for extreme in extremes(amount, name=name) if len(amount) else []:
            number(extreme, name=name, low=-MAX_VALUE, high=MAX_VALUE)


def classes(labels: Tensor, scores: Tensor) -> None:
    """Refuse labels that are not one class for each row of scores (N, K): whole numbers (N,) from 0 to K - 1.

    >>> import torch
    >>> classes(torch.tensor([0, 3]), torch.zeros(2, 3))
    Traceback (most recent call last):
        ...
    ValueError: labels: expected classes from 0 to 2, got 0 to 3.
    """
    whole_labels(labels, count=len(scores))
    if (found := extremes(labels, name="labels")) and not 0 <= found[0] <= found[-1] < scores.shape[1]:
        raise ValueError(f"labels: expected classes from 0 to {scores.shape[1] - 1}, got {found[0]:g} to "
                         f"{found[-1]:g}.")


def positions(which: Tensor, table: Tensor, *, name: str) -> None:
    """Refuse positions (T,) that are no rows of a table.

    >>> import torch
    >>> positions(torch.tensor([4]), torch.zeros(2, 3), name="triplets")
    Traceback (most recent call last):
        ...
    ValueError: triplets: expected positions from 0 to 1, rows of the table, got 4 to 4.
    """
    whole_labels(which, name=name)
    if (found := extremes(which, name=name) if len(which) else []) and not 0 <= found[0] <= found[-1] < len(table):
        raise ValueError(f"{name}: expected positions from 0 to {len(table) - 1}, rows of the table, got {found[0]:g} "
                         f"to {found[-1]:g}.")


def points(**sets: Tensor) -> None:
    """Refuse sets of points that are not (P, 2) with one point or more.

    >>> import torch
    >>> points(a=torch.zeros(0, 2))
    Traceback (most recent call last):
        ...
    ValueError: a: expected points (P, 2), one or more, got (0, 2). Usual cause: a drawing without black pixels.
    """
    for name, found in sets.items():
        if tensor(found, name=name).ndim != 2 or not len(found) or found.shape[1] != 2:
            raise ValueError(f"{name}: expected points (P, 2), one or more, got {tuple(found.shape)}. Usual cause: a "
                             "drawing without black pixels.")


def drawings(found: Tensor, *, name: str) -> None:
    """Refuse what is no batch of drawings (N, 1, H, W), one or more.

    >>> import torch
    >>> drawings(torch.zeros(4, 4), name="tests")
    Traceback (most recent call last):
        ...
    ValueError: tests: expected drawings (N, 1, H, W), one or more, got (4, 4).
    """
    if tensor(found, name=name).ndim != 4 or not found.numel():
        raise ValueError(f"{name}: expected drawings (N, 1, H, W), one or more, got {tuple(found.shape)}.")


def layer_input(h: Tensor, layer: torch.nn.Linear, *, name: str) -> None:
    """Refuse features that a linear layer does not take: (N, its inputs), in the type of its weights.

    >>> import torch
    >>> layer_input(torch.zeros(2, 3), torch.nn.Linear(4, 1), name="h")
    Traceback (most recent call last):
        ...
    ValueError: h: expected (N, 4), got (2, 3).
    """
    import torch

    if tensor(h, name=name).ndim != 2 or h.shape[1] != layer.in_features or not len(h):
        raise ValueError(f"{name}: expected (N, {layer.in_features}), got {tuple(h.shape)}.")
    finite(h, name=name)
    if h.dtype != layer.weight.dtype and not torch.is_autocast_enabled(h.device.type):
        raise TypeError(f"{name}: expected {_type(layer.weight)}, the type of the weights, got {_type(h)}.")
    same_device(h, layer.weight, what=f"{name} and the weights")


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _shown(value: object) -> str:
    """A wrong argument in few words: a tensor by its shape, everything else as Python writes it, cut short."""
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
