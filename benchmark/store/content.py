"""Run records as readers get them: mappings, with a digest of the content that equal runs share."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmark.store.digests import canonical

Record = Mapping[str, Any]
"""As `schema.Variant`, or the fields of it that were asked for. Read only: records of one segment share equal
values."""

CURVE = "curve"
"""The largest field; tables and counts do without it, because they use the metrics."""
BULK = frozenset({CURVE, "outcomes", "extra_outcomes"})
"""Large fields, read of one record at a time only. Not in the digest: the metrics come from the same epochs."""
_NOT_CONTENT = BULK | {"provenance", "timing", "log"}
"""Fields outside the digest: the bulk, and what differs between equal runs."""


class DigestedRecord(dict[str, Any]):
    """A record whose content digest was computed earlier: when it was compacted, or before its migration."""

    __slots__ = ("content",)
    content: str


def without_bulk(record: Record) -> Record:
    """`record` without the fields of `BULK`."""
    return _like(record, {name: value for name, value in record.items() if name not in BULK})


def with_provenance(record: Record, **changes: Any) -> Record:
    """`record` with other fields of its provenance, which are no content."""
    return _like(record, {**record, "provenance": {**(record.get("provenance") or {}), **changes}})


def _like(record: Record, fields: dict[str, Any]) -> Record:
    """A record of `fields` that keeps the content digest of `record`, if that was computed earlier."""
    if not isinstance(record, DigestedRecord):
        return fields
    digested = DigestedRecord(fields)
    digested.content = record.content
    return digested


def id_of(spec: Mapping[str, Any]) -> str:
    """The id of the run that `spec` (`grid.spec.RunSpec` as JSON) describes."""
    return hashlib.sha256(canonical(spec)).hexdigest()[:16]


def content_digest(record: Record) -> str:
    """SHA-256 of a record's content (bulk, provenance and timing aside)."""
    if isinstance(record, DigestedRecord):
        return record.content
    content = {key: value for key, value in record.items() if key not in _NOT_CONTENT}
    if "error" in content:
        content["error"] = content["error"].get("class")
    return hashlib.sha256(canonical(content)).hexdigest()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pauses garbage collection: parsed JSON has no cycles, and searching its objects would take most of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
