"""What features that were learnt without labels are worth: for naming drawn upright objects.

The network stays as it is. A linear head on its features learns ten kinds of drawn objects, with labels, and is asked
about other objects on other backgrounds. A network with its first weights, whose normalisations have seen the pictures
that the other one learnt from, gets the same head and the same training.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from course_lib.data.objects import objects
from course_lib.data.readers import Labelled
from course_lib.pretext import probe
from course_lib.profiles import Budget, choose

RATE = 0.02     # of the head's training


class Trunk(nn.Module):
    """A network as a probe wants it: `features(images, block)`, whatever its own way of giving features is.

    Shapes: images (N, 3, H, W) -> what `look` makes of them.
    """

    def __init__(self, network: nn.Module, look: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.look = network, look

    def features(self, images: Tensor, block: int) -> Tensor:
        """Return the features of a batch; there is one block only."""
        return self.look(images)


def drawn_objects(seed: int) -> tuple[Labelled, Labelled]:
    """Draw objects to train a head on, and others on other backgrounds to test it on, by profile."""
    each, asked = choose(smoke=(4, 2), lecture=(100, 50), full=(2000, 200))
    return objects(each, seed=2 * seed), objects(asked, seed=2 * seed + 1, split="test")


def worth(trunks: dict[str, Trunk], seed: int) -> dict[str, float]:
    """Measure for what share of the objects a linear head on the features of each network finds the kind."""
    known, asked = drawn_objects(seed)
    budget = choose(smoke=Budget(3, 16), lecture=Budget(300, 64), full=Budget(10_000, 128))
    channels, height, width = known.images.shape[1:]
    size = (channels, height, width)
    heads = {name: probe.probe(trunk, block=1, classes=len(known.names), size=size, head="linear", seed=seed)
             for name, trunk in trunks.items()}
    return {name: probe.accuracy(probe.train(head, known, budget=budget, seed=seed, rate=RATE).model, asked)
            for name, head in heads.items()}
