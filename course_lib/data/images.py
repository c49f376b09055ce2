"""Reading and writing of 8-bit pictures as tensors."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from course_lib import arguments, files


@files.of_8_bits
def read(path: Path, *, channels: int | None = None) -> Tensor:
    """Read a picture file as a uint8 tensor (C, H, W); channels=1 makes it gray (ITU-R 601 luma), 3 makes it colour.

    Without `channels` a gray picture has one channel, and every other has three. It is turned as its EXIF orientation
    says. Of a file with several pictures it is the first. Pillow takes the upper 8 of 16 bits of a colour.

    Raises ValueError where 8 bits do not show what is there (gray of 16 bits, floats, transparent parts), and where the
    file is broken or has more pixels than Pillow trusts; FileNotFoundError where there is none.
    """
    try:
        with Image.open(path) as image:
            mode = {1: "L", 3: "RGB"}.get(channels or (1 if image.mode in ("L", "1", "I;16") else 3))
            pixels = np.array(image.convert(mode))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise ValueError(f"{path} is no picture that can be read. Usual cause: a broken download; "
                         "`course data verify` tells which files to fetch again.") from error
    return torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1).contiguous()


@files.of_8_bits
def decode(content: bytes, *, channels: int, name: str) -> Tensor:
    """Decode a picture that was read into memory, as a uint8 tensor (C, H, W) of 1 or 3 channels; `name` is for the
    error. It refuses what `read` refuses."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.array(image.convert("L" if channels == 1 else "RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{name} is no picture that can be read. Usual cause: a broken download; "
                         "`course data verify` tells which files to fetch again.") from error
    return torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1).contiguous()


def to_float(image: Tensor) -> Tensor:
    """Turn a uint8 picture (C, H, W) into a float batch of one, (1, C, H, W) in [0, 1].

    >>> to_float(torch.full((1, 2, 2), 255, dtype=torch.uint8)).amax()
    tensor(1.)
    """
    arguments.tensor(image, name="the picture")
    if image.dtype != torch.uint8 or image.ndim != 3:
        raise ValueError(f"expected an 8-bit picture (C, H, W), got {tuple(image.shape)} of {image.dtype}.")
    return image[None].float() / 255
