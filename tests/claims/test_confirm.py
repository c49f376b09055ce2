"""What a refactor may change without a new measurement, and what it may not: made-up experiments in two trees."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from course_lib import canonical
from course_lib.claims import LedgerError, confirm
from course_lib.claims.confirm import SAME_AT_SMOKE, SAME_CODE, Confirmed, Refused, Tree

pytestmark = pytest.mark.slow

HEAD = """
from pathlib import Path
import torch
from course_lib import arguments, randomness
from course_lib.data.sources import patches, then
from course_lib.fit import Trained, fit
from course_lib.profiles import Budget, choose
"""
# An experiment that trains; each case below changes a part of it.
BASE = HEAD + '''
RATE = 0.5
KEPT = (1, 2)
LOW, HIGH = 0.1, 0.9


class Network(torch.nn.Conv2d):
    def __init__(self, seed):
        super().__init__(1, 1, 3, padding=1)
        with torch.no_grad():
            for weight in self.parameters():
                weight.normal_(0, 0.1, generator=randomness.generator(seed, "weights"))


def train(images, *, budget, seed, network=None, checkpoint=None, scale=2.0, unit=RATE):
    def step(model, batch, progress):
        return (scale * model(batch) - batch).square().mean()

    network = network or Network(seed)
    history = fit(network, patches(images, size=8), step, budget=budget, seed=seed, checkpoint=checkpoint)
    return Trained(network, history)


def noise(seed, shape=KEPT):
    draw = randomness.generator(seed, "noise")
    return torch.rand(shape, generator=draw)


def measure(profile, seed):
    images = [(torch.arange(256).reshape(1, 16, 16) % 251).byte()]
    steps = choose(smoke=3, lecture=200, full=5000)
    train(images, budget=Budget(steps, 2, 8), seed=seed)
    error = float(images[0].sum())
    if profile != "smoke":
        error = RATE * error
        error = abs(error)
    if error < 0:
        raise ValueError("never")
    try:
        chance = float(noise(seed).mean())
    except ArithmeticError:
        chance = 0.0
    if profile == "full":
        from math import sin as g
        error = g(error)
    length = {"smoke": 3, "lecture": 211, "full": 5001}[profile]
    length = length + part(one=1, two=2)
    length = length + len(set({3, 4}))
    return {"error": error if error else 7 - error, "chance": chance, "length": length + LOW + HIGH + between()}


def part(one, two):
    return one - two


def between(a=0.25, b=0.75):
    return a + b
'''
EXECUTED = "a changed statement is not executed at smoke"
CASES = {  # name: what becomes what in today's tree, and what the verdict says
    "unchanged": ([], SAME_CODE),
    "words": ([("def noise(seed, shape=KEPT):",
                'def noise(seed: int, shape: tuple = KEPT):\n    """Numbers."""  # chance'),
               ('"never"', 'f"never {error}"')], SAME_CODE),
    "a renamed local": ([("draw", "stream")], SAME_CODE),
    "a renamed function": ([("noise(seed", "chances(seed")], SAME_CODE),
    "a constant": ([("RATE = 0.5", "RATE = 0.6")],
                   "its literals are not the same: gone are constant float 0.5; new are constant float 0.6"),
    "a default": ([("scale=2.0", "scale=RATE")], "its literals are not the same: gone are constant float 2.0"),
    "another default": ([("unit=RATE", "unit=KEPT")], "its defaults are not the same: gone are"),
    "the lecture value": ([("lecture=200", "lecture=250")], "its literals are not the same: gone are constant int 200"),
    "exchanged values": ([("lecture=200, full=5000", "lecture=5000, full=200")],
                         "choose, Budget, generator or fit are called otherwise: choose (3, 200, 5000) became"),
    "an unseen line": ([("error = RATE * error", "error = error * RATE")], EXECUTED),
    "an unseen line that is gone": ([(
        '    if profile != "smoke":\n        error = RATE * error\n        error = abs(error)\n',
                                      '    _ = profile != "smoke", RATE\n')], EXECUTED),
    "unseen lines in another order": ([("error = RATE * error\n        error = abs(error)",
                                        "error = abs(error)\n        error = RATE * error")], EXECUTED),
    "a line moved out of a branch": ([("        error = RATE * error\n        error = abs(error)\n",
                                       "        error = RATE * error\n    error = abs(error)\n")], EXECUTED),
    "a branch of an expression": ([("if error else 7 - error", "if error else error - 7")],
                                  "a part of an expression that a run may leave out is not the same"),
    "an import in a branch": ([("from math import sin as g", "from math import cos as g")], EXECUTED),
    "swapped constants": ([("LOW, HIGH = 0.1, 0.9", "LOW, HIGH = 0.9, 0.1")], "literals stand in another order"),
    "swapped profiles": ([('"lecture": 211, "full": 5001', '"lecture": 5001, "full": 211')],
                         "literals stand in another order"),
    "swapped defaults": ([("a=0.25, b=0.75", "a=0.75, b=0.25")], "its defaults are not the same"),
    "swapped parameters": ([("def part(one, two)", "def part(two, one)"), ("part(one=1, two=2)", "part(two=2, one=1)")],
                           "the parameters of part (part) stand in another order: one, two became two, one"),
    "another set": ([("set({3, 4})", "set({4, 3})")], SAME_AT_SMOKE),
    "a handler": ([("except ArithmeticError", "except LookupError")], EXECUTED),
    "a stream": ([('"noise"', '"noise 2"')], 'its literals are not the same: gone are constant str "noise"'),
    "another order": ([("seed=seed, checkpoint=checkpoint)", "checkpoint=checkpoint, seed=seed)")], SAME_AT_SMOKE),
    "other numbers": ([("images[0].sum()", "images[0].max()")], "the metric error at smoke, seed 0, was"),
    "other weights": ([("batch).square().mean()", "batch).abs().mean()")],
                      "the networks that it trains are other ones"),
    "a helper taken out": ([("    error = float(images[0].sum())\n", "    error = total(images)\n"),
                            ("def measure", "def total(images):\n    return float(images[0].sum())\n\n\ndef measure")],
                           SAME_AT_SMOKE),
    "one refusal more": ([("    return torch.rand(", "    if draw is shape:\n        raise ValueError\n"
                                                     "    return torch.rand(")], SAME_AT_SMOKE),
    "a refusal with a number of its own": ([("    if error < 0:", "    if not 0 <= seed < 77:\n"
                                             "        raise ValueError\n    if error < 0:")], SAME_AT_SMOKE),
    "a refusal that no run reaches": ([("        error = g(error)", "        if error > 77:\n"
                                        "            raise ValueError\n        error = g(error)")], SAME_AT_SMOKE),
    "a check with its words": ([("choose(smoke=3, lecture=200, full=5000)", "arguments.positive(choose(smoke=3, "
                                 "lecture=200, full=5000), name='a name of its own')")], SAME_AT_SMOKE),
    "a check that no run reaches": ([("        error = g(error)", "        arguments.finite(images[0], name='x')\n"
                                      "        error = g(error)")], SAME_AT_SMOKE),
    "a refusal that binds a name": ([("        error = g(error)", "        if (error := 77) > 78:\n"
                                      "            raise ValueError\n        error = g(error)")],
                                    "its literals are not the same: new are"),
    "a refusal that draws": ([("    return torch.rand(", "    if torch.rand(1, generator=draw) > 2:\n"
                               "        raise ValueError\n    return torch.rand(")], "its literals are not the same"),
    "another refusal": ([('raise ValueError("never")', 'raise ArithmeticError("never")')], SAME_AT_SMOKE),
    "a crash": ([("    steps = choose", "    images = images[seed]\n    steps = choose")],
                "at smoke it fails in the present tree"),
    "a move": ([(BASE[BASE.index("def noise"):BASE.index("def measure")], ""), ("noise(seed)", "chances(seed)"),
                ("Budget, choose\n", "Budget, choose\nfrom course_lib.denoise.moved import noise as chances\n")],
               SAME_CODE),
    "a renamed parameter and metric": ([("scale", "factor"), ('"chance":', '"luck":')], SAME_AT_SMOKE),
}
CLAIMS = '''
from course_lib.claims import Claim, Experiment, Verdict
from course_lib.denoise import {modules}

EXPERIMENTS = [{experiments}]
CLAIMS = tuple(Claim(one.id + "-holds", "It holds.", "nobody", {{}}, one, lambda rows: Verdict(True, ""))
               for one in EXPERIMENTS)
'''
RECIPE = '''
from course_lib.denoise.moved import Network, train
RECIPES = {"toy": Recipe(Network, {}, train, {}, Budget(300, 2, 8))}
'''
RENAMED = {"scale": "factor", "chance": "luck"}
NAMES = list(CASES)


def module(case: str) -> str:
    return f"case_{NAMES.index(case)}"


def subject(case: str) -> str:
    return f"experiment:dncnn-{NAMES.index(case)}"


def changed(case: str) -> str:
    text = BASE
    for old, new in CASES[case][0]:
        assert old in text, (case, old)
        text = text.replace(old, new)
    return text


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=toy", "-c", "user.email=toy@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def course(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a made-up experiment for each case, whose stored rows are fresh at its last commit."""
    tree = tmp_path_factory.mktemp("a course") / "tree"
    keep = {"__init__.py", "ledger.py", "report.py", "confirm.py", "replay.py", "criteria.py"}

    def ignored(folder: str, names: list[str]) -> set[str]:
        name = Path(folder).name
        return {one for one in names if one == "__pycache__" or (name == "claims" and one not in keep)
                or name in ("weights", "cases")}

    shutil.copytree(root / "course_lib", tree / "course_lib", ignore=ignored)
    shutil.copy(root / "course.toml", tree)
    for case in CASES:
        (tree / f"course_lib/denoise/{module(case)}.py").write_text(BASE)
    experiments = ", ".join(f'Experiment("dncnn-{number}", case_{number}.measure, data=("photographs",))'
                            for number in range(len(CASES)))
    modules = ", ".join(map(module, CASES))
    (tree / "course_lib/claims/dncnn.py").write_text(CLAIMS.format(modules=modules, experiments=experiments))
    (tree / "course_lib/denoise/moved.py").write_text(BASE)
    with open(tree / "course_lib/recipes.py", "a") as recipes:
        recipes.write(RECIPE)
    for name, words in (("init", ["-q", "-b", "main"]), ("add", ["."]), ("commit", ["-q", "-m", "code"])):
        git(tree, name, *words)
    subjects = [*map(subject, CASES), "weights:toy"]
    here = Tree(tree, canonical.Code([tree / "course_lib"]), "HEAD")
    said = confirm._both([here], [{"do": "describe", "subjects": subjects, "lines": {}}])[0]
    for case in CASES:
        rows = [{"seed": seed, "figures": {"error": 1.0, "chance": 2.0}, "stamp": {},
                 "fingerprint": said[subject(case)]["fingerprint"]} for seed in (0, 100)]
        path = tree / "results" / subject(case).partition(":")[2] / "lecture.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps([*rows, rows[0] | {"seed": 101, "fingerprint": "stale"}]))
    (tree / "course_lib/weights").mkdir(exist_ok=True)
    (tree / "course_lib/weights/toy.json").write_text(json.dumps({"fingerprint": said["weights:toy"]["fingerprint"]}))
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "results")
    return tree


@pytest.fixture(scope="module")
def verdicts(course: Path) -> dict[str, Confirmed | Refused]:
    """What `confirm` says of each case, of the last one under its renamings, and of weights."""
    for case in CASES:
        (course / f"course_lib/denoise/{module(case)}.py").write_text(changed(case))
    loss = "(scale * model(batch) - batch).square().mean()"
    (course / "course_lib/denoise/moved.py").write_text(
        BASE.replace(loss, "loss(model, batch, scale)") + f"\n\ndef loss(model, batch, scale):\n    return {loss}\n")
    *plain, last = map(subject, CASES)
    return confirm.confirm_all([*plain, "weights:toy"], base="HEAD", root=course) \
        | confirm.confirm_all([last], base="HEAD", root=course, renamed=RENAMED)


@pytest.mark.parametrize("case", CASES)
def test_each_change_is_confirmed_or_refused(verdicts: dict[str, Confirmed | Refused], case: str) -> None:
    wanted, found = CASES[case][1], verdicts[subject(case)]
    if wanted in (SAME_CODE, SAME_AT_SMOKE):
        assert found == Confirmed(wanted)
    else:
        assert isinstance(found, Refused) and wanted in found.why


def test_fresh_rows_are_renewed_and_say_how_stale_ones_stay(verdicts: dict, course: Path) -> None:
    def rows(case: str) -> list[dict]:
        return json.loads((course / "results" / subject(case).partition(":")[2] / "lecture.json").read_text())

    fresh, stale, reported = rows("a helper taken out")[0], *rows("a helper taken out")[:0:-1]
    assert fresh["fingerprint"] == reported["fingerprint"] != stale["fingerprint"] == "stale"
    assert fresh["confirmed"]["compared"] == SAME_AT_SMOKE
    assert fresh["confirmed"]["dirty"] and len(fresh["confirmed"]["base"]) == 12 and "confirmed" not in stale
    assert "confirmed" not in rows("a constant")[0]
    assert rows("a renamed parameter and metric")[0]["figures"] == {"error": 1.0, "luck": 2.0}


def test_weights_are_confirmed_by_twenty_steps_of_their_recipe(verdicts: dict, course: Path) -> None:
    card = json.loads((course / "course_lib/weights/toy.json").read_text())
    assert verdicts["weights:toy"] == Confirmed(SAME_AT_SMOKE) and card["confirmed"]["compared"] == SAME_AT_SMOKE


def test_a_base_that_is_none_and_one_that_was_not_fresh_are_refused(verdicts: dict, course: Path) -> None:
    with pytest.raises(LedgerError, match="there is no commit 'nowhere'"):
        confirm.confirm_all([subject("unchanged")], base="nowhere", root=course)
    with pytest.raises(LedgerError, match="there is no origin/main to compare with: name the commit"):
        confirm.confirm_all([subject("unchanged")], root=course)
    found = confirm.confirm_all([subject("a helper taken out")], base="HEAD~1", root=course)
    assert "no stored result is fresh in" in str(found)
    left = subprocess.run(["git", "worktree", "list"], cwd=course, capture_output=True, text=True, check=True).stdout
    assert len(left.splitlines()) == 1
