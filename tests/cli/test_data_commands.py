"""`noisybench data` and folders of images, from the disk to the record."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets.label_set import table_of
from benchmark.registry import DATASETS
from tests.cli.test_run import records

RUN = ("run", "-m", "ce", "-n", "symmetric:0.2", "--seeds", "1", "--epochs", "1")


def test_info_counts_classes_and_finds_what_occurs_twice(here, tmp_path, cells):
    with np.load(cells) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["test_images"][3] = arrays["train_images"][7]
    np.savez(cells, **arrays)
    told = here("data", "info", f"npz:{cells}").stdout
    assert "3 classes, 8x8 px, 1 channel(s)" in told
    assert [line.split() for line in told.splitlines()].count(["0", "80", "20", "20", "120"]) == 1
    assert "1 image(s) of train occur in test too" in told
    assert "occur in test" in here("data", "verify", f"npz:{cells}", code=1).stdout


def test_verify_accepts_sound_data_and_names_damage(here, cells):
    assert "train 240, val 60, test 60" in here("data", "verify", f"npz:{cells}").stdout
    cells.write_bytes(cells.read_bytes()[:3000])
    assert "copy" in here("data", "verify", f"npz:{cells}", code=1).stderr


def test_fetch_takes_names_as_messages_tell_it_and_says_how_to_do_without_network(here, tmp_path):
    assert "digits: here already" in here("data", "fetch", "digits").stdout
    missing = here("data", "info", "bloodmnist", code=1, https_proxy="http://127.0.0.1:9").stderr
    assert "put it at" in missing
    done = here("data", "fetch", "bloodmnist:size=64", code=1, https_proxy="http://127.0.0.1:9")
    assert "download" in done.stderr
    assert not list((tmp_path / ".medmnist").glob("*")), "a broken download leaves nothing that counts"


def test_preview_draws_a_row_per_class(here, tmp_path):
    here("data", "preview", "digits", "--out", "sheet.png", "--per-class", "5")
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.height > picture.width
    assert (
        "expected one of train, val, test"
        in here("data", "preview", "digits", "--out", "x.png", "--split", "tset", code=2).stderr
    )


def test_a_folder_trains_with_its_patients_kept_together_and_its_damage_counted(here, tmp_path, image_folder):
    folder = ("-d", f"folder:{image_folder},size=8", "--group-by", r"^(patient\d+)_")
    assert "1 of 81 files" in here(*RUN, *folder, code=2).stderr, "damaged files are refused by default"
    here(*RUN, *folder, "--skip-corrupt")
    (record,) = records(tmp_path / "results").values()
    assert record["sizes"]["skipped_files"] == 1
    assert record["sizes"]["train"] + record["sizes"]["val"] + record["tests"]["test"]["size"] == 80
    assert record["spec"]["dataset"]["config"]["group_by"] == r"^(patient\d+)_"
    (meta,) = (tmp_path / "results" / "work" / "data").glob("*/meta.json")
    splits = json.loads(meta.read_text())["splits"]
    patients = [{name.split("/")[1].split("_")[0] for name in split["files"]} for split in splits.values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 20, "no patient is in two splits"


def test_a_regex_that_matches_nothing_is_refused(here, image_folder):
    told = here("data", "verify", f"folder:{image_folder}", "--skip-corrupt", "--group-by", "^(slide)", code=1)
    assert "matches 0 of 80 files" in told.stderr


def test_dot_files_change_neither_the_data_nor_its_digest(here, image_folder):
    command = ("data", "verify", f"folder:{image_folder}", "--skip-corrupt")
    before = here(*command, code=None).stdout
    (image_folder / ".DS_Store").write_bytes(b"finder")
    (image_folder / "red" / "._patient10_0.png").write_bytes(b"finder")
    assert here(*command, code=None).stdout == before


@pytest.mark.parametrize(("rho", "metric"), [(2, "accuracy"), (10, "balanced_accuracy")])
def test_the_main_metric_follows_the_classes_that_are_left(here, tmp_path, rho, metric):
    here("run", "-d", "digits", "-m", "ce", "-n", f"long_tail:{rho}", "--seeds", "1", "--epochs", "1")
    (record,) = records(tmp_path / "results").values()
    assert record["main_metric"] == metric


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.linspace(0, value, 400).reshape(20, 20).astype(np.uint16)).save(path)


@pytest.fixture
def radiographs(tmp_path):
    """radiographs/{Training,Testing}/{ill,well}: 12-bit values in 16-bit files of 20x20 px, and what systems leave."""
    root = tmp_path / "radiographs"
    for split, n in (("Training", 8), ("Testing", 3)):
        for k, name in enumerate(("ill", "well")):
            for i in range(n):
                picture(root / split / name / f"{i}.png", 4095 - 300 * k - 7 * i - n)
    (root / "Training" / "ill" / "Thumbs.db").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    return root


def test_info_says_in_one_line_what_was_done_to_image_files(here, radiographs):
    told = here("data", "info", f"folder:{radiographs}").stdout
    assert "images: 20x20 px, 16 bit(s) per channel; square already; gray values 0 to 4095 became 0 to 255" in told
    assert "'Training/ill/Thumbs.db'" in told
    assert "'__MACOSX'" in told
    assert "Training as train, Testing as test" in told


def test_a_run_tells_and_records_what_was_done_to_image_files(here, tmp_path, radiographs):
    done = here(*RUN, "-d", f"folder:{radiographs}", "--recipe", "batch_size=4")
    assert "data set radiographs: 20x20 px, 16 bit(s) per channel" in done.stderr
    (record,) = records(tmp_path / "results").values()
    assert record["images"] == {
        "pixels": "auto",
        "values": [0, 4095],
        "fit": "crop",
        "bit_depths": [16],
        "smallest": [20, 20],
        "largest": [20, 20],
        "share_cropped": 0,
    }


def test_another_way_of_reading_is_another_run(here, tmp_path, radiographs):
    for options in ("", ",pixels=full", ",pixels=[0,2047]", ",fit=pad"):
        here(*RUN, "-d", f"folder:{radiographs}{options}", "--recipe", "batch_size=4")
    assert len(records(tmp_path / "results")) == 4


def test_linked_folders_are_runs_of_their_own(here, tmp_path, image_folder):
    (image_folder / "red" / "patient99_0.png").unlink()
    other = tmp_path / "other"
    for name, source in (("red", "red"), ("blue", "blue")):
        (tmp_path / "linked" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "linked" / name).symlink_to(image_folder / source)
    other.mkdir()
    for name, source in (("red", "blue"), ("blue", "red")):
        (other / name).symlink_to(image_folder / source)
    for folder, ran in ((image_folder, 1), ("linked", 1), ("other", 2)):
        here(*RUN, "-d", f"folder:{folder},size=8")
        assert len(records(tmp_path / "results")) == ran


def test_verify_finds_near_duplicates_and_compares_with_an_extra_test_set(here, tmp_path, image_folder):
    (image_folder / "red" / "patient99_0.png").unlink()
    theirs = tmp_path / "theirs"
    (theirs / "Red").mkdir(parents=True)
    for source in (image_folder / "red").iterdir():
        with Image.open(source) as image:
            image.point(lambda value: value + 2).save(theirs / "Red" / source.name)
    told = here("data", "verify", f"folder:{image_folder}", "--extra-test", f"other=folder:{theirs}").stdout
    assert "'Red' as 'red' (other case or white space)" in told
    assert "other 40;" in told
    (looks_alike,) = re.findall(r"(\d+) image\(s\) of other look like images of train", told)
    assert int(looks_alike) == 28, "all red images of the training split"


READERS = {
    "fetch": ("data", "fetch", "{}"),
    "verify": ("data", "verify", "{}"),
    "info": ("data", "info", "{}"),
    "preview": ("data", "preview", "{}", "--out", "sheet.png"),
    "noise": ("noise", "show", "-d", "{}", "-n", "symmetric:0.2"),
    "labels": ("labels", "-d", "{}"),
    "suspects": ("suspects", "-d", "{}", "--out", "suspects.csv"),
    "extra test": ("run", "-d", "digits", "-m", "ce", "-n", "none", "--extra-test", "other={}"),
}


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("choice", ["subset=50", "epochs=3"])
def test_what_a_grid_may_say_of_its_data_is_refused_where_it_would_change_nothing(here, command, choice):
    arguments = [word.format(f"digits:{choice}") for word in READERS[command]]
    name = choice.partition("=")[0]
    assert f"data set 'digits': {name} would have no effect here; leave it out" in here(*arguments, code=None).stderr


def test_info_verify_and_preview_show_the_labels_that_replace_those_of_the_data(here, tmp_path):
    plugin = DATASETS.load("digits")
    table = table_of(plugin("digits", plugin.Config(), tmp_path).load())
    zeros = (table["split"] == "train") & (table["label"] == "0")
    table.loc[zeros.idxmax(), "label"] = "1"
    table.to_csv(tmp_path / "labels.csv", index=False)
    before = here("data", "info", "digits").stdout
    after = here("data", "info", "digits:labels=labels.csv").stdout
    assert int(re.findall(r"^0 +(\d+)", before, re.M)[0]) == int(re.findall(r"^0 +(\d+)", after, re.M)[0]) + 1
    assert "labels of labels.csv, sha256:" in after.replace(f"{tmp_path}/", "")
    here("data", "verify", "digits:labels=labels.csv")
    here("data", "preview", "digits:labels=labels.csv", "--out", "sheet.png")
    table["label"] = "eleven"
    table.to_csv(tmp_path / "labels.csv", index=False)
    for command in ("info", "verify"):
        assert "there is no class 'eleven'" in here("data", command, "digits:labels=labels.csv", code=None).stderr
