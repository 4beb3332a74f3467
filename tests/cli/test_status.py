"""What `status` and `logs` say while runs wait, are at work, are lost, have failed and have ended."""

import os
import signal
import subprocess
import sys
import threading
import time

import orjson
import pytest

from benchmark.store import claims
from benchmark.store.processes import ProcessId, born, machine
from benchmark.store.store import Store
from tests.conftest import PYTHONPATH, command_line
from tests.store.test_store import tree

GRID = ("-d", "digits", "-m", "ce", "-n", "symmetric:0.4", "--epochs", "1", "--subset", "100")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two finished runs of a grid of four."""
    folder = tmp_path_factory.mktemp("grid")
    command_line(folder, "run", *GRID, "--seeds", "2", "--no-table")
    return folder / "results"


@pytest.fixture
def results(finished, tmp_path):
    import shutil

    return Store(shutil.copytree(finished, tmp_path / "results"))


def claim(store, run_id, process, seconds_ago=0.0, **more):
    holder = claims.Holder(
        run_id, process.machine, "node7", process.pid, process.born, started=time.time() - 100, **more
    )
    path = claims.place(store.folder, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(holder))
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def living():
    return ProcessId(machine(), os.getpid(), born(os.getpid()))


def dead():
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    process = ProcessId(machine(), ended.pid, born(ended.pid))
    ended.wait()
    return process


def missing_runs(here, results):
    """Ids of the runs of the grid of four that are not there yet."""
    told = here("run", *GRID, "--seeds", "4", "--dry-run", "--no-table").stdout
    return [line.split()[0] for line in told.splitlines()]


def fail(store, run_id, cause, kind):
    ended = orjson.loads(next(store.loose()).read_bytes())
    failed = {name: ended[name] for name in ("schema", "spec", "provenance")} | {"id": run_id, "state": "failed"}
    error = {"class": kind, "message": "it broke", "traceback": "", "log": "l", **({"cause": cause} if cause else {})}
    store.write_failure(failed | {"error": error})


def test_a_grid_is_told_by_what_waits_is_at_work_and_has_ended(results, here):
    working, lost, *_ = missing_runs(here, results)
    claim(results, working, living(), epoch=3, epochs=10)
    claim(results, lost, dead(), epoch=1, epochs=10)
    before = tree(results.folder)
    told = here("status", *GRID, "--seeds", "6").stdout
    assert "6 runs" in told
    for line in ("ok         2", "running    2", "queued     2"):
        assert line in told.splitlines()
    assert f"{working}  running: epoch 3 of 10, 2m, node7 pid {os.getpid()}\n" in told
    assert f"{lost}  running: epoch 1 of 10" in told
    assert "its process has ended: the next `run` takes it over" in told
    assert "eta " in told
    assert "with 1 at a time" in told
    assert tree(results.folder) == before, "reading never writes"


def test_a_run_of_another_host_that_gives_no_sign_of_life_is_marked(results, here):
    silent, alive = missing_runs(here, results)
    claim(results, silent, ProcessId("00000000", 1, "1"), seconds_ago=300)
    claim(results, alive, ProcessId("00000000", 2, "1"), doing="computes features")
    told = here("status").stdout
    assert "no sign of life for 5m" in told
    assert f"{alive}  running: computes features" in told
    assert "running    2" in told


@pytest.mark.parametrize(
    ("cause", "fate"),
    [
        ("memory", "the next `run` tries them again"),
        ("input", "the next `run` tries them again"),
        ("code", "tried again once their code has changed, or with --again failed"),
        (None, "the next `run` tries them again"),
    ],
)
def test_failures_are_told_by_cause_and_by_what_becomes_of_them(results, here, cause, fate):
    fail(results, "f" * 16, cause, "Oops")
    told = here("status", code=1).stdout
    assert f"  {cause or 'unknown':8}    1  Oops: {fate}\n" in told
    assert f"{'f' * 16}  failed: Oops: it broke  (`noisybench logs {'f' * 16}`)" in told


def test_a_run_that_is_carried_out_again_counts_as_running_only(results, here):
    done = next(results.loose()).stem
    claim(results, done, living())
    told = here("status", *GRID, "--seeds", "2").stdout
    assert "ok         1" in told
    assert "running    1" in told


def test_watching_says_a_line_per_change_and_ends_with_the_grid(results, here):
    path = claim(results, "a" * 16, living(), epoch=1, epochs=2)
    ending = threading.Timer(3.0, path.unlink)
    ending.start()
    told = here("status", "--watch", "0.2").stdout.splitlines()
    ending.join()
    assert [line.split("  ", 1)[1] for line in told] == ["2 ok, 1 running  epochs 1/2", "2 ok"]


def test_watching_a_grid_that_nobody_is_at_goes_on_until_it_is_interrupted(tmp_path, finished):
    command = [sys.executable, "-m", "benchmark.cli.main", "status", *GRID, "--seeds", "3", "--watch", "0.2"]
    watching = subprocess.Popen(
        [*command, "--results", str(finished)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs with SIGINT ignored, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert "2 ok, 1 queued" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, told = watching.communicate(timeout=120)
    assert watching.returncode == 130
    assert "Traceback" not in told


def test_the_log_of_a_run_is_printed_with_its_place(results, here):
    run_id = next(results.loose()).stem
    results.work(run_id).mkdir(parents=True, exist_ok=True)
    results.log(run_id).write_text("one\ntwo\nthree\n")
    told = here("logs", run_id[:6])
    assert told.stdout == "one\ntwo\nthree\n"
    assert f"log of {run_id}: results/work/runs/{run_id}/log.txt" in told.stderr
    assert here("logs", run_id, "--lines", "2").stdout == "two\nthree\n"
    assert here("logs", run_id, "--lines", "0").stdout == ""


def test_the_traceback_of_a_failure_ends_the_log_and_a_run_that_printed_nothing_is_told(tmp_path, here):
    (tmp_path / "boom.py").write_text(
        "from methods import Method\n\n\nclass Boom(Method):\n    def loss(self, logits, batch):\n"
        "        raise ValueError('the sky\\nfell down')\n"
    )
    grid = ("-d", "digits", "-m", "ce", "-m", "boom", "-n", "none", "--seeds", "1", "--epochs", "1", "--subset", "60")
    here("run", *grid, "--plugin", "boom.py", "--no-table", code=1)
    failed = next((tmp_path / "results/failures").iterdir()).name.split("-")[0]
    told = here("logs", failed)
    assert "raise ValueError" in told.stdout
    assert "it has printed nothing" in told.stderr
    (line,) = [line for line in here("status", code=1).stdout.splitlines() if line.startswith(failed)]
    assert "ValueError: the sky fell down" in line
    ended = next(tmp_path.glob("results/runs/*/*.json")).stem
    assert "it has printed nothing" in here("logs", ended).stderr


def test_where_there_is_no_log_it_is_said_what_to_do(results, here):
    run_id = next(results.loose()).stem
    results.log(run_id).unlink(missing_ok=True)
    told = here("logs", run_id, code=1).stderr
    assert "log.txt is not there" in told
    assert "noisybench show" in told
    assert "no run has an id that begins with 'zz'" in here("logs", "zz", code=2).stderr


def test_a_log_is_followed_until_the_run_has_ended(results, here):
    path = claim(results, "a" * 16, living())
    log = results.log("a" * 16)
    log.parent.mkdir(parents=True)
    log.write_text("first\n")

    def go_on():
        with log.open("a") as file:
            file.write("second\n")
        path.unlink()

    later = threading.Timer(2.0, go_on)
    later.start()
    assert here("logs", "aaaa", "--follow").stdout == "first\nsecond\n"
    later.join()
