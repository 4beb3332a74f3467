"""Examines a results folder: counts sound files, lists broken ones and what killed processes left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from benchmark.store import digests, schema
from benchmark.store.atomic import StoreError
from benchmark.store.content import Record
from benchmark.store.leftovers import leftovers
from benchmark.store.readable import cannot_read
from benchmark.store.record_file import decode
from benchmark.store.store import Broken, Contents, Store, run_id_of

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Health:
    """Result of an examination; the counts are of sound files."""

    records: int = 0
    """Runs that have a record, loose or in a segment."""
    failures: int = 0
    segments: int = 0
    kept: int = 0
    """Predictions and weights that stay beside records."""
    caches: int = 0
    """Folders of decoded data and features, estimates and checkpoints: what is made again where it is damaged."""
    broken: list[Broken] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """A message for every file that may be sound but cannot be used now, or not by this version."""
    damaged_caches: list[Broken] = field(default_factory=list)
    copies: list[Path] = field(default_factory=list)
    abandoned: list[Path] = field(default_factory=list)
    """Temporary files, locks and claims that killed processes left."""


def examine(store: Store) -> Health:
    """Reads everything in the folder of `store` and changes nothing there."""
    health, contents = Health(), Contents()
    ids: set[str] = set()
    strays: list[tuple[Path, str]] = []
    for path in store.loose():
        read = _whole(path, _noting(health, store.read_loose, path, contents), contents)
        if read is not None and path == store.run_path(read[0]["id"]):
            ids.add(path.stem)
        elif read is not None:
            strays.append((path, read[0]["id"]))
    for path in store.attempts():
        health.failures += _whole(path, _noting(health, store.read_loose, path, contents), contents) is not None
    for path in store.segments():
        compacted = _noting(health, store.read_segment, path, _ids, contents)
        if compacted is not None:
            ids.update(compacted)
            health.segments += 1
    health.records = len(ids.union(run_id for _, run_id in strays))
    health.broken = contents.broken
    health.copies = []
    for path, run_id in strays:
        if run_id in ids:
            health.copies.append(path)
        ids.add(run_id)
    _examine_files(store, health)
    health.abandoned = leftovers(store.folder)
    return health


def _whole(path: Path, read: tuple[Record, bytes] | None, contents: Contents) -> tuple[Record, bytes] | None:
    """`read` if its record has all fields of the definition and no others; else None, and it counts as broken."""
    if read is not None and (fault := schema.fault(read[0])):
        contents.broken.append(Broken(path, f"it {fault}"))
        return None
    return read


def _ids(segment: Path) -> list[str]:
    """The ids of a segment, after reading its record files and its columns, so that damage in either shows."""
    from benchmark.store import segments

    for _, content in segments.originals(segment):
        decode(content, str(segment))
    return [record["id"] for record in segments.records(segment)]


def _examine_files(store: Store, health: Health) -> None:
    """Checks the digests of all files that are no records."""
    for pattern, check in {**_KEPT, **_CACHES}.items():
        for path in store.files(pattern):
            try:
                check(path)
            except OSError as error:
                health.unreadable.append(str(cannot_read(path, error)))
            except digests.NoDigestError as error:
                # A kept file of an earlier version may be sound, and cannot always be made again.
                if pattern in _KEPT:
                    health.unreadable.append(
                        f"{path} cannot be checked: {error}, as files of earlier versions have none"
                    )
                else:
                    health.damaged_caches.append(Broken(path, str(error)))
            except ValueError as error:
                (health.broken if pattern in _KEPT else health.damaged_caches).append(Broken(path, str(error)))
            else:
                health.kept += pattern in _KEPT
                health.caches += pattern in _CACHES


def _check_sealed(path: Path) -> None:
    digests.check_seal(path.read_bytes(), run_id_of(path))


_KEPT: dict[str, Callable[[Path], None]] = {
    "runs/*/[!.]*.npz": _check_sealed,
    "runs/*/[!.]*.safetensors": _check_sealed,
    "references/[!.]*.npz": _check_sealed,
}
_CACHES: dict[str, Callable[[Path], None]] = {
    "work/data/[!.]*": digests.check_files,
    "work/features/[!.]*": digests.check_files,
    "work/estimates/[!.]*.json": lambda path: digests.check_seal(path.read_bytes(), path.stem),
    "work/tasks/*/[!.]*.json": lambda path: digests.check_seal(path.read_bytes(), f"{path.parent.name}/{path.name}"),
    "work/runs/*/checkpoint.pt": lambda path: digests.check_seal(path.read_bytes(), path.parent.name),
}
"""Where files lie -> their check, which raises ValueError where one is damaged, OSError where it cannot be read."""


def _noting(health: Health, read: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
    """The result of `read`; where it raises StoreError, None, and the message is added to `health.unreadable`."""
    try:
        return read(*arguments, **named)
    except StoreError as error:
        health.unreadable.append(str(error))
        return None
