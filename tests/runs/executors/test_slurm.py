"""A grid on a real Slurm of two nodes ends in the records of a local one, whatever happens to it meanwhile."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmark.runs.executors import slurm
from benchmark.runs.executors.tasks import submissions
from benchmark.store.store import Store
from tests.cli.test_run import records
from tests.conftest import PYTHONPATH, ROOT
from tests.runs.executors.conftest import GRID, SECONDS, reached_checkpoint, until

pytestmark = pytest.mark.xdist_group("slurm")  # one cluster on a machine
SLURM = (*GRID, "--executor", "slurm", "--bundle", "1")
HOSTILE = """it's "a" $(touch pwned) %a \\ & é;#.npz"""


def restarts(nodes, folder):
    """How often Slurm has queued the tasks of a results folder again."""
    jobs = [one.job for one in slurm.submissions(Store(folder / "results"))]
    shown = "".join(nodes.call("scontrol", "show", "job", job) for job in jobs)
    return sum(map(int, re.findall(r"Restarts=(\d+)", shown)))


def task_logs(folder):
    return "".join(path.read_text() for path in sorted(folder.glob("results/work/tasks/*/*.log")))


@pytest.mark.campaign
def test_what_is_queued_is_not_submitted_again_and_a_driver_that_is_killed_can_be_started_again(tmp_path, here, nodes):
    """Seven tasks in two arrays, as the site allows six at most; names of files that a shell or Slurm would read."""
    images = np.random.default_rng(0).integers(0, 255, (120, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(120) % 3
    data = tmp_path / HOSTILE
    np.savez(data, train_images=images, train_labels=labels, test_images=images[:60], test_labels=labels[:60])
    grid: tuple[str, ...] = ("run", "-d", f"npz:{json.dumps(str(data), ensure_ascii=False)}", "-m", "ce", "-n", "none")
    grid += ("--seeds", "7", "--epochs", "1", "--no-table")
    results = tmp_path / HOSTILE.removesuffix(".npz")
    here(*grid, "--results", "local")
    on_slurm = (*grid, "--results", results, "--executor", "slurm", "--bundle", "1")

    nodes.call("scontrol", "update", "PartitionName=main", "State=DOWN")
    first = here(*on_slurm).stderr
    assert len(re.findall(r"job \d+", first)) == 2, first
    assert "7 runs are queued or at work already" in here(*on_slurm).stderr
    assert [len(one.live()) for one in slurm.submissions(Store(results))] in ([6, 1], [1, 6])

    waiting = subprocess.Popen(
        [sys.executable, "-m", "benchmark.cli.main", *map(str, on_slurm), "--wait"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": PYTHONPATH}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until("a driver that follows", SECONDS, lambda: "7 to run" in waiting.stderr.readline())
    time.sleep(5)
    waiting.send_signal(signal.SIGKILL)
    waiting.communicate()
    nodes.call("scontrol", "update", "PartitionName=main", "State=UP")
    followed = here(*on_slurm, "--wait").stderr
    assert followed.count("ok") >= 7
    assert records(results) == records(tmp_path / "local")
    assert len(submissions(Store(results), "slurm")) == 2
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.campaign
def test_scripts_scale_hands_thousands_of_runs_to_slurm_and_sees_all_of_them_end(tmp_path, nodes):
    out = tmp_path / "slurm.json"
    done = subprocess.run(
        [sys.executable, "-m", "scripts._scale.run", "--runs", "2500", "--executor", "slurm", "--folder", tmp_path,
         "--out", out],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| tasks in submissions | 3 in 1 |" in done.stdout
    assert json.loads(out.read_text())["runs"] == 2500
    assert [path.name for path in tmp_path.iterdir()] == [out.name], "its results are removed"


@pytest.mark.campaign
def test_a_node_that_dies_costs_no_run(tmp_path, here, nodes, undisturbed):
    here(*SLURM)
    until("a checkpoint", SECONDS, lambda: reached_checkpoint(tmp_path))
    nodes.kill("n1")
    nodes.kill_processes("n1")
    try:
        here(*SLURM, "--wait")
    finally:
        nodes.start("n1")
    assert records(tmp_path / "results") == undisturbed
    assert len(submissions(Store(tmp_path / "results"), "slurm")) == 1, "Slurm itself started its tasks again"
    assert restarts(nodes, tmp_path) >= 1


@pytest.mark.campaign
def test_a_task_near_its_time_limit_goes_on_from_the_checkpoint_in_a_new_one(tmp_path, here, nodes, undisturbed):
    """The signal is the one that Slurm sends before the limit, to the same process; limits themselves take minutes."""
    here(*SLURM)
    until("a checkpoint", SECONDS, lambda: reached_checkpoint(tmp_path))
    (one,) = slurm.submissions(Store(tmp_path / "results"))
    nodes.call("scancel", "--batch", "--signal=USR1", one.job)
    here(*SLURM, "--wait")
    assert "the time limit is near: this task goes into the queue again" in task_logs(tmp_path)
    assert restarts(nodes, tmp_path) >= 1
    assert records(tmp_path / "results") == undisturbed


@pytest.mark.campaign
def test_a_preempted_task_goes_on_from_the_checkpoint(tmp_path, here, nodes, undisturbed):
    here(*SLURM)
    until("a checkpoint", SECONDS, lambda: reached_checkpoint(tmp_path))
    nodes.call("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    here(*SLURM, "--wait")
    assert restarts(nodes, tmp_path) >= 1
    assert records(tmp_path / "results") == undisturbed
    assert len(submissions(Store(tmp_path / "results"), "slurm")) == 1


@pytest.mark.campaign
def test_a_cancelled_job_ends_the_grid_and_the_same_command_goes_on(tmp_path, here, nodes, undisturbed):
    here(*SLURM)
    until("a checkpoint", SECONDS, lambda: reached_checkpoint(tmp_path))
    (one,) = slurm.submissions(Store(tmp_path / "results"))
    slurm.cancel(one)
    until("an empty queue", SECONDS, lambda: not slurm.submissions(Store(tmp_path / "results"))[0].live())
    until("workers that keep no claim", SECONDS, lambda: not list(tmp_path.glob("results/work/claims/*.json")))
    here(*SLURM, "--wait")
    assert records(tmp_path / "results") == undisturbed
    assert not list(tmp_path.glob("results/failures/*")), "what is cancelled has not failed"


def test_without_slurm_the_error_says_what_to_do(here, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no command scontrol here" in here(*SLURM, code=2).stderr
    assert not list(tmp_path.glob("results/work/tasks/*")), "nothing is left of what was not submitted"


def test_a_dry_run_prints_the_script_and_submits_nothing(here, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    printed = here(*SLURM, "--executor", "slurm:partition=gpu,gres=shard:1", "--device", "cpu", "--dry-run").stdout
    assert "#SBATCH --array=0-1\n" in printed
    assert "#SBATCH --partition=gpu\n#SBATCH --gres=shard:1\n" in printed
    assert not list(tmp_path.glob("results/work/tasks/*"))
