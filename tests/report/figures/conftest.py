"""A tiny real grid, whose records the figures are drawn from."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmark.report.figures.captions import Material
from benchmark.store import published
from benchmark.store.store import Store
from benchmark.tables import comparison
from benchmark.tables.comparison import Marks, Table
from benchmark.tables.frame import part_key
from tests.conftest import command_line

GRID = (
    *("-d", "digits:subset=300", "-m", "ce", "-m", "forward", "-n", "none", "-n", "symmetric:0.4"),
    *("--seeds", "2", "--epochs", "3"),
)


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of eight runs on real digits: two methods, of which one estimates T, clean and noisy."""
    folder = tmp_path_factory.mktemp("figures")
    command_line(folder, "run", *GRID, "--results", "grid", "--no-table")
    return folder / "grid"


@pytest.fixture(scope="session")
def archive(grid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same records as a published folder, the last one first."""
    folder = tmp_path_factory.mktemp("published") / "tiny"
    return pack(sorted(grid.glob("runs/*/*.json"), reverse=True), folder)


def pack(paths: list[Path], folder: Path) -> Path:
    folder.mkdir(parents=True)
    with tarfile.open(folder / published.ARCHIVE, "w:xz", preset=0) as packed:
        for path in paths:
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"runs/{path.parent.name}/{path.name}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return folder


def chosen(grid: Path, folder: Path, wanted: Any) -> Path:
    """A results folder with the records of `grid` for which `wanted(record)` holds."""
    for path in grid.glob("runs/*/*.json"):
        if wanted(json.loads(path.read_text())):
            target = folder / path.relative_to(grid)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="session")
def material(grid: Path) -> Material:
    """The table of the tiny grid, made without loading a plugin, and the way to its whole records."""
    store = Store(grid)
    records = store.records().records
    marks = {
        part_key(record["spec"]["method"]): Marks(cost={"ce": "1x", "forward": "2x"}[record["spec"]["method"]["name"]])
        for record in records
    }
    table = comparison.build(records, rule="last", metric="accuracy", baseline="ce", marks=marks)
    return Material(table, (), partial(published.whole, grid))


def renamed(table: Table, names: dict[str, str]) -> Table:
    """`table` with other names for methods, noise and data sets, such as no plugin of this project has."""

    def block(of: comparison.Block) -> comparison.Block:
        frames = {
            name: frame.replace({part: names for part in ("method", "noise", "kind") if part in frame})
            for name, frame in (("runs", of.runs), ("valued", of.valued))
        }
        return replace(
            of,
            **frames,
            place=replace(of.place, dataset=names.get(of.place.dataset, of.place.dataset)),
            columns=tuple(names.get(name, name) for name in of.columns),
            noisy=tuple(names.get(name, name) for name in of.noisy),
            clean=names.get(of.clean or "", of.clean or ""),
            cells=of.cells.rename(index=names),
            methods=of.methods.rename(index=names),
        )

    return replace(table, baseline=names.get(table.baseline, table.baseline), blocks=tuple(map(block, table.blocks)))
