"""How much to compute, where and in which precision: smoke for tests, lecture for a laptop, full for the paper."""

from __future__ import annotations

import os
import time
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

ALONE = "COURSE_ALONE"  # set in a kernel that runs a lecture without a reader
MEASURED_SHORT = 0.35   # of a core, by which a measurement may miss one that is free

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


def free_cores(seconds: float = 0.3) -> float:
    """Measure how many cores other programs leave to this one: the processor time that all its threads get together,
    by the clock. A loop without waiting takes what it can get.

    A program that computes beside two threads on two cores leaves them 1.3.
    """
    import torch

    matrix = torch.full((256, 256), 0.5)
    matrix @ matrix                                           # starts the threads
    began, used = time.perf_counter(), time.process_time()
    while time.perf_counter() < began + seconds:
        matrix @ matrix
    return (time.process_time() - used) / (time.perf_counter() - began)


def threads() -> int:
    """Choose with how many threads to compute: `COURSE_THREADS`; else one at smoke, and one for each core that is free,
    since two threads that share one core with another program are slower than one.

    Raises ValueError where COURSE_THREADS is no whole number of one or more.
    """
    import torch

    if named := os.environ.get("COURSE_THREADS"):
        if not (named.isdecimal() and int(named)):
            raise ValueError(f"COURSE_THREADS: expected a whole number of 1 or more, got {named!r}. Unset it, and the "
                             "lecture takes the cores that are free")
        return int(named)
    most = torch.get_num_threads()
    if current() == "smoke" or most == 1:
        return 1
    return max(1, min(most, int(free_cores() + MEASURED_SHORT)))


def alone() -> bool:
    """Whether this kernel runs a lecture without a reader, so that what needs one is replaced by a sentence."""
    return bool(os.environ.get(ALONE))


def start() -> None:
    """Begin a lecture: say which profile, device, precision and threads are in force. float32 is float32 from now on,
    and not TF32, which newer GPUs would take for it."""
    import torch

    import course_lib
    from course_lib import devices

    where = device()
    devices.require_float32()
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else where.type
    most, taken = torch.get_num_threads(), threads()
    torch.set_num_threads(taken)
    if current() == "smoke":
        torch.set_deterministic_debug_mode("error")   # the cheap way: use_deterministic_algorithms imports the compiler
    print(f"profile {current()} · {name}, {str(precision()).removeprefix('torch.')}, "
          f"{taken} thread{'s' * (taken != 1)} · torch {torch.__version__}, course_lib {course_lib.__version__}")
    if taken < most and current() != "smoke" and "COURSE_THREADS" not in os.environ:
        print(f"Other programs are computing here: {taken} of {most} cores are taken. COURSE_THREADS={most} takes all.")


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
