"""`noisybench relabel`: the round trip from a ranking to runs on corrected labels."""

import numpy as np
import pandas as pd

from tests.cli.test_run import records


def filled(path, wrong, decision="relabel"):
    """Answers the first lines of a ranking as somebody would who knows the truth `wrong`: index -> class."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for row, index in enumerate(table["index"].head(60)):
        table.loc[row, "decision"] = "keep" if int(index) not in wrong else decision
        table.loc[row, "new_label"] = wrong.get(int(index), "") if decision == "relabel" else ""
    table.to_csv(path.with_name("filled.csv"), index=False, sep=";")


def test_corrected_labels_are_trained_on_and_the_way_back_is_kept(here, tmp_path, cells):
    with np.load(cells) as file:
        arrays = dict(file)
    wrong = {3: "0", 50: "1", 120: "2"}
    truth = arrays["train_labels"].ravel().astype(str)
    for index in wrong:
        arrays["train_labels"][index] = (int(truth[index]) + 1) % 3
    wrong = {index: truth[index] for index in wrong}
    np.savez(cells, **arrays)
    here("suspects", "-d", f"npz:{cells}", "--folds", "3", "--out", "found")
    filled(tmp_path / "found" / "suspects.csv", wrong)
    done = here("relabel", "apply", "found/filled.csv", "-d", f"npz:{cells}", "--out", "labels.csv")
    assert "60 labels read, 3 changed, 0 images left out of 360" in done.stdout
    table = pd.read_csv(tmp_path / "labels.csv", dtype=str)
    train = table[table["split"] == "train"]
    assert train["label"].tolist() == truth.tolist()
    assert (train["given"] != train["label"]).sum() == 3
    assert "exists already" in here(
        "relabel", "apply", "found/filled.csv", "-d", f"npz:{cells}", "--out", "labels.csv", code=2
    ).stderr  # fmt: skip
    again = here(
        "relabel", "apply", "found/filled.csv", "-d", f"npz:{cells},labels=labels.csv", "--out", "x.csv", code=2
    )
    assert "expected a ranking of these labels" in again.stderr
    here("relabel", "revert", "labels.csv", "--out", "before.csv")
    before = pd.read_csv(tmp_path / "before.csv", dtype=str)
    assert (before["label"] == before["given"]).all()
    assert "has no history" in here("relabel", "revert", "before.csv", "--out", "y.csv", code=2).stderr

    grid = ("-b", "cnn", "-m", "ce", "-n", "none", "--seeds", "1", "--epochs", "1", "--no-table", "--slots", "1")
    here("run", "-d", f"npz:{cells}", "--labels", "labels.csv", *grid)
    here("run", "-d", f"npz:{cells}", *grid)
    parts = [record["spec"]["dataset"] for record in records(tmp_path / "results").values()]
    assert sorted("labels" in part for part in parts) == [False, True]
    printed = here("table").stdout
    assert "cells+labels" in printed, printed
    assert "0 to run" in here("run", "-d", f"npz:{cells},labels=labels.csv", *grid, "--dry-run").stderr
    assert "expected split,index" in here("run", "-d", "digits", "--labels", "found/filled.csv", *grid, code=1).stderr


def test_images_can_be_left_out(here, tmp_path, cells):
    here("suspects", "-d", f"npz:{cells}", "--folds", "2", "--epochs", "1", "--out", "found")
    filled(tmp_path / "found" / "suspects.csv", dict.fromkeys(range(0, 240, 7), ""), "drop")
    here("relabel", "apply", "found/filled.csv", "-d", f"npz:{cells}", "--out", "labels.csv")
    table = pd.read_csv(tmp_path / "labels.csv", dtype=str, keep_default_na=False)
    gone = int((table["label"] == "").sum())
    assert gone > 0
    shown = here("noise", "show", "-d", f"npz:{cells},labels=labels.csv", "-n", "none").stdout
    assert f"train: {240 - gone} samples" in shown


def test_a_simulated_reader_stays_within_the_bounds(here, tmp_path, cells):
    done = here(
        "relabel", "simulate", "-d", f"npz:{cells}", "-n", "symmetric:0.2", "--accuracy", "0.9", "--out", "s.csv"
    )
    assert "240 train, 60 val, 60 test" in done.stdout
    table = pd.read_csv(tmp_path / "s.csv")
    assert (table[table["order"] == "perfect"]["share_of_ceiling"] == 1).all()
    assert (table["share_of_ceiling"] <= 1).all()
    quality = table[table["order"] == "quality"]
    assert quality["share_of_ceiling"].min() > 0.7
    assert "nothing can be simulated" in here(
        "relabel", "simulate", "-d", f"npz:{cells}", "-n", "as_is", code=2
    ).stderr  # fmt: skip
