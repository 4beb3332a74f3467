"""What a run record is to its readers: a mapping, and the digest of that part of it which equal runs share."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmark.store.digests import canonical

Record = Mapping[str, Any]
"""As `schema.Variant`, or the fields of it that were asked for. Read only: records of one segment share the values
that are equal."""

CURVE = "curve"
"""Most of a record; its figures are in the metrics, so that tables and counts need not parse it."""
BULK = frozenset({CURVE, "outcomes", "extra_outcomes"})
"""What is read of one record at a time only, and is not in the digest: the metrics are made of the same epochs."""
_NOT_CONTENT = BULK | {"provenance", "timing", "log"}
"""Beside the bulk what differs between equal runs."""


class DigestedRecord(dict[str, Any]):
    """A record whose digest was taken before: when it was compacted, or before its migration."""

    __slots__ = ("content",)
    content: str


def without_bulk(record: Record) -> Record:
    """`record` as readers of many have it."""
    kept = {name: value for name, value in record.items() if name not in BULK}
    if not isinstance(record, DigestedRecord):
        return kept
    digested = DigestedRecord(kept)
    digested.content = record.content
    return digested


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
    """What JSON makes holds no cycles; searching millions of its objects for some would take most of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
