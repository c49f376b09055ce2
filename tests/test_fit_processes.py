"""Several processes share each batch and end where one process ends."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

SCRIPT = Path(__file__).with_name("training_on_two.py")


def run(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=SCRIPT.parents[1])
    assert done.returncode == 0, done.stderr


def contents(path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    with safe_open(path, framework="pt") as stored:
        return stored.metadata()["world"], {name: stored.get_tensor(name) for name in stored.keys()}


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(tmp_path):
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    run(str(SCRIPT), str(one))
    run("-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint",
        "localhost:0", str(SCRIPT), str(two))
    (world_one, alone), (world_two, together) = contents(one), contents(two)
    assert (world_one, world_two) == ("1", "2")
    assert any(value.abs().max() > 0.01 for value in alone.values())
    for name in alone:
        assert torch.allclose(alone[name], together[name], atol=1e-5), name


def test_a_batch_that_does_not_divide_among_the_processes_is_refused(monkeypatch):
    from course_lib import fit as fitting
    from course_lib.profiles import Budget

    monkeypatch.setattr(fitting, "_processes", lambda: (0, 2))
    with pytest.raises(ValueError, match="batch of 3 does not divide among 2"):
        fitting.fit(torch.nn.Linear(1, 1), None, None, budget=Budget(1, 3), seed=0)
