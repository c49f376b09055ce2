"""Getting files of a set: nothing takes its place unchecked, and a download that breaks off goes on where it stopped.

What is under way lies hidden beside the file it will be, as `.<file>.part`. A server that can send the rest of a file
(HTTP Range) is asked for the rest; from any other the file comes anew. The last word is always the hash.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib import files
from course_lib.data import archives

if TYPE_CHECKING:
    from requests import Response, Session

MIB = 2**20
LARGEST = 256 * MIB      # bytes of a download whose size nobody has told
ONE_BY_ONE = 50          # so many files are fetched singly although there is an archive of them
SHOWN = 4 * MIB          # a download from this size on has a progress bar of its own

Fetch = Callable[[str, Path], None]


@dataclass(frozen=True)
class Archive:
    """A zip that holds all files of a set in one piece. It is a means of transport: what counts is each file's hash."""

    address: str
    inside: str                                      # the folder of the archive that is wanted
    packed: str = ""                                 # the set is one zip with the files in this folder, not the files
    date: tuple[int, int, int, int, int, int] = (1980, 1, 1, 0, 0, 0)   # of the files in that zip
    largest: int = LARGEST


def get_all(name: str, folder: Path, wanted: Mapping[str, str], where: Callable[[str], str],
            archive: Archive | None, fetch: Fetch) -> None:
    """Get files (name -> hash) into the folder of a set, in one piece or one by one."""
    from tqdm.auto import tqdm

    require_writable(folder)
    with tqdm(total=len(wanted), desc=name, unit="file") as bar:
        rest = dict(wanted)
        if archive is not None and (archive.packed or len(rest) > ONE_BY_ONE):
            for file in _through(archive, name, folder, wanted, fetch):
                del rest[file]
                bar.update()
        for file, expected in rest.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            get(where(file), folder / file, expected, fetch)
            bar.update()


def get(address: str, path: Path, expected: str, fetch: Fetch) -> None:
    """Get one file: fetched beside its place, and moved there if its hash is the expected one."""
    part = _part(path)
    begun = part.exists()             # by an earlier call
    fetch(address, part)              # a broken line leaves the part for the next time
    try:
        _settle(part, path, expected, address)
    except ValueError:
        if not begun:
            raise
        get(address, path, expected, fetch)   # once more: the beginning may have been of another file


def fetcher(*, largest: int, home: Path) -> Fetch:
    """Make the function that brings the bytes of an address into a file; no download may be larger than `largest`
    bytes."""
    return partial(_fetch, largest=largest, home=home)


def require_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise PermissionError(f"{folder} cannot be written. Usual cause: a shared COURSE_DATA that is read-only: ask "
                              "who keeps it, or point COURSE_DATA to a folder of your own.")


def _through(archive: Archive, name: str, folder: Path, wanted: Mapping[str, str], fetch: Fetch) -> Iterator[str]:
    """Fetch an archive and take the wanted files out of it; the names of those that came right are the answer."""
    whole = _part(folder / f"{name}.archive")
    fetch(archive.address, whole)
    try:
        if archive.packed:
            (file, expected), = wanted.items()
            archives.repack(whole, _part(folder / file), inside=archive.inside, into=archive.packed, date=archive.date)
            _settle(_part(folder / file), folder / file, expected, archive.address)
            yield file
            return
        here = {archive.inside + file: file for file in wanted}
        for there, content in archives.from_zip(whole, lambda names: [name for name in names if name in here]):
            path = folder / here[there]
            if hashlib.sha256(content).hexdigest() == wanted[here[there]]:
                path.parent.mkdir(parents=True, exist_ok=True)
                _part(path).write_bytes(content)
                os.replace(_part(path), path)
                yield here[there]
    finally:
        whole.unlink()


def _settle(part: Path, path: Path, expected: str, address: str) -> None:
    """Move a part to its place if its hash is the expected one, else remove it and say what came."""
    came, size = files.sha256(part), part.stat().st_size
    if came != expected:
        part.unlink()
        raise ValueError(f"{path.name}: what came from {address} has the wrong checksum ({size} bytes, "
                         f"sha256 {came[:12]}... instead of {expected[:12]}...). Usual cause: a broken or redirected "
                         "download; nothing was kept. Try again, or fetch the file by hand.")
    os.replace(part, path)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _fetch(address: str, path: Path, *, largest: int, home: Path) -> None:
    import requests
    from tqdm.auto import tqdm

    begun = path.stat().st_size if path.exists() else 0
    asked = {"Accept-Encoding": "identity", **({"Range": f"bytes={begun}-"} if begun else {})}
    try:
        with _session().get(address, headers=asked, stream=True, timeout=30) as answer:
            if begun and answer.status_code == 416:        # there is no rest
                if answer.headers.get("Content-Range") == f"bytes */{begun}":
                    return
                path.unlink()                              # what is here is no part of it
                return _fetch(address, path, largest=largest, home=home)
            _require_data(answer, address)
            if not _continues(answer, begun):
                begun = 0
            length = answer.headers.get("Content-Length", "")
            total = begun + int(length) if length.isdigit() and "Content-Encoding" not in answer.headers else None
            _require_bounded(total or 0, largest, address, path)
            with (open(path, "ab" if begun else "wb") as stream,
                  tqdm(total=total, initial=begun, desc=address.rsplit("/", 1)[-1], unit="B", unit_scale=True,
                       leave=False, disable=total is not None and total < SHOWN) as bar):
                for block in answer.iter_content(MIB // 4):
                    begun += len(block)
                    _require_bounded(begun, largest, address, path)
                    stream.write(block)
                    bar.update(len(block))
    except requests.RequestException as error:
        kept = path.stat().st_size if path.exists() else 0
        again = f" {kept} bytes have come and are kept: run it again, and it goes on from there." if kept else ""
        raise ConnectionError(f"could not fetch {address}: {type(error).__name__}.{_proxy(error)}{again} Without a "
                              f"network, copy the set into {home} by hand; `course data list` names its files' home."
                              ) from error
    except OSError as error:
        if "TLS CA certificate" in str(error):
            raise ConnectionError(f"could not fetch {address}: {error}. Usual cause: a REQUESTS_CA_BUNDLE or "
                                  "CURL_CA_BUNDLE that names no file: unset it.") from error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(error.errno, f"the disk is full: {path.parent} has no room for what comes from {address}. "
                                   "Free some space and run it again; what has come is kept") from error
    if total is not None and begun < total:
        raise ConnectionError(f"the line broke after {begun} of {total} bytes of {address}. They are kept: run it "
                              "again, and it goes on from there.")


def _proxy(error: Exception) -> str:
    """What to do where the proxy that the environment names is the cause; its address may hold a password."""
    import requests

    named = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    about = requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | requests.exceptions.ProxyError
    if not named or not isinstance(error, about):
        return ""
    if "SOCKS" in str(error):
        return f" {' and '.join(named)} names a SOCKS proxy, which needs PySocks: pip install pysocks, or unset it."
    return f" Usual cause: {' and '.join(named)} names a proxy that is wrong or away: correct it, or unset it."


def _continues(answer: Response, begun: int) -> bool:
    """Whether an answer is the rest of a file of which so many bytes are here."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status_code == 206 and found is not None and int(found[1]) == begun


def _require_data(answer: Response, address: str) -> None:
    """Refuse an error, and a page that came in the place of data."""
    if answer.status_code not in (200, 206):
        cause = {404: "the source has moved or taken it away", 403: "the source does not give it to everybody",
                 429: "too many downloads in a short time; wait some minutes"}.get(answer.status_code,
                                                                                  "the source has a bad day; try later")
        raise ConnectionError(f"could not fetch {address}: the server answered {answer.status_code} {answer.reason}. "
                              f"Usual cause: {cause}.")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise ConnectionError(f"{address} brought a web page instead of the file. Usual cause: a network that wants "
                              "you to log in first: open any page in a browser, then try again.")


def _require_bounded(size: int, largest: int, address: str, path: Path) -> None:
    """Refuse what is larger than it can be, before it fills the disk."""
    if size > largest:
        path.unlink(missing_ok=True)
        raise ValueError(f"{address} sends {size} bytes or more, where at most {largest} are expected. Usual cause: "
                         "the source has put something else there; nothing was kept.")


@cache
def _session() -> Session:
    import requests

    return requests.Session()
