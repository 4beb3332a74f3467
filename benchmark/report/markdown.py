"""Tables as Markdown, aligned so that they are readable in a terminal too."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.model_selection import RULES
from benchmark.tables.comparison import Block, Table
from benchmark.tables.frame import MAIN
from benchmark.tables.statistics import DIGITS

WIDTH = 100
_ABSENT = "-"

_SILENT = {"absent": _ABSENT, "undefined": "n/a", "skipped": "skipped"}

_MEANINGS = {
    "kept_precision": "Precision of the kept samples: the share whose label is right",
    "kept_recall": "Recall of the kept samples: the share of the rightly labelled that was kept",
    "kept_auroc": "AUROC of the score by which samples are kept, right against wrong labels",
    "corrected_accuracy": "Accuracy of the corrected labels",
    "transition_l1": "L1 error of the estimated transition matrix, mean over its rows",
}
"""Captions of `frames.DIAGNOSTICS`."""

Cell = dict[str, Any]
"""A row of `Block.cells`."""


def render_markdown(table: Table) -> str:
    """Per block: mean ± sd, differences from the baseline, drop from clean, then notes; last, the origin."""
    test = f", test set {table.extra_test}" if table.extra_test else ""
    metrics = sorted({block.metric for block in table.blocks})
    lower = " (lower is better)" if LOWER_IS_BETTER.issuperset(metrics) else ""
    parts = [f"# {', '.join(metrics)}{lower}, {table.rule}{test}", f"Rule {table.rule}: {RULES[table.rule]}."]
    parts += [part for block in table.blocks for part in _block(block, table)]
    return "\n\n".join([*parts, _origin(table)]) + "\n"


def _origin(table: Table) -> str:
    lines = [
        f"Suite {table.suite}; {table.num_runs} runs",
        f"Records sha256:{table.digest}",
        f"Commit {', '.join(table.commits) or 'unknown'}; hardware {'; '.join(table.hardware) or 'unknown'}",
    ]
    return "  \n".join(_wrap(line) for line in lines)


def _block(block: Block, table: Table) -> list[str]:
    place = block.place
    protocol = f", protocol {place.protocol}" if place.protocol else ""
    parts = [
        f"## {place.dataset}, {place.backbone}, {place.track} track{protocol}",
        _wrap(f"Recipe: {place.recipe}"),
        _wrap(
            f"**{_metric_name(block, table)}, mean ± sd over seeds, n = {block.runs_per_cell}** unless a cell says "
            "otherwise" + _rank_caption(block)
        ),
        _grid(block, block.columns, lambda cell: _figure(cell, block.runs_per_cell), _rank(block)),
    ]
    if block.cells["delta"].notna().any():
        parts += [
            _wrap(
                f"**Difference from {table.baseline}** at equal seeds ± half width of its 95 % t interval; "
                "cost: passes as declared" + (", and seconds as measured" if table.timing else "")
            ),
            _grid(block, block.columns, lambda cell: _delta(cell, block.runs_per_cell), _costs(block, table)),
        ]
    if block.cells["drop"].notna().any():
        parts += [
            _wrap(f"**Drop** from the method's own runs at {block.clean}, at equal seeds"),
            _grid(block, block.columns[1:], lambda cell: _number(cell["drop"]), {}),
        ]
    if table.diagnostics:
        parts += _diagnostics(block)
    return [*parts, "\n".join(_wrap(f"- {note}", "  ") for note in block.notes)]


def _metric_name(block: Block, table: Table) -> str:
    name = block.metric.replace("_", " ").capitalize()
    return f"{name}, the main metric" if table.metric == MAIN else name


def _diagnostics(block: Block) -> list[str]:
    parts = []
    for name, meaning in _MEANINGS.items():
        values = block.cells[name].unstack("noise").reindex(block.methods.index)
        methods = values.index[values.notna().any(axis=1)]
        if len(methods):
            parts += [
                _wrap(f"**{meaning}**, mean over seeds, last epoch"),
                _grid(block, block.columns, _number_of(name), {}, methods),
            ]
    return parts


def _rank_caption(block: Block) -> str:
    if block.methods["rank"].isna().all():
        return ""
    return f"; rank: average over {', '.join(block.noisy)}, of methods without a hole, means as printed"


def _rank(block: Block) -> dict[str, list[str]]:
    ranks = block.methods["rank"]
    if ranks.isna().all():
        return {}
    columns = {"rank": [_ABSENT if pd.isna(rank) else f"{rank:.1f}" for rank in ranks]}
    resolved = block.methods["best"].notna()
    if resolved.any():
        rows = zip(resolved, block.methods["low"], block.methods["high"], block.methods["group"], strict=True)
        places = [(f"{low:.0f}-{high:.0f}", group) if claimed else ("", "") for claimed, low, high, group in rows]
        columns |= {"place": [place for place, _ in places], "group": [group for _, group in places]}
    return columns


def _costs(block: Block, table: Table) -> dict[str, list[str]]:
    columns = {"cost": [cost or _ABSENT for cost in block.methods["cost"]]}
    if table.timing:
        columns["measured"] = [_ABSENT if pd.isna(x) else f"{x:.2f}x" for x in block.methods["measured"]]
    return columns


def _figure(cell: Cell, usual: int) -> str:
    if cell["state"] == "hole":
        return f"{cell['n']}/{cell['total']}"
    if cell["state"] != "value":
        return _SILENT[cell["state"]]
    spread = "" if pd.isna(cell["sd"]) else f" ±{_number(cell['sd'])}"
    begun = "‡" if cell["plain"] else ""
    return f"{_number(cell['mean'])}{spread}{begun}" + ("" if cell["n"] == usual else f" (n={cell['n']})")


def _delta(cell: Cell, usual: int) -> str:
    if pd.isna(cell["delta"]):
        return _ABSENT
    spread = "" if pd.isna(cell["delta_half"]) else f" ±{_number(cell['delta_half'])}"
    pairs = "" if cell["delta_n"] == usual else f" (n={cell['delta_n']:.0f})"
    return f"{_number(cell['delta'], signed=True)}{spread}{pairs}"


def _number(value: float, signed: bool = False) -> str:
    """ ".873", "-.020", "1.204": no zero before the point, to save width; never "-.000"."""
    if pd.isna(value):
        return _ABSENT
    rounded = round(float(value), DIGITS) + 0.0
    text = f"{rounded:{'+' if signed else ''}.{DIGITS}f}"
    return text.replace("0.", ".", 1) if abs(rounded) < 1 else text


def _number_of(name: str) -> Callable[[Cell], str]:
    return lambda cell: _number(cell[name])


def _grid(
    block: Block,
    columns: Sequence[str],
    show: Callable[[Cell], str],
    extra: dict[str, list[str]],
    methods: Sequence[str] | None = None,
) -> str:
    """`methods`: rows to show, all by default; `extra` has a value per row."""
    known = block.cells.to_dict("index")
    rows = [["method", *columns, *extra]]
    for position, method in enumerate(block.methods.index if methods is None else methods):
        cells = [show(known[method, noise]) for noise in columns]
        rows.append([_name(block, method), *cells, *(values[position] for values in extra.values())])
    return _aligned([[cell.replace("|", "\\|") for cell in row] for row in rows])


def _name(block: Block, method: str) -> str:
    row = block.methods.loc[method]
    marks = ("†" if row["needs"] else "") + ("*" if row["deviations"] else "")
    networks = f" ({row['networks']} nets)" if row["networks"] > 1 else ""
    return f"{method}{marks.replace('*', chr(92) + '*')}{networks}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _wrap(text: str, indent: str = "") -> str:
    return "\n".join(
        textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    )
