"""The claims of lecture context on shortcuts say yes to metrics made up for a yes, no to each one spoilt."""

import torch
from criteria import criteria, measured

from course_lib import profiles
from course_lib.claims import shortcuts
from course_lib.claims.shortcuts import CLAIMS, NEIGHBOURS, NOTHING, PUZZLES

TASKS = (*(f"position_{name}" for name in NEIGHBOURS), *(f"jigsaw_{name}" for name in PUZZLES), "turns_four",
         "turns_eight")
FREE = ("position_guarded", "position_dropped", "jigsaw_guarded", "turns_four")
YES = dict.fromkeys(TASKS, 0.2) | {f"{task}_away": 1.0 if task in FREE else 50.0 for task in TASKS}
SPOILT = {
    "shortcuts-position-guarded": [{"position_guarded_away": 3.5}, {"position_guarded_away": -3.5}],
    "shortcuts-position-guards": [{f"position_{name}_away": 4.0} for name in ("no_gap", "brightness", "colours")],
    "shortcuts-jigsaw-guarded": [{"jigsaw_guarded_away": 3.5}],
    "shortcuts-jigsaw-guards": [{f"jigsaw_{name}_away": 4.0} for name in ("no_gap", "brightness", "colours")],
    "shortcuts-projection": [{"position_other_lens_away": 9.0}, {"position_dropped_away": 4.0}],
    "shortcuts-vignette": [{"position_vignette_away": 4.0}],
    "shortcuts-turns": [{"turns_four_away": 4.0}, {"turns_eight_away": 4.0}]}

TestCriteria = criteria(CLAIMS, YES, SPOILT)


def test_standard_errors_by_hand():
    assert shortcuts.away(0.125, 1 / 8, 4000) == 0
    assert abs(shortcuts.away(0.5 + 0.05, 0.5, 100) - 1) < 1e-12


def test_pictures_are_gray_but_for_their_fringes_and_others_are_asked():
    known, others = shortcuts.nothing(4, 0), shortcuts.nothing(4, 1)
    assert torch.equal(known[:, 0], known[:, 2]) and not torch.equal(known[:, 0], known[:, 1])
    assert not (known == others).all(dim=(1, 2, 3)).any()


def test_every_metric_is_measured():
    assert measured(NOTHING, CLAIMS).keys() == YES.keys()


def test_each_unguarded_task_lacks_one_guard_only():
    guarded = NEIGHBOURS["guarded"]
    assert (guarded.gap - 2 * guarded.jitter, guarded.normalise, guarded.colour) == (8, True, "projected")
    assert NEIGHBOURS["no_gap"].normalise and NEIGHBOURS["no_gap"].colour == "projected"
    assert NEIGHBOURS["brightness"].gap == NEIGHBOURS["colours"].gap == guarded.gap
    with profiles.using("lecture"):
        assert shortcuts.budget().steps <= 1000
