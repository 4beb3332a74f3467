"""What a figure shows of a table: its blocks, and of each the methods and the columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import Block, Table

CELL = ["method", "noise"]
NAMED = 6
"""More names than this are counted instead of named."""


@dataclass(frozen=True)
class Shown:
    """A block of a table, and what of it is shown."""

    block: Block
    methods: tuple[str, ...]
    """Best average rank first, as in the block."""
    noise: tuple[str, ...]
    """In the order of the block's columns."""
    named: bool = False
    """Whether the methods were asked for by name: all of them are shown then."""
    columns_named: bool = False
    """The same of the noise."""

    @property
    def title(self) -> str:
        place = self.block.place
        protocol = f", protocol {place.protocol}" if place.protocol else ""
        return f"{place.dataset}, {place.backbone}, {place.track} track{protocol}"

    def first(self, count: int, baseline: str) -> Shown:
        """With the baseline and the best others by average rank, `count` methods in all, unless they were named."""
        if self.named or len(self.methods) <= count:
            return self
        others = [method for method in self.methods if method != baseline]
        kept = {*others[: count - (baseline in self.methods)], baseline}
        return replace(self, methods=tuple(method for method in self.methods if method in kept))

    def few_columns(self) -> Shown:
        """With the clean column and the one where most labels are wrong, unless columns were named."""
        if self.columns_named:
            return self
        realized = self.block.runs.groupby("noise")["realized"].mean().reindex(list(self.noise))
        most = self.noise[-1] if realized.isna().all() else realized.idxmax()
        return replace(self, noise=tuple(name for name in self.noise if name in {self.block.clean, most}))

    def worst_of_each_kind(self) -> Shown:
        """With the column of every kind of noise in which most labels are wrong, unless columns were named."""
        rows = self.block.runs[self.block.runs["noise"].isin(self.noise) & ~self.block.runs["clean"]]
        if self.columns_named or rows.empty:
            return self
        realized = rows.groupby(["noise_kind", "noise"])["realized"].mean().fillna(0.0)
        worst = {column for _, column in realized.groupby("noise_kind").idxmax()}
        return replace(self, noise=tuple(name for name in self.noise if name in worst))


def differing(one: Shown, blocks: Sequence[Shown]) -> str:
    """What of its place differs from that of other blocks, as "cnn, blind"."""
    places = [other.block.place for other in blocks]
    parts = ("dataset", "backbone", "track", "protocol")
    differ = [getattr(one.block.place, part) for part in parts if len({getattr(place, part) for place in places}) > 1]
    recipes = list(dict.fromkeys(place.recipe for place in places))
    if len(recipes) > 1:
        differ.append(told_apart(recipes)[1][recipes.index(one.block.place.recipe)])
    return ", ".join(differ)


def told_apart(texts: Sequence[str]) -> tuple[str, list[str]]:
    """What all recipes say, and what each of them says beside it, or which settings of others it lacks: "no views"."""
    items = [text.split(" ") for text in texts]
    shared = [item for item in items[0] if all(item in others for others in items)]
    own = [" ".join(item for item in of_one if item not in shared) for of_one in items]
    names = dict.fromkeys(item.partition("=")[0] for text in own for item in text.split())
    return " ".join(shared), [text or f"no {', '.join(names)}" if names else "this recipe" for text in own]


def shown(table: Table, names: Sequence[str]) -> list[Shown]:
    """The blocks of `table` with what `names` choose: data sets, backbones, tracks, methods, and noise by column or
    by kind, as the table calls them. Where no name is of one of these, all of it is shown.

    Raises TableError where a name is none of these, or nothing is left.
    """
    blocks = table.blocks
    chosen: Callable[[Iterable[str]], set[str]] = lambda known: set(known) & set(names)  # noqa: E731
    datasets = chosen(block.place.dataset for block in blocks)
    backbones = chosen(block.place.backbone for block in blocks)
    tracks = chosen(block.place.track for block in blocks)
    methods = chosen(method for block in blocks for method in block.methods.index)
    kinds = {noise: kind for block in blocks for noise, kind in _kinds(block).items()}
    noise = {column for column, kind in kinds.items() if {column, kind} & set(names)}
    unknown = set(names) - datasets - backbones - tracks - methods - noise - set(kinds.values())
    if unknown:
        raise TableError(f"--only {min(unknown)!r} is in no part of the table; {_known(table)}")
    found = [
        Shown(
            block,
            tuple(method for method in block.methods.index if not methods or method in methods),
            tuple(column for column in block.columns if not noise or column in noise),
            bool(methods),
            bool(noise),
        )
        for block in blocks
        if (not datasets or block.place.dataset in datasets)
        and (not backbones or block.place.backbone in backbones)
        and (not tracks or block.place.track in tracks)
    ]
    found = [one for one in found if one.methods and one.noise]
    if not found:
        raise TableError(f"no cell is of all of --only {' --only '.join(names)}; {_known(table)}")
    return found


def _kinds(block: Block) -> dict[str, str]:
    """The kind of noise of every column."""
    columns = block.runs.drop_duplicates("noise")
    return dict(zip(columns["noise"], columns["noise_kind"], strict=True))


def _known(table: Table) -> str:
    """What `--only` can name."""
    parts = {
        "data sets": [block.place.dataset for block in table.blocks],
        "backbones": [block.place.backbone for block in table.blocks],
        "tracks": [block.place.track for block in table.blocks],
        "noise": [noise for block in table.blocks for noise in block.columns],
        "methods": [method for block in table.blocks for method in block.methods.index],
    }
    return "there are " + "; ".join(f"{part} {some(dict.fromkeys(known))}" for part, known in parts.items())


def some(names: Iterable[str], most: int = NAMED) -> str:
    """Names in a line; of more than `most` the first, and how many there are beside them."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def runs(one: Shown) -> pd.DataFrame:
    """The runs of its cells, whatever their state: rows of `Block.runs`."""
    rows = one.block.runs
    return rows[rows["method"].isin(one.methods) & rows["noise"].isin(one.noise)]


def ended(one: Shown) -> pd.DataFrame:
    """The runs of its cells that were trained to their end."""
    rows = runs(one)
    return rows[rows["state"] == "ok"]


def without_repetition(blocks: Sequence[Shown]) -> tuple[list[Shown], str]:
    """The blocks that show a run that no earlier one does, and a sentence on the others.

    Runs of methods that need no hint stand in both tracks.
    """
    kept: list[Shown] = []
    ids: list[set[str]] = []
    repeated = []
    for one in blocks:
        own = set(runs(one)["id"].dropna())
        if kept and own <= set().union(*ids):
            where = dict.fromkeys(other.title for other, of_other in zip(kept, ids, strict=True) if own & of_other)
            why = f"whose runs are those of {', '.join(where)}" if where else "which has no runs"
            repeated.append(f"{one.title}, {why}")
        else:
            kept.append(one)
            ids.append(own)
    return kept, f"not drawn: {'; '.join(repeated)}" if repeated else ""


def holes(one: Shown) -> str:
    """Which of its cells have no figure, and why; "" where all have one."""
    cells = one.block.cells.loc[pd.MultiIndex.from_product([one.methods, one.noise], names=CELL)]
    empty = cells[cells["state"].isin(["hole", "absent"])]
    told = [
        f"{method} at {noise} ({row['n']} of {row['total']} runs)" if row["total"] else f"{method} at {noise} (no runs)"
        for (method, noise), row in empty.iterrows()
    ]
    return f"no figure, drawn as a gap: {some(told)}" if told else ""


def undefined(one: Shown) -> str:
    """Which of its cells have no value by the rule and metric although all runs ended; "" where there are none."""
    cells = one.block.cells.loc[pd.MultiIndex.from_product([one.methods, one.noise], names=CELL)]
    told = [f"{method} at {noise}" for method, noise in cells.index[cells["state"] == "undefined"]]
    return f"the metric is undefined by this rule, drawn as a gap: {some(told)}" if told else ""


def single(one: Shown) -> str:
    """Says so where cells rest on one independent seed: they have no interval."""
    cells = one.block.cells.loc[pd.MultiIndex.from_product([one.methods, one.noise], names=CELL)]
    alone = (cells["state"] == "value") & (cells["units"] == 1)
    return f"no interval where there is one seed (cells: {alone.sum()}); --seeds 6 makes more" if alone.any() else ""


def unfinished(one: Shown) -> str:
    """Which of its cells have runs that did not end, whose curves and predictions do not count; "" for none."""
    rows = runs(one)
    lacking = rows[rows["state"] != "ok"].drop_duplicates(["method", "noise"])
    told = [f"{row['method']} at {row['noise']} ({row['state']})" for row in lacking.to_dict("records")]
    return f"runs that did not end are not drawn: {some(told)}" if told else ""


def for_want_of_room(what: Sequence[str]) -> str:
    return f"left out for want of room: {some(what)}; --only chooses what is drawn" if what else ""


def span(counts: Iterable[float]) -> str:
    """ "6" or "3 to 6" of whole numbers."""
    known = sorted({int(count) for count in counts})
    if not known:
        return "0"
    return str(known[0]) if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
