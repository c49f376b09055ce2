"""Settings of the environment that are wrong are refused in words, wherever they are read."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from devices.pretend_cuda import pretend_cuda

from course_lib import data, devices, files, manifest, profiles


@pytest.mark.parametrize("named", ["gpu", "cuda 0", "GPU:0", "xpu", "meta", "cuda:x", "0"])
def test_a_device_of_no_such_name_is_refused(named, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", named)
    with pytest.raises(ValueError, match=f"COURSE_DEVICE: expected cpu, cuda, .*got '{named}'"):
        profiles.device()


@pytest.mark.parametrize("named", ["cuda", "cuda:0", "cuda:7", "mps", "cpu:1"])
def test_a_device_that_is_not_here_is_refused(named, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("COURSE_DEVICE", named)
    with pytest.raises(ValueError, match=f"COURSE_DEVICE: expected a device that is here, got '{named}'.*doctor"):
        profiles.device()
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert profiles.device().type == "cpu"


def test_beside_one_gpu_there_is_no_eighth(monkeypatch):
    with pretend_cuda():
        for named in ("cuda", "cuda:0"):
            monkeypatch.setenv("COURSE_DEVICE", named)
            assert profiles.device().type == "cuda"
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(devices.torch, "device", type(torch.device("cpu")))
        monkeypatch.setenv("COURSE_DEVICE", "cuda:7")
        with pytest.raises(ValueError, match="got 'cuda:7', and PyTorch can use 2 of this type, counted from 0"):
            devices.settings()


@pytest.mark.parametrize(("name", "text"), [("WORLD_SIZE", ""), ("WORLD_SIZE", "0"), ("WORLD_SIZE", "two"),
                                            ("LOCAL_RANK", "x"), ("LOCAL_RANK", "-1"), ("LOCAL_RANK", "")])
def test_the_numbers_of_a_launcher_are_numbers(name, text, monkeypatch):
    monkeypatch.setenv(name, text)
    with pytest.raises(ValueError, match=f"{name}: expected a whole number of . or more, .*got '{text}'. Unset it"):
        profiles.device()


def test_a_process_without_a_gpu_of_its_own_is_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert profiles.device().type == "cpu"                  # at smoke all share the processor
    with pretend_cuda(), pytest.raises(ValueError, match="LOCAL_RANK: expected a number below 1, the number of GPUs"):
        profiles.device()


@pytest.mark.parametrize(("name", "text", "ask"), [
    ("COURSE_PROFILE", "smok", profiles.current), ("COURSE_PROFILE", "SMOKE", profiles.current),
    ("COURSE_PRECISION", "fp8", profiles.precision), ("COURSE_PRECISION", "bf-16", profiles.precision),
])
def test_a_profile_and_a_precision_of_no_such_name_are_refused(name, text, ask, monkeypatch):
    monkeypatch.setenv(name, text)
    with pytest.raises(ValueError, match=f"unknown .*'{text}': did you mean"):
        ask()


# Folders -------------------------------------------------------------------------------------------------------------


def test_a_tilde_is_the_home_wherever_a_folder_is_named(tmp_path, monkeypatch, root):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("COURSE_DATA", "~/data")
    assert data.root() == tmp_path / "data" and data.SETS["Set12"].folder == tmp_path / "data" / "Set12"
    monkeypatch.delenv("COURSE_DATA")
    assert data.root() == tmp_path / "course_data"
    (tmp_path / "clone").symlink_to(root)
    monkeypatch.setenv("COURSE_ROOT", "~/clone")
    assert manifest.find_root() == tmp_path / "clone"


@pytest.fixture
def nobody(monkeypatch):
    """A user of a number without a name, as in a container, and without HOME."""
    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "COURSE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_without_a_home_the_data_must_be_named(nobody, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="COURSE_DATA: there is no home folder for ~/course_data.*to a whole path"):
        data.root()
    with pytest.raises(ValueError, match="COURSE_DATA: there is no home folder"):
        data.load("Set12")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert data.root() == tmp_path
    monkeypatch.setenv("COURSE_DATA", "~nobody_of_this_name/data")
    with pytest.raises(ValueError, match="no home folder for ~nobody_of_this_name/data"):
        data.root()


def test_the_command_says_it_in_one_line_too(tmp_path):
    done = subprocess.run([sys.executable, "-m", "course_lib.cli", "data", "list"], capture_output=True, text=True,
                          env={**os.environ, "COURSE_DATA": "~nobody_of_this_name/data"}, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("course: COURSE_DATA: there is no home folder")
    assert files.folder("a/b", setting="x") == Path("a/b") and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("free", "taken"), [(2.0, 2), (1.9, 2), (1.33, 1), (1.0, 1), (0.5, 1), (3.0, 2)])
def test_a_lecture_takes_the_cores_that_are_free(free, taken, monkeypatch):
    monkeypatch.setattr(profiles, "free_cores", lambda: free)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.delenv("COURSE_THREADS", raising=False)
    with profiles.using("lecture"):
        assert profiles.threads() == taken
    with profiles.using("smoke"):
        assert profiles.threads() == 1


def test_the_number_of_threads_can_be_named(monkeypatch):
    monkeypatch.setattr(profiles, "free_cores", lambda: pytest.fail("nothing needs measuring"))
    monkeypatch.setenv("COURSE_THREADS", "3")
    assert profiles.threads() == 3


@pytest.mark.parametrize("named", ["0", "-1", "two", "1.5", " "])
def test_a_number_of_threads_is_a_number(named, monkeypatch):
    monkeypatch.setenv("COURSE_THREADS", named)
    with pytest.raises(ValueError, match="COURSE_THREADS: expected a whole number of 1 or more"):
        profiles.threads()


def test_a_lecture_says_that_others_compute(monkeypatch, capsys):
    monkeypatch.delenv("COURSE_THREADS", raising=False)
    monkeypatch.setattr(profiles, "free_cores", lambda: 1.3)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    with profiles.using("lecture"):
        profiles.start()
    out = capsys.readouterr().out
    assert asked == [1] and "1 thread ·" in out and "COURSE_THREADS=2 takes all" in out


def test_free_cores_are_measured():
    assert 0 < profiles.free_cores(0.02) <= torch.get_num_threads() + 0.5
