"""The bytes of a record file: JSON, not indented, with the digest of its content as the last field.

Not indented, because indentation would be a twentieth of a published archive.
"""

from __future__ import annotations

import orjson

from benchmark.store.content import Record
from benchmark.store.digests import check_json, seal_json
from benchmark.store.migration import current
from benchmark.store.schema import SCHEMA

FIRST_WITH_DIGEST = 3
"""Schema since which every record has one."""


def encode(record: Record) -> bytes:
    return seal_json(record)


def decode(content: bytes, where: str) -> Record:
    """The record in `content`, which was read from `where`, as the current schema has it.

    Raises ValueError where it is no record or is damaged, StoreError where it is of a newer schema.
    """
    return current(stored(content), where)


def stored(content: bytes) -> Record:
    """The record in `content` as it was written. Raises ValueError where it is no record or is damaged."""
    record = orjson.loads(content)
    if not isinstance(record, dict) or not {"schema", "id", "spec", "state"} <= record.keys():
        raise ValueError("it is not a run record")
    if "digest" in record:
        check_json(record, content)
    elif record["schema"] in range(FIRST_WITH_DIGEST, SCHEMA + 1):
        raise ValueError("it has no digest")
    return record
