"""The criteria of BM3D's claims say yes to what the sentences say, and no where one part of it is missing."""

from __future__ import annotations

import pytest

from course_lib.claims.bm3d import CLAIMS, LEVELS

RIGHT = dict(zip(LEVELS, (20.9, 21.9, 25.0, 31.2, 31.1, 30.7, 29.9, 29.2), strict=True))
TOLD = {f"{kind}_told_{told}": value for kind in ("gray", "colour") for told, value in RIGHT.items()}
TABLE = {f"{name}_{peer}": value for name in ("photographs", "bsd68")
         for peer, value in (("wavelet", 26.0), ("nlm", 27.0), ("first_stage", 28.1), ("bm3d", 28.6))}
TABLE |= {"bsd68_images": 68.0, "cbsd68_images": 68.0, "cbsd68_together": 30.7, "cbsd68_alone": 28.6}
WNNM = {"bm3d_a": 30.0, "wnnm_a": 30.2, "bm3d_b": 28.0, "wnnm_b": 28.3, "bm3d_c": 29.0, "wnnm_c": 28.9}
NAMED = {claim.id.removeprefix("bm3d-"): claim for claim in CLAIMS}


@pytest.mark.parametrize(("name", "metrics", "spoilt"), [
    ("too-low", TOLD, {"gray_told_5": 22.5}), ("too-low", TOLD, {"colour_told_15": 30.0}),
    ("too-high", TOLD, {"colour_told_50": 25.0}), ("too-high", TOLD, {"gray_told_75": 31.5}),
    ("asymmetric", TOLD, {"gray_told_40": 26.0}), ("asymmetric", TOLD, {"colour_told_10": 31.0}),
    ("beats-classical", TABLE, {"bsd68_nlm": 28.2}), ("beats-classical", TABLE, {"photographs_wavelet": 27.8}),
    ("two-stages", TABLE, {"bsd68_first_stage": 28.7}), ("as-published", TABLE, {"bsd68_bm3d": 28.3}),
    ("as-published", TABLE, {"bsd68_images": 8.0}),
    ("colours-together", TABLE, {"cbsd68_alone": 29.9}), ("below-wnnm", WNNM, {"wnnm_b": 27.9})])
def test_a_criterion_tells_yes_from_no(name, metrics, spoilt):
    holds = NAMED[name].holds
    assert holds([metrics, metrics]).holds
    assert not holds([metrics, metrics | spoilt]).holds    # one seed of two is enough to fail


def test_every_claim_is_tried():
    assert len(NAMED) == len(CLAIMS) == 8 and all(claim.experiment.id.startswith("bm3d-") for claim in CLAIMS)
