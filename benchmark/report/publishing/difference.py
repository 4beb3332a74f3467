"""What differs between the tables of two publications: cells, ranks, places, and versions of plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from benchmark.store.content import Record
from benchmark.tables.comparable import PARTS
from benchmark.tables.comparison import Block, Table

Key = tuple[str, str, str, str]
"""Where, method (or plugin), noise, and what is compared."""
COLUMNS = ["kind", "where", "method", "noise", "what", "a", "b", "change"]
_CELL = ("state", "n", "mean", "sd")
_METHOD = ("rank", "low", "high", "group")
_DIGITS = 6
"""Numbers that agree to so many digits are equal."""


def difference(a: tuple[Sequence[Record], Table], b: tuple[Sequence[Record], Table]) -> pd.DataFrame:
    """A row for everything that differs, with `COLUMNS`; change: b - a of numbers.

    kind: version, method (its rank, the interval of its place, its letters) or cell.
    """
    rows = [
        *_differing("version", _versions(a[0]), _versions(b[0])),
        *_differing("method", _methods(a[1]), _methods(b[1])),
        *_differing("cell", _cells(a[1]), _cells(b[1])),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _versions(records: Sequence[Record]) -> dict[Key, str]:
    values: dict[Key, set[str]] = {}
    for record in records:
        spec, origin = record["spec"], record["provenance"]
        values.setdefault(("", "", "", "protocol"), set()).add(str(spec["protocol"]))
        for part in PARTS:
            name = f"{part} {spec[part]['name']}"
            values.setdefault(("", name, "", "version"), set()).add(str(spec[part]["version"]))
            if digest := origin.get(f"{part}_digest"):
                values.setdefault(("", name, "", "source"), set()).add(digest[:19])
            if digest := spec[part].get("digest"):
                values.setdefault(("", name, "", "data"), set()).add(digest[:19])
    return {key: " and ".join(sorted(found)) for key, found in values.items()}


def _methods(table: Table) -> dict[Key, object]:
    return {
        (_where(block), str(method), "", what): row[what]
        for block in table.blocks
        for method, row in block.methods.iterrows()
        for what in _METHOD
    }


def _cells(table: Table) -> dict[Key, object]:
    return {
        (_where(block), method, noise, what): row[what]
        for block in table.blocks
        for (method, noise), row in block.cells.iterrows()
        if row["state"] != "absent"
        for what in _CELL
    }


def _where(block: Block) -> str:
    """Without recipe and protocol, so that the same grid of two protocols is compared."""
    return ", ".join((block.place.dataset, block.place.backbone, block.place.track))


def _differing(kind: str, a: Mapping[Key, object], b: Mapping[Key, object]) -> list[list[object]]:
    rows = []
    for key in sorted({*a, *b}):
        values = _shown(a.get(key)), _shown(b.get(key))
        if values[0] != values[1]:
            numbers = [value for value in values if isinstance(value, int | float)]
            change = round(numbers[1] - numbers[0], _DIGITS) if len(numbers) == 2 else ""
            rows.append([kind, *key, *values, change])
    return rows


def _shown(value: object) -> object:
    if value is None or (isinstance(value, float) and pd.isna(value)) or value is pd.NA:
        return ""
    if isinstance(value, str):
        return value
    number = round(float(value), _DIGITS)  # type: ignore[arg-type]
    return int(number) if number == int(number) else number
