"""Exercise of lecture class_aware: the image after each layer.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Variant

# --- class_aware.gradually ------------------------------------------------------------------------------------------

STATEMENT_GRADUALLY = r"""
The gradual network of Remez et al. subtracts what each of its $D$ layers found, one after the other. Its first layer
sees the centred image $x_1 = z - 0.5$. Every layer $d$ is a $3 \times 3$ convolution, padded with zeros, without biases
here: $u_d = w_d * x_d$. Of its output

- **channel 0** is split off: the layer's noise estimate is $\eta_d = -\tfrac{1}{10}\, u_d[0]$;
- the **other channels** go on. In layers $1$ to $D - 2$ they pass a ReLU, $x_{d+1} = \max(0, u_d[1{:}])$; in layer $D -
  1$ they go on as they are. Layer $D$ has channel 0 only.

Return the image after each layer, $z - \eta_1 - \dots - \eta_d$ for $d = 1, \dots, D$, stacked along a new first axis.
The last of them is the estimate $\hat y$.

Given are `z` of shape $(N, 1, H, W)$ and the weights: `first` of shape $(W, 1, 3, 3)$, `middle` of shape
$(D - 2, W, W - 1, 3, 3)$, one for each middle layer, and `last` of shape $(1, W - 1, 3, 3)$. `F` is
`torch.nn.functional`.
"""

STUB_GRADUALLY = '''
def gradually(z, first, middle, last):
    """z: (N, 1, H, W); returns the images after each layer, (D, N, 1, H, W)."""
    image, passed = z, z - 0.5
    for weight in [first, *middle, last]:
        ...
    return ...
'''


def _run(
    z,
    first,
    middle,
    last,
    *,
    relu_on_last_middle=False,
    relu=True,
    relu_before=False,
    channel=0,
    sign=-1,
    share=10.0,
    centre=0.5,
    padding=1,
):
    """The reference, one of whose choices each mutant changes: the noise estimates of all layers."""
    weights, passed, found = [first, *middle, last], z - centre, []
    for i, weight in enumerate(weights):
        out = F.conv2d(passed, weight, padding=padding)
        active = relu and (
            i < len(weights) - 2 or (relu_on_last_middle and i < len(weights) - 1)
        )
        if relu_before and active:
            out = F.relu(out)
        at = channel % out.shape[1]
        found.append(sign * out[:, at : at + 1] / share)
        passed = torch.cat([out[:, :at], out[:, at + 1 :]], dim=1)
        if active:
            passed = F.relu(passed)
    return found


def gradually(z, first, middle, last):
    image, passed = z, z - 0.5
    after, weights = [], [first, *middle, last]
    for d, weight in enumerate(weights, start=1):
        out = F.conv2d(passed, weight, padding=1)
        image = image + out[:, :1] / 10  # minus the noise estimate, which is minus a tenth
        after.append(image)
        passed = out[:, 1:] if d >= len(weights) - 1 else F.relu(out[:, 1:])
    return torch.stack(after)


def gradually_by_cumsum(z, first, middle, last):
    return z - torch.stack(_run(z, first, middle, last)).cumsum(dim=0)


def gradually_backwards(z, first, middle, last):
    found = _run(z, first, middle, last)
    after = [z - sum(found)]
    for one in found[:0:-1]:
        after.insert(0, after[0] + one)
    return torch.stack(after)


def _images(z, found):
    return z - torch.stack(found).cumsum(dim=0)


def cases_gradually(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, depth: int, width: int, *shape: int) -> Case:
        numbers = variant.numbers(seed, "gradually", name)

        def weight(*size: int) -> np.ndarray:
            return (
                numbers.normal(0.0, (2 / size[-3] / 9) ** 0.5 * 2, size)
                .round(2)
                .astype(np.float32)
            )

        return Case(
            name,
            {
                "z": numbers.uniform(-0.1, 1.1, shape).round(2).astype(np.float32),
                "first": weight(width, 1, 3, 3),
                "middle": weight(depth - 2, width, width - 1, 3, 3),
                "last": weight(1, width - 1, 3, 3),
            },
            letters={"result": "D N 1 H W"},
        )

    return [
        case("five layers of 4", 5, 4, 2, 1, 5, 6),
        case("four layers of 3", 4, 3, 1, 1, 4, 4),
    ]


GRADUALLY = Problem(
    id="class_aware.gradually",
    points=3,
    goal="Remove the noise layer by layer",
    statement=STATEMENT_GRADUALLY,
    stub=STUB_GRADUALLY,
    reference=gradually,
    alternates=(gradually_by_cumsum, gradually_backwards),
    mutants=(
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, relu_before=True)
            ),
            "split after the ReLU",
            "You split channel 0 off after the ReLU, so it is never negative: a layer could only ever brighten the "
            "image. Noise has both signs. Split first; only what goes on passes the ReLU.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, relu_on_last_middle=True)
            ),
            "a ReLU too many",
            "What layer D - 1 passes on goes through a ReLU in your code. In this network only layers 1 to D - 2 "
            "have one.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, relu=False)
            ),
            "no ReLU",
            "There is no ReLU between your layers. Then all of them together are one linear filter.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, channel=-1)
            ),
            "another channel",
            "You split off the last channel. It is channel 0 that is the layer's estimate; the others keep their "
            "order.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(z, _run(z, first, middle, last, sign=1)),
            "the wrong sign",
            "Your noise estimates have the wrong sign. They are MINUS a tenth of channel 0, and they are "
            "subtracted: together a tenth of channel 0 is added to the image.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, share=1.0)
            ),
            "not divided by ten",
            "You subtract the whole channel. A noise estimate is a tenth of it.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(
                z, _run(z, first, middle, last, centre=0.0)
            ),
            "the image is not centred",
            "Your first layer sees z. It should see z - 0.5, so that gray is zero, also in the padding.",
        ),
        Mutant(
            lambda z, first, middle, last: _images(z - 0.5, _run(z, first, middle, last)),
            "subtracted from the centred image",
            "Your images are too dark by 0.5 everywhere: only the layers see the centred image; the noise estimates "
            "are subtracted from z.",
        ),
        Mutant(
            lambda z, first, middle, last: torch.stack(_run(z, first, middle, last)),
            "the noise estimates",
            "You return the noise estimates themselves. Asked for are the images: z minus all estimates so far.",
        ),
        Mutant(
            lambda z, first, middle, last: z - torch.stack(_run(z, first, middle, last)),
            "only the last estimate is subtracted",
            "From z you subtract the estimate of one layer only. After layer d all the estimates from 1 to d are "
            "gone: keep the image and go on from it.",
        ),
        Mutant(
            lambda z, first, middle, last: gradually(z, first, middle, last)[-1],
            "only the end",
            "You return the image after the last layer only. Keep the one after each layer, and stack them.",
        ),
        Mutant(
            lambda z, first, middle, last: torch.cat(
                [z[None], gradually(z, first, middle, last)]
            ),
            "the input is in the stack",
            "You return D + 1 images, with z first. Asked for is the image after each of the D layers.",
        ),
    ),
    cases=cases_gradually,
    probe=probes.result,
    hints=(
        "Keep two things from layer to layer: the image, from which you subtract, and the channels that go on.",
        "`out[:, :1]` is channel 0 and keeps its axis; `out[:, 1:]` are the others. Unlike `out[:, 0]`, the first can "
        "be subtracted from an image (N, 1, H, W).",
        "`[first, *middle, last]` is a list of all weights. The ReLU is left out for the last two of them.",
    ),
    blocked=("course_lib.denoise.class_aware",),
)

PROBLEMS = (GRADUALLY,)
