"""`cancel` stops runs here and elsewhere, and a cancelled run leaves nothing but its checkpoint."""

import os
import subprocess
import sys
import time

import pytest

from benchmark.runs.cancelling import cancel
from benchmark.store import cancelling, claims
from benchmark.store.store import Store
from tests.cli.test_run import records
from tests.conftest import PYTHONPATH

GRID = (
    "run", "-d", "digits", "-m", "elr", "-n", "symmetric:0.4", "--seeds", "3", "--epochs", "15",
    "--checkpoint-seconds", "0", "--slots", "1", "--no-table",
)  # fmt: skip


@pytest.fixture
def driver(tmp_path):
    """A grid of three runs that has begun with its first one; ended at the end of the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark.cli.main", *GRID],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    store = Store(tmp_path / "results")
    deadline = time.monotonic() + 900
    while not any(path.exists() for path in store.folder.glob("work/runs/*/checkpoint.pt")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield process, store
    process.kill()
    process.communicate()


@pytest.mark.campaign
@pytest.mark.parametrize("by_signal", [True, False], ids=["on this machine", "by the request alone"])
def test_all_runs_are_stopped_queued_ones_too_and_the_same_command_goes_on(driver, here, by_signal):
    process, store = driver
    if by_signal:
        told = here("cancel").stdout
        assert "stopped (pid " in told
    else:
        cancelling.request(store.folder, None)  # as for a host that this machine cannot reach
    _, told = process.communicate(timeout=900)
    assert process.returncode == 1
    ended = len(list(store.loose()))
    assert ended < 3
    assert f"{3 - ended} run(s) were cancelled: the same command goes on with them" in told
    assert "tried again" not in told
    assert not list(store.attempts())
    assert not list(claims.held(store.folder))
    here(*GRID)
    assert len(records(store.folder)) == 3


@pytest.mark.campaign
def test_one_run_is_stopped_and_the_others_go_on(driver, here):
    process, store = driver
    (holder,) = claims.held(store.folder)
    assert f"{holder.run}  stopped" in here("cancel", holder.run[:6]).stdout
    _, told = process.communicate(timeout=900)
    assert process.returncode == 1
    assert "1 cancelled, 2 ok" in told
    assert holder.run not in {path.stem for path in store.loose()}


def test_a_process_is_stopped_only_if_it_is_the_one_that_the_claim_names(tmp_path):
    """Its number belongs to another process by now: that one started at another time."""
    import orjson

    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        from benchmark.store.processes import machine

        holder = claims.Holder("ab" * 8, machine(), "here", other.pid, "1")
        path = claims.place(tmp_path, holder.run)
        path.parent.mkdir(parents=True)
        path.write_bytes(orjson.dumps(holder))
        done = cancel(Store(tmp_path), None)
        assert (done.stopped, done.asked) == ([], [])
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_stopped_process_is_ended_too_and_one_of_another_host_is_asked(tmp_path):
    import signal

    import orjson

    from benchmark.store.processes import born, machine

    (tmp_path / "results").mkdir()
    store = Store(tmp_path / "results")
    mine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    mine.send_signal(signal.SIGSTOP)
    before = cancelling.made(store.folder)
    for run_id, machine_id in (("ab" * 8, machine()), ("cd" * 8, "00000000")):
        holder = claims.Holder(run_id, machine_id, "host", mine.pid, born(mine.pid))
        path = claims.place(store.folder, run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(holder))
    done = cancel(store, None)
    assert mine.wait(30) < 0
    assert [holder.run for holder in done.stopped] == ["ab" * 8]
    assert [holder.run for holder in done.asked] == ["cd" * 8]
    assert cancelling.is_cancelled(store.folder, "cd" * 8, before)
    assert [holder.run for holder in claims.held(store.folder)] == ["cd" * 8]


def test_where_nothing_is_at_work_it_is_said(here):
    assert "nothing is at work in results" in here("cancel").stderr


def test_an_id_that_no_run_has_is_refused_whether_something_is_at_work_or_not(tmp_path, here):
    assert "there are no runs in results" in here("cancel", "3f2a", code=2).stderr
    (tmp_path / "results/work/runs" / ("ab" * 8)).mkdir(parents=True)
    assert "no run has an id that begins with 'zz'" in here("cancel", "zz", code=2).stderr
    assert "none of them is at work in results" in here("cancel", "abab").stderr
