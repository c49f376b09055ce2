"""Lost resolution is bicubic, a convolution has its direction, a mosaic is filled by neighbours, JPEG is a file."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import data
from course_lib.data.images import to_float
from course_lib.operators import bicubic_loss, convolve, demosaic, jpeg, mosaic


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_is_the_bicubic_interpolation_of_pillow(scale):
    y = to_float(data.photographs("test")["chelsea"])[..., :240, :240]
    picture = Image.fromarray(y[0, 0].numpy(), mode="F")
    small = picture.resize((240 // scale, 240 // scale), Image.Resampling.BICUBIC)
    oracle = np.asarray(small.resize((240, 240), Image.Resampling.BICUBIC))
    assert np.abs(bicubic_loss(y, scale=scale)[0, 0].numpy() - oracle).max() < 1e-4


def test_a_straight_ramp_survives_away_from_the_border():
    ramp = torch.linspace(0, 1, 60).expand(1, 1, 60, 60)
    assert torch.allclose(bicubic_loss(ramp, scale=3)[..., 12:-12], ramp[..., 12:-12], atol=1e-5)


def test_sides_that_do_not_divide_are_cropped():
    assert bicubic_loss(torch.zeros(1, 1, 50, 51), scale=4).shape == (1, 1, 48, 48)


KERNEL = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 5.0]])     # no symmetry


def test_a_bright_pixel_becomes_the_kernel_as_it_is_written():
    dot = torch.zeros(1, 1, 7, 8)
    dot[..., 3, 4] = 1
    spread = convolve(dot, KERNEL)                              # (1, 1, 6, 6), its first pixel at (1, 2) of the image
    assert torch.equal(spread[0, 0, 2:4, 2:5], KERNEL) and spread.abs().sum() == KERNEL.abs().sum()
    correlated = torch.nn.functional.conv2d(dot, KERNEL[None, None])
    assert not torch.equal(correlated[0, 0, 2:4, 2:5], KERNEL)  # what a kernel that was not turned gives


def test_a_convolution_is_that_of_slow_loops_in_every_channel():
    y = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    loop = torch.zeros(2, 3, 5, 5)
    for row in range(5):
        for column in range(5):
            for i in range(2):
                for j in range(3):
                    loop[..., row, column] += KERNEL[i, j] * y[..., row + 1 - i, column + 2 - j]
    assert torch.allclose(convolve(y, KERNEL), loop, atol=1e-5)


def test_a_kernel_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="no larger than the images"):
        convolve(torch.zeros(1, 1, 4, 4), torch.ones(5, 5))


def test_a_mosaic_keeps_one_colour_of_each_pixel_and_filling_it_keeps_what_was_seen():
    y = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    seen = mosaic(y)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2), (4, 6, 0), (5, 7, 2)):
        assert torch.equal(seen[:, 0, row, column], y[:, channel, row, column])
    assert torch.allclose(mosaic(demosaic(seen)), seen, atol=1e-6)


def test_filling_a_mosaic_averages_neighbours_and_keeps_what_is_straight():
    y = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    z, full = mosaic(y)[0, 0], demosaic(mosaic(y))[0]
    assert torch.allclose(full[1, 2, 2], (z[1, 2] + z[3, 2] + z[2, 1] + z[2, 3]) / 4)    # green at a red pixel
    assert torch.allclose(full[2, 2, 2], (z[1, 1] + z[1, 3] + z[3, 1] + z[3, 3]) / 4)    # blue at a red pixel
    assert torch.allclose(full[0, 2, 3], (z[2, 2] + z[2, 4]) / 2)                        # red at a green pixel
    ramp = torch.linspace(0, 1, 20).expand(1, 3, 20, 20)
    assert torch.allclose(demosaic(mosaic(ramp))[..., 2:-2, 2:-2], ramp[..., 2:-2, 2:-2], atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_that_of_pillow(tmp_path, channels):
    y = data.photographs("test", channels=channels)["chelsea"][:, :64, :80]
    pixels = y.permute(1, 2, 0).numpy()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(tmp_path / "a.jpg", quality=20)
    oracle = np.asarray(Image.open(tmp_path / "a.jpg")).reshape(pixels.shape)
    mine = jpeg(y[None].float() / 255, quality=20)
    assert (mine[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8).tolist() == oracle.tolist()


def test_jpeg_gets_worse_with_less_quality_and_keeps_shape_and_colour():
    y = to_float(data.photographs("test", channels=3)["chelsea"])[..., :64, :80]
    losses = [float((jpeg(y, quality=quality) - y).square().mean()) for quality in (95, 50, 10)]
    assert losses == sorted(losses) and losses[0] > 0 and jpeg(y, quality=50).shape == y.shape
    gray = y[:, :1]
    assert float((jpeg(gray, quality=95) - gray).abs().max()) < 0.1


def test_jpeg_clips_and_a_quality_outside_its_scale_is_refused():
    assert float(jpeg(torch.full((1, 1, 8, 8), 1.5), quality=90).max()) <= 1
    with pytest.raises(ValueError, match="1 to 100"):
        jpeg(torch.zeros(1, 1, 8, 8), quality=0)


Y = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: bicubic_loss(Y, scale=0), "scale"), (lambda: bicubic_loss(Y, scale=9), "shorter side"),
    (lambda: bicubic_loss(Y, scale=2.5), "scale"), (lambda: jpeg(Y, quality=0), "1 to 100"),
    (lambda: jpeg(Y, quality=101), "1 to 100"), (lambda: jpeg(Y, quality=3.5), "whole number"),
    (lambda: jpeg(Y, quality="high"), "whole number"), (lambda: jpeg(Y, quality=np.int64(50)), "int of Python"),
    (lambda: jpeg(Y[:, :2], quality=50), "gray images"), (lambda: convolve(Y, torch.ones(0, 3)), "not empty"),
    (lambda: convolve(Y, torch.ones(3, 0)), "not empty"), (lambda: convolve(Y, torch.ones(1, 1, 3, 3)), r"\(h, w\)"),
    (lambda: convolve(Y, torch.full((3, 3), torch.nan)), "the kernel: expected finite"),
    (lambda: mosaic(Y[:, :1]), "colour images"), (lambda: demosaic(Y), "one channel"),
    (lambda: demosaic(Y[:, :1, :1]), "sides of 2"), (lambda: demosaic(Y[:, :1, :, :1]), "sides of 2")])
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("kernel", [np.ones((3, 3)), [[1.0]], torch.ones(3, 3, dtype=torch.complex64)])
def test_a_kernel_is_a_tensor_of_real_numbers(kernel):
    with pytest.raises(TypeError, match="the kernel: expected a tensor"):
        convolve(Y, kernel)


@pytest.mark.parametrize("kernel", [torch.ones(3, 3, dtype=torch.int64), torch.ones(3, 3, dtype=torch.float64)])
def test_a_kernel_may_be_of_another_type_than_the_images(kernel):
    assert torch.equal(convolve(Y, kernel), convolve(Y, torch.ones(3, 3)))
