"""The claims of lecture denoising, on metrics that hold and metrics that fail."""

import pytest

from course_lib.claims import straightforward as claims

ROW = {f"{a}_on_{b}": (30.0 if a == b else 20.0) for a in claims.FORWARD for b in claims.FORWARD} | {
    "wavelet_on_noise": 28.0, "nlm_on_noise": 29.0} | {f"given_{name}": 15.0 for name in claims.FORWARD}


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_can_be_true_and_can_be_false(claim):
    assert claim.holds([ROW, ROW]).holds
    reversed_row = {key: -value for key, value in ROW.items()}
    assert not claim.holds([ROW, reversed_row]).holds


def test_the_experiment_gives_the_metrics_that_the_claims_read():
    metrics = claims.FORWARD_MODELS.measure("smoke", 0)
    assert metrics.keys() == ROW.keys()
