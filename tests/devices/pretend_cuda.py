"""A pretend `cuda:0`: real numbers on the processor, the device discipline of a GPU. For machines without one.

    with pretend_cuda() as gpu:                      # or: python pretend_cuda.py script.py [arguments]
        train(...)                                   # device="cuda", .to("cuda"), autocast, Generator("cuda") work
    print(gpu.syncs, gpu.table(), gpu.hazards)

What fails on a GPU fails here with the same kind of error: tensors of two devices in one operation (CPU scalars of no
axes excepted where kernels take them; a CPU index into a GPU tensor is fine, the reverse is not), `.numpy()` of a GPU
tensor, a generator of the other device, a random state of the other device's size, kernels that are not deterministic
or need CUBLAS_WORKSPACE_CONFIG under deterministic algorithms. The global random state of the GPU is its own. Every
host synchronisation is counted, with the line of `where` (a part of a path, such as "course_lib/") that caused it.

How: a wrapper subclass. A C++ device of cuda:0 aborts without a driver (autograd asks for the current stream), so the
C++ device is "meta" and Python is told "cuda:0"; a dispatch mode runs each ATen operation on the wrapped CPU tensors.
Not modelled: streams, memory, the numbers of CUDA kernels, foreach and fused optimisers, torch.compile, real meta
tensors, threads other than the first. Code that asks `type(x) is Tensor` sees a subclass.
"""
from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
import torch._dynamo  # optimisers import it: before anything is replaced, or it trips over what is
from torch.overrides import TorchFunctionMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA, ALIAS, CPU = torch.device("cuda", 0), torch.device("meta"), torch.device("cpu")
MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! ({})"
# host waits: for a value, a size, or an error code of a solver
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "equal",
         "bincount", "linalg_eigh", "_linalg_eigh", "_linalg_svd", "linalg_inv_ex", "_linalg_solve_ex",
         "linalg_cholesky_ex", "histc"}
SCALARS_TOO = {"masked_fill", "masked_fill_", "index_put", "index_put_", "_index_put_impl_", "index_fill", "fill_",
               "index_fill_", "where", "clamp", "lerp", "addcmul", "addcdiv"}     # take a CPU scalar, as pointwise do
CUBLAS = {"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot", "addbmm", "_addmm_activation"}
_CUBLAS_ALERT = "alertCuBLASConfigNotDeterministic" in (                               # newer torch does without
    Path(torch.__file__).parent / "include/ATen/Context.h").read_text()
NOT_DETERMINISTIC = {   # raise under deterministic algorithms on CUDA: see torch.use_deterministic_algorithms
    "_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "avg_pool3d_backward", "reflection_pad2d_backward",
    "grid_sampler_2d_backward", "upsample_bicubic2d_backward", "_upsample_bicubic2d_aa_backward", "histc", "put_",
    "_upsample_bilinear2d_aa_backward", "nll_loss2d_forward"}
LOWER = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "linear", "matmul", "__matmul__", "__rmatmul__", "mm", "mv",
         "bmm", "addmm", "addmv", "baddbmm", "addbmm", "einsum", "prelu", "scaled_dot_product_attention"}
HIGHER = {"exp", "expm1", "log", "log10", "log2", "log1p", "pow", "__pow__", "rsqrt", "reciprocal", "softplus", "acos",
          "layer_norm", "group_norm", "cosine_similarity", "nll_loss", "cross_entropy", "l1_loss", "mse_loss", "cdist",
          "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits", "kl_div", "pdist", "logsumexp", "prod",
          "softmax", "log_softmax", "cumsum", "cumprod", "norm", "vector_norm", "sum", "dist", "triplet_margin_loss"}
DATA = {"tensor", "as_tensor", "asarray", "new_tensor"}


class PretendCuda(torch.Tensor):
    """A tensor that says it is on cuda:0; its numbers are in `inner`, on the CPU."""

    @staticmethod
    def __new__(cls, inner):
        self = torch.Tensor._make_wrapper_subclass(cls, inner.shape, strides=inner.stride(), dtype=inner.dtype,
                                                   storage_offset=inner.storage_offset(), device=ALIAS)
        self.inner = inner.detach()
        return self

    device = property(lambda self: CUDA)
    is_cuda, is_cpu, is_meta = (property(lambda self, answer=answer: answer) for answer in (True, False, False))

    def __repr__(self, **_):
        return f"{repr(self.inner)[:-1]}, device='cuda:0'{', requires_grad=True' if self.requires_grad else ''})"

    def __format__(self, spec):
        return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = PretendCuda(self.inner.clone()).requires_grad_(self.requires_grad)
            memo[id(self)].__dict__.update({k: v for k, v in self.__dict__.items() if k != "inner"})
        return memo[id(self)]

    def get_device(self):
        return 0

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented if _foreign(types) else _function(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})


class Gpu:
    """What was seen: syncs by kind, `lines` by kind and place, copies to the GPU, and hazards in words."""

    def __init__(self, where):
        self.where, self.used, self.hazards = where, False, Counter()
        self.random = torch.Generator().manual_seed(torch.initial_seed() % 2**63).get_state()
        self.reset()

    def reset(self):
        self.syncs, self.lines = Counter(), Counter()

    def saw(self, kind, *, wait=True):
        frame = sys._getframe(1)
        while frame and self.where not in frame.f_code.co_filename:
            frame = frame.f_back
        place = f"{frame.f_code.co_filename.split(self.where)[-1]}:{frame.f_lineno}" if frame else "?"
        self.lines[kind, place] += 1
        self.syncs[kind] += wait

    def table(self, steps=1):
        return "\n".join(f"{n / steps:8.2f}  {kind:22} {place}" for (kind, place), n in self.lines.most_common())


_gpu: Gpu | None = None


def _is(x):
    return isinstance(x, PretendCuda)


def _foreign(types):
    return any(t not in (PretendCuda, torch.Tensor, torch.nn.Parameter) and issubclass(t, torch.Tensor) for t in types)


def _there(device):
    """Whether this names the pretend device; refuses a second one."""
    if isinstance(device, str) and device.split(":")[0] in ("cpu", "cuda", "meta"):
        device = torch.device(device)
    if isinstance(device, torch.device) and device.type == "cuda" and (device.index or 0) > 0:
        raise RuntimeError("CUDA error: invalid device ordinal")
    return isinstance(device, torch.device) and device.type in ("cuda", "meta")


# Python functions: generators, devices by name, autocast, numpy -----------------------------------------------------


def _function(func, args, kwargs):
    if func is torch.device:
        return func(*args, **kwargs)
    name = getattr(func, "__name__", "")
    flat = tree_flatten((args, kwargs))[0]
    on_gpu = next((x for x in flat if _is(x)), None)
    for generator in (x for x in flat if isinstance(x, torch._C.Generator)):
        device = kwargs.get("device")
        want = "cuda" if (_there(device) if device is not None else on_gpu is not None) else "cpu"
        if generator.device.type != want:
            raise RuntimeError(f"Expected a '{want}' device type for generator but found '{generator.device.type}'")
    with torch._C.DisableTorchFunctionSubclass():
        if name in DATA and (_there(kwargs.get("device")) or (name == "new_tensor" and _is(args[0]))):
            if isinstance(args[0], torch.Tensor) and name != "new_tensor":
                return args[0].to(ALIAS, kwargs.get("dtype"))
            more = {k: v for k, v in kwargs.items() if k not in ("device", "requires_grad")}
            made = torch.tensor(*args[1:], **{"dtype": args[0].dtype, **more}) if name == "new_tensor" \
                else func(*args, **more)
            _gpu.saw("copy to the GPU", wait=False)
            return PretendCuda(made).requires_grad_(kwargs.get("requires_grad", False))
        if on_gpu is not None and name in ("numpy", "__array__") and not kwargs.get("force"):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                            "host memory first.")
        if on_gpu is not None and name in ("tolist", "numpy"):
            _gpu.saw(name)
            return getattr(args[0].inner.clone(), name)()
        if name == "pin_memory":
            if on_gpu is not None:
                raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")
            return args[0].clone()
        if name == "cuda":
            return args[0].to(ALIAS)
        if func is torch.Tensor.data.__set__ and _is(args[0]):
            args[0].inner = args[1].inner
        args, kwargs = tree_map(lambda x: ALIAS if isinstance(x, str | torch.device) and _there(x) else x,
                                (args, kwargs))
        if on_gpu is not None and torch.is_autocast_enabled("cuda") and name in LOWER | HIGHER:
            to = torch.get_autocast_dtype("cuda") if name in LOWER else torch.float32
            args, kwargs = tree_map(lambda x: x.to(to) if _is(x) and x.dtype in (
                torch.float32, torch.float16, torch.bfloat16) else x, (args, kwargs))
        return func(*args, **kwargs)


# ATen operations ----------------------------------------------------------------------------------------------------


def _dispatch(func, args, kwargs):
    if torch.is_inference_mode_enabled() and torch._C._dispatch_has_kernel_for_dispatch_key(
            func.name(), "CompositeImplicitAutograd"):          # elsewhere autograd took it apart before
        with _Operations():
            return func.decompose(*args, **kwargs)
    name = func._schema.name.removeprefix("aten::")
    flat = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    on_gpu, plain = [x for x in flat if _is(x)], [x for x in flat if not _is(x)]
    to = kwargs.get("device")
    result_there = _there(to) if to is not None else bool(on_gpu)
    if on_gpu:
        _check(func, name, args, plain, on_gpu)
    elif not result_there:
        return func(*args, **kwargs)
    _gpu.used = True
    _count(name, args, kwargs, result_there, bool(on_gpu))
    inner_args, inner_kwargs = tree_map(lambda x: x.inner if _is(x) else x, (args, kwargs))
    if to is not None:
        inner_kwargs["device"] = CPU
    if name == "_to_copy" and result_there != bool(on_gpu):     # always another memory
        inner_kwargs.pop("non_blocking", None)
    drawn = torch.Tag.nondeterministic_seeded in func.tags and not any(
        isinstance(x, torch._C.Generator) for x in tree_flatten((args, kwargs))[0])
    if drawn:                                                   # from the GPU's own global state
        ours = torch.default_generator.get_state()
        torch.default_generator.set_state(_gpu.random)
    out = func(*inner_args, **inner_kwargs)
    if drawn:
        _gpu.random = torch.default_generator.get_state()
        torch.default_generator.set_state(ours)
    if func._schema.is_mutable and isinstance(out, torch.Tensor):
        target = kwargs.get("out", args[0])
        if _is(target) and torch.Tag.inplace_view in func.tags:
            with no_dispatch():                                 # the shape of the outside follows
                func(*args, **kwargs)
        return target
    # a view of an ordinary tensor stays one in inference mode, too
    with torch.inference_mode(torch.is_inference_mode_enabled() and (not func.is_view or on_gpu[0].is_inference())):
        return tree_map(lambda x: PretendCuda(x) if result_there and isinstance(x, torch.Tensor) else x, out)


def _check(func, name, args, plain, on_gpu):
    if name in ("index", "_unsafe_index", "index_put", "index_put_", "_index_put_impl_"):
        if not _is(args[0]) and any(_is(i) for i in args[1]):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        indices = [i for i in args[1] if isinstance(i, torch.Tensor) and not _is(i)]
        for _ in indices:
            _gpu.saw("copy to the GPU", wait=False)
        plain = [x for x in plain if all(x is not i for i in indices)]
        if not _is(args[0]) and all(x.ndim == 0 for x in args[2:3]):
            plain = []
    if name in ("_to_copy", "copy_", "copy", "lift_fresh", "set_"):
        return
    scalars = name in SCALARS_TOO or torch.Tag.pointwise in func.tags
    written = args[0] if func._schema.is_mutable and args else None
    if bad := [x for x in plain if x.ndim or not scalars or x is written]:
        raise RuntimeError(MIXED.format(f"{name}, CPU tensor of shape {tuple(bad[0].shape)}"))
    if torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled():
        if name in NOT_DETERMINISTIC:
            raise RuntimeError(f"{name} on CUDA does not have a deterministic implementation, but you set "
                               "'torch.use_deterministic_algorithms(True)'.")
        if _CUBLAS_ALERT and name in CUBLAS and os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in (":4096:8", ":16:8"):
            raise RuntimeError(f"Deterministic behavior was enabled, but {name} uses CuBLAS: set "
                               "CUBLAS_WORKSPACE_CONFIG=:4096:8 or :16:8")


def _count(name, args, kwargs, there, here):
    if name in ("_to_copy", "copy_"):
        source = here if name == "_to_copy" else _is(args[1])
        there = there if name == "_to_copy" else _is(args[0])
        if source and not there:
            if kwargs.get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2]):
                _gpu.hazards["copy to the CPU with non_blocking=True is read before it has come"] += 1
            _gpu.saw("copy to the CPU")
        elif there and not source:
            _gpu.saw("copy to the GPU", wait=False)
    masks = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else ()
    filled = name != "index" and len(args) > 2 and isinstance(args[2], torch.Tensor) and args[2].numel() == 1
    if any(isinstance(m, torch.Tensor) and m.dtype in (torch.bool, torch.uint8) for m in masks) and not filled:
        _gpu.saw("boolean mask")
    elif name in WAITS or (name == "repeat_interleave" and kwargs.get("output_size") is None):
        _gpu.saw({"_local_scalar_dense": "item, float or bool"}.get(name, name.strip("_")))


class _Functions(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if _foreign(types):              # another subclass of Tensor decides for itself
            return func(*args, **(kwargs or {}))
        return _function(func, args, kwargs or {})


class _Operations(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls):
        return False                 # or each operation passes through a wrapper of the compiler

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})


# The rest of torch --------------------------------------------------------------------------------------------------


class _AnyGenerator(type(torch._C.Generator)):
    def __instancecheck__(cls, one):
        return issubclass(type(one), torch._C.Generator)


class PretendGenerator(torch._C.Generator, metaclass=_AnyGenerator):
    """A generator of either device. A state of the GPU's is one byte longer, so that neither fits the other."""

    def __new__(cls, device="cpu"):
        self = super().__new__(cls)
        self.there = _there(device)
        return self

    device = property(lambda self: CUDA if self.there else CPU)

    def get_state(self):
        state = super().get_state()
        return torch.cat([state, state[:1]]) if self.there else state

    def set_state(self, state):
        if _is(state):
            raise TypeError("RNG state must be a torch.ByteTensor")
        if self.there and len(state) != len(super().get_state()) + 1:
            raise RuntimeError("RNG state is wrong size")
        super().set_state(state[:-1] if self.there else state)
        return self


@contextmanager
def pretend_cuda(*, where="course_lib/", capability=(8, 0), name="Pretend GPU"):
    """Within the block there is a GPU. capability: (7, 5) is a T4, which multiplies no bfloat16 natively."""
    global _gpu
    gpu = _gpu = Gpu(where)
    apply = torch.nn.Module._apply

    def keeping_identity(self, fn, recurse=True):     # on CUDA a parameter stays the same object when it moves
        with mock.patch.object(torch.__future__, "get_swap_module_params_on_conversion", lambda: True):
            return apply(self, fn, recurse)

    def seed(n):
        gpu.random = torch._C.Generator().manual_seed(n).get_state()

    def set_state(state, device=None):
        gpu.random = state[:-1]

    both = torch.manual_seed
    bf16 = lambda including_emulation=True: including_emulation or capability[0] >= 8   # noqa: E731
    memory = dict.fromkeys(("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"),
                           lambda device=None: 0)
    does_nothing = dict.fromkeys(("synchronize", "empty_cache", "init", "_lazy_init", "reset_peak_memory_stats",
                                  "set_device"), lambda *_, **__: None)
    about = SimpleNamespace(name=name, total_memory=16 << 30, major=capability[0], minor=capability[1],
                            multi_processor_count=40)
    cuda = {**memory, **does_nothing, "is_available": lambda: True, "device_count": lambda: 1,
            "current_device": lambda: 0, "get_device_name": lambda device=None: name, "is_bf16_supported": bf16,
            "get_device_capability": lambda device=None: capability, "is_initialized": lambda: gpu.used,
            "get_device_properties": lambda device=None: about,
            "mem_get_info": lambda device=None: (15 << 30, 16 << 30),
            "manual_seed": seed, "manual_seed_all": seed, "set_rng_state": set_state,
            "get_rng_state": lambda device=None: torch.cat([gpu.random, gpu.random[:1]])}
    with ExitStack() as stack:
        for key, value in cuda.items():
            stack.enter_context(mock.patch.object(torch.cuda, key, value))
        stack.enter_context(mock.patch.object(torch, "manual_seed", lambda n: (seed(int(n) % 2**63), both(n))[1]))
        stack.enter_context(mock.patch.object(torch, "Generator", PretendGenerator))
        stack.enter_context(mock.patch.object(torch.accelerator, "current_stream",
                                              lambda device=None: SimpleNamespace(is_capturing=lambda: False)))
        stack.enter_context(mock.patch.object(torch.nn.Module, "_apply", keeping_identity))
        stack.enter_context(_Operations())
        stack.enter_context(_Functions())
        yield gpu


if __name__ == "__main__":
    import runpy

    sys.argv = sys.argv[1:]
    with pretend_cuda() as seen:
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        finally:
            print("host synchronisations:", dict(seen.syncs), dict(seen.hazards), seen.table(), sep="\n",
                  file=sys.stderr)
