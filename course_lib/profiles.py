"""How much to compute, where and in which precision: smoke for tests, lecture for a laptop, full for the paper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from course_lib.arguments import one_of, positive

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Profile = Literal["smoke", "lecture", "full"]
PROFILES: tuple[Profile, ...] = ("smoke", "lecture", "full")

_forced: ContextVar[Profile | None] = ContextVar("_forced", default=None)


@dataclass(frozen=True)
class Budget:
    """How long to train, in steps and never in seconds: the same work on every machine."""

    steps: int
    batch: int
    patch: int | None = None

    def __post_init__(self) -> None:
        positive(self.steps, name="steps")
        positive(self.batch, name="batch")
        if self.patch is not None:
            positive(self.patch, name="patch")


def current() -> Profile:
    """Return the profile in force: that of a `with using(...)` block, else `COURSE_PROFILE`, else lecture."""
    return _forced.get() or _known(os.environ.get("COURSE_PROFILE") or "lecture")


@contextmanager
def using(profile: str) -> Iterator[None]:
    """Set the profile for a with-block.

    >>> with using("smoke"):
    ...     choose(smoke=1, lecture=2, full=3)
    1
    """
    token = _forced.set(_known(profile))
    try:
        yield
    finally:
        _forced.reset(token)


def choose(*, smoke: T, lecture: T, full: T) -> T:
    """Return the value for the profile in force."""
    return {"smoke": smoke, "lecture": lecture, "full": full}[current()]


def device() -> torch.device:
    """Choose where to compute: `COURSE_DEVICE`, else the processor at smoke, else the accelerator if there is one.

    Raises ValueError where COURSE_DEVICE, or the LOCAL_RANK of a launcher, names a device that is not here.
    """
    import torch

    from course_lib import devices

    devices.settings()
    if named := os.environ.get("COURSE_DEVICE"):
        return torch.device(named)
    if current() == "smoke":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", torch.cuda.current_device())))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def precision() -> torch.dtype:
    """Choose bfloat16 where the hardware multiplies it natively, else float32; at smoke always float32. A GPU older
    than Ampere, such as a T4, only imitates bfloat16.

    `COURSE_PRECISION=fp32` or `bf16` overrides.
    """
    import torch

    if named := os.environ.get("COURSE_PRECISION"):
        one_of(named, ("fp32", "bf16"), what="COURSE_PRECISION")
        return torch.float32 if named == "fp32" else torch.bfloat16
    native = {"cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False), "cpu": _cpu_has_bfloat16}
    fast = current() != "smoke" and native.get(device().type, lambda: False)()
    return torch.bfloat16 if fast else torch.float32


def start() -> None:
    """Begin a lecture: say which profile, device and precision are in force. float32 is float32 from now on, and not
    TF32, which newer GPUs would take for it."""
    import torch

    import course_lib
    from course_lib import devices

    where = device()
    devices.require_float32()
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else where.type
    if current() == "smoke":
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("error")   # the cheap way: use_deterministic_algorithms imports the compiler
    print(f"profile {current()} · {name}, {str(precision()).removeprefix('torch.')}, "
          f"{torch.get_num_threads()} threads · torch {torch.__version__}, course_lib {course_lib.__version__}")


def _known(profile: str) -> Profile:
    return cast(Profile, one_of(profile, PROFILES, what="profile"))


def _cpu_has_bfloat16() -> bool:
    """Native bf16 instructions; emulation in AVX-512 without them is slower than float32."""
    import torch

    flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if flags:
        return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    named = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name)() for name in named if hasattr(torch.cpu, name))
