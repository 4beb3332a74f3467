"""A set of several labels per image meets methods and noise for one: the run is skipped, with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.datasets.base import DataWarning
from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.runs.worker import run_one
from benchmark.store import provenance
from benchmark.store.store import Store


@pytest.mark.parametrize("noise", ["none", "symmetric:0.2", "ordinal:0.2"])
def test_a_run_on_chestmnist_is_skipped_with_the_reason(tmp_path: Path, noise: str) -> None:
    arrays: dict[str, Any] = {}
    for split in ("train", "val", "test"):
        arrays |= {f"{split}_images": np.zeros((6, 28, 28), np.uint8), f"{split}_labels": np.eye(6, 14, dtype=np.uint8)}
    np.savez(tmp_path / "chestmnist.npz", **arrays)
    grid = suite.build({"datasets": ["chestmnist"], "methods": ["ce"], "noise": [noise], "seeds": 1})
    options = Options(results=str(tmp_path / "results"), data_root=str(tmp_path))
    with pytest.warns(DataWarning, match="not the official file"):
        (job,) = expand(grid, options)
    job = job.model_copy(update={"provenance": provenance.collect()})
    store = Store(tmp_path / "results")
    store.prepare()
    run_one(job, store)
    record = store.read(job.spec.id)
    assert record is not None
    assert record["state"] == "skipped"
    assert "chestmnist is a multilabel set" in json.dumps(record["reason"])
