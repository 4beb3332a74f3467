"""`noisybench suspects`: a ranking of labels that finds the wrong ones."""

import json

import numpy as np
import pandas as pd
import pytest
from cleanlab.rank import get_label_quality_scores, order_label_issues
from PIL import Image

from benchmark.labels.detectors import Verdict
from benchmark.labels.suspects import judge, rank
from benchmark.store.kept import read_predictions
from benchmark.store.store import Store
from tests.cli.test_run import records


def doubts(n=300, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    odds = np.exp(rng.standard_normal((n, classes)) + 2 * np.eye(classes)[labels])
    wrong = rng.random(n) < 0.2
    given = np.where(wrong, (labels + 1) % classes, labels)
    return given, odds / odds.sum(1, keepdims=True), wrong


def self_confidence(labels, probabilities):
    return Verdict(probabilities[np.arange(len(labels)), labels], probabilities)


def test_the_ranking_equals_cleanlabs_on_the_same_probabilities():
    labels, probabilities, _ = doubts()
    table = rank(labels, self_confidence(labels, probabilities))
    assert (np.diff(table["score"]) >= 0).all()
    expected = get_label_quality_scores(labels, probabilities)
    assert np.array_equal(table.sort_values("index")["score"], expected)
    issues = order_label_issues(np.ones(len(labels), bool), labels, probabilities, rank_by="self_confidence")
    assert np.array_equal(table["index"], issues)
    assert np.array_equal(table["suggested_label"], probabilities.argmax(1)[table["index"]])


def test_the_estimated_rates_of_the_classes_add_up_to_the_whole():
    labels, probabilities, wrong = doubts(4000)
    table = rank(labels, self_confidence(labels, probabilities))
    assert table["estimated_noise_rate"].mean() == pytest.approx(wrong.mean(), abs=0.05)
    assert table.groupby("given_label")["estimated_noise_rate"].nunique().eq(1).all()


def test_a_class_that_is_never_given_does_no_harm():
    labels, probabilities, _ = doubts()
    given = np.where(labels == 2, 1, labels)
    table = rank(given, self_confidence(given, probabilities))
    assert table["estimated_noise_rate"].notna().all()


def test_probabilities_with_nan_are_refused():
    labels, probabilities, _ = doubts()
    probabilities[3, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        rank(labels, self_confidence(labels, probabilities))


def test_precision_and_recall_at_k_are_those_counted_by_hand():
    wrong = np.array([True, False, True, False, False])
    verdict = judge(wrong, np.array([0.1, 0.2, 0.3, 0.4, 0.5]), budgets=(1, 3, 99))
    assert verdict["wrong"] == 2
    assert verdict["at"] == [
        {"k": 1, "precision": 1.0, "recall": 0.5, "share_of_ceiling": 1.0},
        {"k": 2, "precision": 0.5, "recall": 0.5, "share_of_ceiling": 0.5},
        {"k": 3, "precision": pytest.approx(2 / 3), "recall": 1.0, "share_of_ceiling": 1.0},
    ]
    assert verdict["auroc"] == pytest.approx(5 / 6)
    assert judge(np.zeros(3, bool), np.arange(3.0))["auroc"] is None


def test_added_noise_is_found_and_the_files_say_so(here, tmp_path, cells):
    command = ("suspects", "-d", f"npz:{cells}", "-n", "symmetric:0.2", "--seed", "2", "--out", "found")
    done = here(*command, "--budget", "10", "--folds", "3")
    assert "first k  precision  recall" in done.stdout
    table = pd.read_csv(tmp_path / "found" / "suspects.csv")
    assert list(table) == [
        "split", "index", "given_label", "given_class", "suggested_label", "suggested_class", "suggested_probability",
        "score", "estimated_noise_rate", "clean_label", "decision", "new_label", "reader", "comment",
    ]  # fmt: skip
    assert sorted(table["index"]) == list(range(240))
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert {row["k"] for row in summary["found"]["at"]} == {10, summary["found"]["wrong"]}
    assert summary["found"]["auroc"] > 0.9
    first = table.head(10)
    assert (first["given_label"] != first["clean_label"]).mean() == summary["found"]["at"][0]["precision"]
    with np.load(tmp_path / "found" / "probabilities.npz") as file:
        expected = get_label_quality_scores(file["labels"], file["probabilities"])
    assert np.allclose(table.sort_values("index")["score"], expected, atol=1e-5)
    with Image.open(tmp_path / "found" / "suspects.png") as picture:
        assert min(picture.size) > 300


def test_labels_of_a_folder_are_named_by_file_in_all_splits(here, tmp_path, image_folder):
    swapped = [image_folder / "red" / f"patient1{i}_0.png" for i in range(3)]
    for path in swapped:
        path.rename(image_folder / "blue" / path.name)
    done = here(
        "suspects", "-d", f"folder:{image_folder},size=8", "--skip-corrupt", "--all-splits", "--folds", "3",
        "--out", "found",
    )  # fmt: skip
    assert "estimated noise rate" in done.stdout
    table = pd.read_csv(tmp_path / "found" / "suspects.csv")
    assert len(table) == 80
    assert set(table["split"]) == {"train", "val", "test"}
    assert "clean_label" not in table, "nobody knows the truth here"
    assert set(table["file"].head(3)) == {f"blue/{path.name}" for path in swapped}
    assert set(table["suggested_class"].head(3)) == {"red"}


def test_a_run_says_which_labels_its_method_dropped(here, tmp_path, cells):
    here(
        "run", "-d", f"npz:{cells}", "-m", "small_loss", "-m", "ce", "-n", "symmetric:0.3", "-b", "cnn", "--seeds", "1",
        "--epochs", "4", "--keep", "predictions", "--no-table", "--slots", "1",
    )  # fmt: skip
    runs = {record["spec"]["method"]["name"]: record["id"] for record in records(tmp_path / "results").values()}
    done = here("suspects", "-d", f"npz:{cells}", "--from", runs["small_loss"], "--out", "dropped", "--label-studio")
    assert "its method reported kept" in done.stderr
    kept = read_predictions(Store(tmp_path / "results"), runs["small_loss"])
    table = pd.read_csv(tmp_path / "dropped" / "suspects.csv")
    dropped = kept["train/index"][kept["train/kept"] == 0]
    assert set(table["index"].head(len(dropped))) == set(dropped.tolist()), "what was dropped comes first"
    labels = dict(zip(kept["train/index"].tolist(), kept["train/labels"].tolist(), strict=True))
    assert [labels[i] for i in table["index"]] == table["given_label"].tolist()
    assert json.loads((tmp_path / "dropped" / "summary.json").read_text())["found"]["auroc"] > 0.6
    tasks = json.loads((tmp_path / "dropped" / "label_studio.json").read_text())
    assert [task["data"]["index"] for task in tasks] == table["index"].head(len(tasks)).tolist()
    plain = here("suspects", "-d", f"npz:{cells}", "--from", runs["ce"], "--out", "plain")
    assert "reported nothing of single samples" in plain.stderr
    assert "expected the data set of the run" in here(
        "suspects", "-d", "digits", "--from", runs["ce"], "--out", "x", code=2
    ).stderr  # fmt: skip
    store = Store(tmp_path / "results")
    ended = json.loads(next(iter(store.loose())).read_bytes())
    failed = {name: ended[name] for name in ("schema", "spec", "provenance")} | {"id": "f" * 16, "state": "failed"}
    store.write_failure(failed | {"error": {"class": "E", "message": "m", "traceback": "", "log": "l"}})
    told = here("suspects", "-d", f"npz:{cells}", "--from", "fff", "--out", "x", code=2).stderr
    assert f"run {'f' * 16} failed; `noisybench logs fff` shows why" in told


def test_wrong_requests_are_told_what_to_type(here, cells):
    def told(*options):
        return here("suspects", "-d", f"npz:{cells}", "--out", "x", *options, code=2).stderr

    assert "expected one of " in told("--detector", "typo")
    assert "-b timm/NAME:frozen=true" in told("--detector", "heads")
    assert "expected --raters A,B" in told("--detector", "crowdlab")
    assert "train: no labels named a, b" in told("--raters", "a,b")
    assert "leave out --detector" in told("--from", "3f2a", "--detector", "aum")


def test_a_list_that_somebody_filled_in_is_never_replaced(here, tmp_path, cells):
    typed = ("suspects", "-d", "npz:cells.npz", "--epochs", "1", "--folds", "2", "--top", "0", "--out", "found")
    here(*typed)
    here(*typed)  # nobody has read it yet
    file = tmp_path / "found" / "suspects.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    table.loc[3, "comment"] = "blurred"
    table.to_csv(file, index=False)
    before = file.read_bytes()
    assert "suspects.csv holds 1 row(s) that somebody filled in" in here(*typed, code=2).stderr
    assert file.read_bytes() == before
    file.write_bytes(b"\x00\x01")
    here(*typed, code=2)
    assert file.read_bytes() == b"\x00\x01"


def test_all_splits_and_added_noise_exclude_each_other(here):
    told = here("suspects", "-d", "digits", "-n", "pair:0.2", "--all-splits", "--out", "x", code=2).stderr
    assert "leave out --noise" in told


@pytest.mark.slow
def test_pbc_with_a_fifth_of_wrong_labels_beats_components_and_regression(here, tmp_path, real_data):
    """The anchor: 64 PCA components of raw pixels, logistic regression, 5 folds, cleanlab 2.9."""
    here("suspects", "-d", f"npz:{real_data / 'pbc_28.npz'}", "-n", "symmetric:0.2", "--out", "found")
    found = json.loads((tmp_path / "found" / "summary.json").read_text())["found"]
    at = {row["k"]: row for row in found["at"]}
    assert found["auroc"] > 0.957 + 0.02
    assert found["average_precision"] > 0.876 + 0.05
    assert at[found["wrong"]]["precision"] > 0.806 + 0.07
    assert at[1000]["precision"] > 0.95
