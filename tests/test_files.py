"""Files are whole or not there."""

import errno
import json
import os

import pytest

from course_lib import files


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), files.atomic(path) as stream:
        stream.write(b"half of")
        raise RuntimeError("in the middle")
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_said_so_and_the_old_file_stays(tmp_path, monkeypatch, call):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    said = "disk is full: could not write weights.bin; the file that was there is untouched"
    with pytest.raises(OSError, match=said), files.atomic(path) as stream:
        if call == "write":
            full()
        stream.write(b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights.bin"]


def test_a_result_that_is_no_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"psnr": float("nan")})
    assert not list(tmp_path.iterdir())


def test_parts_of_a_killed_writer_are_cleared_by_the_next_write(tmp_path):
    dead = tmp_path / ".a.json.999999999.x.part"
    living = tmp_path / f".a.json.{os.getppid()}.x.part"
    dead.write_bytes(b"half")
    living.write_bytes(b"someone is writing")
    files.write_json(tmp_path / "a.json", 1)
    assert not dead.exists()
    assert living.exists()
