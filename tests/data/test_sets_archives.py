"""Archives are read with mistrust: names that lead out, files that grow without end, and sizes that lie are refused."""

import gzip
import io
import random
import struct
import tarfile
import zipfile

import pytest

from course_lib.data import archives

FILES = {"a/one.txt": b"one", "a/two.txt": b"two" * 100, "b/three.txt": b""}


def make_zip(path, content=FILES, **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("empty") if hasattr(archive, "mkdir") else None
        for name, of_file in content.items():
            archive.writestr(name, of_file, **more)
    return path


def make_tar(path, content=FILES):
    with tarfile.open(path, "w:gz") as archive:
        for name, of_file in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(of_file)
            archive.addfile(entry, io.BytesIO(of_file))
    return path


def test_a_zip_gives_the_chosen_files_in_the_order_of_the_choice(tmp_path):
    path = make_zip(tmp_path / "a.zip")
    shown = []
    chosen = list(archives.from_zip(path, lambda names: shown.extend(names) or ["b/three.txt", "a/one.txt"]))
    assert chosen == [("b/three.txt", b""), ("a/one.txt", b"one")] and sorted(shown) == sorted(FILES)


def test_a_tar_gives_the_wanted_files(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz")
    assert archives.from_tar(path, ["a/two.txt", "a/one.txt"]) == {k: FILES[k] for k in ("a/one.txt", "a/two.txt")}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:/evil", "C:\\evil"])
def test_a_name_that_leads_out_is_refused_even_where_nobody_wants_it(tmp_path, name):
    content = {"good.txt": b"good", name: b"evil"}
    with pytest.raises(archives.Broken, match="leads out of its folder"):
        list(archives.from_zip(make_zip(tmp_path / "a.zip", content), lambda names: ["good.txt"]))
    with pytest.raises(archives.Broken, match="leads out of its folder"):
        archives.from_tar(make_tar(tmp_path / "a.tar.gz", {name: b"evil", "good.txt": b"good"}), ["good.txt"])


@pytest.mark.parametrize("name", ["a..b/c.txt", "...", "a/b/..c"])
def test_dots_in_a_name_are_no_crime(tmp_path, name):
    assert dict(archives.from_zip(make_zip(tmp_path / "a.zip", {name: b"x"}), sorted)) == {name: b"x"}
    assert archives.from_tar(make_tar(tmp_path / "a.tar.gz", {name: b"x"}), [name]) == {name: b"x"}


def test_a_file_that_unpacks_beyond_its_bound_is_not_unpacked(tmp_path):
    bomb = {"bomb": bytes(10**7)}
    assert make_zip(tmp_path / "a.zip", bomb).stat().st_size < 20_000
    with pytest.raises(archives.Broken, match="bomb would unpack to 10000000 bytes, beyond the bound of 1000000"):
        list(archives.from_zip(tmp_path / "a.zip", sorted, largest=10**6))
    with pytest.raises(archives.Broken, match="bomb would unpack to 10000000 bytes"):
        archives.from_tar(make_tar(tmp_path / "a.tar.gz", bomb), ["bomb"], largest=10**6)


def test_a_tar_is_bounded_in_what_it_skips_too(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz", {"bomb": bytes(10**7), "good": b"good"})
    with pytest.raises(archives.Broken, match="unpacks to more than 1000000 bytes"):
        archives.from_tar(path, ["good"], total=10**6)
    assert archives.from_tar(path, ["good"], total=2 * 10**7) == {"good": b"good"}


def test_a_gzip_without_end_is_no_tar(tmp_path):
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(b"\1" * 10**6)
    with pytest.raises(archives.Broken, match="no archive that can be read"):
        archives.from_tar(tmp_path / "a.tar.gz", ["good"])


def test_a_size_that_is_a_lie_ends_in_an_error_and_not_in_memory(tmp_path):
    """The list at the end of the zip names 10 bytes for a file of ten million."""
    content = bytearray(make_zip(tmp_path / "a.zip", {"bomb": bytes(10**7)}).read_bytes())
    entry = content.rindex(b"PK\1\2")
    struct.pack_into("<I", content, entry + 24, 10)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(archives.Broken, match="no archive that can be read"):
        list(archives.from_zip(tmp_path / "a.zip", lambda names: ["bomb"], largest=1000))


def test_more_files_than_anybody_needs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST", 2)
    with pytest.raises(archives.Broken, match="beyond the bound of 2"):
        list(archives.from_zip(make_zip(tmp_path / "a.zip"), sorted))
    with pytest.raises(archives.Broken, match="beyond the bound of 2"):
        archives.from_tar(make_tar(tmp_path / "a.tar.gz"), ["b/three.txt"])


def flipped(content):
    """One bit changed, in the middle of a file that fills most of the archive."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]


@pytest.mark.parametrize(("make", "read"), [
    (make_zip, lambda path: list(archives.from_zip(path, sorted))),
    (make_tar, lambda path: archives.from_tar(path, ["noise", "last"])),
], ids=["zip", "tar"])
@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: b"no archive" * 100,
                                    lambda content: content[: len(content) // 2], flipped],
                         ids=["empty", "other", "half", "flipped"])
def test_a_damaged_archive_is_named(tmp_path, make, read, damage):
    noise = random.Random(0).randbytes(20_000)
    path = make(tmp_path / "a.bin", {"noise": noise, "last": b"last"})
    read(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(archives.Broken, match=r"a\.bin is no archive that can be read.*broken download"):
        read(path)


def test_a_file_that_is_not_in_the_archive_is_named(tmp_path):
    with pytest.raises(archives.Broken, match="a.zip holds no c.txt"):
        list(archives.from_zip(make_zip(tmp_path / "a.zip"), lambda names: ["c.txt"]))
    with pytest.raises(archives.Broken, match=r"a.tar.gz holds no c.txt"):
        archives.from_tar(make_tar(tmp_path / "a.tar.gz"), ["a/one.txt", "c.txt"])


def test_links_and_devices_of_a_tar_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/hostname"
            archive.addfile(entry)
    for name in ("link", "hard", "device"):
        with pytest.raises(archives.Broken, match=f"holds no {name}"):
            archives.from_tar(tmp_path / "a.tar.gz", [name])


def test_an_encrypted_zip_is_no_archive_for_us(tmp_path):
    content = bytearray(make_zip(tmp_path / "a.zip", {"a": b"a"}).read_bytes())
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.rindex(magic) + offset] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(archives.Broken, match="no archive that can be read"):
        list(archives.from_zip(tmp_path / "a.zip", lambda names: ["a"]))


def test_a_repacked_zip_depends_on_names_and_contents_only(tmp_path):
    made = []
    for number, content in enumerate((FILES, dict(reversed(FILES.items())), {**FILES, "a/one.txt": b"ONE"})):
        make_zip(tmp_path / "from.zip", {f"top/{name}": of_file for name, of_file in content.items()} | {"else": b""},
                 compresslevel=1 + number)
        archives.repack(tmp_path / "from.zip", tmp_path / "to.zip", inside="top/", into="new/",
                        date=(2019, 3, 31, 6, 35, 38))
        made.append((tmp_path / "to.zip").read_bytes())
    assert made[0] == made[1] != made[2]
    assert dict(archives.from_zip(tmp_path / "to.zip", sorted))["new/a/one.txt"] == b"ONE"
