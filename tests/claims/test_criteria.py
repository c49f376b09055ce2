"""Each criterion on rows made by hand: a yes, a no, the border, one seed, a value that is no number, no such metric."""

import math
import statistics

import pytest

from course_lib.claims.criteria import Metric, bound, exceeds, growing, interval, together
from course_lib.claims.ledger import LedgerError


def rows(**values):
    """One row per seed: rows(a=[1, 2]) has two."""
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


AHEAD = rows(new=[31.0, 29.5], old=[29.0, 29.0])       # by 2 and by 0.5, in the mean by 1.25
STEADY = [1.0, 1.2, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(("criterion", "holds"), [
    (exceeds("new", "old", over="every seed"), True), (exceeds("old", "new", over="every seed"), False),
    (exceeds("new", "old", by=0.4, over="every seed"), True),
    (exceeds("new", "old", by=1.0, over="every seed"), False),                         # every seed, not the mean
    (exceeds("new", "old", by=1.0, over="the mean"), True), (exceeds("new", "old", by=1.3, over="the mean"), False),
    (exceeds("new", "old"), False),                          # the 95 % interval, and two seeds say very little
    (exceeds("new", "new"), False), (exceeds("old", "new", by=-2.5, over="every seed"), True)])    # equal is not above
def test_exceeding_is_asked_of_every_seed_of_the_mean_or_of_the_interval(criterion, holds):
    assert criterion(AHEAD).holds == holds


@pytest.mark.parametrize(("limits", "value", "holds"), [
    ({"above": 1.0}, 1.0, False), ({"at_least": 1.0}, 1.0, True), ({"below": 1.0}, 1.0, False),
    ({"at_most": 1.0}, 1.0, True), ({"at_least": 1.0}, math.nextafter(1.0, 0), False),
    ({"at_most": 1.0}, math.nextafter(1.0, 2), False), ({"above": 1.0}, math.nextafter(1.0, 2), True),
    ({"above": 0.0, "below": 1.0}, 0.5, True), ({"above": 0.0, "below": 1.0}, 1.5, False)])
def test_a_bound_says_whether_its_border_belongs_to_it(limits, value, holds):
    assert bound("a", **limits)(rows(a=[value])).holds == holds


def test_a_bound_holds_for_each_of_its_metrics_at_every_seed():
    assert bound("a", "b", below=3)(rows(a=[1, 2], b=[0, 1])).holds
    assert not bound("a", "b", below=3)(rows(a=[1, 2], b=[0, 4])).holds
    assert not bound("a", "b", below=3)(rows(a=[4, 1], b=[0, 1])).holds
    assert bound("a", below=3, over="the mean")(rows(a=[4, 1])).holds


def test_over_the_interval_all_of_it_must_lie_within():
    low, high = interval(STEADY)
    for limit, holds in ((low - 1e-9, True), (low + 1e-9, False)):
        assert bound("a", above=limit, over="the 95 % interval")(rows(a=STEADY)).holds == holds
    for limit, holds in ((high + 1e-9, True), (high - 1e-9, False)):
        assert bound("a", below=limit, over="the 95 % interval")(rows(a=STEADY)).holds == holds
    assert min(STEADY) < low and high < max(STEADY)           # so neither every seed nor the mean was asked


@pytest.mark.parametrize(("a", "b", "c", "holds"), [
    ([1, 1], [2, 2], [3, 3], True), ([1, 1], [2, 3], [3, 3], False), ([1, 2], [2, 1.5], [3, 3], False)])
def test_growing_means_strictly_at_every_seed(a, b, c, holds):
    assert growing("a", "b", "c")(rows(a=a, b=b, c=c)).holds == holds


def test_in_the_mean_a_seed_may_fall_but_for_the_interval_it_may_not_fall_so_much():
    one_falls = rows(a=[1, 2], b=[2, 1.5])
    assert growing("a", "b", over="the mean")(one_falls).holds
    assert not growing("a", "b", over="the 95 % interval")(one_falls).holds


def test_criteria_hold_together_only_if_each_does():
    yes, no = bound("a", below=2), exceeds("a", "b")
    both = together(yes, no)(rows(a=[1], b=[1]))
    assert not both.holds and not together(no, yes)(rows(a=[1], b=[1])).holds
    assert together(yes, yes)(rows(a=[1], b=[1])).holds
    assert both.because == "; ".join(criterion(rows(a=[1], b=[1])).because for criterion in (yes, no))


@pytest.mark.parametrize("over", ["every seed", "the mean", "the 95 % interval"])
@pytest.mark.parametrize("make", [
    lambda over: bound("a", above=0, over=over), lambda over: bound("a", at_most=9, over=over),
    lambda over: exceeds("a", "b", over=over), lambda over: exceeds("b", "a", over=over),
    lambda over: growing("a", "b", over=over), lambda over: growing("b", "a", over=over)],
    ids=["above", "at_most", "first", "second", "falls", "grows"])
def test_a_value_that_is_no_number_is_a_no_and_a_missing_metric_is_named(make, over):
    for place in range(3):
        values = [1.0, 1.1, 0.9]
        values[place] = math.nan
        assert not make(over)(rows(a=values, b=[2.0] * 3)).holds
    with pytest.raises(KeyError, match="a"):
        make(over)(rows(b=[2.0] * 3))


def test_one_seed_decides_for_every_seed_and_the_mean_but_knows_no_interval():
    one = rows(a=[5.0], b=[1.0])
    for over, holds in (("every seed", True), ("the mean", True), ("the 95 % interval", False)):
        assert {bound("a", above=4, over=over)(one).holds, exceeds("a", "b", by=3, over=over)(one).holds,
                growing("b", "a", over=over)(one).holds} == {holds}
    assert not bound("a", below=9, over="the 95 % interval")(one).holds


def test_an_interval_is_that_of_scipy():
    from scipy.stats import ttest_1samp

    for values in ([1.0, 2.0], [0.3, 1.9, 2.2, 0.7], list(range(40))):
        expected = ttest_1samp(values, 0).confidence_interval(0.95)
        assert interval(values) == pytest.approx((expected.low, expected.high))
    low, high = interval([1.0, 2.0, 3.0])
    assert high - low > 4 * 1.96 * statistics.stdev([1.0, 2.0, 3.0]) / math.sqrt(3)      # the broken variant: Gauss's
    assert interval([2.0]) == (-math.inf, math.inf)


def test_metrics_are_computed_row_by_row_and_named_after_their_parts():
    row = {"a": 3.0, "b": 2.0}
    for metric, name, value in (
            (Metric("a") - "b", "a - b", 1.0), (Metric("b") - 5, "b - 5", -3.0), (Metric("a") / "b", "a / b", 1.5),
            (0.5 * Metric("a"), "0.5 * a", 1.5), (abs(Metric("b") - "a"), "|b - a|", 1.0),
            (Metric("b") - Metric("a") / "b", "b - (a / b)", 0.5), (2 * (Metric("a") - "b"), "2 * (a - b)", 2.0),
            (2 * abs(Metric("b") - "a"), "2 * |b - a|", 2.0), (Metric("largest", lambda row: max(row.values())),
                                                               "largest", 3.0)):
        assert (metric.name, metric(row)) == (name, value)
    assert exceeds(Metric("a") - 1, Metric("b") / "a")([row, row]).holds


def test_the_numbers_are_said():
    assert exceeds("a", Metric("b") - 1, over="every seed")(rows(a=[3, 5], b=[2, 2])).because == (
        "a 4.00 - (b - 1) 1.00 = 3.00 (2.00 to 4.00); needed of every seed: above 0")
    assert exceeds("a", "b")(rows(a=[3, 5, 4], b=[2, 2, 2])).because == (
        "a 4.00 - b 2.00 = 2.00 (95 % interval -0.48 to 4.48); needed of the 95 % interval: above 0")
    assert bound("a", "b", above=-1, at_most=1e-3)(rows(a=[3], b=[0.001])).because == (
        "a 3.00 (3.00 to 3.00), b 0.001 (0.001 to 0.001); needed of every seed: above -1 and at most 0.001")
    assert bound("a", above=0, over="the mean")(rows(a=[1, 2, 3])).because == (
        "a 2.00 (95 % interval -0.48 to 4.48); needed of the mean: above 0")


@pytest.mark.parametrize("make", [
    lambda: bound("a"), lambda: bound(below=1), lambda: growing("a"), lambda: growing(), lambda: together(),
    lambda: bound("a", below=1, over="any seed")(rows(a=[0]))])
def test_a_criterion_that_could_not_fail_is_refused(make):
    with pytest.raises(LedgerError, match="always pass|would pass|not over 'any seed'"):
        make()
