"""What lecture context says of shortcuts, and the experiment behind it.

Every task is trained on pictures of nothing, 48 pixels wide: blurred noise (sigma 2), gray, that a lens darkens towards
the corners and whose colours it bends apart. There is nothing to recognise, so a network that is right more often than
by chance has found a shortcut. "guarded" is a task with all its guards; the others leave one of them out. What is
stored is how often a network is right on other pictures of nothing, and how many standard errors that is away from
chance: each picture counts once, whatever number of questions it was asked.
"""

from __future__ import annotations

import math

from torch import Tensor

from course_lib.claims import Experiment
from course_lib.pretext import jigsaw, position, rotnet, shortcuts, towers
from course_lib.pretext.jigsaw import Puzzle
from course_lib.pretext.nin import NIN
from course_lib.pretext.position import Patches
from course_lib.profiles import Budget, Profile, choose
from course_lib.randomness import generator

NEIGHBOURS = {"guarded": Patches(8, 10, 1, colour="dropped"),
              "no_gap": Patches(8, 0, 0, colour="dropped"),
              "brightness": Patches(8, 10, 1, colour="dropped", normalise=False),
              "colours": Patches(8, 10, 1, colour="kept")}
PUZZLES = {"guarded": Puzzle(cell=16, tile=6),
           "brightness": Puzzle(cell=16, tile=6, normalise=False),
           "no_gap": Puzzle(cell=6, tile=6)}
TURNS = {"four": rotnet.FOUR, "eight": rotnet.EIGHT}


def nothing(count: int, seed: int) -> Tensor:
    """Draw pictures of nothing as a simple lens shows them."""
    gray = shortcuts.nothing(count, channels=1, seed=seed).expand(-1, 3, -1, -1)
    return shortcuts.fringes(shortcuts.vignette(gray))


def budget() -> Budget:
    """Choose how long each network learns, by profile."""
    return choose(smoke=Budget(3, 8), lecture=Budget(800, 64), full=Budget(10_000, 128))


def away(right: float, chance: float, count: int) -> float:
    """Compute how many standard errors a share of right answers is above chance."""
    return (right - chance) / math.sqrt(chance * (1 - chance) / count)


def measure(profile: Profile, seed: int) -> dict[str, float]:
    """Train each task on nothing, with all its guards and without one of them."""
    count, asked = choose(smoke=(16, 8), lecture=(4000, 4000), full=(20_000, 10_000))
    known, others = nothing(count, 2 * seed), nothing(asked, 2 * seed + 1)
    metrics: dict[str, float] = {}

    def note(task: str, right: float, chance: float) -> None:
        metrics.update({task: right, f"{task}_away": away(right, chance, asked)})

    for name, patches in NEIGHBOURS.items():
        model = position.network(NIN(width=24, blocks=2, seed=seed), patches, seed=seed)
        position.train(known, budget=budget(), seed=seed, patches=patches, model=model)
        note(f"position_{name}", towers.accuracy(model, others, patches, generator=generator(seed, "asked"), rounds=1),
             1 / 8)
    for name, puzzle in PUZZLES.items():
        model = jigsaw.network(NIN(width=24, blocks=2, seed=seed), puzzle, seed=seed)
        jigsaw.train(known, budget=budget(), seed=seed, puzzle=puzzle, model=model)
        note(f"jigsaw_{name}", towers.accuracy(model, others, puzzle, generator=generator(seed, "asked"), rounds=1),
             1 / len(puzzle.orders))
    for name, degrees in TURNS.items():
        network = NIN(width=24, blocks=3, outputs=len(degrees), seed=seed)
        rotnet.train(known, budget=Budget(budget().steps // 4, budget().batch // 2), seed=seed, network=network,
                     degrees=degrees)
        some = others[:: 4]
        note(f"turns_{name}", rotnet.accuracy(network, some, degrees), 1 / len(degrees))
    return metrics


NOTHING = Experiment("shortcuts-nothing", measure, uses=(shortcuts.nothing, position.train, jigsaw.train, rotnet.train))
