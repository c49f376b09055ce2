"""The README's picture, from the course's own weights: `python -m tools.picture` writes book/assets/readme.png."""

from __future__ import annotations

import torch

from course_lib import data, figures, manifest, zoo
from course_lib.data.images import to_float
from course_lib.denoise.classical import NonLocalMeans
from course_lib.denoise.dncnn import DnCNN
from course_lib.files import atomic
from course_lib.noise import Gaussian
from course_lib.randomness import generator

SIGMA = 25 / 255


def main() -> None:
    y = to_float(data.photographs("test")["camera"])[..., 20:276, 110:366]
    z = Gaussian(SIGMA)(y, generator=generator(0, "picture"))
    with torch.inference_mode():
        pictures = {"noisy, σ = 25/255": z, "non-local means": NonLocalMeans()(z, sigma=SIGMA),
                    "DnCNN, lecture dncnn": zoo.load(DnCNN, "dncnn-s25-w32")(z)}
    picture = figures.images(pictures, reference=y, alt="A noisy photograph, a filtered one, and a network's estimate")
    with atomic(manifest.find_root() / "book" / "assets" / "readme.png") as stream:
        stream.write(picture.png)


if __name__ == "__main__":
    main()
