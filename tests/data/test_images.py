"""Pictures: read to the pixel where 8 bits hold them, refused in plain words where they do not."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import images

RAMP = np.linspace(0, 65535, 64).reshape(8, 8)


def stored(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(params=["read", "decode"])
def reading(request, tmp_path):
    """Both ways to read the bytes of a file."""

    def read(content, channels=1):
        if request.param == "decode":
            return images.decode(content, channels=channels, name="the.picture")
        (tmp_path / "the.picture").write_bytes(content)
        return images.read(tmp_path / "the.picture", channels=channels)

    return read


# Bit depth -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [
    stored(Image.fromarray(RAMP.astype(np.uint16))),                       # 99 % of it was read as white
    stored(Image.fromarray(RAMP.astype(np.uint16)), "TIFF"),
    stored(Image.fromarray(RAMP.astype(">u2")), "TIFF"),
    stored(Image.fromarray(RAMP.astype(np.uint16)), "PPM"),
    stored(Image.fromarray(RAMP.astype(np.int32)), "TIFF"),
    stored(Image.fromarray((RAMP / 65535).astype(np.float32)), "TIFF"),
    stored(Image.new("LAB", (8, 8)), "TIFF"),
], ids=["PNG", "TIFF", "TIFF of the other byte order", "PGM", "whole numbers of 32 bits", "floats", "LAB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_deeper_pixels_are_refused_with_the_way_to_scale_them(reading, content, channels):
    with pytest.raises(ValueError, match=r"the\.picture: expected pixels of 8 bits, got .*Scale them yourself"):
        reading(content, channels)


def test_the_way_that_the_refusal_shows_scales_a_ramp_of_16_bits(tmp_path):
    path = tmp_path / "ramp.png"
    path.write_bytes(stored(Image.fromarray(RAMP.astype(np.uint16))))
    with Image.open(path) as image:
        read = torch.from_numpy(np.array(image) / 65535).float()
    assert torch.allclose(read, torch.from_numpy(RAMP / 65535).float(), atol=1 / 65535)


def png_of_16_bits(pixels):
    """A colour PNG of 16 bits, which Pillow reads and does not write."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)),
              (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks)


def test_colour_of_16_bits_keeps_its_upper_8(reading):
    pixels = np.stack([RAMP, RAMP.T, RAMP[::-1]], axis=2).astype(np.uint16)
    for content in (png_of_16_bits(pixels), b"P6 8 8 65535\n" + pixels.astype(">u2").tobytes()):
        read = reading(content, channels=3)
        assert np.abs(read.permute(1, 2, 0).numpy() - pixels / 257).max() <= 1


@pytest.mark.parametrize(("mode", "value", "kind", "gray", "colour"), [
    ("1", 1, "PNG", 255, (255, 255, 255)), ("L", 99, "PNG", 99, (99, 99, 99)),
    ("LA", (99, 255), "PNG", 99, (99, 99, 99)),
    ("RGB", (255, 0, 0), "PNG", 76, (255, 0, 0)), ("RGBA", (255, 0, 0, 255), "PNG", 76, (255, 0, 0)),
    ("RGBX", (255, 0, 0, 0), "TIFF", 76, (255, 0, 0)), ("CMYK", (0, 255, 255, 0), "TIFF", 76, (255, 0, 0)),
    ("YCbCr", (76, 85, 255), "TIFF", 76, (254, 0, 0)),
])
def test_every_mode_of_8_bits_is_read_rightly(reading, mode, value, kind, gray, colour):
    content = stored(Image.new(mode, (2, 3), value), kind)
    assert reading(content).unique().tolist() == [gray]
    read = reading(content, channels=3)
    assert read.shape == (3, 3, 2) and read.amax(dim=(1, 2)).tolist() == list(colour)


def test_every_mode_that_pillow_knows_is_read_or_refused(reading):
    for mode in Image.MODES:
        for kind in ("PNG", "TIFF", "JPEG2000", "PPM"):
            try:
                content = stored(Image.new(mode, (2, 2)), kind)
            except (OSError, ValueError, KeyError):     # this format cannot hold it
                continue
            try:
                assert reading(content).dtype == torch.uint8
            except ValueError as error:
                assert "the.picture" in str(error)


@pytest.mark.parametrize("levels", [4, 16])
def test_fewer_bits_than_8_fill_the_range(reading, levels):
    gray = np.arange(levels, dtype=np.uint8)[None]
    read = reading(b"P5 %d 1 %d\n" % (levels, levels - 1) + gray.tobytes())
    assert read.flatten().tolist() == [round(255 * i / (levels - 1)) for i in range(levels)]


def test_a_palette_is_read_by_its_colours(reading):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert reading(stored(image), channels=3)[:, 0].T.tolist() == [[255, 0, 0], [0, 0, 255]]


# Transparency --------------------------------------------------------------------------------------------------------


def palette(**options):
    image = Image.new("P", (2, 2), 1)
    image.putpixel((0, 0), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    return stored(image, **options)


@pytest.mark.parametrize("content", [
    stored(Image.new("RGBA", (2, 2), (255, 0, 0, 254))), stored(Image.new("LA", (2, 2), (9, 0))),
    palette(transparency=0), palette(transparency=bytes([255, 7])), palette(kind="GIF", transparency=1),
    stored(Image.new("L", (2, 2), 9), transparency=9), stored(Image.new("RGB", (2, 2)), transparency=(0, 0, 0)),
], ids=["RGBA", "LA", "one colour of a palette", "a palette of several", "GIF", "one gray", "one colour"])
def test_transparent_parts_are_refused(reading, content):
    with pytest.raises(ValueError, match=r"the\.picture is transparent in parts.*Put it on white first"):
        reading(content)


@pytest.mark.parametrize("content", [
    stored(Image.new("RGBA", (2, 2), (76, 76, 76, 255))), stored(Image.new("L", (2, 2), 76), transparency=9),
    stored(Image.new("P", (2, 2), (76, 76, 76)), transparency=bytes([255])),
], ids=["RGBA", "a gray that is nowhere", "a palette"])
def test_what_could_be_transparent_and_is_not_is_read_without_a_warning(reading, content):
    with warnings.catch_warnings(action="error"):
        assert reading(content).unique().tolist() == [76]


# Orientation, frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "L"),
                                            ("PNG", "1"), ("TIFF", "RGB"), ("WEBP", "RGB")])
def test_a_picture_is_turned_as_its_camera_was_held(reading, kind, mode):
    image = Image.new("L", (32, 16), 255)
    image.paste(0, (0, 0, 16, 16))                          # its left half is black
    exif = Image.Exif()
    exif[0x0112] = 6                                        # the camera stood on its right side
    read = reading(stored(image.convert("RGB").convert(mode), kind, exif=exif))
    assert read.shape == (1, 32, 16) and read[:, :14].max() < 20 and read[:, 18:].min() > 235
    exif[0x0112] = 1
    assert reading(stored(image.convert("RGB").convert(mode), kind, exif=exif)).shape == (1, 16, 32)


def test_a_broken_orientation_turns_nothing(reading):
    read = reading(stored(Image.new("L", (4, 2), 9), "JPEG", exif=b"Exif\0\0junk of a camera"))
    assert read.shape == (1, 2, 4) and (read - 9).abs().max() <= 1


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG"])
def test_of_several_pictures_the_first_is_read(reading, kind):
    content = stored(Image.new("L", (2, 2), 10), kind, save_all=True, append_images=[Image.new("L", (2, 2), 200)])
    assert reading(content).unique().tolist() == [10]


# What is no picture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [120, 60], ids=["a warning of Pillow", "an error of Pillow"])
def test_a_bomb_is_not_unpacked(reading, limit, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=r"the\.picture has more pixels than Pillow trusts.*MAX_IMAGE_PIXELS"):
        reading(stored(Image.new("L", (12, 12))))
    assert reading(stored(Image.new("L", (7, 7)))).shape == (1, 7, 7)


def noise(kind):
    return stored(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)), kind)


@pytest.mark.filterwarnings("ignore::UserWarning")     # of Pillow, about tags
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "PPM", "WEBP", "BMP"])
def test_a_cut_or_a_garbled_file_is_said_to_be_no_picture(reading, kind):
    content = noise(kind)
    for cut in (0, 1, 20, len(content) // 2):
        with pytest.raises(ValueError, match=r"the\.picture is no picture that can be read.*broken download"):
            reading(content[:cut])
    for seed in range(20):                                  # a garbled one may still be one, and be refused or read
        garbled = np.frombuffer(content, np.uint8).copy()
        places = np.random.default_rng(seed).integers(0, len(garbled) if seed % 2 else 60, 8)
        garbled[places] ^= 0xA5
        try:
            reading(garbled.tobytes())
        except ValueError as error:
            assert "the.picture" in str(error)


def test_a_folder_and_nothing_at_all_are_said_to_be_so(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder, not a picture\. data\.load"):
        images.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no picture .*nowhere.png"):
        images.read(tmp_path / "nowhere.png")
    with pytest.raises(TypeError, match="expected the path of a picture, got int"):
        images.read(7)                                                                      # type: ignore[arg-type]


def test_a_path_may_be_text_and_begin_at_home(tmp_path, monkeypatch):
    Image.new("L", (3, 2), 5).save(tmp_path / "a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for path in ("~/a.png", Path("~/a.png"), str(tmp_path / "a.png")):
        assert images.read(path).unique().tolist() == [5]


@pytest.mark.parametrize("channels", [2, 4, 0, "3"])
def test_a_picture_has_one_channel_or_three(reading, channels):
    with pytest.raises(ValueError, match=r"channels: expected 1 \(gray\) or 3 \(colour\), got "):
        reading(stored(Image.new("L", (2, 2))), channels)
