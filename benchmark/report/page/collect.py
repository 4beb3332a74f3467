"""A table and the whole records of its runs to the columns of a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.model_selection import RULES
from benchmark.report.page.columns import Cell, Confusions, Curves, Data, Method, Noise, PageBlock, Row, Runs
from benchmark.store.content import Record
from benchmark.tables.commands import grid_text, method_text, noise_text
from benchmark.tables.comparison import STATES, UNRANKED_RULE, Block, Table
from benchmark.tables.frame import DIAGNOSTICS
from benchmark.tables.predictions import ClassNames
from benchmark.tables.statistics import SEEDS

MOST_POINTS = 150_000
"""Epochs of all runs together; with more of them curves are means of cells."""
MOST_EXACT_RUNS = 20_000
"""With more runs, figures are kept to `ROUNDED_DIGITS`."""
ROUNDED_DIGITS = 4
MOST_COUNTS = 500_000
"""Counts of all confusion matrices together; with more of them there are none."""
THOUSAND = 1000


class Names:
    """Texts by position, in the order in which they are first asked for."""

    def __init__(self, *first: str) -> None:
        self._places = {name: place for place, name in enumerate(first)}

    def __call__(self, name: str) -> int:
        return self._places.setdefault(name, len(self._places))

    def texts(self) -> list[str]:
        return list(self._places)


@dataclass
class Described:
    """What is known of a method's plugin."""

    card: dict[str, str] = field(default_factory=dict)
    plain_phases: frozenset[str] = frozenset()
    """In which it has not begun."""


def collect(table: Table, records: Iterable[Record], described: Mapping[str, Described]) -> Data:
    """The data of a page around `table`.

    `records`: whole, one for each run of the table that has one, in any order. `described`: by plugin.
    """
    methods = {name: row["plugin"] for block in table.blocks for name, row in block.methods.iterrows()}
    noises = {
        row["noise"]: Noise(
            row["noise"],
            row["noise_kind"],
            None if pd.isna(row["rate"]) else float(row["rate"]),
            noise_text(orjson.loads(row["spec_key"])),
        )
        for block in table.blocks
        for row in block.runs.drop_duplicates("noise").to_dict("records")
    }
    listed = _Listed(Names(*methods), Names(*noises))
    blocks = [listed.block(position, block) for position, block in enumerate(table.blocks)]
    figures = _Figures(table.rule, listed, methods, described)
    for record in records:
        figures.add(record)
    for position, block in enumerate(blocks):
        block.classes = list(figures.classes[position].names)
    exact = len(listed.runs.id) <= MOST_EXACT_RUNS
    runs, numbers = figures.columns(exact)
    return Data(
        suite=table.suite,
        digest=table.digest,
        rule=table.rule,
        rules=dict(RULES),
        unranked=UNRANKED_RULE,
        baseline=table.baseline,
        exact=exact,
        methods=[Method(str(name), plugin) for name, plugin in methods.items()],
        cards={plugin: described[plugin].card for plugin in sorted(set(methods.values())) if plugin in described},
        noises=list(noises.values()),
        states=list(STATES),
        reasons=listed.reasons.texts(),
        units=listed.units.texts(),
        seeds=listed.seeds.texts(),
        numbers=numbers,
        blocks=blocks,
        runs=runs,
        curves=figures.curves(),
        confusions=figures.confusions(),
    )


class _Listed:
    """The runs of blocks, each once, in the order of the table."""

    def __init__(self, methods: Names, noises: Names) -> None:
        self.methods, self.noises = methods, noises
        self.reasons, self.units, self.seeds = Names(""), Names(""), Names()
        self.runs = Runs()
        self.place: dict[str, int] = {}
        self.cell: list[Cell] = []
        """Per run; that of its first block."""
        self.metric: list[str] = []

    def block(self, position: int, block: Block) -> PageBlock:
        members = [self._run(position, block.metric, row) for row in block.runs.to_dict("records")]
        place = block.place
        specs = block.runs.drop_duplicates("method").set_index("method")["spec_key"].map(orjson.loads)
        return PageBlock(
            dataset=place.dataset,
            backbone=place.backbone,
            recipe=place.recipe,
            track=place.track,
            protocol=place.protocol,
            metric=block.metric,
            lower_is_better=block.metric in LOWER_IS_BETTER,
            columns=[self.noises(name) for name in block.columns],
            clean=-1 if block.clean is None else self.noises(block.clean),
            noisy=[self.noises(name) for name in block.noisy],
            usual=block.runs_per_cell,
            rows=[
                Row(
                    self.methods(str(name)),
                    int(row["tuned"]),
                    ("†" if row["needs"] else "") + ("*" if row["deviations"] else ""),
                    int(row["networks"]),
                    row["cost"],
                    method_text(specs[name]),
                )
                for name, row in block.methods.iterrows()
            ],
            runs=members,
            classes=[],
            command=grid_text(specs.iloc[0]),
        )

    def _run(self, block: int, metric: str, row: Mapping[str, Any]) -> int:
        """The position of a run, which a run of two tracks has in common."""
        run_id = "" if pd.isna(row["id"]) else row["id"]
        if run_id in self.place:
            return self.place[run_id]
        runs, position = self.runs, len(self.runs.id)
        if run_id:
            self.place[run_id] = position
        runs.id.append(run_id)
        runs.method.append(self.methods(row["method"]))
        runs.noise.append(self.noises(row["noise"]))
        runs.state.append(STATES.index(row["state"]))
        runs.reason.append(self.reasons(row["reason"]))
        runs.unit.append(self.units(row["unit"]))
        runs.seeds.append(self.seeds(_seeds(row)))
        runs.seconds.append(-1 if pd.isna(row["seconds"]) else float(f"{row['seconds']:.3g}"))
        self.cell.append((block, runs.method[-1], runs.noise[-1]))
        self.metric.append(metric)
        return position


def _seeds(row: Mapping[str, Any]) -> str:
    """ "3" where all seeds of a run are equal, else each with its name."""
    of_run = {source: row[f"{source}_seed"] for source in SEEDS}
    if len(set(of_run.values())) == 1:
        return str(of_run[SEEDS[0]])
    return ", ".join(f"{source} {seed}" for source, seed in of_run.items())


class _Figures:
    """What whole records add to the listed runs: figures by rule, curves and confusion matrices."""

    def __init__(
        self, rule: str, listed: _Listed, plugins: Mapping[str, str], described: Mapping[str, Described]
    ) -> None:
        self._rule, self._listed = rule, listed
        self._plain = [described.get(plugin, Described()).plain_phases for plugin in plugins.values()]
        count = len(listed.runs.id)
        self._value = {name: np.full(count, np.nan) for name in RULES}
        self._epoch = {name: np.full(count, -1, dtype=np.int64) for name in RULES}
        self._begins_later = {name: np.zeros(count, dtype=np.int64) for name in RULES}
        self._diagnostics = {name: np.full(count, np.nan) for name in DIAGNOSTICS}
        self._curves: dict[int, dict[str, NDArray[np.float64]]] = {}
        self._points = 0
        self._confusion: dict[Cell, NDArray[np.int64]] = {}
        self.classes: defaultdict[int, ClassNames] = defaultdict(ClassNames)
        """By the position of a block."""

    def add(self, record: Record) -> None:
        run = self._listed.place.get(record["id"])
        if run is None or record["state"] not in ("ok", "diverged"):
            return
        cell, metric = self._listed.cell[run], self._listed.metric[run]
        self.classes[cell[0]].note(record)
        for rule, figures in (record.get("metrics") or {}).items():
            if figures is not None and record["state"] == "ok":
                value = figures.get(metric)
                self._value[rule][run] = np.nan if value is None else value
                self._epoch[rule][run] = figures.get("epoch", -1)
                self._begins_later[rule][run] = figures.get("phase") in self._plain[cell[1]]
        for name, field_name in DIAGNOSTICS.items():
            found = (record.get("diagnostics") or {}).get(field_name)
            self._diagnostics[name][run] = np.nan if found is None else found
        curves = dict(_curves(record.get("curve") or {}, metric, record.get("main_metric") or metric))
        self._points += max(map(len, curves.values()), default=0)
        self._curves[run] = curves
        outcome = (record.get("outcomes") or {}).get(self._rule)
        if outcome is not None:
            counts = np.asarray(outcome["confusion"], dtype=np.int64).ravel()
            known = self._confusion.get(cell)
            self._confusion[cell] = counts if known is None else known + counts

    def columns(self, exact: bool) -> tuple[Runs, list[float]]:
        """The runs with their figures, and the numbers that these are."""
        values = self._value if exact else {k: np.round(v, ROUNDED_DIGITS) for k, v in self._value.items()}
        every = np.concatenate(list(values.values()))
        numbers = np.unique(every[np.isfinite(every)])
        runs = self._listed.runs
        for rule, of_rule in values.items():
            places = np.searchsorted(numbers, of_rule)
            runs.value[rule] = np.where(np.isfinite(of_rule), places, -1).tolist()
            runs.epoch[rule] = self._epoch[rule].tolist()
            runs.plain[rule] = self._begins_later[rule].tolist()
        reported = {name: found for name, found in self._diagnostics.items() if np.isfinite(found).any()}
        runs.diagnostics = {name: _thousandths(found) for name, found in reported.items()}
        return runs, numbers.tolist()

    def curves(self) -> Curves:
        of_cells = self._points > MOST_POINTS
        entries = dict(self._means()) if of_cells else dict(sorted(self._curves.items()))
        names = sorted({name for curves in entries.values() for name in curves})
        values = {
            name: [_thousandths(curves[name]) if name in curves else [] for curves in entries.values()]
            for name in names
        }
        return Curves(of_cells, list(entries), values)  # type: ignore[arg-type]

    def _means(self) -> Iterator[tuple[Cell, dict[str, NDArray[np.float64]]]]:
        members: dict[Cell, list[int]] = {}
        for run in sorted(self._curves):
            members.setdefault(self._listed.cell[run], []).append(run)
        for cell, runs in sorted(members.items()):
            yield cell, _mean_curves([self._curves[run] for run in runs])

    def confusions(self) -> Confusions:
        if sum(len(counts) for counts in self._confusion.values()) > MOST_COUNTS:
            return Confusions(omitted=True)
        entries = sorted(self._confusion.items())
        return Confusions(False, [cell for cell, _ in entries], [counts.tolist() for _, counts in entries])


def _curves(curve: Mapping[str, Any], metric: str, main_metric: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Per epoch the table's metric where a curve keeps it, else the data set's own."""
    columns = {
        "training batches": (curve.get("train") or {}).get("accuracy"),
        "noisy validation labels": _of(curve.get("val_noisy"), metric, main_metric),
        "test set": _of(curve.get("test"), metric, main_metric),
        "wrong labels predicted as the true class": (curve.get("memorization") or {}).get("true"),
        "wrong labels memorized": (curve.get("memorization") or {}).get("memorized"),
    }
    for name, column in columns.items():
        if column:
            yield name, np.array([np.nan if value is None else value for value in column], dtype=np.float64)


def _of(columns: Mapping[str, Sequence[float | None]] | None, *metrics: str) -> Sequence[float | None] | None:
    return next((columns[metric] for metric in metrics if columns and metric in columns), None)


def _mean_curves(runs: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """Means of the curves that all of `runs` have, over the epochs that all have."""
    shared = [name for name in runs[0] if all(name in run for run in runs)]
    lengths = {name: min(len(run[name]) for run in runs) for name in shared}
    return {name: np.mean([run[name][: lengths[name]] for run in runs], axis=0) for name in shared}


def _thousandths(values: NDArray[np.float64]) -> list[int]:
    return np.where(np.isfinite(values), np.round(values * THOUSAND), -1).astype(np.int64).tolist()
