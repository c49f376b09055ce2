"""The claims on the sorting line say yes to metrics made up for a yes, no to each one spoilt, and are measured."""

import pytest
import torch
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import before_after
from course_lib.claims.before_after import CLAIMS
from course_lib.data.sorting import AFTER, BEFORE

WAYS = ("raw_2", "raw_3", "removed_2", "removed_3", "known_3")
YES = {
    **dict.fromkeys(WAYS, 0.98), **{f"{way}_swapped": 0.97 for way in WAYS}, **{f"{way}_maps": 0.1 for way in WAYS},
    "raw_2_swapped": 0.05, "raw_3_swapped": 0.3, "removed_3_maps": 0.35, "marks_overlap": 0.5, "masks_overlap": 0.9,
    "marks_after": 0.01, "masks_after": 0.0, "first": 0.95}
_SHORTCUT = [{"raw_2": 0.9}, {"raw_2_swapped": 0.3}]
_CURE = [{"removed_3": 0.85}, {"removed_3_swapped": 0.85}]
SPOILT = {
    "before_after-shortcut": _SHORTCUT, "before_after-shortcut-waste": _SHORTCUT,
    "before_after-cure": _CURE, "before_after-cure-waste": _CURE,
    "before_after-third-class-alone": [{"raw_3_swapped": 0.6}],
    "before_after-known-masks": [{"removed_3_swapped": 0.91}],
    "before_after-maps": [{"raw_2_maps": 0.3}], "before_after-maps-waste": [{"raw_2_maps": 0.3}],
    "before_after-segmentation": [{"marks_overlap": 0.35}],
    "before_after-segmentation-waste": [{"marks_overlap": 0.35}],
    "before_after-true-masks": [{"masks_overlap": 0.5}],
    "frame_order-line": [{"first": 0.9}]}

TestCriteria = criteria(CLAIMS, YES, SPOILT)


def test_no_sequence_is_both_learnt_from_and_tested():
    with profiles.using("smoke"):
        for seed in (0, 1):
            train, test, swapped = before_after.films(seed)
            known = {frame.numpy().tobytes() for frame in train.images}
            assert not known & {frame.numpy().tobytes() for film in (test, swapped) for frame in film.images}
            assert torch.equal(test.masks, swapped.masks) and not torch.equal(test.images, swapped.images)


def test_overlap_counts_frames_of_before_and_marks_those_of_after():
    with profiles.using("smoke"):
        _, test, _ = before_after.films(0)
    assert before_after.overlap(test.masks, test) == 1 and before_after.marked_after(test.masks, test) == 0
    everything = torch.ones_like(test.masks)
    share = test.masks[test.labels == BEFORE].float().mean(dim=(1, 2, 3)).mean()
    assert abs(before_after.overlap(everything, test) - float(share)) < 1e-6
    assert before_after.marked_after(everything, test) == 1 and bool((test.labels == AFTER).any())


@pytest.mark.slow
@each_experiment(CLAIMS)
def test_the_experiments_measure_what_the_claims_ask_for(experiment, course_data):
    assert measured(experiment, CLAIMS).keys() <= YES.keys()
