"""Compaction loses nothing, counts nothing twice, and changes no byte that a reader sees."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import orjson
import pytest

from benchmark.store import migration, segments
from benchmark.store.atomic import StoreError, write_atomically
from benchmark.store.compaction import compact
from benchmark.store.record_file import encode
from benchmark.store.schema import SCHEMA
from benchmark.store.store import Store
from tests.conftest import ROOT


def record(run_id, **more):
    curve = [{"epoch": epoch, "loss": 0.1 * epoch, "names": "ü\n"} for epoch in range(3)]
    return {"schema": SCHEMA, "id": run_id, "spec": {"seeds": 1}, "state": "ok", "curve": curve, **more}


RECORDS = [
    record("aa01", metrics={"last": {"accuracy": 0.1 + 0.2}}),
    record("ab02", state="skipped", reason="it does not apply"),
    record("ac03", state="diverged", reason=None, timing={"seconds": 1e-300}),
    record("ad04", metrics=None, extra={"only": ["here", 2**53]}),
]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    for one in RECORDS:
        store.write(one)
    return store


def view(store):
    """Everything that readers see."""
    found = store.records().records
    return [dict(r) for r in found], sorted(store.finished()), {r["id"]: store.read_bytes(r["id"]) for r in found}


def loose(store):
    return [path.name for path in store.loose()]


def test_every_reader_sees_the_same_before_and_after(store):
    before = view(store)
    assert compact(store).compacted == 4
    assert loose(store) == []
    assert view(store) == before
    assert store.read("aa01") == RECORDS[0], "the curve comes back too"
    assert store.has("aa01")
    assert not store.has("zz99")
    store.write(record("ae05"))
    assert [r["id"] for r in store.records().records] == ["aa01", "ab02", "ac03", "ad04", "ae05"]
    assert compact(store).compacted == 1
    assert compact(store).compacted == 0, "segments are never compacted again"
    assert len(store.segments()) == 2


def test_bytes_that_another_program_wrote_come_back_as_they_were(store):
    odd = b'{"state":"ok",  "schema":1,"spec":{}, "id":"af06", "x":1.50e0}\n'
    store.run_path("af06").parent.mkdir()
    store.run_path("af06").write_bytes(odd)
    compact(store)
    assert store.read_bytes("af06") == odd


def test_predictions_failures_and_copies_stay_where_they_are(store):
    store.write_failure(record("aa01", state="failed", error={"message": "first attempt"}))
    kept = store.run_path("aa01").with_suffix(".predictions.npz")
    np.savez(kept, a=np.arange(3))
    copy = store.run_path("aa01").with_name("aa01-copy.json")
    copy.write_bytes(store.run_path("aa01").read_bytes())
    compact(store)
    assert kept.exists()
    assert copy.exists()
    assert len(list((store.folder / "failures").iterdir())) == 1
    assert store.failures().records == [], "the run ended, in a segment"
    assert store.records().copies == [copy]


def test_only_the_named_fields_are_read_from_a_segment(store):
    compact(store)
    found = store.records(("state", "reason")).records
    assert [r["state"] for r in found] == ["ok", "skipped", "diverged", "ok"]
    assert all("spec" not in r and "metrics" not in r for r in found)


STEPS = {
    "before the segment is renamed": "pathlib.Path.replace",
    "after the segment was written": "benchmark.store.compaction.read_back",
    "between two deletions": "benchmark.store.compaction._delete_if_equal",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_compaction_killed_at_any_moment_loses_and_doubles_nothing(store, step):
    before = view(store)
    script = textwrap.dedent(
        f"""
        import os, pathlib
        import benchmark.store.compaction
        from benchmark.store.store import Store
        original, calls = {STEPS[step]}, []
        def killed(*arguments):
            calls.append(arguments)
            if len(calls) == {3 if "between" in step else 1}:
                os.kill(os.getpid(), 9)
            return original(*arguments)
        {STEPS[step]} = killed
        benchmark.store.compaction.compact(Store(pathlib.Path({str(store.folder)!r})))
        """
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert view(store) == before
    compact(store)
    assert loose(store) == []
    assert view(store) == before
    assert len(store.segments()) == 1, "an interrupted compaction is finished, not repeated"


def test_a_segment_that_reads_back_differently_deletes_nothing(store, monkeypatch):
    monkeypatch.setattr(segments, "originals", lambda path: iter([("aa01", b"something else")]))
    with pytest.raises(StoreError, match="no record is lost"):
        compact(store)
    assert len(loose(store)) == 4


def test_a_segment_that_cannot_be_read_back_deletes_nothing(store, monkeypatch):
    monkeypatch.setattr(segments, "encode", lambda originals: b"PAR1 torn")
    with pytest.raises(StoreError, match="nothing was removed"):
        compact(store)
    assert len(loose(store)) == 4


def test_a_full_disk_is_one_clear_sentence_and_deletes_nothing(store, monkeypatch):
    def full(handle):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        compact(store)
    assert len(loose(store)) == 4
    assert not list((store.folder / "segments").iterdir())


def test_a_record_written_anew_is_the_one_that_counts_and_stays_loose(store):
    compact(store)
    store.write(record("aa01", metrics={"last": {"accuracy": 0.9}}))
    assert [p.name for p in compact(store).differing] == ["aa01.json"]
    assert store.read("aa01")["metrics"]["last"]["accuracy"] == 0.9
    assert len(store.records().records) == 4


def test_a_broken_loose_record_is_named_and_stays_and_the_others_are_compacted(store):
    store.run_path("ac03").write_bytes(b"{")
    done = compact(store)
    assert done.compacted == 3
    assert [path.name for path, _ in done.broken] == ["ac03.json"]
    assert loose(store) == ["ac03.json"]


@pytest.mark.parametrize("damage", ["torn", "flipped", "foreign"])
def test_a_damaged_segment_is_named_and_never_counted(store, damage):
    compact(store)
    (segment,) = store.segments()
    content = bytearray(segment.read_bytes())
    if damage == "torn":
        content = content[: len(content) // 2]
    elif damage == "foreign":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table({"id": ["aa01"]}), segment)
        content = segment.read_bytes()
    else:
        content[4:400] = bytes(396)
    segment.write_bytes(content)
    with pytest.raises(StoreError, match="noisybench doctor"):
        store.finished()
    store.write(record("ba01"))
    contents = store.records()
    assert [r["id"] for r in contents.records] == ["ba01"]
    assert [path for path, _ in contents.broken] == [segment]
    assert store.quarantine(segment).name == segment.name
    assert store.finished() == {"ba01"}, "its runs run again"


def test_records_of_a_newer_schema_are_refused_in_segments_too(store, monkeypatch):
    newer = [("ba01", encode(record("ba01") | {"schema": SCHEMA + 1}))]
    with monkeypatch.context() as by_a_newer_version:
        by_a_newer_version.setattr(migration, "SCHEMA", SCHEMA + 1)
        encoded = segments.encode(newer)
    write_atomically(store.folder / "segments" / segments.name_of(encoded), encoded)
    with pytest.raises(StoreError, match="a newer version"):
        store.records()


def test_runs_that_ran_again_replace_their_compacted_records(tmp_path, here):
    grid = ("run", "-d", "digits", "-m", "ce", "-n", "none", "--seeds", "2", "--epochs", "1", "--no-table")
    here(*grid)
    here("compact")
    here(*grid, "--again", "all")
    store = Store(tmp_path / "results")
    assert len(list(store.loose())) == 2
    later = {path.stem: path.read_bytes() for path in store.loose()}
    told = here("compact")
    assert "2 earlier records of runs that ran again" in told.stderr
    assert "2 records compacted" in told.stdout
    assert list(store.loose()) == []
    assert {run_id: store.read_bytes(run_id) for run_id in later} == later
    assert len(list((tmp_path / "results" / "trash").rglob("*.json"))) == 2, "nothing is lost"


def test_the_commands_print_the_same_before_and_after(tmp_path, here):
    grid = ("run", "-d", "digits", "-m", "ce", "-n", "symmetric:0,0.4", "--seeds", "1", "--epochs", "2")
    first = here(*grid).stdout
    store = Store(tmp_path / "results")
    run_id = min(store.finished())
    shown = here("show", run_id[:6]).stdout
    told = here("status").stdout
    content = store.read_bytes(run_id)
    assert "2 records compacted" in here("compact").stdout
    assert list(store.loose()) == []
    assert here("table").stdout == first, "the table, with the digest of its records"
    assert here("show", run_id[:6]).stdout == shown
    assert here("status").stdout == told
    assert store.read_bytes(run_id) == content
    assert content is not None
    assert orjson.loads(content)["curve"]
    again = here(*grid)
    assert "2 already done, 0 to run" in again.stderr
    assert again.stdout == first
