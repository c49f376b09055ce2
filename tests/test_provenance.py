"""Fingerprints change when the result could, and only then; identities tell arguments apart."""

import dataclasses
import functools
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib import data, provenance
from course_lib.data import noisy, patches, then
from course_lib.denoise import dncnn
from course_lib.noise import Gaussian

SOURCE = '''
"""A module."""
from course_lib.toy_helper import FACTOR, half, kept

LOW, RATE = 0.0, 0.1
if True:
    def under_if(x):
        return 3 * x
UNRELATED = 5


def measure(x):
    """What is measured."""
    import course_lib.toy_helper as h
    from course_lib import toy_helper

    return inner(x) * half(RATE) + FACTOR + kept(x) + under_if(x) + toy_helper.fourth(x) + h.fifth(x)


def inner(x):
    # a comment
    return x + 1


def other(x):
    return x - UNRELATED
'''
HELPER = '''
import functools

FACTOR = 7


def half(x):
    return x / 2


def third(x):
    return x / 3


@functools.cache
def kept(x):
    return x / 8


def fourth(x):
    return x / 4


def fifth(x):
    return x / 5
'''


@pytest.fixture
def prints(tmp_path, monkeypatch):
    """Write the two toy modules, changed as asked, and return the fingerprint of `measure`."""
    import course_lib

    monkeypatch.setattr(course_lib, "__path__", [*course_lib.__path__, str(tmp_path)])

    def fingerprint(change=("", ""), helper=("", "")):
        (tmp_path / "toy_module.py").write_text(SOURCE.replace(*change) if change[0] else SOURCE)
        (tmp_path / "toy_helper.py").write_text(HELPER.replace(*helper) if helper[0] else HELPER)
        for name in ("toy_module", "toy_helper"):
            sys.modules.pop(f"course_lib.{name}", None)
        importlib.invalidate_caches()
        import linecache

        linecache.clearcache()
        provenance._code.cache_clear()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return provenance.fingerprint(importlib.import_module("course_lib.toy_module").measure)

    yield fingerprint
    for name in ("toy_module", "toy_helper"):
        sys.modules.pop(f"course_lib.{name}", None)


@pytest.mark.parametrize("change", [
    ("= 0.0, 0.1", "= 0.0, 0.2"), ("x + 1", "x + 2"), ("inner(x) * half", "half"), ("3 * x", "5 * x")])
def test_a_changed_constant_or_line_that_counts_changes_the_fingerprint(prints, change):
    assert prints(change=change) != prints()


def test_a_change_in_another_module_of_the_course_counts_if_it_is_used(prints):
    for change in (("x / 2", "x / 9"), ("FACTOR = 7", "FACTOR = 6"), ("x / 8", "x / 9"), ("x / 4", "x / 9"),
                   ("x / 5", "x / 9")):
        assert prints(helper=change) != prints(), change
    assert prints(helper=("x / 3", "x / 9")) == prints()


@pytest.mark.parametrize("change", [("What is measured", "Measures"), ("a comment", "another"), ("= 5", "= 6"),
                                    ("x - UN", "x * UN"), ('"""A module."""', '"""Another."""')])
def test_words_and_what_is_not_reached_do_not_count(prints, change):
    assert prints(change=change) == prints()


def test_a_method_reaches_the_training_loop_the_noise_and_its_own_constants():
    def reached(*objects):
        found = provenance.code().closure(provenance.definition(thing) for thing in objects)
        return {f"{one.module}.{one.name}" for one in found}

    for name in ("course_lib.fit.fit", "course_lib.noise.Gaussian", "course_lib.denoise.dncnn.BLIND",
                 "course_lib.denoise.dncnn.DnCNN", "course_lib.data.sources.patches", "course_lib.optimisers.Muon",
                 "course_lib.operators.bicubic_loss"):
        assert name in reached(dncnn.train, dncnn.train_three_tasks)
    from course_lib.claims.dncnn import measure_benchmark

    passed_on = reached(measure_benchmark)   # it says data.fixed_pairs, which the package passes on
    assert {"course_lib.data.sources.fixed_pairs", "course_lib.data.images.to_float"} <= passed_on
    assert not any("provenance" in name or "torch" in name for name in passed_on)


def test_weights_are_part_of_a_fingerprint_and_those_that_are_not_there_are_named():
    assert len({provenance.fingerprint(dncnn.train, weights=names)
                for names in ((), ("dncnn-s15-w32",), ("dncnn-s25-w32",))}) == 3
    with pytest.raises(ValueError, match="no weights 'dncnn-s99'"):
        provenance.fingerprint(dncnn.train, weights=("dncnn-s99",))


def test_retrained_weights_make_what_reads_them_stale(tmp_path, monkeypatch):
    from course_lib.claims.receptive_field import PATCHES

    before = PATCHES.fingerprint()
    shutil.copytree(Path(provenance.__file__).parent / "weights", tmp_path / "weights")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert PATCHES.fingerprint() == before
    card = tmp_path / "weights" / "dncnn-s15-w32.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"weights_sha256": "0" * 64}))
    assert PATCHES.fingerprint() != before


def test_the_data_are_part_of_a_fingerprint():
    assert len({provenance.fingerprint(dncnn.train, data=names) for names in ((), ("Set12",), ("photographs",))}) == 3


def test_a_fingerprint_is_the_same_in_another_process(root):
    code = "from course_lib import provenance; from course_lib.denoise import dncnn;" \
           "print(provenance.fingerprint(dncnn.train))"
    prints = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root,
                             env={**__import__("os").environ, "PYTHONHASHSEED": seed}).stdout.strip()
              for seed in ("1", "2")}
    assert prints == {provenance.fingerprint(dncnn.train)}


def view(batch, generator):
    return batch


def other_view(batch, generator):
    return batch * 2


IMAGES = [torch.full((1, 50, 50), 9, dtype=torch.uint8)]


def described(*, value=9, size=40, sigma=0.1):
    return provenance.identity(then(patches([torch.full((1, 50, 50), value, dtype=torch.uint8)], size=size),
                                    noisy(Gaussian(sigma))))


def test_what_was_imported_before_changes_no_fingerprint():
    found = subprocess.run([sys.executable, "-c", """
from course_lib import data, provenance
from course_lib.claims.receptive_field import measure_training   # it names data.labelled, which is imported later
first = provenance.fingerprint(measure_training)
import course_lib.data.readers
print(first == provenance.fingerprint(measure_training))
"""], capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"


def test_a_source_is_identified_by_its_images_its_size_and_its_noise():
    assert described() == described()
    assert len({described(), described(value=8), described(size=39), described(sigma=0.2)}) == 4


@pytest.mark.parametrize(("one", "other"), [
    (1, 1.0), ("1", 1), ((1, 2), (2, 1)), (view, other_view), (torch.zeros(2), torch.zeros(3)),
    (torch.zeros(2), torch.zeros(2, dtype=torch.float64)), ({"a": 1}, {"a": 2}),
    (functools.partial(view, generator=1), functools.partial(view, generator=2)),
    (dncnn.DnCNN(depth=2, width=2), dncnn.DnCNN(depth=3, width=2))])
def test_values_that_differ_have_other_identities(one, other):
    assert provenance.identity(one) != provenance.identity(other)


FUNCTIONS = {
    "lambda": lambda x: x + 1,
    "of two on a line": (lambda x: x + 1, lambda x: x + 2)[1],
    "within a lambda": (lambda: (lambda x: x + 3))(),
    "partial": functools.partial(view, generator=None),
    "of the course": dncnn.train,
    "closure": (lambda level: lambda y: y * level)(25),
    "closed over": (lambda level: lambda y: y * level)(50),
    "global": lambda: IMAGES,
    "class": dncnn.DnCNN,
}


def test_functions_are_told_apart_by_what_they_do():
    found = {name: provenance.identity(function) for name, function in FUNCTIONS.items()}
    assert len(set(found.values())) == len(found)
    assert provenance.identity(lambda x: x + 1) == found["lambda"]
    renamed = (lambda strength: lambda y: y * strength)(25)
    assert provenance.identity(renamed) != found["closed over"]


def test_a_function_without_a_source_is_known_by_its_instructions():
    made = {}
    exec("def f(x):\n    return x + 1\ndef g(x):\n    return x + 2", made)
    assert provenance.identity(made["f"]) != provenance.identity(made["g"])


def test_an_identity_is_the_same_on_every_python():
    """A golden value: a checkpoint that was written on one Python resumes on another."""
    closure = (lambda level: lambda y: f"{y * level:.2f}")(25)
    made = [functools.partial(view, generator=None), closure, IMAGES, other_view]
    assert provenance.identity((made, {"a": (1.5, None, True)}, torch.float32)) == "464d9e58523cc27f"


def test_how_values_are_nested_and_which_method_it_is_count():
    assert provenance.identity([[1], [2]]) != provenance.identity([[1, [2]]])
    assert provenance.identity(((1,), 2)) != provenance.identity(((1, 2),))
    model = dncnn.DnCNN(depth=2, width=2)
    assert provenance.identity(type(model).forward) != provenance.identity(type(model).__init__)


def test_who_chooses_and_reads_the_photographs_is_part_of_a_fingerprint():
    reached = provenance.code().closure([provenance.definition(data.photographs)])
    assert {"photographs", "_read"} <= {one.name for one in reached} and not {one.name for one in reached} & {"SETS"}


def test_the_device_is_no_part_of_an_identity():
    assert provenance.identity((1, torch.device("cpu"))) == provenance.identity((1, torch.device("meta")))


def test_a_stamp_says_where_a_result_was_made():
    stamp = dataclasses.asdict(provenance.stamp())
    assert stamp["precision"] == "float32" and stamp["profile"] == "smoke"
    assert stamp["versions"]["torch"] and stamp["hardware"] and stamp["threads"] == torch.get_num_threads()
