"""Published records as one Parquet file: a row per run, a column for each path of at most two keys (`record_columns`).

Every record can be made of its row as it was written, with its curve. In a trial on 300 records the file was 1.2 times
as large as the smallest archive of the record files (tar.xz), and a segment, which holds each record twice, 2 times;
but no archive can be read by columns. Equal records make equal bytes with one version of pyarrow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.store import record_columns, record_file
from benchmark.store.content import BULK, DigestedRecord, Record, collector_paused, content_digest
from benchmark.store.digests import canonical
from benchmark.store.migration import current
from benchmark.store.schema import SCHEMA
from benchmark.store.segments import UNREADABLE, Original

__all__ = ["UNREADABLE", "encode", "originals", "records"]

FORMAT = b"1"
FORMAT_KEY = b"noisybench.records"
_FIXED = ("id", "content")
_LEVEL = 22
"""Of zstd, its highest: a table is written once, and read as fast as at any level."""
_GROUP_BYTES = 64 * 2**20
LIMIT_BYTES = 4 * 2**30
"""Of columns that are unpacked, and of the records that are made of them."""
LIMIT_RUNS = 10**6


def encode(originals: Sequence[Original]) -> bytes:
    """The file of these records, by id."""
    ordered = sorted(originals)
    with collector_paused():
        records = [record_file.stored(content) for _, content in ordered]
        fields = record_columns.encode(records, without=())
    fixed = {"id": [run_id for run_id, _ in ordered], "content": list(map(content_digest, records))}
    table = pa.table({**{name: pa.array(values, pa.string()) for name, values in fixed.items()}, **fields})
    total = sum(len(content) for _, content in ordered)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata({FORMAT_KEY: FORMAT}),
        sink,
        row_group_size=max(1, len(ordered) * _GROUP_BYTES // max(1, total)),
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=list(fields),
        write_statistics=False,
        write_page_checksum=True,
    )
    return sink.getvalue().to_pybytes()


def records(path: Path, fields: Sequence[str] | None = None) -> list[Record]:
    """Its records in the current schema, without their bulk; only `fields` where these are named, bulk among them.

    Raises one of UNREADABLE where the file is damaged, StoreError where records are of a newer schema.
    """
    with _open(path) as file:
        schemas = record_columns.wanted(file.schema_arrow.names, ["schema"])
        found = record_columns.rows(file.read(record_columns.names(schemas)), schemas)
        # What an earlier schema lacks is taken from its curve.
        earlier = any(record["schema"] != SCHEMA for record in found)
        columns = record_columns.wanted(file.schema_arrow.names, None if earlier or fields is None else _needed(fields))
        kept = {key: paths for key, paths in columns.items() if earlier or key not in BULK or key in (fields or ())}
        rows = file.read([*_FIXED, *record_columns.names(kept)])
    with collector_paused():
        return [_reduced(current(record, str(path)), fields) for record in _assembled(rows, kept)]


def originals(path: Path, ids: Collection[str] | None = None) -> Iterator[Original]:
    """Every id with the bytes of its record file; of `ids` only where they are given. Raises one of UNREADABLE."""
    total = 0
    with _open(path) as file:
        columns = record_columns.wanted(file.schema_arrow.names, None)
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, [*_FIXED, *record_columns.names(columns)])
            with collector_paused():
                for record in _assembled(rows, columns):
                    if ids is not None and record["id"] not in ids:
                        continue
                    sealed = record["schema"] in range(record_file.FIRST_WITH_DIGEST, SCHEMA + 1)
                    content = record_file.encode(record) if sealed else canonical(record)
                    total += len(content)
                    if total > LIMIT_BYTES:
                        raise ValueError(f"its records are larger than {LIMIT_BYTES} bytes")
                    yield record["id"], content


def contents(path: Path) -> list[tuple[str, str]]:
    """Every id with the content digest that stands beside it."""
    with _open(path) as file:
        rows = file.read(list(_FIXED))
    return list(zip(*(rows[name].to_pylist() for name in _FIXED), strict=True))


def _needed(fields: Sequence[str]) -> tuple[str, ...]:
    return ("schema", "state", *fields)


def _assembled(rows: pa.Table, columns: record_columns.Columns) -> Iterator[DigestedRecord]:
    texts = (rows[name].to_pylist() for name in _FIXED)
    for run_id, content, values in zip(*texts, record_columns.rows(rows, columns), strict=True):
        record = DigestedRecord(values)
        record["id"], record.content = run_id, content
        yield record


def _reduced(record: Record, fields: Sequence[str] | None) -> Record:
    """`record` without the bulk that was not asked for."""
    extra = BULK.intersection(record).difference(fields or ())
    if extra and isinstance(record, DigestedRecord):
        for name in extra:
            del record[name]
    return record


def _open(path: Path) -> pq.ParquetFile:
    # Dictionaries stay what they are, so that a small file cannot become a large table.
    described = pq.read_schema(path)
    columns = [name for name in described.names if name not in _FIXED]
    file = pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=columns)
    metadata = file.metadata
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    format_ = (described.metadata or {}).get(FORMAT_KEY)
    reason = ""
    if format_ != FORMAT:
        reason = f"its format is {(format_ or b'none').decode(errors='replace')!r}, expected {FORMAT.decode()!r}"
    elif described.names[: len(_FIXED)] != list(_FIXED) or len(set(described.names)) < len(described.names):
        reason = "it does not have the columns of records"
    elif any(not pa.types.is_binary(described.field(name).type) for name in columns):
        reason = "its columns do not hold JSON"
    elif size > LIMIT_BYTES or metadata.num_rows > LIMIT_RUNS:
        reason = f"it holds {metadata.num_rows} rows of {size} bytes, more than {LIMIT_RUNS} or {LIMIT_BYTES}"
    if reason:
        file.close()
        raise ValueError(reason)
    return file
