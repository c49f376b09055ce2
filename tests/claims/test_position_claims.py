"""The claims of lecture context on features say yes to metrics made up for a yes, no to each one spoilt."""

import torch
from criteria import criteria, measured

from course_lib import profiles
from course_lib.claims import position
from course_lib.claims.position import CLAIMS, OBJECTS

YES = {"position_learnt": 0.4, "jigsaw_learnt": 0.4, "position_head": 0.6, "jigsaw_head": 0.6, "random_head": 0.4,
       "position_nearest": 0.4, "jigsaw_nearest": 0.4, "random_nearest": 0.3}
SPOILT = {"position-learnt": [{"position_learnt": 0.2}], "position-puzzles-learnt": [{"jigsaw_learnt": 0.1}],
          "position-random": [{"position_head": 0.4}], "position-puzzles-random": [{"jigsaw_head": 0.4}]}

TestCriteria = criteria(CLAIMS, YES, SPOILT)


def test_every_metric_is_measured():
    assert measured(OBJECTS, CLAIMS).keys() == YES.keys()


def test_pictures_have_room_for_patches_and_puzzles_and_none_is_in_both_sets():
    with profiles.using("smoke"):
        known, asked = position.drawn_objects(0)
    assert known.images.shape[-1] >= max(position.PATCHES.reach, position.PUZZLE.side)
    assert not {image.numpy().tobytes() for image in known.images} & {image.numpy().tobytes()
                                                                      for image in asked.images}


def test_normalisations_see_all_pictures_and_weights_stay():
    with profiles.using("smoke"):
        before, network = position.backbone(0), position.backbone(0)
        position.seen(network, torch.randint(256, (130, 3, 16, 16), dtype=torch.uint8), 0)
    weights = [name for name, _ in before.named_parameters()]
    assert all(torch.equal(before.state_dict()[name], network.state_dict()[name]) for name in weights)
    assert int(network.state_dict()["blocks.0.0.1.num_batches_tracked"]) == 3
