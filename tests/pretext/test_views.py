"""Views: every operation equals torchvision's on each image alone, and every image draws its own numbers."""

import pytest
import torch
from torchvision.transforms import functional as TF
from torchvision.transforms.v2 import functional as TV2

from course_lib import randomness
from course_lib.data.shapes import shapes
from course_lib.pretext import views
from course_lib.pretext.views import Views, boxes, crop, hue, in_gray, jittered


def pictures(count=6, channels=3, size=(16, 20), seed=0):
    return torch.rand(count, channels, *size, generator=randomness.generator(seed, "test pictures"))


def colours(count=6, seed=0):
    """Pictures with gray, black, white and pure colours among their pixels."""
    batch = pictures(count, seed=seed)
    batch[:, :, 0, :4] = torch.tensor([0.0, 1.0, 0.5, 0.2])
    batch[:, :, 1, :6] = torch.tensor([[1.0, 0, 0, 1, 1, 0], [0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1]])
    return batch


# Colours -------------------------------------------------------------------------------------------------------------

PEERS = {"brightness": TF.adjust_brightness, "contrast": TF.adjust_contrast, "saturation": TF.adjust_saturation,
         "hue": TF.adjust_hue}


@pytest.mark.parametrize("name", PEERS)
def test_each_operation_is_torchvisions_with_a_number_for_each_image(name):
    batch = colours()
    amounts = torch.tensor([-0.2, 0.13, 0.0, 0.2, -0.07, 0.5]) if name == "hue" else \
        torch.tensor([0.2, 0.7, 1.0, 1.5, 1.8, 0.0])
    ours = getattr(views, name)(batch, amounts)
    for image, amount, result in zip(batch, amounts.tolist(), ours, strict=True):
        assert torch.allclose(result, PEERS[name](image, amount), atol=2e-5)


def test_gray_is_torchvisions():
    batch = colours()
    assert torch.allclose(in_gray(batch), TF.rgb_to_grayscale(batch), atol=1e-6)
    assert torch.allclose(in_gray(batch), TV2.rgb_to_grayscale(batch), atol=1e-6)


@pytest.mark.parametrize("broken", [
    pytest.param(lambda x, t: hue(x, -t), id="turned the other way"),
    pytest.param(lambda x, t: hue(x, t / 2), id="half the circle"),
    pytest.param(lambda x, t: (x + t[:, None, None, None]).clamp(0, 1), id="a shift of brightness")])
def test_wrong_hues_are_caught(broken):
    batch, amount = colours(1), torch.tensor([0.13])
    assert not torch.allclose(broken(batch, amount), TF.adjust_hue(batch, 0.13), atol=1e-2)


def test_a_hue_once_around_is_no_change_and_gray_has_none():
    batch = colours()
    assert torch.allclose(hue(batch, torch.ones(6)), batch, atol=1e-5)
    gray = in_gray(batch).expand_as(batch)
    assert torch.allclose(hue(gray, torch.full((6,), 0.3)), gray, atol=1e-6)


def test_jitter_at_its_ends_stays_in_range_and_changes_each_image_by_its_own_amounts():
    one = pictures(1).expand(40, -1, -1, -1)
    result = jittered(one, 1.0, randomness.generator(0))
    assert result.min() >= 0 and result.max() <= 1
    assert len({image.numpy().tobytes() for image in result}) == 40
    assert torch.allclose(jittered(one, 0.0, randomness.generator(0)), one, atol=1e-5)
    assert torch.equal(one, pictures(1).expand(40, -1, -1, -1))                    # what came in is as it was


def test_the_order_of_the_four_is_drawn_for_each_image(monkeypatch):
    """With operations that write down their turn: each image gets all four, and images differ in the order."""
    turns = {}
    for number, name in enumerate(("brightness", "contrast", "saturation", "hue")):
        monkeypatch.setattr(views, name, lambda batch, amount, number=number: batch * 5 + number + 1)
    result = jittered(torch.zeros(400, 3, 1, 1), 1.0, randomness.generator(0))[:, 0, 0, 0]
    for value in result.long().tolist():
        order = tuple(sorted(range(1, 5), key=lambda digit: -_place(value, digit)))
        turns[order] = turns.get(order, 0) + 1
    assert len(turns) == 24 and max(turns.values()) < 40                           # 400 / 24 = 17 each


def _place(value, digit):
    digits = [value // 5**k % 5 for k in range(4)]
    assert sorted(digits) == [1, 2, 3, 4]
    return digits.index(digit)


def test_amounts_are_uniform_in_the_papers_ranges(monkeypatch):
    seen = {}
    for name in ("brightness", "contrast", "saturation", "hue"):
        monkeypatch.setattr(views, name, lambda batch, amount, name=name: seen.setdefault(name, []).append(amount)
                            or batch)
    jittered(torch.zeros(4000, 3, 1, 1), 0.5, randomness.generator(0))
    for name, amounts in seen.items():
        amounts, reach = torch.cat(amounts), 0.1 if name == "hue" else 0.4
        middle = 0.0 if name == "hue" else 1.0
        assert len(amounts) == 4000
        assert middle - reach <= float(amounts.min()) < middle - 0.98 * reach
        assert middle + 0.98 * reach < float(amounts.max()) <= middle + reach
        assert abs(float(amounts.mean()) - middle) < 0.05 * reach


# Crops ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [(0, 0, 16, 20), (3, 5, 7, 9), (15, 19, 1, 1), (0, 10, 5, 10), (9, 0, 7, 3)])
def test_a_crop_is_torchvisions_resized_crop(box):
    batch = pictures(2)
    expected = TF.resized_crop(batch, *box, size=[16, 20], antialias=False)
    assert torch.allclose(crop(batch, torch.tensor([box, box])), expected, atol=1e-5)


def test_each_image_is_cropped_by_its_own_box():
    batch, box = pictures(3), torch.tensor([[0, 0, 16, 20], [3, 5, 7, 9], [9, 0, 7, 3]])
    together = crop(batch, box)
    for i in range(3):
        assert torch.allclose(together[i : i + 1], crop(batch[i : i + 1], box[i : i + 1]), atol=1e-6)


def test_boxes_lie_in_the_image_with_areas_and_shapes_as_asked():
    top, left, h, w = boxes(torch.Size((4000, 3, 64, 64)), (0.25, 0.75), randomness.generator(0)).unbind(dim=1)
    assert (top >= 0).all() and (left >= 0).all() and (top + h <= 64).all() and (left + w <= 64).all()
    share, shape = (h * w) / 64**2, w / h
    assert share.min() > 0.23 and share.max() < 0.77 and abs(float(share.mean()) - 0.5) < 0.02
    assert shape.min() > 0.7 and shape.max() < 1.43 and abs(float(shape.log().mean())) < 0.02
    room = h < 60                                                     # every place is as likely as any other
    assert abs(float((top[room] / (64 - h[room])).mean()) - 0.5) < 0.02
    assert int((top[room] + h[room] == 64).sum()) > 20 and int((top[room] == 0).sum()) > 20


def test_where_no_box_fits_the_whole_image_is_taken():
    found = boxes(torch.Size((50, 3, 8, 32)), (0.98, 1.0), randomness.generator(0))
    assert (found == torch.tensor([0, 0, 8, 32])).all()


# Whole views ---------------------------------------------------------------------------------------------------------


def test_without_anything_a_view_is_the_image():
    batch = pictures()
    assert torch.equal(Views(area=(1, 1), mirror=False, strength=0, gray=0)(batch, randomness.generator(0)), batch)


def test_half_of_the_images_are_mirrored_and_a_fifth_turn_gray():
    batch = pictures(1).expand(2000, -1, -1, -1)
    mirrored = Views(area=(1, 1), strength=0, gray=0)(batch, randomness.generator(0))
    flipped = (mirrored - batch.flip(-1)).abs().amax(dim=(1, 2, 3)) == 0
    assert abs(float(flipped.float().mean()) - 0.5) < 0.04
    gray = Views(area=(1, 1), mirror=False, strength=0)(batch, randomness.generator(0))
    assert abs(float((gray.std(dim=1).amax(dim=(1, 2)) < 1e-6).float().mean()) - 0.2) < 0.03


def test_four_of_five_images_are_jittered():
    batch = pictures(1).expand(2000, -1, -1, -1)
    seen = Views(area=(1, 1), mirror=False, gray=0)(batch, randomness.generator(0))
    assert abs(float(((seen - batch).abs().amax(dim=(1, 2, 3)) > 1e-4).float().mean()) - 0.8) < 0.04


def test_gray_images_keep_one_channel():
    seen = Views()(pictures(8, channels=1), randomness.generator(0))
    assert seen.shape == (8, 1, 16, 20) and seen.min() >= 0 and seen.max() <= 1


def test_a_generator_decides_the_view_and_the_global_random_state_stays():
    batch, before = shapes(1).images.float() / 255, torch.get_rng_state()
    a, b, c = (Views()(batch, randomness.generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("wrong", [dict(area=(0, 1)), dict(area=(0.5, 0.2)), dict(area=(0.5, 2)), dict(strength=2),
                                   dict(strength=-0.1)])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Views(**wrong)


def test_images_that_are_no_batch_are_refused():
    with pytest.raises(ValueError, match=r"becomes a batch with image\[None\]"):
        Views()(torch.zeros(3, 8, 8), randomness.generator(0))
    with pytest.raises(ValueError, match="1 channel .* or 3 .*, got 2"):
        Views()(torch.zeros(3, 2, 8, 8), randomness.generator(0))
