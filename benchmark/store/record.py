"""What a run record is to its readers: a mapping, and the digest of that part of it which equal runs share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from benchmark.store.digests import canonical

Record = Mapping[str, Any]
"""Read only: records of one segment share the values that are equal."""

CURVE = "curve"
"""Nine tenths of a record; its figures are in the metrics, so that tables and counts need not parse it."""
_NOT_CONTENT = frozenset({"provenance", "timing", "log", CURVE})
"""Not in the digest: what differs between equal runs, and the curve."""


class CompactedRecord(dict[str, Any]):
    """A record from a segment, without its curve; its digest was taken when it was compacted."""

    __slots__ = ("content",)
    content: str


def content_digest(record: Record) -> str:
    """SHA-256 of a record's content (curve, provenance and timing aside)."""
    if isinstance(record, CompactedRecord):
        return record.content
    content = {key: value for key, value in record.items() if key not in _NOT_CONTENT}
    if "error" in content:
        content["error"] = content["error"].get("class")
    return hashlib.sha256(canonical(content)).hexdigest()
