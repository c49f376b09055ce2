"""What the `course` command promises: answers on stdout, one-line errors, suggestions, and exit codes to build on."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from course_lib import claims, cli, data, doctor, lectures, manifest
from course_lib.claims import Claim, Experiment, Verdict

Outcome = tuple[int, str, str]
Course = Callable[..., Outcome]

TOML = """
[course]
title = "Toy"
repository = "toy/toy"
release = "main"
[parts]
C = "Toys"
[[lecture]]
number = 10
name = "dncnn"
title = "Toy"
part = "C"
promise = "play"
"""


@pytest.fixture
def course(capsys: pytest.CaptureFixture[str]) -> Course:
    """Run a command in this process: exit code, stdout, stderr."""

    def call(*words: object) -> Outcome:
        code = cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with one lecture and no results."""
    (tmp_path / "course.toml").write_text(TOML)
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    monkeypatch.delenv("COURSE_DEBUG", raising=False)
    return tmp_path


def shell(*words: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    home = str(Path(cli.__file__).parents[1])
    paths = os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])
    return subprocess.run([sys.executable, "-m", "course_lib.cli", *words], cwd=cwd, text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": paths, **settings}, timeout=60)


# --- words ------------------------------------------------------------------------------------------------------------

COMMANDS = ("", "doctor", "run", "data", "data list", "data get", "data verify", "claims", "claims list", "claims run",
            "claims report", "book", "slides")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_within_80_columns(command: str, course: Course) -> None:
    code, out, err = course(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert f"for example:\n  course {command}".rstrip() in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("words", "answer"), [
    (["docter"], "unknown command 'docter': did you mean 'doctor'?"),
    (["claims", "reprot"], "unknown command 'reprot': did you mean 'report'?"),
    (["data", "varify"], "unknown command 'varify': did you mean 'verify'?"),
    (["run", "dncn"], "unknown lecture 'dncn': did you mean 'dncnn'?"),
    (["run", "dncnn", "--profile", "smok"], "unknown profile 'smok': did you mean 'smoke'?"),
    (["claims", "report", "--profile", "fill"], "unknown profile 'fill': did you mean 'full'?"),
    (["run", "dncnn", "--profil", "smoke"], "cannot make sense of '--profil': did you mean '--profile'?"),
    (["claims", "report", "--jsno"], "did you mean '--json'?"),
    (["data", "get", "Set13"], "unknown data set 'Set13': did you mean 'Set12'?"),
    (["data", "verify", "Train40"], "unknown data set 'Train40': did you mean 'Train400'?"),
    (["run"], "the following arguments are required: LECTURE"),
    (["data", "get"], "the following arguments are required: NAME"),
    ([], "the following arguments are required: COMMAND"),
    (["run", "zebra"], "unknown lecture 'zebra'. There are: dncnn"),
    (["run", "dncnn", "more"], "cannot make sense of 'more'"),
    (["claims", "run", "--seed", "-1"], "a seed is a whole number from 0 on, not '-1'"),
    (["claims", "run", "--seed", "dncnn"], "a seed is a whole number from 0 on, not 'dncnn' (ids go before --seed)"),
    (["doctor", "--seconds", "0"], "seconds above 0 are expected, not '0'"),
    (["doctor", "--seconds", "nan"], "seconds above 0 are expected, not 'nan'"),
    (["run", "dncnn", "--timeout", "soon"], "whole seconds above 0 are expected, not 'soon'"),
])
def test_a_wrong_word_gets_an_answer_and_exit_code_2(words: list[str], answer: str, toy: Path, course: Course) -> None:
    code, out, err = course(*words)
    assert (code, out) == (2, "")
    assert answer in " ".join(err.split())
    assert "Traceback" not in err and max(map(len, err.splitlines())) <= 100


def test_the_command_starts_without_torch(toy: Path) -> None:
    program = "import sys; from course_lib.cli import main; main(['--help']); print('torch' in sys.modules)"
    home = str(Path(cli.__file__).parents[1])
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=home)
    assert found.stdout.splitlines()[-1] == "False"


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "line"), [
    (ValueError("sigma is 25,\n  expected 25 / 255"), "course: sigma is 25, expected 25 / 255\n"),
    (OSError(28, "the disk is full: could not write a.json", "/a.json"),
     "course: the disk is full: could not write a.json: /a.json\n"),
    (FileNotFoundError("the set Set12 is not here"), "course: the set Set12 is not here\n"),
    (ModuleNotFoundError("running a lecture needs nbclient"), "course: running a lecture needs nbclient\n"),
    (ConnectionError("could not fetch Set12"), "course: could not fetch Set12\n"),
])
def test_an_error_of_the_library_is_one_line(error: Exception, line: str, toy: Path, course: Course,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(lectures, "execute", fail)
    code, out, err = course("run", "dncnn")
    assert (code, out) == (2, "") and err.endswith(line)
    for words in (["--debug", "run", "dncnn"], ["run", "dncnn", "--debug"]):
        with pytest.raises(type(error)):
            course(*words)
    monkeypatch.setenv("COURSE_DEBUG", "1")
    with pytest.raises(type(error)):
        course("run", "dncnn")


def test_a_defect_of_the_program_is_not_hidden(toy: Path, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lectures, "execute", lambda *words, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        course("run", "dncnn")


def test_outside_a_course_the_way_in_is_named(tmp_path: Path, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    code, _, err = course("run", "dncnn")
    assert code == 2 and "course.toml" in err


def test_a_reader_that_stops_early_is_no_error(root: Path) -> None:
    program = f"{sys.executable} -m course_lib.cli --help | head -c 1; echo ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", program], cwd=root, capture_output=True, text=True)
    assert found.stdout[0] == "u" and found.stderr == ""
    slow = ("import sys, time, course_lib.cli as c; c._data_list = lambda args: [print(i) or time.sleep(.01)"
            " for i in range(9999)] and 0; sys.exit(c.main(['data', 'list']))")
    found = subprocess.run(["bash", "-c", f"{sys.executable} -u -c \"{slow}\" | head -1; echo ${{PIPESTATUS[0]}}"],
                           cwd=root, capture_output=True, text=True)
    assert (found.stdout.split(), found.stderr) == (["0", str(cli.CLOSED)], "")


def test_a_terminal_of_few_letters_gets_question_marks(toy: Path) -> None:
    found = shell("claims", "report", "zebra-σ", cwd=toy, PYTHONIOENCODING="ascii")
    assert found.returncode == 2 and "'zebra-?'" in found.stderr and "Traceback" not in found.stderr


# --- run --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Replace the kernel: the calls are kept, the result is what a test puts in."""
    calls: dict[str, object] = {"result": {"error": None}}

    def fake(lecture: manifest.Lecture, *, out: Path, on_cell: lectures.OnCell, **more: object) -> lectures.Result:
        calls.update(lecture=lecture, out=out, **more)
        on_cell(1, 12, "import torch")
        on_cell(2, 12, "x" * 200)
        return lectures.Result(out / f"{lecture.stem}.ipynb", 12.34, **calls["result"])

    monkeypatch.setattr(lectures, "execute", fake)
    monkeypatch.setattr(lectures, "settle", lambda path, *, source: calls.update(settled=path))
    monkeypatch.setattr(lectures, "notebook", lambda lecture, root: root / "lectures" / "10_dncnn.ipynb")
    return calls


def test_a_run_shows_each_cell_and_where_the_notebook_is(toy: Path, course: Course, execute: dict) -> None:
    code, out, err = course("run", "10", "--profile", "full", "--timeout", 60)
    assert code == 0
    assert out == f"10_dncnn ran in 12.3 s at profile full: {toy}/build/run/10_dncnn.ipynb\n"
    assert "[ 1/12]" in err and "import torch" in err and max(map(len, err.splitlines())) <= 80
    assert (execute["profile"], execute["timeout"], execute["root"]) == ("full", 60, toy)
    assert execute["settled"] == toy / "build" / "run" / "10_dncnn.ipynb"


def test_a_run_that_cannot_be_signed_is_a_run(toy: Path, course: Course, execute: dict,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *, source: Path) -> None:
        raise PermissionError("no place for signatures")

    monkeypatch.setattr(lectures, "settle", refuse)
    code, out, err = course("run", "10")
    assert code == 0 and "10_dncnn ran in" in out and "not signed" in err and "no place for signatures" in err


def test_a_run_takes_the_profile_of_the_environment(toy: Path, course: Course, execute: dict,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PROFILE", "full")
    course("run", "dncnn", "--out", toy / "there")
    assert (execute["profile"], execute["out"]) == ("full", toy / "there")
    monkeypatch.setenv("COURSE_PROFILE", "fool")
    code, _, err = course("run", "dncnn")
    assert code == 2 and "did you mean 'full'?" in err


@pytest.mark.parametrize(("result", "expected"), [
    ({"error": "cell 2 of 12\nZeroDivisionError"}, 1), ({"error": "stopped by Ctrl-C", "interrupted": True}, 130)])
def test_a_run_that_stops_says_why_where_and_records_nothing(result: dict, expected: int, toy: Path, course: Course,
                                                             execute: dict) -> None:
    execute["result"] = result
    code, out, err = course("run", "dncnn", "--record")
    assert code == expected
    assert result["error"] in err and f"{toy}/build/run/10_dncnn.ipynb" in out
    assert not (toy / "results").exists()


def test_a_real_kernel_runs_to_the_cell_that_fails_and_its_notebook_is_at_home_where_it_lies(
        toy: Path, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(toy / "jupyter"))
    cells = [nbformat.v4.new_code_cell(text) for text in ("print(6 * 7)", "1 / 0", "print('never')")]
    cells.append(nbformat.v4.new_markdown_cell("[a](../course.toml) [b](#b) [c](https://c.org/c) $E[x](y)$"))
    (toy / "lectures").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), toy / "lectures" / "10_dncnn.ipynb")
    code, out, err = course("run", "dncnn", "--profile", "smoke", "--out", toy / "out" / "deep")
    assert code == 1 and "ZeroDivisionError" in err and "[2/3]" in err and "[3/3]" not in err
    path = toy / "out" / "deep" / "10_dncnn.ipynb"
    executed = nbformat.read(path, as_version=4)
    assert str(path) in out and executed.cells[0].outputs[0].text == "42\n"
    assert executed.cells[3].source == "[a](../../course.toml) [b](#b) [c](https://c.org/c) $E[x](y)$"
    notary = importlib.import_module("nbformat.sign").NotebookNotary(data_dir=str(toy / "jupyter"))
    assert notary.check_signature(executed)
    executed.cells[0].outputs[0].text = "43\n"
    assert not notary.check_signature(executed)
    notary.store.close()


def test_ctrl_c_before_the_kernel_is_quiet(toy: Path, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*words: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lectures, "execute", interrupt)
    code, _, err = course("run", "dncnn")
    assert code == 130 and err.endswith("interrupted\n") and "Traceback" not in err


def test_recorded_minutes_keep_the_other_profiles(toy: Path, course: Course, execute: dict,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "bench", lambda: doctor.Bench("cpu", "bfloat16", 2, 20.0, 60.0))
    for profile in ("smoke", "lecture"):
        assert course("run", "dncnn", "--profile", profile, "--record")[0] == 0
    known = json.loads((toy / "results/lectures/10_dncnn.json").read_text())
    assert sorted(known) == ["lecture", "smoke"]
    entry = known["lecture"]
    assert entry["seconds"] == 12.3 and entry["bench"]["step_ms"] == 20.0
    assert entry["hardware"] == entry["stamp"]["hardware"] and entry["stamp"]["profile"] == "lecture"


def test_minutes_beside_a_busy_program_are_recorded_beside_the_quiet_ones(
    toy: Path, course: Course, execute: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = doctor.Bench("cpu", "bfloat16", 2, 20.0, 60.0)
    computing: list[bool] = []
    running = lectures.execute
    began: list[subprocess.Popen] = []
    start = subprocess.Popen

    def bench() -> doctor.Bench:
        computing.append(bool(began))
        return speed

    def other(*words: object, **more: object) -> subprocess.Popen:
        began.append(start(*words, **more))     # type: ignore[call-overload]
        return began[-1]

    def lecture(*words: object, **more: object) -> object:
        assert began[0].poll() is None
        return running(*words, **more)          # type: ignore[arg-type]

    monkeypatch.setattr(doctor, "bench", bench)
    monkeypatch.setattr(doctor.subprocess, "Popen", other)
    monkeypatch.setattr(lectures, "execute", lecture)
    assert course("run", "dncnn", "--profile", "lecture", "--record", "--busy")[0] == 0
    assert computing == [False] and began[0].poll() is not None       # measured quiet, ended afterwards
    assert list(json.loads((toy / "results/lectures/10_dncnn.json").read_text())) == ["lecture+busy"]


# --- data -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sets(toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty COURSE_DATA."""
    monkeypatch.setenv("COURSE_DATA", str(toy))
    return toy


def test_the_list_says_what_is_here_and_whose_it_is(sets: Path, course: Course,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "find", lambda name: sets if name == "Set12" else None)
    code, out, _ = course("data", "list")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines()}
    assert code == 0 and str(sets) in out
    assert lines["Set12"] == "here" and lines["BSD68"].startswith("not here")
    assert out.count("licence:") == len(data.SETS)


def test_getting_names_each_folder_and_checks_all_names_first(sets: Path, course: Course,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[str] = []
    monkeypatch.setattr(data, "download", lambda name: got.append(name) or sets / name)
    assert course("data", "get", "Set12", "Sett")[0] == 2 and got == []
    assert course("data", "get", "Set12", "BSD68") == (0, f"Set12 is in {sets}/Set12\nBSD68 is in {sets}/BSD68\n", "")


def test_a_changed_file_is_named_with_the_way_to_mend_it(sets: Path, course: Course,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {f"{i:02}.png": "changed" for i in range(1, 6)}
    monkeypatch.setattr(data, "verify", lambda name: wrong if name == "Set12" else {})
    code, out, _ = course("data", "verify", "BSD68", "Set12")
    assert code == 1 and "BSD68: all 68 files are as they should be" in out
    assert "5 of 12 files are wrong: 01.png (changed)" in out and "and 2 more" in " ".join(out.split())
    assert "`course data get Set12`" in " ".join(out.split())
    assert course("data", "verify", "BSD68")[0] == 0
    assert course("data", "verify", "BSD68", "Sett")[:2] == (2, "")


def test_verifying_without_names_looks_at_what_is_here(sets: Path, course: Course) -> None:
    assert course("data", "verify") == (0, "no data set is here: `course data list` shows which there are\n", "")


# --- claims -----------------------------------------------------------------------------------------------------------

class Measured:
    """The seeds that were measured: no value that an experiment depends on."""

    seeds: ClassVar[list[int]] = []


def measure(profile: str, seed: int) -> dict[str, float]:
    Measured.seeds.append(seed)
    return {"dncnn": 29.0 + 0.1 * (seed % 100), "nlm": 27.0}


def broken(profile: str, seed: int) -> dict[str, float]:
    return {"psnr": float("nan")}


@pytest.fixture
def ledger(toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two claims on one experiment: the first is true, the second is not."""
    experiment = Experiment("toy-ablation", measure)

    def claim(name: str, gap: float) -> Claim:
        return Claim(name, f"The toy network is {gap} dB better.", "nobody, Table 0", {"dncnn": 29.5}, experiment,
                     claims.exceeds("dncnn", "nlm", by=gap), seeds=2)

    Measured.seeds.clear()
    monkeypatch.setattr(claims, "discover", lambda: (claim("toy-true", 1.0), claim("toy-false", 5.0)))
    return toy


def test_running_measures_development_seeds_and_shows_the_verdict(ledger: Path, course: Course) -> None:
    code, out, err = course("claims", "run", "toy-true")
    assert (code, Measured.seeds) == (0, [0, 1])
    assert "toy-ablation, smoke, seed 1: measured in" in err
    assert "HOLDS  toy-true" in out and "29.50  29.05 ± 0.07   29.00 .. 29.10" in out
    assert course("claims", "run")[0] == 0 and Measured.seeds == [0, 1]
    assert course("claims", "run", "--force", "--seed", "1")[0] == 0 and Measured.seeds == [0, 1, 1]


def test_reporting_seeds_need_the_word_report(ledger: Path, course: Course) -> None:
    code, _, err = course("claims", "run", "--seed", "100")
    assert code == 1 and "--report" in err and Measured.seeds == []
    course("claims", "run", "--report")
    assert Measured.seeds == [100, 101]


def test_the_report_counts_states_and_fails_if_a_claim_does(ledger: Path, course: Course) -> None:
    code, out, _ = course("claims", "report")
    assert code == 1 and out.splitlines()[-1] == "2 claims: 0 hold, 0 fail, 0 stale, 2 missing"
    course("claims", "run")
    assert course("claims", "report")[0] == 1   # development seeds do not count
    assert course("claims", "report", "toy-true", "--development")[0] == 0
    course("claims", "run", "--report")
    code, out, _ = course("claims", "report")
    assert code == 1 and out.splitlines()[-1] == "2 claims: 1 holds, 1 fails, 0 stale, 0 missing"
    assert max(map(len, out.splitlines())) <= 80 and "\033" not in out
    assert course("claims", "report", "toy-true")[0] == 0


def test_a_stale_claim_is_shown_and_fails_only_when_strict(ledger: Path, course: Course,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    course("claims", "run", "--report")
    monkeypatch.setattr(Experiment, "fingerprint", lambda self: "other")
    code, out, _ = course("claims", "report", "toy-true")
    assert code == 0 and "STALE (held)  toy-true" in out
    assert course("claims", "report", "toy-true", "--strict")[0] == 1


def test_the_json_of_the_ledger_has_the_metrics_and_the_verdict(ledger: Path, course: Course) -> None:
    course("claims", "run", "--report")
    code, out, err = course("claims", "report", "--json")
    true, false = json.loads(out)
    assert (code, err) == (1, "")
    assert (true["state"], true["holds"], true["stale"], true["seeds"]) == ("holds", True, False, [100, 101])
    assert true["metrics"]["nlm"] == {"n": 2, "mean": 27.0, "std": 0.0, "low": 27.0, "high": 27.0}
    assert false["state"] == "fails" and "= 2.05 (" in false["because"] and true["paper"] == {"dncnn": 29.5}
    assert [claim["id"] for claim in json.loads(course("claims", "list", "--json")[1])] == ["toy-true", "toy-false"]


def test_one_broken_experiment_does_not_stop_the_others(ledger: Path, course: Course,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    good = claims.discover()
    bad = Claim("bad-a", "s", "s", {}, Experiment("bad-work", broken), lambda rows: Verdict(True, ""))
    monkeypatch.setattr(claims, "discover", lambda: (bad, *good))
    code, out, err = course("claims", "run")
    assert code == 1 and Measured.seeds == [0, 1]
    assert "the metric 'psnr' is nan" in err and "MISSING  bad-a" in out and "HOLDS  toy-true" in out


def test_a_corrupt_file_of_results_is_one_line(ledger: Path, course: Course) -> None:
    course("claims", "run")
    (ledger / "results/toy-ablation/smoke.json").write_text("{")
    code, out, err = course("claims", "report")
    assert (code, out) == (2, "") and "is not a file of results" in err and "Traceback" not in err


def test_the_list_shows_sentences_and_experiments(ledger: Path, course: Course) -> None:
    code, out, _ = course("claims", "list", "toy-false")
    assert code == 0 and "toy-false   (experiment toy-ablation, 2 seeds)" in out and "5.0 dB better" in out
    assert course("claims", "list", "toy-fals")[0] == 2


# --- tools of the repository ------------------------------------------------------------------------------------------


def test_book_and_slides_hand_over_to_the_repositorys_tools(toy: Path) -> None:
    (toy / "tools").mkdir()
    (toy / "tools" / "__init__.py").touch()
    (toy / "tools" / "book.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    found = shell("book", "--fast", "09", cwd=toy, COURSE_ROOT=str(toy))
    assert (found.returncode, found.stdout) == (3, "['--fast', '09']\n")


def test_without_the_repository_book_and_slides_say_so(toy: Path, course: Course) -> None:
    for name in ("book", "slides"):
        code, _, err = course(name)
        assert code == 2 and f"`course {name}` needs the course's repository" in err
