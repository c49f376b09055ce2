"""Carry `results/` in the wheel as `course_lib/_results`, so that a lecture on Colab shows what was measured.

The build backend calls this; an editable install reads the repository's own folder and needs no copy.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Results(BuildHookInterface):
    """Add the results to a wheel that is to be installed elsewhere."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            for path in sorted(Path(self.root, "results").rglob("*.json")):
                inside = path.relative_to(Path(self.root, "results")).as_posix()
                build_data["force_include"][str(path)] = f"course_lib/_results/{inside}"
