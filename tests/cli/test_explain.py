"""`explain` compares a model with its twins, explains the images it says, and shows nothing that is private."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.checks.lab import images
from benchmark.report import pictures
from benchmark.store import kept
from benchmark.store.store import Store
from tests.conftest import command_line

GRID = ("--seeds", "1", "--epochs", "8", "--keep", "model", "--no-table")


def run_of(folder: Path, **parts: str) -> str:
    """The id of the run with plugins of these names."""
    records = Store(folder / "results").records().records
    (found,) = [r["id"] for r in records if all(r["spec"][part]["name"] == name for part, name in parts.items())]
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """data/cells.npz, and kept models of two methods with and without noise."""
    folder = tmp_path_factory.mktemp("explained")
    arrays: dict[str, Any] = {}
    for seed, (split, size) in enumerate((("train", 240), ("val", 60), ("test", 60))):
        pixels, labels = images(size, 3, seed)
        arrays |= {f"{split}_images": pixels[..., 0].swapaxes(1, 2), f"{split}_labels": labels}
    (folder / "data").mkdir()
    np.savez(folder / "data" / "cells.npz", **arrays)
    options = ("-d", "npz:data/cells.npz", "-m", "ce", "-m", "gce", "-n", "none", "-n", "pair:0.45", *GRID)
    command_line(folder, "run", *options, "--recipe", "lr=0.01")
    return folder


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    return shutil.copytree(trained, tmp_path / "copy")


def test_the_output_holds_all_images_and_both_comparisons(trained):
    run = run_of(trained, method="gce", noise="pair")
    command_line(trained, "explain", run, "--out", "maps", "--images", "test:3", "--per-class", "2")
    table = pd.read_csv(trained / "maps" / "images.csv")
    assert table["group"].value_counts()[["chosen", "drawn", "uncertain"]].tolist() == [1, 6, 6]
    assert table[["split", "index"]].iloc[0].tolist() == ["test", 3]
    memorized = table[table["group"] == "memorized"]
    assert len(memorized), "so many labels of one class are those of the next that a network takes some over"
    assert (memorized["predicted"] == memorized["given"]).all()
    assert (memorized["given"] != memorized["clean"]).all()
    assert (memorized["split"] == "train").all()
    for twin in ("ce", "clean labels"):
        assert table[f"drift {twin}"].dropna().between(0, 2).all()
    predictions = kept.read_predictions(Store(trained / "results"), run)["test/val_noisy"]
    surest = predictions.max(1)
    of_class = kept.read_predictions(Store(trained / "results"), run)["test/labels"] == 0
    expected = np.flatnonzero(of_class)[np.argsort(surest[of_class], kind="stable")[:2]]
    uncertain = table[(table["group"] == "uncertain") & (table["given"] == 0)]
    assert surest[uncertain["index"]] == pytest.approx(surest[expected])
    drift = pd.read_csv(trained / "maps" / "drift.csv")
    row = drift[(drift["group"] == "drawn") & (drift["twin"] == "ce")].iloc[0]
    assert row["drift"] == pytest.approx(table.loc[table["group"] == "drawn", "drift ce"].mean(), abs=1e-5)
    assert row["drift_low"] < row["drift"] < row["drift_high"]
    text = (trained / "maps" / "explain.md").read_text()
    assert "stages drawn anew" in text
    for group in ("chosen", "drawn", "uncertain", "memorized"):
        assert f"({group}.png)" in text
        with Image.open(trained / "maps" / f"{group}.png") as sheet:
            assert sheet.width > 400
    with np.load(trained / "maps" / "maps.npz") as maps:
        assert {name: maps[name].shape for name in maps} == dict.fromkeys(
            ["this run", "ce", "clean labels"], (len(table), 8, 8)
        )


def titled(path: Path, title: str) -> bool:
    """Whether the sheet has this title and nothing after it."""
    expected = np.array(pictures.sheet([], title))
    with Image.open(path) as sheet:
        shown = np.array(sheet)[: len(expected)]
    width = min(shown.shape[1], expected.shape[1])
    return bool((shown[:, :width] == expected[:, :width]).all() and (shown[:, width:] == 255).all())


def test_a_sheet_explains_red_frames_only_where_it_has_some(trained):
    run = run_of(trained, method="gce", noise="pair")
    command_line(trained, "explain", run, "--out", "framed", "--per-class", "2")
    title = f"run {run} (cells/cnn/gce/pair): {{}}; what speaks for the class that this run predicts".format
    assert titled(trained / "framed" / "memorized.png", f"{title('memorized')}; red frame: the label is wrong")
    assert titled(trained / "framed" / "drawn.png", title("drawn"))


def test_no_label_is_called_wrong_or_clean_where_the_truth_is_unknown(trained, tmp_path):
    options = ("-m", "gce", "-n", "as_is", "-n", "none", "--subset", "60", "--seeds", "1", "--epochs", "2")
    command_line(tmp_path, "run", "-d", f"npz:{trained / 'data' / 'cells.npz'}", *options, "--keep", "model")
    run = run_of(tmp_path, noise="as_is")
    told = command_line(tmp_path, "explain", run, "--out", "maps", "--per-class", "2", "--images", "train:4").stderr
    assert "not compared with ce" in told
    assert "clean" not in told, "the run on the same labels that calls them clean is no twin"
    for group in ("chosen", "drawn", "uncertain"):
        title = f"run {run} (cells/cnn/gce/as_is): {group}; what speaks for the class that this run predicts"
        assert titled(tmp_path / "maps" / f"{group}.png", title)
    assert pd.read_csv(tmp_path / "maps" / "images.csv")["clean"].isna().all()
    text = (tmp_path / "maps" / "explain.md").read_text()
    assert "the true labels are unknown: memorized images cannot be told, and there is no model of clean" in text
    assert text.count("clean") == 1


def test_a_twin_that_was_not_kept_is_named_with_the_command_that_makes_it(folder):
    run, twin = run_of(folder, method="gce", noise="pair"), run_of(folder, method="gce", noise="none")
    kept.path_of(Store(folder / "results"), twin, kept.WEIGHTS).unlink()
    told = command_line(folder, "explain", run, "--out", "maps", "--per-class", "1").stderr
    assert "not compared with clean labels" in told
    (command,) = [part for part in told.split("`") if part.startswith("noisybench run")]
    command_line(folder, *shlex.split(command)[1:], "--no-table")
    assert "not compared" not in command_line(folder, "explain", run, "--out", "maps", "--per-class", "1").stderr


def test_images_of_private_data_are_drawn_on_request_only(folder):
    (folder / "data" / ".private").touch()
    run = run_of(folder, method="ce", noise="pair")
    # The run knows where its data lay: in the folder that was copied.
    here = ("-d", "npz:data/cells.npz")
    told = command_line(folder, "explain", run, "--out", "private", "--per-class", "1", *here)
    assert "marks this data as private" in told.stderr
    assert not list((folder / "private").glob("*.png"))
    assert "png" not in (folder / "private" / "explain.md").read_text()
    command_line(folder, "explain", run, "--out", "private", "--per-class", "1", "--show-private", *here)
    assert (folder / "private" / "drawn.png").is_file()


def test_data_that_moved_is_asked_for_and_other_data_is_refused(tmp_path):
    def save(path, seed):
        arrays: dict[str, Any] = {}
        for split in ("train", "test"):
            pixels, labels = images(60, 3, seed)
            arrays |= {f"{split}_images": pixels, f"{split}_labels": labels}
        np.savez(path, **arrays)

    save(tmp_path / "mine.npz", 0)
    save(tmp_path / "other.npz", 9)
    options = ("-m", "ce", "-n", "symmetric:0.2", "--epochs", "2")
    command_line(tmp_path, "run", "-d", "npz:mine.npz", *options, *GRID[:2], *GRID[4:])
    (run,) = Store(tmp_path / "results").finished()
    (tmp_path / "mine.npz").rename(tmp_path / "moved.npz")
    explain = ("explain", run, "--out", "maps", "--per-class", "1")
    told = command_line(tmp_path, *explain, code=2).stderr
    assert f"the data of the run lay at {tmp_path / 'mine.npz'}, where nothing is now; say where: -d npz:..." in told
    for other in ("npz:other.npz", "digits"):
        told = command_line(tmp_path, *explain, "-d", other, code=2).stderr
        assert "the model was trained on npz with other files or options; expected the data set of the run" in told
    command_line(tmp_path, *explain, "-d", "npz:moved.npz")
    save(tmp_path / "mine.npz", 9)
    told = command_line(tmp_path, *explain, code=2).stderr
    assert "has changed since run" in told


def test_an_image_that_is_not_there_is_a_sentence(trained):
    run = run_of(trained, method="ce", noise="none")
    told = command_line(trained, "explain", run, "--out", "x", "--images", "test:999", code=2).stderr
    assert "--images test:999: the run has no such image" in told


@pytest.mark.parametrize("options", [("-m", "coteaching"), ("-m", "dividemix"), ("-m", "elr_plus"), ("-b", "resnet18")])
def test_every_convolutional_model_has_maps(options, trained, tmp_path):
    data = f"npz:{trained / 'data' / 'cells.npz'}"
    method = () if "-m" in options else ("-m", "ce")
    grid = ("--subset", "60", "--seeds", "1", "--epochs", "2", "--keep", "model", "--no-table")
    command_line(tmp_path, "run", "-d", data, "-n", "symmetric:0.4", *method, *options, *grid)
    (run,) = Store(tmp_path / "results").finished()
    command_line(tmp_path, "explain", run, "--out", "maps", "--per-class", "1")
    assert np.load(tmp_path / "maps" / "maps.npz")["this run"].max() == 1


def test_a_frozen_network_is_explained_with_its_head_and_a_transformer_is_refused(trained, tmp_path):
    data = f"npz:{trained / 'data' / 'cells.npz'}"
    grid = (
        "-n",
        "none",
        "-m",
        "ce",
        "--seeds",
        "1",
        "--epochs",
        "2",
        "--subset",
        "60",
        "--keep",
        "model",
        "--no-table",
    )
    transformer = "timm/vit_tiny_patch16_224:frozen=true,input_size=32"
    # Its last maps are those of a norm, which is grouped with the convolution before it.
    with_norm = "timm/tf_efficientnet_lite0"
    frozen = ("cnn:frozen=true", f"{with_norm}:frozen=true,input_size=64", transformer)
    command_line(tmp_path, "run", "-d", data, *grid, *(text for name in frozen for text in ("-b", name)))
    for name in ("cnn", with_norm):
        command_line(tmp_path, "explain", run_of(tmp_path, backbone=name), "--out", "maps", "--per-class", "1")
        assert np.load(tmp_path / "maps" / "maps.npz")["this run"].max() == 1
    run = run_of(tmp_path, backbone="timm/vit_tiny_patch16_224")
    told = command_line(tmp_path, "explain", run, "--out", "none", "--per-class", "1", code=1).stderr
    assert "no convolutional layer" in told
    assert not (tmp_path / "none").exists()


def test_images_of_a_folder_are_named_by_their_files(image_folder, here, tmp_path):
    grid = ("-m", "ce", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "2", "--keep", "model", "--no-table")
    here("run", "-d", f"folder:{image_folder},size=16", "--skip-corrupt", *grid)
    (run,) = Store(tmp_path / "results").finished()
    files = kept.read_predictions(Store(tmp_path / "results"), run)["test/files"]
    here("explain", run, "--out", "maps", "--per-class", "2", "--images", files[3])
    table = pd.read_csv(tmp_path / "maps" / "images.csv")
    assert table.loc[0, ["split", "file"]].tolist() == ["test", files[3]]
    assert table["file"].notna().all()
    train = table[table["split"] == "train"]
    assert not set(train["file"]) & set(files)
    own = train.iloc[0] if len(train) else table.iloc[0]
    here("explain", run, "--out", "again", "--per-class", "0", "--images", own["file"])
    again = pd.read_csv(tmp_path / "again" / "images.csv").loc[0]
    assert again[["split", "index", "predicted"]].tolist() == own[["split", "index", "predicted"]].tolist()
