"""Small files in every layout that the data sets read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def real() -> Callable[[str], Path]:
    """The path of a real file, found through NOISYBENCH_DATA."""

    def find(name: str) -> Path:
        path = Path(os.environ.get("NOISYBENCH_DATA", ROOT.parent / "shared" / "data")) / name
        if not path.is_file():
            pytest.skip(f"real data not found: {path} (set NOISYBENCH_DATA)")
        return path

    return find


@pytest.fixture
def layout() -> Callable[..., dict[str, np.ndarray]]:
    """Arrays in MedMNIST layout: 30/9/12 images of three classes."""

    def make(channels: int = 3, size: int = 8, classes: int = 3) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        arrays = {}
        for split, n in (("train", 30), ("val", 9), ("test", 12)):
            shape = (n, size, size) if channels == 1 else (n, size, size, channels)
            arrays[f"{split}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
            arrays[f"{split}_labels"] = (np.arange(n) % classes)[:, None].astype(np.uint8)
        return arrays

    return make


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[..., Path]:
    def write(arrays: dict[str, Any], name: str = "cells.npz") -> Path:
        path = tmp_path / name
        np.savez_compressed(path, **arrays)
        return path

    return write
