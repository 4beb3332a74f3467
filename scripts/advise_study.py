#!/usr/bin/env python
"""Tries `noisybench advise` where the truth is known, and writes results/published/advise.csv and advise.md.

    python -m scripts.advise_study --weights dinov2_s.pth    # half an hour on two cores, once the features are kept
    python -m scripts.advise_study --only digits             # the small network; needs no weights

Real images come from $NOISYBENCH_DATA (default ../shared/data); runs and features are kept in --results, and are not
made twice.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.cli.advise import RULE, estimated_rate, trained, validation
from benchmark.cli.results import build_tables
from benchmark.labels.advice import LEAST_IMAGES, MARGIN, Validation, recommend
from benchmark.option_text import quote
from benchmark.store import provenance
from benchmark.store.atomic import write_atomically
from scripts.rate_cells import FILES, MAPS, PATHOLOGISTS

ROOT = Path(__file__).resolve().parent.parent
SMALL = 350
"""Validation images of a small data set."""
DRAWS = 20
"""Of so many images, from the validation set."""
SYNTHETIC = ("symmetric:0.2", "symmetric:0.4", "asymmetric:0.3", "instance:0.3")
CELLS = {
    "digits": SYNTHETIC,
    "pbc": SYNTHETIC,
    "colon5": SYNTHETIC,
    "ham7": SYNTHETIC,
    "colon4": (f"raters:a,{PATHOLOGISTS}", f"raters:b,{PATHOLOGISTS}"),
    "cifar10n": ("given:aggre", "given:random_1", "given:worse", "symmetric:0.4"),
    "cifar10h": ("given:rater", "symmetric:0.2", "symmetric:0.4", "instance:0.3"),
    "odir8": ("given:patient", "symmetric:0.2", "symmetric:0.4", "instance:0.3"),
}
"""Data set -> noises."""


@dataclass(frozen=True)
class Row:
    """One advice, as a line of the CSV file. Scores are of the main metric, on clean test labels, means over seeds."""

    data: str
    noise: str
    images: int
    """Of the validation set, or of what was drawn from it."""
    draw: int
    rate: float
    """True share of wrong training labels."""
    estimated: float | None
    best: str
    first: str
    """The method with the best score on the noisy validation labels."""
    regret: float
    """How far the first method's test score is below the best one's."""
    baseline_regret: float
    """The same of always taking the baseline."""
    size: int
    """Of the set that is proposed."""
    held: bool
    """Whether the set holds a method within MARGIN of the best."""
    gain: float
    """True lead of the first method over the baseline."""
    low: float
    high: float
    """The interval that was told for it."""


@dataclass(frozen=True)
class Places:
    data: Path
    results: Path
    weights: Path | None

    def arguments(self, data: str) -> list[str]:
        if data == "digits":
            return ["-b", "cnn", "--results", str(self.results)]
        if self.weights is None:
            raise SystemExit(f"{data} needs pretrained features; pass --weights FILE, or --only digits")
        weights = quote(str(self.weights.resolve()))
        backbone = f"timm/vit_small_patch14_dinov2:frozen=true,input_size=98,weights={weights}"
        return ["-b", backbone, "--results", str(self.results)]


def cell(places: Places, data: str, noise: str) -> Iterator[Row]:
    """The advice on all validation images, and on DRAWS samples of SMALL of them where there are twice as many."""
    name = "digits" if data == "digits" else f"npz:{places.data / FILES[data]}"
    mapped = noise.startswith("asymmetric") and data in MAPS
    typed = f"{noise},map={json.dumps(MAPS[data], separators=(',', ':'))}" if mapped else noise
    grid, states = trained(name, typed, places.arguments(data))
    if set(states.values()) - {"ok"}:
        raise SystemExit(f"{data} {noise}: not every run came to its end; `noisybench status` says why")
    (table,) = build_tables(grid.store, grid.jobs, rules=(RULE,))
    (block,) = table.blocks
    truth = block.runs.groupby("method")["value"].mean()
    estimated = estimated_rate(grid.store, block)[0]
    found = validation(grid.store, block)
    rate = float(block.runs["realized"].mean())
    row = _judged(found, truth, table.baseline, estimated)
    shown: dict[str, Any] = {
        "data": data,
        "noise": noise.replace(f",{PATHOLOGISTS}", ""),
        "rate": rate,
        "estimated": estimated,
    }
    yield Row(**shown, draw=0, images=found.images, **row)
    if found.images < 2 * SMALL:
        return
    generator = np.random.default_rng(0)
    for draw in range(1, DRAWS + 1):
        part = np.sort(generator.choice(found.images, SMALL, replace=False))
        hits = {name: of_method[:, part] for name, of_method in found.hits.items()}
        labels = {name: of_method[:, part] for name, of_method in found.labels.items()}
        groups = None if found.groups is None else np.asarray(found.groups)[part]
        small = replace(found, hits=hits, labels=labels, groups=groups)
        yield Row(**shown, draw=draw, images=SMALL, **_judged(small, truth, table.baseline, estimated))


def _judged(found: Validation, truth: pd.Series, baseline: str, rate: float | None) -> dict[str, Any]:
    """Those fields of a row that depend on the images."""
    advice = recommend(found, baseline, rate or 0.0, np.random.default_rng(0))
    first = str(advice.index[0])
    chosen = advice.index[advice["chosen"]]
    return {
        "best": str(truth.idxmax()),
        "first": first,
        "regret": truth.max() - truth[first],
        "baseline_regret": truth.max() - truth[baseline],
        "size": len(chosen),
        "held": bool((truth[chosen] >= truth.max() - MARGIN).any()),
        "gain": truth[first] - truth[baseline],
        "low": advice["low"].iloc[0],
        "high": advice["high"].iloc[0],
    }


def page(table: pd.DataFrame) -> str:
    origin = provenance.collect()
    whole, small = table[table["draw"] == 0], table[table["draw"] > 0]
    return "\n".join(
        [
            "# Which method: the advice tried where the truth is known",
            "",
            f"{len(whole)} cells of {whole['data'].nunique()} data sets, the methods of the suite `advise`, 6 seeds. "
            f"Made by `scripts/advise_study.py` at commit {(origin['commit'] or 'unknown')[:12]}. digits: the small "
            "network; all others: a linear head on frozen DINOv2-S features, 98 px.",
            "",
            "The first method is the one with the best mean score on the validation labels, which are as wrong as the "
            "training labels. Its regret is what it loses, on clean test labels, against the best method of the "
            "suite. In how many drawn validation sets the proposed set must hold a good method was chosen on these "
            "cells; all else was fixed before.",
            "",
            "| validation | advices | mean regret | p90 regret | mean regret of always `ce` "
            f"| set holds a method within {MARGIN} of the best | median size of the set | lead within its interval |",
            "|---|---|---|---|---|---|---|---|",
            _line("all images, 1,000 or more", whole[whole["images"] >= 1000]),
            _line("all images, fewer", whole[whole["images"] < 1000]),
            _line(f"{SMALL} drawn images", small),
            "",
            f"No method is named below {LEAST_IMAGES} validation images; no cell has so few.",
            "",
            "## By cell, all validation images",
            "",
            "| data | noise | images | wrong | estimated | best | first | regret | of `ce` | size | held |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *(_cell_line(row) for _, row in whole.iterrows()),
            "",
        ]
    )


def _line(name: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return f"| {name} | 0 | | | | | | |"
    within = ((rows["gain"] >= rows["low"]) & (rows["gain"] <= rows["high"])).mean()
    return (
        f"| {name} | {len(rows)} | {rows['regret'].mean():.4f} | {rows['regret'].quantile(0.9):.4f} "
        f"| {rows['baseline_regret'].mean():.4f} | {rows['held'].mean():.1%} | {rows['size'].median():g} "
        f"| {within:.1%} |"
    )


def _cell_line(row: pd.Series) -> str:
    estimated = "" if pd.isna(row["estimated"]) else f"{row['estimated']:.3f}"
    return (
        f"| {row['data']} | {row['noise']} | {row['images']} | {row['rate']:.3f} | {estimated} | {row['best']} "
        f"| {row['first']} | {row['regret']:.4f} | {row['baseline_regret']:.4f} | {row['size']} "
        f"| {'yes' if row['held'] else 'no'} |"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--weights", type=Path, help="of DINOv2-S, as timm/vit_small_patch14_dinov2 takes them")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where runs and features are kept")
    parser.add_argument("--out", type=Path, default=ROOT / "results/published", help="folder of advise.csv and .md")
    parser.add_argument("--only", nargs="+", choices=list(CELLS), default=list(CELLS), help="data sets to try")
    options = parser.parse_args(arguments)
    data = Path(os.environ.get("NOISYBENCH_DATA", ROOT.parent / "shared/data")).resolve()
    places = Places(data, options.results.resolve(), options.weights)
    rows = []
    for name in options.only:
        for noise in CELLS[name]:
            rows += [asdict(row) for row in cell(places, name, noise)]
            first = next(row for row in reversed(rows) if row["draw"] == 0)
            print(f"{name} {noise}: {first['first']}, regret {first['regret']:.4f}", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    write_atomically(options.out / "advise.csv", table.to_csv(index=False, float_format="%.5f").encode())
    write_atomically(options.out / "advise.md", page(table).encode())
    print(f"{options.out / 'advise.md'} written", file=sys.stderr)


if __name__ == "__main__":
    main()
