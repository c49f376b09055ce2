"""Every training of the course runs on a GPU, waits for it once a step, and learns there what it learns here."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch
from pretend_cuda import pretend_cuda
from trainings import SAMPLE, TRAININGS, run, strictly_on, synchronisations

import course_lib

whole = [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.full) for name in TRAININGS]


@pytest.mark.parametrize("name", whole)
def test_a_step_waits_for_the_gpu_once(name):
    waits = synchronisations(name)
    assert sum(waits.values()) <= 1, waits


@pytest.mark.parametrize("name", whole)
def test_the_gpu_makes_the_same_choices_and_leaves_the_global_states_alone(name):
    """The same crops, levels and pairs: the first losses differ by their noise only."""
    with strictly_on("cpu"):
        here = run(name)
    with strictly_on("cuda"), pretend_cuda() as gpu:
        before = [gpu.random.clone(), torch.get_rng_state()]
        there = run(name)
        assert all(map(torch.equal, before, [gpu.random, torch.get_rng_state()]))
    assert next(there.model.parameters()).device.type == "cuda"
    assert here.history.terms.keys() == there.history.terms.keys()
    for term, losses in here.history.terms.items():
        assert there.history.terms[term][0] == pytest.approx(losses[0], rel=0.5, abs=0.05)


def test_every_training_of_the_library_is_rehearsed():
    found = {f"{module.name}.{name}" for part in ("metric", "pretext", "denoise")
             for module in pkgutil.iter_modules([f"{course_lib.__path__[0]}/{part}"])
             for name in vars(importlib.import_module(f"course_lib.{part}.{module.name}")) if name.startswith("train")}
    rehearsed = {"dncnn.train", "dncnn.train_three_tasks", "straightforward.train", "ffdnet.train", "fast.train",
                 "bias_free.train", "cbdnet.train", "class_aware.train", "class_aware.train_classifier",
                 "classification.train", "known_level.train", "identification.train", "contrastive.train",
                 "triplet.train", "simclr.train", "simclr.train_encoder", "rotnet.train", "autoencoder.train",
                 "probe.train", "towers.train", "position.train", "jigsaw.train", "colorization.train",
                 "context_encoder.train", "exemplar.train", "frame_order.train", "before_after.train",
                 "before_after.train_segmenter"}
    assert found == rehearsed, "add the new training to tests/devices/trainings.py, and its name here"
