"""Drawn pictures: the same for the same number, different otherwise, and with the structure they are named for."""

import pytest
import torch

from course_lib.data.drawn import CLASSES, drawn


@pytest.mark.parametrize("kind", CLASSES)
def test_drawn_pictures_depend_on_their_number_and_seed_only(kind):
    three, two, others = drawn(kind, 3, size=48), drawn(kind, 2, size=48), drawn(kind, 3, size=48, seed=1)
    assert [tuple(picture.shape) for picture in three.values()] == [(1, 48, 48)] * 3
    assert all(picture.dtype == torch.uint8 for picture in three.values())
    assert all(torch.equal(three[name], two[name]) for name in two) and list(two) == list(three)[:2]
    different = [*three.values(), *others.values()]
    assert len({picture.numpy().tobytes() for picture in different}) == 6


def test_the_classes_have_the_structure_they_are_named_for():
    pictures = {kind: torch.stack(list(drawn(kind, 12).values())).double() / 255 for kind in CLASSES}
    steps = {kind: images.diff(dim=-1).abs().mean(dim=(1, 2, 3)) for kind, images in pictures.items()}
    assert steps["faces"].max() < min(steps["text"].min(), steps["texture"].min())            # smooth
    assert (pictures["text"].flatten(1).std(dim=1) > 0.15).all()                               # ink on paper
    head = pictures["faces"].mean(dim=0)[0]
    assert float((head - head.flip(1)).abs().mean()) < 0.05                                    # a face has two sides


def test_unknown_classes_and_tiny_pictures_are_refused():
    with pytest.raises(ValueError, match="did you mean 'texture'"):
        drawn("textures", 1)
    with pytest.raises(ValueError, match="32 pixels or more"):
        drawn("text", 1, size=16)


def test_the_global_random_state_stays():
    before = torch.get_rng_state()
    for kind in CLASSES:
        drawn(kind, 1)
    assert torch.equal(before, torch.get_rng_state())
