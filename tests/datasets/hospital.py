"""A study as it lies around: images of two hospitals in several formats and sizes, and an Excel file of three readers.

The cells are real ones of the peripheral blood set (pbc_28.npz) where that is present, else handwritten digits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
from PIL import Image
from sklearn.datasets import load_digits

from tests.conftest import ROOT

READERS = ("Reader A", "Reader B", "Reader C")
CLASSES = ("basophil", "eosinophil", "neutrophil")
HEADER = ("Image", "Diagnosis", "Patient ID", "Hospital", *READERS, "Comment")
PER_PATIENT = 4


@dataclass(frozen=True)
class Study:
    """What was written."""

    table: Path
    images: Path
    rows: list[tuple[Any, ...]]
    """As in the table, in the order of HEADER."""
    broken: str
    """Name of the file that is damaged."""
    wrong: frozenset[str] = frozenset()
    """Names of the files whose diagnosis is not that of the cell."""
    contradicted: str = ""
    """Name of the file that two rows give different diagnoses; empty where no row was added."""


def cells(count: int) -> tuple[np.ndarray, np.ndarray]:
    """[count, H, W, 3] uint8 of three classes in turn, and their labels."""
    path = Path(os.environ.get("NOISYBENCH_DATA", ROOT.parent / "shared" / "data")) / "pbc_28.npz"
    if path.is_file():
        with np.load(path) as file:
            images, labels = file["train_images"], file["train_labels"].ravel()
    else:
        images, labels = load_digits(return_X_y=True)
        images = np.repeat((images.reshape(-1, 8, 8, 1) * 15).astype(np.uint8), 3, axis=3)
    chosen = np.stack([np.flatnonzero(labels == k)[: count // 3] for k in range(3)], axis=1).ravel()
    return images[chosen], labels[chosen]


def write_study(folder: Path, patients: int = 30, seed: int = 0, wrong: float = 0.0, faults: bool = False) -> Study:
    """folder/labels.xlsx and folder/images/{north,south}/: four images a patient, gray ones of 16 bits in the south.

    `wrong`: share of the diagnoses that name the class after the right one. `faults`: two rows more, one that repeats
    another and one that contradicts another.
    """
    rng, slips = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    images, labels = cells(patients * PER_PATIENT)
    rows: list[tuple[Any, ...]] = []
    mistaken: set[str] = set()
    for i, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        patient, site = i // PER_PATIENT, ("north", "south")[i // PER_PATIENT % 2]
        name = f"{site}/cell_{i:04d}" + (".png", ".jpg", ".tif", ".bmp")[i % 4]
        write_image(
            folder / "images" / name, pixels, deep=site == "south" and name.endswith(("png", "tif")), side=28 + i % 5
        )
        readers = [int(label) if rng.random() > 0.15 else int(rng.integers(3)) for _ in READERS]
        readings = [CLASSES[reader] if rng.random() > 0.2 else None for reader in readers]
        given = int(label)
        if slips.random() < wrong:
            given = (given + 1) % len(CLASSES)
            mistaken.add(name)
        rows.append((name, CLASSES[given], f"P{patient:03d}", site.title(), *readings, f"slide {i}"))
    contradicted = ""
    if faults:
        contradicted, other = rows[1][0], rows[1][1]
        rows.append(rows[0])
        rows.append((contradicted, next(name for name in CLASSES if name != other), *rows[1][2:]))
    broken = rows[7][0]
    (folder / "images" / broken).write_bytes(b"BM cut off")
    table = folder / "labels.xlsx"
    write_excel(table, [HEADER, *rows])
    return Study(table, folder / "images", rows, broken, frozenset(mistaken), contradicted)


def write_image(path: Path, pixels: np.ndarray, *, deep: bool, side: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels).resize((side, side))
    if deep:
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 16)  # 12 bits in 16
    image.save(path)


def write_excel(path: Path, rows: list[tuple[Any, ...]], **sheets: list[tuple[Any, ...]]) -> Path:
    book = openpyxl.Workbook()
    pages = {"labels": rows, **sheets}
    for k, (title, content) in enumerate(pages.items()):
        page = book.active if k == 0 else book.create_sheet()
        page.title = title
        for row in content:
            page.append(row)
    book.save(path)
    return path
