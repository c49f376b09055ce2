"""Images to learn from: photographs that come with the installed libraries, and named sets under `COURSE_DATA`.

What needs torch is imported when it is first asked for, so that the `course` command is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from course_lib.data.photographs import PHOTOGRAPHS, Photograph, photographs
from course_lib.data.sets import SETS, DataSet, content_hash, download, find, load, root, verify

if TYPE_CHECKING:
    from course_lib.data.readers import Labelled, Pair, Run, labelled, one_shot_runs, pairs
    from course_lib.data.sources import Batch, Pictures, Source, channels_of, fixed_pairs, noisy, patches, then

__all__ = ["PHOTOGRAPHS", "SETS", "Batch", "DataSet", "Labelled", "Pair", "Photograph", "Pictures", "Run", "Source",
           "channels_of", "content_hash", "download", "find", "fixed_pairs", "labelled", "load", "noisy",
           "one_shot_runs", "pairs", "patches", "photographs", "root", "then", "verify"]

_LATER = {
    "readers": ("Labelled", "Pair", "Run", "labelled", "one_shot_runs", "pairs"),
    "sources": ("Batch", "Pictures", "Source", "channels_of", "fixed_pairs", "noisy", "patches", "then"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(f"course_lib.data.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
