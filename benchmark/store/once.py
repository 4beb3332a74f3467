"""What is expensive is computed once: kept on disk, shared by all processes, made again where it is damaged.

One process computes and the others wait. The lock is a file created exclusively that names its process and host and
is touched at intervals (`filelock.SoftFileLease`): advisory locks of the system (flock) fail on many network disks.
The lock of a process that died on this host is taken over at once, any other one when it stays untouched for
LEASE_SECONDS by the waiting process's own clock, so that the clocks of two hosts need not agree. A lock only saves
double work: what is kept is written whole or not at all, whoever writes it.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import SoftFileLease

from benchmark.store.atomic import StoreError

T = TypeVar("T")

LEASE_SECONDS = 30.0
POLL_SECONDS = 0.1
ABANDONED_SECONDS = 20 * LEASE_SECONDS
"""Age of a lock file that belongs to nobody; far more than a lease, as it is told by the clock of this host."""


class CacheWarning(UserWarning):
    """Something that is kept on disk was damaged, or could not be kept; no number depends on it."""


def once(
    place: Path,
    what: str,
    *,
    read: Callable[[], T | None],
    make: Callable[[], T],
    write: Callable[[T], None],
) -> T:
    """What `read` finds at `place`; made by `make` and kept there by `write` where it gives None.

    `read` gives None for what is absent, damaged or cannot be read. `what` names it in a warning. Where it cannot be
    kept (`write` raises OSError or StoreError), what was made is returned from memory, with a CacheWarning.
    """
    found = read()
    if found is not None:
        return found
    with alone(place):
        found = read()
        if found is not None:
            return found
        if os.path.lexists(place):
            _warn(f"{place} is damaged or cannot be read: {what} there are thrown away and made again")
        made = make()
        try:
            write(made)
        except (OSError, StoreError) as error:
            _warn(
                f"cannot keep {what} in {place.parent} ({error}): they stay in memory, and every run makes them "
                "again; make room there or choose another results folder"
            )
            return made
    found = read()
    return made if found is None else found


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Waits until no other process is inside for `place`; goes on alone where no lock file can be made."""
    path = place.with_name(f".{place.name}.lock")
    lock = SoftFileLease(path, lease_duration=LEASE_SECONDS, poll_interval=POLL_SECONDS)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def abandoned_locks(folder: Path) -> Iterator[Path]:
    """Lock files below `folder` that nobody touched for ABANDONED_SECONDS."""
    for path in sorted(folder.rglob(".*.lock")):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                yield path


def _warn(text: str) -> None:
    warnings.warn(text, CacheWarning, stacklevel=3)
