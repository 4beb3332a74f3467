"""`gc` frees what may go, says how much, and touches nothing that a run at work may need."""

import os
import subprocess
import sys
import time

import orjson
import pytest

from benchmark.store import cancelling, claims
from benchmark.store.processes import ProcessId, born, machine
from benchmark.store.store import Store
from tests.conftest import command_line
from tests.store.test_store import tree

GRID = ("-d", "digits", "-m", "ce", "-n", "symmetric:0.4", "--seeds", "2", "--epochs", "1", "--subset", "100")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    command_line(folder, "run", *GRID, "--no-table")
    return folder / "results"


@pytest.fixture
def results(finished, tmp_path):
    import shutil

    store = Store(shutil.copytree(finished, tmp_path / "results"))
    for path in store.loose():
        store.work(path.stem).mkdir(parents=True, exist_ok=True)
        store.log(path.stem).write_text("warned\n")
        (store.work(path.stem) / "checkpoint.pt").write_bytes(b"x" * 50_000)
    return store


def claim(store, run_id, process):
    holder = claims.Holder(run_id, process.machine, "here", process.pid, process.born, started=time.time())
    path = claims.place(store.folder, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(holder))
    return path


def test_a_dry_run_names_sizes_and_changes_nothing(results, here):
    before = tree(results.folder)
    told = here("gc", "--dry-run").stdout
    assert "checkpoints and logs of finished runs: 2, " in told
    assert "would be freed" in told
    assert tree(results.folder) == before


def test_what_finished_runs_left_goes_and_their_records_stay(results, here):
    records = {path: path.read_bytes() for path in results.loose()}
    unfinished = results.work("f" * 16)
    unfinished.mkdir(parents=True)
    (unfinished / "checkpoint.pt").write_bytes(b"half")
    told = here("gc").stdout
    assert " freed" in told
    assert [path.name for path in results.files("work/runs/*")] == [unfinished.name]
    assert {path: path.read_bytes() for path in results.loose()} == records
    assert here("gc").stdout == "there was nothing to remove\n"
    assert "2 already done, 0 to run" in here("run", *GRID, "--no-table").stderr


@pytest.mark.parametrize("elsewhere", [False, True], ids=["of this machine", "of another host"])
def test_what_a_run_at_work_needs_stays(results, here, elsewhere):
    (run_id, other) = sorted(path.stem for path in results.loose())
    process = ProcessId("0" * 8, 1, "1") if elsewhere else ProcessId(machine(), os.getpid(), born(os.getpid()))
    path = claim(results, run_id, process)
    told = here("gc", "--keep-data-of", "quick")
    assert "runs are at work: data and features stay" in told.stderr
    assert path.exists()
    assert (results.work(run_id) / "checkpoint.pt").exists()
    assert not results.work(other).exists()


def test_the_claim_of_a_process_that_ended_goes(results, here):
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    process = ProcessId(machine(), ended.pid, born(ended.pid))
    ended.wait()
    path = claim(results, "e" * 16, process)
    assert "left by processes that were killed: 1" in here("gc").stdout
    assert not path.exists()


def test_old_requests_go_and_young_ones_stay(results, here):
    cancelling.request(results.folder, None)
    here("gc")
    assert len(cancelling.requests(results.folder)) == 1


def test_trash_and_quarantine_go_only_when_asked_and_old_enough(results, here):
    first = next(results.loose()).stem
    here("rm", first[:8])
    (results.folder / "quarantine").mkdir()
    (results.folder / "quarantine" / "broken.json").write_bytes(b"{")
    here("gc")
    here("gc", "--trash", "1", "--quarantine", "1")
    assert (results.folder / "quarantine" / "broken.json").exists()
    assert results.files("trash/*")
    here("gc", "--trash", "0", "--quarantine", "0")
    assert not results.files("trash/*", "quarantine/*")


def test_data_that_no_suite_reads_goes_and_that_of_the_suites_stays(results, here, tmp_path):
    suite = tmp_path / "mine.toml"
    suite.write_text('datasets = ["digits"]\nmethods = ["ce"]\nnoise = ["none"]\n')
    (digits,) = results.files("work/data/[!.]*")
    other = digits.with_name("cells-0123456789abcdef")
    other.mkdir()
    features = results.folder / "work" / "features"
    for name, data in (("aa", f"{digits.name}/train"), ("bb", f"{other.name}/train")):
        (features / name).mkdir(parents=True)
        (features / name / "manifest.json").write_bytes(orjson.dumps({"identity": {"data": data}}))
    here("gc", "--keep-data-of", str(suite))
    assert results.files("work/data/[!.]*") == [digits]
    assert [path.name for path in results.files("work/features/[!.]*")] == ["aa"]


def test_gc_of_no_folder_is_a_usage_error(here):
    assert "there is no folder nowhere" in here("gc", "--results", "nowhere", code=2).stderr
