"""Computes expensive results once: they are stored, shared by all processes, and computed again if damaged.

One process computes and the others wait. The lock is a file created exclusively that names its process and host and
is touched at intervals (`filelock.SoftFileLease`): advisory locks of the system (flock) fail on many network disks.
The lock of a process that died on this host is taken over at once, any other one when it stays untouched for
LEASE_SECONDS by the waiting process's own clock, so that the clocks of two hosts need not agree. A lock only
avoids double work: results are written atomically, whoever writes them.
"""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import SoftFileLease, Timeout

from benchmark.store.atomic import StoreError
from benchmark.store.processes import born

T = TypeVar("T")

LEASE_SECONDS = 30.0
POLL_SECONDS = 0.1
ABANDONED_SECONDS = 20 * LEASE_SECONDS
"""Age at which a lock file counts as abandoned: far more than a lease, as the clocks of hosts may differ."""
LOCK = ".*.lock"


class CacheWarning(UserWarning):
    """A stored result was damaged, or could not be stored; no number depends on it."""


def once(
    place: Path,
    what: str,
    *,
    read: Callable[[], T | None],
    make: Callable[[], T],
    write: Callable[[T], None],
) -> T:
    """The result stored at `place`, as `read` returns it; if there is none, `make` computes and `write` stores it.

    `read` returns None if the result is absent, damaged or unreadable. `what` names it in warnings. If it cannot be
    stored (`write` raises OSError or StoreError), it is returned from memory, with a CacheWarning.
    """
    stored = read()
    if stored is not None:
        return stored
    with alone(place):
        stored = read()
        if stored is not None:
            return stored
        if os.path.lexists(place):
            _warn(
                f"{place} is damaged, or of an earlier version: {what} there are made again, which takes time once; "
                "no number changes, and there is nothing to do"
            )
        result = make()
        try:
            write(result)
        except (OSError, StoreError) as error:
            _warn(
                f"cannot keep {what} in {place.parent} ({error}): they stay in memory, and every run makes them "
                "again; make room there or choose another results folder"
            )
            return result
    stored = read()
    return result if stored is None else stored


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Holds the lock of `place`, after waiting for other processes; goes on without where no lock file can be made."""
    path = place.with_name(f".{place.name}.lock")
    lock = SoftFileLease(path, lease_duration=LEASE_SECONDS, poll_interval=POLL_SECONDS)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, path)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def _acquire(lock: SoftFileLease, path: Path) -> None:
    """Waits for the lock. Raises OSError where no lock file can be made.

    An empty file says nothing of who made it, and `filelock` respects it for ever: a process leaves one whose disk
    failed between making and filling it. One that stays as it is for LEASE_SECONDS counts as abandoned.
    """
    seen = None
    while True:
        try:
            lock.acquire(timeout=LEASE_SECONDS)
            return
        except Timeout:
            status = path.stat() if path.exists() else None
            empty = (status.st_ino, status.st_mtime_ns) if status is not None and status.st_size == 0 else None
            if empty is not None and empty == seen:
                path.unlink(missing_ok=True)
            seen = empty


def abandoned(folder: Path, pattern: str = f"**/{LOCK}") -> Iterator[Path]:
    """Lock files in `folder` whose process has ended on this host, or that nobody touched for ABANDONED_SECONDS."""
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS or _of_ended(path):
                yield path


def _of_ended(path: Path) -> bool:
    owner = SoftFileLease(path).owner
    return owner is not None and owner.hostname == socket.gethostname() and born(owner.pid) == ""


def _warn(text: str) -> None:
    warnings.warn(text, CacheWarning, stacklevel=3)
