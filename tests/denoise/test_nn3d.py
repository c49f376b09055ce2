"""NN3D: its filter as plain loops have it, its schedule by hand, and what iterations around any denoiser must do."""

import numpy as np
import pytest
import torch
from oracles import haar, matches_by_loops, noise, noisy_square

from course_lib import data, zoo
from course_lib.denoise import grouping, nn3d
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.fast import Fast
from course_lib.denoise.nn3d import NN3D, Bank, Scaled, filter_groups, schedule, shrink_along, similar
from course_lib.layers import he_normal, initialise
from course_lib.noise import Gaussian
from course_lib.quality import psnr
from course_lib.randomness import generator

SIGMA = 50 / 255
SMALL = dict(patch=4, window=7, stride=3, count=4)


def nothing(z, *, sigma=None):
    return z


def softened(z, *, sigma):
    """A small denoiser that is homogeneous in z and sigma together: what is below sigma / 4 becomes zero."""
    return torch.sign(z) * (z.abs() - sigma / 4).clamp(min=0)


# The filter ----------------------------------------------------------------------------------------------------------


def filter_by_loops(image, *, tau, patch, window, stride, count):
    """The filter of a gray image (H, W), a group at a time: Haar by halving, weights by counting."""
    across = image.shape[1] - patch + 1
    index, _ = matches_by_loops(torch.from_numpy(image)[None], patch=patch, window=window, stride=stride, count=count)
    total, share = np.zeros_like(image), np.zeros_like(image)
    for positions in index.tolist():
        corners = [divmod(p, across) for p in positions]
        q = haar(np.stack([image[y : y + patch, x : x + patch] for y, x in corners]))
        factor = q**2 / (q**2 + tau**2)
        worth = 1 / max(1.0, (factor**2).sum())
        for (y, x), filtered in zip(corners, haar(q * factor, back=True), strict=True):
            total[y : y + patch, x : x + patch] += worth * filtered
            share[y : y + patch, x : x + patch] += worth
    return total / share


@pytest.fixture(scope="module")
def picture():
    return noisy_square(0.1)


@pytest.fixture(scope="module")
def expected(picture):
    return filter_by_loops(picture[0, 0].numpy(), tau=0.2, **SMALL)


def filtered(picture, *, tau=0.2):
    return filter_groups(picture, similar(picture, **SMALL), patch=4, tau=tau)


def test_the_filter_is_that_of_plain_loops(picture, expected):
    assert np.allclose(filtered(picture)[0, 0], expected)
    assert not np.allclose(expected, picture[0, 0], atol=0.05)


def equal_weights(stacks, *, tau, original=shrink_along):
    back, worth = original(stacks, tau=tau)
    return back, torch.ones_like(worth)


def threshold(stacks, *, tau, original=shrink_along):
    q = torch.einsum("ij,jrd->ird", grouping.haar(len(stacks)).to(stacks), stacks)
    kept = (q.abs() > tau).to(q)
    return torch.einsum("ji,jrd->ird", grouping.haar(len(stacks)).to(stacks), kept * q), torch.ones_like(q[0, :, 0])


@pytest.mark.parametrize(("module", "name", "broken"), [
    (nn3d, "shrink_along", equal_weights), (nn3d, "shrink_along", threshold),
    (grouping, "haar", lambda n: torch.eye(n, dtype=torch.float64)),
    (grouping, "power_of_two", lambda size: torch.ones_like(size)),
    (grouping, "corners", lambda side, *, patch, stride: torch.tensor([0, side - patch]))])
def test_the_loops_notice_a_broken_filter(monkeypatch, picture, expected, module, name, broken):
    monkeypatch.setattr(module, name, broken)
    assert not np.allclose(filtered(picture)[0, 0], expected)


def test_a_coefficient_is_shrunk_as_the_formula_says():
    """Four patches of one pixel, (3, 1, 1, 1): Haar gives (3, 1, sqrt(2), 0), tau = 1 leaves 9/10, 1/2, 2/3 of them."""
    back, worth = shrink_along(torch.tensor([3.0, 1, 1, 1], dtype=torch.float64).reshape(4, 1, 1), tau=1.0)
    mean, half, fine = 3 * 0.9 / 2, 1 * 0.5 / 2, 2**0.5 * (2 / 3) / 2**0.5
    by_hand = torch.tensor([mean + half + fine, mean + half - fine, mean - half, mean - half], dtype=torch.float64)
    assert torch.allclose(back.flatten(), by_hand)
    assert worth.item() == pytest.approx(1 / (0.9**2 + 0.5**2 + (2 / 3) ** 2))


def test_what_all_share_stays_and_what_one_has_goes():
    common = torch.full((16, 1, 4), 0.5, dtype=torch.float64)
    alone = common.clone()
    alone[5, 0, 2] += 0.1
    assert (shrink_along(common, tau=0.05)[0] - common).abs().max() < 1e-3
    left = shrink_along(alone, tau=0.2)[0] - shrink_along(common, tau=0.2)[0]
    assert left.abs().max() < 0.03                                     # of a tenth
    assert shrink_along(alone, tau=0.2)[1].item() > 0


def test_the_filter_scales_with_the_image_and_its_strength(picture):
    matches = similar(picture, **SMALL)
    assert torch.equal(matches, similar(2 * picture, **SMALL))
    once, twice = (filter_groups(a * picture, matches, patch=4, tau=a * 0.2) for a in (1, 2))
    assert torch.equal(twice, 2 * once)
    assert not torch.allclose(filter_groups(2 * picture, matches, patch=4, tau=0.2), 2 * once)


def test_no_strength_changes_nothing_and_all_of_it_leaves_nothing(picture):
    assert torch.equal(filtered(picture, tau=0), picture)
    assert torch.allclose(filtered(picture, tau=1e-6), picture, atol=1e-9)
    assert filtered(0.1 * picture, tau=2.0).abs().max() < 0.1 * filtered(0.1 * picture, tau=1e-6).abs().max()


def test_a_repeated_tile_gets_rid_of_noise_that_a_lonely_one_keeps():
    clean = (0.5 + 0.2 * noise(1, 1, 6, 6, seed=1)).tile(1, 1, 6, 6)
    seen = clean + 0.02 * noise(1, 1, 36, 36, seed=2)
    setting = dict(patch=6, stride=3, count=16)
    periodic = similar(clean, window=37, **setting)
    alone = periodic[..., :1].expand_as(periodic)                      # sixteen times the same patch
    left, kept = (float((filter_groups(seen, matches, patch=6, tau=0.05) - clean).std())
                  for matches in (periodic, alone))
    assert left < 0.01 and kept > 0.018


# The iterations ------------------------------------------------------------------------------------------------------


def test_the_schedule_is_the_papers():
    shares, strengths = zip(*(schedule(k, sigma=0.24) for k in (1, 2, 3)), strict=True)
    assert shares == pytest.approx([1, 1 / 2, 1 / 3]) and strengths == pytest.approx([0.06, 0.03, 0.02])


def test_each_iteration_gets_its_share_of_the_noisy_image_and_is_told_what_noise_is_left():
    """D halves: y_1 = z/2, y_2 = (z/2 + z/4)/2 = 3z/8, y_3 = (z/3 + (2/3)(3/8) z)/2 = 7z/24."""
    told = []

    def halve(z, *, sigma):
        told.append(sigma)
        return z / 2

    z = noise(1, 1, 12, 12)
    rounds = NN3D(halve, iterations=3, grouped=False).rounds(z, sigma=0.3)
    assert told == pytest.approx([0.3, 0.15, 0.1])
    for found, factor in zip(rounds, (1 / 2, 3 / 8, 7 / 24), strict=True):
        assert torch.allclose(found.estimate, factor * z) and found.estimate is found.denoised
    assert torch.equal(rounds[0].fed, z) and torch.allclose(rounds[1].fed, 0.75 * z)


@pytest.mark.parametrize("broken", [
    lambda k, *, sigma, strength: (1.0, strength * sigma),                      # nothing fed back
    lambda k, *, sigma, strength: (1 - 1 / k if k > 1 else 1.0, strength * sigma / k),   # shares exchanged (from k = 3)
    lambda k, *, sigma, strength: (1 / k, strength * sigma)])                   # the filter's strength does not fall
def test_another_schedule_gives_another_result(monkeypatch, picture, broken):
    def estimate():
        return NN3D(softened, iterations=3, **SMALL)(picture, sigma=SIGMA)

    right = estimate()
    monkeypatch.setattr(nn3d, "schedule", broken)
    assert not torch.allclose(estimate(), right, atol=1e-4)


def test_the_rounds_are_the_parts_in_the_papers_order(picture):
    rounds = NN3D(softened, **SMALL).rounds(picture, sigma=SIGMA)
    first = softened(picture, sigma=SIGMA)
    matches = similar(first, **SMALL)
    y_1 = filter_groups(first, matches, patch=4, tau=SIGMA / 4)
    second = softened((picture + y_1) / 2, sigma=SIGMA / 2)
    assert torch.allclose(rounds[0].estimate, y_1) and torch.allclose(rounds[1].denoised, second)
    assert torch.allclose(rounds[1].estimate, filter_groups(second, matches, patch=4, tau=SIGMA / 8))
    assert not torch.allclose(rounds[1].estimate, rounds[1].denoised)


def test_groups_are_found_once_in_the_first_denoised_image(monkeypatch, picture):
    looked = []
    original = grouping.search
    monkeypatch.setattr(grouping, "search", lambda image, **how: looked.append(image) or original(image, **how))
    NN3D(softened, iterations=4, **SMALL)(picture, sigma=SIGMA)
    assert len(looked) == 1 and torch.equal(looked[0], softened(picture, sigma=SIGMA))


def test_one_iteration_without_groups_is_the_denoiser_itself(picture):
    alone = NN3D(softened, iterations=1, grouped=False)
    assert torch.equal(alone(picture, sigma=SIGMA), softened(picture, sigma=SIGMA))


def test_around_a_homogeneous_denoiser_it_is_homogeneous(picture):
    estimate = NN3D(softened, **SMALL)
    assert torch.allclose(estimate(3 * picture, sigma=3 * 0.1), 3 * estimate(picture, sigma=0.1))
    shifted = NN3D(lambda z, sigma: softened(z, sigma=sigma) + 0.1, **SMALL)
    assert not torch.allclose(shifted(3 * picture, sigma=3 * 0.1), 3 * shifted(picture, sigma=0.1), atol=0.05)


def test_a_transposed_image_has_the_transposed_estimate(picture):
    estimate = NN3D(softened, **SMALL)
    assert torch.allclose(estimate(picture.mT, sigma=0.1), estimate(picture, sigma=0.1).mT)


@pytest.mark.parametrize("shape", [(2, 1, 33, 47), (2, 3, 20, 17), (1, 1, 5, 9), (1, 1, 1, 1), (1, 1, 10, 40)])
def test_batches_colours_odd_and_tiny_sizes_go_through(shape):
    z = noise(*shape).float() * 0.1 + 0.5
    estimate = NN3D(nothing)(z, sigma=torch.tensor(SIGMA))
    assert estimate.shape == shape and estimate.dtype == z.dtype and estimate.isfinite().all()
    assert torch.allclose(estimate[:1], NN3D(nothing)(z[:1], sigma=SIGMA), atol=1e-6)


def test_a_gray_image_in_colour_has_the_groups_and_the_estimate_of_the_gray_one(picture):
    colour = NN3D(nothing, **SMALL)(picture.expand(1, 3, -1, -1), sigma=0.1)
    assert torch.allclose(colour, NN3D(nothing, **SMALL)(picture, sigma=0.1).expand(1, 3, -1, -1))


@pytest.mark.parametrize(("how", "shape", "sigma", "message"), [
    ({}, (1, 1, 8, 8), None, "needs the noise level"), ({}, (1, 1, 8, 8), torch.zeros(1, 1, 8, 8), "one noise level"),
    ({}, (1, 1, 8, 8), 50, "50 / 255|50 instead"), ({}, (8, 8), 0.1, r"\(N, C, H, W\)"),
    ({"patch": 4}, (1, 1, 8, 8), 0.1, "no group"), ({"iterations": 0}, (1, 1, 8, 8), 0.1, "1 or more"),
    ({"count": 0}, (1, 1, 16, 16), 0.1, "1 or more"), ({"strength": -1.0}, (1, 1, 16, 16), 0.1, "zero or more")])
def test_what_it_cannot_do_is_refused(how, shape, sigma, message):
    with pytest.raises(ValueError, match=message):
        NN3D(nothing, **how)(torch.zeros(shape), sigma=sigma)


# Networks that know one level ----------------------------------------------------------------------------------------


def test_scaling_by_hand():
    """Level 2 known, noise of level 3: z = 9 becomes 6, a denoiser that takes 2 away leaves 4, and 4 becomes 6."""
    known = Scaled(lambda z, sigma: z - sigma, 0.2)
    assert known(torch.full((1, 1, 1, 1), 0.9), sigma=0.3).item() == pytest.approx(0.6)
    assert torch.equal(known(torch.full((1, 1, 1, 1), 0.9), sigma=0), torch.full((1, 1, 1, 1), 0.9))


def test_at_the_level_that_it_knows_nothing_is_scaled():
    z, network = noise(1, 1, 20, 20).float(), zoo.load(DnCNN, "dncnn-s50-w32")
    assert torch.equal(Scaled(network, SIGMA)(z, sigma=SIGMA), network(z))


def alike(network, z):
    """Does scaling by 50/75 give what the network gives without?"""
    with torch.inference_mode():
        plain = network(z, sigma=75 / 255)
        return torch.allclose(Scaled(network, 50 / 255)(z, sigma=75 / 255), plain, rtol=1e-4, atol=1e-5)


def test_without_biases_scaling_changes_nothing_and_with_them_it_does():
    z = 0.5 + 0.3 * noise(1, 1, 24, 24).float()
    free = Fast(depth=4, width=8)
    initialise(free, generator(0, "all layers"), he_normal)             # its last layer begins at zero
    plain, biased = (DnCNN(depth=4, width=8, batch_norm=False, bias=bias, seed=1) for bias in (False, True))
    for network in (plain, biased):
        torch.nn.init.normal_(network.layers[-1].weight, generator=generator(0, "last"))
    for part in biased.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.constant_(part.bias, 0.1)
    assert alike(free, z) and alike(plain, z)
    assert not alike(biased, z) and not alike(zoo.load(DnCNN, "dncnn-s50-w32"), z)


def test_a_bank_asks_the_nearest_in_ratio():
    asked = []
    bank = Bank({level / 255: lambda z, sigma: asked.append(round(255 * sigma)) or z for level in (15, 25, 50)})
    for level in (1, 15, 19, 20, 25, 35, 36, 75):                       # 15 * 25 = 19.4^2, 25 * 50 = 35.4^2
        assert torch.allclose(bank(torch.ones(1, 1, 2, 2), sigma=level / 255), torch.ones(1, 1, 2, 2))
    assert asked == [15, 15, 15, 25, 25, 25, 50, 50]


def test_an_empty_bank_and_levels_of_zero_are_refused():
    for networks in ({}, {0.0: nothing}):
        with pytest.raises(ValueError, match="by the level"):
            Bank(networks)(torch.zeros(1, 1, 2, 2), sigma=0.1)
    with pytest.raises(ValueError, match="needs the noise level"):
        Scaled(nothing, 0.1)(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="25 / 255"):
        Scaled(nothing, 25)(torch.zeros(1, 1, 2, 2), sigma=0.1)


# On pictures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bank():
    return Bank({level / 255: zoo.load(DnCNN, f"dncnn-s{level}-w32") for level in (25, 50)})


def gains(bank, z, y, **how):
    rounds = NN3D(bank, **how).rounds(z, sigma=SIGMA)
    return [float(psnr(estimate, y) - psnr(rounds[0].denoised, y)) for estimate in
            (rounds[0].estimate, rounds[-1].estimate)]


def test_on_bricks_it_improves_the_network_and_the_iterations_alone_do_not(bank):
    (z, y), = data.fixed_pairs({"brick": data.photographs("test")["brick"][:, 100:260, 120:280]}, Gaussian(SIGMA),
                               seed=0)
    once, twice = gains(bank, z, y)
    assert once > 0.5 and twice > 0.5
    assert gains(bank, z, y, grouped=False)[1] < 0.2
    wrong = similar(torch.rand(y.shape, generator=generator(0, "any")), patch=10, count=32, window=39, stride=5)
    first = bank(z, sigma=SIGMA)
    by_chance = filter_groups(first, wrong, patch=10, tau=SIGMA / 4)
    assert float(psnr(by_chance, y) - psnr(first, y)) < once / 2        # shrinkage alone is worth something too


@pytest.mark.slow
def test_on_house_it_improves_the_network(bank, course_data):
    (z, y), = data.fixed_pairs({"House": data.load("Set12")["02"]}, Gaussian(SIGMA), seed=0)
    assert gains(bank, z, y)[1] > 0.3 > gains(bank, z, y, grouped=False)[1] + 0.1
