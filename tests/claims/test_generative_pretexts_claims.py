"""The claims of lecture generative_pretexts hold on metrics that say so and fail on others."""

import math

import pytest
import torch
from criteria import criteria, each_experiment, measured

from course_lib import profiles
from course_lib.claims import colorization, context_encoder, exemplar
from course_lib.data.pieces import pieces
from course_lib.pretext.exemplar import ExemplarNet

CLAIMS = (*colorization.CLAIMS, *context_encoder.CLAIMS, *exemplar.CLAIMS)
GOOD = {
    "true": 14.0, "squared_at_100": 6.5, "squared_at_38": 6.5, "squared_at_10": 6.5,
    "plain_at_100": 9.5, "plain_at_38": 9.0, "plain_at_10": 8.0,
    "rebalanced_at_100": 15.0, "rebalanced_at_38": 16.0, "rebalanced_at_10": 16.5,
    "squared_error": 17.0, "plain_error": 17.5, "rebalanced_error": 20.0,
    "mean_middle": 17.0, "biharmonic_middle": 18.0, "middle_middle": 20.0, "anywhere_middle": 19.5,
    "mean_elsewhere": 17.0, "biharmonic_elsewhere": 16.0, "middle_elsewhere": 12.0, "anywhere_elsewhere": 19.0,
    "probe": 0.5, "random_probe": 0.4, "autoencoder_probe": 0.42,
    "exemplar_own": 0.8, "exemplar_others": 0.3, "exemplar_found": 0.6, "exemplar_probe": 0.5,
    "random_own": 0.9, "random_others": 0.8, "random_found": 0.3,
}
BAD = {
    "colorization-bins": [{"plain_at_38": 6.0}],
    "colorization-weights": [{"rebalanced_at_38": 12.0}],
    "colorization-temperature": [{"rebalanced_at_38": 14.0}],
    "colorization-temperature-plain": [{"plain_at_38": 10.0}],
    "colorization-price": [{"rebalanced_error": 16.0}],
    "colorization-transfer": [{"probe": 0.39}],
    "context_encoder-fills": [{"anywhere_elsewhere": 16.5}],
    "context_encoder-biharmonic": [{"biharmonic_elsewhere": 19.5}],
    "context_encoder-middle": [{"middle_middle": 16.0}, {"middle_elsewhere": 18.0}],
    "context_encoder-transfer": [{"probe": 0.39}],
    "context_encoder-autoencoder": [{"probe": 0.41}],
    "exemplar-invariance": [{"exemplar_others": 0.75}],
    "exemplar-found": [{"exemplar_found": 0.29}],
    "exemplar-transfer": [{"exemplar_probe": 0.39}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


@each_experiment((*context_encoder.CLAIMS, *exemplar.CLAIMS))
def test_every_metric_that_a_claim_asks_for_is_measured(experiment):
    assert measured(experiment, CLAIMS).keys() <= GOOD.keys()


def test_every_metric_that_a_claim_asks_for_is_measured_on_photographs(course_data):
    assert measured(colorization.CIFAR, CLAIMS).keys() <= GOOD.keys()


def test_pictures_to_learn_from_and_to_ask_about_share_none():
    with profiles.using("smoke"):
        every = [picture.numpy().tobytes() for seed in (0, 1) for part in context_encoder.pictures(seed)
                 for picture in part]
    assert len(set(every)) == len(every)


def test_rare_bins_have_the_larger_weights():
    w = colorization.weights(pieces(4, size=64))
    assert w.shape == (313,) and float(w.max()) > 1 and bool((w >= 0).all())


def test_the_score_of_a_hole_counts_its_pixels_only():
    image, mask = torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[:, :, 2:4, 2:6] = 1
    estimate = torch.where(mask > 0, torch.tensor([0.1, 0.01])[:, None, None, None], 0.7)
    assert context_encoder.within(estimate, image, mask) == pytest.approx(30.0, abs=1e-4)      # 20 and 40 dB


def test_biharmonic_in_painting_continues_a_ramp_and_leaves_the_rest():
    ramp = torch.linspace(0, 1, 16).expand(1, 3, 16, 16).clone()
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 5:10, 6:11] = 1
    done = context_encoder.biharmonic(ramp * (1 - mask), mask)
    assert torch.allclose(done, ramp, atol=1e-3)
    assert torch.allclose(done[(mask == 0).expand_as(done)], ramp[(mask == 0).expand_as(ramp)], atol=1e-6)


def test_both_kinds_of_holes_have_the_same_size():
    areas = {place: hole.mask(torch.Size((50, 3, 32, 32)), torch.Generator().manual_seed(0)).sum(dim=(1, 2, 3))
             for place, hole in context_encoder.HOLES.items()}
    assert all(bool((area == 256).all()) for area in areas.values())


def test_a_network_that_gives_everything_one_direction_finds_no_seed():
    with profiles.using("smoke"):
        _, asked = exemplar.patches(0)
    network = ExemplarNet(outputs=3, width=4).eval()
    with torch.no_grad():
        network.hidden[1].weight.zero_()
        network.hidden[1].bias.fill_(1)
    found = exemplar.invariance(network, asked, 0)
    assert found["own"] == pytest.approx(1) == found["others"] and found["found"] <= 1 / len(asked) + 1e-6


def test_probes_are_compared_with_the_same_network_before_its_training():
    with profiles.using("smoke"):
        known, _ = context_encoder.pictures(0)
        fresh, settled = context_encoder.network(3), context_encoder.untrained(3, known)
    for (name, before), after in zip(fresh.state_dict().items(), settled.state_dict().values(), strict=True):
        assert torch.equal(before, after) != ("running" in name or "num_batches" in name), name
    assert math.isfinite(float(settled(torch.rand(1, 3, 32, 32)).mean().detach()))
