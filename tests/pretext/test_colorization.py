"""Colours are those of Lab, spread over bins and decided for as the paper says."""

import numpy as np
import pytest
import torch
from skimage import color

from course_lib import data
from course_lib.data.images import to_float
from course_lib.pretext import colorization, lab
from course_lib.pretext.colorization import annealed_mean, balance, bins, chroma, encode


def photograph():
    return to_float(data.photographs("train", channels=3)["coffee"])[..., 100:164, 100:164].double()


@pytest.mark.parametrize(("rgb", "wanted"), [((1, 1, 1), (100, -0.0025, 0.0047)), ((1, 0, 0), (53.241, 80.092, 67.203)),
                                             ((0.5, 0.5, 0.5), (53.389, -0.0015, 0.0028))])
def test_colours_are_those_of_the_standard(rgb, wanted):
    found = lab.from_rgb(torch.tensor(rgb, dtype=torch.float64).reshape(1, 3, 1, 1)).flatten()
    assert torch.allclose(found, torch.tensor(wanted, dtype=torch.float64), atol=6e-3)


def test_whole_pictures_are_those_of_scikit_image_and_come_back():
    picture = photograph()
    wanted = color.rgb2lab(picture[0].permute(1, 2, 0).numpy())
    found = lab.from_rgb(picture)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - wanted).max() < 1e-6
    assert (lab.to_rgb(lab.from_rgb(picture)) - picture).abs().max() < 1e-4


def test_there_are_313_bins_on_a_grid_of_ten():
    centres = bins()
    assert len(centres) == 313 == len(centres.unique(dim=0)) and bool((centres % 10 == 0).all())


@pytest.mark.parametrize(("neighbours", "wanted"), [(5, (11.93, -7.00)), (10, (11.76, -7.23))])
def test_a_colour_is_spread_over_its_nearest_bins_and_comes_back(neighbours, wanted):
    which, weights = encode(torch.tensor([[12.0, -7.0]]), bins(), neighbours=neighbours)
    back = (weights[..., None] * bins()[which]).sum(dim=1)[0]
    assert torch.allclose(back, torch.tensor(wanted), atol=6e-3) and torch.allclose(weights.sum(), torch.tensor(1.0))


def test_rare_bins_weigh_more_and_the_mean_over_pixels_is_one():
    prior = torch.tensor([0.7, 0.2, 0.1])
    assert torch.allclose(balance(prior), torch.tensor([0.7542, 1.4612, 1.7984]), atol=1e-4)
    assert torch.allclose(balance(prior, mix=1.0), torch.ones(3))
    assert torch.allclose(balance(prior, mix=0.0) * prior, torch.full((3,), 1 / 3))
    for mix in (0.0, 0.3, 1.0):
        assert torch.allclose((prior * balance(prior, mix=mix)).sum(), torch.tensor(1.0))
    assert balance(torch.tensor([0.5, 0.0, 0.5]))[1] == 0


@pytest.mark.parametrize(("temperature", "wanted"), [(1.0, (0.6, 0.3, 0.1)), (0.38, (0.8545, 0.1379, 0.0077)),
                                                     (1e-3, (1.0, 0.0, 0.0))])
def test_the_annealed_mean_lies_between_the_mean_and_the_mode(temperature, wanted):
    p = torch.tensor([0.6, 0.3, 0.1]).reshape(1, 3, 1, 1)
    found = torch.cat([annealed_mean(p, torch.eye(3)[:, [k, k]], temperature=temperature)[:, :1] for k in range(3)])
    assert torch.allclose(found.flatten(), torch.tensor(wanted), atol=1e-4)


def test_a_lower_temperature_gives_more_saturated_colours_in_the_mean():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(1, 313, 8, 8, generator=generator).pow(8)
    p = p / p.sum(dim=1, keepdim=True)
    means = [float(chroma(annealed_mean(p, bins(), temperature=t)).mean()) for t in (1.0, 0.38, 0.05)]
    assert means == sorted(means)


def test_the_loss_is_that_of_a_plain_loop():
    generator = torch.Generator().manual_seed(0)
    scores, ab = torch.randn(2, 313, 2, 3, generator=generator), 40 * torch.randn(2, 2, 2, 3, generator=generator)
    weight = torch.rand(313, generator=generator)
    total = 0.0
    for n in range(2):
        for y in range(2):
            for x in range(3):
                which, share = encode(ab[n, :, y, x][None], bins())
                log_p = scores[n, :, y, x].log_softmax(dim=0)
                total -= float(weight[which[0, 0]] * (share[0] * log_p[which[0]]).sum())
    assert abs(float(colorization.loss(scores, ab, centres=bins(), weight=weight)) - total / 12) < 1e-4


def test_colours_of_four_by_four_pixels_are_averaged():
    lightness, ab = colorization.split(photograph())
    assert lightness.shape == (1, 1, 64, 64) and ab.shape == (1, 2, 16, 16)
    whole = lab.from_rgb(photograph())
    assert torch.allclose(ab[0, :, 0, 0], whole[0, 1:, :4, :4].mean(dim=(1, 2)))


def test_a_network_never_sees_a_colour():
    network = colorization.ColorNet(width=4).eval()
    picture = photograph().float()
    in_lab = lab.from_rgb(picture)
    recoloured = lab.from_rgb(picture).clone()
    recoloured[:, 1:] = 0
    assert torch.equal(network(in_lab[:, :1]), network(recoloured[:, :1]))
    with pytest.raises(ValueError, match="expected \\(N, 1, H, W\\)"):
        network(picture)
