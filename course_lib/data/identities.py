"""People that our own code draws: a face for each, seen many times from elsewhere and in other light.

A person is some forty numbers: the shape of the head, where the eyes are and how large, brows, nose, mouth, hair, skin,
glasses, beard. A picture is twenty more: where the head is and how it is turned, where the light comes from, what the
mouth does, what stands behind, and noise. The second kind changes far more pixels than the first, as it does in
photographs; so two pictures of one person are often further apart, pixel by pixel, than pictures of two. Nobody exists
who looks like this, and nobody's permission is needed.

Lectures identification and siamese learn on these people, and their claims are measured on people never trained on.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from course_lib import arguments, randomness
from course_lib.data.readers import Labelled

CHUNK = 64          # pictures drawn at once: their planes stay in the processor's cache

# What makes a person: each number is drawn between two ends, in units of half the picture's side unless it is a tone.
PERSON = {
    "skin": (0.4, 0.85), "wide": (0.46, 0.62), "long": (0.64, 0.78), "jaw": (0.0, 0.35), "square": (2.0, 3.2),
    "hair": (0.03, 0.75), "volume": (0.02, 0.2), "length": (0.0, 0.75), "hairline": (0.3, 0.56), "fringe": (-0.2, 0.9),
    "parting": (-0.35, 0.35), "bald": (0.0, 1.0),
    "eye_x": (0.18, 0.29), "eye_y": (-0.16, 0.0), "eye_wide": (0.07, 0.13), "eye_open": (0.03, 0.07),
    "eye_tilt": (-0.3, 0.3), "iris": (0.0, 0.35), "socket": (0.0, 0.5),
    "brow_up": (0.1, 0.19), "brow_wide": (0.08, 0.15), "brow_thick": (0.012, 0.04), "brow_tilt": (-0.3, 0.3),
    "brow_dark": (0.4, 1.0), "nose_long": (0.12, 0.26), "nose_wide": (0.045, 0.12), "nose_dark": (0.25, 0.6),
    "mouth_y": (0.36, 0.5), "mouth_wide": (0.12, 0.24), "lips": (0.02, 0.055), "lip_tone": (0.35, 0.8),
    "ears": (0.06, 0.14), "glasses": (0.0, 1.0), "frame": (0.0, 0.3), "rim": (0.11, 0.17), "rim_round": (0.65, 1.0),
    "beard": (0.0, 1.0), "beard_dark": (0.35, 0.8), "beard_up": (0.15, 0.4), "moustache": (0.0, 1.0),
    "mole": (0.0, 1.0), "mole_x": (-0.3, 0.3), "mole_y": (0.05, 0.5),
}  # fmt: skip
# What makes a picture: where and how the head is, the light, the face it makes, what is behind, the camera's noise.
PICTURE = {
    "right": (-0.13, 0.13), "down": (-0.1, 0.1), "roll": (-8, 8), "zoom": (-0.1, 0.1), "yaw": (-0.18, 0.18),
    "pitch": (-0.08, 0.08), "light_x": (-0.7, 0.7), "light_y": (-0.4, 0.4), "exposure": (-0.3, 0.25),
    "smile": (-0.7, 0.7), "gape": (-0.06, 0.06), "lids": (-0.5, 0.4), "surprise": (-0.03, 0.03), "gaze": (-0.03, 0.03),
    "behind": (0.1, 0.9), "behind_x": (-0.25, 0.25), "behind_y": (-0.25, 0.25), "clothes": (0.0, 0.9),
    "noise": (-0.02, 0.02),
}  # fmt: skip
PASSPORT = {"behind": 0.85, "clothes": 0.2}       # where in its range each number is on picture 0; all others: midway


def people(count: int = 240, *, each: int = 12, size: int = 48, seed: int = 0, first: int = 0) -> Labelled:
    """Draw people with so many pictures each: uint8 images (count each, 1, size, size), person after person.

    Picture 0 of everybody is the passport photograph: frontal, in even light, with a straight face. Person i of a seed
    is the same whatever the count, and has the same pictures whatever the number of each; other seeds share nobody.
    first: the number of the first person.

    >>> found = people(3, each=2, first=17)
    >>> found.images.shape, found.labels, found.names
    (torch.Size([6, 1, 48, 48]), tensor([0, 0, 1, 1, 2, 2]), ('person 017', 'person 018', 'person 019'))
    """
    arguments.positive(count, name="count")
    arguments.positive(each, name="each")
    if arguments.positive(size, name="size") < 32:
        raise ValueError(f"size: a drawn face needs 32 pixels or more to be told from others, got {size}.")
    if isinstance(first, bool) or not isinstance(first, numbers.Integral) or first < 0:
        raise ValueError(f"first: people are counted from 0, in whole numbers, got {first!r}.")
    images = torch.cat(list(_drawn(range(first, first + count), each, size, seed)))
    return Labelled(images, torch.arange(count).repeat_interleave(each),
                    tuple(f"person {i:03d}" for i in range(first, first + count)))


def split(of: Labelled, *parts: int) -> tuple[Labelled, ...]:
    """Split labelled images by people: so many to each part, in order, so that nobody is in two of them.

    What is learnt about comparing people counts on people never seen only. Labels of each part begin at 0.

    >>> train, test = split(people(5, each=2), 3, 2)
    >>> train.names[-1], test.names[0], test.labels
    ('person 002', 'person 003', tensor([0, 0, 1, 1]))
    """
    if not parts:
        raise ValueError("parts: expected how many people go to each part, as in split(everybody, 160, 40, 40).")
    if not isinstance(of, Labelled) or not isinstance(of.images, Tensor) or of.images.ndim != 4:
        raise TypeError("expected labelled images, Labelled(images, labels, names) with images (N, C, H, W), got "
                        f"{type(of).__name__}. people(...) draws one.")
    arguments.whole_labels(of.labels, count=len(of.images))
    if not isinstance(of.names, Sequence):
        raise TypeError(f"names: expected a tuple with the name of each person, got {of.names!r}.")
    if sum(arguments.positive(part, name="parts") for part in parts) > len(of.names):
        raise ValueError(f"parts: {' + '.join(map(str, parts))} people were asked for, and there are "
                         f"{len(of.names)}.")
    found = []
    for start, end in pairwise(accumulate(parts, initial=0)):
        chosen = (of.labels >= start) & (of.labels < end)
        found.append(Labelled(of.images[chosen], of.labels[chosen] - start, of.names[start:end]))
    return tuple(found)


# Who and how ---------------------------------------------------------------------------------------------------------


def _drawn(numbers: range, each: int, size: int, seed: int) -> Iterator[Tensor]:
    """The pictures of these people, (some, 1, size, size), some at a time."""
    persons = torch.stack([torch.rand(len(PERSON), generator=randomness.generator(seed, "person", str(i)))
                           for i in numbers]).repeat_interleave(each, dim=0)
    takes = [(i, j) for i in numbers for j in range(each)]
    for start in range(0, len(takes), CHUNK):
        streams = [randomness.generator(seed, "picture", f"{i} {j}") for i, j in takes[start : start + CHUNK]]
        pictures = torch.stack([torch.rand(len(PICTURE), generator=stream) for stream in streams])
        pictures[[j == 0 for _, j in takes[start : start + CHUNK]]] = torch.tensor(
            [PASSPORT.get(name, 0.5) for name in PICTURE])
        grain = torch.stack([torch.randn(size, size, generator=stream) for stream in streams])
        image = _face(_named(PERSON, persons[start : start + CHUNK]), _named(PICTURE, pictures), size)
        noise = _named(PICTURE, pictures)["noise"].abs() * grain
        yield ((image + noise).clamp(0, 1) * 255).round().byte()[:, None]


def _named(table: Mapping[str, tuple[float, float]], numbers: Tensor) -> dict[str, Tensor]:
    """Numbers in [0, 1] as what the table says, each (B, 1, 1)."""
    ends = torch.tensor(list(table.values()))
    values = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * numbers
    return {name: value[:, None, None] for name, value in zip(table, values.T, strict=True)}


# The drawing ---------------------------------------------------------------------------------------------------------


def _face(who: Mapping[str, Tensor], how: Mapping[str, Tensor], size: int) -> Tensor:
    """A batch of heads, each numbers of (B, 1, 1): what reflects the light is painted first, then lit. (B, H, W)."""
    sharp = 0.9 * size                                                           # an edge is about two pixels wide

    def paint(image: Tensor, value: Tensor | float, where: Tensor) -> Tensor:
        return torch.lerp(image, value if isinstance(value, Tensor) else torch.tensor(value), where)

    def edge(distance: Tensor, *, soft: float = 1.0) -> Tensor:
        return torch.sigmoid(distance * (sharp / soft))

    def ellipse(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float, *, soft: float = 1.0) -> Tensor:
        a, b = x / rx, y / ry
        square = a**2 + b**2
        inside = (square.sqrt() - square) * torch.rsqrt((a / rx) ** 2 + (b / ry) ** 2 + 1e-4)     # nearly a distance
        return edge(torch.minimum(inside, rx - x.abs()), soft=soft)

    def there(name: str, share: float) -> Tensor:
        return (who[name] < share).float()

    # from the picture to the head: moved, rolled, nearer or further
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    angle, zoom = how["roll"] * (math.pi / 180), torch.exp(-how["zoom"])
    across, down = (axis[None, None, :] - how["right"]) * zoom, (axis[None, :, None] - how["down"]) * zoom
    x = angle.cos() * across + angle.sin() * down                                # (B, H, W)
    y = angle.cos() * down - angle.sin() * across + 0.04
    # from the head to its surface: what bulges moves most when the head turns
    wide, long = who["wide"], who["long"]
    narrowed = x / (wide * (1 - who["jaw"] * (y / long).clamp(0, 1) ** 2))
    round_ = (1 - narrowed**2 - (y / long) ** 2).clamp(min=0).sqrt()
    u, v = x - how["yaw"] * round_, y - how["pitch"] * round_

    corner = who["square"]                                                       # 2: an ellipse; more: squarer
    head = edge((1 - (narrowed.abs() ** corner + (y / long).abs() ** corner) ** (1 / corner)) * wide)
    skin, hair = who["skin"], who["hair"]
    bald = there("bald", 0.12)
    image = how["behind"] + how["behind_x"] * axis[None, None, :] + how["behind_y"] * axis[None, :, None]
    grown = wide + who["volume"] * (1 - bald)
    long_hair = who["length"] * (1 - bald)
    image = paint(image, hair, ellipse(x, y - 0.5 * long_hair + 0.1, grown, long - 0.06 + who["volume"] * (1 - bald)
                                       + 0.5 * long_hair) * (1 - bald))          # behind the head
    image = paint(image, 0.75 * skin, ellipse(x, y - 0.75, 0.2, 0.4))            # neck
    image = paint(image, how["clothes"], ellipse(x, y - 1.25, 0.85, 0.45))
    for side in (-1, 1):
        image = paint(image, 0.85 * skin, ellipse(x - side * (wide + 0.01), v - who["eye_y"] - 0.1, who["ears"],
                                                  0.13))
    image = paint(image, skin, head)
    line = v + who["hairline"] + 0.15 * bald - who["fringe"] * u**2 + who["parting"] * u
    image = paint(image, hair, head * edge(-line) * (1 - bald))                  # hair over the forehead
    sides = edge(u.abs() - 0.93 * wide) * edge(0.25 - v)
    image = paint(image, hair, head * sides * (1 - bald))

    beard = there("beard", 0.28) * who["beard_dark"]
    lips_y = v - who["mouth_y"] + 0.3 * how["smile"] * (u**2 - 0.02)
    image = paint(image, 0.4 * hair + 0.1, head * beard * edge(v - who["beard_up"] - 0.25 + 0.9 * u.abs(), soft=4))
    moustache = there("moustache", 0.22) * 0.8
    image = paint(image, 0.4 * hair + 0.1, moustache * ellipse(u, lips_y + 0.085, who["mouth_wide"] * 0.9, 0.035))

    for side in (-1, 1):
        out = side * u - who["eye_x"]                                            # away from the nose
        up = v - who["eye_y"] + who["eye_tilt"] * out
        raised = up + who["brow_up"] + how["surprise"] + (who["brow_tilt"] - who["eye_tilt"]) * out
        image = paint(image, 0.6 * skin, 0.8 * who["socket"] * ellipse(out, up, 1.5 * who["eye_wide"], 0.12, soft=4))
        image = paint(image, skin + who["brow_dark"] * (0.7 * hair - skin),
                      ellipse(out, raised + 1.5 * out**2, who["brow_wide"], who["brow_thick"]))
        open_ = who["eye_open"] * (1 + how["lids"])
        white = ellipse(out, up, who["eye_wide"], open_)
        image = paint(image, 0.35 * skin, ellipse(out, up + 0.4 * open_, 1.15 * who["eye_wide"], 1.1 * open_))  # lashes
        image = paint(image, 0.95, white)
        image = paint(image, who["iris"], white * ellipse(u - side * who["eye_x"] - how["gaze"], up, 0.045, 0.05))

    nose_y = who["eye_y"] + 0.08 + who["nose_long"]                              # its tip
    ridge = u - 0.25 * how["yaw"] * edge(v - who["eye_y"])                       # stands out of the face
    image = paint(image, (1 - who["nose_dark"]) * skin, 0.8 * ellipse(ridge, v - nose_y, who["nose_wide"], 0.028))
    image = paint(image, (1 - 0.6 * who["nose_dark"]) * skin,
                  0.7 * ellipse(ridge - 0.35 * who["nose_wide"], v - nose_y + 0.5 * who["nose_long"], 0.025,
                                0.6 * who["nose_long"], soft=1.5))
    image = paint(image, who["lip_tone"] * skin, ellipse(u, lips_y, who["mouth_wide"], who["lips"]))
    image = paint(image, 0.1, ellipse(u, lips_y, 0.85 * who["mouth_wide"], how["gape"].clamp(min=0) + 0.008))
    image = paint(image, 0.25 * skin, there("mole", 0.25) * ellipse(u - who["mole_x"], v - who["mole_y"], 0.035, 0.035))
    frames = there("glasses", 0.3)
    for side in (-1, 1):
        out = torch.sqrt((side * u - who["eye_x"]) ** 2 + ((v - who["eye_y"]) / who["rim_round"]) ** 2) - who["rim"]
        image = paint(image, who["frame"], frames * edge(0.02 - out.abs()))
    bridge = edge(0.018 - (v - who["eye_y"] + 0.02).abs()) * edge(who["eye_x"] - who["rim"] - u.abs() + 0.01)
    image = paint(image, who["frame"], frames * bridge)

    # light: as on a ball, from some side; what is behind gets the same exposure
    near = ellipse(x, y, wide + who["volume"], long + 0.15, soft=4)
    lit = 1 + near * (0.75 * (how["light_x"] * (x / wide).clamp(-1, 1) + how["light_y"] * (y / long).clamp(-1, 1))
                      + 0.25 * (round_ - 0.6))
    return image * lit.clamp(min=0.12) * torch.exp(how["exposure"])
