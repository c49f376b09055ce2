"""Downloads from a server with bad habits: it cuts lines, ignores ranges, moves files away, sends pages for data."""

import hashlib
import io
import os
import random
import re
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from course_lib import cli, data
from course_lib.data import archives, downloads, sets

pytest.importorskip("requests")

BIG = random.Random(0).randbytes(300_000)
SMALL = b"small but whole\n"


@dataclass
class Server:
    """Files by path, how each is served, and what was asked for: (path, Range)."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)         # path -> bytes after which the line breaks, once
    ranges: bool = True
    restarts: bool = False                                     # asked for the rest, sends a part that is all of it
    status: dict[str, int] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)
    endless: set[str] = field(default_factory=set)             # sent without a length
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            content, first = state.files.get(self.path, b""), 0
            status = state.status.get(self.path, 200 if self.path in state.files else 404)
            if status == 200 and wanted and state.ranges:
                first = 0 if state.restarts else int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                status = 206 if first < len(content) else 416
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            elif status == 416:
                self.send_header("Content-Range", f"bytes */{len(content)}")
            body = content[first:] if status in (200, 206) else b""
            self.send_header("Content-Type", "text/html" if self.path in state.pages else "application/octet-stream")
            if self.path in state.endless:
                self.send_header("Connection", "close")
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            stop = state.cut.pop(self.path, None)
            self.wfile.write(body[:stop])
            if stop is not None:
                self.close_connection = True

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *words: object) -> None:
            """A client that hangs up is no news."""

    httpd = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{httpd.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()
    downloads._session.cache_clear()


@pytest.fixture
def toy(server, tmp_path, monkeypatch):
    """A set of a small and a big file on that server, and an empty COURSE_DATA."""
    server.files |= {"/toy/a.bin": SMALL, "/toy/below/b.bin": BIG}
    register(monkeypatch, tmp_path, {"a.bin": SMALL, "below/b.bin": BIG}, f"{server.address}/toy", size=400_000)
    return tmp_path / "data" / "Toy"


def register(monkeypatch, tmp_path, content, address, **more):
    (tmp_path / "hashes").mkdir(exist_ok=True)
    listed = "".join(f"{hashlib.sha256(of_file).hexdigest()}  {name}\n" for name, of_file in content.items())
    (tmp_path / "hashes" / "Toy.sha256").write_text(listed)
    monkeypatch.setattr(sets, "HASHES", tmp_path / "hashes")
    monkeypatch.setitem(sets.SETS, "Toy", sets.DataSet("Toy", "two files", address, "us", "none", **more))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    sets._hashes.cache_clear()


@pytest.fixture(autouse=True)
def forget_hashes():
    yield
    sets._hashes.cache_clear()


def lying(folder):
    """All files in a folder, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# A good day ----------------------------------------------------------------------------------------------------------


def test_files_arrive_in_their_folders_and_nothing_else_is_left(toy, server):
    assert data.download("Toy") == toy
    assert lying(toy) == ["a.bin", "below/b.bin"] and data.verify("Toy") == {}
    assert server.asked == [("/toy/a.bin", None), ("/toy/below/b.bin", None)]
    data.download("Toy")
    assert len(server.asked) == 2


def test_a_server_that_tells_no_length_is_fine(toy, server):
    server.endless.add("/toy/below/b.bin")
    data.download("Toy")
    assert data.verify("Toy") == {}


# A line that breaks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [0, 1, 150_000, len(BIG) - 1])
def test_a_broken_line_goes_on_where_it_broke(toy, server, stop):
    server.cut["/toy/below/b.bin"] = stop
    with pytest.raises(ConnectionError, match="b.bin"):
        data.download("Toy")
    assert data.verify("Toy") == {"below/b.bin": "missing"}
    kept = toy / "below" / ".b.bin.part"
    kept = kept.stat().st_size if kept.exists() else 0
    assert kept <= stop
    data.download("Toy")
    assert data.verify("Toy") == {} and lying(toy) == ["a.bin", "below/b.bin"]
    assert server.asked[-1] == ("/toy/below/b.bin", f"bytes={kept}-" if kept else None)


def test_what_came_before_the_break_is_not_fetched_again(toy, server):
    server.cut["/toy/below/b.bin"] = 290_000
    with pytest.raises(ConnectionError, match=r"kept: run it again, and it goes on from there"):
        data.download("Toy")
    assert (toy / "below" / ".b.bin.part").stat().st_size > 200_000    # whole blocks


def test_a_server_without_ranges_sends_all_of_it_again(toy, server):
    server.ranges, server.cut["/toy/below/b.bin"] = False, 290_000
    with pytest.raises(ConnectionError):
        data.download("Toy")
    data.download("Toy")
    assert server.asked[-1][1] is not None and data.verify("Toy") == {} and lying(toy) == ["a.bin", "below/b.bin"]


def test_a_beginning_of_another_file_is_thrown_away_and_fetched_anew(toy, server):
    (toy / "below").mkdir(parents=True)
    (toy / "below" / ".b.bin.part").write_bytes(b"something else" * 1000)
    data.download("Toy")
    assert data.verify("Toy") == {}
    assert [asked for path, asked in server.asked if path.endswith("b.bin")] == ["bytes=14000-", None]


@pytest.mark.parametrize("size", [len(BIG), len(BIG) + 5])
def test_a_part_that_is_complete_or_too_long_ends_well(toy, server, size):
    (toy / "below").mkdir(parents=True)
    (toy / "below" / ".b.bin.part").write_bytes((BIG + b"12345")[:size])
    data.download("Toy")
    assert data.verify("Toy") == {} and lying(toy) == ["a.bin", "below/b.bin"]


def test_another_range_than_the_one_asked_for_is_no_continuation(toy, server):
    """Added to what is here it would make a wrong file, and a third download."""
    server.restarts, server.cut["/toy/below/b.bin"] = True, 290_000
    with pytest.raises(ConnectionError):
        data.download("Toy")
    data.download("Toy")
    assert data.verify("Toy") == {} and len(server.asked) == 3


# What is not the file ------------------------------------------------------------------------------------------------


def test_a_wrong_checksum_keeps_nothing(toy, server):
    server.files["/toy/below/b.bin"] = BIG[:-1] + b"?"
    with pytest.raises(ValueError, match=r"b\.bin: what came.*wrong checksum \(300000 bytes.*nothing was kept"):
        data.download("Toy")
    assert lying(toy) == ["a.bin"]


def test_an_old_file_stays_until_the_new_one_is_right(toy, server):
    data.download("Toy")
    (toy / "a.bin").write_bytes(b"changed by hand")
    server.files["/toy/a.bin"] = b"wrong"
    with pytest.raises(ValueError, match="wrong checksum"):
        data.download("Toy")
    assert (toy / "a.bin").read_bytes() == b"changed by hand"


@pytest.mark.parametrize(("status", "cause"), [(404, "moved or taken it away"), (403, "not give it to everybody"),
                                               (429, "too many downloads"), (500, "a bad day")])
def test_an_answer_that_is_an_error_names_its_usual_cause(toy, server, status, cause):
    server.status["/toy/a.bin"] = status
    with pytest.raises(ConnectionError, match=f"the server answered {status} .*{cause}"):
        data.download("Toy")
    assert lying(toy) == []


def test_a_page_instead_of_data_is_recognised(toy, server):
    server.files["/toy/a.bin"], server.pages = b"<html>Please log in</html>", {"/toy/a.bin"}
    with pytest.raises(ConnectionError, match="a web page instead of the file.*log in first"):
        data.download("Toy")
    assert lying(toy) == []


def test_a_page_does_not_destroy_what_has_come(toy, server):
    server.cut["/toy/below/b.bin"] = 290_000
    with pytest.raises(ConnectionError):
        data.download("Toy")
    kept = (toy / "below" / ".b.bin.part").stat().st_size
    server.pages, server.ranges = {"/toy/below/b.bin"}, False
    with pytest.raises(ConnectionError, match="web page"):
        data.download("Toy")
    assert (toy / "below" / ".b.bin.part").stat().st_size == kept


@pytest.mark.parametrize("endless", [False, True])
def test_a_file_beyond_its_bound_does_not_fill_the_disk(toy, server, endless):
    server.files["/toy/a.bin"] = bytes(2_000_000)
    server.endless = {"/toy/a.bin"} if endless else set()
    with pytest.raises(ValueError, match="where at most 400000 are expected"):
        data.download("Toy")
    assert lying(toy) == []


def test_a_full_disk_is_told_and_the_part_is_kept(toy, server, monkeypatch):
    import builtins
    import errno

    def full(path, *words, **more):
        if str(path).endswith(".part"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return builtins.open(path, *words, **more)

    monkeypatch.setattr(downloads, "open", full, raising=False)
    with pytest.raises(OSError, match="the disk is full: .*Free some space and run it again"):
        data.download("Toy")


def test_offline_the_error_says_what_to_do(tmp_path):
    fetch = downloads.fetcher(largest=10, home=tmp_path)
    with pytest.raises(ConnectionError, match="Without a network, copy the set into .* by hand"):
        fetch("http://127.0.0.1:9/none.png", tmp_path / "none.part")
    assert lying(tmp_path) == []


def test_the_command_answers_in_one_line(toy, server, capsys):
    server.status["/toy/a.bin"] = 404
    assert cli.main(["data", "get", "Toy"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines()[-1].startswith("course: could not fetch http://127.0.0.1")
    del server.status["/toy/a.bin"]
    assert cli.main(["data", "get", "Toy"]) == 0 and cli.main(["data", "verify", "Toy"]) == 0
    assert "all 2 files are as they should be" in capsys.readouterr().out


# In one piece --------------------------------------------------------------------------------------------------------

MANY = {f"{kind}/{i}.jpg": f"{kind} {i}".encode() for kind in ("glass", "metal") for i in range(40)}


def zipped(content, inside="repository-1/deep/"):
    """A zip as a repository's page makes it: one more folder, and files nobody wants."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("repository-1/README.md", "hello")
        for name, of_file in sorted(content.items(), reverse=True):
            archive.writestr(inside + name, of_file)
    return stream.getvalue()


@pytest.fixture
def many(server, tmp_path, monkeypatch):
    """A set of 80 files and a licence from elsewhere, with an archive of the 80."""
    content = {**MANY, "LICENSE": b"free"}
    server.files |= {f"/many/{name}": of_file for name, of_file in MANY.items()}
    server.files |= {"/else/LICENSE": b"free", "/archive.zip": zipped(MANY)}
    register(monkeypatch, tmp_path, content, f"{server.address}/many",
             elsewhere={"LICENSE": f"{server.address}/else/LICENSE"},
             archive=downloads.Archive(f"{server.address}/archive.zip", "repository-1/deep/"))
    return tmp_path / "data" / "Toy"


def test_many_files_come_in_one_archive_and_the_others_from_their_places(many, server):
    data.download("Toy")
    assert server.asked == [("/archive.zip", None), ("/else/LICENSE", None)]
    assert data.verify("Toy") == {} and lying(many) == sorted([*MANY, "LICENSE"])


def test_few_files_come_one_by_one(many, server):
    data.download("Toy")
    server.asked.clear()
    (many / "glass/7.jpg").write_bytes(b"broken")
    data.download("Toy")
    assert server.asked == [("/many/glass/7.jpg", None)] and data.verify("Toy") == {}


def test_what_an_archive_holds_wrong_is_fetched_by_itself(many, server):
    server.files["/archive.zip"] = zipped({**MANY, "glass/3.jpg": b"another"})
    data.download("Toy")
    assert ("/many/glass/3.jpg", None) in server.asked and len(server.asked) == 3 and data.verify("Toy") == {}


def test_an_archive_is_resumed_like_any_file(many, server):
    server.files["/archive.zip"] = zipped({**MANY, "metal/big.bin": BIG})
    server.cut["/archive.zip"] = 290_000
    with pytest.raises(ConnectionError):
        data.download("Toy")
    kept = (many / ".Toy.archive.part").stat().st_size
    data.download("Toy")
    assert ("/archive.zip", f"bytes={kept}-") in server.asked
    assert data.verify("Toy") == {} and lying(many) == sorted([*MANY, "LICENSE"])


def test_a_broken_archive_is_removed_and_named(many, server):
    server.files["/archive.zip"] = b"PK no zip"
    with pytest.raises(ValueError, match="no archive that can be read"):
        data.download("Toy")
    assert lying(many) == []


def test_an_archive_cannot_write_where_it_likes(many, server, tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("repository-1/deep/../../../../evil.jpg", b"evil")
    server.files["/archive.zip"] = stream.getvalue()
    with pytest.raises(ValueError, match="leads out of its folder"):
        data.download("Toy")
    assert not list(tmp_path.rglob("evil*")) and lying(many) == []


@pytest.fixture
def packed(server, tmp_path, monkeypatch):
    """A set that is one zip at the root, made of the files of an archive."""
    archive = downloads.Archive(f"{server.address}/archive.zip", "repository-1/deep/", packed="toy/",
                                date=(2019, 3, 31, 6, 35, 38))
    server.files["/archive.zip"] = zipped(MANY)
    (tmp_path / "source.zip").write_bytes(zipped(MANY))
    archives.repack(tmp_path / "source.zip", tmp_path / "toy.zip", inside=archive.inside, into=archive.packed,
                    date=archive.date)
    expected = (tmp_path / "toy.zip").read_bytes()
    register(monkeypatch, tmp_path, {"toy.zip": expected}, "", place="", archive=archive)
    return expected


def test_a_zip_is_made_anew_to_the_same_bytes(packed, server, tmp_path):
    server.files["/archive.zip"] = zipped(dict(reversed(MANY.items()))) + b""      # order and dates differ
    assert data.download("Toy") == data.root() == tmp_path / "data"
    assert (data.root() / "toy.zip").read_bytes() == packed and lying(data.root()) == ["toy.zip"]
    with zipfile.ZipFile(data.root() / "toy.zip") as archive:
        assert archive.namelist() == sorted(f"toy/{name}" for name in MANY)
        assert {info.date_time for info in archive.infolist()} == {(2019, 3, 31, 6, 35, 38)}
        assert archive.read("toy/glass/7.jpg") == b"glass 7"


def test_a_zip_of_other_files_is_refused(packed, server):
    server.files["/archive.zip"] = zipped({**MANY, "glass/3.jpg": b"another"})
    with pytest.raises(ValueError, match=r"toy\.zip: what came.*wrong checksum"):
        data.download("Toy")
    assert lying(data.root()) == []


@pytest.mark.slow
def test_the_real_zip_of_cifar10_is_one_that_can_be_made_anew(course_data, tmp_path):
    """Its bytes follow from names and contents: packed again from itself it has the same hash."""
    entry = data.SETS["cifar10_jpeg"]
    real = course_data / "cifar10_jpeg.zip"
    if not real.is_file():
        pytest.skip("cifar10_jpeg is not here")
    archives.repack(real, tmp_path / "again.zip", inside=entry.archive.packed, into=entry.archive.packed,
                    date=entry.archive.date)
    assert hashlib.sha256((tmp_path / "again.zip").read_bytes()).hexdigest() == entry.hashes["cifar10_jpeg.zip"]


# The network's settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("proxy", "said"), [
    ("socks5://127.0.0.1:9", "HTTPS_PROXY names a SOCKS proxy, which needs PySocks: pip install pysocks, or unset it"),
    ("socks5h://me:secret@127.0.0.1:9", "names a SOCKS proxy, which needs PySocks"),
    ("http://", "HTTPS_PROXY names a proxy that is wrong or away: correct it, or unset it"),
    ("ftp://127.0.0.1:9", "names a proxy that is wrong or away"),
    ("http://127.0.0.1:99999", "names a proxy that is wrong or away"),
    ("http://127.0.0.1:9", "names a proxy that is wrong or away"),
])
def test_a_proxy_that_cannot_be_used_is_named_and_its_password_is_not(proxy, said, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "socks", None)          # PySocks is not installed
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    fetch = downloads.fetcher(largest=100, home=tmp_path)
    with pytest.raises(ConnectionError, match="could not fetch https://example.invalid/a") as error:
        fetch("https://example.invalid/a", tmp_path / "a")
    assert said in str(error.value) and "secret" not in str(error.value)


def test_certificates_that_are_not_there_are_said_to_be_so(tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(ConnectionError, match="nowhere.pem.*REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE that names no file"):
        downloads.fetcher(largest=100, home=tmp_path)("https://127.0.0.1:9/a", tmp_path / "a")
