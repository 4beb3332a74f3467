"""`noisybench labels`: how wrong labels are, how far raters agree, and their consensus as labels to train on."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.checks.lab import images
from tests.datasets.hospital import HEADER, READERS, write_excel, write_study


@pytest.fixture
def rated(tmp_path):
    """An npz file of three separable classes with the labels of three raters, of whom c is often wrong."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {"class_names": np.array(["low", "middle", "high"])}
    for seed, (split, size) in enumerate((("train", 400), ("val", 60), ("test", 60))):
        pixels, labels = images(size, 3, seed)
        arrays[f"{split}_images"] = pixels[..., 0].swapaxes(1, 2)
        arrays[f"{split}_labels"] = labels[:, None].astype(np.uint8)
        for name, rate in (("a", 0.1), ("b", 0.1), ("c", 0.3)):
            wrong = rng.random(size) < rate
            given = np.where(wrong, (labels + 1) % 3, labels)
            arrays[f"{split}_labels_{name}"] = np.where(rng.random(size) < 0.1, -1, given)
    path = tmp_path / "rated.npz"
    np.savez(path, **arrays)
    return path


def told(done):
    return " ".join(done.stdout.split())


def test_added_noise_is_told_by_rate_class_and_confusion(here, tmp_path, cells):
    done = here("labels", "-d", f"npz:{cells}", "-b", "cnn", "-n", "symmetric:0.2", "--seed", "1", "--out", "found")
    assert "of the labels are likely wrong" in told(done)
    assert "of the labels are wrong: inside the interval" in told(done)
    assert "| given class | labels | wrong " in done.stdout
    summary = json.loads((tmp_path / "found/summary.json").read_text())
    low, high = summary["rate"]["interval"]
    assert low <= summary["truth"]["rate"] <= high
    assert summary["truth"]["covered"]
    classes = pd.read_csv(tmp_path / "found/classes.csv")
    assert classes["labels"].sum() == 240
    assert not (tmp_path / "found/raters.csv").exists()


def test_networks_that_know_nothing_cannot_tell(here, tmp_path):
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, size in (("train", 120), ("val", 30), ("test", 30)):
        arrays[f"{split}_images"] = rng.integers(0, 255, (size, 8, 8), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(size) % 3)[:, None]
    np.savez(tmp_path / "random.npz", **arrays)
    done = here("labels", "-d", "npz:random.npz", "-b", "cnn", "--out", "found")
    assert "How many labels are wrong cannot be told: the networks agree with" in told(done)
    summary = json.loads((tmp_path / "found/summary.json").read_text())
    assert summary["rate"]["estimate"] is None
    assert "agree with" in summary["rate"]["doubt"]
    assert not (tmp_path / "found/classes.csv").exists()


@pytest.mark.slow
def test_raters_are_compared_and_their_consensus_is_trained_on(here, tmp_path, rated):
    data = f"npz:{rated}"
    done = here(
        "labels", "-d", data, "-b", "cnn", "--raters", "a,b,c", "--out", "found", "--labels-out", "labels.csv"
    )  # fmt: skip
    assert "Krippendorff's alpha is" in told(done)
    assert "| a, b " in done.stdout
    assert "The consensus is that of Dawid and Skene" in told(done)
    assert "520 labels (all splits)" in told(done)
    table = pd.read_csv(tmp_path / "found/raters.csv").set_index("rater")
    assert table["consensus_wrong"]["c"] == pytest.approx(0.3, abs=0.08)
    assert table["consensus_wrong"]["a"] == pytest.approx(0.1, abs=0.05)
    matrices = json.loads((tmp_path / "found/transitions.json").read_text())
    assert np.asarray(matrices["c"]).sum(1) == pytest.approx(np.ones(3), abs=1e-6)
    drawn = here("noise", "show", "-d", data, "-n", "raters:c,source=found/transitions.json")
    assert drawn.stdout
    rows = pd.read_csv(tmp_path / "labels.csv")
    assert len(rows) == 520
    assert set(rows["split"]) == {"train", "val", "test"}
    changed = (rows["label"] != rows["given"]).mean()
    assert 0 < changed < 0.15
    here(
        "run", "-d", data, "--labels", "labels.csv", "-n", "as_is", "-m", "ce", "-b", "cnn", "--seeds", "1",
        "--epochs", "1", "--no-table",
    )  # fmt: skip
    reverted = here("relabel", "revert", "labels.csv", "--out", "before.csv").stdout
    assert "consensus dawid_skene of a, b, c taken back" in reverted
    before = pd.read_csv(tmp_path / "before.csv")
    assert (before["label"] == before["given"]).all()
    again = here("labels", "-d", data, "--raters", "a,b", "--labels-out", "labels.csv", code=2).stderr
    assert "labels.csv exists already" in again


def test_raters_are_compared_with_the_truth_where_it_is_known(here, tmp_path, rated):
    done = here("labels", "-d", f"npz:{rated}", "-b", "cnn", "-n", "given:a", "--raters", "b,c,a", "--out", "found")
    assert "wrong by the truth" in done.stdout
    table = pd.read_csv(tmp_path / "found/raters.csv").set_index("rater")
    with np.load(rated) as file:
        labels, a, c = (file[f"train_labels{name}"].ravel() for name in ("", "_a", "_c"))
    kept = (a >= 0) & (c >= 0)
    assert table["truth_wrong"]["c"] == pytest.approx((c != labels)[kept].mean(), abs=1e-4)
    by_truth = pd.read_csv(tmp_path / "found/rater_confusions.csv").query("reference == 'truth' and rater == 'c'")
    assert by_truth.query("true == 'low' and given == 'middle'")["share"].item() == pytest.approx(0.3, abs=0.1)


@pytest.mark.slow
def test_of_counts_the_agreement_is_told_and_nothing_of_single_raters(here, tmp_path, rated):
    with np.load(rated) as file:
        arrays = dict(file)
    for split in ("train", "val"):
        votes = np.stack([arrays.pop(f"{split}_labels_{name}") for name in "abc"], 1)
        arrays[f"{split}_counts"] = (votes[..., None] == np.arange(3)).sum(1)
    np.savez(tmp_path / "counts.npz", **{name: array for name, array in arrays.items() if "test_labels_" not in name})
    done = here("labels", "-d", "npz:counts.npz", "-b", "cnn", "--out", "found")
    assert "nothing is said of single raters" in told(done)
    assert "How good is each rater" not in done.stdout
    by_counts = json.loads((tmp_path / "found/summary.json").read_text())["agreement"]
    here("labels", "-d", f"npz:{rated}", "-b", "cnn", "--raters", "a,b,c", "--out", "whole")
    by_raters = json.loads((tmp_path / "whole/summary.json").read_text())["agreement"]
    assert by_counts["alpha"] == pytest.approx(by_raters["alpha"])
    assert by_counts["images_of_two_or_more"] == by_raters["images_of_two_or_more"]


def test_an_excel_file_of_three_readers_is_enough(here, tmp_path):
    study = write_study(tmp_path)
    here("data", "describe", study.table.name, "--out", "study.toml")
    data = "table:study.toml,size=8"
    done = here("labels", "-d", data, "--skip-corrupt", "--all-splits", "-b", "cnn")
    assert all(reader in done.stdout for reader in READERS)
    assert "119 labels (all splits)" in told(done)
    assert "differs from the labels" in done.stdout


def test_readers_who_name_a_class_otherwise_are_told_apart(here, tmp_path):
    study = write_study(tmp_path)
    rows = [(*row[:6], row[6] and row[6].title(), row[7]) for row in study.rows]
    write_excel(study.table, [HEADER, *rows])
    data = "table:labels.xlsx,root=images,size=8,raters=[Reader A,Reader B,Reader C]"
    label = ",label=Diagnosis,file=Image,patient=Patient ID"
    told_by = here("data", "info", data + label, "--skip-corrupt").stdout
    assert "label(s) of raters name a class that no image has, and were left out" in told_by
    assert "'Basophil' of Reader C" in told_by
    assert "is 'basophil' meant?" in told_by
    done = here("labels", "-d", data + label, "--skip-corrupt", "--all-splits", "-b", "cnn")
    assert "Reader C labelled no image" in told(done)


def test_wrong_requests_are_told_what_to_type(here, rated):
    def refused(*options):
        return here("labels", "-d", f"npz:{rated}", *options, code=2).stderr

    assert "one rater cannot be compared; expected at least two names" in refused("--raters", "a")
    assert "a rater is named twice" in refused("--raters", "a,b,a")
    assert "no labels named typo; there are: a, b, c" in refused("--raters", "a,typo")
    assert "names no raters, so there is no consensus; expected --raters" in refused("--consensus", "majority")
    assert "leave out --noise" in refused("--all-splits", "-n", "symmetric:0.2")
    two = refused("--raters", "a,b", "--consensus", "dawid_skene", "-b", "cnn")
    assert "expected at least 3, or another kind: majority, crowdlab" in two


def test_one_reader_of_a_table_is_told_and_left_out(here, tmp_path):
    study = write_study(tmp_path)
    data = f"table:{study.table.name},root=images,size=8,raters=[Reader A],label=Diagnosis,file=Image"
    done = here("labels", "-d", data, "--skip-corrupt", "-b", "cnn")
    assert "has one rater only, Reader A: agreement needs two" in done.stderr
    assert "Do the raters agree" not in done.stdout
