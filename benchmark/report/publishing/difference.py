"""What differs between the tables of two publications: recipes, runs, cells, ranks, places, versions of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd

from benchmark.report.publishing.pairing import Pairing, conditions, pairing
from benchmark.store.content import Record
from benchmark.tables.comparable import PARTS
from benchmark.tables.comparison import Block, Table
from benchmark.tables.display_names import show
from benchmark.tables.statistics import SEEDS

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
    "recipe": "Recipes: runs that trained otherwise are compared",
    "presence": "Only on one side",
    "runs": "Runs that only one side has, by their seeds",
    "method": "Ranks, places (low to high) and letters",
    "cell": "Cells",
}


def difference(a: tuple[Sequence[Record], Table], b: tuple[Sequence[Record], Table]) -> pd.DataFrame:
    """A row for everything that differs between (records, table) `a` and `b`, with `COLUMNS`.

    kind: version, recipe (its fields, and what else all runs of a block share), presence (of a block or method that is
    on one side only), runs (seeds that a cell has on one side only), method (its rank, the interval of its place, its
    letters) or cell.
    change: b - a of numbers.
    """
    found = pairing(a[1], b[1])
    rows = [
        *_differing("version", *(_versions(records) for records, _ in (a, b))),
        *_of_pairs("recipe", found, _conditions),
        *_differing("presence", *(dict(_alone(found, of_a)) for of_a in (True, False))),
        *_of_pairs("presence", found, _methods_alone),
        *_of_pairs("runs", found, _seeds),
        *_of_pairs("method", found, _methods),
        *_of_pairs("cell", found, _cells),
    ]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)  # a column of numbers would make counts to 3.0


def in_common(a: Table, b: Table) -> bool:
    """Whether some block of one table belongs to one of the other, so that its cells are compared."""
    return bool(pairing(a, b).pairs)


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


Rows = Iterator[tuple[Key, object]]


def _of_pairs(kind: str, found: Pairing, of_pair: Callable[[str, Block, Block], Rows]) -> Iterator[list[object]]:
    """What differs between the blocks of every pair: `of_pair` gives what one of them has beside the other."""
    for pair in found.pairs:
        yield from _differing(kind, dict(of_pair(pair.name, pair.a, pair.b)), dict(of_pair(pair.name, pair.b, pair.a)))


def _alone(found: Pairing, of_a: bool) -> Rows:
    for one in found.alone:
        if one.of_a == of_a:
            block, runs = one.block, int(one.block.runs["id"].notna().sum())
            size = f"{len(block.methods)} methods in {len(block.columns)} columns, {runs} runs"
            yield (one.name, "", "", one.why or "size"), size


def _conditions(name: str, block: Block, other: Block) -> Rows:
    for field, value in conditions(block).items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        yield (name, "", "", field), value if is_number else show(value)


def _methods_alone(name: str, block: Block, other: Block) -> Rows:
    for method in sorted(_names(block) - _names(other)):
        yield (name, method, "", "size"), f"{len(block.columns)} columns"


def _seeds(name: str, block: Block, other: Block) -> Rows:
    """Of cells that are on both sides: others have a row for all their figures."""
    theirs = _seeds_of_cells(other)
    for cell, seeds in _seeds_of_cells(block).items():
        if only := seeds - theirs.get(cell, seeds):
            yield (name, *cell, "seeds"), ", ".join(sorted(only, key=lambda text: (len(text), text)))


def _seeds_of_cells(block: Block) -> dict[tuple[str, str], set[str]]:
    """Of the runs that have ended, whichever way."""
    found: dict[tuple[str, str], set[str]] = {}
    for run in block.runs[block.runs["id"].notna()].to_dict("records"):
        of_run = {source: run[f"{source}_seed"] for source in SEEDS}
        values = sorted({*of_run.values()})
        seeds = str(values[0]) if len(values) == 1 else " ".join(f"{source}={n}" for source, n in of_run.items())
        found.setdefault((block.whole(run["method"]), block.whole(run["noise"])), set()).add(seeds)
    return found


def _methods(name: str, block: Block, other: Block) -> Rows:
    """A method that one of the tables does not rank, or ranks by fewer runs than the rest, has no change of rank."""
    unranked = _unranked(block), _unranked(other)
    short = _short(block), _short(other)
    for method, row in block.methods.iterrows():
        whole = block.whole(method)
        if whole not in _names(other):
            continue
        here, there = (side.get(whole, set()) for side in short)
        if all(whole in side for side in unranked):
            continue
        if any(whole in side for side in unranked):
            yield (name, whole, "", "ranked"), unranked[0].get(whole, "yes")
        elif here != there:
            lacking = ", ".join(sorted(here - there))
            yield (name, whole, "", "rank not compared"), f"fewer runs than others at {lacking}" if lacking else ""
        else:
            yield from (((name, whole, "", what), row[what]) for what in _METHOD)


def _unranked(block: Block) -> dict[str, str]:
    """The methods that a table does not rank, and why."""
    reasons = {}
    for method in block.methods.index[block.methods["rank"].isna()]:
        states = block.cells.loc[method].reindex(list(block.noisy))["state"]
        holes = [block.whole(noise) for noise in states.index[states != "value"]]
        reasons[block.whole(method)] = f"no ({', '.join(f'no value at {noise}' for noise in holes)})" if holes else "no"
    return reasons


def _short(block: Block) -> dict[str, set[str]]:
    """The columns in which a method has fewer runs than another: of a results folder, nobody says which are missing."""
    totals = block.cells["total"].unstack("noise")[list(block.noisy)]
    fewer = totals.lt(totals.max(), axis="columns")
    return {
        block.whole(method): {block.whole(noise) for noise in row.index[row]}
        for method, row in fewer.iterrows()
        if row.any()
    }


def _names(block: Block) -> set[str]:
    return {block.whole(method) for method in block.methods.index}


def _cells(name: str, block: Block, other: Block) -> Rows:
    shared = _names(other)
    for (method, noise), row in block.cells.iterrows():
        if row["state"] != "absent" and block.whole(method) in shared:
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
