"""Operators, scores, figures and players take images of a GPU, and deterministic kernels are enough for all of them."""

import pytest
import torch
from oracles import images
from pretend_cuda import pretend_cuda
from test_denoisers import rehearsal
from torch.nn import functional as F

from course_lib import deterministic, figures, layers, operators, quality, zoo
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoiser import score
from course_lib.randomness import generator
from course_lib.widgets.forces import Forces, loss_and_forces
from course_lib.widgets.pictures import pixels
from course_lib.widgets.player import Axis, Player

KERNEL = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 5.0]]) / 10
OPERATORS = {
    "bicubic loss": lambda y: operators.bicubic_loss(y, scale=3),
    "convolution": lambda y: operators.convolve(y, KERNEL),
    "mosaic": operators.mosaic, "demosaic": lambda y: operators.demosaic(y[:, :1]),
}
OTHERS = {"jpeg": lambda y: operators.jpeg(y, quality=40), "psnr": lambda y: quality.psnr(0.9 * y, y),
          "ssim": lambda y: quality.ssim(0.9 * y, y)}


@pytest.mark.parametrize("name", OPERATORS | OTHERS)
def test_an_operator_gives_the_same_on_a_gpu_as_on_the_processor(name):
    apply, y = (OPERATORS | OTHERS)[name], images(2, 3, 19, 23)
    expected = apply(y)
    with rehearsal() as gpu:
        found = apply(y.cuda())
        assert found.is_cuda and torch.equal(found.cpu(), expected) and not gpu.hazards


@pytest.mark.parametrize("name", OPERATORS)
def test_the_adjoint_of_an_operator_is_its_gradient_on_a_gpu_too(name):
    """<A y, u> = <y, A^T u>, with A^T u from the gradient."""
    apply, y = OPERATORS[name], images(1, 3, 20, 23)
    ours = y.clone().requires_grad_()
    u = images(*apply(y).shape, seed=1)
    apply(ours).backward(u)
    with rehearsal():
        theirs = y.cuda().requires_grad_()
        apply(theirs).backward(u.cuda())
        assert torch.allclose(theirs.grad.cpu(), ours.grad, atol=1e-6)
    assert torch.allclose((apply(y) * u).sum(), (y * ours.grad).sum(), rtol=1e-4)


@pytest.mark.parametrize("margins", [(2, 3, 0, 1), (0, 0, 4, 4), (6, 6, 4, 4)])
def test_mirrored_borders_are_bitwise_those_of_torch(margins):
    y = images(2, 1, 5, 7)
    for mode in ("reflect", "replicate"):
        assert torch.equal(deterministic.padded(y, margins, mode), F.pad(y, margins, mode=mode))


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_the_median_is_that_of_torch(count):
    values = images(5, count)
    assert torch.equal(deterministic.median(values, dim=1), values.median(dim=1).values)
    assert torch.equal(deterministic.median(values, dim=0), values.median(dim=0).values)


@pytest.mark.parametrize("size", [(4, 5), (9, 7), (13, 20)])
def test_the_matrices_of_a_resampling_give_what_the_kernel_gives(size):
    y = images(2, 3, 9, 13)
    expected = F.interpolate(y, size=size, mode="bicubic", antialias=True)
    assert torch.equal(deterministic.resized(y, size, "bicubic", antialias=True), expected)
    with rehearsal():
        found = deterministic.resized(y.cuda().requires_grad_(), size, "bicubic", antialias=True)
        assert torch.allclose(found.detach().cpu(), expected, atol=1e-6)


def test_scores_of_images_on_two_devices_are_refused():
    y = images(1, 1, 16, 16)
    with pretend_cuda(), pytest.raises(ValueError, match=r"on one device, got cpu and cuda:0"):
        quality.ssim(y, y.cuda())
    with pretend_cuda(), pytest.raises(ValueError, match=r"on one device, got cuda:0 and cpu"):
        quality.psnr(y.cuda(), y)


def test_the_score_of_a_set_on_a_gpu_comes_to_the_processor():
    y = images(2, 1, 16, 16)
    with rehearsal():
        found = score(lambda z, sigma=None: z, [(one[None].cuda() + 0.1, one[None].cuda()) for one in y])
        assert found.device.type == "cpu"


# Figures and players -------------------------------------------------------------------------------------------------


def test_figures_of_images_on_a_gpu_are_those_of_the_processor():
    y = images(1, 3, 32, 32)
    draw = {
        "images": lambda y: figures.images({"noisy": 0.9 * y, "error": (0.1 * y)[:, :1]}, alt="a", signed=["error"],
                                           zoom=(2, 2, 8)).png,
        "reference": lambda y: figures.images({"noisy": 0.9 * y}, alt="a", reference=y).png,
        "framed": lambda y: figures.framed(y[:, :1], top=3, left=4, size=8, colour=(1.0, 0.5, 0.1)).tolist(),
        "scored": lambda y: list(figures.scored({"noisy": 0.9 * y}, reference=y)),
        "lines": lambda y: figures.lines(torch.arange(3.0).to(y), {"a": y.flatten()[:3]}, xlabel="x", ylabel="y").png,
        "bars": lambda y: figures.bars({"a": y.max(), "b": y.mean()}, xlabel="x").png,
        "table": lambda y: figures.table({"a": {"mean": y.mean()}}, caption="c").text,
    }
    expected = {name: function(y) for name, function in draw.items()}
    with rehearsal():
        for name, function in draw.items():
            assert function(y.cuda()) == expected[name], name


def test_a_score_in_a_title_may_be_of_pictures_on_two_devices():
    y = images(1, 1, 16, 16)
    with rehearsal():
        assert list(figures.scored({"noisy": 0.9 * y.cuda()}, reference=y)) == list(figures.scored({"noisy": 0.9 * y},
                                                                                                   reference=y))


def test_players_of_pictures_on_a_gpu_are_those_of_the_processor():
    y = images(1, 1, 16, 16)

    def player(y):
        return Player(lambda share: {"noisy": share * y, "clean": y}, (Axis("share", (0.5, 1.0), "Share"),),
                      alt=lambda share: "a picture", caption="c").html

    expected, gray = player(y), pixels(y[0], "render()")
    with rehearsal():
        assert player(y.cuda()) == expected
        assert torch.equal(pixels(y[0].cuda(), "render()"), gray)


def test_forces_take_points_and_labels_of_a_gpu():
    points, labels = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 0, 1])
    expected = Forces(points.tolist(), labels.tolist()).html
    value = loss_and_forces(points, labels, loss="hard", margin=2.0)
    with rehearsal():
        assert Forces(points.cuda(), labels.cuda()).html == expected
        on_gpu = loss_and_forces(points.cuda(), labels.cuda(), loss="hard", margin=2.0)
        assert on_gpu[0] == value[0] and torch.equal(on_gpu[1].cpu(), value[1])


# Weights -------------------------------------------------------------------------------------------------------------


def test_trained_weights_are_loaded_to_a_gpu():
    name, z = "dncnn-s25-w32", images(1, 1, 16, 16)
    expected = zoo.load(DnCNN, name)(z)
    with rehearsal(), torch.inference_mode():
        network = zoo.load(DnCNN, name, device="cuda")
        assert all(value.is_cuda for value in network.state_dict().values())
        assert torch.allclose(network(z.cuda()).cpu(), expected, atol=1e-6)


def test_first_weights_are_drawn_where_the_weights_are():
    with rehearsal():
        with pytest.raises(ValueError, match="weights and a generator on one device, got cuda:0 and cpu"):
            layers.he_normal(torch.empty(4, 4).cuda(), generator(0))
        with pytest.raises(ValueError, match="Make a network on the processor"):
            layers.initialise(torch.nn.Conv2d(1, 2, 3).to("cuda"), generator(0))
        layers.he_normal(torch.empty(4, 4).cuda(), generator(0, device="cuda"))
