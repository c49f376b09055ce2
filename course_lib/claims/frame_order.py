"""What lecture context says of the order of frames, and the experiment behind it.

The films are those of lecture before_after, drawn by our own code: 120 sequences of four frames before a human and as
many after, 40 others of each to test on. A network learns which of two neighbouring frames came first. "belt" is the
same network on films of the empty belt, where no thing moves; "things" another network, trained and tested on frames
that show the things alone, on gray. Both are cut out by masks that nobody would have.
"""

from __future__ import annotations

from course_lib.claims import Claim, Experiment, bound
from course_lib.data.sorting import BACKGROUND, Frames, line
from course_lib.pretext import frame_order
from course_lib.pretext.before_after import by_mask
from course_lib.profiles import Budget, Profile, choose


def films(seed: int) -> tuple[Frames, Frames]:
    """Film sequences to train on and others to test on, by profile."""
    train, test = choose(smoke=(4, 2), lecture=(120, 40), full=(300, 100))
    return line(train, seed=2 * seed), line(test, seed=2 * seed + 1)


def budget() -> Budget:
    """Choose how long each network learns, by profile."""
    return choose(smoke=Budget(3, 8), lecture=Budget(300, 32), full=Budget(3000, 64))


def some_of(film: Frames, *, empty: bool) -> Frames:
    """Take the sequences of the empty belt, or all others."""
    kept = (film.labels == BACKGROUND) == empty
    return Frames(*(part[kept] for part in film))


def measure(profile: Profile, seed: int) -> dict[str, float]:
    """Measure how often a network says which of two neighbouring frames came first, in sequences that it has not
    seen."""
    train, test = films(seed)
    shown, new = some_of(train, empty=False), some_of(test, empty=False)
    network = frame_order.train(shown, budget=budget(), seed=seed).model
    alone, new_alone = (film._replace(images=by_mask(film)) for film in (shown, new))
    other = frame_order.train(alone, budget=budget(), seed=seed).model
    return {"first": frame_order.accuracy(network, new),
            "belt": frame_order.accuracy(network, some_of(test, empty=True)),
            "things": frame_order.accuracy(other, new_alone)}


ORDER = Experiment("frame_order-line", measure, uses=(line, frame_order.train))


# Claims --------------------------------------------------------------------------------------------------------------


SOURCE = "Misra et al. 2016; Boracchi 2025, which frame came first"
CLAIMS = (
    Claim("frame_order-learnt",
          "Which of two frames came first can be learnt: on new sequences a network is right for more than nine pairs "
          "in ten.", SOURCE, {}, ORDER, bound("first", above=0.9)),
    Claim("frame_order-belt",
          "It does not need the things for it: on the empty belt the same network is right for more than three pairs "
          "in four.", "none; the belt moves, too", {}, ORDER, bound("belt", above=0.75)),
    Claim("frame_order-things",
          "The things alone are enough as well: another network, which sees nothing else, is right for more than nine "
          "pairs in ten.", SOURCE, {}, ORDER, bound("things", above=0.9)),
)
