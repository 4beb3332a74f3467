"""What runs again: what is damaged, lacks what is to be kept, or is asked for. And kept predictions can be scored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from medmnist.evaluator import getACC, getAUC
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from benchmark.store import kept
from benchmark.store.compaction import compact
from benchmark.store.store import Store
from tests.conftest import command_line

GRID = ("-d", "digits", "-m", "ce", "-m", "small_loss", "-n", "symmetric:0.4", "--seeds", "2", "--epochs", "2")
KEPT = (*GRID, "--subset", "200", "--keep", "model", "--extra-test", "again=digits", "--checkpoint-seconds", "0")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Results of four runs with kept predictions and weights, and an extra test set."""
    folder = tmp_path_factory.mktemp("grid")
    command_line(folder, "run", *KEPT, "--no-table")
    return folder / "results"


@pytest.fixture
def results(finished, tmp_path) -> Store:
    return Store(shutil.copytree(finished, tmp_path / "results"))


def content(store: Store) -> dict[str, Any]:
    """All records without what may differ between equal runs."""
    found = {}
    for path in store.loose():
        record = orjson.loads(path.read_bytes())
        found[record["id"]] = {k: v for k, v in record.items() if k not in ("timing", "provenance", "digest")}
    return found


FILES = {
    "records": "runs/*/*.json",
    "predictions": "runs/*/*.npz",
    "weights": "runs/*/*.safetensors",
    "decoded data": "work/data/*/*",
    "estimates": "work/estimates/*.json",
}


@pytest.mark.filterwarnings("ignore::benchmark.store.once.CacheWarning")
@pytest.mark.parametrize("pattern", FILES.values(), ids=FILES)
def test_whatever_is_damaged_one_resumption_finishes_the_grid(results, here, finished, pattern):
    for number, path in enumerate(results.files(pattern)):
        stored = path.read_bytes()
        at = len(stored) // 2
        path.write_bytes([stored[:at], b"", stored[:at] + bytes([stored[at] ^ 4]) + stored[at + 1 :]][number % 3])
    if not pattern.startswith("runs"):
        for path in results.loose():
            path.unlink()
    here("run", *KEPT, "--no-table")
    assert content(results) == content(Store(finished))
    assert here("doctor").stdout.count("broken") == 0
    for path in Store(finished).files("runs/*/*.npz"):
        assert (results.folder / path.relative_to(finished)).read_bytes() == path.read_bytes()


def test_a_finished_run_that_lacks_what_is_to_be_kept_runs_again(results, here):
    (first, second, *_) = sorted(content(results))
    kept.path_of(results, first, kept.WEIGHTS).unlink()
    np.savez(kept.path_of(results, second, kept.PREDICTIONS), last=np.eye(2))  # as an earlier version wrote it
    compact(results)
    assert "4 already done, 0 to run" in here("run", *KEPT, "--keep", "none", "--no-table").stderr
    told = here("run", *KEPT, "--keep", "predictions", "--dry-run").stderr
    assert "3 already done, 1 to run (1 of them for the files to keep)" in told
    told = here("run", *KEPT, "--no-table").stderr
    assert "2 already done, 2 to run (2 of them for the files to keep)" in told
    assert f"{second}.predictions.npz is damaged, or of an earlier version" in told
    assert "4 already done, 0 to run" in here("run", *KEPT, "--no-table").stderr
    assert kept.read_predictions(results, second)["classes"].tolist() == [str(k) for k in range(10)]


def test_again_all_runs_every_run_and_keeps_its_numbers(results, here, finished):
    before = {path: path.stat().st_mtime_ns for path in results.loose()}
    assert "0 already done, 4 to run" in here("run", *KEPT, "--again", "all", "--no-table").stderr
    assert all(path.stat().st_mtime_ns > before[path] for path in results.loose())
    assert content(results) == content(Store(finished))
    assert "4 already done, 0 to run" in here("run", *KEPT, "--again", "failed", "--no-table").stderr


def test_again_failed_runs_what_diverged_or_was_skipped(here, tmp_path):
    grid = ("run", "-d", "digits", "-m", "ce", "-n", "given:nobody", "-n", "none", "--seeds", "1", "--epochs", "1")
    told = here(*grid, "--no-table", code=None).stderr
    states = {record["state"] for record in Store(tmp_path / "results").records(("state",)).records}
    assert states >= {"ok"}, told
    if "skipped" in states:
        assert "0 to run" in here(*grid, "--no-table").stderr
        assert "1 already done, 1 to run" in here(*grid, "--again", "failed", "--no-table").stderr


@pytest.mark.parametrize("split", ["test", "again"])
def test_kept_predictions_scored_by_others_give_the_figures_of_the_record(finished, split):
    store = Store(finished)
    for run_id, record in content(store).items():
        arrays = kept.read_predictions(store, run_id)
        assert arrays["splits"].tolist() == ["test", "again"]
        labels, names = arrays[f"{split}/labels"], arrays["classes"]
        assert len(labels) == len(arrays[f"{split}/index"]) == record["tests"]["test"]["size"]
        by_rule = record["metrics"] if split == "test" else record["extra_metrics"][split]
        for rule in ("val_noisy", "last"):
            probabilities, figures = arrays[f"{split}/{rule}"], by_rule[rule]
            predicted = probabilities.argmax(1)
            assert probabilities.shape == (len(labels), len(names))
            assert accuracy_score(labels, predicted) == pytest.approx(figures["accuracy"])
            assert balanced_accuracy_score(labels, predicted) == pytest.approx(figures["balanced_accuracy"])
            assert log_loss(labels, probabilities, labels=range(len(names))) == pytest.approx(figures["nll"])
            auroc = roc_auc_score(labels, probabilities, multi_class="ovr")
            assert auroc == pytest.approx(figures["auroc"])
            assert getACC(labels[:, None], probabilities, "multi-class") == pytest.approx(figures["accuracy"])
            assert getAUC(labels[:, None], probabilities, "multi-class") == pytest.approx(figures["auroc"])


def test_kept_predictions_name_the_files_of_a_folder(here, image_folder, tmp_path):
    grid = ("-d", f"folder:{image_folder}", "-m", "ce", "-n", "none", "--seeds", "1", "--epochs", "1")
    here("run", *grid, "--skip-corrupt", "--keep", "predictions", "--no-table")
    store = Store(tmp_path / "results")
    (run_id,) = content(store)
    arrays = kept.read_predictions(store, run_id)
    names = [arrays["classes"][label] for label in arrays["test/labels"]]
    assert [Path(file).parts[-2] for file in arrays["test/files"]] == names
    assert all((image_folder / file).is_file() for file in arrays["test/files"])
