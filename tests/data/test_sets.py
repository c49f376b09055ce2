"""Named sets: verified, resumed, refused when wrong, honest when offline or read-only."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from course_lib import data
from course_lib.data import downloads, sets

PICTURES = {"a.png": 10, "b.png": 20}
COUNTS = {"Set12": 12, "BSD68": 68, "CBSD68": 68, "Train400": 400, "nam": 51, "orl_faces": 401, "olivetti": 1,
          "omniglot": 4, "trashnet": 2532, "cifar10": 1, "cifar10_jpeg": 1}
ABSENT = {"olivetti", "cifar10"}    # whose archives are not among the data for tests


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


def visible(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


# Getting and checking ------------------------------------------------------------------------------------------------


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
    assert data.verify("Toy") == {"b.png": "missing"} and visible(data.root() / "Toy") == ["a.png"]
    data.download("Toy", fetch=copy)
    assert copy.calls == ["a.png", "b.png"]
    assert sorted(os.listdir(data.root() / "Toy")) == ["a.png", "b.png"]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", "truncated"])
def test_a_wrong_or_truncated_file_is_never_kept(toy, content):
    def wrong(address, path):
        path.write_bytes(Path(address).read_bytes()[:20] if content == "truncated" else content)

    with pytest.raises(ValueError, match="a.png: what came.*wrong checksum.*nothing was kept"):
        data.download("Toy", fetch=wrong)
    assert os.listdir(data.root() / "Toy") == []


def test_a_missing_set_names_the_command(toy):
    with pytest.raises(FileNotFoundError, match="course data get Toy"):
        data.load("Toy")


def test_an_unknown_set_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean 'Set12'"):
        data.load("Set13")


def test_a_shared_read_only_folder_is_read_and_never_written(toy, monkeypatch):
    data.download("Toy", fetch=copy)
    monkeypatch.setattr(downloads.os, "access", lambda path, mode: False)   # chmod does not bind root
    assert data.verify("Toy") == {} and data.load("Toy") and data.download("Toy", fetch=copy)
    (data.root() / "Toy" / "a.png").unlink()
    with pytest.raises(PermissionError, match="read-only"):
        data.download("Toy", fetch=copy)


@pytest.mark.parametrize("name", COUNTS)
def test_no_set_is_fetched_into_a_read_only_root(name, tmp_path, monkeypatch):
    def never(address, path):
        pytest.fail(f"{address} was fetched")

    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setattr(downloads.os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="read-only: ask who keeps it"):
        data.download(name, fetch=never)


@pytest.mark.parametrize("name", COUNTS)
def test_a_set_that_is_not_here_names_the_command_that_gets_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert data.find(name) is None and set(data.verify(name).values()) == {"missing"}
    read = {"images": data.load, "pairs": data.pairs, "labelled": data.labelled}[data.SETS[name].kind]
    with pytest.raises(FileNotFoundError, match=f"course data get {name}"):
        read(name)


def test_a_picture_that_is_none_is_named(tmp_path):
    from course_lib.data import images

    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png is no picture.*course data verify"):
        images.read(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is no picture.*course data verify"):
        images.decode(b"no picture", channels=1, name="a.png")


# The registry --------------------------------------------------------------------------------------------------------


def test_every_set_is_counted_here():
    assert set(COUNTS) == set(data.SETS)


@pytest.mark.parametrize("name", COUNTS)
def test_the_registry_lists_every_file_with_a_hash_an_address_and_whose_it_is(name):
    entry = data.SETS[name]
    assert len(entry.hashes) == COUNTS[name]
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in entry.hashes.values())
    assert entry.licence and entry.credit and entry.source and entry.description
    for file in entry.hashes:
        assert not file.startswith("/") and ".." not in file.split("/")
        if not (entry.archive and entry.archive.packed):
            assert entry.where(file).startswith("https://") and entry.where(file).count("//") == 1
    if entry.archive:
        assert entry.archive.address.startswith("https://")


@pytest.mark.parametrize(("name", "file", "address"), [
    ("CBSD68", "101085.png", "raw.githubusercontent.com/cszn/FFDNet/master/testsets/CBSD68/101085.png"),
    ("nam", "Nam_patches/01_noise.png", "GuoShi28/CBDNet/HEAD/testsets/Nam_patches/01_noise.png"),
    ("omniglot", "images_background_small1.zip", "omniglot/master/python/images_background_small1.zip"),
    ("omniglot", "all_runs.zip", "omniglot/master/python/one-shot-classification/all_runs.zip"),
    ("omniglot", "LICENSE", "omniglot/master/LICENSE"),
    ("trashnet", "data/zero-indexed-files.txt", "garythung/trashnet/master/data/zero-indexed-files.txt"),
    ("trashnet", "glass/glass1.jpg", "data/dataset-resized/glass/glass1.jpg"),
    ("cifar10", "cifar-10-binary.tar.gz", "www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),
])
def test_files_of_one_set_may_come_from_several_places(name, file, address):
    assert data.SETS[name].where(file).endswith(address)


def test_no_two_pictures_of_a_test_set_are_the_same():
    for name in ("Set12", "BSD68", "CBSD68", "Train400"):
        assert len(set(data.SETS[name].hashes.values())) == COUNTS[name]


def test_the_olivetti_faces_are_those_that_scikit_learn_fetches():
    faces = pytest.importorskip("sklearn.datasets._olivetti_faces").FACES
    entry = data.SETS["olivetti"]
    assert entry.hashes == {"olivettifaces.mat": faces.checksum} and entry.where("olivettifaces.mat") == faces.url


def test_the_list_and_the_registry_need_no_torch(root):
    program = ("import sys; from course_lib import cli, data; cli.main(['data', 'list']); data.find('Set12');"
               " print(sorted({'torch', 'numpy', 'PIL', 'requests', 'tqdm'} & set(sys.modules)))")
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_what_is_imported_later_is_the_same_and_is_listed():
    from course_lib.data import readers, sources

    assert data.patches is sources.patches and data.labelled is readers.labelled and data.Source is sources.Source
    assert set(dir(data)) == set(data.__all__) and all(hasattr(data, name) for name in data.__all__)
    assert callable(data.photographs)      # the function, though a module has this name, too
    with pytest.raises(AttributeError, match="no attribute 'pach'"):
        data.pach  # noqa: B018


# The real ones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(COUNTS) - ABSENT))
def test_the_real_sets_are_those_listed(course_data, name):
    assert data.verify(name) == {} and data.find(name) == data.SETS[name].folder
    assert sum((data.SETS[name].folder / file).stat().st_size for file in data.SETS[name].hashes) \
        == data.SETS[name].size


@pytest.mark.parametrize("name", sorted(set(COUNTS) - ABSENT))
def test_the_hashes_are_those_of_the_list_that_lies_beside_the_data(course_data, name):
    lines = (course_data / "checksums.sha256").read_text().splitlines()
    listed = {file: digest for digest, file in (line.split(maxsplit=1) for line in lines)}
    prefix = "./" if data.SETS[name].place == "" else f"./{name}/"
    mine = {f"{prefix}{file}": digest for file, digest in data.SETS[name].hashes.items()}
    assert mine.items() <= listed.items()
    if prefix != "./":
        assert set(mine) == {file for file in listed if file.startswith(prefix)}


@pytest.mark.parametrize("name", sorted(set(COUNTS) - ABSENT - {"cifar10_jpeg"}))  # one file
def test_one_changed_byte_of_a_real_set_is_found_and_named(course_data, name, tmp_path, monkeypatch):
    entry = data.SETS[name]
    real = entry.folder
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    for file in entry.hashes:
        (entry.folder / file).parent.mkdir(parents=True, exist_ok=True)
        (entry.folder / file).symlink_to(real / file)
    changed, missing = list(entry.hashes)[1:3]
    content = bytearray((real / changed).read_bytes())
    content[len(content) // 2] ^= 1
    (entry.folder / changed).unlink()
    (entry.folder / changed).write_bytes(content)
    (entry.folder / missing).unlink()
    assert data.verify(name) == {changed: "changed", missing: "missing"}


@pytest.mark.parametrize(("name", "count", "channels", "shapes"), [
    ("Set12", 12, 1, {(256, 256), (512, 512)}), ("BSD68", 68, 1, {(321, 481), (481, 321)}),
    ("CBSD68", 68, 3, {(321, 481), (481, 321)}), ("Train400", 400, 1, {(180, 180)}),
])
def test_the_real_pictures_have_the_shapes_of_their_description(course_data, name, count, channels, shapes):
    pictures = data.load(name)
    assert len(pictures) == count and {tuple(picture.shape[1:]) for picture in pictures.values()} == shapes
    assert {(picture.shape[0], picture.dtype) for picture in pictures.values()} == {(channels, torch.uint8)}


def test_the_colour_set_shows_the_pictures_of_the_gray_one(course_data):
    """By content, whatever the names: the luma of a colour picture is nearer to its own gray picture than to others."""
    from course_lib.data import images

    gray = {name: picture for name, picture in data.load("BSD68").items() if picture.shape[1] == 321}
    for file in list(data.SETS["CBSD68"].hashes)[:6]:
        luma = images.read(data.SETS["CBSD68"].folder / file, channels=1).float()
        if luma.shape[1] == 321:
            distances = sorted((luma - other.float()).abs().mean().item() for other in gray.values())
            assert distances[0] < 2 < 10 < distances[1]


@pytest.mark.full
@pytest.mark.skipif(os.environ.get("COURSE_NETWORK") != "1", reason="not run: real downloads need COURSE_NETWORK=1")
@pytest.mark.parametrize("name", COUNTS)
def test_the_real_download_of_a_set(name, tmp_path, root):
    """In a process of its own, which the guard against the network does not watch."""
    outside = {**os.environ, "PYTHONPATH": str(root), "COURSE_DATA": str(tmp_path)}
    for words in (["get", name], ["verify", name]):
        done = subprocess.run([sys.executable, "-m", "course_lib.cli", "data", *words], cwd=root, env=outside,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
