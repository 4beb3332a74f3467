"""Records are whole or absent, and what cannot be read is set aside and named."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import orjson
import pytest

from benchmark.errors import UsageError
from benchmark.store.store import SCHEMA, Store, StoreError, write_atomically
from tests.conftest import ROOT


def record(run_id: str = "ab12", **more) -> dict:
    return {"schema": SCHEMA, "id": run_id, "spec": {}, "state": "ok", **more}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    return store


def test_a_record_comes_back_as_it_was_written(store):
    store.write(record(metrics={"last": {"accuracy": 0.1}}))
    assert store.records().records == [record(metrics={"last": {"accuracy": 0.1}})]
    assert store.finished() == {"ab12"}
    assert store.read("ab12")["metrics"]["last"]["accuracy"] == 0.1


@pytest.mark.parametrize(
    "content", [b"", b'{"schema": 1, "id": "ab12"', b"[]", b'{"a": 1}', b"\x00\xff", None], ids=repr
)
def test_an_unreadable_record_is_quarantined_and_never_counted(store, content):
    store.write(record("cd34"))
    if content is None:
        content = orjson.dumps(record("ef56"))  # a record under the name of another
    path = store.run_path("ab12")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    contents = store.records()
    assert [r["id"] for r in contents.records] == ["cd34"]
    assert [p.name for p, _ in contents.quarantined] == ["ab12.json"]
    assert contents.quarantined[0][0].read_bytes() == content
    assert store.finished() == {"cd34"}, "a quarantined run runs again"


def test_records_of_another_schema_are_refused_with_what_to_do(store):
    store.write(record() | {"schema": SCHEMA + 1})
    with pytest.raises(StoreError, match="newer version"):
        store.records()


def test_failures_are_appended_and_forgotten_once_the_run_has_ended(store):
    for message in ("first", "second"):
        store.write_failure(record(state="failed", error={"message": message}))
    assert len(list((store.folder / "failures").iterdir())) == 2
    assert store.failures()["ab12"]["error"]["message"] == "second"
    assert store.finished() == set(), "a failed run runs again"
    store.write(record())
    assert store.failures() == {}


def test_a_writer_killed_between_write_and_rename_leaves_no_record(store):
    script = textwrap.dedent(
        f"""
        import os, pathlib
        from benchmark.store.store import Store
        pathlib.Path.replace = lambda *a: os.kill(os.getpid(), 9)
        Store(pathlib.Path({str(store.folder)!r})).write({record()!r})
        """
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    contents = store.records()
    assert contents.records == []
    assert contents.quarantined == [], "a torn temporary file is no record"
    store.write(record())
    assert store.finished() == {"ab12"}


def test_a_full_disk_is_one_clear_sentence_and_leaves_what_was_there(store, monkeypatch):
    store.write(record("cd34"))

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device.*finished runs are kept"):
        store.write(record())
    assert store.finished() == {"cd34"}
    assert not list(store.run_path("ab12").parent.glob(".*")), "no temporary file stays"


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose another with --results"):
        Store(tmp_path / "file" / "results").prepare()


def test_records_are_as_readable_as_any_file(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    write_atomically(tmp_path / "record", b"{}")
    assert (tmp_path / "record").stat().st_mode == plain.stat().st_mode
