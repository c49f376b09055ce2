"""Ask a student's object questions and write down its answers as plain arrays.

A probe runs beside the student's code and knows no right answer; the judge knows the right answers and never meets the
student's code. `observe` is how both are kept apart: whatever happens inside, arrays or a Failure come out.
There is no time limit here: in a notebook the stop button ends an endless loop.
"""

from __future__ import annotations

import dis
import inspect
import linecache
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib import randomness
from course_lib.checks.problem import Answer, Array, Case, Failure, Kind

LARGEST_ANSWER = 10_000_000   # numbers; more is a mistake, and copying it could exhaust the memory
LONGEST_MESSAGE = 300
FILL_THE_STUB = "replace each `...` by your code, run that cell, then this one again."
FIELD_IMAGE = 41              # side of the image in which a receptive field is measured
FIELD_LEVELS = (-8.0, 8.0, 9)   # the brightness of such images: from, to, how many
FIELD_CONTRASTS = (1.0, 0.2, 4.0)
NOISE_BATCHES = 400


@dataclass(frozen=True)
class Probe:
    """A named way to look at a solution; `words` say what each of its observations is."""

    name: str
    look: Callable[[Any, Mapping[str, Array]], dict[str, Array]]
    words: Mapping[str, str]

    def __call__(self, solution: object, case: Case) -> dict[str, Array]:
        return self.look(solution, case.inputs)


class Stopped(Exception):
    """The student's code gave nothing to observe."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message)


def observe(probe: Callable[[object, Case], dict[str, Array]], solution: object, case: Case) -> Answer:
    """Run a probe; whatever the student's code does, short of Ctrl-C, arrays or a Failure come back."""
    try:
        with randomness.seeded(0), torch.enable_grad():
            return probe(solution, case)
    except Stopped as stopped:
        return stopped.failure
    except KeyboardInterrupt:
        raise
    except BaseException as error:   # sys.exit and the like too
        return _raised(error)


# --- what every probe is made of ------------------------------------------------------------------------------------

def call(function: Callable[..., Any], inputs: Mapping[str, Array | Tensor], **more: object) -> Any:
    """Call the student's function on copies of the inputs: tensors by position, numbers by keyword.

    A changed copy, a signature other than the stub's, an untouched stub and a lost `return` are failures.
    A tensor among the inputs is handed over as it is, so that gradients can reach it.
    """
    given = {name: value if isinstance(value, Tensor) else torch.from_numpy(value.copy())
             for name, value in inputs.items() if value.ndim}
    numbers = {name: value.item() for name, value in inputs.items() if not value.ndim} | more
    before = {name: tensor.detach().clone() for name, tensor in given.items()}
    _fits(function, [*given], {**given, **numbers})
    result = function(*given.values(), **numbers)
    for name, tensor in given.items():
        if not torch.equal(tensor.detach().nan_to_num(), before[name].nan_to_num()):
            raise Stopped("changed an input",
                          f"`{name}` was changed in place: whoever called your function still needs it as it was. "
                          f"Operators such as `-=`, methods that end in `_` and assignments `{name}[...] = x` write "
                          f"into their tensor; `{name} - x` and `torch.where` make a new one.")
    if result is None and _is_empty(function):
        raise Stopped("not attempted", "the function has no code yet.")
    if result is None:
        raise Stopped("returned nothing", "your function returned None. Is the `return` missing?")
    if result is ...:
        raise Stopped("not attempted", FILL_THE_STUB)
    return result


def plain(value: object, what: str = "the answer") -> Array:
    """Copy a tensor, an array or a number into a plain numpy array; subclasses could lie and are refused."""
    if value is ...:
        raise Stopped("not attempted", FILL_THE_STUB)
    if isinstance(value, Tensor) and type(value) in (Tensor, nn.Parameter):
        tensor = value.detach()
        _small(tensor.numel(), what)
        tensor = tensor.to("cpu", torch.float32) if tensor.dtype in (torch.bfloat16, torch.float16) else tensor.cpu()
        return np.array(tensor.resolve_conj().resolve_neg().numpy())
    if type(value) is np.ndarray or isinstance(value, np.generic) or type(value) in (bool, int, float, complex):
        array = np.asarray(value)
        _small(array.size, what)
        array = np.array(array)
        if array.dtype.kind in "biufc":
            return array
    raise Stopped("wrong type", f"{what} should be a torch tensor; it is {_a(type(value).__name__)}.")


def _small(size: int, what: str) -> None:
    if size > LARGEST_ANSWER:
        raise Stopped("wrong shape", f"{what} has {size:,} numbers, far too many. Did a broadcast go wrong?")


def _finite(array: Array, what: str) -> None:
    """Refuse NaN and infinities, which differ from themselves or spoil every average."""
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise Stopped("not finite", f"{what} holds {'NaN' if np.isnan(array).any() else 'infinite numbers'}. Usual "
                      "causes: a division by zero, the root or logarithm of a negative number, or a tensor of "
                      "`torch.empty` that was never filled.")


def _fits(function: Callable[..., Any], tensors: list[str], arguments: Mapping[str, object]) -> None:
    """Refuse what cannot be called as the stub is, before it is called."""
    if not callable(function):
        raise Stopped("wrong type",
                      f"expected your function or class itself, got {_a(type(function).__name__)}. "
                      "Write its name without brackets: `check(..., name)`, not `check(..., name(...))`.")
    keywords = [f"{name}=..." for name in arguments if name not in tensors]
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):   # written in C: the call itself will tell
        return
    try:
        signature.bind(*tensors, **{name: None for name in arguments if name not in tensors})
    except TypeError as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise Stopped("signature", f"it is called as `{name}({', '.join(tensors + keywords)})`, and yours does "
                      f"not accept that ({error}). Keep the first line of the stub as it was.") from None


def _is_empty(function: Callable[..., Any]) -> bool:
    """Is there nothing in this function but a docstring, `pass` or `...`?"""
    code = getattr(function, "__code__", None)
    boring = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "POP_TOP"}
    return code is not None and all(instruction.opname in boring for instruction in dis.get_instructions(code))


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _raised(error: BaseException) -> Failure:
    """An exception of the student's code, with the line of theirs that it comes from."""
    try:
        text = str(error)
    except Exception:
        text = ""
    place = _place(error)
    if isinstance(error, (TypeError, AttributeError)) and "ellipsis" in text:
        return Failure("not attempted", "a `...` of the stub is still there. Replace it by your code.", place)
    text = text[:LONGEST_MESSAGE] + " (and so on)" if len(text) > LONGEST_MESSAGE else text.rstrip(".")
    name = type(error).__name__
    cause = {RecursionError: " Your function calls itself without an end.",
             SystemExit: " Leave out `exit()` and `sys.exit()`: a function ends with `return`."}.get(type(error), "")
    if "has no attribute '_" in text:   # _parameters, _modules: what nn.Module's own __init__ makes
        cause = " Does `__init__` begin with `super().__init__()`?"
    return Failure("raised", f"your code stopped with {name}{f': {text}' if text else ''}.{cause}", place)


def _place(error: BaseException) -> str:
    """The deepest line of the student's own code: not the library's, not torch's."""
    foreign = [str(Path(__file__).resolve().parents[1]), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))]
    found, frame = "", error.__traceback__
    while frame is not None:
        file, line = frame.tb_frame.f_code.co_filename, frame.tb_lineno
        if not file.startswith((*foreign, "<frozen")):
            source = linecache.getline(file, line, frame.tb_frame.f_globals).strip()
            found = f"line {line} of its cell: {source}" if source else f"line {line} of its cell"
        frame = frame.tb_next
    return found[:LONGEST_MESSAGE]


# --- the probes -----------------------------------------------------------------------------------------------------

def _value(solution: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {"value": plain(solution, "your answer")}


def _result(solution: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {"result": plain(call(solution, inputs), "the result")}


def _loss(solution: Any, inputs: Mapping[str, Array], *, names: tuple[str, ...] = ("gradient",)) -> dict[str, Array]:
    """The value of a loss, and its gradients with respect to the first inputs, one for each name, if it has them."""
    leaves = {given: torch.from_numpy(array.copy()).requires_grad_()
              for given, array in list(inputs.items())[:len(names)]}
    clones = {given: leaf.clone() for given, leaf in leaves.items()}   # what writes into one is told so, not stopped
    value = call(solution, {**inputs, **clones})
    seen = {"value": plain(value, "the loss")}
    if isinstance(value, Tensor) and value.numel() == 1 and value.requires_grad and value.is_floating_point():
        try:
            gradients = torch.autograd.grad(value.sum(), list(leaves.values()), allow_unused=True)
        except RuntimeError as error:
            raise Stopped("no gradient", "your function gives a loss, but no gradient can be computed of it: " + (
                "leave `backward()` to whoever calls it." if "second time" in str(error) else
                "it writes into a tensor that the gradient needs, as `d[mask] = x` and `fill_diagonal_` do. "
                "`masked_fill` and `torch.where` make a new one.")) from None
        seen |= {name: plain(gradient) for name, gradient in zip(names, gradients, strict=True) if gradient is not None}
    return seen


def _loss_of_two(solution: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    return _loss(solution, inputs, names=("gradient", "second_gradient"))


def _network(solution: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What a network does with weights that depend on nothing but their shapes.

    So the order, the names and the nesting of its layers are free. Numbers among the inputs go to the constructor.
    """
    settings = {name: value for name, value in inputs.items() if not value.ndim}
    images = {name: value for name, value in inputs.items() if value.ndim}
    model, twin = (_built(solution, settings, seed) for seed in (0, 1))
    output, again = (_images_like(network, images) for network in (model, twin))
    if not torch.equal(output, again):   # filled alike, yet different: some weights were out of reach
        raise Stopped("hidden weights",
                      "your network holds weights that PyTorch does not find among its `parameters()`, so an optimiser "
                      "would not train them. A plain Python list hides its layers: put them into `nn.Sequential` or "
                      "`nn.ModuleList`, and make layers in `__init__`, not in `forward`.")
    return {"parameters": np.array(sum(parameter.numel() for parameter in model.parameters())),
            "field": np.array(_receptive_field(model, next(iter(images.values())).shape[1])),
            "output": plain(output)}


def _built(solution: Any, settings: Mapping[str, Array], seed: int) -> nn.Module:
    if isinstance(solution, nn.Module):
        raise Stopped("wrong type", "expected the class itself, got a network that is built already. Write its name "
                      "without brackets.")
    with randomness.seeded(seed):
        model = call(solution, settings)
    if not isinstance(model, nn.Module):
        raise Stopped("wrong type", f"expected a network, an `nn.Module`; got {_a(type(model).__name__)}.")
    model = model.cpu().float().eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                stream = randomness.generator(0, "probe", *map(str, tensor.shape))
                if tensor.ndim > 1:
                    fan_in = tensor[0].numel()
                    tensor.copy_(torch.randn(tensor.shape, generator=stream, dtype=torch.float32) * (2 / fan_in) ** 0.5)
                else:   # a gain, a shift, a mean or a variance: all positive, all alike
                    tensor.copy_(0.5 + torch.rand(tensor.shape, generator=stream, dtype=torch.float32))
    return model


def _images_like(model: nn.Module, images: Mapping[str, Array]) -> Tensor:
    z = next(iter(images.values()))
    output = call(model, images)
    array = plain(output, "the output of your network")
    if array.shape != z.shape:
        raise Stopped("wrong shape",
                      f"the output should have the shape of the input, (N, C, H, W) = {z.shape}; yours is "
                      f"{array.shape}. Usual causes: the number of channels of the last layer, or a convolution "
                      "without padding.")
    if not isinstance(output, Tensor):
        raise Stopped("wrong type", "the output of your network should be a torch tensor; it is "
                      f"{_a(type(output).__name__)}.")
    _finite(array, "the output of your network")
    return output


def _receptive_field(model: nn.Module, channels: int) -> int:
    """The side of the square of input pixels that the middle output pixel depends on.

    Seen in images of many contrasts and levels of brightness: where an output is clipped, its gradient is zero.
    """
    look = torch.cartesian_prod(torch.tensor(FIELD_CONTRASTS), torch.linspace(*FIELD_LEVELS)).float()
    contrast, level = look[..., None, None, None].unbind(dim=1)
    shape = (len(look), channels, FIELD_IMAGE, FIELD_IMAGE)
    z = torch.randn(shape, generator=randomness.generator(0, "field"), dtype=torch.float32)
    z = (contrast * z + level).requires_grad_()
    middle = model(z)[:, :, FIELD_IMAGE // 2, FIELD_IMAGE // 2].sum()
    if not middle.requires_grad:
        return 0
    gradient, = torch.autograd.grad(middle, z, allow_unused=True)
    if gradient is None or not gradient.any():
        return 0
    _finite(plain(gradient), "the gradient of your network's output with respect to its input")
    strength = gradient.abs().sum(dim=(0, 1))   # (H, W)
    rows, columns = torch.nonzero(strength > 1e-6 * strength.max(), as_tuple=True)
    return int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1


def _noise(solution: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Statistics of a noise that a function adds to clean images, over many batches drawn from one generator.

    Only statistics: the order in which a solution draws its numbers is free. As in a training, the generator moves on
    from batch to batch; what does not come from it is the same in all of them.
    """
    y = torch.from_numpy(next(iter(inputs.values())).copy())

    def drawn(generator: torch.Generator) -> Tensor:
        z = plain(call(solution, inputs, generator=generator), "the noisy batch")
        if z.shape != tuple(y.shape):
            raise Stopped("wrong shape", f"the noisy batch should have the shape of the clean one, (N, C, H, W) = "
                          f"{tuple(y.shape)}; yours is {z.shape}.")
        _finite(z, "the noisy batch")
        return torch.from_numpy(z).double() - y

    again = drawn(randomness.generator(0, "noise"))
    moving = randomness.generator(0, "noise")
    eta = torch.stack([drawn(moving) for _ in range(NOISE_BATCHES)])        # (B, N, C, H, W)
    level = eta.square().mean(dim=(2, 3, 4)).sqrt()                         # (B, N)
    by_channel = eta.square().mean(dim=(3, 4)).sqrt()                       # (B, N, C)
    aligned = eta.square().mean(dim=(1, 2, 3)).sqrt()                       # (B, W), over all images
    unit = eta / level.clamp(min=1e-12)[..., None, None, None]
    by_row = unit.square().mean(dim=(2, 4)).sqrt()                          # (B, N, H)
    by_column = unit.square().mean(dim=(2, 3)).sqrt()                       # (B, N, W)
    seen: dict[str, Any] = {"repeatable": torch.equal(again, eta[0]),
            "level": level.mean(),
            "mean": unit.mean(),
            "tails": unit.pow(4).mean(),
            "common": unit.mean(dim=1).square().mean().sqrt(),              # 1 / sqrt(N) if images are independent
            "stuck": unit.mean(dim=0).square().mean().sqrt(),               # 1 / sqrt(B) if batches are
            "channels": (by_channel / level.clamp(min=1e-12)[..., None]).std(dim=2, correction=0).mean(),
            "rows": by_row.std(dim=2, correction=0).mean(),
            "columns": by_column.std(dim=2, correction=0).mean(),
            "aligned": aligned.std(dim=1, correction=0).mean() / level.mean().clamp(min=1e-12),
            "across": level.std(dim=0, correction=0).mean(),                # 0 if every batch has the same levels
            "within": level.std(dim=1, correction=0).mean(),
            "spread": level.std(correction=0)}
    return {name: np.array(float(value) if name != "repeatable" else value) for name, value in seen.items()}


value = Probe("value", _value, {"value": "the answer"})
result = Probe("result", _result, {"result": "the result"})
loss = Probe("loss", _loss, {
    "value": "the loss",
    "gradient": "the gradient of the loss with respect to its first argument"})
loss_of_two = Probe("loss_of_two", _loss_of_two, {
    **loss.words, "second_gradient": "the gradient of the loss with respect to its second argument"})
network = Probe("network", _network, {
    "parameters": "the number of trainable parameters",
    "field": "the receptive field, in pixels,",
    "output": "the output for weights that the check put in"})
noise = Probe("noise", _noise, {
    "repeatable": "two calls with equal generators give equal noise: every number has to come from `generator`",
    "level": "the mean noise level",
    "mean": "the mean of the noise, in units of its level,",
    "tails": "the mean of the fourth power of the noise, in units of its level,",
    "common": "what the images of a batch have in common in their noise",
    "stuck": "what all batches have in common in their noise",
    "channels": "the difference between the noise levels of the channels of one image",
    "rows": "the difference between the noise levels of the rows of one image",
    "columns": "the difference between the noise levels of the columns of one image",
    "aligned": "what all images of a batch have in common in the noise levels of their columns",
    "across": "the spread of the noise level of the first, second, ... image from batch to batch",
    "within": "the spread of the noise levels inside one batch",
    "spread": "the spread of the noise levels over many batches"})

PROBES: Mapping[str, Probe] = {probe.name: probe for probe in (value, result, loss, loss_of_two, network, noise)}
