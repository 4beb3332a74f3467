"""What killed processes leave is found at once and removed; nothing of a living process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.store import atomic, claims
from benchmark.store.leftovers import leftovers, sweep
from benchmark.store.once import alone
from benchmark.store.processes import ProcessId, in_text, machine, this_process
from benchmark.store.store import Store
from tests.conftest import ROOT

LEAVES = {
    "a record": "atomic.write_through(folder / 'runs' / 'ab' / 'x.json', end)",
    "a failure": "atomic.write_atomically = end; atomic.write_new(folder / 'failures' / 'x-001.json', b'')",
    "a checkpoint": "atomic.write_through(folder / 'work' / 'runs' / 'x' / 'checkpoint.pt', end)",
    "a folder": "atomic.write_folder(folder / 'work' / 'data' / 'digits', end)",
    "a claim": "claims.take(folder, 'x'), end()",
    "a claim that is written anew": "claim = claims.take(folder, 'x'); pathlib.Path.replace = end; claim.beat()",
    "a lock": "held = once.alone(folder / 'work' / 'estimates' / 'x.json'); held.__enter__(); end()",
}


@contextmanager
def process(code: str) -> Iterator[subprocess.Popen]:
    head = "import os, pathlib, sys, time\nfrom benchmark.store import atomic, claims, once\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", head + code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("what", LEAVES)
def test_what_a_killed_process_leaves_is_removed_by_the_next_run(tmp_path, what):
    code = textwrap.dedent(f"""
        folder = pathlib.Path({str(tmp_path)!r})
        def end(*arguments):
            print("here", flush=True)
            time.sleep(600)
        {LEAVES[what]}
    """)
    with process(code) as running:
        assert running.stdout.readline() == "here\n"
        before = files(tmp_path)
        assert before
        assert leftovers(tmp_path) == [], "it lives"
        sweep(Store(tmp_path), ["x"])
        assert files(tmp_path) == before
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert leftovers(tmp_path)
    sweep(Store(tmp_path), ["x"])
    assert files(tmp_path) == []
    assert leftovers(tmp_path) == []


def test_a_run_that_was_killed_between_its_record_and_the_end_of_its_checkpoint_leaves_none(tmp_path):
    store = Store(tmp_path)
    begun, ended = store.checkpoint("begun"), store.checkpoint("ended")
    for path in (begun, ended):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"...")
    with process(f"""
folder = pathlib.Path({str(tmp_path)!r})
claims.take(folder, "begun"), claims.take(folder, "ended")
print("here", flush=True)
time.sleep(600)
""") as running:
        running.stdout.readline()
        sweep(store, [], finished={"ended"})
        assert files(tmp_path) == sorted([begun, ended, *(claims.place(tmp_path, x) for x in ("begun", "ended"))])
    sweep(store, [], finished={"ended"})
    assert files(tmp_path) == [begun]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() or path.suffix == ".tmp")


def test_what_this_process_holds_and_what_others_keep_there_stays(tmp_path):
    claim = claims.take(tmp_path, "x")
    (tmp_path / "runs" / "ab").mkdir(parents=True)
    kept = [tmp_path / "runs" / "ab" / name for name in ("x.json", ".x.json.sync.tmp", ".hidden")]
    for path in kept:
        path.write_bytes(b"somebody's")
    with alone(tmp_path / "work" / "one"):
        assert leftovers(tmp_path) == []
        sweep(Store(tmp_path), [])
        assert all(path.exists() for path in (*kept, claim.path, tmp_path / "work" / ".one.lock"))


def test_a_process_is_named_in_a_file_name_and_found_there_again():
    me = this_process()
    assert in_text(f".record.json.{me}.0123.tmp") == me
    assert not me.ended()
    assert in_text(".record.json.0123.tmp") is None
    assert not ProcessId("ffffffff", 1, "1").ended(), "of another machine nothing is known"
    assert not ProcessId().ended()
    assert ProcessId(machine(), me.pid, "1").ended(), "another process has its number now"


def test_a_failed_write_reports_the_first_error_and_leaves_nothing(tmp_path):
    def fail(file):
        raise OSError(28, os.strerror(28))

    with pytest.raises(atomic.StoreError, match="No space left"):
        atomic.write_through(tmp_path / "x.json", fail)
    assert list(tmp_path.iterdir()) == []
