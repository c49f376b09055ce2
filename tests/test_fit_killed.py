"""Kill -9, at random moments and in the middle of a write: the training goes on and ends with the same bits."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open

SCRIPT = Path(__file__).with_name("training_to_kill.py")


def start(checkpoint: Path, result: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(checkpoint), str(result)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, cwd=SCRIPT.parents[1])
    assert process.stdout.readline().strip() == "ready", process.stderr.read()
    return process


def kill_when_due(process: subprocess.Popen, folder: Path, draw: random.Random, in_a_write: bool) -> bool:
    """Kill after a random while, or as soon as a part of a file lies there; tells whether it was still running."""
    deadline = time.monotonic() + draw.uniform(0.05, 0.5)
    while process.poll() is None and (time.monotonic() < deadline or (in_a_write and not list(folder.glob(".*.part")))):
        if not in_a_write:
            time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def readable(checkpoint: Path) -> bool:
    with safe_open(checkpoint, framework="pt") as stored:
        return all(stored.get_tensor(name) is not None for name in stored.keys())


@pytest.mark.parametrize("kills", [pytest.param(2, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.full)])
def test_killed_at_random_moments_it_ends_with_bitwise_the_same_weights(tmp_path, kills):
    undisturbed = tmp_path / "undisturbed.safetensors"
    assert start(tmp_path / "a" / "t.safetensors", undisturbed).wait() == 0
    draw, killed, mid_write, round_ = random.Random(0), 0, 0, 0
    while killed < kills:
        folder = tmp_path / f"round{round_}"
        checkpoint, result = folder / "t.safetensors", folder / "result.safetensors"
        folder.mkdir(exist_ok=True)
        process = start(checkpoint, result)
        if kill_when_due(process, folder, draw, in_a_write=killed % 2 == 1):
            killed += 1
            mid_write += bool(list(folder.glob(".*.part")))
            assert not checkpoint.exists() or readable(checkpoint)
        else:
            round_ += 1   # it had reached its end: begin another training
            assert result.read_bytes() == undisturbed.read_bytes()
    assert start(checkpoint, result).wait() == 0
    assert result.read_bytes() == undisturbed.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["result.safetensors", "t.safetensors"]
    print(f"{killed} kills, {mid_write} of them in a write, {round_ + 1} trainings: all equal to the last bit")
