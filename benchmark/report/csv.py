"""Tables as CSV: one row per cell with every figure, for further computation."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from benchmark.tables.comparison import Block, Table
from benchmark.tables.frame import DIAGNOSTICS
from benchmark.tables.order import ORDER

_CELL_COLUMNS = [
    "state", "n", "units", "total", "plain", "early", "mean", "sd", "half", "delta", "delta_n", "delta_half", "drop",
]  # fmt: skip
_METHOD_COLUMNS = ["rank", *ORDER, "cost", "measured", "needs", "networks", "deviations"]
_PRECISION = "%.8g"


def render_csv(table: Table) -> str:
    """Tidy CSV, one row per (block, method, noise); every row names the table's rule, suite and records.

    `half` and `delta_half` are half widths of 95 % t intervals; empty where a cell has no figure.
    """
    frame = pd.concat([_rows(block, table) for block in table.blocks], ignore_index=True)
    frame["rule"], frame["baseline"] = table.rule, table.baseline
    frame["test"] = table.extra_test or "test"
    frame["suite"], frame["records"] = table.suite, f"sha256:{table.digest}"
    frame["commit"], frame["hardware"] = "; ".join(table.commits), "; ".join(table.hardware)
    return frame.to_csv(index=False, lineterminator="\n", float_format=_PRECISION)


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
