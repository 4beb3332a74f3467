"""`predict` gives for images what the run's own predictions were, and says why where it gives nothing."""

from __future__ import annotations

import io
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from PIL import Image

from benchmark.datasets._sheets import read_texts
from benchmark.store import kept
from benchmark.store.store import Store
from tests.conftest import command_line

FAST = ("-n", "symmetric:0.4", "--seeds", "1", "--epochs", "3", "--no-table")


def saved(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image.squeeze()).save(content, "PNG")
    return content.getvalue()


def results_of(folder: Path) -> tuple[Store, str]:
    store = Store(folder / "results")
    (run_id,) = store.finished()
    return store, run_id


@pytest.fixture
def kept_run(cells, here, tmp_path):
    """Trains one run with a kept model, and writes the test images as files."""

    def train(*options: str) -> str:
        here("run", "-d", f"npz:{cells}", *FAST, "--keep", "model", *options)
        (tmp_path / "test").mkdir()
        with np.load(cells) as arrays:
            for number, image in enumerate(arrays["test_images"]):
                (tmp_path / "test" / f"{number:03d}.png").write_bytes(saved(image))
        return results_of(tmp_path)[1]

    return train


def table_of(path: Path) -> pd.DataFrame:
    return read_texts(path)[0]


def chances(table: pd.DataFrame) -> np.ndarray:
    return table[[name for name in table if name.startswith("p(")]].to_numpy(dtype=np.float64)


METHODS = {
    "plain": ("-m", "ce"),
    "two networks": ("-m", "coteaching"),
    "predicts with both": ("-m", "dividemix"),
    "averaged": ("-m", "elr_plus"),
    "frozen": ("-m", "ce", "-b", "cnn:frozen=true"),
    "neighbours": ("-m", "knn", "-b", "cnn:frozen=true"),
    "frozen with views": ("-m", "ce", "-b", "cnn:frozen=true,head=mlp,views=2"),
}


@pytest.mark.parametrize("options", METHODS.values(), ids=METHODS)
def test_the_test_images_of_a_run_get_the_predictions_that_it_kept(options, kept_run, here, tmp_path):
    run_id = kept_run(*options)
    told = here("predict", run_id[:6], "test", "--out", "classes.csv")
    table, arrays = table_of(tmp_path / "classes.csv"), kept.read_predictions(Store(tmp_path / "results"), run_id)
    assert chances(table) == pytest.approx(arrays["test/val_noisy"], abs=2e-6)
    assert table["class"].tolist() == [str(k) for k in arrays["test/val_noisy"].argmax(1)]
    assert "60 images classified" in told.stdout
    surest = arrays["val/val_noisy"].max(1)
    below = np.sort(surest)[6]  # a tenth of the 60 validation images
    expected = arrays["test/val_noisy"].max(1) < below
    near = abs(arrays["test/val_noisy"].max(1) - below) < 1e-5
    assert ((table["refer"] == "yes") == expected)[~near].all()


def test_the_epoch_of_the_model_is_the_one_that_val_noisy_chooses(kept_run, here, tmp_path):
    run_id = kept_run("-m", "ce", "--recipe", "lr=0.02")
    record = Store(tmp_path / "results").read(run_id)
    told = here("predict", run_id, "test", "--out", "classes.csv").stderr
    assert f"model of epoch {record['metrics']['val_noisy']['epoch']}," in told


def test_images_of_a_folder_are_read_as_in_training(image_folder, here, tmp_path):
    folder = f"folder:{image_folder}"
    here("run", "-d", folder, "-m", "ce", "-n", "none", *FAST[2:], "--skip-corrupt", "--keep", "model")
    store, run_id = results_of(tmp_path)
    arrays = kept.read_predictions(store, run_id)
    told = here("predict", run_id, image_folder, "--out", "classes.csv", code=1)
    assert "1 file(s): not a PNG" in told.stderr
    table = table_of(tmp_path / "classes.csv").set_index("file")
    own = table.loc[[f"{image_folder}/{name}" for name in arrays["test/files"]]]
    assert chances(own) == pytest.approx(arrays["test/val_noisy"], abs=2e-6)
    assert table.loc[f"{image_folder}/red/patient99_0.png", "class"] == ""
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", image_folder)
    here("predict", run_id, archive, image_folder / "red" / "patient10_0.png", "--out", "again.csv", code=1)
    again = table_of(tmp_path / "again.csv").set_index("file")
    assert len(again) == len(table) + 1
    name = "red/patient10_0.png"
    for one in (f"{archive}/{name}", f"{image_folder}/{name}"):
        assert again.loc[one, "p(red)"] == table.loc[f"{image_folder}/{name}", "p(red)"]


def test_deep_images_are_scaled_as_in_training(here, tmp_path):
    generator = np.random.default_rng(0)
    for k, name in enumerate(("dark", "light")):
        (tmp_path / "deep" / name).mkdir(parents=True)
        for number in range(20):
            gray = generator.integers(0, 1500, (12, 12), dtype=np.uint16) + np.uint16(2500 * k)
            Image.fromarray(gray).save(tmp_path / "deep" / name / f"{number}.png")
    here("run", "-d", "folder:deep", "-m", "ce", "-n", "none", *FAST[2:], "--keep", "model")
    store, run_id = results_of(tmp_path)
    arrays = kept.read_predictions(store, run_id)
    # One image alone: its own range is not that of the training images.
    for position, name in enumerate(arrays["test/files"][:3]):
        here("predict", run_id, f"deep/{name}", "--out", "one.csv")
        found = chances(table_of(tmp_path / "one.csv"))
        assert found[0] == pytest.approx(arrays["test/val_noisy"][position], abs=2e-6)
    Image.fromarray(np.full((12, 12), 60_000, dtype=np.uint16)).save(tmp_path / "other.png")
    Image.fromarray(np.full((12, 12), 200, dtype=np.uint8)).save(tmp_path / "shallow.png")
    told = here("predict", run_id, "other.png", "shallow.png", "--out", "one.csv", code=1).stderr
    assert "gray values 60000 to 60000, expected 0 to 4095" in told
    assert "8 bits per channel, expected more than 8" in told


def test_what_is_of_another_kind_is_refused_and_the_rest_goes_on(kept_run, here, tmp_path):
    run_id = kept_run("-m", "ce")
    others = tmp_path / "test"
    Image.new("RGB", (8, 8), (200, 0, 0)).save(others / "red.png")
    Image.new("L", (200, 200)).save(others / "large.png")
    Image.new("L", (8, 12)).save(others / "long.png")
    Image.fromarray(np.full((8, 8), 60_000, dtype=np.uint16)).save(others / "deep.png")
    (others / "empty.png").write_bytes(b"")
    (others / "notes.txt").write_text("no image")
    same = Image.open(others / "000.png").convert("RGB")
    same.save(others / "gray_in_colors.png")
    told = here("predict", run_id, "test", "--out", "classes.csv", code=1)
    assert "61 images classified" in told.stdout
    for reason in (
        "it has colors, expected gray (test/red.png)",
        "200x200 px, expected sides of 4 to 16 px (test/large.png)",
        "8x12 px, expected squares as in training (test/long.png)",
        "16 bits per channel, expected at most 8 as in training (test/deep.png)",
        "the file is empty (test/empty.png)",
        "left out: 1 file(s) that are no images (1 .txt)",
    ):
        assert reason in told.stderr
    table = table_of(tmp_path / "classes.csv").set_index("file")
    assert (chances(table.loc[["test/gray_in_colors.png"]]) == chances(table.loc[["test/000.png"]])).all()
    assert table.loc["test/red.png", "problem"].startswith("of another kind")


def test_dicom_files_are_read(here, tmp_path):
    dicom = pytest.importorskip("tests.datasets.test_dicom", reason="pydicom is not installed")
    generator = np.random.default_rng(0)
    for k, name in enumerate(("dark", "light")):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(0, 1500, (12, 12), dtype=np.uint16) + np.uint16(2500 * k)
            dicom.dicom(pixels).save_as(tmp_path / "scans" / name / f"1.2.{k}.{number}", enforce_file_format=True)
    here("run", "-d", "folder:scans", "-m", "ce", "-n", "none", *FAST[2:], "--keep", "model")
    store, run_id = results_of(tmp_path)
    here("predict", run_id, "scans", "--out", "classes.csv")
    arrays = kept.read_predictions(store, run_id)
    own = table_of(tmp_path / "classes.csv").set_index("file").loc[[f"scans/{name}" for name in arrays["test/files"]]]
    assert chances(own) == pytest.approx(arrays["test/val_noisy"], abs=2e-6)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    grid = ("-d", "digits", "-m", "ce", "-m", "gce", "--subset", "100", *FAST)
    command_line(folder, "run", *grid, "--keep", "model")
    Image.new("L", (8, 8)).save(folder / "one.png")
    return folder


def test_a_run_without_a_model_says_which_command_makes_it(two_runs, tmp_path):
    folder = shutil.copytree(two_runs, tmp_path / "copy")
    store = Store(folder / "results")
    run_id = min(store.finished())
    kept.path_of(store, run_id, kept.WEIGHTS).unlink()
    told = command_line(folder, "predict", run_id, "one.png", "--out", "o.csv", code=1).stderr
    (command,) = [part for part in told.split("`") if part.startswith("noisybench run")]
    command_line(folder, *shlex.split(command)[1:], "--no-table")
    command_line(folder, "predict", run_id, "one.png", "--out", "o.csv")


@pytest.mark.parametrize("damage", ["other run", "flipped bit", "cut", "earlier version"])
def test_a_model_that_is_not_that_of_the_run_is_refused(damage, two_runs, tmp_path):
    from safetensors.torch import load, save

    from benchmark.store.digests import SLOT, seal

    folder = shutil.copytree(two_runs, tmp_path / "copy")
    store = Store(folder / "results")
    first, second = sorted(store.finished())
    path = kept.path_of(store, first, kept.WEIGHTS)
    content = path.read_bytes()
    path.write_bytes(
        {
            "other run": kept.path_of(store, second, kept.WEIGHTS).read_bytes(),
            "flipped bit": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
            "cut": content[: len(content) // 2],
            "earlier version": seal(save(load(content), metadata={"digest": SLOT.decode()}), first),
        }[damage]
    )
    told = command_line(folder, "predict", first, "one.png", "--out", "o.csv", code=1).stderr
    assert "cannot be used" in told
    assert "noisybench run" in told
    assert not (folder / "o.csv").exists()


def test_a_kept_model_holds_no_code_and_goes_where_predictions_go(two_runs, tmp_path):
    folder = shutil.copytree(two_runs, tmp_path / "copy")
    ids = sorted(Store(folder / "results").finished())
    command_line(folder, "compact")
    command_line(folder, "merge", "results", "--results", "merged")
    merged = Store(folder / "merged")
    assert all(kept.path_of(merged, run_id, kept.WEIGHTS).is_file() for run_id in ids)
    command_line(folder, "predict", ids[0], "one.png", "--out", "o.csv", "--results", "merged")
    command_line(folder, "rm", ids[0], "--results", "merged", "--yes")
    assert not kept.path_of(merged, ids[0], kept.WEIGHTS).exists()
    assert kept.path_of(merged, ids[1], kept.WEIGHTS).is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "nowhere does not exist"),
        (("empty",), "no image in empty"),
        (("one.png", "--refer-below", ".5", "--refer-share", ".2"), "give one of them"),
        (("bad.zip",), "leads out of the archive"),
    ],
)
def test_bad_requests_are_a_sentence(arguments, told, two_runs, tmp_path):
    folder = shutil.copytree(two_runs, tmp_path / "copy")
    (folder / "empty").mkdir()
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        archive.writestr("../out.png", b"x")
    run_id = min(Store(folder / "results").finished())
    assert told in command_line(folder, "predict", run_id, *arguments, "--out", "o.csv", code=None).stderr


def test_a_run_that_failed_is_told_as_failed(two_runs, tmp_path):
    folder = shutil.copytree(two_runs, tmp_path / "copy")
    store = Store(folder / "results")
    ended = orjson.loads(next(iter(store.loose())).read_bytes())
    failed = {name: ended[name] for name in ("schema", "spec", "provenance")} | {"id": "f" * 16, "state": "failed"}
    store.write_failure(failed | {"error": {"class": "E", "message": "m", "traceback": "", "log": "l"}})
    told = command_line(folder, "predict", "fff", "one.png", "--out", "o.csv", code=2).stderr
    assert f"run {'f' * 16} failed; `noisybench logs fff` shows why" in told
