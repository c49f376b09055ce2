"""The sorting line has its shortcut, the background is found and removed, and sequences stay together."""

import pytest
import torch

from course_lib import data
from course_lib.arguments import UnknownName
from course_lib.data import Labelled, sorting
from course_lib.data.sorting import AFTER, BACKGROUND, BEFORE, line
from course_lib.pretext import before_after, cam
from course_lib.pretext.before_after import Classifier, backgrounds, by_mask, pseudo_masks, removed, without_background
from course_lib.profiles import Budget


def film(sequences=6, **more):
    return line(sequences, frames=3, size=32, **more)


def test_illegal_things_are_there_before_and_nowhere_else():
    shown = film()
    there = shown.masks.flatten(1).any(dim=1)
    assert bool(there[shown.labels == BEFORE].float().mean() > 0.9)
    assert not there[shown.labels != BEFORE].any()


def test_frames_of_a_sequence_belong_together_and_cameras_to_their_label():
    shown = film()
    for sequence in shown.sequences.unique():
        mine = shown.sequences == sequence
        assert mine.sum() == 3 and len(shown.labels[mine].unique()) == 1 == len(shown.cameras[mine].unique())
    assert not shown.cameras[shown.labels == BEFORE].any() and shown.cameras[shown.labels == AFTER].all()
    assert len(shown.cameras[shown.labels == BACKGROUND].unique()) == 2


def test_swapped_cameras_show_the_same_things():
    here, there = film(), film(swapped=True)
    assert torch.equal(here.masks, there.masks) and torch.equal(here.labels, there.labels)
    moved = here.labels != BACKGROUND
    assert torch.equal(1 - here.cameras[moved], there.cameras[moved])
    assert not torch.equal(here.images, there.images)


def test_the_same_sequence_comes_whatever_the_number():
    few, many = line(2, size=32), line(4, size=32)
    assert torch.equal(few.images[:8], many.images[:8])
    assert not torch.equal(line(2, size=32, seed=1).images, few.images)


def photographs(count=3):
    """Dark frames with a hole on a gray board, some of one class and as many of another."""
    board = torch.full((3, 40, 40), 200, dtype=torch.uint8)
    board[:, 10:30, 12:28] = torch.tensor([90, 60, 30], dtype=torch.uint8)[:, None, None]
    board[:, 18:22, 18:22] = 200
    return Labelled(board.expand(2 * count, -1, -1, -1), torch.arange(2 * count) % 2, ("cardboard", "glass"))


def test_things_are_cut_out_of_their_board_with_their_holes():
    cut = sorting.cutouts(photographs(), legal=("glass",), size=40)
    assert cut.illegal.shape == cut.legal.shape == (3, 4, 40, 40)
    covered = torch.zeros(40, 40)
    covered[10:30, 12:28] = 1
    assert torch.equal(cut.illegal[0, 3], covered)
    assert (255 * cut.illegal[0, :3, 15, 15]).round().tolist() == [90, 60, 30]
    with pytest.raises(UnknownName, match="unknown class of things 'paper'"):
        sorting.cutouts(photographs(), legal=("paper",))


def test_photographs_lie_on_the_belt_as_drawn_things_do():
    shown = line(3, frames=2, size=48, things=sorting.cutouts(photographs(), legal=("glass",)))
    there = shown.masks.flatten(1).any(dim=1)
    assert bool(there[shown.labels == BEFORE].any()) and not there[shown.labels != BEFORE].any()
    assert bool(shown.things[shown.masks].all())
    inside = shown.images[0].float().mean(dim=0)[shown.masks[0, 0]]
    assert float(inside.mean()) < float(shown.images[-1].float().mean())


def test_photographs_of_trashnet_are_cut_out(course_data):
    cut = sorting.cutouts(data.labelled("trashnet", split="test", per_class=20))
    share = torch.cat(cut)[:, 3].mean(dim=(1, 2))
    assert 0.2 < float(share.median()) < 0.9 and float((share > 0.05).float().mean()) > 0.9


def test_the_background_of_each_camera_is_found():
    shown = line(12, frames=3, size=32)
    behind = backgrounds(shown)
    assert behind.keys() == {0, 1} and behind[0].shape == (3, 32, 32)
    level = torch.tensor(sorting.BELT["upstream"]) * sorting.LIGHT["upstream"]
    assert (behind[0].mean(dim=(1, 2)) - level).abs().max() < 0.05


def test_without_its_background_hardly_anything_of_an_empty_belt_is_left():
    shown = line(12, frames=3, size=32)
    left = (without_background(shown, backgrounds(shown)).int() - 127).abs().amax(dim=1) > 1
    share = left.float().mean(dim=(1, 2))
    assert float(share[shown.labels == BACKGROUND].mean()) < 0.05
    things = share[shown.labels == BEFORE]
    assert float(things.mean()) > 0.05
    on_illegal = left[:, None][shown.masks].float().mean()
    assert float(on_illegal) > 0.9


def test_light_that_flickers_is_no_thing():
    behind = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    assert torch.equal(removed(1.2 * behind[None], behind), torch.full((1, 3, 16, 16), 0.5))


def test_a_mask_that_somebody_knows_removes_all_else():
    shown = film()
    kept = by_mask(shown, backgrounds(shown))
    assert bool((kept[(~shown.things).expand_as(kept)] == 128).all()) and bool(shown.things[shown.masks].all())
    assert not shown.things[shown.labels == BACKGROUND].any()


def test_things_look_the_same_in_the_light_of_both_cameras():
    here, there = film(12), film(12, swapped=True)
    behind = backgrounds(here)
    seen = [by_mask(shown, behind).float()[shown.things.expand_as(shown.images)] for shown in (here, there)]
    apart = [part.float()[here.things.expand_as(here.images)] for part in (here.images, there.images)]
    assert (apart[0] - apart[1]).abs().mean() > 15 and (seen[0] - seen[1]).abs().mean() < 8


def test_maps_of_the_classifier_add_up_to_its_scores():
    network = Classifier(seed=1).eval().double()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps = cam.class_maps(network.encoder.activations(images), network.last, centred=False)
    assert (maps.mean(dim=(2, 3)) + network.last.bias - network(images)).abs().max() < 1e-10
    assert network.maps(images).shape == (2, 1, 32, 32)


def test_pseudo_masks_are_empty_after_and_only_of_frames_that_were_told_rightly():
    shown = film()
    network = Classifier().eval()
    which, masks = pseudo_masks(network, shown.images, shown.labels)
    said = network(shown.images.float() / 255).argmax(dim=1)
    assert bool((said[which] == shown.labels[which]).all()) and not (shown.labels[which] == BACKGROUND).any()
    assert not masks[shown.labels[which] == AFTER].any()


def test_two_classes_leave_the_empty_belt_out():
    shown = film(2)
    network, _ = before_after.train(shown.images, shown.labels, budget=Budget(2, 4), seed=0, classes=2)
    assert network(shown.images[:1].float() / 255).shape == (1, 2)
    with pytest.raises(ValueError, match="expected 2"):
        before_after.train(shown.images, shown.labels, budget=Budget(2, 4), seed=0, classes=4)


def test_masks_of_another_size_are_refused():
    shown = film(2)
    with pytest.raises(ValueError, match="expected one for each image"):
        before_after.train_segmenter(shown.images, shown.masks[:, :, :4], budget=Budget(2, 4), seed=0)
