"""Run every comparison on this machine: `python -m benchmarks [--record]`. Leave the machine alone meanwhile."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from benchmarks import dncnn, ffdnet, grouping, receptive_field
from course_lib import files, manifest, profiles, provenance


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/benchmarks/")
    record = parser.parse_args().record
    with profiles.using("lecture"):
        stamp = provenance.stamp()
        print(f"{stamp.hardware}, {stamp.threads} threads, {stamp.precision}, torch {stamp.versions['torch']}")
        for module in (dncnn, ffdnet, grouping, receptive_field):
            compared = []
            for measure in module.COMPARISONS:
                compared.append(measure())
                print(compared[-1], flush=True)
            if record:
                path = manifest.find_root() / "results" / "benchmarks" / f"{module.__name__.rpartition('.')[2]}.json"
                files.write_json(path, {"comparisons": [asdict(one) for one in compared], "stamp": asdict(stamp)})


if __name__ == "__main__":
    main()
