"""Files that are either whole or not there: written beside, synced, then renamed into place.

And what is asked of those that others made: the folders that the environment names, and pictures of 8 bits.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import inspect
import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar, cast

Read = TypeVar("Read", bound=Callable[..., Any])
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")   # modes that Pillow converts


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


def folder(named: str, *, setting: str) -> Path:
    """Return the path that a setting of the environment names; `~` is the user's home.

    >>> folder("data", setting="COURSE_DATA").name
    'data'
    """
    try:
        return Path(named).expanduser()
    except RuntimeError as error:      # no HOME, and no user of this number or name
        raise ValueError(f"{setting}: there is no home folder for {named}. Usual cause: a container whose user has no "
                         f"name, or a wrong name after the ~. Set {setting} to a whole path.") from error


def of_8_bits(read: Read) -> Read:
    """Let a function that reads a picture, from its path or its bytes, refuse one that is not the same in 8 bits.

    Pillow would clip deeper pixels and forget what is transparent, and say nothing. The function sees it upright, as
    its EXIF orientation says.
    """
    signature = inspect.signature(read)
    source = next(iter(signature.parameters))

    @functools.wraps(read)
    def checked(*given: Any, **named: Any) -> Any:
        asked = signature.bind(*given, **named)
        asked.apply_defaults()
        if asked.arguments["channels"] not in (None, 1, 3):
            raise ValueError(f"channels: expected 1 (gray) or 3 (colour), got {asked.arguments['channels']!r}.")
        asked.arguments[source] = _upright(_picture(asked.arguments[source]), asked.arguments.get("name"))
        return read(*asked.args, **asked.kwargs)

    return cast(Read, checked)


def _picture(source: object) -> Path | bytes:
    """The path of a file that is there, or the bytes of one."""
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str | Path):
        raise TypeError(f"expected the path of a picture, got {type(source).__name__}.")
    path = folder(str(source), setting="the picture")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a picture. data.load reads all pictures of a set.")
    if not path.exists():
        raise FileNotFoundError(f"there is no picture {path}. Usual cause: a path that begins at another folder than "
                                f"this one, {Path.cwd()}.")
    return path


def _upright(source: Path | bytes, name: str | None) -> Path | bytes | IO[bytes]:
    """A picture as it is if it is upright, else turned; refuses what is broken, deep, transparent or too large."""
    from PIL import ExifTags, Image, ImageOps

    name = name or str(source)
    try:
        with (warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
              Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image):
            image.load()
            upright = ImageOps.exif_transpose(image)
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} has more pixels than Pillow trusts ({error}). Usual cause: a file made to fill the "
                         "memory. If it is yours, cut it into pieces, or raise PIL.Image.MAX_IMAGE_PIXELS.") from error
    except (PermissionError, MemoryError):
        raise
    except Exception as error:       # a broken file brings decoders to nearly all of them
        raise ValueError(f"{name} is no picture that can be read ({error}). Usual cause: a broken download; "
                         "`course data verify` tells which files to fetch again. Or Pillow does not know its format."
                         ) from error
    if image.mode not in EIGHT_BITS:
        what = {"I": "whole numbers of 16 or 32 bits", "F": "floats"}.get(image.mode[0], f"of mode {image.mode}")
        raise ValueError(f"{name}: expected pixels of 8 bits, got {what}, which would be clipped. Scale them yourself: "
                         "torch.from_numpy(np.array(PIL.Image.open(path)) / 65535).float() for 16 bits; 65535 is the "
                         "largest number there can be.")
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise ValueError(f"{name} is transparent in parts, where its colour is whatever its program left there. Put "
                         "it on white first: picture = PIL.Image.open(path).convert('RGBA'), then PIL.Image."
                         "alpha_composite(PIL.Image.new('RGBA', picture.size, 'white'), picture).convert('RGB')"
                         ".save(other).")
    if not turned and "transparency" not in image.info:
        return source
    upright.info.pop("transparency", None)      # nothing is, and converting would warn of it
    stream = io.BytesIO()
    upright.save(stream, "TIFF")
    return stream.getvalue() if isinstance(source, bytes) else stream


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
