"""scripts/scale carries out a grid without training, loses no run, and puts what it measured into the page."""

import os
import subprocess
import sys

import pytest

from scripts._scale.clusters import Handed
from scripts._scale.report import BEGIN, END, section, with_section
from scripts._scale.simulation import Measured
from tests.conftest import ROOT


def measured(runs):
    return Measured(
        runs,
        seconds={"expand": 1.0, "plan": 0.5},
        record_bytes=14_000 * runs,
        segment_bytes=3_000 * runs,
        segments=2,
        driven=runs,
        driver_seconds=runs / 1000,
        machine="a machine",
    )


def test_the_tables_stand_between_the_marks_and_extrapolate_in_proportion():
    page = f"# Scale\n\n{BEGIN}\nformer figures\n{END}\n\nafter\n"
    written = with_section(page, [measured(1_000), measured(100_000)])
    assert "former" not in written
    assert written.endswith(f"{END}\n\nafter\n")
    assert "| expand, processor time | 10 s | 10 s |" in written
    assert "| records written a second | 16.7 | 1.7 |" in written
    assert with_section(written, [measured(1_000), measured(100_000)]) == written
    with pytest.raises(ValueError, match="holds no"):
        with_section("# Scale\n", [measured(1)])


def test_what_was_not_measured_is_a_dash():
    assert "| expand | - | 1.0 |" in section([Measured(5, machine="a machine"), measured(10)])


def test_what_clusters_did_stands_beside_it():
    handed = Handed("slurm", 1_000, 1, 1, 3_000_000, submit_seconds=2.0, driver_seconds=1.5, clock=30.0)
    written = section([measured(10)], [handed])
    assert "| handed to a cluster | slurm, 1,000 runs |" in written
    assert "| driver, ms of a processor for each run | 1.50 |" in written
    assert "handed to a cluster" not in section([measured(10)])


@pytest.mark.campaign
def test_two_thousand_runs_are_planned_driven_stored_and_read(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scripts._scale.run", "--runs", "2000", "--folder", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    assert "| status (compacted) |" in done.stdout
    assert list(tmp_path.iterdir()) == [], "its results are removed"
