"""The claims on class-aware denoising say yes to metrics made up for a yes, no to each one spoilt, and are measured."""

import pytest
import torch
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import class_aware
from course_lib.claims.class_aware import CLAIMS
from course_lib.data.drawn import CLASSES

YES = {
    **{f"agnostic_on_{kind}": 30.0 for kind in CLASSES}, **{f"noisy_on_{kind}": 20.3 for kind in CLASSES},
    **{f"{kind}_on_{other}": 31.0 if kind == other else 25.0 for kind in CLASSES for other in CLASSES},
    **{f"chooser_on_{kind}": 30.9 for kind in CLASSES}, "chosen_right": 1.0,
    **{f"{name}_on_{kind}": value for kind in ("people", "photographs")
       for name, value in (("base", 29.0), ("agnostic", 30.0), ("aware", 30.3))},
    "exact": 1.0, "flat_depth": 0.4, "edges_depth": 0.6, "all_depth": 0.6,
    **{f"{where}_after_{d}": 20.0 + d for where in ("flat", "edges", "all") for d in range(21)}}
SPOILT = {
    "class_aware-wins": [{"text_on_text": 30.05}, {"faces_on_faces": 29.0}],
    "class_aware-loses-elsewhere": [{"text_on_faces": 30.0}],
    "class_aware-chooser": [{"chosen_right": 0.9}, {"chooser_on_texture": 30.0}],
    "class_aware-poisson": [{"texture_on_texture": 30.0}, {"chooser_on_text": 29.9}],
    "class_aware-people": [{"aware_on_people": 29.9}],
    "class_aware-gradual-sum": [{"exact": 0.0}],
    "class_aware-flat-first": [{"flat_depth": 0.6}]}

TestCriteria = criteria(CLAIMS, YES, SPOILT)


def test_no_picture_is_both_trained_on_and_tested():
    with profiles.using("smoke"):
        for seed in (0, 1):
            known = {picture.numpy().tobytes() for pictures in class_aware.classes(seed).values()
                     for picture in pictures.values()}
            tested = [picture.numpy().tobytes() for pictures in class_aware.classes(seed, test=True).values()
                      for picture in pictures.values()]
            assert len(known) == 12 and len(tested) == 6 and not known & set(tested)


@pytest.mark.parametrize(("errors", "share"), [
    ([1.0, 1.0, 1.0], 0.0),                             # nothing to do
    ([1.0, 0.5, 0.1, 0.11, 0.1], 0.5),                  # there after two of four
    ([1.0, 0.1, 0.9, 0.1, 0.1], 0.75)])                 # it has to stay
def test_near_the_end_means_there_for_good(errors, share):
    assert class_aware.near_the_end(torch.tensor(errors)) == share


@pytest.mark.slow
@each_experiment(CLAIMS)
def test_the_experiments_measure_what_the_claims_ask_for(experiment, course_data):
    assert measured(experiment, CLAIMS).keys() <= YES.keys()
