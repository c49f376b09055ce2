"""Ask for the reader's own picture, and show what a method makes of it.

    Photograph(lambda z: figures.images({"yours": z, "denoised": network(z)}), channels=1)

With a kernel, JupyterLab and Colab show a file chooser (ipywidgets); without ipywidgets a path is passed. The picture
stays in the kernel. On a page without a kernel there is a sentence instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from course_lib import files, profiles
from course_lib.data import images
from course_lib.widgets.player import Sentence

LARGEST = 512   # pixels of a side; of a larger picture the middle is taken


def own(picture: str | Path | bytes, *, channels: int = 1, largest: int = LARGEST, name: str = "your file") -> Tensor:
    """Read a picture from a path or from the bytes of a file, as (1, C, H, W) in [0, 1]; 1 channel is gray, 3 colour.

    Of a picture with a side above `largest` the middle is taken, pixel by pixel: resizing would change its noise.
    Raises ValueError for what is no picture, and for what `images.read` refuses; FileNotFoundError without a file.
    """
    if isinstance(picture, bytes):
        found = images.decode(picture, channels=channels, name=name)
    else:
        found = images.read(files.folder(str(picture), setting="the path of your picture"), channels=channels)
    height, width = found.shape[-2:]
    top, left = max(0, height - largest) // 2, max(0, width - largest) // 2
    return images.to_float(found[..., top : top + largest, left : left + largest])


@dataclass(frozen=True)
class Photograph:
    """A file chooser that shows what `show` returns for the chosen picture (1, C, H, W).

    `path` shows one picture at once, where there is no chooser.
    """

    show: Callable[[Tensor], object]
    channels: int = 1
    path: str | Path | None = None
    largest: int = LARGEST

    words = "With a kernel running, you can choose a picture of your own here. It stays on the machine of the kernel."

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.path is not None:
            display(self.show(own(self.path, channels=self.channels, largest=self.largest)))
        elif profiles.alone():
            display(Sentence(self.words))
        else:
            display(self.chooser())

    def chooser(self) -> Any:
        """Build the file chooser with the place below it; what is wrong with a file is said there."""
        try:
            import ipywidgets
        except ImportError:
            return self._without_widgets()
        button = ipywidgets.FileUpload(accept="image/*", multiple=False, description="Your picture")
        shown = ipywidgets.Output()

        def chosen(_: object) -> None:
            from IPython.display import display

            shown.clear_output()
            with shown:
                try:
                    name, content = uploaded(button.value)
                    display(self.show(own(content, channels=self.channels, largest=self.largest, name=name)))
                except (ValueError, OSError) as error:
                    print(error)

        button.observe(chosen, names="value")
        return ipywidgets.VBox([button, shown])

    def _without_widgets(self) -> Any:
        from IPython.display import Markdown

        return Markdown("A file chooser needs ipywidgets, which is not installed here. Pass a path instead: "
                        "`Photograph(..., path='holiday.jpg')`.")


def uploaded(value: Any) -> tuple[str, bytes]:
    """Take name and content out of what a FileUpload holds: a tuple in ipywidgets 8, a mapping by name in 7.

    >>> uploaded(({"name": "cat.png", "content": memoryview(b"abc")},))
    ('cat.png', b'abc')
    >>> uploaded({"cat.png": {"content": b"abc"}})
    ('cat.png', b'abc')
    """
    if isinstance(value, Mapping):
        name, file = next(iter(value.items()))
    else:
        file = value[0]
        name = file["name"]
    return name, bytes(file["content"])
