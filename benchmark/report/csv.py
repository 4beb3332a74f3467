"""Tables as CSV, for further computation: one row per cell with every figure, or what a leaderboard is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import pandas as pd

from benchmark.escapes import visible
from benchmark.tables.comparable import PARTS
from benchmark.tables.comparison import Block, Table
from benchmark.tables.frame import DIAGNOSTICS
from benchmark.tables.leaderboard import Leaderboard, leaderboards
from benchmark.tables.order import ORDER

_CELL_COLUMNS = [
    "state", "n", "units", "total", "plain", "early", "mean", "sd", "half", "delta", "delta_n", "delta_half", "drop",
]  # fmt: skip
_METHOD_COLUMNS = ["rank", *ORDER, "cost", "measured", "needs", "networks", "deviations"]
_PRECISION = "%.8g"


def render_csv(tables: Sequence[Table], layout: str = "rates") -> str:
    """Tidy CSV of the rows that `layout`, one of `ROWS`, has of each table, by every rule and metric.

    Every row names its table's suite and records. Of "rates", one per (block, method, noise): `half` and `delta_half`
    are half widths of 95 % t intervals; empty where a cell has no figure. Of "leaderboard", one per method, as in
    `Leaderboard.methods`, and the robustness per kind of noise. Of "matrix", one per ordered pair of methods. Nothing
    is left out of the names of "rates".
    """
    return render_rows(pd.concat([_with_origin(ROWS[layout](table), table) for table in tables], ignore_index=True))


def _cells(table: Table) -> pd.DataFrame:
    return pd.concat([_rows(block, table) for block in table.blocks], ignore_index=True)


def _leaderboard(table: Table) -> pd.DataFrame:
    return _of_boards(table, _places)


def _matrix(table: Table) -> pd.DataFrame:
    return _of_boards(table, lambda board: board.matrix.reset_index())


ROWS: dict[str, Callable[[Table], pd.DataFrame]] = {"rates": _cells, "leaderboard": _leaderboard, "matrix": _matrix}
"""Layout -> the rows that a CSV file has of it."""


def _places(board: Leaderboard) -> pd.DataFrame:
    areas = (
        board.robustness["mean"].unstack("kind") if len(board.robustness) else pd.DataFrame(index=board.methods.index)
    )
    rows = board.methods.join(areas.add_prefix("robustness.")).rename_axis("method").reset_index()
    counts = ["repetitions", "low", "high", "wins", "ties", "losses"]
    rows[counts] = rows[counts].astype("Int64")
    return rows


def _of_boards(table: Table, rows_of: Callable[[Leaderboard], pd.DataFrame]) -> pd.DataFrame:
    parts = []
    for board in leaderboards(table):
        rows = rows_of(board)
        of = {name: getattr(board, name) for name in ("backbone", "track", "protocol", "tuned", "unit", "rope")}
        shared = {**of, "datasets": "; ".join(board.datasets), "metric": "; ".join(board.metrics)}
        parts.append(pd.concat([pd.DataFrame(shared, index=rows.index), rows], axis=1))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _with_origin(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
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
    rows = pd.concat([pd.DataFrame(asdict(block.place), index=rows.index), rows], axis=1)
    rows[list(PARTS)] = rows[list(PARTS)].map(block.whole)
    return rows


def render_rows(rows: pd.DataFrame) -> str:
    """A name may hold a line break, between quotes; other control characters are written out."""
    text: str = rows.to_csv(index=False, lineterminator="\n", float_format=_PRECISION)
    return "\n".join(map(visible, text.split("\n")))
