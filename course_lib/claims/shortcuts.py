"""What lecture context says of shortcuts, and the experiment behind it.

Every task is trained on pictures of nothing, 48 pixels wide: gray noise, blurred (sigma 2), under light from above that
adds a ramp of brightness, through a lens that bends red and blue apart. There is nothing to recognise, so a network
that is right more often than by chance has found a shortcut. "guarded" is a task with all its guards; the others leave
one of them out. What is stored is how often a network is right on other pictures of nothing, and how many standard
errors that is above chance: each picture counts once, whatever number of questions it was asked.

What is asked of the guards is what they can do. The ramp adds the same slope to every patch, so that a patch without
its mean and deviation does not show where it was. A vignette also leaves a slope within each patch that points away
from the middle; normalising keeps it, and "vignette" measures that: a guarded task, with a vignette instead of the
ramp. Puzzles are guarded by gray pictures, all of them; "some_gray" are three in ten, as in the paper. Their tiles have
gaps of 10 pixels in the mean. Turns see a vignette instead of the ramp: light from above says which side is up, and no
guard of that task would remove it. They are turns of the middle 24 pixels; where there are turns by 45 degrees, the
corners are cut off from all.
"""

from __future__ import annotations

import math

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
GUARDED = Patches(8, 10, 1, colour="dropped")
NEIGHBOURS = {"guarded": GUARDED, "vignette": GUARDED,
              "no_gap": Patches(8, 0, 0, colour="dropped"),
              "brightness": Patches(8, 10, 1, colour="dropped", normalise=False),
              "colours": Patches(8, 10, 1, colour="kept"),
              "projected": Patches(8, 10, 1, colour="projected")}
PUZZLES = {"guarded": Puzzle(cell=16, tile=6, gray=1.0),
           "no_gap": Puzzle(cell=6, tile=6, gray=1.0),
           "brightness": Puzzle(cell=16, tile=6, gray=1.0, normalise=False),
           "colours": Puzzle(cell=16, tile=6, gray=0.0),
           "some_gray": Puzzle(cell=16, tile=6, gray=0.3)}
TURNS = {"four": rotnet.FOUR, "eight": rotnet.EIGHT}


def nothing(count: int, seed: int, *, vignette: bool = False) -> Tensor:
    """Draw pictures of nothing as a simple lens shows them, under light from above or with a vignette."""
    gray = shortcuts.nothing(count, channels=1, contrast=25.0, seed=seed)
    gray = shortcuts.vignette(gray, strength=0.5) if vignette else shortcuts.lit(gray, amount=0.25)
    return shortcuts.fringes(gray.expand(-1, 3, -1, -1), amount=0.05)


def budget() -> Budget:
    """Choose how long each network learns, by profile."""
    return choose(smoke=Budget(4, 8), lecture=Budget(600, 64), full=Budget(10_000, 128))


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
    count, asked = choose(smoke=(16, 8), lecture=(4000, 4000), full=(20_000, 10_000))
    plain, bent = ([nothing(some, 2 * seed + k, vignette=vignette) for k, some in enumerate((count, asked))]
                   for vignette in (False, True))
    metrics: dict[str, float] = {}

    def note(task: str, right: float, chance: float, questions: int = asked) -> None:
        metrics.update({task: right, f"{task}_away": away(right, chance, questions)})

    for name, patches in NEIGHBOURS.items():
        known, others = bent if name == "vignette" else plain
        model = position.network(backbone(seed), patches, seed=seed)
        position.train(known, budget=budget(), seed=seed, patches=patches, model=model)
        note(f"position_{name}", towers.accuracy(model, others, patches, generator=generator(seed, "asked"), rounds=1),
             1 / 8)
    for name, puzzle in PUZZLES.items():
        model = jigsaw.network(backbone(seed), puzzle, seed=seed)
        jigsaw.train(plain[0], budget=budget(), seed=seed, puzzle=puzzle, model=model)
        note(f"jigsaw_{name}", towers.accuracy(model, plain[1], puzzle, generator=generator(seed, "asked"), rounds=1),
             1 / len(puzzle.orders))
    for name, degrees in TURNS.items():
        network = backbone(seed, outputs=len(degrees))
        known, others = (images[..., 12:36, 12:36] for images in bent)
        steps, images = budget().steps // 2, 2 * budget().batch
        rotnet.train(known, budget=Budget(steps, images // len(degrees)), seed=seed, network=network, degrees=degrees)
        note(f"turns_{name}", rotnet.accuracy(network, others, degrees=degrees), 1 / len(degrees))
    return metrics


NOTHING = Experiment("shortcuts-nothing", measure,
                     uses=(shortcuts.nothing, position.train, jigsaw.train, rotnet.train))


# Claims --------------------------------------------------------------------------------------------------------------


GUESSES = {"above": -3, "below": 3}          # within three standard errors of chance
CLAIMS = (
    Claim("shortcuts-position-guarded",
          "On pictures of nothing, a network that places patches with all guards is within three standard errors of "
          "guessing.", PAPER, {}, NOTHING, bound("position_guarded_away", **GUESSES)),
    Claim("shortcuts-position-guards",
          "Without the gap, without normalising, or with colours kept, it is more than ten standard errors above.",
          PAPER, {}, NOTHING,
          bound("position_no_gap_away", "position_brightness_away", "position_colours_away", above=10)),
    Claim("shortcuts-jigsaw-guarded",
          "On pictures of nothing, a network that solves puzzles with all guards is within three standard errors of "
          "guessing.", JIGSAW, {}, NOTHING, bound("jigsaw_guarded_away", **GUESSES)),
    Claim("shortcuts-jigsaw-guards",
          "Without gaps, without normalising, or with colours kept, it is more than ten standard errors above.",
          JIGSAW, {}, NOTHING,
          bound("jigsaw_no_gap_away", "jigsaw_brightness_away", "jigsaw_colours_away", above=10)),
    Claim("shortcuts-some-gray",
          "Three gray pictures in ten are no guard: colours are still used, to more than ten standard errors above "
          "guessing.", JIGSAW, {}, NOTHING, bound("jigsaw_some_gray_away", above=10)),
    Claim("shortcuts-projection",
          "Projecting the colours is no guard against a lens that shifts red and blue: more than ten standard errors "
          "above guessing.", PAPER, {}, NOTHING, bound("position_projected_away", above=10)),
    Claim("shortcuts-vignette",
          "A vignette is seen through all guards, by the slope that it leaves in a patch: more than ten standard "
          "errors above guessing.", "none; what normalising leaves", {}, NOTHING,
          bound("position_vignette_away", above=10)),
    Claim("shortcuts-turns",
          "Four turns of pictures of nothing are within three standard errors of guessing, and eight turns, by 45 "
          "degrees, more than ten above.", "Gidaris et al. 2018 (RotNet), section 3.2", {}, NOTHING,
          together(bound("turns_four_away", **GUESSES), bound("turns_eight_away", above=10))),
)
