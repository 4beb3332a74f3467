"""Reading commands change nothing; `doctor` and `run` move what is broken aside and say so."""

from __future__ import annotations

import errno
import io
import os
import shutil
import time
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.store import record_file
from benchmark.store.compaction import compact
from benchmark.store.content import id_of
from benchmark.store.store import Store
from tests.conftest import command_line
from tests.store.test_store import DAMAGE, damaged, tree

GRID = ("-d", "digits", "-m", "ce", "-n", "symmetric:0,0.4", "--seeds", "2", "--epochs", "1", "--subset", "100")
STORED = "stored\n"
"""The last section of what `doctor` says; those before are about the machine."""
SOUND = "sound: {} records, {} failures, {} segments\nsound: 0 kept files, 1 caches and checkpoints\n"
READING = {
    "table": ("table",),
    "table of a grid": ("table", *GRID),
    "csv": ("table", "--format", "csv"),
    "status": ("status",),
    "status of a grid": ("status", *GRID),
    "show": ("show", "RUN"),
    "dry run": ("run", *GRID, "--dry-run"),
    "doctor that only looks": ("doctor", "--dry-run"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Results of four runs: two loose records, two in a segment; and a failure."""
    folder = tmp_path_factory.mktemp("grid")
    command_line(folder, "run", *GRID, "--no-table")
    store = Store(folder / "results")
    paths = sorted(store.loose())
    aside = {path: path.read_bytes() for path in paths[:2]}
    for path in aside:
        path.unlink()
    compact(store)
    for path, content in aside.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    ended = orjson.loads(paths[0].read_bytes())
    spec = ended["spec"] | {"seeds": dict.fromkeys(ended["spec"]["seeds"], 99)}
    failed = {name: ended[name] for name in ("schema", "provenance")} | {
        "spec": spec,
        "id": id_of(spec),
        "state": "failed",
    }
    store.write_failure(failed | {"error": {"class": "E", "message": "m", "traceback": "", "log": "l"}})
    return store.folder


@pytest.fixture
def results(finished, tmp_path):
    return Store(shutil.copytree(finished, tmp_path / "results"))


def stored(done) -> str:
    return done.stdout.partition(STORED)[2]


def files(store: Store) -> list[Path]:
    return [*store.loose(), *store.segments(), *store.attempts()]


@pytest.mark.parametrize("command", READING.values(), ids=READING)
@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 3), damage=DAMAGE)
def test_a_reading_command_changes_no_byte_whatever_is_damaged(finished, tmp_path, here, command, which, damage):
    shutil.rmtree(tmp_path / "results", ignore_errors=True)
    store = Store(shutil.copytree(finished, tmp_path / "results"))
    run_id = next(store.loose()).stem
    path = files(store)[which]
    path.write_bytes(damaged(path.read_bytes(), *damage))
    before = tree(store.folder)
    told = here(*(run_id if word == "RUN" else word for word in command), code=None)
    assert told.returncode in (0, 1, 2)
    assert "fault of noisybench" not in told.stderr, told.stderr
    assert tree(store.folder) == before


def test_broken_files_are_named_not_counted_and_holes(results, here):
    record, segment, failure = next(results.loose()), results.segments()[0], next(results.attempts())
    for path in (record, segment, failure):
        path.write_bytes(b"{")
    for command, code in ((("table", *GRID), 0), (("status",), 1), (("status", *GRID), 1)):
        told = here(*command, code=1 if command[0] == "status" else code)
        for path in (record, segment, failure):
            shown = path.relative_to(results.folder.parent)
            assert f"not counted: {shown} (" in told.stderr
        assert "`noisybench doctor --results results` moves it aside" in told.stderr


def test_a_joined_folder_is_only_read_and_its_broken_records_are_named(results, here, tmp_path):
    other = Store(shutil.copytree(results.folder, tmp_path / "other"))
    path = next(other.loose())
    path.write_bytes(b"")
    before = tree(other.folder)
    told = here("table", "--results", "empty", "--with", other.folder)
    assert f"not counted: {path}" in told.stderr
    assert f"doctor --results {other.folder}" in told.stderr
    assert tree(other.folder) == before


def test_a_damaged_record_is_made_again_in_one_resumption(results, here):
    damages = {path: path.read_bytes() for path in results.loose()}
    for path in damages:
        path.write_bytes(damages[path][:100])
    told = here("run", *GRID)
    assert told.stderr.count("moved to results/quarantine/") == 2
    assert "4 runs, 2 already done, 2 to run" in told.stderr
    for path, content in damages.items():
        made, former = orjson.loads(path.read_bytes()), orjson.loads(content)
        assert made["metrics"] == former["metrics"]
        assert (results.folder / "quarantine" / path.name).read_bytes() == content[:100]
    assert "4 already done, 0 to run" in here("run", *GRID).stderr


def test_a_dry_run_says_what_would_be_made_again_and_moves_nothing(results, here):
    path = next(results.loose())
    path.write_bytes(b"{")
    before = tree(results.folder)
    told = here("run", *GRID, "--dry-run")
    assert f"broken: results/runs/{path.parent.name}/{path.name}" in told.stderr
    assert "3 already done, 1 to run" in told.stderr
    assert tree(results.folder) == before


def test_a_broken_segment_is_moved_and_its_runs_run_again(results, here):
    (segment,) = results.segments()
    segment.write_bytes(segment.read_bytes()[:-9])
    told = here("run", *GRID)
    assert "4 runs, 2 already done, 2 to run" in told.stderr
    assert not results.segments()


def test_doctor_finds_nothing_in_a_sound_folder(results, here):
    before = tree(results.folder)
    assert stored(here("doctor")) == SOUND.format(4, 1, 1)
    assert tree(results.folder) == before


def test_doctor_moves_what_is_broken_and_says_so(results, here):
    record, segment, failure = next(results.loose()), results.segments()[0], next(results.attempts())
    for path in (record, segment, failure):
        path.write_bytes(b"no")
    looked = here("doctor", "--dry-run", code=1).stdout
    assert looked.count("broken: ") == 3
    assert "moved" not in looked
    told = stored(here("doctor", code=1))
    assert told.startswith("sound: 1 records, 0 failures, 0 segments\n")
    for path in (record, segment, failure):
        assert f"moved to results/quarantine/{path.name}" in told
        assert not path.exists()
    assert stored(here("doctor")) == SOUND.format(1, 0, 0), "the second time it is sound"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [(lambda r: r.pop("tests"), "lacks the field tests"), (lambda r: r.update(more=1), "has the unknown field more")],
)
def test_doctor_moves_a_record_that_is_not_as_the_definition_says(results, here, change, sentence):
    path = min(results.loose())
    record = dict(record_file.stored(path.read_bytes()))
    change(record)
    path.write_bytes(record_file.encode(record))
    done = here("doctor", code=1)
    assert sentence in done.stdout + done.stderr
    assert not path.exists()


def test_doctor_removes_what_killed_processes_left_and_nothing_young(results, here):
    work = results.folder / "work"
    old = [work / ".one.lock", results.folder / "runs" / ".ab.json.0123.tmp", work / ".cache.0123.tmp"]
    young = [work / ".two.lock", work / ".two.0123.tmp"]
    for path in (*old[:2], *young):
        path.touch()
    old[2].mkdir()
    for path in old:
        os.utime(path, (time.time() - 1e6,) * 2)
    looked = here("doctor", "--dry-run").stdout
    assert looked.count("left over: ") == 3
    told = here("doctor").stdout
    assert told.count("removed: ") == 3
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)


def test_doctor_names_a_copy_and_leaves_it(results, here):
    path = next(results.loose())
    copy = path.with_name(f"{path.stem} (1).json")
    shutil.copy(path, copy)
    told = here("doctor").stdout
    assert "sound: 4 records" in told
    assert f"copy: results/runs/{path.parent.name}/{copy.name}" in told
    assert copy.exists()
    counted = here("status", code=1)  # there is a failure
    assert "ok         4" in counted.stdout
    assert "counted once" in counted.stderr


def test_doctor_of_no_folder_is_a_usage_error(here):
    assert "there is no folder nowhere" in here("doctor", "--results", "nowhere", code=2).stderr


def refuse(monkeypatch, hit, error):
    opening, opening_low, rename, mkdir = io.open, os.open, Path.replace, os.mkdir

    def check(path, writes):
        if hit(str(path), writes):
            raise OSError(error, os.strerror(error), str(path))

    def fail(file, mode="r", *arguments, **named):
        check(file, any(sign in mode for sign in "wax+"))
        return opening(file, mode, *arguments, **named)

    def fail_low(path, flags, *arguments, **named):
        check(path, flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return opening_low(path, flags, *arguments, **named)

    def fail_rename(self, target):
        check(target, True)
        return rename(self, target)

    def fail_mkdir(path, *arguments, **named):
        if not Path(path).is_dir():
            check(path, True)
        return mkdir(path, *arguments, **named)

    monkeypatch.setattr(io, "open", fail)
    monkeypatch.setattr(os, "open", fail_low)
    monkeypatch.setattr(os, "mkdir", fail_mkdir)
    monkeypatch.setattr(Path, "replace", fail_rename)


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
@pytest.mark.parametrize(
    "command", [("table",), ("table", *GRID), ("status",), ("run", *GRID), ("doctor",), ("compact",)], ids=" ".join
)
def test_a_record_that_cannot_be_read_now_is_an_error_and_stays(results, here, monkeypatch, command, error):
    path = next(results.loose())
    before = tree(results.folder)
    with monkeypatch.context() as patched:
        refuse(patched, lambda name, writes: name.endswith(path.name) and not writes, error)
        told = here(*command, code=1)
    assert f"{path.name} cannot be read now" in told.stderr + told.stdout
    if command[0] != "compact":
        assert tree(results.folder) == before
    assert path.exists()


@pytest.mark.parametrize("command", ["table of a grid", "status", "show", "doctor that only looks"])
@pytest.mark.parametrize("broken", [False, True])
def test_a_folder_that_cannot_be_written_can_be_read(results, here, monkeypatch, command, broken):
    path = next(results.loose())
    if broken:
        list(results.loose())[1].write_bytes(b"{")
    words = [path.stem if word == "RUN" else word for word in READING[command]]
    expected = here(*words, code=None)
    refuse(monkeypatch, lambda name, writes: writes and "results" in name, errno.EROFS)
    told = here(*words, code=expected.returncode)
    assert (told.stdout, told.stderr) == (expected.stdout, expected.stderr)


def test_a_folder_that_cannot_be_written_is_said_where_writing_is_needed(results, here, monkeypatch):
    next(results.loose()).write_bytes(b"{")
    refuse(monkeypatch, lambda name, writes: writes and "results" in name, errno.EROFS)
    assert "results folder results cannot be written: Read-only" in here("run", *GRID, code=2).stderr
    assert "cannot move results/runs" in here("doctor", code=1).stderr
    assert "Read-only" in here("compact", code=1).stderr
