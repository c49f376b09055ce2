"""Exercises of lecture ffdnet: the sub-images, what the network is given, and a noise level map for a sensor.

For staff: it holds the solutions. `python -m tools.exercises` makes the student's notebook and the stored cases of it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks import probes
from course_lib.checks.problem import Case, Mutant, Problem, Tolerance, Variant, mutant

# --- ffdnet.sub_images ----------------------------------------------------------------------------------------------

STATEMENT_SUB = r"""
FFDNet does not see the image $z$ but four **sub-images** of half the size. Number the pixels of each block of
$2 \times 2$ pixels row by row: 0 and 1 above, 2 and 3 below. Sub-image $k$ holds pixel $k$ of every block:

$$z_k(i, j) = z(2i + \lfloor k/2 \rfloor,\; 2j + k \bmod 2), \qquad k = 0, 1, 2, 3.$$

They become channels: the four of the first colour come first, then the four of the second, and so on. A batch
$(N, C, H, W)$ turns into $(N, 4C, H/2, W/2)$; $H$ and $W$ are even here.

PyTorch has this as one function. Write it without it, then compare if you like.
"""

STUB_SUB = '''
def sub_images(z):
    """z: (N, C, H, W) with even H and W; returns (N, 4C, H/2, W/2)."""
    return ...
'''


def sub_images(z):
    n, c, height, width = z.shape
    blocks = z.reshape(n, c, height // 2, 2, width // 2, 2)  # (N, C, i, down, j, right)
    return blocks.permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, height // 2, width // 2)


def sub_images_by_slices(z):
    four = [z[:, :, down::2, right::2] for down in (0, 1) for right in (0, 1)]
    return torch.stack(four, dim=2).flatten(1, 2)


def sub_images_of_torch(z):
    return F.pixel_unshuffle(z, 2)


def sub_images_in_loops(z):
    n, c, height, width = z.shape
    out = z.new_zeros(n, 4 * c, height // 2, width // 2)
    for i in range(height):
        for j in range(width):
            out[:, 2 * (i % 2) + j % 2 :: 4, i // 2, j // 2] = z[:, :, i, j]
    return out


@mutant(
    "numbered by columns",
    "Your second and third sub-images are exchanged: you number the pixels of a block by columns. MATLAB counts "
    "like that, so the published weights of FFDNet have to be permuted before PyTorch can use them; without it "
    "they lose more than two decibels.",
)
def by_columns(z):
    four = [z[:, :, down::2, right::2] for right in (0, 1) for down in (0, 1)]
    return torch.stack(four, dim=2).flatten(1, 2)


@mutant(
    "quarters of the image",
    "You cut the image into its four quarters. A sub-image shows the whole scene, from every second pixel of every "
    "second row: neighbouring pixels of z belong to different sub-images.",
)
def quarters(z):
    h, w = z.shape[2] // 2, z.shape[3] // 2
    four = [z[:, :, top : top + h, left : left + w] for top in (0, h) for left in (0, w)]
    return torch.stack(four, dim=2).flatten(1, 2)


@mutant(
    "only reshaped",
    "A reshape alone keeps the pixels in the order of the memory, so pieces of rows end up under each other. "
    "Slices with a step of 2 or a permutation of axes bring every second pixel together.",
)
def only_reshaped(z):
    n, c, height, width = z.shape
    return z.reshape(n, 4 * c, height // 2, width // 2)


@mutant(
    "axes in the wrong order",
    "You split the rows and the columns into blocks, which is right, but after the permutation the rows and the "
    "columns are still mixed. In the order of your axes, the two positions in a block must come before both of i "
    "and j.",
)
def without_permuting(z):
    n, c, height, width = z.shape
    return (
        z.reshape(n, c, height // 2, 2, width // 2, 2)
        .permute(0, 1, 3, 2, 5, 4)
        .reshape(n, 4 * c, height // 2, width // 2)
    )


def cases_sub(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, *shape: int) -> Case:
        z = (
            variant.numbers(seed, "sub_images", name)
            .uniform(0.0, 1.0, shape)
            .round(2)
            .astype(np.float32)
        )
        return Case(name, {"z": z}, letters={"result": "N 4C H/2 W/2"})

    return [
        case("a gray image", 1, 1, 4, 6),
        case("two colour images", 2, 3, 4, 4),
        case("a wide image", 1, 2, 2, 8),
    ]


SUB_IMAGES = Problem(
    id="ffdnet.sub_images",
    points=2,
    goal="Cut an image into four sub-images",
    statement=STATEMENT_SUB,
    stub=STUB_SUB,
    reference=sub_images,
    alternates=(sub_images_by_slices, sub_images_of_torch, sub_images_in_loops),
    mutants=(
        by_columns,
        Mutant(
            lambda z: torch.cat(
                [z[:, :, down::2, right::2] for down in (0, 1) for right in (0, 1)], dim=1
            ),
            "sub-image by sub-image",
            "For gray images you are right. With several colours you put all colours of the first sub-image first; "
            "here the four sub-images of the first colour come first.",
        ),
        quarters,
        only_reshaped,
        Mutant(
            lambda z: F.avg_pool2d(z, 2).repeat_interleave(4, dim=1),
            "averages of the blocks",
            "You average each block. Then the fine detail is lost before the network has seen it: sub-images keep "
            "all the pixels and only sort them.",
        ),
        Mutant(
            lambda z: z[:, :, ::2, ::2].repeat_interleave(4, dim=1),
            "the same sub-image four times",
            "All your four sub-images are the first one. Three quarters of the pixels are missing: begin the slices "
            "at 0 and at 1, in both directions.",
        ),
        without_permuting,
        Mutant(
            lambda z: sub_images(z).squeeze(0),
            "the batch is squeezed away",
            "A batch of one image loses its first axis. Keep (N, 4C, H/2, W/2) for every N: `squeeze` removes what "
            "happens to be one.",
        ),
    ),
    cases=cases_sub,
    probe=probes.result,
    hints=(
        "What is `z[..., ::2, ::2]`? Which of the four sub-images is it, and how do you get the other three?",
        "Four slices, with rows and columns that begin at 0 or 1. `torch.stack` puts them along a new axis: which "
        "place must that axis have so that the four of one colour stay together?",
        "Stack along the axis after the colours, (N, C, 4, H/2, W/2), then flatten these two axes into one.",
    ),
    blocked=("course_lib.denoise.ffdnet", "course_lib.denoise.fast"),
)

# --- ffdnet.network_input -------------------------------------------------------------------------------------------

STATEMENT_INPUT = r"""
The layers of FFDNet see the sub-images of $z$ **and** the noise level map $M$, at the resolution of the sub-images.
Write the input that they get, for gray images of any size:

1. Where a side of the image is odd, repeat its last row or its last column, so that it becomes even. The same for $M$.
2. Cut $z$ into its four sub-images (`F.pixel_unshuffle` does it).
3. Make $M$ half as large: each of its pixels is the average over a block of $2 \times 2$ pixels.
4. Put the map behind the four sub-images, as a fifth channel.

Both come as $(N, 1, H, W)$; $M$ holds standard deviations in the unit of the image already.
"""

STUB_INPUT = '''
def network_input(z, level):
    """z, level: (N, 1, H, W); returns (N, 5, H/2, W/2), rounded up."""
    return ...
'''


def even(images, mode="replicate"):
    return F.pad(images, (0, images.shape[3] % 2, 0, images.shape[2] % 2), mode=mode)


def network_input(z, level):
    z, level = even(z), even(level)
    return torch.cat([F.pixel_unshuffle(z, 2), F.avg_pool2d(level, 2)], dim=1)


def network_input_by_index(z, level):
    rows, columns = ([*range(side), *[side - 1] * (side % 2)] for side in z.shape[2:])
    z, level = (images[:, :, rows][:, :, :, columns] for images in (z, level))
    parts = [z[..., down::2, right::2] for down in (0, 1) for right in (0, 1)]
    average = sum(level[..., down::2, right::2] for down in (0, 1) for right in (0, 1)) / 4
    return torch.cat([*parts, average], dim=1)


def network_input_image_by_image(z, level):
    made = []
    for image, its_map in zip(even(z), even(level), strict=True):
        small = F.interpolate(its_map[None], scale_factor=0.5, mode="area")[0]
        made.append(torch.cat((F.pixel_unshuffle(image, 2), small)))
    return torch.stack(made)


@mutant(
    "the map comes first",
    "Your map is the first channel; it should be the last. A network trained from the start would not mind, but "
    "published weights expect the map behind the sub-images. (One well-known port has it first.)",
)
def map_first(z, level):
    made = network_input(z, level)
    return made[:, [4, 0, 1, 2, 3]]


@mutant(
    "padded above and to the left",
    "You repeat the first row and column. Then all blocks are shifted by a pixel, and the output would have to be "
    "cropped at the other side. Repeat the last ones.",
)
def padded_before(z, level):
    down, right = z.shape[2] % 2, z.shape[3] % 2
    return network_input(
        *(F.pad(images, (right, 0, down, 0), mode="replicate") for images in (z, level))
    )


@mutant(
    "the odd row is cut off",
    "You cut the last row or column off where a side is odd. The network could never estimate those pixels. Make "
    "the image larger, not smaller.",
)
def cut_to_even(z, level):
    height, width = (side - side % 2 for side in z.shape[2:])
    return network_input(z[..., :height, :width], level[..., :height, :width])


def cases_input(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, *shape: int) -> Case:
        numbers = variant.numbers(seed, "network_input", name)
        z, level = numbers.uniform(-0.1, 1.1, shape), numbers.uniform(0.05, 0.5, shape)
        return Case(
            name,
            {
                "z": z.round(2).astype(np.float32),
                "level": level.round(2).astype(np.float32),
            },
            letters={"result": "N 5 H/2 W/2"},
        )

    return [
        case("even sides", 2, 1, 4, 6),
        case("an odd height", 1, 1, 5, 4),
        case("an odd width", 2, 1, 4, 3),
        case("both odd", 1, 1, 5, 7),
    ]


NETWORK_INPUT = Problem(
    id="ffdnet.network_input",
    points=3,
    goal="Make the input of FFDNet from an image and its noise level map",
    statement=STATEMENT_INPUT,
    stub=STUB_INPUT,
    reference=network_input,
    alternates=(network_input_by_index, network_input_image_by_image),
    mutants=(
        map_first,
        Mutant(
            lambda z, level: network_input(even(z, "constant"), even(level, "constant")),
            "padded with zeros",
            "You fill the missing row or column with zeros: a black line that the network takes for an edge. Repeat "
            "the last row and the last column instead; `F.pad` has a mode for it.",
        ),
        Mutant(
            lambda z, level: network_input(even(z), even(level, "constant")),
            "the map is padded with zeros",
            "The image is right, but the missing row or column of the map is zero, so along that border the "
            "network gets half of the level. Repeat the map's last row and column too.",
        ),
        padded_before,
        cut_to_even,
        Mutant(
            lambda z, level: torch.cat(
                [F.pixel_unshuffle(even(z), 2), even(level)[..., ::2, ::2]], dim=1
            ),
            "the map is subsampled",
            "Your map keeps one pixel of four. Each position of the sub-images stands for four pixels of z, and the "
            "map should stand for all of them: average the block.",
        ),
        Mutant(
            lambda z, level: torch.cat(
                [F.pixel_unshuffle(even(z), 2), F.pixel_unshuffle(even(level), 2)], dim=1
            ),
            "four maps",
            "You cut the map into sub-images too and have 8 channels. It is an idea, but not FFDNet's: one channel "
            "with the average of each block.",
        ),
        Mutant(
            lambda z, level: network_input(z, level / 255),
            "divided by 255 again",
            "Your map is 255 times too small: it is in the unit of the image already. With this map the network "
            "would leave all the noise in the image.",
        ),
        Mutant(
            lambda z, level: network_input(z, level**2),
            "squared levels",
            "Your map holds squares. The network was trained with standard deviations: average them as they are.",
        ),
        Mutant(
            lambda z, level: network_input(
                z, level.mean(dim=(2, 3), keepdim=True).expand_as(level)
            ),
            "one level for the whole image",
            "You average the map over the whole image. Then it could no longer say where the noise is: average only "
            "within each block of 2 x 2 pixels.",
        ),
        Mutant(
            lambda z, level: F.pixel_unshuffle(even(z), 2) + F.avg_pool2d(even(level), 2),
            "the map is added",
            "You add the map to the sub-images; it should be a channel of its own. If it is added, the network "
            "cannot distinguish a noisy dark place from a bright one with little noise.",
        ),
    ),
    cases=cases_input,
    probe=probes.result,
    hints=(
        "Write a small function that makes an image even, and use it for both.",
        "`F.pad` takes (left, right, above, below) and a mode; a side that is even gets a padding of 0. For the "
        "average, look at `F.avg_pool2d`.",
        "`size % 2` is the padding of a side. After unshuffling there are 4 channels; `torch.cat` along axis 1 adds "
        "the fifth.",
    ),
    blocked=("course_lib.denoise.ffdnet", "course_lib.denoise.fast"),
)

# --- ffdnet.sensor_map ----------------------------------------------------------------------------------------------

STATEMENT_SENSOR = r"""
Where does the map come from? Often from the sensor. Light arrives in photons, which are counted, so a bright pixel is
noisier than a dark one; reading the counter adds noise of its own, the same everywhere:

$$\operatorname{var}(z \mid y) = a\, y + b^2,$$

with the **gain** $a$ and the **read noise** $b$, a standard deviation. Both are in the unit of the image. We do not
have $y$, only $z$. So take a local mean of $z$ in its place:

1. Average $z$ over $3 \times 3$ pixels around each pixel; outside the image its nearest pixel counts.
2. Where that is negative, which noise makes possible, take 0.
3. The map is the **standard deviation** that the law gives for it.

Write it for gray images.
"""

STUB_SENSOR = '''
def sensor_map(z, *, gain, read):
    """z: (N, 1, H, W); gain, read: numbers; returns the map (N, 1, H, W)."""
    mean = ...      # the local mean of z
    return ...
'''


def local_mean(z, mode="replicate"):
    return F.avg_pool2d(F.pad(z, (1, 1, 1, 1), mode=mode), 3, stride=1)


def sensor_map(z, *, gain, read):
    mean = local_mean(z).clamp(min=0)
    return torch.sqrt(gain * mean + read**2)


def sensor_map_by_shifts(z, *, gain, read):
    rows, columns = ([0, *range(side), side - 1] for side in z.shape[2:])
    wide = z[:, :, rows][:, :, :, columns]
    height, width = z.shape[2:]
    total = sum(
        wide[..., i : i + height, j : j + width] for i in range(3) for j in range(3)
    )
    return (torch.relu(total / 9) * gain + read * read) ** 0.5


def sensor_map_by_convolution(z, *, gain, read):
    smooth = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate", bias=False).to(z)
    with torch.no_grad():
        smooth.weight.fill_(1 / 9)
        mean = smooth(z)
    shot = torch.where(mean > 0, gain * mean, torch.zeros_like(mean))
    return torch.hypot(shot.sqrt(), torch.full_like(z, read))


@mutant(
    "noise in proportion to the light",
    "Your noise grows in proportion to the light. Counting photons, its variance does; the standard deviation "
    "grows with the root.",
)
def proportional(z, *, gain, read):
    mean = local_mean(z).clamp(min=0)
    return torch.sqrt((gain * mean) ** 2 + read**2)


@mutant(
    "one level for the whole image",
    "Your map is the same everywhere. The point of it is to say that bright places are noisier: use a local mean.",
)
def one_level_for_the_image(z, *, gain, read):
    mean = z.mean(dim=(2, 3), keepdim=True).clamp(min=0)
    return torch.sqrt(gain * mean + read**2).expand_as(z)


def cases_sensor(variant: Variant, seed: int) -> list[Case]:
    def case(name: str, gain: float, read: float, dark: float, *shape: int) -> Case:
        numbers = variant.numbers(seed, "sensor_map", name)
        y = numbers.uniform(0.0, 1.0, shape)
        y[..., : shape[-1] // 2] *= (
            dark  # a dark half, in which noise makes local means negative
        )
        z = y + np.sqrt(gain * y + read**2) * numbers.standard_normal(shape)
        z[..., 1:4, 1:4] -= 0.3
        return Case(
            name,
            {
                "z": z.round(2).astype(np.float32),
                "gain": np.array(gain),
                "read": np.array(read),
            },
            letters={"result": "N 1 H W"},
            tolerances={"result": Tolerance(1e-4, 1e-5)},
        )

    return [
        case("much light", 0.04, 0.05, 0.05, 1, 1, 8, 10),
        case("little light", 0.3, 0.2, 0.02, 2, 1, 7, 8),
    ]


SENSOR_MAP = Problem(
    id="ffdnet.sensor_map",
    points=2,
    goal="Make the noise level map of a sensor from a noisy image",
    statement=STATEMENT_SENSOR,
    stub=STUB_SENSOR,
    reference=sensor_map,
    alternates=(sensor_map_by_shifts, sensor_map_by_convolution),
    mutants=(
        Mutant(
            lambda z, *, gain, read: gain * local_mean(z).clamp(min=0) + read**2,
            "a map of variances",
            "You return variances. FFDNet was trained with standard deviations: one root is missing.",
        ),
        Mutant(
            lambda z, *, gain, read: torch.sqrt(gain * local_mean(z).clamp(min=0) + read),
            "the read noise is not squared",
            "You add b, where the law has its square: b is a standard deviation, and variances are what adds up.",
        ),
        Mutant(
            lambda z, *, gain, read: torch.sqrt(gain * local_mean(z).clamp(min=0)) + read,
            "standard deviations added",
            "You add two standard deviations. Of independent noises the variances add: take the root of the sum, "
            "not the sum of the roots.",
        ),
        Mutant(
            lambda z, *, gain, read: torch.sqrt(
                gain**2 * local_mean(z).clamp(min=0) + read**2
            ),
            "the gain is squared",
            "You square the gain. In the law it multiplies the brightness as it is: a count of photons has a "
            "variance equal to its mean, not to its square.",
        ),
        proportional,
        Mutant(
            lambda z, *, gain, read: torch.sqrt(gain * z.clamp(min=0) + read**2),
            "the noisy pixel itself",
            "You use each noisy pixel as its own brightness. Then the map is noisy too, and pixels that noise has "
            "brightened get a higher level: average over 3 x 3 first.",
        ),
        Mutant(
            lambda z, *, gain, read: torch.sqrt(
                gain * local_mean(z.clamp(min=0)) + read**2
            ),
            "clipped before averaging",
            "You cut negative pixels off before averaging. In the dark that leaves only the positive half of the "
            "noise, and the mean comes out too bright. Average first.",
        ),
        Mutant(
            lambda z, *, gain, read: torch.sqrt(
                (gain * local_mean(z) + read**2).clamp(min=0)
            ),
            "negative brightness",
            "Where the local mean is negative, your map falls below the read noise. No pixel has less noise than "
            "that: replace negative means by 0 before you use the law.",
        ),
        Mutant(
            lambda z, *, gain, read: torch.sqrt(gain * local_mean(z).abs() + read**2),
            "absolute value of the brightness",
            "You take the absolute value of negative means, so a pixel far below black counts as bright. "
            "Replace them by 0.",
        ),
        Mutant(
            lambda z, *, gain, read: torch.sqrt(
                gain * local_mean(z, "constant").clamp(min=0) + read**2
            ),
            "black outside the image",
            "Near the border your averages include zeros from outside, so the map is too low there. Let the nearest "
            "pixel count: pad by replication before averaging.",
        ),
        one_level_for_the_image,
        Mutant(
            lambda z, *, gain, read: torch.sqrt(gain * local_mean(z).clamp(min=0)),
            "the read noise is missing",
            "In the dark your map goes to zero, but reading the sensor adds noise there too. The law has two "
            "terms.",
        ),
    ),
    cases=cases_sensor,
    probe=probes.result,
    hints=(
        "Three steps stand in the statement, in this order: a mean, a limit, a law.",
        '`F.pad` with mode "replicate" adds a frame of one pixel; an average pooling of 3 with stride 1 then returns '
        "the size of z.",
        "After `.clamp(min=0)` one line is left: the root of gain times mean plus the square of the read noise.",
    ),
    blocked=("course_lib.denoise.ffdnet", "course_lib.denoise.fast"),
)

PROBLEMS = (SUB_IMAGES, NETWORK_INPUT, SENSOR_MAP)
