"""Open-set noise and raters on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An npz file of gray 12x12 images that look like none of `cells`."""
    arrays: dict[str, Any] = {}
    for split, n in (("train", 200), ("val", 40), ("test", 20)):
        generator = np.random.default_rng([7, n])
        arrays |= {f"{split}_images": generator.integers(180, 256, (n, 12, 12), np.uint8)}
        arrays |= {f"{split}_labels": np.arange(n) % 2}
    np.savez(tmp_path / "other.npz", **arrays)
    return tmp_path / "other.npz"


def test_open_set_labels_are_made_shown_and_verified_and_not_exported(here, tmp_path, cells, other):
    grid = ("-d", f"npz:{cells}", "-n", f"open_set:0.3,source=npz:{other}")
    shown = here("noise", "show", *grid, "--out", "pictures")
    assert "images of train are replaced by images of no class of the task" in shown.stderr
    assert "resized from 12x12 to 8x8 px" in shown.stderr
    assert (tmp_path / "pictures" / "flips.png").is_file()
    here("noise", "make", *grid, "--out", "made")
    (manifest,) = (tmp_path / "made").glob("*.json")
    split = json.loads(manifest.read_text())["splits"]["train"]
    with np.load(manifest.with_suffix(".npz")) as labels:
        assert (labels["train_outside"] >= 0).sum() == split["open_set"]["count"] > 40
        np.testing.assert_array_equal(labels["train_clean"] == -1, labels["train_outside"] >= 0)
    assert here("noise", "verify", manifest).stdout.startswith("ok ")
    refused = here("noise", "export", *grid, "--out", "labels.csv", code=2)
    assert "replaces images, which a file of labels cannot do" in refused.stderr
    with np.load(other) as arrays:
        np.savez(other, **{**arrays, "train_images": arrays["train_images"][::-1].copy()})
    changed = here("noise", "verify", manifest, code=1).stdout
    assert "outside is" in changed


def test_suspects_tell_how_well_open_set_images_are_found(here, tmp_path, cells, other):
    grid = ("-d", f"npz:{cells}", "-n", f"open_set:0.3,source=npz:{other}", "--folds", "2", "--epochs", "2")
    told = here("suspects", *grid, "--out", "found", "--top", "4").stdout
    assert "images of no class of the task" in told
    assert 0 <= json.loads((tmp_path / "found" / "summary.json").read_text())["found_open_set"]["auroc"] <= 1


@pytest.mark.slow
def test_crowdlab_is_trained_on_the_raters_and_runs_share_it(here, tmp_path, cells):
    with np.load(cells) as arrays:
        added: dict[str, Any] = {}
        for split in ("train", "val"):
            clean = arrays[f"{split}_labels"].reshape(-1).astype(np.int64)
            for place, name in enumerate("abc"):
                generator = np.random.default_rng([place, len(clean)])
                wrong = generator.random(len(clean)) < 0.3
                labels = np.where(wrong, (clean + 1 + place % 2) % 3, clean)
                added[f"{split}_labels_{name}"] = np.where(generator.random(len(clean)) < 0.2, -1, labels)
        np.savez(cells, **arrays, **added)
    grid = ("-d", f"npz:{cells}", "-n", "raters:crowdlab,majority", "-m", "ce", "--seeds", "1", "--epochs", "1")
    done = here("run", *grid)
    assert "classifier: labels of raters" in done.stderr
    assert "classifier: clean labels" not in done.stderr
    found = [json.loads(path.read_text()) for path in (tmp_path / "results" / "runs").rglob("*.json")]
    assert {record["state"] for record in found} == {"ok"}
    by_labels = {record["spec"]["noise"]["config"]["labels"]: record["spec"]["noise"] for record in found}
    assert by_labels["crowdlab"]["clean_classifier"].startswith("sha256:")
    assert by_labels["majority"]["clean_classifier"] is None
