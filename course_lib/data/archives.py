"""Reading zip and tar archives with mistrust: no name leads out of a folder, nothing grows beyond its bound.

The course opens an archive after its hash; these bounds hold for the others, too. Files are read into memory, one at
a time, and only those asked for; what is written goes to names of our own lists, never to a name of the archive.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

LARGEST = 32 * 2**20    # bytes of one file in an archive, unpacked
TOTAL = 512 * 2**20     # bytes of a tar, unpacked: what is skipped must be unpacked, too
MOST = 200_000          # files in an archive

Choose = Callable[[Sequence[str]], Collection[str]]


class Broken(ValueError):
    """An archive that cannot be read, or that should not be."""


def from_zip(path: Path, choose: Choose, *, largest: int = LARGEST) -> Iterator[tuple[str, bytes]]:
    """Read the chosen files of a zip as (name, content), in the order of the choice; `choose` is shown all names."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            _check(path, entries, len(archive.infolist()))
            for name in choose(list(entries)):
                if name not in entries:
                    raise _absent(path, name)
                size = entries[name].file_size
                _bound(path, name, size, largest)
                with archive.open(entries[name]) as stream:
                    yield name, stream.read(size + 1)      # a size that is a lie ends in a wrong CRC, not in memory
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _broken(path, error) from error


def from_tar(path: Path, wanted: Collection[str], *, largest: int = LARGEST, total: int = TOTAL) -> dict[str, bytes]:
    """Read some files of a tar.gz by name. It is read once, and to its end, where the checksum of the whole stands."""
    found: dict[str, bytes] = {}
    try:
        with _Bounded(path) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as archive:
            unzipped.total = total
            for seen, entry in enumerate(archive):
                _check(path, [entry.name], seen + 1)
                stream = archive.extractfile(entry) if entry.isreg() and entry.name in wanted else None
                if stream is not None:
                    _bound(path, entry.name, entry.size, largest)
                    found[entry.name] = stream.read()
            while unzipped.read(2**20):
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _broken(path, error) from error
    if absent := sorted(set(wanted) - set(found)):
        raise _absent(path, absent[0])
    return found


def repack(path: Path, target: Path, *, inside: str, into: str, date: tuple[int, int, int, int, int, int]) -> None:
    """Write a folder of a zip as a zip of its own whose bytes depend on the files' names and contents only.

    Files are stored in the order of their names, with one date and one set of rights, uncompressed.
    """
    def below(names: Sequence[str]) -> list[str]:
        return sorted(name for name in names if name.startswith(inside))

    with zipfile.ZipFile(target, "w") as packed:
        for name, content in from_zip(path, below):
            entry = zipfile.ZipInfo(into + name.removeprefix(inside), date)
            entry.create_system, entry.external_attr = 3, 0o100664 << 16
            packed.writestr(entry, content)


class _Bounded(gzip.GzipFile):
    """A gzip file that ends in an error when it unpacks to more than `total` bytes."""

    total = TOTAL

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        if self.tell() > self.total:
            raise Broken(f"{Path(self.name).name} unpacks to more than {self.total} bytes: do not trust it.")
        return content


def _check(path: Path, names: Collection[str], count: int) -> None:
    if count > MOST:
        raise Broken(f"{path.name} holds {count} files or more, beyond the bound of {MOST}.")
    for name in names:
        parts = PurePosixPath(name).parts
        if ".." in parts or "\\" in name or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
            raise Broken(f"{path.name} holds a file named {name!r}, which leads out of its folder: do not trust it.")


def _bound(path: Path, name: str, size: int, largest: int) -> None:
    if size > largest:
        raise Broken(f"{path.name}: {name} would unpack to {size} bytes, beyond the bound of {largest}.")


def _absent(path: Path, name: str) -> Broken:
    return Broken(f"{path.name} holds no {name}. Usual cause: another archive of the same name; "
                  "`course data verify` tells.")


def _broken(path: Path, error: Exception) -> Broken:
    return Broken(f"{path.name} is no archive that can be read ({error or type(error).__name__}). "
                  "Usual cause: a broken download; `course data verify` tells which files to fetch again.")
