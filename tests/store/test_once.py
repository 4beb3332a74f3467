"""What is expensive is made once, by one process, and believed only while it is whole."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from benchmark.store import once as once_module
from benchmark.store.atomic import StoreError, write_atomically, write_through
from benchmark.store.digests import SLOT, check_seal, seal
from benchmark.store.once import CacheWarning, abandoned, alone, once
from tests.conftest import ROOT


def read(place: Path) -> bytes | None:
    try:
        content = place.read_bytes()
        check_seal(content, place.name)
    except (OSError, ValueError):
        return None
    return content[: -len(SLOT)]


def keep(place: Path, make) -> bytes:
    return once(
        place,
        "numbers",
        read=lambda: read(place),
        make=make,
        write=lambda made: write_atomically(place, seal(made + SLOT, place.name)),
    )


def never() -> bytes:
    raise AssertionError("made again")


def test_what_is_there_is_not_made_again_and_no_lock_stays(tmp_path):
    assert keep(tmp_path / "cache" / "one", lambda: b"1") == b"1"
    assert keep(tmp_path / "cache" / "one", never) == b"1"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["one"]


@pytest.mark.parametrize("bit", range(0, 8 * len(b"1" + SLOT), 37))
def test_a_flipped_bit_is_told_and_what_was_kept_is_made_again(tmp_path, bit):
    place = tmp_path / "one"
    keep(place, lambda: b"1")
    content = bytearray(place.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    place.write_bytes(content)
    with pytest.warns(CacheWarning, match="one is damaged.*made again"):
        assert keep(place, lambda: b"1") == b"1"
    assert keep(place, never) == b"1"


def test_what_fails_while_it_is_made_leaves_no_lock(tmp_path):
    with pytest.raises(ZeroDivisionError):
        keep(tmp_path / "one", lambda: b"%d" % (1 // 0))
    assert list(tmp_path.iterdir()) == []


def _want(place, log, barrier, queue):
    def slow() -> bytes:
        with log.open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        return b"1"

    barrier.wait()
    queue.put(keep(place, slow))


def test_of_four_processes_one_makes_it_and_the_others_wait(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    arguments = (tmp_path / "cache" / "one", tmp_path / "log", barrier, queue)
    workers = [context.Process(target=_want, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=30) for _ in workers] == [b"1"] * 4
    for worker in workers:
        worker.join(30)
    assert (tmp_path / "log").read_text().count("made") == 1


LEASE = 2.0
HOLDER = """
import pathlib, time
from benchmark.store import once
once.LEASE_SECONDS = {lease}
with once.alone(pathlib.Path({place!r})):
    print("inside", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process of its own that is inside for `tmp_path`/one."""
    code = textwrap.dedent(HOLDER).format(place=str(tmp_path / "one"), lease=LEASE)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_lock_of_a_killed_process_is_taken_over_within_seconds(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(once_module, "LEASE_SECONDS", LEASE)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert list(tmp_path.glob(".*.lock")), "the lock is still there"
    started = time.monotonic()
    assert keep(tmp_path / "one", lambda: b"1") == b"1"
    assert time.monotonic() - started < 10


def test_a_lock_that_is_touched_is_respected_and_a_silent_one_is_taken_over(tmp_path, holder, monkeypatch):
    """The clock of the lock's disk may be wrong by a year: only that the file stands still counts."""
    monkeypatch.setattr(once_module, "LEASE_SECONDS", LEASE)
    entered = threading.Event()

    def enter() -> None:
        with alone(tmp_path / "one"):
            entered.set()

    waiting = threading.Thread(target=enter)
    waiting.start()
    assert not entered.wait(3 * LEASE), "its holder lives"
    holder.send_signal(signal.SIGSTOP)
    (lock,) = tmp_path.glob(".*.lock")
    os.utime(lock, (time.time() + 3e7,) * 2)
    assert entered.wait(10 * LEASE)
    waiting.join()


def test_an_empty_lock_file_that_a_failing_disk_left_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr(once_module, "LEASE_SECONDS", 0.3)
    lock = tmp_path / ".one.lock"
    lock.touch()
    assert keep(tmp_path / "one", lambda: b"1") == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def refuse_locks(monkeypatch, error):
    """A disk on which no lock file can be made."""
    opening = os.open

    def fail(path, *arguments, **named):
        if str(path).endswith(".lock"):
            raise OSError(error, os.strerror(error), str(path))
        return opening(path, *arguments, **named)

    monkeypatch.setattr(os, "open", fail)


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EPERM, errno.EROFS, errno.ENOSPC])
def test_a_disk_without_locks_costs_nothing(tmp_path, monkeypatch, error):
    refuse_locks(monkeypatch, error)
    assert keep(tmp_path / "one", lambda: b"1") == b"1"
    assert keep(tmp_path / "one", never) == b"1"


def test_nothing_asks_the_system_for_a_lock():
    for path in (ROOT / "benchmark").rglob("*.py"):
        assert "fcntl" not in path.read_text(), f"{path}: flock fails on network disks; use benchmark.store.once"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_nothing_costs_one_sentence_and_the_value_is_used(tmp_path, monkeypatch, error):
    def full(handle):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(CacheWarning, match=f"cannot keep numbers.*{os.strerror(error)}") as told:
        assert keep(tmp_path / "one", lambda: b"1") == b"1"
    assert len(told) == 1
    assert list(tmp_path.iterdir()) == []


def test_only_locks_that_nobody_touches_are_abandoned(tmp_path):
    with alone(tmp_path / "one"):
        assert list(abandoned(tmp_path)) == []
    old = tmp_path / "work" / ".two.lock"
    old.parent.mkdir()
    old.touch()
    os.utime(old, (time.time() - 2 * once_module.ABANDONED_SECONDS,) * 2)
    assert list(abandoned(tmp_path)) == [old]


def test_a_file_that_is_half_written_never_gets_its_name(tmp_path):
    path = tmp_path / "kept.npz"
    path.write_bytes(b"former")

    def fail(file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match="cannot write .*kept.npz: No space left"):
        write_through(path, fail)
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]
