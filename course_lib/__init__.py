"""Without Ground Truth: learning when labels or clean images are missing.

Everything is imported by its full path (`from course_lib.denoise.dncnn import DnCNN`), so that this root stays light.
"""

__version__ = "0.1.0"
