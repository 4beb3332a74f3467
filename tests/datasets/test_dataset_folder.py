"""Folders of images: layouts, decoding, grouping, and files that cannot be used."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from benchmark.datasets.base import DataError, DataWarning
from benchmark.datasets.folder import Folder
from benchmark.datasets.splitting import SHARES, grouped_split

COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def save(path: Path, pixels, size=(12, 12), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if isinstance(pixels, tuple) else "L", size, pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """20 images in each of three class folders, two per patient, in three formats."""
    root = tmp_path / "cells"
    for name, color in COLORS.items():
        for i in range(20):
            save(root / name / f"p{i // 2:02d}_{i}{('.png', '.jpg', '.TIFF')[i % 3]}", color)
    return root


def load(root, **options):
    return Folder("folder", Folder.Config(path=root, **{"size": 8, **options})).load()


def parts(data):
    return {"train": data.train, "val": data.val, "test": data.test}


def test_png_jpeg_and_tiff_decode_to_their_class(folder):
    data = load(folder)
    assert (data.name, data.classes) == ("cells", ("blue", "green", "red"))
    assert data.train.images.shape == (42, 8, 8, 3)
    for part in parts(data).values():
        expected = np.array(list(COLORS.values()))[part.labels]
        assert np.abs(part.images.mean((1, 2)) - expected).max() < 3
        assert all(file.split("/")[0] == data.classes[k] for file, k in zip(part.files, part.labels, strict=True))


def test_unsplit_folder_is_split_by_seed_with_every_file_once(folder):
    first, again, other = load(folder), load(folder), load(folder, split_seed=1)
    assert first.train.files == again.train.files != other.train.files
    files = [name for part in parts(first).values() for name in part.files]
    assert len(files) == len(set(files)) == 60
    assert [len(part) for part in parts(first).values()] == [42, 6, 12]


def test_given_splits_are_kept(tmp_path):
    for split, n in (("train", 4), ("val", 2), ("test", 3)):
        for name, color in COLORS.items():
            for i in range(n):
                save(tmp_path / split / name / f"{i}.png", color)
    data = load(tmp_path)
    assert [len(part) for part in parts(data).values()] == [12, 6, 9]
    assert all(name.startswith("test/") for name in data.test.files)


def test_train_folder_without_test_folder_is_refused(tmp_path):
    for name, color in COLORS.items():
        save(tmp_path / "train" / name / "0.png", color)
    with pytest.raises(DataError, match="no folder test"):
        load(tmp_path)


def test_unknown_class_in_test_is_refused_for_want_of_training_images(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "train" / name / "0.png", 9)
    for name in ("a", "b", "c"):
        save(tmp_path / "test" / name / "0.png", 9)
    with pytest.raises(DataError, match="no training image of class c"):
        load(tmp_path)


def test_center_square_is_taken_before_resizing(tmp_path):
    image = np.zeros((10, 30), np.uint8)
    image[:, 10:20] = 200
    for name in ("a", "b"):
        for i in range(10):
            path = tmp_path / name / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(image).save(path)
    data = load(tmp_path, fit="crop")
    assert data.train.images.shape[1:] == (8, 8, 1)
    assert (data.train.images == 200).all()


def test_one_color_image_makes_all_rgb(tmp_path):
    for i in range(10):
        save(tmp_path / "a" / f"{i}.png", 90)
        save(tmp_path / "b" / f"{i}.png", (90, 90, 90) if i else (1, 2, 3))
    assert load(tmp_path).train.images.shape[3] == 3


def spoil(folder: Path) -> dict[str, str]:
    """Adds one file of each kind that cannot be used: name -> word of its reason."""
    good = (folder / "red" / "p00_0.png").read_bytes()
    frames = [Image.new("L", (9, 9), v) for v in (1, 2)]
    frames[0].save(folder / "blue" / "stack.tif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(folder / "blue" / "float.tif")
    (folder / "red" / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "red" / "empty.jpg").touch()
    (folder / "green" / "text.png").write_text("not an image")
    (folder / "green" / "notes.txt").write_text("a note")
    save(folder / "stray.png", 3)
    return {
        "blue/stack.tif": "2 images",
        "blue/float.tif": "NaN",
        "red/cut.png": "",
        "red/empty.jpg": "empty",
        "green/text.png": "not a PNG",
        "green/notes.txt": "not a PNG",
        "stray.png": "class folder",
    }


def test_all_unusable_files_are_named_by_kind_with_their_reason(folder):
    bad = spoil(folder)
    with pytest.raises(DataError, match="7 of 67 files") as caught:
        load(folder)
    kinds = str(caught.value).splitlines()[1:]
    for name, word in bad.items():
        (line,) = [kind for kind in kinds if name in kind]
        assert word in line
    assert len(kinds) < len(bad), "two files have the same fault"


def test_skip_corrupt_leaves_out_and_counts_them(folder):
    clean = load(folder)
    bad = spoil(folder)
    data = load(folder, skip_corrupt=True)
    assert {name: word in data.skipped[name] for name, word in bad.items()} == dict.fromkeys(data.skipped, True)
    assert clean.skipped == {}
    assert data.train.files == clean.train.files
    assert np.array_equal(data.test.images, clean.test.images)


def test_class_without_usable_image_is_refused_even_when_skipping(folder):
    (folder / "violet").mkdir()
    (folder / "violet" / "0.png").touch()
    with pytest.raises(DataError, match="no usable image of class violet"):
        load(folder, skip_corrupt=True)


def test_hidden_files_and_folders_do_not_count(folder):
    (folder / ".thumbs").mkdir()
    (folder / ".thumbs" / "0.png").touch()
    (folder / "red" / ".DS_Store").write_text("x")
    assert len(load(folder).classes) == 3


@pytest.mark.parametrize("pattern", [r"^(p\d+)_", r"(\d+)_"])
def test_group_by_keeps_a_group_in_one_split(folder, pattern):
    for seed in range(5):
        data = load(folder, group_by=pattern, split_seed=seed)
        patients = [{Path(name).name.split("_")[0] for name in part.files} for part in parts(data).values()]
        assert not patients[0] & patients[1]
        assert not patients[0] & patients[2]
        assert not patients[1] & patients[2]
        assert sum(len(part) for part in parts(data).values()) == 60


def test_grouped_split_comes_near_to_the_shares_in_every_class():
    rng = np.random.default_rng(0)
    groups = [f"g{i}" for i in rng.integers(0, 200, 3000)]
    labels = rng.integers(0, 4, 3000)
    index = grouped_split(labels, groups, SHARES, seed=0)
    assert np.array_equal(np.sort(np.concatenate(list(index.values()))), np.arange(3000))
    for split, share in SHARES.items():
        counts = np.bincount(labels[index[split]]) / np.bincount(labels)
        assert np.abs(counts - share).max() < 0.05


@pytest.mark.parametrize(("pattern", "matched"), [("^(patient)", "0 of 60"), (r"_(1)\.", "of 60")])
def test_group_regex_that_does_not_match_every_file_is_refused(folder, pattern, matched):
    with pytest.raises(DataError, match=matched):
        load(folder, group_by=pattern)


@pytest.mark.parametrize(("pattern", "word"), [("p\\d+", "parentheses"), ("(p", "not a regular expression")])
def test_group_regex_that_cannot_group_is_refused_by_the_configuration(folder, pattern, word):
    with pytest.raises(ValidationError, match=word):
        Folder.Config(path=folder, group_by=pattern)


def test_given_splits_that_share_a_group_are_refused(tmp_path):
    for split in ("train", "test"):
        for name, color in COLORS.items():
            save(tmp_path / split / name / "p1_0.png", color)
    with pytest.raises(DataError, match="group 'p1' has images in train and test"):
        load(tmp_path, group_by=r"^(p\d+)_")


@pytest.mark.parametrize("classes", [(), ("only",)])
def test_fewer_than_two_class_folders_are_refused(tmp_path, classes):
    for name in classes:
        save(tmp_path / name / "0.png", 1)
    with pytest.raises(DataError, match="expected one per class"):
        load(tmp_path)


def test_too_few_images_to_split_are_refused(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / name / "0.png", 1)
    with pytest.raises(DataError, match="too few"):
        load(tmp_path)


def test_small_test_split_without_a_class_is_told(tmp_path):
    for i in range(20):
        save(tmp_path / "common" / f"{i}.png", 1)
    save(tmp_path / "rare" / "0.png", 2)
    with pytest.warns(DataWarning, match="no image of class rare"):
        load(tmp_path)


def test_progress_counts_every_file(folder):
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Folder("folder", Folder.Config(path=folder, size=8)).load(lambda *event: seen.append(event))
    assert seen == [(what, i + 1, 60) for what in ("look at images", "decode images") for i in range(60)]


def test_digest_covers_names_and_contents(folder):
    def digest():
        return Folder("folder", Folder.Config(path=folder)).digest()

    first = digest()
    assert first == digest()
    (folder / "red" / "p00_0.png").rename(folder / "red" / "p77_0.png")
    renamed = digest()
    save(folder / "red" / "p77_0.png", (250, 0, 0))
    assert len({first, renamed, digest()}) == 3


def test_many_files_with_one_fault_are_one_line_with_the_names_of_some(folder):
    for i in range(70):
        (folder / "red" / f"{i:02d}.gif").touch()
    with pytest.raises(DataError, match="70 of 130 files") as caught:
        load(folder)
    (line,) = str(caught.value).splitlines()[1:]
    assert line.startswith("  70 file(s): not a PNG, JPEG, TIFF, BMP, WebP or DICOM file (red/00.gif, red/01.gif, ")
