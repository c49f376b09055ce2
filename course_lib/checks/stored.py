"""Read and write stored problems: JSON that holds numbers and sentences, never code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.arguments import one_of
from course_lib.checks.problem import Answer, Array, Failure, StoredCase, StoredProblem, Tolerance

FOLDER = Path(__file__).parent / "cases"
TYPES = ("bool", "int64", "float32", "float64")


def known(folder: Path = FOLDER) -> list[str]:
    """Return the identifiers of all stored problems."""
    return sorted(path.name.removesuffix(".json") for path in folder.glob("*.json"))


def load(problem: str, folder: Path = FOLDER) -> StoredProblem:
    """Read a stored problem; an unknown one raises with the nearest name that exists."""
    one_of(problem, known(folder), what="problem")
    return decode(json.loads((folder / f"{problem}.json").read_text(encoding="utf-8")))


def text(problem: StoredProblem) -> str:
    """Write a stored problem as the text of its file."""
    return json.dumps(encode(problem), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def encode(problem: StoredProblem) -> dict[str, Any]:
    """Turn a stored problem into JSON values. What has an order is a list: the keys of a file are sorted."""
    return {
        "problem": problem.id, "entry": problem.entry, "goal": problem.goal, "points": problem.points,
        "probe": problem.probe, "hints": list(problem.hints), "messages": _pairs(problem.messages),
        "decisive": {name: list(names) for name, names in problem.decisive.items()},
        "cases": [{
            "name": case.name,
            "inputs": [_encode_array(name, array) for name, array in case.inputs.items()],
            "tolerances": {name: asdict(tolerance) for name, tolerance in case.tolerances.items()},
            "letters": dict(case.letters),
            "words": dict(case.words),
            "expected": _encode_answer(case.expected),
            "wrong": {name: _encode_answer(answer) for name, answer in case.wrong.items()},
        } for case in problem.cases],
    }


def decode(content: Mapping[str, Any]) -> StoredProblem:
    """Turn JSON values into a stored problem: the inverse of `encode`."""
    cases = tuple(StoredCase(
        name=case["name"],
        inputs=_decode_arrays(case["inputs"]),
        tolerances={name: Tolerance(**tolerance) for name, tolerance in case["tolerances"].items()},
        letters=case["letters"],
        words=case["words"],
        expected=_decode_arrays(case["expected"]),
        wrong={name: Failure(**entry["failure"]) if "failure" in entry else _decode_arrays(entry)
               for name, entry in case["wrong"].items()},
    ) for case in content["cases"])
    decisive = {name: tuple(names) for name, names in content["decisive"].items()}
    return StoredProblem(content["problem"], content["entry"], content["goal"], content["points"], content["probe"],
                         tuple(content["hints"]), dict(content["messages"]), decisive, cases)


def _pairs(mapping: Mapping[str, str]) -> list[list[str]]:
    return [[key, value] for key, value in mapping.items()]


def _encode_answer(answer: Answer) -> dict[str, Any] | list[dict[str, str]]:
    if isinstance(answer, Failure):
        return {"failure": {"kind": answer.kind, "message": answer.message}}   # its place is a line of a solution
    return [_encode_array(name, array, digits=6) for name, array in answer.items()]


def _encode_array(name: str, array: Array, *, digits: int | None = None) -> dict[str, str]:
    """One string of numbers: short in the file, and each reads back as the same number."""
    array = array.astype(one_of(str(array.dtype), TYPES, what="type of numbers"))
    numbers = array.ravel().astype(int) if array.dtype == bool else array.ravel()
    if digits and array.dtype.kind == "f":
        words = [f"{number:.{digits}g}" for number in numbers]
    else:
        words = [str(number) for number in numbers]   # numpy writes the shortest text that reads back the same
    return {"name": name, "type": str(array.dtype), "shape": " ".join(map(str, array.shape)), "values": " ".join(words)}


def _decode_arrays(entries: Sequence[Mapping[str, str]]) -> dict[str, Array]:
    return {entry["name"]: _decode_array(entry) for entry in entries}


def _decode_array(entry: Mapping[str, str]) -> Array:
    dtype = one_of(entry["type"], TYPES, what="type of numbers")
    numbers = entry["values"].split()
    array = np.array([int(word) for word in numbers] if dtype in ("bool", "int64") else numbers, dtype=dtype)
    return array.reshape([int(n) for n in entry["shape"].split()])
