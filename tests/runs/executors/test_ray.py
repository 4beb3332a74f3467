"""A grid on a real Ray cluster of two nodes ends in the records of a local one, whatever happens to it meanwhile."""

import importlib.util
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.store import claims
from tests.cli.test_run import records
from tests.conftest import PYTHONPATH
from tests.runs.executors.conftest import GRID, SECONDS, reached_checkpoint, until

CLUSTER = Path(__file__).with_name("ray_cluster.py")
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": PYTHONPATH,
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_worker_niceness": "0",  # by default its workers let all others go first
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # its future default, of which it warns
}


@pytest.fixture
def cluster():
    """A process that keeps the cluster, and its address."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the package ray is not installed: pip install 'noisybench[ray]'")
    process = subprocess.Popen(
        [sys.executable, CLUSTER], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    address = process.stdout.readline().strip()
    assert address, "the cluster did not start"
    yield process, address
    process.stdin.close()
    process.wait(120)
    process.stdout.close()


def start(folder, address):
    """A driver; a task takes all processors of a node, and half of its GPU."""
    typed = (*GRID, "--device", "cpu", "--bundle", "1", "--executor", "ray:cpus=2,gpus=0.5", "--address", address)
    command = [sys.executable, "-m", "benchmark.cli.main", *typed]
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def at_work(folder):
    """Number of runs that a living process is at. Ray may kill a worker, which leaves its claim to be taken over."""
    return sum(not holder.process.ended() for holder in claims.held(folder / "results"))


@pytest.mark.campaign
def test_neither_a_killed_driver_nor_a_lost_node_costs_a_run(tmp_path, cluster, undisturbed):
    nodes, address = cluster
    first = start(tmp_path, address)
    until("a checkpoint", SECONDS, lambda: reached_checkpoint(tmp_path))
    first.kill()
    first.communicate()
    until("workers that stop with their driver", SECONDS, lambda: not at_work(tmp_path))

    second = start(tmp_path, address)
    until("a run on each node", SECONDS, lambda: at_work(tmp_path) == 2)
    nodes.stdin.write("remove\n")
    nodes.stdin.flush()
    _, told = second.communicate(timeout=2 * SECONDS)
    assert second.returncode == 0, told
    assert "tried again" in told
    assert records(tmp_path / "results") == undisturbed
    assert not list(tmp_path.glob("results/work/claims/*.json"))


@pytest.mark.campaign
def test_without_an_address_a_ray_is_started_here_that_takes_work_of_this_user_only(tmp_path):
    """As a user types it, with nothing said of Ray's tokens before."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the package ray is not installed: pip install 'noisybench[ray]'")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    grid = ("run", "-d", "digits", "-m", "ce", "-n", "none", "--seeds", "2", "--epochs", "1", "--subset", "100")
    command = [sys.executable, "-m", "benchmark.cli.main", *grid, "--no-table", "--executor", "ray", "--device", "cpu"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**environment, "HOME": str(tmp_path), "PYTHONPATH": PYTHONPATH},
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(records(tmp_path / "results")) == 2
    assert not (tmp_path / ".ray/auth_token").exists(), "its token is in no file that others could read"


def test_a_cluster_that_is_not_there_is_an_error_of_one_sentence(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    told = here(*GRID, "--executor", "ray", code=1).stderr
    assert "pip install 'noisybench[ray]'" in told


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        (("--executor", "dask"), "expected one of local, slurm, ray"),
        (("--executor", "local:slots=3"), "--slots says how many"),
        (("--executor", "ray:gpu=1"), "did you mean 'gpus'"),
        (("--executor", "ray:4"), "expected KEY=VALUE of address, cpus, gpus"),
        (("--executor", "slurm:time=soon"), "HOURS:MINUTES:SECONDS"),
        (("--executor", "slurm", "--address", "x:1"), "expected with --executor ray"),
        (("--wait",), "expected with --executor slurm or ray"),
        (("--bundle", "3"), "expected with --executor slurm or ray"),
        (("--executor", "slurm", "--device", "cuda:1"), "the cluster chooses the GPU"),
    ],
)
def test_options_of_executors_that_make_no_sense_are_refused(here, typed, fault):
    assert fault in here(*GRID, *typed, code=2).stderr
