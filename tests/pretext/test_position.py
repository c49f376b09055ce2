"""Two patches never touch, their places are even, and the guards remove what they should."""

import pytest
import torch

from course_lib.pretext import position
from course_lib.pretext.nin import NIN
from course_lib.pretext.position import PLACES, Patches, dropped, projected
from course_lib.pretext.towers import Towers, normalised


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_exchanged_patches_have_the_opposite_place():
    for place, (down, right) in enumerate(PLACES):
        assert PLACES[7 - place] == (-down, -right)
    both, places = Patches()(torch.rand(6, 3, 48, 48, generator=generator()), generator())
    assert torch.equal(both[:6], both[6:].flip(1)) and torch.equal(places[:6] + places[6:], torch.full((6,), 7))


@pytest.mark.parametrize("patches", [Patches(96, 48, 7), Patches(12, 6, 2), Patches(8, 0, 0)])
def test_patches_keep_their_distance_and_stay_in_the_picture(patches):
    shape = torch.Size((500, 3, patches.reach + 9, patches.reach + 3))
    top, left, place = patches.places(shape, generator())
    assert int(top.min()) >= 0 and int(left.min()) >= 0
    assert int(top.max()) + patches.size <= shape[2] and int(left.max()) + patches.size <= shape[3]
    apart = torch.maximum(top.diff(dim=1).abs(), left.diff(dim=1).abs()) - patches.size
    assert int(apart.min()) >= patches.gap - 2 * patches.jitter
    steps = torch.tensor(PLACES)[place]
    assert bool(((steps[:, 0] != 0) <= (top.diff(dim=1)[:, 0].sign() == steps[:, 0])).all())


def test_all_eight_places_are_equally_frequent():
    _, _, place = Patches().places(torch.Size((8000, 1, 48, 48)), generator())
    assert (place.bincount(minlength=8) / 8000 - 1 / 8).abs().max() < 0.02


def test_patches_are_those_of_the_picture():
    picture = torch.arange(48 * 48.0).reshape(1, 1, 48, 48)
    plain = Patches(8, 4, 1, colour="kept", normalise=False)
    top, left, _ = plain.places(picture.shape, generator(3))
    both, _ = plain(picture / 2304, generator(3))
    for k in range(2):
        wanted = picture[0, 0, top[0, k]:top[0, k] + 8, left[0, k]:left[0, k] + 8] / 2304
        assert torch.equal(both[0, k, 0], wanted)


def test_the_projection_is_one():
    x = torch.rand(2, 3, 4, 4, generator=generator(), dtype=torch.float64)
    assert torch.allclose(projected(projected(x)), projected(x))
    axis = torch.tensor(position.GREEN_MAGENTA, dtype=torch.float64).reshape(3, 1, 1)
    assert projected(axis).abs().max() < 1e-12
    assert torch.linalg.matrix_rank(projected(x).movedim(1, -1).reshape(-1, 3)) == 2


def test_of_three_channels_one_is_kept():
    patches = torch.rand(50, 2, 3, 6, 6, generator=generator())
    found = dropped(patches, generator())
    kept = (found == patches).all(dim=(-2, -1)).sum(dim=2)
    assert torch.equal(kept, torch.ones(50, 2, dtype=torch.long))
    assert float(found.std(dim=(-2, -1)).sort(dim=2).values[..., :2].max()) < 0.01


def test_a_normalised_patch_has_no_brightness_and_no_contrast():
    patches = normalised(7 + 3 * torch.rand(4, 2, 3, 5, 5, generator=generator()))
    assert patches.mean(dim=(-2, -1)).abs().max() < 1e-5
    assert (patches.square().mean(dim=(-2, -1)) - 1).abs().max() < 1e-4
    assert not normalised(torch.full((1, 3, 4, 4), 0.3)).any()


def test_a_tower_sees_one_patch():
    patches = Patches(8, 4, 1)
    network = position.network(NIN(width=12), patches).eval()
    tiles = torch.rand(3, 2, 3, 8, 8, generator=generator())
    assert torch.allclose(network.each(tiles).flip(1), network.each(tiles.flip(1)), atol=1e-6)
    changed = tiles.clone()
    changed[:, 1] += 1
    assert torch.allclose(network.each(changed)[:, 0], network.each(tiles)[:, 0], atol=1e-6)


def test_two_equal_patches_say_nothing():
    network = Towers(torch.nn.Flatten(), features=12, count=2, outputs=8).eval()
    tiles = torch.rand(1, 1, 3, 2, 2, generator=generator()).expand(1, 2, -1, -1, -1)
    assert torch.equal(network(tiles), network(tiles.flip(1)))


@pytest.mark.parametrize(("wrong", "says"), [({"size": 0}, "size"), ({"gap": -1}, "gap"), ({"jitter": 0.5}, "jitter"),
                                             ({"colour": "grey"}, "colour handling")])
def test_settings_that_cannot_be_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        Patches(**wrong)


def test_a_picture_without_room_is_refused():
    with pytest.raises(ValueError, match="need 34 x 34, got"):
        Patches()(torch.rand(1, 3, 32, 32), generator())
