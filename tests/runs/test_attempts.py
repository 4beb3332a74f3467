"""Which failures are tried again, which are not, and how a grid goes on after them."""

from __future__ import annotations

import signal
from multiprocessing import forkserver
from pathlib import Path

import orjson
import pytest

from benchmark.runs import driver
from benchmark.runs.executors import local, workers
from benchmark.store import provenance
from benchmark.store.store import Broken, Contents, Store

GRID = ("run", "-d", "digits", "-n", "none", "--epochs", "1", "--subset", "60", "--no-table", "--plugin", "mine.py")

PLUGIN = '''"""Fails the first times."""

import errno, os, pathlib, signal, time
from methods import Method

CALLS = pathlib.Path({calls!r})


class Mine(Method):
    def plan(self, epoch, data):
        with CALLS.open("a") as file:
            file.write("x")
        if len(CALLS.read_text()) <= {times}:
            {fault}
        return data.batches()
'''

PASSING = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "ended": "os._exit(3)",
    "disk": "raise OSError(errno.EIO, os.strerror(errno.EIO))",
    "stale handle of a network disk": "raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))",
    "memory": "raise MemoryError()",
    "fork server killed": "os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)",
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes the plugin mine.py, which fails `times` times by `fault`; returns how often it was called since."""
    monkeypatch.setattr(driver, "RETRY_SECONDS", (0.1, 0.2))
    calls = tmp_path / "calls"

    def write(fault: str, times: int, more: str = ""):
        calls.write_text("")
        text = PLUGIN.format(calls=str(calls), times=times, fault=fault)
        (tmp_path / "mine.py").write_text(text + more)
        return lambda: len(calls.read_text())

    return write


def failures(folder: Path) -> list[dict]:
    return [orjson.loads(path.read_bytes())["error"] for path in sorted((folder / "results/failures").glob("*.json"))]


SLOW = pytest.param("fork server killed", marks=pytest.mark.campaign)  # a server takes seconds to start


@pytest.mark.parametrize("fault", [*sorted(PASSING.keys() - {"fork server killed"}), SLOW])
def test_what_may_pass_is_tried_three_times(here, tmp_path, mine, fault):
    called = mine(PASSING[fault], times=2)
    done = here(*GRID, "-m", "mine", "--seeds", "1")
    assert called() == 3
    assert "1 ok" in done.stderr
    assert done.stderr.count("tried again in") == 2
    assert len(failures(tmp_path)) == 2, "every attempt is on record"
    assert not list((tmp_path / "results/work/claims").iterdir())


@pytest.mark.parametrize("fault", ["killed", "disk"])
def test_what_does_not_pass_is_a_failure_after_the_third_time_and_the_next_command_tries_again(here, mine, fault):
    called = mine(PASSING[fault], times=3)
    done = here(*GRID, "-m", "mine", "-m", "ce", "--seeds", "1", code=1)
    assert called() == 3
    assert "1 failed, 1 ok" in done.stderr
    assert "1 already done, 1 to run" in here(*GRID, "-m", "mine", "-m", "ce", "--seeds", "1").stderr
    assert called() == 4


def test_an_exception_of_a_plugin_runs_once_until_its_file_changes_or_it_is_asked_for(
    here, tmp_path, mine, monkeypatch
):
    clean = provenance.collect() | {"dirty": False}  # of a changed working tree no failure is taken for granted
    monkeypatch.setattr(provenance, "collect", lambda: dict(clean))
    command = (*GRID, "-m", "mine", "--seeds", "1")
    called = mine("raise RuntimeError('the sky fell')", times=99)
    done = here(*command, code=1)
    assert called() == 1
    assert "tried again" not in done.stderr
    assert failures(tmp_path)[0]["cause"] == "code"

    again = here(*command, code=1)
    assert "1 runs failed in code that has not changed since" in again.stderr
    assert called() == 1
    here(*command, "--again", "failed", code=1)
    assert called() == 2
    called = mine("print('clouds'); raise RuntimeError('the sky fell')", times=99, more="\n\n# mended, they say\n")
    done = here(*command, code=1)
    assert called() == 1
    log = next(word for word in done.stderr.split() if word.endswith("log.txt"))
    assert "clouds" in (tmp_path / log).read_text(), "what failed is told with the file of what it printed"


def test_a_run_that_takes_too_long_is_not_tried_again_at_once(here, tmp_path, mine):
    called = mine("time.sleep(60)", times=1)
    here(*GRID, "-m", "mine", "--seeds", "1", "--timeout", "8", code=1)
    assert called() == 1
    assert failures(tmp_path)[0]["cause"] == "timeout"
    assert "1 ok" in here(*GRID, "-m", "mine", "--seeds", "1").stderr


def test_a_grid_gives_up_after_the_failures_that_it_may_have_and_goes_on_from_there(here, tmp_path, mine):
    called = mine("raise RuntimeError('the sky fell')", times=2)
    grid = (*GRID, "-m", "mine", "--seeds", "5", "--slots", "1")
    done = here(*grid, "--max-failures", "2", code=1)
    assert "2 runs failed, as many as --max-failures allows, and 3 were left" in done.stderr
    assert called() == 2
    here(*grid, "--again", "failed")
    assert len(list((tmp_path / "results").glob("runs/*/*.json"))) == 5


@pytest.mark.campaign  # waits until a worker counts as silent
def test_a_stopped_worker_is_noticed_and_its_run_made_by_another(here, tmp_path, mine, monkeypatch):
    monkeypatch.setattr(local, "SILENT_SECONDS", 15.0)
    called = mine("os.kill(os.getpid(), signal.SIGSTOP)", times=1)
    done = here(*GRID, "-m", "mine", "--seeds", "1")
    assert called() == 2
    assert "gave no sign of life for 15 s" in done.stderr
    assert failures(tmp_path)[0]["cause"] == "lost"


@pytest.mark.campaign  # two servers are started
def test_a_fork_server_that_is_killed_while_it_starts_costs_one_attempt(here, tmp_path, mine, monkeypatch):
    called = mine("pass", times=0)
    (tmp_path / "dies_once.py").write_text(
        "import os, pathlib\n"
        f"first = pathlib.Path({str(tmp_path / 'first')!r})\n"
        "if not first.exists():\n"
        "    first.touch()\n"
        f"    os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(workers, "PRELOAD", ["dies_once", *workers.PRELOAD])
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    try:
        done = here(*GRID, "-m", "mine", "--seeds", "1")
    finally:
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
    assert "no worker could be started" in done.stderr
    assert failures(tmp_path)[0]["cause"] == "lost"
    assert called() == 1


def test_a_record_that_was_made_anew_since_it_was_found_broken_is_not_moved_away(here, tmp_path, mine, monkeypatch):
    """Two drivers meet one broken record: the first has moved it, and its run is made already."""
    mine("pass", times=0)
    here(*GRID, "-m", "mine", "--seeds", "1")
    (path,) = (tmp_path / "results").glob("runs/*/*.json")
    stored = path.read_bytes()
    monkeypatch.setattr(Store, "records", lambda *_: Contents(broken=[Broken(path, "as it was a moment ago")]))
    done = here(*GRID, "-m", "mine", "--seeds", "1")
    assert path.read_bytes() == stored
    assert "made by another process" in done.stderr
