"""Soft labels: what the raters of a training image say, given to nobody but the methods that need it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.grid.plugin_ref import PluginRef
from benchmark.runs.noisy_data import make_noisy_data
from benchmark.runs.prepare import DataSource, prepare

OWN = """
from methods import Card, Method

class Own(Method):
    \"\"\"Soft labels that are copied when the method is built, and sharpened.\"\"\"
    version = 1
    card = Card(needs=("soft_labels",))

    def build(self):
        super().build()
        targets = self.kit.hints.soft_labels**2
        self.register_buffer("targets", targets / targets.sum(1, keepdim=True))

    def loss(self, logits, batch):
        return -(self.targets[batch.index] * logits.log_softmax(1)).sum(1).mean()
"""
RATERS = ("ann", "bob", "cy")
MAJORITY = "raters:majority,raters=ann+bob+cy"


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of bright columns; three raters of the training and the validation images, some of them absent."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, n in (("train", 240), ("val", 60), ("test", 90)):
        labels = np.arange(n) % 3
        images = rng.integers(0, 90, (n, 8, 8), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 2 * label : 2 * label + 2] += 120
        arrays |= {f"{part}_images": images, f"{part}_labels": labels}
        if part != "test":
            for rater in RATERS:
                votes = np.where(rng.random(n) < 0.3, rng.integers(0, 3, n), labels)
                arrays[f"{part}_labels_{rater}"] = np.where(rng.random(n) < 0.2, -1, votes)
    path = tmp_path_factory.mktemp("soft") / "rated.npz"
    np.savez(path, **arrays)
    return path


@settings(deadline=None, max_examples=12)
@given(
    subset=st.one_of(st.none(), st.integers(30, 150)),
    clean_set=st.one_of(st.none(), st.integers(3, 12)),
    seed=st.integers(0, 3),
)
def test_every_sample_has_the_shares_of_its_own_raters(
    npz: Path, subset: int | None, clean_set: int | None, seed: int
) -> None:
    folder = npz.parent
    noise = PluginRef.of(MAJORITY)
    made = make_noisy_data(PluginRef.of(f"npz:{npz}"), noise, seed, data_root=folder, results=folder)
    source = DataSource(made.source.dataset, made.source.digest, subset)
    train = prepare(source, made.noise, folder / "cache", None, clean_set).train
    with np.load(npz) as arrays:
        votes = np.stack([arrays[f"train_labels_{rater}"] for rater in RATERS], axis=1)
    assert train.soft is not None
    assert train.index is not None
    counts = (votes[train.index][..., None] == np.arange(3)).sum(1)
    np.testing.assert_allclose(train.soft, counts / counts.sum(1, keepdims=True))


def test_a_method_of_soft_labels_is_run_once_for_both_tracks(npz: Path) -> None:
    grid = {
        "datasets": [f"npz:{npz}"],
        "methods": ["ce", "soft_ce", "coteaching"],
        "noise": [MAJORITY],
        "seeds": 1,
        "tracks": ["blind", "oracle"],
    }
    made = expand(suite.build(grid), Options(results=str(npz.parent), data_root=str(npz.parent)))
    assert [(job.spec.method.name, job.spec.track) for job in made] == [
        ("ce", "blind"),
        ("soft_ce", "blind"),
        ("coteaching", "blind"),
        ("coteaching", "oracle"),
    ]


def test_from_the_raters_of_a_file_to_predictions(here, npz: Path, tmp_path: Path) -> None:
    """`soft_ce` trains where there are raters, says so in record and table, is skipped elsewhere, and its kept model
    predicts without raters."""
    grid = ["-d", f"npz:{npz}", "-b", "cnn", "-m", "ce", "-m", "soft_ce", "-n", MAJORITY, "-n", "symmetric:0.2"]
    done = here("run", *grid, "--seeds", 1, "--epochs", 2, "--keep", "model")
    text = " ".join(done.stdout.split())
    assert "† trained on the probabilities that the raters of each image give the classes" in text
    assert "skipped (it learns from the labels of several raters, and this noise gives one label an image" in text
    assert "3 ok, 1 skipped" in done.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "results" / "runs").rglob("*.json")]
    of_raters = [one for one in records if one["spec"]["noise"]["name"] == "raters"]
    found = {one["spec"]["method"]["name"]: one for one in of_raters}
    assert {name: one["hints"] for name, one in found.items()} == {"ce": [], "soft_ce": ["soft_labels"]}
    assert found["ce"]["curve"] != found["soft_ce"]["curve"]
    (tmp_path / "own.py").write_text(OWN)
    here(
        "run",
        *grid[:4],
        "--plugin",
        "own.py",
        "-m",
        "own",
        "-n",
        MAJORITY,
        "--seeds",
        1,
        "--epochs",
        2,
        "--keep",
        "model",
    )
    made = [json.loads(path.read_text()) for path in (tmp_path / "results" / "runs").rglob("*.json")]
    (own,) = [one for one in made if one["id"] not in {one["id"] for one in records}]
    with np.load(npz) as arrays:
        Image.fromarray(arrays["test_images"][0]).save(tmp_path / "new.png")
    for record, plugin in ((found["soft_ce"], ()), (own, ("--plugin", "own.py"))):
        here("predict", record["id"], "new.png", "--out", "predicted.csv", *plugin)
        with (tmp_path / "predicted.csv").open() as stream:
            (row,) = csv.DictReader(stream)
        assert row["file"] == "new.png"
