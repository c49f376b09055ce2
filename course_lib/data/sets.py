"""Named image sets under `COURSE_DATA`: what they are, whom they belong to, how to get them and how to check them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import Tensor

from course_lib import arguments, files
from course_lib.data import images

HASHES = Path(__file__).parent / "hashes"


@dataclass(frozen=True)
class DataSet:
    """A public set of pictures. Its files and their hashes are listed in `hashes/<name>.sha256`."""

    name: str
    description: str
    address: str   # of the folder whose files have the listed names
    source: str
    licence: str

    @property
    def hashes(self) -> dict[str, str]:
        """File name -> sha256, in the order of the names."""
        return _hashes(self.name)


_DNCNN = "https://raw.githubusercontent.com/cszn/DnCNN/master"
SETS = {entry.name: entry for entry in (
    DataSet("Set12", "12 gray test images of 256 and 512 pixels", f"{_DNCNN}/testsets/Set12",
            "cszn/DnCNN, testsets", "none stated for the images; research use"),
    DataSet("BSD68", "68 gray test images of 321 x 481 pixels", f"{_DNCNN}/testsets/BSD68",
            "cszn/DnCNN, testsets; Berkeley segmentation data", "non-commercial research and education"),
    DataSet("Train400", "400 gray images of 180 x 180 pixels, the training set of DnCNN",
            f"{_DNCNN}/TrainingCodes/DnCNN_TrainingCodes_v1.0/data/Train400",
            "cszn/DnCNN, training code; Berkeley segmentation data", "non-commercial research and education"),
)}


def root() -> Path:
    """The folder of the data: `COURSE_DATA`, else `course_data` in the user's home."""
    return Path(os.environ.get("COURSE_DATA") or Path.home() / "course_data")


def find(name: str) -> Path | None:
    """The folder of a set if all its files are there, else None; fast, reads no file."""
    folder = root() / _entry(name).name
    return folder if all((folder / file).is_file() for file in SETS[name].hashes) else None


def load(name: str, *, first: int | None = None) -> dict[str, Tensor]:
    """The pictures of a set by name, each a uint8 tensor (1, H, W); `first` reads only so many.

    Raises FileNotFoundError with the command that gets the set, where it is not there.
    """
    folder = find(name)
    if folder is None:
        raise FileNotFoundError(f"the set {name} is not (wholly) in {root()}. Get it with: course data get {name}  "
                                "(or point COURSE_DATA to the folder that holds it).")
    return {Path(file).stem: images.read(folder / file, channels=1) for file in list(SETS[name].hashes)[:first]}


def verify(name: str) -> dict[str, str]:
    """What is wrong with a set on the disk: file -> 'missing' or 'changed'; an empty answer means all is well."""
    folder = root() / _entry(name).name
    wrong = {}
    for file, expected in SETS[name].hashes.items():
        if not (folder / file).is_file():
            wrong[file] = "missing"
        elif files.sha256(folder / file) != expected:
            wrong[file] = "changed"
    return wrong


def download(name: str, *, fetch: Callable[[str, Path], None] | None = None) -> Path:
    """Get what is missing or broken of a set; each file is checked before it takes its place. Run again to resume.

    Raises ConnectionError where a file cannot be reached, ValueError where what came is not what was expected.
    """
    entry, fetch = _entry(name), fetch or _fetch
    wrong = verify(name)
    folder = root() / name
    if wrong:
        _require_writable(folder)
        from tqdm.auto import tqdm

        for file in tqdm(wrong, desc=name, unit="file"):
            _get(f"{entry.address}/{file}", folder / file, entry.hashes[file], fetch)
    return folder


def content_hash(name: str) -> str:
    """A hash that stands for the content of a set, or of the bundled photographs, in fingerprints."""
    if name == "photographs":
        from course_lib.data.photographs import PHOTOGRAPHS

        listed = "".join(f"{photograph.split}{photograph.sha256}" for photograph in PHOTOGRAPHS)
    else:
        listed = "".join(_entry(name).hashes.values())
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def _entry(name: str) -> DataSet:
    return SETS[arguments.one_of(name, SETS, what="data set")]


@cache
def _hashes(name: str) -> dict[str, str]:
    lines = (HASHES / f"{name}.sha256").read_text().splitlines()
    return {file: digest for digest, file in (line.split(maxsplit=1) for line in lines)}


def _get(address: str, path: Path, expected: str, fetch: Callable[[str, Path], None]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fetch(address, partial)
        came = files.sha256(partial)
        if came != expected:
            raise ValueError(f"{path.name}: what came from {address} has the wrong checksum ({partial.stat().st_size} "
                             f"bytes, sha256 {came[:12]}... instead of {expected[:12]}...). Usual cause: a broken or "
                             "redirected download; nothing was kept. Try again, or fetch the file by hand.")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _fetch(address: str, path: Path) -> None:
    import pooch
    import requests

    try:
        pooch.HTTPDownloader(timeout=30)(address, str(path), None)
    except (requests.RequestException, OSError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, f"the disk is full: {path.parent} has no room for {address.rpartition('/')[2]}. "
                                       "Nothing was kept of it; free some space and run this again") from error
        raise ConnectionError(f"could not fetch {address}: {type(error).__name__}. Without a network, copy the set "
                              f"into {root()} by hand; `course data list` names its files' home.") from error


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise PermissionError(f"{folder} cannot be written. Usual cause: a shared COURSE_DATA that is read-only: ask "
                              "who keeps it, or point COURSE_DATA to a folder of your own.")
