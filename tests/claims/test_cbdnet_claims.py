"""The claims on CBDNet say yes to metrics made up for a yes, no to each one spoilt, and are measured as they say."""

import pytest
import torch
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import cbdnet
from course_lib.claims.cbdnet import CLAIMS, KNOBS, LEVELS, STRENGTHS

YES = {
    **{f"{where}_{name}": value for where in ("real", "made", "others")
       for name, value in {"noisy": 37.0, "camera": 38.0, "white": 35.0, "near": 37.2}.items()},
    "others_longer": 38.1, "others_tuned": 39.0,
    **{f"{name}_too_low": share for name, share in (("asymmetric", 0.2), ("symmetric", 0.5), ("exchanged", 0.8))},
    **{f"{name}_ratio": 1.0 for name in ("asymmetric", "symmetric", "exchanged")},
    **{f"knob_{knob:g}": 30.0 - abs(knob - 1) for knob in KNOBS},
    **{f"white_{level}": 1.1 for level in LEVELS}, **{f"camera_{strength:g}": 1.0 for strength in STRENGTHS}}
SPOILT = {
    "cbdnet-real-pairs": [{"real_camera": 34.0}, {"real_near": 38.5}],
    "cbdnet-real-others": [{"others_camera": 34.0}, {"others_near": 38.5}],
    "cbdnet-better-than-nothing": [{"real_camera": 36.9}],
    "cbdnet-fine-tuned": [{"others_tuned": 38.05}],
    "cbdnet-asymmetric": [{"asymmetric_too_low": 0.6}, {"exchanged_too_low": 0.4}],
    "cbdnet-finds-white-level": [{"white_15": 1.3}, {"white_50": 0.7}],
    "cbdnet-finds-camera-level": [{"camera_0.25": 4.0}, {"camera_1": 0.4}],
    "cbdnet-knob": [{"knob_0.25": 29.95}]}

TestCriteria = criteria(CLAIMS, YES, SPOILT)


def test_the_pictures_of_the_made_up_cameras_are_the_same_for_every_network():
    with profiles.using("smoke"):
        first, second = cbdnet.taken(seed=0), cbdnet.taken(seed=0)
    assert len(first) == 6 and all(torch.equal(a, b) for one, two in zip(first, second, strict=True)
                                   for a, b in zip(one, two, strict=True))
    assert not torch.equal(first[0][0], first[1][0])                              # three shots, three cameras


@pytest.mark.slow
@each_experiment(CLAIMS)
def test_the_experiments_measure_what_the_claims_ask_for(experiment, course_data):
    assert measured(experiment, CLAIMS).keys() <= YES.keys()
