"""Named sets: verified, resumed, refused when wrong, honest when offline or read-only."""

import hashlib
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from course_lib import data
from course_lib.data import sets

PICTURES = {"a.png": 10, "b.png": 20}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A set of two pictures: its registry entry, its server as a folder, and an empty COURSE_DATA."""
    server = tmp_path / "server"
    server.mkdir()
    for name, value in PICTURES.items():
        Image.new("L", (8, 8), value).save(server / name)
    listed = "".join(f"{hashlib.sha256((server / name).read_bytes()).hexdigest()}  {name}\n" for name in PICTURES)
    (tmp_path / "Toy.sha256").write_text(listed)
    monkeypatch.setattr(sets, "HASHES", tmp_path)
    monkeypatch.setitem(sets.SETS, "Toy", sets.DataSet("Toy", "two gray squares", str(server), "us", "none"))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    sets._hashes.cache_clear()
    yield server
    sets._hashes.cache_clear()


def copy(address: str, path: Path) -> None:
    copy.calls.append(Path(address).name)
    path.write_bytes(Path(address).read_bytes())


@pytest.fixture(autouse=True)
def forget_calls():
    copy.calls = []


def test_a_set_is_fetched_verified_and_loaded(toy):
    assert data.find("Toy") is None
    data.download("Toy", fetch=copy)
    assert data.verify("Toy") == {} and data.find("Toy") == data.root() / "Toy"
    pictures = data.load("Toy")
    assert list(pictures) == ["a", "b"] and pictures["b"].eq(20).all() and pictures["b"].dtype == torch.uint8
    assert list(data.load("Toy", first=1)) == ["a"]


def test_a_second_call_fetches_only_what_is_missing_or_broken(toy):
    data.download("Toy", fetch=copy)
    (data.root() / "Toy" / "b.png").write_bytes(b"broken")
    assert data.verify("Toy") == {"b.png": "changed"}
    copy.calls = []
    data.download("Toy", fetch=copy)
    assert copy.calls == ["b.png"] and data.verify("Toy") == {}
    data.download("Toy", fetch=copy)
    assert copy.calls == ["b.png"]


def test_a_download_that_breaks_off_is_resumed(toy):
    def breaks(address, path):
        if address.endswith("b.png"):
            path.write_bytes(b"half")
            raise ConnectionError("the line went dead")
        copy(address, path)

    with pytest.raises(ConnectionError):
        data.download("Toy", fetch=breaks)
    assert data.verify("Toy") == {"b.png": "missing"}
    assert sorted(os.listdir(data.root() / "Toy")) == ["a.png"]
    data.download("Toy", fetch=copy)
    assert copy.calls == ["a.png", "b.png"]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", "truncated"])
def test_a_wrong_or_truncated_file_is_never_kept(toy, content):
    def wrong(address, path):
        path.write_bytes(Path(address).read_bytes()[:20] if content == "truncated" else content)

    with pytest.raises(ValueError, match="a.png: what came.*wrong checksum.*nothing was kept"):
        data.download("Toy", fetch=wrong)
    assert os.listdir(data.root() / "Toy") == []


def test_offline_the_error_says_what_to_do():
    with pytest.raises((ConnectionError, RuntimeError), match="Without a network, copy the set|use no network"):
        sets._fetch("http://127.0.0.1:9/none.png", Path(os.devnull))


def test_a_missing_set_names_the_command(toy):
    with pytest.raises(FileNotFoundError, match="course data get Toy"):
        data.load("Toy")


def test_an_unknown_set_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean 'Set12'"):
        data.load("Set13")


def test_a_shared_read_only_folder_is_read_and_never_written(toy, monkeypatch):
    data.download("Toy", fetch=copy)
    monkeypatch.setattr(sets.os, "access", lambda path, mode: False)   # chmod does not bind root
    assert data.verify("Toy") == {} and data.load("Toy") and data.download("Toy", fetch=copy)
    (data.root() / "Toy" / "a.png").unlink()
    with pytest.raises(PermissionError, match="read-only"):
        data.download("Toy", fetch=copy)


def test_a_picture_that_is_none_is_named(tmp_path):
    from course_lib.data import images

    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png is no picture.*course data verify"):
        images.read(tmp_path / "a.png")


@pytest.mark.parametrize(("name", "count"), [("Set12", 12), ("BSD68", 68), ("Train400", 400)])
def test_the_registry_lists_every_file_once(name, count):
    hashes = data.SETS[name].hashes
    assert len(hashes) == len(set(hashes.values())) == count
    assert all(len(digest) == 64 for digest in hashes.values())


@pytest.mark.parametrize("name", ["Set12", "BSD68", "Train400"])
def test_the_real_sets_are_those_listed(course_data, name):
    assert data.verify(name) == {}
    first = next(iter(data.load(name, first=1).values()))
    assert first.shape[0] == 1 and min(first.shape[1:]) >= 180


@pytest.mark.full
@pytest.mark.skipif(os.environ.get("COURSE_NETWORK") != "1", reason="not run: real downloads need COURSE_NETWORK=1")
def test_the_real_download_of_set12(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    data.download("Set12")
    assert data.verify("Set12") == {}
