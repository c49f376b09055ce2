"""Exercises of lecture before_after: Grad-CAM, a background that knows how much each pixel flickers, a split by
sequences.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- before_after.grad_cam ------------------------------------------------------------------------------------------

STATEMENT_MAP = r"""
The lecture's class activation map needs *one* linear layer after the mean over places. Your network has two, with a
ReLU between them. For picture $n$ with maps $F_{nk}$, and $\operatorname{mean}$ the mean over the places $(x, y)$,

$$S_n = \sum_m v_m \max\Bigl(0, \sum_k W_{mk} \operatorname{mean} F_{nk}\Bigr) .$$

**Grad-CAM** (Selvaraju et al. 2017, equations 1 and 2) takes the gradient of the score in the place of the weight:

$$\alpha_{nk} = \operatorname{mean}\, \frac{\partial S_n}{\partial F_{nk}(x, y)}, \qquad
L_n(x, y) = \max\Bigl(0, \sum_k \alpha_{nk}\, F_{nk}(x, y)\Bigr) .$$

`features` holds the $F_{nk}(x, y)$, `(N, K, H, W)`, `first` the $W_{mk}$, `(M, K)`, and `second` the $v_m$, `(M,)`. Return
$L$, `(N, H, W)`. You may let `torch.autograd.grad` differentiate, or do it on paper.
"""

STUB_MAP = '''
def grad_cam(features, first, second):
    """features: (N, K, H, W); first: (M, K); second: (M,); returns (N, H, W)."""
    alpha = ...         # (N, K)
    return ...
'''


def _score(features, first, second):
    return (features.mean(dim=(2, 3)) @ first.T).relu() @ second  # (N,)


def _alpha(features, first, second):
    features = features.detach().requires_grad_()
    (slope,) = torch.autograd.grad(_score(features, first, second).sum(), features)
    return slope.mean(dim=(2, 3))


def _weighted(alpha, features):
    return torch.einsum("nk,nkhw->nhw", alpha, features)


def grad_cam(features, first, second):
    return _weighted(_alpha(features, first, second), features).relu()


def grad_cam_on_paper(features, first, second):
    active = (features.mean(dim=(2, 3)) @ first.T > 0).float()  # (N, M)
    alpha = (active * second) @ first / (features.shape[2] * features.shape[3])
    return (alpha[:, :, None, None] * features).sum(dim=1).clamp(min=0)


def grad_cam_in_a_loop(features, first, second):
    maps = []
    for one in features:
        one = one.detach().requires_grad_()
        _score(one[None], first, second).backward()
        maps.append(sum(g.mean() * f for g, f in zip(one.grad, one, strict=True)))
    return torch.stack(maps).detach().clamp(min=0)


@mutant(
    "the ReLU between the layers is ignored",
    "You multiply the two layers as if nothing stood between them. Rows of `first` whose sum is below zero in a picture "
    "do not reach its score: their gradient is 0 there.",
)
def no_relu_between(features, first, second):
    alpha = (second @ first) / (features.shape[2] * features.shape[3])
    return _weighted(alpha.expand(len(features), -1), features).relu()


@mutant(
    "one weight for all pictures",
    "All your pictures share their weights. Which rows of `first` are active differs from picture to picture, so "
    "alpha has an axis N.",
)
def one_alpha(features, first, second):
    alpha = _alpha(features, first, second).mean(dim=0, keepdim=True)
    return _weighted(alpha.expand(len(features), -1), features).relu()


@mutant(
    "the gradient at each place",
    "You multiply each place by its own gradient. Alpha is one number for each map: the mean of the gradient over the "
    "places. With this network the gradient is the same at all places, so it looks right only up to a factor.",
)
def summed_gradient(features, first, second):
    scale = features.shape[2] * features.shape[3]
    return scale * grad_cam(features, first, second)


@mutant(
    "negative weights are cut off",
    "You cut the weights off at zero. A map that speaks against the class has to count against it: only the sum is cut.",
)
def alpha_cut(features, first, second):
    return _weighted(_alpha(features, first, second).relu(), features).relu()


def cases_map(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, n: int, k: int, m: int, height: int, width: int) -> Case:
        stream = variant.numbers(seed, "grad_cam", name)
        features = stream.standard_normal((n, k, height, width)).clip(-0.5, None)
        features += stream.uniform(-1, 1, (n, k, 1, 1))
        return Case(
            name,
            {
                "features": features.round(2).astype(np.float32),
                "first": stream.standard_normal((m, k)).round(2).astype(np.float32),
                "second": stream.standard_normal(m).round(2).astype(np.float32),
            },
            tolerances={"result": Tolerance(1e-4, 1e-5)},
            letters={"result": "N H W"},
        )

    return [
        case("three pictures", 3, 4, 5, 3, 4),
        case("two pictures", 2, 6, 8, 5, 2),
        case("four pictures", 4, 3, 6, 2, 3),
    ]


GRAD_CAM = Problem(
    id="before_after.grad_cam",
    points=3,
    goal="Find out where a network with two linear layers looks",
    statement=STATEMENT_MAP,
    stub=STUB_MAP,
    reference=grad_cam,
    alternates=(grad_cam_on_paper, grad_cam_in_a_loop),
    mutants=(
        no_relu_between,
        one_alpha,
        summed_gradient,
        alpha_cut,
        Mutant(
            lambda features, first, second: _weighted(
                _alpha(features, first, second), features
            ),
            "not cut off at zero",
            "Your map goes below zero. What is below zero speaks against the class and is cut off: `.relu()`.",
        ),
        Mutant(
            lambda features, first, second: _weighted(
                _alpha(features, first, second), features
            ).abs(),
            "the absolute value",
            "You take the absolute value. Places that speak against the class would then look like places that speak for it.",
        ),
        Mutant(
            lambda features, first, second: _weighted(
                _alpha(features, first, second),
                features.mean(dim=0, keepdim=True).expand_as(features),
            ).relu(),
            "the mean picture",
            "Your maps are those of the mean over the pictures. Each picture has its own maps F.",
        ),
        Mutant(
            lambda features, first, second: _weighted(
                _alpha(features, first, -second), features
            ).relu(),
            "the other sign",
            "Your map shows what speaks against the class: the gradient has the other sign.",
        ),
        Mutant(
            lambda features, first, second: (
                lambda map: map / map.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)
            )(grad_cam(features, first, second)),
            "divided by the largest value",
            "You divide each map by its largest value. That is done for showing it; here the values themselves are asked.",
        ),
        Mutant(
            lambda features, first, second: (
                _weighted(_alpha(features, first, second), features)
                .mean(dim=(1, 2), keepdim=True)
                .relu()
                .expand(-1, *features.shape[2:])
            ),
            "the same at all places",
            "Your map is constant: you averaged over the places before the sum. Only alpha is a mean over places.",
        ),
    ),
    cases=cases_map,
    probe=probes.result,
    hints=(
        "One gradient for each picture: the sum of the scores of all pictures has it, since no picture changes the score "
        "of another.",
        "`features = features.detach().requires_grad_()`, then `torch.autograd.grad(score.sum(), features)`.",
        "`torch.einsum('nk,nkhw->nhw', alpha, features).relu()` adds up the maps.",
    ),
    blocked=("course_lib.pretext.cam", "course_lib.pretext.before_after"),
)

# --- before_after.flicker -------------------------------------------------------------------------------------------

STATEMENT_FLICKER = r"""
The lecture keeps what differs from the background by more than one threshold for all pixels. But a belt flickers at its
ribs and is quiet between them. Let each pixel and channel have its own threshold. From frames $E_1, \dots, E_M$ of the
empty belt ($M$ is odd), with the median over the frames,

$$B = \operatorname{median}_m E_m, \qquad D = 1.4826\, \operatorname{median}_m |E_m - B| .$$

$D$ estimates the standard deviation from the **median absolute deviation**; for Gaussian noise the factor makes both
equal. A pixel of a frame $I$ belongs to a thing where $|I_c - B_c| > k\, D_c$ in **at least one** channel $c$.

`empty` is `(M, C, H, W)`, `frames` is `(N, C, H, W)`, `k` is a number. Return booleans `(N, 1, H, W)`, True on things.
"""

STUB_FLICKER = '''
def things(empty, frames, *, k):
    """empty: (M, C, H, W); frames: (N, C, H, W); k: a number; returns booleans (N, 1, H, W)."""
    background = ...    # (C, H, W)
    deviation = ...     # (C, H, W)
    return ...
'''


def _median(x):
    return x.median(dim=0).values


def _beyond(frames, background, threshold):
    return (frames - background).abs() > threshold


def _parts(empty):
    background = _median(empty)
    return background, 1.4826 * _median((empty - background).abs())


def things(empty, frames, *, k):
    background, deviation = _parts(empty)
    return _beyond(frames, background, k * deviation).any(dim=1, keepdim=True)


def things_by_sorting(empty, frames, *, k):
    middle = len(empty) // 2
    background = empty.sort(dim=0).values[middle]
    deviation = 1.4826 * (empty - background).abs().sort(dim=0).values[middle]
    ratio = (frames - background).abs() - k * deviation
    return ratio.amax(dim=1, keepdim=True) > 0


def things_in_a_loop(empty, frames, *, k):
    background = torch.quantile(empty, 0.5, dim=0)
    deviation = 1.4826 * torch.quantile((empty - background).abs(), 0.5, dim=0)
    found = []
    for frame in frames:
        far = [
            (i - b).abs() > k * d
            for i, b, d in zip(frame, background, deviation, strict=True)
        ]
        found.append(sum(f.int() for f in far)[None] > 0)
    return torch.stack(found)


@mutant(
    "the mean for the background",
    "Your background is the mean. One frame with a hand in it moves the mean; the median stays.",
)
def mean_background(empty, frames, *, k):
    background = empty.mean(dim=0)
    deviation = 1.4826 * _median((empty - background).abs())
    return _beyond(frames, background, k * deviation).any(dim=1, keepdim=True)


@mutant(
    "the standard deviation",
    "You take the standard deviation of the empty frames. One frame with a hand in it makes it so large that nothing is "
    "found at those pixels; the median absolute deviation does not move.",
)
def standard_deviation(empty, frames, *, k):
    background, _ = _parts(empty)
    return _beyond(frames, background, k * empty.std(dim=0)).any(dim=1, keepdim=True)


@mutant(
    "one threshold for all pixels",
    "All your pixels share one threshold. D is a number for each pixel and channel: the median runs over the frames only.",
)
def one_threshold(empty, frames, *, k):
    background, _ = _parts(empty)
    deviation = 1.4826 * (empty - background).abs().median()
    return _beyond(frames, background, k * deviation).any(dim=1, keepdim=True)


def cases_flicker(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, m: int, n: int, c: int, height: int, width: int, k: float) -> Case:
        stream = variant.numbers(seed, "flicker", name)
        belt = stream.uniform(0.3, 0.6, (c, height, width))
        spread = stream.uniform(0.01, 0.06, (c, height, width))
        empty = belt + spread * stream.standard_normal((m, c, height, width))
        empty[0] += 0.4 * (stream.uniform(0, 1, (height, width)) < 0.5)  # a hand
        frames = belt + spread * stream.standard_normal((n, c, height, width))
        frames += stream.uniform(-0.25, 0.25, (n, c, height, width)) * (
            stream.uniform(0, 1, (n, c, height, width)) < 0.4
        )
        return Case(
            name,
            {
                "empty": empty.round(3).astype(np.float32),
                "frames": frames.round(3).astype(np.float32),
                "k": np.array(k),
            },
            letters={"result": "N 1 H W"},
        )

    return [
        case("three frames", 7, 3, 3, 6, 7, 3.03),
        case("gray frames", 5, 2, 1, 8, 8, 2.51),
        case("four frames", 9, 4, 3, 5, 6, 4.07),
    ]


FLICKER = Problem(
    id="before_after.flicker",
    points=2,
    goal="Let each pixel have its own threshold",
    statement=STATEMENT_FLICKER,
    stub=STUB_FLICKER,
    reference=things,
    alternates=(things_by_sorting, things_in_a_loop),
    mutants=(
        mean_background,
        standard_deviation,
        one_threshold,
        Mutant(
            lambda empty, frames, *, k: things(empty, frames, k=k / 1.4826),
            "the factor is missing",
            "Your deviation is the plain median of the absolute differences. For Gaussian noise it is 0.67 standard "
            "deviations: multiply by 1.4826.",
        ),
        Mutant(
            lambda empty, frames, *, k: _beyond(
                frames, _parts(empty)[0], k * _parts(empty)[1]
            ).all(dim=1, keepdim=True),
            "in all channels",
            "You ask for a difference in all channels. A thing may have the red of the belt and another blue: one channel is "
            "enough.",
        ),
        Mutant(
            lambda empty, frames, *, k: _beyond(
                frames, _parts(empty)[0], k * _parts(empty)[1]
            ),
            "a mask for each channel",
            "You return a mask for each channel. It is asked for each pixel: is any channel beyond its threshold?",
        ),
        Mutant(
            lambda empty, frames, *, k: (
                (frames - _parts(empty)[0]) > k * _parts(empty)[1]
            ).any(dim=1, keepdim=True),
            "brighter only",
            "You find only what is brighter than the belt. Dark things belong on the list, too: take the absolute value.",
        ),
        Mutant(
            lambda empty, frames, *, k: (
                (frames - _parts(empty)[0]).abs().mean(dim=1, keepdim=True)
                > k * _parts(empty)[1].mean(dim=0)
            ),
            "the mean over the channels",
            "You average over the channels before you compare. A difference in one channel is then divided by three.",
        ),
        Mutant(
            lambda empty, frames, *, k: ~things(empty, frames, k=k),
            "the belt instead of the things",
            "Your mask is True on the belt. It should be True on things.",
        ),
        Mutant(
            lambda empty, frames, *, k: _beyond(
                frames, _parts(frames)[0], k * _parts(empty)[1]
            ).any(dim=1, keepdim=True),
            "the background of the frames themselves",
            "Your background comes from `frames`. A thing that lies still would become background: take `empty`.",
        ),
        Mutant(
            lambda empty, frames, *, k: _beyond(frames, _parts(empty)[0], k / 255).any(
                dim=1, keepdim=True
            ),
            "no deviation",
            "You compare with k alone. k counts deviations: the threshold of a pixel is k times its D.",
        ),
    ),
    cases=cases_flicker,
    probe=probes.result,
    hints=(
        "`empty.median(dim=0).values` is the median over the frames, for each pixel and channel.",
        "The deviation is the median of `(empty - background).abs()`, times 1.4826.",
        "`(...).any(dim=1, keepdim=True)` asks whether any channel is beyond its threshold.",
    ),
    blocked=("course_lib.pretext.before_after",),
)

# --- before_after.split ---------------------------------------------------------------------------------------------

STATEMENT_SPLIT = r"""
Frames of a sequence are nearly the same picture, so a sequence goes into the test set as a whole, or not at all. Write
the split. `sequences` says which sequence each frame is of, `(N,)`, in any order and with any numbers; sequences have
different lengths. `order` lists the numbers of all sequences in a random order, `(S,)`. Take sequences in this order into
the test set **until it has `count` frames or more**, then stop. Return booleans `(N,)`, True for the frames of the test
set.
"""

STUB_SPLIT = '''
def test_frames(sequences, order, *, count):
    """sequences: (N,); order: (S,); count: a number of frames; returns booleans (N,)."""
    test = torch.zeros(len(sequences), dtype=torch.bool)
    ...
    return test
'''


def test_frames(sequences, order, *, count):
    test = torch.zeros(len(sequences), dtype=torch.bool)
    for number in order:
        if int(test.sum()) >= count:
            break
        test |= sequences == number
    return test


def split_by_cumulating(sequences, order, *, count):
    lengths = (sequences[None] == order[:, None]).sum(dim=1)  # (S,)
    before = lengths.cumsum(dim=0) - lengths
    return torch.isin(sequences, order[before < count])


def split_recursively(sequences, order, *, count):
    if count <= 0 or not len(order):
        return torch.zeros(len(sequences), dtype=torch.bool)
    mine = sequences == order[0]
    return mine | split_recursively(sequences, order[1:], count=count - int(mine.sum()))


def _taken(sequences, order, number):
    return torch.isin(sequences, order[:number])


def _needed(sequences, order, count):
    lengths = (sequences[None] == order[:, None]).sum(dim=1)
    return int((lengths.cumsum(dim=0) - lengths < count).sum())


@mutant(
    "exactly `count` frames",
    "Your test set has exactly `count` frames, so the last sequence is cut in two: some of its frames are in training, "
    "some in test. Take all of it.",
)
def cut_in_two(sequences, order, *, count):
    rank = torch.stack([(order == number).nonzero()[0, 0] for number in sequences])
    chosen = rank.argsort(stable=True)[:count]
    test = torch.zeros(len(sequences), dtype=torch.bool)
    test[chosen] = True
    return test


@mutant(
    "the first frames",
    "You take the first `count` frames of the list. Whole sequences are asked, in the order given.",
)
def first_frames(sequences, order, *, count):
    return torch.arange(len(sequences)) < count


@mutant(
    "`order` read as positions",
    "You read `order` as positions in the sorted list of sequences. It holds the numbers of the sequences themselves.",
)
def positions(sequences, order, *, count):
    found = sequences.unique()
    return test_frames(sequences, found[order % len(found)], count=count)


def cases_split(variant: Variant, seed: int) -> list[Case]:
    def case(
        name: str, lengths: tuple[int, ...], numbers: tuple[int, ...], taken: int, more: int
    ) -> Case:
        stream = variant.numbers(seed, "split", name)
        whose = np.repeat(np.array(numbers), lengths)
        order = stream.permutation(np.array(numbers))
        by_number = dict(zip(numbers, lengths, strict=True))
        count = sum(by_number[int(number)] for number in order[:taken]) - more
        return Case(
            name,
            {
                "sequences": stream.permutation(whose),
                "order": order,
                "count": np.array(count),
            },
            letters={"result": "N"},
        )

    return [
        case("five sequences", (3, 4, 2, 5, 3), (7, 2, 9, 4, 11), 2, 1),
        case("the number is met exactly", (4, 2, 3, 3, 4, 2), (5, 8, 1, 3, 12, 6), 3, 0),
        case("sequences in a row", (3, 3, 4, 2), (10, 13, 20, 31), 3, 1),
    ]


SPLIT = Problem(
    id="before_after.split",
    points=2,
    goal="Divide sequences, not frames",
    statement=STATEMENT_SPLIT,
    stub=STUB_SPLIT,
    reference=test_frames,
    alternates=(split_by_cumulating, split_recursively),
    mutants=(
        cut_in_two,
        first_frames,
        positions,
        Mutant(
            lambda sequences, order, *, count: _taken(
                sequences, order, _needed(sequences, order, count) - 1
            ),
            "a sequence too few",
            "Your test set has fewer than `count` frames: you stop before the sequence that reaches the number.",
        ),
        Mutant(
            lambda sequences, order, *, count: _taken(
                sequences, order, _needed(sequences, order, count + 1)
            ),
            "goes on when the number is met",
            "You take one more sequence when the test set has exactly `count` frames already. Stop at `count` or more.",
        ),
        Mutant(
            lambda sequences, order, *, count: _taken(sequences, order, count),
            "sequences are counted",
            "You take `count` sequences. `count` is a number of frames.",
        ),
        Mutant(
            lambda sequences, order, *, count: ~test_frames(sequences, order, count=count),
            "the training set",
            "Your answer is True for the frames of the training set. It should be True for those of the test set.",
        ),
        Mutant(
            lambda sequences, order, *, count: test_frames(
                sequences, order.sort().values, count=count
            ),
            "in the order of the numbers",
            "You take sequences in the order of their numbers. Neighbouring numbers were filmed on the same day: take them "
            "in the order given.",
        ),
        Mutant(
            lambda sequences, order, *, count: test_frames(
                sequences, order.flip(0), count=count
            ),
            "from the end",
            "You take sequences from the end of `order`. Begin with the first.",
        ),
    ),
    cases=cases_split,
    probe=probes.result,
    hints=(
        "`sequences == number` marks all frames of a sequence.",
        "`int(test.sum())` counts the frames in the test set so far. Ask before you take the next sequence.",
        "A loop over `order` with a `break` is all that is needed.",
    ),
    blocked=("course_lib.pretext.before_after", "sklearn"),
)

PROBLEMS = (GRAD_CAM, FLICKER, SPLIT)
