"""What lecture context says of shortcuts, and the experiment behind it.

Every task is trained on pictures of nothing, 48 pixels wide: gray noise, blurred (sigma 2), under light from above that
adds a ramp of brightness, through a lens that magnifies green. There is nothing to recognise, so a network that is
right more often than by chance has found a shortcut. "guarded" is a task with all its guards; the others leave one of
them out. What is stored is how often a network is right on other pictures of nothing, and how many standard errors that
is above chance: each picture counts once, whatever number of questions it was asked.

What is asked of the guards is what they can do. The ramp adds the same slope to every patch, so that a patch without
its mean and deviation does not show where it was. A vignette also leaves a slope within each patch that points away
from the middle; normalising keeps it, and "vignette" measures that: a guarded task, with a vignette instead of the
ramp. Projecting the colours removes the fringes of green; "other_lens" is a guarded task through a lens that shifts red
and blue apart, "dropped" the same with colours dropped. Puzzles are guarded by showing them all in gray; "colours" has
three gray pictures in ten, as in public code. Tiles have gaps of 10 pixels in the mean. Turns see pictures of 24 pixels
of finer noise (sigma 1), since what interpolation blurs is what is fine, with a vignette instead of the ramp: light
from above says which side is up, and no guard of that task would remove it. For turns by 45 degrees the corners of all
pictures are cut off.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from course_lib.claims import Claim, Experiment, bound, together
from course_lib.pretext import jigsaw, position, rotnet, shortcuts, towers
from course_lib.pretext.jigsaw import Puzzle
from course_lib.pretext.nin import NIN
from course_lib.pretext.position import Patches
from course_lib.profiles import Budget, Profile, choose
from course_lib.randomness import generator

PAPER = "Doersch et al. 2015, section 3.1"
JIGSAW = "Noroozi and Favaro 2016, on preventing shortcuts"
GUARDED = Patches(8, 10, 1, colour="projected")
NEIGHBOURS = {"guarded": GUARDED, "vignette": GUARDED, "other_lens": GUARDED,
              "no_gap": Patches(8, 0, 0, colour="projected"),
              "brightness": Patches(8, 10, 1, colour="projected", normalise=False),
              "colours": Patches(8, 10, 1, colour="kept"),
              "dropped": Patches(8, 10, 1, colour="dropped")}
PUZZLES = {"guarded": Puzzle(cell=16, tile=6, gray=1.0),
           "no_gap": Puzzle(cell=6, tile=6, gray=1.0),
           "brightness": Puzzle(cell=16, tile=6, gray=1.0, normalise=False),
           "colours": Puzzle(cell=16, tile=6, gray=0.3)}
TURNS = {"four": rotnet.FOUR, "eight": rotnet.EIGHT}
GREEN, RED_AND_BLUE = (0.0, 1.0, 0.0), (1.0, 0.0, -1.0)      # what a lens bends


def nothing(count: int, seed: int, *, vignette: bool = False, lens: tuple[float, ...] = GREEN, smooth: float = 2.0,
            size: int = 48) -> Tensor:
    """Draw pictures of nothing as a simple lens shows them, under light from above or with a vignette."""
    gray = shortcuts.nothing(count, size=size, channels=1, smooth=smooth, contrast=25.0, seed=seed)
    gray = shortcuts.vignette(gray, strength=0.5) if vignette else shortcuts.lit(gray, amount=0.25)
    return shortcuts.fringes(gray.expand(-1, 3, -1, -1), amount=0.05, shares=lens)


def budget() -> Budget:
    """Choose how long each network learns, by profile."""
    return choose(smoke=Budget(4, 8), lecture=Budget(360, 64), full=Budget(10_000, 128))


def backbone(seed: int, *, blocks: int = 2, outputs: int = 4) -> NIN:
    """Build the network of each task, by profile."""
    return NIN(width=choose(smoke=12, lecture=24, full=48), blocks=blocks, outputs=outputs, seed=seed)


def away(right: float, chance: float, count: int) -> float:
    """Compute how many standard errors a share of right answers is above chance.

    >>> away(0.5, 0.25, 300)
    10.0
    """
    return (right - chance) / math.sqrt(chance * (1 - chance) / count)


def measure(profile: Profile, seed: int) -> dict[str, float]:
    """Train each task on nothing, with all its guards and without one of them."""
    count, asked = choose(smoke=(16, 8), lecture=(3000, 3000), full=(20_000, 10_000))

    def pictures(**more: Any) -> tuple[Tensor, Tensor]:
        return nothing(count, 2 * seed, **more), nothing(asked, 2 * seed + 1, **more)

    usual, bent = pictures(), pictures(lens=RED_AND_BLUE)
    shown = {"vignette": pictures(vignette=True), "other_lens": bent, "dropped": bent}
    metrics: dict[str, float] = {}

    def note(task: str, right: float, chance: float) -> None:
        metrics.update({task: right, f"{task}_away": away(right, chance, asked)})

    for name, patches in NEIGHBOURS.items():
        known, others = shown.get(name, usual)
        model = position.network(backbone(seed), patches, seed=seed)
        position.train(known, budget=budget(), seed=seed, patches=patches, model=model)
        note(f"position_{name}", towers.accuracy(model, others, patches, generator=generator(seed, "asked"), rounds=1),
             1 / 8)
    for name, puzzle in PUZZLES.items():
        model = jigsaw.network(backbone(seed), puzzle, seed=seed)
        jigsaw.train(usual[0], budget=budget(), seed=seed, puzzle=puzzle, model=model)
        note(f"jigsaw_{name}", towers.accuracy(model, usual[1], puzzle, generator=generator(seed, "asked"), rounds=1),
             1 / len(puzzle.orders))
    known, others = pictures(vignette=True, smooth=1.0, size=24)
    for name, degrees in TURNS.items():
        network = backbone(seed, outputs=len(degrees))
        steps, images = budget().steps // 2, 2 * budget().batch
        rotnet.train(known, budget=Budget(steps, images // len(degrees)), seed=seed, network=network, degrees=degrees)
        note(f"turns_{name}", rotnet.accuracy(network, others, degrees=degrees), 1 / len(degrees))
    return metrics


NOTHING = Experiment("shortcuts-nothing", measure,
                     uses=(shortcuts.nothing, position.train, jigsaw.train, rotnet.train))


# Claims --------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("shortcuts-position-guarded",
          "On pictures of nothing, a network that places patches with all guards is within three standard errors of "
          "guessing.", PAPER, {}, NOTHING, bound("position_guarded_away", above=-3, below=3)),
    Claim("shortcuts-position-guards",
          "Without the gap, without normalising, or with colours kept, it is more than five standard errors above.",
          PAPER, {}, NOTHING,
          bound("position_no_gap_away", "position_brightness_away", "position_colours_away", above=5)),
    Claim("shortcuts-jigsaw-guarded",
          "On pictures of nothing, a network that solves puzzles with all guards is within three standard errors of "
          "guessing.", JIGSAW, {}, NOTHING, bound("jigsaw_guarded_away", above=-3, below=3)),
    Claim("shortcuts-jigsaw-guards",
          "Without gaps, without normalising, or with only three gray pictures in ten, it is more than five standard "
          "errors above.", JIGSAW, {}, NOTHING,
          bound("jigsaw_no_gap_away", "jigsaw_brightness_away", "jigsaw_colours_away", above=5)),
    Claim("shortcuts-projection",
          "Projected colours guard against a lens that bends green, and not against one that shifts red and blue "
          "apart, which dropped colours do.", PAPER, {}, NOTHING,
          together(bound("position_other_lens_away", above=10), bound("position_dropped_away", above=-3, below=3))),
    Claim("shortcuts-vignette",
          "A vignette is seen through all guards, by the slope that it leaves in a patch: more than five standard "
          "errors above guessing.", "none; what normalising leaves", {}, NOTHING,
          bound("position_vignette_away", above=5)),
    Claim("shortcuts-turns",
          "Four turns of pictures of nothing are within three standard errors of guessing, and eight turns, by 45 "
          "degrees, more than five above.", "Gidaris et al. 2018 (RotNet), section 3.2", {}, NOTHING,
          together(bound("turns_four_away", above=-3, below=3), bound("turns_eight_away", above=5))),
)
