"""Moves runs out of a results folder into a dated trash folder inside it, those in segments too.

The trash has the layout of the results folder, so that copying it back undoes a removal. Whatever is interrupted, a
run is in one place or in both, and the same removal can be repeated.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from benchmark.store import compaction
from benchmark.store.atomic import StoreError, write_atomically
from benchmark.store.readable import present
from benchmark.store.segments import Original
from benchmark.store.store import Store, run_id_of

TRASH = "trash"


@dataclass
class Removal:
    """What was moved."""

    folder: Path
    """The dated trash folder."""
    files: list[Path] = field(default_factory=list)
    """Former paths of what was moved: records, failures, kept files, checkpoints and logs."""
    compacted: int = 0
    """Number of records that were taken out of segments."""


def remove(store: Store, run_ids: AbstractSet[str]) -> Removal:
    """Moves all that belongs to `run_ids` into the trash. Raises StoreError where a file cannot be moved or read."""
    removal = take_out(store, run_ids)
    for path in store.files("runs/*/[!.]*", "failures/[!.]*", "work/runs/*"):
        if (path.name if path.is_dir() else run_id_of(path)) in run_ids:
            _move(path, removal.folder / path.relative_to(store.folder))
            removal.files.append(path)
    return removal


def take_out(store: Store, run_ids: AbstractSet[str]) -> Removal:
    """Moves the records of `run_ids` that are in segments into the trash; loose ones stay."""
    removal = Removal(_new_folder(store))
    for segment in store.segments():
        if not run_ids.isdisjoint(compaction.ids_of(segment)):
            removal.compacted += _take_out(store, segment, run_ids, removal.folder)
    return removal


def _take_out(store: Store, segment: Path, run_ids: AbstractSet[str], trash: Path) -> int:
    """Copies records of a segment to the trash, then replaces the segment by one without them."""
    rest: list[Original] = []
    taken = 0
    for run_id, content in compaction.read_back(segment):
        if run_id in run_ids:
            taken += 1
            # The loose record of the run, if there is one, is the later one and keeps its name.
            loose = present(store.run_path(run_id))
            name = f"{run_id} (compacted).json" if loose else f"{run_id}.json"
            write_atomically(trash / "runs" / run_id[:2] / name, content)
        else:
            rest.append((run_id, content))
    if rest:
        compaction.write_segment(store, rest)
    try:
        segment.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {segment}: {error.strerror or error}; its records still count") from error
    return taken


def _move(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    except OSError as error:
        raise StoreError(
            f"cannot move {path} to {target}: {error.strerror or error}; make both folders writable, then repeat the "
            "command"
        ) from error


def _new_folder(store: Store) -> Path:
    """An unused name: trash/2026-01-31T12-00-00, with a number behind it where that is taken."""
    name = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    taken = {path.name for path in store.files(f"{TRASH}/{name}*")}
    number = next(n for n in range(1, len(taken) + 2) if _numbered(name, n) not in taken)
    return store.folder / TRASH / _numbered(name, number)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}.{number}"
