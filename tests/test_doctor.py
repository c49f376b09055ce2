"""What the doctor promises: it survives whatever it finds, and says what to do about it."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from devices.pretend_cuda import pretend_cuda

from course_lib import cli, data, doctor, manifest
from course_lib.doctor import Bench, Finding

SPEED = Bench("cpu", "bfloat16", 2, 20.0, 60.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "load", lambda: 0.0)
    monkeypatch.setattr(doctor, "bench", lambda seconds=5.0: SPEED)


def about(report: doctor.Report, topic: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.topic == topic]


def test_a_healthy_machine_passes_with_a_real_benchmark(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "load", lambda: 0.0)
    monkeypatch.setattr(doctor, "BUSY_SHARE", 0.0)  # whatever else runs beside the tests
    assert cli.main(["doctor", "--seconds", "0.02"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("All is well.\n") and max(map(len, out.splitlines())) <= 80 and "\033" not in out
    for topic in ("python", "packages", "hardware", "threads", "memory", "disk", "benchmark", "10_dncnn"):
        assert f" {topic} " in out


def test_the_json_is_json(quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["healthy"] == (code == 0) and found["bench"]["step_ms"] == 20.0
    assert {"topic", "text", "level", "advice"} == set(found["findings"][0])
    assert [lecture["lecture"] for lecture in found["lectures"]] == [e.stem for e in manifest.load().lectures]


def test_the_benchmark_leaves_the_global_random_state_alone() -> None:
    import torch

    before = torch.get_rng_state()
    speed = doctor.bench(0.01)
    assert torch.equal(before, torch.get_rng_state())
    assert speed.step_ms > 0 and speed.gflops > 0 and speed.threads == torch.get_num_threads()


# --- minutes ----------------------------------------------------------------------------------------------------------


def predict(root: Path, speed: Bench | None, profile: str = "lecture") -> doctor.Minutes:
    return doctor.predict(manifest.load().lecture("dncnn"), profile, speed, root)


def test_minutes_scale_with_the_benchmark(tmp_path: Path) -> None:
    doctor.record(manifest.load().lecture("dncnn"), "lecture", 120.0, SPEED, tmp_path)
    slower = Bench("cpu", "float32", 2, 30.0, 60.0)
    assert predict(tmp_path, SPEED).here == pytest.approx(2.0)
    assert predict(tmp_path, slower).here == pytest.approx(3.0)  # upside down it would be 1.33
    assert predict(tmp_path, slower).recorded == pytest.approx(2.0)


def test_minutes_are_not_predicted_across_devices_but_kept_beside_each_other(tmp_path: Path) -> None:
    cuda = Bench("cuda", "bfloat16", 2, 1.0, 9000.0)
    lecture = manifest.load().lecture("dncnn")
    doctor.record(lecture, "lecture", 120.0, SPEED, tmp_path)
    assert predict(tmp_path, cuda).here is None and predict(tmp_path, cuda).recorded == pytest.approx(2.0)
    doctor.record(lecture, "lecture", 30.0, cuda, tmp_path)
    assert predict(tmp_path, cuda).here == pytest.approx(0.5)
    assert predict(tmp_path, SPEED).here == pytest.approx(2.0)


def test_without_a_record_or_a_benchmark_nothing_is_made_up(tmp_path: Path) -> None:
    assert predict(tmp_path, SPEED) == doctor.Minutes("10_dncnn", "lecture", None, "", None)
    doctor.record(manifest.load().lecture("dncnn"), "smoke", 12.0, SPEED, tmp_path)
    assert predict(tmp_path, SPEED).recorded is None
    assert predict(tmp_path, None, "smoke").here is None


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_broken_record_is_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results/lectures/10_dncnn.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ValueError, match=r"10_dncnn\.json"):
        doctor.record(manifest.load().lecture("dncnn"), "smoke", 1.0, SPEED, tmp_path)
    assert path.read_text() == text


# --- a busy machine ---------------------------------------------------------------------------------------------------


def test_of_many_rounds_the_least_disturbed_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 0.0, "processor": 0.0}
    clock = SimpleNamespace(perf_counter=lambda: now["wall"], thread_time=lambda: now["processor"])
    monkeypatch.setattr(doctor, "time", clock)
    lasts = itertools.chain([9.0, 9.0], itertools.cycle([1.0, 0.25, 1.0, 2.0]))  # the first two are not counted

    def work() -> None:
        now["wall"] += next(lasts)
        now["processor"] += 0.25

    seconds, share = doctor._least_disturbed(work, lambda: None, 8.0)
    assert seconds == 0.25 and share == pytest.approx(8 * 0.25 / 8.5, abs=0.02)


def test_the_share_is_the_time_that_a_thread_computes() -> None:
    import time

    assert doctor._least_disturbed(lambda: time.sleep(0.01), lambda: None, 0.1)[1] < 0.5
    assert doctor.bench(0.01).share <= 1


@pytest.mark.parametrize(("load", "share"), [(0.0, 0.25), (50.0 * (os.cpu_count() or 1), 1.0), (None, 0.25)])
def test_a_busy_machine_is_not_well_and_its_minutes_are_a_range(
    load: float | None, share: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = doctor.Bench("cpu", "bfloat16", 2, 400.0, 60.0, share)
    monkeypatch.setattr(doctor, "load", lambda: load)
    monkeypatch.setattr(doctor, "bench", lambda seconds=5.0: slow)
    minutes = doctor.Minutes("10_dncnn", "lecture", 1.2, "a machine", 24.0)
    monkeypatch.setattr(doctor, "_predictions", lambda speed: iter([minutes]))
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "the machine is busy" in out and "All is well" not in out
    assert out.endswith("Nothing is broken, but the machine is busy: measure again when it is not.\n")
    assert ("about 6.0 to 24.0 min here" if share < 1 else "about 24.0 min here") in out
    cli.main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["busy"] is True


@pytest.mark.parametrize("load", [0.1, None])
def test_a_quiet_machine_is_said_to_be_so(load: float | None, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "load", lambda: load)
    report = doctor.examine()
    (finding,) = about(report, "load")
    assert finding.level == "fine" and not report.busy and "a core for 100% of its time" in finding.text


# --- a GPU ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("card", "built_for", "runs"), [
    ((8, 0), ["sm_75", "sm_80"], True), ((8, 9), ["sm_75", "sm_80"], True), ((9, 0), ["sm_75", "sm_80"], False),
    ((9, 0), ["sm_75", "compute_80"], True), ((6, 1), ["sm_75", "compute_75"], False), ((7, 0), ["sm_75"], False),
    ((12, 0), ["sm_90a"], False), ((9, 0), ["sm_90a"], True), ((10, 3), ["sm_100f"], True), ((12, 1), ["sm_120"], True),
    ((9, 0), ["gfx90a"], True), ((8, 0), [], True),
])  # fmt: skip
def test_a_card_without_kernels_is_known(card: tuple[int, int], built_for: list[str], runs: bool) -> None:
    assert doctor.has_kernels(built_for, card) is runs


@pytest.mark.parametrize(("built_for", "level"), [(["sm_75", "sm_80"], []), (["sm_90"], ["problem"]),
                                                  (["sm_90", "compute_75"], [])])  # fmt: skip
def test_the_kernels_are_compared_with_the_card(
    built_for: list[str], level: list[str], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built_for)
    with pretend_cuda(capability=(8, 6)):
        found = about(doctor.examine(), "gpu")
    assert [finding.level for finding in found] == level
    assert all("no code for Pretend GPU (compute capability 8.6), only for sm_90" in finding.text for finding in found)


CARD = "echo 'Tesla T4, 470.82.01'"
TOO_OLD = "too old for it, or missing"


@pytest.mark.parametrize(("driver", "cuda", "hidden", "level", "said"), [
    (CARD, "13.2", None, "problem", f"Tesla T4 with the driver 470.82.01, but .* CUDA 13.2, .*{TOO_OLD}"),
    ("echo NVIDIA-SMI has failed; exit 9", "13.2", None, "problem", f"NVIDIA-SMI has failed.*{TOO_OLD}"),
    (CARD, None, None, "note", "this PyTorch is built for the processor alone"),
    (CARD, "13.2", "", "note", "CUDA_VISIBLE_DEVICES= shows PyTorch none"),
])  # fmt: skip
def test_a_gpu_that_pytorch_cannot_use_is_told_with_its_driver(
    driver: str, cuda: str | None, hidden: str | None, level: str, said: str, quick: None,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    import torch

    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{driver}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    (finding,) = about(doctor.examine(), "gpu")
    assert finding.level == level and re.search(said, finding.text)


def test_without_a_card_a_pytorch_for_gpus_is_fine(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    report = doctor.examine()
    assert not about(report, "gpu")
    assert "no accelerator (CUDA 13.2 without a driver)" in about(report, "hardware")[0].text


# --- findings ---------------------------------------------------------------------------------------------------------


def test_an_old_and_a_missing_package_are_problems_with_a_command(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "pooch":
            raise metadata.PackageNotFoundError(name)
        return "2.8.1+cpu" if name == "torch" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(doctor, "_requirements", lambda: [("torch", "2.9"), ("pooch", ""), ("numpy", "1.0")])
    report = doctor.examine()
    assert not report.healthy
    old, missing, fine = about(report, "packages")
    assert (old.level, old.advice) == ("problem", "pip install 'torch>=2.9'") and "2.8.1" in old.text
    assert (missing.level, missing.advice) == ("problem", "pip install 'pooch'")
    assert fine.level == "fine" and fine.text.startswith("numpy")


def test_versions_are_compared_as_numbers() -> None:
    assert doctor._numbers("2.15.0+cpu") == (2, 15, 0)
    assert doctor._numbers("2.9") < doctor._numbers("2.15.0")  # as text it would be the other way round
    assert doctor._numbers("3.0rc1") == (3, 0)


def test_the_least_versions_are_those_of_the_package(root: Path) -> None:
    import tomllib

    listed = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    found = dict(doctor._requirements())
    assert len(found) == len(listed) and found["torch"] == "2.9" and found["numpy"] == ""


def test_a_data_folder_that_is_not_there_is_a_problem(
    quick: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nowhere"))
    finding = about(doctor.examine(), "data")[0]
    assert finding.level == "problem" and "nowhere" in finding.text
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    finding = about(doctor.examine(), "data")[0]
    assert finding.level == "note" and "course data get" in finding.advice


def test_changed_photographs_are_a_problem(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(split: str) -> None:
        raise FileNotFoundError("the photograph 'camera' is not the one expected")

    monkeypatch.setattr(data, "photographs", changed)
    finding = about(doctor.examine(), "data")[0]
    assert finding.level == "problem" and "camera" in finding.text


@pytest.mark.parametrize(("free", "level"), [(None, "note"), (2**30, "problem"), (2**33, "fine")])
def test_little_memory_is_a_problem(free: int | None, level: str, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "free_memory", lambda: free)
    assert about(doctor.examine(), "memory")[0].level == level


def test_free_memory_is_a_plausible_number() -> None:
    free = doctor.free_memory()
    assert free is None or 2**20 < free < 2**45


@pytest.mark.parametrize(
    "setting", [("COURSE_PROFILE", "smok"), ("COURSE_DEVICE", "toaster"), ("COURSE_PRECISION", "fp8")]
)
def test_a_wrong_setting_is_a_finding_and_not_the_end(
    setting: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*setting)
    report = doctor.examine(seconds=0.01)
    problems = [finding for finding in report.findings if finding.level == "problem"]
    assert problems and any(setting[1] in finding.text for finding in problems)
    assert about(report, "memory") and about(report, "disk")


def test_without_torch_the_rest_is_still_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    report = doctor.examine(seconds=0.01)
    assert not report.healthy and report.bench is None
    assert about(report, "memory") and about(report, "disk") and len(report.minutes) == len(manifest.load().lectures)


def test_outside_the_repository_the_rest_is_still_looked_at(
    quick: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    report = doctor.examine()
    assert about(report, "course")[0].level == "note" and report.minutes == ()
    assert about(report, "packages")[-1].level == "fine"
