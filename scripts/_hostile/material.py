"""Sound inputs that the hostile ones are made of: real digits, a small grid with kept models, what commands wrote."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from scripts._hostile.trial import ROOT

CLASSES = ("zero", "one", "two")
SPLITS = {"train": 240, "val": 60, "test": 60}
GRID = ("-d", "npz:cells.npz", "-b", "cnn", "-m", "ce", "-m", "gce", "-n", "symmetric:0.4", "--seeds", "2")
"""The grid of the results folder. One of its runs fails in `grid`."""
SUITE = """datasets = ["npz:cells.npz"]
methods = ["ce", "gce"]
noise = ["symmetric:0.4"]
seeds = 2
[recipe]
epochs = 2
"""
"""The same grid, as a file."""
PUBLISH = ("--allow-dirty", "--allow-plugins", "--no-figures", "--no-page")
SHORT = ("--epochs", "2", "--slots", "2", "--no-table", "--keep", "model")
PLUGIN = '''"""A method that fails."""
from methods import Method


class Broken(Method):
    """Raises an error in its first step."""

    def step(self, batch):
        raise ValueError("on purpose")
'''
CELLS, IMAGES, WRITTEN, RESULTS, PUBLISHED = "cells", "images", "written", "grid", "published"
"""Folders: cells.npz alone; images as folder, archive and tables; label files; results; a published folder."""


@dataclass(frozen=True)
class Material:
    folder: Path

    def content(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def files(self, base: str) -> list[str]:
        """Names of the files below the folder `base`, sorted, without work/ of results folders."""
        root = self.folder / base
        found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return sorted(name for name in found if "/work/" not in name)


def cells() -> dict[str, np.ndarray]:
    """Arrays in MedMNIST layout: digits 0 to 2, 8x8 px."""
    images, labels = load_digits(n_class=3, return_X_y=True)
    pixels = (images.reshape(-1, 8, 8) * 15).astype(np.uint8)
    arrays, at = {"class_names": np.array(CLASSES)}, 0
    for split, size in SPLITS.items():
        arrays[f"{split}_images"] = pixels[at : at + size]
        arrays[f"{split}_labels"] = labels[at : at + size, None].astype(np.uint8)
        at += size
    return arrays


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def make_data(folder: Path) -> Material:
    """Data alone: CELLS and IMAGES."""
    for name in (CELLS, IMAGES):
        (folder / name).mkdir(parents=True)
    (folder / CELLS / "cells.npz").write_bytes(npz(cells()))
    _write_images(folder / IMAGES)
    return Material(folder)


def make(folder: Path) -> Material:
    """Everything below `folder`, by the commands of this project: about a minute."""
    material = make_data(folder)
    written = shutil.copytree(folder / CELLS, folder / WRITTEN)
    data = ("-d", "npz:cells.npz")
    _typed(written, "noise", "export", *data, "-n", "symmetric:0.4", "--out", "noisy.csv")
    _typed(written, "noise", "make", *data, "-n", "symmetric:0.4", "--out", "made")
    _typed(written, "suspects", *data, "--folds", "2", "--epochs", "1", "--out", "found")
    review = written / "found" / "suspects.csv"
    lines = review.read_text(encoding="utf-8").splitlines(keepends=True)
    columns = lines[0].strip().split(",")
    decision = columns.index("decision")
    cells_of = lines[1].rstrip("\n").split(",")
    cells_of[decision] = "drop"
    review.write_text("".join([lines[0], ",".join(cells_of) + "\n", *lines[2:]]), encoding="utf-8")
    _typed(written, "relabel", "apply", "found/suspects.csv", *data, "--out", "labels.csv")
    results = shutil.copytree(folder / CELLS, folder / RESULTS)
    (results / "broken.py").write_text(PLUGIN)
    _typed(results, "run", *GRID, "-m", "broken", "--plugin", "broken.py", *SHORT, code=1)
    published = shutil.copytree(folder / CELLS, folder / PUBLISHED)
    shutil.copytree(results / "results", published / "results")
    (published / "small.toml").write_text(SUITE)
    _typed(published, "publish", "small.toml", "--out", "pub", *PUBLISH)
    _typed(published, "compact")
    for place in (written, results, published):
        shutil.rmtree(place / "results" / "work", ignore_errors=True)
    return material


def _write_images(folder: Path) -> None:
    """images/{zero,one}/N.png, the same as images.zip, a table of them as CSV, Excel and Parquet, and its TOML file."""
    import pandas as pd

    arrays = cells()
    rows = []
    for number, (pixels, label) in enumerate(
        zip(arrays["train_images"][:90], arrays["train_labels"][:90, 0], strict=True)
    ):
        name = f"{CLASSES[label]}/{number:03d}.png"
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(pixels))
        rows.append((name, CLASSES[label], f"P{number // 3:02d}", ("north", "south")[number // 3 % 2]))
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name, *_ in rows:
            archive.write(folder / "images" / name, name)
    table = pd.DataFrame(rows, columns=["file", "diagnosis", "patient", "hospital"])
    table.to_csv(folder / "table.csv", index=False)
    table.to_excel(folder / "table.xlsx", index=False)
    table.to_parquet(folder / "table.parquet", index=False)
    text = 'path = "table.csv"\nroot = "images"\nfile = "file"\nlabel = "diagnosis"\npatient = "patient"\nsize = 8\n'
    (folder / "study.toml").write_text(text)


def _typed(folder: Path, *arguments: str, code: int = 0) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    command = [sys.executable, "-m", "noisybench", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise RuntimeError(f"noisybench {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
