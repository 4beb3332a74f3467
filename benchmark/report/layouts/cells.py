"""What the cells of a table say: figures, differences, names with their marks, and which group a method is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.report.document import Cell, Emphasis
from benchmark.tables.comparison import Block, Table
from benchmark.tables.order import MIN_UNITS, split_letters
from benchmark.tables.statistics import DIGITS

ABSENT = "-"

Row = Mapping[str, Any]
"""A row of `Block.cells`."""


def number(value: float, signed: bool = False) -> str:
    """ ".873", "-.020", "1.204": no zero before the point, to save width; never "-.000"."""
    if pd.isna(value):
        return ABSENT
    rounded = round(float(value), DIGITS) + 0.0
    text = f"{rounded:{'+' if signed else ''}.{DIGITS}f}"
    return text.replace("0.", ".", 1) if abs(rounded) < 1 else text


def spread(value: float) -> str:
    return "" if pd.isna(value) else f" ±{number(value)}"


def figure(row: Row, usual: int) -> Cell:
    """Mean ± sd; the number of runs where it is not the `usual` one, and what a cell without a figure is."""
    if row["state"] == "hole":
        text = f"{row['n']}/{row['total']}"
        return Cell(text, meaning=f"hole: {row['n']} of {row['total']} runs have a value")
    if row["state"] == "absent":
        return Cell(ABSENT, meaning="no such run")
    if row["state"] == "undefined":
        return Cell("n/a", meaning="the rule or the metric is undefined here")
    if row["state"] == "skipped":
        return Cell("skipped")
    begun = "‡" if row["plain"] else ""
    runs = "" if row["n"] == usual else f" (n={row['n']})"
    return Cell(f"{number(row['mean'])}{spread(row['sd'])}", marks=f"{begun}{runs}")


def difference(row: Row, usual: int) -> Cell:
    """The difference from the baseline ± half width of its interval."""
    if pd.isna(row["delta"]):
        return Cell(ABSENT, meaning="no difference")
    runs = "" if row["delta_n"] == usual else f" (n={row['delta_n']:.0f})"
    return Cell(f"{number(row['delta'], signed=True)}{spread(row['delta_half'])}", marks=runs)


def average(summary: pd.DataFrame, name: str, *, signed: bool = False, emphasis: Emphasis | None = None) -> Cell:
    """The mean of a row of `averages.summary` ± sd, or ± half width where it is a `signed` difference."""
    if name not in summary.index or pd.isna(summary.at[name, "mean"]):
        return Cell(ABSENT, meaning="a hole in one of the columns, or nothing to compare")
    width = summary.at[name, "half" if signed else "sd"]
    return Cell(f"{number(summary.at[name, 'mean'], signed)}{spread(width)}", emphasis=emphasis)


def valued(value: float) -> Cell:
    return Cell(ABSENT, meaning="no value") if pd.isna(value) else Cell(number(value))


def cost(declared: str) -> Cell:
    return Cell(declared) if declared else Cell(ABSENT, meaning="not known")


def times(factor: float) -> Cell:
    return Cell(ABSENT, meaning="not known") if pd.isna(factor) else Cell(f"{factor:.2f}x")


def method(block: Block, name: str) -> Cell:
    """The name of a row with its marks, emphasized where the order is resolved."""
    return Cell(name, marks=marks(block, name), emphasis=emphasis(block.methods.at[name, "group"]))


def marks(block: Block, name: str) -> str:
    row = block.methods.loc[name]
    networks = f" ({row['networks']} nets)" if row["networks"] > 1 else ""
    return ("†" if row["needs"] else "") + ("*" if row["deviations"] else "") + networks


def emphasis(group: Any) -> Emphasis | None:
    """Of the letters of a method: "best" with the letter a, "second" with b alone; None where nothing is resolved."""
    letters = set() if pd.isna(group) else set(split_letters(group))
    return "best" if "a" in letters else "second" if "b" in letters else None


def legend(block: Block, table: Table) -> str:
    """What is emphasized in a block, or why nothing is."""
    groups = block.methods["group"].fillna("")
    if any(map(emphasis, groups)):
        budgets = " among rows of the same tuning budget" if block.methods["tuned"].nunique() > 1 else ""
        return (
            "Bold: the methods that are not told apart from the best one (group a). Underlined: the next group (b)"
            f"{budgets}. Groups compare means over the noisy columns"
        )
    return f"No method is emphasized: {_unresolved(block, table)}"


def _unresolved(block: Block, table: Table) -> str:
    if block.methods["rank"].notna().sum() < 2:
        ranked = "no noisy column" if not block.noisy else "fewer than two methods"
        return f"{ranked} can be ranked by {table.rule}"
    return f"the order is not resolved with fewer than {MIN_UNITS} seeds (n = {block.methods['repetitions'].max():.0f})"
