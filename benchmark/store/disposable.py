"""What may be removed from a results folder without losing a result, with its size and why.

Nothing that a process may be using: what belongs to a run that is claimed stays, unless its process is known to have
ended. What killed processes left is found by `leftovers`, for `doctor` too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmark.store import cancelling, claims
from benchmark.store.leftovers import leftovers
from benchmark.store.store import Store

DAY = 86_400.0


@dataclass(frozen=True)
class Disposable:
    path: Path
    why: str
    size: int
    """Bytes that its files take."""


def at_work(store: Store) -> set[str]:
    """The runs that may be at work."""
    return {holder.run for holder in claims.held(store.folder) if not holder.process.ended()}


def of_killed(store: Store) -> Iterator[Disposable]:
    """Temporary files, locks and claims that killed processes left, and requests that nobody can heed any more."""
    for path in leftovers(store.folder):
        yield _disposable(path, "left by processes that were killed")
    if not at_work(store):
        for path in cancelling.requests(store.folder):
            if _age(path) > DAY:
                yield _disposable(path, "old requests of `cancel`")


def of_finished(store: Store) -> Iterator[Disposable]:
    """Checkpoints and logs of runs that have a record. Raises StoreError where the folder cannot be read."""
    ended = store.finished() - at_work(store)
    for path in store.files("work/runs/[!.]*"):
        if path.name in ended:
            yield _disposable(path, "checkpoints and logs of finished runs")


def of_tasks(folders: Iterable[Path]) -> Iterator[Disposable]:
    """`folders` of submissions all of whose runs are done."""
    for path in folders:
        yield _disposable(path, "task files of submissions whose runs are done")


def old(store: Store, name: str, days: float) -> Iterator[Disposable]:
    """What has been in the trash or in the quarantine for more than so many days."""
    for path in store.files(f"{name}/[!.]*"):
        if _age(path) > days * DAY:
            yield _disposable(path, f"older than {days:g} days in {name}")


def of_other_data(store: Store, used: Collection[str]) -> Iterator[Disposable]:
    """Decoded data and features of data sets that are not in `used`: names of data as `datasets.cache.identity` gives
    them."""
    for path in store.files("work/data/[!.]*"):
        if path.name.removesuffix("-test") not in used:
            yield _disposable(path, "decoded data that no run of these suites reads")
    for path in store.files("work/features/[!.]*"):
        data = _data_of_features(path)
        if data is not None and not any(data.startswith(name) for name in used):
            yield _disposable(path, "features that no run of these suites reads")


def still_disposable(store: Store, found: Disposable) -> bool:
    """Whether nobody has begun to need it since it was found."""
    return found.path.parent != store.folder / "work" / "runs" or found.path.name not in at_work(store)


def _data_of_features(folder: Path) -> str | None:
    """The data that features were computed of, as their manifest says; None where it does not."""
    try:
        return str(orjson.loads((folder / "manifest.json").read_bytes())["identity"]["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _disposable(path: Path, why: str) -> Disposable:
    return Disposable(path, why, _size(path))


def _size(path: Path) -> int:
    """Bytes on disk; links are not followed."""
    with suppress(OSError):
        size = _allocated(path.lstat())
        if path.is_dir() and not path.is_symlink():
            with os.scandir(path) as entries:
                size += sum(_size(Path(entry.path)) for entry in entries)
        return size
    return 0


def _allocated(status: os.stat_result) -> int:
    return status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size


def _age(path: Path) -> float:
    """Seconds since it was put where it is: a file that is moved keeps the time of its content."""
    with suppress(OSError):
        status = path.lstat()
        return time.time() - max(status.st_mtime, status.st_ctime)
    return 0.0
