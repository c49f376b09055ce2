"""Pretext tasks are measured with a network on a GPU and pictures on the processor, and give there what they give here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import pytest
import torch
from test_denoisers import rehearsal
from torch import Tensor, nn

from course_lib.data.readers import Labelled
from course_lib.data.shapes import shapes
from course_lib.data.sorting import line
from course_lib.networks import Encoder
from course_lib.pretext import (
    autoencoder,
    before_after,
    cam,
    colorization,
    context_encoder,
    exemplar,
    frame_order,
    jigsaw,
    lab,
    position,
    probe,
    rotnet,
    shortcuts,
    towers,
)
from course_lib.pretext.nin import NIN
from course_lib.pretext.views import MIRRORED
from course_lib.randomness import generator

FILM, SHAPES = cache(lambda: line(2, frames=2)), cache(lambda: shapes(1))
PATCHES = position.Patches(size=8, gap=4)


def pictures() -> Tensor:
    return SHAPES().images


def floats() -> Tensor:
    return pictures().float() / 255


def holey() -> tuple[Tensor, Tensor]:
    hole, _, mask = context_encoder.Hole(random=True)(floats(), generator(0, "holes"))
    return hole, mask


def classifier() -> before_after.Classifier:
    return before_after.Classifier(widths=(4, 8))


def order_of_frames() -> nn.Module:
    encoder = Encoder(channels=3, widths=(4, 4, 8))
    return towers.Towers(frame_order.Places(encoder), features=8 * 36, tiles=2, outputs=2, hidden=8)


def of_film(measure: Callable[..., object]) -> Callable[[nn.Module], object]:
    return lambda network: measure(network, FILM().images, FILM().labels)


# name -> (a network, what is measured with it)
MEASURES: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], object]]] = {
    "rotnet.accuracy": (lambda: NIN(width=12), lambda network: rotnet.accuracy(network, pictures())),
    "rotnet.accuracy, eight": (lambda: NIN(width=12, outputs=8),
                               lambda network: rotnet.accuracy(network, floats(), degrees=rotnet.EIGHT)),
    "autoencoder.reconstruction": (lambda: autoencoder.Autoencoder(NIN(width=12)),
                                   lambda network: autoencoder.reconstruction(network, pictures())),
    "probe.accuracy": (lambda: NIN(width=12, outputs=8), lambda network: probe.accuracy(network, SHAPES())),
    "towers.accuracy": (lambda: position.network(NIN(width=12), PATCHES), lambda network: towers.accuracy(
        network, pictures(), PATCHES, generator=generator(0, "pairs"), rounds=2)),
    "frame_order.accuracy": (order_of_frames, lambda network: frame_order.accuracy(network, FILM())),
    "before_after.accuracy": (classifier, of_film(before_after.accuracy)),
    "before_after.pseudo_masks": (classifier, of_film(before_after.pseudo_masks)),
    "before_after.segmented": (lambda: before_after.Segmenter(width=4),
                               lambda network: before_after.segmented(network, FILM().images)),
    "colorization.coloured": (lambda: colorization.ColorNet(width=4),
                              lambda network: colorization.coloured(network, floats())),
    "colorization.coloured, one colour": (lambda: colorization.ColorNet(width=4, outputs=2),
                                          lambda network: colorization.coloured(network, floats())),
    "context_encoder.filled": (lambda: context_encoder.ContextEncoder(width=4),
                               lambda network: context_encoder.filled(network, *holey())),
}
# name -> what takes images on any device
OF_IMAGES: dict[str, Callable[[Tensor], object]] = {
    "turns": lambda y: rotnet.turns(y, rotnet.EIGHT), "symmetrised": rotnet.symmetrised,
    "moved_and_mirrored": lambda y: rotnet.moved_and_mirrored(y, generator(0)),
    "patches": lambda y: PATCHES(y, generator(0)),
    "puzzle": lambda y: jigsaw.Puzzle(cell=10, tile=8)(y, generator(0)),
    "solved": lambda y: jigsaw.Puzzle(cell=10, tile=8).solved(*jigsaw.Puzzle(cell=10, tile=8)(y, generator(0))),
    "hole": lambda y: context_encoder.Hole(random=True)(y, generator(0)),
    "copies": lambda y: exemplar.Transformation()(y[..., :24, :24], generator(0)),
    "mirrored": lambda y: MIRRORED(y, generator(0)),
    "split": colorization.split, "lab": lambda y: lab.to_rgb(lab.from_rgb(y)),
    "prior": lambda y: colorization.prior(colorization.split(y)[1].movedim(1, -1).flatten(0, -2),
                                          colorization.bins().to(y)),
    "background": lambda y: before_after.background((255 * y).byte()),
    "removed": lambda y: before_after.removed(y, y.mean(dim=0).cpu()),
    "vignette": lambda y: shortcuts.vignette((255 * y).byte()),
    "lit": lambda y: shortcuts.lit((255 * y).byte()),
    "fringes": lambda y: shortcuts.fringes((255 * y).byte()),
    "attention": cam.attention, "mask": cam.mask, "enlarged": lambda y: cam.enlarged(y, (40, 50)),
    "overlap": lambda y: cam.overlap(y[:, :1] > 0.5, y[:, 1:2] > 0.5),
    "normalised": towers.normalised,
}


def parts(result: object) -> list[Tensor]:
    """What a measure returned, as tensors on the processor."""
    listed = result if isinstance(result, tuple) else (result,)
    return [torch.as_tensor(part).cpu().double() for part in listed]


@pytest.mark.parametrize("name", MEASURES)
def test_a_network_on_a_gpu_is_measured_with_pictures_of_the_processor(name):
    build, measure = MEASURES[name]
    network = build().eval()
    expected = parts(measure(network))
    with rehearsal() as gpu:
        there = copy.deepcopy(network).to("cuda")
        found = parts(measure(there))
        assert not gpu.hazards
    assert len(found) == len(expected)
    for ours, theirs in zip(expected, found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_images_of_a_gpu_stay_there_and_give_the_same(name):
    apply, y = OF_IMAGES[name], floats()
    expected = parts(apply(y))
    with rehearsal() as gpu:
        found = apply(y.cuda())
        assert not gpu.hazards
        listed = found if isinstance(found, tuple) else (found,)
        assert name == "prior" or all(part.is_cuda for part in listed)
        found = parts(found)
    for ours, theirs in zip(expected, found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_noise_in_place_of_colours_is_drawn_where_the_patches_are():
    """The same channel is kept, bit for bit, and the noise in place of the others is as faint."""
    apply = position.Patches(size=8, gap=4, colour="dropped", normalise=False)
    expected, place = apply(floats(), generator(0))
    with rehearsal() as gpu:
        found, there = apply(floats().cuda(), generator(0))
        assert not gpu.hazards and torch.equal(there.cpu(), place)
        found = found.cpu()
    same = (found == expected).flatten(3).all(dim=3)
    assert (same.sum(dim=2) == 1).all() and torch.allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_a_generator_of_a_gpu_serves_images_of_any_device(place):
    views = [PATCHES, position.Patches(size=8, gap=4, colour="dropped"), jigsaw.Puzzle(cell=10, tile=8),
             context_encoder.Hole(random=True), exemplar.Transformation(), rotnet.moved_and_mirrored,
             MIRRORED]
    with rehearsal():
        for view in views:
            found = view(floats()[..., :30, :30].to(place), torch.Generator("cuda").manual_seed(0))
            assert all(part.device.type == place for part in (found if isinstance(found, tuple) else (found,)))


def test_masks_are_made_of_labels_of_a_gpu():
    network = classifier().eval()
    expected = before_after.pseudo_masks(network, FILM().images, FILM().labels)
    with rehearsal():
        found = before_after.pseudo_masks(network.to("cuda"), FILM().images.cuda(), FILM().labels.cuda())
    assert all(map(torch.equal, found, expected))


def test_a_probe_is_built_on_the_device_of_its_network():
    with rehearsal():
        model = probe.probe(NIN(width=12).to("cuda"), block=2, classes=8, size=(3, 32, 32))
        assert {weight.device.type for weight in model.parameters()} == {"cuda"}
        assert 0 <= probe.accuracy(model, SHAPES()) <= 1


def test_labels_of_a_gpu_are_compared_where_they_can_be():
    network = NIN(width=12, outputs=8).eval()
    images, labels, names = SHAPES()
    expected = probe.accuracy(network, SHAPES())
    with rehearsal():
        assert probe.accuracy(network.to("cuda"), Labelled(images.cuda(), labels.cuda(), names)) == expected
