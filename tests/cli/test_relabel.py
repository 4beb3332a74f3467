"""`noisybench relabel`: the round trip from a ranking to runs on corrected labels."""

import unicodedata

import numpy as np
import orjson
import pandas as pd
import pytest

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


def short_review(path, write, decision="relabel", new="1"):
    """A review of the first image of `cells`, of class 0, as `write` saves a table."""
    rows = {"split": "train", "index": 0, "given_class": 0, "decision": decision, "new_label": new, "comment": "Ärger"}
    write(pd.DataFrame([rows]), path)


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        (
            "german.csv",
            lambda table, path: table.to_csv(path, index=False, sep=";", encoding="cp1252"),
            "german.csv: the table is no UTF-8 and was read as Windows-1252; the columns of the table are separated by "
            "semicolons\n",
        ),
        ("excel.xlsx", lambda table, path: table.to_excel(path, index=False), ""),
    ],
)
def test_what_excel_saves_is_read_and_what_was_assumed_is_one_line(here, tmp_path, cells, name, write, said):
    short_review(tmp_path / name, write)
    done = here("relabel", "apply", name, "-d", f"npz:{cells}", "--out", "labels.csv")
    assert "1 labels read, 1 changed" in done.stdout
    assert said in done.stderr
    assert ("the table" in done.stderr) == bool(said)
    assert orjson.loads((tmp_path / "labels.history.json").read_bytes())["steps"][0]["changes"][0]["comment"] == "Ärger"


def test_a_review_that_cannot_be_read_or_understood_is_a_sentence(here, tmp_path, cells):
    def told():
        done = here("relabel", "apply", "review.csv", "-d", f"npz:{cells}", "--out", "labels.csv", code=2)
        assert not (tmp_path / "labels.csv").exists()
        return done.stderr

    (tmp_path / "review.csv").touch()
    assert "review.csv is empty; expected a table as `noisybench suspects` writes it, filled in and saved" in told()
    short_review(tmp_path / "review.csv", lambda table, path: table.to_csv(path, index=False), decision="")
    assert "review.csv, line 2: new_label is filled in, but the column decision is empty; type relabel" in told()


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
    for name in table:
        assert any(line.startswith(f"{name}: ") for line in done.stderr.splitlines())
    for order in set(table["order"]):
        assert order in done.stderr
    assert (table[table["order"] == "perfect"]["share_of_ceiling"] == 1).all()
    assert (table["share_of_ceiling"] <= 1).all()
    quality = table[table["order"] == "quality"]
    assert quality["share_of_ceiling"].min() > 0.7
    assert "nothing can be simulated" in here(
        "relabel", "simulate", "-d", f"npz:{cells}", "-n", "as_is", code=2
    ).stderr  # fmt: skip


def test_names_as_a_mac_writes_them_survive_a_review_that_excel_saves_in_windows_1252(here, tmp_path, image_folder):
    mac = unicodedata.normalize("NFD", "Blutplättchen")
    (image_folder / "red").rename(image_folder / mac)
    for path in sorted((image_folder / mac).iterdir()):
        path.rename(path.with_name(unicodedata.normalize("NFD", f"Prüf{path.name}")))
    folder = ("-d", f"folder:{image_folder}", "--skip-corrupt")
    here("suspects", *folder, "--folds", "2", "--all-splits", "--out", "found")
    table = pd.read_csv(tmp_path / "found" / "suspects.csv", dtype=str, keep_default_na=False)
    place = table.index[table["given_class"] == "Blutplättchen"][0]
    assert table.loc[place, "file"].startswith("Blutplättchen/Prüf")
    table.loc[place, ["decision", "new_label"]] = ["relabel", "blue"]
    other = table.index[table["given_class"] == "blue"][0]
    table.loc[other, ["decision", "new_label"]] = ["relabel", "Blutplättchen"]
    table.to_csv(tmp_path / "review.csv", index=False, sep=";", encoding="cp1252")
    done = here("relabel", "apply", "review.csv", *folder, "--out", "labels.csv")
    assert "2 labels read, 2 changed" in done.stdout
    assert "labels of " in here("data", "info", f"folder:{image_folder},labels=labels.csv", "--skip-corrupt").stdout
    here("relabel", "revert", "labels.csv", "--out", "before.csv")
