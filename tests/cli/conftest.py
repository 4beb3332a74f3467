"""Small data that the command line is tried on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.checks.lab import images


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """An npz file of three separable classes, 8x8 px; 240 training images, 60 for validation, 60 for test."""
    arrays: dict[str, Any] = {}
    for seed, (split, size) in enumerate((("train", 240), ("val", 60), ("test", 60))):
        pixels, labels = images(size, 3, seed)
        # Upright, so that mirroring leaves the classes what they are.
        arrays[f"{split}_images"] = pixels[..., 0].swapaxes(1, 2)
        arrays[f"{split}_labels"] = labels[:, None].astype(np.uint8)
    path = tmp_path / "cells.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """cells/{blue,red}/patientNN_M.png: 20 patients with 4 images each, 10 px, and one file that is no image."""
    folder = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    for k, name in enumerate(("blue", "red")):
        (folder / name).mkdir(parents=True)
        for patient in range(10):
            for shot in range(4):
                pixels = rng.integers(0, 90, (12, 10, 3), dtype=np.uint8)
                pixels[..., 2 - 2 * k] += 120
                Image.fromarray(pixels).save(folder / name / f"patient{patient + 10 * k:02d}_{shot}.png")
    (folder / "red" / "patient99_0.png").write_bytes(b"no image at all")
    return folder
