"""`make lab` builds the environment once, keeps it, and recovers from an interruption."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tools import bootstrap, lab

LOCK = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa
    # via torch
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:ab
nvidia-cublas==13.4.1.3 ; sys_platform == 'linux' \\
    --hash=sha256:ac
    # via torch
cuda-toolkit==13.2.2 ; sys_platform == 'linux' \\
    --hash=sha256:ad
torch==2.15.0 \\
    --hash=sha256:ae \\
    --hash=sha256:af
torchvision==0.29.2 \\
    --hash=sha256:ba
triton==3.9.0 ; sys_platform == 'linux' \\
    --hash=sha256:bb
uv==0.13.8 \\
    --hash=sha256:bc
"""


def test_the_lock_without_accelerator_keeps_everything_else_with_its_hashes() -> None:
    kept = bootstrap.without_accelerator(LOCK)
    assert set(bootstrap.blocks(kept)) == {"numpy", "uv"}
    assert [line for line in kept.splitlines() if line not in LOCK.splitlines()] == []
    assert kept.count("--hash") == 3 and kept.count("numpy==") == 2


def test_the_real_lock_without_accelerator_names_no_gpu_package(root: Path) -> None:
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    whole, kept = bootstrap.blocks(lock), bootstrap.blocks(bootstrap.without_accelerator(lock))
    gone = set(whole) - set(kept)
    assert {"torch", "torchvision", "triton", "nvidia-cudnn-cu13"} <= gone
    assert not [name for name in kept if "nvidia" in name or "cuda" in name or "cudnn" in name]
    only_torch_wants = {
        name for name in gone if "# via torch" in "".join(whole[name]) or name.startswith(("nvidia-", "cuda-"))
    }
    assert gone - only_torch_wants <= {"torch", "torchvision"}


def test_blocks_lose_no_line() -> None:
    assert "".join(block for found in bootstrap.blocks(LOCK).values() for block in found) == LOCK


def test_pins_are_the_locked_versions_without_markers() -> None:
    assert bootstrap.pins(LOCK, ["torch", "triton"]) == ["torch==2.15.0", "triton==3.9.0"]


WANT = {"digest": "d", "torch": "default", "place": "here"}
DONE = {**WANT, "finished": True}


@pytest.mark.parametrize(
    ("note", "runs", "other", "answer"),
    [
        (DONE, True, False, "keep"),
        ({**DONE, "digest": "older"}, True, False, "update"),
        ({**DONE, "torch": "cpu"}, True, False, "update"),
        (None, True, False, "update"),  # made by hand: kept, and filled
        (None, False, False, "rebuild"),  # nothing there
        (DONE, False, False, "rebuild"),  # its interpreter is gone
        (DONE, True, True, "rebuild"),  # another interpreter was asked for
        ({**DONE, "finished": False}, True, False, "rebuild"),  # interrupted
        ({**DONE, "place": "elsewhere"}, True, False, "rebuild"),  # the folder was moved
    ],
)
def test_what_is_done_follows_from_what_is_there(
    note: dict[str, Any] | None, runs: bool, other: bool, answer: str
) -> None:
    assert bootstrap.decide(note, WANT, runs=runs, other_python=other) == answer


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with an environment that can be made and filled in no time: its interpreter is this one."""
    (tmp_path / "requirements.lock").write_text(LOCK, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")

    def create(venv: Path) -> None:
        bootstrap.interpreter(venv).parent.mkdir(parents=True, exist_ok=True)
        bootstrap.interpreter(venv).unlink(missing_ok=True)
        bootstrap.interpreter(venv).symlink_to(sys.executable)

    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "create", create)
    monkeypatch.setattr(bootstrap, "install", lambda venv, *, torch: None)
    return tmp_path


def test_a_second_run_does_nothing(tree: Path) -> None:
    assert [bootstrap.ensure(torch=None, strict=False) for _ in range(3)] == ["rebuild", "keep", "keep"]


def test_a_changed_lock_is_installed(tree: Path) -> None:
    bootstrap.ensure(torch=None, strict=False)
    (tree / "requirements.lock").write_text(LOCK.replace("0.13.8", "0.13.9"), encoding="utf-8")
    assert [bootstrap.ensure(torch=None, strict=True) for _ in range(2)] == ["update", "keep"]


def test_the_choice_of_torch_is_kept_until_it_is_changed(tree: Path) -> None:
    steps = [bootstrap.ensure(torch=choice, strict=False) for choice in ("cpu", None, "cpu", "default", None)]
    assert steps == ["rebuild", "keep", "keep", "update", "keep"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), bootstrap.Failed("no network")])
def test_an_interrupted_installation_is_begun_anew(
    tree: Path, monkeypatch: pytest.MonkeyPatch, interruption: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop(venv: Path, *, torch: str) -> None:
        raise interruption

    bootstrap.ensure(torch=None, strict=False)
    (tree / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(bootstrap, "install", stop)
        assert bootstrap.main([]) != 0
        assert capfd.readouterr().err
    assert [bootstrap.ensure(torch=None, strict=False) for _ in range(2)] == ["rebuild", "keep"]


def test_a_note_that_cannot_be_read_counts_as_an_interruption(tree: Path) -> None:
    bootstrap.ensure(torch=None, strict=False)
    (tree / ".venv" / "course-environment.json").write_text('{"finished": tr', encoding="utf-8")
    assert bootstrap.ensure(torch=None, strict=False) == "rebuild"


def test_an_environment_is_made_without_pip_where_python_cannot_bring_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.run

    def without_ensurepip(command: list[Any], **options: Any) -> subprocess.CompletedProcess[Any]:
        if "venv" in command and "--without-pip" not in command:
            return subprocess.CompletedProcess(command, 1)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", without_ensurepip)
    bootstrap.create(tmp_path / "venv")
    assert bootstrap.version(bootstrap.interpreter(tmp_path / "venv"))


def test_uv_comes_from_path_or_else_by_pip_with_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[Any], **_: Any) -> subprocess.CompletedProcess[Any]:
        commands.append([str(part) for part in command])
        return subprocess.CompletedProcess(command, 0 if "install" in command else 1)  # neither uv nor pip is inside

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "/bin/uv")
    assert bootstrap.find_uv(Path("venv"), LOCK) == ["/bin/uv"]
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    assert bootstrap.find_uv(Path("venv"), LOCK) == [bootstrap.interpreter(Path("venv")), "-m", "uv"]
    assert commands[-1][:4] == [sys.executable, "-m", "pip", "--python"]  # pip works from outside
    assert "--require-hashes" in commands[-1]


def test_a_cpu_only_installation_asks_for_the_locked_torch_from_its_cpu_backend(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[set[str]] = []

    def run(command: list[Any], **_: Any) -> subprocess.CompletedProcess[Any]:
        commands.append([str(part) for part in command])
        listed.extend(set(bootstrap.blocks(Path(part).read_text())) for part in commands[-1] if part.endswith(".txt"))
        return subprocess.CompletedProcess(command, 0)

    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "uv")
    bootstrap.install(Path("venv"), torch="cpu")
    sync, torch, course = commands
    locked = bootstrap.pins((root / "requirements.lock").read_text(encoding="utf-8"), ["torch", "torchvision"])
    assert sync[:3] == ["uv", "pip", "sync"] and "--require-hashes" in sync
    assert torch[-4:] == ["--torch-backend", "cpu", *locked]
    assert course[-2] == "--editable" and "--no-build-isolation" in course
    bootstrap.add_oracles(Path("venv"), torch="cpu")
    assert [names & {"torch", "triton", "nvidia-cublas"} for names in listed] == [set(), set()]
    assert "numpy" in listed[0] and "lightly" in listed[1]
    commands.clear()
    bootstrap.install(Path("venv"), torch="default")
    assert [command[2] for command in commands] == ["sync", "install"] and "torch" in listed[2]


def test_uv_trusts_the_machines_authorities_unless_there_are_none_or_its_user_says_otherwise() -> None:
    assert bootstrap.environment({"A": "b"}, trusting=True)["UV_SYSTEM_CERTS"] == "1"
    assert bootstrap.environment({"UV_SYSTEM_CERTS": "0"}, trusting=True)["UV_SYSTEM_CERTS"] == "0"
    assert bootstrap.environment({"A": "b"}, trusting=False) == {"A": "b"}


def test_a_wished_port_is_taken_if_it_is_free_and_left_if_it_is_not() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert lab.free_port(taken) != taken
    assert lab.free_port(taken) == taken


@pytest.mark.parametrize("text", ["99999", "65536", "0", "-1", "80", "abc", "", "88.5"])
def test_a_port_that_is_none_is_refused_in_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lab.main([f"--port={text}"])
    said = capsys.readouterr().err
    assert f"a whole number from 1024 to 65535 is expected, not '{text}', as PORT=8888" in said


def test_a_port_in_use_is_said_to_be_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[list[str]] = []
    labapp = types.SimpleNamespace(main=opened.append)
    monkeypatch.setitem(sys.modules, "jupyterlab", types.SimpleNamespace(labapp=labapp))
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", labapp)
    monkeypatch.setattr(lab, "announce", lambda address, port: None)
    for name in lab.environment({}):
        monkeypatch.setenv(name, "t")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        lab.main(["--port", str(taken)])
    assert f"Port {taken} is in use by another program; using " in capsys.readouterr().out
    assert f"--ServerApp.port={taken}" not in opened[0]


@pytest.mark.parametrize(
    ("platform", "environment", "answer"),
    [("linux", {}, False), ("linux", {"DISPLAY": ":0"}, True), ("linux", {"WAYLAND_DISPLAY": "w"}, True),
     ("darwin", {}, True), ("darwin", {"SSH_CONNECTION": "x"}, False), ("win32", {}, True)],
)  # fmt: skip
def test_a_browser_opens_only_on_a_desktop(platform: str, environment: dict[str, str], answer: bool) -> None:
    assert lab.has_browser(environment, platform=platform) is answer


def test_terminals_find_this_environments_commands_first_and_what_was_set_stays() -> None:
    given = {"PATH": "/usr/bin", "JUPYTER_CONFIG_PATH": "/etc/ours", "JUPYTER_TOKEN": "mine"}
    found = lab.environment(given, python="/venv/bin/python")
    assert found["PATH"] == os.pathsep.join(["/venv/bin", "/usr/bin"]) and found["JUPYTER_TOKEN"] == "mine"
    ours, theirs = found["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert (Path(ours) / "labconfig" / "default_setting_overrides.json").is_file() and theirs == "/etc/ours"
    bare = lab.environment({}, python="/venv/bin/python")
    assert bare["PATH"] == "/venv/bin" and len(bare["JUPYTER_TOKEN"]) == 32


def test_a_terminal_is_no_login_shell_which_would_set_its_path_anew() -> None:
    assert "--ServerApp.terminado_settings={'shell_command': ['/bin/zsh']}" in lab.options(
        1, browser=False, root=False, shell="/bin/zsh")
    assert not any("terminado" in option for option in lab.options(1, browser=False, root=False))


def test_the_address_is_printed_once_the_server_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        lab.announce("http://here", port, patience=0.3)
        assert capsys.readouterr().out == ""
        server.listen()
        lab.announce("http://here", port, patience=5)
        assert "http://here" in capsys.readouterr().out
