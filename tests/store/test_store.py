"""Records are whole or absent, and what cannot be read is set aside and named."""

import errno
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import UsageError
from benchmark.store import digests, health
from benchmark.store.atomic import StoreError, remove, replace_folder, write_atomically, write_new
from benchmark.store.compaction import compact
from benchmark.store.record_file import encode
from benchmark.store.schema import SCHEMA
from benchmark.store.store import Store
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
def test_a_broken_record_is_named_and_never_counted_and_its_run_runs_again_once_it_is_moved(store, content):
    store.write(record("cd34"))
    if content is None:
        content = encode(record("ef56"))  # a record under the name of another
    path = store.run_path("ab12")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    contents = store.records()
    assert [r["id"] for r in contents.records] == ["cd34"]
    assert [broken.path for broken in contents.broken] == [path]
    with pytest.raises(StoreError, match="broken.*noisybench doctor"):
        store.read("ab12")
    assert store.quarantine(path).read_bytes() == content
    assert store.finished() == {"cd34"}


def test_records_of_another_schema_are_refused_with_what_to_do(store):
    store.write(record() | {"schema": SCHEMA + 1})
    with pytest.raises(StoreError, match="newer version"):
        store.records()


def failure(message: str) -> dict:
    return record(state="failed", error={"message": message})


def test_failures_are_appended_and_forgotten_once_the_run_has_ended(store):
    for message in ("first", "second"):
        store.write_failure(failure(message))
    assert len(list((store.folder / "failures").iterdir())) == 2
    assert [found["error"]["message"] for found in store.failures().records] == ["second"]
    assert store.finished() == set(), "a failed run runs again"
    store.write(record())
    assert store.failures().records == []


def test_the_last_of_a_thousand_failures_is_the_one_that_counts(store):
    for attempt in (998, 999, 1000):
        path = store.folder / "failures" / f"ab12-{attempt:03d}.json"
        path.write_bytes(encode(failure(f"attempt {attempt}")))
    store.write_failure(failure("attempt 1001"))
    assert [found["error"]["message"] for found in store.failures().records] == ["attempt 1001"]


@pytest.mark.parametrize("moved", [0, 1, 2], ids=["the first", "the second", "the last"])
def test_no_failure_is_overwritten_after_one_was_moved(store, moved):
    for message in ("one", "two", "three"):
        store.write_failure(failure(message))
    path = sorted(store.attempts())[moved]
    path.write_bytes(b"{")
    store.quarantine(path)
    kept = {path: path.read_bytes() for path in store.attempts()}
    store.write_failure(failure("four"))
    assert {path: path.read_bytes() for path in kept} == kept
    assert store.failures().records[0]["error"]["message"] == "four"
    (new,) = set(store.attempts()) - set(kept)
    assert new.name == "ab12-004.json", "not even the name of the moved one is used again"


def _fail_often(folder, number, barrier):
    barrier.wait()
    for attempt in range(20):
        Store(folder).write_failure(failure(f"driver {number}, attempt {attempt}"))


def test_drivers_that_fail_at_once_keep_every_failure(store):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    drivers = [context.Process(target=_fail_often, args=(store.folder, n, barrier)) for n in range(4)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(60)
    told = {orjson.loads(path.read_bytes())["error"]["message"] for path in store.attempts()}
    assert len(told) == 80
    assert not list((store.folder / "failures").glob(".*")), "no temporary file stays"


def test_what_is_quarantined_never_takes_the_place_of_what_was(store):
    path = store.run_path("ab12")
    path.parent.mkdir(parents=True)
    contents = [b"{", b"[", b""]
    for content in contents:
        path.write_bytes(content)
        assert store.quarantine(path) is not None
    assert sorted(path.read_bytes() for path in (store.folder / "quarantine").iterdir()) == sorted(contents)
    assert store.quarantine(path) is None, "another process has moved it"
    assert len(list((store.folder / "quarantine").iterdir())) == 3


@pytest.mark.parametrize("copy", ["ab12 (1).json", "ab12-copy.json", "ab12.sync-conflict-20240101.json"])
def test_a_sync_tools_second_copy_counts_once_and_is_named(store, copy):
    store.write(record())
    path = store.run_path("ab12").with_name(copy)
    path.write_bytes(store.run_path("ab12").read_bytes())
    contents = store.records()
    assert contents.records == [record()]
    assert contents.copies == [path]
    assert contents.broken == []


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
    assert contents.broken == [], "a torn temporary file is no record"
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


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_records_are_as_readable_as_any_file(tmp_path, umask):
    former = os.umask(umask)
    try:
        write_atomically(tmp_path / "record", b"{}")
        write_new(tmp_path / "failure", b"{}")
    finally:
        os.umask(former)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_read_now_is_an_error_that_names_it(store, monkeypatch, error):
    store.write(record())
    store.write(record("cd34"))
    refuse(monkeypatch, store.run_path("ab12"), error)
    for read in (store.records, lambda: store.read("ab12")):
        with pytest.raises(StoreError, match=f"ab12.json cannot be read now: {os.strerror(error)}.*nothing was"):
            read()


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOLCK])
def test_a_disk_that_does_not_say_whether_a_record_is_there_is_an_error_and_no_answer(store, monkeypatch, error):
    store.write(record())
    silent(monkeypatch, store.run_path("ab12"), error)
    with pytest.raises(StoreError, match=f"ab12.json cannot be read now: {os.strerror(error)}"):
        store.has("ab12")
    remove(store.run_path("ab12"))  # as far as that is possible


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
def test_a_segment_that_cannot_be_read_now_is_not_broken(store, monkeypatch, error):
    store.write(record())
    compact(store)
    (segment,) = store.segments()
    digests._digest_in_state.cache_clear()  # as in a new process
    refuse(monkeypatch, segment, error)
    for read in (store.records, store.finished, lambda: store.read("ab12")):
        with pytest.raises(StoreError, match="cannot be read now"):
            read()
    assert store.segments() == [segment]


@pytest.mark.parametrize("hidden", ["runs", "runs/ab", "failures", "segments"])
def test_a_folder_that_cannot_be_listed_now_is_not_empty(store, monkeypatch, hidden):
    store.write(record("cd34"))
    compact(store)
    store.write(record())
    store.write_failure(failure("no") | {"id": "ef56"})
    listing = os.scandir

    def scandir(folder):
        if str(folder) == str(store.folder / hidden):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return listing(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    read = store.failures if hidden == "failures" else store.records
    with pytest.raises(StoreError, match=f"{hidden} cannot be read now"):
        read()


def test_old_versions_that_a_sync_tool_keeps_are_no_records(store):
    store.write(record())
    former = store.folder / "runs" / ".stversions" / "cd" / "cd34~20240101-101010.json"
    former.parent.mkdir(parents=True)
    former.write_bytes(encode(record("cd34")))
    assert store.finished() == {"ab12"}


def refuse(monkeypatch, path, error):
    """Makes every opening of `path` fail: tests may run as root, for whom permissions mean nothing."""
    opening = io.open

    def fail(file, *arguments, **named):
        if str(file) == str(path):
            raise OSError(error, os.strerror(error), str(file))
        return opening(file, *arguments, **named)

    monkeypatch.setattr(io, "open", fail)


def silent(monkeypatch, path, error):
    """Makes every question for what `path` is fail."""
    asking = os.stat

    def fail(file, *arguments, **named):
        if str(file) == str(path):
            raise OSError(error, os.strerror(error), str(file))
        return asking(file, *arguments, **named)

    monkeypatch.setattr(os, "stat", fail)


def damaged(content: bytes, kind: str, place: float, bit: int) -> bytes:
    at = int(place * len(content))
    if kind == "cut":
        return content[:at]
    if kind == "flipped":
        return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    return {"empty": b"", "zeros": bytes(len(content)), "foreign": b'{"name": "package", "version": "1.0"}'}[kind]


def tree(folder) -> dict:
    """All that a change of the folder would change."""
    return {
        path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path):
    """As root, `--out /dev/null` would leave a file there, on which every program on the machine depends."""
    pipe = tmp_path / "null"
    os.mkfifo(pipe)
    with pytest.raises(StoreError, match="is a device or a pipe"):
        write_atomically(pipe, b"content")
    with pytest.raises(OSError, match="is a device or a pipe"):
        replace_folder(pipe, lambda scratch: (scratch / "file").touch())
    assert pipe.is_fifo()
    assert [*tmp_path.iterdir()] == [pipe]


DAMAGE = st.tuples(
    st.sampled_from(["cut", "flipped", "empty", "zeros", "foreign"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), DAMAGE), min_size=1, max_size=3))
def test_reading_changes_no_byte_of_a_folder_whatever_is_damaged_there(tmp_path_factory, damages):
    store = Store(tmp_path_factory.mktemp("any") / "results")
    store.prepare()
    store.write(record("aa01", metrics={"last": {"accuracy": 0.5}}, curve=[1, 2]))
    store.write(record("ab02"))
    compact(store)
    store.write(record("ac03"))
    store.write_failure(record("ad04", state="failed", error={"message": "no"}))
    files = [*store.loose(), *store.segments(), *store.attempts()]
    for which, damage in damages:
        path = files[which % len(files)]
        if content := path.read_bytes():
            path.write_bytes(damaged(content, *damage))
    before = tree(store.folder)
    for read in (store.records, store.failures, store.finished, lambda: store.read("aa01")):
        with suppress(StoreError):
            read()
    health.examine(store)
    assert tree(store.folder) == before


@settings(deadline=None, max_examples=100)
@given(DAMAGE)
def test_every_damage_of_a_segment_is_told(tmp_path_factory, damage):
    store = Store(tmp_path_factory.mktemp("any") / "results")
    store.prepare()
    store.write(record("aa01", metrics={"last": {"accuracy": 0.5}}))
    compact(store)
    (segment,) = store.segments()
    segment.write_bytes(damaged(segment.read_bytes(), *damage))
    contents = store.records(("state",))
    assert (contents.records, [broken.path for broken in contents.broken]) == ([], [segment])
