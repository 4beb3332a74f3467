"""The format of a segment: many records in one immutable Parquet file, read by columns.

A row holds the bytes of a record's file (`record`), its `id`, its content digest, and all fields except those of
`BULK` as JSON, in a column for each path of at most two keys (`["spec","seeds"]`). Counts and tables read only the
columns that they need; equal values are stored and parsed once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark.store import record_file
from benchmark.store.content import BULK, DigestedRecord, Record, collector_paused, content_digest
from benchmark.store.digests import canonical, current

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
    columns: dict[str, list[Any]] = {name: [] for name in _FIXED}
    with collector_paused():
        for position, (run_id, content) in enumerate(sorted(originals)):
            # Migrated while the whole record is at hand: what a table reads then is as from the loose file.
            record = record_file.decode(content, run_id)
            columns["id"].append(run_id)
            columns["content"].append(content_digest(record))
            columns["record"].append(content)
            for path, value in _paths(record):
                values = columns.setdefault(canonical(path).decode(), [])
                values += [None] * (position - len(values))
                values.append(canonical(value))
    for values in columns.values():
        values += [None] * (len(originals) - len(values))
    fields = sorted(columns.keys() - set(_FIXED))
    total = sum(len(content) for _, content in originals)
    arrays = {name: pa.array(columns[name], pa.string() if name in _TEXT else pa.binary()) for name in columns}
    table = pa.table(arrays).select([*_FIXED, *fields]).replace_schema_metadata({FORMAT_KEY: FORMAT})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
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


def records(path: Path, fields: Sequence[str] | None = None) -> list[DigestedRecord]:
    """Its records without their bulk; only `fields` where these are named ("state", "metrics.last")."""
    with _open(path) as file:
        columns: dict[str, list[tuple[str, ...]]] = {}
        for name in file.schema_arrow.names:
            if name not in _FIXED and _wanted(keys := tuple(orjson.loads(name)), fields):
                columns.setdefault(keys[0], []).append(keys)
        rows = file.read([*_TEXT, *(canonical(keys).decode() for paths in columns.values() for keys in paths)])
    with collector_paused():
        values = {key: _assembled(rows, paths) for key, paths in columns.items()}
        result = []
        for row in zip(*(rows[name].to_pylist() for name in _TEXT), *values.values(), strict=True):
            record = DigestedRecord({k: v for k, v in zip(values, row[2:], strict=True) if v is not _ABSENT})
            record["id"], record.content = row[:2]
            result.append(record)
    return result


def _paths(record: Record) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in record.items():
        if key == "id" or key in BULK:
            continue
        if isinstance(value, dict) and value:
            yield from (((key, inner), part) for inner, part in value.items())
        else:
            yield (key,), value


def _wanted(keys: tuple[str, ...], fields: Sequence[str] | None) -> bool:
    if fields is None or keys[0] in fields:
        return True
    if len(keys) == 2:
        return ".".join(keys) in fields
    return any(field.startswith(f"{keys[0]}.") for field in fields)  # it may be null where others have parts


_ABSENT = object()


def _assembled(rows: pa.Table, columns: list[tuple[str, ...]]) -> list[Any]:
    """The values of one top-level field, equal ones as one object; `_ABSENT` where a record has none."""
    parsed = [_parsed(rows[canonical(keys).decode()]) for keys in columns]
    values, places = [column for column, _ in parsed], [indices for _, indices in parsed]
    names = [keys[-1] for keys in columns]
    # Fast path: nearly always every row has every part.
    whole = all(len(keys) == 2 and not rows[canonical(keys).decode()].null_count for keys in columns)

    def joined(parts: Iterable[Any]) -> Any:
        return dict(zip(names, parts, strict=True)) if whole else _joined(columns, parts)

    if len(columns) == 1:
        joined_values = [joined((value,)) for value in values[0]]
        return [joined_values[place] for place in places[0]]
    known: dict[tuple[int, ...], Any] = {}
    for row in set(zip(*places, strict=True)):
        known[row] = joined(map(list.__getitem__, values, row))
    return [known[row] for row in zip(*places, strict=True)]


def _joined(columns: list[tuple[str, ...]], parts: Iterable[Any]) -> Any:
    present = [(keys, part) for keys, part in zip(columns, parts, strict=True) if part is not _ABSENT]
    if not present:
        return _ABSENT
    return present[0][1] if len(present[0][0]) == 1 else {keys[1]: part for keys, part in present}


def _parsed(column: pa.ChunkedArray) -> tuple[list[Any], list[int]]:
    """The different values of a column, each parsed once, and which of them each row has."""
    encoded = column.combine_chunks().dictionary_encode()
    values = [orjson.loads(text) for text in encoded.dictionary.to_pylist()] + [_ABSENT]
    return values, encoded.indices.fill_null(len(values) - 1).to_pylist()


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
