"""Files that are either whole or not there: written beside, synced, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of path; rename it to path only when everything is on the disk.

    Whatever goes wrong, the old file stays as it was and no half file is left. A process that is killed may leave
    a hidden `.name.*.part` file, which nothing reads and the next write of the same path removes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, mode) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            was = "the file that was there is untouched" if path.exists() else "nothing was written"
            raise OSError(error.errno, f"the disk is full: could not write {path.name}; {was}. "
                                       "Free some space, or choose another folder", str(path)) from error
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """Write a small JSON file atomically: sorted, indented, one line at the end."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic(path) as stream:
        stream.write(text.encode())


def sha256(path: Path) -> str:
    """Hash a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_leftovers(path: Path) -> None:
    """Remove parts of path that a killed process of an earlier time left behind."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        writer = part.name.removeprefix(f".{path.name}.").split(".")[0]
        if writer.isdigit() and int(writer) != os.getpid() and not _alive(int(writer)):
            part.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
