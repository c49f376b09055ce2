"""The claims on the order of frames say yes to metrics made up for a yes, no to each one spoilt, and are measured."""

from criteria import criteria, measured

from course_lib import profiles
from course_lib.claims import frame_order
from course_lib.claims.frame_order import CLAIMS, ORDER

YES = {"first": 0.96, "belt": 0.9, "things": 0.97}
SPOILT = {"frame_order-learnt": [{"first": 0.9}], "frame_order-belt": [{"belt": 0.7}],
          "frame_order-things": [{"things": 0.85}]}

TestCriteria = criteria(CLAIMS, YES, SPOILT)


def test_every_metric_is_measured():
    assert measured(ORDER, CLAIMS).keys() == YES.keys()


def test_the_empty_belt_is_never_trained_on():
    with profiles.using("smoke"):
        film, _ = frame_order.films(0)
    shown, empty = (frame_order.some_of(film, empty=part) for part in (False, True))
    assert len(shown.images) + len(empty.images) == len(film.images)
    assert bool(shown.masks.any()) and not bool(empty.things.any())
