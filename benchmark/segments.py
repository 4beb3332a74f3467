"""The format of a segment: many records in one immutable Parquet file, read by columns.

A row holds a record's file as it was, byte for byte (`record`), its `id`, its content digest, and each of its
top-level fields but the curve as JSON in a column of its own. Whoever counts or tabulates reads the columns
that it needs; equal values are stored and parsed once.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark.records import CURVE, CompactedRecord, content_digest
from benchmark.spec import canonical

FORMAT = b"1"
"""Bump when the columns or the content digest change: the `record` column alone is enough to make them anew."""
FORMAT_KEY = b"noisybench.segment"
SUFFIX = ".parquet"
_FIELD = "field."
_GROUP_BYTES = 16 * 2**20
"""Of record files that are compressed together: to show one record, so much is read."""

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)
"""What the reading functions raise for a file that is torn, damaged, or no segment."""

Original = tuple[str, bytes]
"""A run's id and the bytes of its record file."""


def name_of(originals: Sequence[Original]) -> str:
    """The file name of the segment of these records: equal records make an equal name."""
    total = hashlib.sha256()
    for run_id, content in sorted(originals):
        total.update(f"{run_id} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()[:16] + SUFFIX


def encode(originals: Sequence[Original]) -> bytes:
    """The segment file of these records."""
    columns: dict[str, list[Any]] = {"id": [], "content": [], "record": []}
    with _collector_paused():
        for position, (run_id, content) in enumerate(sorted(originals)):
            record = orjson.loads(content)
            columns["id"].append(run_id)
            columns["content"].append(content_digest(record))
            columns["record"].append(content)
            for key in record.keys() - {CURVE}:
                values = columns.setdefault(_FIELD + key, [])
                values += [None] * (position - len(values))
                values.append(canonical(record[key]))
    for values in columns.values():
        values += [None] * (len(originals) - len(values))
    fields = sorted(name for name in columns if name.startswith(_FIELD))
    total = sum(len(content) for _, content in originals)
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(
            {name: pa.array(columns[name], pa.string() if name in ("id", "content") else pa.binary())
             for name in ("id", "content", "record", *fields)}
        ).replace_schema_metadata({FORMAT_KEY: FORMAT}),
        sink,
        row_group_size=max(1, len(originals) * _GROUP_BYTES // total),
        compression="zstd",
        use_dictionary=fields,
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


def records(path: Path, fields: Sequence[str] | None = None) -> list[CompactedRecord]:
    """Its records without their curves; only the top-level `fields` where these are named."""
    with _open(path) as file:
        there = [name.removeprefix(_FIELD) for name in file.schema_arrow.names if name.startswith(_FIELD)]
        keys = [key for key in there if fields is None or key in fields]
        rows = file.read(["id", "content", *(_FIELD + key for key in keys)])
    with _collector_paused():
        columns = [_parsed(rows[_FIELD + key]) for key in keys]
        found = []
        for run_id, content, *values in zip(*(rows[c].to_pylist() for c in ("id", "content")), *columns, strict=True):
            record = CompactedRecord(zip(keys, values, strict=True))
            for key in [key for key, value in record.items() if value is _ABSENT]:
                del record[key]
            record["id"] = run_id
            record.content = content
            found.append(record)
    return found


_ABSENT = object()


def _parsed(column: pa.ChunkedArray) -> list[Any]:
    """The values of a field, each different one parsed once; `_ABSENT` where a record has none."""
    encoded = column.combine_chunks().dictionary_encode()
    values = [orjson.loads(text) for text in encoded.dictionary.to_pylist()] + [_ABSENT]
    return [values[place] for place in encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """What JSON makes holds no cycles; searching millions of its objects for some takes most of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _read(path: Path, columns: list[str]) -> pa.Table:
    with _open(path) as file:
        return file.read(columns)


def _open(path: Path) -> pq.ParquetFile:
    file = pq.ParquetFile(path, page_checksum_verification=True)
    found = (file.schema_arrow.metadata or {}).get(FORMAT_KEY)
    if found != FORMAT:
        file.close()
        raise ValueError(f"segment format {(found or b'none').decode()}, expected {FORMAT.decode()}")
    return file
