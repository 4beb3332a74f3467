"""What differs between the tables of two publications: cells, ranks, places, and versions of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import pandas as pd

from benchmark.store.content import Record
from benchmark.tables.comparable import PARTS
from benchmark.tables.comparison import Block, Table

Key = tuple[str, str, str, str]
"""Block, method (or plugin), noise, and what is compared."""
COLUMNS = ["kind", "block", "method", "noise", "what", "a", "b", "change"]
SHOWN = 40
"""Lines of each kind that the text form shows."""
_CELL = ("state", "n", "mean", "sd")
_METHOD = ("rank", "low", "high", "group")
_DIGITS = 6
"""Numbers that agree to so many digits are equal."""
_HEADINGS = {
    "version": "Versions",
    "presence": "Only on one side",
    "method": "Ranks, places (low to high) and letters",
    "cell": "Cells",
}


def difference(a: tuple[Sequence[Record], Table], b: tuple[Sequence[Record], Table]) -> pd.DataFrame:
    """A row for everything that differs between (records, table) `a` and `b`, with `COLUMNS`.

    kind: version, presence (of a block or method that is on one side only), method (its rank, the interval of its
    place, its letters) or cell.
    change: b - a of numbers.
    """
    versions = [_versions(records) for records, _ in (a, b)]
    present = [_present(table) for _, table in (a, b)]
    shared = present[0].keys() & present[1].keys()
    one_sided = [{key: said for key, said in side.items() if key not in shared} for side in present]
    # A method that is on one side only is one row, not one for each of its figures.
    whole = {block for block, method, *_ in shared if not method}
    rows = [
        *_differing("version", *versions),
        *_differing("presence", *({k: v for k, v in side.items() if not k[1] or k[0] in whole} for side in one_sided)),
        *_differing("method", *(dict(_of(table, shared, _methods)) for _, table in (a, b))),
        *_differing("cell", *(dict(_of(table, shared, _cells)) for _, table in (a, b))),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def in_common(a: Table, b: Table) -> bool:
    """Whether some block of one table is in the other, so that its cells are compared."""
    return bool(set(map(_named, a.blocks)) & set(map(_named, b.blocks)))


def as_text(rows: pd.DataFrame) -> str:
    """The rows of `difference` for people: a line per plugin, method and cell."""
    parts = []
    for kind, of_kind in rows.groupby("kind", sort=False):
        lines = []
        for (block, method, noise), group in of_kind.groupby(["block", "method", "noise"], sort=False):
            where = ": ".join(filter(None, (block, f"{method} at {noise}" if noise else method)))
            changes = [
                f"{row.what} {_text(row.a)} -> {_text(row.b)}" + (f" ({row.change:+g})" if row.change != "" else "")
                for row in group.itertuples()
            ]
            lines.append(f"  {where}: {', '.join(changes)}")
        more = [f"  ... {len(lines) - SHOWN} more (--format csv)"] if len(lines) > SHOWN else []
        parts.append("\n".join([f"{_HEADINGS[kind]} ({len(lines)})", *lines[:SHOWN], *more]))
    return "\n\n".join(parts) + "\n"


def _text(value: object) -> str:
    return "-" if value == "" else str(value)


def _versions(records: Sequence[Record]) -> dict[Key, str]:
    values: dict[Key, set[str]] = {}
    for record in records:
        spec, origin = record["spec"], record.get("provenance") or {}
        values.setdefault(("", "all runs", "", "protocol"), set()).add(str(spec["protocol"]))
        for part in PARTS:
            name = f"{part} {spec[part]['name']}"
            values.setdefault(("", name, "", "version"), set()).add(str(spec[part]["version"]))
            if digest := origin.get(f"{part}_digest"):
                values.setdefault(("", name, "", "source"), set()).add(digest[:19])
            if digest := spec[part].get("digest"):
                values.setdefault(("", name, "", "data"), set()).add(digest[:19])
    return {key: " and ".join(sorted(found)) for key, found in values.items()}


def _named(block: Block) -> str:
    """Without recipe and protocol, so that the same grid of two protocols is compared. Short names are told apart
    within one table only."""
    return ", ".join(
        (block.whole(block.place.dataset), block.whole(block.place.backbone), f"{block.place.track} track")
    )


def _present(table: Table) -> dict[Key, str]:
    """Every block, and every method in it, with its size in words."""
    sizes: dict[Key, str] = {}
    for block in table.blocks:
        columns = f"{len(block.columns)} columns"
        sizes[_named(block), "", "", "size"] = f"{len(block.methods)} methods in {columns}"
        sizes |= {(_named(block), block.whole(method), "", "size"): columns for method in block.methods.index}
    return sizes


def _of(
    table: Table, shared: AbstractSet[Key], of_block: Callable[[str, Block], Iterator[tuple[Key, object]]]
) -> Iterator[tuple[Key, object]]:
    """What `of_block` gives of the methods that are on both sides."""
    for block in table.blocks:
        name = _named(block)
        yield from ((key, value) for key, value in of_block(name, block) if (name, key[1], "", "size") in shared)


def _methods(name: str, block: Block) -> Iterator[tuple[Key, object]]:
    for method, row in block.methods.iterrows():
        yield from (((name, block.whole(method), "", what), row[what]) for what in _METHOD)


def _cells(name: str, block: Block) -> Iterator[tuple[Key, object]]:
    for (method, noise), row in block.cells.iterrows():
        if row["state"] != "absent":
            where = name, block.whole(method), block.whole(noise)
            yield from (((*where, what), row[what]) for what in _CELL)


def _differing(kind: str, a: Mapping[Key, object], b: Mapping[Key, object]) -> Iterator[list[object]]:
    for key in sorted({*a, *b}):
        one, other = _shown(a.get(key)), _shown(b.get(key))
        if one != other:
            both = isinstance(one, int | float) and isinstance(other, int | float)
            yield [kind, *key, one, other, round(float(other) - float(one), _DIGITS) if both else ""]


def _shown(value: object) -> str | int | float:
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, str):
        return value
    number = round(float(value), _DIGITS)  # type: ignore[arg-type]
    return int(number) if number == int(number) else number
