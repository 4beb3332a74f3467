"""`noisybench noise`: labels that are made can be kept, looked at, checked, and used elsewhere."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.store.digests import seal_json
from tests.cli.test_run import records


def test_made_labels_are_verified_and_a_changed_one_is_found(here, tmp_path):
    made = here("noise", "make", "-d", "digits", "-n", "instance:0.2", "--seed", "1", "--out", "made")
    manifest, labels = (tmp_path / line for line in made.stdout.split())
    told = json.loads(manifest.read_text())
    assert abs(told["splits"]["train"]["realized_rate"] - 0.2) < 0.05
    assert here("noise", "verify", manifest).stdout.count("ok ") == 2, "training and validation part"
    with np.load(labels) as file:
        arrays = {name: file[name] for name in file.files}
    wrong = (arrays["train_noisy"] != arrays["train_clean"]).mean()
    assert wrong == pytest.approx(told["splits"]["train"]["realized_rate"])
    arrays["train_noisy"][5] = (arrays["train_noisy"][5] + 1) % 10
    np.savez(labels, **arrays)
    assert "SHA-256" in here("noise", "verify", manifest, code=1).stdout


def test_verify_finds_a_manifest_whose_seed_was_changed(here, tmp_path):
    here("noise", "make", "-d", "digits", "-n", "pair:0.2", "--out", "made")
    (path,) = (tmp_path / "made").glob("*.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    assert "was changed" in here("noise", "verify", path, code=1).stderr
    document = json.loads(path.read_text())
    del document["digest"]
    path.write_bytes(seal_json(document))
    assert "made again" in here("noise", "verify", path, code=1).stdout


def test_verify_follows_a_file_that_has_moved_and_refuses_another(here, tmp_path, cells):
    here("noise", "make", "-d", f"npz:{cells}", "-n", "pair:0.2", "--out", "made")
    (manifest,) = (tmp_path / "made").glob("*.json")
    moved = cells.rename(tmp_path / "moved.npz")
    assert "cells.npz" in here("noise", "verify", manifest, code=2).stderr
    assert "ok" in here("noise", "verify", manifest, "-d", f"npz:{moved}").stdout
    assert "digest" in here("noise", "verify", manifest, "-d", "digits", code=1).stdout


def test_show_prints_the_realized_matrix_and_draws_it(here, tmp_path):
    shown = here("noise", "show", "-d", "digits", "-n", "pair:0.4", "--out", "pictures")
    assert "realized T" in shown.stdout
    rate = float(shown.stdout.split("realized rate ")[1].split(",")[0])
    assert 0.3 < rate < 0.5
    for name in ("transition", "rates", "flips"):
        with Image.open(tmp_path / "pictures" / f"{name}.png") as picture:
            assert min(picture.size) > 100
            colors = picture.convert("RGB").getcolors(1 << 24)
            assert colors is not None
            assert len(colors) > 5, "an empty picture tells nothing"


@pytest.mark.parametrize("index", ["split", "original"])
@pytest.mark.parametrize("noise", ["symmetric:0.3", "long_tail:4,noise=pair:0.2"])
def test_a_run_on_exported_labels_is_the_run_that_they_come_from(here, tmp_path, noise, index):
    here("noise", "export", "-d", "digits", "-n", noise, "--seed", "3", "--out", "n.csv", "--index", index)
    seeds = {"noise": [3], "init": [0], "order": [0], "method": [0]}
    grid = {"datasets": ["digits"], "backbones": ["cnn"], "methods": ["gce"], "seeds": seeds, "recipe": {"epochs": 2}}
    found = []
    for name, kind in (("drawn", noise), ("exported", "file:n.csv")):
        lines = [
            f"{key} = {json.dumps(value)}" for key, value in (grid | {"noise": [kind]}).items() if key[0] not in "sr"
        ]
        text = "\n".join([*lines, "[seeds]", *(f"{k} = {v}" for k, v in seeds.items()), "[recipe]", "epochs = 2"])
        (tmp_path / f"{name}.toml").write_text(text)
        here("run", f"{name}.toml", "--results", name)
        found += records(tmp_path / name).values()
    drawn, exported = found
    assert exported["metrics"] == drawn["metrics"]
    assert exported["sizes"] == drawn["sizes"]
    for name in ("realized_rate", "realized_rate_all", "labels_sha256", "class_counts"):
        assert exported["noise"][name] == drawn["noise"][name]


def test_labels_without_validation_labels_hold_training_images_out_and_say_so(here, tmp_path):
    here("noise", "export", "-d", "digits", "-n", "symmetric:0.3", "--seed", "3", "--out", "n.csv")
    table = pd.read_csv(tmp_path / "n.csv")
    table[table["split"] == "train"].drop(columns="split").to_csv(tmp_path / "n.csv", index=False)
    done = here("run", "-d", "digits", "-m", "ce", "--seeds", "1", "--epochs", "1", "--noise-file", "n.csv")
    assert "10% of the training images are held out for validation instead" in done.stderr
    (record,) = records(tmp_path / "results").values()
    assert (record["sizes"]["train"], record["sizes"]["val"]) == (970, 108)
    assert "no noisy labels of the 360 validation images" in " ".join(record["noise"]["warnings"])
    assert record["noise"]["realized_rate"] != record["noise"]["realized_rate_all"], "of those trained on, and of all"


def test_a_noise_file_with_empty_labels_says_how_many_images_it_leaves_out(here, tmp_path):
    here("noise", "export", "-d", "digits", "-n", "symmetric:0.3", "--out", "n.csv")
    table = pd.read_csv(tmp_path / "n.csv", dtype=str)
    table.loc[:58, "noisy"] = ""
    table.to_csv(tmp_path / "n.csv", index=False)
    told = "59 of 1078 images of train have no label (-1) and are left out"
    grid = ("-d", "digits", "-m", "ce", "--seeds", "1", "--noise-file", "n.csv", "--dry-run")
    assert f"noise file on digits: {told}" in here("run", *grid).stderr
    assert told in here("noise", "show", "-d", "digits", "-n", "file:n.csv").stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda line, k: line + (",noisy" if k == 0 else "," + line[-1]), "has the column noisy twice"),
        (lambda line, k: line + (",7" if k else ""), "Expected 4 fields in line 2, saw 5"),
        (lambda line, k: line.partition(",")[2] + (",7" if k else ""), "Expected 3 fields in line 2, saw 4"),
    ],
    ids=["a column twice", "more entries than names", "the same without splits"],
)
def test_a_noise_file_in_which_an_entry_could_belong_to_another_column_is_refused(change, told, here, tmp_path):
    here("noise", "export", "-d", "digits", "-n", "symmetric:0.3", "--out", "n.csv")
    lines = (tmp_path / "n.csv").read_text().splitlines()
    (tmp_path / "n.csv").write_text("\n".join(change(line, k) for k, line in enumerate(lines)))
    assert told in here("noise", "show", "-d", "digits", "-n", "file:n.csv", code=2).stderr


def test_a_matrix_that_does_not_fit_is_a_wrong_request_whatever_is_wrong_with_it(here, tmp_path):
    for text in ("0.9,0.1\n0.1,0.9", "0.9,0.2\n0.1,0.9"):
        (tmp_path / "t.csv").write_text(text)
        here("noise", "show", "-d", "digits", "-n", "transition:t.csv", code=2)


def test_labels_of_the_validation_set_alone_are_refused(here, tmp_path):
    here("noise", "export", "-d", "digits", "-n", "symmetric:0.3", "--out", "n.csv")
    table = pd.read_csv(tmp_path / "n.csv")
    table[table["split"] == "val"].to_csv(tmp_path / "n.csv", index=False)
    grid = ("run", "-d", "digits", "-m", "ce", "--seeds", "1", "--epochs", "1", "--noise-file", "n.csv")
    assert "holds no labels of train" in here(*grid, code=2).stderr


def test_scikit_learns_digits_can_be_labelled_in_their_own_order(here, tmp_path):
    truth = load_digits().target
    labels = pd.DataFrame({"original": np.arange(len(truth)), "clean": truth, "noisy": (truth + 1) % 10})
    labels["noisy"] = labels["noisy"].where(labels["original"] % 3 == 0, truth)
    labels.to_csv(tmp_path / "own.csv", index=False)
    here("run", "-d", "digits", "-m", "ce", "--seeds", "1", "--epochs", "1", "--noise-file", "own.csv")
    (record,) = records(tmp_path / "results").values()
    assert (record["sizes"]["train"], record["sizes"]["val"]) == (1078, 360)
    assert 0.25 < record["noise"]["realized_rate"] < 0.42


def test_a_noise_file_counts_by_its_content(here, tmp_path):
    here("noise", "export", "-d", "digits", "-n", "pair:0.3", "--out", "one.csv")
    (tmp_path / "two.csv").write_bytes((tmp_path / "one.csv").read_bytes())
    grid = ("run", "-d", "digits", "-m", "ce", "--seeds", "1", "--epochs", "1", "--dry-run")
    ids = {here(*grid, "--noise-file", name).stdout.split()[0] for name in ("one.csv", "two.csv")}
    assert len(ids) == 1


def test_a_noise_file_of_another_data_set_is_a_clear_failure(here, tmp_path, cells):
    here("noise", "export", "-d", "digits", "-n", "pair:0.3", "--out", "n.csv")
    grid = ("run", "-m", "ce", "--seeds", "1", "--epochs", "1", "--noise-file", "n.csv")
    assert "was it made for another data set" in here(*grid, "-d", f"npz:{cells}", code=2).stderr
    lines = (tmp_path / "n.csv").read_text().splitlines()
    (tmp_path / "n.csv").write_text("\n".join([lines[0], "train,0,7,7", *lines[2:]]))
    assert "gives sample 0 of train the clean label 7" in here(*grid, "-d", "digits", code=2).stderr
    assert not list((tmp_path / "results").glob("failures/*")), "found before the first run"


def test_a_long_tail_is_exported_with_the_samples_that_are_left_out(here, tmp_path):
    told = here("noise", "export", "-d", "digits", "-n", "long_tail:10,noise=pair:0.2", "--out", "n.csv").stderr
    train = pd.read_csv(tmp_path / "n.csv").query("split == 'train'")
    assert len(train) == 1078
    assert f"train: the noise leaves {train['noisy'].isna().sum()} samples out" in told


BAD = {
    "two kinds at once": ("show", ("-n", "symmetric:0.2,0.4"), 2, "expected one"),
    "unknown truth": ("export", ("-n", "as_is", "--out", "x.csv"), 2, "unknown"),
    "not identifiable": (
        "show",
        ("-n", "symmetric:0.95"),
        1,
        "say --allow-unidentifiable (in a suite: allow_unidentifiable = true)",
    ),
    "no such labels": ("show", ("-n", "given:worse"), 1, "no labels named 'worse'"),
    "rate out of range": ("show", ("-n", "pair:1"), 2, "less than 1"),
}


@pytest.mark.parametrize(("command", "arguments", "code", "told"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_clear_sentence(here, command, arguments, code, told):
    assert told in here("noise", command, "-d", "digits", *arguments, code=code).stderr


def test_pairs_of_a_class_map_can_be_typed(here):
    shown = here("noise", "show", "-d", "digits", "-n", "asymmetric:0.5,map=[[0,1],[3,4]]", "--allow-unidentifiable")
    wrong = [line for line in shown.stdout.split("val:")[0].splitlines() if line.rstrip().endswith("#")]
    assert [int(line.split()[0]) for line in wrong] == [0, 3]
