"""List every public name of the library, so that a change to its surface is seen and meant.

    python -m tools.public_names            # write tests/package/public_names.txt
    python -m tools.public_names --check    # fail if it is stale

Read from the source, nothing is imported: a module's `__all__` if it has one, otherwise what it defines at the top
without a leading underscore.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAPSHOT = Path("tests/package/public_names.txt")


def public(tree: ast.Module) -> list[str]:
    """The public names of one module, sorted."""
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
            if "__all__" in names and node.value is not None:
                return sorted(ast.literal_eval(node.value))
            defined |= names
    return sorted(name for name in defined if not name.startswith("_") or name == "__version__")


def listing(root: Path) -> str:
    """One line per public name of the library below `root`: `course_lib.noise.Gaussian`."""
    lines = []
    for path in sorted((root / "course_lib").rglob("*.py")):
        inside = path.relative_to(root).with_suffix("")
        if any(part.startswith("_") and part != "__init__" for part in inside.parts):
            continue
        module = ".".join(part for part in inside.parts if part != "__init__")
        lines += [f"{module}.{name}" for name in public(ast.parse(path.read_text(encoding="utf-8")))]
    return "".join(f"{line}\n" for line in sorted(lines))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="List the public names of the library.")
    parser.add_argument("--check", action="store_true", help="compare with the stored list instead of writing it")
    check = parser.parse_args(arguments).check
    now, stored = listing(ROOT), ROOT / SNAPSHOT
    if not check:
        stored.write_text(now, encoding="utf-8")
        return 0
    before = stored.read_text(encoding="utf-8") if stored.exists() else ""
    if now == before:
        return 0
    new, gone = set(now.split()) - set(before.split()), set(before.split()) - set(now.split())
    print(
        f"{SNAPSHOT} is stale.",
        *(f"  new:  {name}" for name in sorted(new)),
        *(f"  gone: {name}" for name in sorted(gone)),
        sep="\n",
    )
    print("If the change is meant, run `make generate` and commit the list with it.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
