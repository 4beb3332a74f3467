"""A grid that is killed at any moment and resumed ends in the records of one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_run import records
from tests.conftest import ROOT

GRID = (
    "run", "-d", "digits", "-m", "elr", "-m", "coteaching", "-n", "symmetric:0.4",
    "--seeds", "2", "--epochs", "4", "--subset", "400", "--checkpoint-seconds", "0", "--slots", "2",
)  # fmt: skip
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "benchmark.cli.main", *GRID]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_everything(session: int) -> None:
    """SIGKILL to the driver, its fork server and all workers: they share the driver's session."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                os.kill(int(status.parent.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue  # it has ended by itself


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    assert start(folder).wait(300) == 0
    return records(folder / "results"), time.monotonic() - started


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(10))
def test_a_grid_killed_at_a_random_moment_resumes_to_the_same_records(here, tmp_path, undisturbed, attempt):
    expected, seconds = undisturbed
    kills = random.Random(attempt)
    running = start(tmp_path)
    time.sleep(kills.uniform(0.1, 0.9) * seconds)
    kill_everything(running.pid)
    running.wait(30)
    here(*GRID)
    assert records(tmp_path / "results") == expected


@pytest.mark.slow
def test_a_torn_checkpoint_starts_the_run_over_and_ends_in_the_same_record(here, tmp_path, undisturbed):
    expected, _ = undisturbed
    for run_id in expected:
        checkpoint = tmp_path / "results" / "work" / "runs" / run_id / "checkpoint.pt"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b"PK\x03\x04 torn")
    here(*GRID)
    assert records(tmp_path / "results") == expected
