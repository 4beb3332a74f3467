#!/usr/bin/env python
"""Compares the detectors of wrong labels and writes results/published/suspects.csv and suspects.md.

    python -m scripts.suspects_study --weights dinov2_s.pth      # about two hours on a core, once the features are kept
    python -m scripts.suspects_study --only digits --seeds 1     # these cells alone; needs no weights

Real images come from $NOISYBENCH_DATA (default ../shared/data); features are kept in --results. Rows that suspects.csv
holds already are not measured again: delete those of a detector, or the file, to measure them anew.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmark.cli.probes import make_probe
from benchmark.grid.plugin_ref import PluginRef
from benchmark.labels.detectors import DETECTORS, Probe, Verdict, suited
from benchmark.labels.examined import in_training_set
from benchmark.labels.suspects import judge
from benchmark.option_text import quote
from benchmark.runs.noisy_data import make_noisy_data
from benchmark.store import provenance
from benchmark.store.atomic import write_atomically
from benchmark.store.store import Store
from scripts.rate_cells import FILES, MAPS, PATHOLOGISTS

ROOT = Path(__file__).resolve().parent.parent
RESAMPLES = 200
"""Of the images, for the interval of an average precision."""
TOP = 100
"""Labels that somebody reads in an hour or two."""
NETWORK = "the small network"
FEATURES = "DINOv2-S, frozen"


@dataclass(frozen=True)
class Cell:
    """One data set under one noise, looked at by one backbone."""

    data: str
    noise: str
    kind: str
    """Of noise, for the averages: class-conditional, instance-dependent, human, raters, weak."""
    backbone: str = FEATURES
    raters: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        noise = self.noise.replace(f",{PATHOLOGISTS}", "")
        return f"{self.data} {noise}" + (" (network)" if self.backbone == NETWORK else "")


CROWD = ("random_1", "random_2", "random_3")
CELLS = (
    Cell("digits", "symmetric:0.2", "class-conditional", NETWORK),
    Cell("digits", "instance:0.2", "instance-dependent", NETWORK),
    Cell("pbc", "symmetric:0.2", "class-conditional", NETWORK),
    Cell("pbc", "symmetric:0.2", "class-conditional"),
    Cell("pbc", "asymmetric:0.3", "class-conditional"),
    Cell("pbc", "instance:0.3", "instance-dependent"),
    Cell("colon5", "symmetric:0.2", "class-conditional"),
    Cell("colon5", "instance:0.3", "instance-dependent"),
    Cell("ham7", "symmetric:0.2", "class-conditional"),
    Cell("ham7", "instance:0.3", "instance-dependent"),
    Cell("colon4", f"raters:a,{PATHOLOGISTS}", "raters"),
    Cell("colon4", f"raters:b,{PATHOLOGISTS}", "raters"),
    Cell("cifar10n", "given:aggre", "human", raters=CROWD),
    Cell("cifar10n", "given:random_1", "human", raters=CROWD),
    Cell("cifar10n", "given:worse", "human", raters=CROWD),
    Cell("cifar10h", "given:rater", "human"),
    Cell("odir8", "given:patient", "weak"),
)


@dataclass(frozen=True)
class Row:
    """One detector on one cell and seed, as a line of the CSV file."""

    cell: str
    kind: str
    detector: str
    seed: int
    labels: int
    wrong: int
    average_precision: float
    low: float
    """Ends of the 95 % interval, over resampled images."""
    high: float
    auroc: float
    at_top: float
    """Share of wrong labels among the first TOP."""
    half: float
    """Share of the ceiling where half as many labels are read as are wrong, as many, and twice as many."""
    equal: float
    double: float
    seconds: float
    """Of a shared core; what several detectors need is counted for the first of them."""


@dataclass(frozen=True)
class Places:
    data: Path
    results: Path
    weights: Path | None

    def probe(self, cell: Cell, seed: int) -> Probe:
        name = "digits" if cell.data == "digits" else f"npz:{self.data / FILES[cell.data]}"
        noise = PluginRef.of(cell.noise)
        if cell.noise.startswith("asymmetric"):
            noise = noise.having(map=MAPS[cell.data])
        noisy = make_noisy_data(PluginRef.of(name), noise, seed, data_root=self.data, results=self.results)
        store = Store(self.results)
        data = noisy.source.load(store.cache("data"))
        examined = in_training_set(noisy, data, store.cache("data"), cell.raters)
        return make_probe(self._backbone(cell), noisy, examined, data, store, seed=seed, device="cpu")

    def _backbone(self, cell: Cell) -> str:
        if cell.backbone == NETWORK:
            return "cnn"
        if self.weights is None:
            raise SystemExit(f"{cell.name} needs pretrained features; pass --weights FILE, or --only digits")
        weights = quote(str(self.weights.resolve()))
        return f"timm/vit_small_patch14_dinov2:frozen=true,input_size=98,weights={weights}"


def measured(cell: Cell, probe: Probe, detector: str, seed: int) -> Row:
    assert probe.part.clean is not None
    wrong = probe.labels != probe.part.clean
    errors = int(wrong.sum())
    started = time.perf_counter()
    verdict = DETECTORS[detector](probe)
    seconds = round(time.perf_counter() - started, 1)
    budgets = [max(1, round(errors * share)) for share in (0.5, 1, 2)]
    found = judge(wrong, verdict.score, (TOP, *budgets))
    at = {row["k"]: row for row in found["at"]}
    low, high = interval(wrong, verdict, seed)
    half, equal, double = (at[k]["share_of_ceiling"] for k in budgets)
    return Row(
        cell=cell.name,
        kind=cell.kind,
        detector=detector,
        seed=seed,
        labels=len(wrong),
        wrong=errors,
        average_precision=found["average_precision"],
        low=low,
        high=high,
        auroc=found["auroc"],
        at_top=at[TOP]["precision"],
        half=half,
        equal=equal,
        double=double,
        seconds=seconds,
    )


def interval(wrong: np.ndarray, verdict: Verdict, seed: int) -> tuple[float, float]:
    """95 % percentile interval of the average precision over resampled images."""
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(wrong), len(wrong))
        values.append(average_precision_score(wrong[chosen], -verdict.score[chosen]))
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def page(table: pd.DataFrame) -> str:
    origin = provenance.collect()
    cells = [cell.name for cell in CELLS if cell.name in set(table["cell"])]
    return "\n".join(
        [
            "# Which labels to read again: detectors compared",
            "",
            f"{len(cells)} cells, {table['seed'].nunique()} seeds (of noise, folds and networks). Made by "
            f"`scripts/suspects_study.py` at commit {(origin['commit'] or 'unknown')[:12]}. Cells marked (network) and "
            f"digits: {NETWORK}, trained here; all others: {FEATURES}, 98 px.",
            "",
            "## Average precision",
            "",
            "Mean over seeds; the best of a row in bold; 95 % interval of the best one over resampled images, its ends "
            "averaged over the seeds.",
            "",
            *_by_cell(table, cells, "average_precision"),
            "",
            "## Share of the ceiling",
            "",
            "By noise rate r and budget b no order finds more than min(1/r, 1/b) times what reading at random finds. "
            "Here as many labels are read as are wrong (b = r), where the ceiling is all wrong labels.",
            "",
            *_by_cell(table, cells, "equal"),
            "",
            "## By kind of noise, on frozen features",
            "",
            f"Means over cells: average precision, share of wrong labels among the first {TOP}, share of the ceiling "
            "at b = r/2, r and 2r, seconds, and the mean rank by average precision over all cells of the kind.",
            "",
            *_by_kind(table),
            "",
            "colon4 is colon5 with two classes merged and labels drawn from the matrices of two pathologists on other "
            "tissue: a simulation. cifar10n, cifar10h: labels of people. odir8: the patient's diagnosis as label of "
            "the eye. The defaults were chosen by these cells, so they are no independent test of them.",
            "",
        ]
    )


def _by_cell(table: pd.DataFrame, cells: Sequence[str], column: str) -> Iterator[str]:
    names = [name for name in DETECTORS if name in set(table["detector"])]
    means = table.pivot_table(index="cell", columns="detector", values=column, aggfunc="mean").reindex(cells)
    facts = table[table["seed"] == table["seed"].min()].set_index(["cell", "detector"])
    yield f"| cell | labels | wrong | {' | '.join(names)} |" + (" interval |" if column == "average_precision" else "")
    yield "|---" * (3 + len(names) + (column == "average_precision")) + "|"
    for cell in cells:
        best = means.loc[cell].idxmax()
        first = facts.loc[(cell, best)]
        shown = [_figure(means.loc[cell].get(name), name == best) for name in names]
        ends = table[(table["cell"] == cell) & (table["detector"] == best)][["low", "high"]].mean()
        line = f"| {cell} | {first['labels']} | {first['wrong'] / first['labels']:.3f} | {' | '.join(shown)} |"
        yield line + (f" {ends['low']:.3f} to {ends['high']:.3f} |" if column == "average_precision" else "")


def _by_kind(table: pd.DataFrame) -> Iterator[str]:
    frozen = {cell.name for cell in CELLS if cell.backbone == FEATURES}
    rows = table[table["cell"].isin(frozen)]
    rows = rows.assign(rank=rows.groupby(["cell", "seed"])["average_precision"].rank(ascending=False))
    columns = ["average_precision", "at_top", "half", "equal", "double", "seconds", "rank"]
    means = rows.groupby(["kind", "detector"], sort=False)[columns].mean()
    yield f"| noise | detector | AP | first {TOP} | r/2 | r | 2r | s | rank |"
    yield "|---" * 9 + "|"
    for (kind, detector), row in means.iterrows():
        figures = " | ".join(f"{row[name]:.3f}" for name in columns[:5])
        yield f"| {kind} | {detector} | {figures} | {row['seconds']:.1f} | {row['rank']:.1f} |"


def _figure(value: Any, best: bool) -> str:
    if value is None or pd.isna(value):
        return ""
    text = f"{value:.3f}"
    return f"**{text}**" if best else text


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--weights", type=Path, help="of DINOv2-S, as timm/vit_small_patch14_dinov2 takes them")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where features are kept")
    parser.add_argument("--out", type=Path, default=ROOT / "results/published", help="folder of suspects.csv and .md")
    names = sorted({cell.data for cell in CELLS})
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="data sets to measure")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    data = Path(os.environ.get("NOISYBENCH_DATA", ROOT.parent / "shared/data")).resolve()
    places = Places(data, options.results.resolve(), options.weights)
    file = options.out / "suspects.csv"
    table = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=list(Row.__annotations__))
    for cell in (cell for cell in CELLS if cell.data in options.only):
        for seed in range(options.seeds):
            done = set(table[(table["cell"] == cell.name) & (table["seed"] == seed)]["detector"])
            probe = places.probe(cell, seed)
            left = [detector for detector in suited(probe) if detector not in done]
            if not left:
                continue
            rows = [asdict(measured(cell, probe, detector, seed)) for detector in left]
            added = pd.DataFrame(rows)
            table = added if table.empty else pd.concat([table, added], ignore_index=True)
            best = added.loc[added["average_precision"].idxmax()]
            print(
                f"{cell.name}, seed {seed}: {best['detector']} {best['average_precision']:.3f}",
                file=sys.stderr,
                flush=True,
            )
            write_atomically(file, table.to_csv(index=False, float_format="%.5f").encode())
    write_atomically(options.out / "suspects.md", page(table).encode())
    print(f"{options.out / 'suspects.md'} written", file=sys.stderr)


if __name__ == "__main__":
    main()
