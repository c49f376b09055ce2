"""Benchmarks report the median of ratios within rounds, and measure what they name."""

import time

import pytest
import torch

from benchmarks import dncnn
from benchmarks.side_by_side import Comparison, compare


def test_the_result_is_the_median_of_the_rounds_ratios(monkeypatch):
    clock = iter([0, 0, 3, 10, 11, 20, 24, 30, 32, 40, 46, 50, 52])   # rounds of 3/1, 4/2 and 6/2 after warming up
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    next(clock)
    found = compare("ours", lambda: None, lambda: None, peer="theirs", wanted=2.5, rounds=3)
    assert (found.ratio, found.lowest, found.highest) == (3.0, 2.0, 3.0)
    assert "as wanted" in str(found)


def test_a_ratio_below_the_wanted_one_says_so():
    assert "BELOW" in str(Comparison("a", "b", 1.5, 1.4, 1.6, 2.0, 1.0, 1.5))


def test_the_peer_of_the_patches_makes_patches_like_ours(monkeypatch):
    asked = {}
    monkeypatch.setattr(dncnn, "compare", lambda name, ours, theirs, **words: asked.update(ours=ours, theirs=theirs))
    monkeypatch.setattr(dncnn, "DecodingDataset", lambda read, length, kind=dncnn.DecodingDataset: asked.setdefault(
        "data", kind(read, 8)))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    dncnn.patch_supply()
    theirs = asked["data"][0]
    ours = tuple(leaf[0] for leaf in asked["ours"]()[0])
    for one, other in zip(theirs, ours, strict=True):
        assert one.shape == other.shape == (1, dncnn.PATCH, dncnn.PATCH) and one.dtype == other.dtype == torch.float32
    for z, y in (theirs, ours):
        assert float((z - y).std()) == pytest.approx(dncnn.SIGMA, rel=0.2)
