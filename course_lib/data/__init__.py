"""Images to learn from: photographs that come with the installed libraries, and named sets under `COURSE_DATA`."""

from course_lib.data.photographs import PHOTOGRAPHS, Photograph, photographs
from course_lib.data.sets import SETS, DataSet, content_hash, download, find, load, root, verify
from course_lib.data.sources import Batch, Pictures, Source, fixed_pairs, noisy, patches, then

__all__ = ["PHOTOGRAPHS", "SETS", "Batch", "DataSet", "Photograph", "Pictures", "Source", "content_hash", "download",
           "find", "fixed_pairs", "load", "noisy", "patches", "photographs", "root", "then", "verify"]
