"""Examines a results folder: counts sound files, lists broken ones and what killed processes left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import orjson

from benchmark.store import atomic, schema
from benchmark.store.atomic import StoreError
from benchmark.store.content import Record
from benchmark.store.once import abandoned_locks
from benchmark.store.store import Broken, Contents, Store

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Health:
    """Result of an examination; the counts are of sound files."""

    records: int = 0
    """Runs that have a record, loose or in a segment."""
    failures: int = 0
    segments: int = 0
    broken: list[Broken] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """A message for every file that may be sound but cannot be used now, or not by this version."""
    copies: list[Path] = field(default_factory=list)
    abandoned: list[Path] = field(default_factory=list)
    """Temporary files and lock files that killed processes left."""


def examine(store: Store) -> Health:
    """Reads everything in the folder of `store` and changes nothing there."""
    health, contents = Health(), Contents()
    ids: set[str] = set()
    strays: list[tuple[Path, str]] = []
    for path in store.loose():
        read = _whole(path, _noting(health, store.read_loose, path, contents), contents)
        if read is not None and path.stem == read[0]["id"]:
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
    health.copies = [path for path, run_id in strays if run_id in ids]
    health.abandoned = [*atomic.abandoned(store.folder, "**/.*.tmp"), *abandoned_locks(store.folder)]
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
        orjson.loads(content)
    return [record["id"] for record in segments.records(segment)]


def _noting(health: Health, read: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
    """The result of `read`; where it raises StoreError, None, and the message is added to `health.unreadable`."""
    try:
        return read(*arguments, **named)
    except StoreError as error:
        health.unreadable.append(str(error))
        return None
