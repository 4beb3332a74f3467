"""What killed processes left in a results folder: temporary files, locks and claims. Nothing of a living one.

A process of another machine cannot be asked whether it lives: what it left is found by its age.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmark.store import atomic, claims, once
from benchmark.store.store import Store

_WRITTEN_TO = ("runs/*", "failures", "segments", "work", "work/*")
"""Folders that runs write to, but for those of single runs, of which there may be very many."""


def leftovers(folder: Path) -> list[Path]:
    """All of a results folder."""
    return list(_in(folder, ["**"]))


def sweep(store: Store, run_ids: Iterable[str], finished: Collection[str] = ()) -> None:
    """Removes those that runs leave, where runs of any grid write and where those of `run_ids` do.

    `finished`: runs that have a record. One that was killed before it removed its checkpoint left its claim too.
    """
    folder = store.folder
    begun = {path.name for path in (folder / "work" / "runs").glob("*")}  # few of the runs of a large grid
    for path in _in(folder, [*_WRITTEN_TO, *(f"work/runs/{run_id}" for run_id in begun.intersection(run_ids))]):
        if path.parent == folder.joinpath(*claims.FOLDER) and path.stem in finished:
            atomic.remove(store.checkpoint(path.stem))
        atomic.remove(path)


def _in(folder: Path, places: Iterable[str]) -> Iterator[Path]:
    for place in places:
        yield from atomic.abandoned(folder, f"{place}/{atomic.TEMPORARY}")
        yield from once.abandoned(folder, f"{place}/{once.LOCK}")
    for holder in claims.held(folder):
        path = claims.place(folder, holder.run)
        with suppress(OSError):
            if holder.process.ended() or time.time() - path.stat().st_mtime > atomic.ABANDONED_SECONDS:
                yield path
