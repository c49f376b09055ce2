"""Give stored results and cards of weights the fingerprints of the canonical form, where the old ones were fresh.

    git worktree add build/before 1a1b91d && cp tools/migrate.py build/before/tools
    (cd build/before && PYTHONPATH=. python3.12 -m tools.migrate --old) > old.json
    python3.12 -m tools.migrate old.json

A row or card is given today's fingerprint of the same code only if the fingerprint that it holds is the one that the
old form computes for the tree at that commit. Nothing else is relabelled.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from course_lib import claims, files
from tools import weights

DROPPED = [("bm3d-benchmark", 0), ("bm3d-benchmark", 1), ("bm3d-benchmark", 2), ("bm3d-against-wnnm", 0),
           ("bm3d-against-wnnm", 1), ("bm3d-against-wnnm", 2), ("ffdnet-maps", 1), ("ffdnet-maps", 2)]


def today() -> dict[str, str]:
    """The fingerprints of all experiments and recipes, by this tree's own form."""
    experiments = {claim.experiment.id: claim.experiment for claim in claims.discover()}
    return {**{f"results/{name}": one.fingerprint() for name, one in experiments.items()},
            **{f"weights/{name}": weights.fingerprint(recipe) for name, recipe in weights.RECIPES.items()}}


def main() -> None:
    if sys.argv[1:] == ["--old"]:
        print(json.dumps(today()))
        return
    old, new = json.loads(Path(sys.argv[1]).read_text()), today()
    assert old.keys() == new.keys(), old.keys() ^ new.keys()
    for path in sorted(Path("results").glob("*/*.json")):
        rows = json.loads(path.read_text())
        name = path.parent.name
        if f"results/{name}" not in old:
            continue
        kept = []
        for row in rows:
            fresh = row["fingerprint"] == old[f"results/{name}"]
            if not fresh and (name, row["seed"]) in DROPPED:
                print(f"{path} seed {row['seed']}: stale, deleted")
                continue
            print(f"{path} seed {row['seed']}: {row['fingerprint']} -> "
                  f"{new[f'results/{name}'] if fresh else 'STALE, left as it is'}")
            kept.append(row | ({"fingerprint": new[f"results/{name}"]} if fresh else {}))
        files.write_json(path, kept)
    for path in sorted(Path("course_lib/weights").glob("*.json")):
        card = json.loads(path.read_text())
        fresh = card["fingerprint"] == old[f"weights/{path.stem}"]
        print(f"{path}: {card['fingerprint']} -> {new[f'weights/{path.stem}'] if fresh else 'STALE, left as it is'}")
        if fresh:
            drawn = weights.drawn_by(weights.RECIPES[path.stem])
            files.write_json(path, card | {"fingerprint": new[f"weights/{path.stem}"], "data": drawn or card["data"]})


if __name__ == "__main__":
    main()
