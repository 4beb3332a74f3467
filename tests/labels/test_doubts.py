"""What a folder of `noisybench suspects` still says of a data set."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import orjson
import pandas as pd
import pytest

from benchmark.datasets.base import Arrays, Data
from benchmark.errors import UsageError
from benchmark.labels.doubts import from_folder
from benchmark.store.spreadsheet import to_csv

CLASSES = ("a", "b", "c")
DIGEST = "sha256:1"


def data():
    images = np.zeros((4, 2, 2, 3), dtype=np.uint8)
    train = Arrays(images, np.array([0, 1, 2, 0]), files=("p", "q", "r", "s"))
    test = Arrays(images[:2], np.array([1, 2]), files=("t", "u"))
    return Data("set", 3, CLASSES, train, test)


@pytest.fixture
def noisy():
    source = SimpleNamespace(key="set", digest=DIGEST, dataset=SimpleNamespace(label="set"))
    return SimpleNamespace(source=source)


@pytest.fixture
def folder(tmp_path):
    """Writes what `suspects` writes for these labels."""

    def written(labels, decisions=("", ""), digest=DIGEST, judged=True, encoding="utf-8"):
        scores, probabilities = np.arange(len(labels)) / 10, np.full((len(labels), 3), 1 / 3)
        held_out = {"held_out": probabilities, "twins": np.zeros((2, len(labels)), int)} if judged else {}
        arrays = {"labels": labels, "scores": scores, "probabilities": probabilities, **held_out}
        np.savez(tmp_path / "probabilities.npz", **arrays)
        (tmp_path / "summary.json").write_bytes(orjson.dumps({"dataset": {"digest": digest}}))
        review = pd.DataFrame({"index": range(len(decisions)), "decision": decisions, "new_label": ""})
        review["comment"] = "Ärger"
        (tmp_path / "suspects.csv").write_bytes(to_csv(review).decode().encode(encoding))
        return tmp_path

    return written


def test_a_folder_of_all_splits_or_of_the_training_set_is_read(folder, noisy):
    everything = from_folder(folder(np.array([0, 1, 2, 0, 1, 2])), noisy, data())
    assert everything.examined.places["split"].tolist() == ["train"] * 4 + ["test"] * 2
    assert everything.held_out.probabilities.shape == (6, 3)
    assert everything.verdict.score[1] == 0.1
    assert not everything.decisions
    training = from_folder(folder(np.array([0, 1, 2, 0])), noisy, data())
    assert training.examined.places["file"].tolist() == ["p", "q", "r", "s"]
    assert training.examined.images(np.array([3])).shape == (1, 2, 2, 3)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_decisions_of_a_reader_are_counted_whatever_program_saved_them(folder, noisy, encoding):
    decisions = ("Relabel", " Keep", "unsure", "")
    read = from_folder(folder(np.array([0, 1, 2, 0]), decisions, encoding=encoding), noisy, data())
    assert read.decisions == {"relabel": 1, "keep": 1, "unsure": 1}


def test_a_ranking_by_a_run_has_no_predictions_of_others(folder, noisy):
    assert from_folder(folder(np.array([0, 1, 2, 0]), judged=False), noisy, data()).held_out is None


@pytest.mark.parametrize(
    ("labels", "digest"), [([0, 1, 2, 1], DIGEST), ([0, 1, 2, 0], "sha256:2"), ([0, 1], DIGEST), ([0] * 9, DIGEST)]
)
def test_a_folder_of_other_labels_is_refused(folder, noisy, labels, digest):
    with pytest.raises(UsageError, match="is of other data or labels than set; expected"):
        from_folder(folder(np.array(labels), digest=digest), noisy, data())


@pytest.mark.parametrize("name", ["summary.json", "probabilities.npz", "suspects.csv"])
def test_a_folder_that_lacks_or_damaged_a_file_is_refused(folder, noisy, name):
    path = folder(np.array([0, 1, 2, 0])) / name
    for damage in (lambda: path.write_bytes(b"\xff"), path.unlink):
        damage()
        with pytest.raises(UsageError, match="holds no result of `noisybench suspects`"):
            from_folder(path.parent, noisy, data())
