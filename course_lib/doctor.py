"""Look over the machine: can it run the course, how fast, and what should be changed?

`examine` collects findings. Each is fine, a note (it works, but could be better) or a problem (something will fail).
The benchmark is a few seconds of the course's typical work; the minutes of a lecture are predicted from those recorded
on another machine, as a ratio of the two benchmarks. Of many short rounds the least disturbed one counts. How much of
the processor the benchmark got is measured, too: on a busy machine the minutes are a range, and that is said.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import course_lib
from course_lib import files, manifest, profiles

if TYPE_CHECKING:
    from course_lib.manifest import Course, Lecture

Level = Literal["fine", "note", "problem"]
GIB = 2**30
LEAST_PYTHON = (3, 11)
LEAST_MEMORY = 2 * GIB  # free; a lecture at lecture profile stays below
LEAST_DISK = GIB
DISTRIBUTION = "without-ground-truth"
BUSY_LOAD, BUSY_SHARE = 0.5, 0.85  # programs that wait or run, for each core; processor time that one thread gets
IMPORTED_AS = {"scikit-image": "skimage", "scikit-learn": "sklearn"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what to do about it where it is not fine."""

    topic: str
    text: str
    level: Level = "fine"
    advice: str = ""


@dataclass(frozen=True)
class Bench:
    """How fast this machine does the course's typical work."""

    device: str
    precision: str
    threads: int
    step_ms: float  # one training step of a small DnCNN, where it was least disturbed
    gflops: float  # float32 product of two 1024 x 1024 matrices, in 10^9 operations a second
    share: float = 1.0  # of its time that a thread of the steps had a core to itself; 1 where nothing else computes


@dataclass(frozen=True)
class Minutes:
    """How long a lecture takes: as recorded, and as expected here (None where nothing was measured that compares)."""

    lecture: str
    profile: str
    recorded: float | None
    hardware: str
    here: float | None


@dataclass(frozen=True)
class Report:
    findings: tuple[Finding, ...]
    bench: Bench | None
    minutes: tuple[Minutes, ...]
    busy: bool = False  # other programs computed meanwhile, so that the times are too long

    @property
    def healthy(self) -> bool:
        return not any(finding.level == "problem" for finding in self.findings)

    def as_data(self) -> dict[str, object]:
        return {
            "healthy": self.healthy,
            "busy": self.busy,
            "findings": [asdict(finding) for finding in self.findings],
            "bench": asdict(self.bench) if self.bench else None,
            "lectures": [asdict(minutes) for minutes in self.minutes],
        }


def examine(*, seconds: float = 5.0) -> Report:
    """Look at everything, spending about `seconds` on the benchmark. Nothing that is broken stops the rest."""
    findings: list[Finding] = []
    before = load()  # the benchmark adds to it
    for look in (_environment, _packages, _compute, _memory, _disk, _data, _repository):
        try:
            findings += look()
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            topic = look.__name__.strip("_")
            findings.append(Finding(topic, f"could not be looked at: {_one_line(error)}", "problem"))
    speed = None
    try:
        with suppress(ImportError):  # which the packages above have told
            speed = bench(seconds)
    except (RuntimeError, ValueError) as error:
        advice = "try COURSE_DEVICE=cpu or COURSE_PRECISION=fp32"
        findings.append(Finding("benchmark", f"a training step failed: {_one_line(error)}", "problem", advice))
    findings.append(_load(before, speed))
    return Report(tuple(findings), speed, tuple(_predictions(speed)), busy=findings[-1].level != "fine")


# --- the benchmark, and minutes ---------------------------------------------------------------------------------------


def bench(seconds: float = 5.0) -> Bench:
    """Time a training step of a small DnCNN, on the device and in the precision of lectures, and a matrix product."""
    import torch

    with profiles.using("lecture"):
        device, precision = profiles.device(), profiles.precision()
    with torch.random.fork_rng(devices=[]):  # everything is drawn on the processor
        layers: list[torch.nn.Module] = [torch.nn.Conv2d(1, 32, 3, padding=1), torch.nn.ReLU()]
        for _ in range(5):
            layers += [torch.nn.Conv2d(32, 32, 3, padding=1, bias=False), torch.nn.BatchNorm2d(32), torch.nn.ReLU()]
        network = torch.nn.Sequential(*layers, torch.nn.Conv2d(32, 1, 3, padding=1))
        z, matrix = torch.full((16, 1, 40, 40), 0.5), torch.full((1024, 1024), 0.5)
    network = network.to(device).to(memory_format=torch.channels_last)
    z, matrix = z.to(device).to(memory_format=torch.channels_last), matrix.to(device)
    weights: list[torch.Tensor] = list(network.parameters())

    def step() -> None:
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            loss = (network(z).float() - z).square().mean()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():  # plain gradient descent: importing an optimiser takes seconds
            torch._foreach_add_(weights, gradients, alpha=-1e-3)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()

    step_time, share = _least_disturbed(step, wait, 0.6 * seconds)
    product_time, _ = _least_disturbed(lambda: matrix @ matrix, wait, 0.4 * seconds)
    return Bench(
        device=device.type,
        precision=str(precision).removeprefix("torch."),
        threads=torch.get_num_threads(),
        step_ms=round(1000 * step_time, 3),
        gflops=round(2 * 1024**3 / product_time / 1e9, 1),
        share=round(share, 2) if device.type == "cpu" else 1.0,
    )


def record(lecture: Lecture, profile: str, seconds: float, speed: Bench, root: Path, *, busy: bool = False) -> Path:
    """Write down how long a lecture took, with the benchmark of this machine: `results/lectures/<stem>.json`.

    Times on an accelerator stand beside those of the processor, under `lecture@cuda` and the like, and times beside
    another program that computes under `lecture+busy`.
    """
    from course_lib import provenance

    path = _record_path(lecture, root)
    known = _recorded(path)
    with profiles.using(profile):
        stamp = asdict(provenance.stamp())
    key = (profile if speed.device == "cpu" else f"{profile}@{speed.device}") + "+busy" * busy
    known[key] = {"seconds": round(seconds, 1), "hardware": stamp["hardware"], "bench": asdict(speed), "stamp": stamp}
    files.write_json(path, known)
    return path


@contextmanager
def spinning() -> Iterator[None]:
    """Keep one core of this machine busy for a with-block, as another program that computes would."""
    other = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def predict(lecture: Lecture, profile: str, speed: Bench | None, root: Path) -> Minutes:
    """Predict the minutes of a lecture here: the recorded ones, times how much slower a training step is here than
    there."""
    known = _recorded(_record_path(lecture, root))
    here_key = profile if speed is None or speed.device == "cpu" else f"{profile}@{speed.device}"
    entry = known.get(here_key) or known.get(profile)
    if not isinstance(entry, dict) or not isinstance(entry.get("seconds"), int | float):
        return Minutes(lecture.stem, profile, None, "", None)
    recorded = entry["seconds"] / 60
    there = entry.get("bench") or {}
    comparable = speed is not None and there.get("device") == speed.device and there.get("step_ms", 0) > 0
    here = recorded * speed.step_ms / there["step_ms"] if comparable and speed else None
    return Minutes(lecture.stem, profile, recorded, str(entry.get("hardware", "")), here)


def _least_disturbed(work: Callable[[], object], wait: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Time `work` in rounds as short as can be, of one run: that of the best round, and the share of the time of all
    rounds in which this thread had a core. The rest of it another program had."""
    for _ in range(2):  # which are not counted
        work()
        wait()
    times: list[float] = []
    began, busy = time.perf_counter(), time.thread_time()
    while len(times) < 5 or time.perf_counter() < began + seconds:
        begin = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - begin)
    return min(times), min(1.0, (time.thread_time() - busy) / (time.perf_counter() - began))


def _predictions(speed: Bench | None) -> Iterator[Minutes]:
    course = _course()
    for lecture in course.lectures if course else ():
        try:
            yield predict(lecture, "lecture", speed, course.root if course else Path())
        except ValueError:
            yield Minutes(lecture.stem, "lecture", None, "", None)


def _record_path(lecture: Lecture, root: Path) -> Path:
    return root / "results" / "lectures" / f"{lecture.stem}.json"


def _recorded(path: Path) -> dict:
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is not JSON ({error}): delete it, or bring it back with `git checkout -- {path}`"
        ) from error
    if not isinstance(known, dict):
        raise ValueError(f"{path} should hold one entry per profile: delete it, or bring it back from git")
    return known


# --- what is looked at ------------------------------------------------------------------------------------------------


def _environment() -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info >= LEAST_PYTHON:
        yield Finding("python", f"{version}, {platform.system()} {platform.machine()}")
    else:
        need = ".".join(map(str, LEAST_PYTHON))
        yield Finding("python", version, "problem", f"the course needs Python {need} or newer")
    if sys.prefix != sys.base_prefix:
        yield Finding("environment", sys.prefix)
    elif "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ or os.environ.get("CONDA_PREFIX"):
        yield Finding("environment", os.environ.get("CONDA_PREFIX") or "Colab")
    else:
        yield Finding("environment", f"{sys.prefix}, no virtual environment", "note",
                      "`make lab` makes one, so that the course changes nothing else on this machine")  # fmt: skip
    yield Finding("profile", profiles.current())
    course = _course()
    if course is None:
        where = Path(course_lib.__file__).parent
        yield Finding("course", f"{course_lib.__version__} in {where}; no course.toml found", "note",
                      "lectures live in the repository: run inside a clone, or set COURSE_ROOT to it")  # fmt: skip
    else:
        lectures = f"{len(course.lectures)} lecture{'s' * (len(course.lectures) != 1)}"
        yield Finding("course", f"{course_lib.__version__}{_commit()}, {lectures} in {course.root}")


def _packages() -> Iterator[Finding]:
    """Versions of what the package needs, against its own minimums."""
    fine = []
    for name, least in _requirements():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = ""
        if not version:
            yield Finding(
                "packages", f"{name} is not installed", "problem", f"pip install '{name}{'>=' * bool(least)}{least}'"
            )
        elif least and _numbers(version) < _numbers(least):
            yield Finding(
                "packages", f"{name} {version} is older than {least}", "problem", f"pip install '{name}>={least}'"
            )
        elif importlib.util.find_spec(IMPORTED_AS.get(name, name)) is None:
            yield Finding("packages", f"{name} {version} is listed but cannot be found", "problem",
                          f"pip install --force-reinstall {name}")  # fmt: skip
        else:
            fine.append(f"{name} {version}")
    if fine:
        yield Finding("packages", ", ".join(fine))


def _compute() -> Iterator[Finding]:
    import torch

    from course_lib import provenance

    with profiles.using("lecture"):
        device, precision = profiles.device(), str(profiles.precision()).removeprefix("torch.")
    unused = f" (CUDA {torch.version.cuda} without a driver)" if torch.version.cuda and _driver() is None else ""
    kind = f"no accelerator{unused}" if device.type == "cpu" else device.type
    yield Finding("hardware", f"{provenance.hardware()}; {kind}; {precision}")
    yield from _gpu()
    cores = _cores()
    threads = torch.get_num_threads()
    asked = os.environ.get("OMP_NUM_THREADS")
    advice = f"OMP_NUM_THREADS={cores} is usually faster" if threads > cores else \
        f"OMP_NUM_THREADS={asked} is set: unset it to use all" if threads < cores and asked else ""
    yield Finding("threads", f"{threads} on {cores} cores", "note" if advice else "fine", advice)


def _load(before: float | None, speed: Bench | None) -> Finding:
    """How busy other programs keep the machine: how many ran before, and what they left to the benchmark."""
    share = 1.0 if speed is None else speed.share
    words = [f"{before:.1f} programs ran on {_cores()} cores in the last minute"] if before is not None else []
    words += [f"a thread of the benchmark had a core for {share:.0%} of its time"] if speed is not None else []
    text = "; ".join(words) or "this system does not tell"
    if (before or 0) <= BUSY_LOAD * _cores() and share >= BUSY_SHARE:
        return Finding("load", text)
    return Finding("load", f"the machine is busy: {text}", "note",
                   "times measured now are too long: close other programs, wait a minute, and ask again")  # fmt: skip


def _memory() -> Iterator[Finding]:
    free = free_memory()
    if free is None:
        yield Finding("memory", "this system does not tell how much is free", "note")
    elif free < LEAST_MEMORY:
        yield Finding("memory", f"{free / GIB:.1f} GiB free", "problem",
                      f"lectures want {LEAST_MEMORY / GIB:.0f} GiB: close other kernels and programs")  # fmt: skip
    else:
        yield Finding("memory", f"{free / GIB:.1f} GiB free")


def _disk() -> Iterator[Finding]:
    course = _course()
    folder = course.root if course else Path.cwd()
    free = shutil.disk_usage(folder).free
    level: Level = "problem" if free < LEAST_DISK else "fine"
    yield Finding(
        "disk", f"{free / GIB:.1f} GiB free in {folder}", level, "free some space" if level == "problem" else ""
    )


def _data() -> Iterator[Finding]:
    """Which data sets are there; checksums are left to `course data verify`."""
    from course_lib import data

    named = os.environ.get("COURSE_DATA", "")
    if named and not data.root().is_dir():
        yield Finding("data", f"COURSE_DATA is {named}, which is no folder", "problem",
                      "make it, or point COURSE_DATA to the folder with the data sets")  # fmt: skip
        return
    bundled = {name for split in ("train", "validation", "test") for name in data.photographs(split)}
    yield Finding("photographs", f"all {len(bundled)} bundled ones are as they should be")
    there = [name for name in data.SETS if data.find(name) is not None]
    where = f"in {data.root()}"
    if there:
        yield Finding("data", f"{', '.join(there)} {where}")
    if absent := [name for name in data.SETS if name not in there]:
        yield Finding("data", f"not here: {', '.join(absent)} (no lecture needs them to run)", "note",
                      f"`course data get {absent[0]}` downloads one")  # fmt: skip


def _repository() -> Iterator[Finding]:
    """Whether the course's notebooks lead to a repository that exists."""
    if (course := _course()) and course.nobodys:
        yield Finding("repository", f"{course.repository} is a placeholder", "note", manifest.NOBODYS)


def _gpu() -> Iterator[Finding]:
    """Whether the GPU that is seen can be used, and whether there is one that is not seen."""
    import torch

    if torch.cuda.is_available():
        name, card = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
        if not has_kernels(torch.cuda.get_arch_list(), card):
            yield Finding("gpu", f"PyTorch {torch.__version__} has no code for {name} (compute capability {card[0]}."
                          f"{card[1]}), only for {', '.join(torch.cuda.get_arch_list())}", "problem",
                          "install a PyTorch that has it, or compute with COURSE_DEVICE=cpu")  # fmt: skip
        return
    driver = _driver()
    if driver is None:
        return
    if torch.version.cuda is None:
        yield Finding("gpu", f"{driver}, but this PyTorch is built for the processor alone", "note",
                      "`make env TORCH=default` installs the one for GPUs")  # fmt: skip
    elif (hidden := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        yield Finding("gpu", f"{driver}, but CUDA_VISIBLE_DEVICES={hidden} shows PyTorch none", "note",
                      "unset CUDA_VISIBLE_DEVICES to use it")  # fmt: skip
    else:
        yield Finding("gpu", f"{driver}, but PyTorch, built for CUDA {torch.version.cuda}, can use no GPU: the driver "
                      "is too old for it, or missing", "problem",
                      f"install a driver for CUDA {torch.version.cuda} or newer, or a PyTorch for an older CUDA; "
                      "COURSE_DEVICE=cpu does without")  # fmt: skip


def has_kernels(built_for: Sequence[str], card: tuple[int, int]) -> bool:
    """Whether a PyTorch built for some architectures can compute on a card of this compute capability.

    Machine code (sm_80) runs on cards of the same major number and the same minor or a later one, that with an `a` on
    its own alone; PTX (compute_80) is compiled for any later card. Names of other makers say nothing, and pass.

    >>> has_kernels(["sm_75", "sm_80"], (8, 6)), has_kernels(["sm_75", "sm_80"], (9, 0))
    (True, False)
    """
    found = [match for name in built_for if (match := re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", name))]
    if not found:
        return True
    for kind, *version, suffix in (match.groups() for match in found):
        major, minor = map(int, version)
        if suffix == "a":
            fits = card == (major, minor)
        elif kind == "sm" or suffix:
            fits = card[0] == major and card[1] >= minor
        else:
            fits = card >= (major, minor)
        if fits:
            return True
    return False


def _driver() -> str | None:
    """What the driver's own program says: the cards and its version; None where there is no such program."""
    if (program := shutil.which("nvidia-smi")) is None:
        return None
    command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "nvidia-smi is here and does not answer"
    if done.returncode:
        return f"nvidia-smi says: {' '.join((done.stdout or done.stderr).split())[:100]}"
    name, _, version = done.stdout.partition("\n")[0].partition(", ")
    return f"here is the card {name} with the driver {version}"


def load() -> float | None:
    """Return how many programs ran or waited on average in the last minute; None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def free_memory() -> int | None:
    """Return how many bytes a new program can use: what the kernel says is available, within the limit of the
    container."""
    free = None
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        try:
            free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, AttributeError):
            return None
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        return min(free, limit - used)
    except (OSError, ValueError):
        return free


# --- small help -------------------------------------------------------------------------------------------------------


def _requirements() -> list[tuple[str, str]]:
    """Name and least version of each runtime dependency, from the installed package or from the checkout."""
    try:
        lines = [line for line in metadata.requires(DISTRIBUTION) or () if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        import tomllib

        pyproject = Path(course_lib.__file__).resolve().parent.parent / "pyproject.toml"
        lines = tomllib.loads(pyproject.read_text())["project"]["dependencies"] if pyproject.exists() else []
    found = (re.match(r"\s*([\w.-]+)(?:[^;]*?>=\s*([\d.]+))?", line) for line in lines)
    return [(match[1], match[2] or "") for match in found if match]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version as numbers, for comparing: '2.15.0+cpu' is (2, 15, 0)."""
    return tuple(int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part)  # type: ignore[index]


def _commit() -> str:
    from course_lib import provenance

    try:
        stamp = provenance.stamp()
    except (ImportError, metadata.PackageNotFoundError):
        return ""
    return f" ({stamp.commit}{' with changes' * stamp.dirty})" if stamp.commit else ""


def _course() -> Course | None:
    try:
        return manifest.load()
    except (OSError, ValueError):
        return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
