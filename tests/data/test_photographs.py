"""The bundled photographs: real, whole, split by image, found without importing what holds them."""

import importlib
import subprocess
import sys

import pytest
import torch

from course_lib import data


@pytest.mark.parametrize("channels", [1, 3])
def test_every_split_holds_eight_bit_pictures(channels):
    for split in ("train", "validation", "test"):
        found = data.photographs(split, channels=channels)
        assert found and all(p.dtype == torch.uint8 and p.shape[0] == channels for p in found.values())
        assert all(p.float().std() > 10 for p in found.values())   # no blank picture


def test_no_image_is_in_two_splits():
    names = [name for split in ("train", "validation", "test") for name in data.photographs(split)]
    assert len(names) == len(set(names)) == len(data.PHOTOGRAPHS)
    assert len({p.sha256 for p in data.PHOTOGRAPHS}) == len(data.PHOTOGRAPHS)


def test_each_has_a_credit_and_a_licence():
    assert all(p.credit and p.licence for p in data.PHOTOGRAPHS)


def test_changing_a_picture_changes_it_for_nobody_else():
    data.photographs("test")["camera"].zero_()
    assert data.photographs("test")["camera"].any()


def test_a_changed_file_is_refused(monkeypatch):
    import dataclasses

    changed = dataclasses.replace(data.PHOTOGRAPHS[0], sha256="0" * 64)
    with pytest.raises(FileNotFoundError, match="not the one expected.*reinstall it"):
        importlib.import_module("course_lib.data.photographs")._read.__wrapped__(changed, 1)


def test_unknown_splits_and_channels_are_refused():
    with pytest.raises(ValueError, match="did you mean 'validation'"):
        data.photographs("validate")
    with pytest.raises(ValueError, match=r"1 \(gray\) or 3"):
        data.photographs("test", channels=4)


def test_scikit_image_is_not_imported_to_find_them(root):
    code = "import sys; from course_lib import data; data.photographs('test'); print('skimage' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root).stdout == "False\n"
