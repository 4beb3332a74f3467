"""Records as columns of JSON: one for each path of at most two keys, named by the JSON list of its keys.

Equal values are stored and parsed once. A field that a record does not have is null; a field that is null in the
record is the text "null".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from benchmark.store.content import Record
from benchmark.store.digests import canonical

Path = tuple[str, ...]
Columns = Mapping[str, Sequence[Path]]
"""Top-level field -> the paths of its columns."""


def encode(records: Sequence[Record], without: Collection[str]) -> dict[str, pa.Array]:
    """The columns of all fields but `id` and those named in `without`, in the order of their names."""
    columns: dict[str, list[bytes | None]] = {}
    for position, record in enumerate(records):
        for path, value in _paths(record, without):
            values = columns.setdefault(canonical(path).decode(), [])
            values += [None] * (position - len(values))
            values.append(canonical(value))
    for values in columns.values():
        values += [None] * (len(records) - len(values))
    return {name: pa.array(columns[name], pa.binary()) for name in sorted(columns)}


def wanted(names: Iterable[str], fields: Sequence[str] | None) -> dict[str, list[Path]]:
    """Those of the columns `names` that `fields` ("state", "metrics.last") need; all where it is None."""
    columns: dict[str, list[Path]] = {}
    for name in names:
        # Field columns are named by JSON lists, so that they cannot clash with others.
        if name.startswith("[") and _is_wanted(keys := tuple(orjson.loads(name)), fields):
            columns.setdefault(keys[0], []).append(keys)
    return columns


def names(columns: Columns) -> list[str]:
    return [canonical(keys).decode() for paths in columns.values() for keys in paths]


def rows(table: pa.Table, columns: Columns) -> Iterator[dict[str, Any]]:
    """The fields of every record; equal parts of several records are one object."""
    values = {key: _assembled(table, paths) for key, paths in columns.items()}
    if not values:
        yield from ({} for _ in range(table.num_rows))
    for row in zip(*values.values(), strict=True):
        yield {key: value for key, value in zip(values, row, strict=True) if value is not _ABSENT}


def _paths(record: Record, without: Collection[str]) -> Iterator[tuple[Path, Any]]:
    for key, value in record.items():
        if key == "id" or key in without:
            continue
        if isinstance(value, dict) and value:
            yield from (((key, inner), part) for inner, part in value.items())
        else:
            yield (key,), value


def _is_wanted(keys: Path, fields: Sequence[str] | None) -> bool:
    if fields is None or keys[0] in fields:
        return True
    if len(keys) == 2:
        return ".".join(keys) in fields
    return any(field.startswith(f"{keys[0]}.") for field in fields)  # it may be null where others have parts


_ABSENT = object()


def _assembled(table: pa.Table, columns: Sequence[Path]) -> list[Any]:
    """The values of one top-level field, equal ones as one object; `_ABSENT` where a record has none."""
    parsed = [_parsed(table[canonical(keys).decode()]) for keys in columns]
    values, places = [column for column, _ in parsed], [indices for _, indices in parsed]
    names = [keys[-1] for keys in columns]
    # Fast path: nearly always every row has every part.
    whole = all(len(keys) == 2 and not table[canonical(keys).decode()].null_count for keys in columns)

    def joined(parts: Iterable[Any]) -> Any:
        return dict(zip(names, parts, strict=True)) if whole else _joined(columns, parts)

    if len(columns) == 1:
        joined_values = [joined((value,)) for value in values[0]]
        return [joined_values[place] for place in places[0]]
    known: dict[tuple[int, ...], Any] = {}
    for row in set(zip(*places, strict=True)):
        known[row] = joined(map(list.__getitem__, values, row))
    return [known[row] for row in zip(*places, strict=True)]


def _joined(columns: Sequence[Path], parts: Iterable[Any]) -> Any:
    present = [(keys, part) for keys, part in zip(columns, parts, strict=True) if part is not _ABSENT]
    if not present:
        return _ABSENT
    return present[0][1] if len(present[0][0]) == 1 else {keys[1]: part for keys, part in present}


def _parsed(column: pa.ChunkedArray) -> tuple[list[Any], list[int]]:
    """The different values of a column, each parsed once, and which of them each row has."""
    encoded = column.combine_chunks().dictionary_encode()
    values = [orjson.loads(text) for text in encoded.dictionary.to_pylist()] + [_ABSENT]
    return values, encoded.indices.fill_null(len(values) - 1).to_pylist()
