"""What is known of labels: which classes are confused, and what a folder of `noisybench suspects` still says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import orjson
import pandas as pd
import pytest

from benchmark.datasets.base import Arrays, Data
from benchmark.errors import UsageError
from benchmark.labels.doubts import confused, from_folder
from benchmark.store.spreadsheet import to_csv

CLASSES = ("a", "b", "c")
DIGEST = "sha256:1"


def test_pairs_follow_the_noise_and_add_up_to_the_rate():
    truth = np.repeat([0, 1, 2], 400)
    labels = truth.copy()
    labels[:80], labels[400:440] = 1, 2  # a is called b in 80 images, b is called c in 40
    probabilities = np.full((1200, 3), 0.02)
    probabilities[np.arange(1200), truth] = 0.96
    pairs = confused(labels, probabilities, 0.1, CLASSES)
    assert [tuple(row) for row in pairs[["given", "likely"]].to_numpy()] == [("b", "a"), ("c", "b")]
    assert pairs["labels"].tolist() == pytest.approx([80, 40])
    assert confused(truth, probabilities, 0.0, CLASSES).empty


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

    def written(labels, rate=0.2, decisions=("", ""), digest=DIGEST):
        scores, probabilities = np.arange(len(labels)) / 10, np.full((len(labels), 3), 1 / 3)
        np.savez(tmp_path / "probabilities.npz", labels=labels, scores=scores, probabilities=probabilities)
        interval = None if rate is None else [0.1, 0.3]
        told = {"estimated_noise_rate": rate, "estimate_interval": interval, "estimate_doubt": rate and None}
        (tmp_path / "summary.json").write_bytes(orjson.dumps({"dataset": {"digest": digest}, **told}))
        review = pd.DataFrame({"index": range(len(decisions)), "decision": decisions, "new_label": ""})
        review.loc[0, "new_label"] = "b" if decisions[0] == "" and len(decisions) > 2 else ""
        (tmp_path / "suspects.csv").write_bytes(to_csv(review))
        return tmp_path

    return written


def test_a_folder_of_all_splits_or_of_the_training_set_is_read(folder, noisy):
    everything = from_folder(folder(np.array([0, 1, 2, 0, 1, 2])), noisy, data())
    assert everything.examined.places["split"].tolist() == ["train"] * 4 + ["test"] * 2
    assert (everything.estimate.rate, everything.estimate.low, everything.estimate.high) == (0.2, 0.1, 0.3)
    assert everything.verdict.score[1] == 0.1
    assert not everything.decisions
    training = from_folder(folder(np.array([0, 1, 2, 0])), noisy, data())
    assert training.examined.places["file"].tolist() == ["p", "q", "r", "s"]
    assert training.examined.images(np.array([3])).shape == (1, 2, 2, 3)


def test_decisions_of_a_reader_are_counted_as_they_are_applied(folder, noisy):
    read = from_folder(folder(np.array([0, 1, 2, 0]), decisions=("", " Keep", "unsure", "")), noisy, data())
    assert read.decisions == {"relabel": 1, "keep": 1, "unsure": 1}


def test_a_share_that_was_not_estimated_stays_unknown(folder, noisy):
    found = from_folder(folder(np.array([0, 1, 2, 0]), rate=None), noisy, data())
    assert found.estimate.interval is None
    assert "estimates no share" in found.estimate.text


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
