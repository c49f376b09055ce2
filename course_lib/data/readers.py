"""Sets that are more than pictures: images with labels, pairs of noisy and clean, and one-shot runs.

Archives are read where they lie, each after its hash, and nothing is unpickled. That is why two loaders of the field
are not used: torchvision's CIFAR10 reads the archive made of pickles, so the binary one is read here, which holds the
same images; scikit-learn's `fetch_olivetti_faces` keeps a pickled cache, so the file that it fetches is read here, too.
torchvision's Omniglot knows neither the small background sets nor the runs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib import arguments, files
from course_lib.data import archives, images, sets
from course_lib.data.sets import DataSet

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRASH_CLASSES = ("glass", "paper", "cardboard", "plastic", "metal", "trash")


class Labelled(NamedTuple):
    """Images of one size with their classes."""

    images: Tensor              # uint8 (N, C, H, W)
    labels: Tensor              # int64 (N,), indices into names
    names: tuple[str, ...]      # of the classes


class Pair(NamedTuple):
    """What a camera saw, and the best estimate of what there was."""

    noisy: Tensor               # uint8 (C, H, W)
    clean: Tensor               # uint8 (C, H, W)


class Run(NamedTuple):
    """A one-shot task: one drawing of each of 20 characters, and 20 drawings by others to name."""

    training: Tensor            # uint8 (20, 1, H, W), one a class
    test: Tensor                # uint8 (20, 1, H, W)
    answers: Tensor             # int64 (20,): test[i] shows the character of training[answers[i]]


def labelled(name: str, *, split: str | None = None, per_class: int | None = None) -> Labelled:
    """Load the images of a set with their labels, class after class; `per_class` reads only the first so many of each.

    A set that has a test split wants to be asked for one of its splits, or for "all". Characters of Omniglot are black
    on white. Its splits small1 and small2 share two alphabets drawing for drawing; "small2_only" leaves those out.

    Raises FileNotFoundError with the command that gets the set, where it is not there, and ValueError where an archive
    is not the one expected.
    """
    entry = sets.expect(name, "labelled")
    split = _split(entry, split)
    if per_class is not None:
        arguments.positive(per_class, name="per_class")
    match name:
        case "orl_faces":
            return _from_files(entry, _faces(entry), per_class)
        case "trashnet":
            return _from_files(entry, _waste(entry, split), per_class)
        case "olivetti":
            return _olivetti(entry, per_class)
        case "omniglot":
            return _omniglot(entry, split, per_class)
        case "cifar10":
            return _cifar10(entry, split, per_class)
        case _:
            return _cifar10_jpeg(entry, split, per_class)


def pairs(name: str) -> dict[str, Pair]:
    """Load the pairs of a set by name, each a noisy and a clean uint8 tensor (C, H, W)."""
    entry = sets.expect(name, "pairs")
    found = {}
    for file in entry.hashes:
        if file.endswith("_noise.png"):
            number = Path(file).stem.removesuffix("_noise")
            clean = entry.folder / "Nam_patch_GT" / f"{number}_gt.png"
            found[number] = Pair(images.read(entry.folder / file, channels=entry.channels),
                                 images.read(clean, channels=entry.channels))
    return found


def one_shot_runs() -> tuple[Run, ...]:
    """Load the 20 one-shot runs of Omniglot: 20 tasks of 20 characters of one alphabet each, by two drawers.

    The rule is theirs (Lake 2015): name each test drawing by the training drawings of its run alone; the score is the
    share of wrong names over all 400. The characters are in neither background set.
    """
    path = _archive(sets.expect("omniglot", "labelled"), "all_runs.zip")
    content = dict(archives.from_zip(path, sorted))
    runs = []
    for key in sorted(name for name in content if name.endswith("class_labels.txt")):
        lines = [line.split() for line in content[key].decode().splitlines()]     # test item, training item
        training = sorted({known for _, known in lines})
        runs.append(Run(_stack(path, {file: content[file] for file in training}, 1),
                        _stack(path, {test: content[test] for test, _ in lines}, 1),
                        torch.tensor([training.index(known) for _, known in lines])))
    return tuple(runs)


# Each set ------------------------------------------------------------------------------------------------------------


def _faces(entry: DataSet) -> dict[str, list[str]]:
    """The files of each person, s1 to s40."""
    return _grouped(file for file in entry.hashes if file.endswith(".pgm"))


def _waste(entry: DataSet, split: str) -> dict[str, list[str]]:
    """The files of each class, all of them or those that the authors' list gives to a split."""
    classes = _grouped(file for file in entry.hashes if file.endswith(".jpg"))
    chosen = {name: classes[name] for name in TRASH_CLASSES}
    if split == "all":
        return chosen
    listed = entry.folder / f"data/one-indexed-files-notrash_{split.removesuffix('idation')}.txt"
    members = {line.split()[0] for line in listed.read_text().splitlines()}
    return {name: [file for file in of_class if Path(file).name in members] for name, of_class in chosen.items()}


def _olivetti(entry: DataSet, per_class: int | None) -> Labelled:
    from scipy.io import loadmat

    faces = loadmat(_archive(entry, "olivettifaces.mat"), variable_names=["faces"])["faces"]     # (64 * 64, 400)
    pixels = torch.from_numpy(faces.astype(np.uint8)).T.reshape(400, 1, 64, 64).transpose(2, 3)  # stored by columns
    return _first(Labelled(pixels.contiguous(), torch.arange(400) // 10, tuple(f"s{i}" for i in range(1, 41))),
                  per_class)


def _omniglot(entry: DataSet, split: str, per_class: int | None) -> Labelled:
    if split in ("small1", "small2"):
        return _of_content(entry, _drawings(entry, split, per_class))
    first, second = (_drawings(entry, part, per_class) for part in ("small1", "small2"))
    known = {name.split("/")[0] for name in first}                                # alphabets
    new = {name: drawing for name, drawing in second.items() if name.split("/")[0] not in known}
    return _of_content(entry, new if split == "small2_only" else first | new)


def _drawings(entry: DataSet, part: str, per_class: int | None) -> dict[str, bytes]:
    """The pictures of a background set by name, which begins with alphabet and character."""
    folder = f"images_background_{part}/"

    def choose(there: Sequence[str]) -> list[str]:
        classes = _grouped([name for name in there if name.endswith(".png")])
        return [file for of_class in classes.values() for file in of_class[:per_class]]

    path = _archive(entry, f"images_background_{part}.zip")
    return {name.removeprefix(folder): drawing for name, drawing in archives.from_zip(path, choose)}


def _cifar10(entry: DataSet, split: str, per_class: int | None) -> Labelled:
    batches = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
    wanted = [f"cifar-10-batches-bin/{batch}" for part in (batches if split == "all" else [split])
              for batch in batches[part]]
    content = archives.from_tar(_archive(entry, "cifar-10-binary.tar.gz"), wanted)
    records = np.concatenate([np.frombuffer(content[name], np.uint8).reshape(-1, 1 + 3 * 32 * 32) for name in wanted])
    labels = torch.from_numpy(records[:, 0].astype(np.int64))                     # a record: label, then R, G, B
    pixels = torch.from_numpy(records[:, 1:].copy()).reshape(-1, 3, 32, 32)
    order = labels.argsort(stable=True)
    return _first(Labelled(pixels[order], labels[order], CIFAR_CLASSES), per_class)


def _cifar10_jpeg(entry: DataSet, split: str, per_class: int | None) -> Labelled:
    def choose(there: Sequence[str]) -> list[str]:
        folders = _grouped([name for name in there if name.endswith(".jpg")])     # cifar10_jpeg/<split>/<class>
        parts = entry.splits if split == "all" else (split,)
        classes = [[file for part in parts for file in folders[f"cifar10_jpeg/{part}/{name}"]]
                   for name in CIFAR_CLASSES]
        return [file for of_class in classes for file in of_class[:per_class]]

    path = _archive(entry, "cifar10_jpeg.zip")
    content = dict(archives.from_zip(path, choose))
    return _of_content(entry, {"{2}/{1}-{3}".format(*name.split("/")): picture for name, picture in content.items()})


# What they share -----------------------------------------------------------------------------------------------------


def _split(entry: DataSet, split: str | None) -> str:
    if split is None and "test" in entry.splits:
        raise ValueError(f"{entry.name} has the splits {', '.join(entry.splits)}: say which, as split='train'. "
                         "split='all' takes them together; never train on what you test with.")
    return arguments.one_of(split or "all", (*entry.splits, "all"), what="split")


def _archive(entry: DataSet, file: str) -> Path:
    """The path of an archive, after its hash."""
    path = entry.folder / file
    if files.sha256(path) != entry.hashes[file]:
        raise ValueError(f"{path} is not the archive expected, and is not opened. Usual cause: a broken copy; "
                         f"`course data get {entry.name}` fetches it again.")
    return path


def _grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Files by the folder they lie in, both in the order in which people count: s2 before s10."""
    classes: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=_counting):
        classes[name.rpartition("/")[0]].append(name)
    return classes


def _counting(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _from_files(entry: DataSet, classes: Mapping[str, Sequence[str]], per_class: int | None) -> Labelled:
    chosen = [file for of_class in classes.values() for file in of_class[:per_class]]
    return _of_content(entry, {file: (entry.folder / file).read_bytes() for file in chosen})


def _of_content(entry: DataSet, content: Mapping[str, bytes]) -> Labelled:
    """Images and labels of pictures by name, whose folders are the classes."""
    classes = [name.rpartition("/")[0] for name in content]
    names = tuple(dict.fromkeys(classes))
    number = {name: label for label, name in enumerate(names)}
    return Labelled(_stack(entry.folder, content, entry.channels), torch.tensor([number[name] for name in classes]),
                    names)


def _first(everything: Labelled, per_class: int | None) -> Labelled:
    """The first so many images of each class; the classes are in order."""
    if per_class is None:
        return everything
    starts = torch.searchsorted(everything.labels, everything.labels)             # where each image's class begins
    chosen = torch.arange(len(everything.labels)) - starts < per_class
    return Labelled(everything.images[chosen], everything.labels[chosen], everything.names)


def _stack(path: Path, content: Mapping[str, bytes], channels: int) -> Tensor:
    pictures = [images.decode(picture, channels=channels, name=f"{path.name}: {name}")
                for name, picture in content.items()]
    shapes = {tuple(picture.shape) for picture in pictures}
    if len(shapes) != 1:
        raise ValueError(f"{path.name}: expected pictures of one size, got {sorted(shapes)}. Usual cause: a changed "
                         "file; `course data verify` names it.")
    return torch.stack(pictures)
