"""One-shot learning: name a drawing of a character that was seen once, by the nearest of twenty drawings.

A run of Omniglot shows one drawing of each of 20 characters of an alphabet, and asks for the names of 20 drawings by
another hand. Whoever answers by argmin_j D(I, T_j) needs a distance D and no training on these characters.

The baseline of the set is the modified Hausdorff distance of the inked points, each drawing centred at its mean:

    D(A, B) = max( mean_a min_b |a - b|,  mean_b min_a |a - b| )

Source: B. Lake, R. Salakhutdinov, J. Tenenbaum, "Human-level concept learning through probabilistic program
induction", Science 2015, and the set's own demonstration; M.-P. Dubuisson, A. Jain, "A modified Hausdorff distance for
object matching", ICPR 1994.

Lecture verification teaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course_lib import arguments, devices
from course_lib.data.readers import Run
from course_lib.embeddings import distances

Distance = Callable[[Tensor, Tensor], Tensor]     # tests (N, ...), training (M, ...) -> (N, M), small if alike


def one_shot_errors(runs: Sequence[Run], distance: Distance) -> list[float]:
    """Name each test drawing after the nearest training drawing, and return the share of wrong names in each run.

    Of equally near drawings the first counts.

    distance: test and training drawings, uint8 (N, 1, H, W) and (M, 1, H, W) -> (N, M).
    Raises ValueError for no runs, and for distances of another shape.

    >>> white, gray = (torch.full((1, 1, 1, 1), v, dtype=torch.uint8) for v in (255, 128))
    >>> run = Run(torch.cat([white, gray]), torch.cat([gray, white]), torch.tensor([1, 1]))
    >>> one_shot_errors([run], nearest_in(lambda images: images.float().flatten(1)))
    [0.5]
    """
    if not isinstance(runs, Sequence) or not all(isinstance(run, Run) for run in runs):
        raise TypeError(f"runs: expected a list of data.Run(test, training, answers), got {runs!r:.60}.")
    if not len(runs):
        raise ValueError("runs: expected one or more, got none. data.one_shot_runs() reads the 20 of Omniglot.")
    errors = []
    for run in runs:
        arguments.drawings(run.test, name="tests")
        arguments.drawings(run.training, name="training")
        between = distance(run.test, run.training)
        arguments.tensor(between, name="distance")
        if between.shape != (len(run.test), len(run.training)):
            raise ValueError(f"distance: expected all of them as ({len(run.test)}, {len(run.training)}), tests by "
                             f"training, got {tuple(between.shape)}.")
        arguments.finite(between, name="distance")
        answers = arguments.whole_labels(run.answers, count=len(run.test)).to(between.device)
        errors.append(float(devices.float64(between.argmin(dim=1) != answers).mean()))
    return errors


def one_shot_error(runs: Sequence[Run], distance: Distance) -> float:
    """Average the share of wrong names over all runs, which have equally many tests each."""
    errors = one_shot_errors(runs, distance)
    return sum(errors) / len(errors)


def ink(drawing: Tensor) -> Tensor:
    """Find where a drawing is black, centred at the mean: (H, W) or (1, H, W) -> coordinates (P, 2), in pixels.

    Raises ValueError for a drawing without black pixels.

    >>> ink(torch.tensor([[0, 255, 0]], dtype=torch.uint8))
    tensor([[ 0., -1.],
            [ 0.,  1.]], dtype=torch.float64)
    """
    arguments.tensor(drawing, name="drawing")
    if drawing.ndim not in (2, 3) or drawing.numel() != drawing.shape[-1] * drawing.shape[-2]:
        raise ValueError(f"drawing: expected (H, W) or (1, H, W), got {tuple(drawing.shape)}.")
    points = devices.float64((drawing.reshape(drawing.shape[-2:]) == 0).nonzero())
    if not len(points):
        raise ValueError("expected a drawing with black pixels, 0, got one without. Usual cause: inverted drawings; "
                         "Omniglot is black on white.")
    return points - points.mean(dim=0)


def modified_hausdorff(a: Tensor, b: Tensor) -> float:
    """Average how far the points of one set are from the nearest of the other, and take the larger of both ways.

    Shapes: a (P, 2), b (Q, 2), as `ink` returns them. Raises ValueError for a set without points.

    >>> modified_hausdorff(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    2.5
    """
    arguments.points(a=a, b=b)
    d = distances(devices.float64(a), devices.float64(b))                                                       # (P, Q)
    return max(float(d.min(dim=1).values.mean()), float(d.min(dim=0).values.mean()))


def hausdorff_distances(tests: Tensor, training: Tensor) -> Tensor:
    """Compute the distance of all drawings to all others: uint8 (N, 1, H, W), (M, 1, H, W) -> (N, M), in pixels."""
    arguments.drawings(tests, name="tests")
    arguments.drawings(training, name="training")
    asked, known = ([ink(drawing) for drawing in drawings] for drawings in (tests, training))
    return torch.tensor([[modified_hausdorff(a, b) for b in known] for a in asked], dtype=torch.float64)


def nearest_in(embed: Callable[[Tensor], Tensor]) -> Distance:
    """Make a distance of drawings of an embedding (N, 1, H, W) -> (N, d): it compares what a siamese network gives."""
    return lambda tests, training: distances(embed(tests), embed(training))
