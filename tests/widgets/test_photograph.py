"""A reader's own picture is read like any other, cut, shown, and refused in words."""

import io
from datetime import datetime

import pytest
import torch
from PIL import Image

from course_lib.widgets import photograph
from course_lib.widgets.photograph import Photograph, own


def png(width=6, height=4, mode="L", value=128) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (width, height), value).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_read_from_bytes_and_from_a_path_alike(channels, tmp_path):
    path = tmp_path / "mine.png"
    path.write_bytes(png())
    for source in (png(), path, str(path)):
        picture = own(source, channels=channels)
        assert picture.shape == (1, channels, 4, 6) and picture.dtype == torch.float32
        assert picture.amax() == 128 / 255


def test_of_a_large_picture_the_middle_is_taken_pixel_by_pixel():
    ramp = Image.fromarray(torch.arange(100, dtype=torch.uint8).repeat(20, 1).numpy())
    stream = io.BytesIO()
    ramp.save(stream, "PNG")
    picture = own(stream.getvalue(), largest=10)
    assert picture.shape == (1, 1, 10, 10)
    assert torch.equal((255 * picture[0, 0, 0]).round(), torch.arange(45.0, 55.0))


@pytest.mark.parametrize(("content", "says"), [(b"no picture", "your file is no picture that can be read"),
                                               (png(mode="I;16", value=9), "8 bits")])
def test_what_is_no_picture_is_refused_in_words(content, says):
    with pytest.raises(ValueError, match=says):
        own(content)


def test_without_a_reader_there_is_a_sentence(monkeypatch):
    displayed = []
    monkeypatch.setenv("COURSE_ALONE", "1")
    monkeypatch.setattr("IPython.display.display", lambda what, **_: displayed.append(what))
    Photograph(lambda z: pytest.fail("there is no picture"))._ipython_display_()
    assert "choose a picture of your own" in displayed[0]._repr_mimebundle_()["text/plain"]


def test_a_path_is_shown_at_once(tmp_path, monkeypatch):
    path = tmp_path / "mine.png"
    path.write_bytes(png())
    seen = []
    Photograph(lambda z: seen.append(z.shape), path=path)._ipython_display_()
    assert seen == [(1, 1, 4, 6)]


def test_the_chooser_shows_the_picture_and_says_what_is_wrong_with_a_file(capsys):
    pytest.importorskip("ipywidgets")
    seen = []
    button, _ = Photograph(lambda z: seen.append(z.shape)).chooser().children

    def upload(name, content):
        button.value = ({"name": name, "type": "", "size": len(content), "content": memoryview(content),
                         "last_modified": datetime.now()},)

    upload("cat.png", png())
    assert seen == [(1, 1, 4, 6)]
    upload("cat.txt", b"abc")
    assert "cat.txt is no picture that can be read" in capsys.readouterr().out
    assert len(seen) == 1


def test_without_ipywidgets_a_path_is_asked_for(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    assert "Pass a path" in photograph.Photograph(lambda z: z).chooser().data
