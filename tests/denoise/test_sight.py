"""What a pixel can see, held to the support of gradients of networks with positive weights, and to cases by hand."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import broken
from torch import nn
from torch.nn import functional as F

from course_lib.denoise import sight
from course_lib.denoise.sight import reach

SIZE = 24


def positive(network):
    """All weights positive, in double precision and eval mode: no path cancels, no unit is dead."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)
    return network.double().eval()


def gradient_reach(network, *, size, channels=1):
    """For each row (and column) of the output the rows (columns) of the input that its gradient touches."""
    z = torch.ones(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    out = network(z)
    rows = [torch.autograd.grad(out[0, :, i].sum(), z, retain_graph=True)[0].ne(0).any(3).any(1)[0]
            for i in range(out.shape[2])]
    columns = [torch.autograd.grad(out[0, ..., j].sum(), z, retain_graph=True)[0].ne(0).any(2).any(1)[0]
               for j in range(out.shape[3])]
    return torch.stack(rows), torch.stack(columns)


def agree(network, *, size=SIZE, channels=1):
    rows, columns = reach(network, size=size, channels=channels)
    by_rows, by_columns = gradient_reach(positive(network), size=size, channels=channels)
    return torch.equal(rows.any(0), by_rows) and torch.equal(columns.any(0), by_columns)


# Random architectures ----------------------------------------------------------------------------------------------


class Sum(nn.Module):
    """A branch beside a way around, added."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


class Beside(Sum):
    """A branch and its input as channels side by side."""

    def forward(self, x):
        return torch.cat([x, self.inner(x)], dim=1)


class Halves(Sum):
    """Only the second half of the channels goes through the branch."""

    def forward(self, x):
        first, second = x.chunk(2, dim=1)
        return torch.cat([first, self.inner(second)], dim=1)


@st.composite
def architectures(draw):
    """Up to six layers that PyTorch knows, on two channels to begin with, none smaller than eight pixels."""
    channels, size, layers = 2, SIZE, []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["conv", "oblong", "strided", "grouped", "pool", "mean", "unshuffle", "shuffle",
                                     "transposed", "enlarged", "sum", "beside", "halves", "padded"]))
        kernel, dilation = draw(st.sampled_from([1, 2, 3, 5])), draw(st.integers(1, 3))
        if kind == "conv":
            layers.append(nn.Conv2d(channels, 2, kernel, padding=dilation * (kernel // 2), dilation=dilation))
            channels = 2
        elif kind == "oblong":
            layers.append(nn.Conv2d(channels, channels, (1, 3), padding=(0, 1)))
        elif kind == "strided" and size >= 16:
            layers.append(nn.Conv2d(channels, 2, 3, stride=2, padding=1))
            channels = 2
        elif kind == "grouped":
            layers.append(nn.Conv2d(channels, channels, 3, padding=1, groups=channels))
        elif kind == "pool" and size >= 16:
            layers.append(nn.AvgPool2d(3, stride=2, padding=1))
        elif kind == "mean" and size >= 16:
            layers.append(nn.AvgPool2d(2))
        elif kind == "unshuffle" and size >= 16 and size % 2 == 0 and channels < 8:
            layers.append(nn.PixelUnshuffle(2))
            channels *= 4
        elif kind == "shuffle" and size <= 24 and channels % 4 == 0:
            layers.append(nn.PixelShuffle(2))
            channels //= 4
        elif kind == "transposed" and size <= 24:
            layers.append(nn.ConvTranspose2d(channels, 2, kernel + 1, stride=2, padding=kernel // 2))
            channels = 2
        elif kind == "enlarged" and size <= 24:
            layers.append(nn.Upsample(scale_factor=2, mode=draw(st.sampled_from(["nearest", "bilinear"]))))
        elif kind in ("sum", "beside") and channels <= 8:
            inner = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation), nn.ReLU())
            layers.append((Sum if kind == "sum" else Beside)(inner))
            channels *= 1 if kind == "sum" else 2
        elif kind == "halves" and channels % 2 == 0:
            layers.append(Halves(nn.Conv2d(channels // 2, channels // 2, 3, padding=1)))
        elif kind == "padded":
            layers.append(nn.Conv2d(channels, channels, 3, padding=1,
                                    padding_mode=draw(st.sampled_from(["reflect", "replicate", "circular"]))))
        layers.append(nn.BatchNorm2d(channels) if draw(st.booleans()) else nn.ReLU())
        size = nn.Sequential(*layers).eval()(torch.zeros(1, 2, SIZE, SIZE)).shape[-1]
    return nn.Sequential(*layers)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(architectures())
def test_what_thirty_random_networks_can_see_is_the_support_of_their_gradient(network):
    assert agree(network, channels=2)


@pytest.mark.parametrize("break_it", [
    broken({"_taps": lambda out, k, s, p, d: torch.arange(out)[:, None] * s - p + torch.arange(k)},
           id="no dilation"),
    broken({"_taps": lambda out, k, s, p, d: torch.arange(out)[:, None] - p + torch.arange(k) * d},
           id="no stride"),
    broken({"_joined": lambda several: several[0]}, id="no branches"),
    pytest.param({}, id="as it is")])
def test_forgetting_dilation_strides_or_branches_is_noticed(monkeypatch, break_it):
    for name, value in break_it.items():
        monkeypatch.setattr(sight, name, value)
    assert agree(nn.Sequential(nn.Conv2d(1, 2, 3, dilation=2, padding=2), nn.Conv2d(2, 2, 3, stride=2, padding=1),
                               Sum(nn.Conv2d(2, 2, 3, padding=1))))


# Cases by hand -----------------------------------------------------------------------------------------------------


def seen(matrix, position):
    return matrix[:, position].any(0).nonzero().flatten().tolist()


def test_a_dilated_stack_sees_every_second_pixel_only():
    network = nn.Sequential(*[nn.Conv2d(1, 1, 3, dilation=2, padding=2) for _ in range(2)])
    assert seen(reach(network, size=16).rows, 8) == [4, 6, 8, 10, 12]


def test_rows_and_columns_are_kept_apart():
    there = reach(nn.Conv2d(1, 1, (1, 5), padding=(0, 2)), size=16)
    assert (seen(there.rows, 8), seen(there.columns, 8)) == ([8], [6, 7, 8, 9, 10])


def test_sub_images_that_nobody_mixes_come_back_as_they_were():
    there = reach(nn.Sequential(nn.PixelUnshuffle(2), nn.PixelShuffle(2)), size=8)
    assert torch.equal(there.rows.any(0), torch.eye(8, dtype=torch.bool))


def test_a_convolution_for_each_sub_image_is_a_dilated_one():
    network = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.PixelShuffle(2))
    assert seen(reach(network, size=16).columns, 7) == [5, 7, 9]


def test_transposed_outputs_of_two_phases_see_different_pixels():
    rows = reach(nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1), size=8).rows
    assert (seen(rows, 8), seen(rows, 9)) == ([4], [4, 5])


def test_an_average_over_the_image_sees_all_of_it():
    assert reach(nn.Sequential(nn.AdaptiveAvgPool2d(1)), size=8).rows.all()
    assert reach(lambda z: z * z.mean((2, 3), keepdim=True), size=8).rows.all()


def test_a_noise_level_map_is_no_pixel_of_the_image():
    def told(z):
        return F.conv2d(torch.cat([z, z.new_full(z.shape, 0.1)], dim=1), torch.ones(1, 2, 3, 3), padding=1)

    assert seen(reach(told, size=8).rows, 4) == [3, 4, 5]


def test_what_is_unknown_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="fft2"):
        reach(lambda z: torch.fft.fft2(z).real, size=8)
    with pytest.raises(NotImplementedError, match="bicubic"):
        reach(nn.Upsample(scale_factor=2, mode="bicubic"), size=8)


def test_a_network_that_ignores_its_input_is_refused():
    with pytest.raises(TypeError, match="does not come from its input"):
        reach(lambda z: torch.zeros(1, 1, 8, 8), size=8)


def test_a_network_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    reach(network, size=8)
    assert [part.training for part in network] == [True, True, False]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
