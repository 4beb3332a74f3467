"""Tables as CSV: one row per cell with every figure, for further computation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from benchmark.report.escapes import visible
from benchmark.tables.comparison import Block, Table
from benchmark.tables.frame import DIAGNOSTICS
from benchmark.tables.order import ORDER

_CELL_COLUMNS = [
    "state", "n", "units", "total", "plain", "early", "mean", "sd", "half", "delta", "delta_n", "delta_half", "drop",
]  # fmt: skip
_METHOD_COLUMNS = ["rank", *ORDER, "cost", "measured", "needs", "networks", "deviations"]
_PRECISION = "%.8g"


def render_csv(tables: Sequence[Table]) -> str:
    """Tidy CSV, one row per (rule, metric, block, method, noise); every row names its table's suite and records.

    `half` and `delta_half` are half widths of 95 % t intervals; empty where a cell has no figure.
    """
    return render_rows(pd.concat(list(map(_cells, tables)), ignore_index=True))


def _cells(table: Table) -> pd.DataFrame:
    frame = pd.concat([_rows(block, table) for block in table.blocks], ignore_index=True)
    frame["rule"], frame["baseline"] = table.rule, table.baseline
    frame["test"] = table.extra_test or "test"
    frame["suite"], frame["records"] = table.suite, f"sha256:{table.digest}"
    frame["commit"], frame["hardware"] = "; ".join(table.commits), "; ".join(table.hardware)
    return frame


def _rows(block: Block, table: Table) -> pd.DataFrame:
    order = pd.MultiIndex.from_product([block.methods.index, block.columns], names=["method", "noise"])
    kept = [name for name in _METHOD_COLUMNS if table.timing or name != "measured"]
    columns = [*_CELL_COLUMNS, *(DIAGNOSTICS if table.diagnostics else ())]
    rows = block.cells.reindex(order)[columns].join(block.methods[[*kept, "unrecorded"]], on="method").reset_index()
    rows["deviations"] = rows["deviations"].mask(rows.pop("unrecorded"), "not recorded")
    counts = ["units", "delta_n", "repetitions", "low", "high"]
    rows[counts] = rows[counts].astype("Int64")
    rows["metric"] = block.metric
    return pd.concat([pd.DataFrame(asdict(block.place), index=rows.index), rows], axis=1)


def render_rows(rows: pd.DataFrame) -> str:
    """A name may hold a line break, between quotes; other control characters are written out."""
    text: str = rows.to_csv(index=False, lineterminator="\n", float_format=_PRECISION)
    return "\n".join(map(visible, text.split("\n")))
