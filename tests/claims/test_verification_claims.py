"""The claims on verification hold on metrics that say so, fail on metrics that do not, and are measured as they say."""

import pytest
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import verification
from course_lib.claims.verification import CLAIMS

GOOD = {"hausdorff": 0.3875, "best_run": 0.15, "worst_run": 0.7, "siamese": 0.8, "pixels": 0.2, "random": 0.25,
        "aligned_recall": 0.98, "aligned_eer": 0.2, "shifted_recall": 0.6, "shifted_eer": 0.4, "moved_recall": 0.4,
        "moved_eer": 0.42}
BAD = {
    "verification-hausdorff": [{"hausdorff": 0.385}, {"hausdorff": 38.75}],
    "verification-one-shot": [{"siamese": 0.599}, {"pixels": 0.41}],
    "verification-learning": [{"random": 0.61}],
    "verification-aligned": [{"aligned_recall": 0.94}, {"moved_recall": 0.75}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


@pytest.mark.slow
@each_experiment(CLAIMS)
def test_every_metric_that_a_claim_asks_for_is_measured(experiment, course_data):
    assert measured(experiment, CLAIMS).keys() <= GOOD.keys()


def test_the_background_has_no_character_twice_and_none_of_the_runs(course_data):
    """The two small sets share Greek and Latin drawing for drawing; the runs share no drawing with either."""
    with profiles.using("lecture"):
        everything = verification.background()
    assert len(everything.names) == 4 * 242 and len(everything.labels) == 4 * 4840
    upright = {image.numpy().tobytes() for image in everything.images[:4840]}
    assert len(upright) > 4800                                                       # averaging may make two alike
    with profiles.using("full"):
        asked = {image.numpy().tobytes() for run in verification.runs() for part in run[:2]
                 for image in verification.strokes(verification.Labelled(part, run.answers, ())).images}
    assert not upright & asked
