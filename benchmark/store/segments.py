"""The format of a segment: many records in one immutable Parquet file, read by columns.

A row holds the bytes of a record's file (`record`), its `id`, its content digest, and all fields except those of
`BULK` as JSON, in a column for each path of at most two keys (`["spec","seeds"]`). Counts and tables read only the
columns that they need; equal values are stored and parsed once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark.store import record_columns, record_file
from benchmark.store.content import BULK, DigestedRecord, collector_paused, content_digest
from benchmark.store.digests import current

FORMAT = b"1"
"""Bump when the columns or the content digest change: the `record` column alone is enough to make them anew."""
FORMAT_KEY = b"noisybench.segment"
SUFFIX = ".parquet"
_NAMED = re.compile(r"[0-9a-f]{64}")
_TEXT = ("id", "content")
_FIXED = (*_TEXT, "record")
"""Fixed columns. Field columns are named by JSON lists, so names cannot clash."""
_GROUP_BYTES = 64 * 2**20
"""Size of the record files that are compressed together; showing one record reads so much."""

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)
"""What the reading functions raise for a file that is torn, damaged, or no segment."""

Original = tuple[str, bytes]
"""A run's id and the bytes of its record file."""


def name_of(encoded: bytes) -> str:
    """The file name of a segment: the SHA-256 of its bytes, which every reader checks."""
    return hashlib.sha256(encoded).hexdigest() + SUFFIX


def encode(originals: Sequence[Original]) -> bytes:
    """The segment file of these records."""
    ordered = sorted(originals)
    fixed: dict[str, list[Any]] = {name: [] for name in _FIXED}
    with collector_paused():
        # Migrated while the whole record is at hand: what a table reads then is as from the loose file.
        records = [record_file.decode(content, run_id) for run_id, content in ordered]
        fields = record_columns.encode(records, without=BULK)
    for (run_id, content), record in zip(ordered, records, strict=True):
        fixed["id"].append(run_id)
        fixed["content"].append(content_digest(record))
        fixed["record"].append(content)
    total = sum(len(content) for _, content in originals)
    arrays = {name: pa.array(fixed[name], pa.string() if name in _TEXT else pa.binary()) for name in _FIXED}
    table = pa.table({**arrays, **fields}).replace_schema_metadata({FORMAT_KEY: FORMAT})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, len(originals) * _GROUP_BYTES // total),
        compression="zstd",
        use_dictionary=list(fields),
        write_statistics=False,
        write_page_checksum=True,
    )
    return sink.getvalue().to_pybytes()


def ids(path: Path) -> list[str]:
    return _read(path, ["id"])["id"].to_pylist()


def originals(path: Path) -> Iterator[Original]:
    """Every id with the bytes of its record file."""
    with _open(path) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, ["id", "record"])
            yield from zip(rows["id"].to_pylist(), rows["record"].to_pylist(), strict=True)


def original(path: Path, run_id: str) -> bytes | None:
    """The bytes of one record file; None where the segment does not hold it."""
    with _open(path) as file:
        for group in range(file.num_row_groups):
            place = pc.index(file.read_row_group(group, ["id"])["id"], run_id).as_py()
            if place >= 0:
                return file.read_row_group(group, ["record"])["record"][place].as_py()
    return None


def records(path: Path, fields: Sequence[str] | None = None) -> list[DigestedRecord]:
    """Its records without their bulk; only `fields` where these are named ("state", "metrics.last")."""
    with _open(path) as file:
        columns = record_columns.wanted(file.schema_arrow.names, fields)
        rows = file.read([*_TEXT, *record_columns.names(columns)])
    with collector_paused():
        result = []
        texts = (rows[name].to_pylist() for name in _TEXT)
        for run_id, content, values in zip(*texts, record_columns.rows(rows, columns), strict=True):
            record = DigestedRecord(values)
            record["id"], record.content = run_id, content
            result.append(record)
    return result


def _read(path: Path, columns: list[str]) -> pa.Table:
    with _open(path) as file:
        return file.read(columns)


def _open(path: Path) -> pq.ParquetFile:
    # Segments of the first versions are not named by their digest. A sync tool's copy is, with more behind it.
    named = _NAMED.match(path.name)
    if named and current(path) != f"sha256:{named[0]}":
        raise ValueError("its content does not have the digest that is its name")
    file = pq.ParquetFile(path, page_checksum_verification=True)
    file_format = (file.schema_arrow.metadata or {}).get(FORMAT_KEY)
    if file_format != FORMAT:
        file.close()
        raise ValueError(f"segment format {(file_format or b'none').decode()}, expected {FORMAT.decode()}")
    return file
