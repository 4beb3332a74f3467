"""Several drivers at work on one results folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.store.store import Store
from tests.cli.test_run import records
from tests.conftest import PYTHONPATH

GRID = (
    "run", "-d", "digits", "-m", "ce", "-m", "coteaching", "-n", "symmetric:0.4", "--seeds", "3", "--epochs", "3",
    "--subset", "200", "--checkpoint-seconds", "0", "--slots", "2", "--no-table",
)  # fmt: skip
RUNS = 6


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "noisybench", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored(results: Path) -> dict[str, dict]:
    """As `records`, wherever they are by now."""
    store = Store(results)
    found = {record["id"]: store.read(record["id"]) for record in store.records(("state",)).records}
    volatile = ("timing", "provenance", "digest")
    return {run_id: {k: v for k, v in record.items() if k not in volatile} for run_id, record in found.items()}


@pytest.mark.campaign  # several drivers start, and two of them share the cores with the others
@pytest.mark.parametrize("drivers", [2, 3])
def test_several_drivers_make_every_run_once_and_end_alike(here, tmp_path, drivers):
    folder, alone = tmp_path / "together", tmp_path / "alone"
    folder.mkdir()
    alone.mkdir()
    running = [start(folder, *GRID) for _ in range(drivers)]
    while any(one.poll() is None for one in running):
        time.sleep(0.5)
        if (folder / "results" / "runs").is_dir():
            with start(folder, "compact") as compacting:
                assert compacting.wait() == 0
    told = [one.communicate()[1] for one in running]
    assert [one.returncode for one in running] == [0] * drivers, told
    made = sum(text.count("] ok ") - text.count("made by another process") for text in told)
    assert made == RUNS
    # One that starts late finds some runs done.
    assert not any("failed" in text or "tried again" in text for text in told), told

    with start(alone, *GRID) as one:
        assert one.wait() == 0
    expected = records(alone / "results")
    assert len(expected) == RUNS
    assert stored(folder / "results") == expected
    assert not list((folder / "results/work/claims").iterdir())


@pytest.mark.campaign  # as above
def test_two_drivers_meet_one_broken_record_and_both_end_well(here, tmp_path):
    """Each of them wants to move it away and to make its run anew."""
    grid = ("run", "-d", "digits", "-m", "ce", "-n", "none", "--seeds", "1", "--epochs", "1", "--subset", "60")
    here(*grid, "--no-table")
    (path,) = (tmp_path / "results").glob("runs/*/*.json")
    expected = records(tmp_path / "results")
    path.write_bytes(path.read_bytes()[:100])
    running = [start(tmp_path, *grid, "--no-table") for _ in range(2)]
    told = [one.communicate()[1] for one in running]
    assert [one.returncode for one in running] == [0, 0], told
    assert records(tmp_path / "results") == expected
    assert len(list((tmp_path / "results/quarantine").iterdir())) == 1
